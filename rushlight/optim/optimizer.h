// torch::optim::Optimizer: parameter groups with options, state by parameter, and their archives.
//
// Thread safety: none; a step writes to parameters and state.
#pragma once
#include <functional>
#include <memory>
#include <unordered_map>

#include "rushlight/api/args.h"
#include "rushlight/api/serialize.h"

namespace torch {
inline namespace rl {
namespace optim {

// What an algorithm keeps of one parameter.
class OptimizerParamState {
 public:
  OptimizerParamState() = default;
  OptimizerParamState(const OptimizerParamState&) = default;
  OptimizerParamState& operator=(const OptimizerParamState&) = default;
  virtual ~OptimizerParamState() = default;
  virtual std::unique_ptr<OptimizerParamState> clone() const;
  virtual void serialize(serialize::InputArchive& archive);
  virtual void serialize(serialize::OutputArchive& archive) const;
};
template <class Derived>
class OptimizerCloneableParamState : public OptimizerParamState {
  std::unique_ptr<OptimizerParamState> clone() const override {
    return std::unique_ptr<OptimizerParamState>(new Derived(static_cast<const Derived&>(*this)));
  }
};

class OptimizerOptions {
 public:
  OptimizerOptions() = default;
  OptimizerOptions(const OptimizerOptions&) = default;
  OptimizerOptions& operator=(const OptimizerOptions&) = default;
  virtual ~OptimizerOptions() = default;
  virtual std::unique_ptr<OptimizerOptions> clone() const;
  virtual void serialize(serialize::InputArchive& archive);
  virtual void serialize(serialize::OutputArchive& archive) const;
  virtual double get_lr() const;
  virtual void set_lr(const double lr);
  // Options of a group that are as a constructor makes them are those of the optimizer.
  virtual void inherit(const OptimizerOptions&) {}
};
template <class Derived>
class OptimizerCloneableOptions : public OptimizerOptions {
  std::unique_ptr<OptimizerOptions> clone() const override {
    return std::unique_ptr<OptimizerOptions>(new Derived(static_cast<const Derived&>(*this)));
  }
};

class OptimizerParamGroup {
 public:
  OptimizerParamGroup(const OptimizerParamGroup& o)
      : params_(o.params_), options_(o.options_ ? o.options_->clone() : nullptr) {}
  OptimizerParamGroup(OptimizerParamGroup&&) = default;
  OptimizerParamGroup(std::vector<Tensor> params) : params_(std::move(params)) {}
  OptimizerParamGroup(std::vector<Tensor> params, std::unique_ptr<OptimizerOptions> options)
      : params_(std::move(params)), options_(std::move(options)) {}
  OptimizerParamGroup& operator=(const OptimizerParamGroup&) = delete;
  OptimizerParamGroup& operator=(OptimizerParamGroup&&) noexcept = default;
  bool has_options() const { return bool(options_); }
  // Throws RuntimeError if there are none.
  OptimizerOptions& options();
  const OptimizerOptions& options() const;
  void set_options(std::unique_ptr<OptimizerOptions> options) { options_ = std::move(options); }
  std::vector<Tensor>& params() { return params_; }
  const std::vector<Tensor>& params() const { return params_; }

 protected:
  std::vector<Tensor> params_;
  std::unique_ptr<OptimizerOptions> options_;
};

// A parameter, as state is found by it: its address, or that in decimal digits, as archives and older programs have it.
class StateKey {
 public:
  StateKey(const void* parameter) : at_(reinterpret_cast<size_t>(parameter)) {}
  // Throws RuntimeError for a text that is no number.
  StateKey(const std::string& text);
  size_t number() const { return at_; }
  friend bool operator==(StateKey a, StateKey b) { return a.at_ == b.at_; }
  struct Hash {
    size_t operator()(StateKey k) const { return std::hash<size_t>()(k.at_); }
  };

 private:
  size_t at_;
};
using OptimizerState = std::unordered_map<StateKey, std::unique_ptr<OptimizerParamState>, StateKey::Hash>;

class Optimizer {
 public:
  using LossClosure = std::function<Tensor()>;

  explicit Optimizer(const std::vector<OptimizerParamGroup>& param_groups, std::unique_ptr<OptimizerOptions> defaults);
  explicit Optimizer(std::vector<Tensor> parameters, std::unique_ptr<OptimizerOptions> defaults);
  Optimizer(const Optimizer&) = delete;
  Optimizer(Optimizer&&) = default;
  Optimizer& operator=(const Optimizer&) = delete;
  Optimizer& operator=(Optimizer&&) = default;
  virtual ~Optimizer() = default;

  // Throws ValueError for a parameter that is no leaf or in a group already.
  void add_param_group(const OptimizerParamGroup& group);
  void add_parameters(const std::vector<Tensor>& parameters);  // to the first group
  // Changes the parameters by their gradients; those without one stay. The closure is called first, with gradients recorded, and its
  // loss returned.
  virtual Tensor step(LossClosure closure = nullptr) = 0;
  void zero_grad(bool set_to_none = true);

  // Of the first group. Like size() and add_parameters(), of the time before groups: they warn.
  const std::vector<Tensor>& parameters() const;
  std::vector<Tensor>& parameters();
  size_t size() const;
  OptimizerOptions& defaults() noexcept { return *defaults_; }
  const OptimizerOptions& defaults() const noexcept { return *defaults_; }
  std::vector<OptimizerParamGroup>& param_groups() noexcept { return param_groups_; }
  const std::vector<OptimizerParamGroup>& param_groups() const noexcept { return param_groups_; }
  OptimizerState& state() noexcept { return state_; }
  const OptimizerState& state() const noexcept { return state_; }

  // Throws RuntimeError, and changes nothing, for an archive whose groups or parameters are of another number.
  virtual void save(serialize::OutputArchive& archive) const;
  virtual void load(serialize::InputArchive& archive);

 protected:
  std::vector<OptimizerParamGroup> param_groups_;
  OptimizerState state_;
  std::unique_ptr<OptimizerOptions> defaults_;
};
// An optimizer's archive, as PyTorch writes it: what save() and load() of one call.
using MakeState = std::unique_ptr<OptimizerParamState> (*)();
void save_optimizer(const Optimizer& optimizer, serialize::OutputArchive& archive);
void load_optimizer(Optimizer& optimizer, serialize::InputArchive& archive, MakeState make);
template <class State, class Options>
void serialize(serialize::OutputArchive& archive, const Optimizer& optimizer) {
  save_optimizer(optimizer, archive);
}
template <class State, class Options>
void serialize(serialize::InputArchive& archive, Optimizer& optimizer) {
  load_optimizer(optimizer, archive,
                 []() -> std::unique_ptr<OptimizerParamState> { return std::make_unique<State>(); });
}
serialize::OutputArchive& operator<<(serialize::OutputArchive& archive, const Optimizer& optimizer);
serialize::InputArchive& operator>>(serialize::InputArchive& archive, Optimizer& optimizer);

}  // namespace optim
}  // namespace rl
}  // namespace torch

// The map that PyTorch's header of this name has; of optimizer states it is the one above, whatever a program calls the key.
namespace ska {
template <class K, class V>
using flat_hash_map = std::conditional_t<std::is_same_v<V, std::unique_ptr<rushlight::api::optim::OptimizerParamState>>,
                                         rushlight::api::optim::OptimizerState, std::unordered_map<K, V>>;
}  // namespace ska
