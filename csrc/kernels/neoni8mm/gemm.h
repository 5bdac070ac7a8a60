// The GEMM micro-kernels of this ISA and the panel geometry they read.
#pragma once

#include "kernels/contract.h"

namespace octavo {

enum { kGemmMrNeonI8mm = 16, kGemmRowGranuleNeonI8mm = 4 };
static constexpr PanelGeometry kGemmGeometryNeonI8mm = {.nr = 24, .granule = 8, .kr = 8};

GemmS32Fn gemm_u8s8_s32_16x24x8_neoni8mm;
GemmU8Fn gemm_u8s8_u8_16x24x8_neoni8mm;

}  // namespace octavo
