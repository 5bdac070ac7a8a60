// Everything this ISA offers.
#include "kernels/scalar/gemm.h"
#include "kernels/scalar/kernels.h"

namespace octavo {

constinit const KernelTable kScalarTable = {
    .gemm_mr = kGemmMrScalar,
    .gemm_geometry = kGemmGeometryScalar,
    .gemm_s32 = {"gemm_u8s8_s32_4x16x4_scalar", gemm_u8s8_s32_4x16x4_scalar},
    .gemm_u8 = {"gemm_u8s8_u8_4x16x4_scalar", gemm_u8s8_u8_4x16x4_scalar},
    .grouped_geometry = kGemmGeometryScalar,
    .grouped_s32 = {"grouped_u8s8_s32_4x16x4_scalar", grouped_u8s8_s32_4x16x4_scalar},
    .grouped_u8 = {"grouped_u8s8_u8_4x16x4_scalar", grouped_u8s8_u8_4x16x4_scalar},
    .matmul_mr = kGemmMrScalar,
    .matmul_geometry = kGemmGeometryScalar,
    .matmul_u8 = {"gemm_u8s8_u8_4x16x4_scalar", gemm_u8s8_u8_4x16x4_scalar},

    .depthwise_geometry = kDepthwiseGeometryScalar,
    .depthwise_s32 = {"depthwise_u8s8_s32_8x4_scalar", depthwise_u8s8_s32_8x4_scalar},
    .depthwise_u8 = {"depthwise_u8s8_u8_8x4_scalar", depthwise_u8s8_u8_8x4_scalar},

    .requantize_s32 = {"requantize_s32_scalar", requantize_s32_scalar},
    .requantize_u8 = {"requantize_u8_scalar", requantize_u8_scalar},
    .add_u8 = {"add_u8_scalar", add_u8_scalar},
    .quantize_u8 = {"quantize_u8_scalar", quantize_u8_scalar},
    .dequantize_u8 = {"dequantize_u8_scalar", dequantize_u8_scalar},
    .range_f32 = {"range_f32_scalar", range_f32_scalar},
    .dequantize_s32 = {"dequantize_s32_scalar", dequantize_s32_scalar},
    .max_u8 = {"max_u8_scalar", max_u8_scalar},
    .avg_u8 = {"avg_u8_scalar", avg_u8_scalar},
    .mul_u8 = {"mul_u8_scalar", mul_u8_scalar},
    .lookup_u8 = {"lookup_u8_scalar", lookup_u8_scalar},
    .softmax_u8 = {"softmax_u8_scalar", softmax_u8_scalar},
    .moments_u8 = {"moments_u8_scalar", moments_u8_scalar},
    .normalize_u8 = {"normalize_u8_scalar", normalize_u8_scalar},
    .histogram_f32 = {"histogram_f32_scalar", histogram_f32_scalar},

    .transpose_u8 = {"transpose_u8_scalar", transpose_u8_scalar},
    .transpose_u32 = {"transpose_u32_scalar", transpose_u32_scalar},
    .transpose_stream_u8 = {"transpose_stream_u8_scalar", transpose_stream_u8_scalar},
    .stream_copy = {"stream_copy_scalar", stream_copy_scalar},
    .stream_fence = {"stream_fence_scalar", stream_fence_scalar},

    .gemm_f32_mr = kGemmF32MrScalar,
    .gemm_f32_nr = kGemmF32NrScalar,
    .gemm_f32 = {"gemm_f32_4x16_scalar", gemm_f32_4x16_scalar},
    .depthwise_f32 = {"depthwise_f32_scalar", depthwise_f32_scalar},
};

}  // namespace octavo
