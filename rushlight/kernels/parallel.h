// parallel_for: runs pieces of a range on the library's threads.
// Thread safety: may be called from any thread; calls from inside a piece run in that piece's thread.
#pragma once
#include <cstdint>
#include <functional>

namespace rushlight {

// Follows the cgroup quota until set.
int num_threads();
// Throws RuntimeError unless n > 0.
void set_num_threads(int n);

void run_pieces(int64_t pieces, const std::function<void(int64_t)>& piece);
bool in_parallel_region();

// f(begin, end) over pieces of at least `grain`. The caller's results must not depend on where the pieces are cut.
template <class F>
void parallel_for(int64_t begin, int64_t end, int64_t grain, const F& f) {
  if (begin >= end) return;
  int64_t n = end - begin;
  int64_t pieces = grain > 0 ? n / grain : 1;
  if (pieces > 1) pieces = pieces < num_threads() ? pieces : num_threads();
  if (pieces <= 1 || in_parallel_region()) return f(begin, end);
  run_pieces(pieces, [&](int64_t i) { f(begin + n * i / pieces, begin + n * (i + 1) / pieces); });
}

}  // namespace rushlight
