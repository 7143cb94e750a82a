// Expressions.
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "rushlight/core/notice.h"
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
    case EK::Conditional: return ternary(e, nullptr);
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
    case EK::List:
    case EK::Dict: return display(e, nullptr);
    case EK::DictComp:
    case EK::ListComp: return comprehension(e);
    default: fail(e->range, "this expression is not supported in TorchScript");
  }
}

// The list (dict) types that an annotation lets a display be.
static std::vector<TypePtr> containers_in(const TypePtr& t, TK kind) {
  if (t->is(kind)) return {t};
  std::vector<TypePtr> out;
  if (t->is(TK::Optional) || t->is(TK::Union))
    for (const TypePtr& c : t->contained())
      if (c->is(kind)) out.push_back(c);
  return out;
}

// Makes a list or dict that a comprehension has just made, with what is put into it, one of a wider type: [None for ...] a
// List[Optional[int]], [[] for ...] a List[List[int]]. False where its items are none.
static bool retype(Value* v, const TypePtr& wanted) {
  const graph::Node& made = *v->node();
  const bool list = made.is("prim::ListConstruct") && wanted->is(TK::List);
  const bool dict = made.is("prim::DictConstruct") && wanted->is(TK::Dict);
  if (!(list || dict) || !v->name().empty()) return v->type()->is_subtype_of(*wanted);
  const std::vector<TypePtr>& types = wanted->contained();
  for (size_t i = 0; i < made.inputs().size(); i++)
    if (!retype(made.input(i), types[i % types.size()])) return false;
  for (const graph::Use& u : v->uses())
    for (size_t i = 1;
         u.index == 0 && (u.user->is("aten::append") || u.user->is("aten::_set_item")) && i <= types.size(); i++)
      if (!retype(u.user->input(i), types[i - 1])) return false;
  v->set_type(wanted);
  return true;
}

SugaredPtr Lowering::expr_as(const ExprPtr& e, const TypePtr& wanted) {
  const bool list = e->kind == EK::List || e->kind == EK::ListComp,
             dict = e->kind == EK::Dict || e->kind == EK::DictComp;
  if (wanted && e->kind == EK::Conditional) return ternary(e, wanted);
  if (!wanted || wanted->is(TK::Any)) return expr(e);
  if (const graph::ClassType* c = graph::as_class(wanted); c && c->is_interface && e->kind == EK::Subscript) {
    SugaredPtr base = expr(e->items[0]);
    wanted_interface_ = wanted;
    return subscript(e->range, base, {e->items.begin() + 1, e->items.end()});
  }
  if (e->kind == EK::Tuple && wanted->is(TK::Tuple) && wanted->contained().size() == e->items.size() &&
      std::none_of(e->items.begin(), e->items.end(), [](const ExprPtr& i) { return i->kind == EK::Star; })) {
    std::vector<SugaredPtr> parts;
    for (size_t i = 0; i < e->items.size(); i++) parts.push_back(expr_as(e->items[i], wanted->contained()[i]));
    return std::make_shared<TupleOf>(std::move(parts));
  }
  if (e->kind == EK::Call && e->items.size() == 1 && e->items[0]->kind == EK::Attribute &&
      e->items[0]->text == "tolist")
    return to_list(e, wanted);
  if (!list && !dict) return expr(e);
  const bool takes = !containers_in(wanted, list ? TK::List : TK::Dict).empty() || wanted->is(TK::Class);
  // A list display may be a tuple or the parts of one, and an empty one says nothing.
  if (!takes && !wanted->is(TK::Tuple)) {
    const char* kind = list ? "List" : "Dict";
    if (wanted->is(TK::Union))
      fail(e->range, str("Expected an Union type annotation with an inner ", kind, " type, but got ", wanted));
    fail(e->range, str("Expected an annotation of type ", kind, " but got ", wanted));
  }
  if (e->kind == EK::List || e->kind == EK::Dict) return display(e, wanted);
  SugaredPtr made = expr(e);
  if (auto all = containers_in(wanted, list ? TK::List : TK::Dict); all.size() == 1)
    retype(made->as_value(e->range, *this), all[0]);
  return made;
}

