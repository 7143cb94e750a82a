// Node: one recorded operation. Edge: where the gradient of one of its arguments goes.
//
// A node takes the gradients of the results of its operation (its inputs) and gives those of the arguments (one an edge).
// Tensors own the node that made them, nodes own the nodes that made their arguments: a graph dies with its last result.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "rushlight/core/tensor.h"
#include "rushlight/dispatch/op.h"

namespace rushlight {

class Node;
class Backward;

struct Edge {
  Ref<Node> node;                // null: nobody wants this gradient
  uint32_t input_nr = 0;         // which of that node's inputs
  DType dtype = DType::Float32;  // of the argument: what its gradient is summed to and cast to
  Device device;                 // of the argument
  Dims sizes;
};

// ---- hooks: all return an undefined tensor, or false, for "no change" --------------------------------------------------

class Hook : public RefCounted {
 public:
  // True: it does nothing any more. Nodes drop it when they get a further one.
  virtual bool removed() const { return false; }
};
class TensorHook : public Hook {  // on the gradient of one tensor
 public:
  virtual Tensor call(const Tensor& gradient) = 0;  // undefined where no gradient came
};
class NodeHook : public Hook {
 public:
  // A hook before the node runs sees and may replace `inputs`; one after it sees both and may replace `outputs`.
  virtual void call(Tensors& outputs, Tensors& inputs) = 0;
};
class LeafHook : public Hook {  // after a leaf's gradient was accumulated
 public:
  virtual void call(const Tensor& leaf) = 0;
};

// While a pair of saved-tensor hooks is in force, what nodes save is given to it, and asked back when it is read.
class PackedTensor : public RefCounted {
 public:
  virtual Tensor unpack() = 0;
};
class SavedHooks : public RefCounted {
 public:
  virtual Ref<PackedTensor> pack(const Tensor& t) = 0;
};
extern thread_local constinit SavedHooks* saved_hooks;  // the thread's innermost pair, borrowed; mostly null
// Throws if the hook writes to t.
Ref<PackedTensor> pack_saved(SavedHooks& hooks, const Tensor& t);
// One of a list whose others are hooked.
class NotPacked final : public PackedTensor {
 public:
  explicit NotPacked(Tensor t) : tensor(std::move(t)) {}
  Tensor unpack() override { return tensor; }
  const Tensor tensor;
};
// `now` of a saved value hooked by itself. Throws where that can't be: it is null (None), or has hooks.
Ref<PackedTensor> hooked_again(const Ref<PackedTensor>& now, SavedHooks& hooks);
inline constexpr const char* kHookOnNone = "Calling register_hooks on a saved tensor with value None is forbidden";
inline constexpr const char* kHookOnFreed =
    "Calling register_hooks on a saved tensor after it has been freed. Saved intermediate values of the graph are "
    "freed "
    "when you call .backward() or autograd.grad(). Specify retain_graph=True if you need them afterwards";

struct AutogradMeta;

// Is shown each reference that an object owns: for collectors of cycles, which must see every one and each once.
class OwnedVisitor {
 public:
  virtual void tensor(TensorImpl& t) = 0;
  virtual void node(Node& n) = 0;
  virtual void other(RefCounted& held) = 0;  // hooks, packed values, notes

 protected:
  ~OwnedVisitor() = default;
};

// What few nodes have.
struct NodeExtras {
  struct OnInput {
    uint32_t input_nr;
    int64_t id;
    Ref<TensorHook> hook;
  };
  struct Retained {  // a tensor that asked for its gradient to be kept
    uint32_t input_nr;
    AutogradMeta* meta;
  };
  template <class H>
  using Hooks = std::vector<std::pair<int64_t, Ref<H>>>;
  std::vector<OnInput> tensor_hooks;
  std::vector<Retained> retained;
  Hooks<NodeHook> before, after;
  Hooks<LeafHook> accumulated;
  std::vector<std::pair<int, Ref<PackedTensor>>> packed;  // by the place of the saved value; a list has many
  std::vector<Edge>
      inputs;         // edges to this node that were shown to somebody, with the sizes of the tensors they belong to
  std::string trace;  // anomaly mode: where the operation was called
  Ref<Node> made_by;  // anomaly mode: the node in whose backward this one was recorded
  Ref<RefCounted> metadata;  // the front end's
};

class Node : public RefCounted {
 public:
  explicit Node(uint32_t inputs = 1);

