// The sliding window of a depthwise convolution with dot products: every column of input pixels is
// interleaved once and added to all outputs that see it.
//
// A 3x3 window with stride 1 keeps the sums of three neighbouring outputs (12 vectors) and most of
// its weights (12 vectors): column i is tap 2 of output i - 2, which is then finished, tap 1 of
// output i - 1 and tap 0 of output i. Per output and 16 channels: 8 zips, 12 dot products, and the
// epilogue. The sums change roles from output to output, so the loop is unrolled over the turns of
// the wheel instead of moving registers. Columns in the padding cost no loads.
#pragma once

#include "kernels/neondot/depthwise_dot.h"

namespace octavo {
namespace {

template <class Dot, int kSize, int kStride>
class Window {
 public:
  OCTAVO_INLINE_MEMBER Window(const DepthwiseTile& tile, const Step<true>& step, const Sums& start)
      : tile_(tile), step_(step), padding_(Dot::activations(vdupq_n_u8(tile.padding))) {
    const int8_t* w = panel_weights(step.panel, kNr);
    OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) start_[j] = start[j];
    OCTAVO_UNROLL for (int i = 0; i < kSize * kGroups; ++i) {
      OCTAVO_UNROLL for (int j = 0; j < (int)kParts; ++j) {
        w_[i / kGroups][i % kGroups][j] = vld1q_s8(w + 16 * (i * (int)kParts + j));
      }
    }
  }

  // One output row, to c elements at, at + ldc, ...
  template <class Writer>
  OCTAVO_INLINE_MEMBER void run_row(const DepthwiseRow* rows, const Writer& writer, size_t at,
                                    size_t ldc) {
    column_ = tile_.first;
    OCTAVO_UNROLL for (int y = 0; y < kSize; ++y) {
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
  static constexpr int kGroups = (kSize + (int)kKr - 1) / (int)kKr;
  static constexpr int kLive = (kSize + kStride - 1) / kStride;  // outputs that see a column
  static_assert(kStride < kSize && (kLive == 2 || kLive == 3 || kLive == 5));

  // The columns of the first output that come before its own kStride last ones.
  template <int kTap>
  OCTAVO_INLINE_MEMBER void prime() {
    if constexpr (kTap < kSize - kStride) {
      add_column<0, kTap>();
      prime<kTap + 1>();
    }
  }

  // The last columns of the output whose sums are acc_[kTurn].
  template <int kTurn, class Writer>
  OCTAVO_INLINE_MEMBER void finish(const Writer& writer, size_t at) {
    if constexpr (kStride == 2) add_column<kTurn, kSize - 2>();
    add_column<kTurn, kSize - 1>();
    writer.store(step_, at, acc_[kTurn]);
  }

  // The next column, which is tap kTap of that output and tap kTap - kStride * q of the q-th after.
  template <int kTurn, int kTap>
  OCTAVO_INLINE_MEMBER void add_column() {
    uint8x16_t parts[kGroups][kParts];
    load_column(parts);
    OCTAVO_UNROLL for (int q = 0; q * kStride <= kTap; ++q) {
      const int tap = kTap - q * kStride;
      const int live = (kTurn + q) % kLive;
      OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) {
        int32x4_t acc = tap == 0 ? start_[j] : acc_[live][j];
        OCTAVO_UNROLL for (int g = 0; g < kGroups; ++g) {
          acc = Dot::dot(acc, parts[g][j], w_[tap][g][j]);
        }
        acc_[live][j] = acc;
      }
    }
  }

  OCTAVO_INLINE_MEMBER void load_column(uint8x16_t (&parts)[kGroups][kParts]) {
    if ((size_t)column_ < tile_.width) {
      OCTAVO_UNROLL for (int g = 0; g < kGroups; ++g) {
        const int count = kSize - g * (int)kKr < (int)kKr ? kSize - g * (int)kKr : (int)kKr;
        uint8x16_t x[kKr];
        OCTAVO_UNROLL for (int i = 0; i < count; ++i) {
          x[i] = Dot::activations(step_.load((const uint8_t*)address_[g * (int)kKr + i]));
        }
        interleave(x, (size_t)count, parts[g]);
      }
    } else {
      OCTAVO_UNROLL for (int i = 0; i < kGroups * (int)kParts; ++i) {
        parts[i / (int)kParts][i % (int)kParts] = padding_;
      }
    }
    ++column_;
    OCTAVO_UNROLL for (int y = 0; y < kSize; ++y) address_[y] += step_bytes_[y];
  }

  const DepthwiseTile& tile_;
  const Step<true>& step_;
  uint8x16_t padding_;
  Sums start_;
  int8x16_t w_[kSize][kGroups][kParts];
  Sums acc_[kLive];
  ptrdiff_t column_;
  uintptr_t address_[kSize];
  size_t step_bytes_[kSize];
};

}  // namespace
}  // namespace octavo
