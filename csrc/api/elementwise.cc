// octavo_add, octavo_mul, octavo_lookup and the quantize family.
#include "ops/elementwise.h"

#include <algorithm>
#include <utility>

#include "api/context.h"
#include "api/guard.h"
#include "api/tensors.h"
#include "base/fp_env.h"
#include "ops/checks.h"
#include "ops/table.h"

namespace octavo::api {
namespace {

// Where an elementwise function writes n bytes.
class OutputBytes {
 public:
  OutputBytes(const octavo_output* output, void* y) : y_(static_cast<uint8_t*>(y)) {
    require(output, "output");
    range_ = read_range("output", *output);
    is_signed_ = output->dtype == OCTAVO_S8;
  }

  const QuantRange& range() const { return range_; }
  uint8_t* data() const { return y_; }
  void finish(const Context& context, size_t n) const {
    finish_output(context, y_, 1, n, n, is_signed_);
  }

 private:
  uint8_t* y_;
  QuantRange range_;
  bool is_signed_;
};

int32_t zero_point_of(const std::string& name, const octavo_input& input) {
  return read_zero_point(name + ".zero_point", input.zero_point,
                         read_signed(name + ".dtype", input.dtype));
}

void add(const octavo_context* given, size_t n, const octavo_input* a, const octavo_input* b,
         const octavo_output* output, void* y) {
  require(a, "a");
  require(b, "b");
  CallContext call(given);
  const Context context = call.context();
  const OutputBytes out(output, y);
  const int32_t a_zero = zero_point_of("a", *a), b_zero = zero_point_of("b", *b);
  const InputBytes left = read_input(context, "a", *a, n), right = read_input(context, "b", *b, n);
  octavo::add(context, {left.data(), a_zero, a->multiplier}, {right.data(), b_zero, b->multiplier},
              n, out.range(), out.data());
  out.finish(context, n);
}

void mul(const octavo_context* given, size_t outer, size_t inner, size_t channels,
         const octavo_input* a, const octavo_input* b, float multiplier,
         const octavo_output* output, void* y) {
  require(a, "a");
  require(b, "b");
  CallContext call(given);
  const Context context = call.context();
  const OutputBytes out(output, y);
  const int32_t a_zero = zero_point_of("a", *a), b_zero = zero_point_of("b", *b);
  const size_t n = checked_product("a", {outer, inner, channels});
  const InputBytes left = read_input(context, "a", *a, n);
  const InputBytes right = read_input(context, "b", *b, checked_product("b", {outer, channels}));
  octavo::mul(context, {left.data(), a_zero}, {right.data(), b_zero}, outer, inner, channels,
              multiplier, out.range(), out.data());
  out.finish(context, n);
}

void requantize(const octavo_context* given, size_t n, const octavo_input* x,
                const octavo_output* output, void* y) {
  require(x, "x");
  CallContext call(given);
  const Context context = call.context();
  const OutputBytes out(output, y);
  const int32_t zero_point = zero_point_of("x", *x);
  const InputBytes from = read_input(context, "x", *x, n);
  octavo::requantize_u8(context, from.data(), n, zero_point, x->multiplier, out.range(),
                        out.data());
  out.finish(context, n);
}

}  // namespace
}  // namespace octavo::api

using octavo::Context;
using octavo::api::CallContext;
using octavo::api::guarded;
using octavo::api::require;

float octavo_multiplier(float a_scale, float weight_scale, float out_scale) {
  const octavo::FpEnvGuard guard;
  return octavo::requantize_multiplier(a_scale, weight_scale, out_scale);
}

octavo_status octavo_add(const octavo_context* context, size_t n, const octavo_input* a,
                         const octavo_input* b, const octavo_output* output, void* y) {
  return guarded([&] { octavo::api::add(context, n, a, b, output, y); });
}

octavo_status octavo_mul(const octavo_context* context, size_t outer, size_t inner, size_t channels,
                         const octavo_input* a, const octavo_input* b, float multiplier,
                         const octavo_output* output, void* y) {
  return guarded(
      [&] { octavo::api::mul(context, outer, inner, channels, a, b, multiplier, output, y); });
}

octavo_status octavo_quantize(const octavo_context* context, size_t n, const float* x, float scale,
                              const octavo_output* output, void* y) {
  return guarded([&] {
    CallContext call(context);
    const Context run = call.context();
    const octavo::api::OutputBytes out(output, y);
    octavo::quantize(run, x, n, scale, out.range(), out.data());
    out.finish(run, n);
  });
}

octavo_status octavo_dequantize(const octavo_context* context, size_t n, const octavo_input* x,
                                float* y) {
  return guarded([&] {
    require(x, "x");
    CallContext call(context);
    const Context run = call.context();
    const int32_t zero_point = octavo::api::zero_point_of("x", *x);
    const octavo::api::InputBytes from = octavo::api::read_input(run, "x", *x, n);
    octavo::dequantize(run, from.data(), n, x->multiplier, zero_point, y);
  });
}

octavo_status octavo_requantize(const octavo_context* context, size_t n, const octavo_input* x,
                                const octavo_output* output, void* y) {
  return guarded([&] { octavo::api::requantize(context, n, x, output, y); });
}

octavo_status octavo_requantize_s32(const octavo_context* context, size_t m, size_t n,
                                    const int32_t* acc, const float* multiplier,
                                    const octavo_output* output, void* y) {
  return guarded([&] {
    CallContext call(context);
    const Context run = call.context();
    const octavo::api::OutputBytes out(output, y);
    octavo::requantize_s32(run, acc, m, n, multiplier, out.range(), out.data());
    out.finish(run, m * n);
  });
}

octavo_status octavo_lookup(const octavo_context* context, size_t n, const uint8_t* table,
                            const uint8_t* x, uint8_t* y) {
  return guarded([&] {
    require(table, "table");
    octavo::Table values;
    std::copy_n(table, values.size(), values.begin());
    CallContext call(context);
    octavo::lookup(call.context(), x, n, values, y);
  });
}
