#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/arch.h"
#include "ops/checks.h"
#include "ops/reshape.h"
#include "ops/scratch.h"
#include "ops/stream.h"

namespace octavo {
namespace {

constexpr size_t kGrainBytes = size_t{1} << 15;
constexpr size_t kLine = 64;
// Tiles between a prefetch and the use. Hardware follows some dozen streams; a transpose reads or
// writes one per channel.
constexpr size_t kAhead = 2;

// `batch` matrices of rows x cols, and their transposes.
template <class T>
struct Matrices {
  const T* x;
  size_t batch;
  size_t rows;
  size_t cols;
  T* y;
};

// The line at x of each row, into L2: so many would push each other out of L1.
template <class T>
void prefetch_rows(const T* x, size_t ldx, size_t rows) {
  for (size_t i = 0; i < rows; ++i) prefetch_l2(x + i * ldx);
}

// For outputs that stay in cache: tiles that fit L2 on both sides.
template <class T, class Run>
void transpose_cached(const Context& context, const Matrices<T>& m, const Run& run) {
  constexpr size_t kTile = 256;
  const size_t across = (m.cols + kTile - 1) / kTile, down = (m.rows + kTile - 1) / kTile;
  const size_t bytes = std::min(kTile, m.rows) * std::min(kTile, m.cols) * sizeof(T);
  split_rows(context, m.batch * down * across, bytes, kGrainBytes, [&](size_t index) {
    const size_t image = index / (down * across) * m.rows * m.cols;
    const size_t i = index / across % down * kTile, j = index % across * kTile;
    run(m.x + image + i * m.cols + j, m.cols, std::min(kTile, m.rows - i),
        std::min(kTile, m.cols - j), m.y + image + j * m.rows + i, m.rows);
  });
}

// Short rows of the output follow each other: whole ones, from some columns at a time, are pieces
// of one stream.
template <class T, class Run>
void stream_short_rows(const Context& context, const Matrices<T>& m, const Run& run) {
  constexpr size_t kElements = kLine / sizeof(T), kPiece = size_t{1} << 12, kRows = 64;
  const size_t lines = std::max<size_t>(kPiece / (m.rows * kLine), 1);
  const size_t step = lines * kElements, steps = (m.cols + step - 1) / step;
  const auto source = [&](size_t index) {
    return m.x + index / steps * m.rows * m.cols + index % steps * step;
  };
  split_range(context, m.batch * steps, 1, [&](size_t first, size_t count) {
    const size_t image = first / steps * m.rows * m.cols;
    StreamWriter writer(context, m.y + image + first % steps * step * m.rows,
                        step * m.rows * sizeof(T));
    for (size_t index = first; index < first + count; ++index) {
      const size_t n = std::min(step, m.cols - index % steps * step);
      const T* next = index + kAhead < m.batch * steps ? source(index + kAhead) : nullptr;
      // 64 rows at a time: more lines than that are not all on their way at once.
      for (size_t i = 0; i < m.rows; i += kRows) {
        const size_t rows = std::min(kRows, m.rows - i);
        for (size_t line = 0; next != nullptr && line < lines; ++line) {
          prefetch_rows(next + i * m.cols + line * kElements, m.cols, rows);
        }
        run(source(index) + i * m.cols, m.cols, rows, n, reinterpret_cast<T*>(writer.piece()) + i,
            m.rows);
      }
      writer.commit(m.rows * n * sizeof(T));
    }
  });
}

// Long rows: runs of 2 KiB of several of them, by way of a buffer in L2.
template <class T, class Run>
void stream_long_rows(const Context& context, const Matrices<T>& m, const Run& run) {
  constexpr size_t kRows = (size_t{1} << 11) / sizeof(T), kCols = 128;
  constexpr size_t kLd = kRows + kLine / sizeof(T);  // at a power of two rows share a few L1 sets
  const size_t across = (m.cols + kCols - 1) / kCols, down = (m.rows + kRows - 1) / kRows;
  const KernelTable& kernels = context.kernels();
  split_rows(context, m.batch * down * across, kRows * kCols, kGrainBytes, [&](size_t index) {
    const size_t image = index / (down * across) * m.rows * m.cols;
    const size_t i = index / across % down * kRows, j = index % across * kCols;
    const size_t rows = std::min(kRows, m.rows - i), cols = std::min(kCols, m.cols - j);
    T* buffer = scratch<T>(Scratch::strip, kLd * kCols);
    run(m.x + image + i * m.cols + j, m.cols, rows, cols, buffer, kLd);
    kernels.stream_copy.run(
        reinterpret_cast<const uint8_t*>(buffer), kLd * sizeof(T), cols, rows * sizeof(T),
        reinterpret_cast<uint8_t*>(m.y + image + j * m.rows + i), m.rows * sizeof(T));
    kernels.stream_fence.run();
  });
}

// Whether tiles that are one line high can be streamed into the output: its rows must all lie the
// same way in their lines. Those at odds with the lines leave one tile to be stored as usual, a
// price that is high for short ones.
template <class T>
bool streams_tiles(const Matrices<T>& m) {
  const bool aligned = reinterpret_cast<uintptr_t>(m.y) % kLine == 0;
  const size_t bytes = m.rows * sizeof(T);
  return bytes % kLine == 0 && (aligned || bytes >= 16 * kLine);
}

// One tile: bytes from registers, others by way of L1.
void stream_tile(const KernelTable& kernels, const uint8_t* x, size_t ldx, size_t cols, uint8_t* y,
                 size_t ldy) {
  kernels.transpose_stream_u8.run(x, ldx, cols, y, ldy);
}

void stream_tile(const KernelTable& kernels, const uint32_t* x, size_t ldx, size_t cols,
                 uint32_t* y, size_t ldy) {
  constexpr size_t kRows = kLine / sizeof(uint32_t);
  alignas(kLine) uint32_t lines[kRows * kLine];
  kernels.transpose_u32.run(x, ldx, kRows, cols, lines, kRows);
  kernels.stream_copy.run(reinterpret_cast<const uint8_t*>(lines), kLine, cols, kLine,
                          reinterpret_cast<uint8_t*>(y), ldy * sizeof(uint32_t));
}

// Tile number `index` of images of down x across tiles, and those after it.
struct TileWalk {
  TileWalk(size_t rows, size_t columns, bool by_columns, size_t index)
      : down(rows),
        across(columns),
        columns_first(by_columns),
        image(index / (rows * columns)),
        i(columns_first ? index % rows : index / columns % rows),
        j(columns_first ? index / rows % columns : index % columns) {}

