// Activations and their gradients. Those whose gradient is one expression have it as an operator of its own (as PyTorch's *_backward), so that a
// backward step is one pass over the data.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/fn/_elu_backward.h"
#include "rushlight/fn/_log_sigmoid_backward.h"
#include "rushlight/fn/clamp.h"
#include "rushlight/fn/conj.h"
#include "rushlight/fn/count_nonzero.h"
#include "rushlight/fn/empty.h"
#include "rushlight/fn/erfc.h"
#include "rushlight/fn/exp.h"
#include "rushlight/fn/gelu_backward.h"
#include "rushlight/fn/hardsigmoid_backward.h"
#include "rushlight/fn/hardswish_backward.h"
#include "rushlight/fn/hardtanh_backward.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/leaky_relu.h"
#include "rushlight/fn/leaky_relu_backward.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/masked_scatter.h"
#include "rushlight/fn/mish_backward.h"
#include "rushlight/fn/ones_like.h"
#include "rushlight/fn/sigmoid.h"
#include "rushlight/fn/sigmoid_backward.h"
#include "rushlight/fn/silu_backward.h"
#include "rushlight/fn/softplus.h"
#include "rushlight/fn/softplus_backward.h"
#include "rushlight/fn/softshrink_backward.h"
#include "rushlight/fn/square.h"
#include "rushlight/fn/tanh.h"
#include "rushlight/fn/threshold_backward.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/uniform_.h"
#include "rushlight/fn/where.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

using math::abs;
using math::cut;
using math::cut_below;
using math::exp;
using math::expm1;
using math::is_complex_type;
using math::limit;
using math::log;
using math::log1p;
using math::maximum;
using math::minimum;
using math::select;

