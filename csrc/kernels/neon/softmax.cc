// One row of softmax in three passes: maximum, sum of exponentials, output. Exponentials are
// looked up twice: recomputing 16 of them costs less than storing and reloading them.
//
//   sub, ushr, and      d = max - x, d / 16, d % 16 as bytes
//   ld4, once           the four bytes of 16 floats in a register each
//   tbl x4, zip x8      16 floats of a table in order; a table of four registers (tbl4) would be
//                       looked up in 2 to 6 times the cycles
//   fmul, fadd 2^23     e, rounded into the low 23 bits
//
// In the last vector the elements that do not exist are 0: all the same exponential, the last one
// of the 16, which is taken off the sum again.
#include "kernels/neon/epilogue.h"
#include "kernels/neon/kernels.h"

namespace octavo {
namespace {

struct Sixteen {
  uint8x16x4_t bytes;

  OCTAVO_INLINE_MEMBER explicit Sixteen(const float* x) : bytes(vld4q_u8((const uint8_t*)x)) {}

  // Elements index[0..15], each below 16.
  OCTAVO_INLINE_MEMBER void look_up(uint8x16_t index, float32x4_t (&v)[4]) const {
    const uint8x16_t b0 = vqtbl1q_u8(bytes.val[0], index), b1 = vqtbl1q_u8(bytes.val[1], index);
    const uint8x16_t b2 = vqtbl1q_u8(bytes.val[2], index), b3 = vqtbl1q_u8(bytes.val[3], index);
    const uint16x8_t low01 = vreinterpretq_u16_u8(vzip1q_u8(b0, b1));
    const uint16x8_t high01 = vreinterpretq_u16_u8(vzip2q_u8(b0, b1));
    const uint16x8_t low23 = vreinterpretq_u16_u8(vzip1q_u8(b2, b3));
    const uint16x8_t high23 = vreinterpretq_u16_u8(vzip2q_u8(b2, b3));
    v[0] = vreinterpretq_f32_u16(vzip1q_u16(low01, low23));
    v[1] = vreinterpretq_f32_u16(vzip2q_u16(low01, low23));
    v[2] = vreinterpretq_f32_u16(vzip1q_u16(high01, high23));
    v[3] = vreinterpretq_f32_u16(vzip2q_u16(high01, high23));
  }
};

struct Exponentials {
  uint8x16_t max;
  Sixteen high;
  Sixteen low;

  // 2^23 + e, exact.
  OCTAVO_INLINE_MEMBER void operator()(uint8x16_t x, float32x4_t (&e)[4]) const {
    const uint8x16_t d = vsubq_u8(max, x);
    float32x4_t h[4], l[4];
    high.look_up(vshrq_n_u8(d, 4), h);
    low.look_up(vandq_u8(d, vdupq_n_u8(15)), l);
    OCTAVO_UNROLL for (int k = 0; k < 4; ++k) {
      e[k] = vaddq_f32(vmulq_f32(h[k], l[k]), vdupq_n_f32(0x1p23f));
    }
  }
};

OCTAVO_INLINE uint8_t row_max(const uint8_t* x, size_t n) {
  uint8x16_t max = vdupq_n_u8(0);
  size_t i = 0;
  for (; i + 16 <= n; i += 16) max = vmaxq_u8(max, vld1q_u8(x + i));
  return vmaxvq_u8(vmaxq_u8(max, load_u8x16(x + i, n - i)));
}

OCTAVO_INLINE uint32x4_t rounded(float32x4_t e) {
  return vsubq_u32(vreinterpretq_u32_f32(e), vreinterpretq_u32_f32(vdupq_n_f32(0x1p23f)));
}

OCTAVO_INLINE uint64_t sum_of_exponentials(const Exponentials& exponentials, const uint8_t* x,
                                           size_t n) {
  uint64x2_t sum = vdupq_n_u64(0);
  float32x4_t e[4];
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    exponentials(vld1q_u8(x + i), e);
    const uint32x4_t four =
        vaddq_u32(vaddq_u32(rounded(e[0]), rounded(e[1])), vaddq_u32(rounded(e[2]), rounded(e[3])));
    sum = vpadalq_u32(sum, four);
  }
  uint64_t total = vaddvq_u64(sum);
  if (i < n) {
    exponentials(load_u8x16(x + i, n - i), e);
    for (int k = 0; k < 4; ++k) total += vaddlvq_u32(rounded(e[k]));
    total -= (16 - (n - i)) * vgetq_lane_u32(rounded(e[3]), 3);
  }
  return total;
}

}  // namespace

void softmax_u8_neon(const uint8_t* x, size_t n, const ExpTable& table, float multiplier,
                     const Requant& requant, uint8_t* y) {
  const Exponentials exponentials = {vdupq_n_u8(row_max(x, n)), Sixteen(table.high),
                                     Sixteen(table.low)};
  const float total = (float)(int64_t)sum_of_exponentials(exponentials, x, n);
  const float32x4_t scale = vdupq_n_f32(multiplier / total);
  const RequantVectors limits = broadcast_requant(requant);
  const auto scaled = [&](uint8x16_t bytes) OCTAVO_INLINE_LAMBDA {
    float32x4_t v[4];
    exponentials(bytes, v);
    OCTAVO_UNROLL for (int k = 0; k < 4; ++k) {
      v[k] = vmulq_f32(vsubq_f32(v[k], vdupq_n_f32(0x1p23f)), scale);
    }
    return narrow_u8x16(v, limits);
  };
  size_t i = 0;
  for (; i + 16 <= n; i += 16) vst1q_u8(y + i, scaled(vld1q_u8(x + i)));
  if (i < n) store_u8x16(y + i, scaled(load_u8x16(x + i, n - i)), n - i);
}

}  // namespace octavo
