// How a kernel's last float becomes its output: a byte, q = rne(min(max(v, lo), hi)) + zero_point,
// or a clamped float.
#pragma once

#include <math.h>
#include <string.h>

#include "kernels/contract.h"
#include "kernels/inline.h"

namespace octavo {

// Round half to even of |v| < 2^22 without a library call: adding 1.5 * 2^23 leaves the rounded
// integer in the low mantissa bits.
OCTAVO_INLINE int32_t round_to_s32(float v) {
  const float shifted = v + 12582912.0f;
  uint32_t bits;
  memcpy(&bits, &shifted, sizeof(bits));
  return (int32_t)(bits - 0x4B400000u);
}

// The comparisons are false for NaN, which therefore becomes lo.
OCTAVO_INLINE uint8_t requantize_one(float v, const Requant& requant) {
  const float at_least = v > requant.lo ? v : requant.lo;
  const float clamped = at_least < requant.hi ? at_least : requant.hi;
  return (uint8_t)(round_to_s32(clamped) + requant.zero_point);
}

OCTAVO_INLINE float centered_f32(uint8_t x, int32_t zero_point) {
  return (float)((int32_t)x - zero_point);
}

OCTAVO_INLINE float add_residual(float v, uint8_t r, const Residual& residual) {
  return fmaf(centered_f32(r, residual.zero_point), residual.multiplier, v);
}

// min(max(v, lo), hi) of a float output. Here NaN stays NaN: a float layer must not turn an invalid
// result into a plausible one.
OCTAVO_INLINE float clamp_f32(float v, float lo, float hi) {
  const float at_least = v < lo ? lo : v;
  return at_least > hi ? hi : at_least;
}

}  // namespace octavo
