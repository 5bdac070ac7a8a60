// Whether a step fits its tensors.
#pragma once

#include <span>

#include "ops/program/step.h"
#include "runtime/context.h"

namespace octavo {

// Checks number, dtype and elements of the step's tensors (whose ids are valid) and every
// parameter, and fills in the output extent of a pooling step. Throws Error(invalid_argument).
void check_step(const Context& context, std::span<const TensorInfo> tensors, Step& step);

}  // namespace octavo
