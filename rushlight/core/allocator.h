// Allocator: where storages get their bytes. One instance a device; the CPU's caches freed blocks.
// Thread safety: all methods may be called at once from any thread.
#pragma once
#include <cstddef>
#include <cstdint>

namespace rushlight {

struct AllocatorStats {
  struct Count {
    int64_t current = 0, peak = 0;
    int64_t allocated = 0, freed = 0;  // since the start, or the last reset_accumulated_stats()
  };
  Count bytes;               // asked for by storages, rounded up to blocks
  Count blocks;              // their number
  Count reserved;            // bytes taken from the system: those in use and those kept for reuse
  int64_t cached_bytes = 0;  // kept for reuse
  int64_t out_of_memory = 0, trims = 0;
};

class Allocator {
 public:
  virtual ~Allocator() = default;
  // 64-byte aligned, uninitialised. bytes == 0 gives null. Throws OutOfMemory.
  virtual void* allocate(size_t bytes) = 0;
  // REQUIRES: p came from allocate(bytes) of this allocator.
  virtual void deallocate(void* p, size_t bytes) = 0;
  // Gives cached blocks back to the system: all but the small ones that other threads keep.
  virtual void trim() {}
  virtual AllocatorStats stats() const { return {}; }
  virtual void reset_peak_stats() {}
  virtual void reset_accumulated_stats() {}
};

// Blocks up to 64 KiB are cached per thread by size class (up to 256 KiB of each class); larger ones in a pool that all threads
// share, as long as they are likely to be asked for again: see Note [Tides]. RUSHLIGHT_CPU_CACHE_MB bounds the pool (default: an
// eighth of the machine's memory, at most 2 GiB). A fresh 16 MB block costs page faults worth several times the addition that
// fills it.
Allocator& cpu_allocator();

// Runs `trim` of what other parts of the library keep (oneDNN's primitives) whenever cached memory is given back on request.
void at_empty_cache(void (*trim)());
// cpu_allocator().trim(), and what at_empty_cache() added.
void empty_cpu_cache();

// Bytes allocated on this thread since it started; the profiler takes differences.
int64_t thread_allocated_bytes();

}  // namespace rushlight
