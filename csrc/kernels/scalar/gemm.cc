// GEMM, portable C++: the definition every other ISA is tested against.
//
//   c[i][j] = bias[j] + sum_s sum_k a[s][i][k] * b[s][k][j]      u8 x s8 -> int32, wrap-around
//
// Edges: a tail of k multiplies zeros that stand for the bytes that do not exist; columns past
// tile.cols (at most granule - 1) are computed from zero weights and not stored.
#include "kernels/scalar/gemm.h"

#include "kernels/scalar/epilogue.h"
#include "pack/layout.h"

namespace octavo {
namespace {

constexpr size_t kMr = kGemmMrScalar;
constexpr size_t kNr = kGemmGeometryScalar.nr;

// Unsigned, so that wrapping around is defined.
using Accumulators = uint32_t[kMr][kNr];

inline size_t width_of(const GemmTile& tile) {
  return panel_width(tile.cols, kGemmGeometryScalar.granule);
}

// acc[j] += the products of four k, for one row.
inline void dot4(const int32_t a[kKr], const int8_t* b, size_t width, uint32_t* acc) {
  for (size_t j = 0; j < width; ++j) {
    const int8_t* w = b + j * kKr;
    acc[j] += (uint32_t)(a[0] * w[0] + a[1] * w[1] + a[2] * w[2] + a[3] * w[3]);
  }
}

void accumulate(const GemmTile& tile, Accumulators& acc) {
  const size_t width = width_of(tile);
  const int32_t* bias = panel_bias(tile.panel);
  for (size_t i = 0; i < tile.rows; ++i) {
    for (size_t j = 0; j < width; ++j) acc[i][j] = (uint32_t)bias[j];
  }

  const int8_t* b = panel_weights(tile.panel, width);
  for (size_t s = 0; s < tile.segments; ++s) {
    const uint8_t* const* rows = tile.a + s * tile.rows;
    for (size_t k = 0; k < tile.segment_k; k += kKr, b += width * kKr) {
      const size_t left = tile.segment_k - k;
      for (size_t i = 0; i < tile.rows; ++i) {
        const uint8_t* a = rows[i] + k;
        const int32_t a4[kKr] = {a[0], left > 1 ? a[1] : 0, left > 2 ? a[2] : 0,
                                 left > 3 ? a[3] : 0};
        dot4(a4, b, width, acc[i]);
      }
    }
  }
}

// Columns of a group, segment_k of them, see bytes of their own.
void accumulate_grouped(const GemmTile& tile, Accumulators& acc) {
  const size_t width = width_of(tile), group = tile.segment_k;
  const int32_t* bias = panel_bias(tile.panel);
  const int8_t* b = panel_weights(tile.panel, width);
  for (size_t i = 0; i < tile.rows; ++i) {
    for (size_t j = 0; j < width; ++j) {
      acc[i][j] = (uint32_t)bias[j];
      for (size_t s = 0; s < tile.segments; ++s) {
        const uint8_t* a = tile.a[s * tile.rows + i] + j / group * group;
        for (size_t k = 0; k < group; ++k) {
          const int8_t* four = b + ((s * group + k) / kKr * width + j) * kKr;
          acc[i][j] += (uint32_t)(a[k] * four[k % kKr]);
        }
      }
    }
  }
}

void store(const GemmTile& tile, const Accumulators& acc, int32_t* c, size_t ldc) {
  for (size_t i = 0; i < tile.rows; ++i) {
    for (size_t j = 0; j < tile.cols; ++j) c[i * ldc + j] = (int32_t)acc[i][j];
  }
}

void store(const GemmTile& tile, const Accumulators& acc, const Requant& requant,
           const Residual& residual, uint8_t* c, size_t ldc) {
  const float* multiplier =
      panel_multiplier(tile.panel, width_of(tile), tile.segments, tile.segment_k);
  for (size_t i = 0; i < tile.rows; ++i) {
    for (size_t j = 0; j < tile.cols; ++j) {
      float v = (float)(int32_t)acc[i][j] * multiplier[j];
      if (residual.rows != nullptr) {
        v = add_residual(v, residual.rows[i * residual.ld + j], residual);
      }
      c[i * ldc + j] = requantize_one(v, requant);
    }
  }
}

}  // namespace

void gemm_u8s8_s32_4x16x4_scalar(const GemmTile& tile, int32_t* c, size_t ldc) {
  Accumulators acc;
  accumulate(tile, acc);
  store(tile, acc, c, ldc);
}

void gemm_u8s8_u8_4x16x4_scalar(const GemmTile& tile, const Requant& requant,
                                const Residual& residual, uint8_t* c, size_t ldc) {
  Accumulators acc;
  accumulate(tile, acc);
  store(tile, acc, requant, residual, c, ldc);
}

void grouped_u8s8_s32_4x16x4_scalar(const GemmTile& tile, int32_t* c, size_t ldc) {
  Accumulators acc;
  accumulate_grouped(tile, acc);
  store(tile, acc, c, ldc);
}

void grouped_u8s8_u8_4x16x4_scalar(const GemmTile& tile, const Requant& requant,
                                   const Residual& residual, uint8_t* c, size_t ldc) {
  Accumulators acc;
  accumulate_grouped(tile, acc);
  store(tile, acc, requant, residual, c, ldc);
}

}  // namespace octavo
