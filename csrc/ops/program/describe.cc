#include "ops/program/describe.h"

#include <cmath>
#include <cstdio>
#include <initializer_list>
#include <utility>
#include <vector>

#include "ops/program/describe_math.h"

namespace octavo {
namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

std::string joined(std::initializer_list<std::string> parts) {
  std::string text;
  for (const std::string& part : parts) text += part;
  return text;
}

std::string list(const std::vector<size_t>& values, char separator) {
  std::string text;
  for (const size_t value : values) {
    if (!text.empty()) text += separator;
    text += std::to_string(value);
  }
  return text;
}

std::string extent(size_t h, size_t w) { return list({h, w}, 'x'); }

std::string arrow(size_t from, size_t to) {
  return joined({std::to_string(from), "->", std::to_string(to)});
}

// " pad 1", " pad 1,1,2,2" or nothing.
std::string padding(const Padding& pad) {
  if (pad.top == pad.left && pad.top == pad.bottom && pad.top == pad.right) {
    return pad.top == 0 ? "" : joined({" pad ", std::to_string(pad.top)});
  }
  return joined({" pad ", list({pad.top, pad.left, pad.bottom, pad.right}, ',')});
}

// "3x3/2 dilation 2 pad 1" of a convolution or a pooling window.
template <class Shape>
std::string window(const Shape& shape) {
  std::string text = extent(shape.kernel_h, shape.kernel_w);
  if (shape.stride_h != shape.stride_w) {
    text += "/" + extent(shape.stride_h, shape.stride_w);
  } else if (shape.stride_h != 1) {
    text += "/" + std::to_string(shape.stride_h);
  }
  if (shape.dilation_h != shape.dilation_w) {
    text += " dilation " + extent(shape.dilation_h, shape.dilation_w);
  } else if (shape.dilation_h != 1) {
    text += " dilation " + std::to_string(shape.dilation_h);
  }
  return text + padding(shape.padding);
}

std::string conv(const ConvShape& shape) {
  std::string text = window(shape) + " " + arrow(shape.in_channels, shape.out_channels);
  if (shape.groups == 1) return text;
  return text + (shape.is_depthwise() ? " depthwise" : " groups " + std::to_string(shape.groups));
}

// What the clamp does beyond the dtype's range. Clamping at the zero point is a ReLU.
std::string fused(const QuantRange& range) {
  if (range.qmin == 0 && range.qmax == 255 && range.zero_point != 0) return "";
  if (range.qmin == range.zero_point && range.qmax == 255) return " +relu";
  return joined({" +clamp ", std::to_string(range.qmin), "..", std::to_string(range.qmax)});
}

std::string fused(const OutputSpec& output) {
  return fused(output.range) + (output.has_residual ? " +residual" : "");
}

std::string fused(float lo, float hi) {
  if (std::isinf(lo) && std::isinf(hi)) return "";
  if (lo == 0.0f && std::isinf(hi)) return " +relu";
  return joined({" +clamp ", number(lo), "..", number(hi)});
}

struct Words {
  std::string kernel;
  std::string detail;
};

class Describer {
 public:
  Describer(const Context& context, DType output)
      : context_(context), kernels_(context.kernels()), is_u8_(output == DType::u8) {}

  Words operator()(const step::Quantize& op) const {
    return {kernels_.quantize_u8.name, affine(op.scale, op.range.zero_point) + planes(op.planes)};
  }

  Words operator()(const step::Dequantize& op) const {
    return {kernels_.dequantize_u8.name, affine(op.scale, op.zero_point) + planes(op.planes)};
  }

  Words operator()(const step::Requantize& op) const {
    return {kernels_.requantize_u8.name, "x" + number(op.multiplier) + " zero_point " +
                                             arrow(static_cast<size_t>(op.x_zero_point),
                                                   static_cast<size_t>(op.range.zero_point)) +
                                             fused(op.range)};
  }

  Words operator()(const step::Transpose& op) const {
    const char* kernel = is_u8_ ? kernels_.transpose_u8.name : kernels_.transpose_u32.name;
    return {kernel, extent(op.rows, op.cols)};
  }

  Words operator()(const step::Linear& op) const {
    const Linear& linear = *op.packed;
    return {linear.kernel_name(context_),
            arrow(linear.k(), linear.n()) + rows(op.rows) + fused(linear.output())};
  }

