// Allocator: where storages get their bytes. One instance a device; the CPU's caches freed blocks.
// Thread safety: all methods may be called at once from any thread.
#pragma once
#include <cstddef>
#include <cstdint>

namespace rushlight {

struct AllocatorStats {
  int64_t allocated_bytes = 0;  // in use by storages
  int64_t cached_bytes = 0;     // kept for reuse
};

class Allocator {
 public:
  virtual ~Allocator() = default;
  // 64-byte aligned, uninitialised. bytes == 0 gives null. Throws OutOfMemory.
  virtual void* allocate(size_t bytes) = 0;
  // REQUIRES: p came from allocate(bytes) of this allocator.
  virtual void deallocate(void* p, size_t bytes) = 0;
  // Gives cached blocks back to the system.
  virtual void trim() {}
  virtual AllocatorStats stats() const { return {}; }
};

// Blocks up to 64 KiB are cached per thread by size class; larger ones in a shared pool bounded by
// RUSHLIGHT_CPU_CACHE_MB (default: an eighth of the machine's memory, at most 2 GiB). A fresh 16 MB block costs page faults
// worth several times the addition that fills it.
Allocator& cpu_allocator();

// Bytes allocated on this thread since it started; the profiler takes differences.
int64_t thread_allocated_bytes();

}  // namespace rushlight
