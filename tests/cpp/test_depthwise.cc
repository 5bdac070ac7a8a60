// Integer depthwise micro-kernels of every backend against plain sums: channel tails,
// kernel sizes, strides and dilations, borders, extreme weights and activations, sums that wrap,
// guard pages behind every input row, the row list, the weights and the output.
#include "kernel_test.h"
#include "pack/layout.h"

namespace octavo::testing {
namespace {

class Depthwise : public KernelTest {};
OCTAVO_INSTANTIATE_FOR_BACKENDS(Depthwise);

struct Kernel2d {
  size_t h, w;
  size_t taps() const { return h * w; }
};

// 3x3 and 5x5 have loops of their own; 6x3 is 3x3 with weights in two parts; the last two exceed
// what kernels keep on the stack.
constexpr Kernel2d kKernels[] = {{1, 1}, {1, 4}, {2, 3}, {3, 3}, {4, 3},   {3, 5},
                                 {5, 5}, {6, 3}, {7, 7}, {5, 1}, {12, 11}, {23, 12}};

struct Geometry {
  Kernel2d kernel;
  size_t channels;
  size_t out_rows;
  size_t pixels;
  size_t stride = 1;
  size_t dilation = 1;

  size_t columns() const { return (pixels - 1) * stride + (kernel.w - 1) * dilation + 1; }
};

std::ostream& operator<<(std::ostream& out, const Geometry& g) {
  return out << "kernel " << g.kernel.h << "x" << g.kernel.w << ", channels " << g.channels
             << ", output " << g.out_rows << "x" << g.pixels << ", stride " << g.stride
             << ", dilation " << g.dilation;
}

// Input rows of exactly width * channels elements, or one padding pixel, each against its guard
// page, and a guarded list of them: a kernel that reads past a row or past the list faults.
struct Input {
  static constexpr size_t kDistinctRows = 4;

  Geometry geometry;
  size_t width;
  ptrdiff_t first;
  uint8_t padding;
  std::vector<GuardedBuffer<uint8_t>> memory;
  GuardedBuffer<DepthwiseRow> rows;

  template <class Make>
  Input(const Geometry& g, Guard guard, Random& random, Make make)
      : geometry(g), padding(random.byte()), rows(g.out_rows * g.kernel.h, guard) {
    // Anything from no border at all to a window that lies in the padding altogether.
    const size_t before = random.bits() % (g.columns() + 2);
    first = random.bits() % 3 == 0 ? static_cast<ptrdiff_t>(random.bits() % 3)
                                   : -static_cast<ptrdiff_t>(before);
    width = 1 + random.bits() % (g.columns() + 3);
    for (size_t i = 0; i < kDistinctRows; ++i) {
      memory.push_back(guarded<uint8_t>((i == 0 ? 1 : width) * g.channels, guard, make));
    }
    for (DepthwiseRow& row : rows) {
      const size_t i = random.bits() % kDistinctRows;
      row = {memory[i].data(), i == 0 ? 0 : g.channels};
    }
  }

  int64_t at(size_t out_row, size_t y, size_t pixel, size_t x, size_t ch) const {
    const ptrdiff_t column =
        first + static_cast<ptrdiff_t>(pixel * geometry.stride + x * geometry.dilation);
    if (column < 0 || column >= static_cast<ptrdiff_t>(width)) return padding;
    const DepthwiseRow& row = rows.data()[out_row * geometry.kernel.h + y];
    return row.x[static_cast<size_t>(column) * row.step + ch];
  }
};

struct Weights {
  Kernel2d kernel;
  std::vector<int32_t> bias;
  std::vector<int8_t> w;  // [channels][kernel.w][kernel.h]
  std::vector<float> multiplier;

