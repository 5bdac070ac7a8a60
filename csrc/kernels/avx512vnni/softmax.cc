// One row of softmax in three passes: maximum, sum of exponentials, output. Exponentials are
// looked up twice: recomputing 16 of them costs less than storing and reloading them.
//
//   vpsubb, vpmovzxbd   d = max - x as dwords
//   vpermps x2          high[d / 16], low[d % 16]; the index's low 4 bits count
//   vmulps              e before rounding; vcvtps2dq to sum it, vrndscaleps to scale it
//
// Dword lanes of the sum hold 511 exponentials of at most 2^23, so they are emptied into 64 bits
// every 2048 elements. Tails are masked.
#include "kernels/avx512vnni/epilogue.h"
#include "kernels/avx512vnni/kernels.h"
#include "kernels/avx512vnni/stream.h"

namespace octavo {
namespace {

struct Exponentials {
  const uint8_t* x;
  __m128i max;
  __m512 high;
  __m512 low;

  // Before rounding; the lanes outside the mask are some exponential.
  OCTAVO_INLINE_MEMBER __m512 operator()(size_t i, __mmask16 mask) const {
    const __m128i distance = _mm_sub_epi8(max, _mm_maskz_loadu_epi8(mask, x + i));
    const __m512i d = _mm512_cvtepu8_epi32(distance);
    return _mm512_mul_ps(_mm512_permutexvar_ps(_mm512_srli_epi32(d, 4), high),
                         _mm512_permutexvar_ps(d, low));
  }
};

OCTAVO_INLINE uint8_t row_max(const uint8_t* x, size_t n) {
  __m512i max = _mm512_setzero_si512();
  size_t i = 0;
  for (; i + 64 <= n; i += 64) max = _mm512_max_epu8(max, _mm512_loadu_si512(x + i));
  if (i < n) max = _mm512_max_epu8(max, _mm512_maskz_loadu_epi8((1ull << (n - i)) - 1, x + i));
  __m256i m32 = _mm256_max_epu8(_mm512_castsi512_si256(max), _mm512_extracti64x4_epi64(max, 1));
  __m128i m = _mm_max_epu8(_mm256_castsi256_si128(m32), _mm256_extracti128_si256(m32, 1));
  m = _mm_max_epu8(m, _mm_srli_si128(m, 8));
  m = _mm_max_epu8(m, _mm_srli_si128(m, 4));
  m = _mm_max_epu8(m, _mm_srli_si128(m, 2));
  m = _mm_max_epu8(m, _mm_srli_si128(m, 1));
  return (uint8_t)_mm_cvtsi128_si32(m);
}

OCTAVO_INLINE uint64_t sum_of_lanes(__m512i sum) {
  const __m512i low = _mm512_cvtepu32_epi64(_mm512_castsi512_si256(sum));
  const __m512i high = _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64(sum, 1));
  return (uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(low, high));
}

}  // namespace

void softmax_u8_avx512vnni(const uint8_t* x, size_t n, const ExpTable& table, float multiplier,
                           const Requant& requant, uint8_t* y) {
  const Exponentials exponentials = {x, _mm_set1_epi8((char)row_max(x, n)),
                                     _mm512_loadu_ps(table.high), _mm512_loadu_ps(table.low)};
  uint64_t total = 0;
  for (size_t begin = 0; begin < n; begin += 2048) {
    const size_t end = n - begin < 2048 ? n : begin + 2048;
    __m512i sum = _mm512_setzero_si512();
    for (size_t i = begin; i < end; i += 16) {
      const __mmask16 mask = first_lanes(end - i);
      const __m512i e = _mm512_cvtps_epi32(exponentials(i, mask));
      sum = _mm512_mask_add_epi32(sum, mask, sum, e);
    }
    total += sum_of_lanes(sum);
  }
  const __m512 scale = _mm512_set1_ps(multiplier / (float)(int64_t)total);
  requantize_stream(n, broadcast_requant(requant), y, [&](size_t i, __mmask16 mask) {
    const __m512 e = _mm512_roundscale_ps(exponentials(i, mask), 0);  // 0: to nearest even integer
    return _mm512_mul_ps(e, scale);
  });
}

}  // namespace octavo
