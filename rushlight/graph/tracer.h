// Tracer: an interceptor that records every operator call of a thread into a graph.
//
// A tensor is known by its TensorImpl, kept alive while tracing. One that nothing recorded has made is a constant, or, if it is part of
// the traced module's state, an attribute of `self`. Numbers read from tensors are constants; only sizes keep their origin: size()
// gives a 0-d tensor, and where such a tensor becomes a number of a call's arguments the event `number` says so.
#pragma once
#include <functional>
#include <unordered_map>

#include "rushlight/core/function_ref.h"
#include "rushlight/graph/ir.h"

namespace rushlight::graph {

class Tracer final : public Interceptor {
 public:
  Tracer() : graph_(std::make_shared<Graph>()) {}
  // The one that records this thread's calls; null almost always.
  static Tracer* current();

  const std::shared_ptr<Graph>& graph() const { return graph_; }
  // The first input, an object of a class.
  void add_self(Ref<ObjectValue> module);
  // A tensor of the module's state: the attributes that lead to it from self.
  void add_state(const Tensor& t, std::vector<std::string> path);
  // An input of the type of the example, tuples, lists and dicts taken apart.
  void add_input(const std::string& name, const IValue& example);
  // Throws RuntimeError for what no traced function returns.
  void add_output(const IValue& v);

  // An object of the front end whose calls become methods: the module that `path` leads to from self.
  void add_module(const void* object, std::vector<std::string> path) { traced_[object] = std::move(path); }
  // What is recorded until leaves(), with the tensors of the result, is the module's method.
  bool enters(const void* object, const Tensors& arguments) override;
  void leaves(const Tensors& results) override;
  // A call of a compiled function, whole: its branches and loops stay what they are. `run` computes the result, which the trace does not
  // look into. f is a method where the first argument is a module: that which is traced, or one in it. Throws RuntimeError for others.
  IValue calls(const std::shared_ptr<Function>& f, const std::vector<IValue>& args, FunctionRef<IValue()> run);
  // What is recorded until ends_fork(), with the result, or drops_fork() is the body of a prim::fork. Tensors that it makes are unknown
  // afterwards: who wants them waits.
  void begins_fork();
  int64_t ends_fork(const IValue& result);  // a number for waits(), which no other fork of the process has
  void drops_fork();                        // its body threw
  // Records that the fork's result is waited for. False: no fork of this trace.
  bool waits(int64_t fork, const IValue& result);
  // Throws RuntimeError unless all that was entered was left.
  void finish();

  void call(const Op& op, IValue* args, IValue* rets) override;
  bool knows(const Tensor& t) const { return known_.contains(t.impl()) || state_.contains(t.impl()); }
  // As 0-d tensors that remember where they are from; undefined for tensors that the graph doesn't know.
  Tensor size(const Tensor& t, int64_t dim) override;
  Tensor numel(const Tensor& t) override;
  // Says through `lost` that the graph will not follow the value.
  void reads(const Tensor& t, Read how) override;
  // The tensor has become a leaf in place: from here on it is what detach() gives.
  void detached(const Tensor& t);
  // The argument is that of the operator's own schema.
  void number(const Argument& argument, size_t element, const Tensor& t) override;

  // Called where a value is read that the graph knows; the front end's, to warn.
  std::function<void(Read how)> lost;
  // Where the caller's source is; asked at every call.
  std::function<Location()> locate;
  // Operators that write in place are recorded as functions. What else shows the memory they write to keeps its old value in the graph:
  // `shared` is told of the operator, and of how many do.
  bool out_of_place = false;
  std::function<void(const Op& op, size_t views)> shared;

 private:
  struct Known {
    Tensor tensor;
    Value* value;
  };
  struct Note {
    const Argument* argument;
    size_t element;
    Tensor tensor;
  };
  void go_on();  // at the end of the innermost of what was entered
  void leave_fork();
  Value* bind(const Tensor& t, Value* v);
  Tensor size_tensor(Value* v, int64_t n);
  Value* value_of(const Tensor& t);
  Value* attribute(const std::vector<std::string>& path);
  Value* argument(const Argument& a, const IValue& v);
  Value* list_argument(const Argument& a, const Type& element, const IValue& v);
  Value* number_of(const Tensor& t, const char* conversion, TypePtr type);
  const Tensor* noted(const Argument& a, size_t element) const;
  Value* function_of(const Op& op, const std::vector<Value*>& inputs, const IValue* args);
  size_t live_views(const Tensor& t) const;
  Value* constant(IValue v, TypePtr type = nullptr);
  Value* emit(const char* kind, const std::vector<Value*>& inputs, TypePtr type);
  void take_apart(Value* v, const IValue& example);
  void take_result(Value* v, const IValue& result);
  Value* handed(const IValue& v, const TypePtr& wanted);
  void bind_result(Value* out, const IValue& v, std::vector<std::pair<Value*, Tensors>>& lists);
  Value* output_of(const IValue& v);

  std::shared_ptr<Graph> graph_;
  Value* self_ = nullptr;
  Ref<ObjectValue> module_;         // what self is
  Node* last_attribute_ = nullptr;  // all stand at the top, where any call finds them
  std::vector<Node*> calls_;        // entered and not left, forks too
  std::unordered_map<int64_t, Value*> futures_;
  std::unordered_map<const void*, std::vector<std::string>> traced_;
  using KnownTensors = std::unordered_map<const TensorImpl*, Known>;
  KnownTensors known_;
  std::unordered_map<const TensorImpl*, Tensor> hidden_;  // made in forks that have ended
  std::vector<KnownTensors> outside_;                     // of the forks that are recorded, known_ as it was before
  std::unordered_map<const TensorImpl*, std::pair<Tensor, std::vector<std::string>>> state_;
  std::unordered_map<std::string, Value*> modules_;  // objects on the way to state, by dotted path
  std::vector<Note> notes_;
  bool paused_ = false;  // a compiled function runs
  Location here_;
};

// Makes a tracer record this thread's calls for a scope.
class Tracing {
 public:
  explicit Tracing(Tracer& t);
  ~Tracing();
  Tracing(const Tracing&) = delete;

 private:
  Tracer* outer_;
  InterceptorGuard guard_;
};

}  // namespace rushlight::graph
