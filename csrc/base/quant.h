// The quantization parameters of an output and the scalar form of the numeric contract.
//
//   real = scale * (q - zero_point),  q = clamp(rne(real / scale) + zero_point, qmin, qmax)
//
// rne rounds half to even. Inside octavo every byte tensor is u8 (see ops/sign.h for s8).
#pragma once

#include <cstdint>

namespace octavo {

// 0 <= qmin <= qmax <= 255, 0 <= zero_point <= 255. A fused ReLU is qmin = zero_point.
struct QuantRange {
  int32_t zero_point = 0;
  int32_t qmin = 0;
  int32_t qmax = 255;
};

// The value that quantizes `v`, given in output steps (real / scale), in round-to-nearest-even
// mode: clamped first, so that the conversion cannot overflow. NaN gives qmin.
uint8_t quantize_step(float v, const QuantRange& range);

// scale_a * scale_w / scale_out: the product in double, rounded once to float. All finite, > 0.
float requantize_multiplier(float a_scale, float weight_scale, float out_scale);

}  // namespace octavo
