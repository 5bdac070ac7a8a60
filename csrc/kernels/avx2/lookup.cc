// y[i] = table[x[i]], 32 bytes a step. The table is 16 parts of 16 bytes, each in both 128-bit
// halves. x ^ 16p is below 16 exactly where part p is meant; a saturating add of 0x70 keeps those
// below 0x80, and vpshufb gives 0 for the others, so the parts' results are or-ed.
//
//   vpxor, vpaddusb, vpshufb, vpor   16 each a step
//
// The parts do not fit in registers beside the rest: they are reloaded from the table by
// vbroadcasti128, which costs a load and nothing else. Tails go byte by byte.
#include "kernels/avx2/epilogue.h"
#include "kernels/avx2/kernels.h"

namespace octavo {
namespace {

OCTAVO_INLINE __m256i look_up(__m256i x, const uint8_t* table) {
  const __m256i limit = _mm256_set1_epi8(0x70);
  __m256i y = _mm256_setzero_si256();
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    const __m256i part =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)(table + 16 * i)));
    const __m256i index = _mm256_xor_si256(x, _mm256_set1_epi8((char)(i << 4)));
    y = _mm256_or_si256(y, _mm256_shuffle_epi8(part, _mm256_adds_epu8(index, limit)));
  }
  return y;
}

}  // namespace

void lookup_u8_avx2(const uint8_t* x, size_t n, const uint8_t* table, uint8_t* y) {
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m256i v = look_up(_mm256_loadu_si256((const __m256i*)(x + i)), table);
    _mm256_storeu_si256((__m256i*)(y + i), v);
  }
  for (; i < n; ++i) y[i] = table[x[i]];
}

}  // namespace octavo
