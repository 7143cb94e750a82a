// What transforms and rules ask: whether what a tensor holds may be looked at, and what an operator is made of.
#pragma once
#include "rushlight/dispatch/op.h"

namespace rushlight {

// f(tensor), or f(tensor, which argument), for every defined tensor among the arguments, those in lists too.
template <class F>
void each_tensor(const Op& op, const IValue* args, F&& f) {
  auto give = [&](const Tensor& t, uint8_t i) {
    if (!t.defined()) return;
    if constexpr (std::is_invocable_v<F&, const Tensor&, const Argument&>) f(t, op.schema().args[i]);
    else f(t);
  };
  for (uint8_t i : op.tensor_args()) {
    if (args[i].is_tensor()) give(args[i].tensor(), i);
    else if (args[i].is_tensor_list())
      for (const Tensor& t : args[i].tensor_list()) give(t, i);
  }
}

// False where a rule can't choose its way by what the tensor holds: on meta, and for the many examples of a batch.
bool has_values(const Tensor& t);

// `to` takes over the memory and the geometry of `from`, as `x.data = y`. Throws where their layouts differ.
void take_over(const Tensor& to, const Tensor& from);

// As the program sees it: of what the tensor stands for at a transform's level.
Layout layout_seen(const Tensor& t);

// Whether an operator is made of calls of others, which know their gradients and their examples.
bool is_composite(const Op& op);
// Whether a library gave it a kernel that does what autograd would.
bool has_autograd_kernel(const Op& op);

}  // namespace rushlight
