// Expressions, conditions and what they tell about types.
#include <charconv>
#include <cstdlib>
#include <optional>

#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/executor/primitives.h"
#include "rushlight/script/lowering.h"
#include "rushlight/script/parser.h"

namespace rushlight::script {

using EK = Expr::Kind;
using TK = Type::Kind;

SugaredPtr Lowering::expr(const ExprPtr& e) {
  auto constant_value = [](IValue v) { return std::make_shared<ConstantValue>(std::move(v)); };
  switch (e->kind) {
    case EK::Name: return lookup(e->text, e->range);
    case EK::Int: return constant_value(integer(*e, false));
    case EK::Float: return constant_value(std::strtod(e->text.c_str(), nullptr));  // 1e999 is inf, as in Python
    case EK::Imaginary: return constant_value(complex128(0, std::strtod(e->text.c_str(), nullptr)));
    case EK::String: return constant_value(e->text);
    case EK::True: return constant_value(true);
    case EK::False: return constant_value(false);
    case EK::None:
    case EK::Ellipsis: return constant_value(IValue());
    case EK::FString: return format(e);
    case EK::Attribute: return expr(e->items[0])->attribute(e->range, *this, e->text);
    case EK::Call: return call(e);
    case EK::Subscript: {
      SugaredPtr base = expr(e->items[0]);
      if (base->as_type() || dynamic_cast<Special*>(base.get()))
        if (TypePtr t = type_of(*e)) return std::make_shared<TypeName>(t);
      return subscript(e->range, base, {e->items.begin() + 1, e->items.end()});
    }
    case EK::Unary: {
      if (e->text == "not") {
        int known = static_condition(e);
        if (known >= 0) return constant_value(known != 0);
        return std::make_shared<SimpleValue>(
            emit_typed(e->range, "aten::__not__", {condition(e->items[0])}, Type::boolean()));
      }
      if (e->text == "-" && e->items[0]->kind == EK::Int) return constant_value(integer(*e->items[0], true));
      SugaredPtr v = expr(e->items[0]);
      if (auto* c = dynamic_cast<ConstantValue*>(v.get()); c && c->constant.is_double() && e->text == "-")
        return constant_value(-c->constant.to_double());
      if (SugaredPtr own = call_magic(e->range, v,
                                      e->text == "-"   ? "__neg__"
                                      : e->text == "+" ? "__pos__"
                                                       : "__invert__",
                                      {}))
        return own;
      if (e->text == "+") return v;
      return call_operator(e->range, e->text == "-" ? "neg" : "bitwise_not", {{e->range, "", v}});
    }
    case EK::Binary: {
      int known = static_condition(e);
      if (known >= 0) return constant_value(known != 0);
      SugaredPtr a = expr(e->items[0]), b = expr(e->items[1]);
      return binary(e->range, e->text, a, b);
    }
    case EK::Chain: return chain(e, 0, expr(e->items[0]));
    case EK::And:
    case EK::Or: return short_circuit(e, false);
    case EK::Conditional: return ternary(e);
    case EK::Tuple: {
      std::vector<SugaredPtr> parts;
      for (const ExprPtr& i : e->items) {
        if (i->kind != EK::Star) {
          parts.push_back(expr(i));
        } else if (std::vector<SugaredPtr> more; expr(i->items[0])->items(i->range, *this, more)) {
          parts.insert(parts.end(), more.begin(), more.end());
        } else {
          fail(i->range, "the number of values here is not known while compiling");
        }
      }
      return std::make_shared<TupleOf>(std::move(parts));
    }
    case EK::List: {
      std::vector<Value*> values;
      TypePtr type;
      auto add = [&](const Range& range, const SugaredPtr& v) {
        values.push_back(v->as_value(range, *this));
        type = joined(range, type, values.back()->type(), "lists must contain a single type");
      };
      for (const ExprPtr& i : e->items) {
        if (i->kind != EK::Star) {
          add(i->range, expr(i));
          continue;
        }
        std::vector<SugaredPtr> more;
        if (!expr(i->items[0])->items(i->range, *this, more))
          fail(i->range, "the number of values here is not known while compiling");
        for (const SugaredPtr& m : more) add(i->range, m);
      }
      return std::make_shared<SimpleValue>(
          emit_typed(e->range, "prim::ListConstruct", values, Type::list(type ? type : Type::tensor())));
    }
    case EK::Dict: {
      std::vector<Value*> values;
      TypePtr types[2];
      for (size_t i = 0; i < e->items.size(); i++) {
        values.push_back(value(e->items[i]));
        types[i % 2] = joined(e->items[i]->range, types[i % 2], values.back()->type(),
                              i % 2 ? "dictionaries must contain values of a single type"
                                    : "dictionaries must contain keys of a single type");
      }
      TypePtr type = types[0] ? Type::dict(types[0], types[1]) : Type::dict(Type::string(), Type::tensor());
      return std::make_shared<SimpleValue>(emit_typed(e->range, "prim::DictConstruct", values, type));
    }
    case EK::DictComp:
    case EK::ListComp: return comprehension(e);
    default: fail(e->range, "this expression is not supported in TorchScript");
  }
}

int64_t Lowering::integer(const Expr& e, bool negative) {
  std::string digits = e.text;
  int base = 10;
  if (digits.size() > 1 && digits[0] == '0') {
    char kind = char(digits[1] | 32);
    base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
    if (base != 10) digits.erase(0, 2);
  }
  int64_t v = 0;
  digits.insert(0, negative ? "-" : "");
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), v, base);
  if (error != std::errc() || end != digits.data() + digits.size())
    fail(e.range, "this integer does not fit in 64 bits, which those of TorchScript have");
  return v;
}

