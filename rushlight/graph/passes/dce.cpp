#include "rushlight/graph/passes/effects.h"
#include "rushlight/graph/passes/passes.h"

namespace rushlight::graph {
namespace {

bool used(const Node& n) {
  for (const Value* v : n.outputs())
    if (v->has_uses()) return true;
  return false;
}

// Outputs of a branch that nobody reads.
bool drop_branch_outputs(Node* n) {
  bool changed = false;
  for (size_t i = n->outputs().size(); i-- > 0;) {
    if (n->output(i)->has_uses()) continue;
    n->remove_output(i);
    for (Block* b : n->blocks()) b->ret()->remove_input(i);
    changed = true;
  }
  return changed;
}

bool sweep(Block& b) {
  bool changed = false;
  for (Node* n = b.ret()->previous(); n != b.param();) {
    Node* before = n->previous();
    if (!used(*n) && !has_side_effects(*n)) {
      n->destroy();
      changed = true;
    } else {
      if (n->is("prim::If")) changed |= drop_branch_outputs(n);
      for (Block* inner : n->blocks()) changed |= sweep(*inner);
    }
    n = before;
  }
  return changed;
}

}  // namespace

// Backwards, so that a chain of dead nodes goes in one sweep.
bool eliminate_dead(Graph& graph) { return sweep(*graph.block()); }

}  // namespace rushlight::graph
