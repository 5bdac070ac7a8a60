// Shared by the main loops of the integer GEMMs.
#pragma once

#include <arm_neon.h>

#include "kernels/inline.h"

namespace octavo {
namespace {

// A load that stays where it is written: compilers would put it right before its use, where a CPU
// that executes in order waits for it.
OCTAVO_INLINE int8x16_t load_here(const int8_t* b) {
  int8x16_t bv = vld1q_s8(b);
#if OCTAVO_HAS_EXTENSIONS
  __asm__ volatile("" : "+w"(bv));
#endif
  return bv;
}

}  // namespace
}  // namespace octavo
