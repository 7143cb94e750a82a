#include <algorithm>
#include <unordered_map>

#include "rushlight/graph/passes/passes.h"

namespace rushlight::graph {
namespace {

Function* callee(const Node& n) {
  if (!n.is("prim::CallMethod")) return nullptr;
  const ClassType* type = as_class(n.input()->type());
  Function* f = type ? type->find_method(std::string(n.attribute("name").to_string())) : nullptr;
  return f && !f->is_abstract ? f : nullptr;  // which method of an interface's it is shows at run time
}

struct State {
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
    Function* f = callee(*n);
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
    if (body->inputs().size() != n->inputs().size() || body->outputs().size() != n->outputs().size()) continue;
    if (state.nodes + body->size() > kMaxNodes) continue;  // it stays a call, which the executor makes
    state.nodes += body->size();
    InsertPoint here(graph, n);
    std::vector<Value*> results = graph.inline_block(*body->block(), n->inputs(), place_of(*n));
    for (size_t i = 0; i < results.size(); i++) n->output(i)->replace_all_uses_with(results[i]);
    n->destroy();
    changed = true;
  }
  return changed;
}

}  // namespace

bool inline_calls(Graph& graph) {
  State state;
  return inline_block(graph, *graph.block(), state);
}

}  // namespace rushlight::graph
