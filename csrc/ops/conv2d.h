// 2-D convolution over NHWC tensors, as implicit GEMM: no im2col buffer.
//
// Five paths, chosen when the weights are packed:
//   pointwise  1x1, stride 1, no padding, one group: a GEMM over all pixels
//   rows       dilation_w 1, one group, few channels: a kernel row sees kernel_w * channels
//   contiguous bytes; only
//              windows that cross a border at the side are put together in scratch memory
//   taps       the rest: row pointers per kernel tap; taps outside the image point at a zero-point
//   row
//   groups     the same with a kernel for groups of 4 or 8 channels, where the ISA has one
//   depthwise  groups == in_channels == out_channels
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/buffer.h"
#include "ops/conv_shape.h"
#include "ops/dynamic.h"
#include "ops/output.h"
#include "pack/pack.h"
#include "runtime/context.h"

namespace octavo {

enum class ConvPath { pointwise, taps, rows, groups, depthwise };

template <class T>
struct ConvInput;

// Elements from one pixel to the next, where a tensor is some of the channels of a wider one.
// 0: the tensor is contiguous.
struct ConvStrides {
  size_t x = 0;
  size_t y = 0;
};

struct Conv2dParams {
  const int8_t* weight = nullptr;  // (out, in / groups, kernel_h, kernel_w), contiguous
  ConvShape shape;
  const int32_t* bias = nullptr;               // (out), or none
  const float* multiplier = nullptr;           // (out): u8 output; none: s32 output
  const int32_t* weight_zero_point = nullptr;  // (out), -128..127, or none
  int32_t a_zero_point = 0;                    // also the value of padded pixels
  OutputSpec output;                           // read only with a multiplier
};

// Immutable after construction: any number of threads may run it at once.
class Conv2d {
 public:
  // Checks and packs. Everything pointed to is copied.
  Conv2d(const Backend& backend, const Conv2dParams& params);
  // Of weights that are packed already, by packed() of such a layer (pack/stored.h). Checks all.
  Conv2d(const Backend& backend, const ConvShape& shape, int32_t a_zero_point,
         const OutputSpec& output, std::vector<PackedMatrix> packed);

  const ConvShape& shape() const { return shape_; }
  int32_t a_zero_point() const { return pad_row_.data()[0]; }
  const std::vector<PackedMatrix>& packed() const { return packed_; }
  Extent2d output_size(size_t h, size_t w) const { return conv_output_size(shape_, h, w); }
  bool requantizes() const { return !multiplier_.empty(); }
  const OutputSpec& output() const { return output_; }
  ConvPath path() const { return path_; }
  const char* layout() const { return layout_; }
  size_t packed_bytes() const;
  const char* kernel_name(const Context& context) const;
  // The `rows` path reads neighbouring pixels as one run of bytes.
  bool takes_strided_input() const { return path_ != ConvPath::rows; }

  // x: (batch, h, w, in_channels), y: (batch, oh, ow, out_channels); batch may be 0. A residual
  // (shape of y, ld = elements between pixels) is given exactly when the output spec has one.
  // Throws Error for a backend with another layout.
  void run_u8(const Context& context, const uint8_t* x, size_t batch, size_t h, size_t w,
              const ResidualView* residual, uint8_t* y, const ConvStrides& strides = {}) const;
  void run_s32(const Context& context, const uint8_t* x, size_t batch, size_t h, size_t w,
               int32_t* y, const ConvStrides& strides = {}) const;
  // Of activations quantized at run time by params[0] and params[1]; see Linear::run_dynamic.
  void run_dynamic(const Context& context, const uint8_t* x, size_t batch, size_t h, size_t w,
                   const float* params, const DynamicOutput& output, float* y) const;

 private:
  void make_pad_row(int32_t a_zero_point);
  ConvInput<uint8_t> check_run(const Context& context, const uint8_t* x, size_t batch, size_t h,
                               size_t w, const ConvStrides& strides = {}) const;
  size_t check_output_stride(const ConvInput<uint8_t>& input, const ConvStrides& strides) const;
  template <class Target>
  void run(const Context& context, const ConvInput<uint8_t>& input, const Target& target) const;

  ConvShape shape_;
  ConvShape run_shape_;  // the same with groups joined, see conv_groups.h
  ConvPath path_;
  const char* layout_;
  OutputSpec output_;
  std::vector<float> multiplier_;
  std::vector<PackedMatrix> packed_;  // one per group; depthwise: one for all
  AlignedBuffer pad_row_;             // one pixel of a_zero_point; rows: one window
};

struct Conv2dF32Params {
  const float* weight = nullptr;  // (out, in / groups, kernel_h, kernel_w), contiguous
  ConvShape shape;
  const float* bias = nullptr;  // (out), or none
  float lo = -std::numeric_limits<float>::infinity();
  float hi = std::numeric_limits<float>::infinity();
};

class Conv2dF32 {
 public:
  Conv2dF32(const Backend& backend, const Conv2dF32Params& params);

  const ConvShape& shape() const { return shape_; }
  Extent2d output_size(size_t h, size_t w) const { return conv_output_size(shape_, h, w); }
  size_t packed_bytes() const;
  const char* kernel_name(const Context& context) const;

  void run(const Context& context, const float* x, size_t batch, size_t h, size_t w,
           float* y) const;

 private:
  void run_depthwise(const Context& context, const ConvInput<float>& input, float* y) const;

  ConvShape shape_;
  ConvPath path_;
  float lo_;
  float hi_;
  std::vector<PackedMatrixF32> packed_;  // one per group; depthwise: none
  AlignedBuffer depthwise_;              // float bias[channels] | float w[taps][channels]
  AlignedBuffer pad_row_;                // in_channels zeros
};

}  // namespace octavo
