// GEMM for AVX-VNNI (256 bit, VEX): a register tile of up to 6 rows x 16 columns.
//
//   c[i][j] = bias[j] + sum_s sum_k a[s][i][k] * b[s][k][j]      u8 x s8 -> int32, wrap-around
//
// Per step of four k and vector of 8 columns (latency / throughput as published by uops.info):
//   vpbroadcastd ymm, m32   four bytes of one row to every lane      load port only
//   vpdpbusd ymm, ymm, ymm  acc += the four products, no saturation  5 / 0.5 Alder Lake, 4 / 0.5
//   Zen 5
//
// Register budget (16 ymm): 12 accumulators, 2 of B, 1 of A. VEX encodes ymm0..15 only, which the
// "x" constraint says; OCTAVO_ACCUMULATE in dot() keeps GCC from copying accumulators.
//
// Panel width is 8 or 16: `Vectors` below. Edges: a tail of k loads the 1 to 3 bytes that exist;
// columns past tile.cols are masked, bytes go through 8-byte pieces of which only those that exist
// are touched.
#include "kernels/avxvnni/gemm.h"

#include <immintrin.h>
#include <string.h>

#include "kernels/avx2/epilogue.h"
#include "pack/layout.h"

// A CPU with AVX-512 VNNI but without AVX-VNNI runs the same kernel under the other encoding; the
// tests compile it so.
#ifdef OCTAVO_TEST_EVEX
#define OCTAVO_VPDPBUSD "%{evex%} vpdpbusd"
#define OCTAVO_DPBUSD _mm256_dpbusd_epi32
#else
#define OCTAVO_VPDPBUSD "%{vex%} vpdpbusd"
#define OCTAVO_DPBUSD _mm256_dpbusd_avx_epi32
#endif

namespace octavo {
namespace {

enum { kLanes = 8, kMr = kGemmMrAvxVnni, kVectors = 2 };

OCTAVO_INLINE void dot(__m256i& acc, __m256i a_u8, __m256i b_s8) {
  OCTAVO_ACCUMULATE(OCTAVO_VPDPBUSD, OCTAVO_DPBUSD, "x", acc, a_u8, b_s8);
}

OCTAVO_INLINE __m256i broadcast4(const uint8_t* a) {
  int32_t dword;
  memcpy(&dword, a, sizeof dword);
  return _mm256_set1_epi32(dword);
}

// `count` is 1 to 3: the missing bytes are zero.
OCTAVO_INLINE __m256i broadcast_tail(const uint8_t* a, size_t count) {
  uint32_t dword = a[0];
  if (count > 1) dword |= (uint32_t)a[1] << 8;
  if (count > 2) dword |= (uint32_t)a[2] << 16;
  return _mm256_set1_epi32((int32_t)dword);
}

template <int Rows, int Vectors>
OCTAVO_INLINE void accumulate(const GemmTile& tile, __m256i (&acc)[Rows][Vectors]) {
  const int32_t* bias = panel_bias(tile.panel);
  OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) {
    const __m256i init = _mm256_load_si256((const __m256i*)(bias + j * kLanes));
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) acc[i][j] = init;
  }

  const __m256i* b = (const __m256i*)panel_weights(tile.panel, Vectors * kLanes);
  const size_t tail_k = tile.segment_k % kKr;
  const ptrdiff_t full_k = (ptrdiff_t)(tile.segment_k - tail_k);
  const uint8_t* const* rows = tile.a;
  const uint8_t* const* const rows_end = rows + tile.segments * Rows;
  for (; rows != rows_end; rows += Rows) {
    const uint8_t* a_end[Rows];
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) a_end[i] = rows[i] + full_k;

    for (ptrdiff_t k = -full_k; k != 0; k += kKr, b += Vectors) {
      __m256i bv[Vectors];
      OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) bv[j] = _mm256_load_si256(b + j);
      OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
        const __m256i av = broadcast4(a_end[i] + k);
        OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) dot(acc[i][j], av, bv[j]);
      }
    }
    if (tail_k != 0) {
      OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
        const __m256i av = broadcast_tail(a_end[i], tail_k);
        OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) {
          dot(acc[i][j], av, _mm256_load_si256(b + j));
        }
      }
      b += Vectors;
    }
  }
}

// Columns of vector j that exist, at most 8.
OCTAVO_INLINE size_t lanes_of(size_t cols, int j) {
  const size_t left = cols - (size_t)j * kLanes;
  return left < kLanes ? left : (size_t)kLanes;
}

template <int Rows, int Vectors>
void tile_s32(const GemmTile& tile, int32_t* c, size_t ldc) {
  __m256i acc[Rows][Vectors];
  accumulate<Rows, Vectors>(tile, acc);
  OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) {
    const __m256i exists = first_lanes(lanes_of(tile.cols, j));
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
      _mm256_maskstore_epi32(c + (size_t)i * ldc + j * kLanes, exists, acc[i][j]);
    }
  }
}

template <int Rows, int Vectors>
void tile_u8(const GemmTile& tile, const Requant& requant, const Residual& residual, uint8_t* c,
             size_t ldc) {
  __m256i acc[Rows][Vectors];
  accumulate<Rows, Vectors>(tile, acc);
  const float* multiplier =
      panel_multiplier(tile.panel, Vectors * kLanes, tile.segments, tile.segment_k);
  const RequantVectors rq = broadcast_requant(requant);
  const ResidualVectors rs = broadcast_residual(residual);
  OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) {
    const __m256 m = _mm256_load_ps(multiplier + j * kLanes);
    const size_t lanes = lanes_of(tile.cols, j);
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
      __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(acc[i][j]), m);
      if (residual.rows != nullptr) {
        const uint8_t* row = residual.rows + (size_t)i * residual.ld + j * kLanes;
        v = add_residual(v, load_u8x8(row, lanes), rs);
      }
      store_u8x8(c + (size_t)i * ldc + j * kLanes, narrow_u8x8(v, rq), lanes);
    }
  }
}

#define OCTAVO_TILES(tile)                                                        \
  {                                                                               \
    {tile<1, 1>, tile<1, 2>}, {tile<2, 1>, tile<2, 2>}, {tile<3, 1>, tile<3, 2>}, \
        {tile<4, 1>, tile<4, 2>}, {tile<5, 1>, tile<5, 2>}, {                     \
      tile<6, 1>, tile<6, 2>                                                      \
    }                                                                             \
  }

GemmS32Fn* const kTilesS32[kMr][kVectors] = OCTAVO_TILES(tile_s32);
GemmU8Fn* const kTilesU8[kMr][kVectors] = OCTAVO_TILES(tile_u8);

}  // namespace

void gemm_u8s8_s32_6x16x4_avxvnni(const GemmTile& tile, int32_t* c, size_t ldc) {
  kTilesS32[tile.rows - 1][(tile.cols - 1) / kLanes](tile, c, ldc);
}

void gemm_u8s8_u8_6x16x4_avxvnni(const GemmTile& tile, const Requant& requant,
                                 const Residual& residual, uint8_t* c, size_t ldc) {
  kTilesU8[tile.rows - 1][(tile.cols - 1) / kLanes](tile, requant, residual, c, ldc);
}

}  // namespace octavo
