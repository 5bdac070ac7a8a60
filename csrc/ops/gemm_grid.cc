#include "ops/gemm_grid.h"

#include <algorithm>

#if defined(__linux__)
#include <unistd.h>
#endif

namespace octavo {
namespace {

// Work worth a thread: a few microseconds, above the cost of waking it.
constexpr size_t kMacsPerThread = size_t{1} << 20;
// More tasks than threads, so that a slow thread does not hold up the others.
constexpr size_t kTasksPerThread = 4;

// Half of L2 for panels; the rest is for A, C and what the host does meanwhile.
size_t block_bytes() {
  static const size_t bytes = [] {
    long l2 = 0;
#if defined(_SC_LEVEL2_CACHE_SIZE)
    l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    return static_cast<size_t>(l2 > 0 ? l2 : 512 * 1024) / 2;
  }();
  return bytes;
}

size_t ceil_div(size_t a, size_t b) { return (a + b - 1) / b; }

}  // namespace

GemmGrid plan_gemm(const Context& context, const GemmExtent& extent) {
  const size_t panels_per_block =
      std::clamp<size_t>(block_bytes() / std::max<size_t>(extent.panel_bytes, 1), 1, extent.panels);
  GemmGrid grid = {.threads = useful_threads(context, extent.macs, kMacsPerThread),
                   .tiles = ceil_div(extent.m, extent.mr),
                   .m_chunks = 1,
                   .n_blocks = ceil_div(extent.panels, panels_per_block)};
  if (grid.threads == 1) return grid;
  const size_t tasks = grid.threads * kTasksPerThread;
  grid.m_chunks = std::min(grid.tiles, ceil_div(tasks, grid.n_blocks));
  if (grid.m_chunks * grid.n_blocks < tasks) {
    grid.n_blocks = std::min(extent.panels, ceil_div(tasks, grid.m_chunks));
  }
  return grid;
}

}  // namespace octavo
