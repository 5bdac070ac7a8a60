#include "ops/scratch.h"

#include <algorithm>

#include "base/buffer.h"

namespace octavo {

void* scratch_bytes(Scratch purpose, size_t bytes) {
  thread_local AlignedBuffer buffers[static_cast<size_t>(Scratch::count)];
  AlignedBuffer& buffer = buffers[static_cast<size_t>(purpose)];
  if (buffer.size() < bytes || buffer.size() == 0) {
    buffer = AlignedBuffer();  // the old one first: both need not fit
    buffer = AlignedBuffer(std::max(bytes + bytes / 4, size_t{4096}));
  }
  return buffer.data();
}

}  // namespace octavo
