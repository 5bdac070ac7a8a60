// The same code at 64, 32 and 16 bytes a step: Lanes<4>, Lanes<2> and Lanes<1> name the
// instructions of zmm, ymm and xmm registers (kLanes 128-bit lanes each).
//
// Sums are clamped as bytes, see narrow_sums_u8x64 in epilogue.h.
#pragma once

#include <immintrin.h>

#include "kernels/avx512vnni/epilogue.h"

namespace octavo {
namespace {

template <int kLanes>
struct Lanes;

// P: intrinsic prefix, INT / FLOAT: register types, MASK: one bit per byte, AS_FLOAT: the same
// bits.
#define OCTAVO_LANES(LANES, P, INT, FLOAT, MASK, AS_FLOAT)                                       \
  template <>                                                                                    \
  struct Lanes<LANES> {                                                                          \
    using Int = INT;                                                                             \
    using Float = FLOAT;                                                                         \
    using Mask = MASK;                                                                           \
    OCTAVO_INLINE_MEMBER static Int load(const void* x) { return P##_loadu_epi8(x); }            \
    OCTAVO_INLINE_MEMBER static Int load(const void* x, Mask mask) {                             \
      return P##_maskz_loadu_epi8(mask, x);                                                      \
    }                                                                                            \
    OCTAVO_INLINE_MEMBER static void store(void* y, Int x) { P##_storeu_epi8(y, x); }            \
    OCTAVO_INLINE_MEMBER static void store(void* y, Int x, Mask mask) {                          \
      P##_mask_storeu_epi8(y, mask, x);                                                          \
    }                                                                                            \
    OCTAVO_INLINE_MEMBER static Int zero() { return P##_set1_epi32(0); }                         \
    OCTAVO_INLINE_MEMBER static Int low8(Int a, Int b) { return P##_unpacklo_epi8(a, b); }       \
    OCTAVO_INLINE_MEMBER static Int high8(Int a, Int b) { return P##_unpackhi_epi8(a, b); }      \
    OCTAVO_INLINE_MEMBER static Int low16(Int a, Int b) { return P##_unpacklo_epi16(a, b); }     \
    OCTAVO_INLINE_MEMBER static Int high16(Int a, Int b) { return P##_unpackhi_epi16(a, b); }    \
    OCTAVO_INLINE_MEMBER static void dot4(Int& acc, Int u8, Int s8) {                            \
      OCTAVO_ACCUMULATE("vpdpbusd", P##_dpbusd_epi32, "v", acc, u8, s8);                         \
    }                                                                                            \
    OCTAVO_INLINE_MEMBER static Float scaled(Int acc, Int multiplier_bits) {                     \
      return P##_mul_ps(P##_cvtepi32_ps(acc), AS_FLOAT(multiplier_bits));                        \
    }                                                                                            \
    OCTAVO_INLINE_MEMBER static Float limited(Float v, Float hi) { return P##_min_ps(v, hi); }   \
    OCTAVO_INLINE_MEMBER static Int narrow(Float v0, Float v1, Float v2, Float v3, Int zero_s16, \
                                           Int low, Int high) {                                  \
      const Int q01 = P##_packs_epi32(P##_cvtps_epi32(v0), P##_cvtps_epi32(v1));                 \
      const Int q23 = P##_packs_epi32(P##_cvtps_epi32(v2), P##_cvtps_epi32(v3));                 \
      const Int bytes =                                                                          \
          P##_packus_epi16(P##_adds_epi16(q01, zero_s16), P##_adds_epi16(q23, zero_s16));        \
      return P##_min_epu8(P##_max_epu8(bytes, low), high);                                       \
    }                                                                                            \
    OCTAVO_INLINE_MEMBER static Int broadcast8(int x) { return P##_set1_epi8((char)x); }         \
    OCTAVO_INLINE_MEMBER static Float broadcast(float x) { return P##_set1_ps(x); }              \
    OCTAVO_INLINE_MEMBER static Int broadcast16(int x) { return P##_set1_epi16((short)x); }      \
  }

OCTAVO_LANES(4, _mm512, __m512i, __m512, __mmask64, _mm512_castsi512_ps);
OCTAVO_LANES(2, _mm256, __m256i, __m256, __mmask32, _mm256_castsi256_ps);
OCTAVO_LANES(1, _mm, __m128i, __m128, __mmask16, _mm_castsi128_ps);
#undef OCTAVO_LANES

// 16 bytes from x, x + stride, ...: one per lane.
template <int kLanes>
OCTAVO_INLINE typename Lanes<kLanes>::Int gather_lanes(const uint8_t* x, size_t stride) {
  const auto lane = [&](size_t i) OCTAVO_INLINE_LAMBDA {
    return _mm_load_si128((const __m128i*)(x + i * stride));
  };
  if constexpr (kLanes == 1) {
    return lane(0);
  } else if constexpr (kLanes == 2) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(lane(0)), lane(1), 1);
  } else {
    const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(lane(0)), lane(1), 1);
    const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(lane(2)), lane(3), 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
  }
}

}  // namespace
}  // namespace octavo
