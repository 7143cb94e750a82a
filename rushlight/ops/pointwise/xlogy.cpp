// xlogy: self * log(other) that is 0 where self is 0.
#include "rushlight/fn/xlogy.h"

#include "rushlight/dispatch/pointwise.h"
#include "rushlight/fn/logical_and.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

template <class T>
struct XLogY {
  RL_FN T operator()(T x, T y) const {
    return math::select(math::isnan(y), y, math::select(x == T(0), T(0), x * math::log(y)));
  }
};

// self / other, 0 / 0 being 0: the operator does not change with other there.
Tensor ratio(const Tensor& self, const Tensor& other) {
  return self / masked_fill(other, logical_and(self == 0, other == 0), 1.0);
}

// d/dself = log(other), but 0 where the operator is 0 whatever other is; d/dother = self / other.
Grads xlogy_grad(const Saved& s, const Tensor& g) {
  Tensor self = s["self"], other = s["other"];
  return {s.needs("self") ? masked_fill(xlogy(g, other), logical_and(self == 0, other <= 0), 0) : Tensor(),
          s.needs("other") ? g * ratio(self, other) : Tensor()};
}

}  // namespace

OP(xlogy,
   {.schema = "xlogy.Tensor(Tensor self, Tensor other) -> Tensor",
    .doc = "self * log(other), and 0 where self is 0. >>> torch.xlogy(torch.tensor([0., 2.]), 1.)\ntensor([0., 0.])",
    .kernel = pointwise<XLogY, Floating>(Promote::ToFloat),
    .grad = {{"self", "other"}, xlogy_grad},
    .overloads = {"xlogy.Scalar_Other(Tensor self, Scalar other) -> Tensor"},
    .aliases = {"special_xlogy"},
    .numbers = Numbers::Fallback});

OP(xlogy_of_number, {.schema = "xlogy.Scalar_Self(Scalar self, Tensor other) -> Tensor",
                     .doc = "A number times the logarithm of a tensor."
                            " >>> torch.xlogy(2, torch.tensor([1., 2.]))\ntensor([0.0000, 1.3863])",
                     .kernel = pointwise<XLogY, Floating>(Promote::ToFloat),
                     .grad = {{"self", "other"},
                              [](const Saved& s, const Tensor& g) { return Grads{g * ratio(s["self"], s["other"])}; }},
                     .forms = kFunction | kOut,
                     .aliases = {"special_xlogy"},
                     .numbers = Numbers::Fallback});

}  // namespace rushlight
