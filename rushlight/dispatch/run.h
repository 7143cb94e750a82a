// Runs a record's kernel in one of its forms.
#pragma once
#include "rushlight/dispatch/op.h"

namespace rushlight {

using Runner = void (*)(const Op& op, IValue* args, IValue* rets);
Runner runner_for(const Kernel& kernel, Op::Form form, size_t results);

// Throws if `out` can't take a result of `spec`; resizes it as PyTorch does. Named by functions with out= and in-place forms.
void prepare_out(const Op& op, const Tensor& out, const TensorSpec& spec);
// True if the two tensors' bytes may overlap without being the same elements in the same places.
bool may_overlap(const Tensor& a, const Tensor& b);

}  // namespace rushlight
