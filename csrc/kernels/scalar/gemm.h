// The GEMM micro-kernels of this ISA and the panel geometry they read.
#pragma once

#include "kernels/contract.h"

namespace octavo {

enum { kGemmMrScalar = 4 };
static constexpr PanelGeometry kGemmGeometryScalar = {.nr = 16, .granule = 4};

GemmS32Fn gemm_u8s8_s32_4x16x4_scalar;
GemmU8Fn gemm_u8s8_u8_4x16x4_scalar;
GemmS32Fn grouped_u8s8_s32_4x16x4_scalar;
GemmU8Fn grouped_u8s8_u8_4x16x4_scalar;

}  // namespace octavo
