#include "ops/program/execute.h"

#include <algorithm>
#include <vector>

#include "ops/elementwise.h"
#include "ops/reshape.h"
#include "ops/scratch.h"
#include "ops/strided.h"

namespace octavo {
namespace {

class Runner {
 public:
  Runner(const Context& context, const Step& step, const TensorInfo& output, size_t batch,
         const Places& places)
      : context_(context), step_(step), output_(output), batch_(batch), places_(places) {}

  void operator()(const step::Quantize& op) const {
    if (op.planes == 1) {
      quantize(context_, in<float>(0), count(), op.scale, op.range, out<uint8_t>());
    } else {
      quantize_transpose(context_, in<float>(0), batch_, op.planes, output_.elements / op.planes,
                         op.scale, op.range, out<uint8_t>());
    }
  }

  void operator()(const step::Dequantize& op) const {
    if (op.planes == 1) {
      dequantize(context_, in<uint8_t>(0), count(), op.scale, op.zero_point, out<float>());
    } else {
      dequantize_transpose(context_, in<uint8_t>(0), batch_, op.planes,
                           output_.elements / op.planes, op.scale, op.zero_point, out<float>());
    }
  }

  void operator()(const step::Requantize& op) const {
    if (!touches_views()) {
      requantize_u8(context_, in<uint8_t>(0), count(), op.x_zero_point, op.multiplier, op.range,
                    out<uint8_t>());
      return;
    }
    const size_t cols = view_cols();
    requantize_rows(context_, {in<uint8_t>(0), ld(step_.inputs[0], cols)}, count() / cols, cols,
                    op.x_zero_point, op.multiplier, op.range, out<uint8_t>(),
                    ld(step_.output, cols));
  }

  void operator()(const step::Transpose& op) const {
    transpose2d(context_, in<void>(0), batch_, op.rows, op.cols, element_bytes(), out<void>());
  }

  void operator()(const step::Linear& op) const {
    const Linear& linear = *op.packed;
    if (!linear.requantizes()) {
      return linear.run_s32(context_, in<uint8_t>(0), linear.k(), batch_ * op.rows, out<int32_t>(),
                            linear.n());
    }
    const ResidualView residual = residual_view(linear.n());
    linear.run_u8(context_, in<uint8_t>(0), ld(step_.inputs[0], linear.k()), batch_ * op.rows,
                  has_residual() ? &residual : nullptr, out<uint8_t>(),
                  ld(step_.output, linear.n()));
  }

  void operator()(const step::LinearF32& op) const {
    const LinearF32& linear = *op.packed;
    linear.run(context_, in<float>(0), linear.k(), batch_ * op.rows, out<float>(), linear.n());
  }

  void operator()(const step::Conv2d& op) const {
    const ConvShape& shape = op.packed->shape();
    if (!op.packed->requantizes()) {
      return op.packed->run_s32(context_, in<uint8_t>(0), batch_, op.height, op.width,
                                out<int32_t>());
    }
    const ResidualView residual = residual_view(shape.out_channels);
    op.packed->run_u8(
        context_, in<uint8_t>(0), batch_, op.height, op.width, has_residual() ? &residual : nullptr,
        out<uint8_t>(),
        {ld(step_.inputs[0], shape.in_channels), ld(step_.output, shape.out_channels)});
  }

  void operator()(const step::Conv2dF32& op) const {
    op.packed->run(context_, in<float>(0), batch_, op.height, op.width, out<float>());
  }

  void operator()(const step::Add& op) const {
    if (is_u8()) {
      const AddInput a = {in<uint8_t>(0), op.a_zero_point, op.a_multiplier};
      const AddInput b = {in<uint8_t>(1), op.b_zero_point, op.b_multiplier};
      if (!touches_views()) return add(context_, a, b, count(), op.range, out<uint8_t>());
      const size_t cols = view_cols();
      add_rows(context_, a, ld(step_.inputs[0], cols), b, ld(step_.inputs[1], cols), count() / cols,
               cols, op.range, out<uint8_t>(), ld(step_.output, cols));
    } else {
      add_f32(context_, in<float>(0), in<float>(1), count(), op.lo, op.hi, out<float>());
    }
  }

  void operator()(const step::MaxPool& op) const {
    const PoolShape shape = with_batch(op.shape);
    if (is_u8()) {
      max_pool2d(context_, shape, in<uint8_t>(0), out<uint8_t>());
    } else {
      max_pool2d_f32(context_, shape, in<float>(0), out<float>());
    }
  }

  void operator()(const step::AvgPool& op) const {
    const PoolShape shape = with_batch(op.shape);
    if (is_u8()) {
      avg_pool2d(context_, shape, op.count_include_pad, op.quant, in<uint8_t>(0), out<uint8_t>());
    } else {
      avg_pool2d_f32(context_, shape, op.count_include_pad, in<float>(0), out<float>());
    }
  }

