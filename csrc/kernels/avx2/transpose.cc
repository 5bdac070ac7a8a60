// y[j][i] = x[i][j]. Bytes: a block is 16 columns of 32 rows (or 16); register r holds row r in its
// lower half and row 16 + r in its upper, and each half is transposed by itself. Writing rr the
// register's 4 index bits and cc the byte's, interleaving registers r and r + 8 rotates (rr cc) by
// one bit; four times exchange them. So a store is 32 consecutive bytes of an output row.
//
//   bytes    per 512: vmovdqu + vinserti128 32, vpunpck{l,h}bw 64, vmovdqu 16
//   dwords   8x8 blocks: vmovups + vinsertf128 16, vunpck{l,h}ps 8, vshufps 8, vmovups 8
//
// 16 registers are live between two rotations, so compilers keep one or two of them in memory.
// Rows and columns beyond whole blocks go element by element.
#include <immintrin.h>

#include "kernels/avx2/interleave.h"
#include "kernels/avx2/kernels.h"
#include "kernels/inline.h"

namespace octavo {
namespace {

template <class T>
OCTAVO_INLINE void transpose_rest(const T* x, size_t ldx, size_t rows, size_t cols, T* y,
                                  size_t ldy) {
  for (size_t j = 0; j < cols; ++j) {
    for (size_t i = 0; i < rows; ++i) y[j * ldy + i] = x[i * ldx + j];
  }
}

OCTAVO_INLINE void rotate(const __m256i* from, __m256i* to) {
#pragma GCC unroll 8
  for (int r = 0; r < 8; ++r) {
    to[2 * r] = _mm256_unpacklo_epi8(from[r], from[r + 8]);
    to[2 * r + 1] = _mm256_unpackhi_epi8(from[r], from[r + 8]);
  }
}

// 32 rows of 16 columns; with kRows = 16 the upper halves repeat the lower ones and are not stored.
template <size_t kRows>
OCTAVO_INLINE void transpose_block(const uint8_t* x, size_t ldx, uint8_t* y, size_t ldy) {
  __m256i a[16], b[16];
#pragma GCC unroll 16
  for (size_t r = 0; r < 16; ++r) {
    const __m128i low = load_u8x16(x + r * ldx);
    const __m128i high = kRows == 32 ? load_u8x16(x + (r + 16) * ldx) : low;
    a[r] = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
  }
  rotate(a, b);
  rotate(b, a);
  rotate(a, b);
  rotate(b, a);
#pragma GCC unroll 16
  for (size_t j = 0; j < 16; ++j) {
    if (kRows == 32) {
      _mm256_storeu_si256((__m256i*)(y + j * ldy), a[j]);
    } else {
      store_u8x16(y + j * ldy, _mm256_castsi256_si128(a[j]));
    }
  }
}

template <size_t kRows>
OCTAVO_INLINE void transpose_rows(const uint8_t* x, size_t ldx, size_t cols, uint8_t* y,
                                  size_t ldy) {
  size_t j = 0;
  for (; j + 16 <= cols; j += 16) transpose_block<kRows>(x + j, ldx, y + j * ldy, ldy);
  transpose_rest(x + j, ldx, kRows, cols - j, y + j * ldy, ldy);
}

OCTAVO_INLINE void transpose_8x8(const float* x, size_t ldx, float* y, size_t ldy) {
  __m256 a[8], b[8];
  // Rows r and r + 4 share two registers: their left halves, and their right ones.
#pragma GCC unroll 4
  for (size_t r = 0; r < 4; ++r) {
#pragma GCC unroll 2
    for (size_t half = 0; half < 2; ++half) {
      const __m256 upper_row = _mm256_castps128_ps256(_mm_loadu_ps(x + r * ldx + 4 * half));
      a[4 * half + r] =
          _mm256_insertf128_ps(upper_row, _mm_loadu_ps(x + (r + 4) * ldx + 4 * half), 1);
    }
  }
#pragma GCC unroll 2
  for (size_t half = 0; half < 2; ++half) {
    const __m256* rows = a + 4 * half;
    b[4 * half + 0] = _mm256_unpacklo_ps(rows[0], rows[1]);
    b[4 * half + 1] = _mm256_unpackhi_ps(rows[0], rows[1]);
    b[4 * half + 2] = _mm256_unpacklo_ps(rows[2], rows[3]);
    b[4 * half + 3] = _mm256_unpackhi_ps(rows[2], rows[3]);
#pragma GCC unroll 2
    for (size_t k = 0; k < 2; ++k) {
      const __m256 low = b[4 * half + k], high = b[4 * half + 2 + k];
      float* to = y + (4 * half + 2 * k) * ldy;
      _mm256_storeu_ps(to, _mm256_shuffle_ps(low, high, 0x44));
      _mm256_storeu_ps(to + ldy, _mm256_shuffle_ps(low, high, 0xEE));
    }
  }
}

}  // namespace

void transpose_u8_avx2(const uint8_t* x, size_t ldx, size_t rows, size_t cols, uint8_t* y,
                       size_t ldy) {
  size_t i = 0, j = 0;
  transpose_few(x, ldx, rows, cols, y, ldy, &i, &j);
  x += j;
  y += j * ldy;
  cols -= j;
  for (; i + 32 <= rows; i += 32) transpose_rows<32>(x + i * ldx, ldx, cols, y + i, ldy);
  for (; i + 16 <= rows; i += 16) transpose_rows<16>(x + i * ldx, ldx, cols, y + i, ldy);
  transpose_rest(x + i * ldx, ldx, rows - i, cols, y + i, ldy);
}

void transpose_u32_avx2(const uint32_t* x, size_t ldx, size_t rows, size_t cols, uint32_t* y,
                        size_t ldy) {
  size_t i = 0;
  for (; i + 8 <= rows; i += 8) {
    size_t j = 0;
    for (; j + 8 <= cols; j += 8) {
      // Only moved, never computed with.
      transpose_8x8((const float*)(x + i * ldx + j), ldx, (float*)(y + j * ldy + i), ldy);
    }
    transpose_rest(x + i * ldx + j, ldx, 8, cols - j, y + j * ldy + i, ldy);
  }
  transpose_rest(x + i * ldx, ldx, rows - i, cols, y + i, ldy);
}

void transpose_stream_u8_avx2(const uint8_t* x, size_t ldx, size_t cols, uint8_t* y, size_t ldy) {
  alignas(64) uint8_t lines[16 * 64];  // half a line streamed at a time would not be combined
  size_t j = 0;
  for (; j + 16 <= cols; j += 16) {
    transpose_block<32>(x + j, ldx, lines, 64);
    transpose_block<32>(x + 32 * ldx + j, ldx, lines + 32, 64);
    for (size_t k = 0; k < 16; ++k) {
      const __m256i* line = (const __m256i*)(lines + 64 * k);
      __m256i* to = (__m256i*)(y + (j + k) * ldy);
      _mm256_stream_si256(to, _mm256_load_si256(line));
      _mm256_stream_si256(to + 1, _mm256_load_si256(line + 1));
    }
  }
  transpose_rest(x + j, ldx, 64, cols - j, y + j * ldy, ldy);
}

}  // namespace octavo
