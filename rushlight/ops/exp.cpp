// Exponentials and logarithms.
#include "rushlight/fn/exp.h"

#include "rushlight/fn/conj.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/pointwise.h"

namespace rushlight {
namespace {

template <class T> struct Exp {
  RL_FN T operator()(T x) const { return math::exp(x); }
};
template <class T> struct Exp2 {
  RL_FN T operator()(T x) const { return math::exp2(x); }
};
template <class T> struct Expm1 {
  RL_FN T operator()(T x) const { return math::expm1(x); }
};
template <class T> struct Log {
  RL_FN T operator()(T x) const { return math::log(x); }
};
template <class T> struct Log2 {
  RL_FN T operator()(T x) const { return math::log2(x); }
};
template <class T> struct Log10 {
  RL_FN T operator()(T x) const { return math::log10(x); }
};
template <class T> struct Log1p {
  RL_FN T operator()(T x) const { return math::log1p(x); }
};

// The larger comes out of the sum, so that exp never overflows; equal values keep inf, inf out of inf - inf.
template <class T>
struct LogAddExp {
  RL_FN T operator()(T a, T b) const {
    T m = math::maximum(a, b);
    return math::select(a == b, a + T(0.693147180559945309417), m + math::log1p(math::exp(-math::abs(a - b))));
  }
};
template <class T>
struct LogAddExp2 {
  RL_FN T operator()(T a, T b) const {
    T m = math::maximum(a, b);
    return math::select(a == b, a + T(1), m + math::log1p(math::exp2(-math::abs(a - b))) * T(1.44269504088896340736));
  }
};

constexpr double kLn2 = 0.693147180559945309417, kLn10 = 2.30258509299404568402;

}  // namespace

OP(exp, {.schema = "exp(Tensor self) -> Tensor",
         .doc = "e to the power of self. >>> torch.exp(torch.tensor([0., 1.]))\ntensor([1.0000, 2.7183])",
         .kernel = pointwise<Exp, FloatingAndComplex>(Promote::ToFloat),
         .grad = {{"result"}, [](const Saved& s, const Tensor& g) { return Grads{g * conj(s["result"])}; }}});
OP(exp2, {.schema = "exp2(Tensor self) -> Tensor",
          .doc = "2 to the power of self. >>> torch.exp2(torch.tensor([0., 3.]))\ntensor([1., 8.])",
          .kernel = pointwise<Exp2, Floating>(Promote::ToFloat),
          .grad = {{"result"}, [](const Saved& s, const Tensor& g) { return Grads{g * s["result"] * kLn2}; }},
          .aliases = {"special_exp2"}});
OP(expm1, {.schema = "expm1(Tensor self) -> Tensor",
           .doc = "exp(self) - 1, exact near 0. >>> torch.expm1(torch.tensor([0., 1.]))\ntensor([0.0000, 1.7183])",
           .kernel = pointwise<Expm1, Floating>(Promote::ToFloat),
           .grad = {{"result"}, [](const Saved& s, const Tensor& g) { return Grads{g * (s["result"] + 1)}; }},
           .aliases = {"special_expm1"}});
OP(log, {.schema = "log(Tensor self) -> Tensor",
         .doc = "Natural logarithm. >>> torch.log(torch.tensor([1., 10.]))\ntensor([0.0000, 2.3026])",
         .kernel = pointwise<Log, FloatingAndComplex>(Promote::ToFloat),
         .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g / conj(s["self"])}; }}});
OP(log2, {.schema = "log2(Tensor self) -> Tensor",
          .doc = "Logarithm to base 2. >>> torch.log2(torch.tensor([1., 8.]))\ntensor([0., 3.])",
          .kernel = pointwise<Log2, Floating>(Promote::ToFloat),
          .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g / (s["self"] * kLn2)}; }}});
OP(log10, {.schema = "log10(Tensor self) -> Tensor",
           .doc = "Logarithm to base 10. >>> torch.log10(torch.tensor([1., 100.]))\ntensor([0., 2.])",
           .kernel = pointwise<Log10, FloatingAndComplex>(Promote::ToFloat),
           .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g / (conj(s["self"]) * kLn10)}; }}});
OP(log1p, {.schema = "log1p(Tensor self) -> Tensor",
           .doc = "log(1 + self), exact near 0. >>> torch.log1p(torch.tensor([0., 1.]))\ntensor([0.0000, 0.6931])",
           .kernel = pointwise<Log1p, Floating>(Promote::ToFloat),
           .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g / (s["self"] + 1)}; }},
           .aliases = {"special_log1p"}});
OP(logaddexp, {.schema = "logaddexp(Tensor self, Tensor other) -> Tensor",
               .doc = "log(exp(self) + exp(other)), without overflow. >>> torch.logaddexp(torch.tensor([1000.]), "
                      "torch.tensor([1000.]))\ntensor([1000.6931])",
               .kernel = pointwise<LogAddExp, Floating>(),
               .grad = {{"self", "other", "result"},
                        [](const Saved& s, const Tensor& g) {
                          return Grads{g * exp(s["self"] - s["result"]), g * exp(s["other"] - s["result"])};
                        }},
               .forms = kFunction | kMethod | kOut});
OP(logaddexp2, {.schema = "logaddexp2(Tensor self, Tensor other) -> Tensor",
                .doc = "log2(2 ** self + 2 ** other), without overflow. >>> torch.logaddexp2(torch.tensor([3.]), "
                       "torch.tensor([3.]))\ntensor([4.])",
                .kernel = pointwise<LogAddExp2, Floating>(),
                .grad = {{"self", "other", "result"},
                         [](const Saved& s, const Tensor& g) {
                           return Grads{g * exp((s["self"] - s["result"]) * kLn2),
                                        g * exp((s["other"] - s["result"]) * kLn2)};
                         }},
                .forms = kFunction | kMethod | kOut});

}  // namespace rushlight
