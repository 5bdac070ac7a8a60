// Layers of the C ABI against plain loops: every type of tensor, gaps between rows, every backend.
#include <gtest/gtest.h>

#include "c_api_support.h"

namespace octavo::testing {
namespace {

class CApiLayers : public ::testing::TestWithParam<const Backend*> {
 protected:
  const octavo_context context_ = on_backend(GetParam()->name);

  // All types of input, output and residual for one geometry.
  template <class Check>
  void for_each_type(ConvProblem problem, const Check& check) {
    uint32_t seed = 1;
    for (int32_t a : {OCTAVO_U8, OCTAVO_S8}) {
      for (int32_t out : {OCTAVO_U8, OCTAVO_S8, OCTAVO_S32}) {
        for (int kind = 0; kind < (out == OCTAVO_S32 ? 1 : 3); ++kind) {
          problem.a_dtype = a;
          problem.out_dtype = out;
          problem.residual = kind != 0;
          problem.residual_dtype = kind == 2 ? OCTAVO_S8 : OCTAVO_U8;
          problem.zero_points = seed % 3 == 0;
          problem.fill(seed++);
          SCOPED_TRACE(::testing::Message() << "a " << a << " out " << out << " kind " << kind);
          check(problem);
        }
      }
    }
  }

  void check_conv(const ConvProblem& p, size_t gap) {
    const octavo_conv2d_desc desc = p.conv_desc();
    octavo_conv2d* made = nullptr;
    ASSERT_EQ(octavo_conv2d_create(&context_, &desc, &made), OCTAVO_OK) << octavo_last_error();
    const ConvOwner conv(made);
    size_t oh = 0, ow = 0;
    ASSERT_EQ(octavo_conv2d_output_size(made, p.h, p.w, &oh, &ow), OCTAVO_OK);
    EXPECT_EQ(oh, p.out().h);
    EXPECT_EQ(ow, p.out().w);
    const size_t ci = p.shape.in_channels, co = p.shape.out_channels;
    const size_t ldx = ci + gap, ld = co + gap;
    const auto x = spread(p.input(), ci, ldx, uint8_t{0xee});
    const auto r = spread(p.addend(), co, ld, uint8_t{0xee});
    const auto run = [&](void* y) {
      return octavo_conv2d_run(&context_, made, p.batch, p.h, p.w, x.data(), gap == 0 ? 0 : ldx,
                               p.residual ? r.data() : nullptr, gap == 0 ? 0 : ld, y,
                               gap == 0 ? 0 : ld);
    };
    check_output(p, ld, run);
  }

  void check_linear(const ConvProblem& p, size_t gap) {
    const octavo_linear_desc desc = p.linear_desc();
    octavo_linear* made = nullptr;
    ASSERT_EQ(octavo_linear_create(&context_, &desc, &made), OCTAVO_OK) << octavo_last_error();
    const LinearOwner linear(made);
    const size_t k = desc.k, n = desc.n, lda = k + gap, ld = n + gap;
    const auto a = spread(p.input(), k, lda, uint8_t{0xee});
    const auto r = spread(p.addend(), n, ld, uint8_t{0xee});
    const auto run = [&](void* c) {
      return octavo_linear_run(&context_, made, p.h, a.data(), gap == 0 ? 0 : lda,
                               p.residual ? r.data() : nullptr, gap == 0 ? 0 : ld, c,
                               gap == 0 ? 0 : ld);
    };
    check_output(p, ld, run);
  }

 private:
  template <class Run>
  void check_output(const ConvProblem& p, size_t ld, const Run& run) {
    const size_t n = p.shape.out_channels, size = p.pixels() * ld;
    if (p.out_dtype == OCTAVO_S32) {
      std::vector<int32_t> y(size, -7);
      ASSERT_EQ(run(y.data()), OCTAVO_OK) << octavo_last_error();
      EXPECT_EQ(y, spread(p.sums(), n, ld, -7));
    } else {
      std::vector<uint8_t> y(size, 0x55);
      ASSERT_EQ(run(y.data()), OCTAVO_OK) << octavo_last_error();
      EXPECT_EQ(y, spread(p.bytes(), n, ld, uint8_t{0x55}));
    }
  }
};

TEST_P(CApiLayers, ConvolutionsEqualTheLoops) {
  size_t index = 0;
  for (const ConvProblem& problem : conv_problems()) {
    SCOPED_TRACE(::testing::Message() << "convolution " << index);
    for_each_type(problem, [&](const ConvProblem& p) { check_conv(p, index % 2 == 0 ? 0 : 3); });
    ++index;
  }
}

TEST_P(CApiLayers, GapsBetweenPixelsAreAllowedForEveryKernel) {
  for (ConvProblem& problem : conv_problems()) {
    problem.fill(5);
    for (size_t gap : {1, 8}) check_conv(problem, gap);
  }
}

TEST_P(CApiLayers, LinearLayersEqualTheLoops) {
  ConvProblem problem = {.shape = {}, .batch = 1, .h = 1, .w = 1};
  for (size_t m : {1, 5, 30}) {
    problem.shape.in_channels = 2 * m + 9;
    problem.shape.out_channels = 70 - m;
    problem.h = m;
    for_each_type(problem, [&](const ConvProblem& p) { check_linear(p, m % 2 == 0 ? 0 : 7); });
  }
}

TEST_P(CApiLayers, NoRowsAndNoImagesAreFine) {
  ConvProblem p = conv_problems()[0];
  p.fill(1);
  const octavo_conv2d_desc conv_desc = p.conv_desc();
  octavo_conv2d* conv = nullptr;
  ASSERT_EQ(octavo_conv2d_create(&context_, &conv_desc, &conv), OCTAVO_OK);
  const ConvOwner conv_owner(conv);
  EXPECT_EQ(octavo_conv2d_run(&context_, conv, 0, 4, 4, nullptr, 0, nullptr, 0, nullptr, 0),
            OCTAVO_OK);
  const octavo_linear_desc desc = p.linear_desc();
  octavo_linear* linear = nullptr;
  ASSERT_EQ(octavo_linear_create(&context_, &desc, &linear), OCTAVO_OK);
  const LinearOwner owner(linear);
  EXPECT_EQ(octavo_linear_run(&context_, linear, 0, nullptr, 0, nullptr, 0, nullptr, 0), OCTAVO_OK);
}

TEST_P(CApiLayers, AWholeRangeMayBeLeftOut) {
  ConvProblem p = conv_problems()[0];
  p.fill(3);
  for (int32_t dtype : {OCTAVO_U8, OCTAVO_S8}) {
    p.out_dtype = dtype;
    p.spec.range = {.zero_point = 9, .qmin = 0, .qmax = 255};
    octavo_linear_desc desc = p.linear_desc();
    desc.output.qmin = desc.output.qmax = 0;
    octavo_linear* made = nullptr;
    ASSERT_EQ(octavo_linear_create(&context_, &desc, &made), OCTAVO_OK) << octavo_last_error();
    const LinearOwner linear(made);
    std::vector<uint8_t> c(p.pixels() * desc.n);
    ASSERT_EQ(
        octavo_linear_run(&context_, made, p.pixels(), p.x.data(), 0, nullptr, 0, c.data(), 0),
        OCTAVO_OK);
    EXPECT_EQ(c, p.bytes());
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, CApiLayers, ::testing::ValuesIn(supported_backends()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace octavo::testing
