// Division in all its roundings, and the remainders.
#include "rushlight/fn/div.h"

#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/fn/conj.h"
#include "rushlight/fn/floor_divide.h"
#include "rushlight/fn/trunc.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/sparse/forms.h"

namespace rushlight {
namespace {

// The vector fmod is NaN where its arguments are more than 38 or 300 decimal places apart: in double no two floats are.
template <class T>
RL_FN T float_remainder(T a, T b) {
  using Wide = math::same_kind_t<T, double>;
  return T(math::fmod(Wide(a), Wide(b)));
}

template <class T> struct TrueDivide {
  static constexpr bool kExactNumbers = true;
  RL_FN T operator()(T a, T b) const { return a / b; }
};

// Towards minus infinity, exact for floats as Python's // is.
template <class T>
struct FloorDivide {
  static constexpr bool kExactNumbers = true;
  RL_FN T operator()(T a, T b) const {
    if constexpr (math::is_integer<T>) {
      T q = math::quotient(a, b), r = math::rest(a, b);
      return math::select(r != T(0) && ((a < T(0)) != (b < T(0))), q - T(1), q);
    } else {
      T mod = float_remainder(a, b);
      T div = (a - mod) / b;
      div = math::select(mod != T(0) && ((b < T(0)) != (mod < T(0))), div - T(1), div);
      T floored = math::floor(div);
      floored = math::select(div - floored > T(0.5), floored + T(1), floored);
      T signed_zero = math::copysign(T(0), a / b);
      return math::select(b == T(0), a / b, math::select(div != T(0), floored, signed_zero));
    }
  }
};
template <class T>
struct TruncDivide {
  RL_FN T operator()(T a, T b) const {
    if constexpr (math::is_integer<T>) return math::quotient(a, b);
    else return math::trunc(a / b);
  }
};
template <class T>
struct Remainder {
  RL_FN T operator()(T a, T b) const {
    if constexpr (math::is_integer<T>) {
      T r = math::rest(a, b);
      return math::select(r != T(0) && ((r < T(0)) != (b < T(0))), r + b, r);
    } else {
      T mod = float_remainder(a, b);
      return math::select(mod != T(0) && ((b < T(0)) != (mod < T(0))), mod + b, mod);
    }
  }
};
template <class T>
struct Fmod {
  RL_FN T operator()(T a, T b) const {
    if constexpr (math::is_integer<T>) return math::rest(a, b);
    else return float_remainder(a, b);
  }
};

Grads true_divide_grad(const Saved& s, const Tensor& g) {
  Tensor b = conj(s["other"]);
  Tensor da = s.needs("self") || s.needs("other") ? g / b : Tensor();
  return {da, s.needs("other") ? neg(da) * conj(div(s["self"], s["other"])) : Tensor()};
}

Tensor div_mode(const Tensor& self, const Tensor& other, const std::optional<std::string_view>& mode) {
  if (!mode) return div(self, other);
  if (*mode == "floor") return floor_divide(self, other);
  RL_CHECK(RuntimeError, *mode == "trunc",
           "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '", *mode, "'");
  DType type = result_type(std::array{IValue::borrow(self), IValue::borrow(other)}.data(), 2);
  if (is_half(type)) return trunc(div(self, other));  // the quotient is rounded before it is cut
  static const Op& op = *OpTable::get().find("_trunc_divide");
  IValue args[] = {IValue::borrow(self), IValue::borrow(other)}, ret;
  call(op, args, &ret);
  return ret.take_tensor();
}

// Steps have zero slope almost everywhere.
Grads no_slope(const Saved&, const Tensor& g) { return {zeros_like(g), zeros_like(g)}; }

}  // namespace

OP(div,
   {.schema = "div.Tensor(Tensor self, Tensor other) -> Tensor",
    .doc = "self / other; integers give floats. >>> torch.div(torch.tensor([1., 2.]), 4)\ntensor([0.2500, 0.5000])",
    .kernel = pointwise<TrueDivide, FloatingAndComplex>(Promote::ToFloat),
    .grad = {{"self:other", "other"}, true_divide_grad},
    .overloads = {"div.Scalar(Tensor self, Scalar other) -> Tensor"},
    .aliases = {"divide", "true_divide"},
    .numbers = Numbers::Always,
    .sparse = sparse_form<sparse_div>});

OP(div_mode, {.schema = "div.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor",
              .doc = "self / other, rounded as rounding_mode says: None, 'trunc' or 'floor'. >>> "
                     "torch.div(torch.tensor([7., -7.]), 2, rounding_mode='floor')\ntensor([ 3., -4.])",
              .kernel = composite<div_mode>(),
              .forms = kFunction | kMethod | kInPlace | kOut,
              .overloads = {"div.Scalar_mode(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor"},
              .aliases = {"divide"},
              .numbers = Numbers::Always,
              .sparse = sparse_form<sparse_div_mode>});

OP(floor_divide,
   {.schema = "floor_divide(Tensor self, Tensor other) -> Tensor",
    .doc = "self // other, rounding down. >>> torch.floor_divide(torch.tensor([7., -7.]), 2)\ntensor([ 3., -4.])",
    .kernel = pointwise<FloorDivide, RealNoBool>(),
    .grad = {{}, no_slope},
    .overloads = {"floor_divide.Scalar(Tensor self, Scalar other) -> Tensor"},
    .numbers = Numbers::Always});

OP(trunc_divide, {.schema = "_trunc_divide(Tensor self, Tensor other) -> Tensor",
                  .doc = "self / other rounded towards zero.",
                  .kernel = pointwise<TruncDivide, RealNoBool>(),
                  .grad = {{}, no_slope},
                  .forms = kFunction});

OP(remainder, {.schema = "remainder.Tensor(Tensor self, Tensor other) -> Tensor",
               .doc = "Remainder with the sign of other, as Python's %. >>> torch.remainder(torch.tensor([5., -5.]), "
                      "3)\ntensor([2., 1.])",
               .kernel = pointwise<Remainder, RealNoBool>(),
               .grad = {{"self", "other"},
                        [](const Saved& s, const Tensor& g) {
                          return Grads{g, s.needs("other") ? neg(g) * floor_divide(s["self"], s["other"]) : Tensor()};
                        }},
               .overloads = {"remainder.Scalar(Tensor self, Scalar other) -> Tensor"},
               .numbers = Numbers::Fallback});

OP(fmod,
   {.schema = "fmod.Tensor(Tensor self, Tensor other) -> Tensor",
    .doc =
        "Remainder with the sign of self, as C's fmod. >>> torch.fmod(torch.tensor([5., -5.]), 3)\ntensor([ 2., -2.])",
    .kernel = pointwise<Fmod, RealNoBool>(),
    .grad = {{"self", "other"},
             [](const Saved& s, const Tensor& g) {
               return Grads{g, s.needs("other") ? neg(g) * trunc(div(s["self"], s["other"])) : Tensor()};
             }},
    .overloads = {"fmod.Scalar(Tensor self, Scalar other) -> Tensor"},
    .numbers = Numbers::Fallback});

}  // namespace rushlight
