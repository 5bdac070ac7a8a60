// Detects bytes that changed by accident: a file cut short, a flipped bit. No defence against
// intent.
#pragma once

#include <cstddef>
#include <cstdint>

namespace octavo {

// Of n bytes; `seed` is the checksum of what comes before them.
uint64_t checksum(const void* bytes, size_t n, uint64_t seed = 0);

}  // namespace octavo
