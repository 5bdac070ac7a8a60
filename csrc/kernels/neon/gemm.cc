// GEMM for Armv8.0: up to 16 rows x 16 columns, in register tiles of at most 4 rows x 4 columns.
//
//   c[i][j] = bias[j] + sum_s sum_k a[s][i][k] * b[s][k][j]      u8 x s8 -> int32, wrap-around
//
// smull makes eight int16 products of signed bytes, sadalp adds neighbours into int32. Between them
// one more product fits into each int16, exactly, if the two lean in opposite directions: of 16 k,
// the first eight activations become a - 128 and are multiplied (smull), the others become 127 - a
// and their products are subtracted (smlsl2). With both in -128..127 and any weight b in -128..127
//   (a - 128) * b        is in -16256..16384
//   -(127 - a) * b       is in -16384..16256
// and the sum in -32640..32640: no value of a or b overflows. (Adding a - 128 twice would: -128 *
// -128 * 2 = 32768.) What was taken from the activations, 128 and 127 by octets of k, times b, is
// in the bias (kShiftByOctets).
//
// Panels hold 16 k of a column together (kr = 16); an accumulator is four partial sums of one row
// and one column. Per 16 k (latency / throughput, Neoverse N1, Arm's guide):
//   ldr q       16 bytes of a row         once for four columns     load port only
//   eor         0x80 or 0x7F              once for four columns     2 / 2
//   ldr q       16 k of a column          once for four rows        load port only
//   smull       eight products            16 of them                4 / 1, the first vector pipe
//   smlsl2      eight more                16                        4, 1 between sums / 1, the same
//   sadalp      into the accumulator      16                        4, 1 between sums / 1, the
//   second
// N1 is limited by the pipe that multiplies, eight products a cycle: everything else hides behind
// it.
//
// Register budget (32): 16 accumulators, 4 of A, 2 of B, 4 to 8 of sums, the constant.
//
// Panel width is 8 or 16. Edges: 1 to 15 last bytes of k are loaded exactly; columns past tile.cols
// are computed and not stored.
#include "kernels/neon/gemm.h"

#include <arm_neon.h>

#include "kernels/neon/gemm_load.h"
#include "kernels/neon/gemm_output.h"
#include "pack/layout.h"

namespace octavo {
namespace {

constexpr size_t kStepK = 16;
constexpr size_t kRegisterRows = 4;
constexpr size_t kRegisterCols = 4;
constexpr size_t kStoredCols = 8;  // at a time

// s8: a - 128 in the low half, 127 - a in the high one.
OCTAVO_INLINE int8x16_t shifted(uint8x16_t a) {
  const uint8x16_t flip = vcombine_u8(vdup_n_u8(0x80), vdup_n_u8(0x7F));
  return vreinterpretq_s8_u8(veorq_u8(a, flip));
}

// Compilers know these instructions too well: GCC moves them until it runs out of registers.
#if OCTAVO_HAS_EXTENSIONS
OCTAVO_INLINE void multiply_low(int16x8_t& sum, int8x16_t a, int8x16_t b) {
  __asm__ volatile("smull %0.8h, %1.8b, %2.8b" : "=w"(sum) : "w"(a), "w"(b));
}
OCTAVO_INLINE void subtract_high(int16x8_t& sum, int8x16_t a, int8x16_t b) {
  __asm__ volatile("smlsl2 %0.8h, %1.16b, %2.16b" : "+w"(sum) : "w"(a), "w"(b));
}
OCTAVO_INLINE void widen(int32x4_t& acc, int16x8_t sum) {
  __asm__ volatile("sadalp %0.4s, %1.8h" : "+w"(acc) : "w"(sum));
}
#else
OCTAVO_INLINE void multiply_low(int16x8_t& sum, int8x16_t a, int8x16_t b) {
  sum = vmull_s8(vget_low_s8(a), vget_low_s8(b));
}
OCTAVO_INLINE void subtract_high(int16x8_t& sum, int8x16_t a, int8x16_t b) {
  sum = vmlsl_high_s8(sum, a, b);
}
OCTAVO_INLINE void widen(int32x4_t& acc, int16x8_t sum) { acc = vpadalq_s16(acc, sum); }
#endif

// acc[i][j] += 16 products for each of four columns j.
template <int Rows>
OCTAVO_INLINE void add_step(const int8x16_t (&a)[Rows], const int8_t* b,
                            int32x4_t (&acc)[Rows][kRegisterCols]) {
  int8x16_t bv = load_here(b);
  OCTAVO_UNROLL for (size_t j = 0; j < kRegisterCols; ++j) {
    const int8x16_t now = bv;
    if (j + 1 < kRegisterCols) bv = load_here(b + (j + 1) * kStepK);
    int16x8_t sum[Rows];
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) multiply_low(sum[i], a[i], now);
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) subtract_high(sum[i], a[i], now);
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) widen(acc[i][j], sum[i]);
  }
}

