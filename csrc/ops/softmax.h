// Softmax of u8 rows, exact: exponentials become integers before they are summed, so no order of
// summation matters.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/quant.h"
#include "kernels/contract.h"
#include "runtime/context.h"

namespace octavo {

// What a softmax needs to know of its quantization; made once. The zero point of the input has no
// influence. With d = max(row) - x:
//
//   e(d) = rne(high[d / 16] * low[d % 16]),   high[i] = float32(2^23 * exp(-16 * i * x_scale)),
//                                             low[j] = float32(exp(-j * x_scale)), both in double
//   q    = clamp(rne(float32(e) * (multiplier / float32(sum of e))) + zero_point),
//   multiplier = float32(1 / out_scale)
//
// Every float operation is float32. out_scale = 1/256, zero_point = 0 uses all of u8.
struct SoftmaxQuant {
  ExpTable table;
  float multiplier;
  QuantRange range;
};

// Both scales are finite and > 0, 1 / out_scale is finite.
SoftmaxQuant softmax_quant(float x_scale, float out_scale, const QuantRange& range);

// Throws unless it could come from softmax_quant: kernels make integers of the table's products,
// and divide by their sum.
void check_softmax_quant(const SoftmaxQuant& quant);

// Over the last axis of contiguous (rows, n) bytes; n is at most kMaxExtent. x == y is allowed.
void softmax(const Context& context, const uint8_t* x, size_t rows, size_t n,
             const SoftmaxQuant& quant, uint8_t* y);

}  // namespace octavo
