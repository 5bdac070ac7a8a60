// Convolution weights brought to the order in which kernels walk them.
#pragma once

#include <cstddef>
#include <vector>

#include "ops/conv_shape.h"
#include "pack/pack.h"

namespace octavo {

// (out, in / groups, kh, kw) to (out, kh, kw, in / groups).
template <class T>
std::vector<T> channels_last(const T* weight, const ConvShape& shape) {
  const size_t channels = shape.group_in();
  const size_t taps = shape.taps();
  std::vector<T> result(shape.out_channels * channels * taps);
  for (size_t n = 0; n < shape.out_channels; ++n) {
    const T* from = weight + n * channels * taps;
    T* to = result.data() + n * channels * taps;
    for (size_t c = 0; c < channels; ++c) {
      for (size_t t = 0; t < taps; ++t) to[t * channels + c] = from[c * taps + t];
    }
  }
  return result;
}

// The weights of one group, in the order of channels_last, cut into `segments` equal segments:
// taps, or kernel rows.
template <class T>
BasicWeightView<T> group_view(const std::vector<T>& weight, const ConvShape& shape, size_t group,
                              size_t segments) {
  const size_t k = shape.taps() * shape.group_in();
  return {.data = weight.data() + group * shape.group_out() * k,
          .n = shape.group_out(),
          .segments = segments,
          .segment_k = k / segments,
          .n_stride = static_cast<ptrdiff_t>(k),
          .segment_stride = static_cast<ptrdiff_t>(k / segments),
          .k_stride = 1};
}

}  // namespace octavo
