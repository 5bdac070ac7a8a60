// Running one step.
#pragma once

#include <cstddef>
#include <span>

#include "ops/program/step.h"
#include "ops/program/views.h"
#include "runtime/context.h"

namespace octavo {

// Where the tensors of a run are.
struct Places {
  void* const* data;            // the address of every tensor
  std::span<const View> views;  // of every tensor; empty: there are none
};

// Runs `batch` samples; `output` describes step.output. The step has passed check_step. With batch
// 0 nothing is read or written, but the op called still checks its arguments.
void run_step(const Context& context, const Step& step, const TensorInfo& output, size_t batch,
              const Places& places);

}  // namespace octavo
