#ifndef RL_SANITIZED  // checked_allocator.cpp then
#include "rushlight/core/allocator.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>
#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

#include "rushlight/core/error.h"
#include "rushlight/core/limits.h"
#include "rushlight/core/tides.h"

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
size_t class_bytes(int index) {
  if (index < 4) return size_t(index + 1) * kAlign;
  size_t power = size_t(256) << ((index - 4) / 4);
  return power + power / 4 * size_t((index - 4) % 4 + 1);
}

// Eight classes for each power of two.
constexpr int kLargeClasses = (46 - 16) * 8;
SizeClass large_class(size_t bytes) {
  int log = std::bit_width(bytes - 1) - 1;  // 2^log < bytes <= 2^(log+1)
  size_t step = size_t(1) << (log - 3);
  size_t eighth = (bytes - (size_t(1) << log) + step - 1) / step;  // 1..8
  return {(log - 16) * 8 + int(eighth) - 1, (size_t(1) << log) + eighth * step};
}

// What one thread counts and another may read meanwhile.
struct Counter {
  std::atomic<int64_t> value{0};
  void add(int64_t n) { value.store(get() + n, std::memory_order_relaxed); }
  int64_t get() const { return value.load(std::memory_order_relaxed); }
};

struct Counters { Counter taken[kClasses], given[kClasses]; };

struct Block { Block* next; };
// Small: it lies in the static thread-local block, of which a module that is loaded late gets a KB or two.
struct ThreadCache {
  Block* heads[kClasses] = {};
  uint16_t counts[kClasses] = {};
  int64_t allocated = 0;
  Counters* counters = nullptr;  // null until `keeper` knows of the thread

  void empty() {
    for (int i = 0; i < kClasses; i++) {
      while (Block* b = heads[i]) {
        heads[i] = b->next;
        std::free(b);
      }
      counts[i] = 0;
    }
  }
};
thread_local constinit ThreadCache cache [[gnu::tls_model("initial-exec")]] = {};

// Small blocks, counted over all threads.
struct SmallCounts { int64_t taken[kClasses] = {}, given[kClasses] = {}; };
struct Threads {
  std::mutex mutex;
  std::vector<const Counters*> running;
  Counters late;  // of threads that go on after their end
  SmallCounts ended;

  SmallCounts sum() {
    std::lock_guard lock(mutex);
    SmallCounts all = ended;
    for (const Counters* t : running) add(all, *t);
    add(all, late);
    return all;
  }
  static void add(SmallCounts& to, const Counters& t) {
    for (int i = 0; i < kClasses; i++) {
      to.taken[i] += t.taken[i].get();
      to.given[i] += t.given[i].get();
    }
  }
};
Threads& threads() {
  static Threads* all = new Threads;  // outlives threads that end late
  return *all;
}

// Empties the thread's lists when it ends; the lists themselves stay usable for later frees.
struct CacheKeeper {
  CacheKeeper() {
    cache.counters = new Counters;
    std::lock_guard lock(threads().mutex);
    threads().running.push_back(cache.counters);
  }
  ~CacheKeeper() {
    cache.empty();
    for (uint16_t& count : cache.counts) count = 0xFFFF;  // full: frees after this go to the system
    std::lock_guard lock(threads().mutex);
    std::erase(threads().running, cache.counters);
    Threads::add(threads().ended, *cache.counters);
    delete std::exchange(cache.counters, &threads().late);
  }
  void touch() {}
};
thread_local CacheKeeper keeper;

[[noreturn]] void fail_memory(size_t bytes) {
  throw OutOfMemory(str("DefaultCPUAllocator: can't allocate memory: you tried to allocate ", bytes, " bytes"));
}

// Pages of our own: what goes back to malloc stays with the process as long as anything lies above it.
void* map_pages(size_t bytes) {
  constexpr size_t huge = size_t(2) << 20;
  size_t room = bytes >= huge ? bytes + huge : bytes;  // to start at a multiple of `huge`
  void* p = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  if (room == bytes) return p;
  char *first = static_cast<char*>(p), *start = first + (-reinterpret_cast<uintptr_t>(p) & (huge - 1));
  if (start > first) munmap(first, size_t(start - first));
  if (char *end = start + bytes, *last = first + room; end < last) munmap(end, size_t(last - end));
#ifdef MADV_HUGEPAGE
  madvise(start, bytes, MADV_HUGEPAGE);
#endif
  return start;
}

