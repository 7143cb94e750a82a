#include "rushlight/api/autograd.h"

#include "rushlight/api/check.h"
#include "rushlight/api/lowered.h"
#include "rushlight/autograd/engine.h"
#include "rushlight/autograd/function.h"
#include "rushlight/autograd/view_nodes.h"
#include "rushlight/core/notice.h"
#include "rushlight/dispatch/library.h"
#include "rushlight/dispatch/values.h"

namespace rushlight::api {

// ---- methods of Tensor -------------------------------------------------------------------------------------------------

namespace {

// The same bytes; see the static_assert behind the class.
const Tensor& as_front_end(const rushlight::Tensor& t) { return reinterpret_cast<const Tensor&>(t); }

class Hook final : public TensorHook {
 public:
  explicit Hook(std::function<Tensor(Tensor)> f) : f_(std::move(f)) {}
  rushlight::Tensor call(const rushlight::Tensor& g) override {
    Tensor made = f_(Tensor(g));
    return made.defined() ? made : Tensor(g);
  }

 private:
  std::function<Tensor(Tensor)> f_;
};

void check_defined(TensorList list, const char* what) {
  for (size_t i = 0; i < list.size(); i++)
    RL_CHECK(RuntimeError, list[i].defined(), what, ": the tensor at position ", i,
             " is undefined: nothing was assigned to it, or it was moved from");
}

}  // namespace

const Tensor& Tensor::set_requires_grad(bool v) const {
  need("set_requires_grad");
  RL_CHECK(AutogradError, !v || is_differentiable(scalar_type()),
           "Only Tensors of floating point and complex dtype can require gradients. Hint: got ", scalar_type(),
           "; convert it with x.to(torch::kFloat)");
  rushlight::set_requires_grad(*this, v);
  return *this;
}
bool Tensor::is_leaf() const { return rushlight::is_leaf(need("is_leaf")); }
int64_t Tensor::output_nr() const { return rushlight::output_nr(need("output_nr")); }
std::shared_ptr<autograd::Node> Tensor::grad_fn() const {
  Ref<rushlight::Node> node = rushlight::grad_fn(need("grad_fn"));
  return node ? std::make_shared<autograd::Node>(node) : nullptr;
}
const Tensor& Tensor::grad() const { return as_front_end(rushlight::grad_of(need("grad"))); }
Tensor& Tensor::mutable_grad() const {
  return const_cast<Tensor&>(as_front_end(rushlight::make_meta(need("mutable_grad")).grad));
}
void Tensor::set_grad(const Tensor& g) const { rushlight::set_grad(need("set_grad"), g); }
void Tensor::retain_grad() const { rushlight::retain_grad(need("retain_grad")); }
bool Tensor::retains_grad() const {
  AutogradMeta* meta = meta_of(need("retains_grad"));
  return meta && meta->retains_grad;
}
Tensor& Tensor::detach_() const {
  rushlight::detach_in_place(need("detach_"));
  return const_cast<Tensor&>(*this);
}
Tensor Tensor::data() const {
  rushlight::Tensor t = detached_alias(need("data"));
  t.impl()->detach_version();
  return t;
}
void Tensor::set_data(const Tensor& from) const {
  need("set_data");
  from.need("set_data");
  RL_CHECK(RuntimeError, !requires_grad() || is_differentiable(from.scalar_type()),
           "data set to a tensor that requires gradients must be floating point or complex dtype");
  rushlight::take_over(*this, from);
}
void Tensor::backward(const Tensor& gradient, std::optional<bool> retain_graph, bool create_graph) const {
  need("backward");
  autograd::backward(*this, gradient.defined() ? TensorList(gradient) : TensorList(), retain_graph, create_graph);
}
void Tensor::backward(const Tensor& gradient, std::optional<bool> retain_graph, bool create_graph,
                      const std::vector<Tensor>& inputs) const {
  need("backward");
  RL_CHECK(RuntimeError, !inputs.empty(), "'inputs' argument to backward cannot be empty");
  autograd::backward(*this, gradient.defined() ? TensorList(gradient) : TensorList(), retain_graph, create_graph,
                     inputs);
}
unsigned Tensor::add_hook(std::function<Tensor(Tensor)> f) const {
  return unsigned(rushlight::register_hook(need("register_hook"), make_ref<Hook>(std::move(f))));
}
void Tensor::remove_hook(unsigned id) const {
  bool found = rushlight::remove_hook(need("remove_hook"), id);
  RL_CHECK(RuntimeError, found, "Invalid index, no hook at position ", id,
           ". Hint: register_hook() returns the number of a hook, which is removed once");
}
Tensor Tensor::_base() const {
  RL_CHECK(RuntimeError, is_view(), "Can't get base of non-view Tensor");
  return rushlight::Tensor(impl()->base());
}

// ---- functions ---------------------------------------------------------------------------------------------------------

namespace autograd {

variable_list grad(TensorList outputs, TensorList inputs, TensorList grad_outputs, std::optional<bool> retain_graph,
                   bool create_graph, bool allow_unused) {
  check_defined(outputs, "grad: outputs");
  check_defined(inputs, "grad: inputs");
  RL_CHECK(RuntimeError, !inputs.empty(), "grad requires non-empty inputs.");
  BackwardOptions options = {.retain_graph = retain_graph.value_or(create_graph),
                             .create_graph = create_graph,
                             .allow_unused = allow_unused,
                             .accumulate = false};
  return adopt(run_backward(lowered(outputs).vec(), lowered(grad_outputs).vec(), options, lowered(inputs).vec()));
}
void backward(TensorList tensors, TensorList grad_tensors, std::optional<bool> retain_graph, bool create_graph,
              TensorList inputs) {
  check_defined(tensors, "backward");
  check_defined(inputs, "backward: inputs");
  BackwardOptions options = {.retain_graph = retain_graph.value_or(create_graph), .create_graph = create_graph};
  run_backward(lowered(tensors).vec(), lowered(grad_tensors).vec(), options, lowered(inputs).vec());
}

bool AnomalyMode::is_enabled() { return anomaly.enabled; }
void AnomalyMode::set_enabled(bool enabled, bool check_nan) {
  anomaly.enabled = enabled;
  anomaly.check_nan = check_nan;
  if (!enabled || anomaly.trace) return;  // Python's front end has shown its own
  anomaly.trace = [] { return get_backtrace(2); };
  anomaly.warn = [](const std::string& text) { show_warning(text); };
}
DetectAnomalyGuard::DetectAnomalyGuard(bool check_nan) : enabled_(anomaly.enabled), check_nan_(anomaly.check_nan) {
  AnomalyMode::set_enabled(true, check_nan);
}
DetectAnomalyGuard::~DetectAnomalyGuard() { AnomalyMode::set_enabled(enabled_, check_nan_); }

static const rushlight::Node& node_of(const Ref<RefCounted>& n) { return static_cast<const rushlight::Node&>(*n); }
std::string Node::name() const { return node_of(node_).name(); }
size_t Node::num_inputs() const { return node_of(node_).num_inputs(); }
size_t Node::num_outputs() const { return node_of(node_).num_edges(); }
uint64_t Node::sequence_nr() const { return node_of(node_).sequence(); }
std::shared_ptr<Node> Node::next(size_t i) const { return next_edge(i).function; }
edge_list Node::next_edges() const {
  edge_list edges;
  for (size_t i = 0; i < num_outputs(); i++) edges.push_back(next_edge(i));
  return edges;
}
Edge Node::next_edge(size_t i) const {
  RL_CHECK(IndexError, i < num_outputs(), name(), " has ", num_outputs(), " arguments, not ", i + 1);
  const auto& next = node_of(node_).edges()[i];
  return {next.node ? std::make_shared<Node>(next.node) : nullptr, next.input_nr};
}

// ---- functions of the user's own -----------------------------------------------------------------------------------------

namespace {

class CppNode final : public FunctionNode {
 public:
  CppNode(std::string name, FunctionCall::Backward backward) : name_(std::move(name)), backward_(backward) {}
  std::string name() const override { return name_; }
  Tensors backward(const Tensors& grads) override {
    variable_list made = backward_(&context, adopt(grads));
    while (made.size() > is_tensor.size() && !made.back().defined()) made.pop_back();
    RL_CHECK(AutogradError, made.size() == is_tensor.size(), "function ", name_,
             " returned an incorrect number of gradients (expected ", is_tensor.size(), ", got ", made.size(), ")");
    Tensors out;
    for (size_t i = 0; i < made.size(); i++) {
      RL_CHECK(AutogradError, is_tensor[i] || !made[i].defined(), "function ", name_,
               " returned a gradient different than None at position ", i + 1,
               ", but the corresponding forward input was not a Variable");
      if (is_tensor[i]) out.push_back(made[i]);
    }
    return out;
  }
  AutogradContext context;
  std::vector<bool> is_tensor;

