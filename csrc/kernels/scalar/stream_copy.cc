// Copies rows; portable C++ has no store that passes the caches.
#include <string.h>

#include "kernels/scalar/kernels.h"

namespace octavo {

void stream_copy_scalar(const uint8_t* x, size_t ldx, size_t rows, size_t bytes, uint8_t* y,
                        size_t ldy) {
  for (size_t i = 0; i < rows; ++i) memcpy(y + i * ldy, x + i * ldx, bytes);
}

void stream_fence_scalar() {}

}  // namespace octavo
