// Sums and products of sizes that may not fit.
#pragma once

#include <concepts>
#include <limits>

namespace octavo {

// True if a + b is no T; else it is in *sum.
template <std::integral T>
constexpr bool add_overflows(T a, T b, T* sum) {
  using Limits = std::numeric_limits<T>;
  if (b >= 0 ? a > Limits::max() - b : a < Limits::min() - b) return true;
  *sum = static_cast<T>(a + b);
  return false;
}

// True if a * b is no T; else it is in *product. b >= 0.
template <std::integral T>
constexpr bool mul_overflows(T a, T b, T* product) {
  using Limits = std::numeric_limits<T>;
  if (b > 0 && (a > Limits::max() / b || a < Limits::min() / b)) return true;
  *product = static_cast<T>(a * b);
  return false;
}

}  // namespace octavo
