// Running one step.
#pragma once

#include <cstddef>

#include "ops/program/step.h"
#include "runtime/context.h"

namespace octavo {

// `data` holds the address of every tensor, `batch` samples each; `output` describes step.output.
// The step has passed check_step. With batch 0 nothing is read or written, but the op called still
// checks its arguments.
void run_step(const Context& context, const Step& step, const TensorInfo& output, size_t batch,
              void* const* data);

}  // namespace octavo
