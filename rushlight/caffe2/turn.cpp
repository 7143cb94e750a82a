#include "rushlight/caffe2/turn.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "rushlight/caffe2/operator.h"

namespace rushlight::caffe2 {
namespace {

using Clock = std::chrono::steady_clock;

struct State {
  std::mutex mutex;
  std::condition_variable moved;
  uint64_t next = 0, serving = 0;  // tickets: in the order that threads come
  uint64_t changes = 0;
  int here = 0;      // threads that work, wait for their turn, or are expected
  int sleeping = 0;  // of those, in wait_for(), where nothing has changed since
  int outside = 0;   // of those, threads of the front end
};
State& state() {
  static auto& made = *new State;
  return made;
}

thread_local int depth = 0;
thread_local bool expected = false;  // counted by who started it

void take(std::unique_lock<std::mutex>& lock) {
  State& s = state();
  uint64_t mine = s.next++;
  s.moved.wait(lock, [&] { return s.serving == mine; });
}
void give(State& s) {
  s.serving++;
  s.moved.notify_all();
}

}  // namespace

Outside& outside_threads() {
  static auto& made = *new Outside;
  return made;
}

const Turn::Group*& Turn::group() {
  static thread_local const Group* mine = nullptr;
  return mine;
}

Turn::Turn() {
  if (depth++ > 0) return;
  State& s = state();
  std::unique_lock lock(s.mutex);
  if (!expected) s.here++, s.outside++;
  take(lock);
}
Turn::~Turn() {
  if (--depth > 0) return;
  State& s = state();
  std::unique_lock lock(s.mutex);
  if (!expected) s.here--, s.outside--;
  give(s);
}

void Turn::pass() {
  State& s = state();
  std::unique_lock lock(s.mutex);
  if (depth == 0 || s.next == s.serving + 1) return;
  give(s);
  take(lock);
}

void Turn::changed() {
  State& s = state();
  std::unique_lock lock(s.mutex);
  s.changes++;
  if (s.sleeping) s.moved.notify_all();
  s.sleeping = 0;  // they wake up
}

bool Turn::wait_for(const std::function<bool()>& ready, const char* what, double seconds) {
  if (depth == 0) {  // an operator that a C++ program runs
    Turn own;
    return wait_for(ready, what, seconds);
  }
  State& s = state();
  auto last = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  while (!ready()) {
    C2_ENFORCE(!group() || !group()->any_failed(), "another step of the plan has failed");
    if (seconds > 0 && Clock::now() >= last) return false;
    bool alone = false;
    std::exception_ptr stopped;
    std::unique_lock lock(s.mutex);
    uint64_t seen = s.changes;
    s.sleeping++;
    give(s);
    while (s.changes == seen && !alone && !stopped && !(seconds > 0 && Clock::now() >= last)) {
      // Asked without the mutex: they may want locks of the front end.
      int here = s.here, sleeping = s.sleeping, inside = s.outside;
      if (here == sleeping) {
        lock.unlock();
        try {
          if (outside_threads().idle) outside_threads().idle();
        } catch (...) { stopped = std::current_exception(); }
        bool more = outside_threads().may_come && outside_threads().may_come(inside);
        lock.lock();
        alone = !more && s.changes == seen && s.here == s.sleeping;
        if (alone || stopped || s.changes != seen) break;
      }
      auto slice = Clock::now() + std::chrono::milliseconds(50);
      s.moved.wait_until(lock, seconds > 0 ? std::min(slice, last) : slice);
    }
    if (s.changes == seen) s.sleeping--;
    take(lock);
    lock.unlock();
    if (stopped) std::rethrow_exception(stopped);
    if (alone) C2_FAIL(what, ", and no other thread is there that could change it");
  }
  return true;
}

void Turn::Children::expect() {
  State& s = state();
  std::unique_lock lock(s.mutex);
  s.here++, count_++;
}
void Turn::Children::arrived() { expected = true; }
void Turn::Children::left() {
  State& s = state();
  std::unique_lock lock(s.mutex);
  // Who waits for the last of them is here in its place from now on.
  if (--count_ > 0 || !awaited_) s.here--;
  s.moved.notify_all();
}
void Turn::Children::wait(const std::function<void()>& join) {
  State& s = state();
  int before = depth;
  {
    std::unique_lock lock(s.mutex);
    awaited_ = count_ > 0;
    if (awaited_) s.here--;
    depth = 0;
    give(s);
  }
  join();
  std::unique_lock lock(s.mutex);
  take(lock);
  depth = before;
  awaited_ = false;
}

}  // namespace rushlight::caffe2
