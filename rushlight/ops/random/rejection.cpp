// Draws by rejection, a number of tries each: gamma, Dirichlet, Poisson and binomial, bit for bit those of PyTorch's CPU, and how the first
// two move with their parameters.
#include <algorithm>

#include "rushlight/dispatch/forms.h"
#include "rushlight/fn/_dirichlet_grad.h"
#include "rushlight/fn/_standard_gamma_grad.h"
#include "rushlight/fn/expand_as.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/loops.h"
#include "rushlight/kernels/quantile_slope.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/random/draws.h"
#include "rushlight/ops/specs.h"

namespace rushlight {
namespace {

using Floats = Types<float, double>;

// Marsaglia and Tsang 2000: a normal number is turned into one whose cube is nearly gamma. T decides what is rounded to float first.
template <class T>
double draw_gamma(T alpha, Generator& g) {
  if (alpha == 0) return 0;
  double scale = 1;
  if (alpha < 1) {  // as a power of a uniform number times Gamma(alpha + 1)
    scale = std::pow(1 - unit_uniform<double>(g), double(1.0f / alpha));
    alpha += 1;
  }
  const double d = alpha - 1.0f / 3.0f, c = 1 / std::sqrt(9 * d);
  while (true) {
    double x, y;
    do {
      x = draw_normal(g, 0, 1);
      y = 1 + c * x;
    } while (y <= 0);
    double v = y * y * y, u = 1 - unit_uniform<double>(g), xx = x * x;
    // The constant is float's, as PyTorch's is.
    if (u < 1 - 0.0331f * xx * xx || std::log(u) < 0.5 * xx + d * (1 - v + std::log(v))) return scale * d * v;
  }
}

// Hoermann's transformed rejection, of which Poisson and binomial draws (1993) differ in the constants and the exact ratio.
double draw_poisson(double rate, Generator& g) {
  RL_CHECK(RuntimeError, rate >= 0, "invalid Poisson rate, expected rate to be non-negative");
  if (rate == 0) return 0;
  if (rate < 10) {  // how many uniform numbers can be multiplied
    double least = std::exp(-rate), product = unit_uniform<double>(g), n = 0;
    for (; product > least; n++) product *= unit_uniform<double>(g);
    return n;
  }
  double b = 0.931 + 2.53 * std::sqrt(rate), a = -0.059 + 0.02483 * b, log_rate = std::log(rate);
  double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), inside = 0.9277 - 3.6224 / (b - 2);
  while (true) {
    double u = unit_uniform<double>(g) - 0.5, v = unit_uniform<double>(g), us = 0.5 - std::abs(u);
    double k = std::floor((2 * a / us + b) * u + rate + 0.43);
    if (!(std::abs(k) < 0x1p63)) k = -0x1p63;  // as PyTorch's conversion to a whole number does
    if (us >= 0.07 && v <= inside) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (std::log(v) + std::log(inverse_alpha) - std::log(a / (us * us) + b) <=
        -rate + k * log_rate - std::lgamma(k + 1))
      return k;
  }
}

// log(k!) less Stirling's formula.
double stirling_tail(double k) {
  static const double small[] = {0.0810614667953272,  0.0413406959554092, 0.0276779256849983, 0.02079067210376509,
                                 0.0166446911898211,  0.0138761288230707, 0.0118967099458917, 0.0104112652619720,
                                 0.00925546218271273, 0.00833056343336287};
  if (k < 10) return small[int(k)];
  double square = (k + 1) * (k + 1);
  return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1);
}
template <class T>
T draw_few(T count, T chance, Generator& g) {  // adds up the waits between successes
  double log_miss = std::log1p(-chance), trials = 0;
  for (T n = 0;; n += 1) {
    trials += std::ceil(std::log(unit_uniform<double>(g)) / log_miss);
    // A count beyond what T counts by ones would never be reached.
    if (trials > count || n + 1 == n) return n;
  }
}
template <class T>
T draw_many(T count, T chance, Generator& g) {
  const double deviation = std::sqrt(count * chance * (1 - chance));
  const double b = 1.15 + 2.53 * deviation, a = -0.0873 + 0.0248 * b + 0.01 * chance, c = count * chance + 0.5;
  const double inside = 0.92 - 4.2 / b, odds = chance / (1 - chance), alpha = (2.83 + 5.1 / b) * deviation;
  const double mode = std::floor((count + 1) * chance);
  while (true) {
    double u = unit_uniform<double>(g) - 0.5, v = unit_uniform<double>(g), us = 0.5 - std::abs(u);
    T k = T(std::floor((2 * a / us + b) * u + c));
    if (k < 0 || k > count) continue;
    if (us >= 0.07 && v <= inside) return k;
    v = std::log(v * alpha / (a / (us * us) + b));
    double bound = (mode + 0.5) * std::log((mode + 1) / (odds * (count - mode + 1))) +
                   (count + 1) * std::log((count - mode + 1) / (count - k + 1)) +
                   (k + 0.5) * std::log(odds * (count - k + 1) / (k + 1)) + stirling_tail(mode) +
                   stirling_tail(count - mode) - stirling_tail(k) - stirling_tail(count - k);
    if (v <= bound || std::isnan(bound)) return k;
  }
}
template <class T>
T draw_binomial(T count, T chance, Generator& g) {
  if (count <= 0 || chance <= 0) return 0;
  if (chance >= 1) return count;
  if (std::isnan(chance) || std::isnan(count)) return std::numeric_limits<T>::quiet_NaN();
  bool often = chance > 0.5;
  T rare = often ? T(1.0 - chance) : chance;
  T n = count * rare >= 10 ? draw_many(count, rare, g) : draw_few(count, rare, g);
  return often ? count - n : n;
}

