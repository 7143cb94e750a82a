// One step over all tensors of a group for the optimizers that scale each element's step by its history: RMSprop, Adagrad, Adadelta,
// Adamax, NAdam, RAdam, ASGD and Rprop. The arithmetic is that of PyTorch's tensor-by-tensor implementation; half types are computed in float.
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/math.h"
#include "rushlight/ops/optim/steps.h"

namespace rushlight {
namespace {

// What all of them do first. `shrink` is what a decoupled decay multiplies the parameter by, else 1.
struct Common {
  double weight_decay, shrink;
  bool maximize;
};
struct RmsProp {
  Common common;
  double alpha, eps, momentum, step;
  static constexpr int kStates = 3;  // square_avg, momentum_buffer, grad_avg: the last two may be missing
};
struct Adagrad {
  Common common;
  double eps, step;
  static constexpr int kStates = 1;
};
struct Adadelta {
  Common common;
  double rho, eps, step;
  static constexpr int kStates = 2;
};
struct Adamax {
  Common common;
  double lerp, beta2, eps, step;
  static constexpr int kStates = 2;
};
struct NAdam {
  Common common;
  double lerp, beta2, correction, eps, grad_step, mean_step;
  static constexpr int kStates = 2;
};
struct RAdam {
  Common common;
  double lerp, beta2, first_correction, lr, eps, second_correction, rectified;  // 0: not yet
  static constexpr int kStates = 2;
};
struct Asgd {
  Common common;
  double shrink, step,
      weight;  // what the parameter is multiplied by, the gradient's factor, the average's share of the new parameter
  static constexpr int kStates = 1;
};
struct Rprop {
  Common common;
  double slower, faster, smallest, largest;
  static constexpr int kStates = 2;
};

template <class C>
RL_FN C lerp_to(C from, C to, C weight) {
  return weight < C(0.5) ? from + weight * (to - from) : to - (to - from) * (C(1) - weight);
}

#define RL_STEP_ROW(Optimizer, name, ...)                                                                  \
  RL_FOR_EACH_ISA(                                                                                         \
      template <class C>, void, name, (C * p, const C* grads, C* const* s, int64_t n, const Optimizer& f), \
      {                                                                                                    \
        const C sign = f.common.maximize ? C(-1) : C(1);                                                   \
        const C decay = C(f.common.weight_decay);                                                          \
        const C shrink = C(f.common.shrink);                                                               \
        const bool decays = f.common.weight_decay != 0;                                                    \
        C* s0 = s[0];                                                                                      \
        C* s1 = s[1];                                                                                      \
        RL_IVDEP                                                                                           \
        for (int64_t i = 0; i < n; i++) {                                                                  \
          C x = p[i] * shrink;                                                                             \
          C g = grads[i] * sign;                                                                           \
          g = decays ? g + decay * x : g;                                                                  \
          __VA_ARGS__                                                                                      \
          p[i] = x;                                                                                        \
        }                                                                                                  \
      },                                                                                                   \
      <C>)

// clang-format off
RL_STEP_ROW(Adagrad, adagrad_row,
  C total = s0[i] + g * g;
  s0[i] = total;
  (void)s1;
  x = x + C(f.step) * g / (C(__builtin_sqrt(total)) + C(f.eps));)
RL_STEP_ROW(Adadelta, adadelta_row,
  C square = s0[i] * C(f.rho) + C(1 - f.rho) * g * g;
  C deviation = C(__builtin_sqrt(square + C(f.eps)));
  C delta = C(__builtin_sqrt(s1[i] + C(f.eps))) / deviation * g;
  s0[i] = square;
  s1[i] = s1[i] * C(f.rho) + C(1 - f.rho) * delta * delta;
  x = x + C(f.step) * delta;)
RL_STEP_ROW(Adamax, adamax_row,
  C mean = lerp_to(s0[i], g, C(f.lerp));
  C faded = s1[i] * C(f.beta2);
  C size = (g < C(0) ? -g : g) + C(f.eps);
  C largest = faded > size || faded != faded ? faded : size;
  s0[i] = mean;
  s1[i] = largest;
  x = x + C(f.step) * mean / largest;)
RL_STEP_ROW(NAdam, nadam_row,
  C mean = lerp_to(s0[i], g, C(f.lerp));
  C square = s1[i] * C(f.beta2) + C(1 - f.beta2) * g * g;
  C denominator = C(__builtin_sqrt(square / C(f.correction))) + C(f.eps);
  s0[i] = mean;
  s1[i] = square;
  x = x + C(f.grad_step) * g / denominator;
  x = x + C(f.mean_step) * mean / denominator;)
RL_STEP_ROW(RAdam, radam_row,
  C mean = lerp_to(s0[i], g, C(f.lerp));
  C square = s1[i] * C(f.beta2) + C(1 - f.beta2) * g * g;
  s0[i] = mean;
  s1[i] = square;
  C change = mean / C(f.first_correction) * C(f.lr);
  C scaled = change * (C(f.second_correction) / (C(__builtin_sqrt(square)) + C(f.eps))) * C(f.rectified);
  x = x - (f.rectified != 0 ? scaled : change);)
RL_STEP_ROW(Asgd, asgd_row,
  x = x * C(f.shrink) + C(f.step) * g;
  C average = s0[i];
  s0[i] = f.weight == 1 ? x : average + (x - average) * C(f.weight);
  (void)s1;)
RL_STEP_ROW(Rprop, rprop_row,
  C product = g * s0[i];
  C factor = product > C(0) ? C(f.faster) : product < C(0) ? C(f.slower) : product == C(0) ? C(1) : product;
  C size = s1[i] * factor;
  size = size < C(f.smallest) ? C(f.smallest) : size > C(f.largest) ? C(f.largest) : size;
  g = product < C(0) ? C(0) : g;
  s0[i] = g;
  s1[i] = size;
  C sign = g > C(0) ? C(1) : g < C(0) ? C(-1) : C(0);
  x = x - sign * size;)
// clang-format on

RL_FOR_EACH_ISA(
    template <class C RL_COMMA bool kMomentum RL_COMMA bool kCentered>, void, rmsprop_row,
    (C * p, const C* grads, C* const* s, int64_t n, const RmsProp& f),
    {
      const C sign = f.common.maximize ? C(-1) : C(1);
      const C decay = C(f.common.weight_decay);
      const bool decays = f.common.weight_decay != 0;
      RL_IVDEP
      for (int64_t i = 0; i < n; i++) {
        C x = p[i];
        C g = grads[i] * sign;
        g = decays ? g + decay * x : g;
        C square = s[0][i];
        square = square * C(f.alpha) + C(1 - f.alpha) * g * g;
        s[0][i] = square;
        if constexpr (kCentered) {
          C mean = lerp_to(s[2][i], g, C(1 - f.alpha));
          s[2][i] = mean;
          square = square - mean * mean;
        }
        C average = C(__builtin_sqrt(square)) + C(f.eps);
        if constexpr (kMomentum) {
          C buffer = s[1][i] * C(f.momentum) + g / average;
          s[1][i] = buffer;
          p[i] = x + C(f.step) * buffer;
        } else {
          p[i] = x + C(f.step) * g / average;
        }
      }
    },
    <C RL_COMMA kMomentum RL_COMMA kCentered>)

// Runs row<C>() over each parameter and its states, of which some lists may be empty; `factors(i)` gives what parameter i's step takes.
template <class Optimizer, class Factors, class Row>
void step_all(const char* op, TensorList self, TensorList grads, std::array<TensorList, Optimizer::kStates> states,
              Factors&& factors, Row&& row) {
  for (size_t i = 0; i < self.size(); i++) {
    Optimizer f = factors(i);
    if (is_meta(self[i])) continue;
    const DType compute = step_dtype(self[i]);
    dispatch(Types<float, double>{}, compute, op, [&]<class C>() {
      const Flat p(self[i], compute), g(grads[i], compute);
      std::array<std::optional<Flat>, Optimizer::kStates> held;
      C* at[3] = {};
      for (size_t k = 0; k < states.size(); k++) {
        if (states[k].empty()) continue;
        held[k].emplace(states[k][i], compute);
        at[k] = held[k]->template data<C>();
      }
      auto run = row.template operator()<C>();
      parallel_for(0, self[i].numel(), kStepGrain, [&](int64_t b, int64_t e) {
        C* from[3];
        for (int k = 0; k < 3; k++) from[k] = at[k] ? at[k] + b : nullptr;
        run(p.data<C>() + b, g.data<C>() + b, from, e - b, f);
      });
      p.changed();
      for (auto& h : held)
        if (h) h->changed();
    });
  }
}

Common common_of(TensorList self, double lr, double weight_decay, bool decoupled, bool maximize) {
  if (!decoupled) check_factor(self, weight_decay);
  return {decoupled ? 0 : weight_decay, decoupled ? 1 - lr * weight_decay : 1, maximize};
}

std::vector<double> counts_of(const char* op, TensorList self, const char* what, TensorList counts) {
  RL_CHECK(RuntimeError, counts.size() == self.size(), op, ": expected ", self.size(), " tensors ", what, ", got ",
           counts.size());
  std::vector<double> out;
  for (const Tensor& t : counts) out.push_back(value_of(op, what, t));
  return out;
}

void rmsprop_step(TensorList self, TensorList grads, TensorList square_avgs, TensorList momentum_buffers,
                  TensorList grad_avgs, TensorList state_steps, double lr, double alpha, double eps,
                  double weight_decay, double momentum, bool centered, bool maximize) {
  const char* op = "_fused_rmsprop_";
  check_step(op, self, grads, false, {{"square_avg", square_avgs}});
  if (momentum > 0) check_step(op, self, grads, false, {{"momentum_buffer", momentum_buffers}});
  if (centered) check_step(op, self, grads, false, {{"grad_avg", grad_avgs}});
  check_float(op, self);
  counts_of(op, self, "step", state_steps);
  check_factor(self, lr);
  RmsProp f{common_of(self, lr, weight_decay, false, maximize), alpha, eps, momentum, -lr};
  step_all<RmsProp>(
      op, self, grads,
      {square_avgs, momentum > 0 ? momentum_buffers : TensorList(), centered ? grad_avgs : TensorList()},
      [&](size_t) { return f; },
      [&]<class C>() {
        return momentum > 0 ? (centered ? rmsprop_row_isa<C, true, true>() : rmsprop_row_isa<C, true, false>())
                            : (centered ? rmsprop_row_isa<C, false, true>() : rmsprop_row_isa<C, false, false>());
      });
}

void adagrad_step(TensorList self, TensorList grads, TensorList state_sums, TensorList state_steps, double lr,
                  double lr_decay, double weight_decay, double eps, bool maximize, const Tensor& grad_scale,
                  const Tensor& found_inf) {
  const char* op = "_fused_adagrad_";
  RL_CHECK(NotImplementedError, !grad_scale.defined(), op, ": expected no grad_scale; divide the gradients before");
  check_step(op, self, grads, false, {{"sum", state_sums}});
  check_float(op, self);
  std::vector<double> steps = counts_of(op, self, "step", state_steps);
  if (found_infinite(op, found_inf)) return;
  Common common = common_of(self, lr, weight_decay, false, maximize);
  step_all<Adagrad>(
      op, self, grads, {state_sums},
      [&](size_t i) { return Adagrad{common, eps, -lr / (1 + (steps[i] - 1) * lr_decay)}; },
      []<class C>() { return adagrad_row_isa<C>(); });
}

void adadelta_step(TensorList self, TensorList grads, TensorList square_avgs, TensorList acc_deltas,
                   TensorList state_steps, double lr, double rho, double eps, double weight_decay, bool maximize) {
  const char* op = "_fused_adadelta_";
  check_step(op, self, grads, false, {{"square_avg", square_avgs}, {"acc_delta", acc_deltas}});
  check_float(op, self);
  counts_of(op, self, "step", state_steps);
  check_factor(self, lr);
  Adadelta f{common_of(self, lr, weight_decay, false, maximize), rho, eps, -lr};
  step_all<Adadelta>(
      op, self, grads, {square_avgs, acc_deltas}, [&](size_t) { return f; },
      []<class C>() { return adadelta_row_isa<C>(); });
}

void adamax_step(TensorList self, TensorList grads, TensorList exp_avgs, TensorList exp_infs, TensorList state_steps,
                 double lr, double beta1, double beta2, double eps, double weight_decay, bool maximize) {
  const char* op = "_fused_adamax_";
  check_step(op, self, grads, false, {{"exp_avg", exp_avgs}, {"exp_inf", exp_infs}});
  check_float(op, self);
  std::vector<double> steps = counts_of(op, self, "step", state_steps);
  Common common = common_of(self, lr, weight_decay, false, maximize);
  step_all<Adamax>(
      op, self, grads, {exp_avgs, exp_infs},
      [&](size_t i) { return Adamax{common, 1 - beta1, beta2, eps, -lr / (1 - std::pow(beta1, steps[i]))}; },
      []<class C>() { return adamax_row_isa<C>(); });
}

// Sets a count that a state holds as a tensor; gives it as that tensor's dtype rounds it.
double set_count(const char* op, const char* what, const Tensor& t, double value) {
  Tensor made = empty_tensor(t.sizes(), DType::Float64);
  *made.data<double>() = value;
  copy_elements(t, made);
  t.impl()->bump_version();
  return value_of(op, what, t);
}

void nadam_step(TensorList self, TensorList grads, TensorList exp_avgs, TensorList exp_avg_sqs, TensorList mu_products,
                TensorList state_steps, double lr, double beta1, double beta2, double eps, double weight_decay,
                double momentum_decay, bool decoupled, bool maximize) {
  const char* op = "_fused_nadam_";
  check_step(op, self, grads, false, {{"exp_avg", exp_avgs}, {"exp_avg_sq", exp_avg_sqs}});
  check_float(op, self);
  std::vector<double> steps = counts_of(op, self, "step", state_steps);
  counts_of(op, self, "mu_product", mu_products);
  for (size_t i = 0; i < mu_products.size(); i++) check_memory(op, i, "mu_product", mu_products[i]);
  Common common = common_of(self, lr, weight_decay, decoupled, maximize);
  auto factors = [&](size_t i) {
    auto mu = [&](double step) { return beta1 * (1 - 0.5 * std::pow(0.96, step * momentum_decay)); };
    double now = mu(steps[i]), next = mu(steps[i] + 1);
    double product = set_count(op, "mu_product", mu_products[i], value_of(op, "mu_product", mu_products[i]) * now);
    return NAdam{common,
                 1 - beta1,
                 beta2,
                 1 - std::pow(beta2, steps[i]),
                 eps,
                 -lr * (1 - now) / (1 - product),
                 -lr * next / (1 - product * next)};
  };
  step_all<NAdam>(op, self, grads, {exp_avgs, exp_avg_sqs}, factors, []<class C>() { return nadam_row_isa<C>(); });
}

void radam_step(TensorList self, TensorList grads, TensorList exp_avgs, TensorList exp_avg_sqs, TensorList state_steps,
                double lr, double beta1, double beta2, double eps, double weight_decay, bool decoupled, bool maximize) {
  const char* op = "_fused_radam_";
  check_step(op, self, grads, false, {{"exp_avg", exp_avgs}, {"exp_avg_sq", exp_avg_sqs}});
  check_float(op, self);
  std::vector<double> steps = counts_of(op, self, "step", state_steps);
  Common common = common_of(self, lr, weight_decay, decoupled, maximize);
  auto factors = [&](size_t i) {
    double power = std::pow(beta2, steps[i]), second = 1 - power, most = 2 / (1 - beta2) - 1;
    double rho = most - 2 * steps[i] * power / second;
    double rectified = rho > 5 ? std::sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)) : 0;
    return RAdam{common, 1 - beta1, beta2, 1 - std::pow(beta1, steps[i]), lr, eps, std::sqrt(second), rectified};
  };
  step_all<RAdam>(op, self, grads, {exp_avgs, exp_avg_sqs}, factors, []<class C>() { return radam_row_isa<C>(); });
}

