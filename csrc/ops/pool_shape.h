// The geometry of pooling, shared by its ops.
#pragma once

#include <algorithm>
#include <cstddef>

#include "ops/pool.h"
#include "ops/stream.h"

namespace octavo {

// Checks every field, and that both tensors can be addressed; throws Error naming what is wrong.
void check_pool_shape(const PoolShape& shape);

// The pixels of one window that exist: first, first + step, ... (count of them).
struct WindowSpan {
  size_t first;
  size_t count;
  size_t padded_count;  // the same, with the padding but not what lies beyond it
};

// Along one axis, for a checked shape.
WindowSpan window_span(size_t out, size_t in, size_t kernel, size_t stride, size_t dilation,
                       size_t before, size_t after);

// A window of the output: where it reads and how many positions count for an average.
struct PoolWindow {
  WindowSpan y;
  WindowSpan x;

  size_t pixels() const { return y.count * x.count; }
  size_t padded_pixels() const { return y.padded_count * x.padded_count; }
};

// Windows of one row of the output that have the same shape, from ox on.
struct WindowRun {
  size_t ox;
  size_t count;
};

// Those whose columns all exist.
WindowRun full_windows(const PoolShape& shape);

// body(window, run, first pixel of the image, where the output goes) for every pixel of the output
// y, shared out by rows. Windows that meet no border come in one run, the others one by one.
template <class T, class Body>
void for_each_run(const Context& context, const PoolShape& shape, T* y, const Body& body) {
  constexpr size_t kGrain = size_t{1} << 16;
  const size_t c = shape.channels, rows = shape.batch * shape.out_h;
  const size_t cost = shape.out_w * shape.kernel_h * shape.kernel_w * c;
  const size_t moved = (shape.batch * shape.in_h * shape.in_w + rows * shape.out_w) * c * sizeof(T);
  const auto span = [&](size_t ox) {
    return window_span(ox, shape.in_w, shape.kernel_w, shape.stride_w, shape.dilation_w,
                       shape.padding.left, shape.padding.right);
  };
  const WindowRun inside = full_windows(shape);
  const auto row_of_windows = [&](size_t row, T* to) {
    PoolWindow window;
    window.y = window_span(row % shape.out_h, shape.in_h, shape.kernel_h, shape.stride_h,
                           shape.dilation_h, shape.padding.top, shape.padding.bottom);
    const size_t image = row / shape.out_h * shape.in_h * shape.in_w;
    for (size_t ox = 0; ox < shape.out_w;) {
      const bool starts = ox == inside.ox && inside.count > 0;
      const WindowRun run = {ox, starts ? inside.count : 1};
      window.x = span(ox);
      body(window, run, image, to + ox * c);
      ox += run.count;
    }
  };
  split_output(context, rows, shape.out_w * c, cost, kGrain, moved, y,
               [&](size_t first, size_t count, T* to) {
                 for (size_t i = 0; i < count; ++i) {
                   row_of_windows(first + i, to + i * shape.out_w * c);
                 }
               });
}

// As above, every window by itself: body(window, first pixel of the image, where it goes).
template <class T, class Body>
void for_each_window(const Context& context, const PoolShape& shape, T* y, const Body& body) {
  for_each_run(context, shape, y,
               [&](PoolWindow window, const WindowRun& run, size_t image, T* to) {
                 for (size_t i = 0; i < run.count; ++i, window.x.first += shape.stride_w) {
                   body(window, image, to + i * shape.channels);
                 }
               });
}

// Writes a pointer to each existing pixel of the window, row by row; returns their number.
template <class T>
size_t window_rows(const PoolShape& shape, const PoolWindow& window, const T* image,
                   const T** rows) {
  for (size_t i = 0; i < window.y.count; ++i) {
    const size_t y = window.y.first + i * shape.dilation_h;
    for (size_t j = 0; j < window.x.count; ++j) {
      const size_t x = window.x.first + j * shape.dilation_w;
      *rows++ = image + (y * shape.in_w + x) * shape.channels;
    }
  }
  return window.pixels();
}

}  // namespace octavo
