// Up to four rows of a scheduled panel: vectors of 8 rows would be mostly empty.
//
// A vector of weights is 4 steps x 2 columns as they lie in the stream; the activations that belong
// to it are gathered: a broadcast load per step, blended two dwords at a time. Steps of different
// chains meet in one vector, so that every sum of two products is widened at once (each is safe).
#pragma once

#include <immintrin.h>
#include <string.h>

#include "kernels/avx2/gemm_chains.h"
#include "kernels/avx2/gemm_output.h"

namespace octavo {
namespace {

constexpr size_t kFewRows = 4;
constexpr size_t kStepsAtOnce = 4;

OCTAVO_INLINE __m256i broadcast_row(const uint8_t* a, uint16_t offset) {
  int32_t dword;
  memcpy(&dword, a + (size_t)offset * kOffsetBytes, sizeof dword);
  return _mm256_set1_epi32(dword);
}

// The dwords of four steps, each twice.
OCTAVO_INLINE __m256i gather_steps(const uint8_t* a, const uint16_t* offset) {
  const __m256i low =
      _mm256_blend_epi32(broadcast_row(a, offset[0]), broadcast_row(a, offset[1]), 0xCC);
  const __m256i high =
      _mm256_blend_epi32(broadcast_row(a, offset[2]), broadcast_row(a, offset[3]), 0xCC);
  return _mm256_blend_epi32(low, high, 0xF0);
}

OCTAVO_INLINE void dot_now(__m256i& acc, __m256i a, __m256i b) {
  const __m256i sums = _mm256_maddubs_epi16(a, b);
  acc = _mm256_add_epi32(acc, _mm256_madd_epi16(sums, _mm256_set1_epi16(1)));
}

// Lanes 0 and 1 become the sums of the two columns.
OCTAVO_INLINE __m128i sum_columns(__m256i acc) {
  const __m128i half = _mm_add_epi32(_mm256_castsi256_si128(acc), _mm256_extracti128_si256(acc, 1));
  return _mm_add_epi32(half, _mm_unpackhi_epi64(half, half));
}

// acc[i] += the block's products of row i; a is the block's first vector.
template <size_t Rows>
OCTAVO_INLINE void run_few_rows(const uint8_t* a, const ChainStream& stream, __m256i (&acc)[Rows]) {
  const uint8_t* weights = stream.weights;
  const uint16_t* offset = (const uint16_t*)stream.offsets;
  size_t steps = (size_t)((stream.lengths - stream.offsets) / (ptrdiff_t)sizeof(uint16_t));
  const uint8_t* ahead = weights + 4096;
  for (; steps >= kStepsAtOnce; steps -= kStepsAtOnce) {
    _mm_prefetch((const char*)ahead, _MM_HINT_T0);
    ahead += kStepsAtOnce * (kScheduledColumns * kKr + sizeof(uint16_t));
    __m256i b = _mm256_loadu_si256((const __m256i*)weights);
    OCTAVO_KEEP("x", b);  // or GCC loads it again for every row
    OCTAVO_UNROLL for (size_t i = 0; i < Rows; ++i) {
      dot_now(acc[i], gather_steps(a + i * kKr, offset), b);
    }
    weights += sizeof b;
    offset += kStepsAtOnce;
  }
  for (; steps != 0; --steps, weights += kScheduledColumns * kKr, ++offset) {
    const __m256i b = _mm256_zextsi128_si256(_mm_loadl_epi64((const __m128i*)weights));
    OCTAVO_UNROLL for (size_t i = 0; i < Rows; ++i) {
      dot_now(acc[i], broadcast_row(a + i * kKr, *offset), b);
    }
  }
}

template <size_t Rows>
OCTAVO_INLINE void add_few_rows(const uint8_t* a, const ChainStream& stream, int32_t* even,
                                int32_t* odd) {
  __m256i acc[Rows];
  OCTAVO_UNROLL for (size_t i = 0; i < Rows; ++i) acc[i] = _mm256_setzero_si256();
  run_few_rows(a, stream, acc);
  OCTAVO_UNROLL for (size_t i = 0; i < Rows; ++i) {
    const __m128i sums = sum_columns(acc[i]);
    even[i] = (int32_t)((uint32_t)even[i] + (uint32_t)_mm_cvtsi128_si32(sums));
    odd[i] = (int32_t)((uint32_t)odd[i] + (uint32_t)_mm_extract_epi32(sums, 1));
  }
}

}  // namespace
}  // namespace octavo
