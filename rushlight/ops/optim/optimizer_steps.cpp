// One step of an optimizer over all tensors of a group: _fused_sgd_, _fused_adam_, _fused_adamw_, and _foreach_add_ for their step counts.
//
// The arithmetic is that of PyTorch's tensor-by-tensor implementation, operation by operation, in one pass over the data; half types are computed in float.
#include <cmath>
#include <optional>

#include "rushlight/kernels/isa.h"
#include "rushlight/ops/optim/steps.h"

namespace rushlight {
namespace {

struct AdamFactors {
  double decay;  // AdamW: what the parameter is multiplied by; Adam: weight decay
  double lerp, beta2, one_minus_beta2, correction, eps, step_size, grad_scale;
  bool decays, decoupled, maximize, lerp_from_end;
};

RL_FOR_EACH_ISA(
    template <class C RL_COMMA bool kAmsgrad>, void, adam_row,
    (C * p, C* g, C* m, C* v, C* most, int64_t n, const AdamFactors& f),
    {
      const C decay = C(f.decay);
      const C lerp = C(f.lerp);
      const C rest = C(1) - C(f.lerp);
      const C beta2 = C(f.beta2);
      const C one_minus_beta2 = C(f.one_minus_beta2);
      const C correction = C(f.correction);
      const C eps = C(f.eps);
      const C step = C(-f.step_size);
      const C sign = f.maximize ? C(-1) : C(1);
      const C scale = C(f.grad_scale);
      // Without decay nothing is multiplied: 0 times an infinite weight would be NaN.
      const C keep = f.decays && f.decoupled ? decay : C(1);
      const bool adds = f.decays && !f.decoupled;
      const bool from_end = f.lerp_from_end;
      RL_IVDEP
      for (int64_t i = 0; i < n; i++) {
        C x = p[i];
        C grad = g[i] / scale * sign;
        C mean = m[i];
        x = x * keep;
        grad = adds ? grad + decay * x : grad;
        mean = from_end ? grad - (grad - mean) * rest : mean + lerp * (grad - mean);
        C square = v[i] * beta2 + one_minus_beta2 * grad * grad;
        C under = square;
        if constexpr (kAmsgrad) {
          C old = most[i];
          under = old > square ? old : square;
          most[i] = under;
        }
        C denominator = C(__builtin_sqrt(under)) / correction + eps;
        m[i] = mean;
        v[i] = square;
        p[i] = x + step * mean / denominator;
      }
    },
    <C RL_COMMA kAmsgrad>)

// grad_scale divides the gradients, which keep the divided values, as PyTorch's gradient scaler expects.
void unscale(TensorList grads, double scale) {
  for (const Tensor& grad : grads) {
    if (is_meta(grad)) continue;
    dispatch(FloatTypes{}, grad.dtype(), "unscale", [&]<class T>() {
      Flat g(grad);
      for (int64_t i = 0; i < grad.numel(); i++) g.data<T>()[i] = T(compute_t<T>(g.data<T>()[i]) / compute_t<T>(scale));
      g.changed();
    });
  }
}

template <bool kDecoupled>
void adam_step(TensorList self, TensorList grads, TensorList exp_avgs, TensorList exp_avg_sqs,
               TensorList max_exp_avg_sqs, TensorList state_steps, const Tensor& lr, double beta1, double beta2,
               double weight_decay, double eps, bool amsgrad, bool maximize, const Tensor& grad_scale,
               const Tensor& found_inf) {
  const char* op = kDecoupled ? "_fused_adamw_" : "_fused_adam_";
  if (amsgrad)
    check_step(op, self, grads, grad_scale.defined(),
               {{"exp_avg", exp_avgs}, {"exp_avg_sq", exp_avg_sqs}, {"max_exp_avg_sq", max_exp_avg_sqs}});
  else check_step(op, self, grads, grad_scale.defined(), {{"exp_avg", exp_avgs}, {"exp_avg_sq", exp_avg_sqs}});
  check_float(op, self);
  RL_CHECK(RuntimeError, state_steps.size() == self.size(), op, ": expected ", self.size(), " steps, got ",
           state_steps.size());
  double rate = value_of(op, "lr", lr);
  std::vector<double> counts;
  counts.reserve(state_steps.size());
  for (const Tensor& t : state_steps) counts.push_back(value_of(op, "step", t));
  if (!kDecoupled) check_factor(self, weight_decay);
  if (found_infinite(op, found_inf)) return;
  if (grad_scale.defined()) unscale(grads, value_of(op, "grad_scale", grad_scale));
  AdamFactors f{};
  f.decays = weight_decay != 0;
  f.decay = kDecoupled ? 1 - rate * weight_decay : weight_decay;
  f.lerp = 1 - beta1;
  f.lerp_from_end = f.lerp >= 0.5;
  f.beta2 = beta2;
  f.one_minus_beta2 = 1 - beta2;
  f.eps = eps;
  f.grad_scale = 1;
  f.decoupled = kDecoupled;
  f.maximize = maximize;
  double last_step = NAN;
  for (size_t i = 0; i < self.size(); i++) {
    if (is_meta(self[i])) continue;
    double step = counts[i];
    if (step != last_step) {
      f.step_size = rate / (1 - std::pow(beta1, step));
      f.correction = std::sqrt(1 - std::pow(beta2, step));
      last_step = step;
    }
    const DType compute = step_dtype(self[i]);
    dispatch(Types<float, double>{}, compute, op, [&]<class T>() {
      const Flat p(self[i], compute), g(grads[i], compute), m(exp_avgs[i], compute), v(exp_avg_sqs[i], compute);
      std::optional<Flat> largest;
      if (amsgrad) largest.emplace(max_exp_avg_sqs[i], compute);
      T* most = largest ? largest->data<T>() : nullptr;
      auto row = amsgrad ? adam_row_isa<T, true>() : adam_row_isa<T, false>();
      T *px = p.data<T>(), *gx = g.data<T>(), *mx = m.data<T>(), *vx = v.data<T>();
      parallel_for(0, self[i].numel(), kStepGrain, [&](int64_t b, int64_t e) {
        row(px + b, gx + b, mx + b, vx + b, most ? most + b : most, e - b, f);
      });
      p.changed();
      m.changed();
      v.changed();
      if (largest) largest->changed();
    });
  }
}

struct SgdFactors {
  double weight_decay, momentum, lr, one_minus_dampening;
  bool nesterov, maximize, first;
};

RL_FOR_EACH_ISA(
    template <class C RL_COMMA bool kMomentum>, void, sgd_row,
    (C * p, const C* g, C* buffer, int64_t n, const SgdFactors& f),
    {
      const C decay = C(f.weight_decay);
      const C momentum = C(f.momentum);
      const C step = C(-f.lr);
      const C gain = C(f.one_minus_dampening);
      const C sign = f.maximize ? C(-1) : C(1);
      const bool first = f.first;
      const bool nesterov = f.nesterov;
      const bool decays = f.weight_decay != 0;
      RL_IVDEP
      for (int64_t i = 0; i < n; i++) {
        C x = p[i];
        C grad = g[i] * sign;
        grad = decays ? grad + decay * x : grad;
        if constexpr (kMomentum) {
          C b = first ? grad : buffer[i] * momentum + gain * grad;
          buffer[i] = b;
          grad = nesterov ? grad + momentum * b : b;
        }
        p[i] = x + step * grad;
      }
    },
    <C RL_COMMA kMomentum>)

void sgd_step(TensorList self, TensorList grads, TensorList momentum_buffer_list, double weight_decay, double momentum,
              const Tensor& lr, double dampening, bool nesterov, bool maximize, bool is_first_step,
              const Tensor& grad_scale, const Tensor& found_inf) {
  const char* op = "_fused_sgd_";
  if (momentum != 0) check_step(op, self, grads, grad_scale.defined(), {{"momentum_buffer", momentum_buffer_list}});
  else check_step(op, self, grads, grad_scale.defined(), {});
  check_float(op, self);
  double rate = value_of(op, "lr", lr);
  check_factor(self, rate);
  check_factor(self, weight_decay);
  if (found_infinite(op, found_inf)) return;
  if (grad_scale.defined()) unscale(grads, value_of(op, "grad_scale", grad_scale));
  SgdFactors f{weight_decay, momentum, rate, 1 - dampening, nesterov, maximize, is_first_step};
  for (size_t i = 0; i < self.size(); i++) {
    if (is_meta(self[i])) continue;
    const DType compute = step_dtype(self[i]);
    dispatch(Types<float, double>{}, compute, op, [&]<class T>() {
      const Flat p(self[i], compute), g(grads[i], compute);
      std::optional<Flat> buffer;
      if (momentum != 0) buffer.emplace(momentum_buffer_list[i], compute);
      T* b = buffer ? buffer->data<T>() : nullptr;
      auto row = momentum != 0 ? sgd_row_isa<T, true>() : sgd_row_isa<T, false>();
      parallel_for(0, self[i].numel(), kStepGrain, [&](int64_t from, int64_t to) {
        row(p.data<T>() + from, g.data<T>() + from, b ? b + from : b, to - from, f);
      });
      p.changed();
      if (buffer) buffer->changed();
    });
  }
}

// For optimizers that make several calls a step: `states` holds one list of tensors after another, as many in each as there are parameters.
void check_all(TensorList self, TensorList grads, TensorList states, TensorList counts) {
  const char* op = "_optimizer_check";
  const char* what = "state";
  size_t n = self.size();
  RL_CHECK(RuntimeError, n && states.size() % n == 0, op, ": expected a multiple of ", n, " tensors, got ",
           states.size());
  size_t lists = states.size() / n;
  check_step(op, self, grads, false, {});
  for (size_t i = 0; i < lists; i++) check_step(op, self, grads, false, {{what, states.slice(i * n, n)}});
  for (const Tensor& t : counts) value_of(op, "step", t);
}

void foreach_add(TensorList self, const Scalar& scalar) {
  const char* op = "_foreach_add_";
  for (size_t i = 0; i < self.size(); i++) {
    RL_CHECK(TypeError, self[i].defined(), op, ": tensor ", i, " is None");
    dispatch(NumberTypes{}, self[i].dtype(), op, []<class T>() {});
    check_memory(op, i, "data", self[i]);
  }
  for (const Tensor& t : self) {
    if (is_meta(t)) continue;
    dispatch(NumberTypes{}, t.dtype(), op, [&]<class T>() {
      Flat flat(t);
      T* x = flat.data<T>();
      for (int64_t i = 0; i < t.numel(); i++) x[i] = T(compute_t<T>(x[i]) + scalar.to<compute_t<T>>());
      flat.changed();
    });
  }
}

}  // namespace

OP(_fused_sgd_, {.schema = "_fused_sgd_(Tensor(a!)[] self, Tensor(b!)[] grads, Tensor(c!)[] momentum_buffer_list, *, "
                           "float weight_decay, float momentum, "
                           "float lr, float dampening, bool nesterov, bool maximize, bool is_first_step, Tensor? "
                           "grad_scale=None, Tensor? found_inf=None) -> ()",
                 .doc = "One step of stochastic gradient descent over many tensors.",
                 .kernel = effect<sgd_step>(),
                 .forms = kFunction,
                 .overloads = {"_fused_sgd_.tensor_lr(Tensor(a!)[] self, Tensor(b!)[] grads, Tensor(c!)[] "
                               "momentum_buffer_list, *, float weight_decay, "
                               "float momentum, Tensor lr, float dampening, bool nesterov, bool maximize, bool "
                               "is_first_step, Tensor? grad_scale=None, "
                               "Tensor? found_inf=None) -> ()"}});

OP(_fused_adam_, {.schema = "_fused_adam_(Tensor(a!)[] self, Tensor(b!)[] grads, Tensor(c!)[] exp_avgs, Tensor(d!)[] "
                            "exp_avg_sqs, Tensor(e!)[] "
                            "max_exp_avg_sqs, Tensor[] state_steps, *, float lr, float beta1, float beta2, float "
                            "weight_decay, float eps, bool amsgrad, "
                            "bool maximize, Tensor? grad_scale=None, Tensor? found_inf=None) -> ()",
                  .doc = "One step of Adam over many tensors; state_steps count this step already.",
                  .kernel = effect<adam_step<false>>(),
                  .forms = kFunction,
                  .overloads = {"_fused_adam_.tensor_lr(Tensor(a!)[] self, Tensor(b!)[] grads, Tensor(c!)[] exp_avgs, "
                                "Tensor(d!)[] exp_avg_sqs, Tensor(e!)[] "
                                "max_exp_avg_sqs, Tensor[] state_steps, *, Tensor lr, float beta1, float beta2, float "
                                "weight_decay, float eps, bool amsgrad, "
                                "bool maximize, Tensor? grad_scale=None, Tensor? found_inf=None) -> ()"}});

OP(_fused_adamw_,
   {.schema = "_fused_adamw_(Tensor(a!)[] self, Tensor(b!)[] grads, Tensor(c!)[] exp_avgs, Tensor(d!)[] exp_avg_sqs, "
              "Tensor(e!)[] "
              "max_exp_avg_sqs, Tensor[] state_steps, *, float lr, float beta1, float beta2, float weight_decay, float "
              "eps, bool amsgrad, "
              "bool maximize, Tensor? grad_scale=None, Tensor? found_inf=None) -> ()",
    .doc = "One step of Adam with decoupled weight decay over many tensors; state_steps count this step already.",
    .kernel = effect<adam_step<true>>(),
    .forms = kFunction,
    .overloads = {"_fused_adamw_.tensor_lr(Tensor(a!)[] self, Tensor(b!)[] grads, Tensor(c!)[] exp_avgs, Tensor(d!)[] "
                  "exp_avg_sqs, Tensor(e!)[] "
                  "max_exp_avg_sqs, Tensor[] state_steps, *, Tensor lr, float beta1, float beta2, float weight_decay, "
                  "float eps, bool amsgrad, "
                  "bool maximize, Tensor? grad_scale=None, Tensor? found_inf=None) -> ()"}});

OP(_optimizer_check,
   {.schema = "_optimizer_check(Tensor[] self, Tensor[] grads, Tensor[] states, Tensor[] counts) -> ()",
    .doc = "Raises where gradients or state, one list after another, don't fit their parameters.",
    .kernel = effect<check_all>(),
    .forms = kFunction,
    .sparse = takes_sparse});

OP(_foreach_add_, {.schema = "_foreach_add_.Scalar(Tensor(a!)[] self, Scalar scalar) -> ()",
                   .doc = "Adds a number to each tensor.",
                   .kernel = effect<foreach_add>(),
                   .forms = kFunction});

}  // namespace rushlight
