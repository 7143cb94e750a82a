// Calls of schemas: which overload takes the arguments, and how each becomes a value of the type that is wanted.
#include <algorithm>

#include "rushlight/core/future_type.h"
#include "rushlight/dispatch/binding.h"
#include "rushlight/dispatch/library.h"
#include "rushlight/dispatch/scripted.h"
#include "rushlight/graph/called_function.h"
#include "rushlight/graph/executor/primitives.h"
#include "rushlight/graph/generics.h"
#include "rushlight/script/lowering.h"

namespace rushlight::script {

using TK = Type::Kind;

Value* Lowering::convert(const Range& range, const SugaredPtr& given, const TypePtr& type, const Argument* argument,
                         bool implicit) {
  const Type& target = type->is(TK::Optional) ? *type->element() : *type;
  auto* parts = dynamic_cast<TupleOf*>(given.get());
  if (parts && target.is(TK::List)) {
    std::vector<Value*> values;
    for (const SugaredPtr& p : parts->parts) {
      Value* v = convert(range, p, target.element(), nullptr, implicit);
      if (!v) return nullptr;
      values.push_back(v);
    }
    return emit_typed(range, "prim::ListConstruct", values, Type::list(target.element()));
  }
  if (parts && target.is(TK::Tuple) && target.contained().size() == parts->parts.size()) {
    std::vector<Value*> values;
    for (size_t i = 0; i < parts->parts.size(); i++) {
      values.push_back(convert(range, parts->parts[i], target.contained()[i], nullptr, implicit));
      if (!values.back()) return nullptr;
    }
    return emit_typed(range, "prim::TupleConstruct", values, type->is(TK::Optional) ? type->element() : type);
  }
  Value* v;
  try {
    v = given->as_value(range, *this);
  } catch (const ScriptError&) { return nullptr; }
  TypePtr have = v->type();
  if (have->is_subtype_of(*type)) return v;
  if (is_await(*have) && !is_future(target))  // what was promised is called for
    return convert(range, Special("awaitable_wait").call(range, *this, {{range, "", graph_value(v)}}), type, argument,
                   implicit);
  if (target.is(TK::Any)) return v;
  if (target.is(TK::Class) && target.name().empty()) {  // AnyEnumType of a schema
    const graph::ClassType* c = graph::as_class(have);
    return c && c->is_enum ? v : nullptr;
  }
  if (const auto* c = dynamic_cast<const graph::ClassType*>(&target); c && c->is_implemented_by(have)) return v;
  if (target.is(TK::Number) && have->is(TK::Bool)) return v;
  if (have->is(TK::List) && target.is(TK::List)) {
    if (target.element()->is(TK::Any) || have->element()->is_subtype_of(*target.element())) return v;
    // Only one that was written right here: another holder must see what is done to it.
    bool literal = v->node()->is("prim::ListConstruct") && v->name().empty() && !v->has_uses();
    if (literal && v->node()->inputs().empty())
      return emit_typed(range, "prim::ListConstruct", {}, Type::list(target.element()));
    if (literal && (target.element()->is(TK::Float) || target.element()->is(TK::Optional))) {
      std::vector<Value*> values;
      for (Value* i : v->node()->inputs()) {
        values.push_back(convert(range, graph_value(i), target.element(), nullptr, true));
        if (!values.back()) return nullptr;
      }
      return emit_typed(range, "prim::ListConstruct", values, Type::list(target.element()));
    }
  }
  if (have->is(TK::Dict) && target.is(TK::Dict) && v->node()->is("prim::DictConstruct") &&
      v->node()->inputs().empty() && v->name().empty() && !v->has_uses())
    return emit_typed(range, "prim::DictConstruct", {}, type->is(TK::Optional) ? type->element() : type);
  if (have->is(TK::Tuple) && target.is(TK::List)) {
    std::vector<SugaredPtr> items;
    given->items(range, *this, items);
    return convert(range, std::make_shared<TupleOf>(items), type, argument, implicit);
  }
  if (argument && argument->list_size > 0 && target.is(TK::List)) {  // int[2] takes one int
    Value* one = convert(range, graph_value(v), target.element(), nullptr, implicit && !have->is(TK::Tensor));
    if (one)
      return emit_typed(range, "prim::ListConstruct", std::vector<Value*>(size_t(argument->list_size), one),
                        Type::list(target.element()));
  }
  if (target.is(TK::Float) && have->is(TK::Int)) {
    if (const IValue* c = graph::constant_of(v)) return constant(range, c->to_double());
    if (implicit) return emit_typed(range, "aten::Float", {v}, Type::floating());
  }
  if (!implicit) return nullptr;
  if (have->is(TK::Tensor)) {
    if (target.is(TK::Int)) return emit_typed(range, "aten::IntImplicit", {v}, Type::integer());
    if (target.is(TK::Float)) return emit_typed(range, "aten::FloatImplicit", {v}, Type::floating());
    if (target.is(TK::Number)) return emit_typed(range, "aten::ScalarImplicit", {v}, Type::simple(TK::Number));
  }
  if (have->is(TK::Number)) {
    if (target.is(TK::Int)) return emit_typed(range, "aten::Int", {v}, Type::integer());
    if (target.is(TK::Float)) return emit_typed(range, "aten::Float", {v}, Type::floating());
  }
  if (target.is(TK::Device) && have->is(TK::String))
    return emit_typed(range, "aten::device", {v}, Type::simple(TK::Device));
  return nullptr;
}

namespace {
// A call of a schema, as bind() sees it.
struct ScriptCall {
  const Schema& schema;
  const std::vector<CallArg>& args;
  Lowering& l;
  bool implicit;
  bool builtin;  // an operator, whose arguments have Python's names besides the schema's
  graph::Generics generics{};
  std::vector<Value*> values = std::vector<Value*>(schema.args.size());
  std::vector<int> in_place = by_position();
  int by_place =
      int(std::find_if(args.begin(), args.end(), [](const CallArg& a) { return !a.name.empty(); }) - args.begin());

