// GEMM for AVX2, exact for every u8 and s8 value: a register tile of up to 5 rows x 16 columns.
//
//   c[i][j] = bias[j] + sum_s sum_k a[s][i][k] * b[s][k][j]      u8 x s8 -> int32, wrap-around
//
// vpmaddubsw would saturate (255 * 127 * 2 > 32767), so the products are made of int16 pairs.
// A dword of four k is split into its even pair (k0, k2) and its odd pair (k1, k3):
//   b: even = (b << 8) >> 8, odd = b >> 8, both arithmetic on 16-bit lanes
//   a: even = a & 0x00FF00FF, odd = (a >> 8) & 0x00FF00FF
// The split of A is done once per tile into a small buffer, a block of k at a time (a block may
// span segments); the main loop broadcasts from it, which costs a load and no arithmetic.
//
// Per step of four k and vector of 8 columns (latency / throughput, Zen 4, uops.info):
//   vpbroadcastd ymm, m32   a pair of one row to every lane      load port only
//   vpsllw, vpsraw          split of b: 3 for all rows           1 / 0.5
//   vpmaddwd                two products and their sum: 2        3 / 0.5
//   vpaddd                  into the accumulator: 2              1 / 0.25
//
// Register budget (16 ymm): 10 accumulators, 2 of B, 2 of A, 2 products. The even half of a step
// comes before the odd one and B is loaded again for it, so that only one half of B is alive. A
// sixth row would fit on paper (12 + 2 + 1 + 1); neither GCC 12 nor clang 19 finds that allocation.
//
// Panel width is 8 or 16: `Vectors` below. Edges: a tail of k is zero in the buffer; columns past
// tile.cols are masked, bytes go through 8-byte pieces of which only those that exist are touched.
#include <immintrin.h>
#include <string.h>

#include "kernels/avx2/epilogue.h"
#include "kernels/avx2/gemm.h"
#include "pack/layout.h"

namespace octavo {
namespace {
namespace sequential {

enum { kLanes = 8, kMr = kMatMulMrAvx2, kVectors = 2, kBlockSteps = 64 };

// Rows of A, widened to pairs of int16: one dword per step of four k. 3 KB.
struct PairBlock {
  alignas(32) uint32_t even[kMr][kBlockSteps];
  alignas(32) uint32_t odd[kMr][kBlockSteps];
};

// Where the next block starts in the A of a tile.
struct Cursor {
  size_t segment;
  size_t k;
};

OCTAVO_INLINE void split_dword(uint32_t dword, uint32_t* even, uint32_t* odd) {
  *even = dword & 0x00FF00FFu;
  *odd = (dword >> 8) & 0x00FF00FFu;
}

// Widens `size` bytes into ceil(size / 4) dwords of each kind.
OCTAVO_INLINE void split_row(const uint8_t* a, size_t size, uint32_t* even, uint32_t* odd) {
  const __m256i low_bytes = _mm256_set1_epi16(0x00FF);
  size_t k = 0;
  for (; k + 32 <= size; k += 32, even += 8, odd += 8) {
    const __m256i v = _mm256_loadu_si256((const __m256i*)(a + k));
    _mm256_storeu_si256((__m256i*)even, _mm256_and_si256(v, low_bytes));
    _mm256_storeu_si256((__m256i*)odd, _mm256_srli_epi16(v, 8));
  }
  for (; k + kKr <= size; k += kKr) {
    uint32_t dword;
    memcpy(&dword, a + k, sizeof dword);
    split_dword(dword, even++, odd++);
  }
  if (k < size) {
    uint32_t dword = a[k];
    if (k + 1 < size) dword |= (uint32_t)a[k + 1] << 8;
    if (k + 2 < size) dword |= (uint32_t)a[k + 2] << 16;
    split_dword(dword, even, odd);
  }
}

// Fills the block from the cursor on, moves the cursor, returns the number of steps.
template <int Rows>
OCTAVO_INLINE size_t fill(const GemmTile& tile, Cursor& at, PairBlock& block) {
  size_t steps = 0;
  while (steps < kBlockSteps && at.segment < tile.segments) {
    const size_t room = (kBlockSteps - steps) * kKr;
    const size_t left = tile.segment_k - at.k;
    const size_t size = left < room ? left : room;
    const uint8_t* const* rows = tile.a + at.segment * Rows;
    for (int i = 0; i < Rows; ++i) {
      split_row(rows[i] + at.k, size, block.even[i] + steps, block.odd[i] + steps);
    }
    steps += (size + kKr - 1) / kKr;
    at.k += size;
    if (at.k == tile.segment_k) at = {at.segment + 1, 0};
  }
  return steps;
}

// The same pointer, but the compiler does not know: it loads B twice instead of keeping both
// halves in registers that are not there.
OCTAVO_INLINE const __m256i* forget(const __m256i* b) {
  OCTAVO_KEEP("r", b);
  return b;
}

// acc += a.even_word * b.even_word + a.odd_word * b.odd_word, in each dword. As intrinsics, GCC
// would sum the products of several steps before adding them to the accumulators, and run out of
// registers.
OCTAVO_INLINE void dot_pair(__m256i& acc, __m256i a_s16, __m256i b_s16) {
#if OCTAVO_HAS_EXTENSIONS
  __m256i product;
  __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
          : "+x"(acc), "=&x"(product)
          : "x"(a_s16), "x"(b_s16));
#else
  acc = _mm256_add_epi32(acc, _mm256_madd_epi16(a_s16, b_s16));
#endif
}

template <int Rows, int Vectors>
OCTAVO_INLINE void multiply(const uint32_t (&a)[kMr][kBlockSteps], size_t step,
                            const __m256i (&b)[Vectors], __m256i (&acc)[Rows][Vectors]) {
  OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
    const __m256i av = _mm256_set1_epi32((int32_t)a[i][step]);
    OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) dot_pair(acc[i][j], av, b[j]);
  }
}

