// Packed weights as Python sees them: the op and which of its tensors are int8 there.
#pragma once

#include <memory>

#include "ops/conv2d.h"
#include "ops/linear.h"
#include "ops/output.h"

namespace octavo::bindings {

// How an accumulator becomes the output; `spec` is already that of the u8 tensors.
struct PyOutputSpec {
  OutputSpec spec;
  bool is_signed = false;
  bool residual_signed = false;
};

struct Signs {
  bool a = false;
  bool output = false;
  bool residual = false;

  bool any() const { return a || output || residual; }
};

struct PyLinear {
  std::shared_ptr<const Linear> op;
  Signs signs;
};

struct PyConv2d {
  std::shared_ptr<const Conv2d> op;
  Signs signs;
};

struct PyLinearF32 {
  std::shared_ptr<const LinearF32> op;
};

struct PyConv2dF32 {
  std::shared_ptr<const Conv2dF32> op;
};

// The output of a layer given its multiplier; throws where one is given without the other.
PyOutputSpec output_spec(const PyOutputSpec* output, bool has_multiplier);

}  // namespace octavo::bindings
