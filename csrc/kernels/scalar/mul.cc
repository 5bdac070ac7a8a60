// Product of two u8 tensors:
//
//   y[i][j] from v = float((a[i][j] - a_zero_point) * (b[j] - b_zero_point)) * multiplier, Requant
#include "kernels/scalar/epilogue.h"
#include "kernels/scalar/kernels.h"

namespace octavo {

void mul_u8_scalar(const MulTile& tile, const Requant& requant, uint8_t* y) {
  for (size_t i = 0; i < tile.rows; ++i) {
    const uint8_t* a = tile.a + i * tile.ld;
    for (size_t j = 0; j < tile.cols; ++j) {
      const int32_t product = (a[j] - tile.a_zero_point) * (tile.b[j] - tile.b_zero_point);
      y[i * tile.ld + j] = requantize_one((float)product * tile.multiplier, requant);
    }
  }
}

}  // namespace octavo
