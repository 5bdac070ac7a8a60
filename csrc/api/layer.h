// What linear layers and convolutions share: packing into the caller's memory, opening,
// information.
//
// A layer's traits say
//   Desc, Op, kKind
//   static Op pack(const Backend&, const Desc&)
//   static Op open(const Backend&, const Desc&, std::vector<PackedMatrix>)
//   static std::span<const PackedMatrix> matrices(const Op&)
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "api/context.h"
#include "api/guard.h"
#include "api/packed.h"
#include "api/tensors.h"
#include "base/buffer.h"
#include "ops/checks.h"

namespace octavo::api {

// Which tensors of a layer are signed.
struct LayerSigns {
  bool a = false;
  bool output = false;
  bool residual = false;
};

// What a desc says twice: the type of the output, and whether there are multipliers.
inline void check_multiplier_given(const octavo_output& output, const float* multiplier) {
  if ((output.dtype == OCTAVO_S32) == (multiplier == nullptr)) return;
  fail("desc.multiplier", multiplier == nullptr ? "NULL" : "a pointer",
       multiplier == nullptr ? "one per output for bytes" : "NULL for OCTAVO_S32");
}

template <class Desc>
int32_t read_a_zero_point(const Desc& desc) {
  return read_zero_point("desc.a_zero_point", desc.a_zero_point,
                         read_signed("desc.a_dtype", desc.a_dtype));
}

// As check_multiplier_given, of an opened layer, whose panels say whether there are multipliers.
template <class Op>
void check_requantizes(const Op& op, const octavo_output& output) {
  if (op.requantizes() != (output.dtype == OCTAVO_S32)) return;
  fail("packed", "multipliers and output type that contradict", "both or neither");
}

template <class Desc>
Desc without_pointers(Desc desc) {
  desc.weight = nullptr;
  desc.weight_zero_point = nullptr;
  desc.bias = nullptr;
  desc.multiplier = nullptr;
  return desc;
}

template <class Traits>
struct Layer {
  using Desc = typename Traits::Desc;

  // Reads packed weights where they are.
  Layer(const Backend& runs_on, const void* memory, size_t size)
      : Layer(runs_on, memory, open_packed(memory, size, Traits::kKind, runs_on)) {}
  // The same, which are its own.
  Layer(const Backend& runs_on, AlignedBuffer memory)
      : Layer(runs_on, memory.data(), memory.size()) {
    owned = std::move(memory);
  }

  const Backend* backend;
  const void* packed;
  size_t bytes;
  Desc desc;
  LayerSigns signs;
  typename Traits::Op op;
  AlignedBuffer owned;

 private:
  Layer(const Backend& runs_on, const void* memory, OpenedLayer opened)
      : backend(&runs_on),
        packed(memory),
        bytes(opened.bytes),
        desc(read_desc(opened.desc)),
        signs{.a = read_signed("desc.a_dtype", desc.a_dtype),
              .output = desc.output.dtype == OCTAVO_S8,
              .residual = desc.residual.present != 0 && desc.residual.dtype == OCTAVO_S8},
        op(Traits::open(runs_on, desc, std::move(opened.matrices))) {}

  static Desc read_desc(std::span<const unsigned char> stored) {
    if (stored.size() < sizeof(Desc)) fail("packed", "too few fields", "those of a layer");
    Desc fields;
    std::memcpy(&fields, stored.data(), sizeof fields);
    if (fields.size != stored.size()) fail("packed", "fields of another size", "those of a layer");
    return without_pointers(read_struct("packed", &fields));
  }
};

// The op of a desc, and its bytes.
template <class Traits>
class LayerPacker {
 public:
  LayerPacker(const octavo_context* context, const typename Traits::Desc* desc)
      : backend_(CallContext(context).backend()),
        desc_(read_struct("desc", desc)),
        op_(Traits::pack(backend_, desc_)) {
    desc_ = without_pointers(desc_);
  }

  const Backend& backend() const { return backend_; }
  size_t bytes() const { return packed_bytes(layer()); }
  void write(void* to) const { write_packed(layer(), static_cast<unsigned char*>(to)); }

 private:
  PackedLayer layer() const {
    return {.kind = Traits::kKind,
            .layout = backend_.layout,
            .desc = {reinterpret_cast<const unsigned char*>(&desc_), sizeof desc_},
            .matrices = Traits::matrices(op_)};
  }

  const Backend& backend_;
  typename Traits::Desc desc_;
  typename Traits::Op op_;
};

// ---- The bodies of octavo_<layer>_... --------------------------------------------------------

template <class Traits>
void layer_packed_size(const octavo_context* context, const typename Traits::Desc* desc,
                       size_t* bytes) {
  require(bytes, "bytes");
  *bytes = LayerPacker<Traits>(context, desc).bytes();
}

template <class Traits>
void layer_pack(const octavo_context* context, const typename Traits::Desc* desc, void* packed,
                size_t bytes) {
  check_pointer("packed", packed, 1, kPanelAlignment);
  const LayerPacker<Traits> packer(context, desc);
  if (bytes < packer.bytes()) {
    fail("bytes", std::to_string(bytes), "at least " + std::to_string(packer.bytes()));
  }
  packer.write(packed);
}

template <class Traits>
Layer<Traits> layer_open(const octavo_context* context, const void* packed, size_t bytes) {
  return Layer<Traits>(CallContext(context).backend(), packed, bytes);
}

template <class Traits>
Layer<Traits> layer_create(const octavo_context* context, const typename Traits::Desc* desc) {
  const LayerPacker<Traits> packer(context, desc);
  AlignedBuffer memory = AlignedBuffer::pooled(packer.bytes());
  packer.write(memory.data());
  return Layer<Traits>(packer.backend(), std::move(memory));
}

template <class Traits>
void layer_bytes(const Layer<Traits>& layer, const void** packed, size_t* bytes) {
  require(packed, "packed");
  require(bytes, "bytes");
  *packed = layer.packed;
  *bytes = layer.bytes;
}

}  // namespace octavo::api
