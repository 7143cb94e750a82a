// ForwardLevel: forward mode. Tensors carry a tangent (autograd/meta.h), and what is computed from them carries its own.
//
// There are no rules for it: of each call, recorded at a level of its own, the gradient by weights of the results is linear in these, and
// its derivative by them in the direction of the arguments' tangents is the tangent of the results. A view's tangent is that view of the tangent.
#pragma once
#include "rushlight/dispatch/op.h"

namespace rushlight {

class ForwardLevel final : public Interceptor {
 public:
  bool takes_whole(const Op& op) const override;
  void call(const Op& op, IValue* args, IValue* rets) override;
};

// Undefined if there is none. That of a view without one of its own is a view of its base's.
Tensor tangent_seen(const Tensor& t);
// Gives t a tangent: the given one where it is laid out as t, else a copy that is. REQUIRES: of t's sizes and dtype.
void carry(const Tensor& t, const Tensor& tangent);

}  // namespace rushlight
