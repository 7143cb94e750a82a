// What nodes do besides making their outputs, and which values may share memory: passes ask here before they move or drop anything.
#pragma once
#include <unordered_map>
#include <unordered_set>

#include "rushlight/graph/ir.h"

namespace rushlight::graph {

// The result depends on the random generator.
bool is_random(const Node& n);
// It, or a node in it, switches gradients on or off for what comes after it.
bool sets_mode(const Node& n);
// It writes, prints, raises or calls what is unknown: it has to happen, and in its place. Blocks count.
bool has_side_effects(const Node& n);
// The same inputs always give the same outputs, and nothing else happens.
bool is_pure(const Node& n);

// Values that can be changed behind their holder's back: tensors, lists, dicts, objects and what may hold them.
bool is_mutable(const Type& t);

// Sets of values that may share memory. Coarse on purpose: everything reachable from the graph's inputs is one set.
class AliasSets {
 public:
  explicit AliasSets(const Graph& graph);
  // Something in the graph may write to what v holds.
  bool is_written(const Value* v) { return written_.contains(find(v)); }
  // The caller or an object may still hold it when the graph is done.
  bool escapes(const Value* v) { return escaping_.contains(find(v)); }
  bool may_alias(const Value* a, const Value* b) { return find(a) == find(b); }

 private:
  const Value* find(const Value* v);
  void join(const Value* a, const Value* b);
  void join_all(const std::vector<Value*>& a, const std::vector<Value*>& b);
  void visit(const Block& b);
  void visit(const Node& n);
  std::unordered_map<const Value*, const Value*> parent_;
  std::unordered_set<const Value*> written_, escaping_;
  std::vector<const Value*> writes_, escapes_;
};

}  // namespace rushlight::graph
