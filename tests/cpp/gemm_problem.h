// A GEMM tile as plain data, its reference, and the fixture that runs every kernel of a backend
// against it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "kernel_test.h"
#include "pack/pack.h"

namespace octavo::testing {

// One tile: logical data in the order of the formula, from which the reference is computed.
struct Problem {
  Problem(size_t rows, size_t cols, size_t segments, size_t segment_k)
      : rows(rows),
        cols(cols),
        segments(segments),
        segment_k(segment_k),
        a(segments * rows * segment_k),
        w(cols * segments * segment_k),
        bias(cols),
        multiplier(cols, 1.0f),
        weight_zero_point(cols, 0),
        r(rows * cols) {}

  uint8_t& a_at(size_t s, size_t i, size_t k) { return a[(s * rows + i) * segment_k + k]; }
  int8_t w_at(size_t j, size_t s, size_t k) const { return w[(j * segments + s) * segment_k + k]; }

  void randomize(uint32_t seed) {
    std::mt19937 random(seed);
    for (auto& x : a) x = static_cast<uint8_t>(random());
    for (auto& x : w) x = static_cast<int8_t>(random());
    for (auto& x : r) x = static_cast<uint8_t>(random());
    for (auto& x : bias) x = static_cast<int32_t>(random() % 200001) - 100000;
    for (auto& x : multiplier) x = std::ldexp(1 + static_cast<float>(random() % 1000) / 999, -12);
    a_zero_point = static_cast<int32_t>(random() % 256);
    requant.zero_point = static_cast<int32_t>(random() % 256);
    requant.lo = static_cast<float>(-requant.zero_point);
    requant.hi = static_cast<float>(255 - requant.zero_point);
    residual_zero_point = static_cast<int32_t>(random() % 256);
    residual_multiplier = 0.37f;
  }

  size_t rows, cols, segments, segment_k;
  std::vector<uint8_t> a;  // [segments][rows][segment_k]
  std::vector<int8_t> w;   // [cols][segments][segment_k]
  std::vector<int32_t> bias;
  std::vector<float> multiplier;
  std::vector<int32_t> weight_zero_point;
  std::vector<uint8_t> r;  // residual, [rows][cols]
  int32_t a_zero_point = 0;
  Requant requant = {.lo = 0, .hi = 255, .zero_point = 0};
  float residual_multiplier = 0;
  int32_t residual_zero_point = 0;
};

inline int32_t reference_s32(const Problem& p, size_t i, size_t j) {
  uint32_t acc = static_cast<uint32_t>(p.bias[j]);
  for (size_t s = 0; s < p.segments; ++s) {
    for (size_t k = 0; k < p.segment_k; ++k) {
      const int32_t a = p.a[(s * p.rows + i) * p.segment_k + k] - p.a_zero_point;
      acc += static_cast<uint32_t>(a * (p.w_at(j, s, k) - p.weight_zero_point[j]));
    }
  }
  return static_cast<int32_t>(acc);
}

inline uint8_t reference_u8(const Problem& p, int32_t acc, size_t i, size_t j, bool has_residual) {
  float v = static_cast<float>(acc) * p.multiplier[j];
  if (has_residual) {
    const int32_t r = p.r[i * p.cols + j] - p.residual_zero_point;
    v = std::fma(static_cast<float>(r), p.residual_multiplier, v);
  }
  v = std::min(std::max(v, p.requant.lo), p.requant.hi);
  return static_cast<uint8_t>(static_cast<int32_t>(std::nearbyint(v)) + p.requant.zero_point);
}

inline constexpr size_t kGap = 3;  // between the rows of c and of the residual

inline std::string describe(const Problem& p, const char* kernel) {
  return std::string(kernel) + ": segments " + std::to_string(p.segments) + ", segment_k " +
         std::to_string(p.segment_k);
}

class GemmTest : public KernelTest {
 protected:
  // Of the largest tile of any GEMM kernel in the table.
  size_t mr() const { return std::max(table().gemm_mr, table().matmul_mr); }
  size_t nr() const { return std::max(table().gemm_geometry.nr, table().matmul_geometry.nr); }
  size_t granule() const { return table().gemm_geometry.granule; }

  // Column counts around every granule and the panel's width.
  std::vector<size_t> boundary_cols() const {
    std::vector<size_t> cols = {1};
    for (size_t edge = granule(); edge <= nr(); edge += granule()) {
      for (size_t c : {edge - 1, edge, edge + 1}) {
        if (c > cols.back() && c <= nr()) cols.push_back(c);
      }
    }
    return cols;
  }

  // Runs every kernel whose tile holds the problem, with every operand against a guard page, and
  // compares with the reference: int32, and u8 with and without residual.
  void check(const Problem& p, Guard guard) {
    acc_.resize(p.rows * p.cols);
    for (size_t i = 0; i < p.rows; ++i) {
      for (size_t j = 0; j < p.cols; ++j) acc_[i * p.cols + j] = reference_s32(p, i, j);
    }
    if (p.rows <= table().gemm_mr && p.cols <= table().gemm_geometry.nr) check_gemm(p, guard);
    const bool own_matmul = table().matmul_u8.run != table().gemm_u8.run;
    if (HasFatalFailure() || !own_matmul) return;
    if (p.rows <= table().matmul_mr && p.cols <= table().matmul_geometry.nr) check_matmul(p, guard);
  }

