// y[i] = table[x[i]], 64 bytes a step. The table is 16 quarters of 16 bytes, each broadcast to all
// 128-bit lanes; vpshufb looks the low nibble up, and a mask keeps the bytes whose high nibble is
// the quarter's number.
//
//   vpcmpeqb   16 a step; the high nibbles are compared in place
//   vpshufb    16 a step, merge-masked
//
// 16 table registers + x + high nibbles + y = 19 of 32 zmm. Tails are masked.
#include <immintrin.h>

#include "kernels/avx512vnni/kernels.h"
#include "kernels/inline.h"

namespace octavo {
namespace {

struct TableVectors {
  __m512i part[16];
};

OCTAVO_INLINE __m512i look_up(__m512i x, const TableVectors& table) {
  const __m512i high = _mm512_and_si512(x, _mm512_set1_epi8((char)0xF0));
  const __m512i low = _mm512_and_si512(x, _mm512_set1_epi8(0x0F));
  __m512i y = _mm512_shuffle_epi8(table.part[0], low);
#pragma GCC unroll 16
  for (int i = 1; i < 16; ++i) {
    const __mmask64 mine = _mm512_cmpeq_epi8_mask(high, _mm512_set1_epi8((char)(i << 4)));
    y = _mm512_mask_shuffle_epi8(y, mine, table.part[i], low);
  }
  return y;
}

}  // namespace

void lookup_u8_avx512vnni(const uint8_t* x, size_t n, const uint8_t* table, uint8_t* y) {
  TableVectors parts;
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    parts.part[i] = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)(table + 16 * i)));
  }
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    _mm512_storeu_si512(y + i, look_up(_mm512_loadu_si512(x + i), parts));
  }
  if (i < n) {
    const __mmask64 mask = (1ull << (n - i)) - 1;
    _mm512_mask_storeu_epi8(y + i, mask, look_up(_mm512_maskz_loadu_epi8(mask, x + i), parts));
  }
}

}  // namespace octavo
