// Float depthwise convolution; weights are bias[channels] | w[taps][channels]:
//
//   acc[p][ch] = bias[ch];  acc[p][ch] = fma(a[p][t][ch], w[t][ch], acc[p][ch])  over t
//   c[p][ch] = min(max(acc[p][ch], lo), hi)
//
// Steps of 16 channels, so that four sums wait for each other's latency, then of 4, then of what is
// left; channels outer and pixels inner.
#include "kernels/neon/epilogue.h"
#include "kernels/neon/kernels.h"

namespace octavo {
namespace {

constexpr size_t kLanes = 4;

// kVectors vectors of 4 channels; with kFull = false the only one has `left` (1..3) of them.
template <size_t kVectors, bool kFull>
OCTAVO_INLINE void run_step(const DepthwiseF32Tile& tile, size_t ch, size_t left, float* c,
                            size_t ldc) {
  const auto load = [&](const float* x)
                        OCTAVO_INLINE_LAMBDA { return kFull ? vld1q_f32(x) : load_f32x4(x, left); };
  const float32x4_t lo = vdupq_n_f32(tile.lo), hi = vdupq_n_f32(tile.hi);
  const float* const* a = tile.a;
  for (size_t p = 0; p < tile.pixels; ++p, a += tile.taps) {
    const float* w = tile.weights + ch;
    float32x4_t acc[kVectors];
    OCTAVO_UNROLL for (size_t j = 0; j < kVectors; ++j) acc[j] = load(w + j * kLanes);
    for (size_t t = 0; t < tile.taps; ++t) {
      w += tile.channels;
      const float* x = a[t] + ch;
      OCTAVO_UNROLL for (size_t j = 0; j < kVectors; ++j) {
        acc[j] = vfmaq_f32(acc[j], load(x + j * kLanes), load(w + j * kLanes));
      }
    }
    float* to = c + p * ldc + ch;
    OCTAVO_UNROLL for (size_t j = 0; j < kVectors; ++j) {
      const float32x4_t v = clamp_f32(acc[j], lo, hi);
      if (kFull) {
        vst1q_f32(to + j * kLanes, v);
      } else {
        store_f32x4(to, v, left);
      }
    }
  }
}

}  // namespace

void depthwise_f32_neon(const DepthwiseF32Tile& tile, float* c, size_t ldc) {
  size_t ch = 0, left = tile.channels;
  for (; left >= 4 * kLanes; ch += 4 * kLanes, left -= 4 * kLanes) {
    run_step<4, true>(tile, ch, left, c, ldc);
  }
  for (; left >= kLanes; ch += kLanes, left -= kLanes) run_step<1, true>(tile, ch, left, c, ldc);
  if (left != 0) run_step<1, false>(tile, ch, left, c, ldc);
}

}  // namespace octavo
