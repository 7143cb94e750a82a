// Numbers of a file in the other byte order.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace rushlight::data {

// Turns each of `count` items around. `item`: 1, 2, 4, 8 or 16 bytes.
inline void swap_items(void* data, size_t count, size_t item) {
  auto* p = static_cast<uint8_t*>(data);
  for (size_t i = 0; i < count && item > 1; i++, p += item) std::reverse(p, p + item);
}
inline uint32_t big_u32(const uint8_t* p) {
  return uint32_t(p[0]) << 24 | uint32_t(p[1]) << 16 | uint32_t(p[2]) << 8 | p[3];
}

}  // namespace rushlight::data
