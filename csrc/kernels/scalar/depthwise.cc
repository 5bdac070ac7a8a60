// Depthwise convolution, u8 x s8, in plain C++:
//
//   acc[p][ch] = bias[ch] + sum over t < taps of a[p][t][ch] * w[t][ch]      int32, wrap-around
//
// Panels of 8 channels (pack/layout.h with k = taps), panels outer and pixels inner, the order
// every ISA uses: a panel's weights stay in the first-level cache while the pixels pass.
#include "kernels/scalar/epilogue.h"
#include "kernels/scalar/kernels.h"
#include "pack/layout.h"

namespace octavo {
namespace {

constexpr size_t kNr = 8;

// Sums of one pixel's channels first .. first + cols - 1; a is the pixel's row of tap pointers.
OCTAVO_INLINE void accumulate(const uint8_t* const* a, size_t taps, size_t first, size_t cols,
                              const uint8_t* panel, uint32_t* acc) {
  const int32_t* bias = panel_bias(panel);
  const int8_t* w = panel_weights(panel, kNr);
  for (size_t j = 0; j < cols; ++j) acc[j] = (uint32_t)bias[j];
  for (size_t t = 0; t < taps; ++t) {
    const uint8_t* x = a[t] + first;
    const int8_t* group = w + t / kKr * kNr * kKr + t % kKr;
    for (size_t j = 0; j < cols; ++j) acc[j] += (uint32_t)((int32_t)x[j] * group[j * kKr]);
  }
}

}  // namespace

void depthwise_u8s8_s32_8x4_scalar(const DepthwiseTile& tile, int32_t* c, size_t ldc) {
  const uint8_t* panel = tile.panels;
  for (size_t first = 0; first < tile.channels; first += kNr) {
    const size_t cols = tile.channels - first < kNr ? tile.channels - first : kNr;
    for (size_t p = 0; p < tile.pixels; ++p) {
      uint32_t acc[kNr];
      accumulate(tile.a + p * tile.taps, tile.taps, first, cols, panel, acc);
      for (size_t j = 0; j < cols; ++j) c[p * ldc + first + j] = (int32_t)acc[j];
    }
    panel += panel_stride_bytes(kNr, 1, tile.taps);
  }
}

void depthwise_u8s8_u8_8x4_scalar(const DepthwiseTile& tile, const Requant& requant, uint8_t* c,
                                  size_t ldc) {
  const uint8_t* panel = tile.panels;
  for (size_t first = 0; first < tile.channels; first += kNr) {
    const size_t cols = tile.channels - first < kNr ? tile.channels - first : kNr;
    const float* multiplier = panel_multiplier(panel, kNr, 1, tile.taps);
    for (size_t p = 0; p < tile.pixels; ++p) {
      uint32_t acc[kNr];
      accumulate(tile.a + p * tile.taps, tile.taps, first, cols, panel, acc);
      for (size_t j = 0; j < cols; ++j) {
        const float v = (float)(int32_t)acc[j] * multiplier[j];
        c[p * ldc + first + j] = requantize_one(v, requant);
      }
    }
    panel += panel_stride_bytes(kNr, 1, tile.taps);
  }
}

}  // namespace octavo
