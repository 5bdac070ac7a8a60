#include "ops/program/step_dynamic.h"

#include "ops/checks.h"
#include "ops/conv_shape.h"
#include "ops/elementwise.h"

namespace octavo {
namespace {

TensorInfo params_of(size_t rows, bool per_row) { return {DType::f32, 2 * (per_row ? rows : 1)}; }

size_t elements(size_t rows, size_t k) {
  check_extent("rows", rows, kMaxExtent);
  return checked_product("rows x k", {rows, k});
}

size_t step_of(bool per_row) { return per_row ? 2 : 0; }

}  // namespace

namespace step {

Ports DynamicParams::ports() const {
  return {{{DType::f32, elements(rows, k)}}, params_of(rows, per_row)};
}

Ports DynamicQuantize::ports() const {
  const size_t n = elements(rows, k);
  return {{{DType::f32, n}, params_of(rows, per_row)}, {DType::u8, n}};
}

Ports DynamicLinear::ports() const {
  check_dynamic_output(output, packed->n());
  return {{{DType::u8, elements(rows, packed->k())}, params_of(rows, per_row)},
          {DType::f32, elements(rows, packed->n())}};
}

Ports DynamicConv2d::ports() const {
  const ConvShape& shape = packed->shape();
  check_dynamic_output(output, shape.out_channels);
  const Extent2d size = packed->output_size(height, width);
  return {{{DType::u8, checked_product("input", {height, width, shape.in_channels})},
           params_of(1, false)},
          {DType::f32, checked_product("output", {size.h, size.w, shape.out_channels})}};
}

}  // namespace step

void run_dynamic(const MathData& data, const step::DynamicParams& op) {
  const size_t rows = data.batch * op.rows;
  if (op.per_row) {
    dynamic_params_rows(data.context, data.in<float>(), rows, op.k, data.out<float>());
  } else {
    dynamic_params(data.context, data.in<float>(), rows * op.k, data.batch, data.out<float>());
  }
}

void run_dynamic(const MathData& data, const step::DynamicQuantize& op) {
  quantize_dynamic(data.context, data.in<float>(), data.batch * op.rows, op.k,
                   static_cast<const float*>(data.b), step_of(op.per_row), data.out<uint8_t>());
}

void run_dynamic(const MathData& data, const step::DynamicLinear& op) {
  const Linear& linear = *op.packed;
  linear.run_dynamic(data.context, data.in<uint8_t>(), linear.k(), data.batch * op.rows,
                     static_cast<const float*>(data.b), step_of(op.per_row), op.output,
                     data.out<float>(), linear.n());
}

void run_dynamic(const MathData& data, const step::DynamicConv2d& op) {
  op.packed->run_dynamic(data.context, data.in<uint8_t>(), data.batch, op.height, op.width,
                         static_cast<const float*>(data.b), op.output, data.out<float>());
}

void run_dynamic(const MathData& data, const step::CastS32& op) {
  const size_t n = data.batch * op.elements;
  const int32_t* x = data.in<int32_t>();
  float* y = data.out<float>();
  for (size_t i = 0; i < n; ++i) y[i] = static_cast<float>(x[i]);
}

}  // namespace octavo
