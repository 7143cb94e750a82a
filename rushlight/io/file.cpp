#include "rushlight/io/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "rushlight/core/error.h"

namespace rushlight::io {

Bytes map_file(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  RL_CHECK(OsError, fd >= 0, "load '", path, "': ", std::strerror(errno));
  struct stat info;
  bool regular = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  size_t size = regular ? size_t(info.st_size) : 0;
  // Private and writable: tensors over a mapped file may be changed without changing the file.
  void* p = size ? ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) : nullptr;
  int error = errno;
  ::close(fd);
  RL_CHECK(OsError, regular, "load '", path, "': not a regular file");
  RL_CHECK(OsError, p != MAP_FAILED, "load '", path, "': ", std::strerror(error));
  auto owner = std::shared_ptr<void>(p, [size](void* q) {
    if (q) ::munmap(q, size);
  });
  return {{static_cast<const uint8_t*>(p), size}, owner};
}

Bytes own_bytes(std::vector<uint8_t> bytes) {
  auto held = std::make_shared<std::vector<uint8_t>>(std::move(bytes));
  return {{held->data(), held->size()}, held};
}

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)), temporary_(str(path_, ".", ::getpid(), ".tmp")) {
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd_ < 0) fail("open");
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::fail(const char* what) {
  int error = errno;
  if (fd_ >= 0) {
    ::close(fd_);
    ::unlink(temporary_.c_str());
    fd_ = -1;
  }
  throw OsError(str("save '", path_, "': ", what, ": ", std::strerror(error)));
}

void AtomicFile::flush() {
  for (size_t at = 0; at < buffer_.size();) {
    ssize_t n = ::write(fd_, buffer_.data() + at, buffer_.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail("write");
    at += size_t(n);
  }
  buffer_.clear();
}

void AtomicFile::write(const void* data, size_t size) {
  const uint8_t* p = static_cast<const uint8_t*>(data);
  buffer_.insert(buffer_.end(), p, p + size);
  if (buffer_.size() >= (1u << 20)) flush();
}

void AtomicFile::commit() {
  flush();
  if (::fsync(fd_) != 0) fail("fsync");
  if (::close(fd_) != 0) {
    fd_ = -1;
    ::unlink(temporary_.c_str());
    fail("close");
  }
  fd_ = -1;
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    int error = errno;
    ::unlink(temporary_.c_str());
    errno = error;
    fail("rename");
  }
  // The new name must survive a crash too.
  size_t slash = path_.rfind('/');
  std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path_.substr(0, slash);
  int dir = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir >= 0) {
    ::fsync(dir);
    ::close(dir);
  }
}

}  // namespace rushlight::io
