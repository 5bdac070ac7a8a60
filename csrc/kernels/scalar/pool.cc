// Pooling windows of NHWC rows: the maximum, and the average requantized.
#include "kernels/scalar/epilogue.h"
#include "kernels/scalar/kernels.h"

namespace octavo {

void max_u8_scalar(const PoolTile& tile, uint8_t* y) {
  for (size_t p = 0; p < tile.pixels; ++p) {
    for (size_t ch = 0; ch < tile.channels; ++ch) {
      uint8_t max = 0;
      for (size_t r = 0; r < tile.row_count; ++r) {
        for (size_t t = 0; t < tile.taps; ++t) {
          const uint8_t x = tile.rows[r][p * tile.pixel_step + t * tile.tap_step + ch];
          max = x > max ? x : max;
        }
      }
      y[p * tile.channels + ch] = max;
    }
  }
}

void avg_u8_scalar(const PoolTile& tile, int32_t init, float multiplier, const Requant& requant,
                   uint8_t* y) {
  for (size_t p = 0; p < tile.pixels; ++p) {
    for (size_t ch = 0; ch < tile.channels; ++ch) {
      uint32_t sum = (uint32_t)init;  // unsigned: wrap-around is defined
      for (size_t r = 0; r < tile.row_count; ++r) {
        for (size_t t = 0; t < tile.taps; ++t) {
          sum += tile.rows[r][p * tile.pixel_step + t * tile.tap_step + ch];
        }
      }
      y[p * tile.channels + ch] = requantize_one((float)(int32_t)sum * multiplier, requant);
    }
  }
}

}  // namespace octavo
