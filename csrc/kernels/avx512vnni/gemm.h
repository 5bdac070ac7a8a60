// The GEMM micro-kernels of this ISA and the panel geometry they read.
#pragma once

#include "kernels/contract.h"

namespace octavo {

enum { kGemmMrAvx512Vnni = 24 };
static constexpr PanelGeometry kGemmGeometryAvx512Vnni = {.nr = 64, .granule = 16};

GemmS32Fn gemm_u8s8_s32_24x64x4_avx512vnni;
GemmU8Fn gemm_u8s8_u8_24x64x4_avx512vnni;
GemmS32Fn grouped_u8s8_s32_24x64x4_avx512vnni;
GemmU8Fn grouped_u8s8_u8_24x64x4_avx512vnni;

}  // namespace octavo
