// Fully connected layers: c[i][j] = sum_k (a[i][k] - a_zp) * (w[j][k] - w_zp[j]) + bias[j].
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "ops/dynamic.h"
#include "ops/output.h"
#include "pack/pack.h"
#include "runtime/context.h"

namespace octavo {

struct LinearParams {
  const int8_t* weight = nullptr;  // (n, k), contiguous
  size_t n = 0;
  size_t k = 0;                                // 1..65536
  const int32_t* bias = nullptr;               // (n), or none
  const float* multiplier = nullptr;           // (n): u8 output; none: s32 output
  const int32_t* weight_zero_point = nullptr;  // (n), -128..127, or none
  int32_t a_zero_point = 0;
  OutputSpec output;  // read only with a multiplier
};

// Immutable after construction: any number of threads may run it at once.
class Linear {
 public:
  // Checks and packs. Everything pointed to is copied.
  Linear(const Backend& backend, const LinearParams& params);
  // Of weights that are packed already, by packed() of such a layer (pack/stored.h). Checks all.
  Linear(const Backend& backend, size_t n, size_t k, const OutputSpec& output, PackedMatrix packed);

  const PackedMatrix& packed() const { return packed_; }
  size_t n() const { return packed_.n(); }
  size_t k() const { return k_; }
  bool requantizes() const { return packed_.has_multiplier(); }
  const OutputSpec& output() const { return output_; }
  const char* layout() const { return layout_; }
  size_t packed_bytes() const { return packed_.size_bytes(); }
  // Name of the micro-kernel this context would run.
  const char* kernel_name(const Context& context) const;

  // a: m rows of k bytes, lda apart; c: m rows of n, ldc apart. m may be 0. A residual is given
  // exactly when the output spec has one. Throws Error for a backend with another layout.
  void run_u8(const Context& context, const uint8_t* a, size_t lda, size_t m,
              const ResidualView* residual, uint8_t* c, size_t ldc) const;
  void run_s32(const Context& context, const uint8_t* a, size_t lda, size_t m, int32_t* c,
               size_t ldc) const;
  // Of activations quantized at run time, whose zero points these weights were not packed for:
  // a_zero_point must have been 0. params and step are those of quantize_dynamic.
  void run_dynamic(const Context& context, const uint8_t* a, size_t lda, size_t m,
                   const float* params, size_t step, const DynamicOutput& output, float* c,
                   size_t ldc) const;

 private:
  void check_run(const Context& context, const uint8_t* a, size_t lda, size_t m, const void* c,
                 size_t ldc) const;

  size_t k_;
  const char* layout_;
  OutputSpec output_;
  PackedMatrix packed_;
};

struct LinearF32Params {
  const float* weight = nullptr;  // (n, k), contiguous
  size_t n = 0;
  size_t k = 0;
  const float* bias = nullptr;  // (n), or none
  float lo = -std::numeric_limits<float>::infinity();
  float hi = std::numeric_limits<float>::infinity();
};

// c = clamp(a . w^T + bias, lo, hi) in float, k in order, one fma per step: the same bits
// everywhere.
class LinearF32 {
 public:
  LinearF32(const Backend& backend, const LinearF32Params& params);

  size_t n() const { return packed_.n(); }
  size_t k() const { return packed_.segment_k(); }
  size_t packed_bytes() const { return packed_.size_bytes(); }
  const char* kernel_name(const Context& context) const;

  void run(const Context& context, const float* a, size_t lda, size_t m, float* c,
           size_t ldc) const;

 private:
  float lo_;
  float hi_;
  PackedMatrixF32 packed_;
};

}  // namespace octavo
