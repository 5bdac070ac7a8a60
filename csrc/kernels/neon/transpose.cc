// y[j][i] = x[i][j]. Bytes: blocks of 16 rows of 16 columns. Writing rr a register's 4 index bits
// and cc a byte's, zipping registers r and r + 8 rotates (rr cc) by one bit; four times exchange
// them.
//
//   bytes             per 256: ldr 16, zip1 / zip2 64, str 16
//   dwords            4x4 blocks: ldr 4, zip1 / zip2 8, str 4
//   3 or 4 channels   planes to pixels and back: ld1, st3 / st4, or ld3 / ld4, st1; 16 pixels a
//   step
//
// The last block of a row or column of blocks overlaps the one before it. Matrices smaller than a
// block go element by element.
#include "kernels/neon/kernels.h"
#include "kernels/neon/stream.h"

namespace octavo {
namespace {

template <class T>
OCTAVO_INLINE void transpose_small(const T* x, size_t ldx, size_t rows, size_t cols, T* y,
                                   size_t ldy) {
  for (size_t j = 0; j < cols; ++j) {
    for (size_t i = 0; i < rows; ++i) y[j * ldy + i] = x[i * ldx + j];
  }
}

OCTAVO_INLINE void rotate(const uint8x16_t (&from)[16], uint8x16_t (&to)[16]) {
  OCTAVO_UNROLL for (int r = 0; r < 8; ++r) {
    to[2 * r] = vzip1q_u8(from[r], from[r + 8]);
    to[2 * r + 1] = vzip2q_u8(from[r], from[r + 8]);
  }
}

OCTAVO_INLINE void transpose_16x16(const uint8_t* x, size_t ldx, uint8_t* y, size_t ldy) {
  uint8x16_t a[16], b[16];
  OCTAVO_UNROLL for (size_t r = 0; r < 16; ++r) a[r] = vld1q_u8(x + r * ldx);
  rotate(a, b);
  rotate(b, a);
  rotate(a, b);
  rotate(b, a);
  OCTAVO_UNROLL for (size_t j = 0; j < 16; ++j) vst1q_u8(y + j * ldy, a[j]);
}

OCTAVO_INLINE void transpose_4x4(const uint32_t* x, size_t ldx, uint32_t* y, size_t ldy) {
  const uint32x4_t r0 = vld1q_u32(x), r1 = vld1q_u32(x + ldx);
  const uint32x4_t r2 = vld1q_u32(x + 2 * ldx), r3 = vld1q_u32(x + 3 * ldx);
  const uint32x4_t low02 = vzip1q_u32(r0, r2), high02 = vzip2q_u32(r0, r2);
  const uint32x4_t low13 = vzip1q_u32(r1, r3), high13 = vzip2q_u32(r1, r3);
  vst1q_u32(y, vzip1q_u32(low02, low13));
  vst1q_u32(y + ldy, vzip2q_u32(low02, low13));
  vst1q_u32(y + 2 * ldy, vzip1q_u32(high02, high13));
  vst1q_u32(y + 3 * ldy, vzip2q_u32(high02, high13));
}

// x: 3 or 4 planes, ldx apart; y: pixels of as many bytes.
OCTAVO_INLINE void interleave_3(const uint8_t* x, size_t ldx, size_t pixels, uint8_t* y) {
  for_blocks<16>(pixels, [&](size_t i) OCTAVO_INLINE_LAMBDA {
    uint8x16x3_t planes;
    OCTAVO_UNROLL for (size_t k = 0; k < 3; ++k) planes.val[k] = vld1q_u8(x + k * ldx + i);
    vst3q_u8(y + 3 * i, planes);
  });
}

OCTAVO_INLINE void interleave_4(const uint8_t* x, size_t ldx, size_t pixels, uint8_t* y) {
  for_blocks<16>(pixels, [&](size_t i) OCTAVO_INLINE_LAMBDA {
    uint8x16x4_t planes;
    OCTAVO_UNROLL for (size_t k = 0; k < 4; ++k) planes.val[k] = vld1q_u8(x + k * ldx + i);
    vst4q_u8(y + 4 * i, planes);
  });
}

// x: pixels of 3 or 4 bytes; y: as many planes, ldy apart.
OCTAVO_INLINE void split_3(const uint8_t* x, size_t pixels, uint8_t* y, size_t ldy) {
  for_blocks<16>(pixels, [&](size_t i) OCTAVO_INLINE_LAMBDA {
    const uint8x16x3_t planes = vld3q_u8(x + 3 * i);
    OCTAVO_UNROLL for (size_t k = 0; k < 3; ++k) vst1q_u8(y + k * ldy + i, planes.val[k]);
  });
}

OCTAVO_INLINE void split_4(const uint8_t* x, size_t pixels, uint8_t* y, size_t ldy) {
  for_blocks<16>(pixels, [&](size_t i) OCTAVO_INLINE_LAMBDA {
    const uint8x16x4_t planes = vld4q_u8(x + 4 * i);
    OCTAVO_UNROLL for (size_t k = 0; k < 4; ++k) vst1q_u8(y + k * ldy + i, planes.val[k]);
  });
}

}  // namespace

void transpose_u8_neon(const uint8_t* x, size_t ldx, size_t rows, size_t cols, uint8_t* y,
                       size_t ldy) {
  if (cols >= 16 && rows == 3 && ldy == 3) {
    interleave_3(x, ldx, cols, y);
  } else if (cols >= 16 && rows == 4 && ldy == 4) {
    interleave_4(x, ldx, cols, y);
  } else if (rows >= 16 && cols == 3 && ldx == 3) {
    split_3(x, rows, y, ldy);
  } else if (rows >= 16 && cols == 4 && ldx == 4) {
    split_4(x, rows, y, ldy);
  } else if (rows >= 16 && cols >= 16) {
    for_blocks<16>(rows, [&](size_t i) OCTAVO_INLINE_LAMBDA {
      for_blocks<16>(cols, [&](size_t j) OCTAVO_INLINE_LAMBDA {
        transpose_16x16(x + i * ldx + j, ldx, y + j * ldy + i, ldy);
      });
    });
  } else {
    transpose_small(x, ldx, rows, cols, y, ldy);
  }
}

void transpose_u32_neon(const uint32_t* x, size_t ldx, size_t rows, size_t cols, uint32_t* y,
                        size_t ldy) {
  if (rows < 4 || cols < 4) {
    transpose_small(x, ldx, rows, cols, y, ldy);
    return;
  }
  for_blocks<4>(rows, [&](size_t i) OCTAVO_INLINE_LAMBDA {
    for_blocks<4>(cols, [&](size_t j) OCTAVO_INLINE_LAMBDA {
      transpose_4x4(x + i * ldx + j, ldx, y + j * ldy + i, ldy);
    });
  });
}

void transpose_stream_u8_neon(const uint8_t* x, size_t ldx, size_t cols, uint8_t* y, size_t ldy) {
  alignas(64) uint8_t lines[16 * 64];
  size_t j = 0;
  for (; j + 16 <= cols; j += 16) {
    for (size_t i = 0; i < 64; i += 16) transpose_16x16(x + i * ldx + j, ldx, lines + i, 64);
    for (size_t k = 0; k < 16; ++k) memcpy(y + (j + k) * ldy, lines + 64 * k, 64);
  }
  transpose_small(x + j, ldx, 64, cols - j, y + j * ldy, ldy);
}

}  // namespace octavo
