#include "rushlight/kernels/parallel.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "rushlight/core/error.h"
#include "rushlight/kernels/cpu_quota.h"
#include "rushlight/kernels/forked.h"

namespace rushlight {
namespace {

thread_local bool inside = false;
thread_local int running_piece = 0;

int quota_threads() {
  cpu_set_t set;
  int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : int(std::thread::hardware_concurrency());
  if (int quota = cgroup_cpus("/")) n = std::min(n, quota);
  return std::max(n, 1);
}

std::atomic<int>& limit() {
  static std::atomic<int> n{[] {
    const char* wanted = std::getenv("OMP_NUM_THREADS");
    int count = wanted ? std::atoi(wanted) : 0;
    return count > 0 ? count : quota_threads();
  }()};
  return n;
}

std::atomic<bool> in_child{false};          // forked, and no pool made since
std::atomic<bool> libraries_used{false};    // some library was given more than one thread
std::atomic<bool> libraries_broken{false};  // that was in the parent
[[maybe_unused]] const int at_fork = pthread_atfork(nullptr, nullptr, [] {
  in_child.store(true, std::memory_order_relaxed);
  if (libraries_used) libraries_broken = true;
});

// Workers sleep on a condition between jobs: a spinning pool collapses when a neighbour uses a core.
class Pool {
 public:
  // A forked child has none of the threads, and locks as they stood: it takes a new pool and leaves the old one be.
  static Pool& get() {
    static std::atomic<Pool*> pool{new Pool};  // never destroyed: threads may still wait in it at exit
    if (in_child.load(std::memory_order_relaxed)) [[unlikely]] {
      std::lock_guard lock(replacing);
      if (in_child.exchange(false)) pool = new Pool;
    }
    return *pool;
  }

  void run(int64_t pieces, FunctionRef<void(int64_t)> piece) {
    std::unique_lock only(one_job_);
    {
      std::lock_guard lock(mutex_);
      while (int64_t(workers_) < pieces - 1) {
        std::thread([this] { work(); }).detach();
        workers_++;
      }
      piece_ = &piece;
      next_ = 0;
      pieces_ = pieces;
      left_ = pieces;
      failure_ = nullptr;
    }
    wake_.notify_all();
    take_pieces();
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return left_ == 0; });
    piece_ = nullptr;
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return piece_ && next_ < pieces_; });
      lock.unlock();
      take_pieces();
      lock.lock();
    }
  }

  void take_pieces() {
    inside = true;
    for (;;) {
      std::unique_lock lock(mutex_);
      if (!piece_ || next_ >= pieces_) break;
      int64_t i = next_++;
      auto* piece = piece_;
      lock.unlock();
      std::exception_ptr failure;
      try {
        (*piece)(i);
      } catch (...) { failure = std::current_exception(); }
      lock.lock();
      if (failure) failure_ = failure;
      if (--left_ == 0) done_.notify_all();
    }
    inside = false;
  }

  static inline std::mutex replacing;  // taken by first users in a child only
  std::mutex one_job_, mutex_;
  std::condition_variable wake_, done_;
  const FunctionRef<void(int64_t)>* piece_ = nullptr;
  int64_t next_ = 0, pieces_ = 0, left_ = 0;
  int workers_ = 0;
  std::exception_ptr failure_;
};

}  // namespace

int num_threads() { return limit().load(std::memory_order_relaxed); }
void set_num_threads(int n) {
  RL_CHECK(RuntimeError, n > 0, "set_num_threads expects a positive integer, got ", n);
  limit() = n;
}
bool in_parallel_region() { return inside; }
int parallel_piece() { return running_piece; }

int library_threads(int wanted) {
  if (wanted <= 1 || libraries_broken.load(std::memory_order_relaxed)) return 1;
  if (!libraries_used.load(std::memory_order_relaxed)) libraries_used = true;
  return wanted;
}

void parallel_for(int64_t begin, int64_t end, int64_t grain, FunctionRef<void(int64_t, int64_t)> f) {
  if (begin >= end) return;
  int64_t n = end - begin;
  int64_t pieces = grain > 0 ? n / grain : 1;
  if (pieces > 1) pieces = std::min<int64_t>(pieces, num_threads());
  if (pieces <= 1 || in_parallel_region()) return f(begin, end);
  Pool::get().run(pieces, [&](int64_t i) {
    running_piece = int(i);
    f(begin + n * i / pieces, begin + n * (i + 1) / pieces);
    running_piece = 0;
  });
}

}  // namespace rushlight
