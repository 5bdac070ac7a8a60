// Pooling windows of NHWC rows, 32 channels at a time along the windows of a row.
//
// Maximum: vpmaxub straight from memory. Where windows of 3 step by 2, the last column of one is
// the first of the next and its maximum is kept: 6 loads a window instead of 9.
//
// Average: bytes are summed in 16 bits, 3 instructions for 32 of them. `all` adds the bytes as they
// lie, in pairs; `odd` adds the upper one of each pair; the lower one's sum is all - 256 * odd,
// exact modulo 2^16 for up to 256 taps. Then both are widened into 32 bits, in an order from which
// the epilogue's packs restore channel order.
//
//   vpaddw, vpsrlw, vpaddw     per 32 bytes
//
// Channels beyond 32s: the last 32 once more, overlapping; below 32 channels the last 16 likewise;
// below 16 only the bytes that exist are loaded.
#include "kernels/avx2/epilogue.h"
#include "kernels/avx2/kernels.h"

namespace octavo {
namespace {

struct Bytes32 {
  OCTAVO_INLINE_MEMBER __m256i load(const uint8_t* x) const {
    return _mm256_loadu_si256((const __m256i*)x);
  }
  OCTAVO_INLINE_MEMBER void store(uint8_t* y, __m256i v) const {
    _mm256_storeu_si256((__m256i*)y, v);
  }
};

struct Bytes16 {
  OCTAVO_INLINE_MEMBER __m256i load(const uint8_t* x) const {
    return _mm256_zextsi128_si256(_mm_loadu_si128((const __m128i*)x));
  }
  OCTAVO_INLINE_MEMBER void store(uint8_t* y, __m256i v) const {
    _mm_storeu_si128((__m128i*)y, _mm256_castsi256_si128(v));
  }
};

struct FewBytes {
  size_t low;   // of the first 8
  size_t high;  // of the second 8

  OCTAVO_INLINE_MEMBER __m256i load(const uint8_t* x) const {
    return _mm256_zextsi128_si256(_mm_unpacklo_epi64(load_u8x8(x, low), load_u8x8(x + low, high)));
  }
  OCTAVO_INLINE_MEMBER void store(uint8_t* y, __m256i v) const {
    const __m128i bytes = _mm256_castsi256_si128(v);
    store_u8x8(y, bytes, low);
    store_u8x8(y + low, _mm_unpackhi_epi64(bytes, bytes), high);
  }
};

// body(access, first channel) covers every channel.
template <class Body>
OCTAVO_INLINE void for_channels(size_t channels, const Body& body) {
  if (channels >= 32) {
    for (size_t ch = 0; ch + 32 <= channels; ch += 32) body(Bytes32{}, ch);
    if (channels % 32 != 0) body(Bytes32{}, channels - 32);
  } else if (channels >= 16) {
    body(Bytes16{}, (size_t)0);
    if (channels > 16) body(Bytes16{}, channels - 16);
  } else {
    const size_t low = channels < 8 ? channels : 8;
    body(FewBytes{low, channels - low}, (size_t)0);
  }
}

// The maximum of one column; kRows = 0 takes `count` rows.
template <size_t kRows, class Access>
OCTAVO_INLINE __m256i column_max(const Access& access, const uint8_t* const* rows, size_t count,
                                 size_t at) {
  __m256i max = access.load(rows[0] + at);
  const size_t n = kRows == 0 ? count : kRows;
#pragma GCC unroll 3
  for (size_t r = 1; r < n; ++r) max = _mm256_max_epu8(max, access.load(rows[r] + at));
  return max;
}

// All windows, of the channels that `access` takes from ch on.
template <size_t kRows, class Access>
OCTAVO_INLINE void max_along(const PoolTile& tile, const Access& access, size_t ch, uint8_t* y) {
  const uint8_t* local[kRows == 0 ? 1 : kRows];
  for (size_t r = 0; r < kRows; ++r) local[r] = tile.rows[r];
  const auto column = [&](size_t at) OCTAVO_INLINE_LAMBDA {
    return column_max<kRows>(access, kRows == 0 ? tile.rows : local, tile.row_count, at);
  };
  const size_t tap = tile.tap_step, step = tile.pixel_step;
  if (tile.taps == 3 && step == 2 * tap) {
    __m256i left = column(ch);
    for (size_t p = 0, at = ch; p < tile.pixels; ++p, at += step) {
      const __m256i middle = column(at + tap), right = column(at + 2 * tap);
      access.store(y + p * tile.channels + ch,
                   _mm256_max_epu8(_mm256_max_epu8(left, middle), right));
      left = right;
    }
    return;
  }
  for (size_t p = 0, at = ch; p < tile.pixels; ++p, at += step) {
    __m256i max = column(at);
    for (size_t t = 1; t < tile.taps; ++t) max = _mm256_max_epu8(max, column(at + t * tap));
    access.store(y + p * tile.channels + ch, max);
  }
}

template <size_t kRows>
OCTAVO_INLINE void max_windows(const PoolTile& tile, uint8_t* y) {
  for_channels(tile.channels, [&](const auto& access, size_t ch)
                                  OCTAVO_INLINE_LAMBDA { max_along<kRows>(tile, access, ch, y); });
}

struct Average {
  int32_t init;
  __m256 scale;
  RequantVectors requant;

