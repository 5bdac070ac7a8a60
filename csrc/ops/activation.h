// Activation functions of float tensors; u8 tensors use tables (ops/table.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/context.h"

namespace octavo {

enum class Activation : uint8_t {
  sigmoid,
  tanh,
  erf,
  exp,
  gelu,          // x * (1 + erf(x / sqrt(2))) / 2
  gelu_tanh,     // x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2
  silu,          // x * sigmoid(x)
  hard_sigmoid,  // min(max(x / 6 + 1/2, 0), 1)
  hard_swish,    // x * hard_sigmoid(x)
};
inline constexpr size_t kActivationCount = 9;

// y[i] = function(x[i]), computed in double and rounded to float32. x == y is allowed.
void activation_f32(const Context& context, Activation function, const float* x, size_t n,
                    float* y);

}  // namespace octavo
