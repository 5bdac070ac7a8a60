// Linear layers against plain loops, on every backend.
#include <gtest/gtest.h>

#include <cfenv>

#include "base/status.h"
#include "naive.h"
#include "ops/linear.h"
#include "ops/sign.h"

namespace octavo::testing {
namespace {

struct Problem {
  size_t m, n, k;
  std::vector<uint8_t> a;
  std::vector<int8_t> weight;
  std::vector<int32_t> bias;
  std::vector<float> multiplier;
  int32_t a_zero_point;

  Problem(size_t m, size_t n, size_t k, int32_t a_zero_point)
      : m(m),
        n(n),
        k(k),
        a(random_bytes<uint8_t>(m * k, 1)),
        weight(random_bytes<int8_t>(n * k, 2)),
        bias(random_bias(n, 3)),
        multiplier(random_multipliers(n, k, 4)),
        a_zero_point(a_zero_point) {}

  LinearParams params() const {
    LinearParams params;
    params.weight = weight.data();
    params.n = n;
    params.k = k;
    params.bias = bias.data();
    params.a_zero_point = a_zero_point;
    return params;
  }

  std::vector<int32_t> accumulators(const int32_t* weight_zero_point = nullptr) const {
    ConvShape shape;
    shape.in_channels = k;
    shape.out_channels = n;
    return conv_s32(shape, 1, {m, 1}, a, a_zero_point, weight, bias.data(), weight_zero_point);
  }
};

class LinearTest : public ::testing::TestWithParam<const Backend*> {
 protected:
  const Backend& backend() const { return *GetParam(); }
  Context context(size_t threads = 1) const { return make_context(backend(), threads); }
};

TEST_P(LinearTest, S32EqualsTheLoops) {
  for (size_t m : {1, 2, 5, 6, 7, 13, 49}) {
    for (size_t n : {1, 15, 16, 17, 63, 65, 130}) {
      for (size_t k : {1, 3, 4, 5, 64, 67}) {
        const Problem p(m, n, k, static_cast<int32_t>((m * 37 + n + k) % 256));
        std::vector<int32_t> c(m * n);
        Linear(backend(), p.params()).run_s32(context(), p.a.data(), k, m, c.data(), n);
        EXPECT_EQ(c, p.accumulators()) << m << " x " << n << " x " << k;
      }
    }
  }
}

TEST_P(LinearTest, U8WithResidualAndClampEqualsTheLoops) {
  for (size_t n : {5, 64, 100}) {
    const size_t m = 9, k = 70, lda = k + 3, ldc = n + 5, ldr = n + 1;
    const Problem p(m, n, k, 100);
    LinearParams params = p.params();
    params.multiplier = p.multiplier.data();
    params.output = {.range = {30, 30, 220},
                     .has_residual = true,
                     .residual_multiplier = 0.37f,
                     .residual_zero_point = 128};
    std::vector<uint8_t> strided(m * lda);
    for (size_t i = 0; i < m * k; ++i) strided[i / k * lda + i % k] = p.a[i];
    const std::vector<uint8_t> residual = random_bytes<uint8_t>(m * ldr, 9);
    std::vector<uint8_t> c(m * ldc, 77);
    const ResidualView view = {residual.data(), ldr};
    Linear(backend(), params).run_u8(context(), strided.data(), lda, m, &view, c.data(), ldc);
    const std::vector<int32_t> acc = p.accumulators();
    for (size_t i = 0; i < m; ++i) {
      for (size_t j = 0; j < n; ++j) {
        EXPECT_EQ(c[i * ldc + j], requantize(acc[i * n + j], p.multiplier[j], params.output,
                                             &residual[i * ldr + j]));
      }
      for (size_t j = n; j < ldc; ++j) EXPECT_EQ(c[i * ldc + j], 77) << "written past the row";
    }
  }
}

TEST_P(LinearTest, WeightZeroPoints) {
  const Problem p(7, 66, 37, 200);
  std::vector<int32_t> zero_points(p.n);
  for (size_t j = 0; j < p.n; ++j) zero_points[j] = static_cast<int32_t>(j * 53 % 256) - 128;
  LinearParams params = p.params();
  params.weight_zero_point = zero_points.data();
  std::vector<int32_t> c(p.m * p.n);
  Linear(backend(), params).run_s32(context(), p.a.data(), p.k, p.m, c.data(), p.n);
  EXPECT_EQ(c, p.accumulators(zero_points.data()));
}

TEST_P(LinearTest, DeepestSumOfExtremes) {
  const size_t k = 65536;
  for (int weight : {127, -128}) {
    const std::vector<int8_t> weights(k, static_cast<int8_t>(weight));
    const std::vector<uint8_t> a(k, 255);
    LinearParams params;
    params.weight = weights.data();
    params.n = 1;
    params.k = k;
    int32_t c = 0;
    Linear(backend(), params).run_s32(context(), a.data(), k, 1, &c, 1);
    EXPECT_EQ(c, 255 * weight * static_cast<int32_t>(k));
  }
}

TEST_P(LinearTest, ThreadsAndBatchSplitsGiveTheSameBits) {
  for (size_t m : {1, 100}) {
    const Problem p(m, 700, 1100, 3);
    LinearParams params = p.params();
    params.multiplier = p.multiplier.data();
    const Linear linear(backend(), params);
    std::vector<uint8_t> one(m * p.n), many(m * p.n), rows(m * p.n);
    linear.run_u8(context(1), p.a.data(), p.k, m, nullptr, one.data(), p.n);
    for (size_t threads : {2, 3, 4}) {
      linear.run_u8(context(threads), p.a.data(), p.k, m, nullptr, many.data(), p.n);
      EXPECT_EQ(one, many) << threads << " threads";
    }
    for (size_t i = 0; i < m; ++i) {
      linear.run_u8(context(1), &p.a[i * p.k], p.k, 1, nullptr, &rows[i * p.n], p.n);
    }
    EXPECT_EQ(one, rows) << "row by row";
  }
}

TEST_P(LinearTest, SignedTensorsAtTheEdges) {
  const Problem p(6, 20, 33, 0);
  std::vector<int8_t> a = random_bytes<int8_t>(p.m * p.k, 8);
  const QuantRange range = {-5, -128, 100};
  std::vector<uint8_t> flipped(a.size()), c(p.m * p.n), signed_c(p.m * p.n);
  flip_sign(reinterpret_cast<const uint8_t*>(a.data()), a.size(), flipped.data());
  LinearParams params = p.params();
  params.a_zero_point = shifted_zero_point(-3, true);
  params.multiplier = p.multiplier.data();
  params.output.range = shifted_range(range, true);
  Linear(backend(), params).run_u8(context(), flipped.data(), p.k, p.m, nullptr, c.data(), p.n);
  flip_sign(c.data(), c.size(), signed_c.data());
  for (size_t i = 0; i < p.m * p.n; ++i) {
    int32_t acc = p.bias[i % p.n];
    for (size_t k = 0; k < p.k; ++k) {
      acc += (a[i / p.n * p.k + k] + 3) * p.weight[i % p.n * p.k + k];
    }
    const float v = static_cast<float>(acc) * p.multiplier[i % p.n];
    const float q = std::nearbyint(std::min(std::max(v, -123.0f), 105.0f)) - 5.0f;
    EXPECT_EQ(static_cast<int8_t>(signed_c[i]), static_cast<int8_t>(q));
  }
}

TEST_P(LinearTest, HostRoundingModeDoesNotMatter) {
  const Problem p(8, 40, 50, 9);
  LinearParams params = p.params();
  params.multiplier = p.multiplier.data();
  const Linear linear(backend(), params);
  std::vector<uint8_t> expected(p.m * p.n), c(p.m * p.n);
  linear.run_u8(context(), p.a.data(), p.k, p.m, nullptr, expected.data(), p.n);
  for (int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    std::fesetround(mode);
    linear.run_u8(context(), p.a.data(), p.k, p.m, nullptr, c.data(), p.n);
    std::fesetround(FE_TONEAREST);
    EXPECT_EQ(c, expected);
  }
}

TEST_P(LinearTest, FloatEqualsTheLoops) {
  for (size_t m : {1, 7}) {
    for (size_t n : {1, 9, 33}) {
      const size_t k = 19;
      const auto a = random_floats(m * k, 1), weight = random_floats(n * k, 2),
                 bias = random_floats(n, 3);
      ConvShape shape;
      shape.in_channels = k;
      shape.out_channels = n;
      std::vector<float> expected = conv_f32(shape, 1, {m, 1}, a, weight, bias.data());
      for (float& v : expected) v = std::min(std::max(v, 0.0f), 6.0f);
      LinearF32Params params;
      params.weight = weight.data();
      params.n = n;
      params.k = k;
      params.bias = bias.data();
      params.lo = 0.0f;
      params.hi = 6.0f;
      std::vector<float> c(m * n);
      LinearF32(backend(), params).run(context(2), a.data(), k, m, c.data(), n);
      EXPECT_EQ(c, expected);
    }
  }
}

TEST_P(LinearTest, NoRows) {
  const Problem p(1, 4, 4, 0);
  Linear(backend(), p.params()).run_s32(context(), nullptr, 4, 0, nullptr, 4);
}

INSTANTIATE_TEST_SUITE_P(Backends, LinearTest, ::testing::ValuesIn(supported_backends()),
                         [](const auto& info) { return std::string(info.param->name); });

// What construction or a run with these changes says; "" if it is accepted.
template <class F>
std::string refusal(const F& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(LinearChecks, BadParametersAreNamed) {
  const Backend& backend = all_backends().back();
  const Problem p(2, 3, 4, 0);
  auto with = [&](auto change) {
    LinearParams params = p.params();
    params.multiplier = p.multiplier.data();
    change(params);
    return refusal([&] { Linear(backend, params); });
  };
  EXPECT_EQ(with([](LinearParams&) {}), "");
  EXPECT_NE(with([](LinearParams& q) { q.n = 0; }).find("n: got 0"), std::string::npos);
  EXPECT_NE(with([](LinearParams& q) { q.k = 0; }).find("k: got 0"), std::string::npos);
  EXPECT_NE(with([](LinearParams& q) { q.k = 65537; }).find("k: got 65537, expected 1..65536"),
            std::string::npos);
  EXPECT_NE(with([](LinearParams& q) { q.weight = nullptr; }).find("weight"), std::string::npos);
  EXPECT_NE(with([](LinearParams& q) { q.a_zero_point = 256; }).find("a_zero_point: got 256"),
            std::string::npos);
  EXPECT_NE(with([](LinearParams& q) { q.output.range.qmin = 300; }).find("qmin: got 300"),
            std::string::npos);
  EXPECT_NE(with([](LinearParams& q) { q.output.range = {0, 9, 8}; }).find("qmax: got 8"),
            std::string::npos);
  for (float bad : {NAN, INFINITY, -1.0f}) {
    const std::vector<float> multiplier = {1.0f, bad, 1.0f};
    EXPECT_NE(
        with([&](LinearParams& q) { q.multiplier = multiplier.data(); }).find("multiplier[1]: got"),
        std::string::npos);
  }
}

TEST(LinearChecks, BadRunsAreNamed) {
  const Backend& backend = all_backends().back();
  const Context context = make_context(backend, 1);
  const Problem p(2, 3, 4, 0);
  const Linear linear(backend, p.params());
  std::vector<int32_t> c(6);
  auto run = [&](const uint8_t* a, size_t lda, size_t m, int32_t* to, size_t ldc) {
    return refusal([&] { linear.run_s32(context, a, lda, m, to, ldc); });
  };
  EXPECT_EQ(run(p.a.data(), 4, 2, c.data(), 3), "");
  EXPECT_NE(run(nullptr, 4, 2, c.data(), 3).find("a: got a null"), std::string::npos);
  EXPECT_NE(run(p.a.data(), 3, 2, c.data(), 3).find("lda: got 3"), std::string::npos);
  EXPECT_NE(run(p.a.data(), 4, 2, c.data(), 2).find("ldc: got 2"), std::string::npos);
  EXPECT_NE(run(p.a.data(), SIZE_MAX / 2, 2, c.data(), 3).find("overflow"), std::string::npos);
  auto* odd = reinterpret_cast<int32_t*>(reinterpret_cast<char*>(c.data()) + 1);
  EXPECT_NE(run(p.a.data(), 4, 1, odd, 3).find("misaligned"), std::string::npos);
  EXPECT_NE(refusal([&] {
              linear.run_u8(context, p.a.data(), 4, 2, nullptr,
                            reinterpret_cast<uint8_t*>(c.data()), 3);
            }).find("without a multiplier"),
            std::string::npos);
}

TEST(LinearChecks, ForeignLayoutsAndResidualsAreRefused) {
  const Backend& scalar = all_backends().back();
  const Problem p(2, 3, 4, 0);
  LinearParams params = p.params();
  params.multiplier = p.multiplier.data();
  const Linear linear(scalar, params);
  std::vector<uint8_t> c(6);
  const ResidualView residual = {c.data(), 3};
  EXPECT_NE(refusal([&] {
              linear.run_u8(make_context(scalar, 1), p.a.data(), 4, 2, &residual, c.data(), 3);
            }).find("residual: got a tensor"),
            std::string::npos);
  for (const Backend* other : supported_backends()) {
    const bool same = std::string(other->layout) == scalar.layout;
    const std::string message = refusal(
        [&] { linear.run_u8(make_context(*other, 1), p.a.data(), 4, 2, nullptr, c.data(), 3); });
    EXPECT_EQ(message.find("layout") == std::string::npos, same) << message;
  }
}

}  // namespace
}  // namespace octavo::testing
