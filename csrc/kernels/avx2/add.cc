// Sum of two u8 tensors with their own scales and zero points:
//
//   y[i] from v = fma(float(b[i] - b_zero_point), b_multiplier,
//                     float(a[i] - a_zero_point) * a_multiplier), Requant
#include "kernels/avx2/epilogue.h"
#include "kernels/avx2/kernels.h"
#include "kernels/avx2/stream.h"

namespace octavo {
namespace {

struct WeightedSums {
  const uint8_t* a;
  const uint8_t* b;
  __m256i a_zero_point;
  __m256i b_zero_point;
  __m256 a_offset;
  __m256 b_offset;
  __m256 a_multiplier;
  __m256 b_multiplier;

  OCTAVO_INLINE_MEMBER __m256 sum(__m128i a_u8x8, __m128i b_u8x8) const {
    const __m256 scaled_a = _mm256_mul_ps(centered_f32(a_u8x8, a_zero_point), a_multiplier);
    return _mm256_fmadd_ps(centered_f32(b_u8x8, b_zero_point), b_multiplier, scaled_a);
  }
  OCTAVO_INLINE_MEMBER void spread(size_t i, __m256 (&v)[4]) const {
    __m256 vb[4];
    spread_f32(a + i, a_offset, v);
    spread_f32(b + i, b_offset, vb);
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      v[k] = _mm256_fmadd_ps(vb[k], b_multiplier, _mm256_mul_ps(v[k], a_multiplier));
    }
  }
  OCTAVO_INLINE_MEMBER __m256 full(size_t i) const {
    return sum(load_full_u8x8(a + i), load_full_u8x8(b + i));
  }
  OCTAVO_INLINE_MEMBER __m256 part(size_t i, size_t left) const {
    return sum(load_u8x8(a + i, left), load_u8x8(b + i, left));
  }
};

}  // namespace

void add_u8_avx2(const AddOperand& a, const AddOperand& b, size_t n, const Requant& requant,
                 uint8_t* y) {
  const WeightedSums values{a.x,
                            b.x,
                            _mm256_set1_epi32(a.zero_point),
                            _mm256_set1_epi32(b.zero_point),
                            spread_offset(a.zero_point),
                            spread_offset(b.zero_point),
                            _mm256_set1_ps(a.multiplier),
                            _mm256_set1_ps(b.multiplier)};
  const float most = 255.0f * a.multiplier + 255.0f * b.multiplier;
  requantize_bytes(n, broadcast_byte_requant(requant, most), y, values);
}

}  // namespace octavo
