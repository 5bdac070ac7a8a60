// The two halves of layer normalization: exact sums of a row, and the row scaled and shifted.
//
//   uaddlp, uadalp    sums of bytes in pairs, in 32 bits
//   umull, uadalp     squares in 16 bits, then four a lane: 4096 * 4 * 255^2 < 2^32 for n = 65536
//   fmla              n * x - sum: below 2^24, so exact in float
//
// Tails load the bytes that exist; the others count as 0.
#include "kernels/neon/epilogue.h"
#include "kernels/neon/kernels.h"

namespace octavo {
namespace {

struct Sums {
  uint32x4_t bytes;
  uint32x4_t squares;

  OCTAVO_INLINE_MEMBER void add(uint8x16_t x) {
    const uint8x8_t low = vget_low_u8(x);
    bytes = vpadalq_u16(bytes, vpaddlq_u8(x));
    squares = vpadalq_u16(squares, vmull_u8(low, low));
    squares = vpadalq_u16(squares, vmull_high_u8(x, x));
  }
};

struct Normalized {
  float32x4_t count;
  float32x4_t minus_sum;
  float32x4_t scale;
  RequantVectors requant;

  // gamma and beta are of 16 columns.
  OCTAVO_INLINE_MEMBER uint8x16_t operator()(uint8x16_t x, const float32x4_t (&gamma)[4],
                                             const float32x4_t (&beta)[4]) const {
    float32x4_t v[4];
    centered_f32(x, centered_offset(0), v);
    OCTAVO_UNROLL for (int k = 0; k < 4; ++k) {
      const float32x4_t centered = vfmaq_f32(minus_sum, v[k], count);
      v[k] = vfmaq_f32(beta[k], vmulq_f32(centered, scale), gamma[k]);
    }
    return narrow_u8x16(v, requant);
  }
};

}  // namespace

void moments_u8_neon(const uint8_t* x, size_t n, Moments* moments) {
  Sums sums = {vdupq_n_u32(0), vdupq_n_u32(0)};
  size_t i = 0;
  for (; i + 16 <= n; i += 16) sums.add(vld1q_u8(x + i));
  if (i < n) sums.add(load_u8x16(x + i, n - i));
  moments->sum = vaddlvq_u32(sums.bytes);
  moments->squares = vaddlvq_u32(sums.squares);
}

void normalize_u8_neon(const uint8_t* x, size_t n, int32_t sum, float scale, const float* gamma,
                       const float* beta, const Requant& requant, uint8_t* y) {
  const Normalized normalized = {vdupq_n_f32((float)n), vdupq_n_f32(-(float)sum),
                                 vdupq_n_f32(scale), broadcast_requant(requant)};
  float32x4_t g[4], b[4];
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    OCTAVO_UNROLL for (size_t k = 0; k < 4; ++k) {
      g[k] = vld1q_f32(gamma + i + 4 * k);
      b[k] = vld1q_f32(beta + i + 4 * k);
    }
    vst1q_u8(y + i, normalized(vld1q_u8(x + i), g, b));
  }
  if (i == n) return;
  for (size_t k = 0, at = i; k < 4; ++k) {
    const size_t lanes = n - at < 4 ? n - at : 4;
    g[k] = load_f32x4(gamma + at, lanes);
    b[k] = load_f32x4(beta + at, lanes);
    at += lanes;
  }
  store_u8x16(y + i, normalized(load_u8x16(x + i, n - i), g, b), n - i);
}

}  // namespace octavo
