// GEMM for Armv8.6 with int8 matrix products: up to 16 rows x 24 columns, in register tiles of at
// most 4 rows.
//
//   c[i][j] = bias[j] + sum_s sum_k a[s][i][k] * b[s][k][j]      u8 x s8 -> int32, wrap-around
//
// usmmla multiplies two rows of A by two columns of B, eight k each: 32 products. Panels hold the
// eight k of a column together (kr = 8), so that a vector of B is two columns. Rows of A are
// somewhere each, and two of them are zipped here.
//
// Per 16 k and two columns (latency / throughput, Neoverse V1, Arm's guide):
//   ldr q x4     16 bytes of four rows           once for all columns    load port only
//   zip1, zip2   eight bytes of two rows, x2     once for all columns    2 / 4
//   ldr q x2     eight k of two columns each     once for all rows       load port only
//   usmmla x4    acc += 2 x 2 sums of 8          two for every two rows  3, 1 between accs / 4
// With 24 columns, 48 of 52 instructions of the vector pipes multiply: 92%. Copying A once for all
// panels would save the zips and cost stores; below 64 columns it loses.
//
// Register budget (32): 24 accumulators, 4 of A, 2 of B.
//
// Panel width is 8, 16 or 24: 4, 8 or 12 `Couples` of columns below. Edges: fewer than 16 bytes of
// k go eight at a time, the last 1 to 7 alone; a row that does not exist is the one before it
// again; columns past tile.cols are computed and not stored.
#include "kernels/neoni8mm/gemm.h"

#include <arm_neon.h>

#include "kernels/neon/gemm_load.h"
#include "kernels/neon/gemm_output.h"
#include "pack/layout.h"

