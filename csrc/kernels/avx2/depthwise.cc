// Depthwise convolution, u8 x s8, exact without VNNI:
//
//   acc[p][ch] = bias[ch] + sum over t < taps of a[p][t][ch] * w[t][ch]      int32, wrap-around
//
// Panels of 8 channels (pack/layout.h with k = taps). A step takes 4 adjacent panels or 1; steps
// outer, pixels inner: a step's weights, already widened, stay in registers or on the stack while
// the pixels pass.
//
// Two taps of 32 channels, widened to 16 bits, where no product can saturate (vpmaddubsw would:
// 255 * 127 * 2 > 32767). In each 128-bit lane (16 channels, two panels):
//
//     2 x vmovdqu               x0, x1: taps t and t + 1
//     vpunpck{l,h}bw            bytes   x0 x1 of channel 0, x0 x1 of channel 1, ...
//     4 x vpunpck{l,h}bw zero   words   the same; vector j holds channels 4j..4j+3
//     4 x vpmaddwd, vpaddd      32 channels x 2 taps
//
// so vector j pairs with half j % 2 of panel j / 2 in each lane, and the epilogue's packs, which
// work within lanes too, restore the channel order for free. A single panel is widened with
// vpmovzxbw. A left-over tap is paired with a zero vector (its partner's weight is zero too); the
// missing pointer is never read. Sums of the last panel's missing channels are not stored.
#include "kernels/avx2/epilogue.h"
#include "kernels/avx2/kernels.h"
#include "pack/layout.h"

namespace octavo {
namespace {

constexpr size_t kNr = 8;
constexpr size_t kMaxStagedTaps = 128;  // more are widened per pixel, one panel a step

// Weights of taps t and t + 1 (t even) as 16-bit pairs, one pair per channel.
OCTAVO_INLINE __m256i load_weight_pair(const int8_t* panel_w, size_t t) {
  const __m256i low_pair = _mm256_setr_epi8(                     //
      -1, 0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13,  //
      -1, 0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13);
  const __m256i high_pair = _mm256_setr_epi8(                      //
      -1, 2, -1, 3, -1, 6, -1, 7, -1, 10, -1, 11, -1, 14, -1, 15,  //
      -1, 2, -1, 3, -1, 6, -1, 7, -1, 10, -1, 11, -1, 14, -1, 15);
  const __m256i quads = _mm256_load_si256((const __m256i*)(panel_w + t / kKr * kKr * kNr));
  const __m256i high_bytes = _mm256_shuffle_epi8(quads, t % kKr == 0 ? low_pair : high_pair);
  return _mm256_srai_epi16(high_bytes, 8);
}

// Vector j of a step with 4 panels, from one vector per panel: half j % 2 of panels j / 2 and
// j / 2 + 2.
OCTAVO_INLINE __m256i select_part(__m256i low_panel, __m256i high_panel, size_t j) {
  return j % 2 == 0 ? _mm256_permute2x128_si256(low_panel, high_panel, 0x20)
                    : _mm256_permute2x128_si256(low_panel, high_panel, 0x31);
}

// Vector j of 8 dwords per panel (bias, multiplier).
template <size_t kPanels>
OCTAVO_INLINE __m256i load_part(const void* x, size_t stride, size_t j) {
  const uint8_t* low_panel = (const uint8_t*)x + j / 2 * stride;
  const __m256i low = _mm256_load_si256((const __m256i*)low_panel);
  if (kPanels == 1) return low;
  return select_part(low, _mm256_load_si256((const __m256i*)(low_panel + 2 * stride)), j);
}

// The weights of one step's kPanels panels, `stride` bytes apart, widened once.
template <size_t kPanels, size_t kTaps>
struct StagedWeights {
  __m256i pairs[(kTaps + 1) / 2][kPanels];

