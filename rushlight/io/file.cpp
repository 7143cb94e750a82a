#include "rushlight/io/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "rushlight/core/error.h"
#include "rushlight/core/mapped_files.h"

namespace rushlight::io {
namespace {

// A file of this size is read in less time than its pages are mapped in, and who cuts it meanwhile harms nobody.
constexpr size_t kReadWhole = 256 << 10;

// Null with errno set where the file has fewer bytes by now, or can't be read. Aligned as a mapping is, for tensors over it.
std::shared_ptr<void> read_whole(int fd, size_t size) {
  std::shared_ptr<void> memory(size ? std::aligned_alloc(4096, (size + 4095) & ~size_t(4095)) : nullptr, std::free);
  for (size_t at = 0; memory && at < size;) {
    ssize_t n = ::pread(fd, static_cast<char*>(memory.get()) + at, size - at, off_t(at));
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = EIO;
    if (n <= 0) return nullptr;
    at += size_t(n);
  }
  return memory;
}

}  // namespace

Bytes map_file(const std::string& path, const char* what) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  RL_CHECK(OsError, fd >= 0, what, " '", path, "': ", std::strerror(errno));
  struct stat info;
  bool regular = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  size_t size = regular ? size_t(info.st_size) : 0;
  if (regular && size <= kReadWhole) {
    std::shared_ptr<void> memory = read_whole(fd, size);
    const int error = errno;
    ::close(fd);
    RL_CHECK(OsError, memory || size == 0, what, " '", path, "': ", std::strerror(error));
    return {{static_cast<const uint8_t*>(memory.get()), size}, memory};
  }
  // Private and writable: tensors over a mapped file may be changed without changing the file.
  void* p = size ? ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) : nullptr;
  int error = errno;
  ::close(fd);
  RL_CHECK(OsError, regular, what, " '", path, "': not a regular file");
  RL_CHECK(OsError, p != MAP_FAILED, what, " '", path, "': ", std::strerror(error));
  watch_mapped_file(p, size, path);
  auto owner = std::shared_ptr<void>(p, [size](void* q) {
    forget_mapped_file(q);
    ::munmap(q, size);
  });
  return {{static_cast<const uint8_t*>(p), size}, owner};
}

Bytes own_bytes(std::vector<uint8_t> bytes) {
  auto held = std::make_shared<std::vector<uint8_t>>(std::move(bytes));
  return {{held->data(), held->size()}, held};
}

namespace {

constexpr size_t kBuffer = 1 << 20;

std::string folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)), target_(path_) {
  static std::atomic<unsigned> serial{0};
  if (char* real = ::realpath(path_.c_str(), nullptr)) {
    target_ = real;
    std::free(real);
  }
  struct stat old;
  bool exists = ::stat(target_.c_str(), &old) == 0;
  if (exists && !S_ISREG(old.st_mode)) {
    fd_ = ::open(target_.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd_ < 0) fail("open");
    return;
  }
  temporary_ = str(target_, ".", ::getpid(), ".", serial++, ".tmp");
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0) fail("open");
  if (exists && ::fchmod(fd_, old.st_mode & 07777) != 0) fail("chmod");
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() {
  if (fd_ < 0) return;
  ::close(fd_);
  fd_ = -1;
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::fail(const char* what) {
  int error = errno;
  discard();
  throw OsError(str("save '", path_, "': ", what, ": ", std::strerror(error)));
}

void AtomicFile::write_out(const uint8_t* data, size_t size) {
  while (size) {
    ssize_t n = ::write(fd_, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail("write");
    data += n;
    size -= size_t(n);
  }
}

void AtomicFile::flush() {
  write_out(buffer_.data(), buffer_.size());
  buffer_.clear();
}

void AtomicFile::write(const void* data, size_t size) {
  RL_INVARIANT(fd_ >= 0, "a write after the file failed or was committed");
  const uint8_t* p = static_cast<const uint8_t*>(data);
  if (size >= kBuffer) {  // a large tensor is not copied
    flush();
    return write_out(p, size);
  }
  buffer_.insert(buffer_.end(), p, p + size);
  if (buffer_.size() >= kBuffer) flush();
}

void AtomicFile::commit() {
  RL_INVARIANT(fd_ >= 0, "a commit after the file failed or was committed");
  flush();
  if (temporary_.empty()) {
    int fd = std::exchange(fd_, -1);
    if (::close(fd) != 0) fail("close");
    return;
  }
  if (::fsync(fd_) != 0) fail("fsync");
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("rename");
  temporary_.clear();
  discard();
  // The new name must survive a crash too.
  int dir = ::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir >= 0) {
    ::fsync(dir);
    ::close(dir);
  }
}

}  // namespace rushlight::io
