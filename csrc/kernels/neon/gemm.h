// The GEMM micro-kernels of this ISA and the panel geometry they read.
#pragma once

#include "kernels/contract.h"

namespace octavo {

enum { kGemmMrNeon = 16, kGemmRowGranuleNeon = 4 };
static constexpr PanelGeometry kGemmGeometryNeon = {
    .nr = 16, .granule = 8, .kr = 16, .shift = kShiftByOctets};

GemmS32Fn gemm_u8s8_s32_16x16x16_neon;
GemmU8Fn gemm_u8s8_u8_16x16x16_neon;

}  // namespace octavo
