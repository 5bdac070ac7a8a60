// GEMM for AVX-512 VNNI: a register tile of up to 6 rows x 64 columns.
//
//   c[i][j] = bias[j] + sum_s sum_k a[s][i][k] * b[s][k][j]      u8 x s8 -> int32, wrap-around
//
// Per step of four k and vector of 16 columns (latency / throughput as published by uops.info):
//   vpbroadcastd zmm, m32   four bytes of one row to every lane      load port only
//   vpdpbusd zmm, zmm, zmm  acc += the four products, no saturation  5 / 1 Ice Lake, 4 / 1 Zen 4
//
// Register budget (32 zmm): 24 accumulators, 4 of B, 1 or 2 of A. GCC 12 copies accumulators to
// the stack around _mm512_dpbusd_epi32 when more than about 16 are live, which halves the speed;
// the one-line asm in dot() leaves it no choice.
//
// Panel width is 16, 32, 48 or 64: `Vectors` below. Rows and vectors are template arguments, so
// every loop over them unrolls. B is one stream, which hardware prefetches well: software prefetch
// gains nothing on large shapes and costs 10% with one row.
//
// Edges: a tail of k loads the 1 to 3 bytes that exist; columns past tile.cols are masked in loads
// and stores.
#include "kernels/avx512vnni/gemm.h"

#include <immintrin.h>

#include "kernels/avx512vnni/epilogue.h"
#include "pack/layout.h"

// Loops over rows and vectors must be gone before GCC decides what lives in registers.
#define OCTAVO_UNROLL _Pragma("GCC unroll 8")

namespace octavo {
namespace {

enum { kLanes = 16, kMr = kGemmMrAvx512Vnni, kVectors = 4 };

OCTAVO_INLINE void dot(__m512i& acc, __m512i a_u8, __m512i b_s8) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(a_u8), "v"(b_s8));
}

OCTAVO_INLINE __m512i broadcast4(const uint8_t* a) {
  int32_t dword;
  __builtin_memcpy(&dword, a, sizeof dword);
  return _mm512_set1_epi32(dword);
}

// `count` is 1 to 3: the missing bytes are zero.
OCTAVO_INLINE __m512i broadcast_tail(const uint8_t* a, size_t count) {
  uint32_t dword = a[0];
  if (count > 1) dword |= (uint32_t)a[1] << 8;
  if (count > 2) dword |= (uint32_t)a[2] << 16;
  return _mm512_set1_epi32((int32_t)dword);
}

template <int Rows, int Vectors>
OCTAVO_INLINE void accumulate(const GemmTile& tile, __m512i (&acc)[Rows][Vectors]) {
  enum { kStepBytes = Vectors * kLanes * kKr };
  const int32_t* bias = panel_bias(tile.panel);
  OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) {
    const __m512i init = _mm512_load_si512(bias + j * kLanes);
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) acc[i][j] = init;
  }

  const int8_t* b = panel_weights(tile.panel, Vectors * kLanes);
  const size_t tail_k = tile.segment_k % kKr;
  const ptrdiff_t full_k = (ptrdiff_t)(tile.segment_k - tail_k);
  const uint8_t* const* rows = tile.a;
  const uint8_t* const* const rows_end = rows + tile.segments * Rows;
  for (; rows != rows_end; rows += Rows) {
    const uint8_t* a_end[Rows];
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) a_end[i] = rows[i] + full_k;

    for (ptrdiff_t k = -full_k; k != 0; k += kKr, b += kStepBytes) {
      __m512i bv[Vectors];
      OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) {
        bv[j] = _mm512_load_si512(b + j * kLanes * kKr);
      }
      OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
        const __m512i av = broadcast4(a_end[i] + k);
        OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) dot(acc[i][j], av, bv[j]);
      }
    }
    if (tail_k != 0) {
      OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
        const __m512i av = broadcast_tail(a_end[i], tail_k);
        OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) {
          dot(acc[i][j], av, _mm512_load_si512(b + j * kLanes * kKr));
        }
      }
      b += kStepBytes;
    }
  }
}

