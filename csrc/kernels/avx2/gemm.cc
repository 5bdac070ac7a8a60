// GEMM for AVX2, exact for every u8 and s8 value: a tile of up to 24 rows x a panel of 32 columns.
//
//   c[i][j] = bias[j] + sum_s sum_k a[s][i][k] * b[s][k][j]      u8 x s8 -> int32, wrap-around
//
// vpmaddubsw saturates in general (255 * 127 * 2 > 32767). Here it does not: the packer stores
// groups of four k in chains for which it has proved that their sums stay in int16
// (pack/schedule.h). A vector holds 8 rows of one column, so that a proof concerns the few columns
// that share their chains and not all columns of a vector; gemm_prepare transposes the activations
// accordingly. Two columns at a time run through a block of k that stays in the first-level cache
// (gemm_chains.h); the sums of a panel wait in 3 KB of memory until the last block and leave it by
// rows (gemm_output.h). Up to four rows take another path (gemm_few_rows.h).
#include "kernels/avx2/gemm.h"

#include <immintrin.h>

#include "kernels/avx2/gemm_chains.h"
#include "kernels/avx2/gemm_few_rows.h"
#include "kernels/avx2/gemm_output.h"
#include "kernels/avx2/gemm_sequential.h"
#include "kernels/avx2/prepare.h"
#include "pack/layout.h"

namespace octavo {
namespace {

// Calls pair(first_group, column, stream) for every two columns of every block of groups, in the
// order in which they are stored.
template <class Pair>
OCTAVO_INLINE void for_each_pair(const GemmTile& tile, size_t groups, const Pair& pair) {
  const size_t width = panel_width(tile.cols, kScheduledGranule);
  const uint8_t* at = tile.panel + sizeof(ScheduledHeader);
  for (size_t first = 0; first < groups; first += kScheduledBlock) {
    for (size_t column = 0; column < width; column += kScheduledColumns) {
      const ChainStream stream = open_stream(at);
      pair(first, column, stream);
      at = stream.next;
    }
  }
}

template <size_t Vectors>
void sum_panel(const GemmTile& tile, PanelSums& sums) {
  const size_t groups = scheduled_groups(tile.segments, tile.segment_k);
  const int32_t* bias = ((const ScheduledHeader*)tile.panel)->bias;
  for_each_pair(tile, groups,
                [&](size_t first, size_t column, const ChainStream& stream) OCTAVO_INLINE_LAMBDA {
                  __m256i acc[Vectors][2];
                  OCTAVO_UNROLL for (size_t v = 0; v < Vectors; ++v) {
                    OCTAVO_UNROLL for (size_t j = 0; j < 2; ++j) {
                      const int32_t* from = &sums.at[column + j][v * kScheduledVector];
                      acc[v][j] = first == 0 ? _mm256_set1_epi32(bias[column + j])
                                             : _mm256_load_si256((const __m256i*)from);
                    }
                  }
                  run_chains<Vectors>(tile.prepared + first * kPairings * kGroupBytes, stream, acc);
                  OCTAVO_UNROLL for (size_t v = 0; v < Vectors; ++v) {
                    OCTAVO_UNROLL for (size_t j = 0; j < 2; ++j) {
                      int32_t* to = &sums.at[column + j][v * kScheduledVector];
                      _mm256_store_si256((__m256i*)to, acc[v][j]);
                    }
                  }
                });
}

template <size_t Rows>
void sum_few_rows(const GemmTile& tile, PanelSums& sums) {
  const size_t groups = scheduled_groups(tile.segments, tile.segment_k);
  const int32_t* bias = ((const ScheduledHeader*)tile.panel)->bias;
  for (size_t j = 0; j < panel_width(tile.cols, kScheduledGranule); ++j) {
    for (size_t i = 0; i < Rows; ++i) sums.at[j][i] = bias[j];
  }
  for_each_pair(tile, groups,
                [&](size_t first, size_t column, const ChainStream& stream) OCTAVO_INLINE_LAMBDA {
                  add_few_rows<Rows>(tile.prepared + first * kPairings * kGroupBytes, stream,
                                     sums.at[column], sums.at[column + 1]);
                });
}

void sum_tile(const GemmTile& tile, PanelSums& sums) {
  switch (tile.rows) {
    case 1:
      return sum_few_rows<1>(tile, sums);
    case 2:
      return sum_few_rows<2>(tile, sums);
    case 3:
      return sum_few_rows<3>(tile, sums);
    case 4:
      return sum_few_rows<4>(tile, sums);
    default:
      break;
  }
  if (tile.rows <= kScheduledVector) return sum_panel<1>(tile, sums);
  if (tile.rows <= 2 * kScheduledVector) return sum_panel<2>(tile, sums);
  return sum_panel<3>(tile, sums);
}

}  // namespace

void gemm_prepare_24x4_avx2(const GemmTile& tile, uint8_t* prepared) { prepare(tile, prepared); }

void gemm_u8s8_s32_24x32x4_avx2(const GemmTile& tile, int32_t* c, size_t ldc) {
  PanelSums sums;
  sum_tile(tile, sums);
  emit_s32(sums, tile, c, ldc);
}

void gemm_u8s8_u8_24x32x4_avx2(const GemmTile& tile, const Requant& requant,
                               const Residual& residual, uint8_t* c, size_t ldc) {
  PanelSums sums;
  sum_tile(tile, sums);
  emit_u8(sums, tile, requant, residual, c, ldc);
}

void gemm_u8s8_u8_5x16x4_avx2(const GemmTile& tile, const Requant& requant,
                              const Residual& residual, uint8_t* c, size_t ldc) {
  sequential::run(tile, requant, residual, c, ldc);
}

}  // namespace octavo
