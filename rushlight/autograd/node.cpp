#include "rushlight/autograd/node.h"

#include <algorithm>
#include <atomic>

#include "rushlight/autograd/engine.h"

namespace rushlight {

Anomaly anomaly;
thread_local constinit SavedHooks* saved_hooks = nullptr;

namespace {

thread_local uint64_t next_sequence = 0;
std::atomic<int64_t> next_hook_id{1};

// A node frees its edges, which may free further nodes: those wait here, so a chain of any length is freed without recursion.
// Trivially destructible, so that nodes may still be freed while a thread ends.
struct Dying {
  Node* waiting = nullptr;
  bool busy = false;
};
thread_local constinit Dying dying;

template <class H>
int64_t add_to(NodeExtras::Hooks<H>& hooks, Ref<H> hook) {
  std::erase_if(hooks, [](auto& h) { return h.second->removed(); });
  return hooks.emplace_back(next_hook_id++, std::move(hook)).first;
}

}  // namespace

Node::Node(uint32_t inputs) : num_inputs_(inputs), sequence_(next_sequence++) {}

void Node::allocate_edges(uint32_t count) {
  own_edges_ = std::make_unique<Edge[]>(count);
  set_edges(own_edges_.get(), count);
}

void Node::destroy() {
  if (dying.busy) {
    next_dying_ = std::exchange(dying.waiting, this);
    return;
  }
  dying.busy = true;
  dispose();
  while (dying.waiting) std::exchange(dying.waiting, dying.waiting->next_dying_)->dispose();
  dying.busy = false;
}

void Node::visit_owned(OwnedVisitor& visitor) const {
  for (uint32_t i = 0; i < num_edges_; i++)
    if (edges_[i].node) visitor.node(*edges_[i].node);
  if (!extras_) return;
  for (auto& h : extras_->tensor_hooks) visitor.other(*h.hook);
  for (auto& [id, hook] : extras_->before) visitor.other(*hook);
  for (auto& [id, hook] : extras_->after) visitor.other(*hook);
  for (auto& [id, hook] : extras_->accumulated) visitor.other(*hook);
  for (auto& [at, packed] : extras_->packed)
    if (packed) visitor.other(*packed);
  if (extras_->made_by) visitor.node(*extras_->made_by);
  if (extras_->metadata) visitor.other(*extras_->metadata);
}

const Edge* Node::known_input(uint32_t input_nr) const {
  if (extras_)
    for (const Edge& e : extras_->inputs)
      if (e.input_nr == input_nr) return &e;
  return nullptr;
}
void Node::note_input(const Edge& e) {
  if (known_input(e.input_nr)) return;
  auto& inputs = make_extras().inputs;
  inputs.push_back(e);
  inputs.back().node = nullptr;  // it would own itself
}

int64_t Node::add_tensor_hook(uint32_t input_nr, Ref<TensorHook> hook) {
  auto& hooks = make_extras().tensor_hooks;
  std::erase_if(hooks, [](auto& h) { return h.hook->removed(); });
  return hooks.emplace_back(input_nr, next_hook_id++, std::move(hook)).id;
}
int64_t Node::add_hook(Ref<NodeHook> hook, bool before) {
  return add_to(before ? make_extras().before : make_extras().after, std::move(hook));
}
int64_t Node::add_leaf_hook(Ref<LeafHook> hook) { return add_to(make_extras().accumulated, std::move(hook)); }
bool Node::remove_hook(int64_t id) {
  if (!extras_) return false;
  auto named = [&](auto& h) { return h.first == id; };
  return std::erase_if(extras_->tensor_hooks, [&](auto& h) { return h.id == id; }) +
         std::erase_if(extras_->before, named) + std::erase_if(extras_->after, named) +
         std::erase_if(extras_->accumulated, named);
}

Ref<PackedTensor> hooked_again(const Ref<PackedTensor>& now, SavedHooks& hooks) {
  RL_CHECK(AutogradError, now, kHookOnNone);
  auto* plain = dynamic_cast<NotPacked*>(now.get());
  RL_CHECK(
      AutogradError, plain,
      "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one pair of hooks is "
      "allowed at a time.");
  return pack_saved(hooks, plain->tensor);
}

Ref<PackedTensor> pack_saved(SavedHooks& hooks, const Tensor& t) {
  NoGradGuard no_grad;
  uint32_t version = t.impl()->version();
  Ref<PackedTensor> packed = hooks.pack(t);
  RL_CHECK(RuntimeError, t.impl()->version() == version,
           "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook cannot be "
           "modified by in-place operations as this can lead to unexpected side-effects; clone() it first.");
  return packed;
}

void note_trace(Node& node) {
  NodeExtras& extras = node.make_extras();
  if (anomaly.trace) extras.trace = anomaly.trace();
  extras.made_by = Backward::running_node();
}

}  // namespace rushlight
