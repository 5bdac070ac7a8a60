// Float GEMM, the fallback for layers that are not quantized:
//
//   acc[i][j] = bias[j];  acc[i][j] = fma(a[s][i][k], b[s][k][j], acc[i][j])  over s, then k
//   c[i][j] = min(max(acc[i][j], lo), hi)
//
// One fused step per k in this order, so that every ISA returns the same bits.
#include <math.h>

#include "kernels/scalar/epilogue.h"
#include "kernels/scalar/kernels.h"

namespace octavo {

void gemm_f32_4x16_scalar(const GemmF32Tile& tile, float* c, size_t ldc) {
  constexpr size_t kNr = kGemmF32NrScalar;
  for (size_t i = 0; i < tile.rows; ++i) {
    float acc[kNr];
    for (size_t j = 0; j < tile.cols; ++j) acc[j] = tile.panel[j];
    const float* b = tile.panel + kNr;
    for (size_t s = 0; s < tile.segments; ++s) {
      const float* a = tile.a[s * tile.rows + i];
      for (size_t k = 0; k < tile.segment_k; ++k, b += kNr) {
        for (size_t j = 0; j < tile.cols; ++j) acc[j] = fmaf(a[k], b[j], acc[j]);
      }
    }
    for (size_t j = 0; j < tile.cols; ++j) c[i * ldc + j] = clamp_f32(acc[j], tile.lo, tile.hi);
  }
}

}  // namespace octavo
