// The sliding window of a depthwise convolution without dot products: the columns an output sees,
// as signed bytes. From output to output kStride columns are loaded; they take the places of those
// that have left, so the loop is unrolled over the turns of the wheel instead of moving registers.
// Columns in the padding cost no loads.
//
// 3x3 with stride 1, per output and 16 channels: 3 eor, 18 smull and smlal, 20 saddw, 3 loads; 9
// vectors of activations, 9 of weights and 4 sums stay in registers. 5x5 reads both from the stack.
#pragma once

#include "kernels/neon/depthwise_products.h"

namespace octavo {
namespace {

template <int kSize, int kStride>
class Window {
 public:
  OCTAVO_INLINE_MEMBER Window(const DepthwiseTile& tile, const Step<true>& step,
                              const StagedWeights& weights, const Sums& start)
      : tile_(tile), step_(step), padding_(flipped(vdupq_n_u8(tile.padding))) {
    OCTAVO_UNROLL for (size_t j = 0; j < kParts; ++j) start_[j] = start[j];
    OCTAVO_UNROLL for (int t = 0; t < kTaps; ++t) {
      const int y = t % kSize;
      w_[t] = weights.taps[t / kSize * kGroups + y / (int)kKr][y % (int)kKr];
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
    OCTAVO_UNROLL for (int x = 0; x < kSize - kStride; ++x) load_column(x_[x]);
    const size_t end = at + tile_.pixels * ldc;
    for (;;) {
      if (at == end) return;
      finish<0>(writer, at), at += ldc;
      if (at == end) return;
      finish<1>(writer, at), at += ldc;
      if (at == end) return;
      finish<2>(writer, at), at += ldc;
      if constexpr (kSize > 3) {
        if (at == end) return;
        finish<3>(writer, at), at += ldc;
        if (at == end) return;
        finish<4>(writer, at), at += ldc;
      }
    }
  }

 private:
  static constexpr int kTaps = kSize * kSize;
  static constexpr int kGroups = (kSize + (int)kKr - 1) / (int)kKr;
  static_assert((kSize == 3 || kSize == 5) && (kStride == 1 || kStride == 2));

  // Where column x of the window is in turn kTurn.
  template <int kTurn>
  static constexpr int place(int x) {
    return (kTurn * kStride + x) % kSize;
  }

  template <int kTurn, class Writer>
  OCTAVO_INLINE_MEMBER void finish(const Writer& writer, size_t at) {
    OCTAVO_UNROLL for (int x = kSize - kStride; x < kSize; ++x) load_column(x_[place<kTurn>(x)]);
    Sums acc = {start_[0], start_[1], start_[2], start_[3]};
    OCTAVO_UNROLL for (int t = 0; t + 1 < kTaps; t += 2) {
      const int u = t + 1;
      add_pair(x_[place<kTurn>(t / kSize)][t % kSize], w_[t],
               x_[place<kTurn>(u / kSize)][u % kSize], w_[u], acc);
    }
    constexpr int kLast = kSize - 1;
    add_product(x_[place<kTurn>(kLast)][kLast], w_[kTaps - 1], acc);
    writer.store(step_, at, acc);
  }

  OCTAVO_INLINE_MEMBER void load_column(int8x16_t (&x)[kSize]) {
    if ((size_t)column_ < tile_.width) {
      OCTAVO_UNROLL for (int y = 0; y < kSize; ++y) {
        x[y] = flipped(step_.load((const uint8_t*)address_[y]));
      }
    } else {
      OCTAVO_UNROLL for (int y = 0; y < kSize; ++y) x[y] = padding_;
    }
    ++column_;
    OCTAVO_UNROLL for (int y = 0; y < kSize; ++y) address_[y] += step_bytes_[y];
  }

  const DepthwiseTile& tile_;
  const Step<true>& step_;
  int8x16_t padding_;
  Sums start_;
  int8x16_t w_[kTaps];
  int8x16_t x_[kSize][kSize];
  ptrdiff_t column_;
  uintptr_t address_[kSize];
  size_t step_bytes_[kSize];
};

}  // namespace
}  // namespace octavo
