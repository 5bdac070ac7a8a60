// The loops of the elementwise kernels.
#pragma once

#include "kernels/neon/epilogue.h"

namespace octavo {
namespace {

OCTAVO_INLINE void load_f32x16(const float* x, float32x4_t (&v)[4]) {
  OCTAVO_UNROLL for (size_t k = 0; k < 4; ++k) v[k] = vld1q_f32(x + 4 * k);
}

// Only the first n (1..15) exist; the rest is zero.
OCTAVO_INLINE void load_f32x16(const float* x, size_t n, float32x4_t (&v)[4]) {
  float sixteen[16] = {};
  memcpy(sixteen, x, n * sizeof(float));
  load_f32x16(sixteen, v);
}

// values.full(i, v) gives elements i..i+15 in output steps; values.part(i, left, v) the first
// `left` (1..15) of them, touching no other.
template <class Values>
OCTAVO_INLINE void requantize_stream(size_t n, const RequantVectors& requant, uint8_t* y,
                                     const Values& values) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    float32x4_t v[4];
    values.full(i, v);
    vst1q_u8(y + i, narrow_u8x16(v, requant));
  }
  if (i == n) return;
  float32x4_t v[4];
  values.part(i, n - i, v);
  store_u8x16(y + i, narrow_u8x16(v, requant), n - i);
}

}  // namespace
}  // namespace octavo
