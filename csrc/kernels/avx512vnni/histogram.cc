// Float-bit histogram; contract_elementwise.h has the formula.
//
// Blocks of 1024 floats. Vectors turn a block into the keys to count, zeros and what is not finite
// left out (vpcompressd: a ReLU's zeros cost nothing), and keep the extremes; then one scalar loop
// counts. It is the limit: a load, an increment in memory and the address arithmetic for a float.
// Consecutive keys go to different lanes: an increment that follows one of the same counter waits
// about 8 cycles for the store.
#include <math.h>

#include "kernels/avx512vnni/epilogue.h"
#include "kernels/avx512vnni/kernels.h"
#include "kernels/histogram_count.h"

namespace octavo {
namespace {

enum { kBlock = 1024 };

struct Extremes {
  __m512 min;
  __m512 max;
  __m512i smallest;
};

// The mask of what is to be counted.
OCTAVO_INLINE __mmask16 take(__m512i bits, __mmask16 mask, Extremes& extremes,
                             FloatSummary& summary) {
  const __m512i magnitude = _mm512_and_si512(bits, _mm512_set1_epi32(0x7FFFFFFF));
  // 0 wraps around to the largest.
  const __m512i below = _mm512_sub_epi32(magnitude, _mm512_set1_epi32(1));
  const __mmask16 counted =
      _mm512_mask_cmplt_epu32_mask(mask, below, _mm512_set1_epi32(0x7F7FFFFF));
  const __mmask16 odd =
      _mm512_mask_cmpge_epu32_mask(mask, magnitude, _mm512_set1_epi32(0x7F800000));
  if (OCTAVO_UNLIKELY(odd != 0)) {
    const __m512i inf = _mm512_set1_epi32(0x7F800000);
    const uint32_t positive = _mm512_mask_cmpeq_epi32_mask(odd, bits, inf);
    const uint32_t infinite = _mm512_mask_cmpeq_epi32_mask(odd, magnitude, inf);
    summary.positive_infinities += (uint64_t)_mm_popcnt_u32(positive);
    summary.negative_infinities += (uint64_t)_mm_popcnt_u32(infinite & ~positive);
    summary.nans += (uint64_t)_mm_popcnt_u32(odd & ~infinite);
  }
  const __m512 x = _mm512_castsi512_ps(bits);
  extremes.min = _mm512_mask_min_ps(extremes.min, counted, extremes.min, x);
  extremes.max = _mm512_mask_max_ps(extremes.max, counted, extremes.max, x);
  extremes.smallest =
      _mm512_mask_min_epu32(extremes.smallest, counted, extremes.smallest, magnitude);
  return counted;
}

}  // namespace

void histogram_f32_avx512vnni(const float* x, size_t n, uint32_t* counts, FloatSummary* summary) {
  FloatSummary found = {0, 0, 0, 0, 0.0f, 0.0f, 0};
  Extremes extremes = {_mm512_set1_ps(INFINITY), _mm512_set1_ps(-INFINITY), _mm512_set1_epi32(-1)};
  uint32_t keys[kBlock + 16];
  size_t total = 0;
  for (size_t begin = 0; begin < n; begin += kBlock) {
    const size_t end = n - begin < kBlock ? n : begin + kBlock;
    size_t filled = 0;
    for (size_t i = begin; i < end; i += 16) {
      const __mmask16 mask = first_lanes(end - i);
      const __m512i bits = _mm512_maskz_loadu_epi32(mask, x + i);
      const __mmask16 counted = take(bits, mask, extremes, found);
      const __m512i key = _mm512_srli_epi32(bits, kHistogramShift);
      _mm512_storeu_si512(keys + filled, _mm512_maskz_compress_epi32(counted, key));
      filled += (size_t)_mm_popcnt_u32(counted);
    }
    count_keys(keys, filled, counts);
    total += filled;
  }
  found.min = _mm512_reduce_min_ps(extremes.min);
  found.max = _mm512_reduce_max_ps(extremes.max);
  found.smallest = _mm512_reduce_min_epu32(extremes.smallest);
  *summary = with_zeros(found, n, total);
}

}  // namespace octavo
