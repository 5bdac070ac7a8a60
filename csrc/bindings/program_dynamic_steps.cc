// Program: the steps of activations that are quantized while the network runs.
#include <string>
#include <vector>

#include "bindings/packed.h"
#include "bindings/program.h"
#include "ops/checks.h"

namespace octavo::bindings {
namespace {

using Id = int64_t;

template <class T>
std::vector<T> to_vector(const py::array& values, const char* name, const char* expected) {
  require_ndim(values, name, 1, expected);
  const T* data = require<T>(values, name, expected);
  return {data, data + values.size()};
}

DynamicOutput to_output(const py::array& weight_sum, const py::array& weight_scale,
                        const py::array& bias, float lo, float hi) {
  const char* floats = "a C-contiguous float32 array (n,)";
  return {to_vector<int32_t>(weight_sum, "weight_sum", "a C-contiguous int32 array (n,)"),
          to_vector<float>(weight_scale, "weight_scale", floats),
          to_vector<float>(bias, "bias", floats), lo, hi};
}

template <class Packed>
void require_plain(const Packed& packed) {
  if (packed.signs.any() || packed.op->requantizes()) {
    fail("packed", "weights for int8 activations or with a multiplier",
         "uint8 ones with int32 output");
  }
}

void append(Program& program, const std::string& name, const std::vector<Id>& srcs, Id dst,
            Operation operation) {
  std::vector<TensorId> ids;
  for (const Id id : srcs) ids.push_back(to_size("src", id));
  program.append(name, ids, to_size("dst", dst), std::move(operation));
}

void params(Program& program, Id src, Id dst, const std::string& name, int64_t rows, int64_t k,
            bool per_row) {
  append(program, name, {src}, dst,
         step::DynamicParams{to_size("rows", rows), to_size("k", k), per_row});
}

void quantize(Program& program, Id src, Id params, Id dst, const std::string& name, int64_t rows,
              int64_t k, bool per_row) {
  append(program, name, {src, params}, dst,
         step::DynamicQuantize{to_size("rows", rows), to_size("k", k), per_row});
}

void linear(Program& program, Id src, Id params, Id dst, const PyLinear& packed,
            const std::string& name, const py::array& weight_sum, const py::array& weight_scale,
            const py::array& bias, int64_t rows, bool per_row, float lo, float hi) {
  require_plain(packed);
  append(program, name, {src, params}, dst,
         step::DynamicLinear{packed.op, to_size("rows", rows), per_row,
                             to_output(weight_sum, weight_scale, bias, lo, hi), packed.kept});
}

void conv2d(Program& program, Id src, Id params, Id dst, const PyConv2d& packed,
            const std::string& name, const py::array& weight_sum, const py::array& weight_scale,
            const py::array& bias, int64_t height, int64_t width, float lo, float hi) {
  require_plain(packed);
  append(program, name, {src, params}, dst,
         step::DynamicConv2d{packed.op, to_size("height", height), to_size("width", width),
                             to_output(weight_sum, weight_scale, bias, lo, hi), packed.kept});
}

void cast(Program& program, Id src, Id dst, const std::string& name) {
  append(program, name, {src}, dst, step::CastS32{program.info(to_size("dst", dst)).elements});
}

}  // namespace

void bind_program_dynamic_steps(ProgramClass& cls) {
  using namespace py::literals;
  const float infinity = std::numeric_limits<float>::infinity();
  cls.def("dynamic_params", &params, "src"_a, "dst"_a, py::kw_only(), "name"_a, "rows"_a, "k"_a,
          "per_row"_a = false);
  cls.def("dynamic_quantize", &quantize, "src"_a, "params"_a, "dst"_a, py::kw_only(), "name"_a,
          "rows"_a, "k"_a, "per_row"_a = false);
  cls.def("dynamic_linear", &linear, "src"_a, "params"_a, "dst"_a, "packed"_a, py::kw_only(),
          "name"_a, "weight_sum"_a, "weight_scale"_a, "bias"_a, "rows"_a = 1, "per_row"_a = false,
          "lo"_a = -infinity, "hi"_a = infinity);
  cls.def("dynamic_conv2d", &conv2d, "src"_a, "params"_a, "dst"_a, "packed"_a, py::kw_only(),
          "name"_a, "weight_sum"_a, "weight_scale"_a, "bias"_a, "height"_a, "width"_a,
          "lo"_a = -infinity, "hi"_a = infinity);
  cls.def("cast", &cast, "src"_a, "dst"_a, py::kw_only(), "name"_a);
}

}  // namespace octavo::bindings
