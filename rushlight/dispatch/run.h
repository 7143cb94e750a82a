// Runs a record's kernel in one of its forms.
#pragma once
#include "rushlight/dispatch/op.h"

namespace rushlight {

using Runner = void (*)(const Op& op, IValue* args, IValue* rets);
Runner runner_for(const Kernel& kernel, Op::Form form, size_t results);

// As a == b, which calls a function that compares bytes: for a few sizes that takes longer than the loop.
inline bool equal_sizes(IntArrayRef a, IntArrayRef b) {
  if (a.size() != b.size()) return false;
  for (size_t d = 0; d < a.size(); d++)
    if (a.data()[d] != b.data()[d]) return false;
  return true;
}
// Throws if `out` can't take a result of `spec`; resizes it as PyTorch does. Named by functions with out= and in-place forms.
void prepare_out(const Op& op, const Tensor& out, const TensorSpec& spec);
// Note [Lent results]: who calls an operator again and again may leave the result of the call before in `rets`, borrowed. Where nothing else
// holds its memory and it has the sizes, strides (none: contiguous) and dtype that the new result is to have, that is written over it, and
// what stands there stays borrowed. So a net whose blobs stay from run to run allocates nothing.
// `alone`: the caller knows that nothing else holds the memory, or nothing that is to keep its values.
bool can_write_over(const IValue& lent, IntArrayRef sizes, IntArrayRef strides, DType dtype, bool alone = false);
// As op.run(args, rets), knowing that of all that is lent. REQUIRES: a structured operator's function, of one result.
void run_over(const Op& op, IValue* args, IValue* rets);
// As pointwise_fast of dispatch/pointwise.h.
bool pointwise_over(const PointwiseInfo& info, const IValue* args, IValue* ret, bool in_place, bool alone);
// True if the two tensors' bytes may overlap without being the same elements in the same places.
bool may_overlap(const Tensor& a, const Tensor& b);

}  // namespace rushlight
