// What transforms and rules ask: whether what a tensor holds may be looked at, and what an operator is made of.
#pragma once
#include "rushlight/dispatch/op.h"

namespace rushlight {

// False where a rule can't choose its way by what the tensor holds: on meta, and for the many examples of a batch.
bool has_values(const Tensor& t);

// Whether an operator is made of calls of others, which know their gradients and their examples.
bool is_composite(const Op& op);
// Whether a library gave it a kernel that does what autograd would.
bool has_autograd_kernel(const Op& op);

}  // namespace rushlight
