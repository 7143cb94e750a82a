// Rounding and signs.
#include <algorithm>
#include <limits>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/fn/abs.h"
#include "rushlight/fn/conj.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/real.h"
#include "rushlight/fn/sgn.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

template <class T> struct Floor {
  RL_FN T operator()(T x) const { return math::floor(x); }
};

template <class T> struct Ceil {
  RL_FN T operator()(T x) const { return math::ceil(x); }
};

template <class T> struct Trunc {
  RL_FN T operator()(T x) const { return math::trunc(x); }
};

template <class T> struct Round {
  RL_FN T operator()(T x) const { return math::round_even(x); }
};

// Through a power of ten above 1 on either side of the point: 0.1 and its like are not exact. Where the product leaves the range there is
// nothing to round, or nothing left.
template <class T>
struct RoundDecimals {
  explicit RoundDecimals(const IValue* args)
      : negative(args[1].to_int() < 0), power(std::pow(10.0, std::abs(double(args[1].to_int())))) {}
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
    return math::select(x > T(0), T(1), math::select(x < T(0), T(-1), T(0)));  // NaN has none, as in PyTorch
  }
};

template <class T>
  requires math::is_bool<T>
struct Sign<T> {
  RL_FN T operator()(T x) const { return x; }
};

template <class T>
struct Sgn {
  RL_FN T operator()(T x) const {
    if constexpr (math::is_complex_type<T>) return math::sgn(x);
    else return Sign<T>()(x);
  }
};

template <class T> struct Signbit {
  RL_FN auto operator()(T x) const { return math::signbit(x); }
};

template <class T> struct Copysign {
  RL_FN T operator()(T x, T y) const { return math::copysign(x, y); }
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
              .overloads = {"copysign.Scalar(Tensor self, Scalar other) -> Tensor"},
              .numbers = Numbers::Fallback});

}  // namespace rushlight