// ---- records ----

void check_computed(const Tensor& t, const char* op) {
  dispatch(Floats{}, t.dtype(), op, [&]<class T>() {});
}
TensorSpec dense_spec(const Tensor& t) { return spec_of(t.sizes(), t.dtype(), t.device()); }
template <class T>
T kept_off_zero(double v) {  // NaN too, as PyTorch's maximum does
  return T(v) > std::numeric_limits<T>::min() ? T(v) : std::numeric_limits<T>::min();
}

TensorSpec gamma_meta(const Tensor& self, Generator*) {
  check_computed(self, "gamma_cpu");
  return dense_spec(self);
}
void gamma_cpu(const Tensor& self, Generator* generator, const Tensor& given) {
  std::unique_lock<std::mutex> lock;
  Generator& g = locked(generator, lock);
  Tensor alpha = dense(self);
  fill_in_order(given, [&](const Tensor& out) {
    dispatch(Floats{}, out.dtype(), "gamma_cpu", [&]<class T>() {
      const T* a = alpha.data<T>();
      T* p = out.data<T>();
      for (int64_t i = 0, n = out.numel(); i < n; i++) p[i] = kept_off_zero<T>(draw_gamma(a[i], g));
    });
  });
}

TensorSpec dirichlet_meta(const Tensor& self, Generator*) {
  check_computed(self, "dirichlet");
  return dense_spec(self);
}
// In the order of PyTorch's sum of a row, so that Beta and Dirichlet numbers are its bits in double too: the rest first, then four lanes, each
// of four interleaved sums. (It sums 256 numbers and more by levels besides.)
double row_total(const double* x, int64_t n) {
  constexpr int kLanes = 4, kSums = 4;
  double sums[kSums][kLanes] = {}, total = 0;
  const int64_t rows = n / kLanes, interleaved = rows / kSums * kSums;
  for (int64_t i = rows * kLanes; i < n; i++) total += x[i];
  for (int64_t r = 0; r < rows; r++)
    for (int lane = 0; lane < kLanes; lane++) sums[r < interleaved ? r % kSums : 0][lane] += x[r * kLanes + lane];
  for (int lane = 0; lane < kLanes; lane++) {
    for (int k = 1; k < kSums; k++) sums[0][lane] += sums[k][lane];
    total += sums[0][lane];
  }
  return total;
}
// Gamma draws in double, which small parameters would make 0 in float, over their sum.
void dirichlet_cpu(const Tensor& self, Generator* generator, const Tensor& given) {
  std::unique_lock<std::mutex> lock;
  Generator& g = locked(generator, lock);
  Tensor gammas = dense(self, DType::Float64);
  if (gammas.is_same(self)) gammas = empty_tensor(self.sizes(), DType::Float64), copy_elements(gammas, self);
  double* p = gammas.data<double>();
  for (int64_t i = 0, n = gammas.numel(); i < n; i++) p[i] = kept_off_zero<double>(draw_gamma(p[i], g));
  const int64_t parts = self.dim() ? self.sizes().back() : 1;
  fill_in_order(given, [&](const Tensor& out) {
    dispatch(Floats{}, out.dtype(), "dirichlet", [&]<class T>() {
      T* to = out.data<T>();
      const T most = std::nextafter(T(1), T(0));
      for (int64_t row = 0, n = out.numel(); row < n; row += parts) {
        const double total = row_total(p + row, parts);
        for (int64_t i = row; i < row + parts; i++) to[i] = std::min(most, kept_off_zero<T>(p[i] / total));
      }
    });
  });
}

