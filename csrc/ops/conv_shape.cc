#include "ops/conv_shape.h"

#include <string>

#include "ops/checks.h"

namespace octavo {

bool ConvShape::is_pointwise() const {
  return taps() == 1 && stride_h == 1 && stride_w == 1 && groups == 1 && padding.top == 0 &&
         padding.left == 0 && padding.bottom == 0 && padding.right == 0;
}

void check_conv_shape(const ConvShape& shape) {
  check_extent("in_channels", shape.in_channels, kMaxExtent);
  check_extent("out_channels", shape.out_channels, kMaxExtent);
  check_extent("kernel height", shape.kernel_h, kMaxExtent);
  check_extent("kernel width", shape.kernel_w, kMaxExtent);
  check_extent("stride height", shape.stride_h, kMaxExtent);
  check_extent("stride width", shape.stride_w, kMaxExtent);
  check_extent("dilation height", shape.dilation_h, kMaxExtent);
  check_extent("dilation width", shape.dilation_w, kMaxExtent);
  check_extent("groups", shape.groups, kMaxExtent);
  const Padding& padding = shape.padding;
  for (size_t value : {padding.top, padding.left, padding.bottom, padding.right}) {
    if (value > kMaxExtent) {
      fail("padding", std::to_string(value), "at most " + std::to_string(kMaxExtent));
    }
  }
  if (shape.in_channels % shape.groups != 0 || shape.out_channels % shape.groups != 0) {
    fail("groups",
         std::to_string(shape.groups) + " with " + std::to_string(shape.in_channels) +
             " input and " + std::to_string(shape.out_channels) + " output channels",
         "a divisor of both");
  }
}

size_t window_output(size_t in, size_t before, size_t after, size_t kernel, size_t stride,
                     size_t dilation) {
  const size_t padded = in + before + after;
  const size_t reach = dilation * (kernel - 1) + 1;
  return padded < reach ? 0 : (padded - reach) / stride + 1;
}

Extent2d conv_output_size(const ConvShape& shape, size_t in_h, size_t in_w) {
  check_extent("input height", in_h, kMaxExtent);
  check_extent("input width", in_w, kMaxExtent);
  const Padding& padding = shape.padding;
  const Extent2d out = {window_output(in_h, padding.top, padding.bottom, shape.kernel_h,
                                      shape.stride_h, shape.dilation_h),
                        window_output(in_w, padding.left, padding.right, shape.kernel_w,
                                      shape.stride_w, shape.dilation_w)};
  if (out.h == 0 || out.w == 0) {
    fail("input", std::to_string(in_h) + " x " + std::to_string(in_w) + " pixels",
         "with its padding at least the reach of the kernel, dilation * (kernel - 1) + 1");
  }
  return out;
}

}  // namespace octavo
