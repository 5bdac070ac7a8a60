// octavo_max_pool2d, octavo_avg_pool2d.
#include "ops/pool.h"

#include "api/context.h"
#include "api/guard.h"
#include "api/tensors.h"
#include "ops/checks.h"
#include "ops/pool_shape.h"

namespace octavo::api {
namespace {

size_t or_else(size_t value, size_t standard) { return value == 0 ? standard : value; }

PoolShape read_shape(const octavo_pool2d_desc& desc) {
  check_between("desc.ceil_mode", desc.ceil_mode, 0, 1);
  check_between("desc.count_include_pad", desc.count_include_pad, 0, 1);
  PoolShape shape = {.batch = desc.batch,
                     .in_h = desc.h,
                     .in_w = desc.w,
                     .channels = desc.channels,
                     .kernel_h = or_else(desc.kernel_h, desc.h),
                     .kernel_w = or_else(desc.kernel_w, desc.w),
                     .stride_h = or_else(desc.stride_h, 1),
                     .stride_w = or_else(desc.stride_w, 1),
                     .dilation_h = or_else(desc.dilation_h, 1),
                     .dilation_w = or_else(desc.dilation_w, 1),
                     .padding = {.top = desc.pad_top,
                                 .left = desc.pad_left,
                                 .bottom = desc.pad_bottom,
                                 .right = desc.pad_right}};
  const Extent2d out = pool_output_size(shape, desc.ceil_mode != 0);
  shape.out_h = out.h;
  shape.out_w = out.w;
  check_pool_shape(shape);
  return shape;
}

void max_pool2d(const octavo_context* given, const octavo_pool2d_desc* desc, int32_t dtype,
                const void* x, void* y) {
  const PoolShape shape = read_shape(read_struct("desc", desc));
  CallContext call(given);
  const Context context = call.context();
  const bool is_signed = read_signed("dtype", dtype);
  const size_t pixels = shape.batch * shape.in_h * shape.in_w;
  const InputBytes from(context, "x", x, pixels, shape.channels, "x", 0, is_signed);
  octavo::max_pool2d(context, shape, from.data(), static_cast<uint8_t*>(y));
  finish_output(context, y, shape.batch * shape.out_h * shape.out_w, shape.channels, shape.channels,
                is_signed);
}

void avg_pool2d(const octavo_context* given, const octavo_pool2d_desc* desc, const octavo_input* x,
                const octavo_output* output, void* y) {
  require(x, "x");
  require(output, "output");
  const octavo_pool2d_desc fields = read_struct("desc", desc);
  const PoolShape shape = read_shape(fields);
  CallContext call(given);
  const Context context = call.context();
  const bool is_signed = read_signed("x.dtype", x->dtype);
  const AvgPoolQuant quant = {
      .x_zero_point = read_zero_point("x.zero_point", x->zero_point, is_signed),
      .multiplier = x->multiplier,
      .range = read_range("output", *output)};
  const InputBytes from =
      read_input(context, "x", *x, shape.batch * shape.in_h * shape.in_w * shape.channels);
  octavo::avg_pool2d(context, shape, fields.count_include_pad != 0, quant, from.data(),
                     static_cast<uint8_t*>(y));
  finish_output(context, y, shape.batch * shape.out_h * shape.out_w, shape.channels, shape.channels,
                output->dtype == OCTAVO_S8);
}

}  // namespace
}  // namespace octavo::api

using octavo::api::guarded;

octavo_status octavo_pool2d_output_size(const octavo_pool2d_desc* desc, size_t* out_h,
                                        size_t* out_w) {
  return guarded([&] {
    octavo::api::require(out_h, "out_h");
    octavo::api::require(out_w, "out_w");
    const octavo::PoolShape shape = octavo::api::read_shape(octavo::api::read_struct("desc", desc));
    *out_h = shape.out_h;
    *out_w = shape.out_w;
  });
}

octavo_status octavo_max_pool2d(const octavo_context* context, const octavo_pool2d_desc* desc,
                                int32_t dtype, const void* x, void* y) {
  return guarded([&] { octavo::api::max_pool2d(context, desc, dtype, x, y); });
}

octavo_status octavo_avg_pool2d(const octavo_context* context, const octavo_pool2d_desc* desc,
                                const octavo_input* x, const octavo_output* output, void* y) {
  return guarded([&] { octavo::api::avg_pool2d(context, desc, x, output, y); });
}
