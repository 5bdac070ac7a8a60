// Functions of one byte, by table: sigmoid, GELU, hard-swish and the like between any two
// quantizations are 256 bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "runtime/context.h"

namespace octavo {

using Table = std::array<uint8_t, 256>;

// y[i] = table[x[i]]; x == y is allowed.
void lookup(const Context& context, const uint8_t* x, size_t n, const Table& table, uint8_t* y);

// The table that does what `table` says of int8 bytes: both the index and the value are shifted by
// 128 (ops/sign.h) where the input or the output is signed.
Table shifted_table(const Table& table, bool x_signed, bool y_signed);

}  // namespace octavo
