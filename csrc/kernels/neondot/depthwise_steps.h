// The loops over a depthwise convolution's steps of 16 channels, outer, and their pixels, inner,
// with dot products.
//
// 3x3 and 5x5 windows of stride 1 and 2 slide (depthwise_window.h). The rest, int32 outputs and
// fewer than 16 channels interleave every column anew for every output (run_any below).
#pragma once

#include "kernels/neondot/depthwise_window.h"

namespace octavo {
namespace {

// Any kernel size, stride and dilation.
template <class Dot, bool kFull, class Output>
OCTAVO_INLINE void run_any(const DepthwiseTile& tile, const Step<kFull>& step, const Sums& start,
                           const Output& output, size_t ldc) {
  const typename Output::Writer writer(output, tile, step.panel);
  const uint8x16_t padding = Dot::activations(vdupq_n_u8(tile.padding));
  for (size_t r = 0; r < tile.out_rows; ++r) {
    const DepthwiseRow* rows = tile.rows + r * tile.kernel_h;
    for (size_t p = 0; p < tile.pixels; ++p) {
      Sums acc = {start[0], start[1], start[2], start[3]};
      ptrdiff_t column = tile.first + (ptrdiff_t)(p * tile.stride);
      const int8_t* w = panel_weights(step.panel, kNr);
      for (size_t x = 0; x < tile.kernel_w; ++x, column += (ptrdiff_t)tile.dilation) {
        const bool inside = (size_t)column < tile.width;
        for (size_t y = 0; y < tile.kernel_h; y += kKr, w += kNr * kKr) {
          uint8x16_t taps[kKr], parts[kParts];
          OCTAVO_UNROLL for (size_t i = 0; i < kKr; ++i) {
            taps[i] = padding;
            if (inside && y + i < tile.kernel_h) {
              const DepthwiseRow& row = rows[y + i];
              taps[i] = Dot::activations(step.load(row.x + (size_t)column * row.step));
            }
          }
          interleave(taps, kKr, parts);
          OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) {
            acc[j] = Dot::dot(acc[j], parts[j], vld1q_s8(w + 16 * j));
          }
        }
      }
      writer.store(step, (r * tile.row_pixels + p) * ldc, acc);
    }
  }
}

template <class Dot, int kSize, int kStride>
OCTAVO_INLINE void slide(const DepthwiseTile& tile, const Step<true>& step, const Sums& start,
                         const OutputU8& output, size_t ldc) {
  const OutputU8::Writer writer(output, tile, step.panel);
  Window<Dot, kSize, kStride> window(tile, step, start);
  for (size_t r = 0; r < tile.out_rows; ++r) {
    window.run_row(tile.rows + r * kSize, writer, r * tile.row_pixels * ldc, ldc);
  }
}

template <class Dot, bool kFull, class Output>
void run_step(const DepthwiseTile& tile, const Step<kFull>& step, const Output& output,
              size_t ldc) {
  Sums start;
  load_start<Dot>(step.panel, weight_groups(tile), start);
  run_any<Dot>(tile, step, start, output, ldc);
}

template <class Dot>
void run_step(const DepthwiseTile& tile, const Step<true>& step, const OutputU8& output,
              size_t ldc) {
  Sums start;
  load_start<Dot>(step.panel, weight_groups(tile), start);
  const bool square = tile.kernel_h == tile.kernel_w && tile.dilation == 1;
  if (square && tile.kernel_h == 3 && tile.stride == 1) {
    slide<Dot, 3, 1>(tile, step, start, output, ldc);
  } else if (square && tile.kernel_h == 3 && tile.stride == 2) {
    slide<Dot, 3, 2>(tile, step, start, output, ldc);
  } else if (square && tile.kernel_h == 5 && tile.stride == 1) {
    slide<Dot, 5, 1>(tile, step, start, output, ldc);
  } else if (square && tile.kernel_h == 5 && tile.stride == 2) {
    slide<Dot, 5, 2>(tile, step, start, output, ldc);
  } else {
    run_any<Dot>(tile, step, start, output, ldc);
  }
}

}  // namespace
}  // namespace octavo
