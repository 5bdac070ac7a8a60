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
  const uint8_t* xa = a.x;
  const uint8_t* xb = b.x;
  const __m512i a_zero = _mm512_set1_epi32(a.zero_point);
  const __m512i b_zero = _mm512_set1_epi32(b.zero_point);
  const __m512 a_multiplier = _mm512_set1_ps(a.multiplier);
  const __m512 b_multiplier = _mm512_set1_ps(b.multiplier);
  requantize_stream(n, broadcast_requant(requant), y, [&](size_t i, __mmask16 mask) {
    const __m512 va = centered_f32(_mm_maskz_loadu_epi8(mask, xa + i), a_zero);
    const __m512 vb = centered_f32(_mm_maskz_loadu_epi8(mask, xb + i), b_zero);
    return _mm512_fmadd_ps(vb, b_multiplier, _mm512_mul_ps(va, a_multiplier));
  });
}

}  // namespace octavo
