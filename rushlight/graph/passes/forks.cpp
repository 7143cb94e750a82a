#include <algorithm>

#include "rushlight/graph/passes/passes.h"
#include "rushlight/graph/walk.h"

namespace rushlight::graph {

bool inline_forks(Graph& graph) {
  bool changed = false;
  std::vector<Node*> forks;
  each_node(*graph.block(), [&](Node* n) {
    if (n->is("prim::fork") || n->is("prim::awaitable")) forks.push_back(n);
  });
  for (Node* n : forks) {
    std::vector<Use> uses = n->output()->uses();
    auto waits = [](const Use& u) { return u.user->is("aten::wait") || u.user->is("prim::awaitable_wait"); };
    if (!std::all_of(uses.begin(), uses.end(), waits)) continue;  // somebody else has the future
    Block& body = *n->blocks()[0];
    for (Node* inner : body) inner->move_before(n);
    for (const Use& u : uses) {
      u.user->output()->replace_all_uses_with(body.outputs()[0]);
      u.user->destroy();
    }
    n->destroy();
    changed = true;
  }
  return changed;
}

}  // namespace rushlight::graph
