// GEMM of grouped convolutions with dot products: up to 16 rows x 16 columns, in register tiles of
// at most 4 rows, groups of G = 4 or 8 columns that see G bytes of A each.
//
//   c[i][j] = bias[j] + sum_s sum_k a[s][i][j / G * G + k] * b[s][k][j]
//
// 16 columns see the same 16 bytes of a row, and a vector of 4 columns one of their dwords in each
// step of four k: sdot takes it by lane, so nothing is permuted and nothing multiplied by the zeros
// between groups. Per row and segment: 1 ldr q, 1 eor (a - 128, see gemm.cc), G sdot; weights are
// loaded once for 4 rows.
//
// Register budget (32): 16 accumulators, 4 of A, 1 of B, the sign bits.
#include <arm_neon.h>

#include "kernels/neon/gemm_output.h"
#include "kernels/neondot/gemm.h"
#include "pack/layout.h"

namespace octavo {
namespace {

constexpr size_t kMostRows = 4;
enum { kVectors = 4 };
constexpr size_t kNr = kVectors * kLanes;

OCTAVO_INLINE int8x16_t shifted(uint8x16_t a) {
  return vreinterpretq_s8_u8(veorq_u8(a, vdupq_n_u8(0x80)));
}

// Rows times 4 columns of one segment; steps of four k: G / 4.
template <int kVector, int kSteps, int kRows>
OCTAVO_INLINE void add_columns(const int8x16_t (&a)[kRows], const int8_t* b,
                               int32x4_t (&acc)[kRows][kVectors]) {
  constexpr int kFirst = kVector / kSteps * kSteps;  // of the group's dwords
  const int8x16_t b0 = vld1q_s8(b + kVector * kLanes * kKr);
  OCTAVO_UNROLL for (int i = 0; i < kRows; ++i) {
    acc[i][kVector] = vdotq_laneq_s32(acc[i][kVector], b0, a[i], kFirst);
  }
  if constexpr (kSteps == 2) {
    const int8x16_t b1 = vld1q_s8(b + (kVectors + kVector) * kLanes * kKr);
    OCTAVO_UNROLL for (int i = 0; i < kRows; ++i) {
      acc[i][kVector] = vdotq_laneq_s32(acc[i][kVector], b1, a[i], kFirst + 1);
    }
  }
}

template <int kRows, int kSteps, class Output>
void register_tile(const GemmTile& tile, size_t first, const Output& output) {
  int32x4_t acc[kRows][kVectors];
  OCTAVO_UNROLL for (int j = 0; j < kVectors; ++j) {
    const int32x4_t init = vld1q_s32(panel_bias(tile.panel) + (size_t)j * kLanes);
    OCTAVO_UNROLL for (int i = 0; i < kRows; ++i) acc[i][j] = init;
  }
  const int8_t* b = panel_weights(tile.panel, kNr);
  const uint8_t* const* rows = tile.a + first;
  for (size_t s = 0; s < tile.segments; ++s, rows += tile.rows, b += kSteps * kNr * kKr) {
    int8x16_t a[kRows];
    OCTAVO_UNROLL for (int i = 0; i < kRows; ++i) a[i] = shifted(vld1q_u8(rows[i]));
    add_columns<0, kSteps>(a, b, acc);
    add_columns<1, kSteps>(a, b, acc);
    add_columns<2, kSteps>(a, b, acc);
    add_columns<3, kSteps>(a, b, acc);
  }
  OCTAVO_UNROLL for (int i = 0; i < kRows; ++i) {
    output.template store<kVectors>(acc[i], first + (size_t)i, 0, kNr);
  }
}

template <int kSteps, class Output>
OCTAVO_INLINE void run_rows(const GemmTile& tile, const Output& output) {
  using Run = void(const GemmTile&, size_t, const Output&);
  static Run* const kRuns[kMostRows] = {register_tile<1, kSteps>, register_tile<2, kSteps>,
                                        register_tile<3, kSteps>, register_tile<4, kSteps>};
  for (size_t first = 0; first < tile.rows; first += kMostRows) {
    const size_t left = tile.rows - first;
    kRuns[(left < kMostRows ? left : kMostRows) - 1](tile, first, output);
  }
}

template <class Output>
OCTAVO_INLINE void run_tile(const GemmTile& tile, const Output& output) {
  if (tile.segment_k == 4) return run_rows<1>(tile, output);
  run_rows<2>(tile, output);
}

}  // namespace

void grouped_u8s8_s32_16x16x4_neondot(const GemmTile& tile, int32_t* c, size_t ldc) {
  run_tile(tile, S32Output{c, ldc});
}

void grouped_u8s8_u8_16x16x4_neondot(const GemmTile& tile, const Requant& requant,
                                     const Residual& residual, uint8_t* c, size_t ldc) {
  const float* multiplier = panel_multiplier(tile.panel, kNr, tile.segments, tile.segment_k);
  run_tile(tile, U8Output(c, ldc, multiplier, requant, residual));
}

}  // namespace octavo
