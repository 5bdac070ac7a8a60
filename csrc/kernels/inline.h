// What kernels need of a compiler beyond C++, in one place: words of GCC and clang, and what stands
// for them elsewhere. OCTAVO_NO_EXTENSIONS (a CMake option) takes the latter everywhere, so that
// tests can run it. The results are the same, only slower.
//
// Helpers in ISA files must leave no symbol behind: an external inline function would be merged
// across ISAs by the linker and could crash an older CPU.
#pragma once

#if (defined(__GNUC__) || defined(__clang__)) && !defined(OCTAVO_NO_EXTENSIONS)

#define OCTAVO_HAS_EXTENSIONS 1
#define OCTAVO_INLINE static inline __attribute__((always_inline))
#define OCTAVO_INLINE_MEMBER inline __attribute__((always_inline))
#define OCTAVO_INLINE_LAMBDA __attribute__((always_inline))

// Before a loop of constant length: it must be gone before GCC decides what lives in registers.
#define OCTAVO_UNROLL _Pragma("GCC unroll 16")

#define OCTAVO_LIKELY(condition) __builtin_expect(condition, 1)
#define OCTAVO_UNLIKELY(condition) __builtin_expect(condition, 0)

// acc = intrinsic(acc, a, b), which is one instruction on registers of the class that the letter
// names. Compilers know what the intrinsic does and copy accumulators around it; see README.md.
#define OCTAVO_ACCUMULATE(instruction, intrinsic, letter, acc, a, b) \
  __asm__(instruction " %2, %1, %0" : "+" letter(acc) : letter(a), letter(b))

// The compiler must have x in a register here, and cannot know its value any more.
#define OCTAVO_KEEP(letter, x) __asm__("" : "+" letter(x))

#else

#define OCTAVO_HAS_EXTENSIONS 0
#if defined(_MSC_VER) && !defined(__clang__)
#define OCTAVO_INLINE static __forceinline
#define OCTAVO_INLINE_MEMBER __forceinline
#define OCTAVO_INLINE_LAMBDA [[msvc::forceinline]]
#else
#define OCTAVO_INLINE static inline
#define OCTAVO_INLINE_MEMBER inline
#define OCTAVO_INLINE_LAMBDA
#endif
#define OCTAVO_UNROLL
#define OCTAVO_LIKELY(condition) (condition)
#define OCTAVO_UNLIKELY(condition) (condition)
#define OCTAVO_ACCUMULATE(instruction, intrinsic, letter, acc, a, b) acc = intrinsic(acc, a, b)
#define OCTAVO_KEEP(letter, x) static_cast<void>(x)

#endif
