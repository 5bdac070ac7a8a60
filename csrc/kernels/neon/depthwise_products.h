// Products of a depthwise convolution without dot products: activations and weights as signed
// bytes, 16 channels at a time.
//
//   eor 0x80            an activation less 128, which the sums' start makes up for
//   smull, smlal        the products of two taps in 16 bits
//   saddw, saddw2       into 32 bits
//
// Two products fit 16 bits unless both are -128 * -128: their sum, 32768, would wrap. So taps are
// paired where no channel has two weights of -128, and widened one by one elsewhere.
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

OCTAVO_INLINE void add_product(int8x16_t x, int8x16_t w, Sums& acc) {
  widen(vmull_s8(vget_low_s8(x), vget_low_s8(w)), vmull_high_s8(x, w), acc);
}

OCTAVO_INLINE void add_pair(int8x16_t x0, int8x16_t w0, int8x16_t x1, int8x16_t w1, Sums& acc) {
  const int16x8_t low = vmull_s8(vget_low_s8(x0), vget_low_s8(w0));
  const int16x8_t high = vmull_high_s8(x0, w0);
  widen(vmlal_s8(low, vget_low_s8(x1), vget_low_s8(w1)), vmlal_high_s8(high, x1, w1), acc);
}

// Math of depthwise_window.h.
template <bool kPaired>
struct Products {
  struct Group {
    int8x16_t x[kKr];
  };

  OCTAVO_INLINE_MEMBER static Group prepare(const FourRows& x, size_t count) {
    Group group;
    OCTAVO_UNROLL for (size_t y = 0; y < kKr; ++y) {
      if (y < count) group.x[y] = vreinterpretq_s8_u8(veorq_u8(x[y], vdupq_n_u8(0x80)));
    }
    return group;
  }

  OCTAVO_INLINE_MEMBER static void add(Sums& acc, const Group& group, const FourTaps& taps,
                                       size_t count) {
    OCTAVO_UNROLL for (size_t y = 0; y < kKr; y += 2) {
      if (y + 1 < count && kPaired) {
        add_pair(group.x[y], taps.w[y], group.x[y + 1], taps.w[y + 1], acc);
      } else {
        if (y < count) add_product(group.x[y], taps.w[y], acc);
        if (y + 1 < count) add_product(group.x[y + 1], taps.w[y + 1], acc);
      }
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

// Bias + 128 * the sum of the weights. Returns whether taps may be paired.
template <class Weights>
OCTAVO_INLINE bool load_start(const uint8_t* panel, const Weights& weights, size_t groups,
                              Sums& start) {
  const int8x16_t least = vdupq_n_s8(-128);
  uint8x16_t once = vdupq_n_u8(0), twice = once;
  Sums less = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
  for (size_t i = 0; i < groups; ++i) {
    const FourTaps taps = weights.group(i);
    OCTAVO_UNROLL for (size_t y = 0; y < kKr; ++y) {
      add_product(least, taps.w[y], less);
      const uint8x16_t is_least = vceqq_s8(taps.w[y], least);
      twice = vorrq_u8(twice, vandq_u8(once, is_least));
      once = vorrq_u8(once, is_least);
    }
  }
  OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) {
    start[j] = vsubq_s32(vld1q_s32(panel_bias(panel) + 4 * j), less[j]);
  }
  return vmaxvq_u8(twice) == 0;
}

}  // namespace
}  // namespace octavo