template <class T> struct Relu {
  RL_FN T operator()(T x) const { return select(x != x || x > T(0), x, T(0)); }
};
template <class T> struct Relu6 {
  RL_FN T operator()(T x) const { return limit(x, T(0), T(6)); }
};
template <class T> struct Sigmoid {
  RL_FN T operator()(T x) const { return math::sigmoid(x); }
};
template <class T>
struct SigmoidBackward {
  RL_FN T operator()(T g, T y) const {
    if constexpr (is_complex_type<T>) return math::times(g, math::conj(math::times(T(1) - y, y)));
    else return g * (T(1) - y) * y;
  }
};
// A number that becomes an element itself: it fits half types too, which others only meet in float.
template <class T>
T element_arg(const IValue& v) {
  if constexpr (std::is_same_v<math::number_t<T>, float>)
    return T(number_in(v.to_scalar(), functor_dtype()).to_double());
  else return scalar_arg<T>(v);
}
template <class T>
struct Threshold {
  explicit Threshold(const IValue* a) : threshold(scalar_arg<T>(a[1])), value(element_arg<T>(a[2])) {}
  T threshold, value;
  RL_FN T operator()(T x) const { return select(x <= threshold, value, x); }
};
template <class T>
struct ThresholdBackward {
  explicit ThresholdBackward(const IValue* a) : threshold(scalar_arg<T>(a[2])) {}
  T threshold;
  RL_FN T operator()(T g, T x) const { return select(x <= threshold, T(0), g); }
};
template <class T>
struct LeakyRelu {
  explicit LeakyRelu(const IValue* a) : slope(scalar_arg<T>(a[1])) {}
  T slope;
  RL_FN T operator()(T x) const { return select(x > T(0), x, x * slope); }
};
template <class T>
struct LeakyReluBackward {
  explicit LeakyReluBackward(const IValue* a) : slope(scalar_arg<T>(a[2])) {}
  T slope;
  RL_FN T operator()(T g, T x) const { return select(x > T(0), g, g * slope); }
};
// x > 0: scale x; else scale alpha (exp(input_scale x) - 1).
template <class T>
struct Elu {
  explicit Elu(const IValue* a)
      : alpha(scalar_arg<T>(a[1])), scale(scalar_arg<T>(a[2])), input_scale(scalar_arg<T>(a[3])) {}
  T alpha, scale, input_scale;
  RL_FN T operator()(T x) const { return select(x > T(0), x * scale, expm1(x * input_scale) * alpha * scale); }
};
template <class T>
struct EluBackward {
  explicit EluBackward(const IValue* a)
      : alpha(scalar_arg<T>(a[2])), scale(scalar_arg<T>(a[3])), input_scale(scalar_arg<T>(a[4])) {}
  T alpha, scale, input_scale;
  RL_FN T operator()(T g, T x) const {
    return select(x > T(0), g * scale, g * input_scale * alpha * scale * exp(x * input_scale));
  }
};
template <class T>
struct Gelu {
  explicit Gelu(const IValue* a) : tanh_form(a[1].to_string() == "tanh") {
    RL_CHECK(RuntimeError, tanh_form || a[1].to_string() == "none",
             "approximate argument must be either none or tanh.");
  }
  bool tanh_form;
  bool variant() const { return tanh_form; }
  template <bool by_tanh>
  RL_FN T apply(T x) const {
    if constexpr (!by_tanh) return cut_below(x) * math::normal_cdf(x);
    else return cut_below(x) * math::sigmoid(T(1.59576912160573071176) * (x + T(0.044715) * x * x * x));
  }
  RL_FN T operator()(T x) const { return tanh_form ? apply<true>(x) : apply<false>(x); }
};
template <class T>
struct GeluBackward {
  explicit GeluBackward(const IValue* a) : tanh_form(a[2].to_string() == "tanh") {}
  bool tanh_form;
  bool variant() const { return tanh_form; }
  template <bool by_tanh>
  RL_FN T apply(T g, T x) const {
    if constexpr (by_tanh) {
      T b = T(1.59576912160573071176), k = T(0.044715), z = cut(x);
      T s = math::sigmoid(b * (x + k * x * x * x));  // not of z: the loop would not be vectorised
      return g * (s + z * s * (T(1) - s) * b * (T(1) + T(3) * k * z * z));
    } else {
      T z = cut(x), pdf = exp(z * z * T(-0.5)) * T(0.39894228040143267794);
      return g * (math::normal_cdf(x) + z * pdf);
    }
  }
  RL_FN T operator()(T g, T x) const { return tanh_form ? apply<true>(g, x) : apply<false>(g, x); }
};
// x s(x) and its like are 0 at -inf, and their slopes 0 and 1 at the infinities, where the formulas as they stand say 0 inf: cut and cut_below.
template <class T>
struct Silu {
  RL_FN T operator()(T x) const {
    if constexpr (is_complex_type<T>) return math::times(x, math::sigmoid(x));
    else return cut_below(x) * math::sigmoid(x);
  }
};
template <class T>
struct SiluBackward {
  RL_FN T operator()(T g, T x) const {
    T s = math::sigmoid(x);
    return g * s * (T(1) + cut(x) * (T(1) - s));
  }
};
template <class T> struct Mish {
  RL_FN T operator()(T x) const { return cut_below(x) * math::tanh(log1p(exp(x))); }
};
template <class T>
struct MishBackward {
  RL_FN T operator()(T g, T x) const {
    T s = math::sigmoid(x), t = math::tanh(log1p(exp(x)));
    return g * (t + cut(x) * s * (T(1) - t * t));
  }
};
template <class T>
struct Softplus {
  explicit Softplus(const IValue* a) : beta(scalar_arg<T>(a[1])), threshold(scalar_arg<T>(a[2])) {}
  T beta, threshold;
  RL_FN T operator()(T x) const {
    T z = x * beta;
    return select(z > threshold, x, (maximum(z, T(0)) + log1p(exp(-abs(z)))) / beta);
  }
};
template <class T>
struct SoftplusBackward {
  explicit SoftplusBackward(const IValue* a) : beta(scalar_arg<T>(a[2])), threshold(scalar_arg<T>(a[3])) {}
  T beta, threshold;
  RL_FN T operator()(T g, T x) const {
    T z = x * beta;
    return select(z > threshold, g, g * math::sigmoid(z));
  }
};
template <class T>
struct Hardtanh {
  explicit Hardtanh(const IValue* a) : low(scalar_arg<T>(a[1])), high(scalar_arg<T>(a[2])) {}
  T low, high;
  RL_FN T operator()(T x) const { return limit(x, low, high); }
};
template <class T>
struct HardtanhBackward {
  explicit HardtanhBackward(const IValue* a) : low(scalar_arg<T>(a[2])), high(scalar_arg<T>(a[3])) {}
  T low, high;
  RL_FN T operator()(T g, T x) const { return select(x <= low || x >= high, T(0), g); }
};
template <class T> struct Hardsigmoid {
  RL_FN T operator()(T x) const { return limit(x + T(3), T(0), T(6)) / T(6); }
};
template <class T> struct HardsigmoidBackward {
  RL_FN T operator()(T g, T x) const { return select(x > T(-3) && x < T(3), g / T(6), T(0)); }
};
template <class T> struct Hardswish {
  RL_FN T operator()(T x) const { return cut_below(x) * (limit(x + T(3), T(0), T(6)) / T(6)); }
};
template <class T> struct HardswishBackward {
  RL_FN T operator()(T g, T x) const { return select(x <= T(-3), T(0), select(x < T(3), g * (x / T(3) + T(0.5)), g)); }
};
template <class T> struct LogSigmoid {
  RL_FN T operator()(T x) const { return minimum(x, T(0)) - log1p(exp(-abs(x))); }
};
template <class T>
struct LogSigmoidBackward {
  RL_FN T operator()(T g, T x) const {
    T z = exp(-abs(x));
    return g * (select(x < T(0), T(1), T(0)) + select(x < T(0), T(-1), T(1)) * (z / (T(1) + z)));
  }
};
template <class T>
struct Softshrink {
  explicit Softshrink(const IValue* a) : lambda(scalar_arg<T>(a[1])) {
    RL_CHECK(RuntimeError, a[1].to_double() >= 0, "lambda must be greater or equal to 0, but found to be ",
             a[1].to_double());
  }
  T lambda;
  RL_FN T operator()(T x) const {
    return select(x > lambda, x - lambda, select(x < -lambda, x + lambda, select(x == x, T(0), x)));
  }
};
template <class T>
struct Hardshrink {
  explicit Hardshrink(const IValue* a) : lambda(scalar_arg<T>(a[1])) {}
  T lambda;
  RL_FN T operator()(T x) const { return select(x >= -lambda && x <= lambda, T(0), x); }
};
template <class T>
struct ShrinkBackward {
  explicit ShrinkBackward(const IValue* a) : lambda(scalar_arg<T>(a[2])) {}
  T lambda;
  RL_FN T operator()(T g, T x) const { return select(x >= -lambda && x <= lambda, T(0), g); }
};
template <class T>
struct Logit {
  explicit Logit(const IValue* a) : eps(a[1].is_none() ? T(-1) : float_arg<T>(a[1])) {}
  T eps;
  RL_FN T operator()(T x) const {
    T z = select(eps < T(0), x, minimum(maximum(x, eps), T(1) - eps));
    return log(z / (T(1) - z));
  }
};

