// Errors of programs, which say the step they come from.
#pragma once

#include <string>

#include "base/status.h"
#include "ops/program/step.h"

namespace octavo {

[[noreturn]] inline void fail_program(const std::string& message) {
  throw Error(Status::invalid_argument, "program: " + message);
}

inline std::string describe_id(const Step& step) {
  return "step '" + step.name + "' (" + operation_name(step.operation) + ")";
}

// The same error, saying which step it comes from.
[[noreturn]] inline void fail_in(const Step& step, const Error& error) {
  throw Error(error.status(), describe_id(step) + ": " + error.what());
}

}  // namespace octavo
