// How a kernel's last floats become its output: bytes, q = rne(min(max(v, lo), hi)) + zero_point,
// or clamped floats.
//
//   vmaxps / vminps   clamp; the bound is the second operand, so NaN becomes lo
//   vcvtps2dq         round half to even (the default MXCSR mode)
//   8 lanes:          vextracti128, vpackssdw, vpaddw zero_point, vpackuswb
//   32 lanes:         vpackssdw x2, vpaddw zero_point x2, vpackuswb, vpermd: cheaper per byte;
//                     the clamped value is in [-255, 255], so no saturation ever happens
#pragma once

#include <immintrin.h>
#include <string.h>

#include "kernels/contract.h"
#include "kernels/inline.h"

namespace octavo {
namespace {

struct RequantVectors {
  __m256 lo;
  __m256 hi;
  __m256i zero_point_s16;
};

struct ResidualVectors {
  __m256 multiplier;
  __m256i zero_point;
};

OCTAVO_INLINE RequantVectors broadcast_requant(const Requant& requant) {
  return {_mm256_set1_ps(requant.lo), _mm256_set1_ps(requant.hi),
          _mm256_set1_epi16((short)requant.zero_point)};
}

OCTAVO_INLINE ResidualVectors broadcast_residual(const Residual& residual) {
  return {_mm256_set1_ps(residual.multiplier), _mm256_set1_epi32(residual.zero_point)};
}

// float(x - zero_point) of the low 8 bytes.
OCTAVO_INLINE __m256 centered_f32(__m128i x_u8x8, __m256i zero_point) {
  return _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_cvtepu8_epi32(x_u8x8), zero_point));
}

OCTAVO_INLINE __m256 add_residual(__m256 v, __m128i r_u8x8, const ResidualVectors& residual) {
  return _mm256_fmadd_ps(centered_f32(r_u8x8, residual.zero_point), residual.multiplier, v);
}

OCTAVO_INLINE __m256i clamped_s32(__m256 v, const RequantVectors& requant) {
  return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(v, requant.lo), requant.hi));
}

// Eight bytes, in the low half.
OCTAVO_INLINE __m128i narrow_u8x8(__m256 v, const RequantVectors& requant) {
  const __m256i q = clamped_s32(v, requant);
  const __m128i q_s16 = _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
  const __m128i sum = _mm_add_epi16(q_s16, _mm256_castsi256_si128(requant.zero_point_s16));
  return _mm_packus_epi16(sum, sum);
}

// Within each 128-bit half: four bytes of v0, four of v1, of v2, of v3.
OCTAVO_INLINE __m256i narrow_in_lanes_u8x32(__m256 v0, __m256 v1, __m256 v2, __m256 v3,
                                            const RequantVectors& requant) {
  const __m256i v01 = _mm256_packs_epi32(clamped_s32(v0, requant), clamped_s32(v1, requant));
  const __m256i v23 = _mm256_packs_epi32(clamped_s32(v2, requant), clamped_s32(v3, requant));
  return _mm256_packus_epi16(_mm256_add_epi16(v01, requant.zero_point_s16),
                             _mm256_add_epi16(v23, requant.zero_point_s16));
}

// Thirty-two bytes in the order of the arguments.
OCTAVO_INLINE __m256i narrow_u8x32(__m256 v0, __m256 v1, __m256 v2, __m256 v3,
                                   const RequantVectors& requant) {
  // Dword 4h+i of the packed bytes holds part i's half h.
  const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  return _mm256_permutevar8x32_epi32(narrow_in_lanes_u8x32(v0, v1, v2, v3, requant), in_order);
}

// The first n (0..8) bytes in the low half, the rest zero; reads no byte past x[n - 1].
OCTAVO_INLINE __m128i load_u8x8(const uint8_t* x, size_t n) {
  uint64_t bytes = 0;
  if (n == 8) {
    memcpy(&bytes, x, 8);
  } else if (n >= 4) {
    uint32_t head, tail;
    memcpy(&head, x, 4);
    memcpy(&tail, x + n - 4, 4);  // overlaps the head: both put the same bytes there
    bytes = head | ((uint64_t)tail << (8 * (n - 4)));
  } else {
    for (size_t i = 0; i < n; ++i) bytes |= (uint64_t)x[i] << (8 * i);
  }
  return _mm_cvtsi64_si128((long long)bytes);
}

// Stores the first n (0..8) bytes of the low half and nothing else.
OCTAVO_INLINE void store_u8x8(uint8_t* y, __m128i v, size_t n) {
  uint64_t bytes = (uint64_t)_mm_cvtsi128_si64(v);
  if (n == 8) {
    memcpy(y, &bytes, 8);
    return;
  }
  for (size_t i = 0; i < n; ++i, bytes >>= 8) y[i] = (uint8_t)bytes;
}

// Lane i is all ones for i < n: the mask of vmaskmovps / vpmaskmovd, whose masked lanes cannot
// fault.
OCTAVO_INLINE __m256i first_lanes(size_t n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n < 8 ? (int)n : 8), lane);
}

// min(max(v, lo), hi) of a float output. Here v is the second operand and NaN stays NaN: a float
// layer must not turn an invalid result into a plausible one.
OCTAVO_INLINE __m256 clamp_f32(__m256 v, __m256 lo, __m256 hi) {
  return _mm256_min_ps(hi, _mm256_max_ps(lo, v));
}

}  // namespace
}  // namespace octavo
