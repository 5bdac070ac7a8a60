// octavo_linear_...
#include "ops/linear.h"

#include <new>

#include "api/layer.h"

namespace octavo::api {
namespace {

struct LinearTraits {
  using Desc = octavo_linear_desc;
  using Op = octavo::Linear;
  static constexpr LayerKind kKind = LayerKind::linear;

  static Op pack(const Backend& backend, const Desc& desc) {
    check_multiplier_given(desc.output, desc.multiplier);
    LinearParams params;
    params.weight = desc.weight;
    params.n = desc.n;
    params.k = desc.k;
    params.bias = desc.bias;
    params.multiplier = desc.multiplier;
    params.weight_zero_point = desc.weight_zero_point;
    params.a_zero_point = read_a_zero_point(desc);
    params.output = read_output(desc.output, desc.residual);
    return Op(backend, params);
  }

  static Op open(const Backend& backend, const Desc& desc, std::vector<PackedMatrix> matrices) {
    if (matrices.size() != 1) fail("packed", "several matrices", "that of a linear layer");
    read_a_zero_point(desc);
    Op op(backend, desc.n, desc.k, read_output(desc.output, desc.residual), std::move(matrices[0]));
    check_requantizes(op, desc.output);
    return op;
  }

  static std::span<const PackedMatrix> matrices(const Op& op) { return {&op.packed(), 1}; }
};

}  // namespace
}  // namespace octavo::api

struct octavo_linear {
  octavo::api::Layer<octavo::api::LinearTraits> layer;
};

namespace octavo::api {
namespace {

struct LinearCall {
  size_t m;
  const void* a;
  size_t lda;
  const void* residual;
  size_t ldr;
  void* c;
  size_t ldc;
};

void run(const octavo_context* given, const Layer<LinearTraits>& layer, const LinearCall& call) {
  CallContext call_context(given);
  const Context context = call_context.context(*layer.backend);
  const size_t n = layer.op.n();
  const size_t ldc = call.ldc == 0 ? n : call.ldc;
  const InputBytes a(context, "a", call.a, call.m, layer.op.k(), "lda", call.lda, layer.signs.a);
  if (!layer.op.requantizes()) {
    if (call.residual != nullptr) fail("residual", "a pointer", "NULL: the layer has none");
    layer.op.run_s32(context, a.data(), a.ld(), call.m, static_cast<int32_t*>(call.c), ldc);
    return;
  }
  InputBytes added;
  if (call.residual != nullptr) {
    added = InputBytes(context, "residual", call.residual, call.m, n, "ldr", call.ldr,
                       layer.signs.residual);
  }
  const ResidualView view = {added.data(), added.ld()};
  layer.op.run_u8(context, a.data(), a.ld(), call.m, call.residual != nullptr ? &view : nullptr,
                  static_cast<uint8_t*>(call.c), ldc);
  finish_output(context, call.c, call.m, n, ldc, layer.signs.output);
}

}  // namespace
}  // namespace octavo::api

using octavo::api::guarded;
using octavo::api::LinearTraits;
using octavo::api::require;

octavo_status octavo_linear_packed_size(const octavo_context* context,
                                        const octavo_linear_desc* desc, size_t* bytes) {
  return guarded([&] { octavo::api::layer_packed_size<LinearTraits>(context, desc, bytes); });
}

octavo_status octavo_linear_pack(const octavo_context* context, const octavo_linear_desc* desc,
                                 void* packed, size_t bytes) {
  return guarded([&] { octavo::api::layer_pack<LinearTraits>(context, desc, packed, bytes); });
}

octavo_status octavo_linear_open(const octavo_context* context, const void* packed, size_t bytes,
                                 octavo_linear** linear) {
  return guarded([&] {
    require(linear, "linear");
    *linear = new octavo_linear{octavo::api::layer_open<LinearTraits>(context, packed, bytes)};
  });
}

octavo_status octavo_linear_create(const octavo_context* context, const octavo_linear_desc* desc,
                                   octavo_linear** linear) {
  return guarded([&] {
    require(linear, "linear");
    *linear = new octavo_linear{octavo::api::layer_create<LinearTraits>(context, desc)};
  });
}

void octavo_linear_free(octavo_linear* linear) { delete linear; }

octavo_status octavo_linear_packed(const octavo_linear* linear, const void** packed,
                                   size_t* bytes) {
  return guarded([&] {
    require(linear, "linear");
    octavo::api::layer_bytes(linear->layer, packed, bytes);
  });
}

octavo_status octavo_linear_info(const octavo_linear* linear, octavo_linear_desc* info) {
  return guarded([&] {
    require(linear, "linear");
    octavo::api::write_struct("info", linear->layer.desc, info);
  });
}

octavo_status octavo_linear_run(const octavo_context* context, const octavo_linear* linear,
                                size_t m, const void* a, size_t lda, const void* residual,
                                size_t ldr, void* c, size_t ldc) {
  return guarded([&] {
    require(linear, "linear");
    octavo::api::run(context, linear->layer, {m, a, lda, residual, ldr, c, ldc});
  });
}
