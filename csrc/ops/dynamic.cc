#include "ops/dynamic.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "ops/checks.h"
#include "ops/split.h"

namespace octavo {
namespace {

constexpr size_t kGrain = size_t{1} << 17;  // elements worth a thread
constexpr size_t kPart = size_t{1} << 14;   // of one range search; the parts are then compared

void check_inputs(const float* x, size_t rows, size_t k, const float* params) {
  const size_t size = checked_product("x", {rows, k, sizeof(float)});
  check_pointer("x", x, size, alignof(float));
  check_pointer("params", params, rows, alignof(float));
}

void store_params(float lo, float hi, float* params) {
  // Halves: the range of two floats may exceed the largest one.
  const float range = hi == lo ? 1.0f : hi - lo;
  float scale = range / 255.0f;
  if (!std::isfinite(scale)) scale = (hi / 2 - lo / 2) / 127.5f;
  if (!std::isfinite(scale)) scale = std::numeric_limits<float>::max() / 255.0f;
  scale = std::max(scale, std::numeric_limits<float>::denorm_min());
  const float zero = std::clamp(-lo / scale, 0.0f, 255.0f);
  params[0] = scale;
  params[1] = std::nearbyint(zero);
}

}  // namespace

void dynamic_params_rows(const Context& context, const float* x, size_t rows, size_t k,
                         float* params) {
  check_inputs(x, rows, k, params);
  split_rows(context, rows, k, kGrain, [&](size_t i) {
    float lo = 0.0f, hi = 0.0f;
    context.kernels().range_f32.run(x + i * k, k, &lo, &hi);
    store_params(lo, hi, params + 2 * i);
  });
}

void dynamic_params(const Context& context, const float* x, size_t n, size_t copies,
                    float* params) {
  check_inputs(x, n, 1, params);
  if (copies == 0) return;
  const size_t parts = (n + kPart - 1) / kPart;
  float* extremes = scratch<float>(Scratch::extremes, 2 * parts + 2);
  extremes[0] = extremes[1] = 0.0f;
  split_rows(context, parts, kPart, kGrain, [&](size_t i) {
    const size_t begin = i * kPart;
    context.kernels().range_f32.run(x + begin, std::min(kPart, n - begin), extremes + 2 * i,
                                    extremes + 2 * i + 1);
  });
  split_rows(context, 1, 1, kGrain, [&](size_t) {  // a task: in the default rounding mode
    float lo = 0.0f, hi = 0.0f;
    for (size_t i = 0; i < parts; ++i) {
      lo = std::min(lo, extremes[2 * i]);
      hi = std::max(hi, extremes[2 * i + 1]);
    }
    for (size_t i = 0; i < copies; ++i) store_params(lo, hi, params + 2 * i);
  });
}

void quantize_dynamic(const Context& context, const float* x, size_t rows, size_t k,
                      const float* params, size_t step, uint8_t* y) {
  check_inputs(x, rows, k, params);
  check_pointer("y", y, checked_product("y", {rows, k}));
  const auto run = [&](size_t begin, size_t count, const float* pair) {
    const auto zero_point = static_cast<int32_t>(pair[1]);
    const Requant requant = {static_cast<float>(-zero_point), static_cast<float>(255 - zero_point),
                             zero_point};
    context.kernels().quantize_u8.run(x + begin, count, pair[0], requant, y + begin);
  };
  if (step == 0) {
    split_range(context, rows * k, kGrain,
                [&](size_t begin, size_t count) { run(begin, count, params); });
  } else {
    split_rows(context, rows, k, kGrain, [&](size_t i) { run(i * k, k, params + i * step); });
  }
}

void check_dynamic_output(const DynamicOutput& output, size_t n) {
  const auto one_each = [&](const char* name, size_t size) {
    if (size != n) fail(name, std::to_string(size) + " entries", std::to_string(n));
  };
  one_each("weight_sum", output.weight_sum.size());
  one_each("weight_scale", output.weight_scale.size());
  one_each("bias", output.bias.size());
  check_clamp(output.lo, output.hi);
}

}  // namespace octavo
