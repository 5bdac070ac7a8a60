// The GEMM micro-kernels of this ISA and the panel geometry they read.
#pragma once

#include "kernels/contract.h"

namespace octavo {

enum { kGemmMrAvx2 = 5 };
static constexpr PanelGeometry kGemmGeometryAvx2 = {.nr = 16, .granule = 8};

GemmS32Fn gemm_u8s8_s32_5x16x4_avx2;
GemmU8Fn gemm_u8s8_u8_5x16x4_avx2;

}  // namespace octavo
