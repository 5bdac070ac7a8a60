// Sums and products that do not fit, around every limit.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/overflow.h"

namespace octavo {
namespace {

TEST(Overflow, Int8IsRightForEveryPair) {
  for (int a = INT8_MIN; a <= INT8_MAX; ++a) {
    for (int b = INT8_MIN; b <= INT8_MAX; ++b) {
      int8_t result = 0;
      const auto a8 = static_cast<int8_t>(a), b8 = static_cast<int8_t>(b);
      ASSERT_EQ(add_overflows(a8, b8, &result), a + b < INT8_MIN || a + b > INT8_MAX);
      if (a + b >= INT8_MIN && a + b <= INT8_MAX) {
        ASSERT_EQ(result, a + b);
      }
      if (b < 0) continue;
      ASSERT_EQ(mul_overflows(a8, b8, &result), a * b < INT8_MIN || a * b > INT8_MAX);
      if (a * b >= INT8_MIN && a * b <= INT8_MAX) {
        ASSERT_EQ(result, a * b);
      }
    }
  }
}

TEST(Overflow, Uint8IsRightForEveryPair) {
  for (int a = 0; a <= UINT8_MAX; ++a) {
    for (int b = 0; b <= UINT8_MAX; ++b) {
      uint8_t result = 0;
      const auto a8 = static_cast<uint8_t>(a), b8 = static_cast<uint8_t>(b);
      ASSERT_EQ(add_overflows(a8, b8, &result), a + b > UINT8_MAX);
      if (a + b <= UINT8_MAX) {
        ASSERT_EQ(result, a + b);
      }
      ASSERT_EQ(mul_overflows(a8, b8, &result), a * b > UINT8_MAX);
      if (a * b <= UINT8_MAX) {
        ASSERT_EQ(result, a * b);
      }
    }
  }
}

TEST(Overflow, LeavesTheResultAloneWhenItDoesNotFit) {
  constexpr size_t kMost = std::numeric_limits<size_t>::max();
  size_t result = 7;
  EXPECT_TRUE(add_overflows(kMost, size_t{1}, &result));
  EXPECT_TRUE(mul_overflows(kMost, size_t{2}, &result));
  EXPECT_EQ(result, 7u);
}

}  // namespace
}  // namespace octavo
