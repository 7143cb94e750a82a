// Limits: what a caller lets code take that it does not trust, such as a model from somewhere.
//
//   {
//     Limits limits(/*seconds=*/2, /*bytes=*/512 << 20);
//     model.forward(inputs);  // throws RuntimeError or OutOfMemory where it takes more
//   }
//
// Of this thread, until destroyed; one inside of another is bound by both. A script is asked at each operator, call and turn of a loop: an
// operator that has begun is not stopped. Memory is what this thread's tensors take in blocks over 64 KiB, and by how much the process
// has grown, which is looked at now and then: other threads count there.
#pragma once
#include <cstddef>
#include <cstdint>

#include "rushlight/core/cxx17.h"

namespace rushlight {

class Limits {
 public:
  // 0: no limit. Throws ValueError for negative ones.
  explicit Limits(double seconds, int64_t bytes = 0);
  // REQUIRES: the innermost of its thread.
  ~Limits();
  Limits(const Limits&) = delete;

  // Throws if time or memory is used up.
  static void check() {
    if (current_) [[unlikely]]
      current_->pass(false);
  }
  // The same after something that may have made much at once.
  static void check_memory() {
    if (current_) [[unlikely]]
      current_->pass(true);
  }
  // Before memory is taken; throws OutOfMemory where it would be too much. Negative: it was given back.
  static void take(int64_t bytes) {
    if (current_) [[unlikely]]
      current_->count(bytes);
  }
  // As take(), of memory that nobody will tell about.
  static void expect_room(int64_t bytes) {
    if (current_) [[unlikely]]
      current_->count(bytes), current_->count(-bytes);
  }
  static bool any() { return current_; }

 private:
  void pass(bool memory);
  void count(int64_t bytes);

  Limits* outer_;
  double seconds_;
  int64_t deadline_ = 0;  // nanoseconds of the steady clock
  int64_t bytes_, held_ = 0, start_ = 0;
  uint32_t passes_ = 0;
  static RL_CONSTINIT thread_local Limits* current_ [[gnu::tls_model("initial-exec")]];
};

}  // namespace rushlight
