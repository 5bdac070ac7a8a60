// octavo_conv2d_...
#include "ops/conv2d.h"

#include <new>

#include "api/layer.h"

namespace octavo::api {
namespace {

size_t or_one(size_t value) { return value == 0 ? 1 : value; }

struct Conv2dTraits {
  using Desc = octavo_conv2d_desc;
  using Op = octavo::Conv2d;
  static constexpr LayerKind kKind = LayerKind::conv2d;

  static ConvShape shape(const Desc& desc) {
    return {.in_channels = desc.in_channels,
            .out_channels = desc.out_channels,
            .kernel_h = desc.kernel_h,
            .kernel_w = desc.kernel_w,
            .stride_h = or_one(desc.stride_h),
            .stride_w = or_one(desc.stride_w),
            .dilation_h = or_one(desc.dilation_h),
            .dilation_w = or_one(desc.dilation_w),
            .groups = or_one(desc.groups),
            .padding = {.top = desc.pad_top,
                        .left = desc.pad_left,
                        .bottom = desc.pad_bottom,
                        .right = desc.pad_right}};
  }

  static Op pack(const Backend& backend, const Desc& desc) {
    check_multiplier_given(desc.output, desc.multiplier);
    Conv2dParams params;
    params.weight = desc.weight;
    params.shape = shape(desc);
    params.bias = desc.bias;
    params.multiplier = desc.multiplier;
    params.weight_zero_point = desc.weight_zero_point;
    params.a_zero_point = read_a_zero_point(desc);
    params.output = read_output(desc.output, desc.residual);
    return Op(backend, params);
  }

  static Op open(const Backend& backend, const Desc& desc, std::vector<PackedMatrix> matrices) {
    Op op(backend, shape(desc), read_a_zero_point(desc), read_output(desc.output, desc.residual),
          std::move(matrices));
    check_requantizes(op, desc.output);
    return op;
  }

  static std::span<const PackedMatrix> matrices(const Op& op) { return op.packed(); }
};

}  // namespace
}  // namespace octavo::api

struct octavo_conv2d {
  octavo::api::Layer<octavo::api::Conv2dTraits> layer;
};

namespace octavo::api {
namespace {

struct ConvCall {
  size_t batch;
  size_t h;
  size_t w;
  const void* x;
  size_t ldx;
  const void* residual;
  size_t ldr;
  void* y;
  size_t ldy;
};

void run(const octavo_context* given, const Layer<Conv2dTraits>& layer, const ConvCall& call) {
  CallContext call_context(given);
  const Context context = call_context.context(*layer.backend);
  const Conv2d& op = layer.op;
  const size_t channels = op.shape().out_channels;
  const Extent2d out = op.output_size(call.h, call.w);
  const size_t pixels_in = checked_product("x", {call.batch, call.h, call.w});
  const size_t pixels = checked_product("y", {call.batch, out.h, out.w});
  const InputBytes x(context, "x", call.x, pixels_in, op.shape().in_channels, "ldx", call.ldx,
                     layer.signs.a, !op.takes_strided_input());
  const ConvStrides strides = {.x = x.ld(), .y = call.ldy == 0 ? channels : call.ldy};
  check_stride("ldy", strides.y, channels, pixels);
  if (!op.requantizes()) {
    if (call.residual != nullptr) fail("residual", "a pointer", "NULL: the layer has none");
    op.run_s32(context, x.data(), call.batch, call.h, call.w, static_cast<int32_t*>(call.y),
               strides);
    return;
  }
  InputBytes added;
  if (call.residual != nullptr) {
    added = InputBytes(context, "residual", call.residual, pixels, channels, "ldr", call.ldr,
                       layer.signs.residual);
  }
  const ResidualView view = {added.data(), added.ld()};
  op.run_u8(context, x.data(), call.batch, call.h, call.w,
            call.residual != nullptr ? &view : nullptr, static_cast<uint8_t*>(call.y), strides);
  finish_output(context, call.y, pixels, channels, strides.y, layer.signs.output);
}

}  // namespace
}  // namespace octavo::api

using octavo::api::Conv2dTraits;
using octavo::api::guarded;
using octavo::api::require;

octavo_status octavo_conv2d_packed_size(const octavo_context* context,
                                        const octavo_conv2d_desc* desc, size_t* bytes) {
  return guarded([&] { octavo::api::layer_packed_size<Conv2dTraits>(context, desc, bytes); });
}

octavo_status octavo_conv2d_pack(const octavo_context* context, const octavo_conv2d_desc* desc,
                                 void* packed, size_t bytes) {
  return guarded([&] { octavo::api::layer_pack<Conv2dTraits>(context, desc, packed, bytes); });
}

octavo_status octavo_conv2d_open(const octavo_context* context, const void* packed, size_t bytes,
                                 octavo_conv2d** conv) {
  return guarded([&] {
    require(conv, "conv");
    *conv = new octavo_conv2d{octavo::api::layer_open<Conv2dTraits>(context, packed, bytes)};
  });
}

octavo_status octavo_conv2d_create(const octavo_context* context, const octavo_conv2d_desc* desc,
                                   octavo_conv2d** conv) {
  return guarded([&] {
    require(conv, "conv");
    *conv = new octavo_conv2d{octavo::api::layer_create<Conv2dTraits>(context, desc)};
  });
}

void octavo_conv2d_free(octavo_conv2d* conv) { delete conv; }

octavo_status octavo_conv2d_packed(const octavo_conv2d* conv, const void** packed, size_t* bytes) {
  return guarded([&] {
    require(conv, "conv");
    octavo::api::layer_bytes(conv->layer, packed, bytes);
  });
}

octavo_status octavo_conv2d_info(const octavo_conv2d* conv, octavo_conv2d_desc* info) {
  return guarded([&] {
    require(conv, "conv");
    octavo::api::write_struct("info", conv->layer.desc, info);
  });
}

octavo_status octavo_conv2d_output_size(const octavo_conv2d* conv, size_t h, size_t w,
                                        size_t* out_h, size_t* out_w) {
  return guarded([&] {
    require(conv, "conv");
    require(out_h, "out_h");
    require(out_w, "out_w");
    const octavo::Extent2d out = conv->layer.op.output_size(h, w);
    *out_h = out.h;
    *out_w = out.w;
  });
}

octavo_status octavo_conv2d_run(const octavo_context* context, const octavo_conv2d* conv,
                                size_t batch, size_t h, size_t w, const void* x, size_t ldx,
                                const void* residual, size_t ldr, void* y, size_t ldy) {
  return guarded([&] {
    require(conv, "conv");
    octavo::api::run(context, conv->layer, {batch, h, w, x, ldx, residual, ldr, y, ldy});
  });
}
