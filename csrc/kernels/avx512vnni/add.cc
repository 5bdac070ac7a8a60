// Sum of two u8 tensors with their own scales and zero points:
//
//   y[i] from v = fma(float(b[i] - b_zero_point), b_multiplier,
//                     float(a[i] - a_zero_point) * a_multiplier), Requant
#include "kernels/avx512vnni/epilogue.h"
#include "kernels/avx512vnni/kernels.h"
#include "kernels/avx512vnni/stream.h"

namespace octavo {

void add_u8_avx512vnni(const AddOperand& a, const AddOperand& b, size_t n, const Requant& requant,
                       uint8_t* y) {
  const __m512 a_offset = spread_offset(a.zero_point), b_offset = spread_offset(b.zero_point);
  const __m512 a_multiplier = _mm512_set1_ps(a.multiplier);
  const __m512 b_multiplier = _mm512_set1_ps(b.multiplier);
  const float most = 255.0f * a.multiplier + 255.0f * b.multiplier;
  requantize_bytes(
      n, broadcast_byte_requant(requant, most), y, [&](const auto& load, __m512(&v)[4]) {
        __m512 vb[4];
        spread_f32(load(a.x), a_offset, v);
        spread_f32(load(b.x), b_offset, vb);
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) {
          v[k] = _mm512_fmadd_ps(vb[k], b_multiplier, _mm512_mul_ps(v[k], a_multiplier));
        }
      });
}

}  // namespace octavo
