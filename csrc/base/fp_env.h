// The floating-point environment kernels rely on: round to nearest even, no flush to zero.
#pragma once

#include <cstdint>

namespace octavo {

// Sets the default environment for its scope and restores the host's afterwards, so that a
// program that changed the rounding mode or enabled FTZ/DAZ gets the same bits as any other.
class FpEnvGuard {
 public:
  FpEnvGuard();
  ~FpEnvGuard();
  FpEnvGuard(const FpEnvGuard&) = delete;
  FpEnvGuard& operator=(const FpEnvGuard&) = delete;

 private:
  uint64_t saved_;
};

}  // namespace octavo