// out[i] = the sums of four columns of row first + i; b: their weights.
template <int Rows>
OCTAVO_INLINE void sum_columns(const GemmTile& tile, size_t first, size_t width, const int8_t* b,
                               int32x4_t (&out)[Rows]) {
  int32x4_t acc[Rows][kRegisterCols];
  OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
    OCTAVO_UNROLL for (size_t j = 0; j < kRegisterCols; ++j) acc[i][j] = vdupq_n_s32(0);
  }
  const uint8_t* const* rows = tile.a + first;
  for (size_t s = 0; s < tile.segments; ++s, rows += tile.rows) {
    const uint8_t* a[Rows];
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) a[i] = rows[i];
    size_t left = tile.segment_k;
    for (; left >= kStepK; left -= kStepK, b += width * kStepK) {
      int8x16_t av[Rows];
      OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
        av[i] = shifted(vld1q_u8(a[i]));
        a[i] += kStepK;
      }
      add_step(av, b, acc);
    }
    if (left != 0) {
      int8x16_t av[Rows];
      OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) av[i] = shifted(load_u8x16(a[i], left));
      add_step(av, b, acc);
      b += width * kStepK;
    }
  }
  OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
    out[i] = vpaddq_s32(vpaddq_s32(acc[i][0], acc[i][1]), vpaddq_s32(acc[i][2], acc[i][3]));
  }
}

template <int Rows, class Output>
void register_tile(const GemmTile& tile, size_t first, const Output& output) {
  const size_t width = panel_width(tile.cols, kGemmGeometryNeon.granule);
  const int32_t* bias = panel_bias(tile.panel);
  const int8_t* b = panel_weights(tile.panel, width);
  for (size_t column = 0; column < tile.cols; column += kStoredCols) {
    int32x4_t low[Rows], high[Rows];
    sum_columns(tile, first, width, b + column * kStepK, low);
    sum_columns(tile, first, width, b + (column + kRegisterCols) * kStepK, high);
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
      const int32x4_t sums[2] = {vaddq_s32(low[i], vld1q_s32(bias + column)),
                                 vaddq_s32(high[i], vld1q_s32(bias + column + kLanes))};
      output.template store<2>(sums, first + i, column, cols_from(tile, column, kStoredCols));
    }
  }
}

template <class Output>
OCTAVO_INLINE void run_tile(const GemmTile& tile, const Output& output) {
  using Run = void(const GemmTile&, size_t, const Output&);
  static Run* const kRuns[kRegisterRows] = {register_tile<1>, register_tile<2>, register_tile<3>,
                                            register_tile<4>};
  for (size_t first = 0; first < tile.rows; first += kRegisterRows) {
    const size_t left = tile.rows - first;
    kRuns[(left < kRegisterRows ? left : kRegisterRows) - 1](tile, first, output);
  }
}

}  // namespace

void gemm_u8s8_s32_16x16x16_neon(const GemmTile& tile, int32_t* c, size_t ldc) {
  run_tile(tile, S32Output{c, ldc});
}

void gemm_u8s8_u8_16x16x16_neon(const GemmTile& tile, const Requant& requant,
                                const Residual& residual, uint8_t* c, size_t ldc) {
  const size_t width = panel_width(tile.cols, kGemmGeometryNeon.granule);
  const float* multiplier =
      panel_multiplier(tile.panel, width, tile.segments, tile.segment_k, kGemmGeometryNeon.kr);
  run_tile(tile, U8Output(c, ldc, multiplier, requant, residual));
}

}  // namespace octavo
