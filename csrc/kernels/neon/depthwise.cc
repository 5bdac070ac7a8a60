// Depthwise convolution, u8 x s8, exact without dot products:
//
//   acc[ch] = bias[ch] + sum over taps (x, y) of a(y, column of x)[ch] * w[x][y][ch]
//
// int32, wrap-around. Panels of 16 channels (pack/layout.h: kernel_w segments of kernel_h), a step
// each. Steps outer, pixels inner: a step's weights stay in registers (3x3) or on the stack while
// the pixels pass.
//
// 3x3 and 5x5 windows of stride 1 and 2 slide (depthwise_window.h). The rest, and weights that
// cannot be paired (depthwise_products.h), take run_any below, which loads every column anew for
// every output.
#include "kernels/neon/depthwise_window.h"
#include "kernels/neon/kernels.h"

namespace octavo {
namespace {

// Any kernel size, stride and dilation.
template <bool kPaired, bool kFull, class Weights, class Output>
OCTAVO_INLINE void run_any(const DepthwiseTile& tile, const Step<kFull>& step,
                           const Weights& weights, const Sums& start, const Output& output,
                           size_t ldc) {
  const typename Output::Writer writer(output, tile, step.panel);
  const int8x16_t padding = flipped(vdupq_n_u8(tile.padding));
  for (size_t r = 0; r < tile.out_rows; ++r) {
    const DepthwiseRow* rows = tile.rows + r * tile.kernel_h;
    for (size_t p = 0; p < tile.pixels; ++p) {
      Sums acc = {start[0], start[1], start[2], start[3]};
      ptrdiff_t column = tile.first + (ptrdiff_t)(p * tile.stride);
      size_t group = 0;
      for (size_t x = 0; x < tile.kernel_w; ++x, column += (ptrdiff_t)tile.dilation) {
        const bool inside = (size_t)column < tile.width;
        const auto load = [&](size_t y) __attribute__((always_inline)) {
          return inside ? flipped(step.load(rows[y].x + (size_t)column * rows[y].step)) : padding;
        };
        for (size_t y = 0; y < tile.kernel_h; y += kKr, ++group) {
          const int8x16x4_t w = weights.group(group);
          OCTAVO_UNROLL for (size_t i = 0; i < kKr; i += 2) {
            if (y + i >= tile.kernel_h) break;
            // A missing second row has zero weights.
            const size_t next = y + i + 1 < tile.kernel_h ? y + i + 1 : y + i;
            if (kPaired) {
              add_pair(load(y + i), w.val[i], load(next), w.val[i + 1], acc);
            } else {
              add_product(load(y + i), w.val[i], acc);
              add_product(load(next), w.val[i + 1], acc);
            }
          }
        }
      }
      writer.store(step, (r * tile.row_pixels + p) * ldc, acc);
    }
  }
}

template <int kSize, int kStride>
OCTAVO_INLINE void slide(const DepthwiseTile& tile, const Step<true>& step,
                         const StagedWeights& weights, const Sums& start, const OutputU8& output,
                         size_t ldc) {
  const OutputU8::Writer writer(output, tile, step.panel);
  Window<kSize, kStride> window(tile, step, weights, start);
  for (size_t r = 0; r < tile.out_rows; ++r) {
    window.run_row(tile.rows + r * kSize, writer, r * tile.row_pixels * ldc, ldc);
  }
}

// Whether there is a window for this tile; it has run then.
OCTAVO_INLINE bool try_to_slide(const DepthwiseTile& tile, const Step<true>& step,
                                const StagedWeights& weights, const Sums& start,
                                const OutputU8& output, size_t ldc) {
  if (tile.kernel_h != tile.kernel_w || tile.dilation != 1) return false;
  if (tile.kernel_h == 3 && tile.stride == 1) {
    slide<3, 1>(tile, step, weights, start, output, ldc);
  } else if (tile.kernel_h == 3 && tile.stride == 2) {
    slide<3, 2>(tile, step, weights, start, output, ldc);
  } else if (tile.kernel_h == 5 && tile.stride == 1) {
    slide<5, 1>(tile, step, weights, start, output, ldc);
  } else if (tile.kernel_h == 5 && tile.stride == 2) {
    slide<5, 2>(tile, step, weights, start, output, ldc);
  } else {
    return false;
  }
  return true;
}

// Nothing slides but full steps that end in bytes: code of other steps is not worth its size.
template <class... Rest>
OCTAVO_INLINE bool try_to_slide(const Rest&...) {
  return false;
}

template <bool kFull, class Output>
void run_step(const DepthwiseTile& tile, const Step<kFull>& step, const Output& output,
              size_t ldc) {
  const PanelWeights in_place = {panel_weights(step.panel, kNr)};
  const size_t groups = weight_groups(tile);
  Sums start;
  if (groups > kMaxStagedGroups) {
    load_start(step.panel, in_place, groups, start);
    return run_any<false>(tile, step, in_place, start, output, ldc);
  }
  const StagedWeights weights(in_place, groups);
  if (!load_start(step.panel, weights, groups, start)) {
    return run_any<false>(tile, step, weights, start, output, ldc);
  }
  if (try_to_slide(tile, step, weights, start, output, ldc)) return;
  run_any<true>(tile, step, weights, start, output, ldc);
}

}  // namespace

void depthwise_u8s8_s32_16x4_neon(const DepthwiseTile& tile, int32_t* c, size_t ldc) {
  for_each_step(tile, [&](const auto& step) { run_step(tile, step, OutputS32{c}, ldc); });
}

void depthwise_u8s8_u8_16x4_neon(const DepthwiseTile& tile, const Requant& requant, uint8_t* c,
                                 size_t ldc) {
  const OutputU8 output = {c, broadcast_requant(requant)};
  for_each_step(tile, [&](const auto& step) { run_step(tile, step, output, ldc); });
}

}  // namespace octavo
