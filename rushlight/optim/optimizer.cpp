#include "rushlight/optim/optimizer.h"

#include <charconv>
#include <set>

#include "rushlight/api/autograd.h"
#include "rushlight/functions.h"
#include "rushlight/optim/fields.h"

namespace torch {
inline namespace rl {
namespace optim {

namespace {
[[noreturn]] void fail_base(const char* what, const char* base, const char* cloneable) {
  throw NotImplementedError(str(what, " has not been implemented for torch::optim::", base,
                                ". Subclass torch::optim::", cloneable, " and override it."));
}
}  // namespace
std::unique_ptr<OptimizerParamState> OptimizerParamState::clone() const {
  fail_base("clone()", "OptimizerParamState", "OptimizerCloneableParamState<YourOptimizerParamState>");
}
void OptimizerParamState::serialize(serialize::InputArchive&) {
  fail_base("serialize()", "OptimizerParamState", "OptimizerCloneableParamState<YourOptimizerParamState>");
}
void OptimizerParamState::serialize(serialize::OutputArchive&) const {
  fail_base("serialize()", "OptimizerParamState", "OptimizerCloneableParamState<YourOptimizerParamState>");
}
std::unique_ptr<OptimizerOptions> OptimizerOptions::clone() const {
  fail_base("clone()", "OptimizerOptions", "OptimizerCloneableOptions<YourOptimizerOptions>");
}
void OptimizerOptions::serialize(serialize::InputArchive&) {
  fail_base("serialize()", "OptimizerOptions", "OptimizerCloneableOptions<YourOptimizerOptions>");
}
void OptimizerOptions::serialize(serialize::OutputArchive&) const {
  fail_base("serialize()", "OptimizerOptions", "OptimizerCloneableOptions<YourOptimizerOptions>");
}
double OptimizerOptions::get_lr() const {
  fail_base("get_lr()", "OptimizerOptions", "OptimizerCloneableOptions<YourOptimizerOptions>");
}
void OptimizerOptions::set_lr(const double) {
  fail_base("set_lr()", "OptimizerOptions", "OptimizerCloneableOptions<YourOptimizerOptions>");
}

OptimizerOptions& OptimizerParamGroup::options() {
  RL_CHECK(RuntimeError, options_, "a parameter group has no options before it is added to an optimizer");
  return *options_;
}
const OptimizerOptions& OptimizerParamGroup::options() const {
  return const_cast<OptimizerParamGroup&>(*this).options();
}

StateKey::StateKey(const std::string& text) {
  bool hex = text.starts_with("0x");
  const char *first = text.data() + (hex ? 2 : 0), *last = text.data() + text.size();
  auto [end, error] = std::from_chars(first, last, at_, hex ? 16 : 10);
  RL_CHECK(RuntimeError, error == std::errc() && end == last, "the key '", text,
           "' of an optimizer's state is no number");
}

Optimizer::Optimizer(const std::vector<OptimizerParamGroup>& param_groups, std::unique_ptr<OptimizerOptions> defaults)
    : defaults_(std::move(defaults)) {
  for (const auto& group : param_groups) add_param_group(group);
}
Optimizer::Optimizer(std::vector<Tensor> parameters, std::unique_ptr<OptimizerOptions> defaults)
    : Optimizer(std::vector<OptimizerParamGroup>{OptimizerParamGroup(std::move(parameters))}, std::move(defaults)) {}

void Optimizer::add_param_group(const OptimizerParamGroup& group) {
  std::set<const void*> seen;
  for (const auto& g : param_groups_)
    for (const Tensor& p : g.params()) seen.insert(p.impl());
  for (const Tensor& p : group.params()) {
    RL_CHECK(ValueError, p.defined() && p.is_leaf(), "can't optimize a non-leaf Tensor");
    RL_CHECK(ValueError, seen.insert(p.impl()).second, "some parameters appear in more than one parameter group");
  }
  OptimizerParamGroup added(group.params());
  if (!group.has_options()) {
    added.set_options(defaults_->clone());
  } else {
    added.set_options(group.options().clone());
    added.options().inherit(*defaults_);
  }
  param_groups_.push_back(std::move(added));
}
void Optimizer::add_parameters(const std::vector<Tensor>& parameters) {
  TORCH_WARN("Optimizer::add_parameters() will be removed; add_param_group() adds a group");
  auto& params = param_groups_.at(0).params();
  params.insert(params.end(), parameters.begin(), parameters.end());
}
void Optimizer::zero_grad(bool set_to_none) {
  for (auto& group : param_groups_)
    for (Tensor& p : group.params()) {
      if (!p.grad().defined()) continue;
      if (set_to_none) {
        p.mutable_grad().reset();
      } else {
        p.mutable_grad() = p.grad().detach();
        p.mutable_grad().zero_();
      }
    }
}
const std::vector<Tensor>& Optimizer::parameters() const { return const_cast<Optimizer*>(this)->parameters(); }
std::vector<Tensor>& Optimizer::parameters() {
  TORCH_WARN("Optimizer::parameters() will be removed; param_groups() has the parameters");
  return param_groups_.at(0).params();
}
size_t Optimizer::size() const {
  TORCH_WARN("Optimizer::size() will be removed; param_groups() has the parameters");
  size_t n = 0;
  for (const auto& group : param_groups_) n += group.params().size();
  return n;
}
void Optimizer::save(serialize::OutputArchive&) const {}
void Optimizer::load(serialize::InputArchive&) {}
serialize::OutputArchive& operator<<(serialize::OutputArchive& archive, const Optimizer& optimizer) {
  optimizer.save(archive);
  return archive;
}
serialize::InputArchive& operator>>(serialize::InputArchive& archive, Optimizer& optimizer) {
  optimizer.load(archive);
  return archive;
}

// ---- archives --------------------------------------------------------------------------------------------------------

namespace {

using serialize::InputArchive;
using serialize::OutputArchive;

IValue to_value(const Tensor& t) { return t; }
IValue to_value(const std::deque<Tensor>& list) { return IValue(std::vector<Tensor>(list.begin(), list.end())); }
template <class T>
IValue to_value(const T& v) {
  return IValue(v);
}
template <class T>
void from_value(const IValue& v, T& out) {
  out = v.to<T>();
}
void from_value(const IValue& v, Tensor& out) { out = v.toTensor(); }
void from_value(const IValue& v, std::deque<Tensor>& out) {
  std::vector<Tensor> list = v.toTensorVector();
  out.assign(list.begin(), list.end());
}
void from_value(const IValue& v, std::optional<std::vector<Tensor>>& out) {
  if (!v.isNone()) out = v.toTensorVector();
}
void from_value(const IValue& v, std::optional<int64_t>& out) { out = v.toOptional<int64_t>(); }
void from_value(const IValue& v, std::optional<std::string>& out) { out = v.toOptionalStringRef(); }

bool left_out(const Tensor& t) { return !t.defined(); }
bool left_out(const std::optional<std::vector<Tensor>>& t) { return !t; }
template <class T>
bool left_out(const T&) {
  return false;
}

bool same(const Tensor& a, const Tensor& b) {
  return a.defined() == b.defined() && (!a.defined() || rushlight::equal(a, b));
}
template <class List>
bool same_lists(const List& a, const List& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); i++)
    if (!same(a[i], b[i])) return false;
  return true;
}
bool same(const std::deque<Tensor>& a, const std::deque<Tensor>& b) { return same_lists(a, b); }
bool same(const std::optional<std::vector<Tensor>>& a, const std::optional<std::vector<Tensor>>& b) {
  return a.has_value() == b.has_value() && (!a || same_lists(*a, *b));
}
template <class T>
bool same(const T& a, const T& b) {
  return a == b;
}

template <class O>
void write(const O& object, OutputArchive& archive) {
  visit_fields(
      &object,
      [&](const char* name, const auto& value) {
        if (!left_out(value)) archive.write(name, to_value(value));
      },
      object);
}
template <class T>
constexpr bool is_optional = false;
template <class T>
constexpr bool is_optional<std::optional<T>> = true;
// What was left out when it was written stays as it is; of options nothing is, but for those that may be unset.
template <class O>
void read(O& object, InputArchive& archive, const char* cls) {
  visit_fields(
      &object,
      [&](const char* name, auto& value) {
        IValue v;
        bool found = archive.try_read(name, v);
        constexpr bool needed = std::is_base_of_v<OptimizerOptions, O> && !is_optional<std::decay_t<decltype(value)>>;
        RL_CHECK(RuntimeError, found || !needed, "loaded archive has no '", name, "', which ", cls,
                 " need: it is one of another kind of optimizer");
        if (found) from_value(v, value);
      },
      object);
}
template <class O>
bool equal_fields(const O& a, const O& b) {
  bool all = true;
  visit_fields(&a, [&](const char*, const auto& x, const auto& y) { all = all && same(x, y); }, a, b);
  return all;
}

}  // namespace

#define RL_SERIALIZED(Class)                                                                \
  void Class::serialize(serialize::InputArchive& archive) { read(*this, archive, #Class); } \
  void Class::serialize(serialize::OutputArchive& archive) const { write(*this, archive); } \
  bool operator==(const Class& a, const Class& b) { return equal_fields(a, b); }
#define RL_OPTIONS(Class, fresh)                                             \
  RL_SERIALIZED(Class)                                                       \
  void Class::inherit(const OptimizerOptions& defaults) {                    \
    auto* from = dynamic_cast<const Class*>(&defaults);                      \
    if (!from) return;                                                       \
    const Class untouched{fresh};                                            \
    visit_fields(                                                            \
        this,                                                                \
        [](const char*, auto& mine, const auto& theirs, const auto& plain) { \
          if (same(mine, plain)) mine = theirs;                              \
        },                                                                   \
        *this, *from, untouched);                                            \
  }
RL_OPTIONS(SGDOptions, 1e-3)
RL_OPTIONS(AdamOptions, )
RL_OPTIONS(AdamWOptions, )
RL_OPTIONS(AdagradOptions, )
RL_OPTIONS(RMSpropOptions, )
RL_OPTIONS(LBFGSOptions, )
RL_SERIALIZED(SGDParamState)
RL_SERIALIZED(AdamParamState)
RL_SERIALIZED(AdamWParamState)
RL_SERIALIZED(AdagradParamState)
RL_SERIALIZED(RMSpropParamState)
RL_SERIALIZED(LBFGSParamState)

void save_optimizer(const Optimizer& optimizer, OutputArchive& archive) {
  archive.write("pytorch_version", IValue("1.5.0"));
  OutputArchive states;
  // In the order of the parameters, so that one program writes the same bytes each time.
  for (const auto& group : optimizer.param_groups())
    for (const Tensor& p : group.params()) {
      auto found = optimizer.state().find(p.impl());
      if (found == optimizer.state().end()) continue;
      OutputArchive state;
      found->second->serialize(state);
      states.write(std::to_string(found->first.number()), state);
    }
  archive.write("state", states);
  OutputArchive groups;
  auto count = [](size_t n) { return tensor(int64_t(n)); };
  groups.write("param_groups/size", count(optimizer.param_groups().size()));
  for (size_t i = 0; i < optimizer.param_groups().size(); i++) {
    const auto& params = optimizer.param_groups()[i].params();
    OutputArchive group, options;
    group.write("params/size", count(params.size()));
    for (size_t j = 0; j < params.size(); j++)
      group.write("params/" + std::to_string(j), IValue(std::to_string(StateKey(params[j].impl()).number())));
    optimizer.param_groups()[i].options().serialize(options);
    group.write("options", options);
    groups.write("param_groups/" + std::to_string(i), group);
  }
  archive.write("param_groups", groups);
}

namespace {

// Note [Old optimizers]: before PyTorch 1.5 an archive had a list for each kind of state, in the order of the parameters of the only group,
// perhaps shorter than that, and no options; LBFGS had its one state as it is. They become the archive of a state that a parameter has now.
struct OldList { const char *list, *field; };
constexpr OldList kOldLists[] = {{"step_buffers", "step"},
                                 {"sum_buffers", "sum"},
                                 {"momentum_buffers", "momentum_buffer"},
                                 {"exp_average_buffers", "exp_avg"},
                                 {"exp_average_sq_buffers", "exp_avg_sq"},
                                 {"max_exp_average_sq_buffers", "max_exp_avg_sq"},
                                 {"square_average_buffers", "square_avg"},
                                 {"grad_average_buffers", "grad_avg"}};

// Nothing if there is no such list.
std::vector<Tensor> old_list(const InputArchive& archive, const std::string& name) {
  Tensor size;
  if (!archive.try_read(name + "/size", size)) return {};
  std::vector<Tensor> items;
  for (int64_t i = 0, n = size.item<int64_t>(); i < n; i++)
    archive.read(name + "/" + std::to_string(i), items.emplace_back());
  return items;
}

// A state for each of the first parameters; none where the archive is of another kind.
std::vector<OutputArchive> old_states(const InputArchive& archive) {
  std::vector<OutputArchive> states;
  for (const OldList& old : kOldLists) {
    std::vector<Tensor> items = old_list(archive, old.list);
    if (items.size() > states.size()) states.resize(items.size());
    for (size_t i = 0; i < items.size(); i++)
      if (old.field == std::string_view("step")) states[i].write(old.field, IValue(items[i].item<int64_t>()));
      else states[i].write(old.field, items[i], true);
  }
  for (const char* name : {"d", "H_diag", "prev_flat_grad", "t", "prev_loss"}) {
    Tensor t;
    if (!archive.try_read(name, t)) continue;
    states.resize(1);
    bool number = name == std::string_view("t") || name == std::string_view("prev_loss");
    if (number) states[0].write(name, IValue(t.item<double>()));
    else states[0].write(name, t, true);
  }
  for (const char* name : {"old_dirs", "old_stps"})
    if (std::vector<Tensor> items = old_list(archive, name); !items.empty() && states.size() == 1)
      states[0].write(name, IValue(items));
  return states;
}

// False for an archive that is not of that kind.
bool load_old_optimizer(Optimizer& optimizer, const InputArchive& archive, MakeState make) {
  IValue version;
  if (archive.try_read("pytorch_version", version)) return false;
  std::vector<OutputArchive> states = old_states(archive);
  if (states.empty()) return false;
  TORCH_WARN(
      "this optimizer was saved by PyTorch before 1.5, in the old serialization format; it has no options and, for "
      "some optimizers, no "
      "count of steps: those stay as they are here. Save it again to have all in the file");
  const auto& params = optimizer.param_groups().at(0).params();
  RL_CHECK(RuntimeError, states.size() <= params.size(), "loaded archive has the state of ", states.size(),
           " parameters, this optimizer's first group has ", params.size());
  OptimizerState loaded;
  for (size_t i = 0; i < states.size(); i++) {
    std::stringstream bytes;
    states[i].save_to(bytes);
    InputArchive one;
    one.load_from(bytes);
    std::unique_ptr<OptimizerParamState> state = make();
    state->serialize(one);
    loaded[params[i].impl()] = std::move(state);
  }
  for (auto& [key, value] : loaded) optimizer.state()[key] = std::move(value);
  return true;
}

}  // namespace

void load_optimizer(Optimizer& optimizer, InputArchive& archive, MakeState make) {
  if (load_old_optimizer(optimizer, archive, make)) return;
  auto sized = [](const InputArchive& from, const std::string& key) {
    Tensor t;
    from.read(key, t);
    return size_t(t.item<int64_t>());
  };
  InputArchive states, groups;
  archive.read("state", states);
  archive.read("param_groups", groups);
  size_t n = sized(groups, "param_groups/size");
  RL_CHECK(RuntimeError, n == optimizer.param_groups().size(),
           "loaded state dict has a different number of parameter groups: ", n, ", this optimizer has ",
           optimizer.param_groups().size());
  OptimizerState state;
  std::vector<std::unique_ptr<OptimizerOptions>> options;
  for (size_t i = 0; i < n; i++) {
    const auto& params = optimizer.param_groups()[i].params();
    InputArchive group, saved;
    groups.read("param_groups/" + std::to_string(i), group);
    size_t count = sized(group, "params/size");
    RL_CHECK(RuntimeError, count == params.size(),
             "loaded state dict contains a parameter group that has a different size than the optimizer's parameter "
             "group: ",
             count, " instead of ", params.size());
    for (size_t j = 0; j < count; j++) {
      IValue key;
      group.read("params/" + std::to_string(j), key);
      InputArchive one;
      if (!states.try_read(key.toStringRef(), one)) continue;
      std::unique_ptr<OptimizerParamState> made = make();
      made->serialize(one);
      state[params[j].impl()] = std::move(made);
    }
    group.read("options", saved);
    options.push_back(optimizer.param_groups()[i].options().clone());
    options.back()->serialize(saved);
  }
  for (size_t i = 0; i < n; i++) optimizer.param_groups()[i].set_options(std::move(options[i]));
  for (auto& [key, value] : state) optimizer.state()[key] = std::move(value);
}

// ---- schedules -------------------------------------------------------------------------------------------------------

void LRScheduler::step() {
  std::vector<double> rates = get_lrs();
  auto& groups = optimizer_.param_groups();
  RL_CHECK(RuntimeError, rates.size() == 1 || rates.size() == groups.size(),
           "Number of learning rates not equal to number of param groups\nNumber of learning rates given: ",
           rates.size(), "\nNumber of param groups: ", groups.size());
  for (size_t i = 0; i < groups.size(); i++) groups[i].options().set_lr(rates[rates.size() == 1 ? 0 : i]);
  step_count_++;
}
std::vector<double> LRScheduler::get_current_lrs() const {
  std::vector<double> out;
  for (const auto& group : optimizer_.param_groups()) out.push_back(group.options().get_lr());
  return out;
}
std::vector<double> StepLR::get_lrs() {
  std::vector<double> rates = get_current_lrs();
  if (step_count_ == 0 || step_size_ == 0 || step_count_ % step_size_ != 0) return rates;
  for (double& r : rates) r *= gamma_;
  return rates;
}

ReduceLROnPlateauScheduler::ReduceLROnPlateauScheduler(Optimizer& optimizer, SchedulerMode mode, float factor,
                                                       int patience, double threshold, ThresholdMode threshold_mode,
                                                       int cooldown, const std::vector<float>& min_lr, double eps,
                                                       bool verbose)
    : optimizer_(optimizer),
      mode_(mode),
      factor_(factor),
      best_(mode == min ? std::numeric_limits<float>::infinity() : -std::numeric_limits<float>::infinity()),
      patience_(patience),
      cooldown_(cooldown),
      threshold_(threshold),
      eps_(eps),
      threshold_mode_(threshold_mode),
      min_lrs_(min_lr),
      verbose_(verbose) {
  size_t groups = optimizer.param_groups().size();
  RL_CHECK(ValueError, factor < 1.0f, "Factor should be < 1.0.");
  RL_CHECK(ValueError, min_lr.empty() || min_lr.size() == groups,
           "Number of learning rates not equal to the number of "
           "param groups: ",
           min_lr.size(), " and ", groups);
  if (min_lrs_.empty()) min_lrs_.assign(groups, 0);
}
bool ReduceLROnPlateauScheduler::is_better(float metric) const {
  double change = threshold_mode_ == rel ? double(best_) * threshold_ : threshold_;
  return mode_ == min ? metric < best_ - change : metric > best_ + change;
}
void ReduceLROnPlateauScheduler::step(float metric) {
  epoch_++;
  if (std::isinf(best_) || is_better(metric)) {
    best_ = metric;
    bad_ = 0;
  } else {
    bad_++;
  }
  if (cooling_ > 0) {
    cooling_--;
    bad_ = 0;
  }
  if (bad_ <= patience_) return;
  for (size_t i = 0; i < optimizer_.param_groups().size(); i++) {
    OptimizerOptions& o = optimizer_.param_groups()[i].options();
    double before = o.get_lr(), now = std::max(before * double(factor_), double(min_lrs_[i]));
    if (before - now <= eps_) continue;
    o.set_lr(now);
    if (verbose_) std::printf("Epoch %d: reducing learning rate of group %zu to %g\n", epoch_, i, now);
  }
  cooling_ = cooldown_;
  bad_ = 0;
}

}  // namespace optim
}  // namespace rl
}  // namespace torch
