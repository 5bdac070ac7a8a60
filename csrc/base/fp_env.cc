#include "base/fp_env.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#elif !defined(__aarch64__)
#include <cfenv>
#endif

namespace octavo {

#if defined(__x86_64__)

namespace {
// All exceptions masked, round to nearest even, no FTZ, no DAZ: the value at process start.
constexpr uint32_t kDefaultMxcsr = 0x1f80;
constexpr uint32_t kStatusFlags = 0x3f;
}  // namespace

FpEnvGuard::FpEnvGuard() : saved_(_mm_getcsr()) {
  if ((saved_ & ~uint64_t{kStatusFlags}) != kDefaultMxcsr) _mm_setcsr(kDefaultMxcsr);
}

FpEnvGuard::~FpEnvGuard() {
  if ((saved_ & ~uint64_t{kStatusFlags}) != kDefaultMxcsr) {
    _mm_setcsr(static_cast<uint32_t>(saved_));
  }
}

#elif defined(__aarch64__)

FpEnvGuard::FpEnvGuard() {
  __asm__ volatile("mrs %0, fpcr" : "=r"(saved_));
  if (saved_ != 0) __asm__ volatile("msr fpcr, %0" : : "r"(uint64_t{0}));
}

FpEnvGuard::~FpEnvGuard() {
  if (saved_ != 0) __asm__ volatile("msr fpcr, %0" : : "r"(saved_));
}

#else

FpEnvGuard::FpEnvGuard() : saved_(static_cast<uint64_t>(std::fegetround())) {
  std::fesetround(FE_TONEAREST);
}

FpEnvGuard::~FpEnvGuard() { std::fesetround(static_cast<int>(saved_)); }

#endif

}  // namespace octavo