TensorSpec poisson_meta(const Tensor& self, Generator*) {
  dispatch(FloatTypes{}, self.dtype(), "poisson_cpu", [&]<class T>() {});
  return dense_spec(self);
}
void poisson_cpu(const Tensor& self, Generator* generator, const Tensor& given) {
  std::unique_lock<std::mutex> lock;
  Generator& g = locked(generator, lock);
  Tensor rates = dense(self, DType::Float64), drawn = empty_tensor(self.sizes(), DType::Float64);
  for (int64_t i = 0, n = drawn.numel(); i < n; i++) drawn.data<double>()[i] = draw_poisson(rates.data<double>()[i], g);
  copy_elements(given, drawn);
}

TensorSpec binomial_meta(const Tensor& count, const Tensor& prob, Generator*) {
  check_computed(count, "binomial_cpu");
  RL_CHECK(DTypeError, count.dtype() == prob.dtype(), "binomial: Found dtype ", scalar_type_name(prob.dtype()),
           " but expected ", scalar_type_name(count.dtype()), "; convert prob to the dtype of count");
  return spec_of(broadcast_shapes(count.sizes(), prob.sizes()), count.dtype(), count.device());
}
void binomial_cpu(const Tensor& count, const Tensor& prob, Generator* generator, const Tensor& given) {
  std::unique_lock<std::mutex> lock;
  Generator& g = locked(generator, lock);
  fill_in_order(given, [&](const Tensor& out) {
    LoopPlan plan(out.sizes());
    for (const Tensor& t : {out, count, prob}) plan.add(t);
    plan.finish();
    dispatch(Floats{}, out.dtype(), "binomial_cpu", [&]<class T>() {
      plan.for_each_row(false, [&](char* const* p, const int64_t* strides, int64_t n) {
        auto at = [&](int operand, int64_t i) -> T& {
          return *reinterpret_cast<T*>(p[operand] + i * strides[operand]);
        };
        for (int64_t i = 0; i < n; i++) at(0, i) = draw_binomial<T>(at(1, i), at(2, i), g);
      });
    });
  });
}

TensorSpec gamma_grad_meta(const Tensor& self, const Tensor& output) {
  check_computed(self, "_standard_gamma_grad_cpu");
  RL_CHECK(DTypeError, self.dtype() == output.dtype(), "_standard_gamma_grad: expected output of dtype ", self.dtype(),
           ", got ", output.dtype());
  return spec_of(broadcast_shapes(self.sizes(), output.sizes()), self.dtype(), self.device());
}
// Each element of `out` from those of some tensors that broadcast to it.
template <class F, class... Ts>
void fill_slopes(const Tensor& out, const char* op, const F& f, const Ts&... from) {
  LoopPlan plan(out.sizes());
  plan.add(out);
  (plan.add(from), ...);
  plan.finish();
  dispatch(Floats{}, out.dtype(), op, [&]<class T>() {
    plan.for_each_row(true, [&](char* const* p, const int64_t* strides, int64_t n) {
      for (int64_t i = 0; i < n; i++) {
        auto at = [&](int operand) -> T& { return *reinterpret_cast<T*>(p[operand] + i * strides[operand]); };
        [&]<size_t... I>(std::index_sequence<I...>) {
          at(0) = T(f(double(at(I + 1))...));
        }(std::make_index_sequence<sizeof...(Ts)>());
      }
    });
  });
}
void gamma_grad_cpu(const Tensor& self, const Tensor& output, const Tensor& out) {
  fill_slopes(out, "_standard_gamma_grad_cpu", special::gamma_slope, self, output);
}

