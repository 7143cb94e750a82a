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
// Throws OsError naming the path and the reason; `what` begins its text: "load 'm.pt': ...".
Bytes map_file(const std::string& path, const char* what = "load");
Bytes own_bytes(std::vector<uint8_t> bytes);

// Takes bytes in order. Throws what the destination throws.
using Sink = std::function<void(const void* data, size_t size)>;

// Writes `path` through a temporary file beside it: until commit() returns, the old file is whole; without commit() it stays.
// A link is followed and stays a link; what is no regular file (a pipe, /dev/null) is written directly.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  void write(const void* data, size_t size);
  void commit();
  Sink sink() {
    return [this](const void* p, size_t n) { write(p, n); };
  }

 private:
  [[noreturn]] void fail(const char* what);
  void discard();
  void write_out(const uint8_t* data, size_t size);
  void flush();
  std::string path_, target_,
      temporary_;  // as named by the caller, with links followed, beside it ("": written directly)
  int fd_ = -1;
  std::vector<uint8_t> buffer_;
};

}  // namespace rushlight::io