  OCTAVO_INLINE_MEMBER StagedWeights(const int8_t* w, size_t stride, size_t taps) {
    for (size_t t = 0; t < taps; t += 2) {
      for (size_t j = 0; j < kPanels; ++j) {
        const int8_t* low_panel = w + j / 2 * stride;
        const __m256i low = load_weight_pair(low_panel, t);
        pairs[t / 2][j] =
            kPanels == 1 ? low : select_part(low, load_weight_pair(low_panel + 2 * stride, t), j);
      }
    }
  }
  OCTAVO_INLINE_MEMBER __m256i at(size_t t, size_t j) const { return pairs[t / 2][j]; }
};

// One panel's weights, where they are.
struct PanelWeights {
  const int8_t* w;

  OCTAVO_INLINE_MEMBER __m256i at(size_t t, size_t) const { return load_weight_pair(w, t); }
};

// Where a step's channels are; cols < 8 only in the last step, which has one panel.
template <size_t kPanels, bool kFull>
struct Step {
  size_t first;
  size_t cols;

  OCTAVO_INLINE_MEMBER auto load(const uint8_t* row) const {
    if constexpr (kPanels == 4) {
      return _mm256_loadu_si256((const __m256i*)(row + first));
    } else if constexpr (kFull) {
      return _mm_loadl_epi64((const __m128i*)(row + first));
    } else {
      return load_u8x8(row + first, cols);
    }
  }
};

// acc += taps t and t + 1; x0 and x1 are their bytes.
template <class Weights>
OCTAVO_INLINE void add_tap_pair(__m128i x0, __m128i x1, size_t t, const Weights& w,
                                __m256i acc[1]) {
  const __m256i x = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(x0, x1));
  acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(x, w.at(t, 0)));
}

template <class Weights>
OCTAVO_INLINE void add_tap_pair(__m256i x0, __m256i x1, size_t t, const Weights& w,
                                __m256i acc[4]) {
  const __m256i zero = _mm256_setzero_si256();
  const __m256i low = _mm256_unpacklo_epi8(x0, x1);
  const __m256i high = _mm256_unpackhi_epi8(x0, x1);
  const __m256i x[4] = {_mm256_unpacklo_epi8(low, zero), _mm256_unpackhi_epi8(low, zero),
                        _mm256_unpacklo_epi8(high, zero), _mm256_unpackhi_epi8(high, zero)};
  for (size_t j = 0; j < 4; ++j) {
    acc[j] = _mm256_add_epi32(acc[j], _mm256_madd_epi16(x[j], w.at(t, j)));
  }
}

// One output element type each: prepare a step's panels, then store() per pixel.
struct OutputS32 {
  int32_t* c;

  template <size_t kPanels>
  struct Writer {
    static_assert(kPanels == 1, "wider steps hold the channels in another order");
    int32_t* c;

    OCTAVO_INLINE_MEMBER Writer(const OutputS32& output, const float*, size_t) : c(output.c) {}

    template <bool kFull>
    OCTAVO_INLINE_MEMBER void store(const Step<1, kFull>& step, size_t at,
                                    const __m256i acc[1]) const {
      _mm256_maskstore_epi32(c + at, first_lanes(step.cols), acc[0]);
    }
  };
};

struct OutputU8 {
  uint8_t* c;
  RequantVectors requant;

  template <size_t kPanels>
  struct Writer {
    uint8_t* c;
    RequantVectors requant;
    __m256 multiplier[kPanels];

    OCTAVO_INLINE_MEMBER Writer(const OutputU8& output, const float* multipliers, size_t stride)
        : c(output.c), requant(output.requant) {
      for (size_t j = 0; j < kPanels; ++j) {
        multiplier[j] = _mm256_castsi256_ps(load_part<kPanels>(multipliers, stride, j));
      }
    }

