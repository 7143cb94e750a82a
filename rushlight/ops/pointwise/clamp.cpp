// The larger and the smaller of two tensors, and clamping between them.
#include <algorithm>
#include <limits>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/fn/isnan.h"
#include "rushlight/fn/logical_and.h"
#include "rushlight/fn/logical_or.h"
#include "rushlight/fn/where.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

template <class T> struct Maximum {
  RL_FN T operator()(T a, T b) const { return math::maximum(a, b); }
};

template <class T> struct Minimum {
  RL_FN T operator()(T a, T b) const { return math::minimum(a, b); }
};

template <class T> struct Fmax {
  RL_FN T operator()(T a, T b) const { return math::select(a > b || b != b, a, b); }
};

template <class T> struct Fmin {
  RL_FN T operator()(T a, T b) const { return math::select(a < b || b != b, a, b); }
};

template <class T> struct ClampMin {
  static constexpr bool kNumbersFit = true;
  RL_FN T operator()(T x, T low) const { return math::maximum(x, low); }
};

template <class T> struct ClampMax {
  static constexpr bool kNumbersFit = true;
  RL_FN T operator()(T x, T high) const { return math::minimum(x, high); }
};

template <class T> struct Clamp {
  static constexpr bool kNumbersFit = true;
  RL_FN T operator()(T x, T low, T high) const {
    if constexpr (math::is_float<T>) {
      // As below, with one test for NaN instead of two.
      T raised = math::select(x > low, x, low);
      T inside = math::select(raised < high, raised, high);
      return math::select(math::unordered(x, low), x + low, inside);
    } else {
      return math::minimum(math::maximum(x, low), high);
    }
  }
};

// The larger gets the gradient, equal ones share it.
Grads larger_grad(const Saved& s, const Tensor& g) {
  Tensor a = s["self"], b = s["other"], half = g / 2.0;
  return {where(a < b, 0.0, where(a == b, half, g)), where(a > b, 0.0, where(a == b, half, g))};
}

Grads smaller_grad(const Saved& s, const Tensor& g) {
  Tensor a = s["self"], b = s["other"], half = g / 2.0;
  return {where(a > b, 0.0, where(a == b, half, g)), where(a < b, 0.0, where(a == b, half, g))};
}

Grads fmax_grad(const Saved& s, const Tensor& g) {
  Tensor first = logical_or(s["self"] >= s["other"], isnan(s["other"]));
  return {where(first, g, zeros_like(g)), where(first, zeros_like(g), g)};
}

Grads fmin_grad(const Saved& s, const Tensor& g) {
  Tensor first = logical_or(s["self"] <= s["other"], isnan(s["other"]));
  return {where(first, g, zeros_like(g)), where(first, zeros_like(g), g)};
}

// clamp with either bound missing.
Tensor clamp_any(const Tensor& self, const IValue& low, const IValue& high) {
  RL_CHECK(RuntimeError, !low.is_none() || !high.is_none(),
           "torch.clamp: At least one of 'min' or 'max' must not be None");
  // By kind of bounds and by which there are: handlers see which overload is called.
  static const Op* ops[2][3] = {
      {OpTable::get().find("clamp_max.Tensor"), OpTable::get().find("clamp_min.Tensor"),
       OpTable::get().find("_clamp_both")},
      {OpTable::get().find("clamp_max"), OpTable::get().find("clamp_min"), OpTable::get().find("_clamp_both.Scalar")}};
  IValue args[3] = {IValue::borrow(self), IValue::borrow(low.is_none() ? high : low), IValue::borrow(high)}, ret;
  call(*ops[args[1].is_scalar()][low.is_none() ? 0 : high.is_none() ? 1 : 2], args, &ret);
  return ret.take_tensor();
}

Tensor clamp(const Tensor& self, const std::optional<Scalar>& low, const std::optional<Scalar>& high) {
  return clamp_any(self, IValue(low), IValue(high));
}

Tensor clamp_tensor(const Tensor& self, const Tensor& low, const Tensor& high) {
  return clamp_any(self, IValue(low), IValue(high));
}

}  // namespace

OP(maximum, {.schema = "maximum(Tensor self, Tensor other) -> Tensor",
             .doc = "The larger of two elements; NaN wins."
                    " >>> torch.maximum(torch.tensor([1., 4.]), torch.tensor([3., float(\"nan\")]))\ntensor([3., nan])",
             .kernel = pointwise<Maximum, Real>(),
             .grad = {{"self", "other"}, larger_grad},
             .forms = kFunction | kMethod | kOut});
