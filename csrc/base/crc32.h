// The checksum of zlib, PNG and Ethernet: polynomial 0xedb88320, reflected.
#pragma once

#include <cstddef>
#include <cstdint>

namespace octavo {

// Of `bytes` that follow those whose checksum is `crc`; begins with 0.
uint32_t crc32(uint32_t crc, const void* data, size_t bytes);

}  // namespace octavo
