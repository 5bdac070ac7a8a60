#include "ops/sign.h"

namespace octavo {

void flip_sign(const uint8_t* x, size_t n, uint8_t* y) {
  for (size_t i = 0; i < n; ++i) y[i] = x[i] ^ 0x80;
}

}  // namespace octavo
