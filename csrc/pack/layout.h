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
// A backend may ask for scheduled panels instead (8 columns): their groups of four k come in an
// order found at pack time, each with the place of its activations, see pack/schedule.h:
//
//     int32 bias[8] | float multiplier[8] | uint32 quads, pairs, 0... | int8 weights[steps][8][4]
//     | uint32 a_offset[steps]                                 steps = 2 * quads + pairs
//
// Plain arithmetic on plain types, `static` so that each ISA's object keeps its own copy.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace octavo {

enum {
  kPanelAlignment = 64,
  kKr = 4,
  // Scheduled panels and the activations they are read with, see below.
  kScheduledWidth = 8,
  kScheduledRows = 8,
  kPairings = 3
};

enum PanelOrder : uint32_t {
  kSequential,  // k in the order of the activations
  kScheduled,   // see pack/schedule.h; nr == granule == kScheduledWidth
};

// The shape of the panels a backend reads.
struct PanelGeometry {
  uint32_t nr;       // columns of a full panel
  uint32_t granule;  // a panel's width is a multiple of this; divides nr
  PanelOrder order = kSequential;
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

// ---- Scheduled panels -------------------------------------------------------------------------

// Activations are prepared as [kPairings][groups][rows] dwords, one plane per way of pairing the
// four k of a group, with room for up to kScheduledRows rows; a_offset counts bytes of one row.
struct ScheduledHeader {
  int32_t bias[kScheduledWidth];
  float multiplier[kScheduledWidth];
  uint32_t quads;  // the first 2 * quads steps, two by two
  uint32_t pairs;  // the steps after them
  uint32_t unused[kScheduledWidth - 2];
};

// Dwords of one row: segments do not share a dword.
static inline size_t scheduled_groups(size_t segments, size_t segment_k) {
  return segments * (round_up(segment_k, kKr) / kKr);
}

static inline size_t scheduled_a_bytes(size_t segments, size_t segment_k) {
  return kPairings * scheduled_groups(segments, segment_k) * kScheduledRows * kKr;
}

static inline size_t scheduled_panel_bytes(size_t steps) {
  return round_up(sizeof(ScheduledHeader) + steps * (kScheduledWidth * kKr + sizeof(uint32_t)),
                  kPanelAlignment);
}

static inline const int8_t* scheduled_weights(const uint8_t* panel) {
  return (const int8_t*)(panel + sizeof(ScheduledHeader));
}

static inline const uint32_t* scheduled_a_offsets(const uint8_t* panel, size_t steps) {
  return (const uint32_t*)(panel + sizeof(ScheduledHeader) + steps * kScheduledWidth * kKr);
}

}  // namespace octavo