  std::vector<int> by_position() const {
    std::vector<int> out;
    for (size_t i = 0; i < schema.args.size(); i++)
      if (!schema.args[i].kwarg_only) out.push_back(int(i));
    return out;
  }
  int positional() const { return by_place; }
  int named() const { return int(args.size()) - by_place; }
  int places() const { return int(in_place.size()); }
  int place(int i) const { return in_place[size_t(i)]; }
  bool spreads() const { return true; }
  // All remaining integers, or tensors, by position may stand for the last list: x.view(2, 3), meshgrid(x, y).
  int spread(int argument) const {
    const Argument& a = schema.args[size_t(in_place.back())];
    if (!a.base_type().is(TK::List) || a.list_size != 0) return 0;
    bool ints = a.base_type().element()->is(TK::Int), tensors = a.base_type().element()->is(TK::Tensor);
    int n = 0;
    for (int k = argument; (ints || tensors) && k < by_place; k++, n++) {
      auto* v = dynamic_cast<SimpleValue*>(args[size_t(k)].value.get());
      auto* c = dynamic_cast<ConstantValue*>(args[size_t(k)].value.get());
      bool is_tensor = v && v->value->type()->is(TK::Tensor);
      bool is_int = (v && v->value->type()->is(TK::Int)) || (c && c->constant.is_int());
      // A tensor is a size where one is wanted, but none of the numbers that sum(int[] self) adds.
      bool as_number = is_tensor && implicit && a.name != "self";
      if (tensors ? !is_tensor : !is_int && !as_number) break;
    }
    return n;
  }
  bool take(int p, int argument, int count) {
    const Argument& a = schema.args[size_t(p)];
    const CallArg& given = args[size_t(argument)];
    Value*& v = values[size_t(p)];
    TypePtr wanted = generics.fill(a.type);
    if (count) {
      std::vector<SugaredPtr> parts;
      for (int k = 0; k < count; k++) parts.push_back(args[size_t(argument + k)].value);
      v = l.convert(given.range, std::make_shared<TupleOf>(std::move(parts)), wanted, &a, implicit);
    } else if (graph::Generics::mentions_variable(*wanted)) {
      v = given.value->as_value(given.range, l);
      if (!generics.accept(a.type, v->type())) v = nullptr;
    } else {
      v = l.convert(given.range, given.value, wanted, &a, implicit);
    }
    return v;
  }
  int find(int argument) const {
    const std::string& name = args[size_t(argument)].name;
    if (int at = schema.find_arg(name); at >= 0) return at;
    for (size_t i = 0; builtin && i < schema.args.size(); i++) {
      const std::string& own = schema.args[i].name;
      if (own == "size" && name == "shape") return int(i);
      for (const char* other : other_names(own))
        if (other && name == other) return int(i);
    }
    return kUnknownName;
  }
  bool filled(int p) const { return values[size_t(p)]; }
  void fill(int) {}
  int missing() const {
    for (size_t i = 0; i < schema.args.size(); i++)
      if (!values[i] && !schema.args[i].has_default) return int(i);
    return -1;
  }
};
}  // namespace

// What keeps a value from being of an interface.
static std::string lacks(const graph::ClassType& interface, const Sugared& v) {
  auto* simple = dynamic_cast<const SimpleValue*>(&v);
  const graph::ClassType* c = simple ? graph::as_class(simple->value->type()) : nullptr;
  if (!c) return "is no object of a class";
  if (interface.is_module && !c->is_module) return "is no module, as the interface is";
  for (const auto& f : interface.methods)
    if (!c->find_method(f->name))
      return str("does not have method '", f->name, "' of the interface '", interface.name(), "'");
  return str("is not compatible with interface '", interface.name(), "'");
}

bool Lowering::match(const Range& range, const Schema& schema, const std::vector<CallArg>& args,
                     std::vector<Value*>& out, std::string& why, bool implicit, bool builtin) {
  ScriptCall call{schema, args, *this, implicit, builtin};
  const Misfit m = bind(call);
  switch (m.kind) {
    case Misfit::Kind::None: break;
    case Misfit::Kind::TooMany:
      for (const Argument& a : schema.args)
        if (a.kwarg_only && !a.has_default &&
            std::none_of(args.begin(), args.end(), [&](const CallArg& given) { return given.name == a.name; }))
          return why = str("Argument ", a.name, " not provided"), false;
      return why = str("Expected at most ", schema.args.size(), " arguments but found ", args.size()), false;
    case Misfit::Kind::Type: {
      const Argument& a = schema.args[size_t(m.parameter)];
      const TypePtr wanted = call.generics.fill(a.type);
      if (const graph::ClassType* c = graph::as_class(wanted); c && c->is_interface)
        return why = str("Expected a value of type '", wanted, "' for argument '", a.name, "' but instead found ",
                         found_kind(*args[size_t(m.argument)].value), ", which ",
                         lacks(*c, *args[size_t(m.argument)].value)),
               false;
      if (graph::Generics::mentions_variable(*a.type) && !found_type(*args[size_t(m.argument)].value).empty() &&
          !graph::Generics::mentions_variable(*wanted))
        return why =
                   str("Could not match type ", found_type(*args[size_t(m.argument)].value), " to ", a.type->text(),
                       " in argument '", a.name, "': Type variable '", a.type->text(), "' previously matched to type ",
                       wanted, " is matched to type ", found_type(*args[size_t(m.argument)].value)),
               false;
      why = str("Expected a value of type '", call.generics.fill(a.type), "' for argument '", a.name,
                "' but instead found ", found_kind(*args[size_t(m.argument)].value));
      auto* given = dynamic_cast<SimpleValue*>(args[size_t(m.argument)].value.get());
      if (given && inferred_.contains(given->value))
        why += str(".\n  Inferred the value for argument '", given->value->name(),
                   "' to be of type 'Tensor' because it was not annotated with an explicit type");
      return false;
    }
    case Misfit::Kind::Unknown: return why = str("Keyword argument ", args[size_t(m.argument)].name, " unknown"), false;
    case Misfit::Kind::Twice: return why = str("argument '", args[size_t(m.argument)].name, "' is given twice"), false;
    case Misfit::Kind::Missing:
      return why = str("Argument ", schema.args[size_t(m.parameter)].name, " not provided"), false;
  }
  for (size_t i = 0; i < schema.args.size(); i++) {
    const IValue& d = schema.args[i].default_value;
    if (!call.values[i])
      call.values[i] = d.is_none() ? constant(range, IValue(), Type::none()) : ConstantValue(d).as_value(range, *this);
  }
  out = std::move(call.values);
  return true;
}

SugaredPtr Lowering::tuple_items(const Range&, const std::vector<Value*>& outputs, std::vector<std::string> names) {
  if (outputs.empty()) return constant_of({});
  if (outputs.size() == 1) return graph_value(outputs[0]);
  std::vector<SugaredPtr> parts;
  for (Value* v : outputs) parts.push_back(graph_value(v));
  return std::make_shared<TupleOf>(std::move(parts), std::move(names));
}

// Where an argument may be None: how the script says that it isn't.
static std::string none_hint(const std::vector<CallArg>& args) {
  for (const CallArg& a : args) {
    auto* v = dynamic_cast<SimpleValue*>(a.value.get());
    if (!v || !v->value->type()->is(TK::Optional)) continue;
    const std::string name = v->value->name().empty() ? "x" : v->value->name();
    return str("\n\nHint: a value of type '", v->value->type(),
               "' may be None; give it to a variable and say what it is by `assert ", name,
               " is not None`, or use it in `if ", name, " is not None:`");
  }
  return {};
}

SugaredPtr Lowering::call_operator(const Range& range, const std::string& given_name, std::vector<CallArg> args) {
  const std::string& name = given_name;
  bool wants_out = false;
  for (const CallArg& a : args) wants_out |= a.name == "out";
  std::vector<std::pair<const Schema*, std::pair<const Op*, const graph::Primitive*>>> candidates;
  for (const Op* op : OpTable::get().overloads(name))
    if ((op->form() == Op::Form::Out) == wants_out) candidates.push_back({&op->schema(), {op, nullptr}});
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const auto& a, const auto& b) { return looseness(*a.first) < looseness(*b.first); });
  if (name.find("::") == std::string::npos)
    for (const char* prefix : {"aten::", "prim::"})
      for (const graph::Primitive* p : graph::primitives(prefix + name))
        candidates.push_back({&p->schema, {nullptr, p}});
  std::string reasons;
  for (bool implicit : {false, true}) {
    for (const auto& [schema, what] : candidates) {
      std::vector<Value*> inputs;
      std::string why;
      graph::Node* before = graph_.insert_point()->previous();
      if (match(range, *schema, args, inputs, why, implicit, true)) {
        if (what.first && scripted_record(*what.first)) return call_record(*this, range, *what.first, inputs);
        // rsub(y, x) is x - y, which passes know.
        if (what.first && schema->name == "rsub" && inputs[1]->type()->is(TK::Tensor)) {
          std::swap(inputs[0], inputs[1]);
          return graph_value(emit_typed(range, "aten::sub", inputs, Type::tensor()));
        }
        graph::Node* n = emit(range, what.first ? schema->symbol() : schema->name, inputs, 0);
        n->op = what.first;
        n->primitive = what.second;
        std::vector<Value*> outputs;
        std::vector<std::string> names;
        graph::Generics generics;
        for (size_t i = 0; i < inputs.size(); i++)
          if (graph::Generics::mentions_variable(*schema->args[i].type))
            generics.accept(schema->args[i].type, inputs[i]->type());
        for (const Argument& r : schema->returns) {
          outputs.push_back(n->add_output(generics.fill(r.type)));
          names.push_back(r.name);
        }
        return tuple_items(range, outputs, std::move(names));
      }
      // What matching put into the graph for a candidate that does not fit goes again.
      for (graph::Node* n = graph_.insert_point()->previous(); n != before;) {
        graph::Node* earlier = n->previous();
        bool used = false;
        for (Value* v : n->outputs()) used |= v->has_uses();
        if (!used) n->destroy();
        n = earlier;
      }
      if (implicit) reasons += str("\n\n  ", schema->full_text(), "\n  ", why);
    }
  }
  if (candidates.empty()) {
    std::string symbol = name.find("::") == std::string::npos ? "aten::" + name : name;
    fail(range, str("Unknown builtin op: ", symbol, missing_operator(symbol)));
  }
  fail(range, str("Arguments for call are not valid.\nThe following variants are available:", reasons, none_hint(args),
                  "\n\nThe original call is"));
}

