// The steps of activations that are quantized while the network runs, and of int32 results. Their
// tensors differ in dtype: each states itself what it takes (`ports`).
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <vector>

#include "ops/conv2d.h"
#include "ops/dynamic.h"
#include "ops/linear.h"
#include "ops/program/kept.h"
#include "ops/program/step_math.h"
#include "ops/program/tensor_info.h"

namespace octavo {

// What a step takes and gives, elements per sample.
struct Ports {
  std::vector<TensorInfo> inputs;
  TensorInfo output;
};

namespace step {

// x (rows, k) to scale and zero point: a pair per row, or one per sample, the same for the whole
// batch.
struct DynamicParams {
  static constexpr const char* kOp = "dynamic_params";
  size_t rows;
  size_t k;
  bool per_row;
  Ports ports() const;
};

struct DynamicQuantize {  // inputs: x, its params
  static constexpr const char* kOp = "dynamic_quantize";
  size_t rows;
  size_t k;
  bool per_row;
  Ports ports() const;
};

struct DynamicLinear {  // inputs: quantized x, its params
  static constexpr const char* kOp = "dynamic_linear";
  std::shared_ptr<const octavo::Linear> packed;
  size_t rows;
  bool per_row;
  DynamicOutput output;
  KeptParams<LinearParams> kept = nullptr;
  Ports ports() const;
};

struct DynamicConv2d {  // inputs: quantized x, its params
  static constexpr const char* kOp = "dynamic_conv2d";
  std::shared_ptr<const octavo::Conv2d> packed;
  size_t height;
  size_t width;
  DynamicOutput output;
  KeptParams<Conv2dParams> kept = nullptr;
  Ports ports() const;
};

struct CastS32 {  // to float
  static constexpr const char* kOp = "cast";
  size_t elements;
  Ports ports() const { return {{{DType::s32, elements}}, {DType::f32, elements}}; }
};

}  // namespace step

// What packed weights with and without a multiplier give, and what they read.
template <class Packed>
DType sum_dtype(const Packed& packed) {
  return packed.requantizes() ? DType::u8 : DType::s32;
}
inline DType source_of(DType sum) { return sum == DType::s32 ? DType::u8 : sum; }

// Whether the second input holds scale and zero point of the first.
template <class Op>
inline constexpr bool kReadsParams =
    std::is_same_v<Op, step::DynamicQuantize> || std::is_same_v<Op, step::DynamicLinear> ||
    std::is_same_v<Op, step::DynamicConv2d>;

template <class Op>
concept DynamicStep = requires(const Op& op) { op.ports(); };

void run_dynamic(const MathData& data, const step::DynamicParams& op);
void run_dynamic(const MathData& data, const step::DynamicQuantize& op);
void run_dynamic(const MathData& data, const step::DynamicLinear& op);
void run_dynamic(const MathData& data, const step::DynamicConv2d& op);
void run_dynamic(const MathData& data, const step::CastS32& op);

}  // namespace octavo
