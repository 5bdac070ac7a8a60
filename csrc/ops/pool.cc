#include "ops/pool.h"

#include "ops/checks.h"
#include "ops/pool_shape.h"
#include "ops/scratch.h"

namespace octavo {
namespace {

// Most pixels a window can hold: what scratch memory is sized for.
size_t max_window(const PoolShape& shape) {
  return std::min(shape.kernel_h, shape.in_h) * std::min(shape.kernel_w, shape.in_w);
}

void check_pool(const PoolShape& shape, const void* x, const void* y, size_t alignment) {
  check_pool_shape(shape);
  check_pointer("x", x, shape.batch, alignment);
  check_pointer("y", y, shape.batch, alignment);
}

// What a window's average is divided by.
size_t divisor(const PoolWindow& window, bool count_include_pad) {
  return count_include_pad ? window.padded_pixels() : window.pixels();
}

// How far below a row of windows the next one reads what it has not read, if that is worth fetching
// now: hardware does not follow the rows of a window into what lies beyond L2.
size_t rows_below(const PoolShape& shape) {
  constexpr size_t kFarBytes = size_t{1} << 20;
  const size_t row = shape.in_w * shape.channels;
  return shape.batch * shape.in_h * row >= kFarBytes ? shape.stride_h * row : 0;
}

// What a kernel reads for one run of windows; the row pointers are this thread's until its next
// call. Rows that follow each other in memory become one.
PoolTile tile_of(const PoolShape& shape, const PoolWindow& window, const WindowRun& run,
                 const uint8_t* image) {
  const size_t c = shape.channels;
  const bool whole_rows = run.count == 1 && window.x.count == shape.in_w &&
                          (shape.dilation_h == 1 || window.y.count == 1) &&
                          (shape.dilation_w == 1 || window.x.count == 1);
  const size_t row_count = whole_rows ? 1 : window.y.count;
  const uint8_t** rows = scratch<const uint8_t*>(Scratch::row_pointers, row_count);
  for (size_t r = 0; r < row_count; ++r) {
    const size_t y = window.y.first + r * shape.dilation_h;
    rows[r] = image + (y * shape.in_w + window.x.first) * c;
  }
  return {.rows = rows,
          .row_count = row_count,
          .taps = whole_rows ? window.pixels() : window.x.count,
          .tap_step = shape.dilation_w * c,
          .pixels = run.count,
          .pixel_step = shape.stride_w * c,
          .channels = c,
          .ahead = window.y.count == shape.kernel_h ? rows_below(shape) : 0};
}

}  // namespace

void max_pool2d(const Context& context, const PoolShape& shape, const uint8_t* x, uint8_t* y) {
  check_pool(shape, x, y, 1);
  for_each_run(context, shape, y,
               [&](const PoolWindow& window, const WindowRun& run, size_t image, uint8_t* to) {
                 const uint8_t* from = x + image * shape.channels;
                 context.kernels().max_u8.run(tile_of(shape, window, run, from), to);
               });
}

void avg_pool2d(const Context& context, const PoolShape& shape, bool count_include_pad,
                const AvgPoolQuant& quant, const uint8_t* x, uint8_t* y) {
  check_pool(shape, x, y, 1);
  check_zero_point("x_zero_point", quant.x_zero_point);
  check_multiplier("multiplier", quant.multiplier);
  check_range("output", quant.range);
  constexpr size_t kMaxSum = size_t{1} << 23;  // 255 * 2^23 < 2^31
  check_extent("pixels of a pooling window", max_window(shape), kMaxSum);
  const Requant requant = to_requant(quant.range);
  for_each_run(context, shape, y,
               [&](const PoolWindow& window, const WindowRun& run, size_t image, uint8_t* to) {
                 const int32_t init = -static_cast<int32_t>(window.pixels()) * quant.x_zero_point;
                 const auto count = static_cast<double>(divisor(window, count_include_pad));
                 const auto multiplier =
                     static_cast<float>(static_cast<double>(quant.multiplier) / count);
                 const PoolTile tile = tile_of(shape, window, run, x + image * shape.channels);
                 context.kernels().avg_u8.run(tile, init, multiplier, requant, to);
               });
}

void max_pool2d_f32(const Context& context, const PoolShape& shape, const float* x, float* y) {
  check_pool(shape, x, y, alignof(float));
  const size_t c = shape.channels;
  for_each_window(context, shape, y, [&](const PoolWindow& window, size_t image, float* to) {
    const float** rows = scratch<const float*>(Scratch::row_pointers, max_window(shape));
    const size_t count = window_rows(shape, window, x + image * c, rows);
    std::copy_n(rows[0], c, to);
    for (size_t r = 1; r < count; ++r) {
      for (size_t i = 0; i < c; ++i) to[i] = rows[r][i] > to[i] ? rows[r][i] : to[i];
    }
  });
}

void avg_pool2d_f32(const Context& context, const PoolShape& shape, bool count_include_pad,
                    const float* x, float* y) {
  check_pool(shape, x, y, alignof(float));
  const size_t c = shape.channels;
  for_each_window(context, shape, y, [&](const PoolWindow& window, size_t image, float* to) {
    const float** rows = scratch<const float*>(Scratch::row_pointers, max_window(shape));
    const size_t count = window_rows(shape, window, x + image * c, rows);
    std::copy_n(rows[0], c, to);
    for (size_t r = 1; r < count; ++r) {
      for (size_t i = 0; i < c; ++i) to[i] += rows[r][i];
    }
    const float n = static_cast<float>(divisor(window, count_include_pad));
    for (size_t i = 0; i < c; ++i) to[i] /= n;
  });
}

}  // namespace octavo