constexpr double kSeluAlpha = 1.6732632423543772848170429916717, kSeluScale = 1.0507009873554804934193349852946;

Tensor elu_with(const Tensor& self, double alpha, double scale, double input_scale) {
  static const Op& op = *OpTable::get().find("elu");
  IValue args[] = {IValue::borrow(self), alpha, scale, input_scale}, ret;
  call(op, args, &ret);
  return ret.take_tensor();
}
Tensor selu(const Tensor& self) { return elu_with(self, kSeluAlpha, kSeluScale, 1); }
Tensor celu(const Tensor& self, const Scalar& alpha) {
  double a = alpha.to_double();
  RL_CHECK(RuntimeError, a != 0, "ZeroDivisionError: alpha cannot be 0 for CELU");
  return elu_with(self, a, 1, 1 / a);
}
// Slopes are drawn, in double, for what is not positive only.
Tensor rrelu(const Tensor& self, const Scalar& lower, const Scalar& upper, bool training, Generator* generator) {
  double low = lower.to_double(), high = upper.to_double();
  RL_CHECK(RuntimeError, low <= high, "Lower bound should be less than or equal to the upper bound");
  if (!training) return leaky_relu(self, (low + high) / 2);
  Tensor negative = self <= 0.0;
  int64_t count = self.device().is_meta() ? 0 : item(count_nonzero(negative)).to<int64_t>();
  Tensor drawn = uniform_(empty(Dims{count}, DType::Float64, std::nullopt, self.device()), low, high, generator);
  return self * masked_scatter(ones_like(self), negative, to(drawn, self.dtype()));
}

