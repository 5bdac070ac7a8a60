// Pooling windows of NHWC rows, 64 or 16 channels at a time along the windows of a row.
//
// Maximum: umax. Where windows of 3 step by 2, the last column of one is the first of the next and
// its maximum is kept: 6 loads a window instead of 9.
//
// Average: uaddw and uaddw2 sum bytes in 16 bits, which hold 257 of them, then in 32.
//
// Channels beyond 16s: the last 16 once more, overlapping; below 16 channels only the bytes that
// exist are loaded.
#include "kernels/neon/epilogue.h"
#include "kernels/neon/kernels.h"

namespace octavo {
namespace {

// kVectors times 16 channels.
template <int kVectorCount>
struct Channels {
  enum { kVectors = kVectorCount };

  OCTAVO_INLINE_MEMBER uint8x16_t load(const uint8_t* x) const { return vld1q_u8(x); }
  OCTAVO_INLINE_MEMBER void store(uint8_t* y, uint8x16_t v) const { vst1q_u8(y, v); }
};

struct FewChannels {
  enum { kVectors = 1 };
  size_t n;

  OCTAVO_INLINE_MEMBER uint8x16_t load(const uint8_t* x) const { return load_u8x16(x, n); }
  OCTAVO_INLINE_MEMBER void store(uint8_t* y, uint8x16_t v) const { store_u8x16(y, v, n); }
};

// body(access, first channel) covers every channel.
template <class Body>
OCTAVO_INLINE void for_channels(size_t channels, const Body& body) {
  if (channels < 16) return body(FewChannels{channels}, (size_t)0);
  size_t ch = 0;
  for (; ch + 64 <= channels; ch += 64) body(Channels<4>{}, ch);
  for (; ch + 16 <= channels; ch += 16) body(Channels<1>{}, ch);
  if (ch < channels) body(Channels<1>{}, channels - 16);
}

// The maximum over the rows of one column joins max.
template <class Access>
OCTAVO_INLINE void add_column(const Access& access, const PoolTile& tile, size_t at,
                              uint8x16_t (&max)[Access::kVectors]) {
  for (size_t r = 0; r < tile.row_count; ++r) {
    const uint8_t* x = tile.rows[r] + at;
    OCTAVO_UNROLL for (int v = 0; v < Access::kVectors; ++v) {
      max[v] = vmaxq_u8(max[v], access.load(x + 16 * v));
    }
  }
}

template <class Access>
OCTAVO_INLINE void clear(uint8x16_t (&max)[Access::kVectors]) {
  OCTAVO_UNROLL for (int v = 0; v < Access::kVectors; ++v) max[v] = vdupq_n_u8(0);
}

// All windows, of the channels that `access` takes from ch on.
template <class Access>
OCTAVO_INLINE void max_along(const PoolTile& tile, const Access& access, size_t ch, uint8_t* y) {
  const bool shares_columns = tile.taps == 3 && tile.pixel_step == 2 * tile.tap_step;
  uint8x16_t first[Access::kVectors], max[Access::kVectors];
  clear<Access>(first);
  if (shares_columns) add_column(access, tile, ch, first);
  for (size_t p = 0, at = ch; p < tile.pixels; ++p, at += tile.pixel_step) {
    OCTAVO_UNROLL for (int v = 0; v < Access::kVectors; ++v) max[v] = first[v];
    if (shares_columns) {
      clear<Access>(first);
      add_column(access, tile, at + tile.tap_step, max);
      add_column(access, tile, at + 2 * tile.tap_step, first);
      OCTAVO_UNROLL for (int v = 0; v < Access::kVectors; ++v) max[v] = vmaxq_u8(max[v], first[v]);
    } else {
      for (size_t t = 0; t < tile.taps; ++t) add_column(access, tile, at + t * tile.tap_step, max);
    }
    OCTAVO_UNROLL for (int v = 0; v < Access::kVectors; ++v) {
      access.store(y + p * tile.channels + ch + 16 * v, max[v]);
    }
  }
}

struct Average {
  int32_t init;
  float32x4_t scale;
  RequantVectors requant;

  // Adds 16-bit sums to the 32-bit ones and clears them.
  OCTAVO_INLINE_MEMBER static void widen(uint16x8_t (&sums)[2], uint32x4_t (&wide)[4]) {
    OCTAVO_UNROLL for (int k = 0; k < 2; ++k) {
      wide[2 * k] = vaddw_u16(wide[2 * k], vget_low_u16(sums[k]));
      wide[2 * k + 1] = vaddw_high_u16(wide[2 * k + 1], sums[k]);
      sums[k] = vdupq_n_u16(0);
    }
  }

  // One window of the channels that `access` takes from ch on.
  template <class Access>
  OCTAVO_INLINE_MEMBER void window(const PoolTile& tile, const Access& access, size_t ch, size_t p,
                                   uint8_t* y) const {
    constexpr size_t kRoom = 257;  // 257 * 255 < 2^16
    uint16x8_t sums[Access::kVectors][2];
    uint32x4_t wide[Access::kVectors][4];
    OCTAVO_UNROLL for (int v = 0; v < Access::kVectors; ++v) {
      OCTAVO_UNROLL for (int k = 0; k < 2; ++k) sums[v][k] = vdupq_n_u16(0);
      OCTAVO_UNROLL for (int k = 0; k < 4; ++k) wide[v][k] = vdupq_n_u32((uint32_t)init);
    }
    size_t room = kRoom;
    for (size_t r = 0; r < tile.row_count; ++r) {
      const uint8_t* x = tile.rows[r] + p * tile.pixel_step + ch;
      for (size_t left = tile.taps; left > 0;) {
        const size_t run = left < room ? left : room;
        for (size_t t = 0; t < run; ++t, x += tile.tap_step) {
          OCTAVO_UNROLL for (int v = 0; v < Access::kVectors; ++v) {
            const uint8x16_t bytes = access.load(x + 16 * v);
            sums[v][0] = vaddw_u8(sums[v][0], vget_low_u8(bytes));
            sums[v][1] = vaddw_high_u8(sums[v][1], bytes);
          }
        }
        left -= run;
        room -= run;
        if (room != 0) continue;
        OCTAVO_UNROLL for (int v = 0; v < Access::kVectors; ++v) widen(sums[v], wide[v]);
        room = kRoom;
      }
    }
    OCTAVO_UNROLL for (int v = 0; v < Access::kVectors; ++v) {
      widen(sums[v], wide[v]);
      float32x4_t scaled[4];
      OCTAVO_UNROLL for (int k = 0; k < 4; ++k) {
        scaled[k] = vmulq_f32(vcvtq_f32_s32(vreinterpretq_s32_u32(wide[v][k])), scale);
      }
      access.store(y + p * tile.channels + ch + 16 * v, narrow_u8x16(scaled, requant));
    }
  }
};

}  // namespace

void max_u8_neon(const PoolTile& tile, uint8_t* y) {
  for_channels(tile.channels, [&](const auto& access, size_t ch)
                                  OCTAVO_INLINE_LAMBDA { max_along(tile, access, ch, y); });
}

void avg_u8_neon(const PoolTile& tile, int32_t init, float multiplier, const Requant& requant,
                 uint8_t* y) {
  const Average average = {init, vdupq_n_f32(multiplier), broadcast_requant(requant)};
  for_channels(tile.channels, [&](const auto& access, size_t ch) OCTAVO_INLINE_LAMBDA {
    for (size_t p = 0; p < tile.pixels; ++p) average.window(tile, access, ch, p, y);
  });
}

}  // namespace octavo
