// Convolutions against plain loops, on every backend.
#include <gtest/gtest.h>

#include "base/status.h"
#include "guarded.h"
#include "naive.h"
#include "ops/conv2d.h"

namespace octavo::testing {
namespace {

struct Case {
  ConvShape shape;
  Extent2d in = {7, 8};
  size_t batch = 2;
  ConvPath path;
};

ConvShape shape_of(size_t in, size_t out, size_t kh, size_t kw, size_t groups = 1) {
  ConvShape shape;
  shape.in_channels = in;
  shape.out_channels = out;
  shape.kernel_h = kh;
  shape.kernel_w = kw;
  shape.groups = groups;
  return shape;
}

ConvShape strided(ConvShape shape, size_t h, size_t w) {
  shape.stride_h = h;
  shape.stride_w = w;
  return shape;
}

ConvShape dilated(ConvShape shape, size_t h, size_t w) {
  shape.dilation_h = h;
  shape.dilation_w = w;
  return shape;
}

ConvShape padded(ConvShape shape, size_t top, size_t left, size_t bottom, size_t right) {
  shape.padding = {top, left, bottom, right};
  return shape;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  auto add = [&](const ConvShape& shape, ConvPath path, Extent2d in = {7, 8}) {
    all.push_back({shape, in, 2, path});
  };
  for (size_t channels : {1, 2, 3, 4, 5, 16, 33}) {
    add(shape_of(channels, 18, 1, 1), ConvPath::pointwise);
    add(padded(shape_of(channels, 18, 3, 3), 1, 1, 1, 1), ConvPath::rows);
    add(strided(padded(shape_of(channels, 7, 7, 7), 3, 3, 3, 3), 2, 2), ConvPath::rows);
    add(shape_of(channels, 5, 1, 7), ConvPath::rows);
    add(shape_of(channels, 5, 4, 1), ConvPath::taps);
  }
  add(padded(shape_of(68, 9, 3, 3), 1, 1, 1, 1), ConvPath::taps);
  add(padded(shape_of(67, 9, 3, 3), 1, 1, 1, 1), ConvPath::rows);
  add(strided(shape_of(16, 70, 1, 1), 2, 2), ConvPath::taps);
  add(padded(shape_of(16, 9, 1, 1), 1, 0, 0, 2), ConvPath::taps);
  add(padded(shape_of(8, 17, 5, 5), 2, 2, 2, 2), ConvPath::rows);
  add(strided(padded(shape_of(3, 12, 5, 5), 0, 1, 2, 3), 3, 1), ConvPath::rows);
  add(dilated(padded(shape_of(3, 12, 3, 3), 2, 2, 2, 2), 2, 1), ConvPath::rows);
  add(dilated(padded(shape_of(3, 12, 3, 3), 2, 2, 2, 2), 1, 2), ConvPath::taps);
  add(dilated(padded(shape_of(4, 12, 3, 3), 3, 3, 3, 3), 3, 3), ConvPath::taps);
  // Padding beyond the kernel's reach: whole outputs see padding only.
  add(padded(shape_of(4, 6, 3, 3), 5, 4, 3, 6), ConvPath::rows, {2, 3});
  add(dilated(padded(shape_of(4, 6, 3, 3), 5, 4, 3, 6), 1, 2), ConvPath::taps, {2, 3});
  add(padded(shape_of(3, 6, 3, 3), 1, 1, 1, 1), ConvPath::rows, {1, 1});
  add(padded(shape_of(3, 6, 3, 2), 5, 4, 3, 6), ConvPath::rows, {2, 3});
  add(padded(shape_of(6, 6, 2, 2, 6), 4, 3, 4, 5), ConvPath::depthwise, {2, 3});
  for (size_t channels : {2, 15, 16, 17, 64, 65, 100}) {
    add(padded(shape_of(channels, channels, 3, 3, channels), 1, 1, 1, 1), ConvPath::depthwise);
  }
  add(strided(padded(shape_of(24, 24, 5, 5, 24), 2, 2, 2, 2), 2, 2), ConvPath::depthwise);
  add(dilated(padded(shape_of(33, 33, 3, 3, 33), 2, 2, 2, 2), 2, 3), ConvPath::depthwise);
  add(padded(shape_of(6, 12, 3, 3, 6), 1, 1, 1, 1), ConvPath::taps);  // channel multiplier 2
  add(padded(shape_of(64, 64, 3, 3, 32), 0, 2, 1, 0), ConvPath::taps);
  add(padded(shape_of(24, 36, 3, 3, 3), 1, 1, 1, 1), ConvPath::taps);
  add(strided(padded(shape_of(32, 20, 3, 3, 2), 1, 1, 1, 1), 2, 2), ConvPath::taps);
  add(shape_of(64, 64, 1, 1, 16), ConvPath::groups);
  add(strided(padded(shape_of(64, 64, 3, 3, 8), 0, 0, 1, 1), 2, 2), ConvPath::groups);
  return all;
}

std::string describe(const ConvShape& s) {
  std::string text = std::to_string(s.in_channels) + "->" + std::to_string(s.out_channels) + " " +
                     std::to_string(s.kernel_h) + "x" + std::to_string(s.kernel_w) + " stride " +
                     std::to_string(s.stride_h) + "," + std::to_string(s.stride_w) + " dilation " +
                     std::to_string(s.dilation_h) + "," + std::to_string(s.dilation_w) +
                     " groups " + std::to_string(s.groups);
  return text + " padding " + std::to_string(s.padding.top) + "," + std::to_string(s.padding.left) +
         "," + std::to_string(s.padding.bottom) + "," + std::to_string(s.padding.right);
}

struct Problem {
  Case test;
  std::vector<uint8_t> x;
  std::vector<int8_t> weight;
  std::vector<int32_t> bias;
  std::vector<float> multiplier;
  int32_t zero_point;
  size_t outputs;

