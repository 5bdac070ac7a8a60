// What the loops of a depthwise convolution share: the channels of a step, its weights, and columns
// of input pixels interleaved for vpdpbusd.
//
// vpdpbusd wants 4 taps of one channel in each dword. Four taps, in every 128-bit lane (channels
// 0..15 of a panel):
//
//     4 x vmovdqu               x0, x1, x2, x3     tap t of 16 channels
//     4 x vpunpck{l,h}bw        x0 x1 interleaved, x2 x3 interleaved
//     4 x vpunpck{l,h}wd        vector j holds channels 4j..4j+3, 4 taps each
//     4 x vpdpbusd              exact: no 16-bit intermediate
//
// so vector j pairs with bytes 16j..16j+15 of a panel's tap group, and the epilogue's packs, which
// work within lanes too, restore the channel order for free. Missing taps of a group are zero
// vectors; their weights are zero.
#pragma once

#include "kernels/avx512vnni/lanes.h"
#include "pack/layout.h"

namespace octavo {
namespace {

constexpr size_t kNr = 16;
constexpr size_t kParts = 4;  // vectors per step: kNr channels / 4 dwords of a lane

// Four vectors of one step, gathered from kLanes panels `stride` bytes apart.
template <int kLanes>
OCTAVO_INLINE void gather_parts(const void* x, size_t stride,
                                typename Lanes<kLanes>::Int (&parts)[kParts]) {
  OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) {
    parts[j] = gather_lanes<kLanes>((const uint8_t*)x + 16 * j, stride);
  }
}

// The channels of one step: loads and stores whole vectors, or masked ones at the end.
template <int kLanes, bool kFull>
struct Step {
  using V = Lanes<kLanes>;
  size_t first;
  typename V::Mask mask;  // unused when kFull
  const uint8_t* panel;   // the first of kLanes
  size_t panel_stride;

  OCTAVO_INLINE_MEMBER typename V::Int load(const uint8_t* pixel) const {
    auto x = kFull ? V::load(pixel + first) : V::load(pixel + first, mask);
    // One load: GCC would rather make the row an operand of both its unpacks.
    OCTAVO_KEEP("v", x);
    return x;
  }
};

// The interleaved dwords of `count` (1 to 4) rows x of a column.
template <int kLanes>
OCTAVO_INLINE void interleave(const typename Lanes<kLanes>::Int (&x)[kKr], size_t count,
                              typename Lanes<kLanes>::Int (&parts)[kParts]) {
  using V = Lanes<kLanes>;
  const auto zero = V::zero();
  const auto low01 = V::low8(x[0], count > 1 ? x[1] : zero);
  const auto high01 = V::high8(x[0], count > 1 ? x[1] : zero);
  auto low23 = zero, high23 = zero;
  if (count > 2) {
    low23 = V::low8(x[2], count > 3 ? x[3] : zero);
    high23 = V::high8(x[2], count > 3 ? x[3] : zero);
  }
  parts[0] = V::low16(low01, low23);
  parts[1] = V::high16(low01, low23);
  parts[2] = V::low16(high01, high23);
  parts[3] = V::high16(high01, high23);
}

// One output element type each: prepared with a step, then store() per pixel.
struct OutputS32 {
  int32_t* c;

  template <int kLanes, bool kFull>
  struct Writer {
    static_assert(kLanes == 1, "wider steps hold the channels in another order");
    int32_t* c;

    OCTAVO_INLINE_MEMBER Writer(const OutputS32& output, const DepthwiseTile&,
                                const Step<1, kFull>&)
        : c(output.c) {}

    OCTAVO_INLINE_MEMBER void store(const Step<1, kFull>& step, size_t at,
                                    const __m128i (&acc)[kParts]) const {
      OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) {
        const __mmask8 mask = kFull ? 0xF : (step.mask >> (4 * j)) & 0xF;
        _mm_mask_storeu_epi32(c + at + step.first + 4 * j, mask, acc[j]);
      }
    }
  };
};

struct OutputU8 {
  uint8_t* c;
  Requant requant;

  template <int kLanes, bool kFull>
  struct Writer {
    using V = Lanes<kLanes>;
    uint8_t* c;
    typename V::Int multiplier[kParts];
    typename V::Float hi;
    typename V::Int zero_point;
    typename V::Int low;
    typename V::Int high;
    bool far;

    OCTAVO_INLINE_MEMBER Writer(const OutputU8& output, const DepthwiseTile& tile,
                                const Step<kLanes, kFull>& step)
        : c(output.c),
          hi(V::broadcast(output.requant.hi)),
          zero_point(V::broadcast16(output.requant.zero_point)),
          low(V::broadcast8((int)output.requant.lo + output.requant.zero_point)),
          high(V::broadcast8((int)output.requant.hi + output.requant.zero_point)),
          far(false) {
      const float* m = panel_multiplier(step.panel, kNr, tile.kernel_w, tile.kernel_h);
      gather_parts<kLanes>(m, step.panel_stride, multiplier);
      for (size_t lane = 0; lane < kLanes; ++lane) {
        far |= any_far(m + lane * step.panel_stride / sizeof(float), kNr);
      }
    }

    OCTAVO_INLINE_MEMBER void store(const Step<kLanes, kFull>& step, size_t at,
                                    const typename V::Int (&acc)[kParts]) const {
      typename V::Float v[kParts];
      OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) v[j] = V::scaled(acc[j], multiplier[j]);
      if (OCTAVO_UNLIKELY(far)) {
        OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) v[j] = V::limited(v[j], hi);
      }
      const auto bytes = V::narrow(v[0], v[1], v[2], v[3], zero_point, low, high);
      if (kFull) {
        V::store(c + at + step.first, bytes);
      } else {
        V::store(c + at + step.first, bytes, step.mask);
      }
    }
  };
};

}  // namespace
}  // namespace octavo
