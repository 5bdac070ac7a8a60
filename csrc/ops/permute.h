// Transposing any number of axes.
#pragma once

#include <cstddef>
#include <span>

#include "ops/reshape.h"
#include "runtime/context.h"

namespace octavo {

// y[i...] = x[i . strides], y contiguous of `shape`, 1..kMaxAxes axes, elements of 1 or 4 bytes. A
// transpose permutes the strides of x, which are in elements; any permutation is possible.
void permute(const Context& context, const void* x, std::span<const size_t> strides,
             std::span<const size_t> shape, size_t element_bytes, void* y);

}  // namespace octavo
