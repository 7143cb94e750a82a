// Steps of the optimizers: lists are made for the operators, which check them before they write.
#include "rushlight/optim/algorithms.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "rushlight/api/autograd.h"
#include "rushlight/api/lowered.h"
#include "rushlight/functions.h"
#include "rushlight/optim/fields.h"

namespace torch {
inline namespace rl {
namespace optim {

namespace {

using Tensors_ = std::vector<rushlight::Tensor>;

// The parameters of a group that have a gradient, of one dtype and device, and a list for each kind of state.
template <class State>
struct Batch {
  Tensors_ params, grads;
  std::vector<State*> states;
  std::vector<Tensors_> lists;
  // Of each parameter; where all have done as many steps it is one tensor.
  Tensors_ steps;
};

Tensor call(const Optimizer::LossClosure& closure) {
  if (!closure) return {};
  AutoGradMode on(true);
  return closure();
}

// Batches of a group; `prepare(param, state)` fills what a state lacks, and `fresh(state)` keeps apart what the kernel is to fill.
template <class State, class Fresh>
std::vector<Batch<State>> batches(Optimizer& optimizer, OptimizerParamGroup& group, const Fresh& fresh) {
  struct Key {
    DType dtype;
    rushlight::Device device;
    bool fresh;
  };
  std::vector<std::pair<Key, Batch<State>>> out;
  for (Tensor& p : group.params()) {
    const Tensor& grad = p.grad();
    if (!grad.defined()) continue;
    auto& slot = optimizer.state()[p.impl()];
    if (!slot) slot.reset(new State());
    State& state = static_cast<State&>(*slot);
    Key key = {p.scalar_type(), p.device(), fresh(p, state)};
    auto at = std::find_if(out.begin(), out.end(), [&](const auto& b) {
      return b.first.dtype == key.dtype && b.first.device == key.device && b.first.fresh == key.fresh;
    });
    if (at == out.end()) at = out.insert(at, {key, {}});
    at->second.params.push_back(p);
    at->second.grads.push_back(grad);
    at->second.states.push_back(&state);
  }
  std::vector<Batch<State>> made;
  for (auto& b : out) made.push_back(std::move(b.second));
  return made;
}
template <class State, class Get>
Tensors_ list_of(const Batch<State>& b, const Get& get) {
  Tensors_ out;
  out.reserve(b.states.size());
  for (State* s : b.states) out.push_back(get(*s));
  return out;
}
// Counts this step, and gives the counts as tensors.
template <class State>
Tensors_ counted(const Batch<State>& b) {
  Tensors_ out;
  out.reserve(b.states.size());
  int64_t last = -1;
  for (State* s : b.states) {
    s->step(s->step() + 1);
    if (out.empty() || s->step() != last) out.push_back(rushlight::full({}, double(s->step()), DType::Float32));
    else out.push_back(out.back());
    last = s->step();
  }
  return out;
}
template <class State>
void uncount(const Batch<State>& b) {
  for (State* s : b.states) s->step(s->step() - 1);
}
// A step that the operator refuses was none.
template <class State, class Run>
void run_counted(const Batch<State>& b, const Run& run) {
  Tensors_ steps = counted(b);
  try {
    run(steps);
  } catch (...) {
    uncount(b);
    throw;
  }
}
Tensor zeros_of(const Tensor& p) {
  return rushlight::zeros_like(p, std::nullopt, std::nullopt, std::nullopt, std::nullopt, MemoryFormat::Preserve);
}

template <class O>
O& options_of(OptimizerParamGroup& group) {
  return static_cast<O&>(group.options());
}
template <class... Checks>
void check_positive(double value, const char* what) {
  RL_CHECK(ValueError, value >= 0, "Invalid ", what, ": ", value);
}
template <class O>
void check_betas(const O& o) {
  auto [b1, b2] = o.betas();
  RL_CHECK(ValueError, b1 >= 0 && b1 < 1, "Invalid beta parameter at index 0: ", b1);
  RL_CHECK(ValueError, b2 >= 0 && b2 < 1, "Invalid beta parameter at index 1: ", b2);
}

}  // namespace

#define RL_ARCHIVES(Name)                                                                                          \
  void Name::save(serialize::OutputArchive& archive) const { save_optimizer(*this, archive); }                     \
  void Name::load(serialize::InputArchive& archive) {                                                              \
    load_optimizer(*this, archive,                                                                                 \
                   []() -> std::unique_ptr<OptimizerParamState> { return std::make_unique<Name##ParamState>(); }); \
  }
RL_ARCHIVES(SGD)
RL_ARCHIVES(Adam)
RL_ARCHIVES(AdamW)
RL_ARCHIVES(Adagrad)
RL_ARCHIVES(RMSprop)
RL_ARCHIVES(LBFGS)
#undef RL_ARCHIVES

// ---- SGD -------------------------------------------------------------------------------------------------------------

SGD::SGD(const std::vector<OptimizerParamGroup>& groups, SGDOptions o)
    : Optimizer(groups, std::make_unique<SGDOptions>(o)) {
  check_positive(o.lr(), "learning rate");
  check_positive(o.momentum(), "momentum value");
  check_positive(o.weight_decay(), "weight_decay value");
  RL_CHECK(ValueError, !o.nesterov() || (o.momentum() > 0 && o.dampening() == 0),
           "Nesterov momentum requires a momentum and zero dampening");
}
Tensor SGD::step(LossClosure closure) {
  NoGradGuard no_grad;
  Tensor loss = call(closure);
  for (auto& group : param_groups_) {
    const SGDOptions& o = options_of<SGDOptions>(group);
    if (o.momentum() == 0) {  // keeps no state
      std::map<std::pair<DType, std::string>, std::pair<Tensors_, Tensors_>> lists;
      for (Tensor& p : group.params()) {
        if (!p.grad().defined()) continue;
        if (p.grad().is_sparse()) {
          RL_CHECK(RuntimeError, o.weight_decay() == 0,
                   "SGD: weight_decay option is not compatible with sparse gradients");
          p.add_(p.grad(), -o.lr());
          continue;
        }
        auto& [params, grads] = lists[{p.scalar_type(), p.device().str()}];
        params.push_back(p);
        grads.push_back(p.grad());
      }
      for (auto& [key, both] : lists)
        rushlight::_fused_sgd_(both.first, both.second, {}, o.weight_decay(), 0, o.lr(), 0, false, false, false);
      continue;
    }
    auto fresh = [](const Tensor&, SGDParamState& s) { return !s.momentum_buffer().defined(); };
    for (auto& b : batches<SGDParamState>(*this, group, fresh)) {
      bool first = !b.states[0]->momentum_buffer().defined();
      Tensors_ buffers;
      for (size_t i = 0; i < b.states.size(); i++)
        buffers.push_back(first ? rushlight::empty_like(b.params[i])
                                : rushlight::Tensor(b.states[i]->momentum_buffer()));
      rushlight::_fused_sgd_(b.params, b.grads, buffers, o.weight_decay(), o.momentum(), o.lr(), o.dampening(),
                             o.nesterov(), false, first);
      if (first)
        for (size_t i = 0; i < b.states.size(); i++) b.states[i]->momentum_buffer(Tensor(buffers[i]));
    }
  }
  return loss;
}

// ---- Adam, AdamW -----------------------------------------------------------------------------------------------------

namespace {
template <class State, class Options, class Run>
void adam_groups(Optimizer& optimizer, const Run& run) {
  for (auto& group : optimizer.param_groups()) {
    const Options& o = options_of<Options>(group);
    auto prepare = [&](const Tensor& p, State& s) {
      if (!s.exp_avg().defined()) s.exp_avg(zeros_of(p)), s.exp_avg_sq(zeros_of(p));
      if (o.amsgrad() && !s.max_exp_avg_sq().defined()) s.max_exp_avg_sq(zeros_of(p));
      return false;
    };
    for (auto& b : batches<State>(optimizer, group, prepare)) {
      Tensors_ most;
      if (o.amsgrad()) most = list_of(b, [](State& s) { return s.max_exp_avg_sq(); });
      run_counted(b, [&](const Tensors_& steps) {
        run(b.params, b.grads, list_of(b, [](State& s) { return s.exp_avg(); }),
            list_of(b, [](State& s) { return s.exp_avg_sq(); }), most, steps, o.lr(), std::get<0>(o.betas()),
            std::get<1>(o.betas()), o.weight_decay(), o.eps(), o.amsgrad());
      });
    }
  }
}
template <class O>
void check_adam(const O& o) {
  check_positive(o.lr(), "learning rate");
  check_positive(o.eps(), "epsilon value");
  check_betas(o);
  check_positive(o.weight_decay(), "weight_decay value");
}
}  // namespace
Adam::Adam(const std::vector<OptimizerParamGroup>& groups, AdamOptions o)
    : Optimizer(groups, std::make_unique<AdamOptions>(o)) {
  check_adam(o);
}
Tensor Adam::step(LossClosure closure) {
  NoGradGuard no_grad;
  Tensor loss = call(closure);
  adam_groups<AdamParamState, AdamOptions>(*this, [](auto&&... a) { rushlight::_fused_adam_(a..., false); });
  return loss;
}
AdamW::AdamW(const std::vector<OptimizerParamGroup>& groups, AdamWOptions o)
    : Optimizer(groups, std::make_unique<AdamWOptions>(o)) {
  check_adam(o);
}
Tensor AdamW::step(LossClosure closure) {
  NoGradGuard no_grad;
  Tensor loss = call(closure);
  adam_groups<AdamWParamState, AdamWOptions>(*this, [](auto&&... a) { rushlight::_fused_adamw_(a..., false); });
  return loss;
}

// ---- Adagrad, RMSprop ------------------------------------------------------------------------------------------------

Adagrad::Adagrad(const std::vector<OptimizerParamGroup>& groups, AdagradOptions o)
    : Optimizer(groups, std::make_unique<AdagradOptions>(o)) {
  check_positive(o.lr(), "learning rate");
  check_positive(o.lr_decay(), "lr_decay value");
  check_positive(o.weight_decay(), "weight_decay value");
  check_positive(o.initial_accumulator_value(), "initial_accumulator_value value");
  check_positive(o.eps(), "epsilon value");
  for (const auto& group : param_groups_)
    for (const Tensor& p : group.params()) {
      auto state = std::make_unique<AdagradParamState>();
      state->sum(rushlight::full_like(p.detach(), o.initial_accumulator_value()));
      state_[p.impl()] = std::move(state);
    }
}
Tensor Adagrad::step(LossClosure closure) {
  NoGradGuard no_grad;
  Tensor loss = call(closure);
  for (auto& group : param_groups_) {
    const AdagradOptions& o = options_of<AdagradOptions>(group);
    auto prepare = [&](const Tensor& p, AdagradParamState& s) {
      if (!s.sum().defined()) s.sum(rushlight::full_like(p.detach(), o.initial_accumulator_value()));
      return false;
    };
    for (auto& b : batches<AdagradParamState>(*this, group, prepare))
      run_counted(b, [&](const Tensors_& steps) {
        rushlight::_fused_adagrad_(b.params, b.grads, list_of(b, [](AdagradParamState& s) { return s.sum(); }), steps,
                                   o.lr(), o.lr_decay(), o.weight_decay(), o.eps(), false);
      });
  }
  return loss;
}

RMSprop::RMSprop(const std::vector<OptimizerParamGroup>& groups, RMSpropOptions o)
    : Optimizer(groups, std::make_unique<RMSpropOptions>(o)) {
  check_positive(o.lr(), "learning rate");
  check_positive(o.eps(), "epsilon value");
  check_positive(o.momentum(), "momentum value");
  check_positive(o.weight_decay(), "weight_decay value");
  check_positive(o.alpha(), "alpha value");
}
Tensor RMSprop::step(LossClosure closure) {
  NoGradGuard no_grad;
  Tensor loss = call(closure);
  for (auto& group : param_groups_) {
    const RMSpropOptions& o = options_of<RMSpropOptions>(group);
    auto prepare = [&](const Tensor& p, RMSpropParamState& s) {
      if (!s.square_avg().defined()) s.square_avg(zeros_of(p));
      if (o.momentum() > 0 && !s.momentum_buffer().defined()) s.momentum_buffer(zeros_of(p));
      if (o.centered() && !s.grad_avg().defined()) s.grad_avg(zeros_of(p));
      return false;
    };
    for (auto& b : batches<RMSpropParamState>(*this, group, prepare)) {
      Tensors_ momentum, mean;
      if (o.momentum() > 0) momentum = list_of(b, [](RMSpropParamState& s) { return s.momentum_buffer(); });
      if (o.centered()) mean = list_of(b, [](RMSpropParamState& s) { return s.grad_avg(); });
      run_counted(b, [&](const Tensors_& steps) {
        rushlight::_fused_rmsprop_(b.params, b.grads, list_of(b, [](RMSpropParamState& s) { return s.square_avg(); }),
                                   momentum, mean, steps, o.lr(), o.alpha(), o.eps(), o.weight_decay(), o.momentum(),
                                   o.centered(), false);
      });
    }
  }
  return loss;
}

// ---- LBFGS -----------------------------------------------------------------------------------------------------------

namespace {

double number(const Tensor& t) { return t.to(kDouble).item<double>(); }
double largest(const Tensor& t) { return number(t.abs().max()); }

// A point on the line of search.
struct Point {
  double t, loss;
  Tensor grad;
  double slope;
};

// Where the cubic with the values and slopes of two points is least between the bounds.
double cubic_minimum(const Point& a, const Point& b, double low, double high) {
  double d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t);
  double square = d1 * d1 - a.slope * b.slope;
  if (square < 0) return (low + high) / 2;
  double d2 = std::sqrt(square), at;
  if (a.t <= b.t) at = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2));
  else at = a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2 * d2));
  return std::min(std::max(at, low), high);
}

// A point that satisfies the strong Wolfe conditions (Nocedal and Wright, Numerical Optimization, algorithms 3.5 and 3.6).
template <class Evaluate>
Point strong_wolfe(const Evaluate& evaluate, const Point& start, double t, double size, double tolerance,
                   int64_t& evaluations) {
  constexpr double kDecrease = 1e-4, kCurvature = 0.9;
  constexpr int kMost = 25;
  auto too_high = [&](const Point& p) { return p.loss > start.loss + kDecrease * p.t * start.slope; };
  auto flat = [&](const Point& p) { return std::abs(p.slope) <= -kCurvature * start.slope; };
  auto at = [&](double where) {
    evaluations++;
    return evaluate(where);
  };
  Point before = start, now = at(t);
  int tries = 0;
  for (;; tries++) {  // until two points have a minimum between them
    if (tries >= kMost) {
      before = start;
      break;
    }
    if (too_high(now) || (tries > 1 && now.loss >= before.loss)) break;
    if (flat(now)) return now;
    if (now.slope >= 0) break;
    double next = cubic_minimum(before, now, now.t + 0.01 * (now.t - before.t), now.t * 10);
    before = now;
    now = at(next);
  }
  Point low = before.loss <= now.loss ? before : now, high = before.loss <= now.loss ? now : before;
  bool stuck = false;
  for (; tries < kMost && std::abs(high.t - low.t) * size >= tolerance; tries++) {
    const Point &left = low.t <= high.t ? low : high, &right = low.t <= high.t ? high : low;
    t = cubic_minimum(left, right, left.t, right.t);
    double margin = 0.1 * (right.t - left.t);
    // Too near to an end: the second time in turn, move away.
    bool near_end = std::min(right.t - t, t - left.t) < margin;
    if (near_end && (stuck || t >= right.t || t <= left.t)) {
      t = std::abs(t - right.t) < std::abs(t - left.t) ? right.t - margin : left.t + margin;
      stuck = false;
    } else {
      stuck = near_end;
    }
    now = at(t);
    if (too_high(now) || now.loss >= low.loss) {
      high = now;
      if (high.loss < low.loss) std::swap(low, high);
      continue;
    }
    if (flat(now)) return now;
    if (now.slope * (high.t - low.t) >= 0) high = low;
    low = now;
  }
  return low;
}

Tensor flat_grad(const std::vector<Tensor>& params) {
  std::vector<Tensor> parts;
  for (const Tensor& p : params)
    parts.push_back(p.grad().defined() ? p.grad().reshape({-1}) : Tensor(p.new_zeros({p.numel()})));
  return rushlight::cat(lowered(TensorList(parts)));
}
void move(const std::vector<Tensor>& params, double length, const Tensor& direction) {
  int64_t at = 0;
  for (const Tensor& p : params) {
    rushlight::add_(p, direction.slice(0, at, at + p.numel()).view(p.sizes()), length);
    at += p.numel();
  }
}

// Minus the gradient times an estimate of the inverse Hessian, after noting the last step's curvature.
Tensor next_direction(LBFGSParamState& s, const Tensor& grad, int64_t history) {
  Tensor change = grad - s.prev_flat_grad(), moved = s.d() * s.t();
  double product = number(change.dot(moved));
  auto &changes = s.old_dirs(), &steps = s.old_stps(), &ro = s.ro();
  if (product > 1e-10) {
    if (int64_t(changes.size()) == history)
      for (auto* kept : {&changes, &steps, &ro}) kept->pop_front();
    changes.push_back(change);
    steps.push_back(moved);
    ro.push_back(1.0 / change.dot(moved));
    s.H_diag(change.dot(moved) / change.dot(change));
  }
  if (!s.al()) s.al(std::vector<Tensor>(size_t(history)));
  auto& al = *s.al();
  Tensor q = grad.neg();
  for (size_t i = changes.size(); i-- > 0;) {
    al[i] = steps[i].dot(q) * ro[i];
    q.add_(changes[i], -number(al[i]));
  }
  q = q * s.H_diag();
  for (size_t i = 0; i < changes.size(); i++) q.add_(steps[i], number(al[i] - changes[i].dot(q) * ro[i]));
  return q;
}

}  // namespace

