// Depthwise convolution, u8 x s8 with usdot, which takes activations as they are:
//
//   acc[ch] = bias[ch] + sum over taps (x, y) of a(y, column of x)[ch] * w[x][y][ch]
//
// int32, wrap-around. The loops are those of sdot.
#include "kernels/neondot/depthwise_dot.h"
#include "kernels/neoni8mm/kernels.h"

namespace octavo {
namespace {

struct MixedDot {
  OCTAVO_INLINE_MEMBER static uint8x16_t activations(uint8x16_t x) { return x; }
  OCTAVO_INLINE_MEMBER static int32x4_t dot(int32x4_t acc, uint8x16_t x, int8x16_t w) {
    return vusdotq_s32(acc, x, w);
  }
  OCTAVO_INLINE_MEMBER static int32x4_t start(int32x4_t start, int8x16_t) { return start; }
};

}  // namespace

void depthwise_u8s8_s32_16x4_neoni8mm(const DepthwiseTile& tile, int32_t* c, size_t ldc) {
  for_each_step(tile, [&](const auto& step) { run_step<MixedDot>(tile, step, OutputS32{c}, ldc); });
}

void depthwise_u8s8_u8_16x4_neoni8mm(const DepthwiseTile& tile, const Requant& requant, uint8_t* c,
                                     size_t ldc) {
  const OutputU8 output = {c, broadcast_requant(requant)};
  for_each_step(tile, [&](const auto& step) { run_step<MixedDot>(tile, step, output, ldc); });
}

}  // namespace octavo
