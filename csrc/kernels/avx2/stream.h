// The loops of the elementwise kernels that end in bytes.
#pragma once

#include "kernels/avx2/epilogue.h"

namespace octavo {
namespace {

// values.full(i) returns elements i..i+7 in output steps; values.part(i, left) the first `left`
// (1..7) of them, touching no other.
template <class Values>
OCTAVO_INLINE void requantize_tail(size_t i, size_t n, const RequantVectors& requant, uint8_t* y,
                                   const Values& values) {
  for (; i + 8 <= n; i += 8) {
    _mm_storel_epi64((__m128i*)(y + i), narrow_u8x8(values.full(i), requant));
  }
  if (i < n) store_u8x8(y + i, narrow_u8x8(values.part(i, n - i), requant), n - i);
}

template <class Values>
OCTAVO_INLINE void requantize_stream(size_t n, const RequantVectors& requant, uint8_t* y,
                                     const Values& values) {
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m256i q = narrow_u8x32(values.full(i), values.full(i + 8), values.full(i + 16),
                                   values.full(i + 24), requant);
    _mm256_storeu_si256((__m256i*)(y + i), q);
  }
  requantize_tail(i, n, requant, y, values);
}

// From here on: bytes in, bytes out. 32 of them become floats within their 128-bit lanes and return
// in order, without a permute:
//
//   vpunpck{l,h}bw, vpunpck{l,h}wd   6: bytes under the bits of 2^23, instead of vpmovzxbd and
//                                    vcvtdq2ps
//   vsubps                           4: 2^23 + x - (2^23 + zero point), exact
//
// What they become is clamped as bytes: packing saturates, so what is outside the bounds stays
// outside. `far` says that a value may lie outside the range of int32, whose conversion would wrap,
// and is clamped as a float first.
struct ByteRequant {
  RequantVectors limits;
  __m256i low_u8;
  __m256i high_u8;
  bool far;
};

// No value is above `most`.
OCTAVO_INLINE ByteRequant broadcast_byte_requant(const Requant& requant, float most) {
  return {broadcast_requant(requant),
          _mm256_set1_epi8((char)((int)requant.lo + requant.zero_point)),
          _mm256_set1_epi8((char)((int)requant.hi + requant.zero_point)), !(most < 0x1p30f)};
}

OCTAVO_INLINE __m256 spread_offset(int32_t zero_point) {
  return _mm256_set1_ps(0x1p23f + (float)zero_point);
}

// float(x - zero_point): vector k has bytes 4k..4k+3 of every lane.
OCTAVO_INLINE void spread_f32(const uint8_t* x, __m256 offset, __m256 (&v)[4]) {
  const __m256i bytes = _mm256_loadu_si256((const __m256i*)x);
  const __m256i zero = _mm256_setzero_si256(), magic = _mm256_set1_epi16(0x4B00);
  const __m256i low = _mm256_unpacklo_epi8(bytes, zero), high = _mm256_unpackhi_epi8(bytes, zero);
  const __m256i bits[4] = {_mm256_unpacklo_epi16(low, magic), _mm256_unpackhi_epi16(low, magic),
                           _mm256_unpacklo_epi16(high, magic), _mm256_unpackhi_epi16(high, magic)};
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) v[k] = _mm256_sub_ps(_mm256_castsi256_ps(bits[k]), offset);
}

OCTAVO_INLINE __m256i narrow_spread_u8x32(__m256 (&v)[4], const ByteRequant& requant) {
  if (OCTAVO_UNLIKELY(requant.far)) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      v[k] = _mm256_min_ps(_mm256_max_ps(v[k], requant.limits.lo), requant.limits.hi);
    }
  }
  const __m256i zero = requant.limits.zero_point_s16;
  const __m256i q01 = _mm256_packs_epi32(_mm256_cvtps_epi32(v[0]), _mm256_cvtps_epi32(v[1]));
  const __m256i q23 = _mm256_packs_epi32(_mm256_cvtps_epi32(v[2]), _mm256_cvtps_epi32(v[3]));
  const __m256i bytes =
      _mm256_packus_epi16(_mm256_adds_epi16(q01, zero), _mm256_adds_epi16(q23, zero));
  return _mm256_min_epu8(_mm256_max_epu8(bytes, requant.low_u8), requant.high_u8);
}

// values.spread(i, v) gives elements i..i+31 spread; the rest as in requantize_stream.
template <class Values>
OCTAVO_INLINE void requantize_bytes(size_t n, const ByteRequant& requant, uint8_t* y,
                                    const Values& values) {
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    __m256 v[4];
    values.spread(i, v);
    _mm256_storeu_si256((__m256i*)(y + i), narrow_spread_u8x32(v, requant));
  }
  requantize_tail(i, n, requant.limits, y, values);
}

OCTAVO_INLINE __m128i load_full_u8x8(const uint8_t* x) {
  return _mm_loadl_epi64((const __m128i*)x);
}

}  // namespace
}  // namespace octavo
