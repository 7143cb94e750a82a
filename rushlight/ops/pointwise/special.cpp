// Special functions: pointwise records over the scalar functions of kernels/special.h.
#include "rushlight/ops/pointwise/special.h"

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_polygamma.h"
#include "rushlight/fn/arange.h"
#include "rushlight/fn/digamma.h"
#include "rushlight/fn/exp.h"
#include "rushlight/fn/i0.h"
#include "rushlight/fn/isinf.h"
#include "rushlight/fn/lgamma.h"
#include "rushlight/fn/log.h"
#include "rushlight/fn/logical_and.h"
#include "rushlight/fn/logical_not.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/reciprocal.h"
#include "rushlight/fn/round.h"
#include "rushlight/fn/sgn.h"
#include "rushlight/fn/special_erfcx.h"
#include "rushlight/fn/special_i0e.h"
#include "rushlight/fn/special_i1.h"
#include "rushlight/fn/special_i1e.h"
#include "rushlight/fn/special_xlog1py.h"
#include "rushlight/fn/special_zeta.h"
#include "rushlight/fn/square.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/where.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

constexpr double kSqrtPi = 1.77245385090551602730, kSqrtTwoPi = 2.50662827463100050242,
                 kSqrtHalf = 0.70710678118654752440;

RL_SPECIAL1(Digamma, digamma)
RL_SPECIAL1(BesselI0, bessel_i0)
RL_SPECIAL1(BesselI0e, bessel_i0e)
RL_SPECIAL1(BesselI1, bessel_i1)
RL_SPECIAL1(BesselI1e, bessel_i1e)
RL_SPECIAL1(Ndtr, ndtr)
RL_SPECIAL1(Ndtri, ndtri)
RL_SPECIAL1(LogNdtr, log_ndtr)
RL_SPECIAL1(Erfcx, erfcx)
RL_SPECIAL2(Igamma, gammainc)
RL_SPECIAL2(Igammac, gammaincc)
RL_SPECIAL2(Zeta, zeta)
template <class T> struct Erfinv {
  RL_FN T operator()(T x) const { return math::erfinv(x); }
};
template <class T> struct Lgamma {
  RL_FN T operator()(T x) const { return math::lgamma(x); }
};
template <class T>
struct Polygamma {
  explicit Polygamma(const IValue* args) : order(int(args[1].to_int())) {
    RL_CHECK(RuntimeError, order >= 0, "polygamma(n, x) does not support negative n.");
  }
  int order;
  RL_FN T operator()(T x) const { return T(special::polygamma(T(order), x)); }
};
template <class T>
struct Entr {
  RL_FN T operator()(T x) const {
    T below = math::select(x == T(0), T(0), T(-std::numeric_limits<double>::infinity()));
    return math::select(math::isnan(x), x, math::select(x > T(0), -x * math::log(x), below));
  }
};
template <class T>
struct XLog1Py {
  RL_FN T operator()(T x, T y) const {
    return math::select(math::isnan(y), y, math::select(x == T(0), T(0), x * math::log1p(y)));
  }
};

// y / x for an odd function y of x with slope 1/2 at 0.
Tensor over_self(const Tensor& y, const Tensor& x) {
  Tensor zero = x == 0.0;
  return masked_fill(y / masked_fill(x, zero, 1.0), zero, 0.5);
}

Grads gamma_grad(const Saved& s, const Tensor& g) {
  RL_CHECK(NotImplementedError, !s.needs("self"), "the derivative for 'igamma: input' is not implemented.");
  Tensor a = s["self"], x = s["other"];
  return {Tensor(), g * exp((a - 1.0) * log(x) - x - lgamma(a))};
}
Grads zeta_grad(const Saved& s, const Tensor& g) {
  RL_CHECK(NotImplementedError, !s.needs("self"), "the derivative for 'zeta' is not implemented.");
  return {Tensor(), g * neg(s["self"]) * special_zeta(s["self"] + 1.0, s["other"])};
}
// xlog1py(x, y): log1p(y) for x, but 0 where the function is 0 whatever y is; x / (1 + y) for y.
Grads xlog1py_grad(const Saved& s, const Tensor& g) {
  Tensor x = s["self"], y = s["other"];
  Grads grads{Tensor(), Tensor()};
  if (s.needs("self")) grads[0] = masked_fill(special_xlog1py(g, y), logical_and(x == 0.0, y <= -1.0), 0);
  if (s.needs("other")) grads[1] = g * (x / masked_fill(y + 1.0, logical_and(x == 0.0, y == -1.0), 1.0));
  return grads;
}

