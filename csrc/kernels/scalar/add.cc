// Sum of two u8 tensors with their own scales and zero points:
//
//   y[i] from v = fma(float(b[i] - b_zero_point), b_multiplier,
//                     float(a[i] - a_zero_point) * a_multiplier), Requant
#include <math.h>

#include "kernels/scalar/epilogue.h"
#include "kernels/scalar/kernels.h"

namespace octavo {

void add_u8_scalar(const AddOperand& a, const AddOperand& b, size_t n, const Requant& requant,
                   uint8_t* y) {
  for (size_t i = 0; i < n; ++i) {
    const float scaled_a = centered_f32(a.x[i], a.zero_point) * a.multiplier;
    const float v = fmaf(centered_f32(b.x[i], b.zero_point), b.multiplier, scaled_a);
    y[i] = requantize_one(v, requant);
  }
}

}  // namespace octavo
