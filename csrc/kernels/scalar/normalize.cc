// The two halves of layer normalization: exact sums of a row, and the row scaled and shifted.
#include <math.h>

#include "kernels/scalar/epilogue.h"
#include "kernels/scalar/kernels.h"

namespace octavo {

void moments_u8_scalar(const uint8_t* x, size_t n, Moments* moments) {
  uint64_t sum = 0, squares = 0;
  for (size_t i = 0; i < n; ++i) {
    sum += x[i];
    squares += (uint32_t)x[i] * x[i];
  }
  moments->sum = sum;
  moments->squares = squares;
}

void normalize_u8_scalar(const uint8_t* x, size_t n, int32_t sum, float scale, const float* gamma,
                         const float* beta, const Requant& requant, uint8_t* y) {
  for (size_t j = 0; j < n; ++j) {
    const float centered = (float)((int32_t)n * x[j] - sum);
    y[j] = requantize_one(fmaf(centered * scale, gamma[j], beta[j]), requant);
  }
}

}  // namespace octavo
