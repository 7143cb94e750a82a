#include <algorithm>
#include <unordered_map>

#include "rushlight/graph/called_function.h"
#include "rushlight/graph/passes/passes.h"

namespace rushlight::graph {
namespace {

struct HeldFunction final : RefCounted {
  explicit HeldFunction(std::shared_ptr<Function> f) : function(std::move(f)) {}
  std::shared_ptr<Function> function;
};

Function* callee(const Node& n, bool methods) {
  if (Function* f = called_function(n)) return f;
  if (!methods || !n.is("prim::CallMethod")) return nullptr;
  const ClassType* type = as_class(n.input()->type());
  Function* f = type ? type->find_method(std::string(n.attribute("name").to_string())) : nullptr;
  return f && !f->is_abstract ? f : nullptr;  // which method of an interface's it is shows at run time
}

struct State {
  bool methods;
  size_t nodes = 0;                                                     // made by inlining, in all graphs
  std::vector<const Function*> active;                                  // the methods whose bodies we are in
  std::unordered_map<const Function*, std::shared_ptr<Graph>> inlined;  // each is done once, however often it is called
};

std::shared_ptr<const Location> place_of(const Node& call) {
  return call.location.snippet.empty() ? nullptr : std::make_shared<Location>(call.location);
}

bool inline_block(Graph& graph, Block& b, State& state) {
  bool changed = false;
  for (Node* n : b) {
    for (Block* inner : n->blocks()) changed |= inline_block(graph, *inner, state);
    Function* f = callee(*n, state.methods);
    if (!f || std::find(state.active.begin(), state.active.end(), f) != state.active.end()) continue;
    // The method's own calls first, in a copy: its graph is shared with others.
    std::shared_ptr<Graph>& body = state.inlined[f];
    if (!body) {
      std::shared_ptr<Graph> own = f->made()->copy();
      state.active.push_back(f);
      inline_block(*own, *own->block(), state);
      state.active.pop_back();
      state.inlined[f] = std::move(own);
    }
    const bool method = n->is("prim::CallMethod");
    std::vector<Value*> given(n->inputs().begin() + (method ? 0 : 1), n->inputs().end());
    if (body->inputs().size() != given.size() || body->outputs().size() != n->outputs().size()) continue;
    if (state.nodes + body->size() > kMaxNodes) continue;  // it stays a call, which the executor makes
    state.nodes += body->size();
    InsertPoint here(graph, n);
    std::vector<Value*> results = graph.inline_block(*body->block(), given, place_of(*n));
    for (size_t i = 0; i < results.size(); i++) n->output(i)->replace_all_uses_with(results[i]);
    Node* constant = method ? nullptr : n->input()->node();
    n->destroy();
    if (constant && !constant->output()->has_uses()) constant->destroy();
    changed = true;
  }
  return changed;
}

}  // namespace

bool inline_calls(Graph& graph) {
  State state{true};
  return inline_block(graph, *graph.block(), state);
}
bool inline_functions(Graph& graph) {
  State state{false};
  return inline_block(graph, *graph.block(), state);
}

Value* insert_function(Graph& graph, std::shared_ptr<Function> f) {
  std::string name = f->name;
  Value* v =
      graph.insert_constant(IValue::capsule(make_ref<HeldFunction>(std::move(f))), Type::simple(Type::Kind::Function));
  v->node()->set_attribute("name", name);
  return v;
}
Function* called_function(const Node& n) {
  if (!n.is("prim::CallFunction") || !n.input()->type()->is(Type::Kind::Function)) return nullptr;
  const IValue* held = constant_of(n.input());
  return held && held->is_capsule() ? static_cast<HeldFunction*>(held->object())->function.get() : nullptr;
}

}  // namespace rushlight::graph
