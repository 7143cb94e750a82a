#include <algorithm>
#include <optional>

#include "rushlight/graph/passes/effects.h"
#include "rushlight/graph/passes/passes.h"

namespace rushlight::graph {
namespace {

bool is_int(const Value* v, int64_t wanted) {
  const IValue* c = constant_of(v);
  return c && c->is_int() && c->to_int() == wanted;
}
bool is_number(const Value* v, double wanted) {
  const IValue* c = constant_of(v);
  return c && (c->is_int() || c->is_double()) && c->to_double() == wanted;
}
bool typed(const Value* v, Type::Kind kind) { return v->type()->is(kind); }
bool may_be_none(const Type& t) {
  switch (t.kind()) {
    case Type::Kind::None:
    case Type::Kind::Optional:
    case Type::Kind::Any:
    case Type::Kind::Union: return true;
    default: return false;
  }
}

class Peephole {
 public:
  Peephole(Graph& graph, bool only_tuples) : graph_(graph) {
    if (!only_tuples) aliases_.emplace(graph);
  }

  bool run(Block& b) {
    bool changed = false;
    for (Node* n : b) {
      for (Block* inner : n->blocks()) changed |= run(*inner);
      if (n->outputs().empty()) continue;
      if (n->is("prim::TupleUnpack") || n->is("prim::ListUnpack")) {
        changed |= unpack(n);
        continue;
      }
      if (n->outputs().size() != 1) continue;
      Value* v = simpler(n);
      if (!v || v == n->output()) continue;
      n->output()->replace_all_uses_with(v);
      changed = true;  // the node itself is dead now
    }
    return changed;
  }

 private:
  // A view of a tensor at its own shape may not stand for the tensor where t_(), resize_() and their like would change the tensor's own
  // shape. What else is written, is written to both.
  Value* same_memory(Value* x, const Value* view) {
    return aliases_->is_reshaped(view) || aliases_->is_reshaped(x) ? nullptr : x;
  }

  Value* views(Node* n) {
    Value* x = n->input();
    Node* inner = x->node();
    if (n->is("aten::t") && inner->is("aten::t")) return same_memory(inner->input(), n->output());
    if ((n->is("aten::transpose") || n->is("aten::swapaxes")) && inner->kind() == n->kind() &&
        n->inputs().size() == 3) {
      const IValue* d[4] = {constant_of(n->input(1)), constant_of(n->input(2)), constant_of(inner->input(1)),
                            constant_of(inner->input(2))};
      for (const IValue* i : d)
        if (!i || !i->is_int()) return nullptr;
      bool same = (d[0]->to_int() == d[2]->to_int() && d[1]->to_int() == d[3]->to_int()) ||
                  (d[0]->to_int() == d[3]->to_int() && d[1]->to_int() == d[2]->to_int());
      return same ? same_memory(inner->input(), n->output()) : nullptr;
    }
    if (n->is("aten::expand") || n->is("aten::view") || n->is("aten::reshape")) {
      Node* size = n->input(1)->node();
      if (size->is("aten::size") && size->inputs().size() == 1 && size->input() == x &&
          !aliases_->is_written(size->output()))
        return same_memory(x, n->output());
    }
    if ((n->is("aten::expand_as") || n->is("aten::view_as") || n->is("aten::reshape_as")) && n->input(1) == x)
      return same_memory(x, n->output());
    return nullptr;
  }

  // Of int and float values, not of tensors: there a result is a tensor of its own.
  Value* arithmetic(Node* n) {
    Value *a = n->input(0), *b = n->input(1);
    bool ints = typed(a, Type::Kind::Int) && typed(b, Type::Kind::Int) && typed(n->output(), Type::Kind::Int);
    if (ints) {
      if ((n->is("aten::add") || n->is("aten::sub")) && is_int(b, 0)) return a;
      if (n->is("aten::add") && is_int(a, 0)) return b;
      if ((n->is("aten::mul") || n->is("aten::floordiv")) && is_int(b, 1)) return a;
      if (n->is("aten::mul") && is_int(a, 1)) return b;
    }
    // Not x + 0.0: that turns -0.0 into 0.0.
    if (typed(a, Type::Kind::Float) && typed(n->output(), Type::Kind::Float) &&
        (n->is("aten::mul") || n->is("aten::div")) && is_number(b, 1))
      return a;
    if (typed(b, Type::Kind::Float) && typed(n->output(), Type::Kind::Float) && n->is("aten::mul") && is_number(a, 1))
      return b;
    return nullptr;
  }

