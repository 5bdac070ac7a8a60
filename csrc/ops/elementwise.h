// Ops that take one value (or one pair) to one value. n may be 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/quant.h"
#include "runtime/context.h"

namespace octavo {

// y = clamp(rne(x / scale) + zero_point); NaN gives qmin. scale is finite and > 0.
void quantize(const Context& context, const float* x, size_t n, float scale,
              const QuantRange& range, uint8_t* y);

// y = float(x - zero_point) * scale.
void dequantize(const Context& context, const uint8_t* x, size_t n, float scale, int32_t zero_point,
                float* y);

// y = clamp(rne(float(x - x_zero_point) * multiplier) + zero_point).
void requantize_u8(const Context& context, const uint8_t* x, size_t n, int32_t x_zero_point,
                   float multiplier, const QuantRange& range, uint8_t* y);

// y[i][j] = clamp(rne(float(acc[i][j]) * multiplier[j]) + zero_point); both contiguous (m, n).
void requantize_s32(const Context& context, const int32_t* acc, size_t m, size_t n,
                    const float* multiplier, const QuantRange& range, uint8_t* y);

struct AddInput {
  const uint8_t* x;
  int32_t zero_point;
  float multiplier;  // its scale / the output's scale
};

// y = clamp(rne(fma(float(b - b_zp), b_mult, float(a - a_zp) * a_mult)) + zero_point).
void add(const Context& context, const AddInput& a, const AddInput& b, size_t n,
         const QuantRange& range, uint8_t* y);

struct ConcatBytes {
  const uint8_t* x;
  size_t inner;  // elements
  int32_t zero_point;
  float multiplier;  // its scale / the output's scale
};

// y[o][sum of inner]: row o of every input in turn, requantized as by requantize_u8.
void concat_requantized(const Context& context, std::span<const ConcatBytes> inputs, size_t outer,
                        const QuantRange& range, uint8_t* y);

struct MulInput {
  const uint8_t* x;
  int32_t zero_point;
};

// y[o][i][c] = clamp(rne(float((a[o][i][c] - a_zp) * (b[o][c] - b_zp)) * multiplier) + zero_point),
// multiplier = a's scale * b's scale / the output's scale. b has one row per `outer` (a channel's
// gate for every pixel of an image); for two tensors of the same shape inner = 1. y == a.x is
// allowed, and y == b.x for inner = 1.
void mul(const Context& context, const MulInput& a, const MulInput& b, size_t outer, size_t inner,
         size_t channels, float multiplier, const QuantRange& range, uint8_t* y);

// y[b][j][c] = quantized x[b][c][j]: float images, planes first, to bytes, channels last.
void quantize_transpose(const Context& context, const float* x, size_t batch, size_t channels,
                        size_t pixels, float scale, const QuantRange& range, uint8_t* y);

// y[b][c][j] = dequantized x[b][j][c]: bytes, channels last, to float images, planes first.
void dequantize_transpose(const Context& context, const uint8_t* x, size_t batch, size_t channels,
                          size_t pixels, float scale, int32_t zero_point, float* y);

// ---- float -------------------------------------------------------------------------------------

// y = min(max(a + b, lo), hi).
void add_f32(const Context& context, const float* a, const float* b, size_t n, float lo, float hi,
             float* y);

// y = min(max(x, lo), hi); NaN stays NaN.
void clamp_f32(const Context& context, const float* x, size_t n, float lo, float hi, float* y);

// y[i][c] = fma(x[i][c], scale[c], shift[c]); x is (rows, channels).
void scale_shift_f32(const Context& context, const float* x, size_t rows, size_t channels,
                     const float* scale, const float* shift, float* y);

// Over the middle axis of (outer, n, inner): exp(x - max) / sum, the sum in order of the axis, or
// in eight interleaved parts where inner is 1.
void softmax_f32(const Context& context, const float* x, size_t outer, size_t n, size_t inner,
                 float* y);

}  // namespace octavo
