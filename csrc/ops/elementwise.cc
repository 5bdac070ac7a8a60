#include "ops/elementwise.h"

#include <algorithm>

#include "base/overflow.h"
#include "ops/checks.h"
#include "ops/scratch.h"
#include "ops/stream.h"

namespace octavo {
namespace {

// Elements worth a thread: about ten microseconds of a memory-bound loop.
constexpr size_t kGrain = size_t{1} << 17;

// Between planes and pixels, bytes pass through strips of this many pixels of every plane, which
// stay in cache. Their stride is not a power of two: planes fall into different sets.
constexpr size_t kStrip = 512;
constexpr size_t kStripStride = kStrip + 64;
// A float is four bytes: the same ten microseconds.
constexpr size_t kGrainImage = kGrain / 4;

void check_floats(const char* name, const float* x, size_t n) {
  checked_product(name, {n, sizeof(float)});
  check_pointer(name, x, n, alignof(float));
}

}  // namespace

void quantize(const Context& context, const float* x, size_t n, float scale,
              const QuantRange& range, uint8_t* y) {
  check_floats("x", x, n);
  check_pointer("y", y, n);
  check_scale("scale", scale);
  check_range("output", range);
  const Requant requant = to_requant(range);
  split_output(context, n, kGrain, 5 * n, y, [&](size_t begin, size_t count, uint8_t* to) {
    context.kernels().quantize_u8.run(x + begin, count, scale, requant, to);
  });
}

void dequantize(const Context& context, const uint8_t* x, size_t n, float scale, int32_t zero_point,
                float* y) {
  check_pointer("x", x, n);
  check_floats("y", y, n);
  check_scale("scale", scale);
  check_zero_point("zero_point", zero_point);
  split_output(context, n, kGrain, 5 * n, y, [&](size_t begin, size_t count, float* to) {
    context.kernels().dequantize_u8.run(x + begin, count, scale, zero_point, to);
  });
}

void requantize_u8(const Context& context, const uint8_t* x, size_t n, int32_t x_zero_point,
                   float multiplier, const QuantRange& range, uint8_t* y) {
  check_pointer("x", x, n);
  check_pointer("y", y, n);
  check_zero_point("x_zero_point", x_zero_point);
  check_multiplier("multiplier", multiplier);
  check_range("output", range);
  const Requant requant = to_requant(range);
  split_output(context, n, kGrain, 2 * n, y, [&](size_t begin, size_t count, uint8_t* to) {
    context.kernels().requantize_u8.run(x + begin, 0, 1, count, x_zero_point, multiplier, requant,
                                        to, 0);
  });
}

void requantize_s32(const Context& context, const int32_t* acc, size_t m, size_t n,
                    const float* multiplier, const QuantRange& range, uint8_t* y) {
  const size_t size = checked_product("acc", {m, n, sizeof(int32_t)});
  check_pointer("acc", acc, size, alignof(int32_t));
  check_pointer("y", y, size);
  check_multipliers("multiplier", multiplier, n);
  check_range("output", range);
  if (size == 0) return;
  const Requant requant = to_requant(range);
  const Residual none = {nullptr, 0, 0.0f, 0};
  const size_t grain_rows = kGrain / n + 1;
  split_range(context, m, grain_rows, [&](size_t row, size_t rows) {
    context.kernels().requantize_s32.run(acc + row * n, n, rows, n, multiplier, requant, none,
                                         y + row * n, n);
  });
}

void add(const Context& context, const AddInput& a, const AddInput& b, size_t n,
         const QuantRange& range, uint8_t* y) {
  check_pointer("a", a.x, n);
  check_pointer("b", b.x, n);
  check_pointer("y", y, n);
  check_zero_point("a.zero_point", a.zero_point);
  check_zero_point("b.zero_point", b.zero_point);
  check_multiplier("a.multiplier", a.multiplier);
  check_multiplier("b.multiplier", b.multiplier);
  check_range("output", range);
  const Requant requant = to_requant(range);
  split_output(context, n, kGrain, 3 * n, y, [&](size_t begin, size_t count, uint8_t* to) {
    const AddOperand left = {a.x + begin, a.multiplier, a.zero_point};
    const AddOperand right = {b.x + begin, b.multiplier, b.zero_point};
    context.kernels().add_u8.run(left, right, count, requant, to);
  });
}

void concat_requantized(const Context& context, std::span<const ConcatBytes> inputs, size_t outer,
                        const QuantRange& range, uint8_t* y) {
  if (inputs.empty()) fail("inputs", "none", "at least one");
  check_range("output", range);
  size_t total = 0;
  for (const ConcatBytes& input : inputs) {
    if (add_overflows(total, input.inner, &total)) {
      fail("inner", "an overflow", "a valid size");
    }
    check_pointer("input", input.x, checked_product("input", {outer, input.inner}));
    check_zero_point("input.zero_point", input.zero_point);
    check_multiplier("input.multiplier", input.multiplier);
  }
  check_pointer("y", y, checked_product("y", {outer, total}));
  const Requant requant = to_requant(range);
  split_output(context, outer, total, total, kGrain, 2 * outer * total, y,
               [&](size_t first, size_t count, uint8_t* to) {
                 for (const ConcatBytes& input : inputs) {
                   context.kernels().requantize_u8.run(input.x + first * input.inner, input.inner,
                                                       count, input.inner, input.zero_point,
                                                       input.multiplier, requant, to, total);
                   to += input.inner;
                 }
               });
}

void mul(const Context& context, const MulInput& a, const MulInput& b, size_t outer, size_t inner,
         size_t channels, float multiplier, const QuantRange& range, uint8_t* y) {
  const size_t size = checked_product("a", {outer, inner, channels});
  check_pointer("a", a.x, size);
  check_pointer("b", b.x, checked_product("b", {outer, channels}));
  check_pointer("y", y, size);
  check_zero_point("a.zero_point", a.zero_point);
  check_zero_point("b.zero_point", b.zero_point);
  check_multiplier("multiplier", multiplier);
  check_range("output", range);
  if (size == 0) return;
  const Requant requant = to_requant(range);
  if (inner == 1) {  // elementwise: one long row
    channels *= outer;
    outer = 1;
  }
  const auto run = [&](const uint8_t* from, const uint8_t* gate, size_t rows, size_t cols,
                       uint8_t* to) {
    const MulTile tile = {from, gate, channels, rows, cols, a.zero_point, b.zero_point, multiplier};
    context.kernels().mul_u8.run(tile, requant, to);
  };
  if (outer == 1 && inner == 1) {
    split_output(context, channels, kGrain, 3 * channels, y,
                 [&](size_t begin, size_t count, uint8_t* to) {
                   run(a.x + begin, b.x + begin, 1, count, to);
                 });
    return;
  }
  split_output(context, outer * inner, channels, channels, kGrain, 2 * size, y,
               [&](size_t row, size_t count, uint8_t* to) {
                 for (const size_t end = row + count; row < end;) {
                   const size_t o = row / inner, rows = std::min(end, (o + 1) * inner) - row;
                   run(a.x + row * channels, b.x + o * channels, rows, channels, to);
                   row += rows;
                   to += rows * channels;
                 }
               });
}

void quantize_transpose(const Context& context, const float* x, size_t batch, size_t channels,
                        size_t pixels, float scale, const QuantRange& range, uint8_t* y) {
  const size_t size =
      checked_product("x", {batch, channels, pixels, sizeof(float)}) / sizeof(float);
  check_floats("x", x, size);
  check_pointer("y", y, size);
  check_scale("scale", scale);
  check_range("output", range);
  if (size == 0) return;
  const Requant requant = to_requant(range);
  const KernelTable& kernels = context.kernels();
  const size_t strips = (pixels + kStrip - 1) / kStrip;
  const size_t cost = std::min(kStrip, pixels) * channels;
  split_rows(context, batch * strips, cost, kGrainImage, [&](size_t i) {
    const size_t image = i / strips * channels, pixel = i % strips * kStrip;
    const size_t count = std::min(kStrip, pixels - pixel);
    uint8_t* planes = scratch<uint8_t>(Scratch::strip, channels * kStripStride);
    for (size_t c = 0; c < channels; ++c) {
      kernels.quantize_u8.run(x + (image + c) * pixels + pixel, count, scale, requant,
                              planes + c * kStripStride);
    }
    kernels.transpose_u8.run(planes, kStripStride, channels, count,
                             y + (image * pixels + pixel * channels), channels);
  });
}

void dequantize_transpose(const Context& context, const uint8_t* x, size_t batch, size_t channels,
                          size_t pixels, float scale, int32_t zero_point, float* y) {
  const size_t size =
      checked_product("y", {batch, channels, pixels, sizeof(float)}) / sizeof(float);
  check_pointer("x", x, size);
  check_floats("y", y, size);
  check_scale("scale", scale);
  check_zero_point("zero_point", zero_point);
  if (size == 0) return;
  const KernelTable& kernels = context.kernels();
  constexpr size_t kPlanes = 64;
  const size_t strips = (pixels + kStrip - 1) / kStrip, groups = (channels + kPlanes - 1) / kPlanes;
  const size_t cost = std::min(kStrip, pixels) * std::min(kPlanes, channels);
  split_rows(context, batch * groups * strips, cost, kGrainImage, [&](size_t i) {
    const size_t image = i / strips / groups * channels, pixel = i % strips * kStrip;
    const size_t first = i / strips % groups * kPlanes;
    const size_t count = std::min(kStrip, pixels - pixel);
    const size_t planes_here = std::min(kPlanes, channels - first);
    uint8_t* planes = scratch<uint8_t>(Scratch::strip, kPlanes * kStripStride);
    kernels.transpose_u8.run(x + (image * pixels + pixel * channels + first), channels, count,
                             planes_here, planes, kStripStride);
    for (size_t c = 0; c < planes_here; ++c) {
      kernels.dequantize_u8.run(planes + c * kStripStride, count, scale, zero_point,
                                y + (image + first + c) * pixels + pixel);
    }
  });
}

}  // namespace octavo
