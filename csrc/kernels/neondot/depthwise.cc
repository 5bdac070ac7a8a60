// Depthwise convolution, u8 x s8 with sdot:
//
//   acc[ch] = bias[ch] + sum over taps (x, y) of a(y, column of x)[ch] * w[x][y][ch]
//
// int32, wrap-around. Panels of 16 channels (pack/layout.h: kernel_w segments of kernel_h), a step
// each. How: depthwise_dot.h, ../neon/depthwise_loops.h.
#include "kernels/neondot/depthwise_dot.h"
#include "kernels/neondot/kernels.h"

namespace octavo {

void depthwise_u8s8_s32_16x4_neondot(const DepthwiseTile& tile, int32_t* c, size_t ldc) {
  for_each_step(tile,
                [&](const auto& step) { run_step<SignedDot>(tile, step, OutputS32{c}, ldc); });
}

void depthwise_u8s8_u8_16x4_neondot(const DepthwiseTile& tile, const Requant& requant, uint8_t* c,
                                    size_t ldc) {
  const OutputU8 output = {c, broadcast_requant(requant)};
  for_each_step(tile, [&](const auto& step) { run_step<SignedDot>(tile, step, output, ldc); });
}

}  // namespace octavo
