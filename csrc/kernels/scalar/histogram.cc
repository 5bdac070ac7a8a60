// Float-bit histogram; contract_elementwise.h has the formula.
#include <math.h>
#include <string.h>

#include "kernels/scalar/kernels.h"

namespace octavo {

void histogram_f32_scalar(const float* x, size_t n, uint32_t* counts, FloatSummary* summary) {
  FloatSummary found = {0, 0, 0, 0, INFINITY, -INFINITY, ~0u};
  for (size_t i = 0; i < n; ++i) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    const uint32_t magnitude = bits & 0x7FFFFFFFu;
    if (magnitude >= 0x7F800000u) {
      found.nans += magnitude > 0x7F800000u;
      found.positive_infinities += bits == 0x7F800000u;
      found.negative_infinities += bits == 0xFF800000u;
      continue;
    }
    const float value = magnitude == 0 ? 0.0f : x[i];
    found.min = value < found.min ? value : found.min;
    found.max = value > found.max ? value : found.max;
    if (magnitude == 0) {
      ++found.zeros;
      continue;
    }
    found.smallest = magnitude < found.smallest ? magnitude : found.smallest;
    ++counts[(bits >> kHistogramShift) * kHistogramLanes + i % kHistogramLanes];
  }
  *summary = found;
}

}  // namespace octavo
