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
  const ByteRequant requant_v = broadcast_byte_requant(requant, 0x1p16f * tile.multiplier);
  const __m512 a_offset = spread_offset(tile.a_zero_point);
  const __m512 b_offset = spread_offset(tile.b_zero_point);
  const __m512 multiplier = _mm512_set1_ps(tile.multiplier);
  for (size_t i = 0; i < tile.rows; ++i) {
    const uint8_t* a = tile.a + i * tile.ld;
    requantize_bytes(tile.cols, requant_v, y + i * tile.ld, [&](const auto& load, __m512(&v)[4]) {
      __m512 vb[4];
      spread_f32(load(a), a_offset, v);
      spread_f32(load(tile.b), b_offset, vb);
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        v[k] = _mm512_mul_ps(_mm512_mul_ps(v[k], vb[k]), multiplier);
      }
    });
  }
}

}  // namespace octavo
