// Product of two u8 tensors:
//
//   y[i][j] from v = float((a[i][j] - a_zero_point) * (b[j] - b_zero_point)) * multiplier, Requant
//
// Both differences are below 2^8, so their product is exact in float.
#include "kernels/avx2/epilogue.h"
#include "kernels/avx2/kernels.h"
#include "kernels/avx2/stream.h"

namespace octavo {
namespace {

struct Products {
  const uint8_t* a;
  const uint8_t* b;
  __m256i a_zero_point;
  __m256i b_zero_point;
  __m256 a_offset;
  __m256 b_offset;
  __m256 multiplier;

  OCTAVO_INLINE_MEMBER __m256 product(__m128i a_u8x8, __m128i b_u8x8) const {
    const __m256 exact =
        _mm256_mul_ps(centered_f32(a_u8x8, a_zero_point), centered_f32(b_u8x8, b_zero_point));
    return _mm256_mul_ps(exact, multiplier);
  }
  OCTAVO_INLINE_MEMBER void spread(size_t j, __m256 (&v)[4]) const {
    __m256 vb[4];
    spread_f32(a + j, a_offset, v);
    spread_f32(b + j, b_offset, vb);
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) v[k] = _mm256_mul_ps(_mm256_mul_ps(v[k], vb[k]), multiplier);
  }
  OCTAVO_INLINE_MEMBER __m256 full(size_t j) const {
    return product(load_full_u8x8(a + j), load_full_u8x8(b + j));
  }
  OCTAVO_INLINE_MEMBER __m256 part(size_t j, size_t left) const {
    return product(load_u8x8(a + j, left), load_u8x8(b + j, left));
  }
};

}  // namespace

void mul_u8_avx2(const MulTile& tile, const Requant& requant, uint8_t* y) {
  const ByteRequant requant_v = broadcast_byte_requant(requant, 0x1p16f * tile.multiplier);
  Products values = {tile.a,
                     tile.b,
                     _mm256_set1_epi32(tile.a_zero_point),
                     _mm256_set1_epi32(tile.b_zero_point),
                     spread_offset(tile.a_zero_point),
                     spread_offset(tile.b_zero_point),
                     _mm256_set1_ps(tile.multiplier)};
  for (size_t i = 0; i < tile.rows; ++i) {
    requantize_bytes(tile.cols, requant_v, y + i * tile.ld, values);
    values.a += tile.ld;
  }
}

}  // namespace octavo
