#include "ops/gemm_grid.h"

#include <algorithm>

#include "base/cpu.h"

namespace octavo {
namespace {

// Work worth a thread: a few microseconds, above the cost of waking it.
constexpr size_t kMacsPerThread = size_t{1} << 20;
// With few rows it is reading the weights that takes the time: what a byte costs from L3.
constexpr size_t kMacsPerByte = 6;
// Two register tiles: fewer rows are not worth a part of their own.
constexpr size_t kRowsPerPart = 12;
// More tasks than threads, so that a slow thread does not hold up the others.
constexpr size_t kTasksPerThread = 4;

// Half of L2 for panels; the rest is for A, C and what the host does meanwhile.
size_t block_bytes() { return l2_cache_bytes() / 2; }

// Where rows are prepared for every block, that costs more than panels from the next cache do.
constexpr size_t kBlocksAtOnce = 8;

// How many parts of `total` units give every thread several, down to parts of `least` units; a
// multiple of the number of threads where that is possible, so that their shares are equal.
size_t parts_for(size_t threads, size_t total, size_t least) {
  const size_t most = std::max<size_t>(total / least, 1);
  if (most < threads) return most;
  return std::min(threads * kTasksPerThread, most / threads * threads);
}

}  // namespace

// Rows are cut first: each thread then reads the rows it wrote itself in the layer before, and what
// another core has just written is the most expensive thing to read. Weights are shared between
// caches at no such cost. If B exceeds the cache, a thread's tasks are parts of B for the same
// rows, so that B is streamed once; otherwise they are parts of its rows.
GemmGrid plan_gemm(const Context& context, const GemmExtent& extent) {
  const size_t most_bytes = block_bytes() * (extent.prepares ? kBlocksAtOnce : 1);
  const size_t work = std::max(extent.macs, extent.panels * extent.panel_bytes * kMacsPerByte);
  GemmGrid grid = {.threads = useful_threads(context, work, kMacsPerThread),
                   .m_parts = 1,
                   .n_parts = 1,
                   .panels_per_block = std::clamp<size_t>(
                       most_bytes / std::max<size_t>(extent.panel_bytes, 1), 1, extent.panels)};
  const size_t threads = grid.threads;
  if (threads == 1) return grid;
  const size_t tasks = threads * kTasksPerThread;
  const size_t most_m_parts = parts_for(threads, extent.m, kRowsPerPart);
  if (most_m_parts < threads) {
    grid.n_parts = parts_for(threads, extent.panels, 1);
    if (grid.n_parts < threads) grid.m_parts = most_m_parts;
  } else if (extent.panels <= grid.panels_per_block || extent.panels < kTasksPerThread) {
    grid.m_parts = most_m_parts;
  } else {
    grid.m_parts = threads;
    grid.n_parts = std::min(extent.panels, ceil_div(tasks, threads));
  }
  return grid;
}

}  // namespace octavo
