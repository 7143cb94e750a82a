// NaN and infinities: found, and replaced.
#include <algorithm>
#include <limits>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/fn/abs.h"
#include "rushlight/fn/isnan.h"
#include "rushlight/fn/logical_or.h"
#include "rushlight/fn/real.h"
#include "rushlight/fn/where.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

template <class T> struct IsNan {
  static constexpr bool kStoredToo = true;
  RL_FN auto operator()(T x) const { return math::isnan(x); }
};

template <class T> struct IsInf {
  RL_FN auto operator()(T x) const { return math::isinf(x); }
};

template <class T> struct IsPosInf {
  RL_FN auto operator()(T x) const { return x == T(__builtin_inf()); }
};

template <class T> struct IsNegInf {
  RL_FN auto operator()(T x) const { return x == T(-__builtin_inf()); }
};

template <class T>
struct NanToNum {
  explicit NanToNum(const IValue* args)
      : nan(args[1].is_none() ? T(0) : float_arg<T>(args[1])),
        high(args[2].is_none() ? T(largest()) : float_arg<T>(args[2])),
        low(args[3].is_none() ? T(-largest()) : float_arg<T>(args[3])) {}
  // Of the call's dtype, which a half type's computation does not know.
  static math::number_t<T> largest() {
    DType d = functor_dtype();
    if (is_half(d)) return math::number_t<T>(d == DType::Float16 ? 65504.0 : 3.3895313892515355e38);
    return std::numeric_limits<math::number_t<T>>::max();
  }
  T nan, high, low;
  RL_FN T operator()(T x) const {
    if constexpr (math::is_integer<T>) {
      return x;
    } else {
      T inf = T(__builtin_inf());
      return math::select(x != x, nan, math::select(x == inf, high, math::select(x == -inf, low, x)));
    }
  }
};

}  // namespace

OP(isnan, {.schema = "isnan(Tensor self) -> Tensor",
           .doc = "True where not a number."
                  " >>> torch.isnan(torch.tensor([1., float(\"nan\")]))\ntensor([False,  True])",
           .kernel = pointwise<IsNan, Any>(),
           .forms = kFunction | kMethod});
OP(isinf, {.schema = "isinf(Tensor self) -> Tensor",
           .doc = "True where infinite."
                  " >>> torch.isinf(torch.tensor([1., float(\"-inf\")]))\ntensor([False,  True])",
           .kernel = pointwise<IsInf, Any>(),
           .forms = kFunction | kMethod});
OP(isposinf, {.schema = "isposinf(Tensor self) -> Tensor",
              .doc = "True where plus infinity."
                     " >>> torch.isposinf(torch.tensor([float(\"inf\"), float(\"-inf\")]))\ntensor([ True, False])",
              .kernel = pointwise<IsPosInf, Floating>(Promote::ToFloat),
              .forms = kFunction | kMethod | kOut});
OP(isneginf, {.schema = "isneginf(Tensor self) -> Tensor",
              .doc = "True where minus infinity."
                     " >>> torch.isneginf(torch.tensor([float(\"inf\"), float(\"-inf\")]))\ntensor([False,  True])",
              .kernel = pointwise<IsNegInf, Floating>(Promote::ToFloat),
              .forms = kFunction | kMethod | kOut});
OP(nan_to_num,
   {.schema = "nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor",
    .doc = "Replaces NaN by 0 and infinities by the largest numbers, or by those given."
           " >>> torch.nan_to_num(torch.tensor([float(\"nan\"), float(\"inf\")]), posinf=9.0)\ntensor([0., 9.])",
    .kernel = pointwise<NanToNum, Real>(),
    .grad = {{"self"}, [](const Saved& s, const Tensor& g) {
               Tensor special = logical_or(isnan(s["self"]), isnan(s["self"] - s["self"]));
               return Grads{where(special, 0.0, g)};
             }}});

}  // namespace rushlight
