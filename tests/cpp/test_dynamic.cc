// Kernels of activations quantized at run time, against the formulas of contract_elementwise.h.
#include "kernel_test.h"

namespace octavo::testing {
namespace {

class Dynamic : public KernelTest {};
OCTAVO_INSTANTIATE_FOR_BACKENDS(Dynamic);

TEST_P(Dynamic, RangeIncludesZeroAndSkipsNan) {
  Random random(1);
  const float special[] = {kNan,  -kNan,  kSignallingNan, kInf,    -kInf,
                           -0.0f, 1e-45f, -1e-45f,        3.4e38f, -3.4e38f};
  for (const size_t n : lengths()) {
    for (const Guard guard : kGuards) {
      for (const float offset : {-100.0f, 0.0f, 100.0f}) {
        const bool extremes = random.bits() % 2 == 0;
        const auto x = guarded<float>(n, guard, [&] {
          if (extremes && random.bits() % 8 == 0) return random.pick<float>(special);
          return random.uniform(-50, 50) + offset;
        });
        float expected_lo = 0.0f, expected_hi = 0.0f;
        for (size_t i = 0; i < n; ++i) {
          if (x[i] < expected_lo) expected_lo = x[i];
          if (x[i] > expected_hi) expected_hi = x[i];
        }
        float lo = kNan, hi = kNan;
        table().range_f32.run(x.data(), n, &lo, &hi);
        EXPECT_EQ(std::bit_cast<uint32_t>(lo), std::bit_cast<uint32_t>(expected_lo)) << n;
        EXPECT_EQ(std::bit_cast<uint32_t>(hi), std::bit_cast<uint32_t>(expected_hi)) << n;
      }
    }
  }
}

TEST_P(Dynamic, DequantizeWrapsRoundsEveryOperationAndClamps) {
  Random random(2);
  const int32_t sums[] = {kMinS32, kMaxS32, 0, 1, -1, 16777217, -2147483393};
  for (const size_t cols : lengths()) {
    for (const Guard guard : kGuards) {
      const size_t rows = 1 + random.bits() % 3, step = random.bits() % 2 == 0 ? 0 : 2;
      const auto acc = guarded<int32_t>(rows * cols, guard, [&] {
        return random.bits() % 4 == 0 ? random.pick<int32_t>(sums)
                                      : static_cast<int32_t>(random.bits());
      });
      const auto params = guarded<float>(step == 0 ? 2 : 2 * rows, guard, [&, i = 0]() mutable {
        return i++ % 2 == 0 ? random.multiplier() : static_cast<float>(random.activation());
      });
      const auto sum = guarded<int32_t>(cols, guard, [&] {
        return random.bits() % 4 == 0 ? random.pick<int32_t>(sums)
                                      : static_cast<int32_t>(random.bits() % 200000);
      });
      const auto scale = guarded<float>(cols, guard, [&] { return random.multiplier(); });
      const float biases[] = {kNan, -0.0f, -0.0f, kInf};
      const auto bias = guarded<float>(cols, guard, [&] {
        return random.bits() % 8 == 0 ? random.pick<float>(biases) : random.uniform(-10, 10);
      });
      const float limits[][2] = {{-kInf, kInf}, {-1.0f, 2.5f}, {0.0f, kInf}};  // -0 is not below 0
      const auto [lo, hi] = limits[random.bits() % 3];
      const DynamicTile tile = {acc.data(),    cols, rows,       cols,
                                params.data(), step, sum.data(), scale.data(),
                                bias.data(),   lo,   hi};
      OutputGrid<float> y(rows, cols, cols + 3, guard);
      table().dequantize_s32.run(tile, y.data(), cols + 3);
      y.expect([&](size_t i, size_t j) {
        const uint32_t zero = static_cast<uint32_t>(params[i * step + 1]);
        const uint32_t shift = zero * static_cast<uint32_t>(sum[j]);
        const auto a = static_cast<int32_t>(static_cast<uint32_t>(acc[i * cols + j]) - shift);
        const float unit = params[i * step] * scale[j];
        const float v = static_cast<float>(a) * unit + bias[j];
        if (std::isnan(v)) return v;
        return std::min(std::max(v, tile.lo), tile.hi);
      });
      if (HasFatalFailure()) FAIL() << "cols " << cols;
    }
  }
}

}  // namespace
}  // namespace octavo::testing
