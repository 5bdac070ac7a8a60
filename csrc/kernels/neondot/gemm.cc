// GEMM for Armv8.2 with dot products: up to 16 rows x 16 columns, in register tiles of at most 4
// rows.
//
//   c[i][j] = bias[j] + sum_s sum_k a[s][i][k] * b[s][k][j]      u8 x s8 -> int32, wrap-around
//
// sdot multiplies signed bytes by signed bytes only: the kernel multiplies a - 128, which is a with
// its top bit flipped, and the packer has put 128 * sum of b into the bias (kShift128).
//
// Per 16 k and vector of 4 columns (latency / throughput, Neoverse N1, Arm's guide):
//   ldr q       16 bytes of one row             once for all columns     load port only
//   eor         their top bits                  once for all columns     2 / 2
//   ldr q x4    four k of four columns each     once for all rows        load port only
//   sdot x4     acc += four products, by lane   for each row             2 / 2
// With four vectors of columns, 64 of 68 instructions of the vector pipes multiply: 94%.
//
// Register budget (32): 16 accumulators, 4 of A, 2 of B, the sign bits.
//
// Panel width is 8 or 16: 2 or 4 `Vectors` below. Edges: 1 to 15 last bytes of k are loaded
// exactly; columns past tile.cols are computed and not stored.
#include "kernels/neondot/gemm.h"

#include <arm_neon.h>

#include "kernels/neon/gemm_load.h"
#include "kernels/neon/gemm_output.h"
#include "pack/layout.h"

namespace octavo {
namespace {

constexpr size_t kStepK = 16;
constexpr size_t kRegisterRows = 4;

OCTAVO_INLINE int8x16_t shifted(uint8x16_t a) {
  return vreinterpretq_s8_u8(veorq_u8(a, vdupq_n_u8(0x80)));
}

// acc += four products in each lane, of b and lane `Lane` of a.
template <int Lane>
OCTAVO_INLINE void dot(int32x4_t& acc, int8x16_t b, int8x16_t a) {
#if OCTAVO_HAS_EXTENSIONS
  __asm__ volatile("sdot %0.4s, %1.16b, %2.4b[%3]" : "+w"(acc) : "w"(b), "w"(a), "i"(Lane));
#else
  acc = vdotq_laneq_s32(acc, b, a, Lane);
#endif
}

// Four k: lane `Lane` of every row times one vector of weights after the other, each loaded before
// the products of the one before it. bv comes in as the first and leaves as the one after the last.
template <int Lane, bool Last, int Rows, int Vectors>
OCTAVO_INLINE void dot_rows(const int8x16_t (&a)[Rows], const int8_t* b, int8x16_t& bv,
                            int32x4_t (&acc)[Rows][Vectors]) {
  OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) {
    const int8x16_t now = bv;
    if (!Last || j + 1 < Vectors) bv = load_here(b + (j + 1) * kLanes * kKr);
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) dot<Lane>(acc[i][j], now, a[i]);
  }
}

// Four k alone.
template <int Lane, int Rows, int Vectors>
OCTAVO_INLINE void dot_rows(const int8x16_t (&a)[Rows], const int8_t* b,
                            int32x4_t (&acc)[Rows][Vectors]) {
  int8x16_t bv = load_here(b);
  dot_rows<Lane, true>(a, b, bv, acc);
}

// Sums of rows first .. first + Rows - 1 of the tile.
template <int Rows, int Vectors>
OCTAVO_INLINE void accumulate(const GemmTile& tile, size_t first, int32x4_t (&acc)[Rows][Vectors]) {
  constexpr size_t kQuadBytes = Vectors * kLanes * kKr;
  const int32_t* bias = panel_bias(tile.panel);
  OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) {
    const int32x4_t init = vld1q_s32(bias + j * kLanes);
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) acc[i][j] = init;
  }

  const int8_t* b = panel_weights(tile.panel, Vectors * kLanes);
  const uint8_t* const* rows = tile.a + first;
  for (size_t s = 0; s < tile.segments; ++s, rows += tile.rows) {
    const uint8_t* a[Rows];
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) a[i] = rows[i];
    size_t left = tile.segment_k;
    for (; left >= kStepK; left -= kStepK, b += 4 * kQuadBytes) {
      int8x16_t av[Rows];
      OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
        av[i] = shifted(vld1q_u8(a[i]));
        a[i] += kStepK;
      }
      int8x16_t bv = load_here(b);
      dot_rows<0, false>(av, b, bv, acc);
      dot_rows<1, false>(av, b + kQuadBytes, bv, acc);
      dot_rows<2, false>(av, b + 2 * kQuadBytes, bv, acc);
      dot_rows<3, true>(av, b + 3 * kQuadBytes, bv, acc);
    }
    if (left == 0) continue;
    int8x16_t av[Rows];
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) av[i] = shifted(load_u8x16(a[i], left));
    dot_rows<0>(av, b, acc);
    if (left > kKr) dot_rows<1>(av, b + kQuadBytes, acc);
    if (left > 2 * kKr) dot_rows<2>(av, b + 2 * kQuadBytes, acc);
    if (left > 3 * kKr) dot_rows<3>(av, b + 3 * kQuadBytes, acc);
    b += (left + kKr - 1) / kKr * kQuadBytes;
  }
}

template <int Rows, int Vectors, class Output>
void register_tile(const GemmTile& tile, size_t first, const Output& output) {
  int32x4_t acc[Rows][Vectors];
  accumulate<Rows, Vectors>(tile, first, acc);
  OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
    output.template store<Vectors>(acc[i], first + i, 0, tile.cols);
  }
}

template <class Output>
OCTAVO_INLINE void run_tile(const GemmTile& tile, const Output& output) {
  using Run = void(const GemmTile&, size_t, const Output&);
  static Run* const kRuns[kRegisterRows][2] = {{register_tile<1, 2>, register_tile<1, 4>},
                                               {register_tile<2, 2>, register_tile<2, 4>},
                                               {register_tile<3, 2>, register_tile<3, 4>},
                                               {register_tile<4, 2>, register_tile<4, 4>}};
  for (size_t first = 0; first < tile.rows; first += kRegisterRows) {
    const size_t left = tile.rows - first;
    const size_t rows = left < kRegisterRows ? left : kRegisterRows;
    kRuns[rows - 1][tile.cols > 2 * kLanes](tile, first, output);
  }
}

}  // namespace

void gemm_u8s8_s32_16x16x4_neondot(const GemmTile& tile, int32_t* c, size_t ldc) {
  run_tile(tile, S32Output{c, ldc});
}

void gemm_u8s8_u8_16x16x4_neondot(const GemmTile& tile, const Requant& requant,
                                  const Residual& residual, uint8_t* c, size_t ldc) {
  const size_t width = panel_width(tile.cols, kGemmGeometryNeonDot.granule);
  const float* multiplier = panel_multiplier(tile.panel, width, tile.segments, tile.segment_k, kKr);
  run_tile(tile, U8Output(c, ldc, multiplier, requant, residual));
}

}  // namespace octavo
