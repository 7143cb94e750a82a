// Gradients for C++ programs: grad(), backward(), functions with a gradient of the user's own, and the modes.
#pragma once
#include <unordered_map>

#include "rushlight/api/ivalue.h"
#include "rushlight/core/thread_state.h"

namespace rushlight {
class FunctionNode;
}

namespace rushlight::api {

using rushlight::NoGradGuard;
// Turns the recording of gradients on or off in its scope.
struct AutoGradMode : Scoped<bool> {
  explicit AutoGradMode(bool enabled) : Scoped(thread_state.grad_enabled, enabled) {}
};
struct GradMode {
  static bool is_enabled() { return thread_state.grad_enabled; }
  static void set_enabled(bool on) { thread_state.grad_enabled = on; }
};
// Records nothing and tracks no versions in its scope; what is made there can't take part in gradients later.
class InferenceMode {
 public:
  explicit InferenceMode(bool on = true)
      : grad_(thread_state.grad_enabled, !on), mode_(thread_state.inference_mode, on) {}
  static bool is_enabled() { return thread_state.inference_mode; }

 private:
  Scoped<bool> grad_, mode_;
};

namespace autograd {

using Variable = Tensor;
using variable_list = std::vector<Tensor>;
using tensor_list = std::vector<Tensor>;
// Another tensor over the same elements, with a gradient of its own.
inline Variable make_variable(const Tensor& data, bool requires_grad = false, bool /*allow_metadata_change*/ = true) {
  return data.defined() ? data.detach().set_requires_grad(requires_grad) : Variable();
}
// Whether what is computed from these is recorded.
inline bool any_variable_requires_grad(TensorList tensors) {
  for (const Tensor& t : tensors)
    if (t.requires_grad()) return true;
  return false;
}
template <class... Ts>
bool compute_requires_grad(const Ts&... tensors) {
  return thread_state.grad_enabled && (tensors.requires_grad() || ...);
}
using rushlight::api::AutoGradMode;
using rushlight::api::GradMode;
using rushlight::api::InferenceMode;

// Gradients of `outputs`, weighted by `grad_outputs`, with respect to `inputs`.
variable_list grad(TensorList outputs, TensorList inputs, TensorList grad_outputs = {},
                   std::optional<bool> retain_graph = std::nullopt, bool create_graph = false,
                   bool allow_unused = false);
// Adds gradients to .grad() of the leaves, or of `inputs` only.
void backward(TensorList tensors, TensorList grad_tensors = {}, std::optional<bool> retain_graph = std::nullopt,
              bool create_graph = false, TensorList inputs = {});

struct AnomalyMode {
  static bool is_enabled();
  static void set_enabled(bool enabled, bool check_nan = true);
};
class DetectAnomalyGuard {
 public:
  explicit DetectAnomalyGuard(bool check_nan = true);
  ~DetectAnomalyGuard();
  DetectAnomalyGuard(const DetectAnomalyGuard&) = delete;

 private:
  bool enabled_, check_nan_;
};

class Node;
// Where a gradient goes: to which result of which recorded operation. `function` is null if nobody wants it.
struct Edge {
  std::shared_ptr<Node> function;
  uint32_t input_nr = 0;
  bool is_valid() const { return bool(function); }
};
using edge_list = std::vector<Edge>;
// From the first up to, and without, the second.
using IndexRange = std::pair<size_t, size_t>;

// A recorded operation, as Tensor::grad_fn() shows it.
class Node {
 public:
  explicit Node(Ref<RefCounted> node) : node_(std::move(node)) {}
  std::string name() const;
  size_t num_inputs() const;
  size_t num_outputs() const;
  uint64_t sequence_nr() const;
  // Where the gradient of argument i goes; null if nobody wants it.
  std::shared_ptr<Node> next(size_t i) const;
  Edge next_edge(size_t i) const;
  edge_list next_edges() const;

 private:
  Ref<RefCounted> node_;
};

// What forward() and backward() of a Function share.
class AutogradContext {
 public:
  // Inputs and outputs of the function, or tensors that depend on nothing.
  void save_for_backward(variable_list tensors);
  // Throws if they were freed or changed since.
  variable_list get_saved_variables() const;
  void mark_dirty(const variable_list& inputs);
  void mark_non_differentiable(const variable_list& outputs);
  // On (the default): backward() sees zeros instead of undefined gradients.
  void set_materialize_grads(bool on);
  // Whether the gradient of tensor argument i is wanted, or one of those in the ranges.
  bool needs_input_grad(size_t i) const;
  bool needs_input_grad(std::initializer_list<IndexRange> ranges) const;
  std::unordered_map<std::string, IValue> saved_data;

 private:
  friend class FunctionCall;
  FunctionNode* node_ = nullptr;
};

// One call of a Function: collects the tensors among its arguments, and wires what forward() returns into the graph.
class FunctionCall {
 public:
  using Backward = variable_list (*)(AutogradContext*, variable_list);
  FunctionCall(std::string name, Backward backward);
  ~FunctionCall();
  AutogradContext* context();
  void add(const Tensor& t);
  void add(const std::optional<Tensor>& t) { add(t ? *t : Tensor()); }
  void add(const std::vector<Tensor>& list) {
    for (const Tensor& t : list) add(t);
  }
  void add(TensorList list) {
    for (const Tensor& t : list) add(t);
  }
  template <class T>
  void add(const T&) {
    add_other();
  }
  void start();
  variable_list finish(variable_list outputs);

 private:
  void add_other();
  struct State;
  std::unique_ptr<State> state_;
};

// A function whose gradient the user writes:
//   struct Double : torch::autograd::Function<Double> {
//     static Tensor forward(AutogradContext* ctx, Tensor x) { return x * 2; }
//     static tensor_list backward(AutogradContext* ctx, tensor_list g) { return {g[0] * 2}; }
//   };
//   Tensor y = Double::apply(x);
// backward() returns a gradient for each argument of forward(); those of arguments that are no tensors are ignored.
template <class T>
class Function {
 public:
  template <class X = T, class... Args>
  static auto apply(Args&&... args) -> decltype(X::forward(nullptr, std::forward<Args>(args)...)) {
    using Result = decltype(X::forward(nullptr, std::forward<Args>(args)...));
    FunctionCall call(
        name(), [](AutogradContext* ctx, variable_list g) -> variable_list { return X::backward(ctx, std::move(g)); });
    (call.add(args), ...);
    call.start();
    if constexpr (std::is_convertible_v<Result, Tensor>) {
      Tensor result;
      {
        AutoGradMode off(false);
        result = X::forward(call.context(), std::forward<Args>(args)...);
      }
      return call.finish({result})[0];
    } else {
      variable_list results;
      {
        AutoGradMode off(false);
        results = X::forward(call.context(), std::forward<Args>(args)...);
      }
      return call.finish(std::move(results));
    }
  }

 private:
  static std::string name();
};

// "torch::autograd::CppNode<Double>", from the compiler's own name of the function.
std::string function_name(const char* signature);
template <class T>
std::string Function<T>::name() {
  return function_name(__PRETTY_FUNCTION__);
}

}  // namespace autograd
}  // namespace rushlight::api