  void advance() {
    size_t& inner = columns_first ? i : j;
    size_t& outer = columns_first ? j : i;
    if (++inner < (columns_first ? down : across)) return;
    inner = 0;
    if (++outer < (columns_first ? across : down)) return;
    outer = 0;
    ++image;
  }

  size_t down, across;
  bool columns_first;
  size_t image, i, j;
};

// Tiles one line high and 64 columns wide, in the order in which the shorter side of the output
// runs.
template <class T, class Run>
void stream_tiles(const Context& context, const Matrices<T>& m, const Run& run) {
  constexpr size_t kRows = kLine / sizeof(T), kCols = 64;
  // Rows before a line begins.
  const size_t head = -reinterpret_cast<uintptr_t>(m.y) % kLine / sizeof(T);
  const size_t down = m.rows / kRows - (head != 0), across = (m.cols + kCols - 1) / kCols;
  const bool columns_first = m.rows < m.cols;
  const size_t tiles = m.batch * down * across;
  split_range(context, tiles, kLine, [&](size_t first, size_t count) {
    TileWalk at(down, across, columns_first, first);
    TileWalk next(down, across, columns_first, first + kAhead);
    for (size_t index = first; index < first + count; ++index, at.advance(), next.advance()) {
      if (index + kAhead < tiles) {
        const T* from = m.x + next.image * m.rows * m.cols + (head + next.i * kRows) * m.cols;
        for (size_t k = 0; k < kCols; k += kRows) {
          prefetch_rows(from + next.j * kCols + k, m.cols, kRows);
        }
      }
      const size_t image = at.image * m.rows * m.cols, i = head + at.i * kRows, j = at.j * kCols;
      stream_tile(context.kernels(), m.x + image + i * m.cols + j, m.cols,
                  std::min(kCols, m.cols - j), m.y + image + j * m.rows + i, m.rows);
    }
    context.kernels().stream_fence.run();
  });
  if (head == 0) return;
  split_rows(context, m.batch, kRows * m.cols, kGrainBytes, [&](size_t index) {
    const T* x = m.x + index * m.rows * m.cols;
    T* y = m.y + index * m.rows * m.cols;
    const size_t last = m.rows - kRows + head;
    run(x, m.cols, head, m.cols, y, m.rows);
    run(x + last * m.cols, m.cols, m.rows - last, m.cols, y + last, m.rows);
  });
}

template <class T, class Run>
void transpose_typed(const Context& context, const Matrices<T>& m, const Run& run) {
  constexpr size_t kFewColumns = 16, kShortRow = size_t{1} << 12;
  // Planes of a few channels are streams that the hardware follows.
  if (m.cols < kFewColumns || 2 * m.batch * m.rows * m.cols * sizeof(T) < kStreamBytes) {
    return transpose_cached(context, m, run);
  }
  if (streams_tiles(m)) return stream_tiles(context, m, run);
  if (m.rows * sizeof(T) <= kShortRow) return stream_short_rows(context, m, run);
  stream_long_rows(context, m, run);
}

// Elements of any other size, one by one.
void transpose_bytes(const Context& context, const Matrices<unsigned char>& m,
                     size_t element_bytes) {
  split_rows(context, m.batch * m.cols, m.rows * element_bytes, kGrainBytes, [&](size_t index) {
    const size_t image = index / m.cols * m.rows * m.cols, j = index % m.cols;
    for (size_t i = 0; i < m.rows; ++i) {
      std::memcpy(m.y + (image + j * m.rows + i) * element_bytes,
                  m.x + (image + i * m.cols + j) * element_bytes, element_bytes);
    }
  });
}

}  // namespace

void transpose2d(const Context& context, const void* x, size_t batch, size_t rows, size_t cols,
                 size_t element_bytes, void* y) {
  const size_t bytes = checked_product("x", {batch, rows, cols, element_bytes});
  const size_t alignment = element_bytes == sizeof(uint32_t) ? sizeof(uint32_t) : 1;
  check_pointer("x", x, bytes, alignment);
  check_pointer("y", y, bytes, alignment);
  if (bytes == 0) return;
  const auto matrices = [&]<class T>(T* to) {
    return Matrices<T>{static_cast<const T*>(x), batch, rows, cols, to};
  };
  if (element_bytes == sizeof(uint32_t)) {
    transpose_typed(context, matrices(static_cast<uint32_t*>(y)),
                    context.kernels().transpose_u32.run);
    return;
  }
  const Matrices<uint8_t> m = matrices(static_cast<uint8_t*>(y));
  if (element_bytes == 1) return transpose_typed(context, m, context.kernels().transpose_u8.run);
  transpose_bytes(context, m, element_bytes);
}

}  // namespace octavo
