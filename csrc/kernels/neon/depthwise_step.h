// The steps of a depthwise convolution, here and in the folders of the dot product extensions: 16
// channels, their weights, and what becomes of their sums.
#pragma once

#include "kernels/neon/epilogue.h"
#include "pack/layout.h"

namespace octavo {
namespace {

constexpr size_t kNr = 16;
constexpr size_t kParts = 4;  // vectors of sums: kNr channels / 4 lanes

enum { kMaxStagedGroups = 32 };  // groups of weights kept on the stack

OCTAVO_INLINE size_t weight_groups(const DepthwiseTile& tile) {
  return tile.kernel_w * (round_up(tile.kernel_h, kKr) / kKr);
}

using Sums = int32x4_t[kParts];

// Four vertical taps: their activations as they are, and their weights in the order of a panel or
// with a vector per tap.
using FourRows = uint8x16_t[kKr];
struct FourTaps {
  int8x16_t w[kKr];
};

// The 16 channels of a panel; cols < 16 only in the last step.
template <bool kFull>
struct Step {
  size_t first;
  size_t cols;
  const uint8_t* panel;

  OCTAVO_INLINE_MEMBER uint8x16_t load(const uint8_t* pixel) const {
    return kFull ? vld1q_u8(pixel + first) : load_u8x16(pixel + first, cols);
  }
};

// One output element type each: prepared with a step, then store() per pixel.
struct OutputS32 {
  int32_t* c;

  struct Writer {
    int32_t* c;

    OCTAVO_INLINE_MEMBER Writer(const OutputS32& output, const DepthwiseTile&, const uint8_t*)
        : c(output.c) {}

    template <bool kFull>
    OCTAVO_INLINE_MEMBER void store(const Step<kFull>& step, size_t at, const Sums& acc) const {
      int32_t* to = c + at + step.first;
      if (kFull) {
        OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) vst1q_s32(to + 4 * j, acc[j]);
        return;
      }
      size_t left = step.cols;
      OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) {
        const size_t lanes = left < 4 ? left : 4;
        store_s32x4(to, acc[j], lanes);
        to += lanes;
        left -= lanes;
      }
    }
  };
};

struct OutputU8 {
  uint8_t* c;
  RequantVectors requant;

  struct Writer {
    uint8_t* c;
    RequantVectors requant;
    const float* multiplier;

    OCTAVO_INLINE_MEMBER Writer(const OutputU8& output, const DepthwiseTile& tile,
                                const uint8_t* panel)
        : c(output.c),
          requant(output.requant),
          multiplier(panel_multiplier(panel, kNr, tile.kernel_w, tile.kernel_h)) {}

    template <bool kFull>
    OCTAVO_INLINE_MEMBER void store(const Step<kFull>& step, size_t at, const Sums& acc) const {
      float32x4_t v[kParts];
      scaled_f32(acc, multiplier, v);
      uint8_t* to = c + at + step.first;
      if (kFull) {
        vst1q_u8(to, narrow_u8x16(v, requant));
      } else {
        store_u8x16(to, narrow_u8x16(v, requant), step.cols);
      }
    }
  };
};

// The 16 channels `beyond` after those of `panel`, as a panel of their own: all its parts are rows
// of 16 dwords, one per channel.
struct ShiftedPanel {
  alignas(kPanelAlignment) uint32_t rows[kMaxStagedGroups + 2][kNr];

  OCTAVO_INLINE_MEMBER ShiftedPanel(const uint8_t* panel, size_t panel_stride, size_t groups,
                                    size_t beyond) {
    for (size_t i = 0; i < groups + 2; ++i, panel += sizeof(rows[0])) {
      for (size_t j = 0; j < kNr; ++j) {
        const size_t from = j + beyond;
        const uint8_t* dword = panel + from % kNr * 4 + (from < kNr ? 0 : panel_stride);
        memcpy(&rows[i][j], dword, sizeof(rows[i][j]));
      }
    }
  }
};

// run(step) covers every channel: those beyond 16s as the last 16 once more, overlapping, where
// that many exist and the weights of a step are few.
template <class Run>
OCTAVO_INLINE void for_each_step(const DepthwiseTile& tile, const Run& run) {
  const size_t stride = panel_stride_bytes(kNr, tile.kernel_w, tile.kernel_h);
  const size_t groups = weight_groups(tile), beyond = tile.channels % kNr;
  const uint8_t* panel = tile.panels;
  size_t first = 0;
  for (; first + kNr <= tile.channels; first += kNr, panel += stride) {
    run(Step<true>{first, kNr, panel});
  }
  if (beyond == 0) return;
  if (first == 0 || groups > kMaxStagedGroups) return run(Step<false>{first, beyond, panel});
  const ShiftedPanel last(panel - stride, stride, groups, beyond);
  run(Step<true>{tile.channels - kNr, kNr, (const uint8_t*)last.rows});
}

}  // namespace
}  // namespace octavo
