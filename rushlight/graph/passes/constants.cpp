#include <algorithm>
#include <optional>
#include <unordered_map>

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

bool equal_constants(const Node& a, const Node& b) {
  if (!a.output()->type()->equals(*b.output()->type())) return false;
  const IValue &x = *constant_of(a.output()), &y = *constant_of(b.output());
  if (x.tag() != y.tag()) return false;
  if (x.is_double() && x.to_double() == 0) return false;  // 0.0 equals -0.0
  return x.is_same(y);
}

class Propagator {
 public:
  Propagator(Graph& graph, bool plain) : graph_(graph) {
    if (!plain) aliases_.emplace(graph);
  }

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
    if (!condition || !condition->is_bool()) return drop_same_outputs(n);
    Block& taken = *n->blocks()[condition->to_bool() ? 0 : 1];
    for (Node* inner : taken) inner->move_before(n);
    replace(n, taken.outputs());
    return true;
  }

  // A loop that never starts yields what it was given.
  bool loop(Node* n) {
    const IValue *trips = constant_of(n->input(0)), *start = constant_of(n->input(1));
    if (!(trips && trips->is_int() && trips->to_int() <= 0) && !(start && start->is_bool() && !start->to_bool()))
      return drop_unchanged(n);
    replace(n, {n->inputs().begin() + 2, n->inputs().end()});
    return true;
  }

  // Outputs of a branch that are the same on both sides.
  bool drop_same_outputs(Node* n) {
    bool changed = false;
    const Block &yes = *n->blocks()[0], &no = *n->blocks()[1];
    for (size_t i = n->outputs().size(); i-- > 0;) {
      Value *a = yes.outputs()[i], *b = no.outputs()[i];
      if (!a->type()->equals(*n->output(i)->type())) continue;
      if (a != b) {
        const IValue* known = constant_of(a);
        if (!known || !constant_of(b) || !equal_constants(*a->node(), *b->node())) continue;
        InsertPoint here(graph_, n);
        a = graph_.insert_constant(*known, a->type());
      }
      n->output(i)->replace_all_uses_with(a);
      n->remove_output(i);
      for (Block* side : n->blocks()) side->ret()->remove_input(i);
      changed = true;
    }
    return changed;
  }
  // What a loop over a counter carries and no turn of it changes. Others stay as they are: one that never ends should not.
  bool drop_unchanged(Node* n) {
    bool changed = false;
    Block& body = *n->blocks()[0];
    const IValue *trips = constant_of(n->input(0)), *go = constant_of(body.outputs()[0]);
    if ((trips && trips->to_int() == INT64_MAX) || !go || !go->to_bool()) return false;
    for (size_t i = n->outputs().size(); i-- > 0;) {
      Value *start = n->input(i + 2), *in = body.inputs()[i + 1], *out = body.outputs()[i + 1];
      if ((out != in && out != start) || !start->type()->equals(*in->type())) continue;
      n->output(i)->replace_all_uses_with(start);
      in->replace_all_uses_with(start);
      n->remove_output(i);
      n->remove_input(i + 2);
      body.ret()->remove_input(i + 1);
      body.param()->remove_output(i + 1);
      changed = true;
    }
    return changed;
  }

  // Runs a node over constants, which may be undefined, sparse or of another kind that kernels must not see; who watches calls is not told.
  static void compute(const Node& n, std::vector<IValue>& args, std::vector<IValue>& rets) {
    NoGradGuard no_grad;
    Scoped<Interceptor*> nobody(thread_state.interceptor, nullptr);
    if (n.op) call(*n.op, args.data(), rets.data());
    else if (n.primitive) n.primitive->run(args.data(), rets.data());
    else rets[0] = make_list(n.output()->type()->element(), args);
  }

  bool fold(Node* n) {
    if ((!n->schema() && !n->is("prim::ListConstruct")) || n->outputs().empty() || !is_pure(*n) || !all_constant(*n))
      return false;
    for (const Value* v : n->outputs())
      if (is_mutable(*v->type()) && (!aliases_ || aliases_->is_written(v) || aliases_->escapes(v))) return false;
    for (const Value* v : n->inputs())
      if (!aliases_ && is_mutable(*v->type())) return false;
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
  std::optional<AliasSets> aliases_;  // unless only what can't be written to is computed
};

void collect(Block& b, std::vector<Node*>& out) {
  for (Node* n : b) {
    if (n->is("prim::Constant")) out.push_back(n);
    for (Block* inner : n->blocks()) collect(*inner, out);
  }
}

// Equal constants have the same.
size_t bucket(const IValue& v) {
  bool few = v.is_none() || v.is_bool() || v.is_complex() || v.is_device();  // few of them differ
  size_t h = v.is_int()      ? std::hash<int64_t>()(v.to_int())
             : v.is_double() ? std::hash<double>()(v.to_double())
             : v.is_string() ? std::hash<std::string_view>()(v.to_string())
             : few ? 0
                   : std::hash<const void*>()(v.object());  // lists, tensors, objects: only itself is the same
  return h * 31 + size_t(v.tag());
}

}  // namespace

bool propagate_constants(Graph& graph, bool plain) {
  InsertPoint kept(graph, graph.block());
  Limits limits(0, kMostMemory);
  return Propagator(graph, plain).run(*graph.block());
}

bool pool_constants(Graph& graph) {
  std::vector<Node*> all;
  collect(*graph.block(), all);
  std::unordered_map<size_t, std::vector<Node*>> alike;
  bool changed = false;
  Node* top = graph.block()->first();
  for (Node* n : all) {
    std::vector<Node*>& kept = alike[bucket(*constant_of(n->output()))];
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
