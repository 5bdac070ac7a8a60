// Elementwise ops over threads against plain loops, on every backend.
#include <gtest/gtest.h>

#include "base/status.h"
#include "naive.h"
#include "ops/elementwise.h"

namespace octavo::testing {
namespace {

constexpr size_t kSizes[] = {0, 1, 63, 64, 65, 1000, 300001};

class ElementwiseOpTest : public ::testing::TestWithParam<const Backend*> {
 protected:
  std::vector<Context> contexts() const {
    return {make_context(*GetParam(), 1), make_context(*GetParam(), 3)};
  }
};

TEST_P(ElementwiseOpTest, QuantizeAndBack) {
  const QuantRange range = {100, 2, 251};
  const float scale = 0.0123f;
  for (size_t n : kSizes) {
    std::vector<float> x = random_floats(n, 1);
    for (size_t i = 0; i < n; i += 5) x[i] = (static_cast<float>(i % 64) - 31.5f) * scale;
    if (n > 9) x[3] = NAN, x[7] = INFINITY, x[9] = -INFINITY;
    std::vector<uint8_t> expected(n);
    std::vector<float> back(n);
    for (size_t i = 0; i < n; ++i) {
      expected[i] = quantize_step(x[i] / scale, range);
      back[i] = static_cast<float>(expected[i] - 100) * scale;
    }
    for (const Context& context : contexts()) {
      std::vector<uint8_t> q(n);
      std::vector<float> y(n);
      quantize(context, x.data(), n, scale, range, q.data());
      EXPECT_EQ(q, expected);
      dequantize(context, q.data(), n, scale, 100, y.data());
      EXPECT_EQ(y, back);
    }
  }
}

TEST_P(ElementwiseOpTest, RequantizeAndAdd) {
  const QuantRange range = {30, 30, 255};
  for (size_t n : kSizes) {
    const auto a = random_bytes<uint8_t>(n, 1), b = random_bytes<uint8_t>(n, 2);
    std::vector<uint8_t> requantized(n), added(n);
    for (size_t i = 0; i < n; ++i) {
      const float v = static_cast<float>(a[i] - 7) * 0.5f;
      requantized[i] = quantize_step(v, range);
      added[i] = quantize_step(std::fma(static_cast<float>(b[i] - 200), 0.3f, v), range);
    }
    for (const Context& context : contexts()) {
      std::vector<uint8_t> y(n);
      requantize_u8(context, a.data(), n, 7, 0.5f, range, y.data());
      EXPECT_EQ(y, requantized);
      add(context, {a.data(), 7, 0.5f}, {b.data(), 200, 0.3f}, n, range, y.data());
      EXPECT_EQ(y, added);
    }
  }
}

TEST_P(ElementwiseOpTest, RequantizeAccumulators) {
  for (size_t n : {1, 17, 100}) {
    const size_t m = 2000;
    std::vector<int32_t> acc = random_bias(m * n, 1);
    acc[0] = INT32_MIN;
    acc.back() = INT32_MAX;
    const auto multiplier = random_multipliers(n, 10, 2);
    const OutputSpec output = {.range = {128, 0, 255}};
    std::vector<uint8_t> expected(m * n);
    for (size_t i = 0; i < m * n; ++i) {
      expected[i] = requantize(acc[i], multiplier[i % n], output, nullptr);
    }
    for (const Context& context : contexts()) {
      std::vector<uint8_t> y(m * n);
      requantize_s32(context, acc.data(), m, n, multiplier.data(), output.range, y.data());
      EXPECT_EQ(y, expected);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, ElementwiseOpTest, ::testing::ValuesIn(supported_backends()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST(ElementwiseF32, EqualsTheLoops) {
  const size_t rows = 3000, channels = 24, n = rows * channels;
  std::vector<float> a = random_floats(n, 1);
  a[5] = NAN;
  const auto b = random_floats(n, 2);
  const auto scale = random_floats(channels, 3), shift = random_floats(channels, 4);
  for (size_t threads : {1, 4}) {
    const Context context = make_context(all_backends().back(), threads);
    std::vector<float> sum(n), clamped(n), scaled(n);
    add_f32(context, a.data(), b.data(), n, 0.0f, 3.0f, sum.data());
    clamp_f32(context, a.data(), n, -1.0f, 1.0f, clamped.data());
    scale_shift_f32(context, a.data(), rows, channels, scale.data(), shift.data(), scaled.data());
    EXPECT_TRUE(std::isnan(sum[5]) && std::isnan(clamped[5]) && std::isnan(scaled[5]));
    for (size_t i = 0; i < n; ++i) {
      if (i == 5) continue;
      EXPECT_EQ(sum[i], std::min(std::max(a[i] + b[i], 0.0f), 3.0f));
      EXPECT_EQ(clamped[i], std::min(std::max(a[i], -1.0f), 1.0f));
      EXPECT_EQ(scaled[i], std::fma(a[i], scale[i % channels], shift[i % channels]));
    }
  }
}

TEST(ElementwiseF32, SoftmaxSumsToOneAndDoesNotOverflow) {
  const size_t outer = 50, n = 10, inner = 30;
  std::vector<float> x = random_floats(outer * n * inner, 1);
  for (float& v : x) v = v * 50.0f + 500.0f;  // exp(500) overflows
  std::vector<float> y(x.size()), parallel(x.size());
  softmax_f32(make_context(all_backends().back(), 1), x.data(), outer, n, inner, y.data());
  softmax_f32(make_context(all_backends().back(), 3), x.data(), outer, n, inner, parallel.data());
  EXPECT_EQ(y, parallel);
  for (size_t o = 0; o < outer; ++o) {
    for (size_t i = 0; i < inner; ++i) {
      double total = 0, sum = 0;
      for (size_t j = 0; j < n; ++j) total += std::exp(double{x[(o * n + j) * inner + i]} - 600);
      for (size_t j = 0; j < n; ++j) {
        const size_t at = (o * n + j) * inner + i;
        EXPECT_NEAR(y[at], std::exp(double{x[at]} - 600) / total, 1e-5);
        sum += y[at];
      }
      EXPECT_NEAR(sum, 1.0, 1e-5);
    }
  }
}

TEST(ElementwiseChecks, BadArgumentsAreNamed) {
  const Context context = make_context(all_backends().back(), 1);
  const std::vector<float> x(4);
  std::vector<uint8_t> y(4);
  auto message = [](auto call) -> std::string {
    try {
      call();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  for (float scale : {0.0f, -1.0f, NAN, INFINITY}) {
    EXPECT_NE(
        message([&] { quantize(context, x.data(), 4, scale, {}, y.data()); }).find("scale: got"),
        std::string::npos);
  }
  EXPECT_NE(message([&] { quantize(context, nullptr, 4, 1.0f, {}, y.data()); }).find("x: got"),
            std::string::npos);
  EXPECT_NE(message([&] {
              quantize(context, x.data(), 4, 1.0f, {-1, 0, 255}, y.data());
            }).find("zero_point: got -1, expected 0..255"),
            std::string::npos);
  EXPECT_NE(message([&] {
              requantize_u8(context, y.data(), 4, 256, 1.0f, {}, y.data());
            }).find("x_zero_point: got 256"),
            std::string::npos);
  EXPECT_NE(message([&] {
              requantize_u8(context, y.data(), 4, 0, NAN, {}, y.data());
            }).find("multiplier: got nan"),
            std::string::npos);
  EXPECT_NE(message([&] {
              clamp_f32(context, x.data(), 4, 1.0f, 0.0f, const_cast<float*>(x.data()));
            }).find("lo <= hi"),
            std::string::npos);
  EXPECT_NE(message([&] {
              requantize_s32(context, nullptr, SIZE_MAX / 2, 3, nullptr, {}, nullptr);
            }).find("overflow"),
            std::string::npos);
}

}  // namespace
}  // namespace octavo::testing
