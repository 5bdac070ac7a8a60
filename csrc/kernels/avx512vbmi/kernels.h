// What permuting bytes across a register (VBMI: Ice Lake, Zen 4 and later) makes faster.
#pragma once

#include "kernels/contract.h"

namespace octavo {

RequantizeU8Fn requantize_u8_avx512vbmi;
LookupU8Fn lookup_u8_avx512vbmi;

}  // namespace octavo
