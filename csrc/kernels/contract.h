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

#include "kernels/contract_elementwise.h"
#include "kernels/requant.h"
#include "pack/layout.h"

namespace octavo {

// ---- GEMM: c[i][j] = bias[j] + sum_s sum_k a[s][i][k] * b[s][k][j] ------------------------------
//
// Convolution is the same sum with one segment per kernel tap. Arithmetic is int32, wrap-around.
struct GemmTile {
  const uint8_t* const* a;            // [segments][rows] pointers to segment_k readable bytes each
  size_t rows;                        // 1..mr
  size_t segments;                    // >= 1
  size_t segment_k;                   // >= 1
  const uint8_t* panel;               // one packed panel, see pack/layout.h; 64-byte aligned
  size_t cols;                        // 1..nr columns that exist; the panel's width follows from it
  const uint8_t* prepared = nullptr;  // what gemm_prepare wrote, where the table has it
  const uint8_t* next = nullptr;      // a hint: what is read after this panel
};

// Where a table has it, ops call it once per tile of rows and the GEMM kernels read its output for
// every panel instead of `a`. Uses a, rows, segments, segment_k; writes at most
// scheduled_a_bytes(segments, segment_k), 64-byte aligned, in an order of the ISA's own.
using GemmPrepareFn = void(const GemmTile& tile, uint8_t* prepared);

// Writes c[i * ldc + j] for i < rows, j < cols.
using GemmS32Fn = void(const GemmTile& tile, int32_t* c, size_t ldc);

// As above, then v = float(acc) * multiplier[j] (from the panel), residual, Requant, u8 store.
using GemmU8Fn = void(const GemmTile& tile, const Requant& requant, const Residual& residual,
                      uint8_t* c, size_t ldc);

// Where a table has them: narrow groups of a convolution side by side, each of segment_k = 4 or 8
// columns that see as many bytes of their own,
//   c[i][j] = bias[j] + sum_s sum_k a[s][i][j / segment_k * segment_k + k] * b[s][k][j].
// `cols` is a multiple of 16, and a[s][i] points at as many readable bytes.

// ---- Depthwise ----------------------------------------------------------------------------------
//
//   c[r * row_pixels + p][ch] = bias[ch] + sum_x sum_y a(r, y, column)[ch] * w[x][y][ch]
//   with column = first + p * stride + x * dilation, int32 wrap-around
//
// over a block of neighbouring output pixels, so that a kernel may use a column for all taps that
// see it. a(r, y, i) is rows[r * kernel_h + y].x + i * step for 0 <= i < width, and a pixel whose
// every channel is `padding` elsewhere.
struct DepthwiseRow {
  const uint8_t* x;  // first pixel of an input row
  size_t step;       // elements between its pixels; 0: one pixel, seen at every column
};

struct DepthwiseTile {
  const DepthwiseRow* rows;  // [out_rows][kernel_h]
  size_t out_rows;           // >= 1
  size_t pixels;             // >= 1 output pixels of a row
  size_t row_pixels;         // from one output row to the next
  size_t width;              // input columns that exist
  ptrdiff_t first;           // input column of the first pixel's first tap
  size_t stride;             // input columns between neighbouring output pixels
  size_t dilation;           // input columns between neighbouring taps
  size_t kernel_h;
  size_t kernel_w;
  size_t channels;  // >= 1
  uint8_t padding;
  const uint8_t* panels;  // ceil(channels / nr) packed panels of kernel_w segments, each of
                          // kernel_h weights, see pack/layout.h
};

// Writes c[(r * row_pixels + p) * ldc + ch].
using DepthwiseS32Fn = void(const DepthwiseTile& tile, int32_t* c, size_t ldc);
using DepthwiseU8Fn = void(const DepthwiseTile& tile, const Requant& requant, uint8_t* c,
                           size_t ldc);

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

// acc[p][ch] = bias[ch], then fma(a[p][t][ch], w[t][ch], acc) over taps in order, then the clamp.
// weights: float bias[channels] | float w[taps][channels].
struct DepthwiseF32Tile {
  const float* const* a;  // [pixels][taps] pointers to `channels` readable floats each
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
  const char* name;  // by the grammar in kernels/README.md, e.g. gemm_u8s8_u8_24x64x4_avx512vnni
  Fn* run;
};

// Everything an ISA offers. Complete and constant: where an ISA has nothing better it names its
// parent's kernel.
struct KernelTable {
  size_t gemm_mr;
  size_t gemm_row_granule = 1;  // a tile of a multiple of this many rows wastes nothing
  PanelGeometry gemm_geometry;
  Kernel<GemmS32Fn> gemm_s32;
  Kernel<GemmU8Fn> gemm_u8;
  Kernel<GemmPrepareFn> gemm_prepare = {nullptr, nullptr};  // for scheduled panels only

  // Narrow groups: all three or none. nr is a multiple of 16.
  PanelGeometry grouped_geometry = {.nr = 0, .granule = 0};
  Kernel<GemmS32Fn> grouped_s32 = {nullptr, nullptr};
  Kernel<GemmU8Fn> grouped_u8 = {nullptr, nullptr};

  // The GEMM of panels packed while a network runs, sequential on every ISA.
  size_t matmul_mr;
  PanelGeometry matmul_geometry;
  Kernel<GemmU8Fn> matmul_u8;

  PanelGeometry depthwise_geometry;  // nr == granule: every panel has full width
  Kernel<DepthwiseS32Fn> depthwise_s32;
  Kernel<DepthwiseU8Fn> depthwise_u8;

  Kernel<RequantizeS32Fn> requantize_s32;
  Kernel<RequantizeU8Fn> requantize_u8;
  Kernel<AddU8Fn> add_u8;
  Kernel<QuantizeU8Fn> quantize_u8;
  Kernel<DequantizeU8Fn> dequantize_u8;
  Kernel<RangeF32Fn> range_f32;
  Kernel<DequantizeS32Fn> dequantize_s32;
  Kernel<MaxU8Fn> max_u8;
  Kernel<AvgU8Fn> avg_u8;
  Kernel<MulU8Fn> mul_u8;
  Kernel<LookupU8Fn> lookup_u8;
  Kernel<SoftmaxU8Fn> softmax_u8;
  Kernel<MomentsU8Fn> moments_u8;
  Kernel<NormalizeU8Fn> normalize_u8;
  Kernel<HistogramF32Fn> histogram_f32;

  Kernel<TransposeU8Fn> transpose_u8;
  Kernel<TransposeU32Fn> transpose_u32;
  Kernel<TransposeStreamU8Fn> transpose_stream_u8;
  Kernel<StreamCopyFn> stream_copy;
  Kernel<StreamFenceFn> stream_fence;

  size_t gemm_f32_mr;
  size_t gemm_f32_nr;
  Kernel<GemmF32Fn> gemm_f32;
  Kernel<DepthwiseF32Fn> depthwise_f32;
};

extern const KernelTable kScalarTable;
extern const KernelTable kAvx2Table;
extern const KernelTable kAvxVnniTable;
extern const KernelTable kAvx512VnniTable;
extern const KernelTable kAvx512VbmiTable;
extern const KernelTable kNeonTable;
extern const KernelTable kNeonDotTable;
extern const KernelTable kNeonI8mmTable;

}  // namespace octavo
