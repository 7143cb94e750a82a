// Conditions, what is known of them while compiling, and what they tell about types.
#include <map>

#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/executor/primitives.h"
#include "rushlight/script/lowering.h"
#include "rushlight/script/syntax.h"

namespace rushlight::script {

using EK = Expr::Kind;
using TK = Type::Kind;

Value* Lowering::truth(const Range& range, Value* v) {
  if (v->type()->is(TK::Bool)) return v;
  if (SugaredPtr known = call_magic(range, graph_value(v), "__bool__", {})) {
    Value* told = known->as_value(range, *this);
    if (!told->type()->is(TK::Bool))
      fail(range, str("expected a bool expression for condition but found ", told->type(), ", which __bool__() of ",
                      v->type(), " returns"));
    return told;
  }
  if (SugaredPtr n = call_magic(range, graph_value(v), "__len__", {})) return truth(range, n->as_value(range, *this));
  if (v->type()->is(TK::Tensor) || v->type()->is(TK::Int) || v->type()->is(TK::Float))
    return emit_typed(range, "aten::Bool", {v}, Type::boolean());
  if (v->type()->is(TK::Number) || v->type()->is(TK::Complex))
    return emit_typed(range, "aten::ne", {v, constant(range, int64_t(0))}, Type::boolean());
  if (v->type()->is(TK::List) || v->type()->is(TK::String) || v->type()->is(TK::Dict)) {
    Value* n = emit_typed(range, "aten::len", {v}, Type::integer());
    return emit_typed(range, "aten::Bool", {n}, Type::boolean());
  }
  fail(range, str("Could not cast value of type ", v->type(), " to bool"));
}
Value* Lowering::condition(const ExprPtr& e) {
  if (e->kind == EK::And || e->kind == EK::Or) return short_circuit(e, true)->as_value(e->range, *this);
  return truth(e->range, value(e));
}

bool Lowering::has_attribute(const Range& range, const SugaredPtr& v, const std::string& name) {
  try {
    return v->attribute(range, *this, name) != nullptr;
  } catch (const ScriptError&) { return false; }
}

// A type that says of a value less than isinstance() can.
static bool open_type(const Type& t) { return t.is(TK::Optional) || t.is(TK::Union) || t.is(TK::Any); }

const IValue* Lowering::known_constant(const ExprPtr& e, IValue& room) {
  bool plain = e->kind == EK::Int || e->kind == EK::Float || e->kind == EK::String || e->kind == EK::Name ||
               e->kind == EK::None || (e->kind == EK::Unary && e->items[0]->kind == EK::Int && e->text == "-") ||
               (e->kind == EK::Attribute && (e->items[0]->kind == EK::Name || e->items[0]->kind == EK::Attribute));
  bool length = e->kind == EK::Call && e->items.size() == 2 && e->items[0]->kind == EK::Name &&
                e->items[0]->text == "len" && e->items[1]->kind == EK::Name;
  if (!plain && !length) return nullptr;
  SugaredPtr v = expr(length ? e->items[1] : e);
  if (length) {
    std::vector<SugaredPtr> items;
    if (dynamic_cast<SimpleValue*>(v.get()) || !v->items(e->range, *this, items)) return nullptr;
    return &(room = IValue(int64_t(items.size())));
  }
  auto* c = dynamic_cast<ConstantValue*>(v.get());
  auto* simple = dynamic_cast<SimpleValue*>(v.get());
  const IValue* known = c ? &c->constant : simple ? graph::constant_of(simple->value) : nullptr;
  if (!known || !(known->is_scalar() || known->is_string() || known->is_none())) return nullptr;
  return &(room = *known);
}

int Lowering::static_condition(const ExprPtr& e) {
  switch (e->kind) {
    case EK::True: return 1;
    case EK::False: return 0;
    case EK::And:
    case EK::Or: {
      int a = static_condition(e->items[0]), stop = e->kind == EK::And ? 0 : 1;
      if (a == stop) return stop;
      if (a >= 0) return static_condition(e->items[1]);
      // The first need not be asked where the second decides and asking has no effect.
      std::function<bool(const ExprPtr&)> plain = [&](const ExprPtr& x) {
        if (x->kind == EK::And || x->kind == EK::Or) return plain(x->items[0]) && plain(x->items[1]);
        return x->kind == EK::Name || x->kind == EK::Attribute || static_condition(x) >= 0;
      };
      return plain(e->items[0]) && static_condition(e->items[1]) == stop ? stop : -1;
    }
    case EK::Unary: {
      if (e->text != "not") return -1;
      int a = static_condition(e->items[0]);
      return a < 0 ? -1 : !a;
    }
    case EK::Binary: {
      if (e->text == "in" || e->text == "not in") {
        IValue room;
        const IValue* item = known_constant(e->items[0], room);
        if (!item || e->items[1]->kind != EK::Tuple) return -1;
        bool found = false;
        for (const ExprPtr& i : e->items[1]->items) {
          IValue other;
          const IValue* c = known_constant(i, other);
          if (!c) return -1;
          found |= graph::values_equal(*item, *c);
        }
        return found == (e->text == "in");
      }
      if (e->text != "is" && e->text != "is not") {  // of what is known, as a module's padding_mode
        auto literal = [](const ExprPtr& x) {
          return x->kind == EK::Int || x->kind == EK::Float || x->kind == EK::String;
        };
        if (literal(e->items[0]) && literal(e->items[1])) return -1;  // both branches are meant to be compiled
        IValue rooms[2];
        const IValue* a = known_constant(e->items[0], rooms[0]);
        const IValue* b = a ? known_constant(e->items[1], rooms[1]) : nullptr;
        if (!b) return -1;
        if (e->text == "==" || e->text == "!=") return graph::values_equal(*a, *b) == (e->text == "==");
        if (!a->is_scalar() || !b->is_scalar() || a->is_complex() || b->is_complex()) return -1;
        if (e->text == "<") return graph::value_less(*a, *b);
        if (e->text == ">") return graph::value_less(*b, *a);
        return -1;
      }
      if (e->text != "is" && e->text != "is not") return -1;
      const ExprPtr& other = e->items[0]->kind == EK::None ? e->items[1] : e->items[0];
      if (e->items[0]->kind != EK::None && e->items[1]->kind != EK::None) return -1;
      if (other->kind != EK::Name && other->kind != EK::Attribute && other->kind != EK::None) return -1;
      int none = expr(other)->is_none();
      return none < 0 ? -1 : e->text == "is" ? none : !none;
    }
    case EK::Call: {
      const ExprPtr& f = e->items[0];
      if (f->kind == EK::Attribute && f->text == "is_scripting") return 1;
      if (f->kind == EK::Attribute && (f->text == "is_tracing" || f->text == "is_compiling")) return 0;
      if (f->kind == EK::Name && f->text == "hasattr" && e->items.size() == 3 && e->items[2]->kind == EK::String &&
          (e->items[1]->kind == EK::Name || e->items[1]->kind == EK::Attribute))
        return has_attribute(e->range, expr(e->items[1]), e->items[2]->text);
      if (asks_type(*e)) {
        if (e->items[1]->kind == EK::Call) return -1;  // asked once, where it is needed
        TypePtr have = value(e->items[1])->type();
        if (have->is(TK::Any)) return -1;
        if (open_type(*have)) {  // known where all that it may be are of the types, or none is
          const std::vector<TypePtr> wanted = types_in(*e->items[2], *have), all = options(*have);
          auto fits = [&](const TypePtr& o) {
            return std::any_of(wanted.begin(), wanted.end(), [&](const TypePtr& w) { return o->is_subtype_of(*w); });
          };
          auto may = [&](const TypePtr& o) {  // an option that is itself open, or a base
            return std::any_of(wanted.begin(), wanted.end(), [&](const TypePtr& w) { return w->is_subtype_of(*o); });
          };
          if (std::all_of(all.begin(), all.end(), fits)) return 1;
          return std::any_of(all.begin(), all.end(), [&](const TypePtr& o) { return fits(o) || may(o); }) ? -1 : 0;
        }
        std::vector<ExprPtr> wanted =
            e->items[2]->kind == EK::Tuple ? e->items[2]->items : std::vector<ExprPtr>{e->items[2]};
        for (const ExprPtr& w : wanted) {
          if (w->kind == EK::Name && (w->text == "list" || w->text == "tuple" || w->text == "dict")) {
            if (have->is(w->text == "list" ? TK::List : w->text == "tuple" ? TK::Tuple : TK::Dict)) return 1;
          } else if (w->kind == EK::Name && w->text == "Iterable") {
            if (have->is(TK::List) || have->is(TK::Tuple) || have->is(TK::Dict) || have->is(TK::String) ||
                have->is(TK::Tensor))
              return 1;
          } else if (have->is_subtype_of(*type_of(*w))) {
            return 1;
          }
        }
        return 0;
      }
      return -1;
    }
    case EK::Name:
    case EK::Attribute: {
      if (e->kind == EK::Attribute && e->items[0]->kind != EK::Name && e->items[0]->kind != EK::Attribute) return -1;
      SugaredPtr v = expr(e);
      auto* c = dynamic_cast<ConstantValue*>(v.get());
      if (c && c->constant.is_none()) return 0;
      return c && c->constant.is_bool() ? c->constant.to_bool() : -1;
    }
    default: return -1;
  }
}

std::vector<TypePtr> Lowering::options(const Type& have) {
  std::vector<TypePtr> all = have.is(TK::Any) ? std::vector<TypePtr>() : have.contained();
  if (have.is(TK::Optional)) all.push_back(Type::none());
  return all;
}
std::vector<TypePtr> Lowering::types_in(const Expr& e, const Type& have) {
  std::vector<TypePtr> out;
  std::vector<const Expr*> parts;
  std::function<void(const Expr&)> add = [&](const Expr& p) {  // tuples in tuples too
    if (p.kind != EK::Tuple) return parts.push_back(&p);
    for (const ExprPtr& i : p.items) add(*i);
  };
  add(e);
  for (const Expr* p : parts) {
    static const std::map<std::string, TK> bare = {{"list", TK::List}, {"tuple", TK::Tuple}, {"dict", TK::Dict}};
    auto kind = p->kind == EK::Name ? bare.find(p->text) : bare.end();
    if (kind == bare.end()) {
      out.push_back(type_of(*p));
      continue;
    }
    for (const TypePtr& o : options(have))
      if (o->is(kind->second)) out.push_back(o);
    if (have.is(TK::Any))
      fail(p->range, str("Provided ", p->text,
                         " is not fully defined/refined: isinstance() of a value of type Any takes no bare '", p->text,
                         "'; say List[int] or its like"));
  }
  return out;
}

void Lowering::refinements(const ExprPtr& e, bool truth, std::vector<Refinement>& out) {
  if (e->kind == EK::Unary && e->text == "not") return refinements(e->items[0], !truth, out);
  if ((e->kind == EK::And && truth) || (e->kind == EK::Or && !truth)) {
    refinements(e->items[0], truth, out);
    return refinements(e->items[1], truth, out);
  }
  if (e->kind == EK::Binary && (e->text == "is" || e->text == "is not") && e->items[0]->kind == EK::Name &&
      e->items[1]->kind == EK::None) {
    if ((e->text == "is not") != truth) return;
    auto* v = dynamic_cast<SimpleValue*>(lookup(e->items[0]->text, e->range).get());
    if (!v) return;
    const Type& have = *v->value->type();
    if (have.is(TK::Optional)) out.push_back({e->items[0]->text, have.element()});
    if (!have.is(TK::Union)) return;
    std::vector<TypePtr> left;
    for (const TypePtr& o : have.contained())
      if (!o->is(TK::None)) left.push_back(o);
    if (left.size() < have.contained().size())
      out.push_back({e->items[0]->text, left.size() == 1 ? left[0] : Type::union_of(left)});
  }
  if (asks_type(*e) && e->items[1]->kind == EK::Name) {
    auto* v = dynamic_cast<SimpleValue*>(lookup(e->items[1]->text, e->range).get());
    if (!v || !open_type(*v->value->type())) return;
    const Type& have = *v->value->type();
    std::vector<TypePtr> wanted = types_in(*e->items[2], have), left;
    if (!truth) {  // what is none of them
      if (have.is(TK::Any)) return;
      for (const TypePtr& o : options(have))
        if (std::none_of(wanted.begin(), wanted.end(), [&](const TypePtr& w) { return o->is_subtype_of(*w); }))
          left.push_back(o);
      wanted = std::move(left);
    } else if (!have.is(TK::Any)) {  // what it may be of them
      for (const TypePtr& o : options(have))
        if (std::any_of(wanted.begin(), wanted.end(), [&](const TypePtr& w) { return o->is_subtype_of(*w); }))
          left.push_back(o);
      for (const TypePtr& w : wanted)
        if (std::none_of(left.begin(), left.end(), [&](const TypePtr& o) { return o->is_subtype_of(*w); }))
          for (const TypePtr& o : options(have))
            if (w->is_subtype_of(*o)) {
              left.push_back(w);
              break;
            }
      if (!left.empty()) wanted = std::move(left);
    }
    if (wanted.empty()) return;
    auto none = std::find_if(wanted.begin(), wanted.end(), [](const TypePtr& w) { return w->is(TK::None); });
    bool optional = wanted.size() > 1 && none != wanted.end();
    if (optional) wanted.erase(none);
    TypePtr type = wanted.size() == 1 ? wanted[0] : Type::union_of(wanted);
    out.push_back({e->items[1]->text, optional ? Type::optional(type) : type});
  }
}

void Lowering::refine(const std::vector<Refinement>& all, const Range& range) {
  for (const Refinement& r : all) {
    Value* old = lookup(r.name, range)->as_value(range, *this);
    if (open_type(*old->type()))
      scope_->names[r.name] = std::make_shared<SimpleValue>(emit_typed(range, "prim::unchecked_cast", {old}, r.type));
  }
}

// Where both sides are of one type the result is the side that decided, as in Python; else it is a bool.
SugaredPtr Lowering::short_circuit(const ExprPtr& e, bool as_condition) {
  int known = static_condition(e);
  if (known >= 0) return std::make_shared<ConstantValue>(known != 0);
  bool is_and = e->kind == EK::And;
  auto simple = [](Value* v) { return std::make_shared<SimpleValue>(v); };
  if (static_condition(e->items[0]) >= 0)  // the left one does not decide
    return as_condition ? simple(condition(e->items[1])) : expr(e->items[1]);
  std::vector<Refinement> told;
  refinements(e->items[0], is_and, told);
  Value* left = as_condition ? condition(e->items[0]) : value(e->items[0]);
  Value* go = truth(e->range, left);
  if (!is_and) go = emit_typed(e->range, "aten::__not__", {go}, Type::boolean());
  bool keeps = false;
  branches(
      e->range, go,
      [&] {
        refine(told, e->range);
        Value* right = as_condition ? condition(e->items[1]) : value(e->items[1]);
        keeps = !left->type()->is(TK::Bool) && left->type()->equals(*right->type());
        return assign(e->range, "$value", simple(keeps ? right : truth(e->range, right))), false;
      },
      [&] {
        if (keeps) return assign(e->range, "$value", simple(left)), false;
        return assign(e->range, "$value", std::make_shared<ConstantValue>(!is_and)), false;
      });
  return lookup("$value", e->range);
}

SugaredPtr Lowering::ternary(const ExprPtr& e, const TypePtr& wanted) {
  int known = static_condition(e->items[0]);
  if (known >= 0) return expr_as(e->items[known ? 1 : 2], wanted);
  std::vector<Refinement> yes, no;
  refinements(e->items[0], true, yes);
  refinements(e->items[0], false, no);
  Value* c = condition(e->items[0]);
  TypePtr types[3];
  auto side = [&](size_t i, const std::vector<Refinement>& told) {
    return [&, i] {
      refine(told, e->range);
      SugaredPtr given = expr_as(e->items[i], wanted);
      Value* v = wanted ? convert(e->range, given, wanted, nullptr, false) : nullptr;
      if (!v) v = given->as_value(e->items[i]->range, *this);
      else if (!v->type()->equals(*wanted)) v = emit_typed(e->range, "prim::unchecked_cast", {v}, wanted);
      types[i] = v->type();
      assign(e->range, "$value", std::make_shared<SimpleValue>(v));
      return false;
    };
  };
  branches(e->range, c, side(1, yes), side(2, no));
  if (!scope_->names["$value"])
    fail(e->range, str("if-expression's true branch has type ", types[1], " but false branch has type ", types[2]));
  return lookup("$value", e->range);
}

}  // namespace rushlight::script
