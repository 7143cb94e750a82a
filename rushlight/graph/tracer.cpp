#include "rushlight/graph/tracer.h"

#include <algorithm>
#include <atomic>

#include "rushlight/core/future_type.h"
#include "rushlight/core/thread_state.h"
#include "rushlight/dispatch/boxing.h"
#include "rushlight/dispatch/scripted.h"
#include "rushlight/graph/called_function.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/parse.h"
#include "rushlight/graph/passes/passes.h"
#include "rushlight/graph/scripted.h"

namespace rushlight::graph {
namespace {

thread_local Tracer* tracing = nullptr;

std::shared_ptr<TensorFacts> facts_of(const Tensor& t) {
  auto f = std::make_shared<TensorFacts>();
  f->dtype = t.dtype();
  f->sizes = Dims(t.sizes());
  f->strides = Dims(t.strides());
  f->requires_grad = t.requires_grad();
  f->device = t.device();
  return f;
}

bool holds_tensors(const Type& t) {
  if (t.is(Type::Kind::Tensor)) return true;
  for (const TypePtr& c : t.contained())
    if (holds_tensors(*c)) return true;
  return false;
}

// item() and its like: their results are numbers, which a graph of this kind can't follow.
bool worth_recording(const Op& op) {
  if (op.mutates() || op.schema().returns.empty()) return true;
  for (const Argument& r : op.schema().returns)
    if (holds_tensors(*r.type)) return true;
  return false;
}

}  // namespace

Tracer* Tracer::current() { return tracing; }
Tracing::Tracing(Tracer& t) : outer_(tracing), guard_(t) { tracing = &t; }
Tracing::~Tracing() { tracing = outer_; }

void Tracer::add_self(Ref<ObjectValue> module) {
  self_ = graph_->add_input("self", as_class(module->type)->unowned());
  module_ = std::move(module);
}

void Tracer::add_state(const Tensor& t, std::vector<std::string> path) {
  state_.try_emplace(t.impl(), t, std::move(path));
}

void Tracer::add_input(const std::string& name, const IValue& example) {
  Value* v = graph_->add_input(name, example.type());
  take_apart(v, example);
}

void Tracer::take_apart(Value* v, const IValue& example) {
  if (example.is_tensor()) {
    bind(example.tensor(), v);
  } else if (example.is_tuple()) {
    const auto& items = example.to_tuple().items;
    Node* n = graph_->insert_new("prim::TupleUnpack", {v}, 0);
    for (const IValue& item : items) take_apart(n->add_output(item.type()), item);
  } else if (example.is_any_list()) {
    Node* n = graph_->insert_new("prim::ListUnpack", {v}, 0);
    for (size_t i = 0; i < list_size(example); i++) {
      IValue item = list_get(example, i);
      take_apart(n->add_output(item.type()), item);
    }
  } else if (example.is_dict()) {
    for (const auto& [key, item] : example.dict().items)
      take_apart(emit("aten::__getitem__", {v, constant(key)}, item.type()), item);
  }
}

Value* Tracer::bind(const Tensor& t, Value* v) {
  v->facts = facts_of(t);
  known_[t.impl()] = {t, v};
  return v;
}

Value* Tracer::constant(IValue v, TypePtr type) {
  bool tensor = v.is_tensor();
  std::shared_ptr<TensorFacts> facts = tensor ? facts_of(v.tensor()) : nullptr;
  Value* out = graph_->insert_constant(std::move(v), std::move(type));
  out->facts = std::move(facts);
  out->node()->location = here_;
  return out;
}

Value* Tracer::emit(const char* kind, const std::vector<Value*>& inputs, TypePtr type) {
  Node* n = graph_->insert_new(kind, inputs);
  n->output()->set_type(std::move(type));
  n->location = here_;
  resolve(n);
  return n->output();
}

Value* Tracer::attribute(const std::vector<std::string>& path) {
  Value* at = self_;
  const ObjectValue* object = module_.get();
  std::string so_far;
  for (size_t i = 0; i < path.size(); i++) {
    so_far += "." + path[i];
    bool last = i + 1 == path.size();
    const ClassType* type = object ? as_class(object->type) : nullptr;
    RL_INVARIANT(type, "the path to a tensor goes through something that is no module");
    int slot = type->find_slot(path[i]);
    RL_INVARIANT(slot >= 0, "no slot ", path[i]);
    const IValue& held = object->slots[size_t(slot)];
    object = held.is_object() ? &held.to_object() : nullptr;
    auto found = modules_.find(so_far);
    if (found != modules_.end()) {
      at = found->second;
      continue;
    }
    InsertPoint top(*graph_, last_attribute_ ? last_attribute_->next() : graph_->block()->first());
    at = emit("prim::GetAttr", {at}, type->slots[size_t(slot)].type);
    at->node()->set_attribute("name", path[i]);
    at->node()->location = {};
    // The slot of an interface says less of a module than this trace, which holds for this very one.
    const ClassType* declared = as_class(at->type());
    if (declared && declared->is_interface && object)
      at = emit("prim::unchecked_cast", {at}, as_class(object->type)->unowned());
    last_attribute_ = at->node();
    if (!last || as_class(at->type())) modules_[so_far] = at;
  }
  return at;
}

Value* Tracer::value_of(const Tensor& t) {
  if (!t.defined()) return constant({});
  auto found = known_.find(t.impl());
  if (found != known_.end()) return found->second.value;
  auto state = state_.find(t.impl());
  if (state != state_.end()) {
    Value* v = attribute(state->second.second);
    known_[t.impl()] = {t, v};
    return v;
  }
  RL_CHECK(RuntimeError, !hidden_.contains(t.impl()),
           "a tensor that a fork has made did not have observable data dependence with trace inputs; this probably "
           "indicates your program cannot be understood by the tracer. Let the fork return it, and wait for it (its "
           "shape: ",
           t.sizes(), ")");
  RL_CHECK(RuntimeError, !t.requires_grad(),
           "Cannot insert a Tensor that requires grad as a constant. Consider making it a parameter or input, or "
           "detaching the gradient\n"
           "(its shape: ",
           t.sizes(), ")");
  return bind(t, constant(IValue(t)));
}

bool Tracer::enters(const void* object, const Tensors& arguments) {
  auto module = traced_.find(object);
  if (paused_ || module == traced_.end()) return false;
  std::vector<Value*> inputs = {attribute(module->second)};
  for (const Tensor& t : arguments)
    if (knows(t))
      if (Value* v = value_of(t); std::find(inputs.begin(), inputs.end(), v) == inputs.end()) inputs.push_back(v);
  calls_.push_back(graph_->insert_new("prim::TracedCall", inputs, 0));
  graph_->set_insert_point(calls_.back()->add_block());
  return true;
}

void Tracer::leaves(const Tensors& results) {
  RL_INVARIANT(!calls_.empty());
  Node* call = calls_.back();
  calls_.pop_back();
  for (const Tensor& t : results)
    if (auto found = known_.find(t.impl()); found != known_.end())
      call->blocks()[0]->register_output(found->second.value);
  go_on();
}

void Tracer::go_on() { graph_->set_insert_point(calls_.empty() ? graph_->block() : calls_.back()->blocks()[0]); }

namespace {
// The attributes that lead from one object to another. False: none do.
bool find_path(const ObjectValue& from, const ObjectValue& to, std::vector<std::string>& path) {
  if (&from == &to) return true;
  const ClassType* type = as_class(from.type);
  for (size_t i = 0; type && i < from.slots.size(); i++) {
    const IValue& held = from.slots[i];
    const ClassType* c = held.is_object() ? as_class(held.to_object().type) : nullptr;
    if (!c || !c->is_module) continue;
    path.push_back(type->slots[i].name);
    if (find_path(held.to_object(), to, path)) return true;
    path.pop_back();
  }
  return false;
}
}  // namespace

// An argument of a call, as the type that the function wants.
Value* Tracer::handed(const IValue& v, const TypePtr& wanted) {
  if (v.is_tensor()) return value_of(v.tensor());
  const ClassType* c = v.is_object() ? as_class(v.to_object().type) : nullptr;
  if (c && c->is_module) {
    std::vector<std::string> path;
    RL_CHECK(RuntimeError, module_ && find_path(*module_, v.to_object(), path), "Tried to trace ", c->name(),
             " but it is not part of the active trace. Modules that are called during a trace must be registered as "
             "submodules of the thing being traced.");
    return path.empty() ? self_ : attribute(path);
  }
  const Type& type = wanted->is(Type::Kind::Optional) ? *wanted->element() : *wanted;
  std::vector<Value*> items;
  auto construct = [&](const char* kind, TypePtr of) {
    Node* n = graph_->insert_new(kind, items);
    n->location = here_;
    return n->output()->set_type(std::move(of));
  };
  if (v.is_tuple()) {
    std::vector<TypePtr> types;
    for (size_t i = 0; i < v.to_tuple().items.size(); i++) {
      const IValue& item = v.to_tuple().items[i];
      items.push_back(handed(item, type.is(Type::Kind::Tuple) ? type.contained()[i] : item.type()));
      types.push_back(items.back()->type());
    }
    const TypePtr& named = v.to_tuple().type;
    return construct("prim::TupleConstruct", named ? named : Type::tuple(std::move(types)));
  }
  if (v.is_any_list()) {
    TypePtr element = type.is(Type::Kind::List) ? type.element() : v.type()->element();
    for (size_t i = 0; i < list_size(v); i++) items.push_back(handed(list_get(v, i), element));
    return construct("prim::ListConstruct", Type::list(std::move(element)));
  }
  if (v.is_dict()) {
    TypePtr whole = type.is(Type::Kind::Dict) ? Type::dict(type.contained()[0], type.contained()[1]) : v.type();
    for (const auto& [key, item] : v.dict().items) {
      items.push_back(constant(key));
      items.push_back(handed(item, whole->contained()[1]));
    }
    return construct("prim::DictConstruct", std::move(whole));
  }
  return constant(v);
}

// Tensors in a result, which may be of a type that says less than this one.
void Tracer::take_result(Value* v, const IValue& result) {
  const TypePtr type = v->type();
  if (result.is_none() || result.is_scalar() || result.is_string()) return;
  if (type->is(Type::Kind::Optional) || type->is(Type::Kind::Union) || type->is(Type::Kind::Any))
    return take_result(emit("prim::unchecked_cast", {v}, result.type()), result);
  if (!result.is_tuple()) return take_apart(v, result);
  Node* n = graph_->insert_new("prim::TupleUnpack", {v}, 0);
  for (size_t i = 0; i < type->contained().size(); i++)
    take_result(n->add_output(type->contained()[i]), result.to_tuple().items[i]);
}

IValue Tracer::calls(const std::shared_ptr<Function>& f, const std::vector<IValue>& args, FunctionRef<IValue()> run) {
  if (locate) here_ = locate();
  std::vector<Value*> inputs;
  for (size_t i = 0; i < args.size(); i++) inputs.push_back(handed(args[i], f->schema.args[i].type));
  const bool method = !args.empty() && args[0].is_object() && as_class(args[0].to_object().type);
  if (!method) inputs.insert(inputs.begin(), insert_function(*graph_, f));
  Node* n = graph_->insert_new(method ? "prim::CallMethod" : "prim::CallFunction", inputs);
  if (method) n->set_attribute("name", f->name);
  n->location = here_;
  n->output()->set_type(f->schema.returns[0].type);
  IValue result;
  {
    Scoped<bool> pause(paused_, true);
    Scoped<Tracer*> nobody(tracing, nullptr);
    result = run();
  }
  take_result(n->output(), result);
  return result;
}

void Tracer::begins_fork() {
  if (locate) here_ = locate();
  calls_.push_back(graph_->insert_new("prim::fork", {}));
  calls_.back()->location = here_;
  calls_.back()->add_block();
  outside_.push_back(known_);
  go_on();
}

int64_t Tracer::ends_fork(const IValue& result) {
  static std::atomic<int64_t> forks{0};
  RL_INVARIANT(!outside_.empty());
  Value* out = output_of(result);
  Node* node = calls_.back();
  node->blocks()[0]->register_output(out);
  node->output()->set_type(future_type(out->type()));
  leave_fork();
  return futures_[++forks] = node->output(), forks.load();
}

void Tracer::drops_fork() {
  RL_INVARIANT(!outside_.empty());
  Node* node = calls_.back();
  leave_fork();
  node->destroy();
}

void Tracer::leave_fork() {
  calls_.pop_back();
  std::swap(known_, outside_.back());
  for (auto& [impl, made] : outside_.back())
    if (!known_.contains(impl) && !state_.contains(impl) && !constant_of(made.value)) hidden_[impl] = made.tensor;
  outside_.pop_back();
  go_on();
}

bool Tracer::waits(int64_t fork, const IValue& result) {
  auto future = futures_.find(fork);
  if (future == futures_.end()) return false;
  if (locate) here_ = locate();
  take_apart(emit("aten::wait", {future->second}, future->second->type()->element()), result);
  return true;
}

void Tracer::finish() {
  RL_INVARIANT(calls_.empty());
  outline_traced_calls(*graph_);
  eliminate_dead(*graph_);  // constants of calls that failed
}

Tensor Tracer::size_tensor(Value* v, int64_t n) {
  Tensor out = wrapped_number(Scalar(n));
  out.impl()->wrapped_number = false;
  bind(out, emit("prim::NumToTensor", {v}, Type::tensor()));
  return out;
}
Tensor Tracer::size(const Tensor& t, int64_t dim) {
  if (paused_ || !knows(t)) return {};
  if (locate) here_ = locate();
  return size_tensor(emit("aten::size", {value_of(t), constant(dim)}, Type::integer()), t.sizes()[size_t(dim)]);
}
Tensor Tracer::numel(const Tensor& t) {
  if (paused_ || !knows(t)) return {};
  if (locate) here_ = locate();
  return size_tensor(emit("aten::numel", {value_of(t)}, Type::integer()), t.numel());
}

void Tracer::detached(const Tensor& t) {
  if (paused_ || !knows(t)) return;
  if (locate) here_ = locate();
  bind(t, emit("aten::detach", {value_of(t)}, Type::tensor()));
}

void Tracer::reads(const Tensor& t, Read how) {
  if (lost && !paused_ && knows(t)) lost(how);
}

void Tracer::number(const Argument& a, size_t element, const Tensor& t) {
  if (!paused_ && knows(t)) notes_.push_back({&a, element, t});
}

const Tensor* Tracer::noted(const Argument& a, size_t element) const {
  for (size_t i = notes_.size(); i-- > 0;)
    if (notes_[i].argument == &a && notes_[i].element == element) return &notes_[i].tensor;
  return nullptr;
}

Value* Tracer::number_of(const Tensor& t, const char* conversion, TypePtr type) {
  return emit(conversion, {value_of(t)}, std::move(type));
}

Value* Tracer::list_argument(const Argument& a, const Type& element, const IValue& v) {
  std::vector<Value*> items;
  TypePtr type;
  if (v.is_tensor_list()) {
    type = a.base_type().element();
    for (const Tensor& t : v.tensor_list()) items.push_back(value_of(t));
  } else {
    // A list of bools may come as one of ints, which is how the parser passes it.
    bool bools = element.is(Type::Kind::Bool), floats = element.is(Type::Kind::Float);
    type = bools             ? Type::boolean()
           : floats          ? Type::floating()
           : v.is_int_list() ? Type::integer()
                             : a.base_type().element();
    size_t n = v.is_int_list() ? v.int_list().size() : v.is_double_list() ? v.double_list().size() : list_size(v);
    for (size_t i = 0; i < n; i++) {
      IValue item = v.is_int_list()      ? IValue(v.int_list()[i])
                    : v.is_double_list() ? IValue(v.double_list()[i])
                                         : list_get(v, i);
      const Tensor* from = noted(a, i);
      if (from && !bools && !floats) items.push_back(number_of(*from, "aten::Int", Type::integer()));
      else
        items.push_back(constant(bools    ? IValue(item.is_bool() ? item.to_bool() : item.to_int() != 0)
                                 : floats ? IValue(item.to_double())
                                          : item));
    }
  }
  Node* n = graph_->insert_new("prim::ListConstruct", items);
  n->output()->set_type(Type::list(type));
  return n->output();
}

Value* Tracer::argument(const Argument& a, const IValue& v) {
  const Type& wanted = a.base_type();
  if (v.is_none() || v.is_generator()) return constant({}, Type::none());  // a run draws from the default generator
  if (v.is_tensor()) return value_of(v.tensor());
  if (wanted.is(Type::Kind::Tensor)) {
    const Tensor* from = noted(a, 0);
    return from ? value_of(*from) : constant(IValue(wrapped_number(v.to_scalar())), Type::tensor());
  }
  if (wanted.is(Type::Kind::List) && v.is_any_list()) return list_argument(a, *wanted.element(), v);
  if (const Tensor* from = noted(a, 0)) {
    if (wanted.is(Type::Kind::Int)) return number_of(*from, "aten::Int", Type::integer());
    if (wanted.is(Type::Kind::Float)) return number_of(*from, "aten::Float", Type::floating());
    if (wanted.is(Type::Kind::Number))
      return number_of(*from, "aten::ScalarImplicit", Type::simple(Type::Kind::Number));
  }
  if (wanted.is(Type::Kind::Float)) return constant(v.to_double());
  return constant(IValue(v));
}

void Tracer::bind_result(Value* out, const IValue& v, std::vector<std::pair<Value*, Tensors>>& lists) {
  if (v.is_tensor()) {
    bind(v.tensor(), out);
  } else if (v.is_tensor_list()) {
    TensorList items = v.tensor_list();
    lists.emplace_back(out, Tensors(items.begin(), items.end()));
  }
}

// Tensors that somebody besides the trace has and that are in t's memory, t among them.
size_t Tracer::live_views(const Tensor& t) const {
  size_t count = 1;
  auto has_it = [&](const Tensor& other, uint32_t kept) {
    return other.impl() != t.impl() && other.impl()->storage() == t.impl()->storage() && other.impl()->refs() > kept;
  };
  for (const auto& [impl, known] : known_) count += has_it(known.tensor, state_.contains(impl) ? 2 : 1);
  return count;
}

// What an operator that writes to its first argument gives, by a function of the same arguments; null where there is none.
Value* Tracer::function_of(const Op& op, const std::vector<Value*>& inputs, const IValue* args) {
  if (!op.mutates() || !args[0].is_tensor()) return nullptr;
  const Tensor& self = args[0].tensor();
  Value* out = nullptr;
  if (op.name() == "copy_") {
    if (live_views(self) > 1) return nullptr;
    out = emit("aten::expand_as", {inputs[1], inputs[0]}, Type::tensor());
  } else if (Node* n = insert_out_of_place(*graph_, op, inputs)) {
    n->location = here_;
    out = n->output();
  }
  auto differs = [&](const IValue& v) {
    return v.is_tensor() && v.tensor().defined() && v.tensor().dtype() != self.dtype();
  };
  if (!out || std::none_of(args + 1, args + op.num_args(), differs)) return out;
  Value* no = constant(false);
  return emit("aten::to", {out, constant(self.dtype()), no, no, constant({}, Type::none())}, Type::tensor());
}

void Tracer::call(const Op& op, IValue* args, IValue* rets) {
  if (paused_) return rushlight::call(op, args, rets);
  if (!worth_recording(op)) {
    notes_.clear();
    return rushlight::call(op, args, rets);
  }
  if (locate) here_ = locate();
  // Before the call: afterwards a tensor that was written to stands for the result.
  const Schema& schema = op.schema();
  std::vector<Value*> inputs;
  for (size_t i = 0; i < schema.args.size(); i++) inputs.push_back(argument(schema.args[i], args[i]));
  notes_.clear();
  Value* function = out_of_place ? function_of(op, inputs, args) : nullptr;
  if (function && shared)
    if (size_t views = live_views(args[0].tensor()); views > 1) shared(op, views);
  rushlight::call(op, args, rets);
  std::vector<Value*> results;
  if (function) {
    results = {function};
  } else if (scripted_record(op)) {
    results = inline_record(*graph_, op, inputs);
  } else {
    Node* n = graph_->insert_new(op.symbol(), inputs, 0);
    n->op = &op;
    n->location = here_;
    for (const Argument& r : schema.returns) results.push_back(n->add_output(r.type));
  }
  std::vector<std::pair<Value*, Tensors>> lists;
  for (size_t i = 0; i < results.size(); i++) bind_result(results[i], rets[i], lists);
  for (auto& [list, items] : lists) {
    Node* unpack = graph_->insert_new("prim::ListUnpack", {list}, 0);
    unpack->location = here_;
    for (const Tensor& t : items) bind(t, unpack->add_output());
  }
}

Value* Tracer::output_of(const IValue& v) {
  if (v.is_tensor()) return value_of(v.tensor());
  std::vector<Value*> items;
  std::vector<TypePtr> types;
  auto construct = [&](const char* kind, TypePtr type) {
    Node* n = graph_->insert_new(kind, items);
    n->output()->set_type(std::move(type));
    return n->output();
  };
  if (v.is_tuple()) {
    for (const IValue& item : v.to_tuple().items) {
      items.push_back(output_of(item));
      types.push_back(items.back()->type());
    }
    const TypePtr& named = v.to_tuple().type;
    return construct("prim::TupleConstruct", named ? named : Type::tuple(std::move(types)));
  }
  if (v.is_any_list() && list_size(v)) {
    for (size_t i = 0; i < list_size(v); i++) items.push_back(output_of(list_get(v, i)));
    return construct("prim::ListConstruct", Type::list(items[0]->type()));
  }
  if (v.is_dict() && !v.dict().items.empty()) {
    for (const auto& [key, item] : v.dict().items) {
      items.push_back(key.is_tensor() ? value_of(key.tensor()) : constant(key));
      RL_CHECK(
          RuntimeError,
          !item.is_tuple() || std::ranges::all_of(item.to_tuple().items, [](const IValue& i) { return i.is_tensor(); }),
          "a value of type ", v.type(),
          " cannot be understood by the tracer, only outputs matching Dict[Union[str, Tensor], Union[Tensor, "
          "Tuple[Tensor, ...]]] can be a dictionary output of a traced function");
      items.push_back(output_of(item));
    }
    return construct("prim::DictConstruct", Type::dict(items[0]->type(), items[1]->type()));
  }
  if (!outside_.empty() && (v.is_none() || v.is_int() || v.is_bool() || v.is_double() || v.is_string()))
    return constant(v);  // a fork may give what no trace gives
  throw RuntimeError(
      "Only tensors, lists, tuples of tensors, or dictionary of tensors can be output from traced functions");
}

void Tracer::add_output(const IValue& v) {
  here_ = {};
  graph_->register_output(output_of(v));
}

}  // namespace rushlight::graph
