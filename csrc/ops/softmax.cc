#include "ops/softmax.h"

#include <cmath>
#include <string>

#include "ops/checks.h"
#include "ops/conv_shape.h"
#include "ops/split.h"

namespace octavo {
namespace {

void check_powers(const char* name, const float (&powers)[16], float first) {
  for (const float power : powers) {
    if (!(power >= 0.0f && power <= first) || powers[0] != first) {
      fail(name, std::to_string(power), std::to_string(first) + " first, then at least 0 and less");
    }
  }
}

}  // namespace

SoftmaxQuant softmax_quant(float x_scale, float out_scale, const QuantRange& range) {
  check_scale("x_scale", x_scale);
  check_scale("out_scale", out_scale);
  check_range("output", range);
  SoftmaxQuant quant;
  const double step = static_cast<double>(x_scale);
  for (int i = 0; i < 16; ++i) {
    quant.table.high[i] = static_cast<float>(0x1p23 * std::exp(-16.0 * i * step));
    quant.table.low[i] = static_cast<float>(std::exp(-i * step));
  }
  quant.multiplier = static_cast<float>(1.0 / static_cast<double>(out_scale));
  check_multiplier("1 / out_scale", quant.multiplier);
  quant.range = range;
  return quant;
}

void check_softmax_quant(const SoftmaxQuant& quant) {
  check_powers("table.high", quant.table.high, 0x1p23f);
  check_powers("table.low", quant.table.low, 1.0f);
  check_multiplier("multiplier", quant.multiplier);
  check_range("output", quant.range);
}

void softmax(const Context& context, const uint8_t* x, size_t rows, size_t n,
             const SoftmaxQuant& quant, uint8_t* y) {
  const size_t size = checked_product("x", {rows, n});
  check_pointer("x", x, size);
  check_pointer("y", y, size);
  if (size == 0) return;
  check_extent("n", n, kMaxExtent);
  constexpr size_t kGrain = size_t{1} << 15;
  const Requant requant = to_requant(quant.range);
  split_rows(context, rows, n, kGrain, [&](size_t row) {
    context.kernels().softmax_u8.run(x + row * n, n, quant.table, quant.multiplier, requant,
                                     y + row * n);
  });
}

}  // namespace octavo
