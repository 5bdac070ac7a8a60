// Columns of a depthwise convolution interleaved for dot products, which want 4 taps of one channel
// in each dword:
//
//     4 x ldr q                 x0, x1, x2, x3     tap t of 16 channels
//     4 x zip1, zip2 .16b       x0 x1 interleaved, x2 x3 interleaved
//     4 x zip1, zip2 .8h        vector j holds channels 4j..4j+3, 4 taps each
//     4 x sdot or usdot         exact: no 16-bit intermediate
//
// so vector j pairs with bytes 16j..16j+15 of a panel's tap group. What stands in for missing taps
// does not matter: their weights are zero.
//
// Dot is the instruction: what it wants done to activations, and what sums start from for that.
#pragma once

#include "kernels/neon/depthwise_step.h"

namespace octavo {
namespace {

// Signed activations, 128 less; the sums' start makes up for that.
struct SignedDot {
  OCTAVO_INLINE_MEMBER static uint8x16_t activations(uint8x16_t x) {
    return veorq_u8(x, vdupq_n_u8(0x80));
  }
  OCTAVO_INLINE_MEMBER static int32x4_t dot(int32x4_t acc, uint8x16_t x, int8x16_t w) {
    return vdotq_s32(acc, vreinterpretq_s8_u8(x), w);
  }
  OCTAVO_INLINE_MEMBER static int32x4_t start(int32x4_t start, int8x16_t w) {
    return vsubq_s32(start, vdotq_s32(vdupq_n_s32(0), vdupq_n_s8(-128), w));
  }
};

// The interleaved dwords of `count` (1 to 4) rows x of a column.
OCTAVO_INLINE void interleave(const uint8x16_t (&x)[kKr], size_t count,
                              uint8x16_t (&parts)[kParts]) {
  const uint8x16_t x1 = count > 1 ? x[1] : x[0];
  const uint8x16_t x2 = count > 2 ? x[2] : x[0], x3 = count > 3 ? x[3] : x2;
  const uint16x8_t low01 = vreinterpretq_u16_u8(vzip1q_u8(x[0], x1));
  const uint16x8_t high01 = vreinterpretq_u16_u8(vzip2q_u8(x[0], x1));
  const uint16x8_t low23 = count > 2 ? vreinterpretq_u16_u8(vzip1q_u8(x2, x3)) : low01;
  const uint16x8_t high23 = count > 2 ? vreinterpretq_u16_u8(vzip2q_u8(x2, x3)) : high01;
  parts[0] = vreinterpretq_u8_u16(vzip1q_u16(low01, low23));
  parts[1] = vreinterpretq_u8_u16(vzip2q_u16(low01, low23));
  parts[2] = vreinterpretq_u8_u16(vzip1q_u16(high01, high23));
  parts[3] = vreinterpretq_u8_u16(vzip2q_u16(high01, high23));
}

template <class Dot>
OCTAVO_INLINE void load_start(const uint8_t* panel, size_t groups, Sums& start) {
  const int8_t* w = panel_weights(panel, kNr);
  OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) start[j] = vld1q_s32(panel_bias(panel) + 4 * j);
  for (size_t i = 0; i < groups; ++i) {
    OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j, w += 16) {
      start[j] = Dot::start(start[j], vld1q_s8(w));
    }
  }
}

}  // namespace
}  // namespace octavo
