// Pooling over NHWC tensors. Padded pixels never win a maximum.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/quant.h"
#include "ops/conv_shape.h"
#include "runtime/context.h"

namespace octavo {

struct PoolShape {
  size_t batch = 0;
  size_t in_h = 0;
  size_t in_w = 0;
  size_t channels = 0;
  size_t kernel_h = 1;
  size_t kernel_w = 1;
  size_t stride_h = 1;
  size_t stride_w = 1;
  size_t dilation_h = 1;
  size_t dilation_w = 1;
  Padding padding;
  // Given, because floor and ceil modes exist: see pool_output_size. Every window must hold at
  // least one pixel of the image, and starts inside the padded image.
  size_t out_h = 0;
  size_t out_w = 0;
};

// The output size of either mode. In ceil mode a last window that would start past the image and
// its leading padding is dropped (as PyTorch does and ONNX since opset 19).
Extent2d pool_output_size(const PoolShape& shape, bool ceil_mode);

// x: (batch, in_h, in_w, channels), y: (batch, out_h, out_w, channels), contiguous.
void max_pool2d(const Context& context, const PoolShape& shape, const uint8_t* x, uint8_t* y);
void max_pool2d_f32(const Context& context, const PoolShape& shape, const float* x, float* y);

struct AvgPoolQuant {
  int32_t x_zero_point = 0;
  float multiplier = 1.0f;  // x scale / output scale
  QuantRange range;
};

// y = clamp(rne(float(sum of (x - x_zp)) * float32(double(multiplier) / count)) + zero_point).
// count is the number of image pixels in the window; with count_include_pad it includes the
// padding, but never what a ceil-mode window holds beyond it. Global: kernel = (in_h, in_w).
void avg_pool2d(const Context& context, const PoolShape& shape, bool count_include_pad,
                const AvgPoolQuant& quant, const uint8_t* x, uint8_t* y);

// y = (sum in order of the window) / count.
void avg_pool2d_f32(const Context& context, const PoolShape& shape, bool count_include_pad,
                    const float* x, float* y);

}  // namespace octavo
