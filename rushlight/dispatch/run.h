// Runs a record's kernel in one of its forms.
#pragma once
#include "rushlight/dispatch/op.h"

namespace rushlight {

using Runner = void (*)(const Op& op, IValue* args, IValue* rets);
Runner runner_for(const Kernel& kernel, Op::Form form, size_t results);

// Throws if `out` can't take a result of `spec`; resizes it as PyTorch does. Named by functions with out= and in-place forms.
void prepare_out(const Op& op, const Tensor& out, const TensorSpec& spec);
// Note [Lent results]: who calls an operator again and again may leave the result of the call before in `rets`, borrowed. Where nothing else
// holds its memory and it has the sizes, strides (none: contiguous) and dtype that the new result is to have, that is written over it, and
// what stands there stays borrowed. So a net whose blobs stay from run to run allocates nothing.
bool can_write_over(const IValue& lent, IntArrayRef sizes, IntArrayRef strides, DType dtype);
// True if the two tensors' bytes may overlap without being the same elements in the same places.
bool may_overlap(const Tensor& a, const Tensor& b);

}  // namespace rushlight
