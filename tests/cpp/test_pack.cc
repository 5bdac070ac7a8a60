// The packer: layout byte by byte, folding, repeats for weight zero points.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <type_traits>
#include <utility>
#include <vector>

#include "pack/layout.h"
#include "pack/pack.h"

namespace octavo {
namespace {

constexpr PanelGeometry kSmall = {.nr = 4, .granule = 2};

WeightView dense(const std::vector<int8_t>& w, size_t n, size_t segments, size_t segment_k) {
  const auto k = static_cast<ptrdiff_t>(segment_k);
  return {w.data(), n, segments, segment_k, static_cast<ptrdiff_t>(segments) * k, k, 1};
}

std::vector<int8_t> iota_weights(size_t count, int first = 1) {
  std::vector<int8_t> w(count);
  for (size_t i = 0; i < count; ++i) w[i] = static_cast<int8_t>(first + static_cast<int>(i));
  return w;
}

// The weight at (segment, k, column j of panel i), read through the layout's formulas.
int8_t stored(const PackedMatrix& m, size_t i, size_t s, size_t k, size_t j) {
  const size_t width = m.panel_width(i), kr = m.geometry().kr;
  return panel_weights(
      m.panel(i),
      width)[panel_weight_bytes(width, s, m.segment_k(), kr) + (k / kr * width + j) * kr + k % kr];
}

int32_t stored_bias(const PackedMatrix& m, size_t i, size_t j) { return panel_bias(m.panel(i))[j]; }

float stored_multiplier(const PackedMatrix& m, size_t i, size_t j) {
  return panel_multiplier(m.panel(i), m.panel_width(i), m.segments(), m.segment_k(),
                          m.geometry().kr)[j];
}

TEST(PackWeights, LayoutByteByByte) {
  // n = 5 columns of k = 6: one full panel of 4 and one of width 2 with a column that is missing.
  const std::vector<int8_t> w = iota_weights(30);
  const std::vector<int32_t> bias = {10, 20, 30, 40, 50};
  const std::vector<float> multiplier = {.5f, .25f, 1, 2, 4};
  const PackedMatrix m = pack_weights(kSmall, dense(w, 5, 1, 6), {bias.data(), multiplier.data()});

  const int8_t full[2 * 4 * 4] = {1, 2, 3, 4, 7,  8,  9, 10, 13, 14, 15, 16, 19, 20, 21, 22,
                                  5, 6, 0, 0, 11, 12, 0, 0,  17, 18, 0,  0,  23, 24, 0,  0};
  const int8_t last[2 * 2 * 4] = {25, 26, 27, 28, 0, 0, 0, 0, 29, 30, 0, 0, 0, 0, 0, 0};
  ASSERT_EQ(m.panel_count(), 2u);
  EXPECT_EQ(m.panel_cols(0), 4u);
  EXPECT_EQ(m.panel_width(0), 4u);
  EXPECT_EQ(m.panel_cols(1), 1u);
  EXPECT_EQ(m.panel_width(1), 2u);
  EXPECT_EQ(std::memcmp(m.panel(0), bias.data(), 16), 0);
  EXPECT_EQ(std::memcmp(m.panel(0) + 16, full, sizeof full), 0);
  EXPECT_EQ(std::memcmp(m.panel(0) + 16 + sizeof full, multiplier.data(), 16), 0);
  const int32_t last_bias[2] = {50, 0};
  const float last_multiplier[2] = {4, 0};
  EXPECT_EQ(std::memcmp(m.panel(1), last_bias, 8), 0);
  EXPECT_EQ(std::memcmp(m.panel(1) + 8, last, sizeof last), 0);
  EXPECT_EQ(std::memcmp(m.panel(1) + 8 + sizeof last, last_multiplier, 8), 0);
  EXPECT_EQ(m.panel(1) - m.panel(0), 64);
  EXPECT_EQ(m.size_bytes(), 128u);
  EXPECT_EQ(m.n(), 5u);
  EXPECT_EQ(m.repeats(), 1u);
  EXPECT_TRUE(m.has_multiplier());
  EXPECT_TRUE(m.packed_for(kSmall));
  EXPECT_FALSE(m.packed_for({.nr = 4, .granule = 4}));
  EXPECT_FALSE(m.packed_for({.nr = 8, .granule = 2}));
  EXPECT_FALSE(m.packed_for({.nr = 4, .granule = 2, .kr = 8}));
  EXPECT_FALSE(m.packed_for({.nr = 4, .granule = 2, .shift = kShift128}));
}

TEST(PackWeights, EightAdjacentKByteByByte) {
  const std::vector<int8_t> w = iota_weights(20);  // two columns of k = 10
  const std::vector<float> multiplier = {.5f, 4};
  const PackedMatrix m = pack_weights({.nr = 2, .granule = 2, .kr = 8}, dense(w, 2, 1, 10),
                                      {.multiplier = multiplier.data()});
  const int8_t expected[2 * 2 * 8] = {1, 2,  3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18,
                                      9, 10, 0, 0, 0, 0, 0, 0, 19, 20, 0,  0,  0,  0,  0,  0};
  EXPECT_EQ(std::memcmp(m.panel(0) + 8, expected, sizeof expected), 0);
  EXPECT_EQ(std::memcmp(m.panel(0) + 8 + sizeof expected, multiplier.data(), 8), 0);
  EXPECT_EQ(m.size_bytes(), 64u);
}

// bias - sum of (zero point - shift) * weight, the shift 128 or alternating by octets within a
// segment; parts of one weight in repeated segments count once together.
TEST(PackWeights, ShiftIsFoldedIntoTheBias) {
  const size_t k = 21;
  std::vector<int8_t> w(2 * k);
  for (size_t i = 0; i < w.size(); ++i) w[i] = static_cast<int8_t>(i * 37);
  w[3] = -128;
  const int32_t bias = 1000, a_zero_point = 7, zero_point = 100;
  for (const ActivationShift shift : {kNoShift, kShift128, kShiftByOctets}) {
    for (const int32_t zw : {0, zero_point}) {
      const PackedMatrix m =
          pack_weights({.nr = 4, .granule = 2, .kr = 16, .shift = shift}, dense(w, 1, 2, k),
                       {.bias = &bias, .weight_zero_point = &zw, .a_zero_point = a_zero_point});
      int32_t expected = bias;
      for (size_t i = 0; i < w.size(); ++i) {
        const bool odd_octet = i % k >= 8 && i % k < 16;
        const int32_t shifted = shift == kNoShift                      ? 0
                                : shift == kShiftByOctets && odd_octet ? 127
                                                                       : 128;
        expected -= (a_zero_point - shifted) * (w[i] - zw);
      }
      EXPECT_EQ(stored_bias(m, 0, 0), expected) << shift << ' ' << zw;
      EXPECT_EQ(m.repeats(), zw == 0 ? 1u : 2u);
    }
  }
}

TEST(PackWeights, EveryPanelIsAlignedAndEveryWeightIsFound) {
  std::mt19937 random(3);
  for (const PanelGeometry& geometry : {PanelGeometry{.nr = 64, .granule = 16},
                                        {16, 8},
                                        {16, 4},
                                        {.nr = 24, .granule = 8, .kr = 8},
                                        {.nr = 16, .granule = 8, .kr = 16}}) {
    for (size_t n : {1, 15, 16, 17, 63, 64, 65, 130}) {
      for (size_t segments : {1, 3}) {
        for (size_t segment_k : {1, 4, 7}) {
          std::vector<int8_t> w(n * segments * segment_k);
          for (auto& x : w) x = static_cast<int8_t>(random());
          const WeightView view = dense(w, n, segments, segment_k);
          const PackedMatrix m = pack_weights(geometry, view, {});
          EXPECT_FALSE(m.has_multiplier());
          size_t cols = 0;
          for (size_t i = 0; i < m.panel_count(); ++i) {
            EXPECT_EQ(reinterpret_cast<uintptr_t>(m.panel(i)) % kPanelAlignment, 0u);
            EXPECT_EQ(m.panel_width(i) % geometry.granule, 0u);
            for (size_t j = 0; j < m.panel_cols(i); ++j) {
              for (size_t s = 0; s < segments; ++s) {
                for (size_t k = 0; k < segment_k; ++k) {
                  ASSERT_EQ(stored(m, i, s, k, j), view(i * geometry.nr + j, s, k));
                }
              }
            }
            cols += m.panel_cols(i);
          }
          EXPECT_EQ(cols, n);
        }
      }
    }
  }
}

TEST(PackWeights, ReadsThroughAnyStrides) {
  // The same 3 x 2 x 5 weights stored [k][segment][n], and with n reversed.
  const std::vector<int8_t> w = iota_weights(30);
  const WeightView view = dense(w, 3, 2, 5);
  std::vector<int8_t> transposed(30);
  for (size_t n = 0; n < 3; ++n) {
    for (size_t s = 0; s < 2; ++s) {
      for (size_t k = 0; k < 5; ++k) transposed[(k * 2 + s) * 3 + (2 - n)] = view(n, s, k);
    }
  }
  const PackedMatrix a = pack_weights(kSmall, view, {});
  const PackedMatrix b = pack_weights(kSmall, {transposed.data() + 2, 3, 2, 5, -1, 3, 6}, {});
  ASSERT_EQ(a.size_bytes(), b.size_bytes());
  EXPECT_EQ(std::memcmp(a.panel(0), b.panel(0), a.size_bytes()), 0);
}

TEST(PackWeights, FoldsTheZeroPointsIntoTheBias) {
  const std::vector<int8_t> w = {1, 2, 3, -128, -128, 127};
  const std::vector<int32_t> bias = {1000, -7};
  const std::vector<int32_t> zero_point = {-1, 2};
  const PackedMatrix m = pack_weights(
      kSmall, dense(w, 2, 1, 3),
      {.bias = bias.data(), .weight_zero_point = zero_point.data(), .a_zero_point = 200});
  EXPECT_EQ(stored_bias(m, 0, 0), 1000 - 200 * (6 + 3));
  EXPECT_EQ(stored_bias(m, 0, 1), -7 - 200 * (-129 - 6));
}

TEST(PackWeights, FoldingWrapsAround) {
  const std::vector<int8_t> w(1000, -128);
  const int32_t bias = std::numeric_limits<int32_t>::max();
  const PackedMatrix m =
      pack_weights(kSmall, dense(w, 1, 1, 1000), {.bias = &bias, .a_zero_point = 255});
  EXPECT_EQ(static_cast<uint32_t>(stored_bias(m, 0, 0)), 0x7FFFFFFFu + 255u * 128u * 1000u);
}

TEST(PackWeights, RepeatsOnlyWhenEightBitsDoNotSuffice) {
  struct Case {
    int8_t w;
    int32_t zero_point;
    size_t repeats;
  };
  const Case cases[] = {{127, 0, 1},    {-128, 0, 1},   {100, -27, 1},  {100, -28, 2}, {-128, 1, 2},
                        {-128, 127, 2}, {126, -128, 2}, {127, -127, 2}, {127, -128, 3}};
  for (const Case& c : cases) {
    const std::vector<int8_t> w = {0, c.w};
    const std::vector<int32_t> zero_point = {0, c.zero_point};
    const PackParams params = {.weight_zero_point = zero_point.data()};
    EXPECT_EQ(pack_weights(kSmall, dense(w, 2, 1, 1), params).repeats(), c.repeats)
        << int{c.w} << " - " << c.zero_point;
  }
}

// Checks that the parts of every weight sum to w - zero_point, for all 2^16 pairs.
TEST(PackWeights, PartsSumToTheDifference) {
  std::vector<int8_t> w(256);
  std::iota(w.begin(), w.end(), -128);
  std::vector<int8_t> all;
  for (int n = 0; n < 256; ++n) all.insert(all.end(), w.begin(), w.end());
  std::vector<int32_t> zero_point(256);
  std::iota(zero_point.begin(), zero_point.end(), -128);
  const PackParams params = {.weight_zero_point = zero_point.data()};

  const PackedMatrix gemm = pack_weights(kSmall, dense(all, 256, 4, 64), params);
  const PackedMatrix depthwise = pack_depthwise_weights({4, 4}, dense(all, 256, 1, 256), params);
  ASSERT_EQ(gemm.repeats(), 3u);
  ASSERT_EQ(gemm.segments(), 12u);
  ASSERT_EQ(gemm.segment_k(), 64u);
  ASSERT_EQ(depthwise.segments(), 1u);
  ASSERT_EQ(depthwise.segment_k(), 768u);
  for (size_t col = 0; col < 256; ++col) {
    for (size_t at = 0; at < 256; ++at) {
      int32_t sum = 0;
      int32_t tap_sum = 0;
      for (size_t r = 0; r < 3; ++r) {
        sum += stored(gemm, col / 4, r * 4 + at / 64, at % 64, col % 4);
        tap_sum += stored(depthwise, col / 4, 0, r * 256 + at, col % 4);
      }
      ASSERT_EQ(sum, w[at] - zero_point[col]);
      ASSERT_EQ(tap_sum, sum);
    }
  }
}

TEST(PackDepthwise, PanelsHaveFullWidthAndOneStride) {
  const std::vector<int8_t> w = iota_weights(9 * 9, -40);
  const std::vector<float> multiplier(9, 0.5f);
  const PackedMatrix m =
      pack_depthwise_weights({8, 8}, dense(w, 9, 1, 9), {.multiplier = multiplier.data()});
  ASSERT_EQ(m.panel_count(), 2u);
  EXPECT_EQ(m.panel_width(1), 8u);
  EXPECT_EQ(static_cast<size_t>(m.panel(1) - m.panel(0)), panel_stride_bytes(8, 1, 9));
  EXPECT_EQ(stored(m, 1, 0, 8, 0), w[80]);
  EXPECT_EQ(stored_multiplier(m, 1, 0), 0.5f);
  EXPECT_EQ(stored_multiplier(m, 1, 1), 0.0f);
  EXPECT_EQ(stored(m, 1, 0, 9, 0), 0);  // the tail of k
}

TEST(PackF32, PanelsArePaddedWithZeros) {
  std::vector<float> w(5 * 2 * 3);
  std::iota(w.begin(), w.end(), 1.0f);
  const std::vector<float> bias = {-1, -2, -3, -4, -5};
  const PackedMatrixF32 m = pack_weights_f32(4, {w.data(), 5, 2, 3, 6, 3, 1}, bias.data());
  ASSERT_EQ(m.panel_count(), 2u);
  EXPECT_EQ(m.panel_cols(0), 4u);
  EXPECT_EQ(m.panel_cols(1), 1u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(m.panel(i)) % kPanelAlignment, 0u);
    for (size_t j = 0; j < 4; ++j) {
      const size_t col = i * 4 + j;
      EXPECT_EQ(m.panel(i)[j], col < 5 ? bias[col] : 0.0f);
      for (size_t at = 0; at < 6; ++at) {
        EXPECT_EQ(m.panel(i)[(1 + at) * 4 + j], col < 5 ? w[col * 6 + at] : 0.0f);
      }
    }
  }
  const PackedMatrixF32 no_bias = pack_weights_f32(4, {w.data(), 5, 2, 3, 6, 3, 1}, nullptr);
  EXPECT_EQ(no_bias.panel(0)[0], 0.0f);
  EXPECT_EQ(no_bias.panel(0)[4], 1.0f);
}

TEST(PackedMatrix, MovesButDoesNotCopy) {
  static_assert(!std::is_copy_constructible_v<PackedMatrix>);
  const std::vector<int8_t> w = iota_weights(8);
  PackedMatrix from = pack_weights(kSmall, dense(w, 2, 1, 4), {});
  const uint8_t* panel = from.panel(0);
  PackedMatrix to;
  EXPECT_EQ(to.panel_count(), 0u);
  to = std::move(from);
  EXPECT_EQ(to.panel(0), panel);
  EXPECT_EQ(to.n(), 2u);
}

}  // namespace
}  // namespace octavo