  // Adds `all` and `odd` of up to 256 taps to the 32-bit sums.
  OCTAVO_INLINE_MEMBER static void widen(__m256i all, __m256i odd, __m256i* wide) {
    const __m256i zero = _mm256_setzero_si256();
    const __m256i even = _mm256_sub_epi16(all, _mm256_slli_epi16(odd, 8));
    const __m256i low = _mm256_unpacklo_epi16(even, odd);
    const __m256i high = _mm256_unpackhi_epi16(even, odd);
    wide[0] = _mm256_add_epi32(wide[0], _mm256_unpacklo_epi16(low, zero));
    wide[1] = _mm256_add_epi32(wide[1], _mm256_unpackhi_epi16(low, zero));
    wide[2] = _mm256_add_epi32(wide[2], _mm256_unpacklo_epi16(high, zero));
    wide[3] = _mm256_add_epi32(wide[3], _mm256_unpackhi_epi16(high, zero));
  }

  OCTAVO_INLINE_MEMBER __m256 scaled(__m256i sum) const {
    return _mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale);
  }

  // One window of the channels that `access` takes from ch[0], ch[1], ... on: rows are read once.
  template <int kVectors, class Access>
  OCTAVO_INLINE_MEMBER void window(const PoolTile& tile, const Access& access, const size_t* ch,
                                   size_t p, uint8_t* y) const {
    __m256i wide[kVectors][4], all[kVectors], odd[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      all[v] = odd[v] = _mm256_setzero_si256();
      for (int k = 0; k < 4; ++k) wide[v][k] = _mm256_set1_epi32(init);
    }
    size_t room = 256;
    for (size_t r = 0; r < tile.row_count; ++r) {
      const uint8_t* x = tile.rows[r] + p * tile.pixel_step;
      for (size_t left = tile.taps; left > 0;) {
        const size_t run = left < room ? left : room;
        for (size_t t = 0; t < run; ++t, x += tile.tap_step) {
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) {
            const __m256i bytes = access.load(x + ch[v]);
            all[v] = _mm256_add_epi16(all[v], bytes);
            odd[v] = _mm256_add_epi16(odd[v], _mm256_srli_epi16(bytes, 8));
          }
        }
        left -= run;
        room -= run;
        if (room != 0) continue;
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          widen(all[v], odd[v], wide[v]);
          all[v] = odd[v] = _mm256_setzero_si256();
        }
        room = 256;
      }
    }
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      widen(all[v], odd[v], wide[v]);
      access.store(y + p * tile.channels + ch[v],
                   narrow_in_lanes_u8x32(scaled(wide[v][0]), scaled(wide[v][1]), scaled(wide[v][2]),
                                         scaled(wide[v][3]), requant));
    }
  }

  // Up to 4 * 32 channels from ch on, the last 32 of the tensor at most; returns where to go on.
  OCTAVO_INLINE_MEMBER size_t block(const PoolTile& tile, size_t ch, size_t p, uint8_t* y) const {
    const size_t last = tile.channels - 32, vectors = (tile.channels - ch + 31) / 32;
    size_t at[4];
    for (size_t v = 0; v < 4; ++v) at[v] = ch + 32 * v < last ? ch + 32 * v : last;
    switch (vectors) {
      case 1:
        window<1>(tile, Bytes32{}, at, p, y);
        break;
      case 2:
        window<2>(tile, Bytes32{}, at, p, y);
        break;
      case 3:
        window<3>(tile, Bytes32{}, at, p, y);
        break;
      default:
        window<4>(tile, Bytes32{}, at, p, y);
    }
    return ch + 128;
  }
};

}  // namespace

void max_u8_avx2(const PoolTile& tile, uint8_t* y) {
  switch (tile.row_count) {
    case 2:
      return max_windows<2>(tile, y);
    case 3:
      return max_windows<3>(tile, y);
    default:
      return max_windows<0>(tile, y);
  }
}

void avg_u8_avx2(const PoolTile& tile, int32_t init, float multiplier, const Requant& requant,
                 uint8_t* y) {
  const Average average = {init, _mm256_set1_ps(multiplier), broadcast_requant(requant)};
  if (tile.channels >= 32) {
    for (size_t p = 0; p < tile.pixels; ++p) {
      for (size_t ch = 0; ch < tile.channels;) ch = average.block(tile, ch, p, y);
    }
    return;
  }
  for_channels(tile.channels, [&](const auto& access, size_t ch) OCTAVO_INLINE_LAMBDA {
    for (size_t p = 0; p < tile.pixels; ++p) average.window<1>(tile, access, &ch, p, y);
  });
}

}  // namespace octavo
