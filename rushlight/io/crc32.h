// The crc of zip files, PNG and gzip.
#pragma once
#include <cstddef>
#include <cstdint>

namespace rushlight::io {

// 0xcbf43926 for "123456789". `start`: the crc of what came before.
uint32_t crc32_of(const void* data, size_t bytes, uint32_t start = 0);

}  // namespace rushlight::io
