#include "ops/stream.h"

#include <cstring>

#include "ops/scratch.h"

namespace octavo {
namespace {

constexpr size_t kLine = 64;

}  // namespace

StreamWriter::StreamWriter(const Context& context, void* y, size_t max_bytes)
    : context_(context),
      y_(static_cast<uint8_t*>(y)),
      buffer_(scratch<uint8_t>(Scratch::stream, max_bytes + kLine)),
      begin_(reinterpret_cast<uintptr_t>(y) % kLine),
      end_(begin_) {}

StreamWriter::~StreamWriter() {
  std::memcpy(y_, buffer_ + begin_, end_ - begin_);
  context_.kernels().stream_fence.run();
}

void StreamWriter::commit(size_t bytes) {
  end_ += bytes;
  const size_t whole = end_ / kLine * kLine;
  if (whole <= begin_) return;
  context_.kernels().stream_copy.run(buffer_ + begin_, 0, 1, whole - begin_, y_, 0);
  y_ += whole - begin_;
  end_ -= whole;
  begin_ = 0;
  std::memcpy(buffer_, buffer_ + whole, end_);
}

}  // namespace octavo
