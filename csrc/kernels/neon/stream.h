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

// body(i) for blocks of kSize that begin at i and cover n >= kSize elements.
template <size_t kSize, class Body>
OCTAVO_INLINE void for_blocks(size_t n, const Body& body) {
  for (size_t i = 0; i < n; i += kSize) body(i + kSize <= n ? i : n - kSize);
}

// values.full(i, v) gives elements i..i+15 in output steps; values.part(n, v) the first n (1..15)
// of all, touching no other. The last vector overlaps the one before it; it is computed first, so
// that y may be what the values are computed from.
template <class Values>
OCTAVO_INLINE void requantize_stream(size_t n, const RequantVectors& requant, uint8_t* y,
                                     const Values& values) {
  float32x4_t last[4];
  if (n < 16) {
    if (n == 0) return;
    values.part(n, last);
    store_u8x16(y, narrow_u8x16(last, requant), n);
    return;
  }
  values.full(n - 16, last);
  const uint8x16_t last_u8 = narrow_u8x16(last, requant);
  for (size_t i = 0; i + 16 < n; i += 16) {
    float32x4_t v[4];
    values.full(i, v);
    vst1q_u8(y + i, narrow_u8x16(v, requant));
  }
  vst1q_u8(y + n - 16, last_u8);
}

}  // namespace
}  // namespace octavo
