// Convolutions over NHWC arrays.
#include "ops/conv2d.h"

#include <limits>
#include <optional>
#include <string>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/packed.h"
#include "ops/checks.h"
#include "ops/sign.h"
#include "runtime/backend.h"

namespace octavo::bindings {
namespace {

using OptionalArray = std::optional<py::array>;

// weight: (out, in / groups, kh, kw), already known to have 4 axes.
ConvShape conv_shape(const py::array& weight, const IntPair& stride, const IntQuad& padding,
                     const IntPair& dilation, int64_t groups) {
  ConvShape shape;
  shape.groups = to_size("groups", groups);
  shape.out_channels = static_cast<size_t>(weight.shape(0));
  shape.in_channels =
      checked_product("in_channels", {static_cast<size_t>(weight.shape(1)), shape.groups});
  shape.kernel_h = static_cast<size_t>(weight.shape(2));
  shape.kernel_w = static_cast<size_t>(weight.shape(3));
  shape.stride_h = to_size("stride", stride.first);
  shape.stride_w = to_size("stride", stride.second);
  shape.dilation_h = to_size("dilation", dilation.first);
  shape.dilation_w = to_size("dilation", dilation.second);
  shape.padding = to_padding(padding);
  return shape;
}

// The extents of one call: x (batch, h, w, in_channels) and y (batch, oh, ow, out_channels).
struct Call {
  size_t batch;
  size_t h;
  size_t w;
  size_t out_elements;
  std::vector<py::ssize_t> out_shape;
};

Call conv_call(const py::array& x, const ConvShape& shape) {
  const std::string expected = "an array (n, h, w, c)";
  require_ndim(x, "x", 4, expected);
  require_extent(x, "x", 3, shape.in_channels, expected);
  Call call;
  call.batch = static_cast<size_t>(x.shape(0));
  call.h = static_cast<size_t>(x.shape(1));
  call.w = static_cast<size_t>(x.shape(2));
  const Extent2d size = conv_output_size(shape, call.h, call.w);
  call.out_elements = checked_product("output", {call.batch, size.h, size.w, shape.out_channels});
  call.out_shape = {x.shape(0), static_cast<py::ssize_t>(size.h), static_cast<py::ssize_t>(size.w),
                    static_cast<py::ssize_t>(shape.out_channels)};
  return call;
}

py::tuple output_size(const ConvShape& shape, int64_t h, int64_t w) {
  const Extent2d size = conv_output_size(shape, to_size("h", h), to_size("w", w));
  return py::make_tuple(size.h, size.w);
}

PyConv2d make_conv2d(const py::array& weight, const OptionalArray& bias,
                     const OptionalArray& multiplier, const OptionalArray& weight_zero_point,
                     bool a_signed, int64_t a_zero_point, const IntPair& stride,
                     const IntQuad& padding, const IntPair& dilation, int64_t groups,
                     const PyOutputSpec* output, bool keep) {
  const char* expected = "a C-contiguous int8 array (out, in / groups, kh, kw)";
  require_ndim(weight, "weight", 4, expected);
  Conv2dParams params;
  params.weight = require<int8_t>(weight, "weight", expected);
  params.shape = conv_shape(weight, stride, padding, dilation, groups);
  const size_t n = params.shape.out_channels;
  params.bias = require_vector<int32_t>(bias, "bias", n, "an int32 array (out,)");
  params.multiplier = require_vector<float>(multiplier, "multiplier", n, "a float32 array (out,)");
  params.weight_zero_point =
      require_vector<int32_t>(weight_zero_point, "weight_zero_point", n, "an int32 array (out,)");
  params.a_zero_point = to_zero_point("a_zero_point", a_zero_point, a_signed);
  const PyOutputSpec spec = output_spec(output, multiplier.has_value());
  params.output = spec.spec;
  const Backend& backend = current_backend();
  auto kept = keep_params(keep, params, weight, bias, multiplier, weight_zero_point);
  const py::gil_scoped_release release;
  return {std::make_shared<const Conv2d>(backend, params),
          {a_signed, spec.is_signed, spec.residual_signed},
          std::move(kept)};
}

py::array run_conv2d(const PyConv2d& self, const py::array& x, const OptionalArray& residual,
                     int64_t threads) {
  const Conv2d& conv = *self.op;
  U8View view(x, "x", self.signs.a);
  const Call call = conv_call(x, conv.shape());
  std::optional<U8View> residual_view;
  if (residual) {
    require_shape(*residual, "residual", call.out_shape);
    residual_view.emplace(*residual, "residual", self.signs.residual);
  }
  const size_t num_threads = to_threads(threads);
  const bool bytes = conv.requantizes();
  py::array y =
      bytes ? new_bytes(self.signs.output, call.out_shape) : py::array_t<int32_t>(call.out_shape);
  void* out = y.mutable_data();
  {
    const py::gil_scoped_release release;
    const Context context = default_context(num_threads);
    view.prepare();
    if (!bytes) {
      if (residual_view) fail("residual", "an array", "None: the output is int32");
      conv.run_s32(context, view.data(), call.batch, call.h, call.w, static_cast<int32_t*>(out));
    } else {
      auto* out_bytes = static_cast<uint8_t*>(out);
      if (residual_view) residual_view->prepare();
      const ResidualView added = {residual_view ? residual_view->data() : nullptr,
                                  conv.shape().out_channels};
      conv.run_u8(context, view.data(), call.batch, call.h, call.w,
                  residual_view ? &added : nullptr, out_bytes);
      if (self.signs.output) flip_sign(out_bytes, call.out_elements, out_bytes);
    }
  }
  return y;
}

PyConv2dF32 make_conv2d_f32(const py::array& weight, const OptionalArray& bias,
                            const IntPair& stride, const IntQuad& padding, const IntPair& dilation,
                            int64_t groups, float lo, float hi, bool keep) {
  const char* expected = "a C-contiguous float32 array (out, in / groups, kh, kw)";
  require_ndim(weight, "weight", 4, expected);
  Conv2dF32Params params;
  params.weight = require<float>(weight, "weight", expected);
  params.shape = conv_shape(weight, stride, padding, dilation, groups);
  params.bias =
      require_vector<float>(bias, "bias", params.shape.out_channels, "a float32 array (out,)");
  params.lo = lo;
  params.hi = hi;
  const Backend& backend = current_backend();
  auto kept = keep_params(keep, params, weight, bias);
  const py::gil_scoped_release release;
  return {std::make_shared<const Conv2dF32>(backend, params), std::move(kept)};
}

py::array run_conv2d_f32(const PyConv2dF32& self, const py::array& x, int64_t threads) {
  const float* data = require<float>(x, "x", "a C-contiguous float32 array (n, h, w, c)");
  const Call call = conv_call(x, self.op->shape());
  const size_t num_threads = to_threads(threads);
  py::array_t<float> y(call.out_shape);
  float* out = y.mutable_data();
  {
    const py::gil_scoped_release release;
    self.op->run(default_context(num_threads), data, call.batch, call.h, call.w, out);
  }
  return y;
}

}  // namespace

void bind_conv2d(py::module_& m) {
  using namespace py::literals;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const IntPair one = {1, 1};
  const IntQuad none = {0, 0, 0, 0};
  py::class_<PyConv2d>(m, "Conv2d", "Packed weights of a convolution.")
      .def(py::init(&make_conv2d), "weight"_a, py::kw_only(), "bias"_a = py::none(),
           "multiplier"_a = py::none(), "weight_zero_point"_a = py::none(), "a_signed"_a = false,
           "a_zero_point"_a = 0, "stride"_a = one, "padding"_a = none, "dilation"_a = one,
           "groups"_a = 1, "output"_a = py::none(), "keep"_a = false)
      .def_property_readonly("out_channels",
                             [](const PyConv2d& self) { return self.op->shape().out_channels; })
      .def_property_readonly("in_channels",
                             [](const PyConv2d& self) { return self.op->shape().in_channels; })
      .def_property_readonly("layout", [](const PyConv2d& self) { return self.op->layout(); })
      .def_property_readonly("packed_bytes",
                             [](const PyConv2d& self) { return self.op->packed_bytes(); })
      .def_property_readonly(
          "kernel", [](const PyConv2d& self) { return self.op->kernel_name(default_context()); })
      .def(
          "output_size",
          [](const PyConv2d& self, int64_t h, int64_t w) {
            return output_size(self.op->shape(), h, w);
          },
          "h"_a, "w"_a)
      .def("run", &run_conv2d, "x"_a, "residual"_a = py::none(), "threads"_a = 0);
  py::class_<PyConv2dF32>(m, "Conv2dF32", "A convolution in float32.")
      .def(py::init(&make_conv2d_f32), "weight"_a, py::kw_only(), "bias"_a = py::none(),
           "stride"_a = one, "padding"_a = none, "dilation"_a = one, "groups"_a = 1,
           "lo"_a = -kInfinity, "hi"_a = kInfinity, "keep"_a = false)
      .def("run", &run_conv2d_f32, "x"_a, "threads"_a = 0);
}

}  // namespace octavo::bindings
