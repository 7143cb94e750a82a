// where: elements from one of two tensors.
#include "rushlight/fn/where.h"

#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

template <class T> struct Where {
  static constexpr bool kNumbersFit = true, kStoredToo = true;
  RL_FN T operator()(T c, T a, T b) const { return math::select(c != T(0), a, b); }
};

Grads where_grad(const Saved& s, const Tensor& g) {
  return {Tensor(), s.needs("self") ? where(s["condition"], g, 0.0) : Tensor(),
          s.needs("other") ? where(s["condition"], 0.0, g) : Tensor()};
}

}  // namespace

OP(where, {.schema = "where.self(Tensor condition, Tensor self, Tensor other) -> Tensor",
           .doc = "self where the condition holds, else other. >>> torch.where(torch.tensor([True, False]), "
                  "torch.tensor([1, 2]), torch.tensor([3, 4]))\ntensor([1, 4])",
           .kernel = pointwise<Where, Any>(Promote::Mask),
           .grad = {{"condition"}, where_grad},
           .forms = kFunction | kMethod | kOut,
           .overloads = {"where.ScalarSelf(Tensor condition, Scalar self, Tensor other) -> Tensor",
                         "where.ScalarOther(Tensor condition, Tensor self, Scalar other) -> Tensor",
                         "where.Scalar(Tensor condition, Scalar self, Scalar other) -> Tensor"},
           .numbers = Numbers::Fallback});

}  // namespace rushlight
