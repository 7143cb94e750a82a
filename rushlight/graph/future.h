// Futures: what scripts know as Future[T], the result of a fork, and Await[T], the result of a call that is made when somebody waits for it.
//
// A future has work, or gets its value from elsewhere. A fork's work is begun by a thread of a pool or by the first that waits, whichever comes first, so that
// forks may wait for forks however few threads there are. Values of these types are objects whose only slot holds the Future.
// Thread safety: all may run at once.
#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>

#include "rushlight/core/function_ref.h"
#include "rushlight/core/future_type.h"
#include "rushlight/core/ivalue.h"

namespace rushlight::graph {

class Future final : public RefCounted {
 public:
  using Work = std::function<IValue()>;
  Future() = default;  // whose value finish() brings
  explicit Future(Work work) : work_(std::move(work)) {}
  explicit Future(IValue value) : state_(State::Done), value_(std::move(value)) {}

  bool done() const;
  // Does the work, unless somebody has begun it or there is none. What it throws is kept for wait().
  void begin();
  // For a future without work: the value, or what wait() is to throw. False, and nothing done, if it has one already.
  bool finish(IValue value, std::exception_ptr error = nullptr);
  // The value; throws what the work threw.
  IValue wait();
  // What wait() throws; null for a value, and while there is none.
  std::exception_ptr error() const;
  // Calls f once the value is there: at once if it is, else in the thread that brings it.
  void then(std::function<void()> f);

 private:
  enum class State { Waiting, Running, Done };
  // From the state `from`; false if it is another.
  bool settle(State from, IValue value, std::exception_ptr error);
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::Waiting;
  Work work_;
  IValue value_;
  std::exception_ptr error_;
  std::vector<std::function<void()>> callbacks_;
};

// The value that scripts hold, and the future in one. Throws TypeError for any other value.
IValue make_future(TypePtr type, Ref<Future> future);
Future& future_of(const IValue& v);

// A future whose work begins on another thread: with this thread's modes, or in this thread and now, if others are to see or bound what is computed here.
Ref<Future> fork(Future::Work work);
// What a thread of the pool runs a task by; a front end whose language has a lock says so here, before the first fork.
extern void (*around_task)(FunctionRef<void()> task);
// How many threads the pool may have. Throws RuntimeError unless n > 0.
int num_interop_threads();
void set_num_interop_threads(int n);

}  // namespace rushlight::graph
