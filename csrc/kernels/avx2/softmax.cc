// One row of softmax in three passes: maximum, sum of exponentials, output. Exponentials are
// looked up twice: recomputing them costs no more than storing and reloading them.
//
//   vpmovzxbd, vpsubd       d = max - x as dwords
//   vpermps x4, vblendvps x2   high[d / 16], low[d % 16]: two halves of 8, chosen by bit 3
//   vmulps                  e before rounding; vcvtps2dq to sum it, vroundps to scale it
//
// Dword lanes of the sum hold 511 exponentials of at most 2^23, so they are emptied into 64 bits
// every 2048 elements. The last 1..7 elements are loaded alone.
#include "kernels/avx2/epilogue.h"
#include "kernels/avx2/kernels.h"
#include "kernels/avx2/stream.h"

namespace octavo {
namespace {

struct Sixteen {
  __m256 first;
  __m256 second;

  // Element index % 16 in each lane.
  OCTAVO_INLINE_MEMBER __m256 operator[](__m256i index) const {
    const __m256 upper = _mm256_castsi256_ps(_mm256_slli_epi32(index, 28));  // bit 3 to the sign
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(first, index),
                            _mm256_permutevar8x32_ps(second, index), upper);
  }
};

struct Exponentials {
  const uint8_t* x;
  __m256i max;
  Sixteen high;
  Sixteen low;

  OCTAVO_INLINE_MEMBER __m256 unrounded(__m128i x_u8x8) const {
    const __m256i d = _mm256_sub_epi32(max, _mm256_cvtepu8_epi32(x_u8x8));
    return _mm256_mul_ps(high[_mm256_srli_epi32(d, 4)], low[d]);
  }
};

struct ScaledExponentials {
  Exponentials exponentials;
  __m256 scale;

  OCTAVO_INLINE_MEMBER __m256 scaled(__m128i x_u8x8) const {
    const int to_nearest_even = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    const __m256 e = _mm256_round_ps(exponentials.unrounded(x_u8x8), to_nearest_even);
    return _mm256_mul_ps(e, scale);
  }
  OCTAVO_INLINE_MEMBER __m256 full(size_t i) const {
    return scaled(load_full_u8x8(exponentials.x + i));
  }
  OCTAVO_INLINE_MEMBER __m256 part(size_t i, size_t left) const {
    return scaled(load_u8x8(exponentials.x + i, left));
  }
};

OCTAVO_INLINE int row_max(const uint8_t* x, size_t n) {
  __m256i max = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    max = _mm256_max_epu8(max, _mm256_loadu_si256((const __m256i*)(x + i)));
  }
  __m128i m = _mm_max_epu8(_mm256_castsi256_si128(max), _mm256_extracti128_si256(max, 1));
  for (; i < n; i += 8) m = _mm_max_epu8(m, load_u8x8(x + i, n - i < 8 ? n - i : 8));
  m = _mm_max_epu8(m, _mm_srli_si128(m, 8));
  m = _mm_max_epu8(m, _mm_srli_si128(m, 4));
  m = _mm_max_epu8(m, _mm_srli_si128(m, 2));
  m = _mm_max_epu8(m, _mm_srli_si128(m, 1));
  return _mm_cvtsi128_si32(m) & 255;
}

OCTAVO_INLINE uint64_t sum_of_lanes(__m256i sum) {
  const __m256i pairs = _mm256_add_epi64(_mm256_and_si256(sum, _mm256_set1_epi64x(0xFFFFFFFF)),
                                         _mm256_srli_epi64(sum, 32));
  const __m128i two =
      _mm_add_epi64(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
  return (uint64_t)_mm_cvtsi128_si64(two) + (uint64_t)_mm_extract_epi64(two, 1);
}

OCTAVO_INLINE uint64_t sum_of_exponentials(const Exponentials& e, size_t n) {
  uint64_t total = 0;
  for (size_t begin = 0; begin < n; begin += 2048) {
    const size_t end = n - begin < 2048 ? n : begin + 2048;
    __m256i sum = _mm256_setzero_si256();
    size_t i = begin;
    for (; i + 8 <= end; i += 8) {
      sum = _mm256_add_epi32(sum, _mm256_cvtps_epi32(e.unrounded(load_full_u8x8(e.x + i))));
    }
    if (i < end) {
      const __m256i last = _mm256_cvtps_epi32(e.unrounded(load_u8x8(e.x + i, end - i)));
      sum = _mm256_add_epi32(sum, _mm256_and_si256(last, first_lanes(end - i)));
    }
    total += sum_of_lanes(sum);
  }
  return total;
}

}  // namespace

void softmax_u8_avx2(const uint8_t* x, size_t n, const ExpTable& table, float multiplier,
                     const Requant& requant, uint8_t* y) {
  const Exponentials exponentials = {x,
                                     _mm256_set1_epi32(row_max(x, n)),
                                     {_mm256_loadu_ps(table.high), _mm256_loadu_ps(table.high + 8)},
                                     {_mm256_loadu_ps(table.low), _mm256_loadu_ps(table.low + 8)}};
  const float total = (float)(int64_t)sum_of_exponentials(exponentials, n);
  requantize_stream(n, broadcast_requant(requant), y,
                    ScaledExponentials{exponentials, _mm256_set1_ps(multiplier / total)});
}

}  // namespace octavo
