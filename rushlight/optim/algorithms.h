// The optimizers of PyTorch's C++ API. Each step is the operator that Python's optimizer of this name calls.
#pragma once
#include <deque>

#include "rushlight/optim/optimizer.h"

namespace torch {
inline namespace rl {
namespace optim {

#define RL_SERIALIZED(Class)                                        \
 public:                                                            \
  void serialize(serialize::InputArchive& archive) override;        \
  void serialize(serialize::OutputArchive& archive) const override; \
  friend bool operator==(const Class& a, const Class& b)
#define RL_OPTIONS(Class)                             \
  RL_SERIALIZED(Class);                               \
  double get_lr() const override { return lr(); }     \
  void set_lr(const double lr) override { lr_ = lr; } \
  void inherit(const OptimizerOptions& defaults) override
#define RL_OPTIMIZER(Name, default_)                                                                      \
  class Name : public Optimizer {                                                                         \
   public:                                                                                                \
    explicit Name(const std::vector<OptimizerParamGroup>& param_groups, Name##Options defaults default_); \
    explicit Name(std::vector<Tensor> params, Name##Options defaults default_)                            \
        : Name(std::vector<OptimizerParamGroup>{OptimizerParamGroup(std::move(params))}, defaults) {}     \
    Tensor step(LossClosure closure = nullptr) override;                                                  \
    void save(serialize::OutputArchive& archive) const override;                                          \
    void load(serialize::InputArchive& archive) override;                                                 \
  }

// Stochastic gradient descent, with momentum if asked for.
struct SGDOptions : OptimizerCloneableOptions<SGDOptions> {
  SGDOptions(double lr) : lr_(lr) {}
  TORCH_ARG(double, lr);
  TORCH_ARG(double, momentum) = 0;
  TORCH_ARG(double, dampening) = 0;
  TORCH_ARG(double, weight_decay) = 0;
  TORCH_ARG(bool, nesterov) = false;
  RL_OPTIONS(SGDOptions);
};
struct SGDParamState : OptimizerCloneableParamState<SGDParamState> {
  TORCH_ARG(Tensor, momentum_buffer);
  RL_SERIALIZED(SGDParamState);
};
RL_OPTIMIZER(SGD, );

struct AdamOptions : OptimizerCloneableOptions<AdamOptions> {
  AdamOptions(double lr = 1e-3) : lr_(lr) {}
  using betas_t = std::tuple<double, double>;
  TORCH_ARG(double, lr);
  TORCH_ARG(betas_t, betas) = betas_t(0.9, 0.999);
  TORCH_ARG(double, eps) = 1e-8;
  TORCH_ARG(double, weight_decay) = 0;
  TORCH_ARG(bool, amsgrad) = false;
  RL_OPTIONS(AdamOptions);
};
struct AdamParamState : OptimizerCloneableParamState<AdamParamState> {
  TORCH_ARG(int64_t, step) = 0;
  TORCH_ARG(Tensor, exp_avg);
  TORCH_ARG(Tensor, exp_avg_sq);
  TORCH_ARG(Tensor, max_exp_avg_sq);
  RL_SERIALIZED(AdamParamState);
};
RL_OPTIMIZER(Adam, = {});

// Adam whose weight decay is not part of the gradient.
struct AdamWOptions : OptimizerCloneableOptions<AdamWOptions> {
  AdamWOptions(double lr = 1e-3) : lr_(lr) {}
  using betas_t = std::tuple<double, double>;
  TORCH_ARG(double, lr);
  TORCH_ARG(betas_t, betas) = betas_t(0.9, 0.999);
  TORCH_ARG(double, eps) = 1e-8;
  TORCH_ARG(double, weight_decay) = 1e-2;
  TORCH_ARG(bool, amsgrad) = false;
  RL_OPTIONS(AdamWOptions);
};
struct AdamWParamState : OptimizerCloneableParamState<AdamWParamState> {
  TORCH_ARG(int64_t, step) = 0;
  TORCH_ARG(Tensor, exp_avg);
  TORCH_ARG(Tensor, exp_avg_sq);
  TORCH_ARG(Tensor, max_exp_avg_sq);
  RL_SERIALIZED(AdamWParamState);
};
RL_OPTIMIZER(AdamW, = {});

struct AdagradOptions : OptimizerCloneableOptions<AdagradOptions> {
  AdagradOptions(double lr = 1e-2) : lr_(lr) {}
  TORCH_ARG(double, lr);
  TORCH_ARG(double, lr_decay) = 0;
  TORCH_ARG(double, weight_decay) = 0;
  TORCH_ARG(double, initial_accumulator_value) = 0;
  TORCH_ARG(double, eps) = 1e-10;
  RL_OPTIONS(AdagradOptions);
};
struct AdagradParamState : OptimizerCloneableParamState<AdagradParamState> {
  TORCH_ARG(Tensor, sum);
  TORCH_ARG(int64_t, step) = 0;
  RL_SERIALIZED(AdagradParamState);
};
RL_OPTIMIZER(Adagrad, = {});

struct RMSpropOptions : OptimizerCloneableOptions<RMSpropOptions> {
  RMSpropOptions(double lr = 1e-2) : lr_(lr) {}
  TORCH_ARG(double, lr);
  TORCH_ARG(double, alpha) = 0.99;
  TORCH_ARG(double, eps) = 1e-8;
  TORCH_ARG(double, weight_decay) = 0;
  TORCH_ARG(double, momentum) = 0;
  TORCH_ARG(bool, centered) = false;
  RL_OPTIONS(RMSpropOptions);
};
struct RMSpropParamState : OptimizerCloneableParamState<RMSpropParamState> {
  TORCH_ARG(int64_t, step) = 0;
  TORCH_ARG(Tensor, square_avg);
  TORCH_ARG(Tensor, momentum_buffer);
  TORCH_ARG(Tensor, grad_avg);
  RL_SERIALIZED(RMSpropParamState);
};
RL_OPTIMIZER(RMSprop, = {});

// Takes the curvature from the last gradients. One group of parameters; step() needs a closure. line_search_fn is "strong_wolfe" or none.
struct LBFGSOptions : OptimizerCloneableOptions<LBFGSOptions> {
  LBFGSOptions(double lr = 1) : lr_(lr) {}
  TORCH_ARG(double, lr);
  TORCH_ARG(int64_t, max_iter) = 20;
  TORCH_ARG(std::optional<int64_t>, max_eval);
  TORCH_ARG(double, tolerance_grad) = 1e-7;
  TORCH_ARG(double, tolerance_change) = 1e-9;
  TORCH_ARG(int64_t, history_size) = 100;
  TORCH_ARG(std::optional<std::string>, line_search_fn);
  RL_OPTIONS(LBFGSOptions);
};
struct LBFGSParamState : OptimizerCloneableParamState<LBFGSParamState> {
  TORCH_ARG(int64_t, func_evals) = 0;
  TORCH_ARG(int64_t, n_iter) = 0;
  TORCH_ARG(double, t) = 0;
  TORCH_ARG(double, prev_loss) = 0;
  TORCH_ARG(Tensor, d);
  TORCH_ARG(Tensor, H_diag);
  TORCH_ARG(Tensor, prev_flat_grad);
  TORCH_ARG(std::deque<Tensor>, old_dirs);
  TORCH_ARG(std::deque<Tensor>, old_stps);
  TORCH_ARG(std::deque<Tensor>, ro);
  TORCH_ARG(std::optional<std::vector<Tensor>>, al);
  RL_SERIALIZED(LBFGSParamState);
};
RL_OPTIMIZER(LBFGS, = {});

#undef RL_SERIALIZED
#undef RL_OPTIONS
#undef RL_OPTIMIZER

// ---- schedules -------------------------------------------------------------------------------------------------------

// Sets the rates of an optimizer, which must outlive it, at each step().
class LRScheduler {
 public:
  LRScheduler(Optimizer& optimizer) : optimizer_(optimizer) {}
  virtual ~LRScheduler() = default;
  void step();

 protected:
  virtual std::vector<double> get_lrs() = 0;  // one a group
  std::vector<double> get_current_lrs() const;
  unsigned step_count_ = 0;

 private:
  Optimizer& optimizer_;
};

// Times gamma every step_size steps.
class StepLR : public LRScheduler {
 public:
  StepLR(Optimizer& optimizer, const unsigned step_size, const double gamma = 0.1)
      : LRScheduler(optimizer), step_size_(step_size), gamma_(gamma) {}

 private:
  std::vector<double> get_lrs() override;
  const unsigned step_size_;
  const double gamma_;
};

// Times factor when the metric has not got better for more than `patience` steps.
class ReduceLROnPlateauScheduler {
 public:
  enum SchedulerMode { min, max };
  enum ThresholdMode { rel, abs };
  ReduceLROnPlateauScheduler(Optimizer& optimizer, SchedulerMode mode = min, float factor = 0.1, int patience = 10,
                             double threshold = 1e-4, ThresholdMode threshold_mode = rel, int cooldown = 0,
                             const std::vector<float>& min_lr = {}, double eps = 1e-8, bool verbose = false);
  virtual ~ReduceLROnPlateauScheduler() = default;
  void step(float metric);

 private:
  bool is_better(float metric) const;
  Optimizer& optimizer_;
  SchedulerMode mode_;
  float factor_, best_;
  int patience_, cooldown_, cooling_ = 0, bad_ = 0, epoch_ = 0;
  double threshold_, eps_;
  ThresholdMode threshold_mode_;
  std::vector<float> min_lrs_;
  bool verbose_;
};

}  // namespace optim
}  // namespace rl
}  // namespace torch
