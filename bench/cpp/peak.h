// What the CPU could do at best, and how time is taken: shared by the benchmarks of this folder.
#pragma once

#include <time.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/arch.h"

namespace octavo {

// Time this thread has run: being preempted on a busy machine does not count.
inline double now_seconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

inline double wall_seconds() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Runs a loop of independent u8 x s8 -> int32 dot products `left` times; returns the multiply-adds
// of one iteration, or 0 where the backend's are not known.
inline double run_dots([[maybe_unused]] std::string_view backend, [[maybe_unused]] long left) {
#if defined(OCTAVO_X86_64)
  if (backend == "avx512vnni") {
    // clang-format off
    __asm__ volatile(
        ".macro OCTAVO_DOT r\n vpdpbusd %%zmm30, %%zmm31, %%zmm\\r\n .endm\n"
        "1:\n .irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23\n"
        " OCTAVO_DOT \\r\n .endr\n dec %0\n jnz 1b\n vzeroupper\n .purgem OCTAVO_DOT\n"
        : "+r"(left) : : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
        "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    // clang-format on
    return 24.0 * 64;
  }
  if (backend == "avx2") {
    // clang-format off
    __asm__ volatile(
        ".macro OCTAVO_DOT r, t, u\n vpmaddubsw %%ymm14, %%ymm15, %%ymm\\t\n"
        " vpmaddubsw %%ymm14, %%ymm15, %%ymm\\u\n vpaddw %%ymm\\u, %%ymm\\t, %%ymm\\t\n"
        " vpmaddwd %%ymm13, %%ymm\\t, %%ymm\\t\n vpaddd %%ymm\\t, %%ymm\\r, %%ymm\\r\n .endm\n"
        "1:\n .irp r,0,1,2,3,4,5,6,7\n"
        " OCTAVO_DOT \\r, 8, 9\n .endr\n dec %0\n jnz 1b\n vzeroupper\n .purgem OCTAVO_DOT\n"
        : "+r"(left) : : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
        "xmm8", "xmm9", "xmm13", "xmm14", "xmm15");
    // clang-format on
    return 8.0 * 64;
  }
#elif defined(OCTAVO_AARCH64)
  // clang-format off
#define OCTAVO_CLOBBERS "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", \
    "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23"
  if (backend == "neoni8mm") {
    __asm__ volatile(
        ".arch armv8.2-a+i8mm\n"
        "1:\n .irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23\n"
        " usmmla v\\r\\().4s, v30.16b, v31.16b\n .endr\n subs %0, %0, #1\n b.ne 1b\n"
        : "+r"(left) : : OCTAVO_CLOBBERS);
    return 24.0 * 32;
  }
  if (backend == "neondot") {
    __asm__ volatile(
        ".arch armv8.2-a+dotprod\n"
        "1:\n .irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23\n"
        " sdot v\\r\\().4s, v30.16b, v31.4b[0]\n .endr\n subs %0, %0, #1\n b.ne 1b\n"
        : "+r"(left) : : OCTAVO_CLOBBERS);
    return 24.0 * 16;
  }
  if (backend == "neon") {
    __asm__ volatile(
        "1:\n .irp r,0,1,2,3,4,5,6,7,8,9,10,11\n smull v24.8h, v30.8b, v31.8b\n"
        " smlsl2 v24.8h, v30.16b, v31.16b\n sadalp v\\r\\().4s, v24.8h\n .endr\n"
        " subs %0, %0, #1\n b.ne 1b\n"
        : "+r"(left) : : OCTAVO_CLOBBERS, "v24");
    return 12.0 * 16;
  }
#undef OCTAVO_CLOBBERS
  // clang-format on
#endif
  return 0;
}

// Multiply-adds a second, or 0 where unknown.
inline double dot_peak(std::string_view backend) {
  constexpr long kIterations = 400'000;
  const double start = now_seconds();
  const double macs = run_dots(backend, kIterations);
  return macs * kIterations / (now_seconds() - start);
}

}  // namespace octavo
