// Calls of functions that are lowered where they are called.
#include <algorithm>

#include "rushlight/script/lowering.h"
#include "rushlight/script/syntax.h"

namespace rushlight::script {

using SK = Stmt::Kind;

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
    else fail(range, str(f.def->text, "(): Argument ", p.name, " not provided"));
  }
  if (open) return v;
  if (auto* c = dynamic_cast<ConstantValue*>(v.get()); c && c->constant.type()->is_subtype_of(*type)) return v;
  Argument a;
  a.list_size = p.annotation ? broadcast_size(*p.annotation) : 0;
  Value* typed = caller.convert(range, v, type, &a, true);
  if (!typed)
    fail(range, str(f.def->text, "(): Expected a value of type '", type, "' for argument '", p.name,
                    "' but instead found ", found_kind(*v)));
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
      fail(args[k].range, args[k].name.empty() ? str(f.def->text, "(): Expected at most ", f.def->params.size(),
                                                     " arguments but found ", args.size())
                                               : str(f.def->text, "(): Unknown keyword argument '", args[k].name, "'"));
  top.names = std::move(bound);
  // A result that may be one of several things is what it is here; a loop that returns has to know before.
  if (f.def->annotation && !is_open(*f.def->annotation)) {
    TypePtr type = inner.type_of(*f.def->annotation);
    bool in_loop = std::any_of(f.def->body.begin(), f.def->body.end(), [](const StmtPtr& s) {
      return (s->kind == SK::For || s->kind == SK::While) && has_exit(s->body, true);
    });
    if (in_loop || !(type->is(Type::Kind::Optional) || type->is(Type::Kind::None))) {
      inner.return_type_ = type;
      inner.result_declared_ = true;
    }
  }
  graph::Node* point = graph_.insert_point();
  graph::Node* before = point->previous();
  auto take_back = [&] {
    while (point->previous() != before) point->previous()->destroy();
  };
  bool ends = compiling(range, f.def->text, [&] { return inner.function_body(*f.def, top, take_back); });
  auto result = top.names.find("$return");
  if (result == top.names.end() && ends && inner.return_type_)  // it raises, whatever comes
    return graph_value(emit_typed(range, "prim::Uninitialized", {}, inner.return_type_));
  if (result == top.names.end()) return std::make_shared<ConstantValue>(IValue());
  if (!result->second) fail(range, str(f.def->text, "() returns values of different types"));
  return result->second;
}

}  // namespace rushlight::script
