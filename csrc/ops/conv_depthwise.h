// Running a depthwise convolution: blocks of output pixels, each one kernel call.
#pragma once

#include <algorithm>
#include <cstddef>

#include "ops/conv_run.h"

namespace octavo {

// How the output pixels of one image are cut into blocks of whole or partial rows. A block is large
// enough to hide what a kernel does per call (its weights go into registers), and small enough for
// its input to stay in the cache and for every thread to get several.
struct DepthwiseBlocks {
  size_t rows;     // of a block, at most
  size_t columns;  // of a block, at most
  size_t across;   // blocks side by side
  size_t down;     // blocks below each other, all images

  DepthwiseBlocks(const ConvInput<uint8_t>& input, size_t threads) {
    constexpr size_t kMaxColumns = 256, kPixels = 256;
    across = (input.out.w + kMaxColumns - 1) / kMaxColumns;
    columns = (input.out.w + across - 1) / across;
    const size_t wanted = std::max<size_t>(1, kPixels / columns);
    const size_t share = threads == 1 ? input.out.h : input.batch * input.out.h / (4 * threads);
    rows = std::clamp<size_t>(std::min(wanted, share), 1, input.out.h);
    down = (input.out.h + rows - 1) / rows * input.batch;
  }
};

// The input rows under the output rows first_row ... of one image: [out_rows][kernel_h * repeats].
// Rows outside the image are one padding pixel, repeated.
inline void fill_depthwise_rows(const ConvShape& shape, const ConvInput<uint8_t>& input,
                                size_t image, size_t first_row, size_t out_rows, size_t repeats,
                                DepthwiseRow* rows) {
  const size_t row_bytes = input.in.w * input.pixel_stride;
  const uint8_t* x = input.x + image * input.in.h * row_bytes;
  for (size_t r = 0; r < out_rows; ++r) {
    for (size_t k = 0; k < repeats; ++k) {
      for (size_t ky = 0; ky < shape.kernel_h; ++ky) {
        // Wraps to a huge number above the image.
        const size_t y =
            (first_row + r) * shape.stride_h + ky * shape.dilation_h - shape.padding.top;
        const bool inside = y < input.in.h;
        *rows++ = {inside ? x + y * row_bytes : input.padding_row, inside ? input.pixel_stride : 0};
      }
    }
  }
}

// run_tile(tile, first output pixel) for every block, shared out between threads.
template <class RunTile>
void run_depthwise_blocks(const Context& context, const ConvShape& shape,
                          const ConvInput<uint8_t>& input, const PackedMatrix& packed,
                          const RunTile& run_tile) {
  constexpr size_t kMacsPerThread = size_t{1} << 18;
  const size_t macs = input.pixels() * shape.taps() * shape.in_channels;
  const size_t threads = useful_threads(context, macs, kMacsPerThread);
  const DepthwiseBlocks blocks(input, threads);
  const size_t per_image = blocks.down / input.batch;
  auto task = [&](size_t index) {
    const size_t image = index / blocks.across / per_image;
    const size_t first_row = index / blocks.across % per_image * blocks.rows;
    const size_t first_column = index % blocks.across * blocks.columns;
    const size_t out_rows = std::min(blocks.rows, input.out.h - first_row);
    const size_t kernel_h = packed.segment_k();  // repeats included
    DepthwiseRow* rows = scratch<DepthwiseRow>(Scratch::row_pointers, out_rows * kernel_h);
    fill_depthwise_rows(shape, input, image, first_row, out_rows, packed.repeats(), rows);
    const DepthwiseTile tile = {.rows = rows,
                                .out_rows = out_rows,
                                .pixels = std::min(blocks.columns, input.out.w - first_column),
                                .row_pixels = input.out.w,
                                .width = input.in.w,
                                .first = static_cast<ptrdiff_t>(first_column * shape.stride_w) -
                                         static_cast<ptrdiff_t>(shape.padding.left),
                                .stride = shape.stride_w,
                                .dilation = shape.dilation_w,
                                .kernel_h = kernel_h,
                                .kernel_w = packed.segments(),
                                .channels = shape.in_channels,
                                .padding = input.padding_row[0],
                                .panels = packed.panel(0)};
    run_tile(tile, (image * input.out.h + first_row) * input.out.w + first_column);
  };
  parallel_for(context, blocks.down * blocks.across, threads, task);
}

}  // namespace octavo
