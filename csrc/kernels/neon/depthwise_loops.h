// The loops of a depthwise convolution over the rows and pixels of a step.
#pragma once

#include "kernels/neon/depthwise_window.h"

namespace octavo {
namespace {

// Any kernel size, stride and dilation: every column is prepared anew for every output.
template <class Math, bool kFull, class Weights, class Output>
OCTAVO_INLINE void run_any(const DepthwiseTile& tile, const Step<kFull>& step,
                           const Weights& weights, const Sums& start, const Output& output,
                           size_t ldc) {
  const typename Output::Writer writer(output, tile, step.panel);
  const uint8x16_t padding = vdupq_n_u8(tile.padding);
  for (size_t r = 0; r < tile.out_rows; ++r) {
    const DepthwiseRow* rows = tile.rows + r * tile.kernel_h;
    for (size_t p = 0; p < tile.pixels; ++p) {
      Sums acc = {start[0], start[1], start[2], start[3]};
      ptrdiff_t column = tile.first + (ptrdiff_t)(p * tile.stride);
      size_t group = 0;
      for (size_t x = 0; x < tile.kernel_w; ++x, column += (ptrdiff_t)tile.dilation) {
        const bool inside = (size_t)column < tile.width;
        for (size_t y = 0; y < tile.kernel_h; y += kKr, ++group) {
          const size_t count = tile.kernel_h - y;
          FourRows taps;
          OCTAVO_UNROLL for (size_t i = 0; i < kKr; ++i) {
            taps[i] = padding;
            if (inside && i < count) {
              taps[i] = step.load(rows[y + i].x + (size_t)column * rows[y + i].step);
            }
          }
          Math::add(acc, Math::prepare(taps, kKr), weights.group(group), count);
        }
      }
      writer.store(step, (r * tile.row_pixels + p) * ldc, acc);
    }
  }
}

template <class Math, int kSize, int kStride, class Weights>
OCTAVO_INLINE void slide(const DepthwiseTile& tile, const Step<true>& step, const Weights& weights,
                         const Sums& start, const OutputU8& output, size_t ldc) {
  const OutputU8::Writer writer(output, tile, step.panel);
  Window<Math, kSize, kStride> window(tile, step, weights, start);
  for (size_t r = 0; r < tile.out_rows; ++r) {
    window.run_row(tile.rows + r * kSize, writer, r * tile.row_pixels * ldc, ldc);
  }
}

// 3x3 and 5x5 windows of stride 1 and 2 slide.
template <class Math, class Weights>
OCTAVO_INLINE void run_pixels(const DepthwiseTile& tile, const Step<true>& step,
                              const Weights& weights, const Sums& start, const OutputU8& output,
                              size_t ldc) {
  const bool square = tile.kernel_h == tile.kernel_w && tile.dilation == 1;
  if (square && tile.kernel_h == 3 && tile.stride == 1) {
    slide<Math, 3, 1>(tile, step, weights, start, output, ldc);
  } else if (square && tile.kernel_h == 3 && tile.stride == 2) {
    slide<Math, 3, 2>(tile, step, weights, start, output, ldc);
  } else if (square && tile.kernel_h == 5 && tile.stride == 1) {
    slide<Math, 5, 1>(tile, step, weights, start, output, ldc);
  } else if (square && tile.kernel_h == 5 && tile.stride == 2) {
    slide<Math, 5, 2>(tile, step, weights, start, output, ldc);
  } else {
    run_any<Math>(tile, step, weights, start, output, ldc);
  }
}

// Sums as they are and steps of fewer channels are rare: windows are not worth their code there.
template <class Math, bool kFull, class Weights, class Output>
OCTAVO_INLINE void run_pixels(const DepthwiseTile& tile, const Step<kFull>& step,
                              const Weights& weights, const Sums& start, const Output& output,
                              size_t ldc) {
  run_any<Math>(tile, step, weights, start, output, ldc);
}

}  // namespace
}  // namespace octavo
