#include "rushlight/io/crc32c.h"

#include <array>

namespace rushlight {

namespace {

// tables[k][b]: what byte b adds to the crc when k further bytes follow it in the block of eight.
constexpr auto make_tables() {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? 0x82F63B78u : 0);  // the polynomial, bits reversed
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < 8; k++)
    for (size_t byte = 0; byte < 256; byte++)
      tables[k][byte] = (tables[k - 1][byte] >> 8) ^ tables[0][tables[k - 1][byte] & 255];
  return tables;
}
constexpr auto tables = make_tables();

}  // namespace

uint32_t crc32c(const void* data, size_t bytes) {
  auto* p = static_cast<const uint8_t*>(data);
  uint32_t crc = ~0u;
  for (; bytes >= 8; bytes -= 8, p += 8) {
    uint32_t next = 0;
    for (size_t i = 0; i < 8; i++) next ^= tables[7 - i][p[i] ^ (i < 4 ? crc >> (8 * i) & 255 : 0)];
    crc = next;
  }
  for (; bytes; bytes--) crc = (crc >> 8) ^ tables[0][(crc ^ *p++) & 255];
  return ~crc;
}

}  // namespace rushlight
