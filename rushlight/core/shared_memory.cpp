#include "rushlight/core/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "rushlight/core/error.h"
#include "rushlight/core/lazy_copy.h"
#include "rushlight/core/mapped_files.h"

namespace rushlight {
namespace {

void unmap(void* data, size_t bytes) {
  if (!data) return;
  forget_mapped_file(data);
  munmap(data, bytes);
}

// What a storage keeps; its type is how shared memory is told from other memory that storages borrow.
struct Mapped {
  int descriptor;
  size_t bytes;
  void operator()(void* data) const {
    unmap(data, bytes);
    close(descriptor);
  }
};

// Takes the descriptor over. Without `keep` only the mapping is left of it.
std::shared_ptr<void> map(int descriptor, size_t bytes, int how = MAP_SHARED, bool keep = true) {
  void* data = nullptr;  // no bytes can't be mapped
  if (bytes) data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, how, descriptor, 0);
  if (data == MAP_FAILED) {
    int error = errno;
    close(descriptor);
    RL_CHECK(RuntimeError, false, "shared memory: can't map ", bytes, " bytes: ", std::strerror(error));
  }
  if (how == MAP_SHARED && keep) return std::shared_ptr<void>(data, Mapped{descriptor, bytes});
  close(descriptor);
  return std::shared_ptr<void>(data, [bytes](void* p) { unmap(p, bytes); });
}

}  // namespace

int shared_memory_descriptor(const Storage& storage) {
  const Mapped* mapped = std::get_deleter<Mapped>(storage.keep());
  return mapped ? mapped->descriptor : -1;
}

std::shared_ptr<void> lend_memory(Storage& storage) {
  materialize(storage);
  if (storage.data() && storage.allocator() == &cpu_allocator()) {
    size_t bytes = storage.bytes();
    std::shared_ptr<void> memory(storage.data(), [bytes](void* p) { cpu_allocator().deallocate(p, bytes); });
    storage.move_into(storage.data(), memory);
  }
  return storage.keep();
}

void move_to_shared_memory(Storage& storage) {
  if (shared_memory_descriptor(storage) >= 0) return;
  RL_CHECK(RuntimeError, storage.device().is_cpu(), "share_memory_: only available on CPU, got a tensor on ",
           storage.device().text(), "; move it with .cpu() first");
  int descriptor = memfd_create("rushlight", MFD_CLOEXEC);
  RL_CHECK(RuntimeError, descriptor >= 0, "shared memory: the system gives no descriptor: ", std::strerror(errno));
  // Allocated now, where it can fail, not at the first write, where it would end the process.
  int error = storage.bytes() ? posix_fallocate(descriptor, 0, off_t(storage.bytes())) : 0;
  if (error) {
    close(descriptor);
    RL_CHECK(RuntimeError, false, "shared memory: no room for ", storage.bytes(), " bytes: ", std::strerror(error));
  }
  std::shared_ptr<void> keep = map(descriptor, storage.bytes());
  void* data = keep.get();
  if (storage.bytes()) std::memcpy(data, storage.data(), storage.bytes());
  storage.move_into(data, std::move(keep));
}

Ref<Storage> storage_over(int descriptor, size_t bytes, bool keep) {
  struct stat file;
  if (fstat(descriptor, &file) != 0 || size_t(file.st_size) < bytes) {
    close(descriptor);
    RL_CHECK(RuntimeError, false, "shared memory: expected a descriptor of at least ", bytes, " bytes");
  }
  std::shared_ptr<void> mapped = map(descriptor, bytes, MAP_SHARED, keep);
  void* data = mapped.get();
  return make_ref<Storage>(data, bytes, Device(), std::move(mapped));
}

Ref<Storage> storage_of_file(const std::string& path, bool shared, size_t bytes) {
  int descriptor = open(path.c_str(), (shared ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC, 0666);
  RL_CHECK(RuntimeError, descriptor >= 0, "from_file: unable to open file <", path, ">: ", std::strerror(errno));
  struct stat file;
  int error = fstat(descriptor, &file) == 0 ? 0 : errno;
  if (!error && shared && size_t(file.st_size) < bytes) error = posix_fallocate(descriptor, 0, off_t(bytes));
  else if (!error && size_t(file.st_size) < bytes) error = EOVERFLOW;
  if (error) {
    close(descriptor);
    RL_CHECK(RuntimeError, error != EOVERFLOW, "from_file: file <", path, "> has ", file.st_size,
             " bytes, expected at least ", bytes);
    RL_CHECK(RuntimeError, false, "from_file: file <", path, ">: ", std::strerror(error));
  }
  std::shared_ptr<void> keep = map(descriptor, bytes, shared ? MAP_SHARED : MAP_PRIVATE);
  void* data = keep.get();
  if (data) watch_mapped_file(data, bytes, path);
  return make_ref<Storage>(data, bytes, Device(), std::move(keep));
}

}  // namespace rushlight
