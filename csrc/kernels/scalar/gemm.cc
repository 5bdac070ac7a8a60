// GEMM, portable C++: the definition every other ISA is tested against.
//
//   c[i][j] = bias[j] + sum_s sum_k a[s][i][k] * b[s][k][j]      u8 x s8 -> int32, wrap-around
//
// Edges: a tail of k multiplies zeros that stand for the bytes that do not exist; columns past
// tile.cols (at most granule - 1) are computed from zero weights and not stored.
#include "kernels/scalar/gemm.h"

#include "kernels/scalar/gemm_output.h"
#include "pack/layout.h"

namespace octavo {
namespace {

// acc[j] += the products of four k, for one row.
inline void dot4(const int32_t a[kKr], const int8_t* b, size_t width, uint32_t* acc) {
  for (size_t j = 0; j < width; ++j) {
    const int8_t* w = b + j * kKr;
    acc[j] += (uint32_t)(a[0] * w[0] + a[1] * w[1] + a[2] * w[2] + a[3] * w[3]);
  }
}

void accumulate(const GemmTile& tile, Accumulators& acc) {
  const size_t width = width_of(tile);
  const int32_t* bias = panel_bias(tile.panel);
  for (size_t i = 0; i < tile.rows; ++i) {
    for (size_t j = 0; j < width; ++j) acc[i][j] = (uint32_t)bias[j];
  }

  const int8_t* b = panel_weights(tile.panel, width);
  for (size_t s = 0; s < tile.segments; ++s) {
    const uint8_t* const* rows = tile.a + s * tile.rows;
    for (size_t k = 0; k < tile.segment_k; k += kKr, b += width * kKr) {
      const size_t left = tile.segment_k - k;
      for (size_t i = 0; i < tile.rows; ++i) {
        const uint8_t* a = rows[i] + k;
        const int32_t a4[kKr] = {a[0], left > 1 ? a[1] : 0, left > 2 ? a[2] : 0,
                                 left > 3 ? a[3] : 0};
        dot4(a4, b, width, acc[i]);
      }
    }
  }
}

}  // namespace

void gemm_u8s8_s32_4x16x4_scalar(const GemmTile& tile, int32_t* c, size_t ldc) {
  Accumulators acc;
  accumulate(tile, acc);
  store(tile, acc, c, ldc);
}

void gemm_u8s8_u8_4x16x4_scalar(const GemmTile& tile, const Requant& requant,
                                const Residual& residual, uint8_t* c, size_t ldc) {
  Accumulators acc;
  accumulate(tile, acc);
  store(tile, acc, requant, residual, c, ldc);
}

}  // namespace octavo
