// Says which file it was, when memory that maps one is gone because somebody cut the file: the system ends the process then (SIGBUS),
// without a word. See Note [Mapped files] in mapped_files.cpp.
#pragma once
#include <cstddef>
#include <string>

namespace rushlight {

// From now on a SIGBUS in this memory is told on stderr, with the file's name. The first call installs the handler.
void watch_mapped_file(const void* data, size_t bytes, const std::string& path);
// REQUIRES: before the memory is unmapped.
void forget_mapped_file(const void* data);

}  // namespace rushlight
