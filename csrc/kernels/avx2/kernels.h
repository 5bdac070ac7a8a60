// The micro-kernels of this ISA other than the integer GEMM, and the geometry they need.
#pragma once

#include "kernels/contract.h"

namespace octavo {

static constexpr PanelGeometry kDepthwiseGeometryAvx2 = {.nr = 8, .granule = 8};
enum { kGemmF32MrAvx2 = 6, kGemmF32NrAvx2 = 16 };

DepthwiseS32Fn depthwise_u8s8_s32_8x4_avx2;
DepthwiseU8Fn depthwise_u8s8_u8_8x4_avx2;

RequantizeS32Fn requantize_s32_avx2;
RequantizeU8Fn requantize_u8_avx2;
AddU8Fn add_u8_avx2;
QuantizeU8Fn quantize_u8_avx2;
DequantizeU8Fn dequantize_u8_avx2;
RangeF32Fn range_f32_avx2;
DequantizeS32Fn dequantize_s32_avx2;
MaxU8Fn max_u8_avx2;
AvgU8Fn avg_u8_avx2;
MulU8Fn mul_u8_avx2;
LookupU8Fn lookup_u8_avx2;
SoftmaxU8Fn softmax_u8_avx2;
MomentsU8Fn moments_u8_avx2;
NormalizeU8Fn normalize_u8_avx2;
HistogramF32Fn histogram_f32_avx2;

TransposeU8Fn transpose_u8_avx2;
TransposeU32Fn transpose_u32_avx2;
TransposeStreamU8Fn transpose_stream_u8_avx2;
StreamCopyFn stream_copy_avx2;
StreamFenceFn stream_fence_avx2;

GemmF32Fn gemm_f32_6x16_avx2;
DepthwiseF32Fn depthwise_f32_avx2;

}  // namespace octavo
