// How a product is cut into tasks: every row of every panel once, and evenly.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "ops/gemm_grid.h"
#include "runtime/backend.h"

namespace octavo {
namespace {

constexpr size_t kMr = 6;

GemmExtent extent(size_t m, size_t panels, size_t k) {
  return {.m = m, .mr = kMr, .panels = panels, .panel_bytes = 64 * k, .macs = m * panels * 64 * k};
}

TEST(GemmGrid, CoversEveryElementOnce) {
  for (const size_t threads : {1, 2, 3, 4, 16}) {
    const Context context = make_context(all_backends().back(), threads);
    for (const size_t m : {1, 2, 5, 6, 7, 13, 24, 49, 196, 1001}) {
      for (const size_t panels : {1, 2, 3, 4, 7, 16, 33}) {
        for (const size_t k : {64, 1024, 20000}) {
          const GemmExtent whole = extent(m, panels, k);
          const GemmGrid grid = plan_gemm(context, whole);
          ASSERT_LE(grid.threads, threads);
          std::vector<int> seen(m * panels);
          for (size_t i = 0; i < grid.m_parts * grid.n_parts; ++i) {
            const GemmPart part = gemm_part(grid, whole, i);
            for (size_t row = part.row_begin; row < part.row_end; ++row) {
              for (size_t p = part.panel_begin; p < part.panel_end; ++p) ++seen[row * panels + p];
            }
          }
          EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), static_cast<ptrdiff_t>(seen.size()))
              << m << " rows, " << panels << " panels, " << threads << " threads";
        }
      }
    }
  }
}

// The first half of the tasks is what one of two threads does.
TEST(GemmGrid, HalvesAreEqual) {
  const Context context = make_context(all_backends().back(), 2);
  for (const auto& [m, panels, k] : std::vector<std::array<size_t, 3>>{{3136, 1, 576},
                                                                       {784, 8, 128},
                                                                       {196, 16, 256},
                                                                       {49, 8, 4608},
                                                                       {49, 32, 512},
                                                                       {1, 64, 4096},
                                                                       {16, 12, 768},
                                                                       {128, 12, 768}}) {
    const GemmExtent whole = extent(m, panels, k);
    const GemmGrid grid = plan_gemm(context, whole);
    ASSERT_EQ(grid.threads, 2u);
    const size_t tasks = grid.m_parts * grid.n_parts;
    size_t first = 0;
    for (size_t i = 0; i < tasks / 2; ++i) {
      const GemmPart part = gemm_part(grid, whole, i);
      first += (part.row_end - part.row_begin) * (part.panel_end - part.panel_begin);
    }
    EXPECT_EQ(tasks % 2, 0u);
    EXPECT_NEAR(static_cast<double>(first) / static_cast<double>(m * panels), 0.5, 0.03)
        << m << " rows, " << panels << " panels";
  }
}

// What does not fit into a cache is not read again and again for a few rows each.
TEST(GemmGrid, LargePanelsAreStreamedOncePerThread) {
  const Context context = make_context(all_backends().back(), 2);
  const GemmExtent whole = extent(49, 8, 4608);
  EXPECT_EQ(plan_gemm(context, whole).m_parts, 2u);
}

// What run_gemm says comes next does come next, unless other rows come first.
TEST(GemmGrid, AnnouncesTheNextPanel) {
  const Context context = make_context(all_backends().back(), 1);
  for (const size_t m : {1, 6, 20}) {
    for (const size_t panels : {1, 2, 7, 33}) {
      std::vector<size_t> visited, announced;
      run_gemm<uint8_t>(
          context, extent(m, panels, 1024), 1, [](size_t, size_t, const uint8_t**) {},
          [&](const uint8_t* const*, size_t, size_t, size_t panel, size_t next) {
            visited.push_back(panel);
            announced.push_back(next);
          });
      ASSERT_EQ(visited.size(), (m + kMr - 1) / kMr * panels);
      for (size_t i = 0; i + 1 < visited.size(); ++i) {
        const bool other_rows = visited[i + 1] <= visited[i];
        EXPECT_EQ(announced[i], visited[other_rows ? i : i + 1]) << "call " << i;
      }
      EXPECT_EQ(announced.back(), visited.back());
    }
  }
}

TEST(GemmGrid, SmallWorkStaysOnOneThread) {
  const Context context = make_context(all_backends().back(), 8);
  EXPECT_EQ(plan_gemm(context, extent(6, 1, 64)).threads, 1u);
}

}  // namespace
}  // namespace octavo
