// The micro-kernels of this ISA other than the integer GEMM, where they are not those of sdot.
#pragma once

#include "kernels/neondot/kernels.h"

namespace octavo {

DepthwiseS32Fn depthwise_u8s8_s32_16x4_neoni8mm;
DepthwiseU8Fn depthwise_u8s8_u8_16x4_neoni8mm;

}  // namespace octavo
