// The two halves of layer normalization: exact sums of a row, and the row scaled and shifted.
//
//   vpsadbw     sums of 8 bytes into 64 bits
//   vpdpwssd    squares of 16-bit halves, two a dword: 4096 * 255^2 < 2^31 for n = 65536
//   vfmsubps    n * x - sum: below 2^24, so exact in float
//
// Tails are masked: bytes that do not exist count as 0.
#include "kernels/avx512vnni/epilogue.h"
#include "kernels/avx512vnni/kernels.h"
#include "kernels/avx512vnni/stream.h"

namespace octavo {

void moments_u8_avx512vnni(const uint8_t* x, size_t n, Moments* moments) {
  const __m512i zero = _mm512_setzero_si512();
  __m512i sum = zero, squares_low = zero, squares_high = zero;
  for (size_t i = 0; i < n; i += 64) {
    const __mmask64 mask = n - i >= 64 ? ~0ull : (1ull << (n - i)) - 1;
    const __m512i v = _mm512_maskz_loadu_epi8(mask, x + i);
    const __m512i low = _mm512_unpacklo_epi8(v, zero), high = _mm512_unpackhi_epi8(v, zero);
    sum = _mm512_add_epi64(sum, _mm512_sad_epu8(v, zero));
    squares_low = _mm512_dpwssd_epi32(squares_low, low, low);
    squares_high = _mm512_dpwssd_epi32(squares_high, high, high);
  }
  const __m512i squares = _mm512_add_epi32(squares_low, squares_high);  // < 2^32, unsigned
  const __m512i wide = _mm512_add_epi64(_mm512_and_si512(squares, _mm512_set1_epi64(0xFFFFFFFF)),
                                        _mm512_srli_epi64(squares, 32));
  moments->sum = (uint64_t)_mm512_reduce_add_epi64(sum);
  moments->squares = (uint64_t)_mm512_reduce_add_epi64(wide);
}

void normalize_u8_avx512vnni(const uint8_t* x, size_t n, int32_t sum, float scale,
                             const float* gamma, const float* beta, const Requant& requant,
                             uint8_t* y) {
  const __m512 count = _mm512_set1_ps((float)n), total = _mm512_set1_ps((float)sum);
  const __m512 factor = _mm512_set1_ps(scale);
  requantize_stream(n, broadcast_requant(requant), y, [&](size_t j, __mmask16 mask) {
    const __m512i bytes = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, x + j));
    const __m512 centered = _mm512_fmsub_ps(_mm512_cvtepi32_ps(bytes), count, total);
    return _mm512_fmadd_ps(_mm512_mul_ps(centered, factor), _mm512_maskz_loadu_ps(mask, gamma + j),
                           _mm512_maskz_loadu_ps(mask, beta + j));
  });
}

}  // namespace octavo
