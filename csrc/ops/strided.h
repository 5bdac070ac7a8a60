// Ops between matrices of bytes whose rows lie apart: parts of a wider one. ld: elements from one
// row to the next.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/quant.h"
#include "ops/elementwise.h"
#include "runtime/context.h"

namespace octavo {

struct StridedBytes {
  const uint8_t* x;
  size_t ld;
};

// y[i][j] = x[i][j] for i < rows, j < cols; no overlap.
void copy_rows(const Context& context, const StridedBytes& x, size_t rows, size_t cols, uint8_t* y,
               size_t ldy);

// The same, requantized as by requantize_u8.
void requantize_rows(const Context& context, const StridedBytes& x, size_t rows, size_t cols,
                     int32_t x_zero_point, float multiplier, const QuantRange& range, uint8_t* y,
                     size_t ldy);

// The same for a sum, as by add.
void add_rows(const Context& context, const AddInput& a, size_t lda, const AddInput& b, size_t ldb,
              size_t rows, size_t cols, const QuantRange& range, uint8_t* y, size_t ldy);

}  // namespace octavo
