// How a kernel's last floats become its output: bytes, q = rne(min(max(v, lo), hi)) + zero_point,
// or clamped floats.
//
//   vmaxps / vminps   clamp; the bound is the second operand, so NaN becomes lo
//   vcvtps2dq         round half to even (the default MXCSR mode)
//   16 lanes:         vpaddd zero_point, vpmovdb
//   64 lanes:         vpackssdw x2, vpaddw zero_point x2, vpackuswb, vpermd: cheaper per byte;
//                     the clamped value is in [-255, 255], so no saturation ever happens
#pragma once

#include <immintrin.h>

#include "kernels/contract.h"
#include "kernels/inline.h"

namespace octavo {
namespace {

struct RequantVectors {
  __m512 lo;
  __m512 hi;
  __m512i zero_point_s32;
  __m512i zero_point_s16;
};

struct ResidualVectors {
  __m512 multiplier;
  __m512i zero_point;
  bool shifts;  // the zero point is not 0
};

OCTAVO_INLINE RequantVectors broadcast_requant(const Requant& requant) {
  return {_mm512_set1_ps(requant.lo), _mm512_set1_ps(requant.hi),
          _mm512_set1_epi32(requant.zero_point), _mm512_set1_epi16((short)requant.zero_point)};
}

OCTAVO_INLINE ResidualVectors broadcast_residual(const Residual& residual) {
  return {_mm512_set1_ps(residual.multiplier), _mm512_set1_epi32(residual.zero_point),
          residual.zero_point != 0};
}

// Mask of the first n lanes; all 16 for n >= 16.
OCTAVO_INLINE __mmask16 first_lanes(size_t n) {
  return n >= 16 ? (__mmask16)0xFFFF : (__mmask16)((1u << n) - 1u);
}

// float(x - zero_point) of 16 bytes.
OCTAVO_INLINE __m512 centered_f32(__m128i x_u8x16, __m512i zero_point) {
  return _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_cvtepu8_epi32(x_u8x16), zero_point));
}

OCTAVO_INLINE __m512 add_residual(__m512 v, __m128i r_u8x16, const ResidualVectors& residual) {
  return _mm512_fmadd_ps(centered_f32(r_u8x16, residual.zero_point), residual.multiplier, v);
}

// The same for 64 columns, r[j] holding bytes as int32. One branch for all: see SumRequant.
OCTAVO_INLINE void add_residuals(__m512 (&v)[4], __m512i (&r)[4], const ResidualVectors& residual) {
  if (residual.shifts) {
    OCTAVO_UNROLL for (int j = 0; j < 4; ++j) r[j] = _mm512_sub_epi32(r[j], residual.zero_point);
  }
  OCTAVO_UNROLL for (int j = 0; j < 4; ++j) {
    v[j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(r[j]), residual.multiplier, v[j]);
  }
}

OCTAVO_INLINE __m512i clamped_s32(__m512 v, const RequantVectors& requant) {
  return _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(v, requant.lo), requant.hi));
}

OCTAVO_INLINE __m128i narrow_u8x16(__m512 v, const RequantVectors& requant) {
  return _mm512_cvtepi32_epi8(_mm512_add_epi32(clamped_s32(v, requant), requant.zero_point_s32));
}

OCTAVO_INLINE __m512i narrow_u8x64(__m512 v0, __m512 v1, __m512 v2, __m512 v3,
                                   const RequantVectors& requant) {
  // The packs work within 128-bit quarters: dword 4q+i of the result holds part i's quarter q.
  const __m512i in_order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i v01 = _mm512_packs_epi32(clamped_s32(v0, requant), clamped_s32(v1, requant));
  const __m512i v23 = _mm512_packs_epi32(clamped_s32(v2, requant), clamped_s32(v3, requant));
  const __m512i bytes = _mm512_packus_epi16(_mm512_add_epi16(v01, requant.zero_point_s16),
                                            _mm512_add_epi16(v23, requant.zero_point_s16));
  return _mm512_permutexvar_epi32(in_order, bytes);
}

// Sums, which are never NaN, are clamped last, as bytes: one vpmaxub and one vpminub for 64 lanes
// instead of four vmaxps and four vminps on the ports that the dot products need. Saturation on the
// way keeps whatever is outside the bounds outside. Only a float above every int32, which would be
// converted to the smallest, must be clamped before; `far` says that there may be one.
// Behind a ReLU the zero point is mostly 0 and saturation is all the clamping there is: a branch
// that is always predicted costs less than instructions that change nothing.
struct SumRequant {
  __m512 hi;
  __m512i zero_point_s16;
  __m512i low_u8;
  __m512i high_u8;
  bool far;
  bool shifts;  // the zero point is not 0
  bool clamps;  // the bounds are not 0 and 255
};

OCTAVO_INLINE SumRequant broadcast_sum_requant(const Requant& requant, bool far) {
  const int low = (int)requant.lo + requant.zero_point;
  const int high = (int)requant.hi + requant.zero_point;
  return {.hi = _mm512_set1_ps(requant.hi),
          .zero_point_s16 = _mm512_set1_epi16((short)requant.zero_point),
          .low_u8 = _mm512_set1_epi8((char)low),
          .high_u8 = _mm512_set1_epi8((char)high),
          .far = far,
          .shifts = requant.zero_point != 0,
          .clamps = low > 0 || high < 255};
}

// Whether sum * multiplier may leave the range of int32, with room for a residual. Reads whole
// vectors: packed multipliers come in multiples of 16.
OCTAVO_INLINE bool any_far(const float* multiplier, size_t count) {
  __mmask16 far = 0;
  for (size_t j = 0; j < count; j += 16) {
    const __m512 m = _mm512_load_ps(multiplier + j);
    far |= _mm512_cmp_ps_mask(m, _mm512_set1_ps(0.5f), _CMP_NLT_UQ);
  }
  return far != 0;
}

// A residual adds at most 255 times its multiplier.
OCTAVO_INLINE bool is_far(const Residual& residual) { return !(residual.multiplier < 0x1p20f); }

OCTAVO_INLINE __m512i narrow_sums_u8x64(__m512 (&v)[4], const SumRequant& requant) {
  const __m512i in_order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  if (OCTAVO_UNLIKELY(requant.far)) {
    OCTAVO_UNROLL for (int j = 0; j < 4; ++j) v[j] = _mm512_min_ps(v[j], requant.hi);
  }
  __m512i q01 = _mm512_packs_epi32(_mm512_cvtps_epi32(v[0]), _mm512_cvtps_epi32(v[1]));
  __m512i q23 = _mm512_packs_epi32(_mm512_cvtps_epi32(v[2]), _mm512_cvtps_epi32(v[3]));
  if (requant.shifts) {
    q01 = _mm512_adds_epi16(q01, requant.zero_point_s16);
    q23 = _mm512_adds_epi16(q23, requant.zero_point_s16);
  }
  __m512i bytes = _mm512_packus_epi16(q01, q23);
  if (requant.clamps) {
    bytes = _mm512_min_epu8(_mm512_max_epu8(bytes, requant.low_u8), requant.high_u8);
  }
  return _mm512_permutexvar_epi32(in_order, bytes);
}

// min(max(v, lo), hi) of a float output. Here v is the second operand and NaN stays NaN: a float
// layer must not turn an invalid result into a plausible one.
OCTAVO_INLINE __m512 clamp_f32(__m512 v, __m512 lo, __m512 hi) {
  return _mm512_min_ps(hi, _mm512_max_ps(lo, v));
}

}  // namespace
}  // namespace octavo
