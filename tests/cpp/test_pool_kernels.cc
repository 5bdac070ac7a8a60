// Pooling micro-kernels of every backend against plain loops: every tail of channels, runs of
// windows of every shape, guard pages behind every row.
#include "kernel_test.h"

namespace octavo::testing {
namespace {

class PoolKernels : public KernelTest {};
OCTAVO_INSTANTIATE_FOR_BACKENDS(PoolKernels);

struct Shape {
  size_t row_count;
  size_t taps;
  size_t tap_step;  // pixels
  size_t pixels;
  size_t pixel_step;  // pixels
};

// Windows apart, touching, overlapping (also where a column can be shared), dilated.
constexpr Shape kShapes[] = {{1, 1, 1, 1, 1}, {1, 4, 1, 3, 4}, {2, 2, 1, 5, 2}, {3, 3, 1, 4, 2},
                             {2, 3, 1, 1, 2}, {3, 2, 1, 1, 2}, {3, 3, 1, 5, 1}, {3, 3, 2, 3, 4},
                             {5, 3, 1, 3, 2}, {4, 5, 2, 2, 3}, {7, 49, 1, 1, 1}};

// Rows of one tensor each, so that what lies beyond each of them faults.
class Problem {
 public:
  Problem(const Shape& shape, size_t channels, Guard guard, Random& random) {
    const size_t span = (shape.pixels - 1) * shape.pixel_step + (shape.taps - 1) * shape.tap_step;
    for (size_t r = 0; r < shape.row_count; ++r) {
      rows_.push_back(
          guarded<uint8_t>((span + 1) * channels, guard, [&] { return random.activation(); }));
      pointers_.push_back(rows_.back().data());
    }
    tile_ = {.rows = pointers_.data(),
             .row_count = shape.row_count,
             .taps = shape.taps,
             .tap_step = shape.tap_step * channels,
             .pixels = shape.pixels,
             .pixel_step = shape.pixel_step * channels,
             .channels = channels,
             .ahead = random.bits() % 2 * (size_t{1} << 14)};  // whatever is there, or is not
  }

  const PoolTile& tile() const { return tile_; }

  template <class Visit>
  void for_window(size_t p, size_t ch, const Visit& visit) const {
    for (size_t r = 0; r < tile_.row_count; ++r) {
      for (size_t t = 0; t < tile_.taps; ++t) {
        visit(tile_.rows[r][p * tile_.pixel_step + t * tile_.tap_step + ch]);
      }
    }
  }

 private:
  std::vector<GuardedBuffer<uint8_t>> rows_;
  std::vector<const uint8_t*> pointers_;
  PoolTile tile_;
};

std::vector<size_t> channel_counts() {
  std::vector<size_t> counts = lengths();
  counts.erase(counts.begin());  // no channels, no pooling
  counts.insert(counts.end(), {192, 193, 200, 300, 512});
  return counts;
}

TEST_P(PoolKernels, Maximum) {
  Random random(1);
  for (const size_t channels : channel_counts()) {
    for (const Shape& shape : kShapes) {
      const Guard guard = kGuards[random.bits() % 2];
      const Problem problem(shape, channels, guard, random);
      OutputGrid<uint8_t> y(1, shape.pixels * channels, shape.pixels * channels + 1, guard);
      table().max_u8.run(problem.tile(), y.data());
      y.expect([&](size_t, size_t i) {
        uint8_t max = 0;
        problem.for_window(i / channels, i % channels, [&](uint8_t x) { max = std::max(max, x); });
        return max;
      });
      if (HasFatalFailure()) FAIL() << "channels " << channels << ", rows " << shape.row_count;
    }
  }
}

TEST_P(PoolKernels, Average) {
  Random random(2);
  for (const size_t channels : channel_counts()) {
    for (const Shape& shape : kShapes) {
      for (const int32_t init : {0, -49 * 128, kMinS32, kMaxS32}) {
        const Guard guard = kGuards[random.bits() % 2];
        const Range range = random.pick<Range>(kRanges);
        const float multiplier = random.multiplier();
        const Problem problem(shape, channels, guard, random);
        OutputGrid<uint8_t> y(1, shape.pixels * channels, shape.pixels * channels + 1, guard);
        table().avg_u8.run(problem.tile(), init, multiplier, range.requant(), y.data());
        y.expect([&](size_t, size_t i) {
          int64_t sum = init;
          problem.for_window(i / channels, i % channels, [&](uint8_t x) { sum += x; });
          return reference_quantize(static_cast<float>(static_cast<int32_t>(sum)) * multiplier,
                                    range);
        });
        if (HasFatalFailure()) FAIL() << "channels " << channels << ", init " << init;
      }
    }
  }
}

// 16-bit partial sums are emptied in time, wherever in a row they fill up.
TEST_P(PoolKernels, AverageOfManyMaximalBytes) {
  for (const size_t taps : {255, 256, 257, 300, 511, 512, 513, 5000}) {
    for (const size_t row_count : {1, 2, 3}) {
      for (const size_t channels : {1, 16, 40, 70, 300}) {
        const std::vector<uint8_t> row(taps * channels, 255);
        const std::vector<const uint8_t*> rows(row_count, row.data());
        const PoolTile tile = {rows.data(), row_count, taps, channels, 1, channels, channels, 0};
        const float multiplier = 1.0f / static_cast<float>(taps * row_count);
        std::vector<uint8_t> y(channels);
        table().avg_u8.run(tile, 0, multiplier, Range{0, 0, 255}.requant(), y.data());
        EXPECT_EQ(y, std::vector<uint8_t>(channels, 255)) << taps << " x " << row_count;
      }
    }
  }
}

}  // namespace
}  // namespace octavo::testing
