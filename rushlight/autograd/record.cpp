// record_gradient: runs an operator and wires its results into the graph.
#include "rushlight/autograd/meta.h"
#include "rushlight/autograd/op_node.h"
#include "rushlight/dispatch/library.h"
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/fn/zeros.h"

namespace rushlight {

namespace {

// Views that kernels return are made with recording off; here they become what they are to the caller.
void settle_view(const GradPlan& plan, const IValue* args, const Tensor& result, bool many) {
  TensorImpl* v = result.impl();
  for (uint8_t a : plan.tensor_args) {
    if (!args[a].is_tensor()) continue;
    TensorImpl* of = args[a].tensor().impl();
    TensorImpl* base = of->base() ? of->base().get() : of;
    if (v->base().get() != base) continue;
    v->set_base(Ref<TensorImpl>(base), many ? ViewKind::OneOfMany : of->base() ? of->view_kind() : ViewKind::Tracked);
    return;
  }
  v->set_base(nullptr);  // a view of something the kernel made for itself
}

// Makes a result number `nr` of the node. A kernel may have returned an argument: that becomes another tensor over the same memory.
Tensor attach(const GradPlan& plan, const IValue* args, const Tensor& result, const Ref<OpNode>& node, uint32_t nr,
              bool many) {
  Tensor t = result;
  bool is_arg = t.impl()->requires_grad() || t.impl()->autograd;
  for (uint8_t a : plan.tensor_args) is_arg |= args[a].is_tensor() && args[a].tensor().is_same(t);
  if (is_arg) t = detached_alias(t);
  else if (t.is_view()) settle_view(plan, args, t, many);
  set_history(t, node, nr);
  return t;
}

// Stands for the gradient of an operator whose record has no rule: an error for who asks for it.
class MissingRule final : public Node {
 public:
  MissingRule(const Op& op, const IValue* args) : Node(uint32_t(op.num_returns())), op_(op) {
    uint32_t edges = 0;
    auto each = [&](auto&& visit) {
      for (uint8_t a : op.tensor_args())
        if (args[a].is_tensor()) visit(args[a].tensor());
        else if (args[a].is_tensor_list())
          for (const Tensor& t : args[a].tensor_list()) visit(t);
    };
    each([&](const Tensor&) { edges++; });
    allocate_edges(edges);
    Edge* e = this->edges();
    each([&](const Tensor& t) {
      if (t.defined()) set_gradient_edge(*e, t);
      e++;
    });
  }
  std::string name() const override { return "NotImplemented"; }
  void count_results(uint32_t n) { set_num_inputs(n); }
  Grads apply(Backward&, Tensor* gradients) override {
    const PointwiseInfo* pointwise = op_.def().kernel.pointwise;
    if (pointwise && pointwise->result_is_bool) {  // x.gt_(0): steps, flat almost everywhere
      Grads zero;
      for (const Edge* e = edges(); e != edges() + num_edges(); e++)
        zero.push_back(e->node ? zeros(e->sizes, e->dtype, std::nullopt, gradients[0].device()) : Tensor());
      return zero;
    }
    throw NotImplementedError(str("derivative for ", op_.symbol(),
                                  " is not implemented; detach() its result if no gradient is to flow through it"));
  }

