#include "rushlight/graph/future.h"

#include <pthread.h>

#include <atomic>
#include <cstdio>
#include <deque>
#include <thread>

#include "rushlight/core/limits.h"
#include "rushlight/core/thread_state.h"

namespace rushlight::graph {
namespace {

std::atomic<int> most_threads{int(std::max(1u, std::thread::hardware_concurrency()))};

// Threads that come with the first forks and stay. Never destroyed: they may still wait in it at exit.
class Pool {
 public:
  // A forked child has none of the threads, and a lock as it stood: it takes a new pool.
  static Pool& get() {
    static std::atomic<Pool*> pool{nullptr};
    [[maybe_unused]] static const int at_fork = pthread_atfork(nullptr, nullptr, [] { pool = nullptr; });
    Pool* now = pool.load();
    if (now) return *now;
    auto* fresh = new Pool;
    if (pool.compare_exchange_strong(now, fresh)) return *fresh;
    delete fresh;
    return *now;
  }
  void add(Ref<Future> future) {
    {
      std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(future));
      if (idle_ < tasks_.size() && threads_ < most_threads.load()) {
        std::thread([this] { work(); }).detach();
        threads_++;
      }
    }
    wake_.notify_one();
  }

 private:
  void work() {
    for (;;) {
      Ref<Future> next;
      {
        std::unique_lock lock(mutex_);
        idle_++;
        wake_.wait(lock, [&] { return !tasks_.empty(); });
        idle_--;
        next = std::move(tasks_.front());
        tasks_.pop_front();
      }
      if (next->done()) continue;
      try {
        if (around_task) around_task([&] { next->begin(); });
        else next->begin();
      } catch (const std::exception& e) {  // of a callback: the work's own is kept
        std::fprintf(stderr, "rushlight: a callback of a future threw on a thread of its own: %s\n", e.what());
      } catch (...) { std::fprintf(stderr, "rushlight: a callback of a future threw on a thread of its own\n"); }
    }
  }
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Ref<Future>> tasks_;
  size_t idle_ = 0;
  int threads_ = 0;
};

}  // namespace

void (*around_task)(FunctionRef<void()>) = nullptr;

bool Future::done() const {
  std::lock_guard lock(mutex_);
  return state_ == State::Done;
}

void Future::begin() {
  Work work;
  {
    std::lock_guard lock(mutex_);
    if (state_ != State::Waiting || !work_) return;
    state_ = State::Running;
    work = std::move(work_);
  }
  IValue value;
  std::exception_ptr error;
  try {
    value = work();
  } catch (...) { error = std::current_exception(); }
  work = nullptr;  // what it holds goes before anybody hears of the value
  settle(State::Running, std::move(value), error);
}

bool Future::finish(IValue value, std::exception_ptr error) {
  return settle(State::Waiting, std::move(value), std::move(error));
}

bool Future::settle(State from, IValue value, std::exception_ptr error) {
  std::vector<std::function<void()>> callbacks;
  {
    std::lock_guard lock(mutex_);
    if (state_ != from) return false;
    value_ = std::move(value);
    error_ = std::move(error);
    state_ = State::Done;
    callbacks.swap(callbacks_);
    changed_.notify_all();
  }
  for (auto& f : callbacks) f();
  return true;
}

std::exception_ptr Future::error() const {
  std::lock_guard lock(mutex_);
  return error_;
}

IValue Future::wait() {
  begin();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return state_ == State::Done; });
  if (error_) std::rethrow_exception(error_);
  return value_;
}

void Future::then(std::function<void()> f) {
  {
    std::lock_guard lock(mutex_);
    if (state_ != State::Done) return callbacks_.push_back(std::move(f));
  }
  f();
}

IValue make_future(TypePtr type, Ref<Future> future) {
  auto object = make_ref<ObjectValue>(std::move(type), 1);
  object->slots[0] = IValue::capsule(std::move(future));
  return object;
}

Future& future_of(const IValue& v) {
  RL_CHECK(TypeError, v.is_object() && is_future(*v.to_object().type), "expected a Future, got ", v.type());
  return *static_cast<Future*>(v.to_object().slots[0].object());
}

Ref<Future> fork(Future::Work work) {
  auto future = make_ref<Future>(
      Future::Work([work = std::move(work), grad = thread_state.grad_enabled, inference = thread_state.inference_mode] {
        Scoped<bool> with_grad(thread_state.grad_enabled, grad), with_inference(thread_state.inference_mode, inference);
        return work();
      }));
  // Tracers, profilers, autocast and limits are of this thread.
  if (thread_state.interceptor || Limits::any()) future->begin();
  else Pool::get().add(future);
  return future;
}

int num_interop_threads() { return most_threads.load(); }
void set_num_interop_threads(int n) {
  RL_CHECK(RuntimeError, n > 0, "set_num_interop_threads expects a positive integer");
  most_threads = n;
}

}  // namespace rushlight::graph
