// One row of softmax; the formula is in contract.h.
#include <string.h>

#include "kernels/scalar/epilogue.h"
#include "kernels/scalar/kernels.h"

namespace octavo {
namespace {

// rne of v in 0..2^23: adding 2^23 leaves the rounded integer in the mantissa.
OCTAVO_INLINE uint32_t exponential(uint8_t distance, const ExpTable& table) {
  const float shifted = table.high[distance >> 4] * table.low[distance & 15] + 8388608.0f;
  uint32_t bits;
  memcpy(&bits, &shifted, sizeof(bits));
  return bits - 0x4B000000u;
}

}  // namespace

void softmax_u8_scalar(const uint8_t* x, size_t n, const ExpTable& table, float multiplier,
                       const Requant& requant, uint8_t* y) {
  uint8_t max = 0;
  for (size_t i = 0; i < n; ++i) max = x[i] > max ? x[i] : max;
  uint64_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += exponential((uint8_t)(max - x[i]), table);
  const float scale = multiplier / (float)(int64_t)sum;
  for (size_t i = 0; i < n; ++i) {
    const float e = (float)exponential((uint8_t)(max - x[i]), table);
    y[i] = requantize_one(e * scale, requant);
  }
}

}  // namespace octavo