Tensor as_float(const Tensor& x) { return is_integral(x.dtype(), true) ? to(x, default_dtype()) : x; }
Tensor multigamma(const Tensor& given, int64_t p) {
  RL_CHECK(RuntimeError, p >= 1, "mvlgamma: p has to be greater than or equal to 1");
  Tensor x = as_float(given);
  Tensor steps =
      arange(-double(p - 1) / 2, 0.25, 0.5, x.dtype(), std::nullopt, x.device());  // the offsets (1 - p) / 2, ..., 0
  return sum(lgamma(unsqueeze(x, -1) + steps), IntArrayRef(int64_t(-1))) +
         double(p) * double(p - 1) / 4 * 1.14472988584940017414;
}

Tensor round_to(const Tensor& x, int64_t decimals) { return decimals ? round(x, decimals) : round(x); }
Tensor polygamma_op(int64_t n, const Tensor& x) { return _polygamma(x, n); }

}  // namespace

OP(lgamma, {.schema = "lgamma(Tensor self) -> Tensor",
            .doc = "The logarithm of the absolute value of the gamma function."
                   " >>> torch.lgamma(torch.tensor([1., 4.]))\ntensor([0.0000, 1.7918])",
            .kernel = pointwise<Lgamma, Floating>(Promote::ToFloat),
            .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g * digamma(s["self"])}; }},
            .aliases = {"special_gammaln"}});
OP(_polygamma, {.schema = "_polygamma(Tensor self, int n) -> Tensor",
                .doc = "polygamma, tensor first.",
                .kernel = pointwise<Polygamma, Floating>(Promote::ToFloat),
                .grad = {{"self"}, [](const Saved& s, const Tensor& g) {
                           return Grads{g * _polygamma(s["self"], s.arg("n").to_int() + 1)};
                         }}});
OP(polygamma, {.schema = "polygamma(int n, Tensor self) -> Tensor",
               .doc = "The n-th derivative of digamma."
                      " >>> torch.polygamma(1, torch.tensor([1., 2.]))\ntensor([1.6449, 0.6449])",
               .kernel = composite<polygamma_op>(),
               .forms = kFunction | kOut,
               .aliases = {"special_polygamma"}});
OP(mvlgamma, {.schema = "mvlgamma(Tensor self, int p) -> Tensor",
              .doc = "The logarithm of the multivariate gamma function of dimension p."
                     " >>> torch.mvlgamma(torch.tensor([2., 3.]), 2)\ntensor([0.4516, 1.5502])",
              .kernel = composite<multigamma>(),
              .forms = kFunction | kMethod | kInPlace | kOut,
              .aliases = {"special_multigammaln"}});
OP(special_entr,
   {.schema = "special_entr(Tensor self) -> Tensor",
    .doc = "-self log(self), 0 at 0, -inf below."
           " >>> torch.special.entr(torch.tensor([0., 0.5]))\ntensor([0.0000, 0.3466])",
    .kernel = pointwise<Entr, Floating>(Promote::ToFloat),
    .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g * (-1.0 - log(s["self"]))}; }},
    .forms = kFunction | kOut,
    .module = "special"});
OP(special_round, {.schema = "special_round(Tensor self, *, int decimals=0) -> Tensor",
                   .doc = "round."
                          " >>> torch.special.round(torch.tensor([1.26]), decimals=1)\ntensor([1.3000])",
                   .kernel = composite<round_to>(),
                   .forms = kFunction | kOut,
                   .module = "special"});
OP(special_ndtr,
   {.schema = "special_ndtr(Tensor self) -> Tensor",
    .doc = "The normal distribution function."
           " >>> torch.special.ndtr(torch.tensor([-1., 0.]))\ntensor([0.1587, 0.5000])",
    .kernel = pointwise<Ndtr, Floating>(Promote::ToFloat),
    .grad = {{"self"},
             [](const Saved& s, const Tensor& g) { return Grads{g * (exp(square(s["self"]) * -0.5) / kSqrtTwoPi)}; }},
    .forms = kFunction | kOut,
    .module = "special"});
