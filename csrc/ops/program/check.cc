#include "ops/program/check.h"

#include <cmath>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "ops/checks.h"
#include "ops/program/execute.h"
#include "ops/reshape.h"

namespace octavo {
namespace {

std::string count(size_t n, const char* what) { return std::to_string(n) + " " + what; }

std::string describe(DType dtype, size_t elements) {
  return std::string(dtype_name(dtype)) + "[" + std::to_string(elements) + "]";
}

size_t volume(const char* name, const std::vector<size_t>& shape) {
  size_t volume = 1;
  for (const size_t extent : shape) volume = checked_product(name, {volume, extent});
  return volume;
}

class Checker {
 public:
  Checker(std::span<const TensorInfo> tensors, const Step& step) : tensors_(tensors), step_(step) {}

  void operator()(const step::Quantize& op) const {
    inputs(1);
    divides_output("planes", op.planes);
    input(0, "src", DType::f32, output_elements());
    output(DType::u8, output_elements());
  }

  void operator()(const step::Dequantize& op) const {
    inputs(1);
    divides_output("planes", op.planes);
    input(0, "src", DType::u8, output_elements());
    output(DType::f32, output_elements());
  }

  void operator()(const step::Requantize&) const {
    inputs(1);
    input(0, "src", DType::u8, output_elements());
    output(DType::u8, output_elements());
  }

  void operator()(const step::Transpose& op) const {
    const size_t elements = checked_product("rows x cols", {op.rows, op.cols});
    inputs(1);
    input(0, "src", output_dtype(), elements);
    output(output_dtype(), elements);
  }

  void operator()(const step::Linear& op) const {
    const Linear& linear = *op.packed;
    linear_elements(sum_dtype(linear), op.rows, linear.k(), linear.n(),
                    linear.output().has_residual);
  }

  void operator()(const step::LinearF32& op) const {
    linear_elements(DType::f32, op.rows, op.packed->k(), op.packed->n(), false);
  }

  void operator()(const step::Conv2d& op) const {
    const Conv2d& conv = *op.packed;
    conv_elements(sum_dtype(conv), conv.shape(), op.height, op.width, conv.output().has_residual);
  }

  void operator()(const step::Conv2dF32& op) const {
    conv_elements(DType::f32, op.packed->shape(), op.height, op.width, false);
  }

  void operator()(const step::Add&) const {
    inputs(2);
    input(0, "a", output_dtype(), output_elements());
    input(1, "b", output_dtype(), output_elements());
  }

  void operator()(step::MaxPool& op) const { pool(op.shape); }
  void operator()(step::AvgPool& op) const { pool(op.shape); }

  void operator()(const step::Concat& op) const {
    if (op.inner.empty()) fail("srcs", "none", "at least one tensor");
    inputs(op.inner.size());
    size_t total = 0;
    for (size_t i = 0; i < op.inner.size(); ++i) {
      const std::string role = "srcs[" + std::to_string(i) + "]";
      input(i, role, output_dtype(), checked_product(role, {op.outer, op.inner[i]}));
      total += op.inner[i];  // no overflow: each is at most a tensor's elements
    }
    output(output_dtype(), checked_product("outer x sum(inner)", {op.outer, total}));
  }

  void operator()(const step::Pad& op) const {
    require_axes(op.shape);
    require_same_axes("before", op.before.size(), op.shape.size());
    require_same_axes("after", op.after.size(), op.shape.size());
    std::vector<size_t> padded;
    for (size_t i = 0; i < op.shape.size(); ++i) {
      for (const size_t extent : {op.shape[i], op.before[i], op.after[i]}) {
        check_between("shape, before or after", static_cast<int64_t>(extent), 0,
                      static_cast<int64_t>(kMaxExtent));
      }
      padded.push_back(op.before[i] + op.shape[i] + op.after[i]);
    }
    if (output_dtype() == DType::u8 &&
        !(op.value >= 0 && op.value <= 255 && op.value == std::floor(op.value))) {
      fail("value", std::to_string(op.value), "an integer in 0..255 for a u8 tensor");
    }
    inputs(1);
    input(0, "src", output_dtype(), volume("shape", op.shape));
    output(output_dtype(), volume("padded shape", padded));
  }

  void operator()(const step::Slice& op) const {
    require_axes(op.shape);
    require_same_axes("start", op.start.size(), op.shape.size());
    require_same_axes("step", op.step.size(), op.shape.size());
    require_same_axes("out_shape", op.out_shape.size(), op.shape.size());
    for (size_t i = 0; i < op.shape.size(); ++i) slice_axis(op, i);
    inputs(1);
    input(0, "src", output_dtype(), volume("shape", op.shape));
    output(output_dtype(), volume("out_shape", op.out_shape));
  }

  void operator()(const step::Clamp& op) const {
    check_clamp(op.lo, op.hi);
    same_elements(DType::f32);
  }

  void operator()(const step::ScaleShift& op) const {
    const size_t channels = op.scale.size();
    if (channels == 0 || op.shift.size() != channels) {
      fail("scale and shift", count(channels, "and ") + count(op.shift.size(), "elements"),
           "the same number, at least 1");
    }
    divides_output("channels", channels);
    same_elements(DType::f32);
  }

  void operator()(const step::Softmax& op) const {
    const size_t elements = checked_product("outer x n x inner", {op.outer, op.n, op.inner});
    inputs(1);
    input(0, "src", DType::f32, elements);
    output(DType::f32, elements);
  }

  template <MathStep Op>
  void operator()(const Op& op) const {
    const Signature signature = op.signature();
    const DType dtype = signature.dtype.value_or(output_dtype());
    inputs(signature.inputs.size());
    for (size_t i = 0; i < signature.inputs.size(); ++i) {
      input(i, i == 0 ? "src" : "the second source", dtype, signature.inputs[i]);
    }
    output(dtype, signature.output);
  }

