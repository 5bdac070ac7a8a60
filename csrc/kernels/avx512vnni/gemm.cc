// GEMM for AVX-512 VNNI: up to 24 rows x 64 columns, in register tiles of at most 6 rows x 64
// columns or 12 rows x 32 (a narrow panel alone would not hide the latency of its few chains).
//
//   c[i][j] = bias[j] + sum_s sum_k a[s][i][k] * b[s][k][j]      u8 x s8 -> int32, wrap-around
//
// Per step of four k and vector of 16 columns (latency / throughput as published by uops.info):
//   vpbroadcastd zmm, m32   four bytes of one row to every lane      load port only
//   vpdpbusd zmm, zmm, zmm  acc += the four products, no saturation  5 / 1 Ice Lake, 4 / 1 Zen 4
//
// Register budget (32 zmm): 24 accumulators, 4 of B, 1 or 2 of A. GCC 12 copies accumulators to
// the stack around _mm512_dpbusd_epi32 when more than about 16 are live, which halves the speed;
// OCTAVO_ACCUMULATE in dot() leaves it no choice.
//
// Panel width is 16, 32, 48 or 64: `Vectors` below. Rows and vectors are template arguments, so
// every loop over them unrolls.
//
// B is one stream, which hardware prefetches well within a panel: doing it by software loses 10 to
// 20% with up to three rows, which wait for B. With more, the dot products take as long as bytes
// from L3, but the first pass over a panel does not overlap the wait for them: so what is read
// after this panel, the next one or rows of A, is fetched into L2 while this one is multiplied.
//
// Edges: a tail of k loads the 1 to 3 bytes that exist; columns past tile.cols are masked in loads
// and stores.
#include "kernels/avx512vnni/gemm.h"

#include <string.h>

#include "kernels/avx512vnni/gemm_output.h"
#include "pack/layout.h"

namespace octavo {
namespace {

OCTAVO_INLINE void dot(__m512i& acc, __m512i a_u8, __m512i b_s8) {
  OCTAVO_ACCUMULATE("vpdpbusd", _mm512_dpbusd_epi32, "v", acc, a_u8, b_s8);
}

// GCC would read three rows' B once per row, and then the load port is what they wait for.
OCTAVO_INLINE __m512i load_once(const int8_t* b) {
  __m512i bv = _mm512_load_si512(b);
  OCTAVO_KEEP("v", bv);
  return bv;
}

// Into L2; an address that is not there does no harm.
OCTAVO_INLINE void fetch(uintptr_t address) { _mm_prefetch((const char*)address, _MM_HINT_T1); }

// From this panel to what is read after it.
OCTAVO_INLINE uintptr_t bytes_to_next(const GemmTile& tile) {
  return tile.next == nullptr ? 0 : (uintptr_t)tile.next - (uintptr_t)tile.panel;
}

OCTAVO_INLINE __m512i broadcast4(const uint8_t* a) {
  int32_t dword;
  memcpy(&dword, a, sizeof dword);
  return _mm512_set1_epi32(dword);
}

// `count` is 1 to 3: the missing bytes are zero.
OCTAVO_INLINE __m512i broadcast_tail(const uint8_t* a, size_t count) {
  uint32_t dword = a[0];
  if (count > 1) dword |= (uint32_t)a[1] << 8;
  if (count > 2) dword |= (uint32_t)a[2] << 16;
  return _mm512_set1_epi32((int32_t)dword);
}

// Sums of rows first .. first + Rows - 1 of the tile.
template <int Rows, int Vectors>
OCTAVO_INLINE void accumulate(const GemmTile& tile, size_t first, __m512i (&acc)[Rows][Vectors]) {
  enum { kStepBytes = Vectors * kLanes * kKr };
  constexpr bool kFetches = Vectors == 4 && Rows >= 4;
  const uintptr_t to_next = bytes_to_next(tile);
  const int32_t* bias = panel_bias(tile.panel);
  OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) {
    const __m512i init = _mm512_load_si512(bias + j * kLanes);
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) acc[i][j] = init;
  }

