// Expressions, conditions and what they tell about types.
#include <cstdlib>
#include <optional>

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
    case EK::Int: {
      try {
        return constant_value(int64_t(std::stoll(e->text, nullptr, 0)));
      } catch (const std::exception&) { fail(e->range, "this integer does not fit in 64 bits"); }
    }
    case EK::Float: return constant_value(std::strtod(e->text.c_str(), nullptr));  // 1e999 is inf, as in Python
    case EK::Imaginary: return constant_value(complex128(0, std::strtod(e->text.c_str(), nullptr)));
    case EK::String: return constant_value(e->text);
    case EK::True: return constant_value(true);
    case EK::False: return constant_value(false);
    case EK::None:
    case EK::Ellipsis: return constant_value(IValue());
    case EK::FString: {
      std::string pattern;
      std::vector<Value*> inputs = {nullptr};
      for (const ExprPtr& part : e->items) {
        if (part->kind == EK::String) {
          pattern += part->text;
        } else {
          pattern += "{}";
          inputs.push_back(value(part));
        }
      }
      inputs[0] = constant(e->range, pattern);
      return std::make_shared<SimpleValue>(emit_typed(e->range, "aten::format", inputs, Type::string()));
    }
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
      SugaredPtr v = expr(e->items[0]);
      if (auto* c = dynamic_cast<ConstantValue*>(v.get()); c && c->constant.is_scalar() && e->text == "-")
        return constant_value(IValue(-c->constant.to_scalar()));
      if (e->text == "+") return v;
      return call_operator(e->range, e->text == "-" ? "neg" : "bitwise_not", {{e->range, "", v}});
    }
    case EK::Binary: {
      int known = static_condition(e);
      if (known >= 0) return constant_value(known != 0);
      return binary(e->range, e->text, expr(e->items[0]), expr(e->items[1]));
    }
    case EK::And:
    case EK::Or: return short_circuit(e);
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
      for (const ExprPtr& i : e->items) {
        values.push_back(value(i));
        TypePtr joined = type ? unify(type, values.back()->type()) : values.back()->type();
        if (!joined)
          fail(i->range,
               str("lists must contain a single type: this is ", values.back()->type(), ", those before are ", type));
        type = joined;
      }
      return std::make_shared<SimpleValue>(
          emit_typed(e->range, "prim::ListConstruct", values, Type::list(type ? type : Type::tensor())));
    }
    case EK::Dict: {
      std::vector<Value*> values;
      TypePtr types[2];
      for (size_t i = 0; i < e->items.size(); i++) {
        values.push_back(value(e->items[i]));
        TypePtr& t = types[i % 2];
        TypePtr joined = t ? unify(t, values.back()->type()) : values.back()->type();
        if (!joined)
          fail(e->items[i]->range, str("dictionaries must contain a single type of keys and of values: this is ",
                                       values.back()->type(), ", those before are ", t));
        t = joined;
      }
      TypePtr type = types[0] ? Type::dict(types[0], types[1]) : Type::dict(Type::string(), Type::tensor());
      return std::make_shared<SimpleValue>(emit_typed(e->range, "prim::DictConstruct", values, type));
    }
    case EK::ListComp: return comprehension(e);
    default: fail(e->range, "this expression is not supported in TorchScript");
  }
}

// ---- conditions ----

