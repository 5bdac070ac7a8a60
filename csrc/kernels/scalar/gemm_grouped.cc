// GEMM of grouped convolutions, portable C++: columns of a group see bytes of their own.
//
//   c[i][j] = bias[j] + sum_s sum_k a[s][i][j / G * G + k] * b[s][k][j]      G = segment_k
#include "kernels/scalar/gemm.h"
#include "kernels/scalar/gemm_output.h"

namespace octavo {
namespace {

// Columns of a group, segment_k of them, see bytes of their own.
void accumulate_grouped(const GemmTile& tile, Accumulators& acc) {
  const size_t width = width_of(tile), group = tile.segment_k;
  const int32_t* bias = panel_bias(tile.panel);
  const int8_t* b = panel_weights(tile.panel, width);
  for (size_t i = 0; i < tile.rows; ++i) {
    for (size_t j = 0; j < width; ++j) {
      acc[i][j] = (uint32_t)bias[j];
      for (size_t s = 0; s < tile.segments; ++s) {
        const uint8_t* a = tile.a[s * tile.rows + i] + j / group * group;
        for (size_t k = 0; k < group; ++k) {
          const int8_t* four = b + ((s * group + k) / kKr * width + j) * kKr;
          acc[i][j] += (uint32_t)(a[k] * four[k % kKr]);
        }
      }
    }
  }
}

}  // namespace

void grouped_u8s8_s32_4x16x4_scalar(const GemmTile& tile, int32_t* c, size_t ldc) {
  Accumulators acc;
  accumulate_grouped(tile, acc);
  store(tile, acc, c, ldc);
}

void grouped_u8s8_u8_4x16x4_scalar(const GemmTile& tile, const Requant& requant,
                                   const Residual& residual, uint8_t* c, size_t ldc) {
  Accumulators acc;
  accumulate_grouped(tile, acc);
  store(tile, acc, requant, residual, c, ldc);
}

}  // namespace octavo
