// GEMM of grouped convolutions for AVX-512 VNNI: up to 24 rows x 64 columns, register tiles of at
// most 6 x 64, groups of G = 4 or 8 columns that see G bytes of A each.
//
//   c[i][j] = bias[j] + sum_s sum_k a[s][i][j / G * G + k] * b[s][k][j]
//
// 16 columns see 16 bytes of a row. Per step of four k and vector of 16 columns:
//   vbroadcasti32x4 zmm, m128   the 16 bytes to all quarters                   load port only
//   vpermilps zmm, zmm, zmm     each lane takes its group's four k of a step   1 / 1 Zen 4
//   vpdpbusd zmm, zmm, zmm      acc += the four products                       4 / 1
//
// No multiplication is wasted on zeros between groups. Register budget (32 zmm): 24 accumulators,
// 2 of A, 2 of lane numbers; B is an operand in memory.
#include "kernels/avx512vnni/gemm.h"
#include "kernels/avx512vnni/gemm_output.h"
#include "pack/layout.h"

namespace octavo {
namespace {

OCTAVO_INLINE void dot(__m512i& acc, __m512i a_u8, __m512i b_s8) {
  OCTAVO_ACCUMULATE("vpdpbusd", _mm512_dpbusd_epi32, "v", acc, a_u8, b_s8);
}

OCTAVO_INLINE __m512 broadcast16(const uint8_t* a) {
#if OCTAVO_HAS_EXTENSIONS
  // volatile: GCC would load all rows first and spill them.
  __m512 all;
  __asm__ volatile("vbroadcasti32x4 %1, %0" : "=v"(all) : "m"(*(const __m128i_u*)a));
  return all;
#else
  return _mm512_castsi512_ps(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)a)));
#endif
}

// Which of 16 bytes' dwords each lane needs for the first four k of its group.
OCTAVO_INLINE __m512i first_dwords(size_t group) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm512_srli_epi32(_mm512_and_si512(lane, _mm512_set1_epi32(-(int)group)), 2);
}

// Steps: G / 4.
template <int Rows, int Vectors, int Steps, class Output>
void register_tile(const GemmTile& tile, size_t first, const Output& output) {
  enum { kStepBytes = Vectors * kLanes * kKr };
  __m512i acc[Rows][Vectors];
  OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) {
    const __m512i init = _mm512_load_si512(panel_bias(tile.panel) + j * kLanes);
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) acc[i][j] = init;
  }
  __m512i dwords[Steps];
  OCTAVO_UNROLL for (int k = 0; k < Steps; ++k) {
    dwords[k] = _mm512_add_epi32(first_dwords(Steps * kKr), _mm512_set1_epi32(k));
  }
  const int8_t* b = panel_weights(tile.panel, Vectors * kLanes);
  const uint8_t* const* rows = tile.a + first;
  const uint8_t* const* const rows_end = rows + tile.segments * tile.rows;
  for (; rows != rows_end; rows += tile.rows, b += Steps * kStepBytes) {
    OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) {
      OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
        const __m512 all = broadcast16(rows[i] + j * kLanes);
        OCTAVO_UNROLL for (int k = 0; k < Steps; ++k) {
          const __m512i bv = _mm512_load_si512(b + k * kStepBytes + j * kLanes * kKr);
          dot(acc[i][j], _mm512_castps_si512(_mm512_permutevar_ps(all, dwords[k])), bv);
        }
      }
    }
  }
  output.template store<Rows, Vectors>(acc, tile, first);
}

// Register tiles of at most 6 rows, as equal as possible.
template <int Vectors, int Steps, class Output>
OCTAVO_INLINE void run_rows(const GemmTile& tile, const Output& output) {
  enum { kMost = 6 };
  using Run = void(const GemmTile&, size_t, const Output&);
  static Run* const kRuns[kMost] = {
      register_tile<1, Vectors, Steps>, register_tile<2, Vectors, Steps>,
      register_tile<3, Vectors, Steps>, register_tile<4, Vectors, Steps>,
      register_tile<5, Vectors, Steps>, register_tile<6, Vectors, Steps>};
  const uint32_t rows = (uint32_t)tile.rows;
  uint32_t tiles = (rows + kMost - 1) / kMost;
  for (uint32_t first = 0; first < rows; --tiles) {
    const uint32_t count = (rows - first + tiles - 1) / tiles;
    kRuns[count - 1](tile, first, output);
    first += count;
  }
}

template <int Steps, class Output>
OCTAVO_INLINE void run_width(const GemmTile& tile, const Output& output) {
  if (tile.cols > 48) return run_rows<4, Steps>(tile, output);
  if (tile.cols > 32) return run_rows<3, Steps>(tile, output);
  if (tile.cols > 16) return run_rows<2, Steps>(tile, output);
  run_rows<1, Steps>(tile, output);
}

template <class Output>
OCTAVO_INLINE void run_tile(const GemmTile& tile, const Output& output) {
  if (tile.segment_k == 4) return run_width<1>(tile, output);
  run_width<2>(tile, output);
}

}  // namespace

void grouped_u8s8_s32_24x64x4_avx512vnni(const GemmTile& tile, int32_t* c, size_t ldc) {
  run_tile(tile, S32Output{c, ldc});
}

void grouped_u8s8_u8_24x64x4_avx512vnni(const GemmTile& tile, const Requant& requant,
                                        const Residual& residual, uint8_t* c, size_t ldc) {
  if (residual.rows == nullptr) {
    run_tile(tile, U8Output<false>(tile, c, ldc, requant, residual));
  } else {
    run_tile(tile, U8Output<true>(tile, c, ldc, requant, residual));
  }
}

}  // namespace octavo
