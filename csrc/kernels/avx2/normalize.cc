// The two halves of layer normalization: exact sums of a row, and the row scaled and shifted.
//
//   vpsadbw           sums of 8 bytes into 64 bits
//   vpmaddwd, vpaddd  squares of 16-bit halves, two a dword: 8192 * 255^2 < 2^30 for n = 65536
//   vfmsubps          n * x - sum: below 2^24, so exact in float
//
// Tails of the sums take 8 bytes at a time; bytes that do not exist count as 0.
#include "kernels/avx2/epilogue.h"
#include "kernels/avx2/kernels.h"
#include "kernels/avx2/stream.h"

namespace octavo {
namespace {

struct Normalized {
  const uint8_t* x;
  const float* gamma;
  const float* beta;
  __m256 count;
  __m256 total;
  __m256 factor;

  OCTAVO_INLINE_MEMBER __m256 scaled(__m128i x_u8x8) const {
    const __m256 bytes = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(x_u8x8));
    return _mm256_mul_ps(_mm256_fmsub_ps(bytes, count, total), factor);
  }
  OCTAVO_INLINE_MEMBER __m256 full(size_t j) const {
    return _mm256_fmadd_ps(scaled(load_full_u8x8(x + j)), _mm256_loadu_ps(gamma + j),
                           _mm256_loadu_ps(beta + j));
  }
  OCTAVO_INLINE_MEMBER __m256 part(size_t j, size_t left) const {
    const __m256i mask = first_lanes(left);
    return _mm256_fmadd_ps(scaled(load_u8x8(x + j, left)), _mm256_maskload_ps(gamma + j, mask),
                           _mm256_maskload_ps(beta + j, mask));
  }
};

OCTAVO_INLINE uint64_t sum_of_u64(__m256i v) {
  const __m128i two = _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  return (uint64_t)_mm_cvtsi128_si64(two) + (uint64_t)_mm_extract_epi64(two, 1);
}

}  // namespace

void moments_u8_avx2(const uint8_t* x, size_t n, Moments* moments) {
  const __m256i zero = _mm256_setzero_si256();
  __m256i sum = zero, squares = zero;
  const auto add = [&](__m256i v) {
    const __m256i low = _mm256_unpacklo_epi8(v, zero), high = _mm256_unpackhi_epi8(v, zero);
    sum = _mm256_add_epi64(sum, _mm256_sad_epu8(v, zero));
    squares = _mm256_add_epi32(
        squares, _mm256_add_epi32(_mm256_madd_epi16(low, low), _mm256_madd_epi16(high, high)));
  };
  size_t i = 0;
  for (; i + 32 <= n; i += 32) add(_mm256_loadu_si256((const __m256i*)(x + i)));
  for (; i < n; i += 8) {
    add(_mm256_zextsi128_si256(load_u8x8(x + i, n - i < 8 ? n - i : 8)));
  }
  const __m256i wide = _mm256_add_epi64(_mm256_and_si256(squares, _mm256_set1_epi64x(0xFFFFFFFF)),
                                        _mm256_srli_epi64(squares, 32));
  moments->sum = sum_of_u64(sum);
  moments->squares = sum_of_u64(wide);
}

void normalize_u8_avx2(const uint8_t* x, size_t n, int32_t sum, float scale, const float* gamma,
                       const float* beta, const Requant& requant, uint8_t* y) {
  const Normalized values = {
      x, gamma, beta, _mm256_set1_ps((float)n), _mm256_set1_ps((float)sum), _mm256_set1_ps(scale)};
  requantize_stream(n, broadcast_requant(requant), y, values);
}

}  // namespace octavo
