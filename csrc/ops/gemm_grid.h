// How a GEMM is cut into tasks, and the loop inside a task.
//
//   for a block of panels that stays in the L2 cache     (outer: B is loaded once per block)
//     for an M tile of at most mr rows                   (its A rows come into L1)
//       for each panel of the block                      kernel
//
// Threads share a 2-D grid, parts of rows x parts of panels, numbered so that neighbours share
// their rows; K is never split, so the bits do not depend on the number of threads.
#pragma once

#include <algorithm>
#include <cstddef>

#include "ops/scratch.h"
#include "runtime/context.h"

namespace octavo {

struct GemmExtent {
  size_t m;
  size_t mr;               // most rows of a tile
  size_t row_granule = 1;  // rows a tile is best a multiple of; divides mr
  size_t panels;           // >= 1
  size_t panel_bytes;      // of one
  size_t macs;             // of the whole product
  bool prepares = false;   // every tile of rows is rearranged once per block of panels
};

struct GemmGrid {
  size_t threads;
  size_t m_parts;
  size_t n_parts;
  size_t panels_per_block;  // that stay in the L2 cache, or near it
};

GemmGrid plan_gemm(const Context& context, const GemmExtent& extent);

inline size_t ceil_div(size_t a, size_t b) { return (a + b - 1) / b; }

// Where part i of n equal parts of `total` begins; part n begins at `total`. i <= n.
inline size_t part_begin(size_t i, size_t n, size_t total) {
  return total / n * i + total % n * i / n;
}

// The same in whole granules, of which the last may be short.
inline size_t row_part_begin(size_t i, size_t n, size_t rows, size_t granule) {
  return std::min(part_begin(i, n, ceil_div(rows, granule)) * granule, rows);
}

struct GemmPart {
  size_t row_begin, row_end;
  size_t panel_begin, panel_end;
};

inline GemmPart gemm_part(const GemmGrid& grid, const GemmExtent& extent, size_t index) {
  const size_t m = index / grid.n_parts, n = index % grid.n_parts;
  return {.row_begin = row_part_begin(m, grid.m_parts, extent.m, extent.row_granule),
          .row_end = row_part_begin(m + 1, grid.m_parts, extent.m, extent.row_granule),
          .panel_begin = part_begin(n, grid.n_parts, extent.panels),
          .panel_end = part_begin(n + 1, grid.n_parts, extent.panels)};
}

// fill(row, rows, a) writes the pointers a[segment * rows + i] of rows row..row + rows;
// kernel(a, row, rows, panel, next) multiplies them with one panel; `next` is the panel after it,
// or the same one if other rows come first, or nothing.
template <class T, class Fill, class RunKernel>
void run_gemm(const Context& context, const GemmExtent& extent, size_t segments, const Fill& fill,
              const RunKernel& kernel) {
  if (extent.m == 0) return;
  const GemmGrid grid = plan_gemm(context, extent);
  auto task = [&](size_t index) {
    const GemmPart part = gemm_part(grid, extent, index);
    const size_t part_rows = part.row_end - part.row_begin;
    // Balanced: 49 rows with mr 6 are 9 tiles of 5 or 6.
    const size_t tiles = ceil_div(part_rows, extent.mr);
    const size_t part_panels = part.panel_end - part.panel_begin;
    const size_t blocks = ceil_div(part_panels, grid.panels_per_block);
    const T** a = scratch<const T*>(Scratch::row_pointers, segments * extent.mr);
    for (size_t block = 0; block < blocks; ++block) {
      const size_t block_begin = part.panel_begin + part_begin(block, blocks, part_panels);
      const size_t block_end = part.panel_begin + part_begin(block + 1, blocks, part_panels);
      for (size_t t = 0; t < tiles; ++t) {
        const size_t begin = row_part_begin(t, tiles, part_rows, extent.row_granule);
        const size_t rows = row_part_begin(t + 1, tiles, part_rows, extent.row_granule) - begin;
        const size_t row = part.row_begin + begin;
        fill(row, rows, a);
        const size_t next_end = t + 1 < tiles ? block_end : part.panel_end;
        for (size_t panel = block_begin; panel < block_end; ++panel) {
          kernel(a, row, rows, panel, std::min(panel + 1, next_end - 1));
        }
      }
    }
  };
  parallel_for(context, grid.n_parts * grid.m_parts, grid.threads, task);
}

}  // namespace octavo
