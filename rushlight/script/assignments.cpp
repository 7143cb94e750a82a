// Names and what is assigned to them: lookup, targets, unpacking, augmented assignment.
#include <map>

#include "rushlight/script/lowering.h"
#include "rushlight/script/syntax.h"

namespace rushlight::script {

using EK = Expr::Kind;

SugaredPtr Lowering::lookup(const std::string& name, const Range& range) {
  for (Scope* s = scope_; s; s = s->outer) {
    auto found = s->names.find(name);
    if (found == s->names.end()) continue;
    if (found->second) return found->second;
    auto why = s->lost.find(name);
    fail(range,
         str("undefined value ", name, ": ",
             why != s->lost.end() ? why->second : "it has different types, or no value, on the ways that lead here",
             "; it was used here"));
  }
  if (SugaredPtr v = resolver_.resolve(name, range)) return v;
  if (SugaredPtr v = builtin_name(name)) return v;
  if (is_builtin_error(name))
    fail(range,
         str("class '", name, "' cannot be used as a value: in TorchScript errors are raised where they are made"));
  fail(range, str("undefined value ", name));
}

void Lowering::assign(const Range& range, const std::string& name, SugaredPtr value) {
  if (name == "self" && !self_.empty()) fail(range, "Cannot re-assign 'self': it is the object whose method this is");
  if (auto* simple = dynamic_cast<SimpleValue*>(value.get());
      simple && simple->value->name().empty() && name[0] != '$' && name != "_")
    simple->value->set_name(name);
  scope_->names[name] = std::move(value);
}

void Lowering::unpack(const ExprPtr& target, const SugaredPtr& value) {
  std::vector<SugaredPtr> items;
  size_t star = target->items.size(), wanted = target->items.size();
  for (size_t i = 0; i < wanted; i++) {
    if (target->items[i]->kind != EK::Star) continue;
    if (star != wanted) fail(target->items[i]->range, "Only one starred expression is allowed on the lhs");
    star = i;
  }
  if (star == 0 && wanted == 1)
    fail(target->range,
         "A Starred expression may only appear on the lhs within the presence of another non-starred expression");
  if (!value->items(target->range, *this, items)) {
    if (found_type(*value).empty() && !dynamic_cast<Iterable*>(value.get()))
      fail(target->range, str(value->kind(), " cannot be used as a tuple"));
    Value* v = value->as_value(target->range, *this);
    if (star != wanted)
      fail(target->items[star]->range,
           str("a value of type '", v->type(),
               "' cannot be used as a tuple: a starred target takes what is left of a number that is known here"));
    bool tensor = v->type()->is(Type::Kind::Tensor);
    if (tensor)
      v = emit_typed(target->range, "aten::unbind", {v, constant(target->range, int64_t(0))},
                     Type::list(Type::tensor()));
    if (!v->type()->is(Type::Kind::List))
      fail(target->range, str("a value of type '", v->type(), "' cannot be unpacked: it cannot be used as a tuple"));
    graph::Node* n = emit(target->range, "prim::ListUnpack", {v}, 0);
    for (size_t i = 0; i < wanted; i++)
      items.push_back(std::make_shared<SimpleValue>(n->add_output(v->type()->element())));
  }
  const size_t least = star == wanted ? wanted : wanted - 1;
  if (items.size() < least)
    fail(target->range,
         str("need ", star == wanted ? "" : "at least ", least, " values to unpack, found only ", items.size()));
  if (star == wanted && items.size() > wanted)
    fail(target->range, str("too many values to unpack: need ", wanted, " but found ", items.size()));
  size_t starred = items.size() + 1 - wanted;  // how many the star takes
  for (size_t i = 0, at = 0; i < wanted; i++) {
    if (i != star) {
      assign_target(target->items[i], items[at++]);
      continue;
    }
    std::vector<SugaredPtr> middle(items.begin() + int64_t(at), items.begin() + int64_t(at + starred));
    assign_target(target->items[i]->items[0], std::make_shared<TupleOf>(std::move(middle)));
    at += starred;
  }
}

// Writes to a part of a tensor: `place` is the view, or the values that aten::index picked.
void Lowering::store(const Range& range, Value* place, const SugaredPtr& value) {
  Value* v = value->as_value(range, *this);
  if (place->node()->is("aten::index")) {  // x[mask] = v
    std::vector<Value*> args = {place->node()->input(0), place->node()->input(1), v, constant(range, false)};
    // A number takes the dtype of what it is written to.
    if (!v->type()->is(Type::Kind::Tensor))
      args[2] = call_operator(range, "scalar_tensor",
                              {{range, "", value},
                               {range, "dtype", SimpleValue(place).attribute(range, *this, "dtype")},
                               {range, "device", SimpleValue(place).attribute(range, *this, "device")}})
                    ->as_value(range, *this);
    emit_typed(range, "aten::index_put_", args, Type::tensor());
  } else if (v->type()->is(Type::Kind::Tensor)) {
    emit_typed(range, "aten::copy_", {place, v, constant(range, false)}, Type::tensor());
  } else {
    emit_typed(range, "aten::fill_", {place, v}, Type::tensor());
  }
}

// Items of a tuple or a text stay what they are.
static void refuse_items(const Range& range, const Type& t, const char* how) {
  if (t.is(Type::Kind::Tuple) || t.is(Type::Kind::String))
    fail(range, str("'", t.text(), "' object does not support ", how, " assignment to its items"));
}

void Lowering::assign_target(const ExprPtr& target, const SugaredPtr& value) {
  const Range& range = target->range;
  switch (target->kind) {
    case EK::Name: return assign(range, target->text, value);
    case EK::Attribute: {
      SugaredPtr object = expr(target->items[0]);
      const Range& whole = statement_.source ? statement_ : range;
      return object->set_attribute(whole, *this, target->text, value->as_value(range, *this));
    }
    case EK::Tuple:
    case EK::List: return unpack(target, value);
    case EK::Subscript: {
      SugaredPtr base = expr(target->items[0]);
      Value* b = base->as_value(range, *this);
      if (graph::as_class(b->type()) && target->items.size() == 2)
        if (call_magic(range, base, "__setitem__", {expr(target->items[1]), value})) return;
      if (b->type()->is(Type::Kind::Tensor)) {
        Value* place = subscript(range, base, {target->items.begin() + 1, target->items.end()})->as_value(range, *this);
        return store(range, place, value);
      }
      refuse_items(range, *b->type(), "subscripted");
      if (target->items.size() != 2 || target->items[1]->kind == EK::Slice)
        fail(range, "assigning to a slice of a list is not supported in TorchScript");
      SugaredPtr index = expr(target->items[1]);
      call_operator(statement_.source ? statement_ : range, "_set_item",
                    {{range, "", std::make_shared<SimpleValue>(b)}, {range, "", index}, {range, "", value}});
      return;
    }
    default:
      fail(range,
           "unexpected expression on the left-hand side of an assignment: nothing can be assigned to this. Cannot pack "
           "a tuple into a "
           "non-variable");
  }
}

SugaredPtr Lowering::in_place(const Range& range, const std::string& op, const SugaredPtr& old, const SugaredPtr& by) {
  Value* v = old->as_value(range, *this);
  static const std::map<std::string, std::string> names = {{"+", "add_"},
                                                           {"-", "sub_"},
                                                           {"*", "mul_"},
                                                           {"/", "div_"},
                                                           {"//", "floor_divide_"},
                                                           {"%", "remainder_"},
                                                           {"**", "pow_"},
                                                           {"&", "bitwise_and_"},
                                                           {"|", "bitwise_or_"},
                                                           {"^", "bitwise_xor_"},
                                                           {"<<", "bitwise_left_shift_"},
                                                           {">>", "bitwise_right_shift_"}};
  if (const graph::ClassType* c = graph::as_class(v->type())) {
    static const std::map<std::string, std::pair<std::string, std::string>> methods = {
        {"+", {"__iadd__", "__add__"}},
        {"-", {"__isub__", "__sub__"}},
        {"*", {"__imul__", "__mul__"}},
        {"/", {"__itruediv__", "__truediv__"}},
        {"//", {"__ifloordiv__", "__floordiv__"}},
        {"%", {"__imod__", "__mod__"}},
        {"**", {"__ipow__", "__pow__"}},
        {"&", {"__iand__", "__and__"}},
        {"|", {"__ior__", "__or__"}},
        {"^", {"__ixor__", "__xor__"}},
        {"<<", {"__ilshift__", "__lshift__"}},
        {">>", {"__irshift__", "__rshift__"}},
        {"@", {"__imatmul__", "__matmul__"}}};
    const auto& [own, plain] = methods.at(op);
    if (SugaredPtr done = call_magic(range, graph_value(v), own, {by})) return done;
    if (!c->find_method(plain))
      fail(range, str("Cannot emit inplace op on ", c->name(), " since it does not define an ", own, " or ", plain,
                      " method"));
  }
  bool list = v->type()->is(Type::Kind::List) && (op == "+" || op == "*");
  if ((v->type()->is(Type::Kind::Tensor) || list) && names.contains(op))
    return call_operator(range, names.at(op), {{range, "", old}, {range, "", by}});
  return binary(range, op, old, by);
}

// The target's parts are evaluated once.
void Lowering::augmented(const StmtPtr& s) {
  const ExprPtr& target = s->targets[0];
  if (target->kind == EK::Name) {
    SugaredPtr old = expr(target), by = expr(s->value);
    return assign(s->range, target->text, in_place(s->range, s->text, old, by));
  }
  if (target->kind == EK::Attribute) {
    SugaredPtr object = expr(target->items[0]);
    SugaredPtr old = object->attribute(target->range, *this, target->text), by = expr(s->value);
    SugaredPtr now = in_place(s->range, s->text, old, by);
    if (old->as_value(s->range, *this)->type()->is(Type::Kind::Tensor)) return;  // changed where it is
    return object->set_attribute(s->range, *this, target->text, now->as_value(s->range, *this));
  }
  if (target->kind == EK::Tuple || target->kind == EK::List)
    fail(target->range, "augmented assignment can only have one LHS expression");
  if (target->kind != EK::Subscript)
    fail(target->range, "unexpected expression on the left-hand side of an augmented assignment");
  SugaredPtr base = expr(target->items[0]);
  Value* b = base->as_value(target->range, *this);
  if (b->type()->is(Type::Kind::Tensor)) {
    Value* place = subscript(target->range, base, {target->items.begin() + 1, target->items.end()})
                       ->as_value(target->range, *this);
    SugaredPtr old = std::make_shared<SimpleValue>(place), by = expr(s->value);
    SugaredPtr now = in_place(s->range, s->text, old, by);
    if (place->node()->is("aten::index")) store(s->range, place, now);
    return;
  }
  refuse_items(target->range, *b->type(), "augmented");
  if (target->items.size() != 2 || target->items[1]->kind == EK::Slice)
    fail(target->range, "assigning to a slice of a list is not supported in TorchScript");
  SugaredPtr object = std::make_shared<SimpleValue>(b);
  if (graph::as_class(b->type())) {
    SugaredPtr key = std::make_shared<SimpleValue>(value(target->items[1]));
    SugaredPtr old = call_magic(s->range, object, "__getitem__", {key});
    if (old) {
      SugaredPtr now = in_place(s->range, s->text, old, expr(s->value));
      if (call_magic(s->range, object, "__setitem__", {key, now})) return;
    }
  }
  SugaredPtr index = std::make_shared<SimpleValue>(value(target->items[1]));
  SugaredPtr old = call_operator(s->range, "__getitem__", {{s->range, "", object}, {s->range, "", index}});
  SugaredPtr now = in_place(s->range, s->text, old, expr(s->value));
  call_operator(s->range, "_set_item", {{s->range, "", object}, {s->range, "", index}, {s->range, "", now}});
}

SugaredPtr Lowering::as_before(const ExprPtr& target, const ExprPtr& given, SugaredPtr v) {
  bool empty = (given->kind == EK::List || given->kind == EK::Dict) && given->items.empty();
  if (!empty || target->kind != EK::Name) return v;
  if (auto d = declared_.find(target->text); d != declared_.end()) {
    const TypePtr& wanted = d->second->is(Type::Kind::Optional) ? d->second->element() : d->second;
    Value* typed = convert(given->range, v, wanted, nullptr, false);
    return typed ? std::make_shared<SimpleValue>(typed) : v;
  }
  for (Scope* s = scope_; s; s = s->outer) {
    auto found = s->names.find(target->text);
    if (found == s->names.end()) continue;
    auto* before = dynamic_cast<SimpleValue*>(found->second.get());
    if (!before) return v;
    const TypePtr& type = before->value->type();
    const TypePtr& wanted = type->is(Type::Kind::Optional) ? type->element() : type;
    Value* typed = convert(given->range, v, wanted, nullptr, false);
    return typed ? std::make_shared<SimpleValue>(typed) : v;
  }
  return v;
}

}  // namespace rushlight::script
