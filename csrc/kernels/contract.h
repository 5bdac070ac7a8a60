// The contract between ops and micro-kernels: one struct of arguments and one function type per
// kernel, and the table an ISA fills with them.
//
// This header is included by translation units compiled for different ISAs, so it holds plain
// data only: C headers, no STL, no functions (an external inline function would be merged by the
// linker across ISAs and could crash an older CPU).
//
// Conventions, for every kernel:
//  - activations are u8; a signed tensor has been shifted by 128 before it gets here;
//  - extents, strides and leading dimensions are in elements; names ending in _bytes say bytes;
//  - kernels read and write exactly the ranges stated, never a byte more; they never allocate,
//    throw, keep state or start threads; they assume round-to-nearest-even and no FTZ/DAZ;
//  - every ISA returns the same bits: the formulas below are normative, operation by operation.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "pack/layout.h"

namespace octavo {

// How a real value in output steps becomes a byte:  q = rne(min(max(v, lo), hi)) + zero_point.
// lo and hi are integers (qmin - zero_point, qmax - zero_point) held as float, so clamping
// before rounding equals clamping after it, and the conversion cannot overflow.
struct Requant {
  float lo;
  float hi;
  int32_t zero_point;
};

// A u8 tensor added before the clamp:  v = fma(float(r - zero_point), multiplier, v).
// rows[i * ld + j] belongs to output row i, column j; rows == nullptr means no residual.
struct Residual {
  const uint8_t* rows;
  size_t ld;
  float multiplier;
  int32_t zero_point;
};

// ---- GEMM: c[i][j] = bias[j] + sum_s sum_k a[s][i][k] * b[s][k][j] ------------------------------
//
// Convolution is the same sum with one segment per kernel tap. Arithmetic is int32, wrap-around.
struct GemmTile {
  const uint8_t* const* a;  // [segments][rows] pointers to segment_k readable bytes each
  size_t rows;              // 1..mr
  size_t segments;          // >= 1
  size_t segment_k;         // >= 1
  const uint8_t* panel;     // one packed panel, see pack/layout.h; 64-byte aligned
  size_t cols;              // 1..nr columns that exist; the panel's width follows from it
};

// Writes c[i * ldc + j] for i < rows, j < cols.
using GemmS32Fn = void(const GemmTile& tile, int32_t* c, size_t ldc);

// As above, then v = float(acc) * multiplier[j] (from the panel), residual, Requant, u8 store.
using GemmU8Fn = void(const GemmTile& tile, const Requant& requant, const Residual& residual,
                      uint8_t* c, size_t ldc);

// ---- Depthwise: c[p][ch] = bias[ch] + sum_t a[p][t][ch] * w[t][ch] ------------------------------
struct DepthwiseTile {
  const uint8_t* const* a;  // [pixels][taps] pointers to `channels` readable bytes each
  size_t pixels;            // >= 1 output pixels
  size_t taps;              // >= 1
  size_t channels;          // >= 1
  const uint8_t* panels;    // ceil(channels / nr) packed panels, k = taps, see pack/layout.h
};

using DepthwiseS32Fn = void(const DepthwiseTile& tile, int32_t* c, size_t ldc);
using DepthwiseU8Fn = void(const DepthwiseTile& tile, const Requant& requant, uint8_t* c,
                           size_t ldc);

// ---- Elementwise ------------------------------------------------------------------------------

// c[i * ldc + j] from v = float(acc[i * ld_acc + j]) * multiplier[j], residual, Requant.
using RequantizeS32Fn = void(const int32_t* acc, size_t ld_acc, size_t rows, size_t cols,
                             const float* multiplier, const Requant& requant,
                             const Residual& residual, uint8_t* c, size_t ldc);

// y[i] from v = float(x[i] - x_zero_point) * multiplier, Requant.
using RequantizeU8Fn = void(const uint8_t* x, size_t n, int32_t x_zero_point, float multiplier,
                            const Requant& requant, uint8_t* y);

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

// Pooling windows along one row of the output; all of them have the same shape and exist in full.
struct PoolTile {
  const uint8_t* const* rows;  // [row_count]: where the rows of the first window start
  size_t row_count;            // >= 1
  size_t taps;                 // >= 1, of one row of a window
  size_t tap_step;             // elements between them
  size_t pixels;               // >= 1, windows
  size_t pixel_step;           // elements between one window's start and the next one's
  size_t channels;             // >= 1 contiguous bytes at every tap
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

// ---- Moving ------------------------------------------------------------------------------------

// y[j * ldy + i] = x[i * ldx + j] for i < rows, j < cols; x and y do not overlap.
using TransposeU8Fn = void(const uint8_t* x, size_t ldx, size_t rows, size_t cols, uint8_t* y,
                           size_t ldy);
using TransposeU32Fn = void(const uint32_t* x, size_t ldx, size_t rows, size_t cols, uint32_t* y,
                            size_t ldy);

// ---- Float fallback ---------------------------------------------------------------------------

// As GemmTile, in float: acc = bias[j]; acc = fma(a, b, acc) over segments, then k, in this order;
// c = min(max(acc, lo), hi). Panel: float bias[nr] | float weights[segments][segment_k][nr].
struct GemmF32Tile {
  const float* const* a;
  size_t rows;  // 1..mr
  size_t segments;
  size_t segment_k;
  const float* panel;
  size_t cols;  // 1..nr
  float lo;
  float hi;
};
using GemmF32Fn = void(const GemmF32Tile& tile, float* c, size_t ldc);

// As DepthwiseTile, in float, same order and clamp.
// weights: float bias[channels] | float w[taps][channels].
struct DepthwiseF32Tile {
  const float* const* a;  // [pixels][taps]
  size_t pixels;
  size_t taps;
  size_t channels;
  const float* weights;
  float lo;
  float hi;
};
using DepthwiseF32Fn = void(const DepthwiseF32Tile& tile, float* c, size_t ldc);

// ---- The table --------------------------------------------------------------------------------

template <class Fn>
struct Kernel {
  const char* name;  // by the grammar in kernels/README.md, e.g. gemm_u8s8_u8_6x64x4_avx512vnni
  Fn* run;
};

// Everything an ISA offers. Complete and constant: where an ISA has nothing better it names its
// parent's kernel.
struct KernelTable {
  size_t gemm_mr;
  PanelGeometry gemm_geometry;
  Kernel<GemmS32Fn> gemm_s32;
  Kernel<GemmU8Fn> gemm_u8;

