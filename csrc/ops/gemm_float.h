// The float counterpart of gemm_int8.h.
#pragma once

#include <cstddef>

#include "ops/gemm_grid.h"
#include "pack/pack.h"

namespace octavo {

struct F32Target {
  float* c;
  size_t ldc;
  float lo;
  float hi;

  F32Target at(size_t row, size_t column) const { return {c + row * ldc + column, ldc, lo, hi}; }
};

template <class Fill>
void run_packed(const Context& context, const PackedMatrixF32& packed, size_t m, const Fill& fill,
                const F32Target& target) {
  const KernelTable& kernels = context.kernels();
  const size_t k = packed.segments() * packed.segment_k();
  const GemmExtent extent = {.m = m,
                             .mr = kernels.gemm_f32_mr,
                             .panels = packed.panel_count(),
                             .panel_bytes = packed.size_bytes() / packed.panel_count(),
                             .macs = m * packed.n() * k};
  auto kernel = [&](const float* const* a, size_t row, size_t rows, size_t panel, size_t) {
    const GemmF32Tile tile = {.a = a,
                              .rows = rows,
                              .segments = packed.segments(),
                              .segment_k = packed.segment_k(),
                              .panel = packed.panel(panel),
                              .cols = packed.panel_cols(panel),
                              .lo = target.lo,
                              .hi = target.hi};
    kernels.gemm_f32.run(tile, target.at(row, panel * packed.nr()).c, target.ldc);
  };
  run_gemm<float>(context, extent, packed.segments(), fill, kernel);
}

// Float panels differ between ISAs only in their width.
void check_layout(const PackedMatrixF32& packed, const Context& context);

}  // namespace octavo
