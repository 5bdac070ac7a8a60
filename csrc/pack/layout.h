// The layout of packed int8 weights, shared by the packer and every kernel.
//
// B has n columns (output channels). It is cut into panels of nr columns; the last panel is as
// narrow as the granule allows. A panel is one 64-byte-aligned stream, read front to back:
//
//     int32 bias[w] | int8 weights[segments][ceil(segment_k / kr)][w][kr] | float multiplier[w]
//
// with w the panel's width. The kr k of one column are adjacent: they are what one instruction
// multiplies for a column, the four bytes of a vpdpbusd / sdot lane, eight for usmmla, a vector of
// 16 for smull and smlsl2. For kr = 4, w = 4, segment_k = 6:
//
//     column:    0           1           2           3
//     k 0..3   | b b b b   | b b b b   | b b b b   | b b b b
//     k 4..7   | b b 0 0   | b b 0 0   | b b 0 0   | b b 0 0      tails of k are zero
//
// Columns past n and k past segment_k hold zero weights, zero bias, zero multiplier.
//
// Instructions that multiply signed bytes alone see activations less a constant, the geometry's
// shift; the packer adds what that takes away to the bias.
//
// A backend may ask for scheduled panels instead: their columns come two by two, and their groups
// of four k in chains found at pack time, each with the place of its activations, see
// pack/schedule.h:
//
//     int32 bias[32] | float multiplier[32] | for each block of k, for each two columns:
//         uint16 steps, chains, 0, 0 | int8 weights[steps][2][4] | uint16 a_offset[steps]
//         | uint8 length[chains] | padding to 8 bytes
//
// Plain arithmetic on plain types, `static` so that each ISA's object keeps its own copy.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace octavo {

enum {
  kPanelAlignment = 64,
  kKr = 4,  // unless the geometry says otherwise
  // Scheduled panels and the activations they are read with, see below.
  kScheduledWidth = 32,
  kScheduledGranule = 8,
  kScheduledColumns = 2,  // that share their chains
  kScheduledRows = 24,
  kScheduledVector = 8,   // rows whose dwords are adjacent
  kScheduledBlock = 256,  // groups of four k: a tile's stay in the first-level cache
  kPairings = 3
};

enum PanelOrder : uint32_t {
  kSequential,  // k in the order of the activations
  kScheduled,   // see pack/schedule.h; nr == kScheduledWidth, granule == kScheduledGranule
};

// What a kernel takes from every activation before it multiplies, to fit it into a signed byte.
enum ActivationShift : uint32_t {
  kNoShift,
  kShift128,
  kShiftByOctets,  // 128 and 127 in turn, eight k of a segment each; see kernels/neon/gemm.cc
};

// The shape of the panels a backend reads.
struct PanelGeometry {
  uint32_t nr;       // columns of a full panel
  uint32_t granule;  // a panel's width is a multiple of this; divides nr
  PanelOrder order = kSequential;
  uint32_t kr = kKr;  // 4, 8 or 16
  ActivationShift shift = kNoShift;
};

// Of activation k of a segment.
static inline int32_t activation_shift(ActivationShift shift, size_t k) {
  if (shift == kNoShift) return 0;
  return shift == kShiftByOctets && k / 8 % 2 == 1 ? 127 : 128;
}

static inline size_t round_up(size_t x, size_t multiple) {
  return (x + multiple - 1) / multiple * multiple;
}

// Width of the panel that holds `cols` (1..nr) existing columns.
static inline size_t panel_width(size_t cols, size_t granule) { return round_up(cols, granule); }

static inline size_t panel_weight_bytes(size_t width, size_t segments, size_t segment_k,
                                        size_t kr = kKr) {
  return segments * (round_up(segment_k, kr) * width);
}

// Bytes from one panel's start to the next one's.
static inline size_t panel_stride_bytes(size_t width, size_t segments, size_t segment_k,
                                        size_t kr = kKr) {
  return round_up(width * sizeof(int32_t) + panel_weight_bytes(width, segments, segment_k, kr) +
                      width * sizeof(float),
                  kPanelAlignment);
}

static inline const int32_t* panel_bias(const uint8_t* panel) { return (const int32_t*)panel; }

static inline const int8_t* panel_weights(const uint8_t* panel, size_t width) {
  return (const int8_t*)(panel + width * sizeof(int32_t));
}

static inline const float* panel_multiplier(const uint8_t* panel, size_t width, size_t segments,
                                            size_t segment_k, size_t kr = kKr) {
  return (const float*)(panel + width * sizeof(int32_t) +
                        panel_weight_bytes(width, segments, segment_k, kr));
}

// ---- Scheduled panels -------------------------------------------------------------------------

// Activations are prepared as [rows / 8][blocks][kPairings][groups of the block][8] dwords: for
// eight rows, block after block of groups, one plane per way of pairing the four k of a group. An
// a_offset counts quarters of such a vector of eight dwords from the beginning of its block.
struct ScheduledHeader {
  int32_t bias[kScheduledWidth];
  float multiplier[kScheduledWidth];
};

struct ChainsHeader {
  uint16_t steps;
  uint16_t chains;
  uint16_t unused[2];
};

enum { kOffsetBytes = 8 };  // what an a_offset of 1 means

// Dwords of one row: segments do not share a dword.
static inline size_t scheduled_groups(size_t segments, size_t segment_k) {
  return segments * (round_up(segment_k, kKr) / kKr);
}

// Groups of the block that begins at `first`.
static inline size_t scheduled_block_groups(size_t groups, size_t first) {
  return groups - first < kScheduledBlock ? groups - first : (size_t)kScheduledBlock;
}

static inline size_t scheduled_a_bytes(size_t segments, size_t segment_k) {
  return kPairings * scheduled_groups(segments, segment_k) * kScheduledRows * kKr;
}

static inline size_t scheduled_chains_bytes(size_t steps, size_t chains) {
  return round_up(
      sizeof(struct ChainsHeader) + steps * (kScheduledColumns * kKr + sizeof(uint16_t)) + chains,
      sizeof(struct ChainsHeader));
}

}  // namespace octavo
