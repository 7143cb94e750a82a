#include "rushlight/autograd/function.h"

#include <algorithm>

#include "rushlight/autograd/engine.h"
#include "rushlight/autograd/op_node.h"
#include "rushlight/autograd/view_nodes.h"
#include "rushlight/fn/zeros.h"

namespace rushlight {

namespace {

int place_of(const Tensor& t, const Tensors& in) {
  for (size_t i = 0; i < in.size(); i++)
    if (in[i].defined() && in[i].is_same(t)) return int(i);
  return -1;
}

// The tensor whose memory t shows, if one of the inputs shows it too.
Ref<TensorImpl> shared_base(const Tensor& t, const Tensors& inputs) {
  auto base_of = [](const Tensor& of) { return of.is_view() ? of.impl()->base() : of.ref(); };
  Ref<TensorImpl> base = base_of(t);
  for (const Tensor& in : inputs)
    if (in.defined() && base_of(in) == base) return base;
  return nullptr;
}

bool any_needs_gradient(const Tensors& inputs) {
  return std::any_of(inputs.begin(), inputs.end(), [](const Tensor& t) { return t.defined() && t.requires_grad(); });
}

}  // namespace

Tensors FunctionNode::forward(const Tensors&) { throw NotImplementedError(str(name(), ": no forward")); }

void FunctionNode::start(const Tensors& inputs) {
  allocate_edges(uint32_t(inputs.size()));
  for (size_t i = 0; i < inputs.size(); i++)
    if (inputs[i].defined()) set_gradient_edge(edges()[i], inputs[i]);
}

void FunctionNode::mark_dirty(Tensors inputs) {
  dirty_ = std::move(inputs);
  for (const Tensor& t : dirty_)
    if (t.defined()) t.impl()->bump_version();
}

Tensor FunctionNode::wire(const Tensors& inputs, const Tensor& output, uint32_t nr) {
  bool written = place_of(output, dirty_) >= 0, is_input = place_of(output, inputs) >= 0;
  if (place_of(output, constant_) >= 0 || !is_differentiable(output.dtype()))
    return is_input && !written ? detached_alias(output) : output;
  if (written) {
    RL_CHECK(AutogradError, is_input,
             "Some elements marked as dirty during the forward method were not inputs of the function.");
    check_in_place(output);
    if (output.is_view()) {
      RL_CHECK(
          AutogradError, num_inputs() == 1,
          "If your Function modifies inplace an input that is a view of another Tensor, your Function cannot return "
          "more than one Tensor. Hint: clone() the input first, or do the rest in a second Function.");
      RL_CHECK(
          AutogradError, place_of(output, inputs) == 0, name(),
          ": an input that is a view of another tensor and is modified in place has to be the first tensor among the "
          "arguments. Hint: clone() it first, or make it the first argument.");
    }
    rebase_history(output, Ref<Node>(this));
    // Forward moved the memory's version on, so the view may have looked for its history already.
    if (output.is_view()) set_history(output, make_ref<AsStridedNode>(Tensor(output.impl()->base()), output), 0);
    return output;
  }
  Tensor t = is_input || output.impl()->requires_grad() || output.impl()->autograd ? detached_alias(output) : output;
  // A view made inside of forward: its gradient comes from backward.
  t.impl()->set_base(is_input || output.is_view() ? shared_base(output, inputs) : nullptr,
                     num_inputs() > 1 ? ViewKind::OneOfMany : ViewKind::OfFunction);
  set_history(t, Ref<Node>(this), nr);
  return t;
}

bool FunctionNode::needs_input_grad(size_t i) const {
  Backward* run = Backward::current();
  return run && Backward::running_node().get() == this ? run->needed(edges()[i]) : bool(edges()[i].node);
}

void FunctionNode::mark_views(const Tensors& inputs, const Tensors& outputs) {
  for (const Tensor& t : outputs)
    if (t.defined() && t.is_view() && t.impl()->view_kind() == ViewKind::NoGrad && place_of(t, inputs) < 0 &&
        shared_base(t, inputs))
      t.impl()->set_base(t.impl()->base(), ViewKind::OfFunction);
}

Tensors FunctionNode::finish(const Tensors& inputs, Tensors outputs) {
  for (const Tensor& t : dirty_)
    RL_CHECK(AutogradError, place_of(t, outputs) >= 0,
             "Some elements marked as dirty during the forward method were not returned as output. The inputs that are "
             "modified inplace "
             "must all be outputs of the Function.");
  if (anomaly.enabled) note_trace(*this);
  set_num_inputs(uint32_t(outputs.size()));
  Tensors given = outputs;
  for (size_t i = 0; i < outputs.size(); i++) {
    if (!outputs[i].defined()) {
      outputs_.push_back({.is_tensor = false});
      continue;
    }
    bool zeros = materialize_constant_ || place_of(outputs[i], constant_) < 0;
    outputs_.push_back({outputs[i].sizes(), outputs[i].dtype(), outputs[i].device(), zeros});
    outputs[i] = wire(inputs, outputs[i], uint32_t(i));
  }
  for (const Tensor& t : to_save_) {
    if (!t.defined()) {
      saved_.push_back({Tensor(), 0, -1, nullptr, {}});
      continue;
    }
    int at = place_of(t, given);
    if (at >= 0 && (place_of(t, inputs) < 0 || place_of(t, dirty_) >= 0) && place_of(t, constant_) < 0)
      saved_.push_back({detached_alias(t), t.impl()->version(), at, nullptr, {}});  // itself, it would own its owner
    else saved_.push_back({t, t.impl()->version(), -1, nullptr, {}});
    if (saved_hooks) pack(saved_.back(), *saved_hooks);
  }
  to_save_.clear();
  dirty_.clear();
  constant_.clear();
  return outputs;
}

void FunctionNode::pack(SavedValue& s, SavedHooks& hooks) {
  if (s.output < 0) s.edge = gradient_edge(s.tensor);
  s.packed = pack_saved(hooks, s.tensor);
  s.tensor = Tensor();
}

size_t FunctionNode::num_saved() const {
  RL_CHECK(AutogradError, !released_, kBackwardTwice);
  return saved_.size();
}

void FunctionNode::hook_saved(size_t i, SavedHooks& hooks) {
  RL_CHECK(AutogradError, !released_ && i < saved_.size(), kHookOnFreed);
  SavedValue& s = saved_[i];
  if (s.packed) {
    s.packed = hooked_again(s.packed, hooks);
    return;
  }
  RL_CHECK(AutogradError, s.tensor.defined(), kHookOnNone);
  pack(s, hooks);
}

Tensors FunctionNode::saved_tensors() const {
  RL_CHECK(AutogradError, !released_, kBackwardTwice);
  Tensors out;
  for (const SavedValue& s : saved_) {
    if (s.packed) {
      Tensor t = s.packed->unpack();
      if (is_differentiable(t.dtype()) && (s.output >= 0 || s.edge.node)) {
        t = detached_alias(t);
        if (s.output >= 0) set_history(t, Ref<Node>(const_cast<FunctionNode*>(this)), uint32_t(s.output));
        else set_history(t, s.edge.node, s.edge.input_nr);
      }
      out.push_back(std::move(t));
      continue;
    }
    if (!s.tensor.defined()) {
      out.emplace_back();
      continue;
    }
    if (s.tensor.impl()->version() != s.version) {
      Ref<Node> made_by = s.output < 0 ? grad_fn(s.tensor) : nullptr;
      check_version(s.tensor, s.version,
                    s.output >= 0 ? name()
                    : made_by     ? made_by->name()
                                  : "",
                    s.output >= 0 ? uint32_t(s.output) : output_nr(s.tensor), name());
    }
    if (s.output < 0 || !is_differentiable(s.tensor.dtype())) {
      out.push_back(s.tensor);
      continue;
    }
    Tensor again = detached_alias(s.tensor);
    if (const Tensor& tangent = tangent_of(s.tensor); tangent.defined()) [[unlikely]]
      set_tangent(again, tangent);
    set_history(again, Ref<Node>(const_cast<FunctionNode*>(this)), uint32_t(s.output));
    out.push_back(std::move(again));
  }
  return out;
}

Grads FunctionNode::apply(Backward&, Tensor* grads) {
  Tensors in(grads, grads + num_inputs());
  if (materialize_)
    for (size_t i = 0; i < in.size(); i++)
      if (!in[i].defined() && outputs_[i].is_tensor)
        in[i] = zeros(outputs_[i].sizes, outputs_[i].dtype, std::nullopt, outputs_[i].device);
  return Grads(backward(in));
}

void FunctionNode::release_saved() {
  released_ = !saved_.empty();
  saved_.clear();
}

void FunctionNode::carry_tangent(uint32_t nr, const Tensor& tangent) {
  for (const SavedValue& s : saved_)
    if (s.output == int(nr) && s.tensor.defined()) set_tangent(s.tensor, tangent);
}

void FunctionNode::visit_owned(OwnedVisitor& visitor) const {
  Node::visit_owned(visitor);
  for (const SavedValue& s : saved_) {
    if (s.tensor.defined()) visitor.tensor(*s.tensor.impl());
    if (s.packed) visitor.other(*s.packed);
    if (s.edge.node) visitor.node(*s.edge.node);
  }
}

Tensors call_function(const Ref<FunctionNode>& f, const Tensors& inputs) {
  bool recorded = thread_state.grad_enabled && any_needs_gradient(inputs);
  f->start(inputs);
  Tensors outputs;
  {
    NoGradGuard no_grad;
    outputs = f->forward(inputs);
  }
  return recorded ? f->finish(inputs, std::move(outputs)) : outputs;
}

}  // namespace rushlight