// A gradient that will be differentiated again is composed of differentiable operators; else it is one fused pass.
bool again() { return thread_state.grad_enabled; }
// As math::cut.
Tensor cut(const Tensor& x) { return is_complex(x.dtype()) ? x : clamp(x, Scalar(-1e3), Scalar(1e3)); }

Grads elu_grad(const Saved& s, const Tensor& g) {
  Scalar alpha = s.arg("alpha").to_scalar(), scale = s.arg("scale").to_scalar(),
         input_scale = s.arg("input_scale").to_scalar();
  Tensor x = s["self"];
  if (!again()) return {_elu_backward(g, x, alpha, scale, input_scale)};
  Tensor negative =
      where(x < 0.0, x, 0.0);  // what is above would overflow, and then count as 0 inf in the next gradient
  Tensor below = exp(negative * input_scale) * (input_scale.to_double() * alpha.to_double() * scale.to_double());
  return {where(x > 0.0, g * scale, g * below)};
}
Grads gelu_grad(const Saved& s, const Tensor& g) {
  std::string_view form = s.arg("approximate").to_string();
  Tensor x = s["self"];
  if (!again()) return {gelu_backward(g, x, form)};
  x = clamp(x, Scalar(-100), Scalar(100));  // its square is a half as well
  if (form == "tanh") {
    double b = 1.59576912160573071176, k = 0.044715;
    Tensor y = sigmoid((x + x * x * x * k) * b);
    return {g * (y + x * y * (1 - y) * (x * x * (3 * k) + 1) * b)};
  }
  return {g * (erfc(x * -0.70710678118654752440) * 0.5 + x * exp(x * x * -0.5) * 0.39894228040143267794)};
}
Grads silu_grad(const Saved& s, const Tensor& g) {
  Tensor x = s["self"];
  if (!again() && !is_complex(x.dtype())) return {silu_backward(g, x)};
  Tensor y = sigmoid(x);
  return {g * conj(y * (cut(x) * (1 - y) + 1))};
}
Grads mish_grad(const Saved& s, const Tensor& g) {
  Tensor x = s["self"];
  if (!again()) return {mish_backward(g, x)};
  Tensor t = tanh(softplus(x));
  return {g * (t + cut(x) * sigmoid(x) * (1 - t * t))};
}
Grads softplus_grad(const Saved& s, const Tensor& g) {
  Scalar beta = s.arg("beta").to_scalar(), threshold = s.arg("threshold").to_scalar();
  Tensor x = s["self"];
  if (!again()) return {softplus_backward(g, x, beta, threshold)};
  Tensor scaled = x * beta;
  return {where(scaled > threshold, g, g * sigmoid(scaled))};
}
Grads hardswish_grad(const Saved& s, const Tensor& g) {
  Tensor x = s["self"];
  if (!again()) return {hardswish_backward(g, x)};
  return {where(x <= -3.0, 0.0, where(x < 3.0, g * (x / 3.0 + 0.5), g))};
}
Grads log_sigmoid_grad(const Saved& s, const Tensor& g) {
  Tensor x = s["self"];
  return {again() ? g * sigmoid(neg(x)) : _log_sigmoid_backward(g, x)};
}
const Scalar zero = 0;

// The gradient of a slope that is constant in pieces: 0.
Tensor no_curve(const Saved& s) { return s.needs("self") ? zeros_like(s["self"]) : Tensor(); }

}  // namespace