template <int Rows, int Vectors>
OCTAVO_INLINE void accumulate(const GemmTile& tile, __m256i (&acc)[Rows][Vectors]) {
  const int32_t* bias = panel_bias(tile.panel);
  OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) {
    const __m256i init = _mm256_load_si256((const __m256i*)(bias + j * kLanes));
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) acc[i][j] = init;
  }

  const __m256i* b = (const __m256i*)panel_weights(tile.panel, Vectors * kLanes);
  PairBlock block;
  Cursor at = {0, 0};
  while (at.segment < tile.segments) {
    const size_t steps = fill<Rows>(tile, at, block);
    for (size_t step = 0; step < steps; ++step, b += Vectors) {
      __m256i bv[Vectors];
      OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) {
        bv[j] = _mm256_srai_epi16(_mm256_slli_epi16(_mm256_load_si256(b + j), 8), 8);
      }
      multiply<Rows, Vectors>(block.even, step, bv, acc);
      const __m256i* again = forget(b);
      OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) {
        bv[j] = _mm256_srai_epi16(_mm256_load_si256(again + j), 8);
      }
      multiply<Rows, Vectors>(block.odd, step, bv, acc);
    }
  }
}

// Columns of vector j that exist, at most 8.
OCTAVO_INLINE size_t lanes_of(size_t cols, int j) {
  const size_t left = cols - (size_t)j * kLanes;
  return left < kLanes ? left : (size_t)kLanes;
}

template <int Rows, int Vectors>
void tile_u8(const GemmTile& tile, const Requant& requant, const Residual& residual, uint8_t* c,
             size_t ldc) {
  __m256i acc[Rows][Vectors];
  accumulate<Rows, Vectors>(tile, acc);
  const float* multiplier =
      panel_multiplier(tile.panel, Vectors * kLanes, tile.segments, tile.segment_k);
  const RequantVectors rq = broadcast_requant(requant);
  const ResidualVectors rs = broadcast_residual(residual);
  OCTAVO_UNROLL for (int j = 0; j < Vectors; ++j) {
    const __m256 m = _mm256_load_ps(multiplier + j * kLanes);
    const size_t lanes = lanes_of(tile.cols, j);
    OCTAVO_UNROLL for (int i = 0; i < Rows; ++i) {
      __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(acc[i][j]), m);
      if (residual.rows != nullptr) {
        const uint8_t* row = residual.rows + (size_t)i * residual.ld + j * kLanes;
        v = add_residual(v, load_u8x8(row, lanes), rs);
      }
      store_u8x8(c + (size_t)i * ldc + j * kLanes, narrow_u8x8(v, rq), lanes);
    }
  }
}

#define OCTAVO_SEQUENTIAL_TILES(tile)                                             \
  {                                                                               \
    {tile<1, 1>, tile<1, 2>}, {tile<2, 1>, tile<2, 2>}, {tile<3, 1>, tile<3, 2>}, \
        {tile<4, 1>, tile<4, 2>}, {                                               \
      tile<5, 1>, tile<5, 2>                                                      \
    }                                                                             \
  }

GemmU8Fn* const kTilesU8[kMr][kVectors] = OCTAVO_SEQUENTIAL_TILES(tile_u8);

OCTAVO_INLINE void run(const GemmTile& tile, const Requant& requant, const Residual& residual,
                       uint8_t* c, size_t ldc) {
  kTilesU8[tile.rows - 1][(tile.cols - 1) / kLanes](tile, requant, residual, c, ldc);
}

}  // namespace sequential
}  // namespace
}  // namespace octavo
