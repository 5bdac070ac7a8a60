// Depthwise convolution, u8 x s8 with vpdpbusd:
//
//   acc[p][ch] = bias[ch] + sum over t < taps of a[p][t][ch] * w[t][ch]      int32, wrap-around
//
// Panels of 16 channels (pack/layout.h with k = taps). A step takes 4, 2 or 1 adjacent panels: one
// panel per 128-bit lane of zmm, ymm or xmm registers; 144 channels are 64 + 64 + 16. Steps outer,
// pixels inner: a step's weights stay in registers (9 taps) or on the stack while the pixels pass.
//
// vpdpbusd wants 4 taps of one channel in each dword. Four taps, in every lane (channels 0..15):
//
//     4 x vmovdqu               x0, x1, x2, x3     tap t of 16 channels
//     4 x vpunpck{l,h}bw        x0 x1 interleaved, x2 x3 interleaved
//     4 x vpunpck{l,h}wd        vector j holds channels 4j..4j+3, 4 taps each
//     4 x vpdpbusd              exact: no 16-bit intermediate
//
// so vector j pairs with bytes 16j..16j+15 of a panel's tap group, and the epilogue's packs, which
// work within lanes too, restore the channel order for free. Missing taps of the last group are
// zero vectors (their weights are zero), their pointers are never read.
#include "kernels/avx512vnni/epilogue.h"
#include "kernels/avx512vnni/kernels.h"
#include "kernels/avx512vnni/lanes.h"
#include "pack/layout.h"

namespace octavo {
namespace {

constexpr size_t kNr = 16;
constexpr size_t kParts = 4;            // vectors per step: kNr channels / 4 dwords of a lane
constexpr size_t kMaxStagedTaps = 128;  // more are read from the panel, 16 channels a step

// Four vectors of one step, gathered from kLanes panels `stride` bytes apart.
template <int kLanes>
OCTAVO_INLINE void gather_parts(const void* x, size_t stride,
                                typename Lanes<kLanes>::Int parts[kParts]) {
  for (size_t j = 0; j < kParts; ++j) {
    parts[j] = gather_lanes<kLanes>((const uint8_t*)x + 16 * j, stride);
  }
}

// The weights of one step, gathered once. kTaps == 9 fits the registers.
template <int kLanes, size_t kTaps>
struct StagedWeights {
  typename Lanes<kLanes>::Int parts[(kTaps + kKr - 1) / kKr][kParts];

  OCTAVO_INLINE_MEMBER StagedWeights(const int8_t* w, size_t stride, size_t taps) {
    for (size_t t = 0; t < taps; t += kKr) {
      gather_parts<kLanes>(w + t * kNr, stride, parts[t / kKr]);
    }
  }
  OCTAVO_INLINE_MEMBER auto at(size_t t, size_t j) const { return parts[t / kKr][j]; }
};

// One panel's weights, where they are.
struct PanelWeights {
  const int8_t* w;

  OCTAVO_INLINE_MEMBER __m128i at(size_t t, size_t j) const {
    return _mm_load_si128((const __m128i*)(w + t * kNr + 16 * j));
  }
};

// The channels of one step: loads and stores whole vectors, or masked ones at the end.
template <int kLanes, bool kFull>
struct Step {
  using V = Lanes<kLanes>;
  size_t first;
  typename V::Mask mask;  // unused when kFull

  OCTAVO_INLINE_MEMBER typename V::Int load(const uint8_t* row) const {
    return kFull ? V::load(row + first) : V::load(row + first, mask);
  }
};

// acc += taps t.. (1 to 4 of them) of one pixel; a is its row of tap pointers.
template <int kLanes, bool kFull, class Weights>
OCTAVO_INLINE void add_taps(const Step<kLanes, kFull>& step, const uint8_t* const* a, size_t t,
                            size_t count, const Weights& w,
                            typename Lanes<kLanes>::Int acc[kParts]) {
  using V = Lanes<kLanes>;
  const auto zero = V::zero();
  const auto x0 = step.load(a[t]);
  const auto x1 = count > 1 ? step.load(a[t + 1]) : zero;
  auto low23 = zero, high23 = zero;
  if (count > 2) {
    const auto x2 = step.load(a[t + 2]);
    const auto x3 = count > 3 ? step.load(a[t + 3]) : zero;
    low23 = V::low8(x2, x3);
    high23 = V::high8(x2, x3);
  }
  const auto low01 = V::low8(x0, x1);
  const auto high01 = V::high8(x0, x1);
  acc[0] = V::dot4(acc[0], V::low16(low01, low23), w.at(t, 0));
  acc[1] = V::dot4(acc[1], V::high16(low01, low23), w.at(t, 1));
  acc[2] = V::dot4(acc[2], V::low16(high01, high23), w.at(t, 2));
  acc[3] = V::dot4(acc[3], V::high16(high01, high23), w.at(t, 3));
}

// One output element type each: begin() with a step's panels, then store() per pixel.
struct OutputS32 {
  int32_t* c;

  template <int kLanes>
  struct Writer {
    static_assert(kLanes == 1, "wider steps hold the channels in another order");
    int32_t* c;

    OCTAVO_INLINE_MEMBER Writer(const OutputS32& output, const float*, size_t) : c(output.c) {}