OP(relu, {.schema = "relu(Tensor self) -> Tensor",
          .doc = "max(self, 0). >>> torch.relu(torch.tensor([-1., 2.]))\ntensor([0., 2.])",
          .kernel = pointwise<Relu, RealNoBool>(),
          .grad = {{"result"},
                   [](const Saved& s, const Tensor& g) { return Grads{threshold_backward(g, s["result"], zero)}; }}});
OP(relu6, {.schema = "relu6(Tensor self) -> Tensor",
           .doc = "min(max(self, 0), 6)."
                  " >>> torch.nn.functional.relu6(torch.tensor([-1., 3., 9.]))\ntensor([0., 3., 6.])",
           .kernel = pointwise<Relu6, RealNoBool>(),
           .grad = {{"result"},
                    [](const Saved& s, const Tensor& g) { return Grads{hardtanh_backward(g, s["result"], 0, 6)}; }},
           .module = "nn",
           .node = "HardtanhBackward0"});
OP(threshold, {.schema = "threshold(Tensor self, Scalar threshold, Scalar value) -> Tensor",
               .doc = "self above the threshold, else value."
                      " >>> torch.threshold(torch.tensor([1., 3.]), 2, 0)\ntensor([0., 3.])",
               .kernel = pointwise<Threshold, RealNoBool>(),
               .grad = {{"self"},
                        [](const Saved& s, const Tensor& g) {
                          return Grads{threshold_backward(g, s["self"], s.arg("threshold").to_scalar())};
                        }},
               .forms = kFunction | kInPlace | kOut});
OP(threshold_backward, {.schema = "threshold_backward(Tensor grad_output, Tensor self, Scalar threshold) -> Tensor",
                        .doc = "Gradient of threshold and relu.",
                        .kernel = pointwise<ThresholdBackward, RealNoBool>(),
                        .grad = {{"self"},
                                 [](const Saved& s, const Tensor& g) {
                                   return Grads{threshold_backward(g, s["self"], s.arg("threshold").to_scalar()),
                                                no_curve(s)};
                                 }},
                        .forms = kFunction | kOut});
OP(sigmoid,
   {.schema = "sigmoid(Tensor self) -> Tensor",
    .doc = "1 / (1 + exp(-self)). >>> torch.sigmoid(torch.tensor([0.]))\ntensor([0.5000])",
    .kernel = pointwise<Sigmoid, FloatingAndComplex>(Promote::ToFloat),
    .grad = {{"result"}, [](const Saved& s, const Tensor& g) { return Grads{sigmoid_backward(g, s["result"])}; }},
    .aliases = {"special_expit"}});
OP(sigmoid_backward, {.schema = "sigmoid_backward(Tensor grad_output, Tensor output) -> Tensor",
                      .doc = "Gradient of sigmoid from its output.",
                      .kernel = pointwise<SigmoidBackward, FloatingAndComplex>(),
                      .grad = {{"grad_output", "output"},
                               [](const Saved& s, const Tensor& g) {
                                 return Grads{
                                     sigmoid_backward(g, s["output"]),
                                     s.needs("output") ? g * s["grad_output"] * (1 - 2.0 * s["output"]) : Tensor()};
                               }},
                      .forms = kFunction | kOut,
                      .module = "nn"});
OP(logit, {.schema = "logit(Tensor self, float? eps=None) -> Tensor",
           .doc = "log(self / (1 - self)), self limited to [eps, 1 - eps]."
                  " >>> torch.logit(torch.tensor([0.5, 0.9]))\ntensor([0.0000, 2.1972])",
           .kernel = pointwise<Logit, Floating>(Promote::ToFloat),
           .grad = {{"self"},
                    [](const Saved& s, const Tensor& g) {
                      bool limited = !s.arg("eps").is_none();
                      double eps = limited ? s.arg("eps").to_double() : 0;
                      Tensor x = s["self"], outside = (x < eps) + (x > 1 - eps);
                      Tensor inner = masked_fill(x, outside, 0.5);  // no inf in a branch that does not count
                      return Grads{masked_fill(g / (inner * (1 - inner)), outside, limited ? 0.0 : std::nan(""))};
                    }},
           .aliases = {"special_logit"}});
