// Exponentials and logarithms.
#include "rushlight/fn/exp.h"

#include "rushlight/dispatch/pointwise.h"
#include "rushlight/fn/conj.h"
#include "rushlight/fn/isinf.h"
#include "rushlight/fn/logical_and.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/sigmoid.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

#define RL_UNARY(Functor, name)                             \
  template <class T> struct Functor {                       \
    RL_FN T operator()(T x) const { return math::name(x); } \
  };
RL_UNARY(Exp, exp)
RL_UNARY(Exp2, exp2)
RL_UNARY(Expm1, expm1)
RL_UNARY(Log, log)
RL_UNARY(Log2, log2)
RL_UNARY(Log10, log10)
RL_UNARY(Log1p, log1p)
#undef RL_UNARY
constexpr double kLn2 = math::kLn2, kLn10 = 2.30258509299404568402;

template <class T>
struct LogAddExp {
  RL_FN T operator()(T a, T b) const {
    if constexpr (math::is_complex_type<T>) {
      return math::logaddexp(a, b);
    } else {
      T apart = math::select(a == b, T(0), a - b);  // not inf - inf
      return math::maximum(a, b) + math::log1p(math::exp(-math::abs(apart)));
    }
  }
};
// d/da = 1 / (1 + e^(b - a)), which is 1 / 2 for equal ones, infinite ones too; in units of 1 / scale.
Grads logaddexp_grad(const Saved& s, const Tensor& g, double scale) {
  Tensor a = s["self"], b = s["other"], apart = (a - b) * scale;
  if (!is_complex(apart.dtype())) apart = masked_fill(apart, logical_and(a == b, isinf(a)), 0.0);
  return {s.needs("self") ? g * conj(sigmoid(apart)) : Tensor(),
          s.needs("other") ? g * conj(sigmoid(neg(apart))) : Tensor()};
}
template <class T>
struct LogAddExp2 {
  RL_FN T operator()(T a, T b) const {
    T apart = math::select(a == b, T(0), a - b);
    return math::maximum(a, b) + math::log1p(math::exp2(-math::abs(apart))) * T(1.44269504088896340736);
  }
};

}  // namespace

OP(exp, {.schema = "exp(Tensor self) -> Tensor",
         .doc = "e to the power of self. >>> torch.exp(torch.tensor([0., 1.]))\ntensor([1.0000, 2.7183])",
         .kernel = pointwise<Exp, FloatingAndComplex>(Promote::ToFloat),
         .grad = {{"result"}, [](const Saved& s, const Tensor& g) { return Grads{g * conj(s["result"])}; }}});
OP(exp2, {.schema = "exp2(Tensor self) -> Tensor",
          .doc = "2 to the power of self. >>> torch.exp2(torch.tensor([0., 3.]))\ntensor([1., 8.])",
          .kernel = pointwise<Exp2, FloatingAndComplex>(Promote::ToFloat),
          .grad = {{"result"}, [](const Saved& s, const Tensor& g) { return Grads{g * conj(s["result"] * kLn2)}; }},
          .aliases = {"special_exp2"}});
OP(expm1, {.schema = "expm1(Tensor self) -> Tensor",
           .doc = "exp(self) - 1, exact near 0. >>> torch.expm1(torch.tensor([0., 1.]))\ntensor([0.0000, 1.7183])",
           .kernel = pointwise<Expm1, FloatingAndComplex>(Promote::ToFloat),
           .grad = {{"result"}, [](const Saved& s, const Tensor& g) { return Grads{g * conj(s["result"] + 1)}; }},
           .aliases = {"special_expm1"}});
OP(log, {.schema = "log(Tensor self) -> Tensor",
         .doc = "Natural logarithm. >>> torch.log(torch.tensor([1., 10.]))\ntensor([0.0000, 2.3026])",
         .kernel = pointwise<Log, FloatingAndComplex>(Promote::ToFloat),
         .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g / conj(s["self"])}; }}});
OP(log2, {.schema = "log2(Tensor self) -> Tensor",
          .doc = "Logarithm to base 2. >>> torch.log2(torch.tensor([1., 8.]))\ntensor([0., 3.])",
          .kernel = pointwise<Log2, FloatingAndComplex>(Promote::ToFloat),
          .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g / conj(s["self"] * kLn2)}; }}});
OP(log10, {.schema = "log10(Tensor self) -> Tensor",
           .doc = "Logarithm to base 10. >>> torch.log10(torch.tensor([1., 100.]))\ntensor([0., 2.])",
           .kernel = pointwise<Log10, FloatingAndComplex>(Promote::ToFloat),
           .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g / (conj(s["self"]) * kLn10)}; }}});
OP(log1p, {.schema = "log1p(Tensor self) -> Tensor",
           .doc = "log(1 + self), exact near 0. >>> torch.log1p(torch.tensor([0., 1.]))\ntensor([0.0000, 0.6931])",
           .kernel = pointwise<Log1p, FloatingAndComplex>(Promote::ToFloat),
           .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g / conj(s["self"] + 1)}; }},
           .aliases = {"special_log1p"}});
OP(logaddexp, {.schema = "logaddexp(Tensor self, Tensor other) -> Tensor",
               .doc = "log(exp(self) + exp(other)), without overflow. >>> torch.logaddexp(torch.tensor([1000.]), "
                      "torch.tensor([1000.]))\ntensor([1000.6932])",
               .kernel = pointwise<LogAddExp, FloatingAndComplex>(),
               .grad = {{"self", "other"}, [](const Saved& s, const Tensor& g) { return logaddexp_grad(s, g, 1); }},
               .forms = kFunction | kMethod | kOut});
OP(logaddexp2, {.schema = "logaddexp2(Tensor self, Tensor other) -> Tensor",
                .doc = "log2(2 ** self + 2 ** other), without overflow. >>> torch.logaddexp2(torch.tensor([3.]), "
                       "torch.tensor([3.]))\ntensor([4.])",
                .kernel = pointwise<LogAddExp2, Floating>(),
                .grad = {{"self", "other"}, [](const Saved& s, const Tensor& g) { return logaddexp_grad(s, g, kLn2); }},
                .forms = kFunction | kMethod | kOut});

}  // namespace rushlight
