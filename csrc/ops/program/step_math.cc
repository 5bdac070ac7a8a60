#include "ops/program/step_math.h"

#include "base/overflow.h"
#include "ops/checks.h"
#include "ops/conv_shape.h"
#include "ops/elementwise.h"
#include "ops/layer_norm.h"
#include "ops/permute.h"

namespace octavo {
namespace {

// Elements a strided tensor of `shape` must have.
size_t reach(const char* name, const std::vector<size_t>& shape,
             const std::vector<size_t>& strides) {
  if (shape.empty() || shape.size() > kMaxAxes || strides.size() != shape.size()) {
    fail(name, std::to_string(strides.size()) + " values",
         "one per axis of shape, of which there are 1.." + std::to_string(kMaxAxes));
  }
  size_t end = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    check_extent("shape", shape[i], kMaxExtent);
    const size_t last = checked_product(name, {shape[i] - 1, strides[i]});
    if (add_overflows(end, last, &end)) fail(name, "too large", "addressable strides");
  }
  return end;
}

size_t volume(const std::vector<size_t>& shape) {
  size_t volume = 1;
  for (const size_t extent : shape) volume = checked_product("shape", {volume, extent});
  return volume;
}

void require_reach(const char* name, size_t elements, size_t needed) {
  if (needed <= elements) return;
  fail(name, std::to_string(elements) + " elements", "at least " + std::to_string(needed));
}

}  // namespace

namespace step {

Signature SoftmaxU8::signature() const {
  check_softmax_quant(quant);
  const size_t elements = checked_product("rows x n", {rows, n});
  return {{elements}, elements, DType::u8};
}

Signature LayerNorm::signature() const {
  if (gamma.empty() || gamma.size() != beta.size()) {
    fail("gamma and beta",
         std::to_string(gamma.size()) + " and " + std::to_string(beta.size()) + " elements",
         "the same number, at least 1");
  }
  const size_t elements = checked_product("rows x n", {rows, gamma.size()});
  return {{elements}, elements, std::nullopt};
}

Signature Mul::signature() const {
  const size_t elements = checked_product("outer x inner x channels", {outer, inner, channels});
  return {{elements, checked_product("outer x channels", {outer, channels})}, elements, DType::u8};
}

Signature MatMul::signature() const {
  check_matmul(shape, a_elements, b_elements, c_elements);
  if (checked_product("heads x m x n", {shape.heads, shape.m, shape.n}) != c_elements) {
    fail("dst", std::to_string(c_elements) + " elements", "heads x m x n of them");
  }
  return {{a_elements, b_elements}, c_elements, std::nullopt};
}

Signature Permute::signature() const {
  const size_t elements = volume(shape);
  require_reach("strides", elements, reach("strides", shape, strides));
  return {{elements}, elements, std::nullopt};
}

Signature Binary::signature() const {
  require_reach("a_strides", a_elements, reach("a_strides", shape, a_strides));
  require_reach("b_strides", b_elements, reach("b_strides", shape, b_strides));
  return {{a_elements, b_elements}, volume(shape), DType::f32};
}

Signature ReduceMean::signature() const {
  const size_t elements = checked_product("outer x n x inner", {outer, n, inner});
  return {{elements}, checked_product("outer x inner", {outer, inner}), DType::f32};
}

}  // namespace step

void run_math(const MathData& data, const step::Lookup& op) {
  lookup(data.context, data.in<uint8_t>(), data.batch * op.elements, op.table, data.out<uint8_t>());
}

void run_math(const MathData& data, const step::SoftmaxU8& op) {
  softmax(data.context, data.in<uint8_t>(), data.batch * op.rows, op.n, op.quant,
          data.out<uint8_t>());
}

void run_math(const MathData& data, const step::LayerNorm& op) {
  const size_t rows = data.batch * op.rows, n = op.gamma.size();
  if (data.dtype == DType::u8) {
    layer_norm(data.context, data.in<uint8_t>(), rows, n, op.gamma.data(), op.beta.data(),
               op.epsilon, op.range, data.out<uint8_t>());
  } else {
    layer_norm_f32(data.context, data.in<float>(), rows, n, op.gamma.data(), op.beta.data(),
                   static_cast<float>(op.epsilon), data.out<float>());
  }
}

void run_math(const MathData& data, const step::Mul& op) {
  mul(data.context, {data.in<uint8_t>(), op.a_zero_point},
      {static_cast<const uint8_t*>(data.b), op.b_zero_point}, data.batch * op.outer, op.inner,
      op.channels, op.multiplier, op.range, data.out<uint8_t>());
}

void run_math(const MathData& data, const step::MatMul& op) {
  if (data.dtype == DType::u8) {
    matmul(data.context, op.shape, op.quant, data.batch,
           {data.in<uint8_t>(), op.a_elements, static_cast<const uint8_t*>(data.b), op.b_elements,
            data.out<uint8_t>(), op.c_elements});
  } else {
    matmul_f32(data.context, op.shape, data.batch,
               {data.in<float>(), op.a_elements, static_cast<const float*>(data.b), op.b_elements,
                data.out<float>(), op.c_elements});
  }
}

void run_math(const MathData& data, const step::Permute& op) {
  const size_t bytes = dtype_bytes(data.dtype), sample_bytes = volume(op.shape) * bytes;
  for (size_t i = 0; i < data.batch; ++i) {
    permute(data.context, data.in<uint8_t>() + i * sample_bytes, op.strides, op.shape, bytes,
            data.out<uint8_t>() + i * sample_bytes);
  }
}

void run_math(const MathData& data, const step::Activation& op) {
  activation_f32(data.context, op.function, data.in<float>(), data.batch * op.elements,
                 data.out<float>());
}

void run_math(const MathData& data, const step::Binary& op) {
  const size_t elements = volume(op.shape);
  for (size_t i = 0; i < data.batch; ++i) {
    binary_f32(data.context, op.op, data.in<float>() + i * op.a_elements, op.a_strides,
               static_cast<const float*>(data.b) + i * op.b_elements, op.b_strides, op.shape,
               data.out<float>() + i * elements);
  }
}

void run_math(const MathData& data, const step::ReduceMean& op) {
  reduce_mean_f32(data.context, data.in<float>(), data.batch * op.outer, op.n, op.inner,
                  data.out<float>());
}

}  // namespace octavo
