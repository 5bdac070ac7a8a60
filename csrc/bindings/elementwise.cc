// Ops that take one value (or one pair) to one value.
#include "ops/elementwise.h"

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "ops/checks.h"
#include "ops/sign.h"

namespace octavo::bindings {
namespace {

uint8_t* mutable_bytes(py::array& array) { return static_cast<uint8_t*>(array.mutable_data()); }

py::array quantize_array(const py::array& x, float scale, int64_t zero_point, int64_t qmin,
                         int64_t qmax, bool is_signed) {
  const float* data = require<float>(x, "x", "a C-contiguous float32 array");
  const QuantRange range = to_range(zero_point, qmin, qmax, is_signed);
  py::array y = new_bytes(is_signed, shape_of(x));
  uint8_t* out = mutable_bytes(y);
  const auto n = static_cast<size_t>(x.size());
  {
    const py::gil_scoped_release release;
    quantize(default_context(), data, n, scale, range, out);
    if (is_signed) flip_sign(out, n, out);
  }
  return y;
}

py::array dequantize_array(const py::array& x, float scale, int64_t zero_point) {
  U8View view(x, "x");
  const int32_t zero = to_zero_point("zero_point", zero_point, view.is_signed());
  py::array_t<float> y(shape_of(x));
  float* out = y.mutable_data();
  {
    const py::gil_scoped_release release;
    view.prepare();
    dequantize(default_context(), view.data(), view.size(), scale, zero, out);
  }
  return y;
}

py::array requantize_s32_array(const py::array& acc, const py::array& multiplier,
                               int64_t zero_point, int64_t qmin, int64_t qmax, bool is_signed) {
  const char* expected = "a C-contiguous int32 array (m, n)";
  require_ndim(acc, "acc", 2, expected);
  const auto* data = require<int32_t>(acc, "acc", expected);
  const auto m = static_cast<size_t>(acc.shape(0));
  const auto n = static_cast<size_t>(acc.shape(1));
  const float* factors =
      require_vector<float>(multiplier, "multiplier", n, "a C-contiguous float32 array (n,)");
  const QuantRange range = to_range(zero_point, qmin, qmax, is_signed);
  py::array y = new_bytes(is_signed, shape_of(acc));
  uint8_t* out = mutable_bytes(y);
  {
    const py::gil_scoped_release release;
    requantize_s32(default_context(), data, m, n, factors, range, out);
    if (is_signed) flip_sign(out, m * n, out);
  }
  return y;
}

py::array requantize_array(const py::array& x, int64_t x_zero_point, float multiplier,
                           int64_t zero_point, int64_t qmin, int64_t qmax, bool is_signed) {
  U8View view(x, "x");
  const int32_t zero = to_zero_point("x_zero_point", x_zero_point, view.is_signed());
  const QuantRange range = to_range(zero_point, qmin, qmax, is_signed);
  py::array y = new_bytes(is_signed, shape_of(x));
  uint8_t* out = mutable_bytes(y);
  {
    const py::gil_scoped_release release;
    view.prepare();
    requantize_u8(default_context(), view.data(), view.size(), zero, multiplier, range, out);
    if (is_signed) flip_sign(out, view.size(), out);
  }
  return y;
}

py::array add_arrays(const py::array& a, int64_t a_zero_point, float a_multiplier,
                     const py::array& b, int64_t b_zero_point, float b_multiplier,
                     int64_t zero_point, int64_t qmin, int64_t qmax, bool is_signed) {
  U8View a_view(a, "a");
  U8View b_view(b, "b");
  require_shape(b, "b", shape_of(a));
  const int32_t a_zero = to_zero_point("a_zero_point", a_zero_point, a_view.is_signed());
  const int32_t b_zero = to_zero_point("b_zero_point", b_zero_point, b_view.is_signed());
  const QuantRange range = to_range(zero_point, qmin, qmax, is_signed);
  py::array y = new_bytes(is_signed, shape_of(a));
  uint8_t* out = mutable_bytes(y);
  {
    const py::gil_scoped_release release;
    a_view.prepare();
    b_view.prepare();
    add(default_context(), {a_view.data(), a_zero, a_multiplier},
        {b_view.data(), b_zero, b_multiplier}, a_view.size(), range, out);
    if (is_signed) flip_sign(out, a_view.size(), out);
  }
  return y;
}

}  // namespace

void bind_elementwise(py::module_& m) {
  using namespace py::literals;
  m.def("quantize", &quantize_array, "x"_a, "scale"_a, "zero_point"_a, "qmin"_a, "qmax"_a,
        "signed"_a);
  m.def("dequantize", &dequantize_array, "x"_a, "scale"_a, "zero_point"_a);
  m.def("requantize_s32", &requantize_s32_array, "acc"_a, "multiplier"_a, "zero_point"_a, "qmin"_a,
        "qmax"_a, "signed"_a);
  m.def("requantize", &requantize_array, "x"_a, "x_zero_point"_a, "multiplier"_a, "zero_point"_a,
        "qmin"_a, "qmax"_a, "signed"_a);
  m.def("add", &add_arrays, "a"_a, "a_zero_point"_a, "a_multiplier"_a, "b"_a, "b_zero_point"_a,
        "b_multiplier"_a, "zero_point"_a, "qmin"_a, "qmax"_a, "signed"_a);
}

}  // namespace octavo::bindings
