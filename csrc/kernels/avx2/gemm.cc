// GEMM for AVX2, exact for every u8 and s8 value: a register tile of up to 8 rows x 8 columns.
//
//   c[i][j] = bias[j] + sum_s sum_k a[s][i][k] * b[s][k][j]      u8 x s8 -> int32, wrap-around
//
// vpmaddubsw saturates in general (255 * 127 * 2 > 32767). Here it does not: the packer stores
// groups of four k in an order, and where needed in two halves, for which it has proved that no
// sum of two products, in a quad of four, leaves int16 (pack/schedule.h). Activations come from
// gemm_prepare in the byte order the panel names, one vector of 8 rows per group.
//
// Per row and 8 columns (latency / throughput, Zen 4, uops.info):
//   vpbroadcastd ymm, m32   a group of one row to every lane     load port only
//   vpmaddubsw              four products, two sums              3 / 0.5
//   vpmaddwd by ones        the two sums, widened                3 / 0.5
//   vpaddd                  into the accumulator                 1 / 0.25
// A quad adds the results of two vpmaddubsw with vpaddw and widens once: 5 instructions for 64
// products. The packer makes quads of what it can.
//
// Register budget (16 ymm): 8 accumulators, 2 of B, ones, 2 products: 13. Panels are 8 columns
// wide rather than 16 because a proof must hold in all columns at once. Instructions are inline
// assembly: as intrinsics, GCC would reassociate sums across steps and run out of registers.
//
// Edges: columns past tile.cols are masked, bytes go through 8-byte pieces of which only those
// that exist are touched.
#include "kernels/avx2/gemm.h"

#include <immintrin.h>

#include "kernels/avx2/epilogue.h"
#include "kernels/avx2/gemm_sequential.h"
#include "kernels/avx2/prepare.h"
#include "pack/layout.h"

namespace octavo {
namespace {

enum { kMr = kGemmMrAvx2 };

// The dwords of one group, row by row.
template <int Rows>
OCTAVO_INLINE const uint32_t* group_at(const uint8_t* prepared, uint32_t offset) {
  return (const uint32_t*)(prepared + (size_t)offset * prepared_rows(Rows));
}

// acc += a0 * b0 + a1 * b1, four products each, all sums of four in int16.
OCTAVO_INLINE void dot_quad(__m256i& acc, const uint32_t& a0, __m256i b0, const uint32_t& a1,
                            __m256i b1, __m256i ones) {
  __m256i x0, x1;
  __asm__(
      "vpbroadcastd %3, %1\n\t"
      "vpbroadcastd %5, %2\n\t"
      "vpmaddubsw %4, %1, %1\n\t"
      "vpmaddubsw %6, %2, %2\n\t"
      "vpaddw %2, %1, %1\n\t"
      "vpmaddwd %7, %1, %1\n\t"
      "vpaddd %1, %0, %0"
      : "+x"(acc), "=&x"(x0), "=&x"(x1)
      : "m"(a0), "x"(b0), "m"(a1), "x"(b1), "x"(ones));
}

// acc += a * b, four products, sums of two in int16.
OCTAVO_INLINE void dot_pair(__m256i& acc, const uint32_t& a, __m256i b, __m256i ones) {
  __m256i x;
  __asm__(
      "vpbroadcastd %2, %1\n\t"
      "vpmaddubsw %3, %1, %1\n\t"
      "vpmaddwd %4, %1, %1\n\t"
      "vpaddd %1, %0, %0"
      : "+x"(acc), "=&x"(x)
      : "m"(a), "x"(b), "x"(ones));
}

template <int Rows>
OCTAVO_INLINE void accumulate(const GemmTile& tile, __m256i (&acc)[Rows]) {
  const ScheduledHeader* header = (const ScheduledHeader*)tile.panel;
  const __m256i bias = _mm256_load_si256((const __m256i*)header->bias);
  OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) acc[i] = bias;

  const __m256i ones = _mm256_set1_epi16(1);
  const __m256i* b = (const __m256i*)scheduled_weights(tile.panel);
  const __m256i* pairs = b + 2 * (size_t)header->quads;
  const __m256i* end = pairs + header->pairs;
  const uint32_t* offset = (const uint32_t*)end;
  for (; b < pairs; b += 2, offset += 2) {
    const uint32_t* a0 = group_at<Rows>(tile.prepared, offset[0]);
    const uint32_t* a1 = group_at<Rows>(tile.prepared, offset[1]);
    const __m256i b0 = _mm256_load_si256(b);
    const __m256i b1 = _mm256_load_si256(b + 1);
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) { dot_quad(acc[i], a0[i], b0, a1[i], b1, ones); }
  }
  for (; b < end; ++b, ++offset) {
    const uint32_t* a = group_at<Rows>(tile.prepared, *offset);
    const __m256i bv = _mm256_load_si256(b);
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) dot_pair(acc[i], a[i], bv, ones);
  }
}