void asgd_step(TensorList self, TensorList grads, TensorList axs, TensorList state_steps, TensorList etas,
               TensorList mus, double lr, double lambd, double t0, double alpha, double weight_decay, bool maximize) {
  const char* op = "_fused_asgd_";
  check_step(op, self, grads, false, {{"ax", axs}});
  check_float(op, self);
  std::vector<double> steps = counts_of(op, self, "step", state_steps), eta = counts_of(op, self, "eta", etas),
                      mu = counts_of(op, self, "mu", mus);
  for (size_t i = 0; i < self.size(); i++) {
    check_memory(op, i, "eta", etas[i]);
    check_memory(op, i, "mu", mus[i]);
  }
  Common common = common_of(self, lr, weight_decay, false, maximize);
  step_all<Asgd>(
      op, self, grads, {axs}, [&](size_t i) { return Asgd{common, 1 - lambd * eta[i], -eta[i], mu[i]}; },
      []<class C>() { return asgd_row_isa<C>(); });
  for (size_t i = 0; i < self.size(); i++) {
    set_count(op, "eta", etas[i], lr / std::pow(1 + lambd * lr * steps[i], alpha));
    set_count(op, "mu", mus[i], 1 / std::max(1.0, steps[i] - t0));
  }
}

void rprop_step(TensorList self, TensorList grads, TensorList prevs, TensorList step_sizes, TensorList state_steps,
                double etaminus, double etaplus, double step_size_min, double step_size_max, bool maximize) {
  const char* op = "_fused_rprop_";
  check_step(op, self, grads, false, {{"prev", prevs}, {"step_size", step_sizes}});
  check_float(op, self);
  counts_of(op, self, "step", state_steps);
  Rprop f{common_of(self, 0, 0, false, maximize), etaminus, etaplus, step_size_min, step_size_max};
  step_all<Rprop>(
      op, self, grads, {prevs, step_sizes}, [&](size_t) { return f; }, []<class C>() { return rprop_row_isa<C>(); });
}

}  // namespace

