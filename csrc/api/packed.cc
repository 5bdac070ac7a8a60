#include "api/packed.h"

#include <cstring>
#include <string>

#include "base/checksum.h"
#include "base/status.h"
#include "ops/checks.h"
#include "pack/stored.h"

namespace octavo::api {
namespace {

constexpr char kMagic[8] = {'o', 'c', 't', 'a', 'v', 'o', 'P', 'W'};
constexpr uint32_t kVersion = 1;  // raised with every change of this format or of any layout

struct PackedHeader {
  char magic[8];
  uint32_t version;
  LayerKind kind;
  char layout[16];    // zero-terminated
  uint64_t bytes;     // of everything
  uint64_t checksum;  // of everything, this field being 0
  uint32_t desc_bytes;
  uint32_t matrices;
  uint64_t unused;
};
static_assert(sizeof(PackedHeader) == kPanelAlignment);

struct MatrixRecord {
  uint64_t n;
  uint64_t segments;
  uint64_t segment_k;
  uint64_t panel_stride_bytes;
  uint64_t bytes;
  uint32_t repeats;
  uint32_t has_multiplier;
  uint32_t nr;
  uint32_t granule;
  uint32_t order;
  uint32_t kr;
  uint32_t shift;
  uint32_t unused;
};

[[noreturn]] void refuse(const std::string& what) {
  throw Error(Status::invalid_argument, "packed: " + what);
}

const char* name_of(LayerKind kind) {
  switch (kind) {
    case LayerKind::linear:
      return "linear layer";
    case LayerKind::conv2d:
      return "convolution";
  }
  return "something unknown";
}

size_t first_panel(size_t desc_bytes, size_t matrices) {
  return round_up(sizeof(PackedHeader) + round_up(desc_bytes, alignof(MatrixRecord)) +
                      matrices * sizeof(MatrixRecord),
                  kPanelAlignment);
}

uint64_t sum_of(PackedHeader header, const void* packed) {
  header.checksum = 0;
  const auto* rest = static_cast<const unsigned char*>(packed) + sizeof header;
  return checksum(rest, header.bytes - sizeof header, checksum(&header, sizeof header));
}

MatrixRecord record_of(const PackedMatrix& matrix) {
  const PackedShape& shape = matrix.shape();
  return {.n = shape.n,
          .segments = shape.segments,
          .segment_k = shape.segment_k,
          .panel_stride_bytes = shape.panel_stride_bytes,
          .bytes = matrix.size_bytes(),
          .repeats = static_cast<uint32_t>(shape.repeats),
          .has_multiplier = shape.has_multiplier ? 1u : 0u,
          .nr = shape.geometry.nr,
          .granule = shape.geometry.granule,
          .order = shape.geometry.order,
          .kr = shape.geometry.kr,
          .shift = shape.geometry.shift,
          .unused = 0};
}

// The geometry is one that the backend has: another one would be meaningless to its kernels.
PackedShape shape_of(const MatrixRecord& record, const Backend& backend) {
  for (const PanelGeometry& geometry :
       {backend.table->gemm_geometry, backend.table->depthwise_geometry,
        backend.table->grouped_geometry}) {
    if (geometry.nr == 0 || record.nr != geometry.nr || record.granule != geometry.granule ||
        record.order != geometry.order || record.kr != geometry.kr ||
        record.shift != geometry.shift) {
      continue;
    }
    return {.geometry = geometry,
            .n = record.n,
            .segments = record.segments,
            .segment_k = record.segment_k,
            .repeats = record.repeats,
            .panel_stride_bytes = record.panel_stride_bytes,
            .has_multiplier = record.has_multiplier != 0};
  }
  refuse("panels of " + std::to_string(record.nr) + " columns, unlike any of backend '" +
         backend.name + "'");
}

PackedHeader read_header(const void* packed, size_t bytes, LayerKind kind, const Backend& backend) {
  check_pointer("packed", packed, 1, kPanelAlignment);
  PackedHeader header;
  if (bytes < sizeof header) refuse(std::to_string(bytes) + " bytes, too few for a header");
  std::memcpy(&header, packed, sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) refuse("not packed weights");
  if (header.version != kVersion) {
    throw Error(Status::unsupported, "packed: version " + std::to_string(header.version) +
                                         ", expected " + std::to_string(kVersion) +
                                         ": pack the weights again");
  }
  if (header.bytes < sizeof header || header.bytes > bytes) {
    refuse(std::to_string(bytes) + " bytes of " + std::to_string(header.bytes));
  }
  if (sum_of(header, packed) != header.checksum) refuse("the checksum is wrong");
  header.layout[sizeof header.layout - 1] = '\0';
  if (std::strcmp(header.layout, backend.layout) != 0) {
    throw Error(Status::unsupported, std::string("packed: weights in layout '") + header.layout +
                                         "', expected '" + backend.layout + "' of backend '" +
                                         backend.name + "': pack them for it");
  }
  if (header.kind != kind) {
    refuse(std::string("a ") + name_of(header.kind) + ", expected a " + name_of(kind));
  }
  return header;
}

}  // namespace

size_t packed_bytes(const PackedLayer& layer) {
  size_t bytes = first_panel(layer.desc.size(), layer.matrices.size());
  for (const PackedMatrix& matrix : layer.matrices) {
    bytes += round_up(matrix.size_bytes(), kPanelAlignment);
  }
  return bytes;
}

void write_packed(const PackedLayer& layer, unsigned char* to) {
  PackedHeader header = {.magic = {},
                         .version = kVersion,
                         .kind = layer.kind,
                         .layout = {},
                         .bytes = packed_bytes(layer),
                         .checksum = 0,
                         .desc_bytes = static_cast<uint32_t>(layer.desc.size()),
                         .matrices = static_cast<uint32_t>(layer.matrices.size()),
                         .unused = 0};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  std::strncpy(header.layout, layer.layout, sizeof header.layout - 1);
  size_t at = first_panel(header.desc_bytes, header.matrices);
  std::memset(to, 0, at);
  std::memcpy(to + sizeof header, layer.desc.data(), layer.desc.size());
  unsigned char* record = to + sizeof header + round_up(header.desc_bytes, alignof(MatrixRecord));
  for (const PackedMatrix& matrix : layer.matrices) {
    const MatrixRecord fields = record_of(matrix);
    std::memcpy(record, &fields, sizeof fields);
    record += sizeof fields;
    std::memcpy(to + at, matrix.panel(0), matrix.size_bytes());
    const size_t end = round_up(at + matrix.size_bytes(), kPanelAlignment);
    std::memset(to + at + matrix.size_bytes(), 0, end - at - matrix.size_bytes());
    at = end;
  }
  header.checksum = sum_of(header, to);
  std::memcpy(to, &header, sizeof header);
}

OpenedLayer open_packed(const void* packed, size_t bytes, LayerKind kind, const Backend& backend) {
  const PackedHeader header = read_header(packed, bytes, kind, backend);
  // Both counts have 32 bits: no overflow.
  size_t at = first_panel(header.desc_bytes, header.matrices);
  if (at > header.bytes || header.matrices == 0) refuse("its header does not fit its size");
  const auto* from = static_cast<const unsigned char*>(packed);
  const unsigned char* record =
      from + sizeof header + round_up(header.desc_bytes, alignof(MatrixRecord));
  OpenedLayer layer = {
      .desc = {from + sizeof header, header.desc_bytes}, .matrices = {}, .bytes = header.bytes};
  for (uint32_t i = 0; i < header.matrices; ++i, record += sizeof(MatrixRecord)) {
    MatrixRecord fields;
    std::memcpy(&fields, record, sizeof fields);
    if (fields.bytes > header.bytes - at) refuse("a matrix does not fit its size");
    layer.matrices.push_back(view_packed(shape_of(fields, backend), from + at, fields.bytes));
    at += round_up(fields.bytes, kPanelAlignment);
    if (at > header.bytes) refuse("a matrix does not fit its size");
  }
  return layer;
}

}  // namespace octavo::api
