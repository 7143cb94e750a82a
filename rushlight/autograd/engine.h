// The engine: walks a graph of nodes from results back to leaves.
#pragma once
#include <unordered_map>

#include "rushlight/autograd/meta.h"

namespace rushlight {

struct BackwardOptions {
  bool retain_graph = false;  // keep saved values, so that the graph can be walked again
  bool create_graph = false;  // record the gradients' own computation
  bool allow_unused = false;  // undefined results for inputs that the roots do not depend on, instead of an error
  bool accumulate = true;     // into .grad; else the gradients of `inputs` are returned
};

// A tensor, or its place in the graph.
struct GraphPlace {
  GraphPlace(Tensor t) : tensor(std::move(t)) {}  // NOLINT(google-explicit-constructor)
  GraphPlace(Ref<Node> node, uint32_t input_nr);  // with what the node knows of its input
  Tensor tensor;
  Edge edge;  // of the tensor, or with the node given
  bool has_sizes = true;
};
using GraphPlaces = std::vector<GraphPlace>;

// Called when a run has ended well.
class RunCallback : public RefCounted {
 public:
  virtual void call() = 0;
};

// Gradients of `roots`, each weighted by the tensor of `grads` at its place (undefined, or none given: 1, for a single element). With `inputs`,
// only what leads to those is computed. Returns one gradient per input, or nothing when accumulating.
// May be called from inside of a hook or of a custom function's backward.
Tensors run_backward_from(const GraphPlaces& roots, const Tensors& grads, const BackwardOptions& options,
                          const GraphPlaces& inputs = {});
inline Tensors run_backward(const Tensors& roots, const Tensors& grads, const BackwardOptions& options,
                            const Tensors& inputs = {}) {
  return run_backward_from(GraphPlaces(roots.begin(), roots.end()), grads, options,
                           GraphPlaces(inputs.begin(), inputs.end()));
}

// One run of the engine, as nodes see it.
class Backward {
 public:
  explicit Backward(const BackwardOptions& options);
  ~Backward();
  Backward(const Backward&) = delete;

  // False where no input of this run asked for what this edge leads to.
  bool needed(const Edge& e) const;
  bool creates_graph() const { return options_.create_graph; }
  static Ref<Node> running_node();
  // The innermost run of this thread; null outside of any.
  static Backward* current();
  uint32_t number() const { return run_; }
  // Whether this run has met n, or will, and computes something with it.
  bool will_execute(Node* n);
  void when_done(Ref<RunCallback> callback) { callbacks_.push_back(std::move(callback)); }
  // The gradient summed to the edge's shape and cast to its dtype. Throws naming the node and the index if it can't be.
  static Tensor fitted(Tensor g, const Edge& e, const Node& node, size_t index);

  // A node's function by itself: the gradients of its arguments, of `grads`. No hooks run.
  static Tensors call_alone(Node& n, Tensors grads);

  void add_root(GraphPlace root, const Tensor& grad, size_t index);
  void add_input(const GraphPlace& input);
  Tensors run();

 private:
  struct Capture {
    const Node* node;
    uint32_t input_nr;
    size_t index;
  };
  enum : uint8_t { kRun = 1, kCapture = 2 };

  Node::RunState& state(Node* n) { return exclusive_ ? n->state_ : states_[n]; }
  bool touch(Node* n);
  void count_dependencies();
  void mark_needed();
  void give(const Edge& e, Tensor g);
  bool add_in_place(Node* n, const Tensor& grad);
  void execute(Node* n);
  Grads apply(Node* n, Tensor* grads, uint32_t count);
  void push_ready(Node* n);
  [[noreturn]] void rethrow_with_trace(const Node& n, const Error& e) const;

  BackwardOptions options_;
  uint32_t run_;
  bool exclusive_;  // see Note [State of a run]
  bool restricted_ = false;
  std::unordered_map<const Node*, Node::RunState> states_;
  std::vector<Edge> roots_;
  Tensors root_grads_;
  std::vector<Capture> captures_;
  Tensors captured_;
  std::vector<Ref<Node>> kept_;
  std::vector<Ref<RunCallback>> callbacks_;
  std::vector<Node*> ready_;  // a heap: the operation recorded last first
};

}  // namespace rushlight
