// Sum of two u8 tensors with their own scales and zero points:
//
//   y[i] from v = fma(float(b[i] - b_zero_point), b_multiplier,
//                     float(a[i] - a_zero_point) * a_multiplier), Requant
#include "kernels/neon/epilogue.h"
#include "kernels/neon/kernels.h"
#include "kernels/neon/stream.h"

namespace octavo {
namespace {

struct WeightedSums {
  const uint8_t* a;
  const uint8_t* b;
  float32x4_t a_offset;
  float32x4_t a_multiplier;
  ResidualVectors b_vectors;

  OCTAVO_INLINE_MEMBER void sum(uint8x16_t a_u8, uint8x16_t b_u8, float32x4_t (&v)[4]) const {
    centered_f32(a_u8, a_offset, v);
    OCTAVO_UNROLL for (int k = 0; k < 4; ++k) v[k] = vmulq_f32(v[k], a_multiplier);
    add_residual(v, b_u8, b_vectors);
  }
  OCTAVO_INLINE_MEMBER void full(size_t i, float32x4_t (&v)[4]) const {
    sum(vld1q_u8(a + i), vld1q_u8(b + i), v);
  }
  OCTAVO_INLINE_MEMBER void part(size_t n, float32x4_t (&v)[4]) const {
    sum(load_u8x16(a, n), load_u8x16(b, n), v);
  }
};

}  // namespace

void add_u8_neon(const AddOperand& a, const AddOperand& b, size_t n, const Requant& requant,
                 uint8_t* y) {
  requantize_stream(n, broadcast_requant(requant), y,
                    WeightedSums{a.x,
                                 b.x,
                                 centered_offset(a.zero_point),
                                 vdupq_n_f32(a.multiplier),
                                 {vdupq_n_f32(b.multiplier), centered_offset(b.zero_point)}});
}

}  // namespace octavo
