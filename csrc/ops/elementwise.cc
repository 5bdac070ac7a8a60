#include "ops/elementwise.h"

#include "ops/checks.h"
#include "ops/split.h"

namespace octavo {
namespace {

// Elements worth a thread: about ten microseconds of a memory-bound loop.
constexpr size_t kGrain = size_t{1} << 17;

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
  split_range(context, n, kGrain, [&](size_t begin, size_t count) {
    context.kernels().quantize_u8.run(x + begin, count, scale, requant, y + begin);
  });
}

void dequantize(const Context& context, const uint8_t* x, size_t n, float scale, int32_t zero_point,
                float* y) {
  check_pointer("x", x, n);
  check_floats("y", y, n);
  check_scale("scale", scale);
  check_zero_point("zero_point", zero_point);
  split_range(context, n, kGrain, [&](size_t begin, size_t count) {
    context.kernels().dequantize_u8.run(x + begin, count, scale, zero_point, y + begin);
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
  split_range(context, n, kGrain, [&](size_t begin, size_t count) {
    context.kernels().requantize_u8.run(x + begin, count, x_zero_point, multiplier, requant,
                                        y + begin);
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
  split_range(context, n, kGrain, [&](size_t begin, size_t count) {
    const AddOperand left = {a.x + begin, a.multiplier, a.zero_point};
    const AddOperand right = {b.x + begin, b.multiplier, b.zero_point};
    context.kernels().add_u8.run(left, right, count, requant, y + begin);
  });
}

}  // namespace octavo
