// Float arithmetic on two tensors of different shapes, and means along an axis.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ops/reshape.h"
#include "runtime/context.h"

namespace octavo {

enum class Binary : uint8_t { add, sub, mul, div, pow };
inline constexpr size_t kBinaryCount = 5;

// y[i...] = a[i . a_strides] op b[i . b_strides], y contiguous of `shape` (1..kMaxAxes axes). A
// stride of 0 repeats an operand along an axis; strides are in elements and never negative. pow
// rounds once to float32 (computed in double).
void binary_f32(const Context& context, Binary op, const float* a,
                std::span<const size_t> a_strides, const float* b,
                std::span<const size_t> b_strides, std::span<const size_t> shape, float* y);

// y[o][i] = mean over j of x[o][j][i], summed in double in the order of the axis.
void reduce_mean_f32(const Context& context, const float* x, size_t outer, size_t n, size_t inner,
                     float* y);

}  // namespace octavo
