#include "rushlight/graph/parse.h"
#include "rushlight/graph/passes/passes.h"

namespace rushlight::graph {
namespace {

void forget(Block& b) {
  for (Value* v : b.inputs()) v->facts = nullptr;
  for (Node* n : b) {
    for (Value* v : n->outputs()) v->facts = nullptr;
    for (Block* inner : n->blocks()) forget(*inner);
  }
}

// Front ends name what they emit; passes ask what that is.
void resolve_all(Block& b) {
  for (Node* n : b) {
    if (!n->schema()) resolve(n);
    for (Block* inner : n->blocks()) resolve_all(*inner);
  }
}

}  // namespace

void forget_shapes(Graph& graph) { forget(*graph.block()); }

void optimize(Graph& graph) {
  constexpr int kRounds = 8;  // each opens cases for the next; few graphs need three
  inline_calls(graph);
  resolve_all(*graph.block());
  for (int round = 0; round < kRounds; round++) {
    bool changed = peephole(graph);
    changed |= propagate_constants(graph);
    changed |= eliminate_common(graph);
    changed |= eliminate_dead(graph);
    if (!changed) break;
  }
  pool_constants(graph);
}

}  // namespace rushlight::graph
