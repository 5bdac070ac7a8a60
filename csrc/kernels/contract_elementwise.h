// The part of contract.h about kernels without weights: elementwise, pooling, rows, transposes. The
// conventions stated there hold here.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/requant.h"

namespace octavo {

// ---- Elementwise ------------------------------------------------------------------------------

// c[i * ldc + j] from v = float(acc[i * ld_acc + j]) * multiplier[j], residual, Requant.
using RequantizeS32Fn = void(const int32_t* acc, size_t ld_acc, size_t rows, size_t cols,
                             const float* multiplier, const Requant& requant,
                             const Residual& residual, uint8_t* c, size_t ldc);

// y[i * ldy + j] from v = float(x[i * ldx + j] - x_zero_point) * multiplier, Requant, for i < rows,
// j < cols.
using RequantizeU8Fn = void(const uint8_t* x, size_t ldx, size_t rows, size_t cols,
                            int32_t x_zero_point, float multiplier, const Requant& requant,
                            uint8_t* y, size_t ldy);

// y[i] from v = fma(float(b[i] - b_zero_point), b_multiplier,
//                   float(a[i] - a_zero_point) * a_multiplier), Requant.
struct AddOperand {
  const uint8_t* x;
  float multiplier;
  int32_t zero_point;
};
using AddU8Fn = void(const AddOperand& a, const AddOperand& b, size_t n, const Requant& requant,
                     uint8_t* y);

// y[i] from v = x[i] / scale, Requant. NaN gives lo.
using QuantizeU8Fn = void(const float* x, size_t n, float scale, const Requant& requant,
                          uint8_t* y);

// y[i] = float(x[i] - zero_point) * scale.
using DequantizeU8Fn = void(const uint8_t* x, size_t n, float scale, int32_t zero_point, float* y);

// lo = min(0, smallest x[i]), hi = max(0, largest); NaN is skipped.
using RangeF32Fn = void(const float* x, size_t n, float* lo, float* hi);

// y[i * ldy + j] = min(max(v, tile.lo), tile.hi), v = float(a) * (scale * weight_scale[j]) +
// bias[j] with a = acc[i * ld + j] - zero_point * weight_sum[j], wrapping around, for i < rows, j <
// cols; each operation rounded by itself; NaN stays NaN.
struct DynamicTile {
  const int32_t* acc;
  size_t ld;
  size_t rows;
  size_t cols;
  const float* params;  // scale and zero_point, an integer 0..255, of row i at params[i * step]
  size_t step;          // 0: one pair for all rows
  const int32_t* weight_sum;
  const float* weight_scale;
  const float* bias;
  float lo;
  float hi;
};
using DequantizeS32Fn = void(const DynamicTile& tile, float* y, size_t ldy);

// Pooling windows along one row of the output; all of them have the same shape and exist in full.
struct PoolTile {
  const uint8_t* const* rows;  // [row_count]: where the rows of the first window start
  size_t row_count;            // >= 1
  size_t taps;                 // >= 1, of one row of a window
  size_t tap_step;             // elements between them
  size_t pixels;               // >= 1, windows
  size_t pixel_step;           // elements between one window's start and the next one's
  size_t channels;             // >= 1 contiguous bytes at every tap
  size_t ahead;                // prefetch this far beyond the last two rows; 0: do not
};

// y[p * channels + ch] = max over r, t of rows[r][p * pixel_step + t * tap_step + ch].
using MaxU8Fn = void(const PoolTile& tile, uint8_t* y);

// y[p * channels + ch] from v = float(init + sum over r, t of the same) * multiplier, Requant;
// int32 wrap-around sums, row_count * taps <= 2^23.
using AvgU8Fn = void(const PoolTile& tile, int32_t init, float multiplier, const Requant& requant,
                     uint8_t* y);

// y[i] = table[x[i]], 256 entries. x == y is allowed.
using LookupU8Fn = void(const uint8_t* x, size_t n, const uint8_t* table, uint8_t* y);

// y[i * ldy + j] from v = float((a[i * ld + j] - a_zero_point) * (b[j] - b_zero_point)) *
// multiplier, Requant, for i < rows, j < cols. ld is that of a and of y.
struct MulTile {
  const uint8_t* a;
  const uint8_t* b;
  size_t ld;
  size_t rows;
  size_t cols;
  int32_t a_zero_point;
  int32_t b_zero_point;
  float multiplier;
};
using MulU8Fn = void(const MulTile& tile, const Requant& requant, uint8_t* y);

// Integer exponentials: e(d) = rne(high[d / 16] * low[d % 16]) in float32, 0 <= e <= 2^23.
struct ExpTable {
  float high[16];  // 2^23 * exp(-16 * i * step)
  float low[16];   // exp(-j * step)
};

// One row, n >= 1: d = max(x) - x[i], sum = the sum of all e(d) in 64 bits,
// v = float(e(d)) * (multiplier / float(sum)), Requant. x == y is allowed.
using SoftmaxU8Fn = void(const uint8_t* x, size_t n, const ExpTable& table, float multiplier,
                         const Requant& requant, uint8_t* y);

// Of one row, n in 1..65536: sum of x[i] and of x[i]^2.
struct Moments {
  uint64_t sum;
  uint64_t squares;
};
using MomentsU8Fn = void(const uint8_t* x, size_t n, Moments* moments);

// One row: v = fma(float(n * x[j] - sum) * scale, gamma[j], beta[j]), Requant; n in 1..65536,
// sum <= 255 * n. x == y is allowed.
using NormalizeU8Fn = void(const uint8_t* x, size_t n, int32_t sum, float scale, const float* gamma,
                           const float* beta, const Requant& requant, uint8_t* y);

// ---- Statistics --------------------------------------------------------------------------------

// A float's key is its top 19 bits: the sign, the exponent and 10 bits of the mantissa, so an
// octave has 1024 bins. Histograms count keys in kHistogramLanes interleaved counters, so that runs
// of one key do not wait for each other's stores.
enum {
  kHistogramShift = 13,
  kHistogramKeys = 1 << 19,
  kHistogramBinsPerOctave = 1 << 10,
  kHistogramLanes = 4
};

// Of n floats. Zeros of both signs count as +0; the extremes are those of the finite values,
// +infinity and -infinity where there are none.
struct FloatSummary {
  uint64_t zeros;
  uint64_t nans;
  uint64_t positive_infinities;
  uint64_t negative_infinities;
  float min;
  float max;
  uint32_t smallest;  // bits of the smallest magnitude of the finite values that are not 0, or ~0
};

// The sum over lanes of counts[key * kHistogramLanes + lane] grows by the number of x[i] with that
// key, for the finite x[i] that are not 0; which lane grows is left open. n <= 2^31, and no counter
// may overflow. *summary is of this x alone.
using HistogramF32Fn = void(const float* x, size_t n, uint32_t* counts, FloatSummary* summary);

// ---- Moving ------------------------------------------------------------------------------------

// y[j * ldy + i] = x[i * ldx + j] for i < rows, j < cols; x and y do not overlap.
using TransposeU8Fn = void(const uint8_t* x, size_t ldx, size_t rows, size_t cols, uint8_t* y,
                           size_t ldy);
using TransposeU32Fn = void(const uint32_t* x, size_t ldx, size_t rows, size_t cols, uint32_t* y,
                            size_t ldy);

// Streaming leaves y out of the caches if it can; other threads see it after the fence.

// The transpose of 64 rows: y[j * ldy + i] = x[i * ldx + j] for i < 64, j < cols; y and ldy are
// multiples of 64.
using TransposeStreamU8Fn = void(const uint8_t* x, size_t ldx, size_t cols, uint8_t* y, size_t ldy);

// y[i * ldy + j] = x[i * ldx + j] for i < rows, j < bytes.
using StreamCopyFn = void(const uint8_t* x, size_t ldx, size_t rows, size_t bytes, uint8_t* y,
                          size_t ldy);

using StreamFenceFn = void();

}  // namespace octavo
