// The fields of options and states, listed once: archives, comparison and inheritance visit them.
#pragma once
#include "rushlight/optim/algorithms.h"

namespace torch {
inline namespace rl {
namespace optim {

// f("lr", o.lr()), ... for one object; several of one class side by side where they are compared.
#define RL_FIELDS(Class, ...)                            \
  template <class F, class... O>                         \
  void visit_fields(const Class*, const F& f, O&... o) { \
    __VA_ARGS__                                          \
  }
#define RL_FIELD(name) f(#name, o.name()...);
RL_FIELDS(SGDOptions, RL_FIELD(lr) RL_FIELD(momentum) RL_FIELD(dampening) RL_FIELD(weight_decay) RL_FIELD(nesterov))
RL_FIELDS(SGDParamState, RL_FIELD(momentum_buffer))
RL_FIELDS(AdamOptions, RL_FIELD(lr) RL_FIELD(betas) RL_FIELD(eps) RL_FIELD(weight_decay) RL_FIELD(amsgrad))
RL_FIELDS(AdamParamState, RL_FIELD(step) RL_FIELD(exp_avg) RL_FIELD(exp_avg_sq) RL_FIELD(max_exp_avg_sq))
RL_FIELDS(AdamWOptions, RL_FIELD(lr) RL_FIELD(betas) RL_FIELD(eps) RL_FIELD(weight_decay) RL_FIELD(amsgrad))
RL_FIELDS(AdamWParamState, RL_FIELD(step) RL_FIELD(exp_avg) RL_FIELD(exp_avg_sq) RL_FIELD(max_exp_avg_sq))
RL_FIELDS(AdagradOptions,
          RL_FIELD(lr) RL_FIELD(lr_decay) RL_FIELD(weight_decay) RL_FIELD(initial_accumulator_value) RL_FIELD(eps))
RL_FIELDS(AdagradParamState, RL_FIELD(step) RL_FIELD(sum))
RL_FIELDS(RMSpropOptions,
          RL_FIELD(lr) RL_FIELD(alpha) RL_FIELD(eps) RL_FIELD(weight_decay) RL_FIELD(momentum) RL_FIELD(centered))
RL_FIELDS(RMSpropParamState, RL_FIELD(step) RL_FIELD(square_avg) RL_FIELD(momentum_buffer) RL_FIELD(grad_avg))
RL_FIELDS(LBFGSOptions, RL_FIELD(lr) RL_FIELD(max_iter) RL_FIELD(max_eval) RL_FIELD(tolerance_grad)
                            RL_FIELD(tolerance_change) RL_FIELD(history_size) RL_FIELD(line_search_fn))
RL_FIELDS(LBFGSParamState,
          RL_FIELD(func_evals) RL_FIELD(n_iter) RL_FIELD(t) RL_FIELD(prev_loss) RL_FIELD(d) RL_FIELD(H_diag)
              RL_FIELD(prev_flat_grad) RL_FIELD(old_dirs) RL_FIELD(old_stps) RL_FIELD(ro) RL_FIELD(al))
#undef RL_FIELD
#undef RL_FIELDS

}  // namespace optim
}  // namespace rl
}  // namespace torch
