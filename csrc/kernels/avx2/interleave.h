// Transposes of 3 or 4 rows or columns: images of few channels, planes to pixels and back.
// 16 pixels a step, until fewer are left than a step may touch; returns the pixels done.
//
//   planes to pixels   vpunpck{l,h}bw x4, vpunpck{l,h}wd x4: four pixels of 4 channels a register;
//                      with 3 channels vpshufb closes the gaps and stores overlap by 4 bytes
//   pixels to planes   vpshufb x4 gathers each channel's 4 bytes, vpunpck x8 transposes them
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/inline.h"

namespace octavo {
namespace {

OCTAVO_INLINE __m128i load_u8x16(const uint8_t* x) { return _mm_loadu_si128((const __m128i*)x); }
OCTAVO_INLINE void store_u8x16(uint8_t* y, __m128i v) { _mm_storeu_si128((__m128i*)y, v); }

// x: kChannels planes, ldx apart; y: pixels of kChannels bytes.
template <size_t kChannels>
OCTAVO_INLINE size_t interleave_planes(const uint8_t* x, size_t ldx, size_t pixels, uint8_t* y) {
  const __m128i close = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
  const size_t beyond = kChannels == 3 ? 2 : 0;  // pixels the last store of a step reaches into
  size_t i = 0;
  for (; i + 16 + beyond <= pixels; i += 16, y += 16 * kChannels) {
    const __m128i a = load_u8x16(x + i), b = load_u8x16(x + ldx + i);
    const __m128i c = load_u8x16(x + 2 * ldx + i);
    const __m128i d = kChannels == 4 ? load_u8x16(x + 3 * ldx + i) : c;
    const __m128i ab_low = _mm_unpacklo_epi8(a, b), ab_high = _mm_unpackhi_epi8(a, b);
    const __m128i cd_low = _mm_unpacklo_epi8(c, d), cd_high = _mm_unpackhi_epi8(c, d);
    const __m128i four[] = {_mm_unpacklo_epi16(ab_low, cd_low), _mm_unpackhi_epi16(ab_low, cd_low),
                            _mm_unpacklo_epi16(ab_high, cd_high),
                            _mm_unpackhi_epi16(ab_high, cd_high)};
#pragma GCC unroll 4
    for (size_t k = 0; k < 4; ++k) {
      store_u8x16(y + 4 * k * kChannels,
                  kChannels == 3 ? _mm_shuffle_epi8(four[k], close) : four[k]);
    }
  }
  return i;
}

// x: pixels of kChannels bytes; y: kChannels planes, ldy apart.
template <size_t kChannels>
OCTAVO_INLINE size_t split_planes(const uint8_t* x, size_t pixels, uint8_t* y, size_t ldy) {
  const __m128i by_channel =
      kChannels == 3 ? _mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1)
                     : _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const size_t beyond = kChannels == 3 ? 2 : 0;  // pixels the last load of a step reaches into
  size_t i = 0;
  for (; i + 16 + beyond <= pixels; i += 16, x += 16 * kChannels) {
    __m128i four[4];
#pragma GCC unroll 4
    for (size_t k = 0; k < 4; ++k) {
      four[k] = _mm_shuffle_epi8(load_u8x16(x + 4 * k * kChannels), by_channel);
    }
    const __m128i low01 = _mm_unpacklo_epi32(four[0], four[1]);
    const __m128i low23 = _mm_unpacklo_epi32(four[2], four[3]);
    const __m128i high01 = _mm_unpackhi_epi32(four[0], four[1]);
    const __m128i high23 = _mm_unpackhi_epi32(four[2], four[3]);
    store_u8x16(y + i, _mm_unpacklo_epi64(low01, low23));
    store_u8x16(y + ldy + i, _mm_unpackhi_epi64(low01, low23));
    store_u8x16(y + 2 * ldy + i, _mm_unpacklo_epi64(high01, high23));
    if (kChannels == 4) store_u8x16(y + 3 * ldy + i, _mm_unpackhi_epi64(high01, high23));
  }
  return i;
}

// Tries the above; what is left is rows x cols from row *i, column *j.
OCTAVO_INLINE void transpose_few(const uint8_t* x, size_t ldx, size_t rows, size_t cols, uint8_t* y,
                                 size_t ldy, size_t* i, size_t* j) {
  if (rows == 3 && ldy == 3) *j = interleave_planes<3>(x, ldx, cols, y);
  if (rows == 4 && ldy == 4) *j = interleave_planes<4>(x, ldx, cols, y);
  if (cols == 3 && ldx == 3) *i = split_planes<3>(x, rows, y, ldy);
  if (cols == 4 && ldx == 4) *i = split_planes<4>(x, rows, y, ldy);
}

}  // namespace
}  // namespace octavo
