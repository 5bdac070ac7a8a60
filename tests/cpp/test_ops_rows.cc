// lookup, softmax, layer_norm, mul, quantize_transpose and float activations: against plain loops,
// over threads, on every backend; and what they refuse.
#include <gtest/gtest.h>

#include "base/status.h"
#include "naive.h"
#include "ops/activation.h"
#include "ops/elementwise.h"
#include "ops/layer_norm.h"
#include "ops/softmax.h"
#include "ops/table.h"

namespace octavo::testing {
namespace {

class RowOpTest : public ::testing::TestWithParam<const Backend*> {
 protected:
  std::vector<Context> contexts() const {
    return {make_context(*GetParam(), 1), make_context(*GetParam(), 3)};
  }
};

TEST_P(RowOpTest, Lookup) {
  Table table;
  for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<uint8_t>(i * 5 + 3);
  for (size_t n : {0, 1, 100, 300001}) {
    const auto x = random_bytes<uint8_t>(n, 1);
    std::vector<uint8_t> expected(n);
    for (size_t i = 0; i < n; ++i) expected[i] = table[x[i]];
    for (const Context& context : contexts()) {
      std::vector<uint8_t> y(n);
      lookup(context, x.data(), n, table, y.data());
      EXPECT_EQ(y, expected);
    }
  }
}

TEST_P(RowOpTest, SoftmaxRowsAreIndependentAndCloseToTheReals) {
  const size_t rows = 700, n = 197;
  const float scale = 0.06f;
  const auto x = random_bytes<uint8_t>(rows * n, 2);
  const SoftmaxQuant quant = softmax_quant(scale, 1.0f / 256, {0, 0, 255});
  std::vector<uint8_t> first;
  for (const Context& context : contexts()) {
    std::vector<uint8_t> y(x.size()), one(n);
    softmax(context, x.data(), rows, n, quant, y.data());
    for (size_t row = 0; row < rows; ++row) {
      softmax(context, x.data() + row * n, 1, n, quant, one.data());
      ASSERT_TRUE(std::equal(one.begin(), one.end(), y.begin() + static_cast<long>(row * n)));
      double sum = 0;
      for (size_t j = 0; j < n; ++j) sum += std::exp(static_cast<double>(scale) * x[row * n + j]);
      for (size_t j = 0; j < n; ++j) {
        const double real = 256 * std::exp(static_cast<double>(scale) * x[row * n + j]) / sum;
        ASSERT_NEAR(y[row * n + j], std::min(real, 255.0), 0.501);
      }
    }
    if (first.empty()) first = y;
    EXPECT_EQ(y, first);
  }
}

TEST_P(RowOpTest, LayerNormIsCloseToTheReals) {
  const size_t rows = 130, n = 768;
  auto x = random_bytes<uint8_t>(rows * n, 3);
  std::fill_n(x.begin(), n, uint8_t{77});  // no variance: epsilon decides
  const auto gamma = random_floats(n, 4), beta = random_floats(n, 5);
  const QuantRange range = {120, 0, 255};
  const double epsilon = 0.01;
  for (const Context& context : contexts()) {
    std::vector<uint8_t> y(x.size());
    layer_norm(context, x.data(), rows, n, gamma.data(), beta.data(), epsilon, range, y.data());
    for (size_t row = 0; row < rows; ++row) {
      const uint8_t* from = x.data() + row * n;
      double mean = 0, variance = 0;
      for (size_t j = 0; j < n; ++j) mean += from[j] / static_cast<double>(n);
      for (size_t j = 0; j < n; ++j) variance += (from[j] - mean) * (from[j] - mean);
      const double scale = 1.0 / std::sqrt(variance / static_cast<double>(n) + epsilon);
      for (size_t j = 0; j < n; ++j) {
        const double v = (from[j] - mean) * scale * static_cast<double>(gamma[j]) +
                         static_cast<double>(beta[j]) + range.zero_point;
        ASSERT_NEAR(y[row * n + j], std::min(std::max(v, 0.0), 255.0), 0.5001);
      }
    }
  }
}

TEST_P(RowOpTest, LayerNormOfFloats) {
  for (size_t n : {1, 7, 8, 9, 768}) {
    const size_t rows = 90;
    const auto x = random_floats(rows * n, 6), gamma = random_floats(n, 7),
               beta = random_floats(n, 8);
    std::vector<float> first;
    for (const Context& context : contexts()) {
      std::vector<float> y(x.size());
      layer_norm_f32(context, x.data(), rows, n, gamma.data(), beta.data(), 1e-5f, y.data());
      for (size_t row = 0; row < rows; ++row) {
        double mean = 0, variance = 0;
        for (size_t j = 0; j < n; ++j) mean += static_cast<double>(x[row * n + j]);
        mean /= static_cast<double>(n);
        for (size_t j = 0; j < n; ++j) {
          variance += std::pow(static_cast<double>(x[row * n + j]) - mean, 2);
        }
        const double scale = 1 / std::sqrt(variance / static_cast<double>(n) + 1e-5);
        for (size_t j = 0; j < n; ++j) {
          const double centered = static_cast<double>(x[row * n + j]) - mean;
          const double v = centered * scale * static_cast<double>(gamma[j]);
          ASSERT_NEAR(y[row * n + j], v + static_cast<double>(beta[j]), 1e-4 * (1 + std::abs(v)));
        }
      }
      if (first.empty()) first = y;
      EXPECT_EQ(y, first);
    }
  }
}

TEST_P(RowOpTest, MulByAGateAndByATensor) {
  const QuantRange range = {30, 0, 255};
  for (size_t inner : {1, 2, 49, 3136}) {
    for (size_t channels : {1, 16, 70}) {
      const size_t outer = 3;
      const auto a = random_bytes<uint8_t>(outer * inner * channels, 9);
      const auto b = random_bytes<uint8_t>(outer * channels, 10);
      std::vector<uint8_t> expected(a.size());
      for (size_t i = 0; i < a.size(); ++i) {
        const uint8_t gate = b[i / channels / inner * channels + i % channels];
        expected[i] = quantize_step(static_cast<float>((a[i] - 3) * (gate - 200)) * 0.02f, range);
      }
      for (const Context& context : contexts()) {
        std::vector<uint8_t> y(a.size());
        mul(context, {a.data(), 3}, {b.data(), 200}, outer, inner, channels, 0.02f, range,
            y.data());
        EXPECT_EQ(y, expected) << inner << " x " << channels;
      }
    }
  }
}

TEST_P(RowOpTest, ConcatRequantizes) {
  const QuantRange range = {30, 5, 255};
  const size_t outer = 3000, inner[] = {3, 0, 70};
  const auto a = random_bytes<uint8_t>(outer * 3, 13), c = random_bytes<uint8_t>(outer * 70, 14);
  const ConcatBytes inputs[] = {
      {a.data(), inner[0], 100, 0.5f}, {nullptr, inner[1], 0, 1.0f}, {c.data(), inner[2], 7, 1.5f}};
  std::vector<uint8_t> expected;
  for (size_t o = 0; o < outer; ++o) {
    for (size_t i = 0; i < 3; ++i) {
      expected.push_back(quantize_step(static_cast<float>(a[o * 3 + i] - 100) * 0.5f, range));
    }
    for (size_t i = 0; i < 70; ++i) {
      expected.push_back(quantize_step(static_cast<float>(c[o * 70 + i] - 7) * 1.5f, range));
    }
  }
  for (const Context& context : contexts()) {
    std::vector<uint8_t> y(expected.size());
    concat_requantized(context, inputs, outer, range, y.data());
    EXPECT_EQ(y, expected);
    EXPECT_THROW(concat_requantized(context, {}, outer, range, y.data()), Error);
  }
}

TEST_P(RowOpTest, QuantizeTranspose) {
  const QuantRange range = {114, 0, 255};
  for (size_t channels : {1, 3, 4, 5, 70}) {
    for (size_t pixels : {1, 49, 511, 512, 513, 4001}) {
      const size_t batch = 2;
      const auto x = random_floats(batch * channels * pixels, 11);
      std::vector<uint8_t> expected(x.size());
      for (size_t i = 0; i < x.size(); ++i) {
        const size_t image = i / pixels / channels, c = i / pixels % channels;
        expected[(image * pixels + i % pixels) * channels + c] = quantize_step(x[i] / 0.02f, range);
      }
      for (const Context& context : contexts()) {
        std::vector<uint8_t> y(x.size());
        quantize_transpose(context, x.data(), batch, channels, pixels, 0.02f, range, y.data());
        EXPECT_EQ(y, expected) << channels << " x " << pixels;
      }
    }
  }
}

TEST_P(RowOpTest, DequantizeTranspose) {
  for (size_t channels : {1, 3, 64, 65, 200}) {
    for (size_t pixels : {1, 49, 511, 512, 513, 2001}) {
      const size_t batch = 2;
      const auto x = random_bytes<uint8_t>(batch * channels * pixels, 15);
      std::vector<float> expected(x.size());
      for (size_t i = 0; i < x.size(); ++i) {
        const size_t image = i / pixels / channels, c = i % channels;
        const size_t pixel = i / channels % pixels;
        expected[(image * channels + c) * pixels + pixel] = static_cast<float>(x[i] - 114) * 0.02f;
      }
      for (const Context& context : contexts()) {
        std::vector<float> y(x.size());
        dequantize_transpose(context, x.data(), batch, channels, pixels, 0.02f, 114, y.data());
        EXPECT_EQ(y, expected) << channels << " x " << pixels;
      }
    }
  }
}

TEST_P(RowOpTest, ActivationsOfFloats) {
  const auto x = random_floats(20000, 12);
  const auto close = [&](Activation function, double (*real)(double)) {
    for (const Context& context : contexts()) {
      std::vector<float> y(x.size());
      activation_f32(context, function, x.data(), x.size(), y.data());
      for (size_t i = 0; i < x.size(); ++i) {
        const double expected = real(static_cast<double>(x[i]));
        ASSERT_NEAR(y[i], expected, 1e-6 * (1 + std::abs(expected)));
      }
    }
  };
  close(Activation::sigmoid, [](double v) { return 1 / (1 + std::exp(-v)); });
  close(Activation::tanh, [](double v) { return std::tanh(v); });
  close(Activation::erf, [](double v) { return std::erf(v); });
  close(Activation::exp, [](double v) { return std::exp(v); });
  close(Activation::silu, [](double v) { return v / (1 + std::exp(-v)); });
  close(Activation::gelu, [](double v) { return v * std::erfc(-v / std::sqrt(2.0)) / 2; });
  close(Activation::gelu_tanh, [](double v) {
    return v / (1 + std::exp(-2 * 0.7978845608028654 * (v + 0.044715 * v * v * v)));
  });
  close(Activation::hard_sigmoid, [](double v) { return std::clamp((v + 3) / 6, 0.0, 1.0); });
  close(Activation::hard_swish, [](double v) { return v * std::clamp((v + 3) / 6, 0.0, 1.0); });
}

INSTANTIATE_TEST_SUITE_P(Backends, RowOpTest, ::testing::ValuesIn(supported_backends()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST(Tables, AreShiftedForSignedBytes) {
  Table identity;
  for (size_t i = 0; i < 256; ++i) identity[i] = static_cast<uint8_t>(i);
  EXPECT_EQ(shifted_table(identity, true, true), identity);
  const Table to_unsigned = shifted_table(identity, true, false);  // by the int8 byte -128: 0x80
  EXPECT_EQ(to_unsigned[0], 0x80);
  EXPECT_EQ(shifted_table(identity, false, true)[0], 0x80);
}

TEST(RowOps, RefuseWhatWouldBeWrong) {
  const Context context = default_context(1);
  const QuantRange range;
  std::vector<uint8_t> x(64), y(64);
  std::vector<float> f(64, 1.0f);
  const auto norm = [&](size_t n, const float* gamma, double epsilon) {
    layer_norm(context, x.data(), 1, n, gamma, f.data(), epsilon, range, y.data());
  };
  norm(64, f.data(), 1e-5);
  EXPECT_THROW(norm(0, f.data(), 1e-5), Error);
  EXPECT_THROW(norm(kMaxLayerNorm + 1, f.data(), 1e-5), Error);
  EXPECT_THROW(norm(64, nullptr, 1e-5), Error);
  for (double epsilon : {0.0, -1.0, static_cast<double>(INFINITY), static_cast<double>(NAN)}) {
    EXPECT_THROW(norm(64, f.data(), epsilon), Error);
  }
  std::vector<float> bad(64, 1.0f);
  bad[63] = NAN;
  EXPECT_THROW(norm(64, bad.data(), 1e-5), Error);
  EXPECT_THROW(softmax_quant(0.0f, 1.0f, range), Error);
  EXPECT_THROW(softmax_quant(1.0f, 1e-40f, range), Error);
  EXPECT_THROW(softmax(context, nullptr, 1, 2, softmax_quant(1.0f, 1.0f, range), y.data()), Error);
  EXPECT_THROW(lookup(context, x.data(), 64, Table{}, nullptr), Error);
  EXPECT_THROW(mul(context, {x.data(), 256}, {x.data(), 0}, 1, 1, 64, 1.0f, range, y.data()),
               Error);
  EXPECT_THROW(mul(context, {x.data(), 0}, {x.data(), 0}, SIZE_MAX, 2, 2, 1.0f, range, y.data()),
               Error);
  EXPECT_THROW(quantize_transpose(context, f.data(), 1, 3, 4, NAN, range, y.data()), Error);
  EXPECT_THROW(dequantize_transpose(context, y.data(), 1, 3, 4, NAN, 0, f.data()), Error);
  EXPECT_THROW(activation_f32(context, static_cast<Activation>(99), f.data(), 1, f.data()), Error);
  EXPECT_THROW(layer_norm_f32(context, f.data(), 1, 64, f.data(), f.data(), NAN, f.data()), Error);
}

}  // namespace
}  // namespace octavo::testing
