// What a loader and its worker threads hand each other: a queue, jobs and results over two of them, and the order of results.
// The names are PyTorch's, for loaders of a program's own.
//
// Thread safety: queues and shuttles may be used by any number of threads, a sequencer by one.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

namespace torch {
inline namespace rl {
namespace data {
namespace detail {

[[noreturn]] void fail_timeout(std::chrono::milliseconds waited);

template <class T>
class Queue {
 public:
  void push(T value) {
    {
      std::lock_guard lock(mutex_);
      items_.push_back(std::move(value));
    }
    filled_.notify_one();
  }
  // Waits for an item. Throws RuntimeError when none has come after the time given.
  T pop(std::optional<std::chrono::milliseconds> timeout = std::nullopt) {
    std::unique_lock lock(mutex_);
    auto filled = [this] { return !items_.empty(); };
    if (!timeout) filled_.wait(lock, filled);
    else if (!filled_.wait_for(lock, *timeout, filled)) fail_timeout(*timeout);
    T value = std::move(items_.front());
    items_.pop_front();
    return value;
  }
  // Returns how many there were.
  size_t clear() {
    std::lock_guard lock(mutex_);
    size_t count = items_.size();
    items_.clear();
    return count;
  }

 private:
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<T> items_;
};

// Jobs to the workers and results back. It counts the jobs whose results nobody has taken yet.
template <class Job, class Result>
class DataShuttle {
 public:
  void push_job(Job job) {
    in_flight_++;
    jobs_.push(std::move(job));
  }
  void push_result(Result result) { results_.push(std::move(result)); }
  Job pop_job() { return jobs_.pop(); }
  // Nothing when no job is left that could give a result.
  std::optional<Result> pop_result(std::optional<std::chrono::milliseconds> timeout = std::nullopt) {
    if (in_flight_ == 0) return std::nullopt;
    Result result = results_.pop(timeout);
    in_flight_--;
    return result;
  }
  // Forgets the jobs that no worker has begun, and waits for the others.
  void drain() {
    in_flight_ -= jobs_.clear();
    while (pop_result()) {}
  }
  size_t in_flight_jobs() const noexcept { return in_flight_; }

 private:
  Queue<Job> jobs_;
  Queue<Result> results_;
  std::atomic<size_t> in_flight_{0};
};

// Says which result comes next, of those that `producer` gives.
namespace sequencers {

template <class Result>
struct Sequencer {
  using ResultProducer = std::function<std::optional<Result>()>;
  virtual ~Sequencer() = default;
  virtual std::optional<Result> next(ResultProducer producer) = 0;
};

// As they come.
template <class Result>
struct NoSequencer final : Sequencer<Result> {
  using typename Sequencer<Result>::ResultProducer;
  std::optional<Result> next(ResultProducer producer) override { return producer(); }
};

// By `sequence_number`. Numbers that are under way at once must be fewer apart than `max_jobs`, for each has a place of its own.
template <class Result>
struct OrderedSequencer : Sequencer<Result> {
  using typename Sequencer<Result>::ResultProducer;
  explicit OrderedSequencer(size_t max_jobs) : buffer_(max_jobs) {}
  std::optional<Result> next(ResultProducer producer) override {
    while (!place(next_sequence_number_)) {
      std::optional<Result> result = producer();
      if (!result) return std::nullopt;
      size_t number = result->sequence_number;
      place(number) = std::move(result);
    }
    std::optional<Result> found = std::move(place(next_sequence_number_));
    place(next_sequence_number_++).reset();
    return found;
  }
  std::optional<Result>& place(size_t number) { return buffer_.at(number % buffer_.size()); }

  size_t next_sequence_number_ = 0;
  std::vector<std::optional<Result>> buffer_;
};

}  // namespace sequencers
}  // namespace detail
}  // namespace data
}  // namespace rl
}  // namespace torch
