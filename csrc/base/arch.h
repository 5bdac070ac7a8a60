// What differs between compilers and CPUs, under one name each.
#pragma once

#if defined(__x86_64__) || (defined(_M_X64) && !defined(_M_ARM64EC))
#define OCTAVO_X86_64 1
#include <xmmintrin.h>
#elif defined(__aarch64__) || defined(_M_ARM64)
#define OCTAVO_AARCH64 1
#endif

namespace octavo {

// Asks for the cache line at an address, into L2. An address that is not there does no harm.
inline void prefetch_l2([[maybe_unused]] const void* address) {
#if defined(OCTAVO_X86_64)
  _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T1);
#elif defined(__GNUC__) || defined(__clang__)
  __builtin_prefetch(address, 0, 2);
#endif
}

}  // namespace octavo
