// The sliding window of a depthwise convolution: every column of input pixels is interleaved once
// and added to all outputs that see it.
//
// A 3x3 window with stride 1 keeps the sums of three neighbouring outputs (12 vectors) beside its
// weights (12 vectors): column i is tap 2 of output i - 2, which is then finished, tap 1 of output
// i - 1 and tap 0 of output i. Per output and 64 channels: 8 shuffles instead of 24, 12 vpdpbusd,
// and the epilogue. The sums change roles from output to output, so the loop is unrolled over the
// turns of the wheel instead of moving registers. Columns in the padding cost no loads.
#pragma once

#include "kernels/avx512vnni/depthwise_step.h"

namespace octavo {
namespace {

template <int kLanes, bool kFull, int kHeight, int kWidth, int kStride>
class Window {
 public:
  using V = Lanes<kLanes>;
  using Int = typename V::Int;

  OCTAVO_INLINE_MEMBER Window(const DepthwiseTile& tile, const Step<kLanes, kFull>& step)
      : tile_(tile), step_(step), padding_(V::broadcast8(tile.padding)) {
    gather_parts<kLanes>(panel_bias(step.panel), step.panel_stride, bias_);
    const int8_t* w = panel_weights(step.panel, kNr);
    OCTAVO_UNROLL for (int i = 0; i < kWidth * kGroups; ++i) {
      gather_parts<kLanes>(w + i * kNr * kKr, step.panel_stride, w_[i / kGroups][i % kGroups]);
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
  static constexpr int kGroups = (kHeight + kKr - 1) / kKr;
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
    Int parts[kGroups][kParts];
    load_column(parts);
    OCTAVO_UNROLL for (int q = 0; q * kStride <= kTap; ++q) {
      const int tap = kTap - q * kStride;
      const int live = (kTurn + q) % kLive;
      OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) {
        if (tap == 0) {
          acc_[live][j] = bias_[j];
        }
        OCTAVO_UNROLL for (int g = 0; g < kGroups; ++g) {
          V::dot4(acc_[live][j], parts[g][j], w_[tap][g][j]);
        }
      }
    }
  }

  OCTAVO_INLINE_MEMBER void load_column(Int (&parts)[kGroups][kParts]) {
    if ((size_t)column_ < tile_.width) {
      OCTAVO_UNROLL for (int g = 0; g < kGroups; ++g) {
        const int count = kHeight - g * (int)kKr < (int)kKr ? kHeight - g * (int)kKr : (int)kKr;
        Int x[kKr];
        OCTAVO_UNROLL for (int i = 0; i < count; ++i) {
          x[i] = step_.load((const uint8_t*)address_[g * (int)kKr + i]);
        }
        interleave<kLanes>(x, (size_t)count, parts[g]);
      }
    } else {
      OCTAVO_UNROLL for (int i = 0; i < kGroups * (int)kParts; ++i) {
        parts[i / kParts][i % kParts] = padding_;
      }
    }
    ++column_;
    OCTAVO_UNROLL for (int y = 0; y < kHeight; ++y) address_[y] += step_bytes_[y];
  }

  const DepthwiseTile& tile_;
  const Step<kLanes, kFull>& step_;
  Int padding_;
  Int bias_[kParts];
  Int w_[kWidth][kGroups][kParts];
  Int acc_[kLive][kParts];
  ptrdiff_t column_;
  uintptr_t address_[kHeight];
  size_t step_bytes_[kHeight];
};

}  // namespace
}  // namespace octavo
