// The sliding window of a depthwise convolution: every column of input pixels is widened once and
// added to all outputs that see it.
//
// A 3x3 window with stride 1 keeps the sums of three neighbouring outputs: column i is tap 2 of
// output i - 2, which is then finished, tap 1 of output i - 1 and tap 0 of output i. The sums
// change roles from output to output, so the loop is unrolled over the turns of the wheel instead
// of moving registers. Columns in the padding cost no loads. Weights, already widened, are memory
// operands.
#pragma once

#include "kernels/avx2/depthwise_step.h"

namespace octavo {
namespace {

template <int kPanels, bool kFull, int kHeight, int kWidth, int kStride>
class Window {
 public:
  OCTAVO_INLINE_MEMBER Window(const DepthwiseTile& tile, const Step<kPanels, kFull>& step)
      : tile_(tile), step_(step), padding_(_mm256_set1_epi16(tile.padding)) {
    step.load_bias(bias_);
    OCTAVO_UNROLL for (int j = 0; j < kPanels; ++j) {
      const int8_t* w = panel_weights(step.panel + (size_t)j * step.panel_stride, kNr);
      OCTAVO_UNROLL for (int x = 0; x < kWidth; ++x) {
        const int8_t* column_w = w + (size_t)x * round_up(kHeight, kKr) * kNr;
        OCTAVO_UNROLL for (int y = 0; y < kHeight; y += 2) {
          w_[x][y / 2][j] = load_weight_pair(column_w, (size_t)y);
        }
      }
    }
  }

  // One output row, to c elements at, at + ldc, ...
  template <class Writer>
  OCTAVO_INLINE_MEMBER void run_row(const DepthwiseRow* rows, const Writer& writer, size_t at,
                                    size_t ldc) {
    column_ = tile_.first;
    OCTAVO_UNROLL for (int y = 0; y < kHeight; ++y) {
      step_bytes_[y] = rows[y].step;
      address_[y] = (uintptr_t)rows[y].x + (uintptr_t)column_ * rows[y].step;
    }
    prime<0>();
    const size_t end = at + tile_.pixels * ldc;
    for (;;) {
      if (at == end) return;
      finish<0>(writer, at), at += ldc;
      if (at == end) return;
      finish<1 % kLive>(writer, at), at += ldc;
      if constexpr (kLive > 2) {
        if (at == end) return;
        finish<2>(writer, at), at += ldc;
      }
      if constexpr (kLive > 3) {
        if (at == end) return;
        finish<3>(writer, at), at += ldc;
        if (at == end) return;
        finish<4>(writer, at), at += ldc;
      }
    }
  }

 private:
  static constexpr int kPairs = (kHeight + 1) / 2;
  static constexpr int kLive = (kWidth + kStride - 1) / kStride;  // outputs that see a column
  static_assert(kStride < kWidth && (kLive == 2 || kLive == 3 || kLive == 5));

  // The columns of the first output that come before its own kStride last ones.
  template <int kTap>
  OCTAVO_INLINE_MEMBER void prime() {
    if constexpr (kTap < kWidth - kStride) {
      add_column<0, kTap>();
      prime<kTap + 1>();
    }
  }

  // The last columns of the output whose sums are acc_[kTurn].
  template <int kTurn, class Writer>
  OCTAVO_INLINE_MEMBER void finish(const Writer& writer, size_t at) {
    if constexpr (kStride == 2) add_column<kTurn, kWidth - 2>();
    add_column<kTurn, kWidth - 1>();
    writer.store(step_, at, acc_[kTurn]);
  }

  // The next column, which is tap kTap of that output and tap kTap - kStride * q of the q-th after.
  template <int kTurn, int kTap>
  OCTAVO_INLINE_MEMBER void add_column() {
    const bool inside = (size_t)column_ < tile_.width;
    OCTAVO_UNROLL for (int pair = 0; pair < kPairs; ++pair) {
      __m256i parts[kPanels];
      load_pair(inside, 2 * pair, parts);
      OCTAVO_UNROLL for (int q = 0; q * kStride <= kTap; ++q) {
        const int tap = kTap - q * kStride;
        const int live = (kTurn + q) % kLive;
        OCTAVO_UNROLL for (int j = 0; j < kPanels; ++j) {
          const __m256i sum = tap == 0 && pair == 0 ? bias_[j] : acc_[live][j];
          acc_[live][j] = _mm256_add_epi32(sum, _mm256_madd_epi16(parts[j], w_[tap][pair][j]));
        }
      }
    }
    ++column_;
    OCTAVO_UNROLL for (int y = 0; y < kHeight; ++y) address_[y] += step_bytes_[y];
  }

  OCTAVO_INLINE_MEMBER void load_pair(bool inside, int y, __m256i (&parts)[kPanels]) {
    if (!inside) {
      OCTAVO_UNROLL for (int j = 0; j < kPanels; ++j) parts[j] = padding_;
    } else if (y + 1 < kHeight) {
      widen_pair<kPanels>(step_.load((const uint8_t*)address_[y]),
                          step_.load((const uint8_t*)address_[y + 1]), parts);
    } else {
      widen_single<kPanels>(step_.load((const uint8_t*)address_[y]), parts);
    }
  }

  const DepthwiseTile& tile_;
  const Step<kPanels, kFull>& step_;
  __m256i padding_;
  __m256i bias_[kPanels];
  __m256i w_[kWidth][kPairs][kPanels];
  __m256i acc_[kLive][kPanels];
  ptrdiff_t column_;
  uintptr_t address_[kHeight + 1];
  size_t step_bytes_[kHeight];
};

}  // namespace
}  // namespace octavo
