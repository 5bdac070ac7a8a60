#include <algorithm>
#include <cmath>

#include "ops/checks.h"
#include "ops/elementwise.h"
#include "ops/float_math.h"
#include "ops/split.h"

namespace octavo {
namespace {

constexpr size_t kGrain = size_t{1} << 16;

void check_floats(const char* name, const float* x, size_t n) {
  checked_product(name, {n, sizeof(float)});
  check_pointer(name, x, n, alignof(float));
}

// NaN stays NaN: every comparison with it is false.
inline float clamp_keeping_nan(float v, float lo, float hi) {
  v = v < lo ? lo : v;
  return v > hi ? hi : v;
}

// One contiguous row; its maximum and its sum in kLanes interleaved parts, which vectorizes.
void softmax_row(const float* x, size_t n, float* y) {
  constexpr size_t kLanes = 8;
  float tops[kLanes], sums[kLanes] = {};
  std::fill_n(tops, kLanes, x[0]);
  const size_t whole = n / kLanes * kLanes;
  for (size_t j = 0; j < whole; j += kLanes) {
    for (size_t k = 0; k < kLanes; ++k) tops[k] = tops[k] < x[j + k] ? x[j + k] : tops[k];
  }
  float top = *std::max_element(tops, tops + kLanes);
  for (size_t j = whole; j < n; ++j) top = top < x[j] ? x[j] : top;
  for (size_t j = 0; j < n; ++j) y[j] = exp_nonpositive(x[j] - top);
  for (size_t j = 0; j < whole; j += kLanes) {
    for (size_t k = 0; k < kLanes; ++k) sums[k] += y[j + k];
  }
  for (size_t j = whole; j < n; ++j) sums[j - whole] += y[j];
  float sum = 0.0f;
  for (const float part : sums) sum += part;
  for (size_t j = 0; j < n; ++j) y[j] /= sum;
}

// One (n, inner) slice: the loops run along `inner`, which is contiguous.
void softmax_slice(const float* x, size_t n, size_t inner, float* y) {
  for (size_t i = 0; i < inner; ++i) {
    float top = x[i];
    for (size_t j = 1; j < n; ++j) top = std::max(top, x[j * inner + i]);
    float sum = 0.0f;
    for (size_t j = 0; j < n; ++j) {
      const float e = exp_nonpositive(x[j * inner + i] - top);
      y[j * inner + i] = e;
      sum += e;
    }
    for (size_t j = 0; j < n; ++j) y[j * inner + i] /= sum;
  }
}

}  // namespace

void add_f32(const Context& context, const float* a, const float* b, size_t n, float lo, float hi,
             float* y) {
  check_floats("a", a, n);
  check_floats("b", b, n);
  check_floats("y", y, n);
  check_clamp(lo, hi);
  split_range(context, n, kGrain, [&](size_t begin, size_t count) {
    for (size_t i = begin; i < begin + count; ++i) {
      y[i] = clamp_keeping_nan(a[i] + b[i], lo, hi);
    }
  });
}

void clamp_f32(const Context& context, const float* x, size_t n, float lo, float hi, float* y) {
  check_floats("x", x, n);
  check_floats("y", y, n);
  check_clamp(lo, hi);
  split_range(context, n, kGrain, [&](size_t begin, size_t count) {
    for (size_t i = begin; i < begin + count; ++i) y[i] = clamp_keeping_nan(x[i], lo, hi);
  });
}

void scale_shift_f32(const Context& context, const float* x, size_t rows, size_t channels,
                     const float* scale, const float* shift, float* y) {
  const size_t size = checked_product("x", {rows, channels, sizeof(float)});
  check_floats("x", x, size / sizeof(float));
  check_floats("y", y, size / sizeof(float));
  check_floats("scale", scale, channels);
  check_floats("shift", shift, channels);
  split_rows(context, rows, channels, kGrain / 8, [&](size_t r) {
    const float* from = x + r * channels;
    float* to = y + r * channels;
    for (size_t c = 0; c < channels; ++c) to[c] = std::fma(from[c], scale[c], shift[c]);
  });
}

void softmax_f32(const Context& context, const float* x, size_t outer, size_t n, size_t inner,
                 float* y) {
  const size_t size = checked_product("x", {outer, n, inner, sizeof(float)});
  check_floats("x", x, size / sizeof(float));
  check_floats("y", y, size / sizeof(float));
  if (size == 0) return;
  split_rows(context, outer, n * inner, kGrain / 16, [&](size_t o) {
    const size_t at = o * n * inner;
    inner == 1 ? softmax_row(x + at, n, y + at) : softmax_slice(x + at, n, inner, y + at);
  });
}

}  // namespace octavo
