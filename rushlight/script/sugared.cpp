// What names stand for: attributes and calls of values, operators, namespaces, types and the language's own functions.
#include "rushlight/script/sugared.h"

#include <cmath>

#include "rushlight/graph/executor/primitives.h"
#include "rushlight/script/lowering.h"

namespace rushlight::script {

using TK = Type::Kind;

namespace {
SugaredPtr graph_value(Value* v) { return std::make_shared<SimpleValue>(v); }
SugaredPtr constant_of(IValue v) { return std::make_shared<ConstantValue>(std::move(v)); }
// C.__new__: an object whose slots are empty.
class NewObject final : public Sugared {
 public:
  explicit NewObject(TypePtr t) : type_(std::move(t)) {}
  std::string kind() const override { return "function '__new__'"; }
  SugaredPtr call(const Range& range, Lowering& l, const std::vector<CallArg>&) override {
    return graph_value(l.emit_typed(range, "prim::CreateObject", {}, type_));
  }

 private:
  TypePtr type_;
};
// `_modules` of a module: what Python's nn.Sequential goes through, known while compiling.
class ModuleTable final : public Sugared {
 public:
  ModuleTable(Value* m, std::string v = {}) : module_(m), view_(std::move(v)) {}
  std::string kind() const override { return "the table of submodules"; }
  SugaredPtr attribute(const Range&, Lowering&, const std::string& name) override {
    return std::make_shared<ModuleTable>(module_, name);
  }
  SugaredPtr call(const Range& range, Lowering& l, const std::vector<CallArg>&) override {
    std::vector<SugaredPtr> out;
    for (const auto& slot : graph::as_class(module_->type())->slots) {
      if (!graph::as_class(slot.type)) continue;
      SugaredPtr name = constant_of(slot.name), child = graph_value(module_)->attribute(range, l, slot.name);
      out.push_back(view_ == "values" ? child
                    : view_ == "keys" ? name
                                      : std::make_shared<TupleOf>(std::vector<SugaredPtr>{name, child}));
    }
    return std::make_shared<TupleOf>(std::move(out));
  }

