// Products of two computed matrices, as in attention: neither is known before the network runs, so
// B is packed for the kernel on every call, one head at a time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/quant.h"
#include "runtime/context.h"

namespace octavo {

// Element (head, row, column) of an operand lies at head * head + row * row + column elements:
// heads and rows may be interleaved with others, as the heads of one token are.
struct MatrixStrides {
  size_t head;
  size_t row;
};

//   c[h][i][j] = sum_k a[h][i][k] * b[h][k][j]
struct MatMulShape {
  size_t heads;
  size_t m;
  size_t n;
  size_t k;  // 1..kMaxKMatMul
  MatrixStrides a;
  MatrixStrides b;
  MatrixStrides c;
  // b holds n rows of k (keys, one per token) instead of k rows of n (values).
  bool b_transposed;
};

// |(a - zero_point) * (b - zero_point)| <= 255 * 255: the sum fits into int32.
inline constexpr size_t kMaxKMatMul = 32768;

// q = clamp(rne(float(sum of (a - a_zero_point) * (b - b_zero_point)) * multiplier) + zero_point).
struct MatMulQuant {
  int32_t a_zero_point;
  int32_t b_zero_point;  // 128 is fastest: the others cost a second, constant half of B
  float multiplier;      // a's scale * b's scale / c's scale
  QuantRange range;
};

// `batch` products; sample i of an operand begins at i * its `sample` elements.
template <class T>
struct MatMulData {
  const T* a;
  size_t a_sample;
  const T* b;
  size_t b_sample;
  T* c;
  size_t c_sample;
};

// Throws unless every element lies within the samples' elements.
void check_matmul(const MatMulShape& shape, size_t a_elements, size_t b_elements,
                  size_t c_elements);

void matmul(const Context& context, const MatMulShape& shape, const MatMulQuant& quant,
            size_t batch, const MatMulData<uint8_t>& data);

// In float32: k in order, one fma per step.
void matmul_f32(const Context& context, const MatMulShape& shape, size_t batch,
                const MatMulData<float>& data);

}  // namespace octavo
