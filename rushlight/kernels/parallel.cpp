#include "rushlight/kernels/parallel.h"

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

namespace rushlight {
namespace {

thread_local bool inside = false;

int quota_threads() {
  cpu_set_t set;
  int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : int(std::thread::hardware_concurrency());
  if (FILE* f = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
    long long quota, period;
    if (std::fscanf(f, "%lld %lld", &quota, &period) == 2 && quota > 0 && period > 0)
      n = std::min<int>(n, int(std::max<long long>(1, (quota + period - 1) / period)));
    std::fclose(f);
  }
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

// Workers sleep on a condition between jobs: a spinning pool collapses when a neighbour uses a core.
class Pool {
 public:
  static Pool& get() {
    static Pool* pool = new Pool;  // never destroyed: threads may still wait in it at exit
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

void parallel_for(int64_t begin, int64_t end, int64_t grain, FunctionRef<void(int64_t, int64_t)> f) {
  if (begin >= end) return;
  int64_t n = end - begin;
  int64_t pieces = grain > 0 ? n / grain : 1;
  if (pieces > 1) pieces = std::min<int64_t>(pieces, num_threads());
  if (pieces <= 1 || in_parallel_region()) return f(begin, end);
  Pool::get().run(pieces, [&](int64_t i) { f(begin + n * i / pieces, begin + n * (i + 1) / pieces); });
}

}  // namespace rushlight
