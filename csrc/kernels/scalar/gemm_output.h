// A tile's sums and what becomes of them, for the GEMM kernels of this folder.
#pragma once

#include "kernels/scalar/epilogue.h"
#include "kernels/scalar/gemm.h"
#include "pack/layout.h"

namespace octavo {
namespace {

constexpr size_t kMr = kGemmMrScalar;
constexpr size_t kNr = kGemmGeometryScalar.nr;

// Unsigned, so that wrapping around is defined.
using Accumulators = uint32_t[kMr][kNr];

inline size_t width_of(const GemmTile& tile) {
  return panel_width(tile.cols, kGemmGeometryScalar.granule);
}

inline void store(const GemmTile& tile, const Accumulators& acc, int32_t* c, size_t ldc) {
  for (size_t i = 0; i < tile.rows; ++i) {
    for (size_t j = 0; j < tile.cols; ++j) c[i * ldc + j] = (int32_t)acc[i][j];
  }
}

inline void store(const GemmTile& tile, const Accumulators& acc, const Requant& requant,
                  const Residual& residual, uint8_t* c, size_t ldc) {
  const float* multiplier =
      panel_multiplier(tile.panel, width_of(tile), tile.segments, tile.segment_k);
  for (size_t i = 0; i < tile.rows; ++i) {
    for (size_t j = 0; j < tile.cols; ++j) {
      float v = (float)(int32_t)acc[i][j] * multiplier[j];
      if (residual.rows != nullptr) {
        v = add_residual(v, residual.rows[i * residual.ld + j], residual);
      }
      c[i * ldc + j] = requantize_one(v, requant);
    }
  }
}

}  // namespace
}  // namespace octavo
