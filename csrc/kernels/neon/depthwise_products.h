// Products of a depthwise convolution without dot products: activations and weights as signed
// bytes, 16 channels at a time.
//
//   eor 0x80, eor 0x7F  a - 128 in even rows, 127 - a in odd ones; sums start from what that adds
//   smull, smlsl        (a0 - 128) * w0 - (127 - a1) * w1 in 16 bits: within -32640..32640 for all
//                       bytes, since the two products lean in opposite directions
//   saddw, saddw2       into 32 bits
#pragma once

#include "kernels/neon/depthwise_step.h"

namespace octavo {
namespace {

OCTAVO_INLINE void widen(int16x8_t low, int16x8_t high, Sums& acc) {
  acc[0] = vaddw_s16(acc[0], vget_low_s16(low));
  acc[1] = vaddw_high_s16(acc[1], low);
  acc[2] = vaddw_s16(acc[2], vget_low_s16(high));
  acc[3] = vaddw_high_s16(acc[3], high);
}

// Math of depthwise_window.h.
struct PairedProducts {
  struct Group {
    int8x16_t x[kKr];
  };

  OCTAVO_INLINE_MEMBER static Group prepare(const FourRows& x, size_t count) {
    Group group;
    OCTAVO_UNROLL for (size_t y = 0; y < kKr; ++y) {
      const uint8x16_t flip = vdupq_n_u8(y % 2 == 0 ? 0x80 : 0x7F);
      if (y < count) group.x[y] = vreinterpretq_s8_u8(veorq_u8(x[y], flip));
    }
    return group;
  }

  OCTAVO_INLINE_MEMBER static void add(Sums& acc, const Group& group, const FourTaps& taps,
                                       size_t count) {
    const auto& x = group.x;
    const auto& w = taps.w;
    OCTAVO_UNROLL for (size_t y = 0; y < kKr; y += 2) {
      if (y >= count) break;
      int16x8_t low = vmull_s8(vget_low_s8(x[y]), vget_low_s8(w[y]));
      int16x8_t high = vmull_high_s8(x[y], w[y]);
      if (y + 1 < count) {
        low = vmlsl_s8(low, vget_low_s8(x[y + 1]), vget_low_s8(w[y + 1]));
        high = vmlsl_high_s8(high, x[y + 1], w[y + 1]);
      }
      widen(low, high, acc);
    }
  }
};

// The weights of a panel by groups of four vertical taps, where they are.
struct PanelWeights {
  const int8_t* w;

  OCTAVO_INLINE_MEMBER FourTaps group(size_t i) const {
    const int8x16x4_t taps = vld4q_s8(w + i * kNr * kKr);
    return {{taps.val[0], taps.val[1], taps.val[2], taps.val[3]}};
  }
};

// The same, a vector per tap.
struct StagedWeights {
  FourTaps groups[kMaxStagedGroups];

  OCTAVO_INLINE_MEMBER StagedWeights(const PanelWeights& weights, size_t count) {
    for (size_t i = 0; i < count; ++i) groups[i] = weights.group(i);
  }
  OCTAVO_INLINE_MEMBER const FourTaps& group(size_t i) const { return groups[i]; }
};

// Bias + 128 * the sum of the weights of even rows + 127 * that of odd ones.
template <class Weights>
OCTAVO_INLINE void load_start(const uint8_t* panel, const Weights& weights, size_t groups,
                              Sums& start) {
  const FourRows zeros = {vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0)};
  const PairedProducts::Group least = PairedProducts::prepare(zeros, kKr);
  Sums less = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
  for (size_t i = 0; i < groups; ++i) PairedProducts::add(less, least, weights.group(i), kKr);
  OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) {
    start[j] = vsubq_s32(vld1q_s32(panel_bias(panel) + 4 * j), less[j]);
  }
}

}  // namespace
}  // namespace octavo
