// Loops as statements: what they carry on, and how they are left.
#include <algorithm>
#include <set>

#include "rushlight/script/lowering.h"
#include "rushlight/script/syntax.h"

namespace rushlight::script {

using SK = Stmt::Kind;
using EK = Expr::Kind;

namespace {
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

// Whether the loop of such a body is left or begun again from inside.
bool breaks(const std::vector<StmtPtr>& body) {
  return std::any_of(body.begin(), body.end(), [](const StmtPtr& s) {
    if (s->kind == SK::Break || s->kind == SK::Continue) return true;
    if (s->kind == SK::For || s->kind == SK::While || s->kind == SK::Def) return false;
    return breaks(s->body) || breaks(s->orelse);
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
      if (breaks(s->body))
        fail(s->range,
             "loops over modules or tuples are unrolled, so that we do not support break or continue inside of them");
      // What follows a round is lowered inside of the branches of its body that don't return.
      std::function<bool(size_t)> round = [&](size_t i) {
        if (i == over.known.size()) return rest ? rest() : false;
        assign_target(s->targets[0], over.known[i]);
        if (returns) return block(s->body, 0, [&, i] { return round(i + 1); });
        return block(s->body, 0, nullptr) || round(i + 1);
      };
      return round(0);
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
      if (const graph::ClassType* c = v ? nullptr : graph::as_class(now->as_value(s->range, *this)->type());
          c && c->is_module)
        fail(s->range, str("Cannot re-assign '", carried[k], "' to a value of type module: it is a ", type,
                           " where the loop begins"));
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

}  // namespace rushlight::script
