// Files in and out. Reading maps the file; writing is atomic: a temporary file, fsync, rename.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rushlight::io {

// Bytes that somebody keeps alive.
struct Bytes {
  std::span<const uint8_t> data;
  std::shared_ptr<void> owner;
};
// Throws OsError naming the path and the reason.
Bytes map_file(const std::string& path);
Bytes own_bytes(std::vector<uint8_t> bytes);

// Takes bytes in order. Throws what the destination throws.
using Sink = std::function<void(const void* data, size_t size)>;

// Writes `path` through a temporary file beside it: until commit() returns, the old file is whole; without commit() it stays.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  void write(const void* data, size_t size);
  void commit();
  Sink sink() { return [this](const void* p, size_t n) { write(p, n); }; }

 private:
  [[noreturn]] void fail(const char* what);
  std::string path_, temporary_;
  int fd_ = -1;
  std::vector<uint8_t> buffer_;
  void flush();
};

}  // namespace rushlight::io