// x.tolist(): what is wanted says how deep the lists are, and what is in them.
SugaredPtr Lowering::to_list(const ExprPtr& e, const TypePtr& wanted) {
  SugaredPtr base = expr(e->items[0]->items[0]);
  auto* tensor = dynamic_cast<SimpleValue*>(base.get());
  if (!tensor || !tensor->value->type()->is(TK::Tensor))
    return base->attribute(e->items[0]->range, *this, "tolist")->call(e->range, *this, {});
  int64_t deep = 0, kind = 0;
  TypePtr item = wanted;
  for (; item->is(TK::List); item = item->element()) deep++;
  for (TK k : {TK::Int, TK::Float, TK::Bool, TK::Complex}) {
    if (item->is(k))
      return graph_value(emit_typed(e->range, "prim::tolist",
                                    {tensor->value, constant(e->range, deep), constant(e->range, kind)}, wanted));
    kind++;
  }
  fail(e->range, str(wanted, " is not one of the supported element types for tolist(): int, float, complex, bool"));
}

SugaredPtr Lowering::display(const ExprPtr& e, const TypePtr& wanted) {
  const bool dict = e->kind == EK::Dict;
  const std::vector<TypePtr> choices =
      wanted ? containers_in(wanted, dict ? TK::Dict : TK::List) : std::vector<TypePtr>();
  const TypePtr chosen = choices.size() == 1 ? choices[0] : nullptr;
  if (choices.size() > 1 && e->items.empty())
    fail(e->range,
         str("an empty ", dict ? "Dict" : "List", " can't be given to ", wanted, ": there are multiple possible ",
             dict ? "Dict" : "List", " type candidates in the Union annotation"));
  struct Item {
    Range range;
    SugaredPtr value;
  };
  std::vector<Item> items;
  for (size_t i = 0; i < e->items.size(); i++) {
    const ExprPtr& part = e->items[i];
    if (part->kind != EK::Star) {
      items.push_back({part->range, chosen ? expr_as(part, chosen->contained()[dict ? i % 2 : 0]) : expr(part)});
      continue;
    }
    std::vector<SugaredPtr> more;
    if (!expr(part->items[0])->items(part->range, *this, more))
      fail(part->range, "the number of values here is not known while compiling");
    for (const SugaredPtr& m : more) items.push_back({part->range, m});
  }
  // Its own types, which a choice among several has to fit.
  std::vector<TypePtr> types(dict ? 2 : 1);
  std::vector<Value*> values;
  bool mixed = false;
  auto join = [&](TypePtr& all, const TypePtr& next, bool any, const Range& range) {
    const TypePtr both = all ? unify(all, next) : next;
    if (!both && !any)
      fail(range, str("Dicts may only contain homogeneous keys: this is ", next, ", those before are ", all));
    all = both ? both : Type::union_of({all, next});
    return !both;
  };
  for (size_t i = 0; i < items.size(); i++) {
    const size_t part = dict ? i % 2 : 0;
    const Item& item = items[i];
    if (!chosen) {
      values.push_back(item.value->as_value(item.range, *this));
      if (choices.empty()) mixed |= join(types[part], values.back()->type(), !dict || part, item.range);
      else types[part] = types[part] ? Type::union_of({types[part], values.back()->type()}) : values.back()->type();
      continue;
    }
    const TypePtr& element = types[part] = chosen->contained()[part];
    Value* typed = convert(item.range, item.value, element, nullptr, element->is(TK::Float));
    if (!typed) {
      std::vector<TypePtr> have;
      for (size_t k = part; k < items.size(); k += types.size())
        have.push_back(items[k].value->as_value(items[k].range, *this)->type());
      const TypePtr all = Type::union_of(have);
      if (!dict)
        fail(item.range, str("List type annotation `", chosen,
                             "` did not match the types of the given list elements, which are of type ", all));
      if (!part && all->is(TK::Union))
        fail(item.range,
             str("Dicts may only contain homogeneous keys, but the type of the first generated key was ", all));
      fail(item.range, str("Dict type annotation `", chosen, "` did not match the type of an actual ",
                           part ? "value" : "key", " type `", all, "`"));
    }
    values.push_back(typed);
  }
  if (chosen) types = chosen->contained();
  TypePtr type = !types[0] ? (dict ? Type::dict(Type::string(), Type::tensor()) : Type::list(Type::tensor()))
                 : dict    ? Type::dict(types[0], types[1])
                           : Type::list(types[0]);
  if (mixed)
    show_warning(str(dict ? "Dict values consist" : "List consists",
                     " of heterogeneous types, which means that it has been typed as containing ", types.back(),
                     ". To use any of the values in it, it will be necessary to add an `assert isinstance` statement "
                     "before first use to trigger type refinement.\n",
                     e->range.highlight()));
  if (choices.size() > 1 &&
      std::none_of(choices.begin(), choices.end(), [&](const TypePtr& c) { return c->equals(*type); }))
    fail(e->range, str(type, " is none of the types of ", wanted, ": there are multiple possible ",
                       dict ? "Dict" : "List", " type candidates in the Union annotation, and ",
                       dict ? "none of those dict types can hold the types of the given keys and values"
                            : "none of those types match the types of the given list elements"));
  return graph_value(
      emit_typed(e->range, dict ? "prim::DictConstruct" : "prim::ListConstruct", values, std::move(type)));
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
    fail(e.range, "Integral constant out of range: it does not fit in 64 bits, which those of TorchScript have");
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

Iteration Lowering::iterate(const Range& range, const SugaredPtr& v) {
  Iteration over;
  if (!v->iterate(range, *this, over)) {
    std::string type = found_type(*v);
    fail(range, str("'", type.empty() ? v->kind() : type, "' object is not iterable"));
  }
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
    auto plain = [](const Type& t) {
      return t.is(TK::Bool) || t.is(TK::Int) || t.is(TK::Float) || t.is(TK::Complex) || t.is(TK::String);
    };
    if (plain(*x->type()) && plain(*y->type()) && x->type()->kind() != y->type()->kind())
      return constant_of(op == "is not");  // 1 is not True, though it equals it
    if (x->type()->is(TK::Bool) && y->type()->is(TK::Bool)) return binary(range, op == "is" ? "==" : "!=", a, b);
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
        if (parts.empty()) return constant_of(op == "not in");
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
      fail(range,
           str("'", c->name(), "' object has no attribute or method '", methods.at(op), "', which '", op, "' calls"));
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
  SugaredPtr f;
  if (const Expr& method = *e->items[0]; method.kind == EK::Attribute && method.text == "__getitem__") {
    const SugaredPtr base = expr(method.items[0]);
    if (auto* v = dynamic_cast<SimpleValue*>(base.get()); v && !graph::as_class(v->value->type())) {
      if (e->items.size() != 2 || e->items[1]->kind == EK::Star || !e->keywords.empty())
        fail(e->range, str("__getitem__ expected exactly 1 argument, got ", e->items.size() - 1 + e->keywords.size()));
      return subscript(e->range, base, {e->items[1]});
    }
    f = base->attribute(method.range, *this, method.text);
  } else {
    f = expr(e->items[0]);
  }
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
    bool annotated = special && special->name == "annotate" && i == 2 && args.size() == 1;
    args.push_back({a->range, "", annotated ? expr_as(a, args[0].value->as_type()) : expr(a)});
  }
  for (const auto& [name, a] : e->keywords) args.push_back({a->range, name, expr(a)});
  return f->call(e->range, *this, args);
}

}  // namespace rushlight::script