// A large block that is kept for reuse; it lies at the block's start.
struct Kept {
  Kept *older, *newer;            // all of them, by when they were freed
  Kept *below = nullptr, *above;  // those of one size; the one on top was freed last
  SizeClass size;
  int64_t since;  // what the clock showed when it was freed
};

class CpuAllocator final : public Allocator {
 public:
  CpuAllocator() {
    // Floats are NaN then and integers -1: a test sees what a kernel or a gradient rule left unwritten.
    const char* poison = std::getenv("RUSHLIGHT_POISON");
    poison_ = poison && *poison && *poison != '0';
    const char* megabytes = std::getenv("RUSHLIGHT_CPU_CACHE_MB");
    int64_t total = int64_t(sysconf(_SC_PHYS_PAGES)) * int64_t(sysconf(_SC_PAGESIZE));
    limit_ = megabytes ? int64_t(std::atoll(megabytes)) << 20 : std::min(total / 8, int64_t(2) << 30);
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
    if (!cache.counters) [[unlikely]]
      keeper.touch();
    cache.counters->given[c.index].add(1);
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
    if (cache.counters && cache.counts[0] != 0xFFFF) cache.empty();
    {
      std::lock_guard lock(mutex_);
      shrink(0);
      trims_++;
    }
#ifdef __GLIBC__
    malloc_trim(0);
#endif
  }

