// Circular and hyperbolic functions, their inverses, and the error function.
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/fn/abs.h"
#include "rushlight/fn/conj.h"
#include "rushlight/fn/cos.h"
#include "rushlight/fn/cosh.h"
#include "rushlight/fn/exp.h"
#include "rushlight/fn/hypot.h"
#include "rushlight/fn/isinf.h"
#include "rushlight/fn/logical_not.h"
#include "rushlight/fn/logical_or.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/rsqrt.h"
#include "rushlight/fn/sgn.h"
#include "rushlight/fn/sin.h"
#include "rushlight/fn/sinc.h"
#include "rushlight/fn/sinh.h"
#include "rushlight/fn/square.h"
#include "rushlight/fn/tanh_backward.h"
#include "rushlight/fn/where.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

#define RL_UNARY(Functor, name)                             \
  template <class T> struct Functor {                       \
    RL_FN T operator()(T x) const { return math::name(x); } \
  };
RL_UNARY(Sin, sin)
RL_UNARY(Cos, cos)
RL_UNARY(Tan, tan)
RL_UNARY(Asin, asin)
RL_UNARY(Acos, acos)
RL_UNARY(Atan, atan)
RL_UNARY(Sinh, sinh)
RL_UNARY(Cosh, cosh)
RL_UNARY(Tanh, tanh)
RL_UNARY(Asinh, asinh)
RL_UNARY(Acosh, acosh)
RL_UNARY(Atanh, atanh)
RL_UNARY(Erf, erf)
RL_UNARY(Erfc, erfc)
#undef RL_UNARY
template <class T> struct Atan2 {
  RL_FN T operator()(T a, T b) const { return math::atan2(a, b); }
};
template <class T> struct Hypot {
  RL_FN T operator()(T a, T b) const { return math::hypot(a, b); }
};
template <class T>
struct TanhBackward {
  RL_FN T operator()(T g, T y) const {
    if constexpr (math::is_complex_type<T>) return math::times(g, math::conj(T(1) - math::times(y, y)));
    else return g * (T(1) - y * y);
  }
};
template <class T>
struct Sinc {
  RL_FN T operator()(T x) const {
    T y = x * T(3.14159265358979323846);
    if constexpr (math::is_complex_type<T>) {
      return math::either(x == T(0), [&] { return T(1); }, [&] { return T(math::sin(y) / y); });
    } else {
      // sin(pi x) by what x is away from a whole number, which is exact.
      T turn = x - T(2) * math::round_even(x * T(0.5)), size = math::abs(turn);
      T rest = math::select(size > T(0.5), math::copysign(T(1) - size, turn), turn);
      T value = math::select(x == T(0), T(1), math::sin(rest * T(3.14159265358979323846)) / y);
      return math::select(math::abs(x) == T(__builtin_inf()), T(0), value);
    }
  }
};
template <class T> struct Deg2Rad {
  RL_FN T operator()(T x) const { return x * T(0.017453292519943295769236907684886); }
};
template <class T> struct Rad2Deg {
  RL_FN T operator()(T x) const { return x * T(57.295779513082320876798154814105); }
};

constexpr double kTwoOverSqrtPi = 1.12837916709551257390;

// (x, y) / r² for the point (x, y) at distance r, and 0 at the origin and at infinity, where the angle has no slope.
Grads atan2_grad(const Saved& s, const Tensor& g) {
  Tensor y = s["self"], x = s["other"], r = hypot(y, x), flat = logical_or(r == 0.0, isinf(r));
  r = masked_fill(r, flat, 1.0);
  return {s.needs("self") ? g * masked_fill(x / r / r, flat, 0.0) : Tensor(),
          s.needs("other") ? neg(g) * masked_fill(y / r / r, flat, 0.0) : Tensor()};
}
// (x, y) / r, 0 at the origin; an infinite part has all of it.
Grads hypot_grad(const Saved& s, const Tensor& g) {
  Tensor r = s["result"], flat = logical_or(r == 0.0, isinf(r));
  r = masked_fill(r, flat, 1.0);
  auto part = [&](const char* name) {
    Tensor x = s[name];
    return s.needs(name) ? g * where(isinf(x), sgn(x), masked_fill(x / r, flat, 0.0)) : Tensor();
  };
  return {part("self"), part("other")};
}
// (cos(pi x) - sinc(x)) / x; near 0, where that cancels, its series.
Grads sinc_grad(const Saved& s, const Tensor& g) {
  Tensor x = s["self"], near = abs(x) < 0.02, far = masked_fill(x, near, 1.0);
  Tensor slope = (cos(far * 3.14159265358979323846) - sinc(far)) / far;
  Tensor z = masked_fill(x, logical_not(near), 0.0), t = square(z * 3.14159265358979323846);
  Tensor series =
      z * (t * (t * (t * (1.0 / 7560) - 1.0 / 140) * (1.0 / 6) + 1.0 / 30) - 1.0 / 3) * 9.86960440108935861883;
  return {g * conj(where(near, series, slope))};
}

}  // namespace

