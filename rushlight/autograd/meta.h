// What autograd knows of one tensor, and the functions through which everybody asks for it.
#pragma once
#include <atomic>
#include <mutex>

#include "rushlight/autograd/node.h"
#include "rushlight/core/free_list.h"

namespace rushlight {

class AccumulateGrad;

struct AutogradMeta final : AutogradMetaBase, Recycled<AutogradMeta> {
  ~AutogradMeta() override;
  Ref<Node> grad_fn;  // null for leaves. For views see Note [Views].
  uint32_t output_nr = 0;
  bool retains_grad = false;
  Tensor grad;
  Tensor tangent;  // in forward mode (transforms/forward_level.h)
  // Of a leaf, made when first used, by whichever thread that is; owned. It points back without owning.
  std::atomic<AccumulateGrad*> accumulator{nullptr};
};

// Adds what reaches a leaf to its gradient.
class AccumulateGrad final : public Node {
 public:
  explicit AccumulateGrad(TensorImpl* leaf);
  Grads apply(Backward& run, Tensor* grads) override;
  std::string name() const override { return "AccumulateGrad"; }
  bool is_leaf() const override { return true; }
  // Undefined once the leaf is gone.
  Tensor variable() const { return leaf_ ? Tensor(Ref<TensorImpl>(leaf_)) : Tensor(); }
  void forget() { leaf_ = nullptr; }

 private:
  void accumulate(const Tensor& leaf, Tensor fresh);

  TensorImpl* leaf_;
  std::mutex mutex_;
};

// Another thread may be making it, for a leaf that both use for the first time: what the pointer leads to is complete when it is seen.
inline AutogradMeta* meta_of(const Tensor& t) {
  auto* place = reinterpret_cast<AutogradMetaBase**>(&t.impl()->autograd);
  static_assert(sizeof(t.impl()->autograd) == sizeof(*place));
  return static_cast<AutogradMeta*>(__atomic_load_n(place, __ATOMIC_ACQUIRE));
}
AutogradMeta& make_meta(const Tensor& t);

// What a tensor owns: its base, its gradient, its place in the graph. Nobody may change them meanwhile.
void visit_owned(const TensorImpl& t, OwnedVisitor& visitor);

// The node that made the tensor, null for leaves; for a view whose memory changed since, a fresh one.
Ref<Node> grad_fn(const Tensor& t);
uint32_t output_nr(const Tensor& t);
bool is_leaf(const Tensor& t);
// Where the gradient of t goes: its grad_fn, or its accumulator. Null if t requires no gradient.
Edge gradient_edge(const Tensor& t);
// The same for an operator's argument. A view that was taken where nothing is recorded requires a gradient when its base does, but passes
// none on: there the edge is empty.
void set_gradient_edge(Edge& to, const Tensor& t);
// Makes t the result `nr` of a node.
void set_history(const Tensor& t, Ref<Node> node, uint32_t nr);
// Gradients of t, which an in-place operator wrote, now go through `node`; see Note [Views].
void rebase_history(const Tensor& t, Ref<Node> node);

// Throws PyTorch's errors for tensors that are not leaves or not floating.
void set_requires_grad(const Tensor& t, bool on);
const Tensor& grad_of(const Tensor& t);  // undefined if there is none
void set_grad(const Tensor& t, Tensor grad);
void retain_grad(const Tensor& t);
// Forgets how t was made.
void detach_in_place(const Tensor& t);
int64_t register_hook(const Tensor& t, Ref<TensorHook> hook);
int64_t register_post_accumulate_hook(const Tensor& t, Ref<LeafHook> hook);
// The tangents of forward mode. One that is set is also that of the values which the tensor's node saved of it.
const Tensor& tangent_of(const Tensor& t);  // undefined if there is none
void set_tangent(const Tensor& t, const Tensor& tangent);
void drop_tangents();                                 // of all tensors
extern thread_local constinit bool carries_tangents;  // false: calls go on as if there were none
// Takes a hook off that one of the two functions above put on.
bool remove_hook(const Tensor& t, int64_t id);  // false: there is none of that id

// Throws the error for a view that may not be written to, itself or through its base: its kind is not Tracked.
[[noreturn]] void refuse_write(const Tensor& view, bool through_base);
// Throws if an operator that gradients flow through may not write to t.
void check_in_place(const Tensor& t);

}  // namespace rushlight