OP(minimum, {.schema = "minimum(Tensor self, Tensor other) -> Tensor",
             .doc = "The smaller of two elements; NaN wins."
                    " >>> torch.minimum(torch.tensor([1., 4.]), torch.tensor([3., float(\"nan\")]))\ntensor([1., nan])",
             .kernel = pointwise<Minimum, Real>(),
             .grad = {{"self", "other"}, smaller_grad},
             .forms = kFunction | kMethod | kOut});
OP(fmax, {.schema = "fmax(Tensor self, Tensor other) -> Tensor",
          .doc = "The larger of two elements; a number wins over NaN."
                 " >>> torch.fmax(torch.tensor([1., 4.]), torch.tensor([3., float(\"nan\")]))\ntensor([3., 4.])",
          .kernel = pointwise<Fmax, Real>(),
          .grad = {{"self", "other"}, fmax_grad},
          .forms = kFunction | kMethod | kOut});
OP(fmin, {.schema = "fmin(Tensor self, Tensor other) -> Tensor",
          .doc = "The smaller of two elements; a number wins over NaN."
                 " >>> torch.fmin(torch.tensor([1., 4.]), torch.tensor([3., float(\"nan\")]))\ntensor([1., 4.])",
          .kernel = pointwise<Fmin, Real>(),
          .grad = {{"self", "other"}, fmin_grad},
          .forms = kFunction | kMethod | kOut});
OP(clamp_min, {.schema = "clamp_min.Tensor(Tensor self, Tensor min) -> Tensor",
               .doc = "max(self, min)."
                      " >>> torch.clamp_min(torch.tensor([-1., 2.]), 0)\ntensor([0., 2.])",
               .kernel = pointwise<ClampMin, Real>(),
               .grad = {{"self", "min"},
                        [](const Saved& s, const Tensor& g) {
                          Tensor x = s["self"], low = s["min"];
                          return Grads{where(x >= low, g, 0.0), where(x < low, g, 0.0)};
                        }},
               .overloads = {"clamp_min(Tensor self, Scalar min) -> Tensor"},
               .numbers = Numbers::Fallback});
OP(clamp_max, {.schema = "clamp_max.Tensor(Tensor self, Tensor max) -> Tensor",
               .doc = "min(self, max)."
                      " >>> torch.clamp_max(torch.tensor([-1., 2.]), 0)\ntensor([-1.,  0.])",
               .kernel = pointwise<ClampMax, Real>(),
               .grad = {{"self", "max"},
                        [](const Saved& s, const Tensor& g) {
                          Tensor x = s["self"], high = s["max"];
                          return Grads{where(x <= high, g, 0.0), where(x > high, g, 0.0)};
                        }},
               .overloads = {"clamp_max(Tensor self, Scalar max) -> Tensor"},
               .numbers = Numbers::Fallback});
OP(clamp_both, {.schema = "_clamp_both(Tensor self, Tensor min, Tensor max) -> Tensor",
                .doc = "min(max(self, min), max).",
                .kernel = pointwise<Clamp, RealNoBool>(),
                .grad = {{"self", "min", "max"},
                         [](const Saved& s, const Tensor& g) {
                           Tensor x = s["self"], low = s["min"], high = s["max"];
                           Tensor inside = logical_and(x >= low, x <= high);
                           return Grads{where(inside, g, 0.0), where(logical_and(x < low, low < high), g, 0.0),
                                        where(logical_or(x > high, high < low), g, 0.0)};
                         }},
                .forms = kFunction,
                .overloads = {"_clamp_both.Scalar(Tensor self, Scalar min, Scalar max) -> Tensor"}});
OP(clamp, {.schema = "clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor",
           .doc = "self limited to [min, max]. >>> torch.clamp(torch.tensor([-2., 0.5, 3.]), -1, 1)\ntensor([-1.0000,  "
                  "0.5000,  1.0000])",
           .kernel = composite<clamp>(),
           .forms = kFunction | kMethod | kInPlace | kOut,
           .aliases = {"clip"},
           .node = "ClampBackward1"});
OP(clamp_tensor,
   {.schema = "clamp.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor",
    .doc =
        "self limited to [min, max], bounds being tensors."
        " >>> torch.clamp(torch.tensor([-1., 5.]), torch.tensor([0., 0.]), torch.tensor([1., 3.]))\ntensor([0., 3.])",
    .kernel = composite<clamp_tensor>(),
    .forms = kFunction | kMethod | kInPlace | kOut,
    .aliases = {"clip"},
    .numbers = Numbers::Fallback});

}  // namespace rushlight
