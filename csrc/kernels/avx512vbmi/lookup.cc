// y[i] = table[x[i]], 64 bytes a step. The table is four registers; vpermi2b looks the low 7 bits
// up in two of them, and the top bit chooses between the pairs.
//
//   vpermi2b   2 a step
//   vpmovb2m   1: the top bits as a mask for the blend
//
// 4 table registers + x + y. Tails are masked. Requantizing a byte depends on it alone, so that is
// a lookup as well: of a table that the arithmetic of AVX-512 VNNI fills.
#include <immintrin.h>

#include "kernels/avx512vbmi/kernels.h"
#include "kernels/avx512vnni/kernels.h"
#include "kernels/inline.h"

namespace octavo {
namespace {

struct TableVectors {
  __m512i part[4];
};

OCTAVO_INLINE __m512i look_up(__m512i x, const TableVectors& table) {
  const __m512i low = _mm512_permutex2var_epi8(table.part[0], x, table.part[1]);
  const __m512i high = _mm512_permutex2var_epi8(table.part[2], x, table.part[3]);
  return _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), low, high);
}

OCTAVO_INLINE TableVectors load_table(const uint8_t* table) {
  TableVectors parts;
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) parts.part[i] = _mm512_loadu_si512(table + 64 * i);
  return parts;
}

OCTAVO_INLINE void look_up_row(const uint8_t* x, size_t n, const TableVectors& parts, uint8_t* y) {
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    _mm512_storeu_si512(y + i, look_up(_mm512_loadu_si512(x + i), parts));
  }
  if (i < n) {
    const __mmask64 mask = (1ull << (n - i)) - 1;
    _mm512_mask_storeu_epi8(y + i, mask, look_up(_mm512_maskz_loadu_epi8(mask, x + i), parts));
  }
}

}  // namespace

void lookup_u8_avx512vbmi(const uint8_t* x, size_t n, const uint8_t* table, uint8_t* y) {
  look_up_row(x, n, load_table(table), y);
}

void requantize_u8_avx512vbmi(const uint8_t* x, size_t ldx, size_t rows, size_t cols,
                              int32_t x_zero_point, float multiplier, const Requant& requant,
                              uint8_t* y, size_t ldy) {
  if (rows * cols < 1024) {  // the table costs 256
    requantize_u8_avx512vnni(x, ldx, rows, cols, x_zero_point, multiplier, requant, y, ldy);
    return;
  }
  alignas(64) uint8_t table[256];
  for (int i = 0; i < 256; ++i) table[i] = (uint8_t)i;
  requantize_u8_avx512vnni(table, 0, 1, 256, x_zero_point, multiplier, requant, table, 0);
  const TableVectors parts = load_table(table);
  for (size_t i = 0; i < rows; ++i) look_up_row(x + i * ldx, cols, parts, y + i * ldy);
}

}  // namespace octavo