 private:
  const Op& op_;
};

// `below` runs the operator.
template <class Below>
void record_missing_rule(const Op& op, IValue* args, IValue* rets, const Below& below) {
  bool in_place = op.mutates() && is_differentiable(args[0].tensor().dtype());
  if (in_place) check_in_place(args[0].tensor());
  Ref<Node> node = in_place ? make_ref<MissingRule>(op, args) : nullptr;
  {
    NoGradGuard no_grad;
    below();
  }
  if (op.mutates()) {
    if (in_place) rebase_history(args[0].tensor(), std::move(node));
    return;
  }
  uint32_t nr = 0;
  Ref<MissingRule> made;
  auto wire = [&](const Tensor& t) {
    if (t.defined() && is_differentiable(t.dtype())) {
      if (!made) made = make_ref<MissingRule>(op, args);
      if (anomaly.enabled) note_trace(*made);
      set_history(t, made, nr);
    }
    nr++;
  };
  for (int i = 0; i < op.num_returns(); i++) {
    if (rets[i].is_tensor()) wire(rets[i].tensor());
    else if (rets[i].is_tensor_list())
      for (const Tensor& t : rets[i].tensor_list()) wire(t);
    else nr++;
  }
  if (made) made->count_results(nr);
}
void record_without_rule(const Op& op, IValue* args, IValue* rets, uint8_t flags) {
  record_missing_rule(op, args, rets, [&] { call_below_autograd(op, args, rets, flags); });
}
void record_missing(const Op& op, IValue* args, IValue* rets) {
  auto below = [&] {
    Scoped<bool> inside(thread_state.below_autograd, true);
    call(op, args, rets);
  };
  if (thread_state.grad_enabled && any_requires_grad(op, args)) record_missing_rule(op, args, rets, below);
  else below();
}

// What was made in inference mode is not recorded outside of it either, whatever it says of itself.
bool wants_recording(const Op& op, const IValue* args) {
  auto wants = [](const Tensor& t) { return t.defined() && t.requires_grad() && !t.impl()->inference; };
  for (uint8_t a : op.tensor_args()) {
    if (args[a].is_tensor() && wants(args[a].tensor())) return true;
    if (args[a].is_tensor_list())
      for (const Tensor& t : args[a].tensor_list())
        if (wants(t)) return true;
  }
  return false;
}

void record(const Op& op, IValue* args, IValue* rets, uint8_t flags) {
  if (!wants_recording(op, args)) {
    NoGradGuard no_grad;
    return call_below_autograd(op, args, rets, flags);
  }
  if (!op.def().grad) return record_without_rule(op, args, rets, flags);
  const GradPlan& plan = GradPlan::of(op);
  if (plan.in_place && !is_differentiable(args[0].tensor().dtype())) {  // what is written into integers has no gradient
    NoGradGuard no_grad;
    return call_below_autograd(op, args, rets, flags);
  }
  Dims strides;
  if (plan.in_place) {
    check_in_place(args[0].tensor());
    strides = args[0].tensor().strides();
  }
  Ref<OpNode> node = OpNode::make(plan, args);
  {
    NoGradGuard no_grad;
    call_below_autograd(op, args, rets, flags);
  }
  if (anomaly.enabled) [[unlikely]]
    note_trace(*node);
  if (plan.in_place) {
    node->save_results(rets, 1);
    const Tensor& t = args[0].tensor();
    bool reshaped = t.sizes() != node->edges()[0].sizes || t.strides() != strides;
    // Where a view took another shape (unsqueeze_), its next grad_fn shows the base in that shape.
    if (!reshaped || !t.is_view()) rebase_history(t, std::move(node));
    return;
  }
  uint32_t nr = 0, inputs = 0;
  bool attached = false;
  // A rule for one gradient is for the first result that can have one. The node's inputs end with the last result that has one.
  auto wants = [&](const Tensor& t) {
    return t.defined() && is_differentiable(t.dtype()) && !(attached && plan.rule.one);
  };
  for (int i = 0; i < op.num_returns(); i++) {
    if (rets[i].is_tensor()) {
      const Tensor& t = rets[i].tensor();
      if (wants(t)) {
        Tensor made = attach(plan, args, t, node, nr, false);
        if (!made.is_same(t)) rets[i] = IValue(std::move(made));
        attached = true;
        inputs = nr + 1;
      }
      nr++;
    } else if (rets[i].is_tensor_list()) {
      Tensors made = rets[i].tensor_list().vec();
      for (Tensor& t : made) {
        if (wants(t)) t = attach(plan, args, t, node, nr, true), attached = true, inputs = nr + 1;
        nr++;
      }
      rets[i] = IValue(std::move(made));
    } else {
      nr++;
    }
  }
  node->save_results(rets, inputs);
}

void warn_of_unknown_gradient(const Op& op) {
  if (anomaly.warn)
    anomaly.warn(str(op.symbol(),
                     ": an autograd kernel was not registered to the Autograd key(s) but we are trying to backprop "
                     "through it. This may lead to silently incorrect behavior. If your operator is differentiable, "
                     "please ensure you have registered an autograd kernel to the correct Autograd key (e.g. "
                     "DispatchKey::Autograd, DispatchKey::CompositeImplicitAutograd). If your operator is not "
                     "differentiable, or to squash this warning and use the previous behavior, please register "
                     "torch::CppFunction::makeFallthrough() to DispatchKey::Autograd."));
}
// The kernel called differentiable operators, and the gradient goes the way that they make.
class UnknownGradientHook final : public TensorHook {
 public:
  explicit UnknownGradientHook(const Op& op) : op_(op) {}
  Tensor call(const Tensor& g) override { return warn_of_unknown_gradient(op_), g; }

