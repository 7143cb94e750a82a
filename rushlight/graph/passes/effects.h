// What nodes do besides making their outputs, and which values may share memory: passes ask here before they move or drop anything. Of
// operators their records say it (Op::writes, shares, draws), of primitives their schemas.
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
// An operator whose outputs are new memory, and which writes to nothing else.
bool only_makes(const Node& n);
// The same inputs always give the same outputs, and nothing else happens.
bool is_pure(const Node& n);

// Values that can be changed behind their holder's back: tensors, lists, dicts, objects and what may hold them.
bool is_mutable(const Type& t);

// Sets of values that may share memory. Coarse in one place: everything reachable from the graph's inputs is one set, for a caller may
// give one tensor twice. A set is of one moment: it describes the graph as it was when this was made, less the nodes that went since.
class AliasSets {
 public:
  // `attributes_apart`: those of the first input are told apart by who asks, and share nothing with the other inputs.
  explicit AliasSets(const Graph& graph, bool attributes_apart = false);
  // Something in the graph may write to what v holds.
  bool is_written(const Value* v) { return writes_.contains(find(v)); }
  // It may do so after `from` and before `to`, which `from` reaches: in `from`'s block, or in one inside of a later node of it.
  bool is_written_between(const Value* v, const Node* from, const Node* to);
  // Something may change v's sizes or strides, or those of what shares its memory.
  bool is_reshaped(const Value* v) { return reshaped_.contains(find(v)); }
  // The caller or an object may still hold it when the graph is done.
  bool escapes(const Value* v) { return escaping_.contains(find(v)); }
  bool may_alias(const Value* a, const Value* b) { return find(a) == find(b); }
  // The value that stands for v's set.
  const Value* set_of(const Value* v) { return find(v); }

 private:
  struct Place {
    int begin, end;  // numbers of the node and of the last one in it, in the graph's order
  };
  struct Write {
    const Value* value;
    const Node* by;
  };
  const Value* find(const Value* v);
  void join(const Value* a, const Value* b);
  void join_all(const std::vector<Value*>& a, const std::vector<Value*>& b);
  void visit(const Block& b);
  void visit(const Node& n);
  void visit_operator(const Node& n);
  void write(const Value* v, const Node& by) { seen_.push_back({v, &by}); }

  std::unordered_map<const Value*, const Value*> parent_;
  std::unordered_map<const Node*, Place> places_;
  std::unordered_map<const Value*, std::vector<int>> writes_;  // by set: the numbers of the writing nodes, in order
  std::unordered_set<const Value*> escaping_, reshaped_;
  std::vector<Write> seen_;
  std::vector<const Value*> escapes_, reshapes_;
  int next_ = 0;
  bool attributes_apart_;
};

}  // namespace rushlight::graph
