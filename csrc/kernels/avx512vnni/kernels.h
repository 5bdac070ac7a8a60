// The micro-kernels of this ISA other than the integer GEMM, and the geometry they need.
#pragma once

#include "kernels/contract.h"

namespace octavo {

static constexpr PanelGeometry kDepthwiseGeometryAvx512Vnni = {.nr = 16, .granule = 16};
enum { kGemmF32MrAvx512Vnni = 12, kGemmF32NrAvx512Vnni = 32 };

DepthwiseS32Fn depthwise_u8s8_s32_16x4_avx512vnni;
DepthwiseU8Fn depthwise_u8s8_u8_16x4_avx512vnni;

RequantizeS32Fn requantize_s32_avx512vnni;
RequantizeU8Fn requantize_u8_avx512vnni;
AddU8Fn add_u8_avx512vnni;
QuantizeU8Fn quantize_u8_avx512vnni;
DequantizeU8Fn dequantize_u8_avx512vnni;
RangeF32Fn range_f32_avx512vnni;
DequantizeS32Fn dequantize_s32_avx512vnni;
MaxU8Fn max_u8_avx512vnni;
AvgU8Fn avg_u8_avx512vnni;
MulU8Fn mul_u8_avx512vnni;
LookupU8Fn lookup_u8_avx512vnni;
SoftmaxU8Fn softmax_u8_avx512vnni;
MomentsU8Fn moments_u8_avx512vnni;
NormalizeU8Fn normalize_u8_avx512vnni;
HistogramF32Fn histogram_f32_avx512vnni;

TransposeU8Fn transpose_u8_avx512vnni;
TransposeStreamU8Fn transpose_stream_u8_avx512vnni;
StreamCopyFn stream_copy_avx512vnni;

GemmF32Fn gemm_f32_12x32_avx512vnni;
DepthwiseF32Fn depthwise_f32_avx512vnni;

}  // namespace octavo
