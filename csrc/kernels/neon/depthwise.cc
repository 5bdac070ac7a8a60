// Depthwise convolution, u8 x s8, exact without dot products:
//
//   acc[ch] = bias[ch] + sum over taps (x, y) of a(y, column of x)[ch] * w[x][y][ch]
//
// int32, wrap-around. Panels of 16 channels (pack/layout.h: kernel_w segments of kernel_h), a step
// each. Steps outer, pixels inner: a step's weights stay in registers (3x3) or on the stack while
// the pixels pass. How: depthwise_products.h, depthwise_loops.h.
#include "kernels/neon/depthwise_loops.h"
#include "kernels/neon/depthwise_products.h"
#include "kernels/neon/kernels.h"

namespace octavo {
namespace {

template <bool kFull, class Output>
void run_step(const DepthwiseTile& tile, const Step<kFull>& step, const Output& output,
              size_t ldc) {
  const PanelWeights in_place = {panel_weights(step.panel, kNr)};
  const size_t groups = weight_groups(tile);
  Sums start;
  if (groups > kMaxStagedGroups) {
    load_start(step.panel, in_place, groups, start);
    run_any<PairedProducts>(tile, step, in_place, start, output, ldc);
  } else {
    const StagedWeights weights(in_place, groups);
    load_start(step.panel, weights, groups, start);
    run_pixels<PairedProducts>(tile, step, weights, start, output, ldc);
  }
}

}  // namespace

void depthwise_u8s8_s32_16x4_neon(const DepthwiseTile& tile, int32_t* c, size_t ldc) {
  for_each_step(tile, [&](const auto& step) { run_step(tile, step, OutputS32{c}, ldc); });
}

void depthwise_u8s8_u8_16x4_neon(const DepthwiseTile& tile, const Requant& requant, uint8_t* c,
                                 size_t ldc) {
  const OutputU8 output = {c, broadcast_requant(requant)};
  for_each_step(tile, [&](const auto& step) { run_step(tile, step, output, ldc); });
}

}  // namespace octavo
