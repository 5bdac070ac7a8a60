// The micro-kernels of this ISA other than the integer GEMM, where they are not NEON's.
#pragma once

#include "kernels/neon/kernels.h"

namespace octavo {

DepthwiseS32Fn depthwise_u8s8_s32_16x4_neondot;
DepthwiseU8Fn depthwise_u8s8_u8_16x4_neondot;

}  // namespace octavo
