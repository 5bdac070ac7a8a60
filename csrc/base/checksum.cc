#include "base/checksum.h"

#include <bit>
#include <cstring>

namespace octavo {
namespace {

// Odd, so that multiplying by it loses nothing: a changed word always changes its lane.
constexpr uint64_t kFactor = 0x9e3779b97f4a7c15;

uint64_t mix(uint64_t lane, uint64_t word) { return std::rotl((lane ^ word) * kFactor, 29); }

}  // namespace

uint64_t checksum(const void* bytes, size_t n, uint64_t seed) {
  constexpr size_t kLanes = 4;  // independent, as multiplications take several cycles
  uint64_t lanes[kLanes] = {seed, seed + 1, seed + 2, seed + 3};
  const auto* from = static_cast<const unsigned char*>(bytes);
  uint64_t words[kLanes];
  size_t left = n;
  for (; left >= sizeof words; left -= sizeof words, from += sizeof words) {
    std::memcpy(words, from, sizeof words);
    for (size_t i = 0; i < kLanes; ++i) lanes[i] = mix(lanes[i], words[i]);
  }
  if (left != 0) {
    std::memset(words, 0, sizeof words);
    std::memcpy(words, from, left);
    for (size_t i = 0; i < kLanes; ++i) lanes[i] = mix(lanes[i], words[i]);
  }
  uint64_t sum = n;
  for (const uint64_t lane : lanes) sum = mix(sum, lane);
  return sum;
}

}  // namespace octavo
