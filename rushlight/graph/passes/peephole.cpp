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
  // `facts`: what is known of tensors' shapes and dtypes is taken for granted.
  Peephole(Graph& graph, bool only_tuples, bool facts = false) : graph_(graph), facts_(facts) {
    if (!only_tuples) aliases_.emplace(graph);
  }

  bool run(Block& b) {
    bool changed = false;
    for (Node* n : b) {
      for (Block* inner : n->blocks()) changed |= run(*inner);
      if (n->outputs().empty()) continue;
      if (aliases_ && n->is("prim::If")) changed |= branches(n);
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
  Value* constant(Node* before, IValue v) {
    InsertPoint here(graph_, before);
    return graph_.insert_constant(std::move(v));
  }

  // What is True on one side and False on the other is the condition; what is no Optional on either side is none after it.
  bool branches(Node* n) {
    bool changed = false;
    for (size_t i = 0; i < n->outputs().size(); i++) {
      Value *out = n->output(i), *yes = n->blocks()[0]->outputs()[i], *no = n->blocks()[1]->outputs()[i];
      // `if not c` is `if c` with its sides changed.
      const bool negated = n->input()->node()->is("aten::__not__");
      Value* condition = negated ? n->input()->node()->input() : n->input();
      auto is = [&](const Value* v, bool wanted) {
        const IValue* c = constant_of(v);
        return v == condition || (c && c->is_bool() && c->to_bool() == wanted);
      };
      if (typed(out, Type::Kind::Bool) && out->has_uses() && is(yes, !negated) && is(no, negated)) {
        out->replace_all_uses_with(condition);
        changed = true;
      }
      if (typed(out, Type::Kind::Optional) && yes->type()->equals(*no->type()) && !may_be_none(*yes->type())) {
        out->set_type(yes->type());
        changed = true;
      }
    }
    return changed;
  }

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

  // Equal to itself is all that has no NaN in it.
  static bool equals_itself(const Type& t) {
    switch (t.kind()) {
      case Type::Kind::Int:
      case Type::Kind::Bool:
      case Type::Kind::String: return true;
      case Type::Kind::List: return equals_itself(*t.element());
      default: return false;
    }
  }

  // Of int and float values, not of tensors: there a result is a tensor of its own.
  Value* arithmetic(Node* n) {
    Value *a = n->input(0), *b = n->input(1);
    if (a == b && (n->is("aten::eq") || n->is("aten::ne")) && equals_itself(*a->type()))
      return constant(n, n->is("aten::eq"));
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
    if (a == b && typed(a, Type::Kind::Tensor)) return constant(n, n->is("aten::__is__"));
    if (typed(a, Type::Kind::None)) std::swap(a, b);
    if (!typed(b, Type::Kind::None)) return nullptr;
    int none = typed(a, Type::Kind::None) ? 1 : may_be_none(*a->type()) ? -1 : 0;
    if (none < 0) return nullptr;
    return constant(n, (none == 1) == n->is("aten::__is__"));
  }

  Value* elements(Node* n) {
    Node* inner = n->input()->node();
    if (n->is("prim::TupleIndex") && inner->is("prim::TupleConstruct")) return item(inner, n->input(1));
    bool dict = inner->is("prim::DictConstruct");
    if (!aliases_ || (!dict && !inner->is("prim::ListConstruct")) || aliases_->is_written(inner->output()))
      return nullptr;
    if (dict) return entries(n, inner);
    if (n->is("aten::__getitem__")) return item(inner, n->input(1));
    if (n->is("aten::len")) return constant(n, int64_t(inner->inputs().size()));
    return n->is("aten::slice") && n->inputs().size() == 4 ? slice(n, inner) : nullptr;
  }
  static bool comparable(const IValue* key) { return key && (key->is_int() || key->is_string() || key->is_double()); }
  static bool same(const IValue& a, const IValue& b) {
    if (a.is_string() || b.is_string()) return a.is_string() && b.is_string() && a.to_string() == b.to_string();
    return a.is_int() && b.is_int() ? a.to_int() == b.to_int() : a.to_double() == b.to_double();
  }
  // Of a dict whose keys are known and differ.
  Value* entries(Node* n, Node* dict) {
    const bool count = n->is("aten::len");
    if (!count && !n->is("aten::__getitem__")) return nullptr;
    std::vector<IValue> keys;
    Value* found = nullptr;
    const IValue* wanted = count ? nullptr : constant_of(n->input(1));
    if (!count && !comparable(wanted)) return nullptr;
    for (size_t i = 0; i < dict->inputs().size(); i += 2) {
      const IValue* key = constant_of(dict->input(i));
      if (!comparable(key)) return nullptr;
      for (const IValue& k : keys)
        if (same(k, *key)) return nullptr;
      keys.push_back(*key);
      if (wanted && same(*wanted, *key)) found = dict->input(i + 1);
    }
    return count ? constant(n, int64_t(keys.size())) : found;
  }
  // list[start:end:step] of known numbers is a list of its own.
  Value* slice(Node* n, Node* list) {
    int64_t size = int64_t(list->inputs().size()), bound[3] = {0, size, 1};
    for (size_t i = 0; i < 3; i++) {
      const IValue* v = constant_of(n->input(i + 1));
      if (!v || !(v->is_int() || v->is_none())) return nullptr;
      if (v->is_int()) bound[i] = v->to_int();
      if (i < 2) bound[i] = std::clamp(bound[i] < 0 ? bound[i] + size : bound[i], int64_t(0), size);
    }
    if (bound[2] <= 0) return nullptr;
    std::vector<Value*> items;
    for (int64_t at = bound[0]; at < bound[1]; at += bound[2]) items.push_back(list->input(size_t(at)));
    Node* made = graph_.create("prim::ListConstruct", items, 1);
    made->location = n->location;
    made->output()->set_type(n->output()->type());
    return made->insert_before(n)->output();
  }
  // What follows from what is known of tensors.
  Value* known(Node* n) {
    const TensorFacts* f = n->input()->facts.get();
    Node* inner = n->input()->node();
    if (n->is("aten::len") && inner->is("aten::size") && inner->inputs().size() == 1 &&
        !aliases_->is_written(inner->output()))
      f = inner->input()->facts.get();
    else if (!n->is("aten::dim") && !n->is("aten::type_as")) return nullptr;
    if (!f || aliases_->is_reshaped(inner->is("aten::size") ? inner->input() : n->input())) return nullptr;
    if (!n->is("aten::type_as")) return f->sizes ? constant(n, int64_t(f->sizes->size())) : nullptr;
    const TensorFacts* other = n->input(1)->facts.get();
    bool alike = other && f->dtype && f->device && f->dtype == other->dtype && f->device == other->device;
    return alike ? same_memory(n->input(), n->output()) : nullptr;
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
    if (Value* v = facts_ ? known(n) : nullptr) return v;
    if (typed(n->output(), Type::Kind::Tensor)) return views(n);
    if (n->inputs().size() != 2) return nullptr;
    if (n->is("aten::__is__") || n->is("aten::__isnot__")) return identity_tests(n);
    return arithmetic(n);
  }

  Graph& graph_;
  bool facts_;
  std::optional<AliasSets> aliases_;  // unless only tuples are simplified
};

}  // namespace

bool peephole(Graph& graph, bool facts) { return Peephole(graph, false, facts).run(*graph.block()); }
bool simplify_tuples(Graph& graph) { return Peephole(graph, true).run(*graph.block()); }

}  // namespace rushlight::graph
