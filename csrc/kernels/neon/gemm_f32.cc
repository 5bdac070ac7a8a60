// Float GEMM, the fallback for layers that are not quantized:
//
//   acc[i][j] = bias[j];  acc[i][j] = fma(a[s][i][k], b[s][k][j], acc[i][j])  over s, then k
//   c[i][j] = min(max(acc[i][j], lo), hi)
//
// One fused step per k in this order, so that every ISA returns the same bits. Four k of a row are
// loaded together, fmla takes them lane by lane; the last 1..3 of a segment are broadcast.
// Registers: 8 x 2 accumulators, 8 of A, 2 of B: 26 of 32. A panel is always 8 wide in memory, so B
// has no tail.
#include "kernels/neon/epilogue.h"
#include "kernels/neon/kernels.h"

namespace octavo {
namespace {

constexpr size_t kMr = kGemmF32MrNeon;
constexpr size_t kNr = kGemmF32NrNeon;
constexpr size_t kLanes = 4;

template <size_t kRows>
struct Sums {
  float32x4_t acc[kRows][2];

  // One k: that of lane kLane of A.
  template <int kLane>
  OCTAVO_INLINE_MEMBER void add(const float32x4_t (&a)[kRows], const float* b) {
    const float32x4_t b0 = vld1q_f32(b), b1 = vld1q_f32(b + kLanes);
    OCTAVO_UNROLL for (size_t i = 0; i < kRows; ++i) {
      acc[i][0] = vfmaq_laneq_f32(acc[i][0], b0, a[i], kLane);
      acc[i][1] = vfmaq_laneq_f32(acc[i][1], b1, a[i], kLane);
    }
  }
};

template <size_t kRows>
void run_rows(const GemmF32Tile& tile, float* c, size_t ldc) {
  Sums<kRows> sums;
  OCTAVO_UNROLL for (size_t i = 0; i < kRows; ++i) {
    sums.acc[i][0] = vld1q_f32(tile.panel);
    sums.acc[i][1] = vld1q_f32(tile.panel + kLanes);
  }
  const float* b = tile.panel + kNr;
  for (size_t s = 0; s < tile.segments; ++s) {
    const float* const* rows = tile.a + s * kRows;
    float32x4_t a[kRows];
    size_t k = 0;
    for (; k + kLanes <= tile.segment_k; k += kLanes, b += kLanes * kNr) {
      OCTAVO_UNROLL for (size_t i = 0; i < kRows; ++i) a[i] = vld1q_f32(rows[i] + k);
      sums.template add<0>(a, b);
      sums.template add<1>(a, b + kNr);
      sums.template add<2>(a, b + 2 * kNr);
      sums.template add<3>(a, b + 3 * kNr);
    }
    for (; k < tile.segment_k; ++k, b += kNr) {
      OCTAVO_UNROLL for (size_t i = 0; i < kRows; ++i) a[i] = vld1q_dup_f32(rows[i] + k);
      sums.template add<0>(a, b);
    }
  }
  const float32x4_t lo = vdupq_n_f32(tile.lo), hi = vdupq_n_f32(tile.hi);
  const size_t low = tile.cols < kLanes ? tile.cols : kLanes;
  OCTAVO_UNROLL for (size_t i = 0; i < kRows; ++i, c += ldc) {
    store_f32x4(c, clamp_f32(sums.acc[i][0], lo, hi), low);
    store_f32x4(c + low, clamp_f32(sums.acc[i][1], lo, hi), tile.cols - low);
  }
}

GemmF32Fn* const kRunRows[kMr] = {run_rows<1>, run_rows<2>, run_rows<3>, run_rows<4>,
                                  run_rows<5>, run_rows<6>, run_rows<7>, run_rows<8>};

}  // namespace

void gemm_f32_8x8_neon(const GemmF32Tile& tile, float* c, size_t ldc) {
  kRunRows[tile.rows - 1](tile, c, ldc);
}

}  // namespace octavo
