// What the CPU could do at best, and how time is taken: shared by the benchmarks of this folder.
#pragma once

#include <time.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

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

// u8 x s8 -> int32 multiply-adds a second of 12 + 12 independent chains, or 0 where unknown.
inline double dot_peak(std::string_view backend) {
  constexpr long kIterations = 400'000;
  long left = kIterations;
  double macs = 0;
  const double start = now_seconds();
#if defined(__x86_64__)
  if (backend == "avx512vnni") {
    // clang-format off
    __asm__ volatile(
        ".macro OCTAVO_DOT r\n vpdpbusd %%zmm30, %%zmm31, %%zmm\\r\n .endm\n"
        "1:\n .irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23\n"
        " OCTAVO_DOT \\r\n .endr\n dec %0\n jnz 1b\n vzeroupper\n .purgem OCTAVO_DOT\n"
        : "+r"(left) : : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
        "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    // clang-format on
    macs = 24.0 * 64;
  } else if (backend == "avx2") {
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
    macs = 8.0 * 64;
  }
#endif
  return macs * kIterations / (now_seconds() - start);
}

}  // namespace octavo
