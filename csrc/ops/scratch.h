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
  operands,
  count
};

// At least `bytes`, 64-byte aligned, contents undefined, valid until this thread's next call for
// the same purpose. Grows, never shrinks.
void* scratch_bytes(Scratch purpose, size_t bytes);

template <class T>
T* scratch(Scratch purpose, size_t count) {
  return static_cast<T*>(scratch_bytes(purpose, count * sizeof(T)));
}

// While one lives, its thread uses other memory. For code of others that an op waits for: it may
// run another op on this thread, and must not overwrite what the first one still needs.
class ScratchLevel {
 public:
  ScratchLevel();
  ~ScratchLevel();
  ScratchLevel(const ScratchLevel&) = delete;
  ScratchLevel& operator=(const ScratchLevel&) = delete;
};

}  // namespace octavo
