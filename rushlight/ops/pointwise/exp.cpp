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

template <class T> struct Exp {
  RL_FN T operator()(T x) const { return math::exp(x); }
};
constexpr double kLn2 = 0.693147180559945309417, kLn10 = 2.30258509299404568402;

template <class T>
struct Exp2 {
  RL_FN T operator()(T x) const {
    if constexpr (math::is_complex_type<T>) return std::exp(x * T(kLn2));
    else return math::exp2(x);
  }
};
template <class T>
struct Expm1 {
  RL_FN T operator()(T x) const {
    if constexpr (math::is_complex_type<T>) {
      auto half = std::sin(x.imag() / 2);
      return T(std::expm1(x.real()) * std::cos(x.imag()) - 2 * half * half, std::exp(x.real()) * std::sin(x.imag()));
    } else {
      return math::expm1(x);
    }
  }
};
template <class T> struct Log {
  RL_FN T operator()(T x) const { return math::log(x); }
};
template <class T>
struct Log2 {
  RL_FN T operator()(T x) const {
    if constexpr (math::is_complex_type<T>) return std::log(x) / T(kLn2);
    else return math::log2(x);
  }
};
template <class T> struct Log10 {
  RL_FN T operator()(T x) const { return math::log10(x); }
};
// Near 0 the modulus of 1 + z by log1p of |1 + z|^2 - 1.
template <class R>
std::complex<R> complex_log1p(std::complex<R> z) {
  R x = z.real(), y = z.imag();
  if (!(std::abs(z) < R(0.5))) return std::log(std::complex<R>(x + 1, y));
  R above = x * (2 + x) + y * y;
  return {above == 0 ? x : R(0.5) * std::log1p(above), std::atan2(y, x + 1)};
}
template <class T>
struct Log1p {
  RL_FN T operator()(T x) const {
    if constexpr (math::is_complex_type<T>) return complex_log1p(x);
    else return math::log1p(x);
  }
};

// The larger comes out of the sum, so that exp never overflows; equal values keep inf, inf out of inf - inf.
template <class R>
std::complex<R> complex_logaddexp(std::complex<R> a, std::complex<R> b) {
  using C = std::complex<R>;
  if (math::isnan(a) || math::isnan(b)) return C(R(__builtin_nan("")), R(__builtin_nan("")));
  if (a.real() > b.real()) std::swap(a, b);
  if (!std::isfinite(a.real()) && a.real() == b.real()) return a.real() < 0 ? a : std::log(std::exp(a) + std::exp(b));
  return complex_log1p(std::exp(a - b)) + b;
}
template <class T>
struct LogAddExp {
  RL_FN T operator()(T a, T b) const {
    if constexpr (math::is_complex_type<T>) {
      return complex_logaddexp(a, b);
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
