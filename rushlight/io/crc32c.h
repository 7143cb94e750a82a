// crc32c, the Castagnoli crc of TFRecord files. RFC 3720, B.4.
#pragma once
#include <cstddef>
#include <cstdint>

namespace rushlight {

// 0xe3069283 for "123456789".
uint32_t crc32c(const void* data, size_t bytes);

}  // namespace rushlight
