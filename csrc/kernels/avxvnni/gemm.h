// The GEMM micro-kernels of this ISA and the panel geometry they read.
#pragma once

#include "kernels/contract.h"

namespace octavo {

enum { kGemmMrAvxVnni = 6 };
static constexpr PanelGeometry kGemmGeometryAvxVnni = {.nr = 16, .granule = 8};

GemmS32Fn gemm_u8s8_s32_6x16x4_avxvnni;
GemmU8Fn gemm_u8s8_u8_6x16x4_avxvnni;

}  // namespace octavo