OP(special_xlog1py,
   {.schema = "special_xlog1py(Tensor self, Tensor other) -> Tensor",
    .doc = "self * log1p(other), and 0 where self is 0."
           " >>> torch.special.xlog1py(torch.tensor([0., 2.]), torch.tensor([-1., 1.]))\ntensor([0.0000, 1.3863])",
    .kernel = pointwise<XLog1Py, Floating>(Promote::ToFloat),
    .grad = {{"self", "other"}, xlog1py_grad},
    .forms = kFunction | kOut,
    .module = "special",
    .overloads = {"special_xlog1py.other_scalar(Tensor self, Scalar other) -> Tensor"},
    .numbers = Numbers::Fallback});
OP(special_xlog1py_of_number,
   {.schema = "special_xlog1py.self_scalar(Scalar self, Tensor other) -> Tensor",
    .doc = "A number times log1p of a tensor. >>> torch.special.xlog1py(2, torch.tensor([0., 1.]))\ntensor([0.0000, "
           "1.3863])",
    .kernel = pointwise<XLog1Py, Floating>(Promote::ToFloat),
    .grad = {{"self", "other"}, [](const Saved& s, const Tensor& g) { return Grads{xlog1py_grad(s, g)[1]}; }},
    .forms = kFunction | kOut,
    .module = "special",
    .numbers = Numbers::Fallback});
OP(special_zeta, {.schema = "special_zeta(Tensor self, Tensor other) -> Tensor",
                  .doc = "The sum of (other + k) ** -self over k from 0 on."
                         " >>> torch.special.zeta(torch.tensor([2., 3.]), 1)\ntensor([1.6449, 1.2021])",
                  .kernel = pointwise<Zeta, Floating>(Promote::ToFloat),
                  .grad = {{"self", "other"}, zeta_grad},
                  .forms = kFunction | kOut,
                  .module = "special",
                  .overloads = {"special_zeta.other_scalar(Tensor self, Scalar other) -> Tensor",
                                "special_zeta.self_scalar(Scalar self, Tensor other) -> Tensor"},
                  .numbers = Numbers::Fallback});
OP(digamma, {.schema = "digamma(Tensor self) -> Tensor",
             .doc = "The logarithmic derivative of the gamma function."
                    " >>> torch.digamma(torch.tensor([1., 2.]))\ntensor([-0.5772,  0.4228])",
             .kernel = pointwise<Digamma, Floating>(Promote::ToFloat),
             .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g * _polygamma(s["self"], 1)}; }},
             .aliases = {"special_digamma", "special_psi"}});
OP(erfinv,
   {.schema = "erfinv(Tensor self) -> Tensor",
    .doc = "The inverse of erf."
           " >>> torch.erfinv(torch.tensor([0., 0.5]))\ntensor([0.0000, 0.4769])",
    .kernel = pointwise<Erfinv, Floating>(Promote::ToFloat),
    .grad = {{"result"},
             [](const Saved& s, const Tensor& g) { return Grads{g * exp(square(s["result"])) * (kSqrtPi / 2)}; }},
    .aliases = {"special_erfinv"}});
OP(i0, {.schema = "i0(Tensor self) -> Tensor",
        .doc = "The modified Bessel function of the first kind, of order 0."
               " >>> torch.i0(torch.tensor([0., 1.]))\ntensor([1.0000, 1.2661])",
        .kernel = pointwise<BesselI0, Floating>(Promote::ToFloat),
        .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g * special_i1(s["self"])}; }},
        .aliases = {"special_i0"}});
OP(special_i0e, {.schema = "special_i0e(Tensor self) -> Tensor",
                 .doc = "i0 times exp(-|self|)."
                        " >>> torch.special.i0e(torch.tensor([0., 1.]))\ntensor([1.0000, 0.4658])",
                 .kernel = pointwise<BesselI0e, Floating>(Promote::ToFloat),
                 .grad = {{"self", "result"},
                          [](const Saved& s, const Tensor& g) {
                            return Grads{g * (special_i1e(s["self"]) - sgn(s["self"]) * s["result"])};
                          }},
                 .forms = kFunction | kOut,
                 .module = "special"});
OP(special_i1, {.schema = "special_i1(Tensor self) -> Tensor",
                .doc = "The modified Bessel function of the first kind, of order 1."
                       " >>> torch.special.i1(torch.tensor([0., 1.]))\ntensor([0.0000, 0.5652])",
                .kernel = pointwise<BesselI1, Floating>(Promote::ToFloat),
                .grad = {{"self", "result"},
                         [](const Saved& s, const Tensor& g) {
                           Tensor y = s["result"], far = isinf(y);  // inf - inf / x
                           Tensor slope = i0(s["self"]) - over_self(masked_fill(y, far, 0.0), s["self"]);
                           return Grads{g * slope};
                         }},
                .forms = kFunction | kOut,
                .module = "special"});