 private:
  const Op& op_;
};

// Stands for the gradient of a kernel that a library registered without one.
class UnknownGradient final : public Node {
 public:
  UnknownGradient(const Op& op, const IValue* args) : Node(uint32_t(op.num_returns())), op_(op) {
    Tensors inputs;
    for (uint8_t a : op.tensor_args())
      if (args[a].is_tensor()) inputs.push_back(args[a].tensor());
      else if (args[a].is_tensor_list())
        for (const Tensor& t : args[a].tensor_list()) inputs.push_back(t);
    allocate_edges(uint32_t(inputs.size()));
    for (size_t i = 0; i < inputs.size(); i++)
      if (inputs[i].defined()) set_gradient_edge(edges()[i], inputs[i]);
  }
  std::string name() const override { return "WarnNotImplemented"; }
  void count_results(uint32_t n) { set_num_inputs(n); }
  Grads apply(Backward&, Tensor*) override {
    warn_of_unknown_gradient(op_);
    Grads none;
    for (uint32_t i = 0; i < num_edges(); i++) none.push_back(Tensor());
    return none;
  }

 private:
  const Op& op_;
};

// What the kernel made of differentiable operators keeps the gradient of those.
void record_unknown(const Op& op, BoxedKernel& kernel, IValue* args, IValue* rets) {
  auto node = make_ref<UnknownGradient>(op, args);
  kernel.call(op, args, rets);
  uint32_t nr = 0;
  auto wire = [&](const Tensor& t, bool written) {
    if (t.defined() && !written && is_differentiable(t.dtype())) {
      if (!t.requires_grad()) set_history(t, node, nr);
      else if (!is_leaf(t)) register_hook(t, make_ref<UnknownGradientHook>(op));
    }
    nr++;
  };
  for (int i = 0; i < op.num_returns(); i++) {
    bool written = op.schema().returns[size_t(i)].is_mutated;
    if (rets[i].is_tensor()) wire(rets[i].tensor(), written);
    else if (rets[i].is_tensor_list())
      for (const Tensor& t : rets[i].tensor_list()) wire(t, written);
    else nr++;
  }
  node->count_results(nr);
}

void rename(const char* name, const IValue* rets, int count) {
  auto each = [&](const Tensor& t) {
    if (!t.defined() || !t.requires_grad()) return;
    if (auto* node = dynamic_cast<OpNode*>(grad_fn(t).get())) node->call_it(name);
  };
  for (int i = 0; i < count; i++) {
    if (rets[i].is_tensor()) each(rets[i].tensor());
    else if (rets[i].is_tensor_list())
      for (const Tensor& t : rets[i].tensor_list()) each(t);
  }
}

[[maybe_unused]] const bool installed =
    (record_gradient = record, name_gradient = rename, record_unknown_gradient = record_unknown,
     record_missing_gradient = record_missing, true);

}  // namespace

}  // namespace rushlight
