// What the loops of a depthwise convolution share: the channels of a step, its weights, and columns
// of input pixels widened and paired for vpmaddwd.
//
// Two taps of 8 channels, widened to 16 bits, where no product can saturate (vpmaddubsw would:
// 255 * 127 * 2 > 32767):
//
//     vpunpck{l,h}bw xmm        bytes   x0 x1 of channel 0, x0 x1 of channel 1, ...
//     vpmovzxbw ymm             words   the same; a single tap: vpmovzxbd, the partner is 0
//     vpmaddwd, vpaddd          8 channels x 2 taps
#pragma once

#include "kernels/avx2/epilogue.h"
#include "pack/layout.h"

namespace octavo {
namespace {

constexpr size_t kNr = 8;

// Weights of rows y and y + 1 (y even) of one kernel column as 16-bit pairs, one pair per channel.
OCTAVO_INLINE __m256i load_weight_pair(const int8_t* column_w, size_t y) {
  const __m256i low_pair = _mm256_setr_epi8(                     //
      -1, 0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13,  //
      -1, 0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13);
  const __m256i high_pair = _mm256_setr_epi8(                      //
      -1, 2, -1, 3, -1, 6, -1, 7, -1, 10, -1, 11, -1, 14, -1, 15,  //
      -1, 2, -1, 3, -1, 6, -1, 7, -1, 10, -1, 11, -1, 14, -1, 15);
  const __m256i quads = _mm256_load_si256((const __m256i*)(column_w + y / kKr * kKr * kNr));
  const __m256i high_bytes = _mm256_shuffle_epi8(quads, y % kKr == 0 ? low_pair : high_pair);
  return _mm256_srai_epi16(high_bytes, 8);
}

// kPanels (1 or 2) adjacent panels; cols < 8 only in the last step, which has one.
template <int kPanels, bool kFull>
struct Step {
  size_t first;
  size_t cols;
  const uint8_t* panel;
  size_t panel_stride;

  OCTAVO_INLINE_MEMBER __m128i load(const uint8_t* pixel) const {
    if constexpr (kPanels == 2) {
      return _mm_loadu_si128((const __m128i*)(pixel + first));
    } else if constexpr (kFull) {
      return _mm_loadl_epi64((const __m128i*)(pixel + first));
    } else {
      return load_u8x8(pixel + first, cols);
    }
  }
  OCTAVO_INLINE_MEMBER void load_bias(__m256i (&bias)[kPanels]) const {
    OCTAVO_UNROLL for (int j = 0; j < kPanels; ++j) {
      bias[j] = _mm256_load_si256((const __m256i*)panel_bias(panel + (size_t)j * panel_stride));
    }
  }
};

template <int kPanels>
OCTAVO_INLINE void widen_pair(__m128i x0, __m128i x1, __m256i (&parts)[kPanels]) {
  parts[0] = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(x0, x1));
  if constexpr (kPanels == 2) parts[1] = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(x0, x1));
}

template <int kPanels>
OCTAVO_INLINE void widen_single(__m128i x, __m256i (&parts)[kPanels]) {
  parts[0] = _mm256_cvtepu8_epi32(x);
  if constexpr (kPanels == 2) parts[1] = _mm256_cvtepu8_epi32(_mm_srli_si128(x, 8));
}

// One output element type each: prepared with a step, then store() per pixel.
struct OutputS32 {
  int32_t* c;

  template <int kPanels, bool kFull>
  struct Writer {
    int32_t* c;

    OCTAVO_INLINE_MEMBER Writer(const OutputS32& output, const DepthwiseTile&,
                                const Step<kPanels, kFull>&)
        : c(output.c) {}

    OCTAVO_INLINE_MEMBER void store(const Step<kPanels, kFull>& step, size_t at,
                                    const __m256i (&acc)[kPanels]) const {
      OCTAVO_UNROLL for (size_t j = 0; j < kPanels; ++j) {
        int32_t* to = c + at + step.first + j * kNr;
        _mm256_maskstore_epi32(to, first_lanes(step.cols - j * kNr), acc[j]);
      }
    }
  };
};

struct OutputU8 {
  uint8_t* c;
  RequantVectors requant;

  template <int kPanels, bool kFull>
  struct Writer {
    uint8_t* c;
    RequantVectors requant;
    __m256 multiplier[kPanels];

    OCTAVO_INLINE_MEMBER Writer(const OutputU8& output, const DepthwiseTile& tile,
                                const Step<kPanels, kFull>& step)
        : c(output.c), requant(output.requant) {
      const float* from = panel_multiplier(step.panel, kNr, tile.kernel_w, tile.kernel_h);
      OCTAVO_UNROLL for (int j = 0; j < kPanels; ++j) {
        multiplier[j] = _mm256_load_ps(from + (size_t)j * step.panel_stride / sizeof(float));
      }
    }

    OCTAVO_INLINE_MEMBER void store(const Step<kPanels, kFull>& step, size_t at,
                                    const __m256i (&acc)[kPanels]) const {
      __m256 v[kPanels];
      OCTAVO_UNROLL for (int j = 0; j < kPanels; ++j) {
        v[j] = _mm256_mul_ps(_mm256_cvtepi32_ps(acc[j]), multiplier[j]);
      }
      uint8_t* to = c + at + step.first;
      if constexpr (kPanels == 2) {
        // Within each half: four bytes of v0, four of v1.
        const __m256i q =
            _mm256_packs_epi32(clamped_s32(v[0], requant), clamped_s32(v[1], requant));
        const __m256i sum = _mm256_add_epi16(q, requant.zero_point_s16);
        const __m128i bytes =
            _mm_packus_epi16(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
        _mm_storeu_si128((__m128i*)to, _mm_shuffle_epi32(bytes, _MM_SHUFFLE(3, 1, 2, 0)));
      } else if constexpr (kFull) {
        _mm_storel_epi64((__m128i*)to, narrow_u8x8(v[0], requant));
      } else {
        store_u8x8(to, narrow_u8x8(v[0], requant), step.cols);
      }
    }
  };
};

}  // namespace
}  // namespace octavo
