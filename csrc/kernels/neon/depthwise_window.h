// The sliding window of a depthwise convolution: every column of input pixels is loaded and
// prepared once and added to all outputs that see it.
//
// A 3x3 window with stride 1 keeps the sums of three neighbouring outputs (12 vectors): column i is
// tap 2 of output i - 2, which is then finished, tap 1 of output i - 1 and tap 0 of output i. The
// sums change roles from output to output, so the loop is unrolled over the turns of the wheel
// instead of moving registers. Columns in the padding cost no loads.
//
// Math says what happens to four vertical taps:
//   Group             their activations, prepared
//   prepare(x, n)     of the first n rows x
//   add(acc, group, taps, n)
#pragma once

#include "kernels/neon/depthwise_step.h"

namespace octavo {
namespace {

template <class Math, int kSize, int kStride>
class Window {
 public:
  template <class Weights>
  OCTAVO_INLINE_MEMBER Window(const DepthwiseTile& tile, const Step<true>& step,
                              const Weights& weights, const Sums& start)
      : step_(step),
        first_(tile.first),
        width_(tile.width),
        pixels_(tile.pixels),
        padding_(vdupq_n_u8(tile.padding)) {
    OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) start_[j] = start[j];
    OCTAVO_UNROLL for (int i = 0; i < kSize * kGroups; ++i) {
      w_[i / kGroups][i % kGroups] = weights.group((size_t)i);
    }
  }

  // One output row, to c elements at, at + ldc, ...
  template <class Writer>
  OCTAVO_INLINE_MEMBER void run_row(const DepthwiseRow* rows, const Writer& writer, size_t at,
                                    size_t ldc) {
    column_ = first_;
    OCTAVO_UNROLL for (int y = 0; y < kSize; ++y) {
      step_bytes_[y] = rows[y].step;
      address_[y] = (uintptr_t)(rows[y].x + step_.first) + (uintptr_t)column_ * rows[y].step;
    }
    prime<0>();
    const size_t end = at + pixels_ * ldc;
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

  // Rows of group g.
  static constexpr int rows_of(int g) {
    const int left = kSize - g * (int)kKr;
    return left < (int)kKr ? left : (int)kKr;
  }

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
    FourRows x[kGroups];
    load_column(x);
    typename Math::Group groups[kGroups];
    OCTAVO_UNROLL for (int g = 0; g < kGroups; ++g) {
      groups[g] = Math::prepare(x[g], (size_t)rows_of(g));
    }
    OCTAVO_UNROLL for (int q = 0; q * kStride <= kTap; ++q) {
      const int tap = kTap - q * kStride;
      Sums& acc = acc_[(kTurn + q) % kLive];
      if (tap == 0) {
        OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) acc[j] = start_[j];
      }
      OCTAVO_UNROLL for (int g = 0; g < kGroups; ++g) {
        Math::add(acc, groups[g], w_[tap][g], (size_t)rows_of(g));
      }
    }
  }

  OCTAVO_INLINE_MEMBER void load_column(FourRows (&x)[kGroups]) {
    const bool inside = (size_t)column_ < width_;
    OCTAVO_UNROLL for (int y = 0; y < kSize; ++y) {
      uint8x16_t& row = x[y / (int)kKr][y % (int)kKr];
      row = inside ? vld1q_u8((const uint8_t*)address_[y]) : padding_;
      address_[y] += step_bytes_[y];
    }
    ++column_;
  }

  // Copies: a store of bytes could change what the arguments refer to.
  Step<true> step_;
  ptrdiff_t first_;
  size_t width_;
  size_t pixels_;
  uint8x16_t padding_;
  Sums start_;
  FourTaps w_[kSize][kGroups];
  Sums acc_[kLive];
  ptrdiff_t column_;
  uintptr_t address_[kSize];
  size_t step_bytes_[kSize];
};

}  // namespace
}  // namespace octavo
