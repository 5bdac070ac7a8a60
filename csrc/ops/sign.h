// The edge between s8 tensors and the u8 ones used inside: q_u8 = q_s8 + 128, a flip of one bit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/quant.h"

namespace octavo {

inline constexpr int32_t kSignShift = 128;

// y[i] = x[i] ^ 0x80, either direction; x == y is allowed.
void flip_sign(const uint8_t* x, size_t n, uint8_t* y);

// Zero points and ranges of an s8 tensor, said for the u8 one.
inline int32_t shifted_zero_point(int32_t zero_point, bool is_signed) {
  return is_signed ? zero_point + kSignShift : zero_point;
}
inline QuantRange shifted_range(const QuantRange& range, bool is_signed) {
  const int32_t shift = is_signed ? kSignShift : 0;
  return {range.zero_point + shift, range.qmin + shift, range.qmax + shift};
}

}  // namespace octavo
