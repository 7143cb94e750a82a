#include "rushlight/core/limits.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "rushlight/core/error.h"

namespace rushlight {

constinit thread_local Limits* Limits::current_ = nullptr;

namespace {

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Bytes of the process in memory; 0 where the system doesn't say.
int64_t resident() {
  int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[128];
  ssize_t n = read(file, text, sizeof text - 1);
  close(file);
  if (n <= 0) return 0;
  text[n] = 0;
  long long all = 0, pages = 0;
  return std::sscanf(text, "%lld %lld", &all, &pages) == 2 ? int64_t(pages) * sysconf(_SC_PAGESIZE) : 0;
}

}  // namespace

Limits::Limits(double seconds, int64_t bytes) : outer_(current_), seconds_(seconds), bytes_(bytes) {
  RL_CHECK(ValueError, seconds >= 0 && bytes >= 0, "limits: expected seconds >= 0 and memory >= 0, got ", seconds,
           " and ", bytes);
  constexpr double kLongest = 1e9;
  if (seconds > 0) deadline_ = now() + int64_t(std::min(seconds, kLongest) * 1e9);
  if (bytes > 0) start_ = resident();
  current_ = this;
}
Limits::~Limits() { current_ = outer_; }

void Limits::pass(bool memory) {
  constexpr uint32_t kTimes = 16, kSamples = 1024;  // a look at the clock takes 25 ns, at the process 2 us
  passes_++;
  if (deadline_ && passes_ % kTimes == 0)
    RL_CHECK(RuntimeError, now() <= deadline_, "the time limit of ", seconds_, " s that the caller set has passed");
  if (bytes_ && (memory || passes_ % kSamples == 0)) {
    int64_t grown = resident() - start_;
    RL_CHECK(OutOfMemory, grown <= bytes_, "the process has grown by ", grown, " bytes, more than the memory limit of ",
             bytes_, " bytes that the caller set");
  }
  if (outer_) outer_->pass(memory);
}

void Limits::count(int64_t bytes) {
  RL_CHECK(OutOfMemory, !bytes_ || bytes <= 0 || bytes <= bytes_ - held_, bytes, " bytes beside the ", held_,
           " in use are more than the memory limit of ", bytes_, " bytes that the caller set");
  if (outer_) outer_->count(bytes);
  held_ = std::max<int64_t>(0, held_ + bytes);
}

}  // namespace rushlight
