// Everything this ISA offers.
#include "kernels/neon/kernels.h"
#include "kernels/neondot/gemm.h"
#include "kernels/neondot/kernels.h"
#include "kernels/scalar/kernels.h"

namespace octavo {

constinit const KernelTable kNeonDotTable = {
    .gemm_mr = kGemmMrNeonDot,
    .gemm_row_granule = kGemmRowGranuleNeonDot,
    .gemm_geometry = kGemmGeometryNeonDot,
    .gemm_s32 = {"gemm_u8s8_s32_16x16x4_neondot", gemm_u8s8_s32_16x16x4_neondot},
    .gemm_u8 = {"gemm_u8s8_u8_16x16x4_neondot", gemm_u8s8_u8_16x16x4_neondot},
    .grouped_geometry = kGemmGeometryNeonDot,
    .grouped_s32 = {"grouped_u8s8_s32_16x16x4_neondot", grouped_u8s8_s32_16x16x4_neondot},
    .grouped_u8 = {"grouped_u8s8_u8_16x16x4_neondot", grouped_u8s8_u8_16x16x4_neondot},
    .matmul_mr = kGemmMrNeonDot,
    .matmul_geometry = kGemmGeometryNeonDot,
    .matmul_u8 = {"gemm_u8s8_u8_16x16x4_neondot", gemm_u8s8_u8_16x16x4_neondot},

    .depthwise_geometry = kDepthwiseGeometryNeon,
    .depthwise_s32 = {"depthwise_u8s8_s32_16x4_neondot", depthwise_u8s8_s32_16x4_neondot},
    .depthwise_u8 = {"depthwise_u8s8_u8_16x4_neondot", depthwise_u8s8_u8_16x4_neondot},

    .requantize_s32 = {"requantize_s32_neon", requantize_s32_neon},
    .requantize_u8 = {"requantize_u8_neon", requantize_u8_neon},
    .add_u8 = {"add_u8_neon", add_u8_neon},
    .quantize_u8 = {"quantize_u8_neon", quantize_u8_neon},
    .dequantize_u8 = {"dequantize_u8_neon", dequantize_u8_neon},
    .range_f32 = {"range_f32_neon", range_f32_neon},
    .dequantize_s32 = {"dequantize_s32_neon", dequantize_s32_neon},
    .max_u8 = {"max_u8_neon", max_u8_neon},
    .avg_u8 = {"avg_u8_neon", avg_u8_neon},
    .mul_u8 = {"mul_u8_neon", mul_u8_neon},
    .lookup_u8 = {"lookup_u8_neon", lookup_u8_neon},
    .softmax_u8 = {"softmax_u8_neon", softmax_u8_neon},
    .moments_u8 = {"moments_u8_neon", moments_u8_neon},
    .normalize_u8 = {"normalize_u8_neon", normalize_u8_neon},
    .histogram_f32 = {"histogram_f32_neon", histogram_f32_neon},

    .transpose_u8 = {"transpose_u8_neon", transpose_u8_neon},
    .transpose_u32 = {"transpose_u32_neon", transpose_u32_neon},
    .transpose_stream_u8 = {"transpose_stream_u8_neon", transpose_stream_u8_neon},
    .stream_copy = {"stream_copy_scalar", stream_copy_scalar},
    .stream_fence = {"stream_fence_scalar", stream_fence_scalar},

    .gemm_f32_mr = kGemmF32MrNeon,
    .gemm_f32_nr = kGemmF32NrNeon,
    .gemm_f32 = {"gemm_f32_8x8_neon", gemm_f32_8x8_neon},
    .depthwise_f32 = {"depthwise_f32_neon", depthwise_f32_neon},
};

}  // namespace octavo
