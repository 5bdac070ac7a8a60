// The micro-kernels of this ISA other than the integer GEMM, and the geometry they need.
#pragma once

#include "kernels/contract.h"

namespace octavo {

static constexpr PanelGeometry kDepthwiseGeometryNeon = {.nr = 16, .granule = 16};
enum { kGemmF32MrNeon = 8, kGemmF32NrNeon = 8 };

DepthwiseS32Fn depthwise_u8s8_s32_16x4_neon;
DepthwiseU8Fn depthwise_u8s8_u8_16x4_neon;

RequantizeS32Fn requantize_s32_neon;
RequantizeU8Fn requantize_u8_neon;
AddU8Fn add_u8_neon;
QuantizeU8Fn quantize_u8_neon;
DequantizeU8Fn dequantize_u8_neon;
RangeF32Fn range_f32_neon;
DequantizeS32Fn dequantize_s32_neon;
MaxU8Fn max_u8_neon;
AvgU8Fn avg_u8_neon;
MulU8Fn mul_u8_neon;
LookupU8Fn lookup_u8_neon;
SoftmaxU8Fn softmax_u8_neon;
MomentsU8Fn moments_u8_neon;
NormalizeU8Fn normalize_u8_neon;
HistogramF32Fn histogram_f32_neon;

TransposeU8Fn transpose_u8_neon;
TransposeU32Fn transpose_u32_neon;
TransposeStreamU8Fn transpose_stream_u8_neon;

GemmF32Fn gemm_f32_8x8_neon;
DepthwiseF32Fn depthwise_f32_neon;

}  // namespace octavo
