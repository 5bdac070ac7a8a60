// What the tests of the C ABI share: zeroed structs, owners, layers with known results.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "naive.h"
#include "octavo/octavo.h"
#include "ops/sign.h"

namespace octavo::testing {

template <class Struct>
Struct zeroed() {
  Struct fields;
  std::memset(&fields, 0, sizeof fields);
  fields.size = sizeof fields;
  return fields;
}

inline octavo_context on_backend(const char* backend) {
  octavo_context context = zeroed<octavo_context>();
  context.backend = backend;
  return context;
}

inline void expect_refused(octavo_status status, const std::string& message,
                           octavo_status expected = OCTAVO_INVALID_ARGUMENT) {
  EXPECT_EQ(status, expected) << message;
  EXPECT_NE(std::string(octavo_last_error()).find(message), std::string::npos)
      << "got: " << octavo_last_error() << "\nexpected: " << message;
}

struct FreeLayer {
  void operator()(octavo_linear* linear) const { octavo_linear_free(linear); }
  void operator()(octavo_conv2d* conv) const { octavo_conv2d_free(conv); }
};
using LinearOwner = std::unique_ptr<octavo_linear, FreeLayer>;
using ConvOwner = std::unique_ptr<octavo_conv2d, FreeLayer>;

inline std::vector<uint8_t> flipped_if(std::vector<uint8_t> bytes, bool is_signed) {
  if (is_signed) flip_sign(bytes.data(), bytes.size(), bytes.data());
  return bytes;
}

// A convolution, its tensors and its result: tensors are those of u8, the desc says them for the
// types asked for.
struct ConvProblem {
  ConvShape shape;
  size_t batch, h, w;
  int32_t a_dtype = OCTAVO_U8, out_dtype = OCTAVO_U8;
  bool residual = false;
  int32_t residual_dtype = OCTAVO_U8;
  bool zero_points = false;

  int32_t a_zero_point = 77;
  OutputSpec spec = {{.zero_point = 100, .qmin = 100, .qmax = 240}, false, 0.0f, 0};
  std::vector<uint8_t> x = {}, added = {};
  std::vector<int8_t> weight = {};
  std::vector<int32_t> bias = {}, weight_zero_point = {};
  std::vector<float> multiplier = {};

  void fill(uint32_t seed) {
    const size_t k = shape.group_in() * shape.taps(), n = shape.out_channels;
    x = random_bytes<uint8_t>(batch * h * w * shape.in_channels, seed);
    added = random_bytes<uint8_t>(pixels() * n, seed + 1);
    weight = random_bytes<int8_t>(n * k, seed + 2);
    bias = random_bias(n, seed + 3);
    multiplier = random_multipliers(n, k, seed + 4);
    weight_zero_point.resize(n);
    for (size_t i = 0; i < n; ++i) weight_zero_point[i] = static_cast<int32_t>(i * 53 % 256) - 128;
    spec.has_residual = residual;
    spec.residual_multiplier = 0.75f;
    spec.residual_zero_point = 31;
  }

  Extent2d out() const { return conv_output_size(shape, h, w); }
  size_t pixels() const { return batch * out().h * out().w; }

  octavo_output output() const {
    const int32_t shift = out_dtype == OCTAVO_S8 ? kSignShift : 0;
    return {out_dtype, spec.range.zero_point - shift, spec.range.qmin - shift,
            spec.range.qmax - shift};
  }

  octavo_residual residual_fields() const {
    const int32_t shift = residual_dtype == OCTAVO_S8 ? kSignShift : 0;
    return {residual ? 1 : 0, residual_dtype, spec.residual_zero_point - shift,
            spec.residual_multiplier};
  }

