// Circular and hyperbolic functions, their inverses, and the error function.
#include "rushlight/fn/conj.h"
#include "rushlight/fn/cos.h"
#include "rushlight/fn/cosh.h"
#include "rushlight/fn/exp.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/rsqrt.h"
#include "rushlight/fn/sin.h"
#include "rushlight/fn/sinh.h"
#include "rushlight/fn/square.h"
#include "rushlight/fn/tanh_backward.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/pointwise.h"

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
    if constexpr (math::is_complex_type<T>) return g * std::conj(T(1) - y * y);
    else return g * (T(1) - y * y);
  }
};
template <class T>
struct Sinc {
  RL_FN T operator()(T x) const {
    T y = x * T(3.14159265358979323846);
    return math::select(x == T(0), T(1), math::sin(y) / y);
  }
};
template <class T> struct Deg2Rad {
  RL_FN T operator()(T x) const { return x * T(0.017453292519943295769236907684886); }
};
template <class T> struct Rad2Deg {
  RL_FN T operator()(T x) const { return x * T(57.295779513082320876798154814105); }
};

constexpr double kTwoOverSqrtPi = 1.12837916709551257390;

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
           .grad = {{"self", "other"},
                    [](const Saved& s, const Tensor& g) {
                      Tensor scaled = g / (square(s["self"]) + square(s["other"]));
                      return Grads{scaled * s["other"], neg(scaled) * s["self"]};
                    }},
           .aliases = {"arctan2"}});
OP(hypot, {.schema = "hypot(Tensor self, Tensor other) -> Tensor",
           .doc = "sqrt(self² + other²), without overflow."
                  " >>> torch.hypot(torch.tensor([3.]), torch.tensor([4.]))\ntensor([5.])",
           .kernel = pointwise<Hypot, Floating>(),
           .grad = {{"self", "other", "result"}, [](const Saved& s, const Tensor& g) {
                      Tensor scaled = g / s["result"];
                      return Grads{scaled * s["self"], scaled * s["other"]};
                    }}});
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
          .grad = {{"self"},
                   [](const Saved& s, const Tensor& g) {
                     // d/dx = (cos(pi x) pi x - sin(pi x)) / (pi x²); the value at 0 is 0.
                     Tensor x = s["self"] * 3.14159265358979323846;
                     Tensor slope = (cos(x) * x - sin(x)) / (x * s["self"]);
                     return Grads{g * conj(masked_fill(slope, s["self"] == 0.0, 0.0))};
                   }},
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
