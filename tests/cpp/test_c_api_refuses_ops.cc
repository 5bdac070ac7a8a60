// What elementwise functions and pooling of the C ABI refuse: each call names the argument, and no
// output changes.
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "c_api_support.h"

namespace octavo::testing {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class CApiRefusesOps : public ::testing::Test {
 protected:
  CApiRefusesOps() { std::memset(y_, 0x55, sizeof y_); }
  ~CApiRefusesOps() override {
    for (uint8_t byte : y_) EXPECT_EQ(byte, 0x55);
  }

  uint8_t x_[16] = {};
  alignas(4) uint8_t y_[64];
  octavo_input in_ = {x_, OCTAVO_U8, 0, 1.0f};
  octavo_output out_ = {OCTAVO_U8, 0, 0, 255};
};

TEST_F(CApiRefusesOps, Inputs) {
  const struct {
    const char* message;
    octavo_input input;
  } cases[] = {{"data: got a null pointer", {nullptr, OCTAVO_U8, 0, 1.0f}},
               {"dtype: got 2", {x_, OCTAVO_S32, 0, 1.0f}},
               {"zero_point: got 256", {x_, OCTAVO_U8, 256, 1.0f}},
               {"zero_point: got -129", {x_, OCTAVO_S8, -129, 1.0f}},
               {"multiplier: got -1", {x_, OCTAVO_U8, 0, -1.0f}},
               {"multiplier: got nan", {x_, OCTAVO_S8, 0, kNan}}};
  for (const auto& bad : cases) {
    expect_refused(octavo_add(nullptr, 16, &bad.input, &in_, &out_, y_), bad.message);
    expect_refused(octavo_add(nullptr, 16, &in_, &bad.input, &out_, y_), bad.message);
    expect_refused(octavo_requantize(nullptr, 16, &bad.input, &out_, y_), bad.message);
    if (std::string(bad.message).find("multiplier") != std::string::npos) continue;
    expect_refused(octavo_mul(nullptr, 1, 4, 4, &bad.input, &in_, 1.0f, &out_, y_), bad.message);
    expect_refused(octavo_mul(nullptr, 1, 4, 4, &in_, &bad.input, 1.0f, &out_, y_), bad.message);
    expect_refused(octavo_dequantize(nullptr, 16, &bad.input, reinterpret_cast<float*>(y_)),
                   bad.message);
  }
  expect_refused(octavo_add(nullptr, 16, nullptr, &in_, &out_, y_), "a: got NULL");
  expect_refused(octavo_mul(nullptr, 1, 4, 4, &in_, nullptr, 1.0f, &out_, y_), "b: got NULL");
  expect_refused(octavo_mul(nullptr, 1, 4, 4, &in_, &in_, kNan, &out_, y_), "multiplier: got nan");
  expect_refused(octavo_requantize(nullptr, 16, nullptr, &out_, y_), "x: got NULL");
  expect_refused(octavo_dequantize(nullptr, 16, nullptr, nullptr), "x: got NULL");
  expect_refused(octavo_dequantize(nullptr, 4, &in_, reinterpret_cast<float*>(y_ + 1)),
                 "y: got a misaligned pointer");
  octavo_input zero_scale = in_;
  zero_scale.multiplier = 0.0f;
  expect_refused(octavo_dequantize(nullptr, 4, &zero_scale, reinterpret_cast<float*>(y_)),
                 "scale: got 0");
}

TEST_F(CApiRefusesOps, Outputs) {
  const struct {
    const char* message;
    octavo_output output;
  } cases[] = {{"output.dtype: got 2", {OCTAVO_S32, 0, 0, 255}},
               {"output.zero_point: got 200", {OCTAVO_S8, 200, -128, 127}},
               {"output.qmin: got -1", {OCTAVO_U8, 0, -1, 255}},
               {"output.qmax: got 256", {OCTAVO_U8, 0, 0, 256}},
               {"output.qmax: got 3", {OCTAVO_U8, 0, 4, 3}}};
  const float values[16] = {};
  const int32_t sums[16] = {};
  for (const auto& bad : cases) {
    expect_refused(octavo_add(nullptr, 16, &in_, &in_, &bad.output, y_), bad.message);
    expect_refused(octavo_mul(nullptr, 1, 4, 4, &in_, &in_, 1.0f, &bad.output, y_), bad.message);
    expect_refused(octavo_quantize(nullptr, 16, values, 1.0f, &bad.output, y_), bad.message);
    expect_refused(octavo_requantize(nullptr, 16, &in_, &bad.output, y_), bad.message);
    expect_refused(octavo_requantize_s32(nullptr, 4, 4, sums, values, &bad.output, y_),
                   bad.message);
  }
  expect_refused(octavo_add(nullptr, 16, &in_, &in_, nullptr, y_), "output: got NULL");
  expect_refused(octavo_add(nullptr, 16, &in_, &in_, &out_, nullptr), "y: got a null pointer");
  expect_refused(octavo_quantize(nullptr, 16, nullptr, 1.0f, &out_, y_), "x: got a null pointer");
  expect_refused(octavo_quantize(nullptr, 16, values, 0.0f, &out_, y_), "scale: got 0");
  expect_refused(octavo_quantize(nullptr, ~size_t{0}, values, 1.0f, &out_, y_), "overflow");
  expect_refused(octavo_requantize_s32(nullptr, 4, 4, nullptr, values, &out_, y_), "acc: got");
  expect_refused(octavo_requantize_s32(nullptr, 4, 4, sums, nullptr, &out_, y_), "multiplier: got");
  expect_refused(octavo_lookup(nullptr, 16, nullptr, x_, y_), "table: got NULL");
  const uint8_t table[256] = {};
  expect_refused(octavo_lookup(nullptr, 16, table, nullptr, y_), "x: got a null pointer");
  expect_refused(octavo_lookup(nullptr, 16, table, x_, nullptr), "y: got a null pointer");
}

TEST_F(CApiRefusesOps, Pools) {
  octavo_pool2d_desc good = zeroed<octavo_pool2d_desc>();
  good.batch = 1;
  good.h = good.w = 4;
  good.channels = 1;
  good.kernel_h = good.kernel_w = 2;
  const struct {
    const char* message;
    std::function<void(octavo_pool2d_desc&)> spoil;
  } cases[] = {{"desc.size: got 0", [](auto& d) { d.size = 0; }},
               {"desc.ceil_mode: got 2", [](auto& d) { d.ceil_mode = 2; }},
               {"desc.count_include_pad: got -1", [](auto& d) { d.count_include_pad = -1; }},
               {"height input: got 0", [](auto& d) { d.h = 0; }},
               {"channels: got 0", [](auto& d) { d.channels = 0; }},
               {"width output: got 0", [](auto& d) { d.kernel_w = 5; }},
               {"a window that holds at least one pixel", [](auto& d) { d.pad_top = 2; }},
               {"padding", [](auto& d) { d.pad_top = ~size_t{0}; }},
               {"overflow", [](auto& d) { d.batch = ~size_t{0}; }}};
  size_t h = 77, w = 77;
  for (const auto& bad : cases) {
    octavo_pool2d_desc desc = good;
    bad.spoil(desc);
    expect_refused(octavo_pool2d_output_size(&desc, &h, &w), bad.message);
    expect_refused(octavo_max_pool2d(nullptr, &desc, OCTAVO_U8, x_, y_), bad.message);
    expect_refused(octavo_avg_pool2d(nullptr, &desc, &in_, &out_, y_), bad.message);
  }
  EXPECT_EQ(h, 77u);
  expect_refused(octavo_pool2d_output_size(&good, nullptr, &w), "out_h: got NULL");
  expect_refused(octavo_pool2d_output_size(&good, &h, nullptr), "out_w: got NULL");
  expect_refused(octavo_max_pool2d(nullptr, nullptr, OCTAVO_U8, x_, y_), "desc: got NULL");
  expect_refused(octavo_max_pool2d(nullptr, &good, 9, x_, y_), "dtype: got 9");
  expect_refused(octavo_max_pool2d(nullptr, &good, OCTAVO_U8, nullptr, y_), "x: got a null");
  expect_refused(octavo_max_pool2d(nullptr, &good, OCTAVO_U8, x_, nullptr), "y: got a null");
  expect_refused(octavo_avg_pool2d(nullptr, &good, nullptr, &out_, y_), "x: got NULL");
  expect_refused(octavo_avg_pool2d(nullptr, &good, &in_, nullptr, y_), "output: got NULL");
}

}  // namespace
}  // namespace octavo::testing
