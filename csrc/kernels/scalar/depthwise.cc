// Depthwise convolution, u8 x s8, in plain C++:
//
//   acc[ch] = bias[ch] + sum over taps (x, y) of a(y, column of x)[ch] * w[x][y][ch]
//
// int32, wrap-around. Panels of 8 channels (pack/layout.h: kernel_w segments of kernel_h), panels
// outer and pixels inner, the order every ISA uses: a panel's weights stay in the first-level cache
// while the pixels pass. Columns outside the image hold the padding value.
#include "kernels/scalar/epilogue.h"
#include "kernels/scalar/kernels.h"
#include "pack/layout.h"

namespace octavo {
namespace {

constexpr size_t kNr = 8;

// Sums of channels first .. first + cols - 1 of the output pixel whose first tap sees `column`.
OCTAVO_INLINE void accumulate(const DepthwiseTile& tile, const DepthwiseRow* rows, ptrdiff_t column,
                              size_t first, size_t cols, const uint8_t* panel, uint32_t* acc) {
  const int32_t* bias = panel_bias(panel);
  const int8_t* w = panel_weights(panel, kNr);
  for (size_t j = 0; j < cols; ++j) acc[j] = (uint32_t)bias[j];
  for (size_t x = 0; x < tile.kernel_w; ++x, column += (ptrdiff_t)tile.dilation) {
    const bool inside = column >= 0 && (size_t)column < tile.width;
    for (size_t y = 0; y < tile.kernel_h; ++y) {
      const uint8_t* a = inside ? rows[y].x + (size_t)column * rows[y].step + first : nullptr;
      const int8_t* group = w + y / kKr * kNr * kKr + y % kKr;
      for (size_t j = 0; j < cols; ++j) {
        const int32_t value = inside ? a[j] : tile.padding;
        acc[j] += (uint32_t)(value * group[j * kKr]);
      }
    }
    w += round_up(tile.kernel_h, kKr) * kNr;
  }
}

// store(pixel, first, cols, panel, acc) for every output pixel and panel.
template <class Store>
OCTAVO_INLINE void for_each_sum(const DepthwiseTile& tile, const Store& store) {
  const uint8_t* panel = tile.panels;
  for (size_t first = 0; first < tile.channels; first += kNr) {
    const size_t cols = tile.channels - first < kNr ? tile.channels - first : kNr;
    for (size_t r = 0; r < tile.out_rows; ++r) {
      ptrdiff_t column = tile.first;
      for (size_t p = 0; p < tile.pixels; ++p, column += (ptrdiff_t)tile.stride) {
        uint32_t acc[kNr];
        accumulate(tile, tile.rows + r * tile.kernel_h, column, first, cols, panel, acc);
        store(r * tile.row_pixels + p, first, cols, panel, acc);
      }
    }
    panel += panel_stride_bytes(kNr, tile.kernel_w, tile.kernel_h);
  }
}

}  // namespace

void depthwise_u8s8_s32_8x4_scalar(const DepthwiseTile& tile, int32_t* c, size_t ldc) {
  for_each_sum(tile, [=](size_t pixel, size_t first, size_t cols, const uint8_t*,
                         const uint32_t* acc) OCTAVO_INLINE_LAMBDA {
    for (size_t j = 0; j < cols; ++j) c[pixel * ldc + first + j] = (int32_t)acc[j];
  });
}

void depthwise_u8s8_u8_8x4_scalar(const DepthwiseTile& tile, const Requant& requant, uint8_t* c,
                                  size_t ldc) {
  for_each_sum(tile, [=, &tile](size_t pixel, size_t first, size_t cols, const uint8_t* panel,
                                const uint32_t* acc) OCTAVO_INLINE_LAMBDA {
    const float* multiplier = panel_multiplier(panel, kNr, tile.kernel_w, tile.kernel_h);
    for (size_t j = 0; j < cols; ++j) {
      const float v = (float)(int32_t)acc[j] * multiplier[j];
      c[pixel * ldc + first + j] = requantize_one(v, requant);
    }
  });
}

}  // namespace octavo
