// What names stand for besides graph values: tuples, constants, functions; and what any of them does unless it says otherwise.
#include "rushlight/script/sugared.h"

#include <algorithm>

#include "rushlight/dispatch/op.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/executor/primitives.h"
#include "rushlight/script/lowering.h"

namespace rushlight::script {

bool is_operator(const std::string& name) {
  return name == "format" || name == "percentFormat" || !OpTable::get().overloads(name).empty() ||
         !graph::primitives("aten::" + name).empty();
}

// ---- defaults ----

Value* Sugared::as_value(const Range& range, Lowering&) { fail(range, str(kind(), " cannot be used as a value")); }
SugaredPtr Sugared::attribute(const Range& range, Lowering&, const std::string& name) {
  fail(range, str(kind(), " object has no attribute or method '", name, "'"));
}
SugaredPtr Sugared::call(const Range& range, Lowering&, const std::vector<CallArg>&) {
  fail(range, str("cannot call a ", kind()));
}
bool Sugared::items(const Range&, Lowering&, std::vector<SugaredPtr>&) { return false; }
bool Sugared::iterate(const Range& range, Lowering& l, Iteration& out) {
  return out.is_known = items(range, l, out.known);
}
void Sugared::set_attribute(const Range& range, Lowering&, const std::string& name, Value*) {
  fail(range, str("cannot assign to attribute '", name, "' of a ", kind()));
}

// ---- tuples and constants ----

SugaredPtr TupleOf::attribute(const Range& range, Lowering& l, const std::string& name) {
  for (size_t i = 0; i < names.size(); i++)
    if (names[i] == name) return parts[i];
  return Sugared::attribute(range, l, name);
}

Value* Iterable::as_value(const Range& range, Lowering& l) { return l.list_of(range, over_); }

Value* TupleOf::as_value(const Range& range, Lowering& l) {
  std::vector<Value*> values;
  std::vector<TypePtr> types;
  for (const SugaredPtr& p : parts) {
    values.push_back(p->as_value(range, l));
    types.push_back(values.back()->type());
  }
  return l.emit_typed(range, "prim::TupleConstruct", values, Type::tuple(std::move(types)));
}

Value* ConstantValue::as_value(const Range& range, Lowering& l) {
  if (constant.is_tuple()) {
    std::vector<SugaredPtr> parts;
    items(range, l, parts);
    return TupleOf(parts).as_value(range, l);
  }
  if (constant.is_any_list()) {
    std::vector<Value*> values;
    for (size_t i = 0, n = graph::list_size(constant); i < n; i++)
      values.push_back(ConstantValue(graph::list_get(constant, i)).as_value(range, l));
    return l.emit_typed(range, "prim::ListConstruct", values, constant.type());
  }
  if (constant.is_dict()) {
    std::vector<Value*> values;
    for (const auto& [key, item] : constant.dict().items) {
      values.push_back(ConstantValue(key).as_value(range, l));
      values.push_back(ConstantValue(item).as_value(range, l));
    }
    return l.emit_typed(range, "prim::DictConstruct", values, constant.type());
  }
  return l.constant(range, constant);
}
SugaredPtr ConstantValue::attribute(const Range& range, Lowering& l, const std::string& name) {
  return SimpleValue(as_value(range, l)).attribute(range, l, name);
}
bool ConstantValue::iterate(const Range& range, Lowering& l, Iteration& out) {
  return Sugared::iterate(range, l, out) || SimpleValue(as_value(range, l)).iterate(range, l, out);
}
bool ConstantValue::items(const Range&, Lowering&, std::vector<SugaredPtr>& out) {
  if (constant.is_tuple())
    for (const IValue& v : constant.to_tuple().items) out.push_back(constant_of(v));
  else if (constant.is_any_list())
    for (size_t i = 0, n = graph::list_size(constant); i < n; i++)
      out.push_back(constant_of(graph::list_get(constant, i)));
  else return false;
  return true;
}

std::string found_type(const Sugared& v) {
  if (auto* simple = dynamic_cast<const SimpleValue*>(&v)) return simple->value->type()->text();
  if (auto* known = dynamic_cast<const ConstantValue*>(&v)) return known->constant.type()->text();
  auto* tuple = dynamic_cast<const TupleOf*>(&v);
  if (!tuple) return {};
  std::string out;
  for (const SugaredPtr& p : tuple->parts) {
    std::string part = found_type(*p);
    if (part.empty()) return {};
    out += (out.empty() ? "" : ", ") + part;
  }
  return "Tuple[" + (out.empty() ? "()" : out) + "]";
}
std::string found_kind(const Sugared& v) {
  std::string type = found_type(v);
  return type.empty() ? "a " + v.kind() : str("type '", type, "'");
}

// ---- functions ----

SugaredPtr FunctionValue::call(const Range& range, Lowering& l, const std::vector<CallArg>& given) {
  std::vector<CallArg> args = given;
  if (bound) args.insert(args.begin(), {range, "", graph_value(bound)});
  return l.call_function(range, function, std::move(args), bound);
}

SugaredPtr Overloads::call(const Range& range, Lowering& l, const std::vector<CallArg>& given) {
  std::vector<CallArg> args = given;
  if (bound) args.insert(args.begin(), {range, "", graph_value(bound)});
  std::string reasons;
  for (bool implicit : {false, true})
    for (const auto& f : functions) {
      if (!l.compiling(range, f->name, [&] { return f->made(); }))
        fail(range, str("'", f->name, "' is called recursively. Recursive calls are not supported"));
      std::vector<Value*> inputs;
      std::string why;
      if (l.match(range, f->schema, args, inputs, why, implicit, false))
        return l.call_function(range, f, std::move(args), bound);
      if (implicit) reasons += str("\n\n  ", f->schema.text(), "\n  ", why);
    }
  fail(range, str("Arguments for call are not valid.\nThe following variants are available:", reasons,
                  "\n\nThe original call is"));
}
// A literal that is no value of the type that an overload gives the parameter: the default is another overload's.
static bool misfits(const Expr& literal, const Expr* type) {
  using EK = Expr::Kind;
  if (!type || type->kind != EK::Name) return false;
  const std::string& name = type->text;
  switch (literal.kind) {
    case EK::String: return name != "str" && name != "Any";
    case EK::Float: return name == "int" || name == "str" || name == "bool" || name == "Tensor";
    case EK::Int: return name == "str" || name == "bool" || name == "Tensor";
    case EK::True:
    case EK::False: return name != "bool" && name != "Any";
    default: return false;
  }
}
std::shared_ptr<const Stmt> with_signature(const Stmt& signature, const Stmt& body) {
  auto both = std::make_shared<Stmt>(body);
  if (signature.params.size() != body.params.size())
    fail(signature.range, str("an overload of '", body.text, "' takes other parameters than its implementation"));
  for (size_t i = 0; i < body.params.size(); i++) {
    if (signature.params[i].name != body.params[i].name)
      fail(signature.params[i].range, str("Overload parameters must have the same names: '", signature.params[i].name,
                                          "' is '", body.params[i].name, "' in the implementation"));
    Param& p = both->params[i];
    p.annotation = signature.params[i].annotation;
    if (signature.params[i].default_value) p.default_value = signature.params[i].default_value;
    else if (p.default_value && misfits(*p.default_value, p.annotation.get())) p.default_value = nullptr;
  }
  both->annotation = signature.annotation;
  return both;
}

SugaredPtr InlineFunction::call(const Range& range, Lowering& l, const std::vector<CallArg>& args) {
  return l.inline_call(range, *this, args);
}
SugaredPtr InlineFunction::bind(const Range&, Lowering&, Value* object) {
  auto method = std::make_shared<InlineFunction>(*this);
  method->self = graph_value(object);
  return method;
}

SugaredPtr Dispatched::call(const Range& range, Lowering& l, const std::vector<CallArg>& args) {
  bool side = false;
  for (size_t i = 0; i < args.size(); i++) {
    if (args[i].name != argument_ && !(args[i].name.empty() && i == position_)) continue;
    const IValue* c = graph::constant_of(args[i].value->as_value(range, l));
    if (!c || !c->is_bool()) fail(args[i].range, str("'", argument_, "' must be True or False where this is compiled"));
    side = c->to_bool();
  }
  return sides_[side]->call(range, l, args);
}

}  // namespace rushlight::script
