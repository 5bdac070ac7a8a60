// Fully connected layers.
#include "ops/linear.h"

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

PyOutputSpec output_spec(const PyOutputSpec* output, bool has_multiplier) {
  if (output == nullptr) return {};
  if (!has_multiplier) fail("output", "an OutputSpec", "None without a multiplier: int32 output");
  return *output;
}

namespace {

using OptionalArray = std::optional<py::array>;

PyOutputSpec make_output_spec(bool is_signed, int64_t zero_point, int64_t qmin, int64_t qmax,
                              bool residual, bool residual_signed, float residual_multiplier,
                              int64_t residual_zero_point) {
  PyOutputSpec output;
  output.is_signed = is_signed;
  output.residual_signed = residual && residual_signed;
  output.spec.range = to_range(zero_point, qmin, qmax, is_signed);
  output.spec.has_residual = residual;
  if (residual) {
    check_multiplier("residual_multiplier", residual_multiplier);
    output.spec.residual_multiplier = residual_multiplier;
    output.spec.residual_zero_point =
        to_zero_point("residual_zero_point", residual_zero_point, residual_signed);
  }
  return output;
}

// (m, k) rows of bytes: the caller's, or shifted ones that lie side by side.
class Rows {
 public:
  Rows(const py::array& a, size_t k, bool is_signed) {
    const std::string expected = std::string(is_signed ? "an int8" : "a uint8") + " array (m, " +
                                 std::to_string(k) + ") with contiguous rows";
    require_bytes(a, "a", is_signed);
    require_ndim(a, "a", 2, expected);
    if (static_cast<size_t>(a.shape(1)) != k) refuse("a", a, expected);
    is_signed_ = is_signed;
    k_ = k;
    m_ = static_cast<size_t>(a.shape(0));
    data_ = static_cast<const uint8_t*>(a.data());
    const bool row_contiguous = k == 1 || a.strides(1) == 1;
    const bool rows_apart = m_ <= 1 || a.strides(0) >= a.shape(1);
    if (m_ > 0 && !(row_contiguous && rows_apart)) refuse("a", a, expected);
    ld_ = m_ <= 1 ? k : static_cast<size_t>(a.strides(0));
  }

  void prepare() {
    if (!is_signed_) return;
    shifted_ = AlignedBuffer(m_ * k_);
    for (size_t i = 0; i < m_; ++i) flip_sign(data_ + i * ld_, k_, shifted_.data() + i * k_);
    data_ = shifted_.data();
    ld_ = k_;
  }

  const uint8_t* data() const { return data_; }
  size_t ld() const { return ld_; }
  size_t m() const { return m_; }

