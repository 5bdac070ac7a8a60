// The micro-kernels of this ISA other than the integer GEMM, and the geometry they need.
#pragma once

#include "kernels/contract.h"

namespace octavo {

RequantizeS32Fn requantize_s32_neon;
RequantizeU8Fn requantize_u8_neon;
AddU8Fn add_u8_neon;
QuantizeU8Fn quantize_u8_neon;
DequantizeU8Fn dequantize_u8_neon;
RangeF32Fn range_f32_neon;
DequantizeS32Fn dequantize_s32_neon;
MulU8Fn mul_u8_neon;
LookupU8Fn lookup_u8_neon;
HistogramF32Fn histogram_f32_neon;

TransposeU8Fn transpose_u8_neon;
TransposeU32Fn transpose_u32_neon;
TransposeStreamU8Fn transpose_stream_u8_neon;
StreamCopyFn stream_copy_neon;
StreamFenceFn stream_fence_neon;

}  // namespace octavo
