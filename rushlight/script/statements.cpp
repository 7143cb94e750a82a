// Statements: blocks, branches, `with`, exits; loops stand in loops.cpp.
#include <set>

#include "rushlight/script/lowering.h"
#include "rushlight/script/syntax.h"

namespace rushlight::script {

using SK = Stmt::Kind;
using EK = Expr::Kind;

bool Lowering::block(const std::vector<StmtPtr>& body, size_t from, const Rest& rest) {
  for (size_t i = from; i < body.size(); i++) {
    const StmtPtr& s = body[i];
    Rest after = [&, i] { return block(body, i + 1, rest); };
    switch (s->kind) {
      case SK::Return: return return_statement(s);
      case SK::Raise: {
        Value* message = constant(s->range, "");
        const Expr* raised = s->value && s->value->kind == EK::Call ? s->value->items[0].get() : s->value.get();
        if (raised && raised->kind != EK::Name && raised->kind != EK::Attribute)
          fail(s->range, "exceptions must derive from BaseException");
        // A program's own class of errors goes by its full name, as no builtin does.
        std::string full, name = raised && raised->kind == EK::Name ? raised->text : "Exception";
        if (raised) {
          SugaredPtr c = raised->kind == EK::Name ? resolver_.resolve(raised->text, raised->range)
                                                  : expr(std::make_shared<Expr>(*raised));
          if (c) full = c->qualified_name();
          else if (!is_builtin_error(name)) expr(std::make_shared<Expr>(*raised));  // says that there is none
        }
        if (full.empty()) full = "builtins." + name;
        if (s->value && s->value->kind == EK::Call && s->value->items.size() > 2) {
          std::string pattern;
          std::vector<Value*> parts = {nullptr};
          for (size_t k = 1; k < s->value->items.size(); k++) {
            pattern += k > 1 ? ", {}" : "{}";
            parts.push_back(value(s->value->items[k]));
          }
          parts[0] = constant(s->range, pattern);
          message = emit_typed(s->range, "aten::format", parts, Type::string());
        } else if (s->value && s->value->kind == EK::Call && s->value->items.size() == 2) {
          message =
              call_operator(s->range, "str", {{s->range, "", expr(s->value->items[1])}})->as_value(s->range, *this);
        } else if (s->value && s->value->kind == EK::Name) {
          message = constant(s->range, s->value->text);
        }
        emit(s->range, "prim::RaiseException", {message, constant(s->range, full)}, 0);
        assign(s->range, "$raised", std::make_shared<ConstantValue>(true));
        return true;
      }
      case SK::Assert:
        if (static_condition(s->value) != 0) {
          simple_statement(s);
          break;
        }
        return assertion_failed(s);  // what follows need not even compile
      case SK::Break:
      case SK::Continue:
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
      const TypePtr type = s->annotation && !(active_ && is_open(*s->annotation)) ? type_of(*s->annotation) : nullptr;
      SugaredPtr v = expr_as(s->value, type);
      if (!s->annotation && s->targets.size() == 1) v = as_before(s->targets[0], s->value, v);
      if (type) {
        Value* typed = convert(s->range, v, type, nullptr, false);
        if (!typed) {
          const TypePtr have = v->as_value(s->range, *this)->type();
          std::string part;
          if (type->is(Type::Kind::Dict) && have->is(Type::Kind::Dict)) {
            const size_t i = have->contained()[0]->is_subtype_of(*type->contained()[0]);
            part = str(": Dict type annotation `", type, "` did not match the type of an actual ", i ? "value" : "key",
                       " type `", have->contained()[i], "`");
          }
          fail(s->range,
               str("Variable ", s->targets[0]->kind == EK::Name ? "'" + s->targets[0]->text + "' " : "",
                   "is annotated with type ", type, " but is being assigned to a value of type ", have, part));
        }
        if (!typed->type()->equals(*type)) typed = emit_typed(s->range, "prim::unchecked_cast", {typed}, type);
        v = std::make_shared<SimpleValue>(typed);
      }
      statement_ = s->range;
      for (const ExprPtr& t : s->targets) assign_target(t, v);
      statement_ = {};
      return;
    }
    case SK::AugAssign: return augmented(s);
    case SK::Assert: {
      std::vector<Refinement> known;
      refinements(s->value, true, known);
      if (static_condition(s->value) != 1) {
        Value* ok = condition(s->value);
        branches(s->range, ok, [] { return false; }, [&] { return assertion_failed(s); });
      }
      return refine(known, s->range);
    }
    case SK::Delete: {
      for (const ExprPtr& t : s->targets) {
        if (t->kind == EK::Subscript && t->items.size() == 2 && t->items[1]->kind != EK::Slice) {
          SugaredPtr container = expr(t->items[0]), index = expr(t->items[1]);
          if (call_magic(s->range, container, "__delitem__", {index})) continue;
          if (auto* v = dynamic_cast<SimpleValue*>(container.get()); v && graph::as_class(v->value->type()))
            fail(t->range, str("Class does not define __delitem__: ", v->value->type()));
          call_operator(t->range, "Delete", {{t->range, "", container}, {t->range, "", index}});
        } else if (t->kind == EK::Name) {
          lookup(t->text, t->range);
          scope_->names[t->text] = nullptr;
        } else {
          fail(t->range,
               t->kind == EK::Subscript
                   ? "del statements only support deletion at a single index, slicing and multiple indices are "
                     "not supported in TorchScript"
                   : "this can't be deleted in TorchScript");
        }
      }
      return;
    }
    case SK::Def: return assign(s->range, s->text, std::make_shared<InlineFunction>(s, &resolver_, nullptr, this));
    default: fail(s->range, "this statement is not supported in TorchScript");
  }
}

bool Lowering::assertion_failed(const StmtPtr& s) {
  Value* message = s->message ? value(s->message) : constant(s->range, "AssertionError: ");
  emit(s->range, "prim::RaiseException", {message, constant(s->range, "builtins.AssertionError")}, 0);
  assign(s->range, "$raised", std::make_shared<ConstantValue>(true));
  return true;
}

bool Lowering::return_statement(const StmtPtr& s) {
  SugaredPtr given = s->value ? expr_as(s->value, return_type_) : std::make_shared<ConstantValue>(IValue());
  if (loops_ && !return_type_) throw ResultFound{given->as_value(s->range, *this)->type()};
  if (active_ && !return_type_) {  // an inlined function: what is known of its result stays known
    leave_contexts(0);
    return assign(s->range, "$return", given), true;
  }
  Value* v;
  if (return_type_) {
    v = convert(s->range, given, return_type_, nullptr, false);
    if (!v && !result_declared_)
      if (TypePtr both = unify(return_type_, given->as_value(s->range, *this)->type())) throw ResultFound{both};
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

bool Lowering::function_body(const Stmt& def, Scope& top, FunctionRef<void()> take_back) {
  const std::unordered_map<std::string, SugaredPtr> given = top.names;
  for (;;) {  // types of results only grow
    try {
      return block(def.body, 0, [&] { return falls_off(def); });
    } catch (const ResultFound& found) {
      take_back();
      return_type_ = found.type;
      scope_ = &top;
      loops_ = depth_ = 0;
      contexts_.clear();
      loop_depth_.clear();
      top.names = given;
    }
  }
}

bool Lowering::falls_off(const Stmt& def) {
  if (!has_exit(def.body, true)) return false;
  if (def.annotation) {
    TypePtr promised = type_of(*def.annotation);
    if (!Type::none()->is_subtype_of(*promised)) return false;
  }
  auto end = std::make_shared<Stmt>();
  end->kind = SK::Return;
  end->range = def.range;
  return return_statement(end);
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

// The value of which an isinstance() or `is None` around told more.
static Value* unrefined(Value* v) {
  while (v->node()->is("prim::unchecked_cast")) v = v->node()->input(0);
  return v;
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
    if (!type && values[0] && values[1] && name == "$return") type = return_type_;
    if (Value* one = !type && values[0] && values[1] ? unrefined(values[0]) : nullptr;
        one && one == unrefined(values[1])) {  // one value, of which the branches know different things
      scope_->names[name] = std::make_shared<SimpleValue>(one);
      continue;
    }
    SugaredPtr before;
    if (!type && values[0] && values[1]) {  // x: Union[int, str] may be either again
      for (Scope* outer = scope_; outer && !before; outer = outer->outer)
        if (auto at = outer->names.find(name); at != outer->names.end()) before = at->second;
      if (auto* v = dynamic_cast<SimpleValue*>(before.get())) {
        const TypePtr& wide = unrefined(v->value)->type();
        if (values[0]->type()->is_subtype_of(*wide) && values[1]->type()->is_subtype_of(*wide)) type = wide;
      }
    }
    if (!type) {
      if (name == "$return" && values[0] && values[1])
        fail(range, str("Previous return statement returned a value of type ", values[0]->type(),
                        " but this return statement returns a value of type ", values[1]->type()));
      scope_->names[name] = nullptr;
      std::string shown = name == "$value" ? "the value" : name;
      std::string change;
      for (size_t k = 0; k < 2 && values[0] && values[1] && before; k++)
        if (found_type(*before) == values[k]->type()->text() && name[0] != '$')
          change = str(". Variable '", name, "' previously had type ", values[k]->type(),
                       " but is now being assigned to a value of type ", values[1 - k]->type());
      scope_->lost[name] = values[0] && values[1]
                               ? str("Type mismatch: ", shown, " is set to type ", values[0]->type(),
                                     " in the true branch and type ", values[1]->type(), " in the false branch", change)
                               : str(shown, " is not defined in the ", values[0] ? "false" : "true", " branch");
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
    if (!context->label.empty()) {
      contexts_.push_back({nullptr, nullptr, e->range,
                           call_operator(e->range, "profiler::_record_function_enter_new", context->label)});
      continue;
    }
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
    if (c.recorded) call_operator(c.range, "profiler::_record_function_exit", {{c.range, "", c.recorded}});
    if (!c.object) continue;
    std::vector<Value*> inputs(3, constant(c.range, {}));
    inputs.insert(inputs.begin(), c.object);
    graph::Function* f = graph::as_class(c.object->type())->find_method("__exit__");
    emit_typed(c.range, "prim::Exit", inputs, f->schema.returns[0].type);
  }
}

}  // namespace rushlight::script
