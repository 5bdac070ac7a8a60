// The steps of transformers and gated networks. Unlike the others each states itself what tensors
// it takes (`signature`) and how it runs (`run_math`), so that Checker and Runner know them as one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/quant.h"
#include "ops/activation.h"
#include "ops/broadcast_f32.h"
#include "ops/matmul.h"
#include "ops/program/tensor_info.h"
#include "ops/softmax.h"
#include "ops/table.h"
#include "runtime/context.h"

namespace octavo {

// What a step takes: one entry per input, elements per sample.
struct Signature {
  std::vector<size_t> inputs;
  size_t output;
  std::optional<DType> dtype;  // of all of them; none: any, the same for all
};

namespace step {

struct Lookup {
  static constexpr const char* kOp = "lookup";
  Table table;
  size_t elements;
  Signature signature() const { return {{elements}, elements, DType::u8}; }
};

struct SoftmaxU8 {  // over the last axis
  static constexpr const char* kOp = "softmax";
  size_t rows;
  size_t n;
  SoftmaxQuant quant;
  Signature signature() const;
};

struct LayerNorm {  // u8: gamma, beta and epsilon as ops/layer_norm.h has them; f32: the layer's
                    // own
  static constexpr const char* kOp = "layer_norm";
  size_t rows;
  std::vector<float> gamma;
  std::vector<float> beta;
  double epsilon;
  QuantRange range;
  Signature signature() const;
};

struct Mul {  // b has one row of channels per `outer`
  static constexpr const char* kOp = "mul";
  size_t outer;
  size_t inner;
  size_t channels;
  int32_t a_zero_point;
  int32_t b_zero_point;
  float multiplier;
  QuantRange range;
  Signature signature() const;
};

struct MatMul {  // elements of the samples of a, b and c; quant is ignored in float
  static constexpr const char* kOp = "matmul";
  MatMulShape shape;
  MatMulQuant quant;
  size_t a_elements;
  size_t b_elements;
  size_t c_elements;
  Signature signature() const;
};

struct Permute {  // y[i...] = x[i . strides]
  static constexpr const char* kOp = "permute";
  std::vector<size_t> shape;
  std::vector<size_t> strides;
  Signature signature() const;
};

struct Activation {
  static constexpr const char* kOp = "activation";
  octavo::Activation function;
  size_t elements;
  Signature signature() const { return {{elements}, elements, DType::f32}; }
};

struct Binary {
  static constexpr const char* kOp = "binary";
  octavo::Binary op;
  std::vector<size_t> shape;
  std::vector<size_t> a_strides;
  std::vector<size_t> b_strides;
  size_t a_elements;
  size_t b_elements;
  Signature signature() const;
};

struct ReduceMean {  // over the middle axis
  static constexpr const char* kOp = "reduce_mean";
  size_t outer;
  size_t n;
  size_t inner;
  Signature signature() const;
};

}  // namespace step

template <class Op>
concept MathStep = requires(const Op& op) { op.signature(); };

// The tensors of one run, `batch` samples each.
struct MathData {
  const Context& context;
  size_t batch;
  DType dtype;
  const void* a;
  const void* b;  // of the second input, or null
  void* y;

  template <class T>
  const T* in() const {
    return static_cast<const T*>(a);
  }
  template <class T>
  T* out() const {
    return static_cast<T*>(y);
  }
};

void run_math(const MathData& data, const step::Lookup& op);
void run_math(const MathData& data, const step::SoftmaxU8& op);
void run_math(const MathData& data, const step::LayerNorm& op);
void run_math(const MathData& data, const step::Mul& op);
void run_math(const MathData& data, const step::MatMul& op);
void run_math(const MathData& data, const step::Permute& op);
void run_math(const MathData& data, const step::Activation& op);
void run_math(const MathData& data, const step::Binary& op);
void run_math(const MathData& data, const step::ReduceMean& op);

}  // namespace octavo