OP(_fused_rmsprop_,
   {.schema = "_fused_rmsprop_(Tensor(a!)[] self, Tensor[] grads, Tensor(b!)[] square_avgs, Tensor(c!)[] "
              "momentum_buffers, Tensor(d!)[] grad_avgs, Tensor[] state_steps, *, float lr, float alpha, float eps, "
              "float weight_decay, "
              "float momentum, bool centered, bool maximize) -> ()",
    .doc = "One step of RMSprop over many tensors; state_steps are only looked at.",
    .kernel = effect<rmsprop_step>(),
    .forms = kFunction});
OP(_fused_adagrad_,
   {.schema = "_fused_adagrad_(Tensor(a!)[] self, Tensor[] grads, Tensor(b!)[] state_sums, Tensor[] "
              "state_steps, *, float lr, float lr_decay, float weight_decay, float eps, bool maximize, Tensor? "
              "grad_scale=None, Tensor? found_inf=None) -> ()",
    .doc = "One step of Adagrad over many tensors; state_steps count this step already.",
    .kernel = effect<adagrad_step>(),
    .forms = kFunction});
OP(_fused_adadelta_,
   {.schema = "_fused_adadelta_(Tensor(a!)[] self, Tensor[] grads, Tensor(b!)[] square_avgs, Tensor(c!)[] acc_deltas, "
              "Tensor[] state_steps, *, float lr, float rho, float eps, float weight_decay, bool maximize) -> ()",
    .doc = "One step of Adadelta over many tensors; state_steps are only looked at.",
    .kernel = effect<adadelta_step>(),
    .forms = kFunction});
