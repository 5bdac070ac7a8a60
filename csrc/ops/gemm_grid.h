// How a GEMM is cut into tasks, and the loop inside a task.
//
//   for a block of panels that stays in the L2 cache     (outer: B is loaded once per block)
//     for an M tile of at most mr rows                   (its A rows come into L1)
//       for each panel of the block                      kernel
//
// Threads share a 2-D grid, M chunks x panel blocks; K is never split, so the bits do not depend
// on the number of threads.
#pragma once

#include <cstddef>

#include "ops/scratch.h"
#include "runtime/context.h"

namespace octavo {

struct GemmExtent {
  size_t m;
  size_t mr;           // most rows of a tile
  size_t panels;       // >= 1
  size_t panel_bytes;  // of one
  size_t macs;         // of the whole product
};

struct GemmGrid {
  size_t threads;
  size_t tiles;  // M tiles, balanced: 49 rows with mr 6 are 9 tiles of 5 or 6
  size_t m_chunks;
  size_t n_blocks;
};

GemmGrid plan_gemm(const Context& context, const GemmExtent& extent);

// Where part i of n equal parts of `total` begins; part n begins at `total`. i <= n.
inline size_t part_begin(size_t i, size_t n, size_t total) {
  return total / n * i + total % n * i / n;
}

// fill(row, rows, a) writes the pointers a[segment * rows + i] of rows row..row + rows;
// kernel(a, row, rows, panel) multiplies them with one panel.
template <class T, class Fill, class RunKernel>
void run_gemm(const Context& context, const GemmExtent& extent, size_t segments, const Fill& fill,
              const RunKernel& kernel) {
  if (extent.m == 0) return;
  const GemmGrid grid = plan_gemm(context, extent);
  auto task = [&](size_t index) {
    const size_t block = index / grid.m_chunks;
    const size_t chunk = index % grid.m_chunks;
    const size_t panel_end = part_begin(block + 1, grid.n_blocks, extent.panels);
    const size_t tile_end = part_begin(chunk + 1, grid.m_chunks, grid.tiles);
    const T** a = scratch<const T*>(Scratch::row_pointers, segments * extent.mr);
    for (size_t t = part_begin(chunk, grid.m_chunks, grid.tiles); t < tile_end; ++t) {
      const size_t row = part_begin(t, grid.tiles, extent.m);
      const size_t rows = part_begin(t + 1, grid.tiles, extent.m) - row;
      fill(row, rows, a);
      for (size_t p = part_begin(block, grid.n_blocks, extent.panels); p < panel_end; ++p) {
        kernel(a, row, rows, p);
      }
    }
  };
  parallel_for(context, grid.n_blocks * grid.m_chunks, grid.threads, task);
}

}  // namespace octavo
