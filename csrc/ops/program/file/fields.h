// The fields of every kind of step, in file order: one list for reading and for writing.
//
// An archive has, for a field's name and a variable: `number`, `flag`, `choice` (an enum and how
// many values it has), `numbers` (a vector, inline), `bytes` (of a fixed count, inline), `array` (a
// vector in the data section), `data` and `optional_data` (a pointer to a known count there).
// `packed` is the archive's too: it reads parameters and packs, or writes those that were kept.
#pragma once

#include <tuple>
#include <type_traits>

#include "ops/program/step.h"

namespace octavo::file {

// The number of a step's kind in a file is its place in this list: append only.
using Kinds =
    std::tuple<step::Quantize, step::Dequantize, step::Requantize, step::Transpose, step::Linear,
               step::LinearF32, step::Conv2d, step::Conv2dF32, step::Add, step::MaxPool,
               step::AvgPool, step::Concat, step::Pad, step::Slice, step::Clamp, step::ScaleShift,
               step::Softmax, step::Lookup, step::SoftmaxU8, step::LayerNorm, step::Mul,
               step::MatMul, step::Permute, step::Activation, step::Binary, step::ReduceMean,
               step::DynamicParams, step::DynamicQuantize, step::DynamicLinear, step::DynamicConv2d,
               step::CastS32>;
inline constexpr size_t kKindCount = std::tuple_size_v<Kinds>;
static_assert(kKindCount == std::variant_size_v<Operation>, "every step has a kind");

template <class Op, size_t kKind = 0>
constexpr size_t kind_of() {
  if constexpr (std::is_same_v<Op, std::tuple_element_t<kKind, Kinds>>) {
    return kKind;
  } else {
    return kind_of<Op, kKind + 1>();
  }
}

// What an archive of type A does with a T: readers fill it in.
template <class A, class T>
using Ref = std::conditional_t<A::kReads, T&, const T&>;

template <class A>
void fields(A& ar, Ref<A, QuantRange> range) {
  ar.number("zero_point", range.zero_point);
  ar.number("qmin", range.qmin);
  ar.number("qmax", range.qmax);
}

template <class A>
void fields(A& ar, Ref<A, OutputSpec> output) {
  fields(ar, output.range);
  ar.flag("has_residual", output.has_residual);
  ar.number("residual_multiplier", output.residual_multiplier);
  ar.number("residual_zero_point", output.residual_zero_point);
}

template <class A>
void fields(A& ar, Ref<A, Padding> padding) {
  ar.number("padding.top", padding.top);
  ar.number("padding.left", padding.left);
  ar.number("padding.bottom", padding.bottom);
  ar.number("padding.right", padding.right);
}

// What convolutions and pools say of their windows.
template <class A, class Shape>
void window_fields(A& ar, Shape& shape) {
  ar.number("kernel_h", shape.kernel_h);
  ar.number("kernel_w", shape.kernel_w);
  ar.number("stride_h", shape.stride_h);
  ar.number("stride_w", shape.stride_w);
  ar.number("dilation_h", shape.dilation_h);
  ar.number("dilation_w", shape.dilation_w);
  fields(ar, shape.padding);
}

// ---- layers with weights
// -------------------------------------------------------------------------

template <class A, class Params>
void fold_fields(A& ar, Params& params, size_t n) {
  ar.optional_data("bias", params.bias, n);
  ar.optional_data("multiplier", params.multiplier, n);
  ar.optional_data("weight_zero_point", params.weight_zero_point, n);
  ar.number("a_zero_point", params.a_zero_point);
  fields(ar, params.output);
}

template <class A>
void fields(A& ar, Ref<A, LinearParams> params) {
  ar.number("n", params.n);
  ar.number("k", params.k);
  ar.data("weight", params.weight, {params.n, params.k});
  fold_fields(ar, params, params.n);
}

template <class A>
void fields(A& ar, Ref<A, LinearF32Params> params) {
  ar.number("n", params.n);
  ar.number("k", params.k);
  ar.data("weight", params.weight, {params.n, params.k});
  ar.optional_data("bias", params.bias, params.n);
  ar.number("lo", params.lo);
  ar.number("hi", params.hi);
}

template <class A>
void fields(A& ar, Ref<A, ConvShape> shape) {
  ar.number("in_channels", shape.in_channels);
  ar.number("out_channels", shape.out_channels);
  ar.number("groups", shape.groups);
  window_fields(ar, shape);
  if constexpr (A::kReads) check_conv_shape(shape);  // what follows divides by its fields
}

template <class A, class Params>
void conv_weight(A& ar, Params& params) {
  const ConvShape& shape = params.shape;
  ar.data("weight", params.weight,
          {shape.out_channels, shape.group_in(), shape.kernel_h, shape.kernel_w});
}

template <class A>
void fields(A& ar, Ref<A, Conv2dParams> params) {
  fields(ar, params.shape);
  conv_weight(ar, params);
  fold_fields(ar, params, params.shape.out_channels);
}

template <class A>
void fields(A& ar, Ref<A, Conv2dF32Params> params) {
  fields(ar, params.shape);
  conv_weight(ar, params);
  ar.optional_data("bias", params.bias, params.shape.out_channels);
  ar.number("lo", params.lo);
  ar.number("hi", params.hi);
}

template <class A>
void fields(A& ar, Ref<A, step::Linear> op) {
  ar.packed(op.packed, op.kept);
  ar.number("rows", op.rows);
}

template <class A>
void fields(A& ar, Ref<A, step::LinearF32> op) {
  ar.packed(op.packed, op.kept);
  ar.number("rows", op.rows);
}

template <class A>
void fields(A& ar, Ref<A, step::Conv2d> op) {
  ar.packed(op.packed, op.kept);
  ar.number("height", op.height);
  ar.number("width", op.width);
}

template <class A>
void fields(A& ar, Ref<A, step::Conv2dF32> op) {
  ar.packed(op.packed, op.kept);
  ar.number("height", op.height);
  ar.number("width", op.width);
}

// ---- bytes and floats
// ----------------------------------------------------------------------------

template <class A>
void fields(A& ar, Ref<A, step::Quantize> op) {
  ar.number("scale", op.scale);
  fields(ar, op.range);
  ar.number("planes", op.planes);
}

template <class A>
void fields(A& ar, Ref<A, step::Dequantize> op) {
  ar.number("scale", op.scale);
  ar.number("zero_point", op.zero_point);
  ar.number("planes", op.planes);
}

template <class A>
void fields(A& ar, Ref<A, step::Requantize> op) {
  ar.number("x_zero_point", op.x_zero_point);
  ar.number("multiplier", op.multiplier);
  fields(ar, op.range);
}

template <class A>
void fields(A& ar, Ref<A, step::Add> op) {
  ar.number("a_zero_point", op.a_zero_point);
  ar.number("a_multiplier", op.a_multiplier);
  ar.number("b_zero_point", op.b_zero_point);
  ar.number("b_multiplier", op.b_multiplier);
  fields(ar, op.range);
  ar.number("lo", op.lo);
  ar.number("hi", op.hi);
}

template <class A>
void fields(A& ar, Ref<A, PoolShape> shape) {
  ar.number("height", shape.in_h);
  ar.number("width", shape.in_w);
  ar.number("channels", shape.channels);
  window_fields(ar, shape);
}

template <class A>
void fields(A& ar, Ref<A, step::MaxPool> op) {
  fields(ar, op.shape);
}

template <class A>
void fields(A& ar, Ref<A, step::AvgPool> op) {
  fields(ar, op.shape);
  ar.flag("count_include_pad", op.count_include_pad);
  ar.number("x_zero_point", op.quant.x_zero_point);
  ar.number("multiplier", op.quant.multiplier);
  fields(ar, op.quant.range);
}

template <class A>
void fields(A& ar, Ref<A, step::Clamp> op) {
  ar.number("lo", op.lo);
  ar.number("hi", op.hi);
}

template <class A>
void fields(A& ar, Ref<A, step::ScaleShift> op) {
  ar.array("scale", op.scale);
  ar.array("shift", op.shift);
}

template <class A>
void fields(A& ar, Ref<A, step::Softmax> op) {
  ar.number("outer", op.outer);
  ar.number("n", op.n);
  ar.number("inner", op.inner);
}

}  // namespace octavo::file