 private:
  Value* module_;
  std::string view_;
};
bool is_operator(const std::string& name) {
  return name == "format" || !OpTable::get().overloads(name).empty() || !graph::primitives("aten::" + name).empty();
}
}  // namespace

// ---- defaults ----

Value* Sugared::as_value(const Range& range, Lowering&) { fail(range, str(kind(), " cannot be used as a value")); }
SugaredPtr Sugared::attribute(const Range& range, Lowering&, const std::string& name) {
  fail(range, str(kind(), " has no attribute '", name, "'"));
}
SugaredPtr Sugared::call(const Range& range, Lowering&, const std::vector<CallArg>&) {
  fail(range, str("cannot call a ", kind()));
}
bool Sugared::items(const Range&, Lowering&, std::vector<SugaredPtr>&) { return false; }
void Sugared::set_attribute(const Range& range, Lowering&, const std::string& name, Value*) {
  fail(range, str("cannot assign to attribute '", name, "' of a ", kind()));
}

// ---- graph values ----

std::string SimpleValue::kind() const { return str("value of type '", value->type(), "'"); }
int SimpleValue::is_none() const {
  const TypePtr& t = value->type();
  return t->is(TK::None) ? 1 : t->is(TK::Optional) || t->is(TK::Any) || t->is(TK::Union) ? -1 : 0;
}

SugaredPtr SimpleValue::attribute(const Range& range, Lowering& l, const std::string& name) {
  const TypePtr& t = value->type();
  if (t->is(TK::Tensor)) {
    struct Property {
      const char* op;
      TypePtr type;
    };
    static const std::map<std::string, Property> properties = {
        {"shape", {"aten::size", Type::list(Type::integer())}},
        {"dtype", {"prim::dtype", Type::integer()}},
        {"device", {"prim::device", Type::simple(TK::Device)}},
        {"layout", {"prim::layout", Type::integer()}},
        {"ndim", {"prim::ndim", Type::integer()}},
        {"requires_grad", {"prim::requires_grad", Type::boolean()}},
        {"is_cuda", {"prim::is_cuda", Type::boolean()}},
        {"T", {"aten::t", Type::tensor()}},
        {"real", {"aten::real", Type::tensor()}},
        {"imag", {"aten::imag", Type::tensor()}},
        {"data", {"aten::detach", Type::tensor()}}};
    if (auto p = properties.find(name); p != properties.end())
      return graph_value(l.emit_typed(range, p->second.op, {value}, p->second.type));
    if (name == "mT")
      return graph_value(l.emit_typed(range, "aten::transpose",
                                      {value, l.constant(range, int64_t(-2)), l.constant(range, int64_t(-1))},
                                      Type::tensor()));
    static const std::map<std::string, DType> casts = {
        {"float", DType::Float32}, {"double", DType::Float64}, {"half", DType::Float16}, {"bfloat16", DType::BFloat16},
        {"int", DType::Int32},     {"long", DType::Int64},     {"bool", DType::Bool},    {"short", DType::Int16},
        {"char", DType::Int8},     {"byte", DType::UInt8}};
    if (casts.contains(name) || name == "cpu" || is_operator(name) || name == "size" || name == "dim" ||
        name == "numel" || name == "nelement" || name == "stride")
      return std::make_shared<OperatorName>(name == "nelement" ? "numel" : name, value);
    fail(range, str("Tried to access nonexistent attribute or method '", name, "' of type 'Tensor'."));
  }
  if (t->is(TK::Tuple) && !t->fields().empty()) {
    for (size_t i = 0; i < t->fields().size(); i++)
      if (t->fields()[i] == name)
        return graph_value(
            l.emit_typed(range, "prim::TupleIndex", {value, l.constant(range, int64_t(i))}, t->contained()[i]));
  }
  if (const graph::ClassType* c = graph::as_class(t)) {
    int slot = c->find_slot(name);
    if (slot >= 0) {
      graph::Node* n = l.emit(range, "prim::GetAttr", {value});
      n->set_attribute("name", name);
      return graph_value(n->output()->set_type(c->slots[size_t(slot)].type));
    }
    if (c->is_module && name == "_modules") return std::make_shared<ModuleTable>(value);
    if (auto found = c->constants.find(name); found != c->constants.end()) return constant_of(found->second);
    for (const auto& f : c->methods)
      if (f->name == name) return std::make_shared<FunctionValue>(f, value);
    fail(range, str("Module '", c->name(), "' has no attribute '", name, "'"));
  }
  if (t->is(TK::List) || t->is(TK::Dict) || t->is(TK::String)) {
    if (!graph::primitives("aten::" + name).empty() || name == "format")
      return std::make_shared<OperatorName>(name, value);
  }
  fail(range, str("'", t, "' object has no attribute or method '", name, "'"));
}

SugaredPtr SimpleValue::call(const Range& range, Lowering& l, const std::vector<CallArg>& args) {
  if (const graph::ClassType* c = graph::as_class(value->type()); c && c->find_method("forward"))
    return attribute(range, l, "forward")->call(range, l, args);
  return Sugared::call(range, l, args);
}

bool SimpleValue::items(const Range& range, Lowering& l, std::vector<SugaredPtr>& out) {
  if (const graph::ClassType* c = graph::as_class(value->type());
      c && c->is_module) {  // nn.Sequential and nn.ModuleList
    for (const auto& slot : c->slots)
      if (graph::as_class(slot.type)) out.push_back(attribute(range, l, slot.name));
    return true;
  }
  if (!value->type()->is(TK::Tuple)) return false;
  graph::Node* n = l.emit(range, "prim::TupleUnpack", {value}, 0);
  for (const TypePtr& t : value->type()->contained()) out.push_back(graph_value(n->add_output(t)));
  return true;
}

void SimpleValue::set_attribute(const Range& range, Lowering& l, const std::string& name, Value* v) {
  const graph::ClassType* c = graph::as_class(value->type());
  if (!c) return Sugared::set_attribute(range, l, name, v);
  int slot = c->find_slot(name);
  if (slot < 0)
    fail(range, str("Tried to set an attribute '", name, "' that ", c->name(), " does not have; make it in __init__"));
  Value* typed = l.convert(range, graph_value(v), c->slots[size_t(slot)].type, nullptr, false);
  if (!typed)
    fail(range, str("attribute '", name, "' has type ", c->slots[size_t(slot)].type,
                    ", and is being assigned a value of type ", v->type()));
  l.emit(range, "prim::SetAttr", {value, typed}, 0)->set_attribute("name", name);
}

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
    TypePtr type = constant.type();
    for (int64_t i : constant.is_int_list() ? constant.int_list() : IntArrayRef())
      values.push_back(l.constant(range, i));
    for (double d : constant.is_double_list() ? constant.double_list() : ArrayRef<double>())
      values.push_back(l.constant(range, d));
    return l.emit_typed(range, "prim::ListConstruct", values, type);
  }
  return l.constant(range, constant);
}
SugaredPtr ConstantValue::attribute(const Range& range, Lowering& l, const std::string& name) {
  return SimpleValue(as_value(range, l)).attribute(range, l, name);
}
bool ConstantValue::items(const Range&, Lowering&, std::vector<SugaredPtr>& out) {
  if (constant.is_tuple())
    for (const IValue& v : constant.to_tuple().items) out.push_back(constant_of(v));
  else if (constant.is_int_list())
    for (int64_t v : constant.int_list()) out.push_back(constant_of(v));
  else return false;
  return true;
}