OP(sin, {.schema = "sin(Tensor self) -> Tensor",
         .doc = "Sine of an angle in radians."
                " >>> torch.sin(torch.tensor([0., 1.]))\ntensor([0.0000, 0.8415])",
         .kernel = pointwise<Sin, FloatingAndComplex>(Promote::ToFloat),
         .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g * conj(cos(s["self"]))}; }}});
OP(cos, {.schema = "cos(Tensor self) -> Tensor",
         .doc = "Cosine of an angle in radians."
                " >>> torch.cos(torch.tensor([0., 1.]))\ntensor([1.0000, 0.5403])",
         .kernel = pointwise<Cos, FloatingAndComplex>(Promote::ToFloat),
         .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{neg(g) * conj(sin(s["self"]))}; }}});
OP(tan,
   {.schema = "tan(Tensor self) -> Tensor",
    .doc = "Tangent of an angle in radians."
           " >>> torch.tan(torch.tensor([0., 1.]))\ntensor([0.0000, 1.5574])",
    .kernel = pointwise<Tan, FloatingAndComplex>(Promote::ToFloat),
    .grad = {{"result"}, [](const Saved& s, const Tensor& g) { return Grads{g * conj(square(s["result"]) + 1)}; }}});
OP(asin,
   {.schema = "asin(Tensor self) -> Tensor",
    .doc = "Inverse sine, in radians."
           " >>> torch.asin(torch.tensor([0., 1.]))\ntensor([0.0000, 1.5708])",
    .kernel = pointwise<Asin, FloatingAndComplex>(Promote::ToFloat),
    .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g * conj(rsqrt(1 - square(s["self"])))}; }},
    .aliases = {"arcsin"}});
OP(acos, {.schema = "acos(Tensor self) -> Tensor",
          .doc = "Inverse cosine, in radians."
                 " >>> torch.acos(torch.tensor([0., 1.]))\ntensor([1.5708, 0.0000])",
          .kernel = pointwise<Acos, FloatingAndComplex>(Promote::ToFloat),
          .grad = {{"self"},
                   [](const Saved& s, const Tensor& g) { return Grads{neg(g) * conj(rsqrt(1 - square(s["self"])))}; }},
          .aliases = {"arccos"}});
OP(atan, {.schema = "atan(Tensor self) -> Tensor",
          .doc = "Inverse tangent, in radians."
                 " >>> torch.atan(torch.tensor([0., 1.]))\ntensor([0.0000, 0.7854])",
          .kernel = pointwise<Atan, FloatingAndComplex>(Promote::ToFloat),
          .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g / conj(square(s["self"]) + 1)}; }},
          .aliases = {"arctan"}});
OP(sinh, {.schema = "sinh(Tensor self) -> Tensor",
          .doc = "Hyperbolic sine."
                 " >>> torch.sinh(torch.tensor([0., 1.]))\ntensor([0.0000, 1.1752])",
          .kernel = pointwise<Sinh, FloatingAndComplex>(Promote::ToFloat),
          .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g * conj(cosh(s["self"]))}; }}});
OP(cosh, {.schema = "cosh(Tensor self) -> Tensor",
          .doc = "Hyperbolic cosine."
                 " >>> torch.cosh(torch.tensor([0., 1.]))\ntensor([1.0000, 1.5431])",
          .kernel = pointwise<Cosh, FloatingAndComplex>(Promote::ToFloat),
          .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g * conj(sinh(s["self"]))}; }}});
OP(tanh, {.schema = "tanh(Tensor self) -> Tensor",
          .doc = "Hyperbolic tangent. >>> torch.tanh(torch.tensor([0., 1.]))\ntensor([0.0000, 0.7616])",
          .kernel = pointwise<Tanh, FloatingAndComplex>(Promote::ToFloat),
          .grad = {{"result"}, [](const Saved& s, const Tensor& g) { return Grads{tanh_backward(g, s["result"])}; }}});
OP(tanh_backward, {.schema = "tanh_backward(Tensor grad_output, Tensor output) -> Tensor",
                   .doc = "Gradient of tanh from its output.",
                   .kernel = pointwise<TanhBackward, FloatingAndComplex>(),
                   .grad = {{"grad_output", "output"},
                            [](const Saved& s, const Tensor& g) {
                              return Grads{
                                  tanh_backward(g, s["output"]),
                                  s.needs("output") ? conj(conj(g) * s["grad_output"] * s["output"]) * -2.0 : Tensor()};
                            }},
                   .forms = kFunction | kOut,
                   .module = "nn"});
