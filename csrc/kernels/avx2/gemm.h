// The GEMM micro-kernels of this ISA and the panel geometry they read.
#pragma once

#include "kernels/contract.h"

namespace octavo {

enum { kGemmMrAvx2 = kScheduledRows };
static constexpr PanelGeometry kGemmGeometryAvx2 = {
    .nr = kScheduledWidth, .granule = kScheduledGranule, .order = kScheduled};

// Panels packed at run time: no time for a schedule, so the kernel widens to int16.
enum { kMatMulMrAvx2 = 5 };
static constexpr PanelGeometry kMatMulGeometryAvx2 = {.nr = 16, .granule = 8};

// Rows or columns of the next piece of a tile.
static inline size_t at_most_eight(size_t left) { return left < 8 ? left : 8; }

GemmPrepareFn gemm_prepare_24x4_avx2;
GemmS32Fn gemm_u8s8_s32_24x32x4_avx2;
GemmU8Fn gemm_u8s8_u8_24x32x4_avx2;
GemmU8Fn gemm_u8s8_u8_5x16x4_avx2;

}  // namespace octavo
