// Where the sums of the integer GEMMs go: rows of int32, or of bytes. Shared by the ISAs that build
// on this one.
#pragma once

#include "kernels/neon/epilogue.h"

namespace octavo {
namespace {

constexpr size_t kLanes = 4;

// Columns of a panel from `column` on that exist, at most `most`.
OCTAVO_INLINE size_t cols_from(const GemmTile& tile, size_t column, size_t most) {
  const size_t left = tile.cols - column;
  return left < most ? left : most;
}

struct S32Output {
  int32_t* c;
  size_t ldc;

  // `cols` (at most 4 * Vectors) sums from `column` on.
  template <int Vectors>
  OCTAVO_INLINE_MEMBER void store(const int32x4_t (&acc)[Vectors], size_t row, size_t column,
                                  size_t cols) const {
    int32_t* to = c + row * ldc + column;
    OCTAVO_UNROLL for (size_t j = 0; j < Vectors; ++j) {
      if (cols >= (j + 1) * kLanes) {
        vst1q_s32(to + j * kLanes, acc[j]);
      } else if (cols > j * kLanes) {
        store_s32x4(to + j * kLanes, acc[j], cols - j * kLanes);
      }
    }
  }
};

struct U8Output {
  uint8_t* c;
  size_t ldc;
  const float* multiplier;  // of the panel
  RequantVectors requant;
  ResidualVectors residual_vectors;
  Residual residual;

  U8Output(uint8_t* c, size_t ldc, const float* multiplier, const Requant& requant,
           const Residual& residual)
      : c(c),
        ldc(ldc),
        multiplier(multiplier),
        requant(broadcast_requant(requant)),
        residual_vectors(broadcast_residual(residual)),
        residual(residual) {}

  template <int Vectors>
  OCTAVO_INLINE_MEMBER void store(const int32x4_t (&acc)[Vectors], size_t row, size_t column,
                                  size_t cols) const {
    const uint8_t* r = residual.rows;
    if (r != nullptr) r += row * residual.ld + column;
    store_row<Vectors>(acc, multiplier + column, requant, residual_vectors, r,
                       c + row * ldc + column, cols);
  }
};

}  // namespace
}  // namespace octavo
