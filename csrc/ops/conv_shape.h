// The geometry of a convolution, shared by int8 and float.
#pragma once

#include <array>
#include <cstddef>

namespace octavo {

struct Padding {
  size_t top = 0;
  size_t left = 0;
  size_t bottom = 0;
  size_t right = 0;
};

struct ConvShape {
  size_t in_channels = 0;
  size_t out_channels = 0;
  size_t kernel_h = 1;
  size_t kernel_w = 1;
  size_t stride_h = 1;
  size_t stride_w = 1;
  size_t dilation_h = 1;
  size_t dilation_w = 1;
  size_t groups = 1;
  Padding padding;

  size_t taps() const { return kernel_h * kernel_w; }
  size_t group_in() const { return in_channels / groups; }
  size_t group_out() const { return out_channels / groups; }
  // One input and one output channel per group.
  bool is_depthwise() const { return groups == in_channels && groups == out_channels; }
  // A GEMM over all pixels of all images: no tap ever moves or touches a border.
  bool is_pointwise() const;
};

// Throws Error(invalid_argument) naming the field that is wrong.
void check_conv_shape(const ConvShape& shape);

struct Extent2d {
  size_t h;
  size_t w;
};

// Output height and width, both >= 1; throws Error if the kernel does not fit the padded input.
Extent2d conv_output_size(const ConvShape& shape, size_t in_h, size_t in_w);

// floor((in + before + after - reach) / stride) + 1 with reach = dilation * (kernel - 1) + 1, or
// 0 where the kernel does not fit. Arguments are already bounded (kMaxExtent).
size_t window_output(size_t in, size_t before, size_t after, size_t kernel, size_t stride,
                     size_t dilation);

// No extent, stride, dilation or padding may exceed this; products of two then fit 64 bits.
inline constexpr size_t kMaxExtent = size_t{1} << 30;

}  // namespace octavo