 private:
  PackedMatrix pack(const Problem& p, const PanelGeometry& geometry) const {
    const ptrdiff_t k = static_cast<ptrdiff_t>(p.segment_k);
    const WeightView view = {
        p.w.data(), p.cols, p.segments, p.segment_k, static_cast<ptrdiff_t>(p.segments) * k, k, 1};
    return pack_weights(geometry, view,
                        {.bias = p.bias.data(),
                         .multiplier = p.multiplier.data(),
                         .weight_zero_point = p.weight_zero_point.data(),
                         .a_zero_point = p.a_zero_point});
  }

  GemmTile tile_of(const Problem& p, const PackedMatrix& packed, const uint8_t* panel,
                   const std::vector<const uint8_t*>& rows) const {
    return {.a = rows.data(),
            .rows = p.rows,
            .segments = packed.segments(),
            .segment_k = packed.segment_k(),
            .panel = panel,
            .cols = p.cols,
            .next = panel + packed.size_bytes()};  // a hint only: here it is the guard page
  }

  void check_gemm(const Problem& p, Guard guard) {
    const PackedMatrix packed = pack(p, table().gemm_geometry);
    ASSERT_EQ(packed.panel_count(), 1u);
    const GuardedBuffer<uint8_t> panel({packed.panel(0), packed.size_bytes()}, guard);
    const std::vector<const uint8_t*> rows = place_rows(p, packed.repeats(), guard);
    GemmTile tile = tile_of(p, packed, panel.data(), rows);
    const bool prepares = table().gemm_prepare.run != nullptr;
    GuardedBuffer<uint8_t> prepared(prepares ? scheduled_a_bytes(tile.segments, tile.segment_k) : 0,
                                    guard);
    if (prepares) {
      table().gemm_prepare.run(tile, prepared.data());
      ASSERT_TRUE(prepared.slack_intact());
      tile.a = nullptr;  // the kernels read nothing but what was prepared
      tile.prepared = prepared.data();
    }
    run_s32(p, tile, guard);
    if (!HasFatalFailure()) run_u8(table().gemm_u8, p, tile, guard, false);
    if (!HasFatalFailure()) run_u8(table().gemm_u8, p, tile, guard, true);
  }

  void check_matmul(const Problem& p, Guard guard) {
    const PackedMatrix packed = pack(p, table().matmul_geometry);
    ASSERT_EQ(packed.panel_count(), 1u);
    const GuardedBuffer<uint8_t> panel({packed.panel(0), packed.size_bytes()}, guard);
    const std::vector<const uint8_t*> rows = place_rows(p, packed.repeats(), guard);
    const GemmTile tile = tile_of(p, packed, panel.data(), rows);
    run_u8(table().matmul_u8, p, tile, guard, false);
    if (!HasFatalFailure()) run_u8(table().matmul_u8, p, tile, guard, true);
  }

  void run_s32(const Problem& p, const GemmTile& tile, Guard guard) {
    OutputGrid<int32_t> c(p.rows, p.cols, p.cols + kGap, guard);
    table().gemm_s32.run(tile, c.data(), c.ld());
    SCOPED_TRACE(describe(p, table().gemm_s32.name));
    c.expect([&](size_t i, size_t j) { return acc_[i * p.cols + j]; });
  }

  void run_u8(const Kernel<GemmU8Fn>& kernel, const Problem& p, const GemmTile& tile, Guard guard,
              bool has_residual) {
    const size_t ld = p.cols + kGap;
    GuardedBuffer<uint8_t> r((p.rows - 1) * ld + p.cols, guard);
    for (size_t i = 0; i < p.rows; ++i) {
      std::copy_n(p.r.data() + i * p.cols, p.cols, r.data() + i * ld);
    }
    const Residual residual = {.rows = has_residual ? r.data() : nullptr,
                               .ld = ld,
                               .multiplier = p.residual_multiplier,
                               .zero_point = p.residual_zero_point};
    OutputGrid<uint8_t> c(p.rows, p.cols, ld, guard);
    kernel.run(tile, p.requant, residual, c.data(), ld);
    SCOPED_TRACE(describe(p, kernel.name) + (has_residual ? ", residual" : ""));
    c.expect([&](size_t i, size_t j) {
      return reference_u8(p, acc_[i * p.cols + j], i, j, has_residual);
    });
  }

  // Each piece of A alone on a page, against its guarded side. Pages are reused between calls.
  std::vector<const uint8_t*> place_rows(const Problem& p, size_t repeats, Guard guard) {
    constexpr size_t kPage = 4096;
    const size_t room = (p.segment_k + kPage - 1) / kPage * kPage;
    if (room != room_ || guard != guard_) pieces_.clear();
    room_ = room;
    guard_ = guard;
    const size_t count = p.segments * p.rows;
    while (pieces_.size() < count) pieces_.emplace_back(room, guard);
    std::vector<const uint8_t*> pointers;
    for (size_t i = 0; i < count; ++i) {
      uint8_t* at = pieces_[i].data() + (guard == Guard::after ? room - p.segment_k : 0);
      std::copy_n(p.a.data() + i * p.segment_k, p.segment_k, at);
      pointers.push_back(at);
    }
    for (size_t r = 1; r < repeats; ++r) {
      for (size_t i = 0; i < count; ++i) pointers.push_back(pointers[i]);
    }
    return pointers;
  }

  std::vector<int32_t> acc_;
  std::vector<GuardedBuffer<uint8_t>> pieces_;
  size_t room_ = 0;
  Guard guard_ = Guard::after;
};

}  // namespace octavo::testing
