#include "ops/scratch.h"

#include <algorithm>
#include <array>
#include <deque>

#include "base/buffer.h"

namespace octavo {
namespace {

using Buffers = std::array<AlignedBuffer, static_cast<size_t>(Scratch::count)>;

struct Levels {
  std::deque<Buffers> buffers{1};  // a deque: references stay valid
  size_t current = 0;
};

Levels& levels() {
  thread_local Levels levels;
  return levels;
}

}  // namespace

ScratchLevel::ScratchLevel() {
  Levels& mine = levels();
  if (mine.current + 1 == mine.buffers.size()) mine.buffers.emplace_back();
  ++mine.current;
}

ScratchLevel::~ScratchLevel() { --levels().current; }

void* scratch_bytes(Scratch purpose, size_t bytes) {
  Levels& mine = levels();
  AlignedBuffer& buffer = mine.buffers[mine.current][static_cast<size_t>(purpose)];
  if (buffer.size() < bytes || buffer.size() == 0) {
    buffer = AlignedBuffer();  // the old one first: both need not fit
    buffer = AlignedBuffer(std::max(bytes + bytes / 4, size_t{4096}));
  }
  return buffer.data();
}

}  // namespace octavo
