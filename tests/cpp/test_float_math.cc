// Vectorizable functions of floats against the C library's in double.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ops/float_math.h"

namespace octavo {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

// A few million floats of every magnitude and both signs.
template <class Check>
void for_each_float(const Check& check) {
  for (uint32_t bits = 0; bits < 0x7F800000; bits += 997) {
    check(std::bit_cast<float>(bits));
    check(-std::bit_cast<float>(bits));
  }
}

TEST(FloatMath, ErrorFunction) {
  double worst = 0;
  for_each_float([&](float x) {
    const float y = erf_f32(x);
    worst = std::max(worst, std::abs(y - std::erf(static_cast<double>(x))));
    ASSERT_LE(std::abs(y), 1.0f) << x;
    ASSERT_EQ(std::signbit(y), std::signbit(x)) << x;
  });
  EXPECT_LT(worst, 4e-7);
  EXPECT_EQ(erf_f32(kInf), 1.0f);
  EXPECT_EQ(erf_f32(-kInf), -1.0f);
  EXPECT_TRUE(std::isnan(erf_f32(std::nanf(""))));
}

TEST(FloatMath, ErrorFunctionOfSmallArgumentsIsRelativelyExact) {
  for (float x = 1e-30f; x < 0.5f; x *= 1.01f) {
    const double expected = std::erf(static_cast<double>(x));
    ASSERT_NEAR(erf_f32(x) / expected, 1.0, 4e-7) << x;
  }
}

TEST(FloatMath, Exponential) {
  for_each_float([&](float x) {
    if (x > 0) return;
    const float y = exp_nonpositive(x);
    if (x < -87.0f) {
      ASSERT_EQ(y, 0.0f) << x;
    } else {
      ASSERT_NEAR(y / std::exp(static_cast<double>(x)), 1.0, 2e-7) << x;
    }
  });
  EXPECT_EQ(exp_nonpositive(0.0f), 1.0f);
  EXPECT_EQ(exp_nonpositive(-kInf), 0.0f);
  EXPECT_TRUE(std::isnan(exp_nonpositive(std::nanf(""))));
}

}  // namespace
}  // namespace octavo
