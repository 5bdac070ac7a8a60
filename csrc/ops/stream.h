// Outputs that stay in no cache: an ordinary store would read every line before writing it, so they
// are computed piece by piece in L1 and written around the caches from there.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "ops/split.h"
#include "runtime/context.h"

namespace octavo {

// Ops that read and write this much in all stream their output.
inline constexpr size_t kStreamBytes = size_t{1} << 25;

// Writes consecutive pieces of a thread's share of an output. Whole cache lines are streamed; bytes
// of a line that is not complete wait for the next piece, because storing a part of a line would
// read it.
class StreamWriter {
 public:
  // Pieces of at most max_bytes, the first one at y.
  StreamWriter(const Context& context, void* y, size_t max_bytes);
  ~StreamWriter();
  StreamWriter(const StreamWriter&) = delete;
  StreamWriter& operator=(const StreamWriter&) = delete;

  // Where the next piece is to be put.
  uint8_t* piece() { return buffer_ + end_; }
  // It is there.
  void commit(size_t bytes);

 private:
  const Context& context_;
  uint8_t* y_;       // where the byte at begin_ goes
  uint8_t* buffer_;  // lies in its lines as the output does
  size_t begin_;
  size_t end_;
};

// Shares out an output y of rows x cols elements: body(first, count, to) computes `count` rows into
// `to`, which is their place or a buffer. A row costs about `cost` elements, each thread gets at
// least `grain`; the op moves `moved` bytes in all.
template <class T, class Body>
void split_output(const Context& context, size_t rows, size_t cols, size_t cost, size_t grain,
                  size_t moved, T* y, const Body& body) {
  constexpr size_t kPiece = (size_t{1} << 13) / sizeof(T);
  if (moved < kStreamBytes || cols > 2 * kPiece) {  // a piece is to stay in L1
    split_parts(context, rows, cost, grain,
                [&](size_t row, size_t count) { body(row, count, y + row * cols); });
    return;
  }
  const size_t piece = std::max<size_t>(kPiece / cols, 1);
  split_parts(context, rows, cost, grain, [&](size_t row, size_t count) {
    StreamWriter writer(context, y + row * cols, piece * cols * sizeof(T));
    for (const size_t end = row + count; row < end; row += piece) {
      const size_t part = std::min(end - row, piece);
      body(row, part, reinterpret_cast<T*>(writer.piece()));
      writer.commit(part * cols * sizeof(T));
    }
  });
}

// The same for n independent elements.
template <class T, class Body>
void split_output(const Context& context, size_t n, size_t grain, size_t moved, T* y,
                  const Body& body) {
  if (moved < kStreamBytes) {
    split_range(context, n, grain,
                [&](size_t begin, size_t count) { body(begin, count, y + begin); });
  } else {
    split_output(context, n, 1, 1, grain, moved, y, body);
  }
}

}  // namespace octavo
