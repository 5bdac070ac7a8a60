// What a program is made of: tensors, and steps that read some and write one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/quant.h"
#include "ops/conv2d.h"
#include "ops/linear.h"
#include "ops/pool.h"
#include "ops/program/kept.h"
#include "ops/program/step_dynamic.h"
#include "ops/program/step_math.h"
#include "ops/program/tensor_info.h"

namespace octavo {

// The parameters of every operation; extents are per sample. Operations that exist for u8 and f32
// take whichever their tensors are, and ignore the other one's parameters.
namespace step {

struct Quantize {
  static constexpr const char* kOp = "quantize";
  float scale;
  QuantRange range;
  size_t planes = 1;  // of the source, which become channels, last: NCHW to NHWC
};

struct Dequantize {
  static constexpr const char* kOp = "dequantize";
  float scale;
  int32_t zero_point;
  size_t planes = 1;  // of the destination, channels of the source: NHWC to NCHW
};

struct Requantize {
  static constexpr const char* kOp = "requantize";
  int32_t x_zero_point;
  float multiplier;
  QuantRange range;
};

struct Transpose {  // (rows, cols) to (cols, rows)
  static constexpr const char* kOp = "transpose";
  size_t rows;
  size_t cols;
};

struct Linear {  // inputs: src, and the residual if there is one
  static constexpr const char* kOp = "linear";
  std::shared_ptr<const octavo::Linear> packed;
  size_t rows;
  KeptParams<LinearParams> kept = nullptr;
};

struct LinearF32 {
  static constexpr const char* kOp = "linear";
  std::shared_ptr<const octavo::LinearF32> packed;
  size_t rows;
  KeptParams<LinearF32Params> kept = nullptr;
};

struct Conv2d {  // inputs: src, and the residual if there is one
  static constexpr const char* kOp = "conv2d";
  std::shared_ptr<const octavo::Conv2d> packed;
  size_t height;
  size_t width;
  KeptParams<Conv2dParams> kept = nullptr;
};

struct Conv2dF32 {
  static constexpr const char* kOp = "conv2d";
  std::shared_ptr<const octavo::Conv2dF32> packed;
  size_t height;
  size_t width;
  KeptParams<Conv2dF32Params> kept = nullptr;
};

struct Add {  // u8: quantization; f32: the clamp
  static constexpr const char* kOp = "add";
  int32_t a_zero_point;
  float a_multiplier;
  int32_t b_zero_point;
  float b_multiplier;
  QuantRange range;
  float lo;
  float hi;
};

struct MaxPool {  // shape.batch, out_h and out_w are filled in
  static constexpr const char* kOp = "max_pool2d";
  PoolShape shape;
};

struct AvgPool {
  static constexpr const char* kOp = "avg_pool2d";
  PoolShape shape;
  bool count_include_pad;
  AvgPoolQuant quant;
};

struct Concat {  // one inner extent per input
  static constexpr const char* kOp = "concat";
  size_t outer;
  std::vector<size_t> inner;
};

struct Pad {
  static constexpr const char* kOp = "pad";
  std::vector<size_t> shape;
  std::vector<size_t> before;
  std::vector<size_t> after;
  double value;  // u8: an integer 0..255
};

struct Slice {
  static constexpr const char* kOp = "slice";
  std::vector<size_t> shape;
  std::vector<ptrdiff_t> start;
  std::vector<ptrdiff_t> step;
  std::vector<size_t> out_shape;
};

struct Clamp {
  static constexpr const char* kOp = "clamp";
  float lo;
  float hi;
};

struct ScaleShift {  // over the innermost axis
  static constexpr const char* kOp = "scale_shift";
  std::vector<float> scale;
  std::vector<float> shift;
};

struct Softmax {  // over the middle axis
  static constexpr const char* kOp = "softmax";
  size_t outer;
  size_t n;
  size_t inner;
};

}  // namespace step

using Operation =
    std::variant<step::Quantize, step::Dequantize, step::Requantize, step::Transpose, step::Linear,
                 step::LinearF32, step::Conv2d, step::Conv2dF32, step::Add, step::MaxPool,
                 step::AvgPool, step::Concat, step::Pad, step::Slice, step::Clamp, step::ScaleShift,
                 step::Softmax, step::Lookup, step::SoftmaxU8, step::LayerNorm, step::Mul,
                 step::MatMul, step::Permute, step::Activation, step::Binary, step::ReduceMean,
                 step::DynamicParams, step::DynamicQuantize, step::DynamicLinear,
                 step::DynamicConv2d, step::CastS32>;

inline const char* operation_name(const Operation& operation) {
  return std::visit([](const auto& op) { return op.kOp; }, operation);
}

// Bytes of packed weights, of operations that have any.
inline size_t weight_bytes(const Operation& operation) {
  return std::visit(
      [](const auto& op) -> size_t {
        if constexpr (requires { op.packed->packed_bytes(); }) return op.packed->packed_bytes();
        return 0;
      },
      operation);
}

struct Step {
  std::string name;  // of the node it comes from
  std::vector<TensorId> inputs;
  TensorId output;
  Operation operation;
};

}  // namespace octavo
