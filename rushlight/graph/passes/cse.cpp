#include <algorithm>
#include <string_view>
#include <unordered_map>

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

// The candidates so far, those of the blocks around included, by what is quickly compared.
class Seen {
 public:
  using Alike = std::vector<Node*>;
  size_t size() const { return where_.size(); }
  // Those that may compute the same as n.
  Alike& alike(const Node& n) {
    size_t key = std::hash<std::string_view>()(n.kind());
    for (const Value* v : n.inputs()) key = key * 31 + std::hash<const Value*>()(v);
    return alike_[key];
  }
  void add(Node* n, Alike& to) {
    to.push_back(n);
    where_.push_back(&to);
  }
  // Forgets all but the first `size`.
  void keep(size_t size) {
    for (; where_.size() > size; where_.pop_back()) where_.back()->pop_back();
  }

 private:
  std::vector<Alike*> where_;  // each candidate, in the order in which they came
  std::unordered_map<size_t, Alike> alike_;
};

class Eliminator {
 public:
  Eliminator(Graph& graph, bool constants) : aliases_(graph), constants_(constants) {}

  bool run(Block& b, Seen& seen) {
    bool changed = false;
    size_t outside = seen.size();
    for (Node* n : b) {
      for (Block* inner : n->blocks()) changed |= run(*inner, seen);
      if (sets_mode(*n)) seen.keep(0);  // the same operator with and without gradients gives different results
      if (!is_pure(*n) || (n->is("prim::Constant") && !constants_) || n->outputs().empty() || !may_share(*n)) continue;
      // The last one: what is written to before may have changed since the first.
      Seen::Alike& alike = seen.alike(*n);
      auto found = std::find_if(alike.rbegin(), alike.rend(), [&](const Node* s) { return same(*s, *n); });
      if (found == alike.rend() || changed_between(**found, *n)) {
        seen.add(n, alike);
        continue;
      }
      for (size_t i = 0; i < n->outputs().size(); i++) n->output(i)->replace_all_uses_with((*found)->output(i));
      n->destroy();
      changed = true;
    }
    seen.keep(outside);
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
  bool constants_;
};

}  // namespace

bool eliminate_common(Graph& graph) {
  Seen seen;
  return Eliminator(graph, false).run(*graph.block(), seen);
}
bool eliminate_common_constants(Graph& graph) {
  Seen seen;
  return Eliminator(graph, true).run(*graph.block(), seen);
}

}  // namespace rushlight::graph