// Text and fields in turn. Braces of the text travel as arguments: PyTorch's aten::format knows nothing but {}.
SugaredPtr Lowering::format(const ExprPtr& e) {
  std::string pattern;
  std::vector<Value*> inputs = {nullptr};
  for (size_t i = 0; i < e->items.size(); i++) {
    const ExprPtr& part = e->items[i];
    if (part->kind == EK::String && part->text.find_first_of("{}") == std::string::npos &&
        e->keywords[i].first.empty()) {
      pattern += part->text;
    } else {
      pattern += "{" + e->keywords[i].first + "}";
      SugaredPtr v = std::make_shared<SimpleValue>(value(part));
      SugaredPtr text = call_magic(part->range, v, "__str__", {});
      inputs.push_back((text ? text : v)->as_value(part->range, *this));
    }
  }
  inputs[0] = constant(e->range, pattern);
  return std::make_shared<SimpleValue>(emit_typed(e->range, "aten::format", inputs, Type::string()));
}

TypePtr Lowering::joined(const Range& range, const TypePtr& a, const TypePtr& b, const char* what) {
  TypePtr both = a ? unify(a, b) : b;
  if (!both) fail(range, str(what, ": this is ", b, ", those before are ", a));
  return both;
}

// ---- conditions ----

Value* Lowering::truth(const Range& range, Value* v) {
  if (v->type()->is(TK::Bool)) return v;
  if (SugaredPtr known = call_magic(range, graph_value(v), "__bool__", {})) return known->as_value(range, *this);
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

// op k of the chain, whose left side is there already, and those after it.
SugaredPtr Lowering::chain(const ExprPtr& e, size_t k, const SugaredPtr& left) {
  SugaredPtr right = expr(e->items[k + 1]);
  if (k + 1 < e->keywords.size() && !dynamic_cast<ConstantValue*>(right.get()))
    right = std::make_shared<SimpleValue>(right->as_value(e->range, *this));
  SugaredPtr now = binary(e->range, e->keywords[k].first, left, right);
  if (k + 1 == e->keywords.size()) return now;
  branches(
      e->range, truth(e->range, now->as_value(e->range, *this)),
      [&] {
        Value* rest = truth(e->range, chain(e, k + 1, right)->as_value(e->range, *this));
        return assign(e->range, "$value", std::make_shared<SimpleValue>(rest)), false;
      },
      [&] { return assign(e->range, "$value", std::make_shared<ConstantValue>(false)), false; });
  return lookup("$value", e->range);
}

bool Lowering::has_attribute(const Range& range, const SugaredPtr& v, const std::string& name) {
  try {
    return v->attribute(range, *this, name) != nullptr;
  } catch (const ScriptError&) { return false; }
}

// isinstance(x, T), or torch.jit.isinstance(x, T).
static bool asks_type(const Expr& e) {
  return e.kind == EK::Call && e.items.size() == 3 && e.items[0]->text == "isinstance" &&
         (e.items[0]->kind == EK::Name || e.items[0]->kind == EK::Attribute);
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
        if (open_type(*have)) return -1;
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
  if (have.is(TK::Optional) && all[0]->is(TK::Union)) all = std::vector<TypePtr>(all[0]->contained());
  if (have.is(TK::Optional)) all.push_back(Type::none());
  return all;
}
std::vector<TypePtr> Lowering::types_in(const Expr& e, const Type& have) {
  std::vector<TypePtr> out;
  std::vector<const Expr*> parts = {&e};
  if (e.kind == EK::Tuple) {
    parts.clear();
    for (const ExprPtr& i : e.items) parts.push_back(i.get());
  }
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
      fail(p->range,
           str("isinstance() of a value of type Any takes no bare '", p->text, "'; say List[int] or its like"));
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

SugaredPtr Lowering::ternary(const ExprPtr& e) {
  int known = static_condition(e->items[0]);
  if (known >= 0) return expr(e->items[known ? 1 : 2]);
  std::vector<Refinement> yes, no;
  refinements(e->items[0], true, yes);
  refinements(e->items[0], false, no);
  Value* c = condition(e->items[0]);
  auto side = [&](size_t i, const std::vector<Refinement>& told) {
    return [&, i] {
      refine(told, e->range);
      assign(e->range, "$value", std::make_shared<SimpleValue>(value(e->items[i])));
      return false;
    };
  };
  branches(e->range, c, side(1, yes), side(2, no));
  return lookup("$value", e->range);
}

Iteration Lowering::iterate(const Range& range, const SugaredPtr& v) {
  Iteration over;
  if (!v->iterate(range, *this, over)) fail(range, str("'", v->kind(), "' object is not iterable"));
  return over;
}

void Lowering::loop_over(const Range& range, const Iteration& over,
                         const std::function<void(const SugaredPtr&)>& body) {
  if (over.is_known) {
    for (const SugaredPtr& item : over.known) body(item);
    return;
  }
  graph::Node* node = emit(range, "prim::Loop", {over.trips, constant(range, true)}, 0);
  graph::InsertPoint at(graph_, node->add_block());
  Scope inner;
  inner.outer = scope_;
  scope_ = &inner;
  body(over.item(node->blocks()[0]->add_input(Type::integer())));
  node->blocks()[0]->register_output(constant(range, true));
  scope_ = inner.outer;
}

Value* Lowering::list_of(const Range& range, const Iteration& over) {
  std::vector<Value*> values;
  TypePtr type;
  if (over.is_known) {
    for (const SugaredPtr& item : over.known) {
      values.push_back(item->as_value(range, *this));
      type = joined(range, type, values.back()->type(), "lists must contain a single type");
    }
    return emit_typed(range, "prim::ListConstruct", values, Type::list(type ? type : Type::tensor()));
  }
  Value* list = emit_typed(range, "prim::ListConstruct", {}, Type::list(Type::any()));
  loop_over(range, over, [&](const SugaredPtr& item) {
    Value* v = item->as_value(range, *this);
    list->set_type(Type::list(v->type()));
    emit_typed(range, "aten::append", {list, v}, list->type());
  });
  return list;
}

// The container's type shows only once an item is compiled.
SugaredPtr Lowering::comprehension(const ExprPtr& e) {
  bool dict = e->kind == EK::DictComp;
  size_t target = dict ? 2 : 1, conditions = target + 2;
  Iteration over = iterate(e->items[target + 1]->range, expr(e->items[target + 1]));
  Scope own;  // its names are seen nowhere else
  own.outer = scope_;
  scope_ = &own;
  Value* out = nullptr;
  if (over.is_known && !dict && e->items.size() == conditions) {
    std::vector<Value*> values;
    TypePtr type;
    for (const SugaredPtr& item : over.known) {
      assign_target(e->items[target], item);
      values.push_back(value(e->items[0]));
      type = joined(e->range, type, values.back()->type(), "lists must contain a single type");
    }
    out = emit_typed(e->range, "prim::ListConstruct", values, Type::list(type ? type : Type::tensor()));
  } else {
    out = emit(e->range, dict ? "prim::DictConstruct" : "prim::ListConstruct", {})->output();
    TypePtr type;
    auto add = [&] {
      Value *first = value(e->items[0]), *second = dict ? value(e->items[1]) : nullptr;
      if (!type) out->set_type(type = dict ? Type::dict(first->type(), second->type()) : Type::list(first->type()));
      std::vector<CallArg> args = {{e->range, "", std::make_shared<SimpleValue>(out)},
                                   {e->range, "", std::make_shared<SimpleValue>(first)}};
      if (dict) args.push_back({e->range, "", std::make_shared<SimpleValue>(second)});
      call_operator(e->range, dict ? "_set_item" : "append", std::move(args));
    };
    std::function<void(size_t)> test = [&](size_t k) {
      if (k == e->items.size()) return add();
      branches(e->range, condition(e->items[k]), [&] { return test(k + 1), false; }, [] { return false; });
    };
    loop_over(e->range, over, [&](const SugaredPtr& item) {
      assign_target(e->items[target], item);
      test(conditions);
    });
    if (!type) out->set_type(dict ? Type::dict(Type::string(), Type::tensor()) : Type::list(Type::tensor()));
  }
  scope_ = own.outer;
  return std::make_shared<SimpleValue>(out);
}

// ---- operators ----

SugaredPtr Lowering::binary(const Range& range, const std::string& op, const SugaredPtr& a, const SugaredPtr& b) {
  static const std::map<std::string, const char*> names = {
      {"+", "add"},       {"-", "sub"},         {"*", "mul"},         {"/", "div"},     {"//", "floordiv"},
      {"%", "remainder"}, {"**", "pow"},        {"@", "matmul"},      {"&", "__and__"}, {"|", "__or__"},
      {"^", "__xor__"},   {"<<", "__lshift__"}, {">>", "__rshift__"}, {"<", "lt"},      {">", "gt"},
      {"<=", "le"},       {">=", "ge"},         {"==", "eq"},         {"!=", "ne"}};
  if (op == "is" || op == "is not") {
    Value *x = a->as_value(range, *this), *y = b->as_value(range, *this);
    Value* r = emit_typed(range, op == "is" ? "aten::__is__" : "aten::__isnot__", {x, y}, Type::boolean());
    return std::make_shared<SimpleValue>(r);
  }
  if (op == "in" || op == "not in") {
    if (SugaredPtr own = call_magic(range, b, "__contains__", {a})) {
      if (op == "in") return own;
      return graph_value(emit_typed(range, "aten::__not__", {own->as_value(range, *this)}, Type::boolean()));
    }
    SugaredPtr in = b;
    auto* simple = dynamic_cast<SimpleValue*>(b.get());
    if (std::vector<SugaredPtr> parts;
        !simple || simple->value->type()->is(TK::Tuple) || graph::as_class(simple->value->type()))
      if (b->items(range, *this, parts)) {
        Iteration over;
        over.is_known = true;
        over.known = parts;
        in = std::make_shared<SimpleValue>(list_of(range, over));
      }
    Value* r = call_operator(range, "__contains__", {{range, "", in}, {range, "", a}})->as_value(range, *this);
    if (op == "not in") r = emit_typed(range, "aten::__not__", {r}, Type::boolean());
    return std::make_shared<SimpleValue>(r);
  }
  if (auto* pattern = dynamic_cast<ConstantValue*>(a.get());
      op == "%" &&
      ((pattern && pattern->constant.is_string()) ||
       (!pattern && dynamic_cast<SimpleValue*>(a.get()) && a->as_value(range, *this)->type()->is(TK::String)))) {
    std::vector<Value*> inputs = {a->as_value(range, *this)};
    std::vector<SugaredPtr> parts;
    if (!b->items(range, *this, parts)) parts = {b};
    for (const SugaredPtr& p : parts) inputs.push_back(p->as_value(range, *this));
    return std::make_shared<SimpleValue>(emit_typed(range, "aten::percentFormat", inputs, Type::string()));
  }
  // A whole power of constants is a whole number, as in Python; of others it may be 2 ** -1.
  if (auto *c = dynamic_cast<ConstantValue*>(a.get()), *d = dynamic_cast<ConstantValue*>(b.get());
      op == "**" && c && d && c->constant.is_int() && d->constant.is_int() && d->constant.to_int() >= 0) {
    int64_t out = 1, left = std::min<int64_t>(d->constant.to_int(), 64);
    bool fits = true;
    for (; left > 0 && fits; left--) fits = !__builtin_mul_overflow(out, c->constant.to_int(), &out);
    if (fits && d->constant.to_int() <= 64) return std::make_shared<ConstantValue>(out);
  }
  Value *x = a->as_value(range, *this), *y = b->as_value(range, *this);
  if (const graph::ClassType* c = graph::as_class(x->type())) {
    static const std::map<std::string, const char*> methods = {
        {"+", "__add__"}, {"-", "__sub__"},     {"*", "__mul__"},     {"/", "__truediv__"}, {"//", "__floordiv__"},
        {"%", "__mod__"}, {"**", "__pow__"},    {"<", "__lt__"},      {">", "__gt__"},      {"<=", "__le__"},
        {">=", "__ge__"}, {"==", "__eq__"},     {"!=", "__ne__"},     {"&", "__and__"},     {"|", "__or__"},
        {"^", "__xor__"}, {"<<", "__lshift__"}, {">>", "__rshift__"}, {"@", "__matmul__"}};
    if (SugaredPtr own = call_magic(range, graph_value(x), methods.at(op), {b})) return own;
    if (SugaredPtr same = op == "!=" ? call_magic(range, graph_value(x), "__eq__", {b}) : nullptr)
      return graph_value(emit_typed(range, "aten::__not__", {same->as_value(range, *this)}, Type::boolean()));
    if (!c->is_enum)
      fail(range, str("Cannot use '", op, "': the class ", c->name(), " does not define ", methods.at(op)));
  }
  bool tensor = x->type()->is(TK::Tensor) || y->type()->is(TK::Tensor);
  std::string name = names.at(op);
  auto arg = [&](Value* v) { return CallArg{range, "", std::make_shared<SimpleValue>(v)}; };
  if (tensor) {
    static const std::map<std::string, const char*> of_tensors = {
        {"//", "floor_divide"}, {"&", "bitwise_and"},         {"|", "bitwise_or"},
        {"^", "bitwise_xor"},   {"<<", "bitwise_left_shift"}, {">>", "bitwise_right_shift"}};
    if (auto t = of_tensors.find(op); t != of_tensors.end()) name = t->second;
  }
  if (tensor && !x->type()->is(TK::Tensor)) {  // 2 - x and its like
    static const std::map<std::string, const char*> mirrored = {{"+", "add"}, {"*", "mul"}, {"-", "rsub"},
                                                                {"<", "gt"},  {">", "lt"},  {"<=", "ge"},
                                                                {">=", "le"}, {"==", "eq"}, {"!=", "ne"}};
    if (auto m = mirrored.find(op); m != mirrored.end()) return call_operator(range, m->second, {arg(y), arg(x)});
    if (op == "/") {
      Value* inverse = call_operator(range, "reciprocal", {arg(y)})->as_value(range, *this);
      return call_operator(range, "mul", {arg(inverse), arg(x)});
    }
    // The number as a tensor, of the dtype that it has beside y.
    if (op != "**" && op != "@") {
      Value* zeros = call_operator(range, "zeros_like", {arg(y)})->as_value(range, *this);
      x = call_operator(range, "add", {arg(zeros), arg(x)})->as_value(range, *this);
    }
  }
  if (x->type()->is(TK::Tuple) && y->type()->is(TK::Tuple) && (op == "==" || op == "!=")) {
    std::vector<SugaredPtr> parts, others;
    a->items(range, *this, parts);
    b->items(range, *this, others);
    SugaredPtr all = std::make_shared<ConstantValue>(parts.size() == others.size());
    for (size_t i = 0; i < parts.size() && parts.size() == others.size(); i++) {
      Value* one = truth(range, binary(range, "==", parts[i], others[i])->as_value(range, *this));
      all = i ? call_operator(range, "__and__", {{range, "", all}, arg(one)}) : std::make_shared<SimpleValue>(one);
    }
    if (op == "==") return all;
    return std::make_shared<SimpleValue>(
        emit_typed(range, "aten::__not__", {all->as_value(range, *this)}, Type::boolean()));
  }
  if (const IValue* n = x->type()->is(TK::Tuple) && op == "*" ? graph::constant_of(y) : nullptr; n && n->is_int()) {
    std::vector<SugaredPtr> parts, all;
    a->items(range, *this, parts);
    if (int64_t(parts.size()) * std::max<int64_t>(0, n->to_int()) > 1000)
      fail(range, "a tuple of more than 1000 items");
    for (int64_t k = 0; k < n->to_int(); k++) all.insert(all.end(), parts.begin(), parts.end());
    return std::make_shared<TupleOf>(std::move(all));
  }
  if (x->type()->is(TK::Tuple) && y->type()->is(TK::Tuple) && op == "+") {
    std::vector<SugaredPtr> parts, more;
    a->items(range, *this, parts);
    b->items(range, *this, more);
    parts.insert(parts.end(), more.begin(), more.end());
    return std::make_shared<TupleOf>(std::move(parts));
  }
  return call_operator(range, name, {arg(x), arg(y)});
}

SugaredPtr Lowering::call(const ExprPtr& e) {
  SugaredPtr f = expr(e->items[0]);
  std::vector<CallArg> args;
  auto* special = dynamic_cast<Special*>(f.get());
  for (size_t i = 1; i < e->items.size(); i++) {
    const ExprPtr& a = e->items[i];
    if (special &&
        (special->name == "isinstance" || special->name == "annotate" || special->name == "unchecked_cast" ||
         special->name == "uninitialized") &&
        i == (special->name == "isinstance" ? 2u : 1u)) {
      if (special->name == "isinstance") {
        int known = static_condition(e);
        if (known >= 0) return std::make_shared<ConstantValue>(known != 0);
      }
      TypePtr have = special->name == "isinstance" ? args[0].value->as_value(a->range, *this)->type() : Type::any();
      for (const TypePtr& type :
           special->name == "isinstance" ? types_in(*a, *have) : std::vector<TypePtr>{type_of(*a)})
        args.push_back({a->range, "", std::make_shared<TypeName>(type)});
      continue;
    }
    if (a->kind == EK::Star) {
      std::vector<SugaredPtr> more;
      if (!expr(a->items[0])->items(a->range, *this, more))
        fail(a->range, "the number of values here is not known while compiling");
      for (const SugaredPtr& m : more) args.push_back({a->range, "", m});
      continue;
    }
    args.push_back({a->range, "", expr(a)});
  }
  for (const auto& [name, a] : e->keywords) args.push_back({a->range, name, expr(a)});
  return f->call(e->range, *this, args);
}

SugaredPtr Lowering::subscript(const Range& range, const SugaredPtr& base, const std::vector<ExprPtr>& given) {
  std::vector<ExprPtr> items = given.size() == 1 && given[0]->kind == EK::Tuple ? given[0]->items : given;
  auto part = [&](const ExprPtr& p, IValue otherwise) { return p ? value(p) : constant(range, std::move(otherwise)); };
  auto simple = [](Value* v) { return std::make_shared<SimpleValue>(v); };
  for (ExprPtr& p : items) {  // slice(...), or a name that stands for one: its parts get names
    bool call = p->kind == EK::Call && p->items[0]->kind == EK::Name && p->items[0]->text == "slice";
    if (p->kind != EK::Name && !call) continue;
    SugaredPtr v = expr(p);
    auto* slice = dynamic_cast<SliceOf*>(v.get());
    if (!slice) continue;
    auto written = std::make_shared<Expr>();
    written->kind = EK::Slice;
    written->range = p->range;
    for (const SugaredPtr& part : slice->parts) {
      auto name = std::make_shared<Expr>();
      name->kind = EK::Name;
      name->range = p->range;
      name->text = str("$slice", scope_->names.size());
      scope_->names[name->text] = part;
      written->items.push_back(part->is_none() == 1 ? nullptr : name);
    }
    p = written;
  }
  std::vector<SugaredPtr> known;
  if (items.size() == 1 && items[0]->kind != EK::Slice) {
    auto* object = dynamic_cast<SimpleValue*>(base.get());
    const graph::ClassType* c = object ? graph::as_class(object->value->type()) : nullptr;
    if (c && !c->is_module && c->find_method("__getitem__"))
      return call_magic(range, base, "__getitem__", {expr(items[0])});
  }
  auto* as_simple = dynamic_cast<SimpleValue*>(base.get());
  // A list that is known, at a place that isn't: a list of the graph.
  if (auto* c = dynamic_cast<ConstantValue*>(base.get()); c && c->constant.is_any_list() && items.size() == 1) {
    auto is_known = [&](const ExprPtr& e) { return !e || graph::constant_of(value(e)); };
    const Expr& at = *items[0];
    bool all = at.kind == EK::Slice ? is_known(at.items[0]) && is_known(at.items[1]) && is_known(at.items[2])
                                    : is_known(items[0]);
    if (!all) return subscript(range, graph_value(base->as_value(range, *this)), items);
  }
  bool tuple_like = !as_simple || as_simple->value->type()->is(TK::Tuple) || graph::as_class(as_simple->value->type());
  if (tuple_like && items.size() == 1 && base->items(range, *this, known)) {
    int64_t n = int64_t(known.size());
    if (items[0]->kind == EK::Slice) {
      auto bound = [&](const ExprPtr& p) {
        if (!p) return IValue();
        const IValue* c = graph::constant_of(value(p));
        if (!c || !(c->is_int() || c->is_none())) fail(p->range, "tuples are sliced by constants only");
        return *c;
      };
      IValue from = bound(items[0]->items[0]), to = bound(items[0]->items[1]), step = bound(items[0]->items[2]);
      if (step.is_int() && step.to_int() == 0) fail(range, "slice step cannot be zero");
      int64_t by = step.is_none() ? 1 : step.to_int();
      graph::SliceRange taken = graph::slice_range(n, from, to, by);
      std::vector<SugaredPtr> out;
      for (int64_t k = 0; k < taken.count; k++) out.push_back(known[size_t(taken.start + k * by)]);
      if (auto* whole = dynamic_cast<ConstantValue*>(base.get()); whole && whole->constant.is_any_list()) {
        std::vector<IValue> part;
        for (const SugaredPtr& v : out) part.push_back(static_cast<ConstantValue&>(*v).constant);
        return constant_of(graph::make_list(whole->constant.type()->element(), std::move(part)));
      }
      return std::make_shared<TupleOf>(std::move(out));
    }
    const IValue* c = graph::constant_of(value(items[0]));
    if (c && c->is_string() && as_simple) return base->attribute(range, *this, std::string(c->to_string()));
    if (!c || !c->is_int())
      fail(range,
           "Expected integer literal for index: tuples and module lists are indexed by constants only. Go through them "
           "with a loop: "
           "for i, m in enumerate(self.layers): if i == n: ...");
    int64_t i = c->to_int() < 0 ? c->to_int() + n : c->to_int();
    if (i < 0 || i >= n) fail(range, str("index ", c->to_int(), " is out of range for a tuple of ", n));
    return known[size_t(i)];
  }
  Value* v = base->as_value(range, *this);
  const TypePtr& t = v->type();
  if (t->is(TK::List) || t->is(TK::String)) {
    if (items.size() != 1) fail(range, str(t, " takes one index"));
    if (items[0]->kind == EK::Slice) {
      const auto& s = items[0]->items;
      return simple(emit_typed(range, "aten::slice", {v, part(s[0], {}), part(s[1], {}), part(s[2], int64_t(1))}, t));
    }
    Value* i = convert(range, simple(value(items[0])), Type::integer(), nullptr, true);
    if (!i) fail(range, "lists are indexed by integers");
    return simple(emit_typed(range, "aten::__getitem__", {v, i}, t->is(TK::List) ? t->element() : t));
  }
  if (t->is(TK::Dict)) {
    if (items.size() != 1 || items[0]->kind == EK::Slice) fail(range, str(t, " takes one key"));
    return call_operator(range, "__getitem__", {{range, "", simple(v)}, {items[0]->range, "", expr(items[0])}});
  }
  if (!t->is(TK::Tensor)) fail(range, str("a value of type ", t, " can't be indexed"));

  int64_t dim = 0, real = 0;
  for (const ExprPtr& i : items) real += i->kind != EK::None && i->kind != EK::Ellipsis;
  std::vector<Value*> indices;  // tensor indices, None between them
  bool after_ellipsis = false;
  auto dim_value = [&](int64_t d) { return constant(range, d); };
  int64_t left = real;
  for (const ExprPtr& i : items) {
    if (i->kind == EK::Ellipsis) {
      if (after_ellipsis) fail(range, "an index may hold one '...' only");
      after_ellipsis = true;
      dim = -left;
      continue;
    }
    if (i->kind == EK::None) {
      v = emit_typed(range, "aten::unsqueeze", {v, dim_value(after_ellipsis && !left ? -1 : dim)}, Type::tensor());
      dim += !after_ellipsis;
      continue;
    }
    left--;
    if (i->kind == EK::Slice) {
      const auto& s = i->items;
      if (s[0] || s[1] || s[2])
        v = emit_typed(range, "aten::slice",
                       {v, dim_value(dim), part(s[0], {}), part(s[1], {}), part(s[2], int64_t(1))}, Type::tensor());
      dim++;
      continue;
    }
    Value* index = value(i);
    if (index->type()->is(TK::Int)) {
      v = emit_typed(range, "aten::select", {v, dim_value(dim), index}, Type::tensor());
      dim += after_ellipsis;
      continue;
    }
    if (index->type()->is(TK::List))
      index = call_operator(range, "tensor", {{i->range, "", simple(index)}})->as_value(range, *this);
    if (!index->type()->is(TK::Tensor)) fail(i->range, str("Unsupported index of type ", index->type()));
    if (after_ellipsis) fail(range, "tensor indices after '...' are not supported in TorchScript here");
    while (int64_t(indices.size()) < dim) indices.push_back(constant(range, {}));
    indices.push_back(index);
    dim++;
  }
  if (indices.empty()) return simple(v);
  Value* list = emit_typed(range, "prim::ListConstruct", indices, Type::list(Type::optional(Type::tensor())));
  return simple(emit_typed(range, "aten::index", {v, list}, Type::tensor()));
}

// ---- types ----

int Lowering::broadcast_size(const Expr& e) {
  if (e.kind == EK::Binary && e.text == "|") return std::max(broadcast_size(*e.items[0]), broadcast_size(*e.items[1]));
  if (e.kind != EK::Subscript) return 0;
  const std::string& name = e.items[0]->text;
  if (name == "Optional") return broadcast_size(*e.items[1]);
  constexpr std::string_view prefix = "BroadcastingList";
  bool fits = name.size() == prefix.size() + 1 && name.starts_with(prefix) && name.back() >= '1' && name.back() <= '6';
  return fits ? name.back() - '0' : 0;
}

TypePtr Lowering::type_of(const Expr& e) {
  if (e.kind == EK::None) return Type::none();
  if (e.kind == EK::String)
    return type_of(*parse_expression(std::make_shared<Source>(Source{e.text, e.range.source->file, e.range.line()})));
  auto part = [&](size_t i) { return type_of(*e.items[i]); };
  if (e.kind == EK::Subscript) {
    const Expr& base = *e.items[0];
    std::string name = base.text;
    auto inner = [&](size_t i) {
      return e.items[1]->kind == EK::Tuple && e.items.size() == 2 ? type_of(*e.items[1]->items.at(i)) : part(i + 1);
    };
    size_t count = e.items[1]->kind == EK::Tuple && e.items.size() == 2 ? e.items[1]->items.size() : e.items.size() - 1;
    if (name == "List" || name == "list") return Type::list(part(1));
    if (broadcast_size(e)) return Type::list(part(1));
    if (name == "Optional") return Type::optional(part(1));
    if (name == "Final" || name == "Future" || name == "Await" || name == "_Await" || name == "Annotated")
      return part(1);
    if ((name == "Dict" || name == "dict") && count == 2) return Type::dict(inner(0), inner(1));
    if (name == "Union") {
      std::vector<TypePtr> all;
      for (size_t i = 0; i < count; i++) all.push_back(inner(i));
      if (all.size() == 2 && all[1]->is(TK::None)) return Type::optional(all[0]);
      if (all.size() == 2 && all[0]->is(TK::None)) return Type::optional(all[1]);
      return Type::union_of(std::move(all));
    }
    if (name == "Tuple" || name == "tuple") {
      std::vector<TypePtr> items;
      if (!(count == 0 || (e.items[1]->kind == EK::Tuple && e.items[1]->items.empty())))
        for (size_t i = 0; i < count; i++) items.push_back(inner(i));
      return Type::tuple(std::move(items));
    }
    fail(e.range, str("Unknown type constructor ", name));
  }
  if (e.kind == EK::Binary && e.text == "|") {
    TypePtr a = part(0), b = part(1);
    return b->is(TK::None) ? Type::optional(a) : a->is(TK::None) ? Type::optional(b) : Type::union_of({a, b});
  }
  if (e.kind == EK::Name) {
    static const std::map<std::string, TypePtr> named = {{"int", Type::integer()},
                                                         {"float", Type::floating()},
                                                         {"bool", Type::boolean()},
                                                         {"str", Type::string()},
                                                         {"complex", Type::simple(TK::Complex)},
                                                         {"Tensor", Type::tensor()},
                                                         {"NoneType", Type::none()},
                                                         {"number", Type::simple(TK::Number)},
                                                         {"Device", Type::simple(TK::Device)},
                                                         {"Any", Type::any()},
                                                         {"Generator", Type::simple(TK::Generator)}};
    SugaredPtr v = resolver_.resolve(e.text, e.range);
    if (v && v->as_type()) return v->as_type();
    if (auto found = named.find(e.text); found != named.end()) return found->second;
    fail(e.range, str("Unknown type name '", e.text, "'"));
  }
  if (e.kind == EK::Attribute) {
    if (e.text == "Tensor") return Type::tensor();
    if (e.text == "device") return Type::simple(TK::Device);
    if (e.text == "dtype") return Type::integer();
    std::string full = e.text;
    const Expr* at = e.items[0].get();
    for (; at->kind == EK::Attribute; at = at->items[0].get()) full = at->text + "." + full;
    full = at->text + "." + full;
    if (SugaredPtr v = resolver_.resolve(full, e.range); v && v->as_type()) return v->as_type();
    SugaredPtr v = expr(std::make_shared<Expr>(e));
    if (v->as_type()) return v->as_type();
  }
  fail(e.range, "this is no type that TorchScript knows");
}

}  // namespace rushlight::script
