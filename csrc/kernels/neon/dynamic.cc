// Quantization at run time: the range of a tensor, and int32 sums back to float; the formulas are
// in contract_elementwise.h. Range keeps four pairs of extremes so that the latency of a
// comparison and a selection does not show.
//
//   fcmgt, bsl   where x is NaN the comparison fails and the extreme stays; fminnm would lose it
//                to a signalling NaN
//   mls          wraps around
#include "kernels/neon/epilogue.h"
#include "kernels/neon/kernels.h"

namespace octavo {
namespace {

OCTAVO_INLINE float32x4_t smaller(float32x4_t x, float32x4_t low) {
  return vbslq_f32(vcltq_f32(x, low), x, low);
}

OCTAVO_INLINE float32x4_t larger(float32x4_t x, float32x4_t high) {
  return vbslq_f32(vcgtq_f32(x, high), x, high);
}

// Four columns.
struct Columns {
  float32x4_t scale;
  int32x4_t zero;
  float32x4_t lo;
  float32x4_t hi;

  OCTAVO_INLINE_MEMBER float32x4_t real(int32x4_t acc, int32x4_t weight_sum,
                                        float32x4_t weight_scale, float32x4_t bias) const {
    const int32x4_t a = vmlsq_s32(acc, zero, weight_sum);
    const float32x4_t product = vmulq_f32(vcvtq_f32_s32(a), vmulq_f32(scale, weight_scale));
    return clamp_f32(vaddq_f32(product, bias), lo, hi);
  }
};

}  // namespace

void range_f32_neon(const float* x, size_t n, float* lo, float* hi) {
  float32x4_t low[4], high[4];
  OCTAVO_UNROLL for (int k = 0; k < 4; ++k) low[k] = high[k] = vdupq_n_f32(0.0f);
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    OCTAVO_UNROLL for (size_t k = 0; k < 4; ++k) {
      const float32x4_t v = vld1q_f32(x + i + 4 * k);
      low[k] = smaller(v, low[k]);
      high[k] = larger(v, high[k]);
    }
  }
  for (; i < n; i += 4) {  // missing lanes are 0, which is always in the range
    const float32x4_t v = load_f32x4(x + i, n - i < 4 ? n - i : 4);
    low[0] = smaller(v, low[0]);
    high[0] = larger(v, high[0]);
  }
  OCTAVO_UNROLL for (int k = 1; k < 4; ++k) {
    low[0] = smaller(low[k], low[0]);
    high[0] = larger(high[k], high[0]);
  }
  *lo = vminvq_f32(low[0]);
  *hi = vmaxvq_f32(high[0]);
}

void dequantize_s32_neon(const DynamicTile& tile, float* y, size_t ldy) {
  Columns columns = {};
  columns.lo = vdupq_n_f32(tile.lo);
  columns.hi = vdupq_n_f32(tile.hi);
  for (size_t i = 0; i < tile.rows; ++i, y += ldy) {
    const int32_t* acc = tile.acc + i * tile.ld;
    columns.scale = vdupq_n_f32(tile.params[i * tile.step]);
    columns.zero = vdupq_n_s32((int32_t)tile.params[i * tile.step + 1]);
    size_t j = 0;
    for (; j + 4 <= tile.cols; j += 4) {
      vst1q_f32(y + j, columns.real(vld1q_s32(acc + j), vld1q_s32(tile.weight_sum + j),
                                    vld1q_f32(tile.weight_scale + j), vld1q_f32(tile.bias + j)));
    }
    if (j == tile.cols) continue;
    const size_t left = tile.cols - j;
    const float32x4_t v =
        columns.real(load_s32x4(acc + j, left), load_s32x4(tile.weight_sum + j, left),
                     load_f32x4(tile.weight_scale + j, left), load_f32x4(tile.bias + j, left));
    store_f32x4(y + j, v, left);
  }
}

}  // namespace octavo
