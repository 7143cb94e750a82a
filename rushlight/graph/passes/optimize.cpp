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

// A function of one tensor, as activations are.
bool is_activation(const Node& n) {
  return n.op && n.op->form() == Op::Form::InPlace && n.op->tensor_args().size() == 1;
}

}  // namespace

void resolve_all(Block& b) {
  for (Node* n : b) {
    if (!n->schema()) resolve(n);
    for (Block* inner : n->blocks()) resolve_all(*inner);
  }
}

template <Fold What>
static bool fold(Graph& g) {
  resolve_all(*g.block());
  return fold_frozen(g, unsigned(What));
}

void forget_shapes(Graph& graph) { forget(*graph.block()); }

void clean_up(Graph& graph) {
  resolve_all(*graph.block());
  if (simplify_tuples(graph) | propagate_constants(graph, true)) eliminate_dead(graph);
  pool_constants(graph);
}

void optimize(Graph& graph) {
  constexpr int kRounds = 8;  // each opens cases for the next; few graphs need three
  graph.check();
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

void prepare(Graph& graph) {
  optimize(graph);
  if (remove_mutation(graph)) optimize(graph);
  if (settle_checks(graph)) eliminate_dead(graph);
  form_networks(graph);
  fuse_pointwise(graph);
}

const Pass* find_pass(std::string_view name) {
  // Those that ask what operators do are run on what a front end has just made: it names them only.
  static constexpr auto resolved = [](Graph& g) { resolve_all(*g.block()); };
  static constexpr auto then_dead = [](bool changed, Graph& g) { return eliminate_dead(g) || changed; };
  static const Pass all[] = {
      {"inline", inline_calls},
      {"dce", [](Graph& g) { return resolved(g), eliminate_dead(g); }},
      {"cse", [](Graph& g) { return resolved(g), eliminate_common_constants(g); }},
      {"constant_propagation", [](Graph& g) { return resolved(g), then_dead(propagate_constants(g), g); }},
      {"constant_propagation_immutable_types",
       [](Graph& g) { return resolved(g), then_dead(propagate_constants(g, true), g); }},
      {"constant_pooling", pool_constants},
      {"peephole", [](Graph& g) { return resolved(g), then_dead(peephole(g, true), g); }},
      {"remove_mutation", [](Graph& g) { return resolved(g), remove_mutation(g); }},
      {"inplace_to_functional_activation", [](Graph& g) { return resolved(g), remove_mutation_by(g, is_activation); }},
      {"loop_unrolling", [](Graph& g) { return resolved(g), unroll_loops(g); }},
      {"inline_fork_wait", inline_forks},
      {"lower_simple_tuples", [](Graph& g) { return resolved(g), then_dead(simplify_tuples(g), g); }},
      {"lower_all_tuples", [](Graph& g) { return resolved(g), lower_tuples(g); }},
      {"fold_frozen_conv_bn", fold<Fold::Norms>},
      {"fold_frozen_conv_add_or_sub", fold<Fold::Sums>},
      {"fold_frozen_conv_mul_or_div", fold<Fold::Products>},
      {"remove_frozen_dropout", fold<Fold::Dropout>},
      {"optimize_frozen_graph", [](Graph& g) { return resolved(g), fold_frozen(g); }},
      {"optimize", [](Graph& g) { return optimize(g), true; }},
      {"erase_shape_information", [](Graph& g) { return forget_shapes(g), true; }},
  };
  for (const Pass& p : all)
    if (name == p.name) return &p;
  return nullptr;
}

}  // namespace rushlight::graph
