// Pooling windows of NHWC rows, up to 4 vectors of 64 channels at a time.
//
// Maximum: vpmaxub straight from memory. Where windows of 3 step by 2, the last column of one is
// the first of the next and its maximum is kept: 6 loads a window instead of 9.
//
// Average: bytes are summed in 16 bits, 3 instructions for 64 of them. `all` adds the bytes as they
// lie, in pairs; `odd` adds the upper one of each pair; the lower one's sum is all - 256 * odd,
// exact modulo 2^16 for up to 256 taps. Then both are widened into 32 bits, in an order from which
// the epilogue's packs restore channel order. Up to 4 registers of channels are summed in one walk
// over the taps, so that rows are read once.
//
//   vpaddw, vpsrlw, vpaddw     per 64 bytes; 8 + 16 accumulators of 32 zmm
//
// Channels beyond 64s are masked.
#include "kernels/avx512vnni/epilogue.h"
#include "kernels/avx512vnni/kernels.h"

namespace octavo {
namespace {

OCTAVO_INLINE __mmask64 channel_mask(size_t channels) {
  return channels >= 64 ? ~0ull : (1ull << channels) - 1;
}

// The maximum of one column; kRows = 0 takes `count` rows.
template <size_t kRows>
OCTAVO_INLINE __m512i column_max(const uint8_t* const* rows, size_t count, size_t at,
                                 __mmask64 mask) {
  __m512i max = _mm512_maskz_loadu_epi8(mask, rows[0] + at);
  const size_t n = kRows == 0 ? count : kRows;
#pragma GCC unroll 3
  for (size_t r = 1; r < n; ++r) {
    max = _mm512_max_epu8(max, _mm512_maskz_loadu_epi8(mask, rows[r] + at));
  }
  return max;
}

// What the next row of windows will need, into L2: these are more lines than L1 has room for.
OCTAVO_INLINE void prefetch_window(const PoolTile& tile, size_t at) {
  for (size_t r = tile.row_count < 2 ? 0 : tile.row_count - 2; r < tile.row_count; ++r) {
    const char* from = (const char*)tile.rows[r] + tile.ahead + at;
    for (size_t i = 0; i < tile.pixel_step; i += 64) _mm_prefetch(from + i, _MM_HINT_T1);
  }
}

// Channels ch.. of all windows, kVectors * 64 of them, the last vector masked: rows are read once.
template <size_t kRows, int kVectors>
OCTAVO_INLINE void max_along(const PoolTile& tile, size_t ch, uint8_t* y) {
  const __mmask64 last = channel_mask(tile.channels - ch - 64 * (kVectors - 1));
  const auto mask = [&](int v) { return v == kVectors - 1 ? last : ~0ull; };
  const uint8_t* local[kRows == 0 ? 1 : kRows];
  for (size_t r = 0; r < kRows; ++r) local[r] = tile.rows[r];
  const auto column = [&](int v, size_t at) OCTAVO_INLINE_LAMBDA {
    const uint8_t* const* rows = kRows == 0 ? tile.rows : local;
    return column_max<kRows>(rows, tile.row_count, at + 64 * (size_t)v, mask(v));
  };
  const size_t tap = tile.tap_step, step = tile.pixel_step;
  const bool shares = tile.taps == 3 && step == 2 * tap;
  __m512i right[kVectors];
  if (shares) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) right[v] = column(v, ch);
  }
  y += ch;
  for (size_t p = 0, at = ch; p < tile.pixels; ++p, at += step, y += tile.channels) {
    if (tile.ahead != 0 && ch == 0) prefetch_window(tile, at);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      __m512i max;
      if (shares) {
        max = _mm512_max_epu8(right[v], column(v, at + tap));
        right[v] = column(v, at + 2 * tap);
        max = _mm512_max_epu8(max, right[v]);
      } else {
        max = column(v, at);
        for (size_t t = 1; t < tile.taps; ++t) {
          max = _mm512_max_epu8(max, column(v, at + t * tap));
        }
      }
      _mm512_mask_storeu_epi8(y + 64 * v, mask(v), max);
    }
  }
}

template <size_t kRows>
OCTAVO_INLINE void max_windows(const PoolTile& tile, uint8_t* y) {
  size_t ch = 0;
  for (; ch + 192 < tile.channels; ch += 256) max_along<kRows, 4>(tile, ch, y);
  if (ch >= tile.channels) return;
  switch ((tile.channels - ch + 63) / 64) {
    case 1:
      return max_along<kRows, 1>(tile, ch, y);
    case 2:
      return max_along<kRows, 2>(tile, ch, y);
    default:
      return max_along<kRows, 3>(tile, ch, y);
  }
}

