// Float depthwise convolution; weights are bias[channels] | w[taps][channels]:
//
//   acc[p][ch] = bias[ch];  acc[p][ch] = fma(a[p][t][ch], w[t][ch], acc[p][ch])  over t
//   c[p][ch] = min(max(acc[p][ch], lo), hi)
//
// 16 channels a step, channels outer and pixels inner; the last step is masked.
#include "kernels/avx512vnni/epilogue.h"
#include "kernels/avx512vnni/kernels.h"

namespace octavo {

void depthwise_f32_avx512vnni(const DepthwiseF32Tile& tile, float* c, size_t ldc) {
  const __m512 lo = _mm512_set1_ps(tile.lo);
  const __m512 hi = _mm512_set1_ps(tile.hi);
  for (size_t ch = 0; ch < tile.channels; ch += 16) {
    const __mmask16 mask = first_lanes(tile.channels - ch);
    const __m512 bias = _mm512_maskz_loadu_ps(mask, tile.weights + ch);
    const float* const* a = tile.a;
    for (size_t p = 0; p < tile.pixels; ++p, a += tile.taps) {
      __m512 acc = bias;
      const float* w = tile.weights + tile.channels + ch;
      for (size_t t = 0; t < tile.taps; ++t, w += tile.channels) {
        const __m512 x = _mm512_maskz_loadu_ps(mask, a[t] + ch);
        acc = _mm512_fmadd_ps(x, _mm512_maskz_loadu_ps(mask, w), acc);
      }
      _mm512_mask_storeu_ps(c + p * ldc + ch, mask, clamp_f32(acc, lo, hi));
    }
  }
}

}  // namespace octavo
