// Functions whose gradient users write themselves, in C++ by deriving from FunctionNode, in Python through autograd.Function.
//
//   struct Exp final : FunctionNode {
//     Tensors forward(const Tensors& in) override { Tensor y = exp(in[0]); save_for_backward({y}); return {y}; }
//     Tensors backward(const Tensors& g) override { return {g[0] * saved_tensors()[0]}; }
//     std::string name() const override { return "ExpBackward"; }
//   };
//   Tensor y = call_function(make_ref<Exp>(), {x})[0];
#pragma once
#include "rushlight/autograd/meta.h"

namespace rushlight {

class FunctionNode : public Node {
 public:
  FunctionNode() : Node(0) {}
  // Runs with recording off. Only call_function calls it.
  virtual Tensors forward(const Tensors& inputs);
  // One gradient per input, undefined for none; `grads` has one per output.
  virtual Tensors backward(const Tensors& grads) = 0;

  // For forward: what backward will read. Inputs and outputs only, or tensors that depend on nothing.
  void save_for_backward(Tensors tensors) { to_save_ = std::move(tensors); }
  // Counts as a write to each, which may have gone through a pointer.
  void mark_dirty(Tensors inputs);
  void mark_non_differentiable(Tensors outputs) { constant_ = std::move(outputs); }
  // On (the default): backward sees zeros instead of undefined gradients.
  void set_materialize_grads(bool on) { materialize_ = on; }
  // Off: outputs marked as not differentiable are left out of that.
  void set_materialize_non_differentiable(bool on) { materialize_constant_ = on; }
  // While this node runs in a run of the engine that was asked for some gradients only: whether that run needs this one.
  bool needs_input_grad(size_t i) const;

  // Throws AutogradError if they were freed or changed since.
  Tensors saved_tensors() const;
  size_t num_saved() const;
  // Hooks for one of them. Throws if it is none, or has some.
  void hook_saved(size_t i, SavedHooks& hooks);

  // The two halves of call_function, for callers that run forward themselves. `start` takes down where gradients go; `finish` makes the
  // outputs results of this node, and returns those that had to become other tensors in place of the given ones.
  void start(const Tensors& inputs);
  Tensors finish(const Tensors& inputs, Tensors outputs);
  // For callers that record nothing: outputs that show an input's memory may not be written to where gradients are wanted.
  static void mark_views(const Tensors& inputs, const Tensors& outputs);

  Grads apply(Backward& run, Tensor* grads) override;
  bool runs_without_gradients() const override { return materialize_; }
  void release_saved() override;
  void carry_tangent(uint32_t nr, const Tensor& tangent) override;
  void visit_owned(OwnedVisitor& visitor) const override;

 private:
  struct SavedValue {
    Tensor tensor;
    uint32_t version;
    int output;  // -1: no output of this function
    Ref<PackedTensor> packed;
    Edge edge;  // of a packed tensor that is no output
  };
  struct Shape {
    Dims sizes;
    DType dtype;
    Device device;
    bool is_tensor = true;
  };
  static void pack(SavedValue& s, SavedHooks& hooks);
  Tensor wire(const Tensors& inputs, const Tensor& output, uint32_t nr);

  Tensors to_save_, dirty_, constant_;
  std::vector<SavedValue> saved_;
  std::vector<Shape> outputs_;
  bool materialize_ = true, materialize_constant_ = true;
  bool released_ = false;
};

Tensors call_function(const Ref<FunctionNode>& f, const Tensors& inputs);

}  // namespace rushlight
