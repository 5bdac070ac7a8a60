// Product of two u8 tensors:
//
//   y[i][j] from v = float((a[i][j] - a_zero_point) * (b[j] - b_zero_point)) * multiplier, Requant
//
//   usubl      2 an operand: differences as 16 bits, modulo 2^16
//   smull      4: exact products as 32 bits
//   scvtf      4: they are below 2^17, so exact; then fmul
#include "kernels/neon/epilogue.h"
#include "kernels/neon/kernels.h"
#include "kernels/neon/stream.h"

namespace octavo {
namespace {

struct Products {
  const uint8_t* a;
  const uint8_t* b;
  uint8x8_t a_zero_point;
  uint8x8_t b_zero_point;
  float32x4_t multiplier;

  OCTAVO_INLINE_MEMBER void eight(uint8x8_t a_u8, uint8x8_t b_u8, float32x4_t& low,
                                  float32x4_t& high) const {
    const int16x8_t a_s16 = vreinterpretq_s16_u16(vsubl_u8(a_u8, a_zero_point));
    const int16x8_t b_s16 = vreinterpretq_s16_u16(vsubl_u8(b_u8, b_zero_point));
    const int32x4_t low_s32 = vmull_s16(vget_low_s16(a_s16), vget_low_s16(b_s16));
    const int32x4_t high_s32 = vmull_high_s16(a_s16, b_s16);
    low = vmulq_f32(vcvtq_f32_s32(low_s32), multiplier);
    high = vmulq_f32(vcvtq_f32_s32(high_s32), multiplier);
  }
  OCTAVO_INLINE_MEMBER void product(uint8x16_t a_u8, uint8x16_t b_u8, float32x4_t (&v)[4]) const {
    eight(vget_low_u8(a_u8), vget_low_u8(b_u8), v[0], v[1]);
    eight(vget_high_u8(a_u8), vget_high_u8(b_u8), v[2], v[3]);
  }
  OCTAVO_INLINE_MEMBER void full(size_t j, float32x4_t (&v)[4]) const {
    product(vld1q_u8(a + j), vld1q_u8(b + j), v);
  }
  OCTAVO_INLINE_MEMBER void part(size_t n, float32x4_t (&v)[4]) const {
    product(load_u8x16(a, n), load_u8x16(b, n), v);
  }
};

}  // namespace

void mul_u8_neon(const MulTile& tile, const Requant& requant, uint8_t* y) {
  const RequantVectors requant_v = broadcast_requant(requant);
  Products values = {tile.a, tile.b, vdup_n_u8((uint8_t)tile.a_zero_point),
                     vdup_n_u8((uint8_t)tile.b_zero_point), vdupq_n_f32(tile.multiplier)};
  for (size_t i = 0; i < tile.rows; ++i) {
    requantize_stream(tile.cols, requant_v, y + i * tile.ld, values);
    values.a += tile.ld;
  }
}

}  // namespace octavo
