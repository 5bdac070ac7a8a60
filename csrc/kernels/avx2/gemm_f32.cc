// Float GEMM, the fallback for layers that are not quantized:
//
//   acc[i][j] = bias[j];  acc[i][j] = fma(a[s][i][k], b[s][k][j], acc[i][j])  over s, then k
//   c[i][j] = min(max(acc[i][j], lo), hi)
//
// One fused step per k in this order, so that every ISA returns the same bits.
// Registers: 6 x 2 accumulators, 2 of B, A broadcast: 15 of 16. A panel is always 16 wide in
// memory, so B needs no mask; C is masked.
#include "kernels/avx2/epilogue.h"
#include "kernels/avx2/kernels.h"

namespace octavo {
namespace {

constexpr size_t kMr = kGemmF32MrAvx2;
constexpr size_t kNr = kGemmF32NrAvx2;
constexpr size_t kLanes = 8;

template <size_t kRows>
void run_rows(const GemmF32Tile& tile, float* c, size_t ldc) {
  __m256 acc[kRows][2];
  for (size_t i = 0; i < kRows; ++i) {
    acc[i][0] = _mm256_loadu_ps(tile.panel);
    acc[i][1] = _mm256_loadu_ps(tile.panel + kLanes);
  }
  const float* b = tile.panel + kNr;
  for (size_t s = 0; s < tile.segments; ++s) {
    const float* const* a = tile.a + s * kRows;
    for (size_t k = 0; k < tile.segment_k; ++k, b += kNr) {
      const __m256 b0 = _mm256_loadu_ps(b);
      const __m256 b1 = _mm256_loadu_ps(b + kLanes);
      for (size_t i = 0; i < kRows; ++i) {
        const __m256 x = _mm256_set1_ps(a[i][k]);
        acc[i][0] = _mm256_fmadd_ps(x, b0, acc[i][0]);
        acc[i][1] = _mm256_fmadd_ps(x, b1, acc[i][1]);
      }
    }
  }
  const __m256 lo = _mm256_set1_ps(tile.lo);
  const __m256 hi = _mm256_set1_ps(tile.hi);
  const __m256i mask0 = first_lanes(tile.cols);
  const __m256i mask1 = first_lanes(tile.cols > kLanes ? tile.cols - kLanes : 0);
  for (size_t i = 0; i < kRows; ++i) {
    _mm256_maskstore_ps(c + i * ldc, mask0, clamp_f32(acc[i][0], lo, hi));
    _mm256_maskstore_ps(c + i * ldc + kLanes, mask1, clamp_f32(acc[i][1], lo, hi));
  }
}

GemmF32Fn* const kRunRows[kMr] = {run_rows<1>, run_rows<2>, run_rows<3>,
                                  run_rows<4>, run_rows<5>, run_rows<6>};

}  // namespace

void gemm_f32_6x16_avx2(const GemmF32Tile& tile, float* c, size_t ldc) {
  kRunRows[tile.rows - 1](tile, c, ldc);
}

}  // namespace octavo