Value* Lowering::condition(const ExprPtr& e) {
  Value* v = value(e);
  if (v->type()->is(TK::Bool)) return v;
  if (v->type()->is(TK::Tensor) || v->type()->is(TK::Int) || v->type()->is(TK::Float))
    return emit_typed(e->range, "aten::Bool", {v}, Type::boolean());
  if (v->type()->is(TK::List) || v->type()->is(TK::String) || v->type()->is(TK::Dict)) {
    Value* n = emit_typed(e->range, "aten::len", {v}, Type::integer());
    return emit_typed(e->range, "aten::Bool", {n}, Type::boolean());
  }
  fail(e->range, str("Could not cast value of type ", v->type(), " to bool"));
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
      if (e->text == "==" || e->text == "!=") {  // of texts, as a module's padding_mode is one
        auto text = [&](const ExprPtr& side) -> std::optional<std::string> {
          if (side->kind == EK::String) return side->text;
          if (side->kind != EK::Name && side->kind != EK::Attribute) return {};
          SugaredPtr v = expr(side);
          auto* c = dynamic_cast<ConstantValue*>(v.get());
          if (c && c->constant.is_string()) return std::string(c->constant.to_string());
          return {};
        };
        std::optional<std::string> a = text(e->items[0]), b = a ? text(e->items[1]) : a;
        return b ? (*a == *b) == (e->text == "==") : -1;
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
      bool scripting = f->kind == EK::Attribute && (f->text == "is_scripting" || f->text == "is_tracing");
      if (scripting) return f->text == "is_scripting";
      if (f->kind == EK::Name && f->text == "isinstance" && e->items.size() == 3) {
        TypePtr have = value(e->items[1])->type();
        if (have->is(TK::Optional) || have->is(TK::Union) || have->is(TK::Any)) return -1;
        std::vector<ExprPtr> wanted =
            e->items[2]->kind == EK::Tuple ? e->items[2]->items : std::vector<ExprPtr>{e->items[2]};
        for (const ExprPtr& w : wanted) {
          if (w->kind == EK::Name && (w->text == "list" || w->text == "tuple" || w->text == "dict")) {
            if (have->is(w->text == "list" ? TK::List : w->text == "tuple" ? TK::Tuple : TK::Dict)) return 1;
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
      return c && c->constant.is_bool() ? c->constant.to_bool() : -1;
    }
    default: return -1;
  }
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
    if (auto* v = dynamic_cast<SimpleValue*>(lookup(e->items[0]->text, e->range).get());
        v && v->value->type()->is(TK::Optional))
      out.push_back({e->items[0]->text, v->value->type()->element()});
  }
}

void Lowering::refine(const std::vector<Refinement>& all, const Range& range) {
  for (const Refinement& r : all) {
    Value* old = lookup(r.name, range)->as_value(range, *this);
    if (old->type()->is(TK::Optional))
      scope_->names[r.name] = std::make_shared<SimpleValue>(emit_typed(range, "prim::unchecked_cast", {old}, r.type));
  }
}

SugaredPtr Lowering::short_circuit(const ExprPtr& e) {
  int known = static_condition(e);
  if (known >= 0) return std::make_shared<ConstantValue>(known != 0);
  bool is_and = e->kind == EK::And;
  int left = static_condition(e->items[0]);
  if (left >= 0) return std::make_shared<SimpleValue>(condition(e->items[1]));  // the left one does not decide
  std::vector<Refinement> told;
  refinements(e->items[0], is_and, told);
  Value* c = condition(e->items[0]);
  auto right = [&] {
    refine(told, e->range);
    assign(e->range, "$value", std::make_shared<SimpleValue>(condition(e->items[1])));
    return false;
  };
  auto decided = [&] { return assign(e->range, "$value", std::make_shared<ConstantValue>(!is_and)), false; };
  if (is_and) branches(e->range, c, right, decided);
  else branches(e->range, c, decided, right);
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

SugaredPtr Lowering::comprehension(const ExprPtr& e) {
  if (e->items.size() > 3) fail(e->range, "conditions in comprehensions are not supported in TorchScript");
  SugaredPtr iterable = expr(e->items[2]);
  std::vector<SugaredPtr> items;
  auto* simple = dynamic_cast<SimpleValue*>(iterable.get());
  bool runtime = simple && !simple->value->type()->is(TK::Tuple) && !graph::as_class(simple->value->type());
  if (!runtime && iterable->items(e->range, *this, items)) {
    std::vector<Value*> values;
    TypePtr type;
    for (const SugaredPtr& i : items) {
      assign_target(e->items[1], i);
      values.push_back(value(e->items[0]));
      type = type ? unify(type, values.back()->type()) : values.back()->type();
    }
    return std::make_shared<SimpleValue>(
        emit_typed(e->range, "prim::ListConstruct", values, Type::list(type ? type : Type::tensor())));
  }
  // A loop that appends to a list whose element type shows only once the element is compiled.
  Value* source = iterable->as_value(e->range, *this);
  graph::Node* list = emit(e->range, "prim::ListConstruct", {}, 1);
  auto loop = std::make_shared<Stmt>();
  loop->kind = Stmt::Kind::For;
  loop->range = e->range;
  loop->targets = {e->items[1]};
  std::string name = str("$source", graph_.outputs().size(), e->range.begin);
  assign(e->range, name, std::make_shared<SimpleValue>(source));
  auto source_name = std::make_shared<Expr>();
  source_name->kind = EK::Name;
  source_name->text = name;
  source_name->range = e->range;
  loop->value = source_name;
  std::string list_name = "$list" + name;
  list->output()->set_type(Type::list(Type::any()));
  assign(e->range, list_name, std::make_shared<SimpleValue>(list->output()));
  auto append = std::make_shared<Stmt>();
  append->kind = Stmt::Kind::Expression;
  append->range = e->range;
  auto callee = std::make_shared<Expr>();
  callee->kind = EK::Name;
  callee->text = "$append";
  callee->range = e->range;
  auto list_ref = std::make_shared<Expr>(*source_name);
  list_ref->text = list_name;
  auto call = std::make_shared<Expr>();
  call->kind = EK::Call;
  call->range = e->range;
  call->items = {callee, list_ref, e->items[0]};
  append->value = call;
  loop->body = {append};
  this->loop(loop, nullptr);
  return std::make_shared<SimpleValue>(list->output());
}

// ---- operators ----

SugaredPtr Lowering::binary(const Range& range, const std::string& op, const SugaredPtr& a, const SugaredPtr& b) {
  static const std::map<std::string, const char*> names = {
      {"+", "add"},       {"-", "sub"},         {"*", "mul"},         {"/", "div"},     {"//", "floordiv"},
      {"%", "remainder"}, {"**", "pow"},        {"@", "matmul"},      {"&", "__and__"}, {"|", "__or__"},
      {"^", "__xor__"},   {"<<", "__lshift__"}, {">>", "__rshift__"}, {"<", "lt"},      {">", "gt"},
      {"<=", "le"},       {">=", "ge"},         {"==", "eq"},         {"!=", "ne"}};
  if (op == "is" || op == "is not") {
    Value* r = emit_typed(range, op == "is" ? "aten::__is__" : "aten::__isnot__",
                          {a->as_value(range, *this), b->as_value(range, *this)}, Type::boolean());
    return std::make_shared<SimpleValue>(r);
  }
  if (op == "in" || op == "not in") {
    Value* r = emit_typed(range, "aten::__contains__", {b->as_value(range, *this), a->as_value(range, *this)},
                          Type::boolean());
    if (op == "not in") r = emit_typed(range, "aten::__not__", {r}, Type::boolean());
    return std::make_shared<SimpleValue>(r);
  }
  Value *x = a->as_value(range, *this), *y = b->as_value(range, *this);
  bool tensor = x->type()->is(TK::Tensor) || y->type()->is(TK::Tensor);
  std::string name = names.at(op);
  if (tensor && op == "//") name = "floor_divide";
  if (tensor && op == "&") name = "bitwise_and";
  if (tensor && op == "|") name = "bitwise_or";
  if (tensor && op == "^") name = "bitwise_xor";
  if (tensor && !x->type()->is(TK::Tensor)) {  // 2 - x and its like
    static const std::map<std::string, const char*> mirrored = {{"+", "add"}, {"*", "mul"}, {"-", "rsub"},
                                                                {"<", "gt"},  {">", "lt"},  {"<=", "ge"},
                                                                {">=", "le"}, {"==", "eq"}, {"!=", "ne"}};
    if (auto m = mirrored.find(op); m != mirrored.end())
      return call_operator(range, m->second, {{range, "", b}, {range, "", a}});
    if (op == "/")
      return call_operator(range, "mul",
                           {{range, "", call_operator(range, "reciprocal", {{range, "", b}})}, {range, "", a}});
  }
  if (x->type()->is(TK::Tuple) && y->type()->is(TK::Tuple) && op == "+") {
    std::vector<SugaredPtr> parts, more;
    a->items(range, *this, parts);
    b->items(range, *this, more);
    parts.insert(parts.end(), more.begin(), more.end());
    return std::make_shared<TupleOf>(std::move(parts));
  }
  return call_operator(range, name,
                       {{range, "", std::make_shared<SimpleValue>(x)}, {range, "", std::make_shared<SimpleValue>(y)}});
}

SugaredPtr Lowering::call(const ExprPtr& e) {
  if (e->items[0]->kind == EK::Name && e->items[0]->text == "$append") {  // see comprehension()
    Value *list = value(e->items[1]), *item = value(e->items[2]);
    list->set_type(Type::list(item->type()));
    return std::make_shared<SimpleValue>(emit_typed(e->range, "aten::append", {list, item}, list->type()));
  }
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
      args.push_back({a->range, "", std::make_shared<TypeName>(type_of(a->kind == EK::Tuple ? *a->items[0] : *a))});
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
  std::vector<SugaredPtr> known;
  auto* as_simple = dynamic_cast<SimpleValue*>(base.get());
  bool tuple_like = !as_simple || as_simple->value->type()->is(TK::Tuple);
  if (tuple_like && items.size() == 1 && base->items(range, *this, known)) {
    int64_t n = int64_t(known.size());
    if (items[0]->kind == EK::Slice) {
      auto bound = [&](const ExprPtr& p, int64_t other) {
        if (!p) return other;
        const IValue* c = graph::constant_of(value(p));
        if (!c) fail(p->range, "tuples are sliced by constants only");
        int64_t i = c->to_int() < 0 ? c->to_int() + n : c->to_int();
        return std::clamp<int64_t>(i, 0, n);
      };
      int64_t from = bound(items[0]->items[0], 0), to = std::max(from, bound(items[0]->items[1], n));
      return std::make_shared<TupleOf>(std::vector<SugaredPtr>(known.begin() + from, known.begin() + to));
    }
    const IValue* c = graph::constant_of(value(items[0]));
    if (!c || !c->is_int()) fail(range, "tuples and module lists are indexed by integer constants only");
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
  if (t->is(TK::Dict)) return simple(emit_typed(range, "aten::__getitem__", {v, value(items[0])}, t->contained()[1]));
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
      index = emit_typed(range, "aten::tensor",
                         {index, constant(range, {}), constant(range, {}), constant(range, false)}, Type::tensor());
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
    if (name == "Final" || name == "Future") return part(1);
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