  PanelGeometry depthwise_geometry;  // nr == granule: every panel has full width
  Kernel<DepthwiseS32Fn> depthwise_s32;
  Kernel<DepthwiseU8Fn> depthwise_u8;

  Kernel<RequantizeS32Fn> requantize_s32;
  Kernel<RequantizeU8Fn> requantize_u8;
  Kernel<AddU8Fn> add_u8;
  Kernel<QuantizeU8Fn> quantize_u8;
  Kernel<DequantizeU8Fn> dequantize_u8;
  Kernel<MaxU8Fn> max_u8;
  Kernel<AvgU8Fn> avg_u8;
  Kernel<MulU8Fn> mul_u8;
  Kernel<LookupU8Fn> lookup_u8;
  Kernel<SoftmaxU8Fn> softmax_u8;
  Kernel<MomentsU8Fn> moments_u8;
  Kernel<NormalizeU8Fn> normalize_u8;

  Kernel<TransposeU8Fn> transpose_u8;
  Kernel<TransposeU32Fn> transpose_u32;

  size_t gemm_f32_mr;
  size_t gemm_f32_nr;
  Kernel<GemmF32Fn> gemm_f32;
  Kernel<DepthwiseF32Fn> depthwise_f32;
};

extern const KernelTable kScalarTable;
extern const KernelTable kAvx2Table;
extern const KernelTable kAvx512VnniTable;

}  // namespace octavo
