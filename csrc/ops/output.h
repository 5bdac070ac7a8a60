// How the accumulator of a linear or convolution layer becomes its u8 output.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/quant.h"

namespace octavo {

// Fixed when weights are packed.
struct OutputSpec {
  QuantRange range;
  bool has_residual = false;
  float residual_multiplier = 0.0f;  // residual scale / output scale
  int32_t residual_zero_point = 0;
};

// Given when the op runs: the tensor added before the clamp, of the output's shape.
struct ResidualView {
  const uint8_t* data;
  size_t ld;  // elements between rows (linear) or pixels (convolution)
};

}  // namespace octavo
