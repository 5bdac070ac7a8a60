// A packed int8 matrix times rows found by a pointer filler: what Linear and Conv2d share.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/gemm_grid.h"
#include "pack/pack.h"

namespace octavo {

// Row i, column j of the product goes to c[i * ldc + j].
struct S32Target {
  int32_t* c;
  size_t ldc;

  S32Target at(size_t row, size_t column) const { return {c + row * ldc + column, ldc}; }
};

struct U8Target {
  uint8_t* c;
  size_t ldc;
  Requant requant;
  Residual residual;

  U8Target at(size_t row, size_t column) const {
    U8Target moved = *this;
    moved.c += row * ldc + column;
    if (residual.rows != nullptr) moved.residual.rows += row * residual.ld + column;
    return moved;
  }
};

inline void run_tile(const KernelTable& kernels, const GemmTile& tile, const S32Target& target) {
  kernels.gemm_s32.run(tile, target.c, target.ldc);
}

inline void run_tile(const KernelTable& kernels, const GemmTile& tile, const U8Target& target) {
  kernels.gemm_u8.run(tile, target.requant, target.residual, target.c, target.ldc);
}

// Where the next rows of a matrix are, and the pixels of an image that the next tile does not share
// with this one.
inline const uint8_t* after_rows(const GemmTile& tile) {
  return tile.a[tile.segments * tile.rows - 1] + tile.segment_k;
}

// A kernel's arguments but for the panel.
inline GemmTile tile_of(const PackedMatrix& packed, const uint8_t* const* a, size_t rows) {
  return {.a = a,
          .rows = rows,
          .segments = packed.segments(),
          .segment_k = packed.segment_k(),
          .panel = nullptr,
          .cols = 0};
}

// Kernels that read prepared rows do not need the pointers: this returns where the rows are, for a
// tile's `prepared`. nullptr for the others.
inline const uint8_t* prepare_rows(const KernelTable& kernels, const GemmTile& tile) {
  if (kernels.gemm_prepare.run == nullptr) return nullptr;
  uint8_t* prepared =
      scratch<uint8_t>(Scratch::prepared_rows, scheduled_a_bytes(tile.segments, tile.segment_k));
  kernels.gemm_prepare.run(tile, prepared);
  return prepared;
}

// The product of a tile's rows with one panel.
template <class Target>
void run_panel(const KernelTable& kernels, GemmTile tile, const PackedMatrix& packed, size_t panel,
               const Target& target) {
  tile.panel = packed.panel(panel);
  tile.cols = packed.panel_cols(panel);
  run_tile(kernels, tile, target.at(0, panel * packed.geometry().nr));
}

inline void run_grouped_tile(const KernelTable& kernels, const GemmTile& tile,
                             const S32Target& target) {
  kernels.grouped_s32.run(tile, target.c, target.ldc);
}

inline void run_grouped_tile(const KernelTable& kernels, const GemmTile& tile,
                             const U8Target& target) {
  kernels.grouped_u8.run(tile, target.requant, target.residual, target.c, target.ldc);
}

// fill(row, rows, a) writes the pointers of packed.segments() segments, repeats included.
template <class Fill, class Target>
void run_packed(const Context& context, const PackedMatrix& packed, size_t m, const Fill& fill,
                const Target& target) {
  const KernelTable& kernels = context.kernels();
  const size_t k = packed.segments() * packed.segment_k();
  // Kernels that read prepared rows do not need the pointers: one of them says where those are.
  const bool prepares = kernels.gemm_prepare.run != nullptr;
  const GemmExtent extent = {.m = m,
                             .mr = kernels.gemm_mr,
                             .row_granule = kernels.gemm_row_granule,
                             .panels = packed.panel_count(),
                             .panel_bytes = packed.size_bytes() / packed.panel_count(),
                             .macs = m * packed.n() * k,
                             .prepares = prepares};
  auto fill_and_prepare = [&](size_t row, size_t rows, const uint8_t** a) {
    fill(row, rows, a);
    const uint8_t* prepared = prepare_rows(kernels, tile_of(packed, a, rows));
    if (prepared != nullptr) a[0] = prepared;
  };
  auto kernel = [&](const uint8_t* const* a, size_t row, size_t rows, size_t panel, size_t next) {
    GemmTile tile = tile_of(packed, a, rows);
    if (next != panel) {
      tile.next = packed.panel(next);
    } else if (row + rows < m) {
      tile.next = after_rows(tile);
    }
    if (prepares) tile.prepared = a[0];
    run_panel(kernels, tile, packed, panel, target.at(row, 0));
  };
  run_gemm<uint8_t>(context, extent, packed.segments(), fill_and_prepare, kernel);
}

}  // namespace octavo