  const int8_t* b = panel_weights(tile.panel, Vectors * kLanes);
  const size_t tail_k = tile.segment_k % kKr;
  const ptrdiff_t full_k = (ptrdiff_t)(tile.segment_k - tail_k);
  const uint8_t* const* rows = tile.a + first;
  const uint8_t* const* const rows_end = rows + tile.segments * tile.rows;
  for (; rows != rows_end; rows += tile.rows) {
    const uint8_t* a_end[Rows];
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) a_end[i] = rows[i] + full_k;

    for (ptrdiff_t k = -full_k; k != 0; k += kKr, b += kStepBytes) {
      __m512i bv[Vectors];
      OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) {
        if (kFetches) fetch((uintptr_t)(b + j * kLanes * kKr) + to_next);
        bv[j] = load_once(b + j * kLanes * kKr);
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

template <int Rows, int Vectors, class Output>
void register_tile(const GemmTile& tile, size_t first, const Output& output) {
  __m512i acc[Rows][Vectors];
  accumulate<Rows, Vectors>(tile, first, acc);
  output.template store<Rows, Vectors>(acc, tile, first);
}

// Register tiles of at most kMost rows, as equal as possible: 7 rows are 4 + 3, not 6 + 1.
template <class Output, int Vectors>
OCTAVO_INLINE void run_rows(const GemmTile& tile, const Output& output) {
  enum { kMost = Vectors > 2 ? 6 : 12 };
  using Run = void(const GemmTile&, size_t, const Output&);
  static Run* const kRuns[12] = {register_tile<1, Vectors>,           register_tile<2, Vectors>,
                                 register_tile<3, Vectors>,           register_tile<4, Vectors>,
                                 register_tile<5, Vectors>,           register_tile<6, Vectors>,
                                 register_tile < kMost == 6 ? 6 : 7,  Vectors >,
                                 register_tile < kMost == 6 ? 6 : 8,  Vectors >,
                                 register_tile < kMost == 6 ? 6 : 9,  Vectors >,
                                 register_tile < kMost == 6 ? 6 : 10, Vectors >,
                                 register_tile < kMost == 6 ? 6 : 11, Vectors >,
                                 register_tile < kMost == 6 ? 6 : 12, Vectors > };
  const uint32_t rows = (uint32_t)tile.rows;
  uint32_t tiles = (rows + kMost - 1) / kMost;
  for (uint32_t first = 0; first < rows; --tiles) {
    const uint32_t count = (rows - first + tiles - 1) / tiles;
    kRuns[count - 1](tile, first, output);
    first += count;
  }
}

// What comes before and after the weights.
OCTAVO_INLINE void fetch_ends_of_next(const GemmTile& tile) {
  const int32_t* bias = panel_bias(tile.panel);
  const float* multiplier =
      panel_multiplier(tile.panel, kVectors * kLanes, tile.segments, tile.segment_k);
  OCTAVO_UNROLL for (int j = 0; j < kVectors; ++j) {
    fetch((uintptr_t)(bias + j * kLanes) + bytes_to_next(tile));
    fetch((uintptr_t)(multiplier + j * kLanes) + bytes_to_next(tile));
  }
}

template <class Output>
OCTAVO_INLINE void run_tile(const GemmTile& tile, const Output& output) {
  if (tile.cols > 48) {
    fetch_ends_of_next(tile);
    return run_rows<Output, 4>(tile, output);
  }
  if (tile.cols > 32) return run_rows<Output, 3>(tile, output);
  if (tile.cols > 16) return run_rows<Output, 2>(tile, output);
  run_rows<Output, 1>(tile, output);
}

}  // namespace

void gemm_u8s8_s32_24x64x4_avx512vnni(const GemmTile& tile, int32_t* c, size_t ldc) {
  run_tile(tile, S32Output{c, ldc});
}

void gemm_u8s8_u8_24x64x4_avx512vnni(const GemmTile& tile, const Requant& requant,
                                     const Residual& residual, uint8_t* c, size_t ldc) {
  if (residual.rows == nullptr) {
    run_tile(tile, U8Output<false>(tile, c, ldc, requant, residual));
  } else {
    run_tile(tile, U8Output<true>(tile, c, ldc, requant, residual));
  }
}

}  // namespace octavo
