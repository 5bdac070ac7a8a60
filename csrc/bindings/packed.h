// Packed weights as Python sees them: the op and which of its tensors are int8 there.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <memory>
#include <utility>

#include "ops/conv2d.h"
#include "ops/linear.h"
#include "ops/output.h"
#include "ops/program/kept.h"

namespace octavo::bindings {

namespace py = pybind11;

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
  KeptParams<LinearParams> kept;  // to save programs that it is part of
};

struct PyConv2d {
  std::shared_ptr<const Conv2d> op;
  Signs signs;
  KeptParams<Conv2dParams> kept;  // to save programs that it is part of
};

struct PyLinearF32 {
  std::shared_ptr<const LinearF32> op;
  KeptParams<LinearF32Params> kept;
};

struct PyConv2dF32 {
  std::shared_ptr<const Conv2dF32> op;
  KeptParams<Conv2dF32Params> kept;
};

// The params and the arrays they point to, if that was asked for.
template <class Params, class... Arrays>
KeptParams<Params> keep_params(bool keep, const Params& params, const Arrays&... arrays) {
  if (!keep) return nullptr;
  const auto release = [](void* tuple) {
    const py::gil_scoped_acquire gil;
    Py_DECREF(static_cast<PyObject*>(tuple));
  };
  std::shared_ptr<const void> memory(py::make_tuple(arrays...).release().ptr(), release);
  return std::make_shared<const Kept<Params>>(Kept<Params>{params, std::move(memory)});
}

// The output of a layer given its multiplier; throws where one is given without the other.
PyOutputSpec output_spec(const PyOutputSpec* output, bool has_multiplier);

}  // namespace octavo::bindings
