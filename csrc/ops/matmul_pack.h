// Packing B of a matrix product while the network runs: panels as pack/pack.h makes them of
// weights.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pack/layout.h"

namespace octavo {

// The columns of one head that go into one panel.
struct PanelSource {
  const uint8_t* b;  // its first column
  size_t ld;         // elements between rows of b
  bool transposed;   // b holds a row per column
  size_t cols;
  size_t k;
};

// u8 bytes b with zero point z become s8 parts whose sum is b - z: b - 128, then the constant
// 128 - z (as 127 + 1 where it is 128), each a segment of its own. The sum over all segments of the
// same a is then exact, and with z = 128 there is one segment.
size_t matmul_segments(int32_t b_zero_point);

// Writes a sequential panel: what a_zero_point and the geometry's shift add to the bias
// as pack/pack.h says, all segments, and `multiplier` for every column that exists.
void pack_matmul_panel(const PanelSource& source, const PanelGeometry& geometry,
                       int32_t a_zero_point, int32_t b_zero_point, float multiplier,
                       uint8_t* panel);

// Float panel of `nr` columns, see GemmF32Tile; the bias is 0.
struct PanelSourceF32 {
  const float* b;
  size_t ld;
  bool transposed;
  size_t cols;
  size_t k;
};
void pack_matmul_panel_f32(const PanelSourceF32& source, size_t nr, float* panel);

}  // namespace octavo