template <int Rows>
void tile_s32(const GemmTile& tile, int32_t* c, size_t ldc) {
  __m256i acc[Rows];
  accumulate<Rows>(tile, acc);
  const __m256i exists = first_lanes(tile.cols);
  OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
    _mm256_maskstore_epi32(c + (size_t)i * ldc, exists, acc[i]);
  }
}

// Rows i..i + 3 as 4 x 8 bytes; past the last row, the last row again.
template <int Rows>
OCTAVO_INLINE void store_rows(const __m256 (&v)[Rows], int i, const RequantVectors& rq, uint8_t* c,
                              size_t ldc, size_t cols) {
  const int last = Rows - 1;
  const __m256i q =
      narrow_u8x32(v[i], v[i + 1 < Rows ? i + 1 : last], v[i + 2 < Rows ? i + 2 : last],
                   v[i + 3 < Rows ? i + 3 : last], rq);
  const __m128i low = _mm256_castsi256_si128(q);
  const __m128i high = _mm256_extracti128_si256(q, 1);
  const __m128i rows[4] = {low, _mm_unpackhi_epi64(low, low), high, _mm_unpackhi_epi64(high, high)};
  OCTAVO_UNROLL for (int r = 0; r < 4; ++r) {
    if (i + r >= Rows) break;
    uint8_t* to = c + (size_t)(i + r) * ldc;
    if (cols == kScheduledWidth) {
      _mm_storel_epi64((__m128i*)to, rows[r]);
    } else {
      store_u8x8(to, rows[r], cols);
    }
  }
}

template <int Rows>
void tile_u8(const GemmTile& tile, const Requant& requant, const Residual& residual, uint8_t* c,
             size_t ldc) {
  __m256i acc[Rows];
  accumulate<Rows>(tile, acc);
  const __m256 m = _mm256_load_ps(((const ScheduledHeader*)tile.panel)->multiplier);
  __m256 v[Rows];
  OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) v[i] = _mm256_mul_ps(_mm256_cvtepi32_ps(acc[i]), m);
  if (residual.rows != nullptr) {
    const ResidualVectors rs = broadcast_residual(residual);
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
      v[i] = add_residual(v[i], load_u8x8(residual.rows + (size_t)i * residual.ld, tile.cols), rs);
    }
  }
  const RequantVectors rq = broadcast_requant(requant);
  OCTAVO_UNROLL for (int i = 0; i < Rows; i += 4) { store_rows<Rows>(v, i, rq, c, ldc, tile.cols); }
}

#define OCTAVO_TILES(tile) {tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>, tile<7>, tile<8>}

GemmS32Fn* const kTilesS32[kMr] = OCTAVO_TILES(tile_s32);
GemmU8Fn* const kTilesU8[kMr] = OCTAVO_TILES(tile_u8);

}  // namespace

void gemm_prepare_8x4_avx2(const GemmTile& tile, uint8_t* prepared) {
  switch (prepared_rows(tile.rows)) {
    case 1:
      return prepare<1>(tile, prepared);
    case 2:
      return prepare<2>(tile, prepared);
    case 4:
      return prepare<4>(tile, prepared);
    default:
      return prepare<8>(tile, prepared);
  }
}

void gemm_u8s8_s32_8x8x4_avx2(const GemmTile& tile, int32_t* c, size_t ldc) {
  kTilesS32[tile.rows - 1](tile, c, ldc);
}

void gemm_u8s8_u8_8x8x4_avx2(const GemmTile& tile, const Requant& requant, const Residual& residual,
                             uint8_t* c, size_t ldc) {
  kTilesU8[tile.rows - 1](tile, requant, residual, c, ldc);
}

void gemm_u8s8_u8_5x16x4_avx2(const GemmTile& tile, const Requant& requant,
                              const Residual& residual, uint8_t* c, size_t ldc) {
  sequential::run(tile, requant, residual, c, ldc);
}

}  // namespace octavo
