// The loop of every elementwise kernel that ends in bytes.
#pragma once

#include "kernels/avx2/epilogue.h"

namespace octavo {
namespace {

// values.full(i) returns elements i..i+7 in output steps; values.part(i, left) the first `left`
// (1..7) of them, touching no other.
template <class Values>
OCTAVO_INLINE void requantize_stream(size_t n, const RequantVectors& requant, uint8_t* y,
                                     const Values& values) {
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m256i q = narrow_u8x32(values.full(i), values.full(i + 8), values.full(i + 16),
                                   values.full(i + 24), requant);
    _mm256_storeu_si256((__m256i*)(y + i), q);
  }
  for (; i + 8 <= n; i += 8) {
    _mm_storel_epi64((__m128i*)(y + i), narrow_u8x8(values.full(i), requant));
  }
  if (i < n) store_u8x8(y + i, narrow_u8x8(values.part(i, n - i), requant), n - i);
}

OCTAVO_INLINE __m128i load_full_u8x8(const uint8_t* x) {
  return _mm_loadl_epi64((const __m128i*)x);
}

}  // namespace
}  // namespace octavo
