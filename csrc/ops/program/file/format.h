// The octavo program file, version 1: a header, then five sections in this order. The normative
// description is docs/program-format.md.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace octavo::file {

static_assert(std::endian::native == std::endian::little, "files hold little-endian numbers");
static_assert(sizeof(size_t) == 8, "extents are written as 64 bits");

// Neither text nor what a transfer that changes line ends or the eighth bit leaves whole.
inline constexpr std::string_view kMagic{"\x89OCTAVO\n", 8};
inline constexpr uint32_t kVersion = 1;

// Sections and the arrays of the last one begin at multiples of this many bytes.
inline constexpr size_t kAlignment = 64;

// Planning takes time that grows with the square of these.
inline constexpr size_t kMaxTensors = size_t{1} << 16;
inline constexpr size_t kMaxSteps = size_t{1} << 16;
inline constexpr size_t kMaxName = size_t{1} << 16;  // bytes
inline constexpr size_t kMaxRank = 32;

enum Section : size_t { kTensors, kSteps, kInterface, kMetadata, kData, kSectionCount };
inline constexpr std::array<std::string_view, kSectionCount> kSectionNames = {
    "TENS", "STEP", "PORT", "META", "DATA"};

struct SectionEntry {
  char name[4];
  uint32_t crc32;
  uint64_t offset;
  uint64_t bytes;
};

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t section_count;
  uint64_t file_bytes;
  SectionEntry sections[kSectionCount];
};
static_assert(sizeof(SectionEntry) == 24 && sizeof(Header) == 24 + 24 * kSectionCount);

constexpr size_t aligned(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace octavo::file
