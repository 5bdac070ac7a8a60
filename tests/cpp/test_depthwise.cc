// Depthwise micro-kernels of every backend, integer and float, against plain sums: channel and tap
// tails, extreme weights and activations, sums that wrap, guard pages behind every tap's row, the
// pointer list, the weights and the output.
#include "kernel_test.h"
#include "pack/layout.h"

namespace octavo::testing {
namespace {

class Depthwise : public KernelTest {};
OCTAVO_INSTANTIATE_FOR_BACKENDS(Depthwise);

constexpr size_t kTapCounts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 18, 25, 49, 128, 131};
constexpr size_t kDistinctRows = 5;

// Rows of exactly `channels` elements, each against its guard page, and a guarded list of pointers
// to them: a kernel that reads past a row or past the list faults.
template <class T>
struct Taps {
  std::vector<GuardedBuffer<T>> rows;
  GuardedBuffer<const T*> pointers;

  template <class Make>
  Taps(size_t pixels, size_t taps, size_t channels, Guard guard, Random& random, Make make)
      : pointers(pixels * taps, guard) {
    for (size_t r = 0; r < kDistinctRows; ++r) rows.push_back(guarded<T>(channels, guard, make));
    for (const T*& pointer : pointers) pointer = rows[random.bits() % kDistinctRows].data();
  }
};

struct Weights {
  size_t taps;
  std::vector<int32_t> bias;
  std::vector<int8_t> w;  // [channels][taps]
  std::vector<float> multiplier;

  template <class MakeWeight>
  Weights(size_t channels, size_t taps_, Random& random, MakeWeight make_weight) : taps(taps_) {
    for (size_t ch = 0; ch < channels; ++ch) {
      // Biases near the int32 limits make the sums wrap; small ones make ordinary outputs.
      const int32_t extreme = random.bits() % 2 == 0 ? kMinS32 : kMaxS32;
      bias.push_back(random.bits() % 4 == 0 ? extreme : random.accumulator());
      multiplier.push_back(random.multiplier());
      for (size_t t = 0; t < taps; ++t) w.push_back(make_weight());
    }
  }

  // The panels of pack/layout.h, element by element from its formula.
  GuardedBuffer<uint8_t> panels(size_t nr, Guard guard) const {
    const size_t channels = bias.size();
    const size_t stride = panel_stride_bytes(nr, 1, taps);
    GuardedBuffer<uint8_t> packed((channels + nr - 1) / nr * stride, guard);
    for (size_t ch = 0; ch < channels; ++ch) {
      uint8_t* panel = packed.data() + ch / nr * stride;
      const size_t j = ch % nr;
      std::memcpy(panel + 4 * j, &bias[ch], 4);
      for (size_t t = 0; t < taps; ++t) {
        panel[4 * nr + t / 4 * 4 * nr + 4 * j + t % 4] = static_cast<uint8_t>(w[ch * taps + t]);
      }
      std::memcpy(panel + 4 * nr + (taps + 3) / 4 * 4 * nr + 4 * j, &multiplier[ch], 4);
    }
    return packed;
  }

