#include "base/quant.h"

#include <cmath>

namespace octavo {

uint8_t quantize_step(float v, const QuantRange& range) {
  const float lo = static_cast<float>(range.qmin - range.zero_point);
  const float hi = static_cast<float>(range.qmax - range.zero_point);
  v = v > lo ? v : lo;  // false for NaN
  v = v < hi ? v : hi;
  return static_cast<uint8_t>(static_cast<int32_t>(std::nearbyint(v)) + range.zero_point);
}

float requantize_multiplier(float a_scale, float weight_scale, float out_scale) {
  return static_cast<float>(static_cast<double>(a_scale) * static_cast<double>(weight_scale) /
                            static_cast<double>(out_scale));
}

}  // namespace octavo
