// Packed weights in memory that somebody else owns: a file that was mapped, a caller's buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pack/pack.h"

namespace octavo {

// A matrix whose panels lie at `panels`, 64-byte aligned, where they must stay. Whatever the bytes
// are, kernels then touch nothing outside of them: sizes are checked against the shape, and what
// kernels follow inside of scheduled panels is walked. Throws Error(invalid_argument).
PackedMatrix view_packed(const PackedShape& shape, const uint8_t* panels, size_t bytes);

// The multipliers of all columns; the matrix has some.
std::vector<float> packed_multipliers(const PackedMatrix& packed);

}  // namespace octavo
