// Pooling over row pointers (one row per pixel of the window, `channels` bytes each): the maximum,
// and the int32 sum from which an average is requantized.
#include "kernels/scalar/kernels.h"

namespace octavo {

void max_u8_scalar(const uint8_t* const* rows, size_t count, size_t channels, uint8_t* y) {
  for (size_t ch = 0; ch < channels; ++ch) {
    uint8_t max = rows[0][ch];
    for (size_t r = 1; r < count; ++r) max = rows[r][ch] > max ? rows[r][ch] : max;
    y[ch] = max;
  }
}

void sum_u8_scalar(const uint8_t* const* rows, size_t count, size_t channels, int32_t init,
                   int32_t* y) {
  for (size_t ch = 0; ch < channels; ++ch) {
    uint32_t sum = (uint32_t)init;  // unsigned: wrap-around is defined
    for (size_t r = 0; r < count; ++r) sum += rows[r][ch];
    y[ch] = (int32_t)sum;
  }
}

}  // namespace octavo
