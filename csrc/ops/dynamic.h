// Activations quantized while the network runs, from the range they happen to have: ONNX's
// DynamicQuantizeLinear, for a whole tensor or for every row by itself.
//
//   lo = min(0, smallest), hi = max(0, largest), scale = (hi == lo ? 1 : hi - lo) / 255
//   zero_point = rne(clamp(-lo / scale, 0, 255)),  q = clamp(rne(x / scale) + zero_point, 0, 255)
//
// Scale and zero point travel as a pair of floats, so that a program may hold them as a tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/contract_elementwise.h"
#include "ops/gemm_int8.h"
#include "ops/scratch.h"
#include "runtime/context.h"

namespace octavo {

// params[2 * i], params[2 * i + 1]: scale and zero point of row i of x (rows, k).
void dynamic_params_rows(const Context& context, const float* x, size_t rows, size_t k,
                         float* params);

// One pair for all n elements, written `copies` times.
void dynamic_params(const Context& context, const float* x, size_t n, size_t copies, float* params);

// y = x (rows, k) quantized by params + i * step for row i; step is 2, or 0 for one pair.
void quantize_dynamic(const Context& context, const float* x, size_t rows, size_t k,
                      const float* params, size_t step, uint8_t* y);

// How an int32 sum over such activations becomes a float; vectors have one entry per column.
struct DynamicOutput {
  std::vector<int32_t> weight_sum;  // of weight - weight zero point, over everything summed
  std::vector<float> weight_scale;
  std::vector<float> bias;
  float lo = -std::numeric_limits<float>::infinity();
  float hi = std::numeric_limits<float>::infinity();
};

// Throws unless there is one entry per column of each.
void check_dynamic_output(const DynamicOutput& output, size_t n);

// c[i * ldc + j] in float, see DequantizeS32Fn; quant's acc, ld, rows and cols are set per tile.
struct DynamicTarget {
  float* c;
  size_t ldc;
  DynamicTile quant;

  DynamicTarget(float* c, size_t ldc, const DynamicOutput& output, const float* params, size_t step)
      : c(c),
        ldc(ldc),
        quant{.acc = nullptr,
              .ld = 0,
              .rows = 0,
              .cols = 0,
              .params = params,
              .step = step,
              .weight_sum = output.weight_sum.data(),
              .weight_scale = output.weight_scale.data(),
              .bias = output.bias.data(),
              .lo = output.lo,
              .hi = output.hi} {}

  DynamicTarget at(size_t row, size_t column) const {
    DynamicTarget moved = *this;
    moved.c += row * ldc + column;
    moved.quant.params += row * quant.step;
    moved.quant.weight_sum += column;
    moved.quant.weight_scale += column;
    moved.quant.bias += column;
    return moved;
  }

  void store(const KernelTable& kernels, const int32_t* acc, size_t rows, size_t cols) const {
    DynamicTile tile = quant;
    tile.acc = acc;
    tile.ld = cols;
    tile.rows = rows;
    tile.cols = cols;
    kernels.dequantize_s32.run(tile, c, ldc);
  }
};

inline void run_tile(const KernelTable& kernels, const GemmTile& tile,
                     const DynamicTarget& target) {
  int32_t* acc = scratch<int32_t>(Scratch::accumulators, tile.rows * tile.cols);
  kernels.gemm_s32.run(tile, acc, tile.cols);
  target.store(kernels, acc, tile.rows, tile.cols);
}

inline void run_grouped_tile(const KernelTable& kernels, const GemmTile& tile,
                             const DynamicTarget& target) {
  int32_t* acc = scratch<int32_t>(Scratch::accumulators, tile.rows * tile.cols);
  kernels.grouped_s32.run(tile, acc, tile.cols);
  target.store(kernels, acc, tile.rows, tile.cols);
}

}  // namespace octavo
