// Functions of floats that compilers vectorize: a few multiplications, no branches, no calls, each
// operation rounded by itself, so that every CPU gets the same bits.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace octavo {

// The error function, within 4e-7: x * P(x^2) / Q(x^2), fitted on [0, 4] for the least relative
// error (2e-9 before rounding). It is 1 within float's precision from there on. NaN stays NaN.
inline float erf_f32(float x) {
  const float low = x < -4.0f ? -4.0f : x;
  const float v = low > 4.0f ? 4.0f : low;
  const float u = v * v;
  float p = -0x1.c59e16p-27f;
  p = p * u + 0x1.3a6312p-18f;
  p = p * u + 0x1.8e0c14p-12f;
  p = p * u + 0x1.f893b0p-9f;
  p = p * u + 0x1.bcf6cep-5f;
  p = p * u + 0x1.7b4bf2p-3f;
  p = p * u + 0x1.20dd76p+0f;
  float q = 0x1.08b400p-14f;
  q = q * u + 0x1.56c576p-10f;
  q = q * u + 0x1.faa970p-7f;
  q = q * u + 0x1.d2c620p-4f;
  q = q * u + 0x1.fd67a6p-2f;
  q = q * u + 1.0f;
  const float y = v * p / q;
  const float bounded = y < -1.0f ? -1.0f : y;
  return bounded > 1.0f ? 1.0f : bounded;
}

// exp(x) for x <= 0, within 2e-7 relatively; 0 below -87, where it would be subnormal. x = n ln 2 +
// r, exp(r) = 1 + r + r^2 * P(r), fitted on |r| <= ln(2) / 2 (3e-9). NaN stays NaN.
inline float exp_nonpositive(float x) {
  constexpr float kLog2E = 0x1.715476p+0f;
  constexpr float kLn2High = 0x1.62e4p-1f;  // its products with n are exact
  constexpr float kLn2Low = 0x1.7f7d1cp-20f;
  constexpr float kRound = 0x1.8p23f;  // adding it rounds to an integer, kept in the low bits
  const float v = x < -87.0f ? -87.0f : x;
  const float shifted = v * kLog2E + kRound;
  const float n = shifted - kRound;
  const float r = (v - n * kLn2High) - n * kLn2Low;
  float p = 0x1.6a2434p-10f;
  p = p * r + 0x1.1239e2p-7f;
  p = p * r + 0x1.5558f2p-5f;
  p = p * r + 0x1.555492p-3f;
  p = p * r + 0x1.fffffcp-2f;
  const uint32_t bits = (std::bit_cast<uint32_t>(shifted) + 127) << 23;
  const float y = (1.0f + (r + r * r * p)) * std::bit_cast<float>(bits);
  return x < -87.0f ? 0.0f : y;
}

}  // namespace octavo
