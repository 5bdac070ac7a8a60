#include "ops/linear.h"

#include <utility>

#include "ops/checks.h"
#include "ops/gemm_float.h"
#include "ops/gemm_int8.h"
#include "ops/row_pointers.h"

namespace octavo {
namespace {

void check_matrices(const Context& context, const void* a, size_t lda, size_t m, size_t k,
                    const void* c, size_t ldc, size_t n, size_t a_bytes, size_t c_bytes) {
  if (context.backend == nullptr) fail("context.backend", "none", "a backend");
  check_stride("lda", lda, k, m);
  check_stride("ldc", ldc, n, m);
  checked_product("a * w", {m, n, k});
  check_pointer("a", a, m, a_bytes);
  check_pointer("c", c, m, c_bytes);
}

void check_weights(const void* weight, size_t n, size_t k, size_t max_k) {
  check_extent("n", n, size_t{1} << 30);
  check_extent("k", k, max_k);
  check_pointer("weight", weight, checked_product("weight", {n, k}));
}

}  // namespace

Linear::Linear(const Backend& backend, const LinearParams& params)
    : k_(params.k), layout_(backend.layout), output_(params.output) {
  check_weights(params.weight, params.n, params.k, kMaxK);
  check_zero_point("a_zero_point", params.a_zero_point);
  if (params.multiplier != nullptr) {
    check_multipliers("multiplier", params.multiplier, params.n);
    check_output(params.output);
  }
  const auto k_stride = static_cast<ptrdiff_t>(params.k);
  const WeightView view = {params.weight, params.n, 1, params.k, k_stride, k_stride, 1};
  packed_ = pack_weights(backend.table->gemm_geometry, view,
                         {.bias = params.bias,
                          .multiplier = params.multiplier,
                          .weight_zero_point = params.weight_zero_point,
                          .a_zero_point = params.a_zero_point});
}

Linear::Linear(const Backend& backend, size_t n, size_t k, const OutputSpec& output,
               PackedMatrix packed)
    : k_(k), layout_(backend.layout), output_(output), packed_(std::move(packed)) {
  check_extent("k", k, kMaxK);
  if (!packed_.packed_for(backend.table->gemm_geometry) || packed_.n() != n ||
      packed_.segments() != packed_.repeats() || packed_.segment_k() != k) {
    fail("packed", "a matrix of other extents", "that of this layer's shape");
  }
  if (packed_.has_multiplier()) check_output(output_);
}

const char* Linear::kernel_name(const Context& context) const {
  return requantizes() ? context.kernels().gemm_u8.name : context.kernels().gemm_s32.name;
}

void Linear::check_run(const Context& context, const uint8_t* a, size_t lda, size_t m,
                       const void* c, size_t ldc) const {
  check_matrices(context, a, lda, m, k_, c, ldc, n(), 1,
                 requantizes() ? alignof(uint8_t) : alignof(int32_t));
  octavo::check_layout(layout_, context);
}

void Linear::run_u8(const Context& context, const uint8_t* a, size_t lda, size_t m,
                    const ResidualView* residual, uint8_t* c, size_t ldc) const {
  if (!requantizes()) fail("packed", "weights without a multiplier", "run_s32");
  check_run(context, a, lda, m, c, ldc);
  check_residual(output_, residual, m, n());
  run_packed(context, packed_, m, MatrixRows<uint8_t>(a, lda, packed_.repeats()),
             U8Target{c, ldc, to_requant(output_.range), to_residual(output_, residual)});
}

void Linear::run_s32(const Context& context, const uint8_t* a, size_t lda, size_t m, int32_t* c,
                     size_t ldc) const {
  if (requantizes()) fail("packed", "weights with a multiplier", "run_u8");
  check_run(context, a, lda, m, c, ldc);
  run_packed(context, packed_, m, MatrixRows<uint8_t>(a, lda, packed_.repeats()),
             S32Target{c, ldc});
}

void Linear::run_dynamic(const Context& context, const uint8_t* a, size_t lda, size_t m,
                         const float* params, size_t step, const DynamicOutput& output, float* c,
                         size_t ldc) const {
  if (requantizes()) fail("packed", "weights with a multiplier", "run_u8");
  check_run(context, a, lda, m, c, ldc);
  check_pointer("params", params, m, alignof(float));
  check_dynamic_output(output, n());
  run_packed(context, packed_, m, MatrixRows<uint8_t>(a, lda, packed_.repeats()),
             DynamicTarget(c, ldc, output, params, step));
}

LinearF32::LinearF32(const Backend& backend, const LinearF32Params& params)
    : lo_(params.lo), hi_(params.hi) {
  check_weights(params.weight, params.n, params.k, size_t{1} << 24);
  check_clamp(params.lo, params.hi);
  const auto k_stride = static_cast<ptrdiff_t>(params.k);
  packed_ = pack_weights_f32(
      backend.table->gemm_f32_nr,
      WeightViewF32{params.weight, params.n, 1, params.k, k_stride, k_stride, 1}, params.bias);
}

const char* LinearF32::kernel_name(const Context& context) const {
  return context.kernels().gemm_f32.name;
}

void LinearF32::run(const Context& context, const float* a, size_t lda, size_t m, float* c,
                    size_t ldc) const {
  check_matrices(context, a, lda, m, k(), c, ldc, n(), alignof(float), alignof(float));
  check_layout(packed_, context);
  run_packed(context, packed_, m, MatrixRows<float>(a, lda, 1), F32Target{c, ldc, lo_, hi_});
}

void check_layout(const PackedMatrixF32& packed, const Context& context) {
  if (packed.nr() == context.kernels().gemm_f32_nr) return;
  fail("packed", "float panels of " + std::to_string(packed.nr()) + " columns",
       std::to_string(context.kernels().gemm_f32_nr) + " columns of backend '" +
           context.backend->name + "': pack them under it");
}

}  // namespace octavo
