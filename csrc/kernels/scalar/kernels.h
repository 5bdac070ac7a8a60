// The micro-kernels of this ISA other than the integer GEMM, and the geometry they need.
#pragma once

#include "kernels/contract.h"

namespace octavo {

static constexpr PanelGeometry kDepthwiseGeometryScalar = {.nr = 8, .granule = 8};
enum { kGemmF32MrScalar = 4, kGemmF32NrScalar = 16 };

DepthwiseS32Fn depthwise_u8s8_s32_8x4_scalar;
DepthwiseU8Fn depthwise_u8s8_u8_8x4_scalar;

RequantizeS32Fn requantize_s32_scalar;
RequantizeU8Fn requantize_u8_scalar;
AddU8Fn add_u8_scalar;
QuantizeU8Fn quantize_u8_scalar;
DequantizeU8Fn dequantize_u8_scalar;
RangeF32Fn range_f32_scalar;
DequantizeS32Fn dequantize_s32_scalar;
MaxU8Fn max_u8_scalar;
AvgU8Fn avg_u8_scalar;
MulU8Fn mul_u8_scalar;
LookupU8Fn lookup_u8_scalar;
SoftmaxU8Fn softmax_u8_scalar;
MomentsU8Fn moments_u8_scalar;
NormalizeU8Fn normalize_u8_scalar;
HistogramF32Fn histogram_f32_scalar;

TransposeU8Fn transpose_u8_scalar;
TransposeU32Fn transpose_u32_scalar;
TransposeStreamU8Fn transpose_stream_u8_scalar;
StreamCopyFn stream_copy_scalar;
StreamFenceFn stream_fence_scalar;

GemmF32Fn gemm_f32_4x16_scalar;
DepthwiseF32Fn depthwise_f32_scalar;

}  // namespace octavo
