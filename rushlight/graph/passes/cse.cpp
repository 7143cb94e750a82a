#include <algorithm>

#include "rushlight/graph/passes/effects.h"
#include "rushlight/graph/passes/passes.h"

namespace rushlight::graph {
namespace {

bool same(const Node& a, const Node& b) {
  if (a.kind() != b.kind() || a.inputs() != b.inputs() || a.outputs().size() != b.outputs().size()) return false;
  if (a.attributes().size() != b.attributes().size()) return false;
  for (const auto& [name, v] : a.attributes())
    if (!b.has_attribute(name) || !v.is_same(b.attribute(name))) return false;
  for (size_t i = 0; i < a.outputs().size(); i++)
    if (!a.output(i)->type()->equals(*b.output(i)->type())) return false;
  return true;
}

class Eliminator {
 public:
  explicit Eliminator(Graph& graph) : aliases_(graph) {}

  // `seen`: candidates of the blocks around, which come before.
  bool run(Block& b, std::vector<Node*>& seen) {
    bool changed = false;
    size_t outside = seen.size();
    for (Node* n : b) {
      for (Block* inner : n->blocks()) changed |= run(*inner, seen);
      if (sets_mode(*n)) {  // the same operator with and without gradients gives different results
        seen.clear();
        outside = 0;
      }
      if (!is_pure(*n) || n->is("prim::Constant") || n->outputs().empty() || !may_share(*n)) continue;
      // The last one: what is written to before may have changed since the first.
      auto found = std::find_if(seen.rbegin(), seen.rend(), [&](const Node* s) { return same(*s, *n); });
      if (found == seen.rend() || changed_between(**found, *n)) {
        seen.push_back(n);
        continue;
      }
      for (size_t i = 0; i < n->outputs().size(); i++) n->output(i)->replace_all_uses_with((*found)->output(i));
      n->destroy();
      changed = true;
    }
    seen.resize(outside);
    return changed;
  }

 private:
  // What leaves the graph, or is written to, must be a thing of its own.
  bool may_share(const Node& n) {
    return std::none_of(n.outputs().begin(), n.outputs().end(), [&](const Value* v) {
      return is_mutable(*v->type()) && (aliases_.is_written(v) || aliases_.escapes(v));
    });
  }
  bool changed_between(const Node& first, const Node& second) {
    return std::any_of(first.inputs().begin(), first.inputs().end(), [&](const Value* v) {
      return is_mutable(*v->type()) && aliases_.is_written_between(v, &first, &second);
    });
  }
  AliasSets aliases_;
};

}  // namespace

bool eliminate_common(Graph& graph) {
  std::vector<Node*> seen;
  return Eliminator(graph).run(*graph.block(), seen);
}

}  // namespace rushlight::graph