// Channels ch.. of one window, kVectors * 64 of them, the last vector masked.
template <int kVectors>
struct Sums {
  __m512i all[kVectors];
  __m512i odd[kVectors];
  __m512i wide[kVectors][4];
  __mmask64 last;

  OCTAVO_INLINE_MEMBER __mmask64 mask(int v) const { return v == kVectors - 1 ? last : ~0ull; }

  OCTAVO_INLINE_MEMBER void add(const uint8_t* x) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const __m512i bytes = _mm512_maskz_loadu_epi8(mask(v), x + 64 * v);
      all[v] = _mm512_add_epi16(all[v], bytes);
      odd[v] = _mm512_add_epi16(odd[v], _mm512_srli_epi16(bytes, 8));
    }
  }

  OCTAVO_INLINE_MEMBER void clear() {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) all[v] = odd[v] = _mm512_setzero_si512();
  }

  OCTAVO_INLINE_MEMBER void widen() {
    const __m512i zero = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const __m512i even = _mm512_sub_epi16(all[v], _mm512_slli_epi16(odd[v], 8));
      const __m512i low = _mm512_unpacklo_epi16(even, odd[v]);
      const __m512i high = _mm512_unpackhi_epi16(even, odd[v]);
      wide[v][0] = _mm512_add_epi32(wide[v][0], _mm512_unpacklo_epi16(low, zero));
      wide[v][1] = _mm512_add_epi32(wide[v][1], _mm512_unpackhi_epi16(low, zero));
      wide[v][2] = _mm512_add_epi32(wide[v][2], _mm512_unpacklo_epi16(high, zero));
      wide[v][3] = _mm512_add_epi32(wide[v][3], _mm512_unpackhi_epi16(high, zero));
    }
  }
};

template <int kVectors>
OCTAVO_INLINE void average(const PoolTile& tile, size_t ch, size_t at, int32_t init, __m512 scale,
                           const RequantVectors& requant, uint8_t* y) {
  Sums<kVectors> sums;
  sums.last = channel_mask(tile.channels - ch - 64 * (kVectors - 1));
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) sums.wide[v][k] = _mm512_set1_epi32(init);
  }
  sums.clear();
  size_t room = 256;
  for (size_t r = 0; r < tile.row_count; ++r) {
    const uint8_t* x = tile.rows[r] + at + ch;
    for (size_t left = tile.taps; left > 0;) {
      const size_t run = left < room ? left : room;
      for (size_t t = 0; t < run; ++t, x += tile.tap_step) sums.add(x);
      left -= run;
      room -= run;
      if (room == 0) {
        sums.widen();
        sums.clear();
        room = 256;
      }
    }
  }
  sums.widen();
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    __m512i q[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      q[k] = clamped_s32(_mm512_mul_ps(_mm512_cvtepi32_ps(sums.wide[v][k]), scale), requant);
    }
    const __m512i low = _mm512_packs_epi32(q[0], q[1]), high = _mm512_packs_epi32(q[2], q[3]);
    const __m512i bytes = _mm512_packus_epi16(_mm512_add_epi16(low, requant.zero_point_s16),
                                              _mm512_add_epi16(high, requant.zero_point_s16));
    _mm512_mask_storeu_epi8(y + ch + 64 * v, sums.mask(v), bytes);
  }
}

}  // namespace

void max_u8_avx512vnni(const PoolTile& tile, uint8_t* y) {
  switch (tile.row_count) {
    case 2:
      return max_windows<2>(tile, y);
    case 3:
      return max_windows<3>(tile, y);
    default:
      return max_windows<0>(tile, y);
  }
}

void avg_u8_avx512vnni(const PoolTile& tile, int32_t init, float multiplier, const Requant& requant,
                       uint8_t* y) {
  const RequantVectors requant_v = broadcast_requant(requant);
  const __m512 scale = _mm512_set1_ps(multiplier);
  for (size_t p = 0; p < tile.pixels; ++p, y += tile.channels) {
    const size_t at = p * tile.pixel_step;
    size_t ch = 0;
    for (; ch + 192 < tile.channels; ch += 256) {
      average<4>(tile, ch, at, init, scale, requant_v, y);
    }
    if (ch >= tile.channels) continue;
    switch ((tile.channels - ch + 63) / 64) {
      case 1:
        average<1>(tile, ch, at, init, scale, requant_v, y);
        break;
      case 2:
        average<2>(tile, ch, at, init, scale, requant_v, y);
        break;
      default:
        average<3>(tile, ch, at, init, scale, requant_v, y);
    }
  }
}

}  // namespace octavo