  template <class MakeWeight>
  Weights(size_t channels, Kernel2d kernel_, Random& random, MakeWeight make_weight)
      : kernel(kernel_) {
    // Kernels may clamp later where no product with a sum leaves int32.
    const float limit = random.bits() % 2 == 0 ? 0.4999f : kInf;
    for (size_t ch = 0; ch < channels; ++ch) {
      // Biases near the int32 limits make the sums wrap; small ones make ordinary outputs.
      const int32_t extreme = random.bits() % 2 == 0 ? kMinS32 : kMaxS32;
      bias.push_back(random.bits() % 4 == 0 ? extreme : random.accumulator());
      multiplier.push_back(std::min(random.multiplier(), limit));
      for (size_t t = 0; t < kernel.taps(); ++t) w.push_back(make_weight());
    }
  }

  // The panels of pack/layout.h, element by element from its formula.
  GuardedBuffer<uint8_t> panels(size_t nr, Guard guard) const {
    const size_t channels = bias.size();
    const size_t stride = panel_stride_bytes(nr, kernel.w, kernel.h);
    const size_t segment = (kernel.h + 3) / 4 * 4 * nr;
    GuardedBuffer<uint8_t> packed((channels + nr - 1) / nr * stride, guard);
    for (size_t ch = 0; ch < channels; ++ch) {
      uint8_t* panel = packed.data() + ch / nr * stride;
      const size_t j = ch % nr;
      std::memcpy(panel + 4 * j, &bias[ch], 4);
      for (size_t x = 0; x < kernel.w; ++x) {
        for (size_t y = 0; y < kernel.h; ++y) {
          panel[4 * nr + x * segment + y / 4 * 4 * nr + 4 * j + y % 4] =
              static_cast<uint8_t>(w[ch * kernel.taps() + x * kernel.h + y]);
        }
      }
      std::memcpy(panel + 4 * nr + kernel.w * segment + 4 * j, &multiplier[ch], 4);
    }
    return packed;
  }

