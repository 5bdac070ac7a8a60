// Changes of representation: float <-> u8, int32 -> u8, u8 -> u8; the formulas are in contract.h.
// 64 elements a step, masked 16s at the end. quantize is bound by vdivps, the others by memory.
#include "kernels/avx512vnni/epilogue.h"
#include "kernels/avx512vnni/kernels.h"
#include "kernels/avx512vnni/stream.h"

namespace octavo {

void quantize_u8_avx512vnni(const float* x, size_t n, float scale, const Requant& requant,
                            uint8_t* y) {
  const __m512 divisor = _mm512_set1_ps(scale);
  requantize_stream(n, broadcast_requant(requant), y, [&](size_t i, __mmask16 mask) {
    return _mm512_div_ps(_mm512_maskz_loadu_ps(mask, x + i), divisor);
  });
}

void dequantize_u8_avx512vnni(const uint8_t* x, size_t n, float scale, int32_t zero_point,
                              float* y) {
  const __m512 multiplier = _mm512_set1_ps(scale);
  const __m512i zero = _mm512_set1_epi32(zero_point);
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 mask = first_lanes(n - i);
    const __m512 centered = centered_f32(_mm_maskz_loadu_epi8(mask, x + i), zero);
    _mm512_mask_storeu_ps(y + i, mask, _mm512_mul_ps(centered, multiplier));
  }
}

void requantize_u8_avx512vnni(const uint8_t* x, size_t ldx, size_t rows, size_t cols,
                              int32_t x_zero_point, float multiplier, const Requant& requant,
                              uint8_t* y, size_t ldy) {
  const ByteRequant requant_v = broadcast_byte_requant(requant, 255.0f * multiplier);
  const __m512 offset = spread_offset(x_zero_point), scale = _mm512_set1_ps(multiplier);
  for (size_t i = 0; i < rows; ++i, x += ldx, y += ldy) {
    requantize_bytes(cols, requant_v, y, [&](const auto& load, __m512(&v)[4]) {
      spread_f32(load(x), offset, v);
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) v[k] = _mm512_mul_ps(v[k], scale);
    });
  }
}

void requantize_s32_avx512vnni(const int32_t* acc, size_t ld_acc, size_t rows, size_t cols,
                               const float* multiplier, const Requant& requant,
                               const Residual& residual, uint8_t* c, size_t ldc) {
  const RequantVectors requant_v = broadcast_requant(requant);
  const ResidualVectors residual_v = broadcast_residual(residual);
  for (size_t i = 0; i < rows; ++i, acc += ld_acc, c += ldc) {
    const auto scaled = [&](size_t j, __mmask16 mask) {
      return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(mask, acc + j)),
                           _mm512_maskz_loadu_ps(mask, multiplier + j));
    };
    if (residual.rows == nullptr) {
      requantize_stream(cols, requant_v, c, scaled);
      continue;
    }
    const uint8_t* r = residual.rows + i * residual.ld;
    requantize_stream(cols, requant_v, c, [&](size_t j, __mmask16 mask) {
      return add_residual(scaled(j, mask), _mm_maskz_loadu_epi8(mask, r + j), residual_v);
    });
  }
}

}  // namespace octavo
