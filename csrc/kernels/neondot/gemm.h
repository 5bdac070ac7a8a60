// The GEMM micro-kernels of this ISA and the panel geometry they read.
#pragma once

#include "kernels/contract.h"

namespace octavo {

enum { kGemmMrNeonDot = 16, kGemmRowGranuleNeonDot = 4 };
static constexpr PanelGeometry kGemmGeometryNeonDot = {
    .nr = 16, .granule = 8, .kr = 4, .shift = kShift128};

GemmS32Fn gemm_u8s8_s32_16x16x4_neondot;
GemmU8Fn gemm_u8s8_u8_16x16x4_neondot;

GemmS32Fn grouped_u8s8_s32_16x16x4_neondot;
GemmU8Fn grouped_u8s8_u8_16x16x4_neondot;

}  // namespace octavo
