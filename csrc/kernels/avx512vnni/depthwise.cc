// Depthwise convolution, u8 x s8 with vpdpbusd:
//
//   acc[ch] = bias[ch] + sum over taps (x, y) of a(y, column of x)[ch] * w[x][y][ch]
//
// int32, wrap-around. Panels of 16 channels (pack/layout.h: kernel_w segments of kernel_h). A step
// takes 4, 2 or 1 adjacent panels: one panel per 128-bit lane of zmm, ymm or xmm registers; 144
// channels are 64 + 64 + 16. Steps outer, pixels inner: a step's weights stay in registers (3x3) or
// on the stack while the pixels pass.
//
// 3x3 and 5x5 windows of stride 1 and 2 slide (depthwise_window.h). The rest, and int32 outputs,
// interleave every column anew for every output (run_any below).
#include "kernels/avx512vnni/depthwise_window.h"
#include "kernels/avx512vnni/kernels.h"

namespace octavo {
namespace {

constexpr size_t kMaxStagedGroups = 32;  // more are read from the panel, 16 channels a step

// The weights of one step, gathered once.
template <int kLanes>
struct StagedWeights {
  typename Lanes<kLanes>::Int parts[kMaxStagedGroups][kParts];

  template <bool kFull>
  OCTAVO_INLINE_MEMBER StagedWeights(const Step<kLanes, kFull>& step, size_t groups) {
    const int8_t* w = panel_weights(step.panel, kNr);
    for (size_t g = 0; g < groups; ++g) {
      gather_parts<kLanes>(w + g * kNr * kKr, step.panel_stride, parts[g]);
    }
  }
  OCTAVO_INLINE_MEMBER auto at(size_t group, size_t j) const { return parts[group][j]; }
};

// One panel's weights, where they are.
struct PanelWeights {
  const int8_t* w;

  OCTAVO_INLINE_MEMBER __m128i at(size_t group, size_t j) const {
    return _mm_load_si128((const __m128i*)(w + group * kNr * kKr + 16 * j));
  }
};

// Any kernel size, stride and dilation.
template <int kLanes, bool kFull, class Weights, class Output>
OCTAVO_INLINE void run_any(const DepthwiseTile& tile, const Step<kLanes, kFull>& step,
                           const Weights& w, const Output& output, size_t ldc) {
  using V = Lanes<kLanes>;
  typename V::Int bias[kParts];
  gather_parts<kLanes>(panel_bias(step.panel), step.panel_stride, bias);
  const typename Output::template Writer<kLanes, kFull> writer(output, tile, step);
  const auto padding = V::broadcast8(tile.padding);
  for (size_t r = 0; r < tile.out_rows; ++r) {
    const DepthwiseRow* rows = tile.rows + r * tile.kernel_h;
    for (size_t p = 0; p < tile.pixels; ++p) {
      typename V::Int acc[kParts] = {bias[0], bias[1], bias[2], bias[3]};
      ptrdiff_t column = tile.first + (ptrdiff_t)(p * tile.stride);
      size_t group = 0;
      for (size_t x = 0; x < tile.kernel_w; ++x, column += (ptrdiff_t)tile.dilation) {
        const bool inside = (size_t)column < tile.width;
        for (size_t y = 0; y < tile.kernel_h; y += kKr, ++group) {
          const size_t count = tile.kernel_h - y;
          typename V::Int taps[kKr], parts[kParts];
          OCTAVO_UNROLL for (size_t i = 0; i < kKr; ++i) {
            taps[i] = padding;
            if (inside && i < count) {
              taps[i] = step.load(rows[y + i].x + (size_t)column * rows[y + i].step);
            }
          }
          interleave<kLanes>(taps, kKr, parts);
          OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) {
            V::dot4(acc[j], parts[j], w.at(group, j));
          }
        }
      }
      writer.store(step, (r * tile.row_pixels + p) * ldc, acc);
    }
  }
}

template <int kHeight, int kWidth, int kStride, int kLanes, bool kFull>
OCTAVO_INLINE void slide(const DepthwiseTile& tile, const Step<kLanes, kFull>& step,
                         const OutputU8& output, size_t ldc) {
  const OutputU8::Writer<kLanes, kFull> writer(output, tile, step);
  Window<kLanes, kFull, kHeight, kWidth, kStride> window(tile, step);
  for (size_t r = 0; r < tile.out_rows; ++r) {
    window.run_row(tile.rows + r * kHeight, writer, r * tile.row_pixels * ldc, ldc);
  }
}

template <int kLanes, bool kFull>
OCTAVO_INLINE Step<kLanes, kFull> make_step(const DepthwiseTile& tile, size_t first) {
  using Mask = typename Lanes<kLanes>::Mask;
  const size_t stride = panel_stride_bytes(kNr, tile.kernel_w, tile.kernel_h);
  const Mask mask = kFull ? (Mask)~0ull : (Mask)((1ull << (tile.channels - first)) - 1);
  return {first, mask, tile.panels + first / kNr * stride, stride};
}

size_t weight_groups(const DepthwiseTile& tile) {
  return tile.kernel_w * (round_up(tile.kernel_h, kKr) / kKr);
}

template <int kLanes, bool kFull>
void run_step(const DepthwiseTile& tile, size_t first, const OutputU8& output, size_t ldc) {
  const Step<kLanes, kFull> step = make_step<kLanes, kFull>(tile, first);
  const bool square = tile.kernel_h == tile.kernel_w && tile.dilation == 1;
  if (square && tile.kernel_h == 3 && tile.stride == 1) {
    slide<3, 3, 1>(tile, step, output, ldc);
  } else if (square && tile.kernel_h == 3 && tile.stride == 2) {
    slide<3, 3, 2>(tile, step, output, ldc);
  } else if (square && tile.kernel_h == 5 && tile.stride == 1) {
    slide<5, 5, 1>(tile, step, output, ldc);
  } else if (square && tile.kernel_h == 5 && tile.stride == 2) {
    slide<5, 5, 2>(tile, step, output, ldc);
  } else if constexpr (kLanes == 1) {
    run_any(tile, step, PanelWeights{panel_weights(step.panel, kNr)}, output, ldc);
  } else {
    run_any(tile, step, StagedWeights<kLanes>(step, weight_groups(tile)), output, ldc);
  }
}

template <bool kFull>
void run_step_s32(const DepthwiseTile& tile, size_t first, const OutputS32& output, size_t ldc) {
  const Step<1, kFull> step = make_step<1, kFull>(tile, first);
  run_any(tile, step, PanelWeights{panel_weights(step.panel, kNr)}, output, ldc);
}

}  // namespace

void depthwise_u8s8_s32_16x4_avx512vnni(const DepthwiseTile& tile, int32_t* c, size_t ldc) {
  const OutputS32 output = {c};
  size_t first = 0;
  for (; first + kNr <= tile.channels; first += kNr) run_step_s32<true>(tile, first, output, ldc);
  if (first < tile.channels) run_step_s32<false>(tile, first, output, ldc);
}

void depthwise_u8s8_u8_16x4_avx512vnni(const DepthwiseTile& tile, const Requant& requant,
                                       uint8_t* c, size_t ldc) {
  const OutputU8 output = {c, requant};
  size_t first = 0;
  if (weight_groups(tile) <= kMaxStagedGroups) {
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
  for (; first + kNr <= tile.channels; first += kNr) run_step<1, true>(tile, first, output, ldc);
  if (first < tile.channels) run_step<1, false>(tile, first, output, ldc);
}

}  // namespace octavo
