// What stands in memory that nobody has written yet.
#pragma once
#include "rushlight/core/tensor.h"

namespace rushlight {

// Whether empty(), resize_() and their like fill what they leave unwritten: PyTorch's
// torch.utils.deterministic.fill_uninitialized_memory, in effect while deterministic algorithms are asked for.
extern bool fill_fresh_memory;

// NaN where the dtype has it, else the largest number, into the elements of `t`'s memory from `first` on; the CPU's alone.
void fill_fresh(const Tensor& t, size_t first_byte = 0);

}  // namespace rushlight
