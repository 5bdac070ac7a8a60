// Helpers in ISA files must leave no symbol behind: an external inline function would be merged
// across ISAs by the linker and could crash an older CPU.
#pragma once

#define OCTAVO_INLINE static inline __attribute__((always_inline))
#define OCTAVO_INLINE_MEMBER inline __attribute__((always_inline))

// Before a loop of constant length: it must be gone before GCC decides what lives in registers.
#define OCTAVO_UNROLL _Pragma("GCC unroll 16")
