// Rounding, signs, classification, extrema of two tensors and clamping.
#include <algorithm>
#include <limits>

#include "rushlight/fn/abs.h"
#include "rushlight/fn/conj.h"
#include "rushlight/fn/isnan.h"
#include "rushlight/fn/logical_and.h"
#include "rushlight/fn/logical_or.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/real.h"
#include "rushlight/fn/sgn.h"
#include "rushlight/fn/where.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/ops/kernel.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/pointwise.h"

namespace rushlight {
namespace {

template <class T> struct Floor {
  RL_FN T operator()(T x) const { return math::floor(x); }
};
template <class T>
struct Ceil {
  RL_FN T operator()(T x) const {
    if constexpr (std::is_integral_v<T>) return x;
    else return math::ceil(x);
  }
};
template <class T> struct Trunc {
  RL_FN T operator()(T x) const { return math::trunc(x); }
};
template <class T>
struct Round {
  RL_FN T operator()(T x) const {
    if constexpr (std::is_integral_v<T>) return x;
    else return math::round_even(x);
  }
};
// Through a power of ten above 1 on either side of the point: 0.1 and its like are not exact. Where the product leaves the range there is
// nothing to round, or nothing left.
template <class T>
struct RoundDecimals {
  explicit RoundDecimals(const IValue* args) : negative(args[1].to_int() < 0) {
    power = T(std::pow(10.0, std::abs(double(args[1].to_int()))));
  }
  bool negative;
  T power;
  RL_FN T operator()(T x) const {
    T inf = T(__builtin_inf());
    if (negative) {
      T whole = math::round_even(x / power);
      return math::select(whole == T(0) || math::abs(x) == inf, math::select(whole == T(0), whole, x), whole * power);
    }
    T scaled = x * power;
    return math::select(math::abs(scaled) < inf, math::round_even(scaled) / power, x);
  }
};
template <class T> struct Frac {
  RL_FN T operator()(T x) const { return x - math::trunc(x); }
};
template <class T>
struct Sign {
  RL_FN T operator()(T x) const {
    return math::select(x > T(0), T(1), math::select(x < T(0), T(-1), math::select(x == x, T(0), x)));
  }
};
template <>
struct Sign<bool> {
  RL_FN bool operator()(bool x) const { return x; }
};
template <class T>
struct Sgn {
  RL_FN T operator()(T x) const {
    if constexpr (math::is_complex_type<T>) {
      using R = math::real_t<T>;
      R size = std::max(math::abs(x.real()), math::abs(x.imag()));
      if (size == 0) return T(0);
      // The modulus of what is very large or small would be out of range or inexact.
      if (!(size > 16 * std::numeric_limits<R>::min() && size < std::numeric_limits<R>::max() / 2) &&
          std::isfinite(size))
        x = T(x.real() / size, x.imag() / size);
      return x / std::abs(x);
    } else {
      return Sign<T>()(x);
    }
  }
};
template <class T> struct Signbit {
  RL_FN auto operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) return std::signbit(x);
    else return x < T(0);
  }
};
template <class T> struct Copysign {
  RL_FN T operator()(T x, T y) const { return math::copysign(x, y); }
};
template <class T> struct IsNan {
  RL_FN auto operator()(T x) const { return math::isnan(x); }
};
template <class T> struct IsInf {
  RL_FN auto operator()(T x) const {
    if constexpr (math::is_complex_type<T>) return std::isinf(x.real()) || std::isinf(x.imag());
    else if constexpr (std::is_integral_v<T>) return false;
    else return math::abs(x) == T(std::numeric_limits<double>::infinity());
  }
};
template <class T> struct IsPosInf {
  RL_FN auto operator()(T x) const { return x == T(__builtin_inf()); }
};
template <class T> struct IsNegInf {
  RL_FN auto operator()(T x) const { return x == T(-__builtin_inf()); }
};
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
    if constexpr (std::is_floating_point_v<T>) {
      // As below, with one test for NaN instead of two.
      T raised = x > low ? x : low;
      T inside = raised < high ? raised : high;
      return math::select(__builtin_isunordered(x, low), x + low, inside);
    } else {
      return math::minimum(math::maximum(x, low), high);
    }
  }
};
template <class T>
struct NanToNum {
  explicit NanToNum(const IValue* args)
      : nan(args[1].is_none() ? T(0) : float_arg<T>(args[1])),
        high(args[2].is_none() ? largest(args[0]) : float_arg<T>(args[2])),
        low(args[3].is_none() ? -largest(args[0]) : float_arg<T>(args[3])) {}
  // Of the tensor's dtype, which a half type's computation does not know.
  static T largest(const IValue& self) {
    DType d = self.is_tensor() ? self.tensor().dtype() : DType::Float64;
    if (is_half(d)) return T(d == DType::Float16 ? 65504.0 : 3.3895313892515355e38);
    if constexpr (std::is_same_v<T, Expr>) return Expr(std::numeric_limits<double>::max());
    else return std::numeric_limits<T>::max();
  }
  T nan, high, low;
  RL_FN T operator()(T x) const {
    if constexpr (std::is_integral_v<T>) {
      return x;
    } else {
      T inf = T(__builtin_inf());
      return math::select(x != x, nan, math::select(x == inf, high, math::select(x == -inf, low, x)));
    }
  }
};

