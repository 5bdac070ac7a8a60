// Float depthwise convolution; weights are bias[channels] | w[taps][channels]:
//
//   acc[p][ch] = bias[ch];  acc[p][ch] = fma(a[p][t][ch], w[t][ch], acc[p][ch])  over t
//   c[p][ch] = min(max(acc[p][ch], lo), hi)
//
// 8 channels a step, channels outer and pixels inner; the last step is masked.
#include "kernels/avx2/epilogue.h"
#include "kernels/avx2/kernels.h"

namespace octavo {

void depthwise_f32_avx2(const DepthwiseF32Tile& tile, float* c, size_t ldc) {
  const __m256 lo = _mm256_set1_ps(tile.lo);
  const __m256 hi = _mm256_set1_ps(tile.hi);
  for (size_t ch = 0; ch < tile.channels; ch += 8) {
    const __m256i mask = first_lanes(tile.channels - ch);
    const __m256 bias = _mm256_maskload_ps(tile.weights + ch, mask);
    const float* const* a = tile.a;
    for (size_t p = 0; p < tile.pixels; ++p, a += tile.taps) {
      __m256 acc = bias;
      const float* w = tile.weights + tile.channels + ch;
      for (size_t t = 0; t < tile.taps; ++t, w += tile.channels) {
        const __m256 x = _mm256_maskload_ps(a[t] + ch, mask);
        acc = _mm256_fmadd_ps(x, _mm256_maskload_ps(w, mask), acc);
      }
      _mm256_maskstore_ps(c + p * ldc + ch, mask, clamp_f32(acc, lo, hi));
    }
  }
}

}  // namespace octavo
