// The CPU's allocator in builds under a sanitizer: blocks of exactly the bytes asked for, each straight from the system, so that
// what reads or writes past one is seen.
#ifdef RL_SANITIZED
#include <cstdlib>
#include <cstring>

#include "rushlight/core/allocator.h"
#include "rushlight/core/checked.h"
#include "rushlight/core/error.h"

namespace rushlight {
namespace {

thread_local int64_t allocated = 0;

class CheckedAllocator final : public Allocator {
 public:
  void* allocate(size_t bytes) override {
    if (bytes == 0) return nullptr;
    void* p = nullptr;
    // Where there is a limit, AddressSanitizer writes to stderr before it refuses.
    RL_CHECK(OutOfMemory, bytes < (size_t(1) << 30) && posix_memalign(&p, 64, bytes) == 0,
             "DefaultCPUAllocator: can't allocate memory: you tried to allocate ", bytes, " bytes");
    std::memset(p, fresh_memory, bytes);
    allocated += int64_t(bytes);
    return p;
  }
  void deallocate(void* p, size_t) override { std::free(p); }
};

}  // namespace

uint8_t fresh_memory = 0xFF;

Allocator& cpu_allocator() {
  static CheckedAllocator* allocator = new CheckedAllocator;  // never destroyed: tensors may outlive static destructors
  return *allocator;
}

int64_t thread_allocated_bytes() { return allocated; }

}  // namespace rushlight
#endif
