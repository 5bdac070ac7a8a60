// Ops that move elements and compute nothing. They know an element's size only: 1 or 4 bytes, and
// any in transpose2d.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/context.h"

namespace octavo {

struct ConcatInput {
  const void* data;
  size_t inner;  // elements
};

// y[o][sum of inner] from inputs[i].data[o][inputs[i].inner].
void concat(const Context& context, std::span<const ConcatInput> inputs, size_t outer,
            size_t element_bytes, void* y);

inline constexpr size_t kMaxAxes = 5;

// y = x with before[i] and after[i] elements of `value` added along axis i; x is contiguous of
// `shape`, 1..kMaxAxes axes. `value` points at one element.
void pad(const Context& context, const void* x, std::span<const size_t> shape,
         std::span<const size_t> before, std::span<const size_t> after, size_t element_bytes,
         const void* value, void* y);

// y[i...] = x[start + i * step ...] for i < out_shape; steps are not 0 and may be negative; every
// element must exist.
void slice(const Context& context, const void* x, std::span<const size_t> shape,
           std::span<const ptrdiff_t> start, std::span<const ptrdiff_t> step,
           std::span<const size_t> out_shape, size_t element_bytes, void* y);

// y[b][j][i] = x[b][i][j] for (rows, cols) matrices. An element may be any number of bytes (the
// channels of one head in attention); 1 and 4 have fast paths.
void transpose2d(const Context& context, const void* x, size_t batch, size_t rows, size_t cols,
                 size_t element_bytes, void* y);

}  // namespace octavo
