// Float depthwise convolution; weights are bias[channels] | w[taps][channels]:
//
//   acc[p][ch] = bias[ch];  acc[p][ch] = fma(a[p][t][ch], w[t][ch], acc[p][ch])  over t
//   c[p][ch] = min(max(acc[p][ch], lo), hi)
#include <math.h>

#include "kernels/scalar/epilogue.h"
#include "kernels/scalar/kernels.h"

namespace octavo {

void depthwise_f32_scalar(const DepthwiseF32Tile& tile, float* c, size_t ldc) {
  const float* bias = tile.weights;
  const float* w = tile.weights + tile.channels;
  for (size_t p = 0; p < tile.pixels; ++p) {
    const float* const* a = tile.a + p * tile.taps;
    for (size_t ch = 0; ch < tile.channels; ++ch) {
      float acc = bias[ch];
      for (size_t t = 0; t < tile.taps; ++t) {
        acc = fmaf(a[t][ch], w[t * tile.channels + ch], acc);
      }
      c[p * ldc + ch] = clamp_f32(acc, tile.lo, tile.hi);
    }
  }
}

}  // namespace octavo
