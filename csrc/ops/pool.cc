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

// multiplier / count for every channel, as the requantizing kernel wants it.
const float* multiplier_row(float multiplier, size_t count, size_t channels) {
  float* row = scratch<float>(Scratch::multipliers, channels);
  std::fill_n(row, channels,
              static_cast<float>(static_cast<double>(multiplier) / static_cast<double>(count)));
  return row;
}

}  // namespace

void max_pool2d(const Context& context, const PoolShape& shape, const uint8_t* x, uint8_t* y) {
  check_pool(shape, x, y, 1);
  const size_t c = shape.channels;
  for_each_window(context, shape, [&](const PoolWindow& window, size_t image, size_t pixel) {
    const uint8_t** rows = scratch<const uint8_t*>(Scratch::row_pointers, max_window(shape));
    const size_t count = window_rows(shape, window, x + image * c, rows);
    context.kernels().max_u8.run(rows, count, c, y + pixel * c);
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
  const KernelTable& kernels = context.kernels();
  const Requant requant = to_requant(quant.range);
  const Residual none = {nullptr, 0, 0.0f, 0};
  const size_t c = shape.channels;
  for_each_window(context, shape, [&](const PoolWindow& window, size_t image, size_t pixel) {
    const uint8_t** rows = scratch<const uint8_t*>(Scratch::row_pointers, max_window(shape));
    int32_t* sum = scratch<int32_t>(Scratch::accumulators, c);
    const size_t count = window_rows(shape, window, x + image * c, rows);
    const int32_t init = -static_cast<int32_t>(count) * quant.x_zero_point;
    kernels.sum_u8.run(rows, count, c, init, sum);
    const float* multiplier =
        multiplier_row(quant.multiplier, divisor(window, count_include_pad), c);
    kernels.requantize_s32.run(sum, c, 1, c, multiplier, requant, none, y + pixel * c, c);
  });
}

void max_pool2d_f32(const Context& context, const PoolShape& shape, const float* x, float* y) {
  check_pool(shape, x, y, alignof(float));
  const size_t c = shape.channels;
  for_each_window(context, shape, [&](const PoolWindow& window, size_t image, size_t pixel) {
    const float** rows = scratch<const float*>(Scratch::row_pointers, max_window(shape));
    const size_t count = window_rows(shape, window, x + image * c, rows);
    float* to = y + pixel * c;
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
  for_each_window(context, shape, [&](const PoolWindow& window, size_t image, size_t pixel) {
    const float** rows = scratch<const float*>(Scratch::row_pointers, max_window(shape));
    const size_t count = window_rows(shape, window, x + image * c, rows);
    float* to = y + pixel * c;
    std::copy_n(rows[0], c, to);
    for (size_t r = 1; r < count; ++r) {
      for (size_t i = 0; i < c; ++i) to[i] += rows[r][i];
    }
    const float n = static_cast<float>(divisor(window, count_include_pad));
    for (size_t i = 0; i < c; ++i) to[i] /= n;
  });
}

}  // namespace octavo