// ---- calls ----

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
  const TypePtr& have = v->type();
  if (have->is_subtype_of(*type)) return v;
  if (target.is(TK::Any)) return v;
  if (target.is(TK::Class) && static_cast<const graph::ClassType&>(target).is_implemented_by(have)) return v;
  if (target.is(TK::Number) && have->is(TK::Bool)) return v;
  if (have->is(TK::List) && target.is(TK::List)) {
    if (target.element()->is(TK::Any) || have->element()->is_subtype_of(*target.element())) return v;
    if (v->node()->is("prim::ListConstruct") && v->node()->inputs().empty())
      return emit_typed(range, "prim::ListConstruct", {}, Type::list(target.element()));
    if (v->node()->is("prim::ListConstruct") && target.element()->is(TK::Float)) {
      std::vector<Value*> values;
      for (Value* i : v->node()->inputs()) {
        values.push_back(convert(range, graph_value(i), target.element(), nullptr, true));
        if (!values.back()) return nullptr;
      }
      return emit_typed(range, "prim::ListConstruct", values, Type::list(target.element()));
    }
  }
  if (have->is(TK::Dict) && target.is(TK::Dict) && v->node()->is("prim::DictConstruct") && v->node()->inputs().empty())
    return emit_typed(range, "prim::DictConstruct", {}, type->is(TK::Optional) ? type->element() : type);
  if (have->is(TK::Tuple) && target.is(TK::List)) {
    std::vector<SugaredPtr> items;
    given->items(range, *this, items);
    return convert(range, std::make_shared<TupleOf>(items), type, argument, implicit);
  }
  if (argument && argument->list_size > 0 && target.is(TK::List)) {  // int[2] takes one int
    Value* one = convert(range, graph_value(v), target.element(), nullptr, implicit);
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

bool Lowering::match(const Range& range, const Schema& schema, const std::vector<CallArg>& args,
                     std::vector<Value*>& out, std::string& why, bool implicit) {
  size_t position = 0;
  std::vector<bool> used(args.size(), false);
  for (size_t i = 0; i < schema.args.size(); i++) {
    const Argument& a = schema.args[i];
    const CallArg* given = nullptr;
    // All remaining positional integers may stand for one int[]: x.view(2, 3), x.permute(0, 1).
    if (!a.kwarg_only && position < args.size() && args[position].name.empty()) {
      size_t last = position;
      bool ints = a.base_type().is(TK::List) && a.base_type().element()->is(TK::Int) && a.list_size == 0;
      while (ints && last < args.size() && args[last].name.empty()) {
        auto* v = dynamic_cast<SimpleValue*>(args[last].value.get());
        auto* c = dynamic_cast<ConstantValue*>(args[last].value.get());
        bool is_int = (v && (v->value->type()->is(TK::Int) || (v->value->type()->is(TK::Tensor) && implicit))) ||
                      (c && c->constant.is_int());
        if (!is_int) break;
        last++;
      }
      if (ints && last > position) {
        std::vector<SugaredPtr> parts;
        for (; position < last; position++) {
          parts.push_back(args[position].value);
          used[position] = true;
        }
        out.push_back(convert(range, std::make_shared<TupleOf>(parts), a.type, &a, implicit));
        continue;
      }
      given = &args[position];
      used[position++] = true;
    } else {
      for (size_t k = 0; k < args.size(); k++) {
        bool alias = (a.name == "self" && args[k].name == "input") || (a.name == "size" && args[k].name == "shape");
        if (args[k].name == a.name || alias) given = &args[k], used[k] = true;
      }
    }
    if (!given) {
      if (!a.has_default) return why = str("argument ", a.name, " not provided"), false;
      const IValue& d = a.default_value;
      out.push_back(d.is_none() ? constant(range, IValue(), Type::none()) : ConstantValue(d).as_value(range, *this));
      continue;
    }
    Value* v = convert(given->range, given->value, a.type, &a, implicit);
    if (!v) {
      std::string have = given->value->kind();
      return why =
                 str("expected a value of type '", a.type, "' for argument '", a.name, "' but instead found a ", have),
             false;
    }
    out.push_back(v);
  }
  for (size_t k = 0; k < args.size(); k++)
    if (!used[k])
      return why = args[k].name.empty()
                       ? str("expected at most ", schema.args.size(), " arguments but found ", args.size())
                       : str("unknown keyword argument '", args[k].name, "'"),
             false;
  return true;
}

SugaredPtr Lowering::tuple_items(const Range&, const std::vector<Value*>& outputs) {
  if (outputs.empty()) return constant_of({});
  if (outputs.size() == 1) return graph_value(outputs[0]);
  std::vector<SugaredPtr> parts;
  for (Value* v : outputs) parts.push_back(graph_value(v));
  return std::make_shared<TupleOf>(std::move(parts));
}

namespace {

// What `t` stands for in a primitive's schema, from its list argument; other types as they are.
TypePtr result_type(const Schema& schema, const Argument& ret, const std::vector<Value*>& args) {
  if (ret.type->is(TK::Any) && !args.empty()) {
    const TypePtr& container = args[0]->type();
    if (schema.name == "aten::keys" && container->is(TK::Dict)) return Type::list(container->contained()[0]);
    if (schema.name == "aten::values" && container->is(TK::Dict)) return Type::list(container->contained()[1]);
    if (schema.name == "aten::items" && container->is(TK::Dict)) return Type::list(Type::tuple(container->contained()));
    if (schema.name == "aten::get" && container->is(TK::Dict)) return Type::optional(container->contained()[1]);
    if (container->is(TK::Dict)) return container->contained()[1];
    if (container->is(TK::List)) return container->element();
  }
  if (ret.type->is(TK::List) && ret.type->element()->is(TK::Any) && !args.empty() && args[0]->type()->is(TK::List))
    return args[0]->type();
  return ret.type;
}

}  // namespace

SugaredPtr Lowering::call_operator(const Range& range, const std::string& given_name, std::vector<CallArg> args) {
  const std::string& name = given_name;
  bool wants_out = false;
  for (const CallArg& a : args) wants_out |= a.name == "out";
  std::vector<std::pair<const Schema*, std::pair<const Op*, const graph::Primitive*>>> candidates;
  for (const Op* op : OpTable::get().overloads(name))
    if ((op->form() == Op::Form::Out) == wants_out) candidates.push_back({&op->schema(), {op, nullptr}});
  for (const char* prefix : {"aten::", "prim::"})
    for (const graph::Primitive* p : graph::primitives(prefix + name)) candidates.push_back({&p->schema, {nullptr, p}});
  std::string reasons;
  for (bool implicit : {false, true}) {
    for (const auto& [schema, what] : candidates) {
      std::vector<Value*> inputs;
      std::string why;
      graph::Node* before = graph_.insert_point()->previous();
      if (match(range, *schema, args, inputs, why, implicit)) {
        graph::Node* n = emit(range, what.first ? "aten::" + name : schema->name, inputs, 0);
        n->op = what.first;
        n->primitive = what.second;
        std::vector<Value*> outputs;
        for (const Argument& r : schema->returns) outputs.push_back(n->add_output(result_type(*schema, r, inputs)));
        return tuple_items(range, outputs);
      }
      // What matching put into the graph for a candidate that does not fit goes again.
      for (graph::Node* n = graph_.insert_point()->previous(); n != before;) {
        graph::Node* earlier = n->previous();
        bool used = false;
        for (Value* v : n->outputs()) used |= v->has_uses();
        if (!used) n->destroy();
        n = earlier;
      }
      if (implicit) reasons += str("\n\n  ", "aten::", schema->text(), "\n  ", why);
    }
  }
  if (candidates.empty()) fail(range, str("Unknown builtin op: aten::", name));
  fail(range, str("Arguments for call are not valid.\nThe following variants are available:", reasons,
                  "\n\nThe original call is"));
}

SugaredPtr Lowering::call_function(const Range& range, graph::Function& f, std::vector<CallArg> args, bool method) {
  if (!f.is_abstract && !f.made())
    fail(range, str("'", f.name, "' is called recursively. Recursive calls are not supported"));
  std::vector<Value*> inputs;
  std::string why;
  if (!match(range, f.schema, args, inputs, why, true)) fail(range, str(f.name, "(): ", why));
  if (method) {
    graph::Node* n = emit(range, "prim::CallMethod", inputs);
    n->set_attribute("name", f.name);
    return graph_value(n->output()->set_type(f.schema.returns[0].type));
  }
  // Functions that call the one before them twice double at each step.
  if (graph_.size() + f.graph->size() > graph::kMaxNodes)
    fail(range, "the calls of this function make a graph of too many nodes");
  std::vector<Value*> outputs = graph_.inline_block(*f.graph->block(), inputs);
  if (outputs.size() == 1 && !f.schema.returns.empty() && outputs[0]->type()->is(TK::Tuple))
    return graph_value(outputs[0]);
  return tuple_items(range, outputs);
}

namespace {
// to(x, device), to(x, device, dtype, ...), to(x, dtype, ...), to(x, non_blocking, copy), any of them None: the keywords of to.dtype_layout.
void name_arguments_of_to(std::vector<CallArg>& args) {
  static constexpr const char* order[] = {"device", "dtype", "non_blocking", "copy"};
  auto type_at = [&](size_t i) -> TypePtr {
    if (i >= args.size() || !args[i].name.empty()) return nullptr;
    if (auto* v = dynamic_cast<SimpleValue*>(args[i].value.get())) return v->value->type();
    if (auto* c = dynamic_cast<ConstantValue*>(args[i].value.get())) return c->constant.type();
    return nullptr;
  };
  auto is = [](const TypePtr& t, TK kind) { return t->is(kind) || (t->is(TK::Optional) && t->element()->is(kind)); };
  TypePtr first = type_at(1), second = type_at(2);
  if (!first || is(first, TK::Tensor)) return;
  bool device = is(first, TK::Device) || is(first, TK::String) || first->is(TK::None);
  if (first->is(TK::Int) || (first->is(TK::Device) && second && second->is(TK::Int))) return;  // overloads of their own
  size_t at = device ? 0 : is(first, TK::Bool) ? 2 : 1;
  for (size_t i = 1; i < args.size() && args[i].name.empty() && at < 4; i++) args[i].name = order[at++];
}
}  // namespace

SugaredPtr OperatorName::call(const Range& range, Lowering& l, const std::vector<CallArg>& given) {
  std::vector<CallArg> args = given;
  if (bound) args.insert(args.begin(), {range, "", graph_value(bound)});
  if (name == "RaiseException") {
    l.emit(range, "prim::RaiseException", {args.at(0).value->as_value(range, l)}, 0);
    return constant_of({});
  }
  if (name == "format") {
    std::vector<Value*> inputs;
    for (const CallArg& a : args) inputs.push_back(a.value->as_value(a.range, l));
    return graph_value(l.emit_typed(range, "aten::format", inputs, Type::string()));
  }
  static const std::map<std::string, DType> casts = {
      {"float", DType::Float32}, {"double", DType::Float64}, {"half", DType::Float16}, {"bfloat16", DType::BFloat16},
      {"int", DType::Int32},     {"long", DType::Int64},     {"bool", DType::Bool},    {"short", DType::Int16},
      {"char", DType::Int8},     {"byte", DType::UInt8}};
  static const std::map<std::string, const char*> of_tensors = {{"__and__", "bitwise_and"},
                                                                {"__or__", "bitwise_or"},
                                                                {"__xor__", "bitwise_xor"},
                                                                {"__lshift__", "bitwise_left_shift"},
                                                                {"__rshift__", "bitwise_right_shift"}};
  if (auto t = of_tensors.find(name); t != of_tensors.end())
    for (const CallArg& a : args)
      if (auto* v = dynamic_cast<SimpleValue*>(a.value.get()); v && v->value->type()->is(TK::Tensor))
        return l.call_operator(range, t->second, std::move(args));
  // Steps that had a default until version 8.
  if (name == "linspace" || name == "logspace") {
    if (args.size() == 2) args.push_back({range, "", constant_of(int64_t(100))});
    else if (args.size() > 2 && args[2].name.empty() && args[2].value->is_none() == 1)
      args[2].value = constant_of(int64_t(100));
  }
  if (name == "to") name_arguments_of_to(args);
  if (bound && name == "cpu") return graph_value(bound);
  if (auto c = casts.find(name); bound && c != casts.end())
    return l.call_operator(range, "to", {args[0], {range, "", constant_of(c->second)}});
  return l.call_operator(range, name, std::move(args));
}

SugaredPtr FunctionValue::call(const Range& range, Lowering& l, const std::vector<CallArg>& given) {
  std::vector<CallArg> args = given;
  if (bound) args.insert(args.begin(), {range, "", graph_value(bound)});
  return l.call_function(range, *function, std::move(args), bound);
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

// ---- names of the language ----

SugaredPtr Namespace::attribute(const Range& range, Lowering&, const std::string& name) {
  DType d;
  if (path == "torch" && dtype_from_name(name, d)) return constant_of(d);
  if (path == "torch") {
    static const std::map<std::string, MemoryFormat> formats = {{"contiguous_format", MemoryFormat::Contiguous},
                                                                {"preserve_format", MemoryFormat::Preserve},
                                                                {"channels_last", MemoryFormat::ChannelsLast},
                                                                {"channels_last_3d", MemoryFormat::ChannelsLast3d}};
    if (auto f = formats.find(name); f != formats.end()) return constant_of(f->second);
    if (name == "strided") return constant_of(int64_t(0));
    if (name == "Tensor") return std::make_shared<TypeName>(Type::tensor());
    if (name == "pi") return constant_of(3.14159265358979323846);
    if (name == "inf") return constant_of(__builtin_inf());
    if (name == "nan") return constant_of(__builtin_nan(""));
    if (name == "nn" || name == "jit" || name == "linalg" || name == "special")
      return std::make_shared<Namespace>("torch." + name);
  }
  if (path == "torch.nn" && name == "functional") return std::make_shared<Namespace>("torch.nn.functional");
  if (path == "torch.jit" || path == "ops.prim") {
    if (path == "ops.prim") return std::make_shared<OperatorName>(name);
    return std::make_shared<Special>(name);
  }
  if (path == "ops") return std::make_shared<Namespace>("ops." + name);
  if (path == "math") {
    if (name == "pi") return constant_of(3.14159265358979323846);
    if (name == "inf") return constant_of(__builtin_inf());
    if (name == "e") return constant_of(2.71828182845904523536);
  }
  if (path == "torch.linalg" && is_operator("linalg_" + name)) return std::make_shared<OperatorName>("linalg_" + name);
  if (path == "torch.special" && is_operator("special_" + name))
    return std::make_shared<OperatorName>("special_" + name);
  if (is_operator(name)) return std::make_shared<OperatorName>(name);
  fail(range, str("module '", path, "' has no attribute '", name, "' that TorchScript knows"));
}

SugaredPtr TypeName::attribute(const Range& range, Lowering& l, const std::string& name) {
  if (name == "__new__" && graph::as_class(type)) return std::make_shared<NewObject>(type);
  return Sugared::attribute(range, l, name);
}

SugaredPtr TypeName::call(const Range& range, Lowering& l, const std::vector<CallArg>& args) {
  const graph::ClassType* c = graph::as_class(type);
  if (c) {
    Value* made = l.emit_typed(range, "prim::CreateObject", {}, type);
    for (const auto& f : c->methods)
      if (f->name == "__init__") FunctionValue(f, made).call(range, l, args);
    return graph_value(made);
  }
  if (type->is(TK::Tuple)) {  // a named tuple
    std::vector<SugaredPtr> parts;
    for (const CallArg& a : args) parts.push_back(a.value);
    Value* v = l.convert(range, std::make_shared<TupleOf>(parts), type, nullptr, true);
    if (!v) fail(range, str("these arguments don't make a ", type));
    return graph_value(v->set_type(type));
  }
  return Sugared::call(range, l, args);
}

TypePtr Special::as_type() const {
  if (name == "int") return Type::integer();
  if (name == "float") return Type::floating();
  if (name == "bool") return Type::boolean();
  if (name == "str") return Type::string();
  return nullptr;
}

SugaredPtr Special::call(const Range& range, Lowering& l, const std::vector<CallArg>& args) {
  auto value = [&](size_t i) { return args.at(i).value->as_value(args[i].range, l); };
  auto op = [&](const char* kind, std::vector<Value*> inputs, TypePtr type) {
    return graph_value(l.emit_typed(range, kind, inputs, std::move(type)));
  };
  auto need = [&](size_t low, size_t high) {
    if (args.size() < low || args.size() > high)
      fail(range, str(name, "() takes ", low, low == high ? "" : str(" to ", high), " arguments, got ", args.size()));
  };
  if (name == "range") {
    need(1, 3);
    Value* start = args.size() > 1 ? value(0) : l.constant(range, int64_t(0));
    Value* stop = value(args.size() > 1 ? 1 : 0);
    Value* step = args.size() > 2 ? value(2) : l.constant(range, int64_t(1));
    std::vector<Value*> all = {start, stop, step};
    for (Value*& v : all) {
      v = l.convert(range, graph_value(v), Type::integer(), nullptr, true);
      if (!v) fail(range, "range() takes integers");
    }
    if (args.size() == 1) return graph_value(all[1]);
    return op("prim::RangeValue", all, Type::list(Type::integer()));
  }
  if (name == "len") {
    need(1, 1);
    std::vector<SugaredPtr> items;
    auto* v = dynamic_cast<SimpleValue*>(args[0].value.get());
    if (!(v && !v->value->type()->is(TK::Tuple) && !graph::as_class(v->value->type())) &&
        args[0].value->items(range, l, items))
      return constant_of(int64_t(items.size()));
    return op("aten::len", {value(0)}, Type::integer());
  }
  if (name == "print") {
    std::vector<Value*> inputs;
    for (size_t i = 0; i < args.size(); i++) inputs.push_back(value(i));
    l.emit(range, "prim::Print", inputs, 0);
    return constant_of({});
  }
  if (name == "int" || name == "float" || name == "bool") {
    need(1, 1);
    TypePtr wanted = as_type();
    Value* v = value(0);
    if (v->type()->equals(*wanted)) return graph_value(v);
    return op(name == "int" ? "aten::Int" : name == "float" ? "aten::Float" : "aten::Bool", {v}, wanted);
  }
  if (name == "str") return op("aten::str", {value(0)}, Type::string());
  if (name == "abs") return l.call_operator(range, "abs", args);
  if (name == "round") return l.call_operator(range, "round", args);
  if ((name == "min" || name == "max") && args.size() == 2)
    return l.call_operator(range, value(0)->type()->is(TK::Tensor) ? name + "imum" : name, args);
  if (name == "min" || name == "max" || name == "sum" || name == "pow") return l.call_operator(range, name, args);
  if (name == "list")
    return args.empty() ? op("prim::ListConstruct", {}, Type::list(Type::tensor()))
                        : op("aten::list", {value(0)}, value(0)->type());
  if (name == "dict" && args.empty()) return op("prim::DictConstruct", {}, Type::dict(Type::string(), Type::tensor()));
  if (name == "tuple") {
    std::vector<SugaredPtr> items;
    need(1, 1);
    if (!args[0].value->items(range, l, items))
      fail(range, "tuple() of values whose number is not known while compiling");
    return std::make_shared<TupleOf>(items);
  }
  if (name == "zip" || name == "enumerate" || name == "reversed") {
    std::vector<std::vector<SugaredPtr>> columns(args.size());
    size_t n = SIZE_MAX;
    for (size_t i = 0; i < args.size(); i++) {
      if (!args[i].value->items(range, l, columns[i]))
        fail(range, str(name, "() is supported over modules and tuples only"));
      n = std::min(n, columns[i].size());
    }
    std::vector<SugaredPtr> rows;
    for (size_t r = 0; r < n; r++) {
      if (name == "reversed") {
        rows.insert(rows.begin(), columns[0][r]);
        continue;
      }
      std::vector<SugaredPtr> row;
      if (name == "enumerate") row.push_back(constant_of(int64_t(r)));
      for (auto& c : columns) row.push_back(c[r]);
      rows.push_back(std::make_shared<TupleOf>(row));
    }
    return std::make_shared<TupleOf>(rows);
  }
  if (name == "isinstance") {
    need(2, 2);
    graph::Node* n = l.emit(range, "prim::isinstance", {value(0)});
    n->set_attribute("type", args[1].value->as_type()->schema_text());
    return graph_value(n->output()->set_type(Type::boolean()));
  }
  if (name == "annotate") {
    need(2, 2);
    TypePtr t = args[0].value->as_type();
    Value* v = l.convert(range, args[1].value, t, nullptr, true);
    if (!v) fail(range, str("expected a value of type ", t, " and found a ", args[1].value->kind()));
    return v->type()->equals(*t) ? graph_value(v) : op("prim::unchecked_cast", {v}, t);
  }
  if (name == "unchecked_cast") {
    need(2, 2);
    return op("prim::unchecked_cast", {value(1)}, args[0].value->as_type());
  }
  if (name == "uninitialized") return op("prim::Uninitialized", {}, args.at(0).value->as_type());
  if (name == "_unwrap_optional") {
    need(1, 1);
    Value* v = value(0);
    return op("aten::_unwrap_optional", {v}, v->type()->is(TK::Optional) ? v->type()->element() : v->type());
  }
  if (name == "getattr") {
    need(2, 3);
    const IValue* attribute = graph::constant_of(value(1));
    if (!attribute || !attribute->is_string()) fail(range, "getattr() takes a constant name");
    return args[0].value->attribute(range, l, std::string(attribute->to_string()));
  }
  if (name == "fork") {  // at once: a task that nobody can tell from one that ran before it was waited for
    if (args.empty()) fail(range, "fork() takes a function");
    return args[0].value->call(range, l, {args.begin() + 1, args.end()});
  }
  if (name == "wait") {
    need(1, 1);
    return args[0].value;
  }
  if (name == "is_scripting") return constant_of(true);
  if (name == "is_tracing") return constant_of(false);
  if (name == "device") return op("aten::device", {value(0)}, Type::simple(TK::Device));
  fail(range, str("the function '", name, "' is not supported in TorchScript"));
}

SugaredPtr builtin_name(const std::string& name) {
  static const std::map<std::string, bool> specials = [] {
    std::map<std::string, bool> all;
    for (const char* n : {"range",         "len",
                          "print",         "int",
                          "float",         "bool",
                          "str",           "abs",
                          "round",         "min",
                          "max",           "sum",
                          "pow",           "list",
                          "dict",          "tuple",
                          "zip",           "enumerate",
                          "reversed",      "isinstance",
                          "annotate",      "unchecked_cast",
                          "uninitialized", "_unwrap_optional",
                          "getattr"})
      all[n] = true;
    return all;
  }();
  if (specials.contains(name)) return std::make_shared<Special>(name);
  if (name == "torch" || name == "ops" || name == "math") return std::make_shared<Namespace>(name);
  if (name == "inf") return constant_of(__builtin_inf());
  if (name == "nan") return constant_of(__builtin_nan(""));
  return nullptr;
}

}  // namespace rushlight::script
