// Product of two u8 tensors:
//
//   y[i][j] from v = float((a[i][j] - a_zero_point) * (b[j] - b_zero_point)) * multiplier, Requant
//
// Both differences are below 2^8, so their product is exact in float.
#include "kernels/avx512vnni/epilogue.h"
#include "kernels/avx512vnni/kernels.h"
#include "kernels/avx512vnni/stream.h"

namespace octavo {

void mul_u8_avx512vnni(const MulTile& tile, const Requant& requant, uint8_t* y) {
  const RequantVectors requant_v = broadcast_requant(requant);
  const __m512i a_zero = _mm512_set1_epi32(tile.a_zero_point);
  const __m512i b_zero = _mm512_set1_epi32(tile.b_zero_point);
  const __m512 multiplier = _mm512_set1_ps(tile.multiplier);
  const uint8_t* b = tile.b;
  for (size_t i = 0; i < tile.rows; ++i) {
    const uint8_t* a = tile.a + i * tile.ld;
    requantize_stream(tile.cols, requant_v, y + i * tile.ld, [&](size_t j, __mmask16 mask) {
      const __m512 va = centered_f32(_mm_maskz_loadu_epi8(mask, a + j), a_zero);
      const __m512 vb = centered_f32(_mm_maskz_loadu_epi8(mask, b + j), b_zero);
      return _mm512_mul_ps(_mm512_mul_ps(va, vb), multiplier);
    });
  }
}

}  // namespace octavo
