#include "pack/stored.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "base/status.h"

namespace octavo {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error(Status::invalid_argument, "packed weights: " + what);
}

void check_shape(const PackedShape& shape, size_t bytes) {
  constexpr size_t kMaxRepeats = 3;
  constexpr size_t kMaxStoredK = kMaxK * kMaxRepeats;
  if (shape.n == 0 || shape.n > size_t{INT32_MAX} || shape.segments == 0 || shape.segment_k == 0 ||
      shape.segment_k > kMaxStoredK || shape.segments > kMaxStoredK / shape.segment_k ||
      shape.repeats == 0 || shape.repeats > kMaxRepeats) {
    refuse("impossible extents");
  }
  if (shape.geometry.order == kSequential) {
    const size_t stride =
        panel_stride_bytes(shape.geometry.nr, shape.segments, shape.segment_k, shape.geometry.kr);
    if (shape.panel_stride_bytes != stride || bytes != sequential_bytes(shape)) {
      refuse(std::to_string(bytes) + " bytes do not hold panels of this shape");
    }
    return;
  }
  const size_t panels = panel_count(shape);
  if (shape.panel_stride_bytes < sizeof(ScheduledHeader) ||
      shape.panel_stride_bytes % kPanelAlignment != 0 || bytes % panels != 0 ||
      bytes / panels != shape.panel_stride_bytes) {
    refuse(std::to_string(bytes) + " bytes do not hold scheduled panels of this shape");
  }
}

// The chains of two columns over one block of groups; returns their size.
size_t check_chains(const uint8_t* at, size_t bytes, size_t groups) {
  ChainsHeader header;
  if (bytes < sizeof header) refuse("a scheduled panel ends early");
  std::memcpy(&header, at, sizeof header);
  const size_t steps = header.steps;
  const size_t size = scheduled_chains_bytes(steps, header.chains);
  if (bytes < size) refuse("a scheduled panel ends early");
  const uint8_t* offsets = at + sizeof header + steps * kScheduledColumns * kKr;
  constexpr size_t kUnits = size_t{kScheduledRows} * kKr / kOffsetBytes;
  for (size_t i = 0; i < steps; ++i) {
    uint16_t offset;
    std::memcpy(&offset, offsets + i * sizeof offset, sizeof offset);
    if (offset % kUnits != 0 || offset / kUnits >= kPairings * groups) {
      refuse("a scheduled panel refers to activations that do not exist");
    }
  }
  const uint8_t* lengths = offsets + steps * sizeof(uint16_t);
  size_t sum = 0;
  for (size_t i = 0; i < header.chains; ++i) {
    if (lengths[i] == 0) refuse("a scheduled panel has an empty chain");
    sum += lengths[i];
  }
  if (sum != steps) refuse("the chains of a scheduled panel do not add up");
  return size;
}

void check_scheduled(const PackedMatrix& packed) {
  const size_t groups = scheduled_groups(packed.segments(), packed.segment_k());
  const size_t stride = packed.shape().panel_stride_bytes;
  for (size_t i = 0; i < packed.panel_count(); ++i) {
    size_t at = sizeof(ScheduledHeader);
    for (size_t first = 0; first < groups; first += kScheduledBlock) {
      const size_t count = scheduled_block_groups(groups, first);
      for (size_t j = 0; j < packed.panel_width(i); j += kScheduledColumns) {
        at += check_chains(packed.panel(i) + at, stride - at, count);
      }
    }
  }
}

}  // namespace

PackedMatrix view_packed(const PackedShape& shape, const uint8_t* panels, size_t bytes) {
  check_shape(shape, bytes);
  if (reinterpret_cast<uintptr_t>(panels) % kPanelAlignment != 0) {
    refuse("a misaligned address, expected a multiple of " + std::to_string(kPanelAlignment));
  }
  PackedMatrix packed(shape, panels, bytes);
  if (shape.geometry.order == kScheduled) check_scheduled(packed);
  if (shape.has_multiplier) {
    for (const float multiplier : packed_multipliers(packed)) {
      if (!std::isfinite(multiplier) || multiplier < 0.0f) {
        refuse("a multiplier is " + std::to_string(multiplier) +
               ", expected finite and not negative");
      }
    }
  }
  return packed;
}

std::vector<float> packed_multipliers(const PackedMatrix& packed) {
  std::vector<float> multipliers;
  multipliers.reserve(packed.n());
  const bool scheduled = packed.geometry().order == kScheduled;
  for (size_t i = 0; i < packed.panel_count(); ++i) {
    const uint8_t* panel = packed.panel(i);
    const float* from = scheduled
                            ? reinterpret_cast<const ScheduledHeader*>(panel)->multiplier
                            : panel_multiplier(panel, packed.panel_width(i), packed.segments(),
                                               packed.segment_k(), packed.geometry().kr);
    multipliers.insert(multipliers.end(), from, from + packed.panel_cols(i));
  }
  return multipliers;
}

}  // namespace octavo