SugaredPtr Lowering::call_function(const Range& range, const std::shared_ptr<graph::Function>& function,
                                   std::vector<CallArg> args, bool method) {
  graph::Function& f = *function;
  if (!f.is_abstract && !compiling(range, f.name, [&] { return f.made(); }))
    fail(range, str("'", f.name, "' is called recursively. Recursive calls are not supported"));
  std::vector<Value*> inputs;
  std::string why;
  if (!match(range, f.schema, args, inputs, why, true, false)) fail(range, str(f.schema.text(), ": ", why));
  if (method) {
    graph::Node* n = emit(range, "prim::CallMethod", inputs);
    n->set_attribute("name", f.name);
    return graph_value(n->output()->set_type(f.schema.returns[0].type));
  }
  if (f.graph->outputs().size() == 1 && f.schema.returns.size() == 1) {
    inputs.insert(inputs.begin(), graph::insert_function(graph_, function));
    return graph_value(emit_typed(range, "prim::CallFunction", inputs, f.schema.returns[0].type));
  }
  // Functions that call the one before them twice double at each step.
  if (graph_.size() + f.graph->size() > graph::kMaxNodes)
    fail(range, "the calls of this function make a graph of too many nodes");
  std::vector<Value*> outputs = graph_.inline_block(*f.graph->block(), inputs, place(range));
  if (outputs.size() == 1 && !f.schema.returns.empty() && outputs[0]->type()->is(TK::Tuple))
    return graph_value(outputs[0]);
  return tuple_items(range, outputs);
}

}  // namespace rushlight::script
