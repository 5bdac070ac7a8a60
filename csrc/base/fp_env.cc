#include "base/fp_env.h"

#include "base/arch.h"

#if defined(OCTAVO_X86_64)
#include <xmmintrin.h>
#elif defined(OCTAVO_AARCH64) && defined(_MSC_VER)
#include <intrin.h>
#elif !defined(OCTAVO_AARCH64)
#include <cfenv>
#endif

namespace octavo {

#if defined(OCTAVO_X86_64)

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

#elif defined(OCTAVO_AARCH64)

namespace {

// The floating-point control register; 0 is its value at process start.
#if defined(_MSC_VER)
uint64_t get_fpcr() { return static_cast<uint64_t>(_ReadStatusReg(ARM64_FPCR)); }
void set_fpcr(uint64_t value) { _WriteStatusReg(ARM64_FPCR, static_cast<__int64>(value)); }
#else
uint64_t get_fpcr() {
  uint64_t value;
  __asm__ volatile("mrs %0, fpcr" : "=r"(value));
  return value;
}
void set_fpcr(uint64_t value) { __asm__ volatile("msr fpcr, %0" : : "r"(value)); }
#endif

}  // namespace

FpEnvGuard::FpEnvGuard() : saved_(get_fpcr()) {
  if (saved_ != 0) set_fpcr(0);
}

FpEnvGuard::~FpEnvGuard() {
  if (saved_ != 0) set_fpcr(saved_);
}

#else

FpEnvGuard::FpEnvGuard() : saved_(static_cast<uint64_t>(std::fegetround())) {
  std::fesetround(FE_TONEAREST);
}

FpEnvGuard::~FpEnvGuard() { std::fesetround(static_cast<int>(saved_)); }

#endif

}  // namespace octavo
