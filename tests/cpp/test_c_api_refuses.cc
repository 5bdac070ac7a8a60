// What layers of the C ABI refuse: each call names the argument, and no output changes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "c_api_support.h"

namespace octavo::testing {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

ConvProblem problem() {
  ConvProblem p = conv_problems()[3];  // 24 to 12 channels, 3x3, 3 groups
  p.residual = true;
  p.fill(1);
  return p;
}

struct BadDesc {
  std::string message;
  std::function<void(octavo_conv2d_desc&)> spoil;
};

std::vector<BadDesc> bad_descs() {
  static const float nan_multiplier[12] = {kNan};
  static const int32_t bad_zero_point[12] = {128};
  return {
      {"desc.size: got 8", [](auto& d) { d.size = 8; }},
      {"desc.size: got", [](auto& d) { d.size = ~size_t{0}; }},
      {"weight: got a null pointer", [](auto& d) { d.weight = nullptr; }},
      {"desc.multiplier: got NULL", [](auto& d) { d.multiplier = nullptr; }},
      {"desc.multiplier: got a pointer",
       [](auto& d) { d.output.dtype = OCTAVO_S32, d.residual.present = 0; }},
      {"desc.residual.present: got 1",
       [](auto& d) { d.output.dtype = OCTAVO_S32, d.multiplier = nullptr; }},
      {"multiplier[0]: got nan", [](auto& d) { d.multiplier = nan_multiplier; }},
      {"weight_zero_point: element 0 is 128",
       [](auto& d) { d.weight_zero_point = bad_zero_point; }},
      {"desc.a_dtype: got 2", [](auto& d) { d.a_dtype = OCTAVO_S32; }},
      {"desc.a_zero_point: got 256", [](auto& d) { d.a_zero_point = 256; }},
      {"desc.a_zero_point: got 128, expected -128..127",
       [](auto& d) { d.a_dtype = OCTAVO_S8, d.a_zero_point = 128; }},
      {"desc.output.dtype: got 7", [](auto& d) { d.output.dtype = 7; }},
      {"desc.output.zero_point: got -1", [](auto& d) { d.output.zero_point = -1; }},
      {"desc.output.qmin: got -5", [](auto& d) { d.output.qmin = -5; }},
      {"desc.output.qmax: got 99", [](auto& d) { d.output.qmax = 99; }},
      {"desc.residual.present: got 2", [](auto& d) { d.residual.present = 2; }},
      {"desc.residual.dtype: got 3", [](auto& d) { d.residual.dtype = 3; }},
      {"desc.residual.zero_point: got 300", [](auto& d) { d.residual.zero_point = 300; }},
      {"desc.residual.multiplier: got -1", [](auto& d) { d.residual.multiplier = -1; }},
      {"groups: got 3 with 25", [](auto& d) { d.in_channels = 25; }},
      {"kernel", [](auto& d) { d.kernel_h = 0; }},
      {"kernel", [](auto& d) { d.kernel_h = d.kernel_w = size_t{1} << 40; }},
      {"stride", [](auto& d) { d.stride_w = ~size_t{0}; }},
      {"padding", [](auto& d) { d.pad_left = ~size_t{0}; }},
      {"K = ", [](auto& d) { d.kernel_h = 100, d.kernel_w = 100; }},
  };
}

TEST(CApiRefuses, BadLayers) {
  const ConvProblem p = problem();
  for (const BadDesc& bad : bad_descs()) {
    octavo_conv2d_desc desc = p.conv_desc();
    bad.spoil(desc);
    auto* const untouched = reinterpret_cast<octavo_conv2d*>(&desc);
    octavo_conv2d* conv = untouched;
    expect_refused(octavo_conv2d_create(nullptr, &desc, &conv), bad.message);
    EXPECT_EQ(conv, untouched);
    size_t bytes = 77;
    expect_refused(octavo_conv2d_packed_size(nullptr, &desc, &bytes), bad.message);
    EXPECT_EQ(bytes, 77u);
    AlignedBuffer memory(1 << 16);
    expect_refused(octavo_conv2d_pack(nullptr, &desc, memory.data(), memory.size()), bad.message);
    EXPECT_TRUE(std::all_of(memory.data(), memory.data() + memory.size(),
                            [](unsigned char c) { return c == 0; }));
  }
}

TEST(CApiRefuses, StructsOfOtherVersions) {
  const ConvProblem p = problem();
  struct Newer {
    octavo_conv2d_desc desc;
    uint64_t later_field;
  } newer = {p.conv_desc(), 0};
  newer.desc.size = sizeof newer;
  octavo_conv2d* conv = nullptr;
  ASSERT_EQ(octavo_conv2d_create(nullptr, &newer.desc, &conv), OCTAVO_OK) << octavo_last_error();
  octavo_conv2d_free(conv);
  newer.later_field = 1;
  expect_refused(octavo_conv2d_create(nullptr, &newer.desc, &conv), "ABI version 1 ends at byte",
                 OCTAVO_UNSUPPORTED);
}

TEST(CApiRefuses, BadContexts) {
  const octavo_conv2d_desc desc = problem().conv_desc();
  octavo_conv2d* conv = nullptr;
  octavo_context context = on_backend("sse9");
  expect_refused(octavo_conv2d_create(&context, &desc, &conv), "context.backend: 'sse9'");
  context = zeroed<octavo_context>();
  context.size = 1;
  expect_refused(octavo_conv2d_create(&context, &desc, &conv), "context.size: got 1");
  context = zeroed<octavo_context>();
  context.num_threads = 1025;
  expect_refused(octavo_conv2d_create(&context, &desc, &conv), "context.num_threads: got 1025");
  EXPECT_EQ(conv, nullptr);
  expect_refused(octavo_default_backend(nullptr), "name: got NULL");
}

class CApiRefusesRuns : public ::testing::Test {
 protected:
  CApiRefusesRuns() {
    const octavo_conv2d_desc desc = problem_.conv_desc();
    octavo_conv2d* made = nullptr;
    EXPECT_EQ(octavo_conv2d_create(&context_, &desc, &made), OCTAVO_OK) << octavo_last_error();
    conv_.reset(made);
    y_.assign(problem_.pixels() * 40, 0x55);
  }
  ~CApiRefusesRuns() override {
    EXPECT_TRUE(std::all_of(y_.begin(), y_.end(), [](uint8_t c) { return c == 0x55; }));
  }