OP(leaky_relu, {.schema = "leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor",
                .doc = "self above 0, negative_slope * self below."
                       " >>> torch.nn.functional.leaky_relu(torch.tensor([-1., 2.]))\ntensor([-0.0100,  2.0000])",
                .kernel = pointwise<LeakyRelu, Floating>(),
                .grad = {{"self"},
                         [](const Saved& s, const Tensor& g) {
                           return Grads{leaky_relu_backward(g, s["self"], s.arg("negative_slope").to_scalar(), false)};
                         }},
                .forms = kFunction | kInPlace | kOut,
                .module = "nn"});
OP(leaky_relu_backward,
   {.schema =
        "leaky_relu_backward(Tensor grad_output, Tensor self, Scalar negative_slope, bool self_is_result) -> Tensor",
    .doc = "Gradient of leaky_relu.",
    .kernel = pointwise<LeakyReluBackward, Floating>(),
    .grad = {{"self"},
             [](const Saved& s, const Tensor& g) {
               return Grads{leaky_relu_backward(g, s["self"], s.arg("negative_slope").to_scalar(), false), no_curve(s)};
             }},
    .forms = kFunction,
    .module = "nn"});
OP(elu, {.schema = "elu(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor",
         .doc = "scale * self above 0, scale * alpha * (exp(input_scale * self) - 1) below."
                " >>> torch.nn.functional.elu(torch.tensor([-1., 2.]))\ntensor([-0.6321,  2.0000])",
         .kernel = pointwise<Elu, Floating>(),
         .grad = {{"self"}, elu_grad},
         .forms = kFunction | kInPlace | kOut,
         .module = "nn"});
OP(selu, {.schema = "selu(Tensor self) -> Tensor",
          .doc = "Self-normalising elu (Klambauer et al. 2017)."
                 " >>> torch.selu(torch.tensor([-1., 2.]))\ntensor([-1.1113,  2.1014])",
          .kernel = composite<selu>(),
          .forms = kFunction | kInPlace});
OP(celu, {.schema = "celu(Tensor self, Scalar alpha=1.0) -> Tensor",
          .doc = "max(0, x) + min(0, alpha * (exp(x / alpha) - 1))."
                 " >>> torch.celu(torch.tensor([-1., 2.]))\ntensor([-0.6321,  2.0000])",
          .kernel = composite<celu>(),
          .forms = kFunction | kInPlace,
          .node = "CeluBackward0"});
OP(rrelu, {.schema = "rrelu(Tensor self, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, "
                     "Generator? generator=None) -> Tensor",
           .doc = "leaky_relu with a random slope while training."
                  " >>> torch.rrelu(torch.tensor([-1., 2.]))\ntensor([-0.2292,  2.0000])",
           .kernel = composite<rrelu>(),
           .forms = kFunction | kInPlace,
           .draws = "training"});
OP(gelu, {.schema = "gelu(Tensor self, *, str approximate='none') -> Tensor",
          .doc = "x times the normal distribution function at x."
                 " >>> torch.nn.functional.gelu(torch.tensor([-1., 0., 1.]))\ntensor([-0.1587,  0.0000,  0.8413])",
          .kernel = pointwise<Gelu, Floating>(),
          .grad = {{"self"}, gelu_grad},
          .forms = kFunction | kInPlace | kOut,
          .module = "nn"});
OP(silu, {.schema = "silu(Tensor self) -> Tensor",
          .doc = "x * sigmoid(x)."
                 " >>> torch.nn.functional.silu(torch.tensor([-1., 0., 1.]))\ntensor([-0.2689,  0.0000,  0.7311])",
          .kernel = pointwise<Silu, FloatingAndComplex>(),
          .grad = {{"self"}, silu_grad},
          .forms = kFunction | kInPlace | kOut,
          .module = "nn"});