// One bit per column that exists among those of vector j.
OCTAVO_INLINE __mmask16 lane_mask(size_t cols, int j) {
  return first_lanes(cols - (size_t)j * kLanes);
}

template <int Rows, int Vectors>
void tile_s32(const GemmTile& tile, int32_t* c, size_t ldc) {
  __m512i acc[Rows][Vectors];
  accumulate<Rows, Vectors>(tile, acc);
  OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
    OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) {
      _mm512_mask_storeu_epi32(c + (size_t)i * ldc + j * kLanes, lane_mask(tile.cols, j),
                               acc[i][j]);
    }
  }
}

template <int Rows, int Vectors, bool HasResidual>
OCTAVO_INLINE void store_u8(const __m512i (&acc)[Rows][Vectors], const GemmTile& tile,
                            const Requant& requant, const Residual& residual, uint8_t* c,
                            size_t ldc) {
  const float* multiplier =
      panel_multiplier(tile.panel, Vectors * kLanes, tile.segments, tile.segment_k);
  const RequantVectors rq = broadcast_requant(requant);
  const ResidualVectors rs = broadcast_residual(residual);
  const __mmask64 exists = ~(__mmask64)0 >> (kVectors * kLanes - tile.cols);

  OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
    __m512 v[kVectors];
    OCTAVO_UNROLL for (int j = 0; j < kVectors; ++j) {
      if (j >= Vectors) {
        v[j] = _mm512_setzero_ps();
        continue;
      }
      const __m512 m = _mm512_load_ps(multiplier + j * kLanes);
      v[j] = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[i][j]), m);
      if (HasResidual) {
        const uint8_t* row = residual.rows + (size_t)i * residual.ld + j * kLanes;
        v[j] = add_residual(v[j], _mm_maskz_loadu_epi8(lane_mask(tile.cols, j), row), rs);
      }
    }
    _mm512_mask_storeu_epi8(c + (size_t)i * ldc, exists, narrow_u8x64(v[0], v[1], v[2], v[3], rq));
  }
}

template <int Rows, int Vectors>
void tile_u8(const GemmTile& tile, const Requant& requant, const Residual& residual, uint8_t* c,
             size_t ldc) {
  __m512i acc[Rows][Vectors];
  accumulate<Rows, Vectors>(tile, acc);
  if (residual.rows == nullptr) {
    store_u8<Rows, Vectors, false>(acc, tile, requant, residual, c, ldc);
  } else {
    store_u8<Rows, Vectors, true>(acc, tile, requant, residual, c, ldc);
  }
}

#define OCTAVO_ROW_TILES(tile, rows) {tile<rows, 1>, tile<rows, 2>, tile<rows, 3>, tile<rows, 4>}
#define OCTAVO_TILES(tile)                                                          \
  {OCTAVO_ROW_TILES(tile, 1), OCTAVO_ROW_TILES(tile, 2), OCTAVO_ROW_TILES(tile, 3), \
   OCTAVO_ROW_TILES(tile, 4), OCTAVO_ROW_TILES(tile, 5), OCTAVO_ROW_TILES(tile, 6)}

GemmS32Fn* const kTilesS32[kMr][kVectors] = OCTAVO_TILES(tile_s32);
GemmU8Fn* const kTilesU8[kMr][kVectors] = OCTAVO_TILES(tile_u8);

}  // namespace

void gemm_u8s8_s32_6x64x4_avx512vnni(const GemmTile& tile, int32_t* c, size_t ldc) {
  kTilesS32[tile.rows - 1][(tile.cols - 1) / kLanes](tile, c, ldc);
}

void gemm_u8s8_u8_6x64x4_avx512vnni(const GemmTile& tile, const Requant& requant,
                                    const Residual& residual, uint8_t* c, size_t ldc) {
  kTilesU8[tile.rows - 1][(tile.cols - 1) / kLanes](tile, requant, residual, c, ldc);
}

}  // namespace octavo