// Steps have zero slope almost everywhere.
Grads no_slope(const Saved&, const Tensor& g) { return {zeros_like(g)}; }

// Of a complex number only what turns it changes the sign.
Grads sgn_grad(const Saved& s, const Tensor& g) {
  Tensor sign = s["result"];
  if (!is_complex(sign.dtype())) return {zeros_like(g)};
  Tensor size = abs(s["self"]);
  return {masked_fill((g - sign * real(g * conj(sign))) / size, size == 0.0, 0.0)};
}

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
  static const Op* both = OpTable::get().find("_clamp_both");
  static const Op* min = OpTable::get().find("clamp_min.Tensor");
  static const Op* max = OpTable::get().find("clamp_max.Tensor");
  IValue args[3] = {IValue::borrow(self), IValue::borrow(low.is_none() ? high : low), IValue::borrow(high)}, ret;
  call(low.is_none() ? *max : high.is_none() ? *min : *both, args, &ret);
  return ret.take_tensor();
}
Tensor clamp(const Tensor& self, const std::optional<Scalar>& low, const std::optional<Scalar>& high) {
  return clamp_any(self, IValue(low), IValue(high));
}
Tensor clamp_tensor(const Tensor& self, const Tensor& low, const Tensor& high) {
  return clamp_any(self, IValue(low), IValue(high));
}

}  // namespace

OP(floor, {.schema = "floor(Tensor self) -> Tensor",
           .doc = "Largest whole number not above self."
                  " >>> torch.floor(torch.tensor([-1.5, 1.5]))\ntensor([-2.,  1.])",
           .kernel = pointwise<Floor, RealNoBool>(),
           .grad = {{}, no_slope}});
OP(ceil, {.schema = "ceil(Tensor self) -> Tensor",
          .doc = "Smallest whole number not below self."
                 " >>> torch.ceil(torch.tensor([-1.5, 1.5]))\ntensor([-1.,  2.])",
          .kernel = pointwise<Ceil, RealNoBool>(),
          .grad = {{}, no_slope}});
OP(trunc, {.schema = "trunc(Tensor self) -> Tensor",
           .doc = "self rounded towards zero."
                  " >>> torch.trunc(torch.tensor([-1.5, 1.5]))\ntensor([-1.,  1.])",
           .kernel = pointwise<Trunc, RealNoBool>(),
           .grad = {{}, no_slope},
           .aliases = {"fix"}});
