// Program: the steps that compute.
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "bindings/packed.h"
#include "bindings/program.h"
#include "ops/checks.h"

namespace octavo::bindings {
namespace {

using Id = int64_t;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Inside a program zero points and ranges are those of the u8 tensor.
QuantRange u8_range(int64_t zero_point, int64_t qmin, int64_t qmax) {
  return to_range(zero_point, qmin, qmax, false);
}

int32_t u8_zero_point(const char* name, int64_t value) { return to_zero_point(name, value, false); }

void require_unsigned(const Signs& signs) {
  if (signs.any()) {
    fail("packed", "weights for int8 activations, output or residual",
         "uint8 ones: inside a program every byte tensor is uint8");
  }
}

std::vector<TensorId> sources(Id src, const std::optional<Id>& residual) {
  std::vector<TensorId> ids = {to_size("src", src)};
  if (residual) ids.push_back(to_size("residual", *residual));
  return ids;
}

void append(Program& program, const std::string& name, Id src, Id dst, Operation operation) {
  program.append(name, {to_size("src", src)}, to_size("dst", dst), std::move(operation));
}

template <class Packed>
void linear(Program& program, Id src, Id dst, const Packed& packed, const std::string& name,
            int64_t rows, const std::optional<Id>& residual) {
  if constexpr (requires { packed.signs; }) require_unsigned(packed.signs);
  using Step = std::conditional_t<std::is_same_v<Packed, PyLinear>, step::Linear, step::LinearF32>;
  program.append(name, sources(src, residual), to_size("dst", dst),
                 Step{packed.op, to_size("rows", rows), packed.kept});
}

template <class Packed>
void conv2d(Program& program, Id src, Id dst, const Packed& packed, const std::string& name,
            int64_t height, int64_t width, const std::optional<Id>& residual) {
  if constexpr (requires { packed.signs; }) require_unsigned(packed.signs);
  using Step = std::conditional_t<std::is_same_v<Packed, PyConv2d>, step::Conv2d, step::Conv2dF32>;
  program.append(name, sources(src, residual), to_size("dst", dst),
                 Step{packed.op, to_size("height", height), to_size("width", width), packed.kept});
}

void add(Program& program, Id a, Id b, Id dst, const std::string& name, int64_t a_zero_point,
         float a_multiplier, int64_t b_zero_point, float b_multiplier, int64_t zero_point,
         int64_t qmin, int64_t qmax, float lo, float hi) {
  program.append(name, {to_size("a", a), to_size("b", b)}, to_size("dst", dst),
                 step::Add{u8_zero_point("a_zero_point", a_zero_point), a_multiplier,
                           u8_zero_point("b_zero_point", b_zero_point), b_multiplier,
                           u8_range(zero_point, qmin, qmax), lo, hi});
}

PoolShape pool_shape(int64_t height, int64_t width, int64_t channels, const IntPair& kernel,
                     const IntPair& stride, const IntQuad& padding, const IntPair& dilation) {
  PoolShape shape;
  shape.in_h = to_size("height", height);
  shape.in_w = to_size("width", width);
  shape.channels = to_size("channels", channels);
  shape.kernel_h = to_size("kernel", kernel.first);
  shape.kernel_w = to_size("kernel", kernel.second);
  shape.stride_h = to_size("stride", stride.first);
  shape.stride_w = to_size("stride", stride.second);
  shape.dilation_h = to_size("dilation", dilation.first);
  shape.dilation_w = to_size("dilation", dilation.second);
  shape.padding = to_padding(padding);
  return shape;
}

void max_pool(Program& program, Id src, Id dst, const std::string& name, int64_t height,
              int64_t width, int64_t channels, const IntPair& kernel, const IntPair& stride,
              const IntQuad& padding, const IntPair& dilation) {
  append(program, name, src, dst,
         step::MaxPool{pool_shape(height, width, channels, kernel, stride, padding, dilation)});
}

void avg_pool(Program& program, Id src, Id dst, const std::string& name, int64_t height,
              int64_t width, int64_t channels, const IntPair& kernel, const IntPair& stride,
              const IntQuad& padding, bool count_include_pad, int64_t src_zero_point,
              float multiplier, int64_t zero_point, int64_t qmin, int64_t qmax) {
  const AvgPoolQuant quant = {u8_zero_point("src_zero_point", src_zero_point), multiplier,
                              u8_range(zero_point, qmin, qmax)};
  append(program, name, src, dst,
         step::AvgPool{pool_shape(height, width, channels, kernel, stride, padding, {1, 1}),
                       count_include_pad, quant});
}

std::vector<float> to_floats(const py::array& values, const char* name) {
  const std::string expected = "a C-contiguous float32 array (channels,)";
  require_ndim(values, name, 1, expected);
  const float* data = require<float>(values, name, expected);
  return {data, data + values.size()};
}

void bind_elementwise_steps(ProgramClass& cls) {
  using namespace py::literals;
  cls.def(
      "quantize",
      [](Program& self, Id src, Id dst, const std::string& name, float scale, int64_t zero_point,
         int64_t qmin, int64_t qmax, int64_t planes) {
        append(self, name, src, dst,
               step::Quantize{scale, u8_range(zero_point, qmin, qmax), to_size("planes", planes)});
      },
      "src"_a, "dst"_a, py::kw_only(), "name"_a, "scale"_a, "zero_point"_a, "qmin"_a = 0,
      "qmax"_a = 255, "planes"_a = 1);
  cls.def(
      "dequantize",
      [](Program& self, Id src, Id dst, const std::string& name, float scale, int64_t zero_point,
         int64_t planes) {
        append(self, name, src, dst,
               step::Dequantize{scale, u8_zero_point("zero_point", zero_point),
                                to_size("planes", planes)});
      },
      "src"_a, "dst"_a, py::kw_only(), "name"_a, "scale"_a, "zero_point"_a, "planes"_a = 1);
  cls.def(
      "requantize",
      [](Program& self, Id src, Id dst, const std::string& name, int64_t src_zero_point,
         float multiplier, int64_t zero_point, int64_t qmin, int64_t qmax) {
        append(self, name, src, dst,
               step::Requantize{u8_zero_point("src_zero_point", src_zero_point), multiplier,
                                u8_range(zero_point, qmin, qmax)});
      },
      "src"_a, "dst"_a, py::kw_only(), "name"_a, "src_zero_point"_a, "multiplier"_a, "zero_point"_a,
      "qmin"_a = 0, "qmax"_a = 255);
  cls.def("add", &add, "a"_a, "b"_a, "dst"_a, py::kw_only(), "name"_a, "a_zero_point"_a = 0,
          "a_multiplier"_a = 1.0f, "b_zero_point"_a = 0, "b_multiplier"_a = 1.0f,
          "zero_point"_a = 0, "qmin"_a = 0, "qmax"_a = 255, "lo"_a = -kInfinity,
          "hi"_a = kInfinity);
  cls.def(
      "clamp",
      [](Program& self, Id src, Id dst, const std::string& name, float lo, float hi) {
        append(self, name, src, dst, step::Clamp{lo, hi});
      },
      "src"_a, "dst"_a, py::kw_only(), "name"_a, "lo"_a, "hi"_a);
  cls.def(
      "scale_shift",
      [](Program& self, Id src, Id dst, const std::string& name, const py::array& scale,
         const py::array& shift) {
        append(self, name, src, dst,
               step::ScaleShift{to_floats(scale, "scale"), to_floats(shift, "shift")});
      },
      "src"_a, "dst"_a, py::kw_only(), "name"_a, "scale"_a, "shift"_a);
}

}  // namespace

void bind_program_steps(ProgramClass& cls) {
  using namespace py::literals;
  bind_elementwise_steps(cls);
  const auto def_linear = [&](auto function) {
    cls.def("linear", function, "src"_a, "dst"_a, "packed"_a, py::kw_only(), "name"_a, "rows"_a = 1,
            "residual"_a = py::none());
  };
  def_linear(&linear<PyLinear>);
  def_linear(&linear<PyLinearF32>);
  const auto def_conv2d = [&](auto function) {
    cls.def("conv2d", function, "src"_a, "dst"_a, "packed"_a, py::kw_only(), "name"_a, "height"_a,
            "width"_a, "residual"_a = py::none());
  };
  def_conv2d(&conv2d<PyConv2d>);
  def_conv2d(&conv2d<PyConv2dF32>);
  const IntPair one = {1, 1};
  cls.def("max_pool2d", &max_pool, "src"_a, "dst"_a, py::kw_only(), "name"_a, "height"_a, "width"_a,
          "channels"_a, "kernel"_a, "stride"_a, "padding"_a, "dilation"_a = one);
  cls.def("avg_pool2d", &avg_pool, "src"_a, "dst"_a, py::kw_only(), "name"_a, "height"_a, "width"_a,
          "channels"_a, "kernel"_a, "stride"_a, "padding"_a, "count_include_pad"_a = false,
          "src_zero_point"_a = 0, "multiplier"_a = 1.0f, "zero_point"_a = 0, "qmin"_a = 0,
          "qmax"_a = 255);
  cls.def(
      "softmax",
      [](Program& self, Id src, Id dst, const std::string& name, int64_t outer, int64_t n,
         int64_t inner) {
        append(self, name, src, dst,
               step::Softmax{to_size("outer", outer), to_size("n", n), to_size("inner", inner)});
      },
      "src"_a, "dst"_a, py::kw_only(), "name"_a, "outer"_a, "n"_a, "inner"_a);
}

}  // namespace octavo::bindings
