#include <algorithm>

#include "rushlight/graph/passes/passes.h"

namespace rushlight::graph {
namespace {

Function* callee(const Node& n) {
  if (!n.is("prim::CallMethod")) return nullptr;
  const ClassType* type = as_class(n.input()->type());
  return type ? type->find_method(std::string(n.attribute("name").to_string())) : nullptr;
}

// `active`: the methods whose bodies we are in.
bool inline_block(Graph& graph, Block& b, std::vector<const Function*>& active) {
  bool changed = false;
  for (Node* n : b) {
    for (Block* inner : n->blocks()) changed |= inline_block(graph, *inner, active);
    Function* f = callee(*n);
    if (!f || std::find(active.begin(), active.end(), f) != active.end()) continue;
    // The method's own calls first, in a copy: its graph is shared with others.
    std::shared_ptr<Graph> body = f->made()->copy();
    if (body->inputs().size() != n->inputs().size() || body->outputs().size() != n->outputs().size()) continue;
    active.push_back(f);
    inline_block(*body, *body->block(), active);
    active.pop_back();
    if (graph.size() + body->size() > kMaxNodes) continue;  // it stays a call, which the executor makes
    InsertPoint here(graph, n);
    std::vector<Value*> results = graph.inline_block(*body->block(), n->inputs());
    for (size_t i = 0; i < results.size(); i++) n->output(i)->replace_all_uses_with(results[i]);
    n->destroy();
    changed = true;
  }
  return changed;
}

}  // namespace

bool inline_calls(Graph& graph) {
  std::vector<const Function*> active;
  return inline_block(graph, *graph.block(), active);
}

}  // namespace rushlight::graph
