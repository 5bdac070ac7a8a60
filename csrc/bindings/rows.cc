// lookup, softmax, layer_norm, mul and concat.
#include <algorithm>
#include <string>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "ops/checks.h"
#include "ops/elementwise.h"
#include "ops/layer_norm.h"
#include "ops/sign.h"
#include "ops/softmax.h"
#include "ops/table.h"

namespace octavo::bindings {
namespace {

uint8_t* mutable_bytes(py::array& array) { return static_cast<uint8_t*>(array.mutable_data()); }

// Rows and columns of an array whose last axis is the row.
struct Matrix {
  size_t rows;
  size_t cols;
};

Matrix matrix_of(const py::array& x) {
  if (x.ndim() == 0) refuse("x", x, "at least one dimension");
  Matrix matrix = {1, static_cast<size_t>(x.shape(x.ndim() - 1))};
  for (py::ssize_t i = 0; i + 1 < x.ndim(); ++i) matrix.rows *= static_cast<size_t>(x.shape(i));
  return matrix;
}

py::array lookup_array(const py::array& x, const py::array& table) {
  const bool x_signed = require_bytes(x, "x");
  const bool is_signed = require_bytes(table, "table");
  require_shape(table, "table", {256});
  if (!is_contiguous(x) || !is_contiguous(table)) fail("x, table", "strided", "C-contiguous");
  Table entries;
  std::copy_n(static_cast<const uint8_t*>(table.data()), entries.size(), entries.begin());
  // By position in the int8 range: the table of int8 bytes starts with that of -128.
  entries = shifted_table(entries, x_signed, false);
  py::array y = new_bytes(is_signed, shape_of(x));
  uint8_t* out = mutable_bytes(y);
  const auto* data = static_cast<const uint8_t*>(x.data());
  const auto n = static_cast<size_t>(x.size());
  {
    const py::gil_scoped_release release;
    lookup(default_context(), data, n, entries, out);
  }
  return y;
}

py::array softmax_array(const py::array& x, float x_scale, float out_scale, int64_t zero_point,
                        int64_t qmin, int64_t qmax, bool is_signed) {
  U8View view(x, "x");
  const Matrix matrix = matrix_of(x);
  const SoftmaxQuant quant =
      softmax_quant(x_scale, out_scale, to_range(zero_point, qmin, qmax, is_signed));
  py::array y = new_bytes(is_signed, shape_of(x));
  uint8_t* out = mutable_bytes(y);
  {
    const py::gil_scoped_release release;
    view.prepare();
    softmax(default_context(), view.data(), matrix.rows, matrix.cols, quant, out);
    if (is_signed) flip_sign(out, view.size(), out);
  }
  return y;
}

py::array layer_norm_array(const py::array& x, const py::array& gamma, const py::array& beta,
                           double epsilon, int64_t zero_point, int64_t qmin, int64_t qmax,
                           bool is_signed) {
  U8View view(x, "x");
  const Matrix matrix = matrix_of(x);
  const char* expected = "a C-contiguous float32 array (n,)";
  const float* scale = require_vector<float>(gamma, "gamma", matrix.cols, expected);
  const float* shift = require_vector<float>(beta, "beta", matrix.cols, expected);
  const QuantRange range = to_range(zero_point, qmin, qmax, is_signed);
  py::array y = new_bytes(is_signed, shape_of(x));
  uint8_t* out = mutable_bytes(y);
  {
    const py::gil_scoped_release release;
    view.prepare();
    layer_norm(default_context(), view.data(), matrix.rows, matrix.cols, scale, shift, epsilon,
               range, out);
    if (is_signed) flip_sign(out, view.size(), out);
  }
  return y;
}

py::array mul_arrays(const py::array& a, int64_t a_zero_point, const py::array& b,
                     int64_t b_zero_point, int64_t outer, int64_t inner, float multiplier,
                     int64_t zero_point, int64_t qmin, int64_t qmax, bool is_signed) {
  U8View a_view(a, "a");
  U8View b_view(b, "b");
  const size_t rows = to_size("outer", outer), repeats = to_size("inner", inner);
  const size_t channels = rows == 0 ? 0 : b_view.size() / rows;
  if (checked_product("b", {rows, channels}) != b_view.size() ||
      checked_product("a", {rows, repeats, channels}) != a_view.size()) {
    fail("a", std::to_string(a_view.size()) + " elements",
         std::to_string(repeats) + " times those of b, in " + std::to_string(rows) + " parts");
  }
  const int32_t a_zero = to_zero_point("a_zero_point", a_zero_point, a_view.is_signed());
  const int32_t b_zero = to_zero_point("b_zero_point", b_zero_point, b_view.is_signed());
  const QuantRange range = to_range(zero_point, qmin, qmax, is_signed);
  py::array y = new_bytes(is_signed, shape_of(a));
  uint8_t* out = mutable_bytes(y);
  {
    const py::gil_scoped_release release;
    a_view.prepare();
    b_view.prepare();
    mul(default_context(), {a_view.data(), a_zero}, {b_view.data(), b_zero}, rows, repeats,
        channels, multiplier, range, out);
    if (is_signed) flip_sign(out, a_view.size(), out);
  }
  return y;
}

py::array concat_arrays(const std::vector<py::array>& arrays, int64_t outer,
                        const std::vector<int64_t>& zero_points,
                        const std::vector<float>& multipliers,
                        const std::vector<py::ssize_t>& shape, int64_t zero_point, int64_t qmin,
                        int64_t qmax, bool is_signed) {
  if (zero_points.size() != arrays.size() || multipliers.size() != arrays.size()) {
    fail("zero_points, multipliers", std::to_string(zero_points.size()),
         "one per array: " + std::to_string(arrays.size()));
  }
  const size_t rows = to_size("outer", outer);
  const QuantRange range = to_range(zero_point, qmin, qmax, is_signed);
  std::vector<U8View> views;
  size_t total = 0;
  for (const py::array& array : arrays) {
    views.emplace_back(array, "arrays");
    total += views.back().size();
    if (rows == 0 || views.back().size() % rows != 0) {
      fail("arrays", std::to_string(views.back().size()) + " elements",
           "a multiple of outer, " + std::to_string(rows));
    }
  }
  py::array y = new_bytes(is_signed, shape);
  if (static_cast<size_t>(y.size()) != total) {
    fail("shape", std::to_string(y.size()) + " elements", std::to_string(total));
  }
  uint8_t* out = mutable_bytes(y);
  std::vector<ConcatBytes> inputs;
  for (size_t i = 0; i < views.size(); ++i) {
    const int32_t zero = to_zero_point("zero_points", zero_points[i], views[i].is_signed());
    inputs.push_back({nullptr, views[i].size() / rows, zero, multipliers[i]});
  }
  {
    const py::gil_scoped_release release;
    for (size_t i = 0; i < views.size(); ++i) {
      views[i].prepare();
      inputs[i].x = views[i].data();
    }
    concat_requantized(default_context(), inputs, rows, range, out);
    if (is_signed) flip_sign(out, total, out);
  }
  return y;
}

}  // namespace

void bind_rows(py::module_& m) {
  using namespace py::literals;
  m.def("lookup", &lookup_array, "x"_a, "table"_a);
  m.def("softmax", &softmax_array, "x"_a, "x_scale"_a, "out_scale"_a, "zero_point"_a, "qmin"_a,
        "qmax"_a, "signed"_a);
  m.def("layer_norm", &layer_norm_array, "x"_a, "gamma"_a, "beta"_a, "epsilon"_a, "zero_point"_a,
        "qmin"_a, "qmax"_a, "signed"_a);
  m.def("concat", &concat_arrays, "arrays"_a, "outer"_a, "zero_points"_a, "multipliers"_a,
        "shape"_a, "zero_point"_a, "qmin"_a, "qmax"_a, "signed"_a);
  m.def("mul", &mul_arrays, "a"_a, "a_zero_point"_a, "b"_a, "b_zero_point"_a, "outer"_a, "inner"_a,
        "multiplier"_a, "zero_point"_a, "qmin"_a, "qmax"_a, "signed"_a);
}

}  // namespace octavo::bindings
