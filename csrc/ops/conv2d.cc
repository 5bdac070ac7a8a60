#include "ops/conv2d.h"

#include <cstring>
#include <string>

#include "ops/checks.h"
#include "ops/conv_depthwise.h"
#include "ops/conv_groups.h"
#include "ops/conv_pack.h"
#include "ops/conv_run.h"
#include "pack/stored.h"

namespace octavo {
namespace {

void check_shape(const ConvShape& shape) {
  check_conv_shape(shape);
  const size_t k = checked_product("kernel", {shape.kernel_h, shape.kernel_w, shape.group_in()});
  check_extent("K = kernel height * width * channels of a group", k, kMaxK);
  checked_product("weight", {shape.out_channels, k});
}

void check_params(const Conv2dParams& params) {
  const ConvShape& shape = params.shape;
  check_shape(shape);
  check_pointer("weight", params.weight, shape.out_channels);
  check_zero_point("a_zero_point", params.a_zero_point);
  if (params.multiplier == nullptr) return;
  check_multipliers("multiplier", params.multiplier, shape.out_channels);
  check_output(params.output);
}

// Kernel rows as segments.
template <class Target>
void run_rows(const Context& context, const ConvShape& shape, const ConvInput<uint8_t>& input,
              const PackedMatrix& packed, const Target& target) {
  const WindowRows rows(shape, input.in, input.out, input.x, input.batch, input.padding_row,
                        packed.segment_k(), packed.repeats());
  run_packed(context, packed, input.pixels(), rows, target);
}

void run_depthwise_tile(const KernelTable& kernels, const DepthwiseTile& tile, size_t pixel,
                        const float*, const S32Target& target) {
  kernels.depthwise_s32.run(tile, target.c + pixel * target.ldc, target.ldc);
}

void run_depthwise_tile(const KernelTable& kernels, DepthwiseTile tile, size_t pixel, const float*,
                        const DynamicTarget& target) {
  int32_t* acc = scratch<int32_t>(Scratch::accumulators, tile.pixels * tile.channels);
  const size_t out_rows = tile.out_rows;
  tile.out_rows = 1;
  for (size_t r = 0; r < out_rows; ++r, tile.rows += tile.kernel_h, pixel += tile.row_pixels) {
    kernels.depthwise_s32.run(tile, acc, tile.channels);
    target.at(pixel, 0).store(kernels, acc, tile.pixels, tile.channels);
  }
}

void run_depthwise_tile(const KernelTable& kernels, DepthwiseTile tile, size_t pixel,
                        const float* multiplier, const U8Target& target) {
  uint8_t* c = target.c + pixel * target.ldc;
  if (target.residual.rows == nullptr) {
    kernels.depthwise_u8.run(tile, target.requant, c, target.ldc);
    return;
  }
  int32_t* acc = scratch<int32_t>(Scratch::accumulators, tile.pixels * tile.channels);
  Residual residual = target.residual;
  residual.rows += pixel * residual.ld;
  const size_t out_rows = tile.out_rows;
  tile.out_rows = 1;
  for (size_t r = 0; r < out_rows; ++r, tile.rows += tile.kernel_h) {
    kernels.depthwise_s32.run(tile, acc, tile.channels);
    kernels.requantize_s32.run(acc, tile.channels, tile.pixels, tile.channels, multiplier,
                               target.requant, residual, c, target.ldc);
    residual.rows += tile.row_pixels * residual.ld;
    c += tile.row_pixels * target.ldc;
  }
}

template <class Target>
void run_depthwise(const Context& context, const ConvShape& shape, const ConvInput<uint8_t>& input,
                   const PackedMatrix& packed, const float* multiplier, const Target& target) {
  run_depthwise_blocks(context, shape, input, packed, [&](const DepthwiseTile& tile, size_t pixel) {
    run_depthwise_tile(context.kernels(), tile, pixel, multiplier, target);
  });
}

}  // namespace

Conv2d::Conv2d(const Backend& backend, const Conv2dParams& params)
    : shape_(params.shape), layout_(backend.layout), output_(params.output) {
  check_params(params);
  path_ = choose_path(shape_, *backend.table);
  run_shape_ = run_shape(shape_, path_, *backend.table);
  packed_ = pack_conv(backend, params, path_);
  if (params.multiplier != nullptr) {
    multiplier_.assign(params.multiplier, params.multiplier + shape_.out_channels);
  }
  make_pad_row(params.a_zero_point);
}

Conv2d::Conv2d(const Backend& backend, const ConvShape& shape, int32_t a_zero_point,
               const OutputSpec& output, std::vector<PackedMatrix> packed)
    : shape_(shape), layout_(backend.layout), output_(output), packed_(std::move(packed)) {
  check_shape(shape_);
  check_zero_point("a_zero_point", a_zero_point);
  path_ = choose_path(shape_, *backend.table);
  run_shape_ = run_shape(shape_, path_, *backend.table);
  check_packed(backend, shape_, path_, packed_);
  if (packed_[0].has_multiplier()) {
    check_output(output_);
    for (const PackedMatrix& matrix : packed_) {
      const std::vector<float> some = packed_multipliers(matrix);
      multiplier_.insert(multiplier_.end(), some.begin(), some.end());
    }
  }
  make_pad_row(a_zero_point);
}

void Conv2d::make_pad_row(int32_t a_zero_point) {
  pad_row_ = AlignedBuffer(path_ == ConvPath::rows ? window_bytes(shape_, packed_[0].geometry())
                                                   : shape_.in_channels);
  std::memset(pad_row_.data(), a_zero_point, pad_row_.size());
}

size_t Conv2d::packed_bytes() const {
  size_t bytes = 0;
  for (const PackedMatrix& packed : packed_) bytes += packed.size_bytes();
  return bytes;
}

const char* Conv2d::kernel_name(const Context& context) const {
  const KernelTable& kernels = context.kernels();
  if (path_ == ConvPath::depthwise) {
    return requantizes() && !output_.has_residual ? kernels.depthwise_u8.name
                                                  : kernels.depthwise_s32.name;
  }
  if (path_ == ConvPath::groups) {
    return requantizes() ? kernels.grouped_u8.name : kernels.grouped_s32.name;
  }
  return requantizes() ? kernels.gemm_u8.name : kernels.gemm_s32.name;
}

template <class Target>
void Conv2d::run(const Context& context, const ConvInput<uint8_t>& input,
                 const Target& target) const {
  if (input.pixels() == 0) return;
  switch (path_) {
    case ConvPath::pointwise:
      return run_pointwise(context, input, packed_[0], target);
    case ConvPath::taps:
      if (shares_pointers(run_shape_, packed_)) {
        return run_groups(context, run_shape_, input, packed_, target);
      }
      return run_taps(context, run_shape_, input, packed_, target);
    case ConvPath::rows:
      return run_rows(context, shape_, input, packed_[0], target);
    case ConvPath::groups:
      return run_narrow_groups(context, run_shape_, input, packed_[0], target);
    case ConvPath::depthwise:
      return run_depthwise(context, shape_, input, packed_[0], multiplier_.data(), target);
  }
}

ConvInput<uint8_t> Conv2d::check_run(const Context& context, const uint8_t* x, size_t batch,
                                     size_t h, size_t w, const ConvStrides& strides) const {
  octavo::check_layout(layout_, context);
  ConvInput<uint8_t> input = check_conv_input(shape_, x, batch, h, w, pad_row_.data());
  if (strides.x != 0) input.pixel_stride = strides.x;
  check_stride("strides.x", input.pixel_stride, shape_.in_channels, batch * h * w);
  if (input.pixel_stride != shape_.in_channels && !takes_strided_input()) {
    fail("strides.x", std::to_string(strides.x), "contiguous pixels for this kernel");
  }
  return input;
}

size_t Conv2d::check_output_stride(const ConvInput<uint8_t>& input,
                                   const ConvStrides& strides) const {
  const size_t ldc = strides.y != 0 ? strides.y : shape_.out_channels;
  check_stride("strides.y", ldc, shape_.out_channels, input.pixels());
  return ldc;
}

void Conv2d::run_u8(const Context& context, const uint8_t* x, size_t batch, size_t h, size_t w,
                    const ResidualView* residual, uint8_t* y, const ConvStrides& strides) const {
  if (!requantizes()) fail("packed", "weights without a multiplier", "run_s32");
  const ConvInput<uint8_t> input = check_run(context, x, batch, h, w, strides);
  check_pointer("y", y, input.pixels());
  check_residual(output_, residual, input.pixels(), shape_.out_channels);
  const size_t ldc = check_output_stride(input, strides);
  run(context, input, U8Target{y, ldc, to_requant(output_.range), to_residual(output_, residual)});
}

void Conv2d::run_s32(const Context& context, const uint8_t* x, size_t batch, size_t h, size_t w,
                     int32_t* y, const ConvStrides& strides) const {
  if (requantizes()) fail("packed", "weights with a multiplier", "run_u8");
  const ConvInput<uint8_t> input = check_run(context, x, batch, h, w, strides);
  check_pointer("y", y, input.pixels(), alignof(int32_t));
  run(context, input, S32Target{y, check_output_stride(input, strides)});
}

void Conv2d::run_dynamic(const Context& context, const uint8_t* x, size_t batch, size_t h, size_t w,
                         const float* params, const DynamicOutput& output, float* y) const {
  if (requantizes()) fail("packed", "weights with a multiplier", "run_u8");
  ConvInput<uint8_t> input = check_run(context, x, batch, h, w);
  check_pointer("y", y, input.pixels(), alignof(float));
  check_pointer("params", params, input.pixels(), alignof(float));
  check_dynamic_output(output, shape_.out_channels);
  if (input.pixels() == 0) return;
  uint8_t* padding = scratch<uint8_t>(Scratch::padding_row, pad_row_.size());
  std::memset(padding, static_cast<int>(params[1]), pad_row_.size());
  input.padding_row = padding;
  run(context, input, DynamicTarget(y, shape_.out_channels, output, params, 0));
}

}  // namespace octavo
