// The loop of every elementwise kernel that ends in bytes.
#pragma once

#include "kernels/avx512vnni/epilogue.h"

namespace octavo {
namespace {

// values(i, mask) returns elements i..i+15 in output steps and touches only the lanes in mask.
template <class Values>
OCTAVO_INLINE void requantize_stream(size_t n, const RequantVectors& requant, uint8_t* y,
                                     const Values& values) {
  const __mmask16 all = 0xFFFF;
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    const __m512i q = narrow_u8x64(values(i, all), values(i + 16, all), values(i + 32, all),
                                   values(i + 48, all), requant);
    _mm512_storeu_si512(y + i, q);
  }
  for (; i < n; i += 16) {
    const __mmask16 mask = first_lanes(n - i);
    _mm_mask_storeu_epi8(y + i, mask, narrow_u8x16(values(i, mask), requant));
  }
}

}  // namespace
}  // namespace octavo
