// Everything this ISA offers: lookups and what they replace, the rest from AVX-512 VNNI.
#include "kernels/avx2/kernels.h"
#include "kernels/avx512vbmi/kernels.h"
#include "kernels/avx512vnni/gemm.h"
#include "kernels/avx512vnni/kernels.h"

namespace octavo {

constinit const KernelTable kAvx512VbmiTable = {
    .gemm_mr = kGemmMrAvx512Vnni,
    .gemm_geometry = kGemmGeometryAvx512Vnni,
    .gemm_s32 = {"gemm_u8s8_s32_24x64x4_avx512vnni", gemm_u8s8_s32_24x64x4_avx512vnni},
    .gemm_u8 = {"gemm_u8s8_u8_24x64x4_avx512vnni", gemm_u8s8_u8_24x64x4_avx512vnni},
    .grouped_geometry = kGemmGeometryAvx512Vnni,
    .grouped_s32 = {"grouped_u8s8_s32_24x64x4_avx512vnni", grouped_u8s8_s32_24x64x4_avx512vnni},
    .grouped_u8 = {"grouped_u8s8_u8_24x64x4_avx512vnni", grouped_u8s8_u8_24x64x4_avx512vnni},
    .matmul_mr = kGemmMrAvx512Vnni,
    .matmul_geometry = kGemmGeometryAvx512Vnni,
    .matmul_u8 = {"gemm_u8s8_u8_24x64x4_avx512vnni", gemm_u8s8_u8_24x64x4_avx512vnni},

    .depthwise_geometry = kDepthwiseGeometryAvx512Vnni,
    .depthwise_s32 = {"depthwise_u8s8_s32_16x4_avx512vnni", depthwise_u8s8_s32_16x4_avx512vnni},
    .depthwise_u8 = {"depthwise_u8s8_u8_16x4_avx512vnni", depthwise_u8s8_u8_16x4_avx512vnni},

    .requantize_s32 = {"requantize_s32_avx512vnni", requantize_s32_avx512vnni},
    .requantize_u8 = {"requantize_u8_avx512vbmi", requantize_u8_avx512vbmi},
    .add_u8 = {"add_u8_avx512vnni", add_u8_avx512vnni},
    .quantize_u8 = {"quantize_u8_avx512vnni", quantize_u8_avx512vnni},
    .dequantize_u8 = {"dequantize_u8_avx512vnni", dequantize_u8_avx512vnni},
    .range_f32 = {"range_f32_avx512vnni", range_f32_avx512vnni},
    .dequantize_s32 = {"dequantize_s32_avx512vnni", dequantize_s32_avx512vnni},
    .max_u8 = {"max_u8_avx512vnni", max_u8_avx512vnni},
    .avg_u8 = {"avg_u8_avx512vnni", avg_u8_avx512vnni},
    .mul_u8 = {"mul_u8_avx512vnni", mul_u8_avx512vnni},
    .lookup_u8 = {"lookup_u8_avx512vbmi", lookup_u8_avx512vbmi},
    .softmax_u8 = {"softmax_u8_avx512vnni", softmax_u8_avx512vnni},
    .moments_u8 = {"moments_u8_avx512vnni", moments_u8_avx512vnni},
    .normalize_u8 = {"normalize_u8_avx512vnni", normalize_u8_avx512vnni},
    .histogram_f32 = {"histogram_f32_avx512vnni", histogram_f32_avx512vnni},

    .transpose_u8 = {"transpose_u8_avx512vnni", transpose_u8_avx512vnni},
    .transpose_u32 = {"transpose_u32_avx2", transpose_u32_avx2},
    .transpose_stream_u8 = {"transpose_stream_u8_avx512vnni", transpose_stream_u8_avx512vnni},
    .stream_copy = {"stream_copy_avx512vnni", stream_copy_avx512vnni},
    .stream_fence = {"stream_fence_avx2", stream_fence_avx2},

    .gemm_f32_mr = kGemmF32MrAvx512Vnni,
    .gemm_f32_nr = kGemmF32NrAvx512Vnni,
    .gemm_f32 = {"gemm_f32_12x32_avx512vnni", gemm_f32_12x32_avx512vnni},
    .depthwise_f32 = {"depthwise_f32_avx512vnni", depthwise_f32_avx512vnni},
};

}  // namespace octavo
