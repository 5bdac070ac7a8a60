// One function per file of bindings, called when the module is imported.
#pragma once

#include <pybind11/pybind11.h>

namespace octavo::bindings {

void bind_backends(pybind11::module_& m);
void bind_elementwise(pybind11::module_& m);
void bind_histogram(pybind11::module_& m);
void bind_pool(pybind11::module_& m);
void bind_rows(pybind11::module_& m);
void bind_linear(pybind11::module_& m);
void bind_conv2d(pybind11::module_& m);
void bind_program(pybind11::module_& m);
void bind_program_file(pybind11::module_& m);

}  // namespace octavo::bindings