LBFGS::LBFGS(const std::vector<OptimizerParamGroup>& groups, LBFGSOptions o)
    : Optimizer(groups, std::make_unique<LBFGSOptions>(o)) {
  RL_CHECK(ValueError, param_groups_.size() == 1, "LBFGS doesn't support per-parameter options (parameter groups)");
  check_positive(o.lr(), "learning rate");
  for (OptimizerOptions* each : {&param_groups_[0].options(), defaults_.get()}) {
    auto& options = static_cast<LBFGSOptions&>(*each);
    if (!options.max_eval()) options.max_eval(options.max_iter() * 5 / 4);
  }
}
Tensor LBFGS::step(LossClosure closure) {
  NoGradGuard no_grad;
  RL_CHECK(RuntimeError, closure, "LBFGS requires a closure function");
  const LBFGSOptions& o = options_of<LBFGSOptions>(param_groups_[0]);
  RL_CHECK(RuntimeError, !o.line_search_fn() || *o.line_search_fn() == "strong_wolfe",
           "only 'strong_wolfe' is supported");
  std::vector<Tensor>& params = param_groups_[0].params();
  RL_CHECK(ValueError, !params.empty(), "LBFGS: there are no parameters");
  auto& slot = state_[params[0].impl()];  // one for all, where PyTorch has it
  if (!slot) slot.reset(new LBFGSParamState());
  auto& s = static_cast<LBFGSParamState&>(*slot);
  auto evaluated = [&] { return number(call(closure)); };

  Tensor first_loss = call(closure);
  double loss = number(first_loss);
  Tensor grad = flat_grad(params);
  int64_t evaluations = 1;
  s.func_evals(s.func_evals() + 1);
  if (largest(grad) <= o.tolerance_grad()) return first_loss;
  for (int64_t done = 1; done <= o.max_iter(); done++) {
    s.n_iter(s.n_iter() + 1);
    if (s.n_iter() == 1) {
      s.d(grad.neg());
      s.H_diag(Tensor(grad.new_ones({})));
      for (auto* list : {&s.old_dirs(), &s.old_stps(), &s.ro()}) list->clear();
    } else {
      s.d(next_direction(s, grad, o.history_size()));
    }
    s.prev_flat_grad(grad.clone());
    s.prev_loss(loss);
    s.t(s.n_iter() == 1 ? std::min(1.0, 1.0 / number(grad.abs().sum())) * o.lr() : o.lr());
    double slope = number(grad.dot(s.d()));
    if (slope > -o.tolerance_change()) break;
    int64_t calls = 0;
    if (o.line_search_fn()) {
      std::vector<Tensor> places;
      for (const Tensor& p : params) places.push_back(p.clone());
      auto evaluate = [&](double t) {
        move(params, t, s.d());
        double there = evaluated();
        Tensor g = flat_grad(params);
        for (size_t i = 0; i < params.size(); i++) params[i].copy_(places[i]);
        return Point{t, there, g, number(g.dot(s.d()))};
      };
      Point found = strong_wolfe(evaluate, {0, loss, grad, slope}, s.t(), largest(s.d()), o.tolerance_change(), calls);
      loss = found.loss;
      grad = found.grad;
      s.t(found.t);
      move(params, s.t(), s.d());
    } else {
      move(params, s.t(), s.d());
      if (done != o.max_iter()) {  // the last evaluation would serve nothing
        loss = evaluated();
        grad = flat_grad(params);
        calls = 1;
      }
    }
    evaluations += calls;
    s.func_evals(s.func_evals() + calls);
    if (evaluations >= *o.max_eval() || largest(grad) <= o.tolerance_grad() ||
        largest(s.d() * s.t()) <= o.tolerance_change() || std::abs(loss - s.prev_loss()) < o.tolerance_change())
      break;
  }
  return first_loss;
}

}  // namespace optim
}  // namespace rl
}  // namespace torch
