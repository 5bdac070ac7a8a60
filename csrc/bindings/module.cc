// The compiled module octavo._core. Its interface is python/octavo/_core.pyi.
#include "bindings/module.h"

#include <exception>

#include "base/status.h"

namespace octavo::bindings {
namespace {

namespace py = pybind11;

PyObject* python_exception(Status status) {
  switch (status) {
    case Status::invalid_argument:
      return PyExc_ValueError;
    case Status::unsupported:
      return PyExc_NotImplementedError;
    case Status::out_of_memory:
      return PyExc_MemoryError;
    case Status::ok:
    case Status::internal:
      break;
  }
  return PyExc_RuntimeError;
}

void translate(std::exception_ptr exception) {
  try {
    if (exception) std::rethrow_exception(exception);
  } catch (const Error& error) {
    PyErr_SetString(python_exception(error.status()), error.what());
  }
}

}  // namespace

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  m.doc() = "Compiled core of octavo: checked access to the C++ ops.";
  py::register_local_exception_translator(&translate);
  bind_backends(m);
  bind_elementwise(m);
  bind_histogram(m);
  bind_pool(m);
  bind_rows(m);
  bind_linear(m);
  bind_conv2d(m);
  bind_program(m);
  bind_program_file(m);
}

}  // namespace octavo::bindings
