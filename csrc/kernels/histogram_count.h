// What the vector kernels of the float-bit histogram share.
#pragma once

#include "kernels/contract.h"
#include "kernels/inline.h"

namespace octavo {

// One count for each key, in turn in every lane.
OCTAVO_INLINE void count_keys(const uint32_t* keys, size_t n, uint32_t* counts) {
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const size_t k0 = keys[i], k1 = keys[i + 1], k2 = keys[i + 2], k3 = keys[i + 3];
    ++counts[k0 * kHistogramLanes];
    ++counts[k1 * kHistogramLanes + 1];
    ++counts[k2 * kHistogramLanes + 2];
    ++counts[k3 * kHistogramLanes + 3];
  }
  for (; i < n; ++i) ++counts[(size_t)keys[i] * kHistogramLanes + i % 4];
}

// What was neither counted nor infinite nor NaN is 0.
OCTAVO_INLINE FloatSummary with_zeros(FloatSummary found, size_t n, size_t counted) {
  found.zeros = n - counted - found.nans - found.positive_infinities - found.negative_infinities;
  if (found.zeros != 0) {
    found.min = found.min < 0.0f ? found.min : 0.0f;
    found.max = found.max > 0.0f ? found.max : 0.0f;
  }
  return found;
}

}  // namespace octavo