OP(asinh,
   {.schema = "asinh(Tensor self) -> Tensor",
    .doc = "Inverse hyperbolic sine."
           " >>> torch.asinh(torch.tensor([0., 1.]))\ntensor([0.0000, 0.8814])",
    .kernel = pointwise<Asinh, FloatingAndComplex>(Promote::ToFloat),
    .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g * conj(rsqrt(square(s["self"]) + 1))}; }},
    .aliases = {"arcsinh"}});
OP(acosh, {.schema = "acosh(Tensor self) -> Tensor",
           .doc = "Inverse hyperbolic cosine."
                  " >>> torch.acosh(torch.tensor([1., 2.]))\ntensor([0.0000, 1.3170])",
           .kernel = pointwise<Acosh, FloatingAndComplex>(Promote::ToFloat),
           .grad = {{"self"},
                    [](const Saved& s, const Tensor& g) {
                      return Grads{g * conj(rsqrt(s["self"] - 1) * rsqrt(s["self"] + 1))};
                    }},
           .aliases = {"arccosh"}});
OP(atanh, {.schema = "atanh(Tensor self) -> Tensor",
           .doc = "Inverse hyperbolic tangent."
                  " >>> torch.atanh(torch.tensor([0., 0.5]))\ntensor([0.0000, 0.5493])",
           .kernel = pointwise<Atanh, FloatingAndComplex>(Promote::ToFloat),
           .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g / conj(1 - square(s["self"]))}; }},
           .aliases = {"arctanh"}});
OP(atan2, {.schema = "atan2(Tensor self, Tensor other) -> Tensor",
           .doc = "Angle of the point (other, self), in radians."
                  " >>> torch.atan2(torch.tensor([1., -1.]), torch.tensor([0., -1.]))\ntensor([ 1.5708, -2.3562])",
           .kernel = pointwise<Atan2, Floating>(Promote::ToFloat),
           .grad = {{"self", "other"}, atan2_grad},
           .aliases = {"arctan2"}});
OP(hypot, {.schema = "hypot(Tensor self, Tensor other) -> Tensor",
           .doc = "sqrt(self² + other²), without overflow."
                  " >>> torch.hypot(torch.tensor([3.]), torch.tensor([4.]))\ntensor([5.])",
           .kernel = pointwise<Hypot, Floating>(),
           .grad = {{"self", "other", "result"}, hypot_grad}});
OP(erf,
   {.schema = "erf(Tensor self) -> Tensor",
    .doc = "Error function."
           " >>> torch.erf(torch.tensor([0., 1.]))\ntensor([0.0000, 0.8427])",
    .kernel = pointwise<Erf, Floating>(Promote::ToFloat),
    .grad = {{"self"},
             [](const Saved& s, const Tensor& g) { return Grads{g * exp(neg(square(s["self"]))) * kTwoOverSqrtPi}; }},
    .aliases = {"special_erf"}});
OP(erfc,
   {.schema = "erfc(Tensor self) -> Tensor",
    .doc = "1 - erf(self), exact for large self."
           " >>> torch.erfc(torch.tensor([0., 1.]))\ntensor([1.0000, 0.1573])",
    .kernel = pointwise<Erfc, Floating>(Promote::ToFloat),
    .grad = {{"self"},
             [](const Saved& s, const Tensor& g) { return Grads{g * exp(neg(square(s["self"]))) * -kTwoOverSqrtPi}; }},
    .aliases = {"special_erfc"}});
OP(sinc, {.schema = "sinc(Tensor self) -> Tensor",
          .doc = "sin(pi x) / (pi x), 1 at 0."
                 " >>> torch.sinc(torch.tensor([0., 0.5]))\ntensor([1.0000, 0.6366])",
          .kernel = pointwise<Sinc, FloatingAndComplex>(Promote::ToFloat),
          .grad = {{"self"}, sinc_grad},
          .aliases = {"special_sinc"}});
OP(deg2rad, {.schema = "deg2rad(Tensor self) -> Tensor",
             .doc = "Degrees to radians."
                    " >>> torch.deg2rad(torch.tensor([180.]))\ntensor([3.1416])",
             .kernel = pointwise<Deg2Rad, Floating>(Promote::ToFloat),
             .grad = {{}, [](const Saved&, const Tensor& g) { return Grads{g * 0.017453292519943295769}; }}});
OP(rad2deg, {.schema = "rad2deg(Tensor self) -> Tensor",
             .doc = "Radians to degrees."
                    " >>> torch.rad2deg(torch.tensor([1.]))\ntensor([57.2958])",
             .kernel = pointwise<Rad2Deg, Floating>(Promote::ToFloat),
             .grad = {{}, [](const Saved&, const Tensor& g) { return Grads{g * 57.295779513082320877}; }}});

}  // namespace rushlight
