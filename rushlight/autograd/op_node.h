// OpNode: the recorded call of an operator whose record has a gradient rule.
#pragma once
#include "rushlight/autograd/node.h"

namespace rushlight {

inline constexpr const char* kBackwardTwice =
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
    "freed). Saved "
    "intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify "
    "retain_graph=True if you need to "
    "backward through the graph a second time or if you need to access saved tensors after calling backward.";

// What the engine has to know of an operator, worked out at its first recorded call.
struct GradPlan {
  explicit GradPlan(const Op& op);
  static const GradPlan& of(const Op& op) {
    const void* p = op.gradient_plan.load(std::memory_order_acquire);
    return p ? *static_cast<const GradPlan*>(p) : make(op);
  }

  struct Arg {
    int edge = -1;  // its (first) edge, an argument list before it counting as one
    bool is_list = false;
    bool saved = false;
    int only_if_needed = -1;  // saved only if this argument needs a gradient
  };
  const Op& op;
  const Grad& rule;
  Schema schema;  // of the record, whose names the rule uses
  std::string name;
  std::vector<Arg> args;
  std::vector<uint8_t> tensor_args;  // places of the record's tensor arguments
  std::vector<uint8_t> saved_results;
  int list_arg = -1;
  bool in_place;
  bool is_part;  // a view, made by arguments that are no tensors

  int find_result(std::string_view name) const;  // -1 if there is none

 private:
  static const GradPlan& make(const Op& op);
};

// "AddBackward0", as PyTorch names the gradient of an operator.
std::string gradient_name(const Schema& schema);

// A tensor as it was when it was saved. `by` is named in errors. Throws AutogradError if it was written to since.
void check_version(const Tensor& t, uint32_t saved_at, const std::string& result_of, uint32_t nr,
                   const std::string& by);

class CopySlices;

class OpNode final : public Node {
 public:
  // Edges and saved arguments come from args; the results are saved by save_results. In-place operators overwrite their first
  // argument: it is copied if the rule needs it.
  static Ref<OpNode> make(const GradPlan& plan, const IValue* args);
  void save_results(const IValue* rets, uint32_t inputs);
  ~OpNode() override;

  Grads apply(Backward& run, Tensor* grads) override;
  // Note [Gradients of parts]: what shows some elements of its argument (select, slice, diagonal) has a gradient of zeros but for those. Where
  // others came before it, it is added to those elements alone, so that the rows of a tensor, one after the other, cost what the tensor costs
  // and not its size for each.
  bool add_into(const Tensor& sum, const Tensor& grad) override;
  std::string name() const override { return shown_ ? shown_ : plan_.name; }
  // Shows another name, one of a record's: that of the composite of which this is the last step.
  void call_it(const char* name) { shown_ = name; }
  // The operator wrote to a view: `slices`, which owns this node, stands in the graph for it.
  void runs_in(const CopySlices& slices) { slices_ = &slices; }
  void release_saved() override;
  void carry_tangent(uint32_t nr, const Tensor& tangent) override;
  void visit_owned(OwnedVisitor& visitor) const override;

  const GradPlan& plan() const { return plan_; }
  // Values are numbered as the record's arguments, saved results behind them.
  const IValue& value(int i) const { return values_[i]; }
  // For lists of Python's `_saved_...`: throws as the rule would.
  Tensor saved_tensor(int i) const;
  Tensors saved_list(int i) const;
  // Hooks for one saved tensor, number `item` of a list. Throws if there is none, or it has some.
  void hook_saved(int i, size_t item, SavedHooks& hooks);
  int edge_of(int arg) const;
  uint32_t list_size() const { return list_size_; }
  bool released() const { return released_; }

 private:
  OpNode(const GradPlan& plan, uint32_t list_size, size_t bytes);
  void dispose() override;
  void check_alive(int i) const;
  void pack(int i);
  void put_on_graph(const Tensor& saved, int i, const Edge* edge) const;
  Tensors unpack(int i) const;

  const GradPlan& plan_;
  uint32_t list_size_;
  uint32_t bytes_;  // of the whole block: this object, edges, values, versions, ints
  bool released_ = false;
  const char* shown_ = nullptr;
  const CopySlices* slices_ = nullptr;
  IValue* values_;
  uint32_t* versions_;
  int64_t* ints_;
};

}  // namespace rushlight
