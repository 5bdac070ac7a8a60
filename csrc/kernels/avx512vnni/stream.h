// The loops of the elementwise kernels that end in bytes.
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

// From here on: bytes in, bytes out. 64 of them become floats within their 128-bit lanes and return
// in order, without a permute:
//
//   vpshufb x4     bytes 4k..4k+3 of every lane become the low bytes of vector k, under the bits of
//                  2^23: merged into them, one instruction instead of vpmovzxbd and vcvtdq2ps
//   vsubps x4      2^23 + x - (2^23 + zero point), exact
//
// What they become is clamped as bytes, see narrow_sums_u8x64; `far` says that a value may lie
// outside the range of int32 and is clamped as a float first.
struct ByteRequant {
  RequantVectors limits;
  __m512i low_u8;
  __m512i high_u8;
  bool far;
};

// No value is above `most`.
OCTAVO_INLINE ByteRequant broadcast_byte_requant(const Requant& requant, float most) {
  return {broadcast_requant(requant),
          _mm512_set1_epi8((char)((int)requant.lo + requant.zero_point)),
          _mm512_set1_epi8((char)((int)requant.hi + requant.zero_point)), !(most < 0x1p30f)};
}

OCTAVO_INLINE __m512 spread_offset(int32_t zero_point) {
  return _mm512_set1_ps(0x1p23f + (float)zero_point);
}

// float(x - zero_point).
OCTAVO_INLINE void spread_f32(__m512i x, __m512 offset, __m512 (&v)[4]) {
  const __m512i magic = _mm512_set1_epi32(0x4B000000);
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    const __m512i from =
        _mm512_broadcast_i32x4(_mm_setr_epi32(4 * k, 4 * k + 1, 4 * k + 2, 4 * k + 3));
    const __m512i bits = _mm512_mask_shuffle_epi8(magic, 0x1111111111111111ull, x, from);
    v[k] = _mm512_sub_ps(_mm512_castsi512_ps(bits), offset);
  }
}

OCTAVO_INLINE __m512i narrow_spread_u8x64(__m512 (&v)[4], const ByteRequant& requant) {
  if (OCTAVO_UNLIKELY(requant.far)) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      v[k] = _mm512_min_ps(_mm512_max_ps(v[k], requant.limits.lo), requant.limits.hi);
    }
  }
  const __m512i zero = requant.limits.zero_point_s16;
  const __m512i q01 = _mm512_packs_epi32(_mm512_cvtps_epi32(v[0]), _mm512_cvtps_epi32(v[1]));
  const __m512i q23 = _mm512_packs_epi32(_mm512_cvtps_epi32(v[2]), _mm512_cvtps_epi32(v[3]));
  const __m512i bytes =
      _mm512_packus_epi16(_mm512_adds_epi16(q01, zero), _mm512_adds_epi16(q23, zero));
  return _mm512_min_epu8(_mm512_max_epu8(bytes, requant.low_u8), requant.high_u8);
}

// values(load, v) gives 64 elements; load(x) reads those of x.
template <class Values>
OCTAVO_INLINE void requantize_bytes(size_t n, const ByteRequant& requant, uint8_t* y,
                                    const Values& values) {
  __m512 v[4];
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    values([&](const uint8_t* x) { return _mm512_loadu_si512(x + i); }, v);
    _mm512_storeu_si512(y + i, narrow_spread_u8x64(v, requant));
  }
  if (i == n) return;
  const __mmask64 mask = (1ull << (n - i)) - 1;
  values([&](const uint8_t* x) { return _mm512_maskz_loadu_epi8(mask, x + i); }, v);
  _mm512_mask_storeu_epi8(y + i, mask, narrow_spread_u8x64(v, requant));
}

}  // namespace
}  // namespace octavo
