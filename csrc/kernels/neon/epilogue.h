// How a kernel's last floats become its output: bytes, q = rne(min(max(v, lo), hi)) + zero_point,
// or clamped floats.
//
//   fmaxnm, fmin      clamp; fmaxnm returns the number where v is NaN, which therefore becomes lo.
//                     (A signalling NaN would stay one, but v is the result of an operation.)
//   fadd              1.5 * 2^23 + v: the rounded integer is in the low bits, see the scalar kernel
//   uzp1 x3, add      the lowest byte of 16 lanes, and zero_point: modulo 256, so exact
//
// Instead of fadd, fcvtns would convert and sqxtn saturate, so that bytes could be clamped instead
// of floats: 14 instructions for 16 bytes, not 16. But conversions go through one pipe of two on
// Neoverse N1 and take it for two cycles: 18.6 cycles from sums to bytes there instead of 16.1, and
// 9.6 instead of 8.1 on V1 (llvm-mca).
#pragma once

#include <arm_neon.h>
#include <string.h>

#include "kernels/contract.h"
#include "kernels/inline.h"

namespace octavo {
namespace {

struct RequantVectors {
  float32x4_t lo;
  float32x4_t hi;
  uint8x16_t zero_point;
};

struct ResidualVectors {
  float32x4_t multiplier;
  float32x4_t offset;  // see centered_f32
};

OCTAVO_INLINE RequantVectors broadcast_requant(const Requant& requant) {
  return {vdupq_n_f32(requant.lo), vdupq_n_f32(requant.hi),
          vdupq_n_u8((uint8_t)requant.zero_point)};
}

OCTAVO_INLINE float32x4_t centered_offset(int32_t zero_point) {
  return vdupq_n_f32(0x1p23f + (float)zero_point);
}

OCTAVO_INLINE ResidualVectors broadcast_residual(const Residual& residual) {
  return {vdupq_n_f32(residual.multiplier), centered_offset(residual.zero_point)};
}

// ---- Bytes to floats ----------------------------------------------------------------------------
//
// float(x - zero_point), exact: bytes under the bits of 2^23, minus 2^23 + zero_point. Zips and
// subtractions go through every vector pipe, ucvtf through one of two.

OCTAVO_INLINE void centered_f32(uint8x16_t x, float32x4_t offset, float32x4_t (&v)[4]) {
  const uint8x16_t zero = vdupq_n_u8(0);
  const uint16x8_t exponent = vdupq_n_u16(0x4B00);
  const uint16x8_t low = vreinterpretq_u16_u8(vzip1q_u8(x, zero));
  const uint16x8_t high = vreinterpretq_u16_u8(vzip2q_u8(x, zero));
  v[0] = vsubq_f32(vreinterpretq_f32_u16(vzip1q_u16(low, exponent)), offset);
  v[1] = vsubq_f32(vreinterpretq_f32_u16(vzip2q_u16(low, exponent)), offset);
  v[2] = vsubq_f32(vreinterpretq_f32_u16(vzip1q_u16(high, exponent)), offset);
  v[3] = vsubq_f32(vreinterpretq_f32_u16(vzip2q_u16(high, exponent)), offset);
}

OCTAVO_INLINE void centered_f32(uint8x8_t x, float32x4_t offset, float32x4_t (&v)[2]) {
  const uint16x8_t exponent = vdupq_n_u16(0x4B00);
  const uint16x8_t words = vmovl_u8(x);
  v[0] = vsubq_f32(vreinterpretq_f32_u16(vzip1q_u16(words, exponent)), offset);
  v[1] = vsubq_f32(vreinterpretq_f32_u16(vzip2q_u16(words, exponent)), offset);
}

OCTAVO_INLINE void add_residual(float32x4_t (&v)[4], uint8x16_t r,
                                const ResidualVectors& residual) {
  float32x4_t centered[4];
  centered_f32(r, residual.offset, centered);
  OCTAVO_UNROLL for (int k = 0; k < 4; ++k) {
    v[k] = vfmaq_f32(v[k], centered[k], residual.multiplier);
  }
}

OCTAVO_INLINE void add_residual(float32x4_t (&v)[2], uint8x8_t r, const ResidualVectors& residual) {
  float32x4_t centered[2];
  centered_f32(r, residual.offset, centered);
  v[0] = vfmaq_f32(v[0], centered[0], residual.multiplier);
  v[1] = vfmaq_f32(v[1], centered[1], residual.multiplier);
}

// ---- Floats to bytes ----------------------------------------------------------------------------

// The rounded integer modulo 2^16, in the even lanes.
OCTAVO_INLINE uint16x8_t clamped_bits(float32x4_t v, const RequantVectors& requant) {
  const float32x4_t clamped = vminq_f32(vmaxnmq_f32(v, requant.lo), requant.hi);
  return vreinterpretq_u16_f32(vaddq_f32(clamped, vdupq_n_f32(0x1.8p23f)));
}

OCTAVO_INLINE uint8x16_t narrow_u8x16(const float32x4_t (&v)[4], const RequantVectors& requant) {
  const uint16x8_t low = vuzp1q_u16(clamped_bits(v[0], requant), clamped_bits(v[1], requant));
  const uint16x8_t high = vuzp1q_u16(clamped_bits(v[2], requant), clamped_bits(v[3], requant));
  const uint8x16_t bytes = vuzp1q_u8(vreinterpretq_u8_u16(low), vreinterpretq_u8_u16(high));
  return vaddq_u8(bytes, requant.zero_point);
}

OCTAVO_INLINE uint8x8_t narrow_u8x8(const float32x4_t (&v)[2], const RequantVectors& requant) {
  const uint16x8_t words = vuzp1q_u16(clamped_bits(v[0], requant), clamped_bits(v[1], requant));
  return vadd_u8(vmovn_u16(words), vget_low_u8(requant.zero_point));
}

// min(max(v, lo), hi) of a float output. Here NaN stays NaN: a float layer must not turn an invalid
// result into a plausible one. And -0 stays -0 where the bound is 0: fmax would return +0.
OCTAVO_INLINE float32x4_t clamp_f32(float32x4_t v, float32x4_t lo, float32x4_t hi) {
  const float32x4_t at_least = vbslq_f32(vcltq_f32(v, lo), lo, v);
  return vbslq_f32(vcgtq_f32(at_least, hi), hi, at_least);
}

// ---- Tails: the first n elements of a vector, and nothing else in memory ------------------------

// n in 0..8; the rest is zero.
OCTAVO_INLINE uint8x8_t load_u8x8(const uint8_t* x, size_t n) {
  if (n == 8) return vld1_u8(x);
  uint64_t bytes = 0;
  if (n >= 4) {
    uint32_t head, tail;
    memcpy(&head, x, 4);
    memcpy(&tail, x + n - 4, 4);  // overlaps the head: both put the same bytes there
    bytes = head | ((uint64_t)tail << (8 * (n - 4)));
  } else {
    for (size_t i = 0; i < n; ++i) bytes |= (uint64_t)x[i] << (8 * i);
  }
  return vcreate_u8(bytes);
}

// n in 0..16; the rest is zero.
OCTAVO_INLINE uint8x16_t load_u8x16(const uint8_t* x, size_t n) {
  if (n == 16) return vld1q_u8(x);
  const size_t low = n < 8 ? n : 8;
  return vcombine_u8(load_u8x8(x, low), load_u8x8(x + low, n - low));
}

OCTAVO_INLINE void store_u8x8(uint8_t* y, uint8x8_t v, size_t n) {
  if (n == 8) {
    vst1_u8(y, v);
    return;
  }
  uint64_t bytes = vget_lane_u64(vreinterpret_u64_u8(v), 0);
  for (size_t size = 4; size != 0; size /= 2) {
    if ((n & size) == 0) continue;
    memcpy(y, &bytes, size);
    y += size;
    bytes >>= 8 * size;
  }
}

OCTAVO_INLINE void store_u8x16(uint8_t* y, uint8x16_t v, size_t n) {
  if (n == 16) {
    vst1q_u8(y, v);
    return;
  }
  const size_t low = n < 8 ? n : 8;
  store_u8x8(y, vget_low_u8(v), low);
  store_u8x8(y + low, vget_high_u8(v), n - low);
}

// n in 0..4, as bytes: any type may be read through uint8_t.
OCTAVO_INLINE float32x4_t load_f32x4(const float* x, size_t n) {
  return vreinterpretq_f32_u8(load_u8x16((const uint8_t*)x, n * sizeof(float)));
}

OCTAVO_INLINE int32x4_t load_s32x4(const int32_t* x, size_t n) {
  return vreinterpretq_s32_u8(load_u8x16((const uint8_t*)x, n * sizeof(int32_t)));
}

OCTAVO_INLINE void store_f32x4(float* y, float32x4_t v, size_t n) {
  store_u8x16((uint8_t*)y, vreinterpretq_u8_f32(v), n * sizeof(float));
}

OCTAVO_INLINE void store_s32x4(int32_t* y, int32x4_t v, size_t n) {
  store_u8x16((uint8_t*)y, vreinterpretq_u8_s32(v), n * sizeof(int32_t));
}

// ---- Rows of accumulators -----------------------------------------------------------------------

// float(acc) * multiplier of one row; the multipliers of whole vectors are readable.
template <int kVectors>
OCTAVO_INLINE void scaled_f32(const int32x4_t (&acc)[kVectors], const float* multiplier,
                              float32x4_t (&v)[kVectors]) {
  OCTAVO_UNROLL for (int j = 0; j < kVectors; ++j) {
    v[j] = vmulq_f32(vcvtq_f32_s32(acc[j]), vld1q_f32(multiplier + 4 * j));
  }
}

// The first `cols` (0..4 * kVectors) bytes of one row; r: those of its residual, or null.
template <int kVectors>
OCTAVO_INLINE void store_row(const int32x4_t (&acc)[kVectors], const float* multiplier,
                             const RequantVectors& requant, const ResidualVectors& residual,
                             const uint8_t* r, uint8_t* c, size_t cols) {
  static_assert(1 <= kVectors && kVectors <= 4);
  float32x4_t scaled[kVectors];
  scaled_f32(acc, multiplier, scaled);
  if constexpr (kVectors <= 2) {
    float32x4_t v[2] = {scaled[0], scaled[kVectors - 1]};
    if (r != nullptr) add_residual(v, load_u8x8(r, cols), residual);
    store_u8x8(c, narrow_u8x8(v, requant), cols);
  } else {
    float32x4_t v[4] = {scaled[0], scaled[1], scaled[2], scaled[kVectors - 1]};
    if (r != nullptr) add_residual(v, load_u8x16(r, cols), residual);
    store_u8x16(c, narrow_u8x16(v, requant), cols);
  }
}

}  // namespace
}  // namespace octavo
