// The Program class is bound in several files: its tensors and runs, and its steps.
#pragma once

#include "bindings/arrays.h"
#include "ops/program/program.h"

namespace octavo::bindings {

using ProgramClass = py::class_<Program>;

void bind_program_steps(ProgramClass& cls);
void bind_program_shape_steps(ProgramClass& cls);
void bind_program_math_steps(ProgramClass& cls);
void bind_program_dynamic_steps(ProgramClass& cls);

}  // namespace octavo::bindings
