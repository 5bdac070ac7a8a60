// Float depthwise micro-kernels of every backend against a sequential fma. They take a pointer per
// tap: rows of exactly `channels` elements against guard pages.
#include "kernel_test.h"

namespace octavo::testing {
namespace {

class DepthwiseF32 : public KernelTest {};
OCTAVO_INSTANTIATE_FOR_BACKENDS(DepthwiseF32);

constexpr size_t kTapCounts[] = {1, 2, 3, 4, 9, 15, 25, 49};
constexpr size_t kDistinctRows = 5;

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

TEST_P(DepthwiseF32, EqualsSequentialFma) {
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
