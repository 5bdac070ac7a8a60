// Memory a thread keeps from call to call, so that a running network does not allocate.
#pragma once

#include <cstddef>

namespace octavo {

// What a thread may need at the same time, each in a buffer of its own.
enum class Scratch {
  row_pointers,
  prepared_rows,
  padded_image,
  accumulators,
  multipliers,
  strip,
  stream,
  packed_b,
  extremes,
  padding_row,
  count
};

// At least `bytes`, 64-byte aligned, contents undefined, valid until this thread's next call for
// the same purpose. Grows, never shrinks.
void* scratch_bytes(Scratch purpose, size_t bytes);

template <class T>
T* scratch(Scratch purpose, size_t count) {
  return static_cast<T*>(scratch_bytes(purpose, count * sizeof(T)));
}

}  // namespace octavo