  AllocatorStats stats() const override {
    SmallCounts small = threads().sum();
    std::lock_guard lock(mutex_);
    AllocatorStats s{.bytes = bytes_,
                     .blocks = blocks_,
                     .reserved = reserved_,
                     .cached_bytes = cached_,
                     .out_of_memory = out_of_memory_,
                     .trims = trims_};
    for (int i = 0; i < kClasses; i++) {
      int64_t size = int64_t(class_bytes(i)), live = small.taken[i] - small.given[i];
      for (auto [count, unit] : {std::pair(&s.bytes, size), std::pair(&s.blocks, int64_t(1))}) {
        count->current += live * unit;
        count->peak += live * unit;
        count->allocated += small.taken[i] * unit;
        count->freed += small.given[i] * unit;
      }
      s.reserved.current += live * size;
      s.reserved.peak += live * size;
      s.reserved.allocated += small.taken[i] * size;
      s.reserved.freed += small.given[i] * size;
    }
    auto since = [](AllocatorStats::Count& c, const AllocatorStats::Count& base) {
      c.allocated -= base.allocated;
      c.freed -= base.freed;
    };
    since(s.bytes, base_.bytes);
    since(s.blocks, base_.blocks);
    since(s.reserved, base_.reserved);
    s.out_of_memory -= base_.out_of_memory;
    s.trims -= base_.trims;
    return s;
  }
  void reset_peak_stats() override {
    std::lock_guard lock(mutex_);
    for (AllocatorStats::Count* c : {&bytes_, &blocks_, &reserved_}) c->peak = c->current;
  }
  void reset_accumulated_stats() override {
    AllocatorStats now = stats();
    std::lock_guard lock(mutex_);
    auto add = [](AllocatorStats::Count& base, const AllocatorStats::Count& c) {
      base.allocated += c.allocated;
      base.freed += c.freed;
    };
    add(base_.bytes, now.bytes);
    add(base_.blocks, now.blocks);
    add(base_.reserved, now.reserved);
    base_.out_of_memory += now.out_of_memory;
    base_.trims += now.trims;
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
      cache.counters->taken[c.index].add(1);
      return b;
    }
    if (!cache.counters) keeper.touch();
    void* p = std::aligned_alloc(kAlign, c.bytes);
    if (!p) [[unlikely]]
      fail_memory(bytes);
    cache.counters->taken[c.index].add(1);
    return p;
  }

  void* allocate_large(size_t bytes) {
    if (bytes >= (size_t(1) << 46)) fail_memory(bytes);
    SizeClass c = large_class(bytes);
    int64_t size = int64_t(c.bytes);
    Limits::take(size);
    std::lock_guard lock(mutex_);
    void* p = nullptr;
    bool missed = !tops_[c.index];
    if (!missed) {
      Kept* kept = tops_[c.index];
      forget(kept);
      p = kept;
    }
    tides_.take(size, bytes_.current + size, cached_, missed);
    clock_ += size;
    if (missed) {
      shrink(std::max<int64_t>(0, tides_.most_held() - bytes_.current - size));
      p = map_pages(c.bytes);
      if (!p) {
        shrink(0);
        p = map_pages(c.bytes);
      }
      if (!p) {
        out_of_memory_++;
        fail_memory(bytes);
      }
      take(reserved_, size);
    }
    take(bytes_, size);
    take(blocks_, 1);
    return p;
  }

  void deallocate_large(void* p, size_t bytes) {
    SizeClass c = large_class(bytes);
    int64_t size = int64_t(c.bytes);
    Limits::take(-size);
    std::lock_guard lock(mutex_);
    give(bytes_, size);
    give(blocks_, 1);
    tides_.free(bytes_.current);
    int64_t allowed = std::min(limit_, tides_.allowed());
    if (size > allowed) {
      unmap(p, c.bytes);
      tides_.give_back(size);
      return shrink(allowed);
    }
    auto* kept = new (p)
        Kept{.older = newest_, .newer = nullptr, .below = tops_[c.index], .above = nullptr, .size = c, .since = clock_};
    (newest_ ? newest_->newer : oldest_) = kept;
    newest_ = kept;
    if (kept->below) kept->below->above = kept;
    tops_[c.index] = kept;
    cached_ += size;
    if (cached_ > allowed) tides_.give_back(cached_ - allowed);
    shrink(allowed);
  }

  // Those that nobody asked for in a whole spell go first; then the newest: a loop asks for its blocks in a round, and were the oldest
  // to go, each would be gone when its turn comes.
  void shrink(int64_t most) {
    while (cached_ > most) {
      Kept* k = clock_ - oldest_->since > tides_.spell() ? oldest_ : newest_;
      size_t size = k->size.bytes;
      forget(k);
      unmap(k, size);
    }
  }
  void forget(Kept* k) {
    (k->older ? k->older->newer : oldest_) = k->newer;
    (k->newer ? k->newer->older : newest_) = k->older;
    if (k->below) k->below->above = k->above;
    (k->above ? k->above->below : tops_[k->size.index]) = k->below;
    cached_ -= int64_t(k->size.bytes);
  }
  void unmap(void* p, size_t bytes) {
    munmap(p, bytes);
    give(reserved_, int64_t(bytes));
  }
  static void take(AllocatorStats::Count& c, int64_t n) {
    c.peak = std::max(c.peak, c.current += n);
    c.allocated += n;
  }
  static void give(AllocatorStats::Count& c, int64_t n) {
    c.current -= n;
    c.freed += n;
  }

  mutable std::mutex mutex_;
  Kept* tops_[kLargeClasses] = {};
  Kept *oldest_ = nullptr, *newest_ = nullptr;
  int64_t cached_ = 0, limit_ = 0;
  int64_t clock_ = 0;  // bytes ever taken in large blocks
  Tides tides_;
  AllocatorStats::Count bytes_, blocks_, reserved_;  // of large blocks
  int64_t out_of_memory_ = 0, trims_ = 0;
  AllocatorStats base_;  // what the accumulated counts stood at when they were reset
  bool poison_ = false;
};

}  // namespace

Allocator& cpu_allocator() {
  static CpuAllocator* allocator = new CpuAllocator;  // never destroyed: tensors may outlive static destructors
  return *allocator;
}

int64_t thread_allocated_bytes() { return cache.allocated; }

}  // namespace rushlight
#endif
