// Copies between layouts and dtypes inside of kernels, where no call of an operator should be seen.
#pragma once
#include "rushlight/core/tensor.h"

namespace rushlight {

class LoopPlan;

// Copies a finished plan's second operand to its first, converting where dtypes differ. They must not overlap.
void copy_planned(const LoopPlan& plan, DType to, DType from);
// `from` broadcasts to `to` and is converted. They must not overlap. Either may be on any device with memory; what is not a plain
// copy of bytes is then done by the CPU.
void copy_elements(const Tensor& to, const Tensor& from);
// t itself if it is contiguous, of this dtype and on the CPU, else a copy that is.
Tensor dense(const Tensor& t, DType dtype);
inline Tensor dense(const Tensor& t) { return dense(t, t.dtype()); }
// A view of t with dimension `from` moved to the end.
Tensor moved_last(const Tensor& t, int64_t from);

}  // namespace rushlight