  Value* conversions(Node* n) {
    Value* x = n->input();
    Node* inner = x->node();
    if (n->is("aten::Int") && typed(x, Type::Kind::Int)) return x;
    if (n->is("aten::Float") && typed(x, Type::Kind::Float)) return x;
    if (n->is("aten::Bool") && typed(x, Type::Kind::Bool)) return x;
    if (inner->is("prim::NumToTensor")) {
      Value* number = inner->input();
      if (n->is("aten::Int") && typed(number, Type::Kind::Int)) return number;
      if (n->is("aten::Float") && typed(number, Type::Kind::Float)) return number;
    }
    if (n->is("aten::__not__") && inner->is("aten::__not__")) return inner->input();
    if ((n->is("prim::unchecked_cast") || n->is("prim::unchecked_unwrap_optional") ||
         n->is("aten::_unwrap_optional")) &&
        x->type()->equals(*n->output()->type()))
      return x;
    return nullptr;
  }

  Value* identity_tests(Node* n) {
    Value *a = n->input(0), *b = n->input(1);
    for (Value** v : {&a, &b})  // a type that says less is no other object
      while ((*v)->node()->is("prim::unchecked_cast")) *v = (*v)->node()->input();
    if (a == b && typed(a, Type::Kind::Tensor)) {
      InsertPoint here(graph_, n);
      return graph_.insert_constant(n->is("aten::__is__"));
    }
    if (typed(a, Type::Kind::None)) std::swap(a, b);
    if (!typed(b, Type::Kind::None)) return nullptr;
    int none = typed(a, Type::Kind::None) ? 1 : may_be_none(*a->type()) ? -1 : 0;
    if (none < 0) return nullptr;
    InsertPoint here(graph_, n);
    return graph_.insert_constant((none == 1) == n->is("aten::__is__"));
  }

  Value* elements(Node* n) {
    Node* inner = n->input()->node();
    if (n->is("prim::TupleIndex") && inner->is("prim::TupleConstruct")) return item(inner, n->input(1));
    if (!aliases_ || !inner->is("prim::ListConstruct") || aliases_->is_written(inner->output())) return nullptr;
    if (n->is("aten::__getitem__")) return item(inner, n->input(1));
    if (n->is("aten::len")) {
      InsertPoint here(graph_, n);
      return graph_.insert_constant(int64_t(inner->inputs().size()));
    }
    return nullptr;
  }
  static Value* item(Node* construct, const Value* index) {
    const IValue* at = constant_of(index);
    int64_t n = int64_t(construct->inputs().size());
    if (!at || !at->is_int() || at->to_int() < -n || at->to_int() >= n) return nullptr;
    return construct->input(size_t(at->to_int() < 0 ? at->to_int() + n : at->to_int()));
  }

  bool unpack(Node* n) {
    Node* inner = n->input()->node();
    bool tuple = n->is("prim::TupleUnpack") && inner->is("prim::TupleConstruct");
    bool list = aliases_ && n->is("prim::ListUnpack") && inner->is("prim::ListConstruct") &&
                !aliases_->is_written(inner->output());
    if ((!tuple && !list) || inner->inputs().size() != n->outputs().size()) return false;
    bool changed = false;
    for (size_t i = 0; i < n->outputs().size(); i++) {
      if (!n->output(i)->has_uses()) continue;
      n->output(i)->replace_all_uses_with(inner->input(i));
      changed = true;
    }
    return changed;
  }

  Value* simpler(Node* n) {
    if (n->inputs().empty() || !n->output()->has_uses()) return nullptr;
    if (!aliases_) return n->is("prim::TupleIndex") ? elements(n) : nullptr;
    if (Value* v = conversions(n)) return v;
    if (Value* v = elements(n)) return v;
    if (typed(n->output(), Type::Kind::Tensor)) return views(n);
    if (n->inputs().size() != 2) return nullptr;
    if (n->is("aten::__is__") || n->is("aten::__isnot__")) return identity_tests(n);
    return arithmetic(n);
  }

  Graph& graph_;
  std::optional<AliasSets> aliases_;  // unless only tuples are simplified
};

}  // namespace

bool peephole(Graph& graph) { return Peephole(graph, false).run(*graph.block()); }
bool simplify_tuples(Graph& graph) { return Peephole(graph, true).run(*graph.block()); }

}  // namespace rushlight::graph