 private:
  std::string name_;
  FunctionCall::Backward backward_;
};

}  // namespace

struct FunctionCall::State {
  Ref<CppNode> node;
  Tensors inputs;
  bool records = false;
};

FunctionCall::FunctionCall(std::string name, Backward backward) : state_(std::make_unique<State>()) {
  keep_loaded(reinterpret_cast<const void*>(backward));  // the graph calls it later
  state_->node = make_ref<CppNode>(std::move(name), backward);
  state_->node->context.node_ = state_->node.get();
}
FunctionCall::~FunctionCall() = default;
AutogradContext* FunctionCall::context() { return &state_->node->context; }
void FunctionCall::add(const Tensor& t) {
  state_->inputs.push_back(t);
  state_->node->is_tensor.push_back(true);
}
void FunctionCall::add_other() { state_->node->is_tensor.push_back(false); }
void FunctionCall::start() {
  for (const rushlight::Tensor& t : state_->inputs) state_->records |= t.defined() && t.requires_grad();
  state_->records &= thread_state.grad_enabled;
  state_->node->start(state_->records ? state_->inputs : Tensors(state_->inputs.size()));
}
variable_list FunctionCall::finish(variable_list outputs) {
  if (!state_->records) return outputs;
  return adopt(state_->node->finish(state_->inputs, lowered(TensorList(outputs)).vec()));
}

void AutogradContext::save_for_backward(variable_list tensors) {
  node_->save_for_backward(lowered(TensorList(tensors)).vec());
}
variable_list AutogradContext::get_saved_variables() const { return adopt(node_->saved_tensors()); }
void AutogradContext::mark_dirty(const variable_list& inputs) { node_->mark_dirty(lowered(TensorList(inputs)).vec()); }
void AutogradContext::mark_non_differentiable(const variable_list& outputs) {
  node_->mark_non_differentiable(lowered(TensorList(outputs)).vec());
}
void AutogradContext::set_materialize_grads(bool on) { node_->set_materialize_grads(on); }
bool AutogradContext::needs_input_grad(size_t i) const {
  RL_CHECK(IndexError, i < node_->num_edges(), "needs_input_grad: the function has ", node_->num_edges(),
           " tensor arguments, not ", i + 1);
  return node_->needs_input_grad(i);
}

bool AutogradContext::needs_input_grad(std::initializer_list<IndexRange> ranges) const {
  for (auto [i, end] : ranges)
    for (; i < end; i++)
      if (needs_input_grad(i)) return true;
  return false;
}

std::string function_name(const char* signature) {
  // "... [with T = Double; std::string = ...]" of gcc, "... [T = Double]" of clang.
  std::string text = signature;
  size_t at = text.find("T = ");
  if (at == std::string::npos) return "CppNode";
  at += 4;
  return "torch::autograd::CppNode<" + text.substr(at, text.find_first_of(";]", at) - at) + ">";
}

}  // namespace autograd
}  // namespace rushlight::api
