// Changes of representation: float <-> u8, int32 -> u8, u8 -> u8; the formulas are in contract.h.
// 32 elements a step, then 8, then one partial vector. quantize is bound by vdivps, the others by
// memory.
#include "kernels/avx2/epilogue.h"
#include "kernels/avx2/kernels.h"
#include "kernels/avx2/stream.h"

namespace octavo {
namespace {

struct Quotients {
  const float* x;
  __m256 divisor;

  OCTAVO_INLINE_MEMBER __m256 full(size_t i) const {
    return _mm256_div_ps(_mm256_loadu_ps(x + i), divisor);
  }
  OCTAVO_INLINE_MEMBER __m256 part(size_t i, size_t left) const {
    return _mm256_div_ps(_mm256_maskload_ps(x + i, first_lanes(left)), divisor);
  }
};

struct ScaledBytes {
  const uint8_t* x;
  __m256i zero_point;
  __m256 offset;
  __m256 multiplier;

  OCTAVO_INLINE_MEMBER void spread(size_t i, __m256 (&v)[4]) const {
    spread_f32(x + i, offset, v);
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) v[k] = _mm256_mul_ps(v[k], multiplier);
  }
  OCTAVO_INLINE_MEMBER __m256 scale(__m128i x_u8x8) const {
    return _mm256_mul_ps(centered_f32(x_u8x8, zero_point), multiplier);
  }
  OCTAVO_INLINE_MEMBER __m256 full(size_t i) const { return scale(load_full_u8x8(x + i)); }
  OCTAVO_INLINE_MEMBER __m256 part(size_t i, size_t left) const {
    return scale(load_u8x8(x + i, left));
  }
};

struct ScaledSums {
  const int32_t* acc;
  const float* multiplier;

  OCTAVO_INLINE_MEMBER __m256 full(size_t i) const {
    const __m256i sums = _mm256_loadu_si256((const __m256i*)(acc + i));
    return _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_loadu_ps(multiplier + i));
  }
  OCTAVO_INLINE_MEMBER __m256 part(size_t i, size_t left) const {
    const __m256i mask = first_lanes(left);
    const __m256i sums = _mm256_maskload_epi32(acc + i, mask);
    return _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_maskload_ps(multiplier + i, mask));
  }
};

struct ScaledSumsPlusResidual {
  ScaledSums sums;
  const uint8_t* r;
  ResidualVectors residual;

  OCTAVO_INLINE_MEMBER __m256 full(size_t i) const {
    return add_residual(sums.full(i), load_full_u8x8(r + i), residual);
  }
  OCTAVO_INLINE_MEMBER __m256 part(size_t i, size_t left) const {
    return add_residual(sums.part(i, left), load_u8x8(r + i, left), residual);
  }
};

}  // namespace

void quantize_u8_avx2(const float* x, size_t n, float scale, const Requant& requant, uint8_t* y) {
  requantize_stream(n, broadcast_requant(requant), y, Quotients{x, _mm256_set1_ps(scale)});
}

void dequantize_u8_avx2(const uint8_t* x, size_t n, float scale, int32_t zero_point, float* y) {
  const ScaledBytes values{x, _mm256_set1_epi32(zero_point), spread_offset(zero_point),
                           _mm256_set1_ps(scale)};
  size_t i = 0;
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(y + i, values.full(i));
  if (i < n) _mm256_maskstore_ps(y + i, first_lanes(n - i), values.part(i, n - i));
}

void requantize_u8_avx2(const uint8_t* x, size_t ldx, size_t rows, size_t cols,
                        int32_t x_zero_point, float multiplier, const Requant& requant, uint8_t* y,
                        size_t ldy) {
  const ByteRequant requant_v = broadcast_byte_requant(requant, 255.0f * multiplier);
  for (size_t i = 0; i < rows; ++i, x += ldx, y += ldy) {
    const ScaledBytes values{x, _mm256_set1_epi32(x_zero_point), spread_offset(x_zero_point),
                             _mm256_set1_ps(multiplier)};
    requantize_bytes(cols, requant_v, y, values);
  }
}

void requantize_s32_avx2(const int32_t* acc, size_t ld_acc, size_t rows, size_t cols,
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
