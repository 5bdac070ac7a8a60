// The last step of every kernel that ends in bytes; part of contract.h.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace octavo {

// How a real value in output steps becomes a byte:  q = rne(min(max(v, lo), hi)) + zero_point.
// lo and hi are integers (qmin - zero_point, qmax - zero_point) held as float, so clamping
// before rounding equals clamping after it, and the conversion cannot overflow.
struct Requant {
  float lo;
  float hi;
  int32_t zero_point;
};

// A u8 tensor added before the clamp:  v = fma(float(r - zero_point), multiplier, v).
// rows[i * ld + j] belongs to output row i, column j; rows == nullptr means no residual.
struct Residual {
  const uint8_t* rows;
  size_t ld;
  float multiplier;
  int32_t zero_point;
};

}  // namespace octavo
