#include <limits>

#include "ops/checks.h"
#include "ops/conv2d.h"
#include "ops/conv_run.h"
#include "ops/conv_weights.h"

namespace octavo {
namespace {

// DepthwiseF32Tile's order: bias[channels] | w[taps][channels].
AlignedBuffer pack_depthwise_f32(const Conv2dF32Params& params) {
  const size_t channels = params.shape.out_channels;
  const size_t taps = params.shape.taps();
  AlignedBuffer buffer(checked_product("weight", {channels, taps + 1, sizeof(float)}));
  float* bias = reinterpret_cast<float*>(buffer.data());
  float* weights = bias + channels;
  for (size_t c = 0; c < channels; ++c) {
    if (params.bias != nullptr) bias[c] = params.bias[c];
    for (size_t t = 0; t < taps; ++t) weights[t * channels + c] = params.weight[c * taps + t];
  }
  return buffer;
}

std::vector<PackedMatrixF32> pack_groups(size_t nr, const Conv2dF32Params& params) {
  const ConvShape& shape = params.shape;
  const std::vector<float> weight = channels_last(params.weight, shape);
  std::vector<PackedMatrixF32> packed;
  for (size_t g = 0; g < shape.groups; ++g) {
    const float* bias = params.bias != nullptr ? params.bias + g * shape.group_out() : nullptr;
    packed.push_back(pack_weights_f32(nr, group_view(weight, shape, g, shape.taps()), bias));
  }
  return packed;
}

}  // namespace

Conv2dF32::Conv2dF32(const Backend& backend, const Conv2dF32Params& params)
    : shape_(params.shape), lo_(params.lo), hi_(params.hi) {
  check_conv_shape(shape_);
  const size_t k = checked_product("kernel", {shape_.kernel_h, shape_.kernel_w, shape_.group_in()});
  check_extent("K = kernel height * width * channels of a group", k, size_t{1} << 24);
  check_pointer("weight", params.weight,
                checked_product("weight", {shape_.out_channels, k, sizeof(float)}), alignof(float));
  check_clamp(params.lo, params.hi);
  if (shape_.is_depthwise() && shape_.groups > 1) {
    path_ = ConvPath::depthwise;
    depthwise_ = pack_depthwise_f32(params);
  } else {
    path_ = shape_.is_pointwise() ? ConvPath::pointwise : ConvPath::taps;
    packed_ = pack_groups(backend.table->gemm_f32_nr, params);
  }
  pad_row_ = AlignedBuffer(shape_.in_channels * sizeof(float));
}

size_t Conv2dF32::packed_bytes() const {
  size_t bytes = depthwise_.size();
  for (const PackedMatrixF32& packed : packed_) bytes += packed.size_bytes();
  return bytes;
}

const char* Conv2dF32::kernel_name(const Context& context) const {
  const KernelTable& kernels = context.kernels();
  return path_ == ConvPath::depthwise ? kernels.depthwise_f32.name : kernels.gemm_f32.name;
}

void Conv2dF32::run(const Context& context, const float* x, size_t batch, size_t h, size_t w,
                    float* y) const {
  const ConvInput<float> input = check_conv_input(shape_, x, batch, h, w, pad_row_.data());
  check_pointer("y", y, input.pixels(), alignof(float));
  if (input.pixels() == 0) return;
  const F32Target target = {y, shape_.out_channels, lo_, hi_};
  if (path_ != ConvPath::depthwise) check_layout(packed_[0], context);
  if (path_ == ConvPath::pointwise) return run_pointwise(context, input, packed_[0], target);
  if (path_ == ConvPath::taps) return run_taps(context, shape_, input, packed_, target);
  run_depthwise(context, input, target.c);
}

void Conv2dF32::run_depthwise(const Context& context, const ConvInput<float>& input,
                              float* y) const {
  const TapRows<float> rows(shape_, input.in, input.out, input.x, input.pixel_stride,
                            input.padding_row, 1);
  const size_t channels = shape_.in_channels, taps = shape_.taps();
  const KernelTable& kernels = context.kernels();
  constexpr size_t kTile = 32;
  run_pixel_tiles(
      context, input.pixels(), kTile, taps * channels, [&](size_t pixel, size_t pixels) {
        const float** a = scratch<const float*>(Scratch::row_pointers, pixels * taps);
        rows.fill_by_pixel(pixel, pixels, a);
        const DepthwiseF32Tile tile = {.a = a,
                                       .pixels = pixels,
                                       .taps = taps,
                                       .channels = channels,
                                       .weights = reinterpret_cast<const float*>(depthwise_.data()),
                                       .lo = lo_,
                                       .hi = hi_};
        kernels.depthwise_f32.run(tile, y + pixel * channels, channels);
      });
}

}  // namespace octavo
