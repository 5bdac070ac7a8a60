// y[i] = table[x[i]].
#include "kernels/scalar/kernels.h"

namespace octavo {

void lookup_u8_scalar(const uint8_t* x, size_t n, const uint8_t* table, uint8_t* y) {
  for (size_t i = 0; i < n; ++i) y[i] = table[x[i]];
}

}  // namespace octavo