  octavo_status run(const void* x, size_t ldx, const void* residual, size_t ldr, void* y,
                    size_t ldy, const octavo_context* context = nullptr) {
    const ConvProblem& p = problem_;
    return octavo_conv2d_run(context, conv_.get(), p.batch, p.h, p.w, x, ldx, residual, ldr, y,
                             ldy);
  }

  ConvProblem problem_ = problem();
  octavo_context context_ = on_backend("scalar");
  ConvOwner conv_;
  std::vector<uint8_t> y_;
};

TEST_F(CApiRefusesRuns, BadTensors) {
  const uint8_t* x = problem_.x.data();
  const uint8_t* r = problem_.added.data();
  expect_refused(run(nullptr, 0, r, 0, y_.data(), 0), "x: got a null pointer");
  expect_refused(run(x, 0, r, 0, nullptr, 0), "y: got a null pointer");
  expect_refused(run(x, 0, nullptr, 0, y_.data(), 0), "residual: got none");
  expect_refused(run(x, 23, r, 0, y_.data(), 0), "ldx: got 23, expected at least 24");
  expect_refused(run(x, 0, r, 11, y_.data(), 0), "ldr: got 11");
  expect_refused(run(x, 0, r, 0, y_.data(), 11), "ldy: got 11, expected at least 12");
  expect_refused(run(x, ~size_t{0}, r, 0, y_.data(), 0), "ldx: got a size that overflows");
  const octavo_context other = on_backend(octavo_backend_name(0));
  if (octavo_backend_count() > 1) {
    expect_refused(run(x, 0, r, 0, y_.data(), 0, &other), "packed: got weights in layout 'scalar'");
  }
  const size_t huge = size_t{1} << 40;
  expect_refused(octavo_conv2d_run(nullptr, conv_.get(), 1, huge, 7, x, 0, r, 0, y_.data(), 0),
                 "got 1099511627776");
  expect_refused(octavo_conv2d_run(nullptr, conv_.get(), huge, huge >> 12, huge >> 12, x, 0, r, 0,
                                   y_.data(), 0),
                 "overflow");
  expect_refused(octavo_conv2d_run(nullptr, nullptr, 1, 7, 7, x, 0, r, 0, y_.data(), 0),
                 "conv: got NULL");
}

TEST_F(CApiRefusesRuns, SumsNeedAnAlignedOutputAndNoResidual) {
  ConvProblem p = problem();
  p.residual = false;
  p.out_dtype = OCTAVO_S32;
  const octavo_conv2d_desc desc = p.conv_desc();
  octavo_conv2d* made = nullptr;
  ASSERT_EQ(octavo_conv2d_create(nullptr, &desc, &made), OCTAVO_OK);
  conv_.reset(made);
  expect_refused(run(p.x.data(), 0, nullptr, 0, y_.data() + 1, 0), "y: got a misaligned pointer");
  expect_refused(run(p.x.data(), 0, p.added.data(), 0, y_.data(), 0), "residual: got a pointer");
}

TEST(CApiRefuses, NullPointersOfLayers) {
  const ConvProblem p = conv_problems()[0];
  size_t size = 0;
  const void* packed = nullptr;
  octavo_linear_desc info = zeroed<octavo_linear_desc>();
  expect_refused(octavo_linear_packed(nullptr, &packed, &size), "linear: got NULL");
  expect_refused(octavo_linear_info(nullptr, &info), "linear: got NULL");
  expect_refused(octavo_conv2d_packed(nullptr, &packed, &size), "conv: got NULL");
  expect_refused(octavo_conv2d_info(nullptr, nullptr), "conv: got NULL");
  expect_refused(octavo_conv2d_output_size(nullptr, 1, 1, &size, &size), "conv: got NULL");
  octavo_conv2d_free(nullptr);

  ConvProblem filled = p;
  filled.fill(1);
  const octavo_linear_desc desc = filled.linear_desc();
  octavo_linear* made = nullptr;
  ASSERT_EQ(octavo_linear_create(nullptr, &desc, &made), OCTAVO_OK);
  const LinearOwner linear(made);
  expect_refused(octavo_linear_packed(made, nullptr, &size), "packed: got NULL");
  expect_refused(octavo_linear_packed(made, &packed, nullptr), "bytes: got NULL");
  expect_refused(octavo_linear_info(made, nullptr), "info: got NULL");
  info.size = 16;
  expect_refused(octavo_linear_info(made, &info), "info.size: got 16");
}

}  // namespace
}  // namespace octavo::testing