OP(_fused_adamax_,
   {.schema = "_fused_adamax_(Tensor(a!)[] self, Tensor[] grads, Tensor(b!)[] exp_avgs, Tensor(c!)[] exp_infs, "
              "Tensor[] state_steps, *, float lr, float beta1, float beta2, float eps, float weight_decay, bool "
              "maximize) -> ()",
    .doc = "One step of Adamax over many tensors; state_steps count this step already.",
    .kernel = effect<adamax_step>(),
    .forms = kFunction});
OP(_fused_nadam_,
   {.schema = "_fused_nadam_(Tensor(a!)[] self, Tensor[] grads, Tensor(b!)[] exp_avgs, Tensor(c!)[] exp_avg_sqs, "
              "Tensor[] mu_products, Tensor[] state_steps, *, float lr, float beta1, float beta2, float eps, float "
              "weight_decay, float momentum_decay, bool decoupled_weight_decay, bool maximize) -> ()",
    .doc = "One step of NAdam over many tensors; state_steps count this step already, mu_products do after it.",
    .kernel = effect<nadam_step>(),
    .forms = kFunction,
    .writes = {"mu_products"}});
OP(_fused_radam_,
   {.schema = "_fused_radam_(Tensor(a!)[] self, Tensor[] grads, Tensor(b!)[] exp_avgs, Tensor(c!)[] exp_avg_sqs, "
              "Tensor[] state_steps, *, float lr, float beta1, float beta2, float eps, float weight_decay, bool "
              "decoupled_weight_decay, bool maximize) -> ()",
    .doc = "One step of RAdam over many tensors; state_steps count this step already.",
    .kernel = effect<radam_step>(),
    .forms = kFunction});

OP(_fused_asgd_,
   {.schema = "_fused_asgd_(Tensor(a!)[] self, Tensor[] grads, Tensor(b!)[] axs, Tensor[] state_steps, Tensor(c!)[] "
              "etas, Tensor(d!)[] mus, *, float lr, float lambd, float t0, float alpha, float weight_decay, bool "
              "maximize) -> ()",
    .doc = "One step of averaged SGD over many tensors; state_steps count this step already, etas and mus are set for "
           "the next.",
    .kernel = effect<asgd_step>(),
    .forms = kFunction});
OP(_fused_rprop_,
   {.schema =
        "_fused_rprop_(Tensor(a!)[] self, Tensor[] grads, Tensor(b!)[] prevs, Tensor(c!)[] step_sizes, Tensor[] "
        "state_steps, *, float etaminus, float etaplus, float step_size_min, float step_size_max, bool maximize) -> ()",
    .doc = "One step of Rprop over many tensors; state_steps are only looked at.",
    .kernel = effect<rprop_step>(),
    .forms = kFunction});

}  // namespace rushlight
