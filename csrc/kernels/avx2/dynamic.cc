// Quantization at run time: the range of a tensor, and int32 sums back to float; the formulas are
// in contract_elementwise.h. Both read at the speed of memory; range keeps four pairs of extremes
// so that vminps' latency of 4 cycles does not show.
//
//   vminps x, lo  gives lo where x is NaN;  vpmulld, vpsubd  wrap around
#include "kernels/avx2/epilogue.h"
#include "kernels/avx2/kernels.h"

namespace octavo {
namespace {

OCTAVO_INLINE float smallest(__m256 v) {
  __m128 low = _mm_min_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  low = _mm_min_ps(low, _mm_movehl_ps(low, low));
  return _mm_cvtss_f32(_mm_min_ss(low, _mm_movehdup_ps(low)));
}

OCTAVO_INLINE float largest(__m256 v) {
  __m128 high = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  high = _mm_max_ps(high, _mm_movehl_ps(high, high));
  return _mm_cvtss_f32(_mm_max_ss(high, _mm_movehdup_ps(high)));
}

// Eight columns; the lanes beyond the mask are 0.
struct Columns {
  const DynamicTile& tile;
  const int32_t* acc;
  __m256 scale;
  __m256i zero;
  __m256 lo;
  __m256 hi;

  OCTAVO_INLINE_MEMBER __m256 at(size_t j, __m256i mask) const {
    const __m256i sum = _mm256_maskload_epi32(tile.weight_sum + j, mask);
    const __m256i a =
        _mm256_sub_epi32(_mm256_maskload_epi32(acc + j, mask), _mm256_mullo_epi32(zero, sum));
    const __m256 unit = _mm256_mul_ps(scale, _mm256_maskload_ps(tile.weight_scale + j, mask));
    const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(a), unit);
    const __m256 v = _mm256_add_ps(product, _mm256_maskload_ps(tile.bias + j, mask));
    return _mm256_min_ps(hi, _mm256_max_ps(lo, v));
  }
};

}  // namespace

void range_f32_avx2(const float* x, size_t n, float* lo, float* hi) {
  __m256 low[4], high[4];
  for (int k = 0; k < 4; ++k) low[k] = high[k] = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    for (int k = 0; k < 4; ++k) {
      const __m256 v = _mm256_loadu_ps(x + i + 8 * k);
      low[k] = _mm256_min_ps(v, low[k]);
      high[k] = _mm256_max_ps(v, high[k]);
    }
  }
  for (; i < n; i += 8) {  // masked lanes read 0, which is always in the range
    const __m256 v = _mm256_maskload_ps(x + i, first_lanes(n - i));
    low[0] = _mm256_min_ps(v, low[0]);
    high[0] = _mm256_max_ps(v, high[0]);
  }
  for (int k = 1; k < 4; ++k) {
    low[0] = _mm256_min_ps(low[k], low[0]);
    high[0] = _mm256_max_ps(high[k], high[0]);
  }
  *lo = smallest(low[0]);
  *hi = largest(high[0]);
}

void dequantize_s32_avx2(const DynamicTile& tile, float* y, size_t ldy) {
  const __m256 lo = _mm256_set1_ps(tile.lo), hi = _mm256_set1_ps(tile.hi);
  const __m256i all = _mm256_set1_epi32(-1);
  for (size_t i = 0; i < tile.rows; ++i, y += ldy) {
    const Columns columns{tile,
                          tile.acc + i * tile.ld,
                          _mm256_set1_ps(tile.params[i * tile.step]),
                          _mm256_set1_epi32((int)tile.params[i * tile.step + 1]),
                          lo,
                          hi};
    size_t j = 0;
    for (; j + 8 <= tile.cols; j += 8) _mm256_storeu_ps(y + j, columns.at(j, all));
    if (j == tile.cols) continue;
    const __m256i mask = first_lanes(tile.cols - j);
    _mm256_maskstore_ps(y + j, mask, columns.at(j, mask));
  }
}

}  // namespace octavo
