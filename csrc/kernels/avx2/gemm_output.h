// From accumulators, column by column, to rows of the output.
//
// The kernel's vectors hold 8 rows of one column. 8 x 8 of them are transposed (16 shuffles) so
// that what follows sees 8 columns of one row. Edges: columns past `cols` are masked, bytes go
// through 8-byte pieces of which only those that exist are touched, rows that do not exist are
// skipped.
#pragma once

#include <immintrin.h>

#include "kernels/avx2/epilogue.h"
#include "kernels/avx2/gemm.h"
#include "pack/layout.h"

namespace octavo {
namespace {

// One panel's, as [column][row].
struct PanelSums {
  alignas(32) int32_t at[kScheduledWidth][kScheduledRows];
};

OCTAVO_INLINE __m256 unpack_pd(__m256 a, __m256 b, int high) {
  const __m256d x = _mm256_castps_pd(a), y = _mm256_castps_pd(b);
  return _mm256_castpd_ps(high ? _mm256_unpackhi_pd(x, y) : _mm256_unpacklo_pd(x, y));
}

// Rows row..row + 7 of columns col..col + 7: out[i] is a row.
OCTAVO_INLINE void transpose_sums(const PanelSums& sums, size_t col, size_t row,
                                  __m256i (&out)[8]) {
  __m256 v[8];  // v[j] = rows 0..3 of column j | rows 0..3 of column j + 4; v[j + 4] = rows 4..7
  OCTAVO_UNROLL for (int j = 0; j < 4; ++j) {
    const float* low = (const float*)&sums.at[col + (size_t)j][row];
    const float* high = (const float*)&sums.at[col + (size_t)j + 4][row];
    v[j] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_load_ps(low)), _mm_load_ps(high), 1);
    v[j + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_load_ps(low + 4)),
                                    _mm_load_ps(high + 4), 1);
  }
  OCTAVO_UNROLL for (int i = 0; i < 8; i += 4) {
    const __m256 t0 = _mm256_unpacklo_ps(v[i], v[i + 1]), t1 = _mm256_unpackhi_ps(v[i], v[i + 1]);
    const __m256 t2 = _mm256_unpacklo_ps(v[i + 2], v[i + 3]);
    const __m256 t3 = _mm256_unpackhi_ps(v[i + 2], v[i + 3]);
    out[i] = _mm256_castps_si256(unpack_pd(t0, t2, 0));
    out[i + 1] = _mm256_castps_si256(unpack_pd(t0, t2, 1));
    out[i + 2] = _mm256_castps_si256(unpack_pd(t1, t3, 0));
    out[i + 3] = _mm256_castps_si256(unpack_pd(t1, t3, 1));
  }
}

// Calls emit(row, rows, col, cols, v) for every 8 x 8 piece of a tile.
template <class Emit>
OCTAVO_INLINE void for_each_piece(const PanelSums& sums, size_t rows, size_t cols,
                                  const Emit& emit) {
  for (size_t col = 0; col < cols; col += kScheduledGranule) {
    const size_t piece_cols = at_most_eight(cols - col);
    for (size_t row = 0; row < rows; row += kScheduledVector) {
      __m256i v[kScheduledVector];
      transpose_sums(sums, col, row, v);
      emit(row, at_most_eight(rows - row), col, piece_cols, v);
    }
  }
}

OCTAVO_INLINE void emit_s32(const PanelSums& sums, const GemmTile& tile, int32_t* c, size_t ldc) {
  for_each_piece(sums, tile.rows, tile.cols,
                 [&](size_t row, size_t rows, size_t col, size_t cols,
                     const __m256i(&v)[kScheduledVector]) OCTAVO_INLINE_LAMBDA {
                   const __m256i exists = first_lanes(cols);
                   OCTAVO_UNROLL for (size_t i = 0; i < kScheduledVector; ++i) {
                     if (i < rows) _mm256_maskstore_epi32(c + (row + i) * ldc + col, exists, v[i]);
                   }
                 });
}

// Four rows of 8 bytes, of which `rows` (>= 1) exist.
OCTAVO_INLINE void store_four(const __m256* v, size_t rows, size_t cols, const RequantVectors& rq,
                              uint8_t* c, size_t ldc) {
  const __m256i q = narrow_u8x32(v[0], v[1], v[2], v[3], rq);
  const __m128i low = _mm256_castsi256_si128(q), high = _mm256_extracti128_si256(q, 1);
  const __m128i out[4] = {low, _mm_unpackhi_epi64(low, low), high, _mm_unpackhi_epi64(high, high)};
  OCTAVO_UNROLL for (size_t i = 0; i < 4; ++i) {
    if (i >= rows) return;
    if (cols == kScheduledGranule) {
      _mm_storel_epi64((__m128i*)(c + i * ldc), out[i]);
    } else {
      store_u8x8(c + i * ldc, out[i], cols);
    }
  }
}

OCTAVO_INLINE void emit_u8(const PanelSums& sums, const GemmTile& tile, const Requant& requant,
                           const Residual& residual, uint8_t* c, size_t ldc) {
  const RequantVectors rq = broadcast_requant(requant);
  const ResidualVectors rs = broadcast_residual(residual);
  const float* multiplier = ((const ScheduledHeader*)tile.panel)->multiplier;
  for_each_piece(sums, tile.rows, tile.cols,
                 [&](size_t row, size_t rows, size_t col, size_t cols,
                     const __m256i(&sum)[kScheduledVector]) OCTAVO_INLINE_LAMBDA {
                   const __m256 m = _mm256_load_ps(multiplier + col);
                   __m256 v[kScheduledVector];
                   OCTAVO_UNROLL for (size_t i = 0; i < kScheduledVector; ++i) {
                     v[i] = _mm256_mul_ps(_mm256_cvtepi32_ps(sum[i]), m);
                   }
                   if (residual.rows != nullptr) {
                     const uint8_t* r = residual.rows + row * residual.ld + col;
                     OCTAVO_UNROLL for (size_t i = 0; i < kScheduledVector; ++i) {
                       if (i < rows)
                         v[i] = add_residual(v[i], load_u8x8(r + i * residual.ld, cols), rs);
                     }
                   }
                   uint8_t* to = c + row * ldc + col;
                   store_four(v, rows, cols, rq, to, ldc);
                   if (rows > 4) store_four(v + 4, rows - 4, cols, rq, to + 4 * ldc, ldc);
                 });
}

}  // namespace
}  // namespace octavo
