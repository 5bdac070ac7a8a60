// Changes of representation: float <-> u8, int32 -> u8, u8 -> u8; the formulas are in contract.h.
// 16 elements a step.
//
// From bytes to bytes a table of 256 entries says everything, and looking 16 bytes up takes 10
// cycles on Neoverse N1 where computing them takes 16 (18 and 44 on Cortex-A55; llvm-mca): from
// some length on it pays to compute the table first.
#include "kernels/neon/epilogue.h"
#include "kernels/neon/kernels.h"
#include "kernels/neon/stream.h"

namespace octavo {
namespace {

constexpr size_t kTableElements = 2048;  // N1 breaks even at 700

struct Quotients {
  const float* x;
  float32x4_t divisor;

  OCTAVO_INLINE_MEMBER void divide(float32x4_t (&v)[4]) const {
    OCTAVO_UNROLL for (int k = 0; k < 4; ++k) v[k] = vdivq_f32(v[k], divisor);
  }
  OCTAVO_INLINE_MEMBER void full(size_t i, float32x4_t (&v)[4]) const {
    load_f32x16(x + i, v);
    divide(v);
  }
  OCTAVO_INLINE_MEMBER void part(size_t n, float32x4_t (&v)[4]) const {
    load_f32x16(x, n, v);
    divide(v);
  }
};

struct ScaledBytes {
  const uint8_t* x;
  float32x4_t offset;
  float32x4_t multiplier;

  OCTAVO_INLINE_MEMBER void scale(uint8x16_t x_u8, float32x4_t (&v)[4]) const {
    centered_f32(x_u8, offset, v);
    OCTAVO_UNROLL for (int k = 0; k < 4; ++k) v[k] = vmulq_f32(v[k], multiplier);
  }
  OCTAVO_INLINE_MEMBER void full(size_t i, float32x4_t (&v)[4]) const { scale(vld1q_u8(x + i), v); }
  OCTAVO_INLINE_MEMBER void part(size_t n, float32x4_t (&v)[4]) const {
    scale(load_u8x16(x, n), v);
  }
};

struct ScaledSums {
  const int32_t* acc;
  const float* multiplier;

  // v holds the multipliers.
  OCTAVO_INLINE_MEMBER static void scale(const int32_t* sums, float32x4_t (&v)[4]) {
    OCTAVO_UNROLL for (int k = 0; k < 4; ++k) {
      v[k] = vmulq_f32(vcvtq_f32_s32(vld1q_s32(sums + 4 * k)), v[k]);
    }
  }
  OCTAVO_INLINE_MEMBER void full(size_t i, float32x4_t (&v)[4]) const {
    load_f32x16(multiplier + i, v);
    scale(acc + i, v);
  }
  OCTAVO_INLINE_MEMBER void part(size_t n, float32x4_t (&v)[4]) const {
    int32_t sums[16] = {};
    memcpy(sums, acc, n * sizeof(int32_t));
    load_f32x16(multiplier, n, v);
    scale(sums, v);
  }
};

struct ScaledSumsPlusResidual {
  ScaledSums sums;
  const uint8_t* r;
  ResidualVectors residual;

  OCTAVO_INLINE_MEMBER void full(size_t i, float32x4_t (&v)[4]) const {
    sums.full(i, v);
    add_residual(v, vld1q_u8(r + i), residual);
  }
  OCTAVO_INLINE_MEMBER void part(size_t n, float32x4_t (&v)[4]) const {
    sums.part(n, v);
    add_residual(v, load_u8x16(r, n), residual);
  }
};

OCTAVO_INLINE void store_f32x16(float* y, const float32x4_t (&v)[4]) {
  OCTAVO_UNROLL for (size_t k = 0; k < 4; ++k) vst1q_f32(y + 4 * k, v[k]);
}

}  // namespace

void quantize_u8_neon(const float* x, size_t n, float scale, const Requant& requant, uint8_t* y) {
  requantize_stream(n, broadcast_requant(requant), y, Quotients{x, vdupq_n_f32(scale)});
}

void dequantize_u8_neon(const uint8_t* x, size_t n, float scale, int32_t zero_point, float* y) {
  const ScaledBytes values{x, centered_offset(zero_point), vdupq_n_f32(scale)};
  float32x4_t v[4];
  if (n < 16) {
    if (n == 0) return;
    float sixteen[16];
    values.part(n, v);
    store_f32x16(sixteen, v);
    memcpy(y, sixteen, n * sizeof(float));
    return;
  }
  for_blocks<16>(n, [&](size_t i) OCTAVO_INLINE_LAMBDA {
    values.full(i, v);
    store_f32x16(y + i, v);
  });
}

void requantize_u8_neon(const uint8_t* x, size_t ldx, size_t rows, size_t cols,
                        int32_t x_zero_point, float multiplier, const Requant& requant, uint8_t* y,
                        size_t ldy) {
  const RequantVectors requant_v = broadcast_requant(requant);
  ScaledBytes values{x, centered_offset(x_zero_point), vdupq_n_f32(multiplier)};
  if (rows * cols >= kTableElements) {
    uint8_t table[256];
    for (int i = 0; i < 256; ++i) table[i] = (uint8_t)i;
    values.x = table;
    requantize_stream(256, requant_v, table, values);
    for (size_t i = 0; i < rows; ++i) lookup_u8_neon(x + i * ldx, cols, table, y + i * ldy);
    return;
  }
  for (size_t i = 0; i < rows; ++i, y += ldy) {
    requantize_stream(cols, requant_v, y, values);
    values.x += ldx;
  }
}

void requantize_s32_neon(const int32_t* acc, size_t ld_acc, size_t rows, size_t cols,
                         const float* multiplier, const Requant& requant, const Residual& residual,
                         uint8_t* c, size_t ldc) {
  const RequantVectors requant_v = broadcast_requant(requant);
  const ResidualVectors residual_v = broadcast_residual(residual);
  for (size_t i = 0; i < rows; ++i, acc += ld_acc, c += ldc) {
    const ScaledSums sums{acc, multiplier};
    if (residual.rows == nullptr) {
      requantize_stream(cols, requant_v, c, sums);
    } else {
      const uint8_t* r = residual.rows + i * residual.ld;
      requantize_stream(cols, requant_v, c, ScaledSumsPlusResidual{sums, r, residual_v});
    }
  }
}

}  // namespace octavo