  Words operator()(const step::LinearF32& op) const {
    const LinearF32& linear = *op.packed;
    return {linear.kernel_name(context_), arrow(linear.k(), linear.n()) + rows(op.rows)};
  }

  Words operator()(const step::Conv2d& op) const {
    return {op.packed->kernel_name(context_),
            conv(op.packed->shape()) + fused(op.packed->output())};
  }

  Words operator()(const step::Conv2dF32& op) const {
    return {op.packed->kernel_name(context_), conv(op.packed->shape())};
  }

  Words operator()(const step::Add& op) const {
    if (!is_u8_) return {kPortable, trimmed(fused(op.lo, op.hi))};
    return {kernels_.add_u8.name, trimmed(fused(op.range))};
  }

  Words operator()(const step::MaxPool& op) const {
    return {is_u8_ ? kernels_.max_u8.name : kPortable, window(op.shape)};
  }

  Words operator()(const step::AvgPool& op) const {
    const bool global = op.shape.kernel_h == op.shape.in_h && op.shape.kernel_w == op.shape.in_w;
    return {is_u8_ ? kernels_.avg_u8.name : kPortable,
            window(op.shape) + (global ? " global" : "") +
                (op.count_include_pad ? " count_include_pad" : "")};
  }

  Words operator()(const step::Concat& op) const { return {kPortable, list(op.inner, '+')}; }

  Words operator()(const step::Pad& op) const {
    return {kPortable, joined({list(op.shape, 'x'), " value ", number(op.value)})};
  }

  Words operator()(const step::Slice& op) const {
    return {kPortable, joined({list(op.shape, 'x'), "->", list(op.out_shape, 'x')})};
  }

  Words operator()(const step::Clamp& op) const {
    return {kPortable, joined({number(op.lo), "..", number(op.hi)})};
  }

  Words operator()(const step::ScaleShift& op) const {
    return {kPortable, std::to_string(op.scale.size()) + " channels"};
  }

  Words operator()(const step::Softmax& op) const {
    return {kPortable, "over " + std::to_string(op.n)};
  }

  template <MathStep Op>
  Words operator()(const Op& op) const {
    const MathWords words = describe_math(kernels_, is_u8_, op);
    return {words.kernel, words.detail};
  }

  Words operator()(const step::DynamicParams& op) const {
    return {kernels_.range_f32.name, extent(op.rows, op.k) + by_row(op.per_row)};
  }

  Words operator()(const step::DynamicQuantize& op) const {
    return {kernels_.quantize_u8.name, extent(op.rows, op.k) + by_row(op.per_row)};
  }

  Words operator()(const step::DynamicLinear& op) const {
    const Linear& linear = *op.packed;
    return {linear.kernel_name(context_),
            arrow(linear.k(), linear.n()) + rows(op.rows) + fused(op.output.lo, op.output.hi)};
  }

  Words operator()(const step::DynamicConv2d& op) const {
    return {op.packed->kernel_name(context_),
            conv(op.packed->shape()) + fused(op.output.lo, op.output.hi)};
  }

  Words operator()(const step::CastS32&) const { return {kPortable, "s32->f32"}; }

 private:
  static constexpr const char* kPortable = "portable";

  static std::string affine(float scale, int32_t zero_point) {
    return joined({"scale ", number(scale), " zero_point ", std::to_string(zero_point)});
  }

  static std::string planes(size_t planes) {
    return planes == 1 ? "" : joined({" +transpose ", std::to_string(planes), " planes"});
  }

  static const char* by_row(bool per_row) { return per_row ? " per row" : ""; }

  static std::string rows(size_t rows) {
    return rows == 1 ? "" : joined({" rows ", std::to_string(rows)});
  }

  static std::string trimmed(const std::string& text) { return text.empty() ? "" : text.substr(1); }

  const Context& context_;
  const KernelTable& kernels_;
  bool is_u8_;
};

}  // namespace

StepInfo describe_step(const Context& context, const Step& step, DType output) {
  Words words = std::visit(Describer(context, output), step.operation);
  return {
      operation_name(step.operation), step.name, std::move(words.kernel), step.inputs, step.output,
      std::move(words.detail)};
}

}  // namespace octavo
