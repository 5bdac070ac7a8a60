// What the micro-kernel tests share: the backends this machine runs, reproducible inputs, output
// grids that notice stray writes, and the requantization formula written independently.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "backends_for_tests.h"
#include "base/cpu.h"
#include "guarded.h"
#include "kernels/registry.h"

namespace octavo::testing {

inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr float kSignallingNan = std::bit_cast<float>(0x7F800001u);
inline constexpr int32_t kMinS32 = std::numeric_limits<int32_t>::min();
inline constexpr int32_t kMaxS32 = std::numeric_limits<int32_t>::max();
inline constexpr Guard kGuards[] = {Guard::after, Guard::before};

inline std::vector<Backend> runnable_backends() {
  std::vector<Backend> runnable;
  for (const std::span<const Backend> backends : {all_backends(), test_backends()}) {
    for (const Backend& backend : backends) {
      if ((backend.required & ~detect_cpu()) == 0) runnable.push_back(backend);
    }
  }
  return runnable;
}

// One instance of every test per backend that runs here.
class KernelTest : public ::testing::TestWithParam<Backend> {
 protected:
  const KernelTable& table() const { return *GetParam().table; }
};

#define OCTAVO_INSTANTIATE_FOR_BACKENDS(suite)                   \
  INSTANTIATE_TEST_SUITE_P(                                      \
      Backends, suite, ::testing::ValuesIn(runnable_backends()), \
      [](const ::testing::TestParamInfo<Backend>& info) { return std::string(info.param.name); })

// Lengths around every vector boundary: 0..70, 127..129, 255..257.
inline std::vector<size_t> lengths() {
  std::vector<size_t> n(71);
  std::iota(n.begin(), n.end(), size_t{0});
  n.insert(n.end(), {127, 128, 129, 255, 256, 257});
  return n;
}

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}

  uint32_t bits() { return engine_(); }
  uint8_t byte() { return static_cast<uint8_t>(bits() >> 24); }
  float uniform(float lo, float hi) {
    return lo + (hi - lo) * static_cast<float>(bits() >> 8) / 16777216.0f;
  }
  template <class T>
  T pick(std::span<const T> values) {
    return values[bits() % values.size()];
  }

  // Half extremes, half anything.
  uint8_t activation() {
    static constexpr uint8_t kExtremes[] = {0, 1, 127, 128, 254, 255, 255};
    return bits() % 2 == 0 ? pick<uint8_t>(kExtremes) : byte();
  }
  int8_t weight() {
    static constexpr int8_t kExtremes[] = {-128, -128, -127, -1, 0, 1, 64, 127};
    return bits() % 2 == 0 ? pick<int8_t>(kExtremes) : static_cast<int8_t>(byte());
  }
  int32_t accumulator() {
    static constexpr int32_t kExtremes[] = {kMinS32, kMaxS32, kMinS32 + 1, 0,         1,
                                            -1,      3,       -3,          5,         -5,
                                            510,     -511,    16777217,    -16777219, 33554435};
    const uint32_t choice = bits() % 4;
    if (choice == 0) return pick<int32_t>(kExtremes);
    return static_cast<int32_t>(bits()) >> (choice == 1 ? 0 : 16 + bits() % 8);
  }
  // Exact powers of two make ties; the rest are 2^-20..1, huge, denormal and zero.
  float multiplier() {
    static constexpr float kExtremes[] = {1.0f,    0.5f,  0.25f,  0x1p-20f, 0x1p-8f,
                                          0x1p-9f, 1e30f, 1e-40f, 3.4e38f,  0.0f};
    if (bits() % 2 == 0) return pick<float>(kExtremes);
    return std::ldexp(uniform(1.0f, 2.0f), -static_cast<int>(bits() % 21));
  }

 private:
  std::mt19937 engine_;
};

template <class T, class Make>
GuardedBuffer<T> guarded(size_t count, Guard guard, Make make) {
  GuardedBuffer<T> buffer(count, guard);
  for (T& value : buffer) value = make();
  return buffer;
}

// Bit equality; any NaN equals any other (IEEE 754 leaves its payload open).
inline bool same_bits(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) ||
         std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

// rows x cols with a leading dimension; the elements between the rows must survive.
template <class T>
class OutputGrid {
 public:
  OutputGrid(size_t rows, size_t cols, size_t ld, Guard guard)
      : rows_(rows), cols_(cols), ld_(ld), buffer_((rows - 1) * ld + cols, guard) {
    std::memset(buffer_.data(), 0x5E, buffer_.size() * sizeof(T));
  }

  T* data() { return buffer_.data(); }
  size_t ld() const { return ld_; }

  // expected(i, j) gives the element; stops at the first difference.
  template <class Expected>
  void expect(Expected expected) const {
    T untouched;
    std::memset(&untouched, 0x5E, sizeof(T));
    ASSERT_TRUE(buffer_.slack_intact());
    for (size_t at = 0; at < buffer_.size(); ++at) {
      const size_t i = at / ld_;
      const size_t j = at % ld_;
      const T want = j < cols_ ? expected(i, j) : untouched;
      ASSERT_TRUE(equal(buffer_[at], want))
          << "row " << i << " of " << rows_ << ", column " << j << " of " << cols_ << ": "
          << +buffer_[at] << ", expected " << +want;
    }
  }

 private:
  static bool equal(float a, float b) { return same_bits(a, b); }
  template <class Integer>
  static bool equal(Integer a, Integer b) {
    return a == b;
  }

  size_t rows_;
  size_t cols_;
  size_t ld_;
  GuardedBuffer<T> buffer_;
};

struct Range {
  int32_t zero_point;
  int32_t qmin;
  int32_t qmax;

  Requant requant() const {
    return {static_cast<float>(qmin - zero_point), static_cast<float>(qmax - zero_point),
            zero_point};
  }
};

inline constexpr Range kRanges[] = {{0, 0, 255}, {128, 0, 255}, {255, 0, 255}, {127, 127, 255},
                                    {3, 3, 250}, {128, 1, 255}, {9, 9, 9}};

// The contract in its textbook order: round, add the zero point, clamp; in double, where nothing
// overflows. NaN gives qmin.
inline uint8_t reference_quantize(float v, const Range& range) {
  if (std::isnan(v)) return static_cast<uint8_t>(range.qmin);
  const double q = std::nearbyint(static_cast<double>(v)) + range.zero_point;
  return static_cast<uint8_t>(std::clamp<double>(q, range.qmin, range.qmax));
}

}  // namespace octavo::testing
