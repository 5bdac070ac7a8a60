#include "ops/pool_shape.h"

#include <string>

#include "ops/checks.h"

namespace octavo {
namespace {

// Every window of this axis starts inside the padded image and holds at least one pixel.
void check_axis(const char* axis, size_t out, size_t in, size_t kernel, size_t stride,
                size_t dilation, size_t before, size_t after) {
  // Made where something is wrong: running a pool does not allocate.
  const auto name = [&](const char* field) { return std::string("pool ") + axis + " " + field; };
  const auto extent = [&](const char* field, size_t value) {
    if (value < 1 || value > kMaxExtent) check_extent(name(field), value, kMaxExtent);
  };
  extent("input", in);
  extent("kernel", kernel);
  extent("stride", stride);
  extent("dilation", dilation);
  extent("output", out);
  for (size_t padding : {before, after}) {
    if (padding > kMaxExtent) {
      fail(name("padding"), std::to_string(padding), "at most " + std::to_string(kMaxExtent));
    }
  }
  if ((out - 1) * stride >= in + before + after) {
    fail(name("output"), std::to_string(out), "windows that start inside the padded image");
  }
  // Without dilation, windows between the first and the last hold pixels if those two do.
  const size_t step = dilation == 1 ? std::max<size_t>(out - 1, 1) : 1;
  for (size_t o = 0; o < out; o += step) {
    if (window_span(o, in, kernel, stride, dilation, before, after).count == 0) {
      fail(name("padding"),
           std::to_string(before) + " and " + std::to_string(after) + " with a kernel of " +
               std::to_string(kernel),
           "a window that holds at least one pixel of the image");
    }
  }
}

// Divisions take longer than a window of few channels; most of these are by 1.
size_t ceil_div(size_t a, size_t b) { return b == 1 ? a : (a + b - 1) / b; }

size_t output_extent(size_t in, size_t kernel, size_t stride, size_t dilation, size_t before,
                     size_t after, bool ceil_mode) {
  const size_t reach = dilation * (kernel - 1) + 1;
  const size_t padded = in + before + after;
  if (padded < reach) return ceil_mode && reach - padded < stride ? 1 : 0;
  if (!ceil_mode) return (padded - reach) / stride + 1;
  const size_t out = ceil_div(padded - reach, stride) + 1;
  return (out - 1) * stride >= in + before ? out - 1 : out;
}

}  // namespace

WindowSpan window_span(size_t out, size_t in, size_t kernel, size_t stride, size_t dilation,
                       size_t before, size_t after) {
  const size_t start = out * stride;  // in padded coordinates
  const size_t skip = start < before ? ceil_div(before - start, dilation) : 0;
  const size_t end = before + in;  // past the last pixel
  const size_t inside = start < end ? ceil_div(end - start, dilation) : 0;
  const size_t padded = ceil_div(end + after - start, dilation);
  const size_t last = std::min(kernel, inside);
  return {.first = start + skip * dilation - before,
          .count = last > skip ? last - skip : 0,
          .padded_count = std::min(kernel, padded)};
}

WindowRun full_windows(const PoolShape& shape) {
  const size_t reach = (shape.kernel_w - 1) * shape.dilation_w + 1;
  const size_t end = shape.padding.left + shape.in_w;  // past the last pixel, in padded coordinates
  if (reach > shape.in_w) return {0, 0};
  const size_t first = ceil_div(shape.padding.left, shape.stride_w);
  const size_t last = std::min((end - reach) / shape.stride_w, shape.out_w - 1);
  return {first, first <= last ? last - first + 1 : 0};
}

void check_pool_shape(const PoolShape& shape) {
  const Padding& padding = shape.padding;
  check_extent("channels", shape.channels, kMaxExtent);
  check_axis("height", shape.out_h, shape.in_h, shape.kernel_h, shape.stride_h, shape.dilation_h,
             padding.top, padding.bottom);
  check_axis("width", shape.out_w, shape.in_w, shape.kernel_w, shape.stride_w, shape.dilation_w,
             padding.left, padding.right);
  checked_product("x", {shape.batch, shape.in_h, shape.in_w, shape.channels, sizeof(float)});
  checked_product("y", {shape.batch, shape.out_h, shape.out_w, shape.channels, sizeof(float)});
}

Extent2d pool_output_size(const PoolShape& shape, bool ceil_mode) {
  const Padding& padding = shape.padding;
  check_extent("pool height input", shape.in_h, kMaxExtent);
  check_extent("pool width input", shape.in_w, kMaxExtent);
  for (size_t value : {shape.kernel_h, shape.kernel_w, shape.stride_h, shape.stride_w,
                       shape.dilation_h, shape.dilation_w}) {
    check_extent("pool kernel, stride or dilation", value, kMaxExtent);
  }
  for (size_t value : {padding.top, padding.left, padding.bottom, padding.right}) {
    check_between("pool padding", static_cast<int64_t>(value), 0, int64_t{1} << 30);
  }
  return {output_extent(shape.in_h, shape.kernel_h, shape.stride_h, shape.dilation_h, padding.top,
                        padding.bottom, ceil_mode),
          output_extent(shape.in_w, shape.kernel_w, shape.stride_w, shape.dilation_w, padding.left,
                        padding.right, ceil_mode)};
}

}  // namespace octavo
