// parallel_for: runs pieces of a range on the library's threads.
// Thread safety: may be called from any thread; calls from inside a piece run in that piece's thread.
#pragma once
#include <cstdint>

#include "rushlight/core/function_ref.h"

namespace rushlight {

// Follows the cgroup quota until set.
int num_threads();
// Throws RuntimeError unless n > 0.
void set_num_threads(int n);

bool in_parallel_region();
// Inside of f below: the number of its piece, from 0 and below num_threads(); 0 elsewhere.
int parallel_piece();

// f(begin, end) over pieces of at least `grain`. The caller's results must not depend on where the pieces are cut.
void parallel_for(int64_t begin, int64_t end, int64_t grain, FunctionRef<void(int64_t, int64_t)> f);

}  // namespace rushlight
