// Changes of representation: float <-> u8, int32 -> u8, u8 -> u8. One loop per formula of
// contract.h, written as the formula.
#include "kernels/scalar/epilogue.h"
#include "kernels/scalar/kernels.h"

namespace octavo {

void quantize_u8_scalar(const float* x, size_t n, float scale, const Requant& requant, uint8_t* y) {
  for (size_t i = 0; i < n; ++i) y[i] = requantize_one(x[i] / scale, requant);
}

void dequantize_u8_scalar(const uint8_t* x, size_t n, float scale, int32_t zero_point, float* y) {
  for (size_t i = 0; i < n; ++i) y[i] = centered_f32(x[i], zero_point) * scale;
}

void requantize_u8_scalar(const uint8_t* x, size_t ldx, size_t rows, size_t cols,
                          int32_t x_zero_point, float multiplier, const Requant& requant,
                          uint8_t* y, size_t ldy) {
  for (size_t i = 0; i < rows; ++i, x += ldx, y += ldy) {
    for (size_t j = 0; j < cols; ++j) {
      y[j] = requantize_one(centered_f32(x[j], x_zero_point) * multiplier, requant);
    }
  }
}

void requantize_s32_scalar(const int32_t* acc, size_t ld_acc, size_t rows, size_t cols,
                           const float* multiplier, const Requant& requant,
                           const Residual& residual, uint8_t* c, size_t ldc) {
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < cols; ++j) {
      float v = (float)acc[i * ld_acc + j] * multiplier[j];
      if (residual.rows != nullptr) {
        v = add_residual(v, residual.rows[i * residual.ld + j], residual);
      }
      c[i * ldc + j] = requantize_one(v, requant);
    }
  }
}

}  // namespace octavo
