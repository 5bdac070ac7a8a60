// Steps in words.
#pragma once

#include <string>

#include "ops/program/step.h"
#include "runtime/context.h"

namespace octavo {

struct StepInfo {
  std::string op;
  std::string name;
  std::string kernel;  // the micro-kernel's name; "portable" for ops that have none
  std::vector<TensorId> inputs;
  TensorId output;
  std::string detail;  // e.g. "3x3/2 pad 1 16->32 +relu +residual"
};

StepInfo describe_step(const Context& context, const Step& step, DType output);

}  // namespace octavo