  int32_t sum(const uint8_t* const* a, size_t ch) const {
    int64_t sum = bias[ch];
    for (size_t t = 0; t < taps; ++t) sum += int64_t{a[t][ch]} * w[ch * taps + t];
    return static_cast<int32_t>(static_cast<uint32_t>(sum));
  }
};

template <class MakeActivation, class MakeWeight>
void check(const KernelTable& table, size_t channels, size_t taps, size_t pixels, Guard guard,
           Random& random, MakeActivation make_activation, MakeWeight make_weight) {
  SCOPED_TRACE(::testing::Message()
               << "channels " << channels << ", taps " << taps << ", pixels " << pixels);
  const Taps<uint8_t> a(pixels, taps, channels, guard, random, make_activation);
  const Weights weights(channels, taps, random, make_weight);
  const auto panels = weights.panels(table.depthwise_geometry.nr, guard);
  const DepthwiseTile tile = {a.pointers.data(), pixels, taps, channels, panels.data()};
  const size_t ldc = channels + random.bits() % 9;

  OutputGrid<int32_t> sums(pixels, channels, ldc, guard);
  table.depthwise_s32.run(tile, sums.data(), ldc);
  sums.expect([&](size_t p, size_t ch) { return weights.sum(&a.pointers[p * taps], ch); });

  const Range range = random.pick<Range>(kRanges);
  OutputGrid<uint8_t> bytes(pixels, channels, ldc, guard);
  table.depthwise_u8.run(tile, range.requant(), bytes.data(), ldc);
  bytes.expect([&](size_t p, size_t ch) {
    const int32_t sum = weights.sum(&a.pointers[p * taps], ch);
    return reference_quantize(static_cast<float>(sum) * weights.multiplier[ch], range);
  });
}

TEST_P(Depthwise, EveryPanelHasFullWidth) {
  const PanelGeometry geometry = table().depthwise_geometry;
  EXPECT_EQ(geometry.nr, geometry.granule);
}

TEST_P(Depthwise, ChannelAndTapTails) {
  Random random(1);
  for (size_t channels = 1; channels <= 70; ++channels) {
    for (const size_t taps : kTapCounts) {
      for (const Guard guard : kGuards) {
        const size_t pixels = 1 + random.bits() % 9;
        check(
            table(), channels, taps, pixels, guard, random, [&] { return random.activation(); },
            [&] { return random.weight(); });
        if (HasFailure()) return;
      }
    }
  }
}

TEST_P(Depthwise, PixelCounts) {
  Random random(2);
  for (size_t pixels = 1; pixels <= 9; ++pixels) {
    for (const size_t taps : kTapCounts) {
      for (const size_t channels : {8, 16, 19, 32, 144}) {
        check(
            table(), channels, taps, pixels, Guard::after, random,
            [&] { return random.activation(); }, [&] { return random.weight(); });
        if (HasFailure()) return;
      }
    }
  }
}

// 255 x 127 x 2 overflows the 16-bit sums of a careless AVX2 kernel, 255 x -128 x 2 as well.
TEST_P(Depthwise, ExtremeProductsAreExact) {
  Random random(3);
  for (const int activation : {0, 127, 128, 255}) {
    for (const int weight : {-128, -127, 127}) {
      for (const size_t taps : kTapCounts) {
        check(
            table(), 21, taps, 3, Guard::after, random,
            [&] { return static_cast<uint8_t>(activation); },
            [&] { return static_cast<int8_t>(weight); });
        if (HasFailure()) return;
      }
    }
  }
}

TEST_P(Depthwise, FloatEqualsSequentialFma) {
  Random random(4);
  const std::pair<float, float> clamps[] = {{-kInf, kInf}, {0.0f, kInf}, {0.0f, 6.0f}};
  const auto value = [&] {
    static constexpr float kExtremes[] = {0.0f, -0.0f, 1e-40f, 1e30f, -1e30f, kInf, kNan};
    return random.bits() % 32 == 0 ? random.pick<float>(kExtremes) : random.uniform(-2, 2);
  };
  for (size_t channels = 1; channels <= 70; ++channels) {
    for (const size_t taps : kTapCounts) {
      const Guard guard = kGuards[random.bits() % 2];
      const size_t pixels = 1 + random.bits() % 9;
      const Taps<float> a(pixels, taps, channels, guard, random, value);
      const auto weights = guarded<float>((1 + taps) * channels, guard, value);
      const auto [lo, hi] = random.pick<std::pair<float, float>>(clamps);
      OutputGrid<float> c(pixels, channels, channels + random.bits() % 5, guard);
      table().depthwise_f32.run({a.pointers.data(), pixels, taps, channels, weights.data(), lo, hi},
                                c.data(), c.ld());
      c.expect([&, lo = lo, hi = hi](size_t p, size_t ch) {
        float sum = weights[ch];
        for (size_t t = 0; t < taps; ++t) {
          sum = std::fma(a.pointers[p * taps + t][ch], weights[(1 + t) * channels + ch], sum);
        }
        return std::min(std::max(sum, lo), hi);
      });
      if (HasFatalFailure()) FAIL() << "channels " << channels << ", taps " << taps;
    }
  }
}

}  // namespace
}  // namespace octavo::testing