    template <bool kFull>
    OCTAVO_INLINE_MEMBER void store(const Step<1, kFull>& step, size_t at,
                                    const __m128i acc[kParts]) const {
      for (size_t j = 0; j < kParts; ++j) {
        const __mmask8 mask = kFull ? 0xF : (step.mask >> (4 * j)) & 0xF;
        _mm_mask_storeu_epi32(c + at + 4 * j, mask, acc[j]);
      }
    }
  };
};

struct OutputU8 {
  uint8_t* c;
  Requant requant;

  template <int kLanes>
  struct Writer {
    using V = Lanes<kLanes>;
    uint8_t* c;
    Requant requant;
    typename V::Int multiplier[kParts];
    typename V::Int zero_point;

    OCTAVO_INLINE_MEMBER Writer(const OutputU8& output, const float* multipliers, size_t stride)
        : c(output.c),
          requant(output.requant),
          zero_point(V::broadcast16(output.requant.zero_point)) {
      gather_parts<kLanes>(multipliers, stride, multiplier);
    }

    template <bool kFull>
    OCTAVO_INLINE_MEMBER void store(const Step<kLanes, kFull>& step, size_t at,
                                    const typename V::Int acc[kParts]) const {
      typename V::Int q[kParts];
      for (size_t j = 0; j < kParts; ++j) {
        q[j] = V::clamped(V::scaled(acc[j], multiplier[j]), requant);
      }
      const auto bytes = V::narrow(q[0], q[1], q[2], q[3], zero_point);
      if (kFull) {
        V::store(c + at, bytes);
      } else {
        V::store(c + at, bytes, step.mask);
      }
    }
  };
};

// kTaps == 0: any number.
template <size_t kTaps, int kLanes, bool kFull, class Weights, class Output>
OCTAVO_INLINE void run_pixels(const DepthwiseTile& tile, const Step<kLanes, kFull>& step,
                              const uint8_t* panel, const Weights& w, const Output& output,
                              size_t ldc) {
  const size_t taps = kTaps == 0 ? tile.taps : kTaps;
  const size_t stride = panel_stride_bytes(kNr, 1, taps);
  typename Lanes<kLanes>::Int bias[kParts];
  gather_parts<kLanes>(panel_bias(panel), stride, bias);
  const typename Output::template Writer<kLanes> writer(
      output, panel_multiplier(panel, kNr, 1, taps), stride);
  const uint8_t* const* a = tile.a;
  for (size_t p = 0; p < tile.pixels; ++p, a += taps) {
    typename Lanes<kLanes>::Int acc[kParts] = {bias[0], bias[1], bias[2], bias[3]};
    size_t t = 0;
    for (; t + kKr <= taps; t += kKr) add_taps(step, a, t, kKr, w, acc);
    if (t < taps) add_taps(step, a, t, taps - t, w, acc);
    writer.store(step, p * ldc + step.first, acc);
  }
}

template <int kLanes, bool kFull, class Output>
OCTAVO_INLINE void run_step(const DepthwiseTile& tile, size_t first, const Output& output,
                            size_t ldc) {
  const size_t stride = panel_stride_bytes(kNr, 1, tile.taps);
  const uint8_t* panel = tile.panels + first / kNr * stride;
  const int8_t* w = panel_weights(panel, kNr);
  using Mask = typename Lanes<kLanes>::Mask;
  const Mask mask = kFull ? (Mask)~0ull : (Mask)((1ull << (tile.channels - first)) - 1);
  const Step<kLanes, kFull> step = {first, mask};
  if (tile.taps == 9) {
    run_pixels<9>(tile, step, panel, StagedWeights<kLanes, 9>(w, stride, 9), output, ldc);
  } else if constexpr (kLanes == 1) {
    run_pixels<0>(tile, step, panel, PanelWeights{w}, output, ldc);
  } else {
    const StagedWeights<kLanes, kMaxStagedTaps> staged(w, stride, tile.taps);
    run_pixels<0>(tile, step, panel, staged, output, ldc);
  }
}

template <class Output>
OCTAVO_INLINE void run_narrow_steps(const DepthwiseTile& tile, size_t first, const Output& output,
                                    size_t ldc) {
  for (; first + kNr <= tile.channels; first += kNr) {
    run_step<1, true>(tile, first, output, ldc);
  }
  if (first < tile.channels) run_step<1, false>(tile, first, output, ldc);
}

}  // namespace

void depthwise_u8s8_s32_16x4_avx512vnni(const DepthwiseTile& tile, int32_t* c, size_t ldc) {
  run_narrow_steps(tile, 0, OutputS32{c}, ldc);
}

void depthwise_u8s8_u8_16x4_avx512vnni(const DepthwiseTile& tile, const Requant& requant,
                                       uint8_t* c, size_t ldc) {
  const OutputU8 output = {c, requant};
  size_t first = 0;
  if (tile.taps <= kMaxStagedTaps) {
    for (; first + 64 <= tile.channels; first += 64) run_step<4, true>(tile, first, output, ldc);
    if (first + 32 <= tile.channels) {
      run_step<2, true>(tile, first, output, ldc);
      first += 32;
    }
    if (first + kNr < tile.channels) {
      run_step<2, false>(tile, first, output, ldc);
      return;
    }
  }
  run_narrow_steps(tile, first, output, ldc);
}

}  // namespace octavo
