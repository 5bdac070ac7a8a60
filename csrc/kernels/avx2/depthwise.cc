// Depthwise convolution, u8 x s8, exact without VNNI:
//
//   acc[ch] = bias[ch] + sum over taps (x, y) of a(y, column of x)[ch] * w[x][y][ch]
//
// int32, wrap-around. Panels of 8 channels (pack/layout.h: kernel_w segments of kernel_h). A step
// takes 2 adjacent panels or 1; steps outer, pixels inner: a step's weights, already widened, stay
// in the first-level cache while the pixels pass.
//
// 3x3 and 5x5 windows of stride 1 and 2 slide (depthwise_window.h). The rest widens every column
// anew for every output (run_any below).
#include "kernels/avx2/depthwise_window.h"
#include "kernels/avx2/kernels.h"

namespace octavo {
namespace {

constexpr size_t kMaxStagedPairs = 128;  // more are widened per pixel

// The weights of one step, widened once.
template <int kPanels>
struct StagedWeights {
  __m256i pairs[kMaxStagedPairs][kPanels];

  template <bool kFull>
  OCTAVO_INLINE_MEMBER StagedWeights(const DepthwiseTile& tile, const Step<kPanels, kFull>& step) {
    size_t pair = 0;
    for (size_t x = 0; x < tile.kernel_w; ++x) {
      const size_t column_at = x * round_up(tile.kernel_h, kKr) * kNr;
      for (size_t y = 0; y < tile.kernel_h; y += 2, ++pair) {
        OCTAVO_UNROLL for (size_t j = 0; j < kPanels; ++j) {
          const int8_t* w = panel_weights(step.panel + j * step.panel_stride, kNr);
          pairs[pair][j] = load_weight_pair(w + column_at, y);
        }
      }
    }
  }
  OCTAVO_INLINE_MEMBER __m256i at(size_t pair, size_t, size_t, size_t j) const {
    return pairs[pair][j];
  }
};

// One panel's weights, where they are.
struct PanelWeights {
  const int8_t* w;
  size_t column_bytes;

  OCTAVO_INLINE_MEMBER __m256i at(size_t, size_t x, size_t y, size_t) const {
    return load_weight_pair(w + x * column_bytes, y);
  }
};

// Any kernel size, stride and dilation.
template <int kPanels, bool kFull, class Weights, class Output>
OCTAVO_INLINE void run_any(const DepthwiseTile& tile, const Step<kPanels, kFull>& step,
                           const Weights& w, const Output& output, size_t ldc) {
  __m256i bias[kPanels];
  step.load_bias(bias);
  const typename Output::template Writer<kPanels, kFull> writer(output, tile, step);
  const __m128i padding = _mm_set1_epi8((char)tile.padding);
  for (size_t r = 0; r < tile.out_rows; ++r) {
    const DepthwiseRow* rows = tile.rows + r * tile.kernel_h;
    for (size_t p = 0; p < tile.pixels; ++p) {
      __m256i acc[kPanels];
      OCTAVO_UNROLL for (int j = 0; j < kPanels; ++j) acc[j] = bias[j];
      ptrdiff_t column = tile.first + (ptrdiff_t)(p * tile.stride);
      size_t pair = 0;
      for (size_t x = 0; x < tile.kernel_w; ++x, column += (ptrdiff_t)tile.dilation) {
        const bool inside = (size_t)column < tile.width;
        for (size_t y = 0; y < tile.kernel_h; y += 2, ++pair) {
          // A missing second row has zero weights.
          const size_t y1 = y + 1 < tile.kernel_h ? y + 1 : y;
          __m128i x0 = padding, x1 = padding;
          if (inside) {
            x0 = step.load(rows[y].x + (size_t)column * rows[y].step);
            x1 = step.load(rows[y1].x + (size_t)column * rows[y1].step);
          }
          __m256i parts[kPanels];
          widen_pair<kPanels>(x0, x1, parts);
          OCTAVO_UNROLL for (size_t j = 0; j < kPanels; ++j) {
            acc[j] = _mm256_add_epi32(acc[j], _mm256_madd_epi16(parts[j], w.at(pair, x, y, j)));
          }
        }
      }
      writer.store(step, (r * tile.row_pixels + p) * ldc, acc);
    }
  }
}

template <int kHeight, int kWidth, int kStride, int kPanels, bool kFull, class Output>
OCTAVO_INLINE void slide(const DepthwiseTile& tile, const Step<kPanels, kFull>& step,
                         const Output& output, size_t ldc) {
  const typename Output::template Writer<kPanels, kFull> writer(output, tile, step);
  Window<kPanels, kFull, kHeight, kWidth, kStride> window(tile, step);
  for (size_t r = 0; r < tile.out_rows; ++r) {
    window.run_row(tile.rows + r * kHeight, writer, r * tile.row_pixels * ldc, ldc);
  }
}

size_t weight_pairs(const DepthwiseTile& tile) { return tile.kernel_w * ((tile.kernel_h + 1) / 2); }

template <int kPanels, bool kFull, class Output>
void run_step(const DepthwiseTile& tile, size_t first, const Output& output, size_t ldc) {
  const size_t stride = panel_stride_bytes(kNr, tile.kernel_w, tile.kernel_h);
  const Step<kPanels, kFull> step = {first, tile.channels - first,
                                     tile.panels + first / kNr * stride, stride};
  const bool square = tile.kernel_h == tile.kernel_w && tile.dilation == 1;
  if (square && tile.kernel_h == 3 && tile.stride == 1) {
    slide<3, 3, 1>(tile, step, output, ldc);
  } else if (square && tile.kernel_h == 3 && tile.stride == 2) {
    slide<3, 3, 2>(tile, step, output, ldc);
  } else if (square && tile.kernel_h == 5 && tile.stride == 1) {
    slide<5, 5, 1>(tile, step, output, ldc);
  } else if (square && tile.kernel_h == 5 && tile.stride == 2) {
    slide<5, 5, 2>(tile, step, output, ldc);
  } else if (kPanels == 2 || weight_pairs(tile) <= kMaxStagedPairs) {
    run_any(tile, step, StagedWeights<kPanels>(tile, step), output, ldc);
  } else if constexpr (kPanels == 1) {
    const PanelWeights w = {panel_weights(step.panel, kNr), round_up(tile.kernel_h, kKr) * kNr};
    run_any(tile, step, w, output, ldc);
  }
}

template <class Output>
OCTAVO_INLINE void run_steps(const DepthwiseTile& tile, const Output& output, size_t ldc) {
  size_t first = 0;
  if (weight_pairs(tile) <= kMaxStagedPairs) {
    for (; first + 2 * kNr <= tile.channels; first += 2 * kNr) {
      run_step<2, true>(tile, first, output, ldc);
    }
  }
  for (; first + kNr <= tile.channels; first += kNr) run_step<1, true>(tile, first, output, ldc);
  if (first < tile.channels) run_step<1, false>(tile, first, output, ldc);
}

}  // namespace

void depthwise_u8s8_s32_8x4_avx2(const DepthwiseTile& tile, int32_t* c, size_t ldc) {
  run_steps(tile, OutputS32{c}, ldc);
}

void depthwise_u8s8_u8_8x4_avx2(const DepthwiseTile& tile, const Requant& requant, uint8_t* c,
                                size_t ldc) {
  run_steps(tile, OutputU8{c, broadcast_requant(requant)}, ldc);
}

}  // namespace octavo
