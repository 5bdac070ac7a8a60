// y[j][i] = x[i][j], in blocks whose cache lines stay in L1 on both sides.
#include "kernels/inline.h"
#include "kernels/scalar/kernels.h"

namespace octavo {
namespace {

enum { kBlock = 32 };

template <class T>
OCTAVO_INLINE void transpose(const T* x, size_t ldx, size_t rows, size_t cols, T* y, size_t ldy) {
  for (size_t i0 = 0; i0 < rows; i0 += kBlock) {
    const size_t i1 = rows - i0 < kBlock ? rows : i0 + kBlock;
    for (size_t j0 = 0; j0 < cols; j0 += kBlock) {
      const size_t j1 = cols - j0 < kBlock ? cols : j0 + kBlock;
      for (size_t j = j0; j < j1; ++j) {
        for (size_t i = i0; i < i1; ++i) y[j * ldy + i] = x[i * ldx + j];
      }
    }
  }
}

}  // namespace

void transpose_u8_scalar(const uint8_t* x, size_t ldx, size_t rows, size_t cols, uint8_t* y,
                         size_t ldy) {
  transpose(x, ldx, rows, cols, y, ldy);
}

void transpose_u32_scalar(const uint32_t* x, size_t ldx, size_t rows, size_t cols, uint32_t* y,
                          size_t ldy) {
  transpose(x, ldx, rows, cols, y, ldy);
}

void transpose_stream_u8_scalar(const uint8_t* x, size_t ldx, size_t cols, uint8_t* y, size_t ldy) {
  transpose(x, ldx, 64, cols, y, ldy);
}

}  // namespace octavo