  // `grads` has num_inputs() items, undefined where no gradient came, not all of them. One gradient per edge; the engine sums and casts
  // them. The node may take the items.
  virtual Grads apply(Backward& run, Tensor* grads) = 0;
  // Adds what apply() would give the first edge to a gradient that is there already and that nobody else sees. False: apply() has to.
  virtual bool add_into(const Tensor& /*sum*/, const Tensor& /*grad*/) { return false; }
  virtual std::string name() const = 0;
  // Drops saved values; the graph will not be walked again.
  virtual void release_saved() {}
  // True: apply() wants to be called although no gradient came.
  virtual bool runs_without_gradients() const { return false; }
  virtual bool is_leaf() const { return false; }
  // What it saved of its result `nr` has this tangent (forward mode).
  virtual void carry_tangent(uint32_t /*nr*/, const Tensor& /*tangent*/) {}
  // What this node owns. Nobody may change the graph meanwhile.
  virtual void visit_owned(OwnedVisitor& visitor) const;

  uint32_t num_inputs() const { return num_inputs_; }
  Edge* edges() { return edges_; }
  const Edge* edges() const { return edges_; }
  uint32_t num_edges() const { return num_edges_; }
  // Later operations have higher numbers.
  uint64_t sequence() const { return sequence_; }
  NodeExtras* extras() const { return extras_.get(); }
  NodeExtras& make_extras() { return extras_ ? *extras_ : *(extras_ = std::make_unique<NodeExtras>()); }
  // What is known of the tensor whose gradient is the given input; null if nothing is.
  const Edge* known_input(uint32_t input_nr) const;
  // Takes down what e, which leads to this node, says of that tensor.
  void note_input(const Edge& e);
  int64_t add_tensor_hook(uint32_t input_nr, Ref<TensorHook> hook);
  int64_t add_hook(Ref<NodeHook> hook, bool before);
  int64_t add_leaf_hook(Ref<LeafHook> hook);
  bool remove_hook(int64_t id);  // false: there is none of that id

  void* py_object = nullptr;  // the front end's object, borrowed: it owns this node, or this node it

 protected:
  // Nodes that keep their edges elsewhere than in `own_edges`.
  void set_edges(Edge* edges, uint32_t count) {
    edges_ = edges;
    num_edges_ = count;
  }
  void allocate_edges(uint32_t count);
  void set_num_inputs(uint32_t n) { num_inputs_ = n; }
  void set_sequence(uint64_t s) { sequence_ = s; }
  // Frees the object; destroy() calls it once nothing deeper in the stack is being freed.
  virtual void dispose() { delete this; }
  void destroy() final;

 private:
  friend class Backward;
  // Note [State of a run]: the engine keeps its counters in the nodes, which saves it a hash map. They hold for the run with this
  // number only; a run that starts while another goes on keeps its own in a map.
  struct RunState {
    uint32_t run = 0;
    int32_t waiting_for = 0;        // edges that have not brought their gradient yet
    uint8_t needed = 0;             // runs with `inputs`: see Backward
    Tensor first;                   // the gradients that came, added up
    std::unique_ptr<Tensor[]> all;  // where there is more than one input
  };

  Edge* edges_ = nullptr;
  uint32_t num_edges_ = 0;
  uint32_t num_inputs_;
  union {
    uint64_t sequence_;
    Node* next_dying_;
  };
  RunState state_;
  std::unique_ptr<Edge[]> own_edges_;
  std::unique_ptr<NodeExtras> extras_;
};

// ---- anomaly mode -----------------------------------------------------------------------------------------------------

struct Anomaly {
  bool enabled = false;
  bool check_nan = true;
  bool check_inf = false;
  std::string (*trace)() = nullptr;            // where the user's code stands; the front end's
  void (*warn)(const std::string&) = nullptr;  // the front end's
};
extern Anomaly anomaly;
// Notes in a new node where it was made.
void note_trace(Node& node);

}  // namespace rushlight
