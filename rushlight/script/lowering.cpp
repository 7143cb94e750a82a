// Statements: names, branches, loops, exits.
#include "rushlight/script/lowering.h"

#include <set>

#include "rushlight/graph/executor/primitives.h"

namespace rushlight::script {

using SK = Stmt::Kind;
using EK = Expr::Kind;

namespace {

// Thrown by a `return` inside of a loop, which has to carry the result, where no annotation says what that is. The function is lowered
// again then.
struct ResultFound { TypePtr type; };
// Takes back what has been emitted behind a node of the block.
void take_back(graph::Block& b, const graph::Node* behind) {
  for (graph::Node* n = b.ret()->previous(); n != behind;) {
    graph::Node* before = n->previous();
    n->destroy();
    n = before;
  }
}

bool has_exit(const std::vector<StmtPtr>& body, bool in_loop);
bool has_exit(const StmtPtr& s, bool in_loop) {
  switch (s->kind) {
    case SK::Return: return true;
    case SK::Break:
    case SK::Continue: return !in_loop;
    case SK::If: return has_exit(s->body, in_loop) || has_exit(s->orelse, in_loop);
    case SK::For:
    case SK::While: return has_exit(s->body, true);
    case SK::With: return has_exit(s->body, in_loop);
    default: return false;
  }
}
bool has_exit(const std::vector<StmtPtr>& body, bool in_loop) {
  for (const StmtPtr& s : body)
    if (has_exit(s, in_loop)) return true;
  return false;
}

// Whether a loop's body may make the list that it goes through longer or shorter, by the name that the loop gives it.
bool resizes(const std::vector<StmtPtr>& body, const std::string& list) {
  static const std::set<std::string> methods = {"append", "extend", "insert", "pop", "remove", "clear"};
  std::function<bool(const ExprPtr&)> in = [&](const ExprPtr& e) {
    if (!e) return false;
    if (e->kind == EK::Call && e->items[0]->kind == EK::Attribute && methods.contains(e->items[0]->text) &&
        e->items[0]->items[0]->kind == EK::Name && e->items[0]->items[0]->text == list)
      return true;
    return std::any_of(e->items.begin(), e->items.end(), in);
  };
  return std::any_of(body.begin(), body.end(), [&](const StmtPtr& s) {
    bool target =
        (s->kind == SK::AugAssign && s->targets[0]->kind == EK::Name && s->targets[0]->text == list) ||
        (s->kind == SK::Delete && s->targets[0]->kind == EK::Subscript && s->targets[0]->items[0]->text == list);
    return target || in(s->value) || resizes(s->body, list) || resizes(s->orelse, list);
  });
}

void assigned_in(const ExprPtr& target, std::set<std::string>& names) {
  if (target->kind == EK::Name) names.insert(target->text);
  if (target->kind == EK::Tuple || target->kind == EK::List || target->kind == EK::Star)
    for (const ExprPtr& t : target->items) assigned_in(t, names);
}
void assigned_in(const std::vector<StmtPtr>& body, std::set<std::string>& names) {
  for (const StmtPtr& s : body) {
    for (const ExprPtr& t : s->targets)
      if (t && (s->kind == SK::Assign || s->kind == SK::AugAssign || s->kind == SK::For)) assigned_in(t, names);
    if (s->kind == SK::With)
      for (size_t i = 1; i < s->targets.size(); i += 2)
        if (s->targets[i]) assigned_in(s->targets[i], names);
    assigned_in(s->body, names);
    assigned_in(s->orelse, names);
  }
}

}  // namespace

namespace {
// An annotation that says less than a call does.
bool is_open(const Expr& e) {
  static const std::set<std::string> names = {"Any",  "Callable", "Module",   "tuple",
                                              "list", "dict",     "Iterable", "Sequence"};
  auto none = [](const Expr& x) { return x.kind == EK::None; };
  switch (e.kind) {
    case EK::Name:
    case EK::Attribute: return names.contains(e.text);
    case EK::Subscript: {
      if (is_open(*e.items[0]) && e.items[0]->text == "Callable") return true;
      const auto& parts =
          e.items[1]->kind == EK::Tuple ? e.items[1]->items : std::vector<ExprPtr>(e.items.begin() + 1, e.items.end());
      for (const ExprPtr& i : parts)
        if (i && is_open(*i)) return true;
      return e.items[0]->text == "Union" &&
             std::count_if(parts.begin(), parts.end(), [&](const ExprPtr& i) { return !none(*i); }) > 1;
    }
    case EK::Binary: return is_open(*e.items[0]) || is_open(*e.items[1]) || (!none(*e.items[0]) && !none(*e.items[1]));
    default: return e.kind == EK::Ellipsis;
  }
}
}  // namespace

SugaredPtr Lowering::parameter(const Range& range, const InlineFunction& f, const Param& p, const SugaredPtr& given,
                               Lowering& caller) {
  bool self = f.self && given == f.self;
  bool open = self || (p.annotation && is_open(*p.annotation));
  TypePtr type = open ? Type::any() : p.annotation ? type_of(*p.annotation) : Type::tensor();
  if (!open) declared_[p.name] = type;
  SugaredPtr v = given;
  if (!v) {
    IValue d;
    if (!f.definer && resolver_.default_value(p.name, *type, d)) v = std::make_shared<ConstantValue>(std::move(d));
    else if (p.default_value) v = expr(p.default_value);
    else fail(range, str(f.def->text, "(): argument ", p.name, " not provided"));
  }
  if (open) return v;
  if (auto* c = dynamic_cast<ConstantValue*>(v.get()); c && c->constant.type()->is_subtype_of(*type)) return v;
  Argument a;
  a.list_size = p.annotation ? broadcast_size(*p.annotation) : 0;
  Value* typed = caller.convert(range, v, type, &a, true);
  if (!typed)
    fail(range, str(f.def->text, "(): expected a value of type '", type, "' for argument '", p.name,
                    "' but instead found a ", v->kind()));
  return std::make_shared<SimpleValue>(typed);
}

SugaredPtr Lowering::inline_call(const Range& range, const InlineFunction& f, std::vector<CallArg> args) {
  constexpr int kMaxCalls = 60;
  int deep = 0;
  for (Lowering* at = this; at; at = at->caller_, deep++)
    if (at->active_ == f.def.get())
      fail(range, str("function '", f.def->text, "' is called recursively. Recursive calls are not supported"));
  if (deep > kMaxCalls) fail(range, str("more than ", kMaxCalls, " calls inside of each other"));
  Lowering inner(graph_, *f.resolver);
  inner.caller_ = this;
  inner.name_ = f.def->text;
  inner.called_from_ = place(range);
  inner.active_ = f.def.get();
  Scope top;
  top.outer = f.definer ? f.definer->scope_ : nullptr;
  inner.scope_ = &top;
  if (f.self) args.insert(args.begin(), {range, "", f.self});
  std::vector<bool> used(args.size(), false);
  std::unordered_map<std::string, SugaredPtr> bound;
  size_t position = 0;
  for (const Param& p : f.def->params) {
    SugaredPtr given;
    Range at = range;
    auto take = [&](size_t k) {
      given = args[k].value;
      at = args[k].range;
      used[k] = true;
    };
    if (!p.kwarg_only && position < args.size() && args[position].name.empty()) take(position++);
    else
      for (size_t k = 0; k < args.size(); k++)
        if (args[k].name == p.name) take(k);
    bound[p.name] = inner.parameter(at, f, p, given, *this);
  }
  for (size_t k = 0; k < args.size(); k++)
    if (!used[k])
      fail(args[k].range, args[k].name.empty() ? str(f.def->text, "(): expected at most ", f.def->params.size(),
                                                     " arguments but found ", args.size())
                                               : str(f.def->text, "(): unknown keyword argument '", args[k].name, "'"));
  top.names = std::move(bound);
  // A result that may be one of several things is what it is here; a loop that returns has to know before.
  if (f.def->annotation && !is_open(*f.def->annotation)) {
    TypePtr type = inner.type_of(*f.def->annotation);
    bool in_loop = std::any_of(f.def->body.begin(), f.def->body.end(), [](const StmtPtr& s) {
      return (s->kind == SK::For || s->kind == SK::While) && has_exit(s->body, true);
    });
    if (in_loop || !(type->is(Type::Kind::Optional) || type->is(Type::Kind::None))) inner.return_type_ = type;
  }
  graph::Node* point = graph_.insert_point();
  graph::Node* before = point->previous();
  auto lower = [&] { return compiling(range, f.def->text, [&] { return inner.block(f.def->body, 0, nullptr); }); };
  std::unordered_map<std::string, SugaredPtr> given = top.names;
  bool ends = false;
  try {
    ends = lower();
  } catch (const ResultFound& found) {
    while (point->previous() != before) point->previous()->destroy();
    inner.return_type_ = found.type;
    inner.scope_ = &top;
    inner.loops_ = inner.depth_ = 0;
    inner.contexts_.clear();
    inner.loop_depth_.clear();
    top.names = std::move(given);
    ends = lower();
  }
  auto result = top.names.find("$return");
  if (result == top.names.end() && ends && inner.return_type_)  // it raises, whatever comes
    return graph_value(emit_typed(range, "prim::Uninitialized", {}, inner.return_type_));
  if (result == top.names.end()) return std::make_shared<ConstantValue>(IValue());
  if (!result->second) fail(range, str(f.def->text, "() returns values of different types"));
  return result->second;
}

TypePtr unify(const TypePtr& a, const TypePtr& b) {
  if (a->is_subtype_of(*b)) return b;
  if (b->is_subtype_of(*a)) return a;
  if (a->is(Type::Kind::None)) return Type::optional(b);
  if (b->is(Type::Kind::None)) return Type::optional(a);
  if (a->is(Type::Kind::Tuple) && b->is(Type::Kind::Tuple) && a->contained().size() == b->contained().size()) {
    std::vector<TypePtr> items;
    for (size_t i = 0; i < a->contained().size(); i++) {
      items.push_back(unify(a->contained()[i], b->contained()[i]));
      if (!items.back()) return nullptr;
    }
    return Type::tuple(std::move(items));
  }
  auto number = [](const TypePtr& t) {
    return t->is(Type::Kind::Int) || t->is(Type::Kind::Float) || t->is(Type::Kind::Number);
  };
  if (number(a) && number(b)) return Type::simple(Type::Kind::Number);
  return nullptr;
}

std::shared_ptr<const graph::Location> Lowering::place(const Range& range) const {
  if (!range.source) return called_from_;
  return std::make_shared<graph::Location>(
      graph::Location{range.source->file, range.line(), range.column(), range.highlight(), name_, called_from_});
}

graph::Node* Lowering::emit(const Range& range, const std::string& kind, const std::vector<Value*>& inputs,
                            size_t outputs) {
  if (graph_.size() > graph::kMaxNodes)
    fail(range, str("this function needs more than ", graph::kMaxNodes, " graph nodes"));
  graph::Node* n = graph_.insert_new(kind, inputs, outputs);
  if (range.source)
    n->location = {range.source->file, range.line(), range.column(), range.highlight(), name_, called_from_};
  return n;
}
Value* Lowering::emit_typed(const Range& range, const std::string& kind, const std::vector<Value*>& inputs,
                            TypePtr type) {
  return emit(range, kind, inputs)->output()->set_type(std::move(type));
}
Value* Lowering::constant(const Range& range, IValue v, TypePtr type) {
  Value* out = graph_.insert_constant(std::move(v), std::move(type));
  if (range.source) out->node()->location = {range.source->file, range.line(), range.column(), "", {}, nullptr};
  return out;
}

SugaredPtr Lowering::call_magic(const Range& range, const SugaredPtr& v, const std::string& method,
                                const std::vector<SugaredPtr>& args) {
  auto* simple = dynamic_cast<SimpleValue*>(v.get());
  const graph::ClassType* c = simple ? graph::as_class(simple->value->type()) : nullptr;
  if (!c || !c->find_method(method)) return nullptr;
  std::vector<CallArg> given;
  for (const SugaredPtr& a : args) given.push_back({range, "", a});
  return v->attribute(range, *this, method)->call(range, *this, given);
}

// ---- names ----

SugaredPtr Lowering::lookup(const std::string& name, const Range& range) {
  for (Scope* s = scope_; s; s = s->outer) {
    auto found = s->names.find(name);
    if (found == s->names.end()) continue;
    if (!found->second)
      fail(range, str("undefined value ", name, ": it has different types, or no value, on the ways that lead here"));
    return found->second;
  }
  if (SugaredPtr v = resolver_.resolve(name, range)) return v;
  if (SugaredPtr v = builtin_name(name)) return v;
  fail(range, str("undefined value ", name));
}

void Lowering::assign(const Range&, const std::string& name, SugaredPtr value) {
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
    if (star != wanted) fail(target->items[i]->range, "an assignment has one starred target only");
    star = i;
  }
  if (!value->items(target->range, *this, items)) {
    Value* v = value->as_value(target->range, *this);
    bool tensor = v->type()->is(Type::Kind::Tensor);
    if (tensor)
      v = emit_typed(target->range, "aten::unbind", {v, constant(target->range, int64_t(0))},
                     Type::list(Type::tensor()));
    if (!v->type()->is(Type::Kind::List)) fail(target->range, str("cannot be unpacked: ", v->type()));
    if (star != wanted)
      fail(target->items[star]->range, "a list whose length is not known can't be unpacked with a starred target");
    graph::Node* n = emit(target->range, "prim::ListUnpack", {v}, 0);
    for (size_t i = 0; i < wanted; i++)
      items.push_back(std::make_shared<SimpleValue>(n->add_output(v->type()->element())));
  }
  if (star == wanted ? items.size() != wanted : items.size() + 1 < wanted)
    fail(target->range, str("expected ", star == wanted ? "" : "at least ", star == wanted ? wanted : wanted - 1,
                            " values to unpack, got ", items.size()));
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

void Lowering::assign_target(const ExprPtr& target, const SugaredPtr& value) {
  const Range& range = target->range;
  switch (target->kind) {
    case EK::Name: return assign(range, target->text, value);
    case EK::Attribute: {
      SugaredPtr object = expr(target->items[0]);
      return object->set_attribute(range, *this, target->text, value->as_value(range, *this));
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
      if (target->items.size() != 2 || target->items[1]->kind == EK::Slice)
        fail(range, "assigning to a slice of a list is not supported in TorchScript");
      SugaredPtr index = expr(target->items[1]);
      call_operator(range, "_set_item",
                    {{range, "", std::make_shared<SimpleValue>(b)}, {range, "", index}, {range, "", value}});
      return;
    }
    default: fail(range, "nothing can be assigned to this");
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
  if (target->kind != EK::Subscript) fail(target->range, "nothing can be assigned to this");
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

// ---- statements ----

bool Lowering::block(const std::vector<StmtPtr>& body, size_t from, const Rest& rest) {
  for (size_t i = from; i < body.size(); i++) {
    const StmtPtr& s = body[i];
    Rest after = [&, i] { return block(body, i + 1, rest); };
    switch (s->kind) {
      case SK::Return: return return_statement(s);
      case SK::Raise: {
        Value* message = constant(s->range, "");
        const Expr* raised = s->value && s->value->kind == EK::Call ? s->value->items[0].get() : s->value.get();
        std::string name = raised && raised->kind == EK::Name ? raised->text : "Exception";
        if (s->value && s->value->kind == EK::Call && s->value->items.size() > 1)
          message =
              call_operator(s->range, "str", {{s->range, "", expr(s->value->items[1])}})->as_value(s->range, *this);
        else if (s->value && s->value->kind == EK::Name) message = constant(s->range, s->value->text);
        emit(s->range, "prim::RaiseException", {message, constant(s->range, "builtins." + name)}, 0);
        assign(s->range, "$raised", std::make_shared<ConstantValue>(true));
        return true;
      }
      case SK::Break:
      case SK::Continue:
        if (!loops_) fail(s->range, str("'", s->kind == SK::Break ? "break" : "continue", "' outside of a loop"));
        leave_contexts(loop_depth_.back());
        assign(s->range, "$go", std::make_shared<ConstantValue>(s->kind == SK::Continue));
        return true;
      case SK::If:
        if (has_exit(s, false)) return if_statement(s, after);
        if (if_statement(s, nullptr)) return true;
        break;
      case SK::For:
      case SK::While:
        if (has_exit(s->body, true)) return loop(s, after);
        if (loop(s, nullptr)) return true;
        break;
      case SK::With:
        if (has_exit(s, false)) return with(s, after);
        if (with(s, nullptr)) return true;
        break;
      default: simple_statement(s);
    }
  }
  return rest ? rest() : false;
}

void Lowering::simple_statement(const StmtPtr& s) {
  switch (s->kind) {
    case SK::Pass: return;
    case SK::Expression: expr(s->value); return;
    case SK::Assign: {
      if (!s->value) fail(s->range, "a variable without a value is not supported in TorchScript");
      SugaredPtr v = expr(s->value);
      if (!s->annotation && s->targets.size() == 1) v = as_before(s->targets[0], s->value, v);
      if (s->annotation && !(active_ && is_open(*s->annotation))) {
        TypePtr type = type_of(*s->annotation);
        Value* typed = convert(s->range, v, type, nullptr, false);
        if (!typed)
          fail(s->range, str("Variable is annotated with type ", type, " but is being assigned to a value of type ",
                             v->as_value(s->range, *this)->type()));
        if (!typed->type()->equals(*type)) typed = emit_typed(s->range, "prim::unchecked_cast", {typed}, type);
        v = std::make_shared<SimpleValue>(typed);
      }
      for (const ExprPtr& t : s->targets) assign_target(t, v);
      return;
    }
    case SK::AugAssign: return augmented(s);
    case SK::Assert: {
      std::vector<Refinement> known;
      refinements(s->value, true, known);
      if (static_condition(s->value) != 1) {
        Value* ok = condition(s->value);
        branches(
            s->range, ok, [] { return false; },
            [&] {
              Value* message = s->message ? value(s->message) : constant(s->range, "AssertionError: ");
              emit(s->range, "prim::RaiseException", {message, constant(s->range, "builtins.AssertionError")}, 0);
              assign(s->range, "$raised", std::make_shared<ConstantValue>(true));
              return true;
            });
      }
      return refine(known, s->range);
    }
    case SK::Delete: {
      for (const ExprPtr& t : s->targets) {
        if (t->kind == EK::Subscript && t->items.size() == 2 && t->items[1]->kind != EK::Slice) {
          SugaredPtr container = expr(t->items[0]), index = expr(t->items[1]);
          if (call_magic(s->range, container, "__delitem__", {index})) continue;
          call_operator(s->range, "Delete", {{s->range, "", container}, {s->range, "", index}});
        } else if (t->kind == EK::Name) {
          lookup(t->text, t->range);
          scope_->names[t->text] = nullptr;
        } else {
          fail(t->range, "this can't be deleted in TorchScript");
        }
      }
      return;
    }
    case SK::Def: return assign(s->range, s->text, std::make_shared<InlineFunction>(s, &resolver_, nullptr, this));
    default: fail(s->range, "this statement is not supported in TorchScript");
  }
}

bool Lowering::return_statement(const StmtPtr& s) {
  SugaredPtr given = s->value ? expr(s->value) : std::make_shared<ConstantValue>(IValue());
  if (loops_ && !return_type_) throw ResultFound{given->as_value(s->range, *this)->type()};
  if (active_ && !return_type_) {  // an inlined function: what is known of its result stays known
    leave_contexts(0);
    return assign(s->range, "$return", given), true;
  }
  Value* v;
  if (return_type_) {
    v = convert(s->range, given, return_type_, nullptr, false);
    if (!v)
      fail(s->range, str("Return value was annotated as having type ", return_type_, " but is actually of type ",
                         given->as_value(s->range, *this)->type()));
    if (return_type_->is(Type::Kind::Any) && !v->type()->is(Type::Kind::Any))
      v = emit_typed(s->range, "prim::unchecked_cast", {v}, return_type_);
  } else {
    v = given->as_value(s->range, *this);
  }
  leave_contexts(0);
  assign(s->range, "$return", std::make_shared<SimpleValue>(v));
  if (loops_) {
    assign(s->range, "$returned", std::make_shared<ConstantValue>(true));
    assign(s->range, "$go", std::make_shared<ConstantValue>(false));
  }
  return true;
}

bool Lowering::if_statement(const StmtPtr& s, const Rest& rest) {
  int known = static_condition(s->value);
  std::vector<Refinement> when_true, when_false;
  refinements(s->value, true, when_true);
  refinements(s->value, false, when_false);
  if (known >= 0) {  // the other branch need not even compile
    refine(known ? when_true : when_false, s->range);
    return block(known ? s->body : s->orelse, 0, rest);
  }
  Value* c = condition(s->value);
  bool then_ended = false, else_ended = false;
  bool ended = branches(
      s->range, c,
      [&] {
        refine(when_true, s->range);
        return then_ended = block(s->body, 0, rest);
      },
      [&] {
        refine(when_false, s->range);
        return else_ended = block(s->orelse, 0, rest);
      });
  // `if x is None: raise ...` tells about x from here on.
  if (then_ended && !else_ended) refine(when_false, s->range);
  if (else_ended && !then_ended) refine(when_true, s->range);
  return ended;
}

void Lowering::require(const Range& range, Value* ok, const std::string& text) {
  graph::Node* node = emit(range, "prim::If", {ok}, 0);
  node->add_block();
  graph::InsertPoint at(graph_, node->add_block());
  emit(range, "prim::RaiseException", {constant(range, text)}, 0);
}

bool Lowering::branches(const Range& range, Value* c, const Rest& then, const Rest& otherwise) {
  constexpr int kMaxBranches = 400;  // what follows a branch that exits is lowered inside of it
  if (depth_ >= kMaxBranches) fail(range, str("more than ", kMaxBranches, " branches inside of each other"));
  depth_++;
  graph::Node* node = emit(range, "prim::If", {c}, 0);
  Scope scopes[2];
  bool ended[2];
  const Rest* bodies[2] = {&then, &otherwise};
  for (int k = 0; k < 2; k++) {
    graph::InsertPoint at(graph_, node->add_block());
    scopes[k].outer = scope_;
    scope_ = &scopes[k];
    ended[k] = (*bodies[k])();
    scope_ = scopes[k].outer;
  }
  depth_--;
  auto raised = [&](int k) { return ended[k] && scopes[k].names.contains("$raised"); };
  std::set<std::string> names;
  for (const Scope& s : scopes)
    for (const auto& [name, v] : s.names) names.insert(name);
  names.erase("$raised");
  for (const std::string& name : names) {
    SugaredPtr found[2];
    for (int k = 0; k < 2; k++) {
      for (Scope* s = &scopes[k]; s; s = s->outer)
        if (auto at = s->names.find(name); at != s->names.end()) {
          found[k] = at->second;
          break;
        }
    }
    if (found[0] == found[1]) {
      scope_->names[name] = found[0];
      continue;
    }
    Value* values[2] = {};
    for (int k = 0; k < 2; k++) {
      if (!found[k]) continue;
      graph::InsertPoint at(graph_, node->blocks()[size_t(k)]);
      if (dynamic_cast<SimpleValue*>(found[k].get()) || dynamic_cast<ConstantValue*>(found[k].get()) ||
          dynamic_cast<TupleOf*>(found[k].get()))
        values[k] = found[k]->as_value(range, *this);
    }
    for (int k = 0; k < 2; k++)  // a branch that raises, or has left with "$return" alone, has no say
      if (values[1 - k] && (raised(k) || (!values[k] && ended[k] && name != "$return"))) {
        graph::InsertPoint at(graph_, node->blocks()[size_t(k)]);
        values[k] = emit_typed(range, "prim::Uninitialized", {}, values[1 - k]->type());
      }
    TypePtr type = values[0] && values[1] ? unify(values[0]->type(), values[1]->type()) : nullptr;
    if (!type) {
      if (name == "$return" && values[0] && values[1])
        fail(range, str("Previous return statement returned a value of type ", values[0]->type(),
                        " but this return statement returns a value of type ", values[1]->type()));
      scope_->names[name] = nullptr;
      continue;
    }
    for (int k = 0; k < 2; k++) node->blocks()[size_t(k)]->register_output(values[k]);
    Value* out = node->add_output(type);
    if (name[0] != '$') out->set_name(name);
    scope_->names[name] = std::make_shared<SimpleValue>(out);
  }
  if (raised(0) && raised(1)) scope_->names["$raised"] = std::make_shared<ConstantValue>(true);
  return ended[0] && ended[1];
}

// What `with object as x` makes of x. Throws ScriptError unless the class has the two methods.
TypePtr Lowering::context_type(const Range& range, Value* object) {
  const graph::ClassType* c = graph::as_class(object->type());
  if (!c)
    fail(range, str("With item expression must return an object with __enter__ and __exit__, torch.no_grad(), "
                    "torch.enable_grad(), torch.set_grad_enabled() or record_function(); this is a value of type ",
                    object->type()));
  graph::Function *enter = c->find_method("__enter__"), *exit = c->find_method("__exit__");
  if (!enter || !exit)
    fail(range, str("Object returned by with expression does not define __enter__ and __exit__ methods: its class is ",
                    c->name()));
  enter->made();
  exit->made();
  if (enter->schema.args.size() != 1 || enter->schema.returns.size() != 1)
    fail(range, "__enter__ must have only one argument and one return value");
  if (exit->schema.args.size() != 4) fail(range, "__exit__ must have four arguments");
  for (size_t i = 1; i < 4; i++)
    if (!exit->schema.args[i].type->is(Type::Kind::Any))
      fail(range, str("argument ", i,
                      " of __exit__ must have Any type; TorchScript does not support passing exception "
                      "type, value, or traceback to the __exit__ function."));
  return enter->schema.returns[0].type;
}

bool Lowering::with(const StmtPtr& s, const Rest& rest) {
  size_t before = contexts_.size();
  for (size_t i = 0; i < s->targets.size(); i += 2) {
    const ExprPtr& e = s->targets[i];
    SugaredPtr given = expr(e);  // held: the mode that it holds is read below
    auto* context = dynamic_cast<GradMode*>(given.get());
    if (!context) {
      Value* object = given->as_value(e->range, *this);
      Value* entered = emit_typed(e->range, "prim::Enter", {object}, context_type(e->range, object));
      if (s->targets[i + 1]) assign_target(s->targets[i + 1], graph_value(entered));
      contexts_.push_back({nullptr, object, e->range});
      continue;
    }
    if (s->targets[i + 1]) assign_target(s->targets[i + 1], constant_of({}));
    Value* old = context->before;
    if (Value* on = context->on) {
      old = emit_typed(e->range, "aten::is_grad_enabled", {}, Type::boolean());
      emit(e->range, "aten::set_grad_enabled", {on}, 0);
    }
    contexts_.push_back({old});
  }
  if (!rest) {
    bool ended = block(s->body, 0, nullptr);
    if (!ended) leave_contexts(before);
    contexts_.resize(before);
    return ended;
  }
  // What follows is lowered inside of the branches of the body; it stands outside of the contexts all the same.
  std::vector<Context> inside = contexts_;
  bool ended = block(s->body, 0, [&] {
    leave_contexts(before);
    contexts_.resize(before);
    bool done = rest();
    contexts_ = inside;
    return done;
  });
  contexts_.resize(before);
  return ended;
}
// The code that ends the innermost `with` statements, where control leaves them.
void Lowering::leave_contexts(size_t down_to) {
  for (size_t i = contexts_.size(); i > down_to; i--) {
    const Context& c = contexts_[i - 1];
    if (c.gradients) emit({}, "aten::set_grad_enabled", {c.gradients}, 0);
    if (!c.object) continue;
    std::vector<Value*> inputs(3, constant(c.range, {}));
    inputs.insert(inputs.begin(), c.object);
    graph::Function* f = graph::as_class(c.object->type())->find_method("__exit__");
    emit_typed(c.range, "prim::Exit", inputs, f->schema.returns[0].type);
  }
}

bool Lowering::loop(const StmtPtr& s, const Rest& rest) {
  bool exits = has_exit(s->body, false), returns = has_exit(s->body, true);
  Iteration over;
  Value* resized = nullptr;  // a list whose length is asked for again before each round, as Python does
  if (s->kind == SK::For) {
    SugaredPtr iterable = expr(s->value);
    over = iterate(s->value->range, iterable);
    if (auto* list = dynamic_cast<SimpleValue*>(iterable.get()); list && list->value->type()->is(Type::Kind::List))
      if (s->value->kind == EK::Name && resizes(s->body, s->value->text)) resized = list->value;
    if (over.is_known) {
      if (exits) fail(s->range, "'break', 'continue' and 'return' are not supported in a loop over modules or tuples");
      for (const SugaredPtr& item : over.known) {
        assign_target(s->targets[0], item);
        if (block(s->body, 0, nullptr)) return true;
      }
      return rest ? rest() : false;
    }
  }
  bool asks = returns && !return_type_;  // what is returned shows at the first return: ResultFound
  TypePtr result_type = asks ? Type::any() : return_type_;

  bool counted = s->kind == SK::For && !resized;
  Value* trips = counted ? over.trips : constant(s->range, INT64_MAX);
  auto more = [&](Value* i) {
    Value* n = emit_typed(s->range, "aten::len", {resized}, Type::integer());
    return emit_typed(s->range, "aten::lt", {i, n}, Type::boolean());
  };
  std::set<std::string> names;
  assigned_in(s->body, names);
  std::set<std::string> targets;  // of a `for`; after a loop they are what they were last
  if (s->kind == SK::For) assigned_in(s->targets[0], targets);
  names.insert(targets.begin(), targets.end());
  std::vector<std::string> carried;
  std::vector<Value*> inputs = {trips, nullptr};
  auto carry = [&](const std::string& name, Value* v) {
    carried.push_back(name);
    inputs.push_back(v);
  };
  for (const std::string& name : names) {
    SugaredPtr before;
    for (Scope* at = scope_; at && !before; at = at->outer)
      if (auto found = at->names.find(name); found != at->names.end()) before = found->second;
    // A name that stands for no value, as a module's, may be a target, and nothing else inside of the loop.
    auto plain = [&] {
      return dynamic_cast<SimpleValue*>(before.get()) || dynamic_cast<ConstantValue*>(before.get()) ||
             dynamic_cast<TupleOf*>(before.get()) || dynamic_cast<Iterable*>(before.get());
    };
    if (before && (plain() || !targets.contains(name))) carry(name, before->as_value(s->range, *this));
  }
  if (returns) {
    carry("$returned", constant(s->range, false));
    carry("$return", emit_typed(s->range, "prim::Uninitialized", {}, result_type));
  }
  inputs[1] = s->kind == SK::While ? condition(s->value)
              : resized            ? more(constant(s->range, int64_t(0)))
                                   : constant(s->range, true);
  graph::Node* node = emit(s->range, "prim::Loop", inputs, 0);
  graph::Block* body = node->add_block();
  Scope inner;
  inner.outer = scope_;
  scope_ = &inner;
  loops_++;
  loop_depth_.push_back(contexts_.size());
  std::set<std::string> lost;  // targets that had another type before: they have no value after the loop
  {
    graph::InsertPoint at(graph_, body);
    Value* i = body->add_input(Type::integer());
    for (size_t k = 0; k < carried.size(); k++) {
      Value* in = body->add_input(inputs[k + 2]->type());
      if (carried[k][0] != '$') in->set_name(carried[k]);
      inner.names[carried[k]] = std::make_shared<SimpleValue>(in);
    }
    if (s->kind == SK::For) assign_target(s->targets[0], over.item(i));
    if (exits) inner.names["$go"] = std::make_shared<ConstantValue>(true);
    block(s->body, 0,
          exits ? Rest([&] {
            assign(s->range, "$go", std::make_shared<ConstantValue>(true));
            return true;
          })
                : Rest());
    Value* go = exits ? inner.names["$go"]->as_value(s->range, *this) : constant(s->range, true);
    if (s->kind == SK::While) {
      if (!exits) {
        go = condition(s->value);
      } else {
        branches(
            s->range, go,
            [&] { return assign(s->range, "$go", std::make_shared<SimpleValue>(condition(s->value))), false; },
            [&] { return assign(s->range, "$go", std::make_shared<ConstantValue>(false)), false; });
        go = inner.names["$go"]->as_value(s->range, *this);
      }
    }
    if (resized) {
      Value* next = emit_typed(s->range, "aten::add", {i, constant(s->range, int64_t(1))}, Type::integer());
      go = emit_typed(s->range, "aten::__and__", {go, more(next)}, Type::boolean());
    }
    body->register_output(go);
    for (size_t k = 0; k < carried.size(); k++) {
      SugaredPtr now = inner.names[carried[k]];
      TypePtr type = inputs[k + 2]->type();
      if (!now) fail(s->range, str("'", carried[k], "' has different types on the ways through this loop"));
      Value* v = convert(s->range, now, type, nullptr, false);
      if (!v && targets.contains(carried[k])) {
        lost.insert(carried[k]);
        v = emit_typed(s->range, "prim::Uninitialized", {}, type);
      }
      if (!v)
        fail(s->range, str("Variable '", carried[k], "' previously had type ", type,
                           " but is now being assigned to a value of type ", now->as_value(s->range, *this)->type()));
      body->register_output(v);
    }
  }
  loops_--;
  loop_depth_.pop_back();
  scope_ = inner.outer;
  for (size_t k = 0; k < carried.size(); k++) {
    Value* out = node->add_output(inputs[k + 2]->type());
    if (carried[k][0] != '$') out->set_name(carried[k]);
    scope_->names[carried[k]] = lost.contains(carried[k]) ? nullptr : std::make_shared<SimpleValue>(out);
  }
  if (!returns) return rest ? rest() : false;
  Value* returned = scope_->names["$returned"]->as_value(s->range, *this);
  SugaredPtr result = scope_->names["$return"];
  return branches(
      s->range, returned,
      [&] {
        assign(s->range, "$return", result);  // the `with` statements were left where it was returned
        if (loops_) {
          assign(s->range, "$returned", std::make_shared<ConstantValue>(true));
          assign(s->range, "$go", std::make_shared<ConstantValue>(false));
        }
        return true;
      },
      rest ? rest : Rest([] { return false; }));
}

void Lowering::function(const Stmt& def, graph::Function& into, const TypePtr& self_type) {
  Scope top;
  scope_ = &top;
  name_ = into.name;
  Schema& schema = into.schema;
  schema.name = into.name;
  for (size_t i = 0; i < def.params.size(); i++) {
    const Param& p = def.params[i];
    bool self = i == 0 && self_type;
    Argument a;
    a.name = p.name;
    a.kwarg_only = p.kwarg_only;
    a.type = self ? self_type : p.annotation ? type_of(*p.annotation) : Type::tensor();
    a.type_name = a.type->schema_text();
    if (p.annotation) a.list_size = broadcast_size(*p.annotation);
    if (p.default_value && (a.has_default = resolver_.default_value(p.name, *a.type, a.default_value))) {
    } else if (p.default_value) {
      graph::Graph scratch;
      Lowering constants(scratch, resolver_);
      Value* v = constants.convert(p.range, constants.expr(p.default_value), a.type, &a, true);
      std::function<bool(const Value*, IValue&)> fold = [&](const Value* x, IValue& out) {
        if (const IValue* c = graph::constant_of(x)) return out = *c, true;
        if (!x->node()->is("prim::ListConstruct")) return false;
        std::vector<int64_t> ints;
        std::vector<double> doubles;
        for (const Value* item : x->node()->inputs()) {
          const IValue* c = graph::constant_of(item);
          if (!c || !c->is_scalar()) return false;
          ints.push_back(c->is_int() ? c->to_int() : 0);
          doubles.push_back(c->to_double());
        }
        out = x->type()->element()->is(Type::Kind::Float) ? IValue(doubles) : IValue(ints);
        return true;
      };
      a.has_default = v && fold(v, a.default_value);
      if (!a.has_default) fail(p.range, str("the default of '", p.name, "' is no constant of type ", a.type));
    }
    Value* in = graph_.add_input(p.name, a.type);
    top.names[p.name] = std::make_shared<SimpleValue>(in);
    schema.args.push_back(std::move(a));
  }
  if (def.annotation) return_type_ = type_of(*def.annotation);
  std::unordered_map<std::string, SugaredPtr> given = top.names;
  try {
    block(def.body, 0, nullptr);
  } catch (const ResultFound& found) {
    take_back(*graph_.block(), graph_.block()->param());
    return_type_ = found.type;
    scope_ = &top;
    loops_ = depth_ = 0;
    contexts_.clear();
    loop_depth_.clear();
    top.names = std::move(given);
    block(def.body, 0, nullptr);
  }
  SugaredPtr result = top.names.contains("$return") ? top.names["$return"] : nullptr;
  Value* out = result ? result->as_value(def.range, *this) : constant(def.range, IValue());
  if (return_type_ && return_type_->is(Type::Kind::None)) out = constant(def.range, IValue());
  if (!result && return_type_ && !return_type_->is(Type::Kind::None) && !return_type_->is(Type::Kind::Optional) &&
      !top.names.contains("$raised"))
    fail(def.range, str("Function was not annotated as having type None, but does not return along all paths; it is "
                        "declared to return ",
                        return_type_));
  graph_.register_output(out);
  Argument r;
  r.type = return_type_ ? return_type_ : out->type();
  r.type_name = r.type->schema_text();
  schema.returns.push_back(std::move(r));
  scope_ = nullptr;
}

}  // namespace rushlight::script
