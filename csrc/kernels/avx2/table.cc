// Everything this ISA offers.
#include "kernels/avx2/gemm.h"
#include "kernels/avx2/kernels.h"

namespace octavo {

constinit const KernelTable kAvx2Table = {
    .gemm_mr = kGemmMrAvx2,
    .gemm_row_granule = kScheduledVector,
    .gemm_geometry = kGemmGeometryAvx2,
    .gemm_s32 = {"gemm_u8s8_s32_24x32x4_avx2", gemm_u8s8_s32_24x32x4_avx2},
    .gemm_u8 = {"gemm_u8s8_u8_24x32x4_avx2", gemm_u8s8_u8_24x32x4_avx2},
    .gemm_prepare = {"gemm_prepare_24x4_avx2", gemm_prepare_24x4_avx2},
    .matmul_mr = kMatMulMrAvx2,
    .matmul_geometry = kMatMulGeometryAvx2,
    .matmul_u8 = {"gemm_u8s8_u8_5x16x4_avx2", gemm_u8s8_u8_5x16x4_avx2},

    .depthwise_geometry = kDepthwiseGeometryAvx2,
    .depthwise_s32 = {"depthwise_u8s8_s32_8x4_avx2", depthwise_u8s8_s32_8x4_avx2},
    .depthwise_u8 = {"depthwise_u8s8_u8_8x4_avx2", depthwise_u8s8_u8_8x4_avx2},

    .requantize_s32 = {"requantize_s32_avx2", requantize_s32_avx2},
    .requantize_u8 = {"requantize_u8_avx2", requantize_u8_avx2},
    .add_u8 = {"add_u8_avx2", add_u8_avx2},
    .quantize_u8 = {"quantize_u8_avx2", quantize_u8_avx2},
    .dequantize_u8 = {"dequantize_u8_avx2", dequantize_u8_avx2},
    .range_f32 = {"range_f32_avx2", range_f32_avx2},
    .dequantize_s32 = {"dequantize_s32_avx2", dequantize_s32_avx2},
    .max_u8 = {"max_u8_avx2", max_u8_avx2},
    .avg_u8 = {"avg_u8_avx2", avg_u8_avx2},
    .mul_u8 = {"mul_u8_avx2", mul_u8_avx2},
    .lookup_u8 = {"lookup_u8_avx2", lookup_u8_avx2},
    .softmax_u8 = {"softmax_u8_avx2", softmax_u8_avx2},
    .moments_u8 = {"moments_u8_avx2", moments_u8_avx2},
    .normalize_u8 = {"normalize_u8_avx2", normalize_u8_avx2},
    .histogram_f32 = {"histogram_f32_avx2", histogram_f32_avx2},

    .transpose_u8 = {"transpose_u8_avx2", transpose_u8_avx2},
    .transpose_u32 = {"transpose_u32_avx2", transpose_u32_avx2},
    .transpose_stream_u8 = {"transpose_stream_u8_avx2", transpose_stream_u8_avx2},
    .stream_copy = {"stream_copy_avx2", stream_copy_avx2},
    .stream_fence = {"stream_fence_avx2", stream_fence_avx2},

    .gemm_f32_mr = kGemmF32MrAvx2,
    .gemm_f32_nr = kGemmF32NrAvx2,
    .gemm_f32 = {"gemm_f32_6x16_avx2", gemm_f32_6x16_avx2},
    .depthwise_f32 = {"depthwise_f32_avx2", depthwise_f32_avx2},
};

}  // namespace octavo