  Problem(const Case& test, int32_t zero_point)
      : test(test),
        x(random_bytes<uint8_t>(test.batch * test.in.h * test.in.w * test.shape.in_channels, 1)),
        weight(random_bytes<int8_t>(k() * test.shape.out_channels, 2)),
        bias(random_bias(test.shape.out_channels, 3)),
        multiplier(random_multipliers(test.shape.out_channels, k(), 4)),
        zero_point(zero_point) {
    const Extent2d out = conv_output_size(test.shape, test.in.h, test.in.w);
    outputs = test.batch * out.h * out.w * test.shape.out_channels;
  }

  size_t k() const { return test.shape.taps() * test.shape.group_in(); }

  Conv2dParams params() const {
    return {.weight = weight.data(),
            .shape = test.shape,
            .bias = bias.data(),
            .a_zero_point = zero_point,
            .output = {}};
  }

  std::vector<int32_t> accumulators(const int32_t* weight_zero_point = nullptr) const {
    return conv_s32(test.shape, test.batch, test.in, x, zero_point, weight, bias.data(),
                    weight_zero_point);
  }
};

class Conv2dTest : public ::testing::TestWithParam<const Backend*> {
 protected:
  const Backend& backend() const { return *GetParam(); }
  Context context(size_t threads = 1) const { return make_context(backend(), threads); }

