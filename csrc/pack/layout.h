// The layout of packed int8 weights, shared by the packer and every kernel.
//
// B has n columns (output channels). It is cut into panels of nr columns; the last panel is as
// narrow as the granule allows. A panel is one 64-byte-aligned stream, read front to back:
//
//     int32 bias[w] | int8 weights[segments][k4][w][4] | float multiplier[w]
//
// with w the panel's width and k4 = ceil(segment_k / 4). The four k of one column are adjacent:
// they are the four bytes one vpdpbusd / sdot lane multiplies. For w = 4, segment_k = 6:
//
//     column:    0           1           2           3
//     k 0..3   | b b b b   | b b b b   | b b b b   | b b b b
//     k 4..7   | b b 0 0   | b b 0 0   | b b 0 0   | b b 0 0      tails of k are zero
//
// Columns past n and k past segment_k hold zero weights, zero bias, zero multiplier.
//
// Plain arithmetic on plain types, `static` so that each ISA's object keeps its own copy.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace octavo {

enum { kPanelAlignment = 64, kKr = 4 };

// The shape of the panels a backend reads.
struct PanelGeometry {
  uint32_t nr;       // columns of a full panel
  uint32_t granule;  // a panel's width is a multiple of this; divides nr
};

static inline size_t round_up(size_t x, size_t multiple) {
  return (x + multiple - 1) / multiple * multiple;
}

// Width of the panel that holds `cols` (1..nr) existing columns.
static inline size_t panel_width(size_t cols, size_t granule) { return round_up(cols, granule); }

static inline size_t panel_weight_bytes(size_t width, size_t segments, size_t segment_k) {
  return segments * (round_up(segment_k, kKr) * width);
}

// Bytes from one panel's start to the next one's.
static inline size_t panel_stride_bytes(size_t width, size_t segments, size_t segment_k) {
  return round_up(width * sizeof(int32_t) + panel_weight_bytes(width, segments, segment_k) +
                      width * sizeof(float),
                  kPanelAlignment);
}

static inline const int32_t* panel_bias(const uint8_t* panel) { return (const int32_t*)panel; }

static inline const int8_t* panel_weights(const uint8_t* panel, size_t width) {
  return (const int8_t*)(panel + width * sizeof(int32_t));
}

static inline const float* panel_multiplier(const uint8_t* panel, size_t width, size_t segments,
                                            size_t segment_k) {
  return (const float*)(panel + width * sizeof(int32_t) +
                        panel_weight_bytes(width, segments, segment_k));
}

}  // namespace octavo
