// The kernels for narrow groups of a convolution, against the definition in kernels/contract.h.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "gemm_problem.h"

namespace octavo::testing {
namespace {

// Problem::a holds `cols` bytes of a row and segment here, of which a column sees segment_k.
class GroupedTest : public KernelTest {
 protected:
  void SetUp() override {
    if (table().grouped_u8.run == nullptr) GTEST_SKIP() << "no kernel of its own";
  }

  static Problem make(size_t rows, size_t cols, size_t segments, size_t group) {
    Problem p(rows, cols, segments, group);
    p.a.resize(segments * rows * cols);
    return p;
  }

  static int32_t expected(const Problem& p, size_t i, size_t j) {
    uint32_t acc = static_cast<uint32_t>(p.bias[j]);
    for (size_t s = 0; s < p.segments; ++s) {
      const size_t first = (s * p.rows + i) * p.cols + j / p.segment_k * p.segment_k;
      for (size_t k = 0; k < p.segment_k; ++k) {
        acc += static_cast<uint32_t>((p.a[first + k] - p.a_zero_point) * p.w_at(j, s, k));
      }
    }
    return static_cast<int32_t>(acc);
  }

  void check(const Problem& p, Guard guard) {
    const auto k = static_cast<ptrdiff_t>(p.segment_k);
    const WeightView view = {
        p.w.data(), p.cols, p.segments, p.segment_k, static_cast<ptrdiff_t>(p.segments) * k, k, 1};
    const PackedMatrix packed = pack_weights(
        table().grouped_geometry, view,
        {.bias = p.bias.data(), .multiplier = p.multiplier.data(), .a_zero_point = p.a_zero_point});
    const GuardedBuffer<uint8_t> panel({packed.panel(0), packed.size_bytes()}, guard);
    // Only the last row ends at a guard page, or the first begins there.
    const GuardedBuffer<uint8_t> a(p.a, guard);
    std::vector<const uint8_t*> rows;
    for (size_t i = 0; i < p.segments * p.rows; ++i) rows.push_back(a.data() + i * p.cols);
    const GemmTile tile = {.a = rows.data(),
                           .rows = p.rows,
                           .segments = p.segments,
                           .segment_k = p.segment_k,
                           .panel = panel.data(),
                           .cols = p.cols};
    OutputGrid<int32_t> sums(p.rows, p.cols, p.cols + kGap, guard);
    table().grouped_s32.run(tile, sums.data(), sums.ld());
    SCOPED_TRACE(describe(p, table().grouped_s32.name) + ", cols " + std::to_string(p.cols));
    sums.expect([&](size_t i, size_t j) { return expected(p, i, j); });
    for (const bool has_residual : {false, true}) {
      const GuardedBuffer<uint8_t> r(p.r, guard);
      const Residual residual = {.rows = has_residual ? r.data() : nullptr,
                                 .ld = p.cols,
                                 .multiplier = p.residual_multiplier,
                                 .zero_point = p.residual_zero_point};
      OutputGrid<uint8_t> c(p.rows, p.cols, p.cols + kGap, guard);
      table().grouped_u8.run(tile, p.requant, residual, c.data(), c.ld());
      c.expect([&](size_t i, size_t j) {
        return reference_u8(p, expected(p, i, j), i, j, has_residual);
      });
    }
  }
};

TEST_P(GroupedTest, EveryTileShape) {
  uint32_t seed = 1;
  for (Guard guard : kGuards) {
    for (size_t rows = 1; rows <= table().gemm_mr; ++rows) {
      for (size_t cols = 16; cols <= table().grouped_geometry.nr; cols += 16) {
        for (size_t group : {4, 8}) {
          for (size_t segments : {1, 9}) {
            Problem p = make(rows, cols, segments, group);
            p.randomize(seed++);
            check(p, guard);
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

TEST_P(GroupedTest, ExtremeValues) {
  for (int8_t w : {int8_t{127}, int8_t{-127}, int8_t{-128}}) {
    for (size_t group : {4, 8}) {
      Problem p = make(table().gemm_mr, table().grouped_geometry.nr, 9, group);
      std::fill(p.a.begin(), p.a.end(), 255);
      std::fill(p.w.begin(), p.w.end(), w);
      std::fill(p.multiplier.begin(), p.multiplier.end(), 0.001f);
      check(p, Guard::after);
      if (HasFatalFailure()) return;
    }
  }
}

OCTAVO_INSTANTIATE_FOR_BACKENDS(GroupedTest);

}  // namespace
}  // namespace octavo::testing
