// The GEMM micro-kernels of this ISA and the panel geometry they read.
#pragma once

#include "kernels/contract.h"

namespace octavo {

enum { kGemmMrAvx2 = 8 };
static constexpr PanelGeometry kGemmGeometryAvx2 = {
    .nr = kScheduledWidth, .granule = kScheduledWidth, .order = kScheduled};

// Panels packed at run time: no time for a schedule, so the kernel widens to int16.
enum { kMatMulMrAvx2 = 5 };
static constexpr PanelGeometry kMatMulGeometryAvx2 = {.nr = 16, .granule = 8};

// Rows that prepared activations have room for: few rows, little memory.
static constexpr size_t prepared_rows(size_t rows) {
  return rows <= 2 ? rows : rows <= 4 ? 4 : kScheduledRows;
}

GemmPrepareFn gemm_prepare_8x4_avx2;
GemmS32Fn gemm_u8s8_s32_8x8x4_avx2;
GemmU8Fn gemm_u8s8_u8_8x8x4_avx2;
GemmU8Fn gemm_u8s8_u8_5x16x4_avx2;

}  // namespace octavo