    template <bool kFull>
    OCTAVO_INLINE_MEMBER void store(const Step<kPanels, kFull>& step, size_t at,
                                    const __m256i acc[kPanels]) const {
      __m256 v[kPanels];
      for (size_t i = 0; i < kPanels; ++i) {
        v[i] = _mm256_mul_ps(_mm256_cvtepi32_ps(acc[i]), multiplier[i]);
      }
      if constexpr (kPanels == 4) {
        const __m256i q = narrow_in_lanes_u8x32(v[0], v[1], v[2], v[3], requant);
        _mm256_storeu_si256((__m256i*)(c + at), q);
      } else if constexpr (kFull) {
        _mm_storel_epi64((__m128i*)(c + at), narrow_u8x8(v[0], requant));
      } else {
        store_u8x8(c + at, narrow_u8x8(v[0], requant), step.cols);
      }
    }
  };
};

// kTaps == 0: any number.
template <size_t kTaps, size_t kPanels, bool kFull, class Weights, class Output>
OCTAVO_INLINE void run_pixels(const DepthwiseTile& tile, const Step<kPanels, kFull>& step,
                              const uint8_t* panel, const Weights& w, const Output& output,
                              size_t ldc) {
  const size_t taps = kTaps == 0 ? tile.taps : kTaps;
  const size_t stride = panel_stride_bytes(kNr, 1, taps);
  __m256i bias[kPanels];
  for (size_t j = 0; j < kPanels; ++j) {
    bias[j] = load_part<kPanels>(panel_bias(panel), stride, j);
  }
  const typename Output::template Writer<kPanels> writer(
      output, panel_multiplier(panel, kNr, 1, taps), stride);
  const uint8_t* const* a = tile.a;
  for (size_t p = 0; p < tile.pixels; ++p, a += taps) {
    __m256i acc[kPanels];
    for (size_t i = 0; i < kPanels; ++i) acc[i] = bias[i];
    size_t t = 0;
    for (; t + 2 <= taps; t += 2) {
      add_tap_pair(step.load(a[t]), step.load(a[t + 1]), t, w, acc);
    }
    if (t < taps) add_tap_pair(step.load(a[t]), decltype(step.load(a[t])){}, t, w, acc);
    writer.store(step, p * ldc + step.first, acc);
  }
}

template <size_t kPanels, bool kFull, class Output>
OCTAVO_INLINE void run_step(const DepthwiseTile& tile, size_t first, const Output& output,
                            size_t ldc) {
  const size_t stride = panel_stride_bytes(kNr, 1, tile.taps);
  const uint8_t* panel = tile.panels + first / kNr * stride;
  const int8_t* w = panel_weights(panel, kNr);
  const Step<kPanels, kFull> step = {first, tile.channels - first};
  if (tile.taps == 9) {
    run_pixels<9>(tile, step, panel, StagedWeights<kPanels, 9>(w, stride, 9), output, ldc);
  } else if (kPanels == 4 || tile.taps <= kMaxStagedTaps) {
    const StagedWeights<kPanels, kMaxStagedTaps> staged(w, stride, tile.taps);
    run_pixels<0>(tile, step, panel, staged, output, ldc);
  } else if constexpr (kPanels == 1) {
    run_pixels<0>(tile, step, panel, PanelWeights{w}, output, ldc);
  }
}

template <class Output>
OCTAVO_INLINE void run_single_panels(const DepthwiseTile& tile, size_t first, const Output& output,
                                     size_t ldc) {
  for (; first + kNr <= tile.channels; first += kNr) {
    run_step<1, true>(tile, first, output, ldc);
  }
  if (first < tile.channels) run_step<1, false>(tile, first, output, ldc);
}

}  // namespace

void depthwise_u8s8_s32_8x4_avx2(const DepthwiseTile& tile, int32_t* c, size_t ldc) {
  run_single_panels(tile, 0, OutputS32{c}, ldc);
}

void depthwise_u8s8_u8_8x4_avx2(const DepthwiseTile& tile, const Requant& requant, uint8_t* c,
                                size_t ldc) {
  const OutputU8 output = {c, broadcast_requant(requant)};
  size_t first = 0;
  if (tile.taps <= kMaxStagedTaps) {
    for (; first + 4 * kNr <= tile.channels; first += 4 * kNr) {
      run_step<4, true>(tile, first, output, ldc);
    }
  }
  run_single_panels(tile, first, output, ldc);
}

}  // namespace octavo
