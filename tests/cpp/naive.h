// The ops as plain loops: what every backend must equal, bit for bit.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "kernels/registry.h"
#include "ops/conv_shape.h"
#include "ops/output.h"
#include "runtime/backend.h"
#include "runtime/context.h"

namespace octavo::testing {

inline std::vector<const Backend*> supported_backends() {
  std::vector<const Backend*> result;
  for (const Backend& backend : all_backends()) {
    if (is_supported(backend, detect_cpu())) result.push_back(&backend);
  }
  return result;
}

// Every byte value, with the extremes more often than chance.
template <class T>
std::vector<T> random_bytes(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<T> values(n);
  for (T& value : values) {
    const uint32_t draw = random();
    value = static_cast<T>(draw >> 8);
    if ((draw & 7) == 0) value = static_cast<T>((draw & 8) != 0 ? 0x80 : 0x7f);
    if ((draw & 7) == 1) value = static_cast<T>((draw & 8) != 0 ? 0xff : 0x00);
  }
  return values;
}

inline std::vector<int32_t> random_bias(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> values(n);
  for (int32_t& value : values) value = static_cast<int32_t>(random() % 20001) - 10000;
  return values;
}

// Multipliers that spread sums of about `k` products over the output's steps; one in four is a
// power of two, so that exact ties occur.
inline std::vector<float> random_multipliers(size_t n, size_t k, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values(n);
  const float base = 1.0f / (64.0f * std::sqrt(static_cast<float>(k) + 1.0f));
  for (float& value : values) {
    const uint32_t draw = random();
    value = base * (0.5f + static_cast<float>(draw % 1000) / 1000.0f);
    if (draw % 4 == 0) value = std::exp2(std::round(std::log2(value)));
  }
  return values;
}

inline std::vector<float> random_floats(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> distribution(-2.0f, 2.0f);
  std::vector<float> values(n);
  for (float& value : values) value = distribution(random);
  return values;
}

inline uint8_t requantize(int32_t acc, float multiplier, const OutputSpec& output,
                          const uint8_t* residual) {
  float v = static_cast<float>(acc) * multiplier;
  if (residual != nullptr) {
    v = std::fma(static_cast<float>(*residual - output.residual_zero_point),
                 output.residual_multiplier, v);
  }
  return quantize_step(v, output.range);
}

// NHWC, weights (out, in / groups, kh, kw); sums in uint32 wrap as the contract says.
template <class T, class W, class Acc, class Multiply>
std::vector<Acc> conv(const ConvShape& s, size_t batch, Extent2d in, const std::vector<T>& x,
                      const std::vector<W>& weight, const Acc* bias, const Multiply& multiply) {
  const Extent2d out = conv_output_size(s, in.h, in.w);
  const size_t ci = s.group_in(), co = s.group_out();
  std::vector<Acc> y(batch * out.h * out.w * s.out_channels);
  for (size_t i = 0; i < y.size(); ++i) {
    const size_t n = i % s.out_channels, pixel = i / s.out_channels;
    const size_t ox = pixel % out.w, oy = pixel / out.w % out.h, image = pixel / out.w / out.h;
    Acc acc = bias != nullptr ? bias[n] : Acc{};
    for (size_t ky = 0; ky < s.kernel_h; ++ky) {
      for (size_t kx = 0; kx < s.kernel_w; ++kx) {
        const size_t py = oy * s.stride_h + ky * s.dilation_h;  // in padded coordinates
        const size_t px = ox * s.stride_w + kx * s.dilation_w;
        const bool inside = py >= s.padding.top && py < s.padding.top + in.h &&
                            px >= s.padding.left && px < s.padding.left + in.w;
        for (size_t c = 0; c < ci; ++c) {
          const W w = weight[((n * ci + c) * s.kernel_h + ky) * s.kernel_w + kx];
          const T* value =
              inside ? &x[((image * in.h + py - s.padding.top) * in.w + px - s.padding.left) *
                              s.in_channels +
                          n / co * ci + c]
                     : nullptr;
          acc = multiply(acc, value, w, n);
        }
      }
    }
    y[i] = acc;
  }
  return y;
}

inline int32_t wrapping_add(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}

// Padded pixels hold the zero point and so contribute nothing.
inline std::vector<int32_t> conv_s32(const ConvShape& shape, size_t batch, Extent2d in,
                                     const std::vector<uint8_t>& x, int32_t x_zero_point,
                                     const std::vector<int8_t>& weight, const int32_t* bias,
                                     const int32_t* weight_zero_point) {
  auto multiply = [&](int32_t acc, const uint8_t* value, int8_t w, size_t n) {
    if (value == nullptr) return acc;
    const int32_t zero = weight_zero_point != nullptr ? weight_zero_point[n] : 0;
    return wrapping_add(acc, (*value - x_zero_point) * (w - zero));
  };
  return conv(shape, batch, in, x, weight, bias, multiply);
}

inline std::vector<float> conv_f32(const ConvShape& shape, size_t batch, Extent2d in,
                                   const std::vector<float>& x, const std::vector<float>& weight,
                                   const float* bias) {
  auto multiply = [&](float acc, const float* value, float w, size_t) {
    return std::fma(value != nullptr ? *value : 0.0f, w, acc);
  };
  return conv(shape, batch, in, x, weight, bias, multiply);
}

}  // namespace octavo::testing
