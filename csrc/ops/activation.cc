#include "ops/activation.h"

#include <cmath>
#include <numbers>

#include "ops/checks.h"
#include "ops/float_math.h"
#include "ops/split.h"

namespace octavo {
namespace {

double hard_sigmoid(double x) { return std::fmin(std::fmax(x / 6.0 + 0.5, 0.0), 1.0); }

// All but those that float_math.h has.
double evaluate(Activation function, double x) {
  constexpr double kSqrtHalf = std::numbers::sqrt2 / 2.0;
  constexpr double kSqrtTwoOverPi = 2.0 * std::numbers::inv_sqrtpi * kSqrtHalf;
  switch (function) {
    case Activation::sigmoid:
      return 1.0 / (1.0 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
    case Activation::exp:
      return std::exp(x);
    case Activation::erf:  // in float, see activation_f32
    case Activation::gelu:
      break;
    case Activation::gelu_tanh:
      return 0.5 * x * (1.0 + std::tanh(kSqrtTwoOverPi * (x + 0.044715 * x * x * x)));
    case Activation::silu:
      return x / (1.0 + std::exp(-x));
    case Activation::hard_sigmoid:
      return hard_sigmoid(x);
    case Activation::hard_swish:
      return x * hard_sigmoid(x);
  }
  fail("function", std::to_string(static_cast<int>(function)), "one of Activation");
}

}  // namespace

void activation_f32(const Context& context, Activation function, const float* x, size_t n,
                    float* y) {
  const size_t bytes = checked_product("x", {n, sizeof(float)});
  check_pointer("x", x, bytes, alignof(float));
  check_pointer("y", y, bytes, alignof(float));
  constexpr size_t kGrain = size_t{1} << 12;
  split_range(context, n, kGrain, [&](size_t begin, size_t count) {
    const float* from = x + begin;
    float* to = y + begin;
    if (function == Activation::erf) {
      for (size_t i = 0; i < count; ++i) to[i] = erf_f32(from[i]);
    } else if (function == Activation::gelu) {
      constexpr float kHalfRoot = 0x1.6a09e6p-1f;
      for (size_t i = 0; i < count; ++i) {
        to[i] = 0.5f * from[i] * (1.0f + erf_f32(from[i] * kHalfRoot));
      }
    } else {
      for (size_t i = 0; i < count; ++i) {
        to[i] = static_cast<float>(evaluate(function, static_cast<double>(from[i])));
      }
    }
  });
}

}  // namespace octavo
