// Quantization at run time: the range of a tensor, and int32 sums back to float. The formulas of
// contract_elementwise.h, written as they are there.
#include "kernels/scalar/kernels.h"

namespace octavo {

void range_f32_scalar(const float* x, size_t n, float* lo, float* hi) {
  float smallest = 0.0f, largest = 0.0f;
  for (size_t i = 0; i < n; ++i) {
    if (x[i] < smallest) smallest = x[i];
    if (x[i] > largest) largest = x[i];
  }
  *lo = smallest;
  *hi = largest;
}

void dequantize_s32_scalar(const DynamicTile& tile, float* y, size_t ldy) {
  for (size_t i = 0; i < tile.rows; ++i) {
    const float scale = tile.params[i * tile.step];
    const uint32_t zero_point = (uint32_t)tile.params[i * tile.step + 1];
    for (size_t j = 0; j < tile.cols; ++j) {
      const uint32_t shift = zero_point * (uint32_t)tile.weight_sum[j];
      const int32_t a = (int32_t)((uint32_t)tile.acc[i * tile.ld + j] - shift);
      const float product = (float)a * (scale * tile.weight_scale[j]);
      const float v = product + tile.bias[j];
      const float raised = v < tile.lo ? tile.lo : v;
      y[i * ldy + j] = tile.hi < raised ? tile.hi : raised;
    }
  }
}

}  // namespace octavo
