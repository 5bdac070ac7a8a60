// Packed weights as bytes, for callers' memory and files:
//
//   PackedHeader | the layer's desc, its pointers NULL | MatrixRecord[matrices]
//   | padding to 64 | panels of each matrix, every one at a multiple of 64
//
// Everything is in the byte order and the struct layout of this machine, which `layout`, the name
// of what the backends of one instruction set share, stands for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/registry.h"
#include "pack/pack.h"

namespace octavo::api {

enum class LayerKind : uint32_t { linear = 1, conv2d = 2 };

// What the panels of an op are stored with.
struct PackedLayer {
  LayerKind kind;
  const char* layout;
  std::span<const unsigned char> desc;
  std::span<const PackedMatrix> matrices;
};

size_t packed_bytes(const PackedLayer& layer);

// to: packed_bytes(layer), 64-byte aligned.
void write_packed(const PackedLayer& layer, unsigned char* to);

// Reads them where they are. Every offset is checked before it is followed, and the desc is not
// interpreted. Throws Error(invalid_argument) for bytes that are not whole or not of this kind,
// Error(unsupported) for another version or layout than that of `backend`.
struct OpenedLayer {
  std::span<const unsigned char> desc;
  std::vector<PackedMatrix> matrices;
  size_t bytes;  // without what may come after them
};
OpenedLayer open_packed(const void* packed, size_t bytes, LayerKind kind, const Backend& backend);

}  // namespace octavo::api