  std::vector<int32_t> run_s32(const Problem& p, const Conv2dParams& params,
                               size_t threads = 1) const {
    const GuardedBuffer<uint8_t> x(p.x, Guard::after);
    std::vector<int32_t> y(p.outputs);
    Conv2d(backend(), params)
        .run_s32(context(threads), x.data(), p.test.batch, p.test.in.h, p.test.in.w, y.data());
    return y;
  }
};

TEST_P(Conv2dTest, S32EqualsTheLoops) {
  int32_t zero_points[] = {0, 1, 127, 128, 255};
  for (size_t i = 0; const Case& test : cases()) {
    const Problem p(test, zero_points[i++ % 5]);
    const bool moved = test.path == ConvPath::groups && !backend().table->grouped_u8.run;
    EXPECT_EQ(Conv2d(backend(), p.params()).path(), moved ? ConvPath::taps : test.path);
    EXPECT_EQ(run_s32(p, p.params()), p.accumulators()) << describe(test.shape);
  }
}

TEST_P(Conv2dTest, U8WithAndWithoutResidualEqualsTheLoops) {
  for (const Case& test : cases()) {
    for (bool has_residual : {false, true}) {
      const Problem p(test, 77);
      Conv2dParams params = p.params();
      params.multiplier = p.multiplier.data();
      params.output = {.range = {20, 20, 240},
                       .has_residual = has_residual,
                       .residual_multiplier = 0.61f,
                       .residual_zero_point = 5};
      const size_t n = test.shape.out_channels;
      const std::vector<uint8_t> residual = random_bytes<uint8_t>(p.outputs, 6);
      const ResidualView view = {residual.data(), n};
      std::vector<uint8_t> y(p.outputs), expected(p.outputs);
      Conv2d(backend(), params)
          .run_u8(context(), p.x.data(), test.batch, test.in.h, test.in.w,
                  has_residual ? &view : nullptr, y.data());
      const std::vector<int32_t> acc = p.accumulators();
      for (size_t i = 0; i < p.outputs; ++i) {
        expected[i] = requantize(acc[i], p.multiplier[i % n], params.output,
                                 has_residual ? &residual[i] : nullptr);
      }
      EXPECT_EQ(y, expected) << describe(test.shape) << " residual " << has_residual;
    }
  }
}

TEST_P(Conv2dTest, WeightZeroPointsOnEveryPath) {
  for (const Case& test : cases()) {
    const Problem p(test, 130);
    std::vector<int32_t> zero_points(test.shape.out_channels);
    for (size_t n = 0; n < zero_points.size(); ++n) {
      zero_points[n] = static_cast<int32_t>(n * 91 % 256) - 128;
    }
    Conv2dParams params = p.params();
    params.weight_zero_point = zero_points.data();
    EXPECT_EQ(run_s32(p, params), p.accumulators(zero_points.data())) << describe(test.shape);
  }
}

TEST_P(Conv2dTest, ThreadsGiveTheSameBits) {
  const std::vector<Case> large = {
      {padded(shape_of(32, 150, 3, 3), 1, 1, 1, 1), {30, 31}, 2, ConvPath::rows},
      {strided(padded(shape_of(3, 64, 7, 7), 3, 3, 3, 3), 2, 2), {64, 60}, 1, ConvPath::rows},
      {shape_of(96, 200, 1, 1), {20, 20}, 1, ConvPath::pointwise},
      {padded(shape_of(96, 96, 3, 3, 96), 1, 1, 1, 1), {40, 41}, 1, ConvPath::depthwise},
      {padded(shape_of(64, 64, 3, 3, 16), 1, 1, 1, 1), {40, 41}, 1, ConvPath::groups},
  };
  for (const Case& test : large) {
    const Problem p(test, 128);
    const std::vector<int32_t> one = run_s32(p, p.params(), 1);
    for (size_t threads : {2, 3, 4}) {
      EXPECT_EQ(run_s32(p, p.params(), threads), one)
          << describe(test.shape) << ", " << threads << " threads";
    }
  }
}

TEST_P(Conv2dTest, FloatEqualsTheLoops) {
  for (const Case& test : cases()) {
    const ConvShape& shape = test.shape;
    const auto x = random_floats(test.batch * test.in.h * test.in.w * shape.in_channels, 1);
    const auto weight = random_floats(shape.out_channels * shape.group_in() * shape.taps(), 2);
    const auto bias = random_floats(shape.out_channels, 3);
    std::vector<float> expected = conv_f32(shape, test.batch, test.in, x, weight, bias.data());
    for (float& v : expected) v = std::min(std::max(v, -1.5f), 2.5f);
    Conv2dF32Params params;
    params.weight = weight.data();
    params.shape = shape;
    params.bias = bias.data();
    params.lo = -1.5f;
    params.hi = 2.5f;
    const Conv2dF32 conv(backend(), params);
    for (size_t threads : {1, 3}) {
      std::vector<float> y(expected.size());
      conv.run(context(threads), x.data(), test.batch, test.in.h, test.in.w, y.data());
      EXPECT_EQ(y, expected) << describe(shape);
    }
  }
}

TEST_P(Conv2dTest, EmptyBatch) {
  for (const Case& test : cases()) {
    const Problem p(test, 0);
    Conv2d(backend(), p.params()).run_s32(context(), nullptr, 0, test.in.h, test.in.w, nullptr);
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, Conv2dTest, ::testing::ValuesIn(supported_backends()),
                         [](const auto& info) { return std::string(info.param->name); });

std::string refusal(const Conv2dParams& params) {
  try {
    Conv2d(all_backends().back(), params);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Conv2dChecks, BadGeometryIsNamed) {
  const Problem p({shape_of(4, 6, 3, 3), {7, 8}, 1, ConvPath::taps}, 0);
  auto with = [&](auto change) {
    Conv2dParams params = p.params();
    change(params.shape);
    return refusal(params);
  };
  EXPECT_EQ(with([](ConvShape&) {}), "");
  EXPECT_NE(with([](ConvShape& s) { s.stride_h = 0; }).find("stride height: got 0"),
            std::string::npos);
  EXPECT_NE(with([](ConvShape& s) { s.dilation_w = 0; }).find("dilation width"), std::string::npos);
  EXPECT_NE(with([](ConvShape& s) { s.groups = 3; }).find("groups: got 3 with 4 input"),
            std::string::npos);
  EXPECT_NE(with([](ConvShape& s) { s.kernel_h = 10000; }).find("expected 1..65536"),
            std::string::npos);
  EXPECT_NE(with([](ConvShape& s) { s.padding.left = SIZE_MAX; }).find("padding: got"),
            std::string::npos);
  EXPECT_NE(with([](ConvShape& s) { s.kernel_h = s.kernel_w = size_t{1} << 30; }).find("kernel"),
            std::string::npos);
}

TEST(Conv2dChecks, BadInputsAreNamed) {
  const Backend& backend = all_backends().back();
  const Problem p({shape_of(4, 6, 3, 3), {7, 8}, 1, ConvPath::taps}, 0);
  const Conv2d conv(backend, p.params());
  std::vector<int32_t> y(p.outputs);
  auto run = [&](const uint8_t* x, size_t batch, size_t h, size_t w) -> std::string {
    try {
      conv.run_s32(make_context(backend, 1), x, batch, h, w, y.data());
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(run(p.x.data(), 1, 7, 8), "");
  EXPECT_NE(run(p.x.data(), 1, 2, 8).find("input: got 2 x 8 pixels"), std::string::npos);
  EXPECT_NE(run(p.x.data(), 1, 0, 8).find("input height: got 0"), std::string::npos);
  EXPECT_NE(run(nullptr, 1, 7, 8).find("x: got a null"), std::string::npos);
  EXPECT_NE(run(p.x.data(), SIZE_MAX / 4, 7, 8).find("overflow"), std::string::npos);
}

}  // namespace
}  // namespace octavo::testing
