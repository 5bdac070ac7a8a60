// Every integer GEMM kernel this CPU can run, against the definition in kernels/contract.h.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "gemm_problem.h"

namespace octavo::testing {
namespace {

TEST_P(GemmTest, EveryTileShape) {
  uint32_t seed = 1;
  for (Guard guard : kGuards) {
    for (size_t rows = 1; rows <= mr(); ++rows) {
      for (size_t cols = 1; cols <= nr(); ++cols) {
        Problem p(rows, cols, 1 + seed % 2, 1 + seed % 11);
        p.randomize(seed++);
        check(p, guard);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(GemmTest, EveryDepth) {
  uint32_t seed = 1000;
  for (Guard guard : kGuards) {
    for (size_t segment_k : {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65}) {
      for (size_t segments : {1, 2, 3, 9}) {
        for (size_t cols : boundary_cols()) {
          Problem p(1 + seed % mr(), cols, segments, segment_k);
          p.randomize(seed++);
          check(p, guard);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

// Depths around any block a kernel may cut k into, and segments that straddle it.
TEST_P(GemmTest, LongSegments) {
  uint32_t seed = 5000;
  for (size_t segment_k : {127, 250, 255, 256, 257, 258, 511, 513, 1027, 4099}) {
    for (size_t segments : {1, 3, 9}) {
      for (size_t rows : {size_t{1}, mr()}) {
        Problem p(rows, nr(), segments, segment_k);
        p.randomize(seed++);
        check(p, Guard::after);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Pairs that saturate int16 in vpmaddubsw, and the ends of every range, in every position.
TEST_P(GemmTest, ExtremeValues) {
  const std::vector<int8_t> weights = {127, -128, -127, 127, 64, 65, 1, 127, -128, -128, -1, 0};
  const std::vector<uint8_t> activations = {255, 255, 255, 0, 128, 127, 255, 1, 255};
  for (size_t shift = 0; shift < weights.size(); ++shift) {
    Problem p(mr(), nr(), 1, 37);
    for (size_t i = 0; i < p.a.size(); ++i) p.a[i] = activations[i % activations.size()];
    for (size_t i = 0; i < p.w.size(); ++i) p.w[i] = weights[(i + shift) % weights.size()];
    std::fill(p.multiplier.begin(), p.multiplier.end(), 0.001f);
    check(p, Guard::after);
    if (HasFatalFailure()) return;
  }
  for (int8_t w : {int8_t{127}, int8_t{-127}, int8_t{-128}, int8_t{64}, int8_t{65}}) {
    Problem p(mr(), nr(), 2, 34);
    std::fill(p.a.begin(), p.a.end(), 255);
    std::fill(p.w.begin(), p.w.end(), w);
    check(p, Guard::after);
    if (HasFatalFailure()) return;
  }
}

// Kernels that sum two products in int16 pair k with k + 1, k + 4 or k + 8: every pair of extremes
// at every such distance, in steps of four, eight and sixteen and in the tails after them.
TEST_P(GemmTest, ExtremePairs) {
  const int8_t weights[] = {-128, -127, 127, 1};
  const uint8_t activations[] = {0, 127, 128, 255};
  for (size_t distance : {1, 2, 4, 8, 16}) {
    for (size_t pair = 0; pair < 256; ++pair) {
      Problem p(2, 2, 1, 47);
      for (size_t i = 0; i < p.a.size(); ++i) {
        const bool second = i % p.segment_k / distance % 2 == 1;
        p.a[i] = activations[second ? pair / 4 % 4 : pair % 4];
        p.w[i] = weights[second ? pair / 64 : pair / 16 % 4];
      }
      std::fill(p.multiplier.begin(), p.multiplier.end(), 0.001f);
      p.a_zero_point = pair % 2 == 0 ? 128 : 0;
      check(p, Guard::after);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(GemmTest, DeepestSumsAreExact) {
  for (int8_t w : {int8_t{127}, int8_t{-127}, int8_t{-128}}) {
    for (int32_t a_zero_point : {0, 128, 255}) {
      Problem p(2, granule(), 1, kMaxK);
      std::fill(p.a.begin(), p.a.end(), 255);
      std::fill(p.a.begin(), p.a.begin() + kMaxK, 0);
      std::fill(p.w.begin(), p.w.end(), w);
      std::fill(p.multiplier.begin(), p.multiplier.end(), 1e-7f);
      p.a_zero_point = a_zero_point;
      p.requant = {.lo = -128, .hi = 127, .zero_point = 128};
      EXPECT_EQ(reference_s32(p, 1, 0), 65536 * (255 - a_zero_point) * w);  // it does fit
      check(p, Guard::after);
      if (HasFatalFailure()) return;
    }
  }
}

// The folded bias wraps although bias, sum and result all fit.
TEST_P(GemmTest, CompensationWrapsBack) {
  Problem p(mr(), nr(), 1, 40000);
  std::fill(p.a.begin(), p.a.end(), 251);
  std::fill(p.w.begin(), p.w.end(), int8_t{-128});
  std::fill(p.multiplier.begin(), p.multiplier.end(), 5e-8f);
  p.a_zero_point = 250;
  for (size_t j = 0; j < p.cols; ++j) {
    p.bias[j] = j % 2 == 0 ? std::numeric_limits<int32_t>::max()
                           : std::numeric_limits<int32_t>::min() + 40000 * 128;
  }
  check(p, Guard::after);
}

// v = (acc) / 2 with odd acc: exact ties of both signs, onto odd and even neighbours.
TEST_P(GemmTest, TiesGoToEven) {
  for (int32_t zero_point : {0, 1, 127, 128, 255}) {
    Problem p(mr(), nr(), 1, 1);
    p.requant = {.lo = static_cast<float>(-zero_point),
                 .hi = static_cast<float>(255 - zero_point),
                 .zero_point = zero_point};
    for (int32_t from : {-130, -20, 90, 380}) {
      for (size_t j = 0; j < p.cols; ++j) p.bias[j] = from + static_cast<int32_t>(j);
      std::fill(p.multiplier.begin(), p.multiplier.end(), 0.5f);
      p.residual_multiplier = 0.5f;  // and through the residual: (acc + r) / 2
      for (size_t i = 0; i < p.r.size(); ++i) p.r[i] = static_cast<uint8_t>(i * 7);
      check(p, Guard::after);
      if (HasFatalFailure()) return;
    }
  }
}

// acc * m = T - fl(r * r_mult) with T a tie: only a fused multiply-add sees the rounding error of
// the product, which then decides the tie.
TEST_P(GemmTest, ResidualIsFused) {
  Problem p(mr(), nr(), 1, 1);
  p.residual_multiplier = 0x1.555556p-2f;
  std::fill(p.multiplier.begin(), p.multiplier.end(), 0x1p-17f);
  size_t decided = 0;
  for (size_t j = 0; j < p.cols; ++j) {
    const auto r = static_cast<uint8_t>(255 - j);
    for (size_t i = 0; i < p.rows; ++i) p.r[i * p.cols + j] = r;
    const float tie = j % 2 == 0 ? 0.5f : 1.5f;
    const float product = r * p.residual_multiplier;
    p.bias[j] = static_cast<int32_t>((tie - product) * 0x1p17f);
    const float fused = std::fma(r, p.residual_multiplier, p.bias[j] * 0x1p-17f);
    if (std::nearbyint(fused) != std::nearbyint(tie)) ++decided;
  }
  EXPECT_GT(decided, 0u);
  check(p, Guard::after);
}

// Products out of the integer range, infinite, subnormal and zero.
TEST_P(GemmTest, HugeAndTinyMultipliers) {
  const std::vector<float> multipliers = {3e38f, 1e30f, 1e9f, 1e-20f, 1e-44f, 0.0f, 0x1p-20f, 1.0f};
  for (float residual_multiplier : {0.0f, 1e-44f, 3e38f, 1.0f}) {
    Problem p(mr(), nr(), 1, 5);
    p.randomize(77);
    p.residual_multiplier = residual_multiplier;
    p.residual_zero_point = 0;
    for (size_t j = 0; j < p.cols; ++j) p.multiplier[j] = multipliers[j % multipliers.size()];
    // Same sign as the residual's term, which is not negative: inf - inf is not reachable.
    for (size_t j = 0; j < p.cols; ++j) p.bias[j] = 400000;
    check(p, Guard::after);
    if (HasFatalFailure()) return;
    for (size_t j = 0; j < p.cols; ++j) p.bias[j] = -400000;
    p.residual_zero_point = 255;
    check(p, Guard::after);
    if (HasFatalFailure()) return;
  }
}

// Some change nothing, and kernels may leave them out: of the clamps, of zero points that are 0.
TEST_P(GemmTest, ClampsAndShifts) {
  const Requant clamps[] = {
      {.lo = 0, .hi = 255 - 3, .zero_point = 3},  // ReLU
      {.lo = 0, .hi = 100, .zero_point = 17},     // ReLU6
      {.lo = 0, .hi = 255, .zero_point = 0},      // nothing to do
      {.lo = 1, .hi = 255, .zero_point = 0},      {.lo = 0, .hi = 254, .zero_point = 0},
      {.lo = -128, .hi = 127, .zero_point = 128}, {.lo = -255, .hi = 0, .zero_point = 255},
      {.lo = -1, .hi = 0, .zero_point = 255},    //
      {.lo = -254, .hi = 0, .zero_point = 255},  // symmetric s8
      {.lo = 5, .hi = 5, .zero_point = 128}};
  for (const Requant& requant : clamps) {
    for (int32_t residual_zero_point : {0, 7}) {
      for (size_t cols = 1; cols <= nr(); cols = 2 * cols + 14) {
        Problem p(mr(), cols, 1, 19);
        p.randomize(99);
        p.requant = requant;
        p.residual_zero_point = residual_zero_point;
        check(p, Guard::after);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Zero points that make w - zero_point need 9 bits: 2 and 3 stored parts.
TEST_P(GemmTest, WeightZeroPoints) {
  for (int32_t zero_point : {1, -1, 127, -128}) {
    for (size_t segments : {1, 3}) {
      Problem p(mr(), nr(), segments, 13);
      p.randomize(123);
      p.w[0] = 127;
      p.w[p.w.size() - 1] = -128;
      for (size_t j = 0; j < p.cols; ++j) p.weight_zero_point[j] = j % 3 == 1 ? 0 : zero_point;
      check(p, Guard::after);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(GemmTest, KernelNamesSayTheirTile) {
  const auto tile = [](size_t mr, const PanelGeometry& geometry) {
    return std::to_string(mr) + "x" + std::to_string(geometry.nr) + "x" +
           std::to_string(geometry.kr) + "_";
  };
  const KernelTable& t = table();
  const std::string gemm = tile(t.gemm_mr, t.gemm_geometry);
  EXPECT_EQ(std::string(t.gemm_s32.name).rfind("gemm_u8s8_s32_" + gemm, 0), 0u);
  EXPECT_EQ(std::string(t.gemm_u8.name).rfind("gemm_u8s8_u8_" + gemm, 0), 0u);
  const std::string matmul = tile(t.matmul_mr, t.matmul_geometry);
  EXPECT_EQ(std::string(t.matmul_u8.name).rfind("gemm_u8s8_u8_" + matmul, 0), 0u);
}

OCTAVO_INSTANTIATE_FOR_BACKENDS(GemmTest);

}  // namespace
}  // namespace octavo::testing