  template <DynamicStep Op>
  void operator()(const Op& op) const {
    const Ports ports = op.ports();
    inputs(ports.inputs.size());
    for (size_t i = 0; i < ports.inputs.size(); ++i) {
      input(i, i == 0 ? "src" : "params", ports.inputs[i].dtype, ports.inputs[i].elements);
    }
    output(ports.output.dtype, ports.output.elements);
  }

 private:
  DType output_dtype() const { return tensors_[step_.output].dtype; }
  size_t output_elements() const { return tensors_[step_.output].elements; }

  void divides_output(const char* what, size_t n) const {
    if (n != 0 && output_elements() % n == 0) return;
    fail("dst", count(output_elements(), "elements"), "a multiple of the " + count(n, what));
  }

  void inputs(size_t expected) const {
    if (step_.inputs.size() != expected) {
      fail("inputs", count(step_.inputs.size(), "tensors"), std::to_string(expected));
    }
  }

  void tensor(TensorId id, const std::string& role, DType dtype, size_t elements) const {
    const TensorInfo& info = tensors_[id];
    if (info.dtype == dtype && info.elements == elements) return;
    fail(role, "tensor " + std::to_string(id) + ", " + describe(info.dtype, info.elements),
         describe(dtype, elements));
  }

  void input(size_t i, const std::string& role, DType dtype, size_t elements) const {
    tensor(step_.inputs[i], role, dtype, elements);
  }

  void output(DType dtype, size_t elements) const { tensor(step_.output, "dst", dtype, elements); }

  void same_elements(DType dtype) const {
    inputs(1);
    input(0, "src", dtype, output_elements());
    output(dtype, output_elements());
  }

  void residual(bool expected, DType dtype, size_t elements) const {
    const bool given = step_.inputs.size() == 2;
    if (given != expected) {
      fail("residual", given ? "a tensor" : "None",
           expected ? "a tensor: the weights are packed for a residual"
                    : "None: the weights are packed without a residual");
    }
    inputs(expected ? 2 : 1);
    if (expected) input(1, "residual", dtype, elements);
  }

  void linear_elements(DType dtype, size_t rows, size_t k, size_t n, bool has_residual) const {
    const size_t out = checked_product("rows x n", {rows, n});
    residual(has_residual, dtype, out);
    input(0, "src", source_of(dtype), checked_product("rows x k", {rows, k}));
    output(dtype, out);
  }

  void conv_elements(DType dtype, const ConvShape& shape, size_t height, size_t width,
                     bool has_residual) const {
    const Extent2d size = conv_output_size(shape, height, width);
    const size_t out = checked_product("output", {size.h, size.w, shape.out_channels});
    residual(has_residual, dtype, out);
    input(0, "src", source_of(dtype), checked_product("input", {height, width, shape.in_channels}));
    output(dtype, out);
  }

  void pool(PoolShape& shape) const {
    const size_t in = checked_product("input", {shape.in_h, shape.in_w, shape.channels});
    inputs(1);
    input(0, "src", output_dtype(), in);
    std::string expected;
    for (const bool ceil_mode : {false, true}) {
      const Extent2d size = pool_output_size(shape, ceil_mode);
      const size_t out = checked_product("output", {size.h, size.w, shape.channels});
      if (out == output_elements()) {
        shape.out_h = size.h;
        shape.out_w = size.w;
        return;
      }
      if (ceil_mode) expected += " or ";
      expected += std::to_string(out);
    }
    fail("dst",
         "tensor " + std::to_string(step_.output) + ", " +
             describe(output_dtype(), output_elements()),
         expected + " elements");
  }

  static void require_axes(const std::vector<size_t>& shape) {
    if (shape.empty() || shape.size() > kMaxAxes) {
      fail("shape", count(shape.size(), "axes"), "1 to " + std::to_string(kMaxAxes));
    }
  }

  static void require_same_axes(const char* name, size_t axes, size_t expected) {
    if (axes != expected) {
      fail(name, count(axes, "entries"), std::to_string(expected) + ", one per axis of shape");
    }
  }

  // Every element of the slice must exist: its first and its last one do.
  static void slice_axis(const step::Slice& op, size_t i) {
    const auto limit = static_cast<int64_t>(kMaxExtent);
    const auto extent = static_cast<int64_t>(op.shape[i]);
    const auto elements = static_cast<int64_t>(op.out_shape[i]);
    const int64_t start = op.start[i];
    const int64_t step = op.step[i];
    check_between("shape", extent, 1, limit);
    check_between("out_shape", elements, 1, limit);
    check_between("start", start, 0, extent - 1);
    check_between("step", step, -limit, limit);
    if (step == 0) fail("step", "0", "a positive or negative number");
    check_between("start + (out_shape - 1) * step", start + (elements - 1) * step, 0, extent - 1);
  }

  std::span<const TensorInfo> tensors_;
  const Step& step_;
};

}  // namespace

void check_step(const Context& context, std::span<const TensorInfo> tensors, Step& step) {
  std::visit(Checker(tensors, step), step.operation);
  // Ops check their parameters themselves: run this one over no samples. The addresses are kept:
  // programs have as many steps as tensors.
  static AlignedBuffer nowhere(AlignedBuffer::kAlignment);
  thread_local std::vector<void*> data;
  if (data.size() < tensors.size()) data.resize(2 * tensors.size(), nowhere.data());
  run_step(context, step, tensors[step.output], 0, {data.data(), {}});
}

}  // namespace octavo
