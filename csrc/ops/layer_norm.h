// Layer normalization over the last axis.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/quant.h"
#include "runtime/context.h"

namespace octavo {

// The longest row of the u8 form: n * q - sum stays below 2^24 and is exact as a float.
inline constexpr size_t kMaxLayerNorm = 65536;

// Of contiguous (rows, n) bytes. Sums are integers, so their order does not matter, and the scale
// and zero point of the input cancel but for epsilon:
//
//   s = sum q, t = sum q^2;   r = float32(1 / sqrt(double(n * t - s * s) + double(epsilon) * n *
//   n)) v = fma(float32(n * q - s) * r, gamma[j], beta[j]);   y = clamp(rne(v) + zero_point)
//
// gamma and beta are in output steps: divided by the output's scale. epsilon is in squared input
// steps: the layer's epsilon / x_scale^2, finite, > 0. Integers and the inner root are exact or
// rounded once in double. 1 <= n <= kMaxLayerNorm. x == y is allowed.
void layer_norm(const Context& context, const uint8_t* x, size_t rows, size_t n, const float* gamma,
                const float* beta, double epsilon, const QuantRange& range, uint8_t* y);

// In float32, with sums in double in a fixed order (8 partial sums over j % 8, added pairwise):
// y = (x - mean) * (1 / sqrt(variance + epsilon)) * gamma + beta, each operation rounded.
void layer_norm_f32(const Context& context, const float* x, size_t rows, size_t n,
                    const float* gamma, const float* beta, float epsilon, float* y);

}  // namespace octavo