  int32_t sum(const Input& input, size_t out_row, size_t pixel, size_t ch) const {
    int64_t sum = bias[ch];
    for (size_t x = 0; x < kernel.w; ++x) {
      for (size_t y = 0; y < kernel.h; ++y) {
        sum += input.at(out_row, y, pixel, x, ch) * w[ch * kernel.taps() + x * kernel.h + y];
      }
    }
    return static_cast<int32_t>(static_cast<uint32_t>(sum));
  }
};

template <class MakeActivation, class MakeWeight>
void check(const KernelTable& table, const Geometry& g, Guard guard, Random& random,
           MakeActivation make_activation, MakeWeight make_weight) {
  SCOPED_TRACE(::testing::Message() << g);
  const Input input(g, guard, random, make_activation);
  const Weights weights(g.channels, g.kernel, random, make_weight);
  const auto panels = weights.panels(table.depthwise_geometry.nr, guard);
  const size_t row_pixels = g.pixels + random.bits() % 3;
  const DepthwiseTile tile = {.rows = input.rows.data(),
                              .out_rows = g.out_rows,
                              .pixels = g.pixels,
                              .row_pixels = row_pixels,
                              .width = input.width,
                              .first = input.first,
                              .stride = g.stride,
                              .dilation = g.dilation,
                              .kernel_h = g.kernel.h,
                              .kernel_w = g.kernel.w,
                              .channels = g.channels,
                              .padding = input.padding,
                              .panels = panels.data()};
  const size_t ldc = g.channels + random.bits() % 9;
  // The grid's rows are the output's pixels; those between its rows must survive.
  const size_t grid_rows = (g.out_rows - 1) * row_pixels + g.pixels;
  const auto written = [&](size_t i) { return i % row_pixels < g.pixels; };

  OutputGrid<int32_t> sums(grid_rows, g.channels, ldc, guard);
  table.depthwise_s32.run(tile, sums.data(), ldc);
  sums.expect([&](size_t i, size_t ch) {
    return written(i) ? weights.sum(input, i / row_pixels, i % row_pixels, ch) : 0x5E5E5E5E;
  });

  const Range range = random.pick<Range>(kRanges);
  OutputGrid<uint8_t> bytes(grid_rows, g.channels, ldc, guard);
  table.depthwise_u8.run(tile, range.requant(), bytes.data(), ldc);
  bytes.expect([&](size_t i, size_t ch) {
    if (!written(i)) return uint8_t{0x5E};
    const int32_t sum = weights.sum(input, i / row_pixels, i % row_pixels, ch);
    return reference_quantize(static_cast<float>(sum) * weights.multiplier[ch], range);
  });
}

// Kernels without dot products add two taps in 16 bits: extremes with -128 and without.
void check_random(const KernelTable& table, const Geometry& g, Guard guard, Random& random) {
  const int8_t least = random.bits() % 2 == 0 ? -127 : -128;
  check(
      table, g, guard, random, [&] { return random.activation(); },
      [&] { return std::max(random.weight(), least); });
}

TEST_P(Depthwise, EveryPanelHasFullWidth) {
  const PanelGeometry geometry = table().depthwise_geometry;
  EXPECT_EQ(geometry.nr, geometry.granule);
}

TEST_P(Depthwise, ChannelTails) {
  Random random(1);
  for (size_t channels = 1; channels <= 70; ++channels) {
    for (const Kernel2d& kernel : kKernels) {
      if (kernel.taps() > 30 && channels % 3 != 0) continue;
      for (const Guard guard : kGuards) {
        const size_t pixels = 1 + random.bits() % 5;
        const size_t stride = 1 + random.bits() % 3;
        check_random(table(), {kernel, channels, 2, pixels, stride}, guard, random);
        if (HasFailure()) return;
      }
    }
  }
}

TEST_P(Depthwise, PixelCountsStridesAndDilations) {
  Random random(2);
  for (size_t pixels = 1; pixels <= 12; ++pixels) {
    for (const Kernel2d& kernel : kKernels) {
      if (kernel.taps() > 30 && pixels % 4 != 0) continue;
      for (const size_t channels : {8, 16, 19, 32, 80}) {
        for (const size_t stride : {1, 2, 3}) {
          const size_t dilation = random.bits() % 3 == 0 ? 2 : 1;
          const size_t out_rows = 1 + random.bits() % 2;
          check_random(table(), {kernel, channels, out_rows, pixels, stride, dilation},
                       Guard::after, random);
          if (HasFailure()) return;
        }
      }
    }
  }
}

// 255 x 127 x 2 overflows the 16-bit sums of a careless AVX2 kernel, 255 x -128 x 2 as well.
TEST_P(Depthwise, ExtremeProductsAreExact) {
  Random random(3);
  for (const int activation : {0, 127, 128, 255}) {
    for (const int weight : {-128, -127, 127}) {
      for (const Kernel2d& kernel : kKernels) {
        check(
            table(), {kernel, 21, 1, 3}, Guard::after, random,
            [&] { return static_cast<uint8_t>(activation); },
            [&] { return static_cast<int8_t>(weight); });
        if (HasFailure()) return;
      }
    }
  }
}

// One or two weights of -128 in one channel of 37, each pair of taps in turn.
TEST_P(Depthwise, LeastWeightsInPairs) {
  Random random(5);
  constexpr size_t kChannels = 37;
  for (const Kernel2d kernel : {Kernel2d{3, 3}, {5, 5}, {2, 3}, {4, 3}}) {
    const size_t taps = kernel.taps();
    for (size_t first = 0; first < taps; ++first) {
      for (size_t second = first; second < taps; ++second) {
        const size_t channel = random.bits() % kChannels;
        const int8_t others = random.bits() % 2 == 0 ? -127 : 127;
        size_t at = 0;
        check(
            table(), {kernel, kChannels, 1, 3}, Guard::after, random,
            [&] { return static_cast<uint8_t>(random.bits() % 2 == 0 ? 0 : 255); },
            [&] {
              const size_t ch = at / taps, tap = at % taps;
              ++at;
              return ch == channel && (tap == first || tap == second) ? int8_t{-128} : others;
            });
        if (HasFailure()) return;
      }
    }
  }
}

}  // namespace
}  // namespace octavo::testing
