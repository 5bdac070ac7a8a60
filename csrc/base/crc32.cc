#include "base/crc32.h"

#include <array>

namespace octavo {
namespace {

using Tables = std::array<std::array<uint32_t, 256>, 8>;

// tables[i][b]: what byte b contributes with i bytes after it.
constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    tables[0][b] = crc;
  }
  for (size_t i = 1; i < tables.size(); ++i) {
    for (size_t b = 0; b < 256; ++b) {
      const uint32_t before = tables[i - 1][b];
      tables[i][b] = before >> 8 ^ tables[0][before & 255];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

}  // namespace

// Eight bytes at a time: their contributions do not depend on one another.
uint32_t crc32(uint32_t crc, const void* data, size_t bytes) {
  const auto* p = static_cast<const uint8_t*>(data);
  crc = ~crc;
  for (; bytes >= 8; bytes -= 8, p += 8) {
    uint32_t next = 0;
    for (size_t i = 0; i < 4; ++i) next ^= kTables[7 - i][(crc >> 8 * i & 255) ^ p[i]];
    for (size_t i = 4; i < 8; ++i) next ^= kTables[7 - i][p[i]];
    crc = next;
  }
  for (; bytes > 0; --bytes, ++p) crc = crc >> 8 ^ kTables[0][(crc & 255) ^ *p];
  return ~crc;
}

}  // namespace octavo
