// Pooling over NHWC arrays.
#include "ops/pool.h"

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "ops/checks.h"
#include "ops/sign.h"

namespace octavo::bindings {
namespace {

PoolShape image_shape(const py::array& x) {
  require_ndim(x, "x", 4, "an array (n, h, w, c)");
  PoolShape shape;
  shape.batch = static_cast<size_t>(x.shape(0));
  shape.in_h = static_cast<size_t>(x.shape(1));
  shape.in_w = static_cast<size_t>(x.shape(2));
  shape.channels = static_cast<size_t>(x.shape(3));
  return shape;
}

std::vector<py::ssize_t> output_shape(const PoolShape& shape) {
  return {static_cast<py::ssize_t>(shape.batch), static_cast<py::ssize_t>(shape.out_h),
          static_cast<py::ssize_t>(shape.out_w), static_cast<py::ssize_t>(shape.channels)};
}

py::array max_pool(const py::array& x, const IntPair& kernel, const IntPair& stride,
                   const IntQuad& padding, const IntPair& dilation) {
  U8View view(x, "x");
  PoolShape shape = image_shape(x);
  shape.kernel_h = to_size("kernel", kernel.first);
  shape.kernel_w = to_size("kernel", kernel.second);
  shape.stride_h = to_size("stride", stride.first);
  shape.stride_w = to_size("stride", stride.second);
  shape.dilation_h = to_size("dilation", dilation.first);
  shape.dilation_w = to_size("dilation", dilation.second);
  shape.padding = to_padding(padding);
  const Extent2d size = pool_output_size(shape, false);
  shape.out_h = size.h;
  shape.out_w = size.w;
  const size_t n = checked_product("output", {shape.batch, size.h, size.w, shape.channels});
  py::array y = new_bytes(view.is_signed(), output_shape(shape));
  auto* out = static_cast<uint8_t*>(y.mutable_data());
  {
    const py::gil_scoped_release release;
    view.prepare();
    max_pool2d(default_context(), shape, view.data(), out);
    if (view.is_signed()) flip_sign(out, n, out);
  }
  return y;
}

py::array global_avg_pool(const py::array& x, int64_t x_zero_point, float multiplier,
                          int64_t zero_point, int64_t qmin, int64_t qmax, bool is_signed) {
  U8View view(x, "x");
  PoolShape shape = image_shape(x);
  shape.kernel_h = shape.in_h;
  shape.kernel_w = shape.in_w;
  shape.out_h = 1;
  shape.out_w = 1;
  const AvgPoolQuant quant = {to_zero_point("x_zero_point", x_zero_point, view.is_signed()),
                              multiplier, to_range(zero_point, qmin, qmax, is_signed)};
  py::array y = new_bytes(is_signed, output_shape(shape));
  auto* out = static_cast<uint8_t*>(y.mutable_data());
  {
    const py::gil_scoped_release release;
    view.prepare();
    avg_pool2d(default_context(), shape, false, quant, view.data(), out);
    if (is_signed) flip_sign(out, shape.batch * shape.channels, out);
  }
  return y;
}

}  // namespace

void bind_pool(py::module_& m) {
  using namespace py::literals;
  m.def("max_pool2d", &max_pool, "x"_a, "kernel"_a, "stride"_a, "padding"_a, "dilation"_a);
  m.def("global_avg_pool", &global_avg_pool, "x"_a, "x_zero_point"_a, "multiplier"_a,
        "zero_point"_a, "qmin"_a, "qmax"_a, "signed"_a);
}

}  // namespace octavo::bindings
