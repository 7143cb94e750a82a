// Steps of the optimizers that look at a parameter as a matrix: Muon and Adafactor. Made of operators, a parameter after the other; all
// are checked before the first is written.
#include "rushlight/core/thread_state.h"
#include "rushlight/dispatch/run.h"
#include "rushlight/fn/_fused_adafactor_.h"
#include "rushlight/fn/_fused_muon_.h"
#include "rushlight/fn/add.h"
#include "rushlight/fn/addmm.h"
#include "rushlight/fn/clamp.h"
#include "rushlight/fn/div.h"
#include "rushlight/fn/lerp.h"
#include "rushlight/fn/linalg_vector_norm.h"
#include "rushlight/fn/matmul.h"
#include "rushlight/fn/mean.h"
#include "rushlight/fn/mul.h"
#include "rushlight/fn/neg.h"
#include "rushlight/fn/rsqrt.h"
#include "rushlight/fn/square.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/transpose.h"
#include "rushlight/ops/optim/steps.h"

namespace rushlight {
namespace {

// The distance from 1 to the next number.
double machine_epsilon(DType d) {
  switch (d) {
    case DType::Float64: return 0x1p-52;
    case DType::Float16: return 0x1p-10;
    case DType::BFloat16: return 0x1p-7;
    default: return 0x1p-23;
  }
}

Tensor norm(const Tensor& x) { return linalg_vector_norm(x, 2); }

// A matrix near `x` whose singular values are all near 1, by Newton and Schulz's iteration; in bfloat16, as PyTorch's.
Tensor orthogonal(const Tensor& x, ArrayRef<double> coefficients, double eps, int64_t steps) {
  Tensor o = to(x, DType::BFloat16);
  bool tall = x.size(0) > x.size(1);
  if (tall) o = transpose(o, 0, 1);
  o = div(o, clamp(norm(o), eps));
  for (int64_t i = 0; i < steps; i++) {
    Tensor gram = matmul(o, transpose(o, 0, 1));
    Tensor change = addmm(gram, gram, gram, coefficients[1], coefficients[2]);
    o = addmm(o, change, o, coefficients[0]);
  }
  return tall ? transpose(o, 0, 1) : o;
}

void muon_step(TensorList self, TensorList grads, TensorList momentum_buffers, double lr, double weight_decay,
               double momentum, bool nesterov, ArrayRef<double> ns_coefficients, double eps, int64_t ns_steps,
               std::string_view adjust_lr) {
  const char* op = "_fused_muon_";
  RL_CHECK(ValueError, ns_steps < 100, "Number of steps must be less than 100 for computational efficiency");
  RL_CHECK(ValueError, ns_coefficients.size() == 3, "Coefficients must be a tuple of exactly 3 values");
  RL_CHECK(ValueError, adjust_lr == "original" || adjust_lr == "match_rms_adamw", op, ": adjust_lr '", adjust_lr,
           "' is neither 'original' nor 'match_rms_adamw'");
  for (const Tensor& p : self)
    RL_CHECK(ValueError, p.dim() == 2,
             "Muon only supports 2D parameters whereas we found a parameter with size: ", p.sizes());
  check_step(op, self, grads, false, {{"momentum_buffer", momentum_buffers}});
  check_float(op, self);
  NoGradGuard no_grad;
  for (size_t i = 0; i < self.size(); i++) {
    const Tensor &p = self[i], &buffer = momentum_buffers[i];
    lerp_(buffer, grads[i], 1 - momentum);
    Tensor update = orthogonal(nesterov ? lerp(grads[i], buffer, momentum) : buffer, ns_coefficients, eps, ns_steps);
    double rows = double(p.size(0)), columns = double(p.size(1));
    double rate = adjust_lr == "original" ? lr * std::sqrt(std::max(1.0, rows / columns))
                                          : lr * 0.2 * std::sqrt(std::max(rows, columns));
    mul_(p, 1 - lr * weight_decay);
    add_(p, update, -rate);
  }
}

void adafactor_step(TensorList self, TensorList grads, TensorList row_vars, TensorList col_vars, TensorList variances,
                    TensorList state_steps, double lr, double beta2_decay, std::optional<double> eps1, double eps2,
                    double d, double weight_decay, bool maximize) {
  const char* op = "_fused_adafactor_";
  check_step(op, self, grads, false, {});
  check_float(op, self);
  RL_CHECK(RuntimeError, state_steps.size() == self.size(), op, ": expected ", self.size(), " tensors step, got ",
           state_steps.size());
  size_t matrix = 0, vector = 0;
  auto check_state = [&](size_t i, const char* what, const Tensor& t, const Tensor& p, int64_t reduced) {
    RL_CHECK(TypeError, t.defined(), op, ": the ", what, " of parameter ", i, " is None");
    std::vector<int64_t> wanted(p.sizes().begin(), p.sizes().end());
    if (reduced < 0) wanted[wanted.size() - size_t(-reduced)] = 1;
    RL_CHECK(ShapeError, t.sizes() == IntArrayRef(wanted) && t.dtype() == p.dtype() && t.device() == p.device(), op,
             ": the ", what, " of parameter ", i, " has shape ", t.sizes(), " and dtype ", t.dtype(), ", expected ",
             IntArrayRef(wanted), " and ", p.dtype(), "; state belongs to the parameter that it was made for");
    RL_CHECK(RuntimeError, !may_overlap(p, t), op, ": parameter ", i, " and its ", what,
             " share a part of their memory. Please clone() one of them");
    check_memory(op, i, what, t);
  };
  std::vector<double> steps;
  for (size_t i = 0; i < self.size(); i++) {
    steps.push_back(value_of(op, "step", state_steps[i]));
    size_t& at = self[i].dim() > 1 ? matrix : vector;
    RL_CHECK(RuntimeError, at < (self[i].dim() > 1 ? std::min(row_vars.size(), col_vars.size()) : variances.size()), op,
             ": expected row_vars and col_vars for each parameter with 2 or more dimensions, variances for each other");
    if (self[i].dim() > 1) {
      check_state(i, "row_var", row_vars[at], self[i], -1);
      check_state(i, "col_var", col_vars[at], self[i], -2);
    } else {
      check_state(i, "variance", variances[at], self[i], 0);
    }
    at++;
  }
  matrix = vector = 0;
  NoGradGuard no_grad;
  auto size = [](const Tensor& t) { return is_meta(t) ? 0.0 : value_of("_fused_adafactor_", "norm", norm(t)); };
  for (size_t i = 0; i < self.size(); i++) {
    const Tensor& p = self[i];
    Tensor grad = maximize ? neg(grads[i]) : grads[i];
    double weight = std::pow(steps[i], beta2_decay), root = std::sqrt(double(p.numel()));
    double alpha = std::max(eps2, size(p) / root) * std::min(lr, 1 / std::sqrt(steps[i]));
    double smallest = eps1 ? *eps1 : machine_epsilon(p.dtype());
    if (weight_decay != 0) mul_(p, 1 - lr * weight_decay);
    Tensor estimate;
    if (p.dim() > 1) {
      const Tensor &row = row_vars[matrix], &column = col_vars[matrix];
      matrix++;
      auto mean_square = [&](int64_t dim) {
        return div(square(linalg_vector_norm(grad, 2, IntArrayRef(&dim, 1), true)), grad.size(dim));
      };
      lerp_(row, mean_square(-1), weight);
      lerp_(column, mean_square(-2), weight);
      int64_t rows = -2;
      estimate = div(matmul(row, column), clamp(mean(row, IntArrayRef(&rows, 1), true), smallest));
    } else {
      const Tensor& variance = variances[vector++];
      lerp_(variance, mul(grad, grad), weight);
      estimate = variance;
    }
    Tensor update = mul(rsqrt(clamp(estimate, smallest * smallest)), grad);
    add_(p, update, -alpha / std::max(1.0, size(update) / (root * d)));
  }
}

}  // namespace

OP(_fused_muon_,
   {.schema = "_fused_muon_(Tensor(a!)[] self, Tensor[] grads, Tensor(b!)[] momentum_buffers, *, float lr, float "
              "weight_decay, float momentum, bool nesterov, float[] ns_coefficients, float eps, int ns_steps, str "
              "adjust_lr='original') -> ()",
    .doc = "One step of Muon over many matrices; adjust_lr is 'original' or 'match_rms_adamw'.",
    .kernel = effect<muon_step>(),
    .forms = kFunction});
OP(_fused_adafactor_,
   {.schema = "_fused_adafactor_(Tensor(a!)[] self, Tensor[] grads, Tensor(b!)[] row_vars, Tensor(c!)[] col_vars, "
              "Tensor(d!)[] variances, Tensor[] state_steps, *, float lr, float beta2_decay, float? eps1, float eps2, "
              "float d, float weight_decay, bool maximize) -> ()",
    .doc = "One step of Adafactor over many tensors: row_vars and col_vars hold a tensor for each parameter with 2 or "
           "more "
           "dimensions, variances for each other; state_steps count this step already. Without eps1 it is the dtype's.",
    .kernel = effect<adafactor_step>(),
    .forms = kFunction});

}  // namespace rushlight
