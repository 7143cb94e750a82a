// Files that gzip made (RFC 1952), by zlib.
#pragma once
#include <string>

#include "rushlight/io/file.h"

namespace rushlight::data {

bool looks_like_gzip(std::span<const uint8_t> bytes);
// The first `most` bytes that are in it, or all if there are fewer. Throws FileError for damage, naming the byte of the file.
io::Bytes gunzip(std::span<const uint8_t> bytes, size_t most, const std::string& where);

}  // namespace rushlight::data
