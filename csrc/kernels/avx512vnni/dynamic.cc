// Quantization at run time: the range of a tensor, and int32 sums back to float; the formulas are
// in contract_elementwise.h. Both read at the speed of memory; range keeps four pairs of extremes
// so that vminps' latency of 4 cycles does not show.
//
//   vminps x, lo  gives lo where x is NaN;  vpmulld, vpsubd  wrap around
#include "kernels/avx512vnni/epilogue.h"
#include "kernels/avx512vnni/kernels.h"

namespace octavo {

void range_f32_avx512vnni(const float* x, size_t n, float* lo, float* hi) {
  __m512 low[4], high[4];
  for (int k = 0; k < 4; ++k) low[k] = high[k] = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    for (int k = 0; k < 4; ++k) {
      const __m512 v = _mm512_loadu_ps(x + i + 16 * k);
      low[k] = _mm512_min_ps(v, low[k]);
      high[k] = _mm512_max_ps(v, high[k]);
    }
  }
  for (; i < n; i += 16) {  // masked lanes read 0, which is always in the range
    const __m512 v = _mm512_maskz_loadu_ps(first_lanes(n - i), x + i);
    low[0] = _mm512_min_ps(v, low[0]);
    high[0] = _mm512_max_ps(v, high[0]);
  }
  for (int k = 1; k < 4; ++k) {
    low[0] = _mm512_min_ps(low[k], low[0]);
    high[0] = _mm512_max_ps(high[k], high[0]);
  }
  *lo = _mm512_reduce_min_ps(low[0]);
  *hi = _mm512_reduce_max_ps(high[0]);
}

void dequantize_s32_avx512vnni(const DynamicTile& tile, float* y, size_t ldy) {
  const __m512 lo = _mm512_set1_ps(tile.lo), hi = _mm512_set1_ps(tile.hi);
  for (size_t i = 0; i < tile.rows; ++i, y += ldy) {
    const int32_t* acc = tile.acc + i * tile.ld;
    const __m512 scale = _mm512_set1_ps(tile.params[i * tile.step]);
    const __m512i zero = _mm512_set1_epi32((int)tile.params[i * tile.step + 1]);
    for (size_t j = 0; j < tile.cols; j += 16) {
      const __mmask16 mask = first_lanes(tile.cols - j);
      const __m512i sum = _mm512_maskz_loadu_epi32(mask, tile.weight_sum + j);
      const __m512i a =
          _mm512_sub_epi32(_mm512_maskz_loadu_epi32(mask, acc + j), _mm512_mullo_epi32(zero, sum));
      const __m512 unit = _mm512_mul_ps(scale, _mm512_maskz_loadu_ps(mask, tile.weight_scale + j));
      const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(a), unit);
      const __m512 v = _mm512_add_ps(product, _mm512_maskz_loadu_ps(mask, tile.bias + j));
      _mm512_mask_storeu_ps(y + j, mask, _mm512_min_ps(hi, _mm512_max_ps(lo, v)));
    }
  }
}

}  // namespace octavo
