// y[j][i] = x[i][j] of bytes. A block is 16 columns of 64 rows: register r holds row r in lane 0,
// row 16 + r in lane 1 and so on, and each lane is transposed by itself. Writing rr the register's
// 4 index bits and cc the byte's, interleaving registers r and r + 8 rotates (rr cc) by one bit;
// four times exchange them. So a store is 64 consecutive bytes of an output row.
//
//   vmovdqu + vinserti   64 loads of 16 bytes
//   vpunpck{l,h}bw       64
//   vmovdqu              16 stores of 64 bytes; vmovntdq when streaming
//
// 16 registers + 2. Rows beyond 64s take blocks of 32 and 16; the last 1..15 repeat a row in place
// of those that do not exist, and stores are masked, as are loads of the last columns.
#include <immintrin.h>

#include "kernels/avx2/interleave.h"
#include "kernels/avx512vnni/kernels.h"
#include "kernels/avx512vnni/lanes.h"
#include "kernels/inline.h"

namespace octavo {
namespace {

// The 16 bytes of column j.. of rows i, i + 16, ... below `rows`, one row a lane.
template <int kLanes>
OCTAVO_INLINE typename Lanes<kLanes>::Int load_rows(const uint8_t* x, size_t ldx, size_t i,
                                                    size_t rows, __mmask16 cols) {
  const auto lane = [&](size_t k) OCTAVO_INLINE_LAMBDA {
    const size_t row = kLanes == 1 && i >= rows ? rows - 1 : i + 16 * k;
    const uint8_t* from = x + row * ldx;
    return cols == 0xFFFF ? _mm_loadu_si128((const __m128i*)from)
                          : _mm_maskz_loadu_epi8(cols, from);
  };
  if constexpr (kLanes == 1) {
    return lane(0);
  } else if constexpr (kLanes == 2) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(lane(0)), lane(1), 1);
  } else {
    const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(lane(0)), lane(1), 1);
    const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(lane(2)), lane(3), 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
  }
}

template <int kLanes, bool kStream = false>
OCTAVO_INLINE void transpose_block(const uint8_t* x, size_t ldx, size_t rows, size_t cols,
                                   uint8_t* y, size_t ldy) {
  using L = Lanes<kLanes>;
  const __mmask16 columns = first_lanes(cols);
  typename L::Int a[16], b[16];
#pragma GCC unroll 16
  for (int r = 0; r < 16; ++r) a[r] = load_rows<kLanes>(x, ldx, (size_t)r, rows, columns);
  const auto rotate = [](const typename L::Int* from, typename L::Int* to) OCTAVO_INLINE_LAMBDA {
#pragma GCC unroll 8
    for (int r = 0; r < 8; ++r) {
      to[2 * r] = L::low8(from[r], from[r + 8]);
      to[2 * r + 1] = L::high8(from[r], from[r + 8]);
    }
  };
  rotate(a, b);
  rotate(b, a);
  rotate(a, b);
  rotate(b, a);
  if (kLanes > 1 || rows == 16) {
#pragma GCC unroll 16
    for (size_t j = 0; j < 16; ++j) {
      if (j >= cols) continue;
      if constexpr (kStream) {
        _mm512_stream_si512((__m512i*)(y + j * ldy), a[j]);
      } else {
        L::store(y + j * ldy, a[j]);
      }
    }
  } else {
    const auto existing = (typename L::Mask)((1u << rows) - 1u);
#pragma GCC unroll 16
    for (size_t j = 0; j < 16; ++j) {
      if (j < cols) L::store(y + j * ldy, a[j], existing);
    }
  }
}

template <int kLanes, bool kStream = false>
OCTAVO_INLINE void transpose_rows(const uint8_t* x, size_t ldx, size_t rows, size_t cols,
                                  uint8_t* y, size_t ldy) {
  size_t j = 0;
  for (; j + 16 <= cols; j += 16) {
    transpose_block<kLanes, kStream>(x + j, ldx, rows, 16, y + j * ldy, ldy);
  }
  if (j < cols) {
    transpose_block<kLanes, kStream>(x + j, ldx, rows, cols - j, y + j * ldy, ldy);
  }
}

}  // namespace

void transpose_u8_avx512vnni(const uint8_t* x, size_t ldx, size_t rows, size_t cols, uint8_t* y,
                             size_t ldy) {
  size_t i = 0, j = 0;
  transpose_few(x, ldx, rows, cols, y, ldy, &i, &j);
  x += j;
  y += j * ldy;
  cols -= j;
  for (; i + 64 <= rows; i += 64) transpose_rows<4>(x + i * ldx, ldx, 64, cols, y + i, ldy);
  for (; i + 32 <= rows; i += 32) transpose_rows<2>(x + i * ldx, ldx, 32, cols, y + i, ldy);
  for (; i < rows; i += 16) {
    const size_t left = rows - i < 16 ? rows - i : 16;
    transpose_rows<1>(x + i * ldx, ldx, left, cols, y + i, ldy);
  }
}

void transpose_stream_u8_avx512vnni(const uint8_t* x, size_t ldx, size_t cols, uint8_t* y,
                                    size_t ldy) {
  transpose_rows<4, true>(x, ldx, 64, cols, y, ldy);
}

}  // namespace octavo