OP(mish, {.schema = "mish(Tensor self) -> Tensor",
          .doc = "x * tanh(softplus(x))."
                 " >>> torch.nn.functional.mish(torch.tensor([-1., 0., 1.]))\ntensor([-0.3034,  0.0000,  0.8651])",
          .kernel = pointwise<Mish, Floating>(),
          .grad = {{"self"}, mish_grad},
          .forms = kFunction | kInPlace | kOut,
          .module = "nn"});
OP(softplus, {.schema = "softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor",
              .doc = "log(1 + exp(beta x)) / beta; x itself where beta x is above the threshold."
                     " >>> torch.nn.functional.softplus(torch.tensor([0., 100.]))\ntensor([  0.6931, 100.0000])",
              .kernel = pointwise<Softplus, Floating>(),
              .grad = {{"self"}, softplus_grad},
              .forms = kFunction | kOut,
              .module = "nn"});
OP(hardtanh, {.schema = "hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1) -> Tensor",
              .doc = "self limited to [min_val, max_val]."
                     " >>> torch.nn.functional.hardtanh(torch.tensor([-2., 0.5]))\ntensor([-1.0000,  0.5000])",
              .kernel = pointwise<Hardtanh, RealNoBool>(),
              .grad = {{"self"},
                       [](const Saved& s, const Tensor& g) {
                         return Grads{hardtanh_backward(g, s["self"], s.arg("min_val").to_scalar(),
                                                        s.arg("max_val").to_scalar())};
                       }},
              .forms = kFunction | kInPlace | kOut,
              .module = "nn"});
OP(hardsigmoid,
   {.schema = "hardsigmoid(Tensor self) -> Tensor",
    .doc = "min(max(x + 3, 0), 6) / 6."
           " >>> torch.nn.functional.hardsigmoid(torch.tensor([-4., 0., 1.]))\ntensor([0.0000, 0.5000, 0.6667])",
    .kernel = pointwise<Hardsigmoid, Floating>(),
    .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{hardsigmoid_backward(g, s["self"])}; }},
    .forms = kFunction | kInPlace | kOut,
    .module = "nn"});
OP(hardswish, {.schema = "hardswish(Tensor self) -> Tensor",
               .doc = "x * hardsigmoid(x)."
                      " >>> torch.nn.functional.hardswish(torch.tensor([-4., 0., 4.]))\ntensor([-0., 0., 4.])",
               .kernel = pointwise<Hardswish, Floating>(),
               .grad = {{"self"}, hardswish_grad},
               .forms = kFunction | kInPlace | kOut,
               .module = "nn"});
OP(log_sigmoid,
   {.schema = "log_sigmoid(Tensor self) -> Tensor",
    .doc = "log(sigmoid(x)), without underflow."
           " >>> torch.nn.functional.logsigmoid(torch.tensor([0., -100.]))\ntensor([  -0.6931, -100.0000])",
    .kernel = pointwise<LogSigmoid, Floating>(),
    .grad = {{"self"}, log_sigmoid_grad},
    .forms = kFunction | kOut,
    .module = "nn"});
OP(softshrink,
   {.schema = "softshrink(Tensor self, Scalar lambd=0.5) -> Tensor",
    .doc = "x moved lambd towards 0, and 0 within lambd of it."
           " >>> torch.nn.functional.softshrink(torch.tensor([-1., 0.2, 1.]))\ntensor([-0.5000,  0.0000,  0.5000])",
    .kernel = pointwise<Softshrink, Floating>(),
    .grad = {{"self"},
             [](const Saved& s, const Tensor& g) {
               return Grads{softshrink_backward(g, s["self"], s.arg("lambd").to_scalar())};
             }},
    .forms = kFunction | kOut,
    .module = "nn"});
OP(hardshrink, {.schema = "hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor",
                .doc = "x, and 0 within lambd of it."
                       " >>> torch.hardshrink(torch.tensor([-1., 0.2, 1.]))\ntensor([-1.,  0.,  1.])",
                .kernel = pointwise<Hardshrink, Floating>(),
                .grad = {{"self"},
                         [](const Saved& s, const Tensor& g) {
                           return Grads{softshrink_backward(g, s["self"], s.arg("lambd").to_scalar())};
                         }},
                .forms = kFunction | kMethod | kOut});