TensorSpec dirichlet_grad_meta(const Tensor& x, const Tensor& alpha, const Tensor& total) {
  check_computed(x, "_dirichlet_grad_cpu");
  RL_CHECK(DTypeError, x.dtype() == alpha.dtype() && x.dtype() == total.dtype(),
           "_dirichlet_grad: expected x, alpha and total of one dtype, got ", x.dtype(), ", ", alpha.dtype(), " and ",
           total.dtype());
  return spec_of(broadcast_shapes(broadcast_shapes(x.sizes(), alpha.sizes()), total.sizes()), x.dtype(), x.device());
}
void dirichlet_grad_cpu(const Tensor& x, const Tensor& alpha, const Tensor& total, const Tensor& out) {
  fill_slopes(
      out, "_dirichlet_grad_cpu",
      [](double x, double alpha, double total) { return special::beta_slope(alpha, total - alpha, x); }, x, alpha,
      total);
}

Grads gamma_rule(const Saved& s, const Tensor& g) { return {g * _standard_gamma_grad(s["self"], s["result"])}; }
// One part moves with its own parameter as a Beta number does; the others give way in proportion.
Grads dirichlet_rule(const Saved& s, const Tensor& g) {
  const Tensor &alpha = s["self"], &x = s["result"];
  auto along = [](const Tensor& t) { return sum(t, IntArrayRef(int64_t(-1)), true); };
  return {_dirichlet_grad(x, alpha, expand_as(along(alpha), alpha)) * (g - along(x * g))};
}
Grads no_gradient_twice(const Saved&, const Tensor&) {
  throw NotImplementedError("the derivative for '_standard_gamma_grad' is not implemented.");
}
Grads flat(const Saved&, const Tensor& g) { return {zeros_like(g)}; }

}  // namespace

OP(_standard_gamma,
   {.schema = "_standard_gamma(Tensor self, Generator? generator=None) -> Tensor",
    .doc = "Gamma numbers of rate 1, self their shapes (concentrations)."
           " >>> _ = torch.manual_seed(0)\n>>> torch._standard_gamma(torch.tensor([1., 5.])).shape\ntorch.Size([2])",
    .kernel = structured<gamma_meta, gamma_cpu>(),
    .grad = {{"self", "result"}, gamma_rule},
    .forms = kFunction | kOut,
    .node = "StandardGammaBackward0"});
OP(_standard_gamma_grad, {.schema = "_standard_gamma_grad(Tensor self, Tensor output) -> Tensor",
                          .doc = "How the numbers that _standard_gamma drew move with self.",
                          .kernel = structured<gamma_grad_meta, gamma_grad_cpu>(),
                          .grad = {{}, no_gradient_twice},
                          .forms = kFunction | kOut,
                          .node = "StandardGammaGradBackward0"});
OP(_sample_dirichlet,
   {.schema = "_sample_dirichlet(Tensor self, Generator? generator=None) -> Tensor",
    .doc =
        "Numbers that add up to 1 along the last dimension, of a Dirichlet distribution whose concentrations are self."
        " >>> torch._sample_dirichlet(torch.ones(3)).sum()\ntensor(1.)",
    .kernel = structured<dirichlet_meta, dirichlet_cpu>(),
    .grad = {{"self", "result"}, dirichlet_rule},
    .forms = kFunction | kOut});
OP(_dirichlet_grad,
   {.schema = "_dirichlet_grad(Tensor x, Tensor alpha, Tensor total) -> Tensor",
    .doc = "How x, a part that _sample_dirichlet drew, moves with its concentration alpha, over 1 - x; "
           "total is the sum of all concentrations.",
    .kernel = structured<dirichlet_grad_meta, dirichlet_grad_cpu>(),
    .forms = kFunction | kOut});
OP(poisson, {.schema = "poisson(Tensor self, Generator? generator=None) -> Tensor",
             .doc = "Poisson numbers, a rate each."
                    " >>> _ = torch.manual_seed(0)\n>>> torch.poisson(torch.tensor([0., 100.])).shape\ntorch.Size([2])",
             .kernel = structured<poisson_meta, poisson_cpu>(),
             .grad = {{}, flat},
             .forms = kFunction | kOut});
OP(binomial, {.schema = "binomial(Tensor count, Tensor prob, Generator? generator=None) -> Tensor",
              .doc = "How many of `count` tries succeed that have the chance `prob` each."
                     " >>> torch.binomial(torch.tensor([3., 5.]), torch.tensor([0., 1.]))\ntensor([0., 5.])",
              .kernel = structured<binomial_meta, binomial_cpu>(),
              .forms = kFunction | kOut});

}  // namespace rushlight
