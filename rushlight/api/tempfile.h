// Files and folders of a program's own that go away with their object: auto file = c10::make_tempfile(); file.name
#pragma once
#include <optional>
#include <string>
#include <utility>

namespace rushlight::api {

namespace detail {
// In the folder of $TMPDIR, $TMP, $TEMP or $TEMPDIR, else /tmp. Descriptor -1 and an empty name where it can't be made.
std::pair<int, std::string> make_temporary(const std::string& prefix, bool folder);
void remove_temporary(int descriptor, const std::string& name, bool folder);
[[noreturn]] void fail_temporary(const char* what);
}  // namespace detail

// Deleted at its end; a folder must be empty then.
template <bool folder>
class Temporary {
 public:
  Temporary() = default;
  Temporary(std::string path, int descriptor) : fd(descriptor), name(std::move(path)) {}
  Temporary(Temporary&& o) noexcept : fd(std::exchange(o.fd, -1)), name(std::exchange(o.name, {})) {}
  Temporary& operator=(Temporary&& o) noexcept {
    std::swap(fd, o.fd);
    name.swap(o.name);
    return *this;
  }
  ~Temporary() { detail::remove_temporary(fd, name, folder); }
  static std::optional<Temporary> make(const std::string& prefix) {
    auto [descriptor, path] = detail::make_temporary(prefix, folder);
    if (path.empty()) return std::nullopt;
    return Temporary(std::move(path), descriptor);
  }
  int fd = -1;  // open for reading and writing; of a folder -1
  std::string name;
};
using TempFile = Temporary<false>;
using TempDir = Temporary<true>;

inline std::optional<TempFile> try_make_tempfile(const std::string& prefix = "torch-file-") {
  return TempFile::make(prefix);
}
inline std::optional<TempDir> try_make_tempdir(const std::string& prefix = "torch-dir-") {
  return TempDir::make(prefix);
}
// These throw OsError.
inline TempFile make_tempfile(const std::string& prefix = "torch-file-") {
  if (auto made = TempFile::make(prefix)) return std::move(*made);
  detail::fail_temporary("file");
}
inline TempDir make_tempdir(const std::string& prefix = "torch-dir-") {
  if (auto made = TempDir::make(prefix)) return std::move(*made);
  detail::fail_temporary("folder");
}

}  // namespace rushlight::api