OP(special_i1e, {.schema = "special_i1e(Tensor self) -> Tensor",
                 .doc = "i1 times exp(-|self|)."
                        " >>> torch.special.i1e(torch.tensor([0., 1.]))\ntensor([0.0000, 0.2079])",
                 .kernel = pointwise<BesselI1e, Floating>(Promote::ToFloat),
                 .grad = {{"self", "result"},
                          [](const Saved& s, const Tensor& g) {
                            Tensor x = s["self"], y = s["result"];
                            return Grads{g * (special_i0e(x) - y * sgn(x) - over_self(y, x))};
                          }},
                 .forms = kFunction | kOut,
                 .module = "special"});
OP(special_ndtri,
   {.schema = "special_ndtri(Tensor self) -> Tensor",
    .doc = "The inverse of the normal distribution function."
           " >>> torch.special.ndtri(torch.tensor([0.25, 0.5]))\ntensor([-0.6745,  0.0000])",
    .kernel = pointwise<Ndtri, Floating>(Promote::ToFloat),
    .grad = {{"result"},
             [](const Saved& s, const Tensor& g) { return Grads{g * exp(square(s["result"]) * 0.5) * kSqrtTwoPi}; }},
    .forms = kFunction | kOut,
    .module = "special"});
OP(special_log_ndtr, {.schema = "special_log_ndtr(Tensor self) -> Tensor",
                      .doc = "The logarithm of the normal distribution function."
                             " >>> torch.special.log_ndtr(torch.tensor([-20., 0.]))\ntensor([-203.9172,   -0.6931])",
                      .kernel = pointwise<LogNdtr, Floating>(Promote::ToFloat),
                      .grad = {{"self"},
                               [](const Saved& s, const Tensor& g) {
                                 return Grads{g / special_erfcx(s["self"] * -kSqrtHalf) * (2 / kSqrtTwoPi)};
                               }},
                      .forms = kFunction | kOut,
                      .module = "special"});
OP(special_erfcx, {.schema = "special_erfcx(Tensor self) -> Tensor",
                   .doc = "exp(self²) times erfc(self)."
                          " >>> torch.special.erfcx(torch.tensor([0., 20.]))\ntensor([1.0000, 0.0282])",
                   .kernel = pointwise<Erfcx, Floating>(Promote::ToFloat),
                   .grad = {{"self", "result"},
                            [](const Saved& s, const Tensor& g) {
                              // For large self the difference cancels: there the series of erfcx has it, (1 - 3 / (2 x²)) / x².
                              Tensor x = s["self"], far = x > 1e4,
                                     inverse = reciprocal(masked_fill(x, logical_not(far), 1e4));
                              Tensor tail = inverse * inverse * (1.0 - inverse * inverse * 1.5);
                              Tensor near = masked_fill(x, far, 0.0) * s["result"] * 2.0 - 2 / kSqrtPi;
                              return Grads{g * where(far, tail * (-1 / kSqrtPi), near)};
                            }},
                   .forms = kFunction | kOut,
                   .module = "special"});
OP(igamma, {.schema = "igamma(Tensor self, Tensor other) -> Tensor",
            .doc = "The regularised lower incomplete gamma function of order self."
                   " >>> torch.igamma(torch.tensor([1., 2.]), torch.tensor([1., 1.]))\ntensor([0.6321, 0.2642])",
            .kernel = pointwise<Igamma, Floating>(),
            .grad = {{"self", "other"}, [](const Saved& s, const Tensor& g) { return gamma_grad(s, g); }},
            .aliases = {"special_gammainc"}});
OP(igammac, {.schema = "igammac(Tensor self, Tensor other) -> Tensor",
             .doc = "The regularised upper incomplete gamma function of order self."
                    " >>> torch.igammac(torch.tensor([1., 2.]), torch.tensor([1., 1.]))\ntensor([0.3679, 0.7358])",
             .kernel = pointwise<Igammac, Floating>(),
             .grad = {{"self", "other"}, [](const Saved& s, const Tensor& g) { return gamma_grad(s, neg(g)); }},
             .aliases = {"special_gammaincc"}});

}  // namespace rushlight
