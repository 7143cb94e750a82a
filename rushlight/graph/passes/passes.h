// Passes: each changes a graph in place, keeps its meaning, and says whether it changed anything.
//
// A pass that cannot prove its case leaves the code alone: what is written to, random or unknown stays (effects.h).
#pragma once
#include <set>

#include "rushlight/graph/ir.h"

namespace rushlight::graph {

// Front ends name what they emit; passes ask what that is: this finds the operators.
void resolve_all(Block& b);

// Calls of methods become the methods' nodes. A method that calls itself stays a call.
bool inline_calls(Graph& graph);
// What only depends on constants is computed now; branches and loops that constants decide disappear. `plain`: only numbers, texts and
// what else can't be written to.
bool propagate_constants(Graph& graph, bool plain = false);
// Equal constants become one, at the top.
bool pool_constants(Graph& graph);
// Local identities: x.t().t() is x, (a, b)[0] is a. `facts`: and those that hold for tensors such as the graph's values are said to be.
bool peephole(Graph& graph, bool facts = false);
// Those of tuples alone.
bool simplify_tuples(Graph& graph);
// Of nodes that compute the same, one stays.
bool eliminate_common(Graph& graph);
// And of equal constants: no part of optimize(), which pools them when the rest is done.
bool eliminate_common_constants(Graph& graph);
// Nodes that nothing uses and nobody would miss go.
bool eliminate_dead(Graph& graph);

// Loops over a counter are written out: known small ones wholly, others eight turns at a time. No part of optimize().
bool unroll_loops(Graph& graph);

// What is forked and waited for in one graph is computed where the fork stands.
bool inline_forks(Graph& graph);
// Tuples that come in, or are handed out, become their items.
bool lower_tuples(Graph& graph);

// Writes in place to memory that nothing else has become functions: relu_(conv(x)) is relu(conv(x)); a list that is written down has
// what is appended to it.
bool remove_mutation(Graph& graph);
bool remove_mutation_by(Graph& graph, bool (*wanted)(const Node&));  // of those nodes alone
// A function's node, at the insert point, that gives what `op` would write into the first of the inputs; null where there is none.
Node* insert_out_of_place(Graph& graph, const Op& op, std::vector<Value*> inputs);
// An operator that writes in place to such memory. Once remove_mutation() has been here, who stands behind it reads its output.
bool writes_own(const Node& n);

// Nodes that can run as one become a group (groups.h): convolutions and what stands between them, and pointwise nodes.
constexpr const char *kNetwork = "prim::Network", *kPointwise = "prim::FusionGroup";
bool settle_checks(Graph& graph);
bool form_networks(Graph& graph);
bool fuse_pointwise(Graph& graph);

// Of a trace: each prim::TracedCall(object, arguments...), whose block holds what was recorded inside of the call, becomes a method of the
// object's class and a prim::CallMethod of it.
void outline_traced_calls(Graph& graph);

// Forgets what an example's tensors looked like: a graph for all shapes.
void forget_shapes(Graph& graph);

// A method that is frozen, and the object that is its first argument.
struct FrozenMethod {
  Graph* graph;
  const ObjectValue* self;
};
// Attributes: an object and a name.
using Slots = std::set<std::pair<const ObjectValue*, std::string>>;
// The object that a value is known to be: the first argument, or what an attribute of it holds. Null for others.
const ObjectValue* object_of(const FrozenMethod& method, const Value* v);
// Methods of one module, and of modules in it: calls are inlined, and attributes that nothing assigns or writes to become constants, but for
// those in `kept`. `parameters`: what asks for gradients stays too, and `training`. Throws RuntimeError for a method that returns the module, or
// assigns an attribute of an interface's type.
void freeze(const std::vector<FrozenMethod>& methods, Slots kept, bool parameters);
// Of a frozen method: batch norms, sums and products with constants become part of a convolution's weights, dropout goes, products with known
// matrices become linear layers.
enum class Fold : unsigned { Norms = 1, Sums = 2, Products = 4, Dropout = 8, Rest = 16 };
bool fold_frozen(Graph& graph, unsigned folds = ~0u);

// What a function's graph is when it has been compiled, as PyTorch's is: no tuples between its own nodes, plain constants known and pooled.
void clean_up(Graph& graph);

// All passes before forget_shapes() until nothing changes.
void optimize(Graph& graph);

// What the executor compiles: optimised, without writes that nobody sees, and in groups.
void prepare(Graph& graph);

// A pass under PyTorch's name: "dce", "inline", "constant_propagation"; see optimize.cpp.
struct Pass {
  const char* name;
  bool (*run)(Graph&);
};
// Null if there is none.
const Pass* find_pass(std::string_view name);

}  // namespace rushlight::graph
