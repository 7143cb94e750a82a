#ifndef RL_SANITIZED  // checked_allocator.cpp then
#include "rushlight/core/allocator.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iterator>
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

size_t page_size() {
  static const size_t size = size_t(sysconf(_SC_PAGESIZE));
  return size;
}
size_t whole_pages(size_t bytes) { return (bytes + page_size() - 1) & ~(page_size() - 1); }

// Eight classes for each power of two.
constexpr int kLargeClasses = (46 - 16) * 8;
SizeClass large_class(size_t bytes) {
  int log = std::bit_width(bytes - 1) - 1;  // 2^log < bytes <= 2^(log+1)
  size_t step = size_t(1) << (log - 3);
  size_t eighth = (bytes - (size_t(1) << log) + step - 1) / step;  // 1..8
  return {(log - 16) * 8 + int(eighth) - 1, whole_pages((size_t(1) << log) + eighth * step)};
}
// How many of the classes have blocks that fit into so many bytes.
size_t classes_within(size_t bytes) {
  if (bytes <= kSmallLimit) return 0;
  SizeClass c = large_class(bytes);
  return size_t(c.bytes > bytes ? c.index : c.index + 1);
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

constexpr size_t kHugePage = size_t(2) << 20;
void wants_huge_pages([[maybe_unused]] void* p, [[maybe_unused]] size_t bytes) {
#ifdef MADV_HUGEPAGE
  madvise(p, bytes, MADV_HUGEPAGE);
#endif
}

// Pages of our own: what goes back to malloc stays with the process as long as anything lies above it.
void* map_pages(size_t bytes) {
  size_t room = bytes >= kHugePage ? bytes + kHugePage : bytes;  // to start at the begin of a huge page
  void* p = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  if (room == bytes) return p;
  char *first = static_cast<char*>(p), *start = first + (-reinterpret_cast<uintptr_t>(p) & (kHugePage - 1));
  if (start > first) munmap(first, size_t(start - first));
  if (char *end = start + bytes, *last = first + room; end < last) munmap(end, size_t(last - end));
  wants_huge_pages(start, bytes);
  return start;
}

// Those pages, if nothing is there.
bool map_at(char* at, size_t bytes) {
#ifdef MAP_FIXED_NOREPLACE
  void* p = mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (p == MAP_FAILED) return false;
  if (p != at) {  // an old system takes the address as a wish
    munmap(p, bytes);
    return false;
  }
  if (bytes >= kHugePage) wants_huge_pages(p, bytes);
  return true;
#else
  return false;
#endif
}

// Note [Runs]: what is kept for reuse is runs of pages. A block that is freed joins the runs beside it, and a block is cut from the shortest
// run that holds it: a round whose blocks are of many sizes keeps what it needs at once, not the most of each size.
//
// It lies at the start of its pages.
struct Run {
  Run *older, *newer;            // all of them, by when they grew last
  Run *below = nullptr, *above;  // those that hold blocks of as many classes; the one on top grew last
  size_t bytes;
  int64_t since;  // what the clock showed when it grew last
  char* end() { return reinterpret_cast<char*>(this) + bytes; }
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
    void* p = cut(c);
    bool missed = !p;
    tides_.take(size, bytes_.current + size, cached_, missed);
    clock_ += size;
    if (missed) {
      shrink(std::max<int64_t>(0, tides_.most_held() - bytes_.current - size));
      p = grown(c);
      if (!p) p = fresh(c);
      if (!p) {
        shrink(0);
        p = fresh(c);
      }
      if (!p) {
        out_of_memory_++;
        fail_memory(bytes);
      }
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
    keep(static_cast<char*>(p), c.bytes);
    if (cached_ > allowed) tides_.give_back(cached_ - allowed);
    shrink(allowed);
  }

  // Null where the system gives none.
  void* fresh(SizeClass c) {
    void* p = map_pages(c.bytes);
    if (p) take(reserved_, int64_t(c.bytes));
    return p;
  }
  // A block that begins or ends with a long run, of which only what it lacks is mapped; null where there is no run, or something else beside it.
  void* grown(SizeClass c) {
    size_t word = std::size(filled_);
    while (word > 0 && !filled_[word - 1]) word--;
    if (word == 0) return nullptr;
    Run* run = tops_[word * 64 - 1 - size_t(std::countl_zero(filled_[word - 1]))];
    size_t lack = c.bytes - run->bytes;
    for (char* at : {reinterpret_cast<char*>(run) - lack, run->end()}) {
      if (!map_at(at, lack)) continue;
      take(reserved_, int64_t(lack));
      keep(at, lack);
      return cut(c);
    }
    return nullptr;
  }
  // A block from the runs; null if none holds it.
  void* cut(SizeClass c) {
    size_t wanted = size_t(c.index) + 1, word = wanted / 64;
    uint64_t found = filled_[word] & (~uint64_t(0) << (wanted % 64));
    while (!found && ++word < std::size(filled_)) found = filled_[word];
    if (!found) return nullptr;
    Run* run = tops_[word * 64 + size_t(std::countr_zero(found))];
    if (run->bytes == c.bytes) forget(run);
    else *place(run) = replace(run, reinterpret_cast<char*>(run) + c.bytes, run->bytes - c.bytes);
    return run;
  }
  void keep(char* p, size_t bytes) {
    auto after = std::lower_bound(runs_.begin(), runs_.end(), reinterpret_cast<Run*>(p), std::less<>());
    bool joins_after = after != runs_.end() && p + bytes == reinterpret_cast<char*>(*after);
    bool joins_before = after != runs_.begin() && after[-1]->end() == p;
    size_t whole = bytes;
    if (joins_after) {
      whole += (*after)->bytes;
      unlist(*after);
    }
    if (joins_before) {
      Run* before = after[-1];
      whole += before->bytes;
      p = reinterpret_cast<char*>(before);
      unlist(before);
      if (joins_after) after = runs_.erase(after);
      --after;
    } else if (!joins_after) {
      after = runs_.insert(after, nullptr);
    }
    *after = enlist(p, whole, clock_, newest_, nullptr);
  }

  // What nobody asked for in a whole spell goes first; then the newest: a loop asks for its blocks in a round, and were the oldest to go, each
  // would be gone when its turn comes.
  void shrink(int64_t most) {
    while (cached_ > most) {
      Run* run = clock_ - oldest_->since > tides_.spell() ? oldest_ : newest_;
      size_t excess = whole_pages(size_t(cached_ - most));
      if (run->bytes > excess) {
        replace(run, reinterpret_cast<char*>(run), run->bytes - excess);
        unmap(run->end(), excess);
      } else {
        size_t bytes = run->bytes;
        forget(run);
        unmap(run, bytes);
      }
    }
  }
  std::vector<Run*>::iterator place(Run* run) {
    return std::lower_bound(runs_.begin(), runs_.end(), run, std::less<>());
  }
  void forget(Run* run) {
    runs_.erase(place(run));
    unlist(run);
  }
  // A part of the run in its stead, as old as it.
  Run* replace(Run* run, char* p, size_t bytes) {
    Run whole = *run;
    unlist(run);
    return enlist(p, bytes, whole.since, whole.older, whole.newer);
  }
  // Writes the head of a run, and puts it into the lists but not among runs_.
  Run* enlist(char* p, size_t bytes, int64_t since, Run* older, Run* newer) {
    size_t c = classes_within(bytes);
    auto* run = new (p)
        Run{.older = older, .newer = newer, .below = tops_[c], .above = nullptr, .bytes = bytes, .since = since};
    (older ? older->newer : oldest_) = run;
    (newer ? newer->older : newest_) = run;
    if (run->below) run->below->above = run;
    tops_[c] = run;
    filled_[c / 64] |= uint64_t(1) << (c % 64);
    cached_ += int64_t(bytes);
    return run;
  }
  void unlist(Run* run) {
    size_t c = classes_within(run->bytes);
    (run->older ? run->older->newer : oldest_) = run->newer;
    (run->newer ? run->newer->older : newest_) = run->older;
    if (run->below) run->below->above = run->above;
    (run->above ? run->above->below : tops_[c]) = run->below;
    if (!tops_[c]) filled_[c / 64] &= ~(uint64_t(1) << (c % 64));
    cached_ -= int64_t(run->bytes);
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
  std::vector<Run*> runs_;  // by address
  // By how many classes have blocks that fit.
  Run* tops_[kLargeClasses + 1] = {};
  uint64_t filled_[kLargeClasses / 64 + 1] = {};  // which of them are not null
  Run *oldest_ = nullptr, *newest_ = nullptr;
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
