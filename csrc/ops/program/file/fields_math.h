// The fields of the steps that move elements, of transformers and of dynamic quantization; see
// fields.h.
#pragma once

#include "ops/program/file/fields.h"

namespace octavo::file {

// ---- moving elements
// -----------------------------------------------------------------------------

template <class A>
void fields(A& ar, Ref<A, step::Transpose> op) {
  ar.number("rows", op.rows);
  ar.number("cols", op.cols);
}

template <class A>
void fields(A& ar, Ref<A, step::Concat> op) {
  ar.number("outer", op.outer);
  ar.numbers("inner", op.inner);
}

template <class A>
void fields(A& ar, Ref<A, step::Pad> op) {
  ar.numbers("shape", op.shape);
  ar.numbers("before", op.before);
  ar.numbers("after", op.after);
  ar.number("value", op.value);
}

template <class A>
void fields(A& ar, Ref<A, step::Slice> op) {
  ar.numbers("shape", op.shape);
  ar.numbers("start", op.start);
  ar.numbers("step", op.step);
  ar.numbers("out_shape", op.out_shape);
}

template <class A>
void fields(A& ar, Ref<A, step::Permute> op) {
  ar.numbers("shape", op.shape);
  ar.numbers("strides", op.strides);
}

// ---- transformers and gated networks
// -------------------------------------------------------------

template <class A>
void fields(A& ar, Ref<A, step::Lookup> op) {
  ar.bytes("table", op.table);
  ar.number("elements", op.elements);
}

// The table, not the scale it comes from: libraries differ in the last bit of exp.
template <class A>
void fields(A& ar, Ref<A, step::SoftmaxU8> op) {
  ar.number("rows", op.rows);
  ar.number("n", op.n);
  ar.bytes("table.high", op.quant.table.high);
  ar.bytes("table.low", op.quant.table.low);
  ar.number("multiplier", op.quant.multiplier);
  fields(ar, op.quant.range);
}

template <class A>
void fields(A& ar, Ref<A, step::LayerNorm> op) {
  ar.number("rows", op.rows);
  ar.array("gamma", op.gamma);
  ar.array("beta", op.beta);
  ar.number("epsilon", op.epsilon);
  fields(ar, op.range);
}

template <class A>
void fields(A& ar, Ref<A, step::Mul> op) {
  ar.number("outer", op.outer);
  ar.number("inner", op.inner);
  ar.number("channels", op.channels);
  ar.number("a_zero_point", op.a_zero_point);
  ar.number("b_zero_point", op.b_zero_point);
  ar.number("multiplier", op.multiplier);
  fields(ar, op.range);
}

template <class A>
void fields(A& ar, Ref<A, MatrixStrides> strides) {
  ar.number("strides.head", strides.head);
  ar.number("strides.row", strides.row);
}

template <class A>
void fields(A& ar, Ref<A, step::MatMul> op) {
  ar.number("heads", op.shape.heads);
  ar.number("m", op.shape.m);
  ar.number("n", op.shape.n);
  ar.number("k", op.shape.k);
  fields(ar, op.shape.a);
  fields(ar, op.shape.b);
  fields(ar, op.shape.c);
  ar.flag("b_transposed", op.shape.b_transposed);
  ar.number("a_zero_point", op.quant.a_zero_point);
  ar.number("b_zero_point", op.quant.b_zero_point);
  ar.number("multiplier", op.quant.multiplier);
  fields(ar, op.quant.range);
  ar.number("a_elements", op.a_elements);
  ar.number("b_elements", op.b_elements);
  ar.number("c_elements", op.c_elements);
}

template <class A>
void fields(A& ar, Ref<A, step::Activation> op) {
  ar.choice("function", op.function, kActivationCount);
  ar.number("elements", op.elements);
}

template <class A>
void fields(A& ar, Ref<A, step::Binary> op) {
  ar.choice("op", op.op, kBinaryCount);
  ar.numbers("shape", op.shape);
  ar.numbers("a_strides", op.a_strides);
  ar.numbers("b_strides", op.b_strides);
  ar.number("a_elements", op.a_elements);
  ar.number("b_elements", op.b_elements);
}

template <class A>
void fields(A& ar, Ref<A, step::ReduceMean> op) {
  ar.number("outer", op.outer);
  ar.number("n", op.n);
  ar.number("inner", op.inner);
}

// ---- activations quantized at run time
// -----------------------------------------------------------

template <class A>
void fields(A& ar, Ref<A, step::DynamicParams> op) {
  ar.number("rows", op.rows);
  ar.number("k", op.k);
  ar.flag("per_row", op.per_row);
}

template <class A>
void fields(A& ar, Ref<A, step::DynamicQuantize> op) {
  ar.number("rows", op.rows);
  ar.number("k", op.k);
  ar.flag("per_row", op.per_row);
}

template <class A>
void fields(A& ar, Ref<A, DynamicOutput> output) {
  ar.array("weight_sum", output.weight_sum);
  ar.array("weight_scale", output.weight_scale);
  ar.array("bias", output.bias);
  ar.number("lo", output.lo);
  ar.number("hi", output.hi);
}

template <class A>
void fields(A& ar, Ref<A, step::DynamicLinear> op) {
  ar.packed(op.packed, op.kept);
  ar.number("rows", op.rows);
  ar.flag("per_row", op.per_row);
  fields(ar, op.output);
}

template <class A>
void fields(A& ar, Ref<A, step::DynamicConv2d> op) {
  ar.packed(op.packed, op.kept);
  ar.number("height", op.height);
  ar.number("width", op.width);
  fields(ar, op.output);
}

template <class A>
void fields(A& ar, Ref<A, step::CastS32> op) {
  ar.number("elements", op.elements);
}

}  // namespace octavo::file
