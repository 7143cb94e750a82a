#include <algorithm>

#include "rushlight/core/limits.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/passes/effects.h"
#include "rushlight/graph/passes/passes.h"

namespace rushlight::graph {
namespace {

constexpr int64_t kLargestTensor = 1024;   // elements; larger results are computed when they are needed
constexpr int64_t kMostMemory = 16 << 20;  // meanwhile: constants may say any size, in a branch that is never taken

bool all_constant(const Node& n) {
  return std::all_of(n.inputs().begin(), n.inputs().end(), [](const Value* v) { return constant_of(v); });
}

bool small(const IValue& v) {
  if (v.is_tensor()) return v.tensor().numel() <= kLargestTensor && v.tensor().device().is_cpu();
  if (v.is_any_list()) return list_size(v) <= size_t(kLargestTensor);
  return !v.is_object() && !v.is_generator() && !v.is_capsule() && !v.is_dict();
}

class Propagator {
 public:
  explicit Propagator(Graph& graph) : graph_(graph), aliases_(graph) {}

  bool run(Block& b) {
    bool changed = false;
    for (Node* n : b) {
      for (Block* inner : n->blocks()) changed |= run(*inner);
      changed |= n->is("prim::If") ? branch(n) : n->is("prim::Loop") ? loop(n) : fold(n);
    }
    return changed;
  }

 private:
  void replace(Node* n, const std::vector<Value*>& with) {
    for (size_t i = 0; i < with.size(); i++) n->output(i)->replace_all_uses_with(with[i]);
    n->destroy();
  }

  bool branch(Node* n) {
    const IValue* condition = constant_of(n->input());
    if (!condition || !condition->is_bool()) return false;
    Block& taken = *n->blocks()[condition->to_bool() ? 0 : 1];
    for (Node* inner : taken) inner->move_before(n);
    replace(n, taken.outputs());
    return true;
  }

  // A loop that never starts yields what it was given.
  bool loop(Node* n) {
    const IValue *trips = constant_of(n->input(0)), *start = constant_of(n->input(1));
    if (!(trips && trips->is_int() && trips->to_int() <= 0) && !(start && start->is_bool() && !start->to_bool()))
      return false;
    replace(n, {n->inputs().begin() + 2, n->inputs().end()});
    return true;
  }

  // Runs a node over constants.
  static void compute(const Node& n, std::vector<IValue>& args, std::vector<IValue>& rets) {
    NoGradGuard no_grad;
    if (n.op) n.op->run(args.data(), rets.data());
    else if (n.primitive) n.primitive->run(args.data(), rets.data());
    else rets[0] = make_list(n.output()->type()->element(), args);
  }

  bool fold(Node* n) {
    if ((!n->schema() && !n->is("prim::ListConstruct")) || n->outputs().empty() || !is_pure(*n) || !all_constant(*n))
      return false;
    for (const Value* v : n->outputs())
      if (is_mutable(*v->type()) && (aliases_.is_written(v) || aliases_.escapes(v))) return false;
    std::vector<IValue> args, rets(std::max<size_t>(n->outputs().size(), kMaxResults));
    for (const Value* v : n->inputs()) args.push_back(*constant_of(v));
    try {
      compute(*n, args, rets);
    } catch (const Error&) {
      return false;  // it fails when it is run, with its place in the source
    }
    for (size_t i = 0; i < n->outputs().size(); i++)
      if (!small(rets[i])) return false;
    InsertPoint here(graph_, n);
    std::vector<Value*> out;
    for (size_t i = 0; i < n->outputs().size(); i++) {
      Value* v = graph_.insert_constant(IValue(rets[i]), n->output(i)->type());
      v->node()->location = n->location;
      out.push_back(v);
    }
    replace(n, out);
    return true;
  }

  Graph& graph_;
  AliasSets aliases_;
};

void collect(Block& b, std::vector<Node*>& out) {
  for (Node* n : b) {
    if (n->is("prim::Constant")) out.push_back(n);
    for (Block* inner : n->blocks()) collect(*inner, out);
  }
}

bool equal_constants(const Node& a, const Node& b) {
  if (!a.output()->type()->equals(*b.output()->type())) return false;
  const IValue &x = *constant_of(a.output()), &y = *constant_of(b.output());
  if (x.tag() != y.tag()) return false;
  if (x.is_double() && x.to_double() == 0) return false;  // 0.0 equals -0.0
  return x.is_same(y);
}

}  // namespace

bool propagate_constants(Graph& graph) {
  InsertPoint kept(graph, graph.block());
  Limits limits(0, kMostMemory);
  return Propagator(graph).run(*graph.block());
}

bool pool_constants(Graph& graph) {
  std::vector<Node*> all, kept;
  collect(*graph.block(), all);
  bool changed = false;
  Node* top = graph.block()->first();
  for (Node* n : all) {
    auto found = std::find_if(kept.begin(), kept.end(), [&](const Node* k) { return equal_constants(*k, *n); });
    if (found != kept.end()) {
      n->output()->replace_all_uses_with((*found)->output());
      if (n == top) top = n->next();
      n->destroy();
      changed = true;
      continue;
    }
    kept.push_back(n);
    if (n == top) {
      top = n->next();
    } else {
      n->move_before(top);
      changed = true;
    }
  }
  return changed;
}

}  // namespace rushlight::graph
