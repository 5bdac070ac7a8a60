// Program: the steps of transformers and gated networks.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "bindings/program.h"
#include "ops/checks.h"

namespace octavo::bindings {
namespace {

using Id = int64_t;
using Ints = std::vector<int64_t>;

QuantRange u8_range(int64_t zero_point, int64_t qmin, int64_t qmax) {
  return to_range(zero_point, qmin, qmax, false);
}

int32_t u8_zero_point(const char* name, int64_t value) { return to_zero_point(name, value, false); }

std::vector<size_t> to_sizes(const char* name, const Ints& values) {
  std::vector<size_t> sizes;
  for (const int64_t value : values) sizes.push_back(to_size(name, value));
  return sizes;
}

MatrixStrides to_strides(const char* name, const IntPair& values) {
  return {to_size(name, values.first), to_size(name, values.second)};
}

std::vector<float> to_floats(const py::array& values, const char* name) {
  const std::string expected = "a C-contiguous float32 array (n,)";
  require_ndim(values, name, 1, expected);
  const float* data = require<float>(values, name, expected);
  return {data, data + values.size()};
}

// The value whose name is given.
template <class Enum, size_t kCount>
Enum named(const char* argument, const std::string& name,
           const std::pair<const char*, Enum> (&names)[kCount]) {
  std::string known;
  for (const auto& [text, value] : names) {
    if (name == text) return value;
    known += (known.empty() ? "'" : ", '") + std::string(text) + "'";
  }
  fail(argument, "'" + name + "'", "one of " + known);
}

constexpr std::pair<const char*, Activation> kActivations[] = {
    {"sigmoid", Activation::sigmoid},
    {"tanh", Activation::tanh},
    {"erf", Activation::erf},
    {"exp", Activation::exp},
    {"gelu", Activation::gelu},
    {"gelu_tanh", Activation::gelu_tanh},
    {"silu", Activation::silu},
    {"hard_sigmoid", Activation::hard_sigmoid},
    {"hard_swish", Activation::hard_swish},
};
constexpr std::pair<const char*, Binary> kBinaries[] = {
    {"add", Binary::add}, {"sub", Binary::sub}, {"mul", Binary::mul},
    {"div", Binary::div}, {"pow", Binary::pow},
};

void append(Program& program, const std::string& name, const Ints& srcs, Id dst,
            Operation operation) {
  program.append(name, to_sizes("src", srcs), to_size("dst", dst), std::move(operation));
}

size_t elements_of(const Program& program, const char* name, Id id) {
  return program.info(to_size(name, id)).elements;
}

void lookup(Program& program, Id src, Id dst, const std::string& name, const py::array& table) {
  const std::string expected = "a C-contiguous uint8 array (256,)";
  require_shape(table, "table", {256});
  const uint8_t* data = require<uint8_t>(table, "table", expected);
  step::Lookup op;
  std::copy_n(data, op.table.size(), op.table.begin());
  op.elements = elements_of(program, "dst", dst);
  append(program, name, {src}, dst, op);
}

void softmax_u8(Program& program, Id src, Id dst, const std::string& name, int64_t rows, int64_t n,
                float src_scale, float scale, int64_t zero_point, int64_t qmin, int64_t qmax) {
  append(program, name, {src}, dst,
         step::SoftmaxU8{to_size("rows", rows), to_size("n", n),
                         softmax_quant(src_scale, scale, u8_range(zero_point, qmin, qmax))});
}

void layer_norm(Program& program, Id src, Id dst, const std::string& name, int64_t rows,
                const py::array& gamma, const py::array& beta, double epsilon, int64_t zero_point,
                int64_t qmin, int64_t qmax) {
  append(program, name, {src}, dst,
         step::LayerNorm{to_size("rows", rows), to_floats(gamma, "gamma"), to_floats(beta, "beta"),
                         epsilon, u8_range(zero_point, qmin, qmax)});
}

void mul(Program& program, Id a, Id b, Id dst, const std::string& name, int64_t outer,
         int64_t inner, int64_t channels, int64_t a_zero_point, int64_t b_zero_point,
         float multiplier, int64_t zero_point, int64_t qmin, int64_t qmax) {
  append(program, name, {a, b}, dst,
         step::Mul{to_size("outer", outer), to_size("inner", inner), to_size("channels", channels),
                   u8_zero_point("a_zero_point", a_zero_point),
                   u8_zero_point("b_zero_point", b_zero_point), multiplier,
                   u8_range(zero_point, qmin, qmax)});
}

void matmul(Program& program, Id a, Id b, Id dst, const std::string& name, int64_t heads, int64_t m,
            int64_t n, int64_t k, const IntPair& a_strides, const IntPair& b_strides,
            const IntPair& dst_strides, bool b_transposed, int64_t a_zero_point,
            int64_t b_zero_point, float multiplier, int64_t zero_point, int64_t qmin,
            int64_t qmax) {
  const MatMulShape shape = {to_size("heads", heads),
                             to_size("m", m),
                             to_size("n", n),
                             to_size("k", k),
                             to_strides("a_strides", a_strides),
                             to_strides("b_strides", b_strides),
                             to_strides("dst_strides", dst_strides),
                             b_transposed};
  const MatMulQuant quant = {u8_zero_point("a_zero_point", a_zero_point),
                             u8_zero_point("b_zero_point", b_zero_point), multiplier,
                             u8_range(zero_point, qmin, qmax)};
  append(program, name, {a, b}, dst,
         step::MatMul{shape, quant, elements_of(program, "a", a), elements_of(program, "b", b),
                      elements_of(program, "dst", dst)});
}

void permute(Program& program, Id src, Id dst, const std::string& name, const Ints& shape,
             const Ints& strides) {
  append(program, name, {src}, dst,
         step::Permute{to_sizes("shape", shape), to_sizes("strides", strides)});
}

void activation(Program& program, Id src, Id dst, const std::string& name,
                const std::string& function) {
  append(program, name, {src}, dst,
         step::Activation{named("function", function, kActivations),
                          elements_of(program, "dst", dst)});
}

void binary(Program& program, Id a, Id b, Id dst, const std::string& name, const std::string& op,
            const Ints& shape, const Ints& a_strides, const Ints& b_strides) {
  append(program, name, {a, b}, dst,
         step::Binary{named("op", op, kBinaries), to_sizes("shape", shape),
                      to_sizes("a_strides", a_strides), to_sizes("b_strides", b_strides),
                      elements_of(program, "a", a), elements_of(program, "b", b)});
}

void reduce_mean(Program& program, Id src, Id dst, const std::string& name, int64_t outer,
                 int64_t n, int64_t inner) {
  append(program, name, {src}, dst,
         step::ReduceMean{to_size("outer", outer), to_size("n", n), to_size("inner", inner)});
}

}  // namespace

void bind_program_math_steps(ProgramClass& cls) {
  using namespace py::literals;
  cls.def("lookup", &lookup, "src"_a, "dst"_a, py::kw_only(), "name"_a, "table"_a);
  cls.def("softmax_u8", &softmax_u8, "src"_a, "dst"_a, py::kw_only(), "name"_a, "rows"_a, "n"_a,
          "src_scale"_a, "scale"_a, "zero_point"_a = 0, "qmin"_a = 0, "qmax"_a = 255);
  cls.def("layer_norm", &layer_norm, "src"_a, "dst"_a, py::kw_only(), "name"_a, "rows"_a, "gamma"_a,
          "beta"_a, "epsilon"_a, "zero_point"_a = 0, "qmin"_a = 0, "qmax"_a = 255);
  cls.def("mul", &mul, "a"_a, "b"_a, "dst"_a, py::kw_only(), "name"_a, "outer"_a, "inner"_a,
          "channels"_a, "a_zero_point"_a = 0, "b_zero_point"_a = 0, "multiplier"_a = 1.0f,
          "zero_point"_a = 0, "qmin"_a = 0, "qmax"_a = 255);
  cls.def("matmul", &matmul, "a"_a, "b"_a, "dst"_a, py::kw_only(), "name"_a, "heads"_a, "m"_a,
          "n"_a, "k"_a, "a_strides"_a, "b_strides"_a, "dst_strides"_a, "b_transposed"_a = false,
          "a_zero_point"_a = 0, "b_zero_point"_a = 128, "multiplier"_a = 1.0f, "zero_point"_a = 0,
          "qmin"_a = 0, "qmax"_a = 255);
  cls.def("permute", &permute, "src"_a, "dst"_a, py::kw_only(), "name"_a, "shape"_a, "strides"_a);
  cls.def("activation", &activation, "src"_a, "dst"_a, py::kw_only(), "name"_a, "function"_a);
  cls.def("binary", &binary, "a"_a, "b"_a, "dst"_a, py::kw_only(), "name"_a, "op"_a, "shape"_a,
          "a_strides"_a, "b_strides"_a);
  cls.def("reduce_mean", &reduce_mean, "src"_a, "dst"_a, py::kw_only(), "name"_a, "outer"_a, "n"_a,
          "inner"_a);
}

}  // namespace octavo::bindings
