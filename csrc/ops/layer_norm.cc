#include "ops/layer_norm.h"

#include <cmath>
#include <string>

#include "ops/checks.h"
#include "ops/split.h"

namespace octavo {
namespace {

constexpr size_t kGrain = size_t{1} << 15;

void check_finite(const char* name, const float* values, size_t n) {
  check_pointer(name, values, n, alignof(float));
  for (size_t i = 0; i < n; ++i) {
    if (!std::isfinite(values[i])) {
      fail(name, std::to_string(values[i]) + " at " + std::to_string(i), "finite values");
    }
  }
}

void check_epsilon(double epsilon) {
  constexpr double kLeast = 0x1p-100, kMost = 0x1p100;
  if (!(epsilon >= kLeast && epsilon <= kMost)) {
    fail("epsilon", std::to_string(epsilon), "2^-100 to 2^100 squared steps of the input");
  }
}

// Sums of eight interleaved parts, which compilers turn into vectors, added pairwise.
class EightSums {
 public:
  template <class Term>
  EightSums(size_t n, const Term& term) {
    size_t j = 0;
    for (; j + 8 <= n; j += 8) {
      for (size_t lane = 0; lane < 8; ++lane) sums_[lane] += term(j + lane);
    }
    for (size_t lane = 0; j < n; ++j, ++lane) sums_[lane] += term(j);
  }

  double total() const {
    return ((sums_[0] + sums_[1]) + (sums_[2] + sums_[3])) +
           ((sums_[4] + sums_[5]) + (sums_[6] + sums_[7]));
  }

 private:
  double sums_[8] = {};
};

}  // namespace

void layer_norm(const Context& context, const uint8_t* x, size_t rows, size_t n, const float* gamma,
                const float* beta, double epsilon, const QuantRange& range, uint8_t* y) {
  const size_t size = checked_product("x", {rows, n});
  check_pointer("x", x, size);
  check_pointer("y", y, size);
  check_extent("n", n, kMaxLayerNorm);
  check_finite("gamma", gamma, n);
  check_finite("beta", beta, n);
  check_epsilon(epsilon);
  check_range("output", range);
  const Requant requant = to_requant(range);
  const KernelTable& kernels = context.kernels();
  const double count = static_cast<double>(n);
  const double floor = epsilon * count * count;
  split_rows(context, rows, n, kGrain, [&](size_t row) {
    Moments moments;
    kernels.moments_u8.run(x + row * n, n, &moments);
    const auto variance = static_cast<double>(n * moments.squares - moments.sum * moments.sum);
    const auto scale = static_cast<float>(1.0 / std::sqrt(variance + floor));
    kernels.normalize_u8.run(x + row * n, n, static_cast<int32_t>(moments.sum), scale, gamma, beta,
                             requant, y + row * n);
  });
}

void layer_norm_f32(const Context& context, const float* x, size_t rows, size_t n,
                    const float* gamma, const float* beta, float epsilon, float* y) {
  const size_t size = checked_product("x", {rows, n, sizeof(float)});
  check_pointer("x", x, size, alignof(float));
  check_pointer("y", y, size, alignof(float));
  check_pointer("gamma", gamma, n, alignof(float));
  check_pointer("beta", beta, n, alignof(float));
  if (!(epsilon >= 0.0f) || std::isinf(epsilon)) {
    fail("epsilon", std::to_string(epsilon), "a finite value, at least 0");
  }
  if (size == 0) return;
  const double count = static_cast<double>(n);
  split_rows(context, rows, n, kGrain, [&](size_t row) {
    const float* from = x + row * n;
    float* to = y + row * n;
    const auto value = [&](size_t j) { return static_cast<double>(from[j]); };
    const double mean = EightSums(n, value).total() / count;
    const auto square = [&](size_t j) { return (value(j) - mean) * (value(j) - mean); };
    const double variance = EightSums(n, square).total() / count;
    const auto center = static_cast<float>(mean);
    const auto scale = static_cast<float>(1.0 / std::sqrt(variance + static_cast<double>(epsilon)));
    for (size_t j = 0; j < n; ++j) to[j] = (from[j] - center) * scale * gamma[j] + beta[j];
  });
}

}  // namespace octavo
