#include "ops/broadcast_f32.h"

#include <cmath>
#include <string>

#include "ops/checks.h"
#include "ops/split.h"

namespace octavo {
namespace {

constexpr size_t kGrain = size_t{1} << 16;

void check_floats(const char* name, const float* x, size_t n) {
  checked_product(name, {n, sizeof(float)});
  check_pointer(name, x, n, alignof(float));
}

float power(float a, float b) {
  return static_cast<float>(std::pow(static_cast<double>(a), static_cast<double>(b)));
}

// The strides are 0 or 1 nearly always, and the compiler vectorizes those.
template <class Apply>
void apply_row(const float* a, size_t a_stride, const float* b, size_t b_stride, size_t n, float* y,
               const Apply& apply) {
  if (a_stride == 1 && b_stride == 1) {
    for (size_t i = 0; i < n; ++i) y[i] = apply(a[i], b[i]);
  } else if (a_stride == 1 && b_stride == 0) {
    for (size_t i = 0; i < n; ++i) y[i] = apply(a[i], *b);
  } else {
    for (size_t i = 0; i < n; ++i) y[i] = apply(a[i * a_stride], b[i * b_stride]);
  }
}

template <class Apply>
void apply_all(const Context& context, const float* a, std::span<const size_t> a_strides,
               const float* b, std::span<const size_t> b_strides, std::span<const size_t> shape,
               float* y, const Apply& apply) {
  const size_t axes = shape.size(), inner = shape[axes - 1];
  size_t rows = 1;
  for (size_t i = 0; i + 1 < axes; ++i) rows *= shape[i];
  split_rows(context, rows, inner, kGrain, [&](size_t row) {
    size_t a_offset = 0, b_offset = 0, rest = row;
    for (size_t i = axes - 1; i-- > 0;) {
      a_offset += rest % shape[i] * a_strides[i];
      b_offset += rest % shape[i] * b_strides[i];
      rest /= shape[i];
    }
    apply_row(a + a_offset, a_strides[axes - 1], b + b_offset, b_strides[axes - 1], inner,
              y + row * inner, apply);
  });
}

}  // namespace

void binary_f32(const Context& context, Binary op, const float* a,
                std::span<const size_t> a_strides, const float* b,
                std::span<const size_t> b_strides, std::span<const size_t> shape, float* y) {
  if (shape.empty() || shape.size() > kMaxAxes || a_strides.size() != shape.size() ||
      b_strides.size() != shape.size()) {
    fail("shape", std::to_string(shape.size()) + " axes",
         "1.." + std::to_string(kMaxAxes) + ", and a stride of a and b for each");
  }
  size_t size = 1, a_end = 1, b_end = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    size = checked_product("shape", {size, shape[i]});
    if (shape[i] == 0) return;
    a_end += checked_product("a_strides", {shape[i] - 1, a_strides[i]});
    b_end += checked_product("b_strides", {shape[i] - 1, b_strides[i]});
  }
  check_floats("a", a, a_end);
  check_floats("b", b, b_end);
  check_floats("y", y, size);
  const auto all = [&](const auto& apply) {
    apply_all(context, a, a_strides, b, b_strides, shape, y, apply);
  };
  switch (op) {
    case Binary::add:
      return all([](float x, float z) { return x + z; });
    case Binary::sub:
      return all([](float x, float z) { return x - z; });
    case Binary::mul:
      return all([](float x, float z) { return x * z; });
    case Binary::div:
      return all([](float x, float z) { return x / z; });
    case Binary::pow:
      return all(&power);
  }
}

void reduce_mean_f32(const Context& context, const float* x, size_t outer, size_t n, size_t inner,
                     float* y) {
  const size_t size = checked_product("x", {outer, n, inner});
  check_floats("x", x, size);
  check_floats("y", y, checked_product("y", {outer, inner}));
  if (outer == 0 || inner == 0) return;
  check_extent("n", n, size);
  split_rows(context, outer, n * inner, kGrain, [&](size_t o) {
    for (size_t i = 0; i < inner; ++i) {
      double sum = 0.0;
      for (size_t j = 0; j < n; ++j) sum += static_cast<double>(x[(o * n + j) * inner + i]);
      y[o * inner + i] = static_cast<float>(sum / static_cast<double>(n));
    }
  });
}

}  // namespace octavo