OP(round, {.schema = "round(Tensor self) -> Tensor",
           .doc = "Nearest whole number, halves to even. >>> torch.round(torch.tensor([0.5, 1.5]))\ntensor([0., 2.])",
           .kernel = pointwise<Round, RealNoBool>(),
           .grad = {{}, no_slope}});
OP(round_decimals, {.schema = "round.decimals(Tensor self, *, int decimals) -> Tensor",
                    .doc = "self to so many decimal places; negative: tens, hundreds, ... >>> "
                           "torch.round(torch.tensor([0.125, 1.5]), decimals=1)\ntensor([0.1000, 1.5000])",
                    .kernel = pointwise<RoundDecimals, Floating>(),
                    .grad = {{}, no_slope}});
OP(frac, {.schema = "frac(Tensor self) -> Tensor",
          .doc = "self - trunc(self)."
                 " >>> torch.frac(torch.tensor([-1.5, 2.25]))\ntensor([-0.5000,  0.2500])",
          .kernel = pointwise<Frac, Floating>(),
          .grad = {{}, [](const Saved&, const Tensor& g) { return Grads{g}; }}});
OP(sign, {.schema = "sign(Tensor self) -> Tensor",
          .doc = "-1, 0 or 1."
                 " >>> torch.sign(torch.tensor([-2., 0., 3.]))\ntensor([-1.,  0.,  1.])",
          .kernel = pointwise<Sign, Real>(),
          .grad = {{}, no_slope}});
OP(sgn, {.schema = "sgn(Tensor self) -> Tensor",
         .doc = "sign, and for complex numbers self / abs(self)."
                " >>> torch.sgn(torch.tensor([3 + 4j]))\ntensor([0.6000+0.8000j])",
         .kernel = pointwise<Sgn, Any>(),
         .grad = {{"self", "result"}, sgn_grad}});
OP(signbit, {.schema = "signbit(Tensor self) -> Tensor",
             .doc = "True where the sign bit is set, for -0.0 too."
                    " >>> torch.signbit(torch.tensor([-0., 0., -1.]))\ntensor([ True, False,  True])",
             .kernel = pointwise<Signbit, Real>(),
             .forms = kFunction | kMethod | kOut});
OP(copysign, {.schema = "copysign.Tensor(Tensor self, Tensor other) -> Tensor",
              .doc = "Magnitude of self with the sign of other."
                     " >>> torch.copysign(torch.tensor([1., 2.]), torch.tensor([-0., 5.]))\ntensor([-1.,  2.])",
              .kernel = pointwise<Copysign, Floating>(Promote::ToFloat),
              .grad = {{"self", "result"},
                       [](const Saved& s, const Tensor& g) {
                         return Grads{g * sgn(s["result"]) * sgn(s["self"]), zeros_like(g)};
                       }},
              .overloads = {"copysign.Scalar(Tensor self, Scalar other) -> Tensor"}});
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
                          Tensor inside = s["self"] >= s["min"];
                          return Grads{where(inside, g, 0.0), where(inside, 0.0, g)};
                        }},
               .overloads = {"clamp_min(Tensor self, Scalar min) -> Tensor"}});
OP(clamp_max, {.schema = "clamp_max.Tensor(Tensor self, Tensor max) -> Tensor",
               .doc = "min(self, max)."
                      " >>> torch.clamp_max(torch.tensor([-1., 2.]), 0)\ntensor([-1.,  0.])",
               .kernel = pointwise<ClampMax, Real>(),
               .grad = {{"self", "max"},
                        [](const Saved& s, const Tensor& g) {
                          Tensor inside = s["self"] <= s["max"];
                          return Grads{where(inside, g, 0.0), where(inside, 0.0, g)};
                        }},
               .overloads = {"clamp_max(Tensor self, Scalar max) -> Tensor"}});
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
                .forms = kFunction});
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
    .aliases = {"clip"}});
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