 private:
  const uint8_t* data_;
  size_t ld_;
  size_t m_;
  size_t k_;
  bool is_signed_;
  AlignedBuffer shifted_;
};

PyLinear make_linear(const py::array& weight, const OptionalArray& bias,
                     const OptionalArray& multiplier, const OptionalArray& weight_zero_point,
                     bool a_signed, int64_t a_zero_point, const PyOutputSpec* output, bool keep) {
  const char* expected = "a C-contiguous int8 array (n, k)";
  require_ndim(weight, "weight", 2, expected);
  LinearParams params;
  params.weight = require<int8_t>(weight, "weight", expected);
  params.n = static_cast<size_t>(weight.shape(0));
  params.k = static_cast<size_t>(weight.shape(1));
  params.bias = require_vector<int32_t>(bias, "bias", params.n, "an int32 array (n,)");
  params.multiplier =
      require_vector<float>(multiplier, "multiplier", params.n, "a float32 array (n,)");
  params.weight_zero_point = require_vector<int32_t>(weight_zero_point, "weight_zero_point",
                                                     params.n, "an int32 array (n,)");
  params.a_zero_point = to_zero_point("a_zero_point", a_zero_point, a_signed);
  const PyOutputSpec spec = output_spec(output, multiplier.has_value());
  params.output = spec.spec;
  const Backend& backend = current_backend();
  auto kept = keep_params(keep, params, weight, bias, multiplier, weight_zero_point);
  const py::gil_scoped_release release;
  return {std::make_shared<const Linear>(backend, params),
          {a_signed, spec.is_signed, spec.residual_signed},
          std::move(kept)};
}

py::array run_linear(const PyLinear& self, const py::array& a, const OptionalArray& residual,
                     int64_t threads) {
  const Linear& linear = *self.op;
  Rows rows(a, linear.k(), self.signs.a);
  const std::vector<py::ssize_t> shape = {a.shape(0), static_cast<py::ssize_t>(linear.n())};
  std::optional<U8View> residual_view;
  if (residual) {
    require_shape(*residual, "residual", shape);
    residual_view.emplace(*residual, "residual", self.signs.residual);
  }
  const size_t num_threads = to_threads(threads);
  const size_t n = checked_product("output", {rows.m(), linear.n()});
  const bool bytes = linear.requantizes();
  py::array c = bytes ? new_bytes(self.signs.output, shape) : py::array_t<int32_t>(shape);
  void* out = c.mutable_data();
  {
    const py::gil_scoped_release release;
    const Context context = default_context(num_threads);
    rows.prepare();
    if (!bytes) {
      if (residual) fail("residual", "an array", "None: the output is int32");
      linear.run_s32(context, rows.data(), rows.ld(), rows.m(), static_cast<int32_t*>(out),
                     linear.n());
    } else {
      auto* out_bytes = static_cast<uint8_t*>(out);
      if (residual_view) residual_view->prepare();
      const ResidualView added = {residual_view ? residual_view->data() : nullptr, linear.n()};
      linear.run_u8(context, rows.data(), rows.ld(), rows.m(), residual_view ? &added : nullptr,
                    out_bytes, linear.n());
      if (self.signs.output) flip_sign(out_bytes, n, out_bytes);
    }
  }
  return c;
}

PyLinearF32 make_linear_f32(const py::array& weight, const OptionalArray& bias, float lo, float hi,
                            bool keep) {
  const char* expected = "a C-contiguous float32 array (n, k)";
  require_ndim(weight, "weight", 2, expected);
  LinearF32Params params;
  params.weight = require<float>(weight, "weight", expected);
  params.n = static_cast<size_t>(weight.shape(0));
  params.k = static_cast<size_t>(weight.shape(1));
  params.bias = require_vector<float>(bias, "bias", params.n, "a float32 array (n,)");
  params.lo = lo;
  params.hi = hi;
  const Backend& backend = current_backend();
  auto kept = keep_params(keep, params, weight, bias);
  const py::gil_scoped_release release;
  return {std::make_shared<const LinearF32>(backend, params), std::move(kept)};
}

py::array run_linear_f32(const PyLinearF32& self, const py::array& a, int64_t threads) {
  const LinearF32& linear = *self.op;
  const std::string expected = "a C-contiguous float32 array (m, k)";
  require_ndim(a, "a", 2, expected);
  require_extent(a, "a", 1, linear.k(), expected);
  const float* data = require<float>(a, "a", expected);
  const size_t num_threads = to_threads(threads);
  const auto m = static_cast<size_t>(a.shape(0));
  py::array_t<float> c({a.shape(0), static_cast<py::ssize_t>(linear.n())});
  float* out = c.mutable_data();
  {
    const py::gil_scoped_release release;
    linear.run(default_context(num_threads), data, linear.k(), m, out, linear.n());
  }
  return c;
}

}  // namespace

void bind_linear(py::module_& m) {
  using namespace py::literals;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  py::class_<PyOutputSpec>(m, "OutputSpec", "How an accumulator becomes the output.")
      .def(py::init(&make_output_spec), py::kw_only(), "signed"_a = false, "zero_point"_a = 0,
           "qmin"_a = 0, "qmax"_a = 255, "residual"_a = false, "residual_signed"_a = false,
           "residual_multiplier"_a = 0.0f, "residual_zero_point"_a = 0);
  py::class_<PyLinear>(m, "Linear", "Packed weights of a fully connected layer.")
      .def(py::init(&make_linear), "weight"_a, py::kw_only(), "bias"_a = py::none(),
           "multiplier"_a = py::none(), "weight_zero_point"_a = py::none(), "a_signed"_a = false,
           "a_zero_point"_a = 0, "output"_a = py::none(), "keep"_a = false)
      .def_property_readonly("n", [](const PyLinear& self) { return self.op->n(); })
      .def_property_readonly("k", [](const PyLinear& self) { return self.op->k(); })
      .def_property_readonly("layout", [](const PyLinear& self) { return self.op->layout(); })
      .def_property_readonly("packed_bytes",
                             [](const PyLinear& self) { return self.op->packed_bytes(); })
      .def("run", &run_linear, "a"_a, "residual"_a = py::none(), "threads"_a = 0);
  py::class_<PyLinearF32>(m, "LinearF32", "A fully connected layer in float32.")
      .def(py::init(&make_linear_f32), "weight"_a, py::kw_only(), "bias"_a = py::none(),
           "lo"_a = -kInfinity, "hi"_a = kInfinity, "keep"_a = false)
      .def("run", &run_linear_f32, "a"_a, "threads"_a = 0);
}

}  // namespace octavo::bindings
