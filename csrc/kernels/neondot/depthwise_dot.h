// A depthwise convolution with dot products, which want 4 taps of one channel in each dword. Four
// vertical taps of 16 channels:
//
//     4 x ldr q                 x0, x1, x2, x3     tap t of 16 channels
//     4 x zip1, zip2 .16b       x0 x1 interleaved, x2 x3 interleaved
//     4 x zip1, zip2 .8h        vector j holds channels 4j..4j+3, 4 taps each
//     4 x sdot or usdot         exact: no 16-bit intermediate
//
// so vector j pairs with bytes 16j..16j+15 of a panel's tap group. What stands in for missing taps
// does not matter: their weights are zero. Per output of a 3x3 window with stride 1: 8 zips, 12 dot
// products.
#pragma once

#include "kernels/neon/depthwise_loops.h"

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

// Math of depthwise_window.h.
template <class Dot>
struct DotProducts {
  struct Group {
    uint8x16_t parts[kParts];
  };

  OCTAVO_INLINE_MEMBER static Group prepare(const FourRows& x, size_t count) {
    const uint8x16_t x0 = Dot::activations(x[0]);
    const uint8x16_t x1 = count > 1 ? Dot::activations(x[1]) : x0;
    const uint8x16_t x2 = count > 2 ? Dot::activations(x[2]) : x0;
    const uint8x16_t x3 = count > 3 ? Dot::activations(x[3]) : x2;
    const uint16x8_t low01 = vreinterpretq_u16_u8(vzip1q_u8(x0, x1));
    const uint16x8_t high01 = vreinterpretq_u16_u8(vzip2q_u8(x0, x1));
    const uint16x8_t low23 = vreinterpretq_u16_u8(vzip1q_u8(x2, x3));
    const uint16x8_t high23 = vreinterpretq_u16_u8(vzip2q_u8(x2, x3));
    return {{vreinterpretq_u8_u16(vzip1q_u16(low01, low23)),
             vreinterpretq_u8_u16(vzip2q_u16(low01, low23)),
             vreinterpretq_u8_u16(vzip1q_u16(high01, high23)),
             vreinterpretq_u8_u16(vzip2q_u16(high01, high23))}};
  }

  OCTAVO_INLINE_MEMBER static void add(Sums& acc, const Group& group, const FourTaps& taps,
                                       size_t) {
    OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) {
      acc[j] = Dot::dot(acc[j], group.parts[j], taps.w[j]);
    }
  }
};

struct DotWeights {
  const int8_t* w;

  OCTAVO_INLINE_MEMBER FourTaps group(size_t i) const {
    const int8_t* from = w + i * kNr * kKr;
    return {{vld1q_s8(from), vld1q_s8(from + 16), vld1q_s8(from + 32), vld1q_s8(from + 48)}};
  }
};

template <class Dot, bool kFull, class Output>
void run_step(const DepthwiseTile& tile, const Step<kFull>& step, const Output& output,
              size_t ldc) {
  const DotWeights weights = {panel_weights(step.panel, kNr)};
  Sums start;
  OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) {
    start[j] = vld1q_s32(panel_bias(step.panel) + 4 * j);
  }
  for (size_t i = 0; i < weight_groups(tile); ++i) {
    const FourTaps taps = weights.group(i);
    OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) start[j] = Dot::start(start[j], taps.w[j]);
  }
  run_pixels<DotProducts<Dot>>(tile, step, weights, start, output, ldc);
}

}  // namespace
}  // namespace octavo