  // The fields that both layers have.
  template <class Desc>
  void describe(Desc& desc) const {
    desc.weight = weight.data();
    desc.weight_zero_point = zero_points ? weight_zero_point.data() : nullptr;
    desc.bias = bias.data();
    desc.multiplier = out_dtype != OCTAVO_S32 ? multiplier.data() : nullptr;
    desc.a_dtype = a_dtype;
    desc.a_zero_point = a_zero_point - (a_dtype == OCTAVO_S8 ? kSignShift : 0);
    desc.output.dtype = out_dtype;
    if (out_dtype == OCTAVO_S32) return;
    desc.output = output();
    desc.residual = residual_fields();
  }

  octavo_conv2d_desc conv_desc() const {
    octavo_conv2d_desc desc = zeroed<octavo_conv2d_desc>();
    desc.in_channels = shape.in_channels;
    desc.out_channels = shape.out_channels;
    desc.kernel_h = shape.kernel_h;
    desc.kernel_w = shape.kernel_w;
    desc.stride_h = shape.stride_h;
    desc.stride_w = shape.stride_w;
    desc.dilation_h = shape.dilation_h;
    desc.dilation_w = shape.dilation_w;
    desc.groups = shape.groups;
    desc.pad_top = shape.padding.top;
    desc.pad_left = shape.padding.left;
    desc.pad_bottom = shape.padding.bottom;
    desc.pad_right = shape.padding.right;
    describe(desc);
    return desc;
  }

  // The same as a linear layer: of a 1x1 convolution over images of one column.
  octavo_linear_desc linear_desc() const {
    octavo_linear_desc desc = zeroed<octavo_linear_desc>();
    desc.n = shape.out_channels;
    desc.k = shape.in_channels;
    describe(desc);
    return desc;
  }

  // As the caller has and gets them.
  std::vector<uint8_t> input() const { return flipped_if(x, a_dtype == OCTAVO_S8); }
  std::vector<uint8_t> addend() const { return flipped_if(added, residual_dtype == OCTAVO_S8); }

  std::vector<int32_t> sums() const {
    return conv_s32(shape, batch, {h, w}, x, a_zero_point, weight, bias.data(),
                    zero_points ? weight_zero_point.data() : nullptr);
  }

  std::vector<uint8_t> bytes() const {
    const std::vector<int32_t> acc = sums();
    std::vector<uint8_t> y(acc.size());
    for (size_t i = 0; i < y.size(); ++i) {
      y[i] = requantize(acc[i], multiplier[i % shape.out_channels], spec,
                        residual ? &added[i] : nullptr);
    }
    return flipped_if(std::move(y), out_dtype == OCTAVO_S8);
  }
};

// Rows of `cols` elements, `ld` apart; what lies between them keeps `gap`.
template <class T>
std::vector<T> spread(const std::vector<T>& values, size_t cols, size_t ld, T gap) {
  std::vector<T> rows(values.size() / cols * ld, gap);
  for (size_t i = 0; i < values.size(); ++i) rows[i / cols * ld + i % cols] = values[i];
  return rows;
}

inline std::vector<ConvProblem> conv_problems() {
  const auto shape = [](size_t in, size_t out, size_t kernel, size_t groups) {
    ConvShape s;
    s.in_channels = in;
    s.out_channels = out;
    s.kernel_h = s.kernel_w = kernel;
    s.groups = groups;
    if (kernel > 1) s.padding = {1, 1, 1, 1};
    return s;
  };
  std::vector<ConvProblem> problems;
  for (const ConvShape& s : {shape(17, 33, 1, 1), shape(3, 20, 3, 1), shape(68, 21, 3, 1),
                             shape(24, 12, 3, 3), shape(32, 32, 3, 8), shape(20, 20, 3, 20)}) {
    problems.push_back({.shape = s, .batch = 2, .h = 7, .w = 6});
  }
  ConvProblem wide = {.shape = shape(5, 40, 3, 1), .batch = 1, .h = 9, .w = 11};
  wide.shape.stride_h = 2;
  wide.shape.dilation_w = 2;
  wide.shape.padding = {2, 0, 1, 3};
  problems.push_back(wide);
  return problems;
}

}  // namespace octavo::testing