  void operator()(const step::Concat& op) const {
    if (touches_views()) return concat_rows(op);
    const size_t count = op.inner.size();
    auto* inputs = scratch<ConcatInput>(Scratch::operands, count);
    for (size_t i = 0; i < count; ++i) inputs[i] = {in<void>(i), op.inner[i]};
    concat(context_, {inputs, count}, batch_ * op.outer, element_bytes(), out<void>());
  }

  void operator()(const step::Pad& op) const {
    const uint8_t value_u8 = is_u8() ? static_cast<uint8_t>(op.value) : uint8_t{0};
    const float value_f32 = static_cast<float>(op.value);
    const void* value = is_u8() ? static_cast<const void*>(&value_u8) : &value_f32;
    const size_t in_bytes = volume(op.shape) * element_bytes();
    for (size_t i = 0; i < batch_; ++i) {
      pad(context_, in<uint8_t>(0) + i * in_bytes, op.shape, op.before, op.after, element_bytes(),
          value, out<uint8_t>() + i * out_bytes());
    }
  }

  void operator()(const step::Slice& op) const {
    if (view(step_.output).exists()) return;  // its readers read the input
    const size_t in_bytes = volume(op.shape) * element_bytes();
    for (size_t i = 0; i < batch_; ++i) {
      slice(context_, in<uint8_t>(0) + i * in_bytes, op.shape, op.start, op.step, op.out_shape,
            element_bytes(), out<uint8_t>() + i * out_bytes());
    }
  }

  void operator()(const step::Clamp& op) const {
    clamp_f32(context_, in<float>(0), count(), op.lo, op.hi, out<float>());
  }

  void operator()(const step::ScaleShift& op) const {
    const size_t channels = op.scale.size();
    scale_shift_f32(context_, in<float>(0), count() / channels, channels, op.scale.data(),
                    op.shift.data(), out<float>());
  }

  void operator()(const step::Softmax& op) const {
    softmax_f32(context_, in<float>(0), batch_ * op.outer, op.n, op.inner, out<float>());
  }

  template <MathStep Op>
  void operator()(const Op& op) const {
    run_math(math_data(), op);
  }

  template <DynamicStep Op>
  void operator()(const Op& op) const {
    run_dynamic(math_data(), op);
  }

 private:
  template <class T>
  const T* in(size_t i) const {
    return static_cast<const T*>(places_.data[step_.inputs[i]]);
  }

  template <class T>
  T* out() const {
    return static_cast<T*>(places_.data[step_.output]);
  }

  MathData math_data() const {
    const void* second = step_.inputs.size() > 1 ? in<void>(1) : nullptr;
    return {context_, batch_, output_.dtype, in<void>(0), second, out<void>()};
  }

  bool is_u8() const { return output_.dtype == DType::u8; }
  size_t element_bytes() const { return dtype_bytes(output_.dtype); }
  size_t count() const { return batch_ * output_.elements; }
  size_t out_bytes() const { return output_.elements * element_bytes(); }
  bool has_residual() const { return step_.inputs.size() > 1; }

  // Its view, if the tensor is one.
  View view(TensorId id) const { return places_.views.empty() ? View{} : places_.views[id]; }

  // Columns of the step's views, which agree; 0: it has none.
  size_t view_cols() const {
    size_t cols = view(step_.output).cols;
    for (const TensorId id : step_.inputs) cols = std::max(cols, view(id).cols);
    return cols;
  }

  bool touches_views() const { return view_cols() != 0; }

  // Elements between rows of `cols` elements.
  size_t ld(TensorId id, size_t cols) const {
    const View placed = view(id);
    return placed.exists() ? placed.ld : cols;
  }

  ResidualView residual_view(size_t cols) const {
    if (!has_residual()) return {nullptr, cols};
    return {in<uint8_t>(1), ld(step_.inputs[1], cols)};
  }

  // What lies in its place already is not copied.
  void concat_rows(const step::Concat& op) const {
    size_t total = 0;
    for (const size_t inner : op.inner) total += inner;
    uint8_t* to = out<uint8_t>();
    for (size_t i = 0; i < op.inner.size(); to += op.inner[i++]) {
      if (in<uint8_t>(i) == to) continue;
      const StridedBytes from = {in<uint8_t>(i), ld(step_.inputs[i], op.inner[i])};
      copy_rows(context_, from, batch_ * op.outer, op.inner[i], to, ld(step_.output, total));
    }
  }

  PoolShape with_batch(PoolShape shape) const {
    shape.batch = batch_;
    return shape;
  }

  static size_t volume(const std::vector<size_t>& shape) {
    size_t volume = 1;
    for (const size_t extent : shape) volume *= extent;
    return volume;
  }

  const Context& context_;
  const Step& step_;
  const TensorInfo& output_;
  size_t batch_;
  const Places& places_;
};

}  // namespace

void run_step(const Context& context, const Step& step, const TensorInfo& output, size_t batch,
              const Places& places) {
  std::visit(Runner(context, step, output, batch, places), step.operation);
}

}  // namespace octavo
