// What becomes of a GEMM's accumulators: int32 rows, or requantized bytes.
#pragma once

#include "kernels/avx512vnni/epilogue.h"
#include "pack/layout.h"

namespace octavo {
namespace {

enum { kLanes = 16, kVectors = 4 };

// One bit per column that exists among those of vector j.
OCTAVO_INLINE __mmask16 lane_mask(size_t cols, int j) {
  return first_lanes(cols - (size_t)j * kLanes);
}

struct S32Output {
  int32_t* c;
  size_t ldc;

  template <int Rows, int Vectors>
  OCTAVO_INLINE_MEMBER void store(const __m512i (&acc)[Rows][Vectors], const GemmTile& tile,
                                  size_t first) const {
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
      int32_t* row = c + (first + (size_t)i) * ldc;
      OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) {
        _mm512_mask_storeu_epi32(row + j * kLanes, lane_mask(tile.cols, j), acc[i][j]);
      }
    }
  }
};

// Four vectors become 64 bytes at once, which is one row of a full panel, two rows of 32 columns,
// or four of 16: narrowing costs the same per byte for every width.
template <bool HasResidual>
struct U8Output {
  uint8_t* c;
  size_t ldc;
  SumRequant requant;
  ResidualVectors residual;
  const uint8_t* residual_rows;
  size_t residual_ld;

  U8Output(const GemmTile& tile, uint8_t* to, size_t ld, const Requant& rq, const Residual& rs)
      : c(to),
        ldc(ld),
        requant(broadcast_sum_requant(rq, has_far_sums(tile, rs))),
        residual(broadcast_residual(rs)),
        residual_rows(rs.rows),
        residual_ld(rs.ld) {}

  template <int Rows, int Vectors>
  OCTAVO_INLINE_MEMBER void store(const __m512i (&acc)[Rows][Vectors], const GemmTile& tile,
                                  size_t first) const {
    enum { kStep = Vectors == 1 ? 4 : Vectors == 2 ? 2 : 1 };
    const float* multiplier =
        panel_multiplier(tile.panel, Vectors * kLanes, tile.segments, tile.segment_k);
    OCTAVO_UNROLL for (int i = 0; i < Rows; i += kStep) {
      __m512 v[kVectors];
      __m512i r[kVectors];
      OCTAVO_UNROLL for (int part = 0; part < kVectors; ++part) {
        const int row = i + part / Vectors;
        const int j = part % Vectors;
        if (row >= Rows || row >= i + kStep) {
          v[part] = _mm512_setzero_ps();
          r[part] = _mm512_setzero_si512();
          continue;
        }
        v[part] =
            _mm512_mul_ps(_mm512_cvtepi32_ps(acc[row][j]), _mm512_load_ps(multiplier + j * kLanes));
        if (HasResidual) {
          const uint8_t* from = residual_rows + (first + (size_t)row) * residual_ld + j * kLanes;
          r[part] = _mm512_cvtepu8_epi32(load_lanes(from, tile.cols, j));
        }
      }
      if (HasResidual) add_residuals(v, r, residual);
      const __m512i bytes = narrow_sums_u8x64(v, requant);
      const int rows = Rows - i < kStep ? Rows - i : kStep;
      store_rows<Vectors>(bytes, rows, c + (first + (size_t)i) * ldc, tile.cols);
    }
  }

 private:
  static bool has_far_sums(const GemmTile& tile, const Residual& rs) {
    const size_t width = panel_width(tile.cols, kLanes);
    const float* m = panel_multiplier(tile.panel, width, tile.segments, tile.segment_k);
    return any_far(m, width) || (HasResidual && is_far(rs));
  }

  OCTAVO_INLINE_MEMBER static __m128i load_lanes(const uint8_t* x, size_t cols, int j) {
    if (cols >= (size_t)(j + 1) * kLanes) return _mm_loadu_si128((const __m128i*)x);
    return _mm_maskz_loadu_epi8(lane_mask(cols, j), x);
  }

  // `rows` groups of Vectors * 16 bytes, `cols` of which exist.
  template <int Vectors>
  OCTAVO_INLINE_MEMBER void store_rows(__m512i bytes, int rows, uint8_t* to, size_t cols) const {
    const bool full = cols == Vectors * kLanes;
    if constexpr (Vectors > 2) {
      if (OCTAVO_LIKELY(full && Vectors == 4)) {
        _mm512_storeu_si512(to, bytes);
      } else {
        _mm512_mask_storeu_epi8(to, ~(__mmask64)0 >> (kVectors * kLanes - cols), bytes);
      }
    } else if constexpr (Vectors == 2) {
      const __mmask32 mask = ~(__mmask32)0 >> (2 * kLanes - cols);
      const __m256i half[2] = {_mm512_castsi512_si256(bytes), _mm512_extracti64x4_epi64(bytes, 1)};
      OCTAVO_UNROLL for (int i = 0; i < rows; ++i, to += ldc) {
        if (OCTAVO_LIKELY(full)) {
          _mm256_storeu_si256((__m256i*)to, half[i]);
        } else {
          _mm256_mask_storeu_epi8(to, mask, half[i]);
        }
      }
    } else {
      const __mmask16 mask = lane_mask(cols, 0);
      const __m128i quarter[4] = {
          _mm512_castsi512_si128(bytes), _mm512_extracti32x4_epi32(bytes, 1),
          _mm512_extracti32x4_epi32(bytes, 2), _mm512_extracti32x4_epi32(bytes, 3)};
      OCTAVO_UNROLL for (int i = 0; i < rows; ++i, to += ldc) {
        if (OCTAVO_LIKELY(full)) {
          _mm_storeu_si128((__m128i*)to, quarter[i]);
        } else {
          _mm_mask_storeu_epi8(to, mask, quarter[i]);
        }
      }
    }
  }
};

}  // namespace
}  // namespace octavo