// ---- fused gradients ----

OP(elu_backward,
   {.schema =
        "_elu_backward(Tensor grad_output, Tensor self, Scalar alpha, Scalar scale, Scalar input_scale) -> Tensor",
    .doc = "Gradient of elu.",
    .kernel = pointwise<EluBackward, Floating>(),
    .forms = kFunction});
OP(gelu_backward, {.schema = "gelu_backward(Tensor grad_output, Tensor self, *, str approximate='none') -> Tensor",
                   .doc = "Gradient of gelu.",
                   .kernel = pointwise<GeluBackward, Floating>(),
                   .forms = kFunction,
                   .module = "nn"});
OP(silu_backward, {.schema = "silu_backward(Tensor grad_output, Tensor self) -> Tensor",
                   .doc = "Gradient of silu.",
                   .kernel = pointwise<SiluBackward, Floating>(),
                   .forms = kFunction,
                   .module = "nn"});
OP(mish_backward, {.schema = "mish_backward(Tensor grad_output, Tensor self) -> Tensor",
                   .doc = "Gradient of mish.",
                   .kernel = pointwise<MishBackward, Floating>(),
                   .forms = kFunction,
                   .module = "nn"});
OP(softplus_backward,
   {.schema = "softplus_backward(Tensor grad_output, Tensor self, Scalar beta, Scalar threshold) -> Tensor",
    .doc = "Gradient of softplus.",
    .kernel = pointwise<SoftplusBackward, Floating>(),
    .forms = kFunction,
    .module = "nn"});
OP(hardswish_backward, {.schema = "hardswish_backward(Tensor grad_output, Tensor self) -> Tensor",
                        .doc = "Gradient of hardswish.",
                        .kernel = pointwise<HardswishBackward, Floating>(),
                        .forms = kFunction,
                        .module = "nn"});
OP(log_sigmoid_backward, {.schema = "_log_sigmoid_backward(Tensor grad_output, Tensor self) -> Tensor",
                          .doc = "Gradient of log_sigmoid.",
                          .kernel = pointwise<LogSigmoidBackward, Floating>(),
                          .forms = kFunction});
OP(hardtanh_backward,
   {.schema = "hardtanh_backward(Tensor grad_output, Tensor self, Scalar min_val, Scalar max_val) -> Tensor",
    .doc = "Gradient of hardtanh.",
    .kernel = pointwise<HardtanhBackward, RealNoBool>(),
    .grad = {{"self"},
             [](const Saved& s, const Tensor& g) {
               return Grads{hardtanh_backward(g, s["self"], s.arg("min_val").to_scalar(), s.arg("max_val").to_scalar()),
                            no_curve(s)};
             }},
    .forms = kFunction,
    .module = "nn"});
OP(hardsigmoid_backward,
   {.schema = "hardsigmoid_backward(Tensor grad_output, Tensor self) -> Tensor",
    .doc = "Gradient of hardsigmoid.",
    .kernel = pointwise<HardsigmoidBackward, Floating>(),
    .grad = {{"self"},
             [](const Saved& s, const Tensor& g) { return Grads{hardsigmoid_backward(g, s["self"]), no_curve(s)}; }},
    .forms = kFunction,
    .module = "nn"});
OP(softshrink_backward, {.schema = "softshrink_backward(Tensor grad_output, Tensor self, Scalar lambd) -> Tensor",
                         .doc = "Gradient of softshrink and hardshrink.",
                         .kernel = pointwise<ShrinkBackward, Floating>(),
                         .grad = {{"self"},
                                  [](const Saved& s, const Tensor& g) {
                                    return Grads{softshrink_backward(g, s["self"], s.arg("lambd").to_scalar()),
                                                 no_curve(s)};
                                  }},
                         .forms = kFunction,
                         .module = "nn"});

}  // namespace rushlight
