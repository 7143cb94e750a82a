#ifndef RL_SANITIZED  // checked_allocator.cpp then
#include "rushlight/core/allocator.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "rushlight/core/error.h"

namespace rushlight {
namespace {

constexpr size_t kAlign = 64;
constexpr size_t kSmallLimit = 64 << 10;
constexpr int kClasses = 36;

// Four classes for each power of two: at most a fifth is wasted.
struct SizeClass {
  int index;
  size_t bytes;
};
SizeClass small_class(size_t bytes) {
  if (bytes <= 256) {
    size_t units = (bytes + kAlign - 1) / kAlign;
    return {int(units) - 1, units * kAlign};
  }
  int log = std::bit_width(bytes - 1) - 1;  // 2^log < bytes <= 2^(log+1)
  size_t step = size_t(1) << (log - 2);
  size_t quarter = (bytes - (size_t(1) << log) + step - 1) / step;  // 1..4
  return {4 + (log - 8) * 4 + int(quarter) - 1, (size_t(1) << log) + quarter * step};
}
static_assert(kClasses == 4 + (16 - 8) * 4);  // 64 KiB is of the last one

size_t large_size(size_t bytes) {
  size_t page = 4096;
  size_t step = std::max(page, std::bit_floor(bytes) / 8);
  return (bytes + step - 1) / step * step;
}

struct Block { Block* next; };
struct ThreadCache {
  Block* heads[kClasses] = {};
  uint16_t counts[kClasses] = {};
  int64_t allocated = 0;
};
thread_local constinit ThreadCache cache = {};

// Empties the thread's lists when it ends; the lists themselves stay usable for later frees.
struct CacheKeeper {
  ~CacheKeeper() {
    for (int i = 0; i < kClasses; i++) {
      while (Block* b = cache.heads[i]) {
        cache.heads[i] = b->next;
        std::free(b);
      }
      cache.counts[i] = 0xFFFF;  // full: frees after this go to the system
    }
  }
  void touch() {}
};
thread_local CacheKeeper keeper;

void* system_allocate(size_t bytes, size_t align) {
  void* p = std::aligned_alloc(align, (bytes + align - 1) / align * align);
  RL_CHECK(OutOfMemory, p, "DefaultCPUAllocator: can't allocate memory: you tried to allocate ", bytes, " bytes");
  return p;
}

class CpuAllocator final : public Allocator {
 public:
  CpuAllocator() {
    // Floats are NaN then and integers -1: a test sees what a kernel or a gradient rule left unwritten.
    const char* poison = std::getenv("RUSHLIGHT_POISON");
    poison_ = poison && *poison && *poison != '0';
    const char* megabytes = std::getenv("RUSHLIGHT_CPU_CACHE_MB");
    size_t total = size_t(sysconf(_SC_PHYS_PAGES)) * size_t(sysconf(_SC_PAGESIZE));
    limit_ = megabytes ? size_t(std::atoll(megabytes)) << 20 : std::min(total / 8, size_t(2) << 30);
  }

  void* allocate(size_t bytes) override {
    void* p = block(bytes);
    if (poison_ && p) [[unlikely]]
      std::memset(p, 0xFF, bytes);
    return p;
  }

  void deallocate(void* p, size_t bytes) override {
    if (!p) return;
    if (bytes > kSmallLimit) return deallocate_large(p, bytes);
    SizeClass c = small_class(bytes);
    // About 256 KiB at most in each class of each thread.
    uint16_t most = uint16_t(std::max<size_t>(4, std::min<size_t>(256, (256 << 10) / c.bytes)));
    if (cache.counts[c.index] < most) [[likely]] {
      cache.heads[c.index] = new (p) Block{cache.heads[c.index]};
      cache.counts[c.index]++;
      return;
    }
    std::free(p);
  }

  void trim() override {
    std::lock_guard lock(mutex_);
    for (auto& [size, blocks] : pool_)
      for (void* p : blocks) std::free(p);
    pool_.clear();
    cached_ = 0;
  }

  AllocatorStats stats() const override {
    std::lock_guard lock(mutex_);
    return {large_in_use_.load(), int64_t(cached_)};
  }

 private:
  void* block(size_t bytes) {
    if (bytes == 0) return nullptr;
    cache.allocated += int64_t(bytes);
    if (bytes > kSmallLimit) return allocate_large(bytes);
    SizeClass c = small_class(bytes);
    if (Block* b = cache.heads[c.index]) [[likely]] {
      cache.heads[c.index] = b->next;
      cache.counts[c.index]--;
      return b;
    }
    keeper.touch();
    return system_allocate(c.bytes, kAlign);
  }
  void* allocate_large(size_t bytes) {
    RL_CHECK(OutOfMemory, bytes < (size_t(1) << 46),
             "DefaultCPUAllocator: can't allocate memory: you tried to allocate ", bytes, " bytes");
    size_t size = large_size(bytes);
    large_in_use_ += int64_t(size);
    {
      std::lock_guard lock(mutex_);
      auto found = pool_.lower_bound(size);
      if (found != pool_.end() && found->first == size && !found->second.empty()) {
        void* p = found->second.back();
        found->second.pop_back();
        cached_ -= size;
        return p;
      }
    }
    bool huge = size >= (size_t(2) << 20);
    void* p;
    try {
      p = system_allocate(size, huge ? size_t(2) << 20 : kAlign);
    } catch (const OutOfMemory&) {
      trim();
      large_in_use_ -= int64_t(size);
      throw;
    }
    if (huge) madvise(p, size, MADV_HUGEPAGE);
    return p;
  }

  void deallocate_large(void* p, size_t bytes) {
    size_t size = large_size(bytes);
    large_in_use_ -= int64_t(size);
    {
      std::lock_guard lock(mutex_);
      if (cached_ + size <= limit_) {
        pool_[size].push_back(p);
        cached_ += size;
        return;
      }
    }
    std::free(p);
  }

  mutable std::mutex mutex_;
  std::map<size_t, std::vector<void*>> pool_;
  size_t cached_ = 0;
  size_t limit_ = 0;
  bool poison_ = false;
  std::atomic<int64_t> large_in_use_{0};
};

}  // namespace

Allocator& cpu_allocator() {
  static CpuAllocator* allocator = new CpuAllocator;  // never destroyed: tensors may outlive static destructors
  return *allocator;
}

int64_t thread_allocated_bytes() { return cache.allocated; }

}  // namespace rushlight
#endif
