#include "rushlight/dispatch/profiler.h"

#include <chrono>

#include "rushlight/core/allocator.h"

namespace rushlight {

namespace {

thread_local Profiler* running = nullptr;

int64_t clock_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Profiler::Profiler(bool record_shapes) : origin_ns_(clock_ns()), record_shapes_(record_shapes) {}

int64_t Profiler::now() const { return clock_ns() - origin_ns_; }
Profiler* Profiler::current() { return running; }

void Profiler::start() {
  RL_CHECK(RuntimeError, !running, "a profiler is running on this thread already");
  running = this;
  push_interceptor(*this);
}

void Profiler::stop() {
  if (running != this) return;
  running = nullptr;
  pop_interceptor(*this);
  while (!open_.empty()) end(open_.back());
}

size_t Profiler::begin(const std::string& name) {
  size_t i = events_.size();
  Event& e = events_.emplace_back(Event{.name = &name});
  e.depth = int(open_.size());
  open_.push_back(i);
  e.bytes = -thread_allocated_bytes();
  e.start_ns = now();
  return i;
}

void Profiler::end(size_t i) {
  Event& e = events_[i];
  e.end_ns = now();
  e.bytes += thread_allocated_bytes();
  while (!open_.empty() && open_.back() >= i) open_.pop_back();
}

void Profiler::begin_range(std::string name) {
  range_names_.push_back(std::move(name));
  events_[begin(range_names_.back())].is_range = true;
}

void Profiler::end_range() {
  while (!open_.empty() && !events_[open_.back()].is_range) end(open_.back());
  if (!open_.empty()) end(open_.back());
}

void Profiler::end_beyond(size_t open) {
  while (open_.size() > open) end(open_.back());
}

void Profiler::call(const Op& op, IValue* args, IValue* rets) {
  // Begins or ends a range: no event of its own.
  if (op.name().starts_with("profiler::")) return outer ? rushlight::call(op, args, rets) : op.run(args, rets);
  // A kernel for autograd that goes on below it is still the same call.
  if (thread_state.below_autograd && !open_.empty() && events_[open_.back()].name == &op.name()) {
    if (outer) return rushlight::call(op, args, rets);
    Scoped<Interceptor*> again(thread_state.interceptor, this);
    return call_flagged(op, args, rets, argument_flags(op, args));
  }
  struct Ended {
    Profiler& p;
    size_t event;
    ~Ended() { p.end(event); }
  } ended{*this, begin(op.name())};
  if (record_shapes_)
    for (uint8_t a : op.tensor_args()) {
      auto note = [&](const Tensor& t) { events_[ended.event].shapes.push_back(t.defined() ? t.sizes() : Dims()); };
      if (args[a].is_tensor()) note(args[a].tensor());
      else if (args[a].is_tensor_list())
        for (const Tensor& t : args[a].tensor_list()) note(t);
    }
  if (outer) return rushlight::call(op, args, rets);
  // What the kernel calls is to be seen as well.
  Scoped<Interceptor*> again(thread_state.interceptor, this);
  call_flagged(op, args, rets, argument_flags(op, args));
}

}  // namespace rushlight