namespace octavo {
namespace {

constexpr size_t kKr8 = kGemmGeometryNeonI8mm.kr;
constexpr size_t kStepK = 2 * kKr8;
constexpr size_t kRegisterRows = 4;

// acc += two rows of a times two columns of b.
OCTAVO_INLINE void multiply(int32x4_t& acc, uint8x16_t a, int8x16_t b) {
#if OCTAVO_HAS_EXTENSIONS
  __asm__ volatile("usmmla %0.4s, %1.16b, %2.16b" : "+w"(acc) : "w"(a), "w"(b));
#else
  acc = vusmmlaq_s32(acc, a, b);
#endif
}

// Eight k of every two rows times all columns. bv comes in as the first vector of b and leaves as
// the one after the last, unless that is the `Last` of its kind.
template <bool Last, int Pairs, int Couples>
OCTAVO_INLINE void multiply_rows(const uint8x16_t (&a)[Pairs], const int8_t* b, int8x16_t& bv,
                                 int32x4_t (&acc)[Pairs][Couples]) {
  OCTAVO_UNROLL for (int j = 0; j < Couples; ++j) {
    const int8x16_t now = bv;
    if (!Last || j + 1 < Couples) bv = load_here(b + (j + 1) * 2 * kKr8);
    OCTAVO_UNROLL for (int p = 0; p < Pairs; ++p) multiply(acc[p][j], a[p], now);
  }
}

OCTAVO_INLINE uint8x16_t zip_low(uint8x16_t x, uint8x16_t y) {
  return vreinterpretq_u8_u64(vzip1q_u64(vreinterpretq_u64_u8(x), vreinterpretq_u64_u8(y)));
}

OCTAVO_INLINE uint8x16_t zip_high(uint8x16_t x, uint8x16_t y) {
  return vreinterpretq_u8_u64(vzip2q_u64(vreinterpretq_u64_u8(x), vreinterpretq_u64_u8(y)));
}

// One segment: acc += rows times the weights from b on, which moves to the next segment's.
template <int Pairs, int Couples>
OCTAVO_INLINE void add_segment(const uint8_t* (&a)[2 * Pairs], size_t segment_k, const int8_t*& b,
                               int32x4_t (&acc)[Pairs][Couples]) {
  constexpr size_t kOctetBytes = Couples * 2 * kKr8;
  size_t left = segment_k;
  for (; left >= kStepK; left -= kStepK, b += 2 * kOctetBytes) {
    uint8x16_t low[Pairs], high[Pairs];
    OCTAVO_UNROLL for (int p = 0; p < Pairs; ++p) {
      const uint8x16_t x = vld1q_u8(a[2 * p]), y = vld1q_u8(a[2 * p + 1]);
      low[p] = zip_low(x, y);
      high[p] = zip_high(x, y);
      a[2 * p] += kStepK;
      a[2 * p + 1] += kStepK;
    }
    int8x16_t bv = load_here(b);
    multiply_rows<false>(low, b, bv, acc);
    multiply_rows<true>(high, b + kOctetBytes, bv, acc);
  }
  while (left != 0) {
    const size_t count = left < kKr8 ? left : kKr8;
    uint8x16_t av[Pairs];
    OCTAVO_UNROLL for (int p = 0; p < Pairs; ++p) {
      av[p] = vcombine_u8(load_u8x8(a[2 * p], count), load_u8x8(a[2 * p + 1], count));
      a[2 * p] += count;
      a[2 * p + 1] += count;
    }
    int8x16_t bv = load_here(b);
    multiply_rows<true>(av, b, bv, acc);
    b += kOctetBytes;
    left -= count;
  }
}

// Row `Half` of a pair, as vectors of four columns.
template <int Half, int Couples>
OCTAVO_INLINE void row_of_pair(const int32x4_t (&acc)[Couples], const int32_t* bias,
                               int32x4_t (&row)[Couples / 2]) {
  OCTAVO_UNROLL for (int v = 0; v < Couples / 2; ++v) {
    const int64x2_t x = vreinterpretq_s64_s32(acc[2 * v]);
    const int64x2_t y = vreinterpretq_s64_s32(acc[2 * v + 1]);
    const int64x2_t four = Half == 0 ? vzip1q_s64(x, y) : vzip2q_s64(x, y);
    row[v] = vaddq_s32(vreinterpretq_s32_s64(four), vld1q_s32(bias + v * kLanes));
  }
}

// At most four vectors at a time.
template <int Vectors, class Output>
OCTAVO_INLINE void store_vectors(const int32x4_t (&row)[Vectors], const GemmTile& tile, size_t i,
                                 const Output& output) {
  constexpr int kFirst = Vectors < 4 ? Vectors : 4, kRest = Vectors - kFirst;
  int32x4_t first[kFirst];
  OCTAVO_UNROLL for (int v = 0; v < kFirst; ++v) first[v] = row[v];
  output.template store<kFirst>(first, i, 0, cols_from(tile, 0, kFirst * kLanes));
  if constexpr (kRest != 0) {
    int32x4_t rest[kRest];
    OCTAVO_UNROLL for (int v = 0; v < kRest; ++v) rest[v] = row[kFirst + v];
    constexpr size_t kColumn = kFirst * kLanes;
    output.template store<kRest>(rest, i, kColumn, cols_from(tile, kColumn, kRest * kLanes));
  }
}

// Rows first .. first + count - 1 of the tile; count is 2 * Pairs or one less.
template <int Pairs, int Couples, class Output>
void register_tile(const GemmTile& tile, size_t first, size_t count, const Output& output) {
  int32x4_t acc[Pairs][Couples];
  OCTAVO_UNROLL for (int p = 0; p < Pairs; ++p) {
    OCTAVO_UNROLL for (int j = 0; j < Couples; ++j) acc[p][j] = vdupq_n_s32(0);
  }
  const int8_t* b = panel_weights(tile.panel, Couples * 2);
  const uint8_t* const* rows = tile.a + first;
  for (size_t s = 0; s < tile.segments; ++s, rows += tile.rows) {
    const uint8_t* a[2 * Pairs];
    OCTAVO_UNROLL for (int i = 0; i < 2 * Pairs - 1; ++i) a[i] = rows[i];
    a[2 * Pairs - 1] = rows[count - 1];
    add_segment(a, tile.segment_k, b, acc);
  }
  const int32_t* bias = panel_bias(tile.panel);
  OCTAVO_UNROLL for (int p = 0; p < Pairs; ++p) {
    int32x4_t row[Couples / 2];
    row_of_pair<0>(acc[p], bias, row);
    store_vectors(row, tile, first + 2 * p, output);
    if (p == Pairs - 1 && count < 2 * Pairs) return;
    row_of_pair<1>(acc[p], bias, row);
    store_vectors(row, tile, first + 2 * p + 1, output);
  }
}

template <int Couples, class Output>
OCTAVO_INLINE void run_rows(const GemmTile& tile, const Output& output) {
  for (size_t first = 0; first < tile.rows; first += kRegisterRows) {
    const size_t left = tile.rows - first;
    const size_t count = left < kRegisterRows ? left : kRegisterRows;
    if (count > 2) {
      register_tile<2, Couples>(tile, first, count, output);
    } else {
      register_tile<1, Couples>(tile, first, count, output);
    }
  }
}

template <class Output>
OCTAVO_INLINE void run_tile(const GemmTile& tile, const Output& output) {
  if (tile.cols > 16) return run_rows<12>(tile, output);
  if (tile.cols > 8) return run_rows<8>(tile, output);
  run_rows<4>(tile, output);
}

}  // namespace

void gemm_u8s8_s32_16x24x8_neoni8mm(const GemmTile& tile, int32_t* c, size_t ldc) {
  run_tile(tile, S32Output{c, ldc});
}

void gemm_u8s8_u8_16x24x8_neoni8mm(const GemmTile& tile, const Requant& requant,
                                   const Residual& residual, uint8_t* c, size_t ldc) {
  const size_t width = panel_width(tile.cols, kGemmGeometryNeonI8mm.granule);
  const float* multiplier =
      panel_multiplier(tile.panel, width, tile.segments, tile.segment_k, kKr8);
  run_tile(tile, U8Output(c, ldc, multiplier, requant, residual));
}

}  // namespace octavo
