// Program: tensors, constants, runs. Its steps are in program_steps.cc.
#include "bindings/program.h"

#include <string>
#include <vector>

#include "bindings/module.h"
#include "ops/checks.h"
#include "runtime/backend.h"

namespace octavo::bindings {
namespace {

DType to_dtype(const std::string& dtype) {
  if (dtype == "u8") return DType::u8;
  if (dtype == "f32") return DType::f32;
  if (dtype == "s32") return DType::s32;
  fail("dtype", "'" + dtype + "'", "'u8', 'f32' or 's32'");
}

py::dtype numpy_dtype(DType dtype) {
  if (dtype == DType::s32) return py::dtype::of<int32_t>();
  return dtype == DType::u8 ? py::dtype::of<uint8_t>() : py::dtype::of<float>();
}

TensorId add_constant(Program& program, const py::array& value) {
  const auto elements = static_cast<size_t>(value.size());
  const std::string expected = "a C-contiguous uint8 or float32 array";
  if (py::isinstance<py::array_t<uint8_t>>(value)) {
    return program.constant(DType::u8, elements, require<uint8_t>(value, "value", expected));
  }
  return program.constant(DType::f32, elements, require<float>(value, "value", expected));
}

std::vector<TensorId> to_ids(const char* name, const std::vector<int64_t>& values) {
  std::vector<TensorId> ids;
  for (const int64_t value : values) ids.push_back(to_size(name, value));
  return ids;
}

const void* input_data(const TensorInfo& tensor, const py::array& array, const std::string& name,
                       size_t batch) {
  const size_t elements = checked_product(name, {batch, tensor.elements});
  const std::string expected =
      std::string("a C-contiguous ") + (tensor.dtype == DType::u8 ? "uint8" : "float32") +
      " array of " + std::to_string(batch) + " x " + std::to_string(tensor.elements) + " elements";
  if (tensor.dtype == DType::s32) fail(name, "an s32 tensor", "a u8 or f32 one as an input");
  if (static_cast<size_t>(array.size()) != elements) refuse(name.c_str(), array, expected);
  if (tensor.dtype == DType::u8) return require<uint8_t>(array, name.c_str(), expected);
  return require<float>(array, name.c_str(), expected);
}

// What a run reads and writes: the caller's arrays, and new ones for the results.
struct Arrays {
  std::vector<const void*> sources;
  std::vector<void*> destinations;
  py::list results;
};

Arrays arrays_for(const Program& program, const std::vector<py::array>& inputs, size_t samples) {
  if (!program.finished()) fail("program", "an unfinished one", "finish() before run()");
  const std::vector<TensorId>& ids = program.inputs();
  if (inputs.size() != ids.size()) {
    fail("inputs", std::to_string(inputs.size()) + " arrays", std::to_string(ids.size()));
  }
  Arrays arrays;
  for (size_t i = 0; i < ids.size(); ++i) {
    arrays.sources.push_back(
        input_data(program.info(ids[i]), inputs[i], "inputs[" + std::to_string(i) + "]", samples));
  }
  // Plans, and so refuses a batch that does not fit into memory, before results are allocated.
  program.arena_bytes(samples);
  for (const TensorId id : program.outputs()) {
    const TensorInfo& tensor = program.info(id);
    py::array result(numpy_dtype(tensor.dtype), static_cast<py::ssize_t>(checked_product(
                                                    "output", {samples, tensor.elements})));
    arrays.destinations.push_back(result.mutable_data());
    arrays.results.append(std::move(result));
  }
  return arrays;
}

py::list run(const Program& program, const std::vector<py::array>& inputs, int64_t batch,
             int64_t threads) {
  const size_t samples = to_size("batch", batch);
  const size_t num_threads = to_threads(threads);
  Arrays arrays = arrays_for(program, inputs, samples);
  {
    const py::gil_scoped_release release;
    program.run(arrays.sources, arrays.destinations, samples, num_threads);
  }
  return std::move(arrays.results);
}

std::vector<double> time_steps(const Program& program, const std::vector<py::array>& inputs,
                               int64_t batch, int64_t threads) {
  const size_t samples = to_size("batch", batch);
  const size_t num_threads = to_threads(threads);
  const Arrays arrays = arrays_for(program, inputs, samples);
  std::vector<double> seconds(program.step_count());
  const py::gil_scoped_release release;
  program.run(arrays.sources, arrays.destinations, samples, num_threads, seconds);
  return seconds;
}

py::list describe_steps(const Program& program) {
  py::list steps;
  for (const StepInfo& info : program.describe()) {
    py::dict step;
    step["op"] = info.op;
    step["name"] = info.name;
    step["kernel"] = info.kernel;
    step["inputs"] = info.inputs;
    step["output"] = info.output;
    step["detail"] = info.detail;
    steps.append(std::move(step));
  }
  return steps;
}

}  // namespace

void bind_program(py::module_& m) {
  using namespace py::literals;
  ProgramClass cls(m, "Program",
                   "A network as a list of steps over tensors, executed in one call.");
  cls.def(py::init([] { return std::make_unique<Program>(current_backend()); }))
      .def(
          "tensor",
          [](Program& self, const std::string& dtype, int64_t elements) {
            return self.tensor(to_dtype(dtype), to_size("elements", elements));
          },
          "dtype"_a, "elements"_a)
      .def("constant", &add_constant, "value"_a);
  bind_program_steps(cls);
  bind_program_shape_steps(cls);
  bind_program_math_steps(cls);
  bind_program_dynamic_steps(cls);
  cls.def(
         "finish",
         [](Program& self, const std::vector<int64_t>& inputs, const std::vector<int64_t>& outputs,
            int64_t cache_bytes, bool views) {
           self.finish(to_ids("inputs", inputs), to_ids("outputs", outputs),
                       {to_size("cache_bytes", cache_bytes), views});
         },
         "inputs"_a, "outputs"_a, "cache_bytes"_a = 0, "views"_a = true)
      .def("run", &run, "inputs"_a, "batch"_a, "threads"_a = 0)
      .def("time_steps", &time_steps, "inputs"_a, "batch"_a, "threads"_a = 0)
      .def("describe", &describe_steps)
      .def(
          "arena_bytes",
          [](const Program& self, int64_t batch) {
            return self.arena_bytes(to_size("batch", batch));
          },
          "batch"_a)
      .def("weight_bytes", &Program::weight_bytes)
      .def_property_readonly("backend", [](const Program& self) { return self.backend().name; });
}

}  // namespace octavo::bindings
