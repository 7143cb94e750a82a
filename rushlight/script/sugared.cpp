// What names stand for: attributes and calls of values, operators, namespaces, types and the language's own functions.
#include "rushlight/script/sugared.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "rushlight/core/future_type.h"
#include "rushlight/dispatch/binding.h"
#include "rushlight/dispatch/library.h"
#include "rushlight/dispatch/scripted.h"
#include "rushlight/graph/called_function.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/executor/primitives.h"
#include "rushlight/graph/generics.h"
#include "rushlight/graph/native_class.h"
#include "rushlight/script/lowering.h"

namespace rushlight::script {

using TK = Type::Kind;

namespace {
// What is in a module that is a container: submodules, or parameters. Known while compiling.
struct Member {
  std::string name;
  SugaredPtr value;
};
std::string container_of(const graph::ClassType& c) {
  auto kind = c.constants.find(kContainer);
  return kind == c.constants.end() ? "modules"
                                   : std::string(kind->second.to_string());  // of an archive: what has submodules
}
std::vector<Member> members(const Range& range, Lowering& l, Value* module) {
  const graph::ClassType* c = graph::as_class(module->type());
  bool parameters = container_of(*c).find("parameters") != std::string::npos;
  std::vector<Member> out;
  for (const auto& slot : c->slots)
    if (parameters ? slot.is_parameter : graph::as_class(slot.type) != nullptr)
      out.push_back({slot.name, graph_value(module)->attribute(range, l, slot.name)});
  return out;
}
// `_modules` of a module, which Python's nn.Sequential goes through, and keys(), values() and items() of a ModuleDict.
class ModuleTable final : public Sugared {
 public:
  ModuleTable(Value* m, std::string v = {}) : module_(m), view_(std::move(v)) {}
  std::string kind() const override { return "the table of submodules"; }
  SugaredPtr attribute(const Range&, Lowering&, const std::string& name) override {
    return std::make_shared<ModuleTable>(module_, name);
  }
  SugaredPtr call(const Range& range, Lowering& l, const std::vector<CallArg>&) override {
    std::vector<SugaredPtr> out;
    for (const Member& m : members(range, l, module_)) {
      SugaredPtr name = constant_of(m.name);
      out.push_back(view_ == "values" ? m.value
                    : view_ == "keys" ? name
                                      : std::make_shared<TupleOf>(std::vector<SugaredPtr>{name, m.value}));
    }
    return std::make_shared<TupleOf>(std::move(out));
  }

 private:
  Value* module_;
  std::string view_;
};
// self.named_modules() and its like: what Python's nn.Module has of these, known while compiling.
class ModuleWalk final : public Sugared {
 public:
  ModuleWalk(Value* m, std::string name) : module_(m), name_(std::move(name)) {}
  static bool knows(const std::string& name) {
    static const std::set<std::string> all = {"modules",    "named_modules",    "children", "named_children",
                                              "parameters", "named_parameters", "buffers",  "named_buffers"};
    return all.contains(name);
  }
  std::string kind() const override { return "method '" + name_ + "'"; }
  SugaredPtr call(const Range& range, Lowering& l, const std::vector<CallArg>& args) override {
    if (!args.empty()) fail(range, str(name_, "() takes no arguments in TorchScript"));
    std::vector<Member> found;
    if (what() == "modules") found.push_back({"", graph_value(module_)});
    walk(range, l, module_, "", found);
    std::vector<SugaredPtr> out;
    for (const Member& m : found)
      out.push_back(named() ? std::make_shared<TupleOf>(std::vector<SugaredPtr>{constant_of(m.name), m.value})
                            : m.value);
    return std::make_shared<TupleOf>(std::move(out));
  }

 private:
  bool named() const { return name_.starts_with("named_"); }
  std::string what() const { return named() ? name_.substr(6) : name_; }
  void walk(const Range& range, Lowering& l, Value* module, const std::string& prefix, std::vector<Member>& out) {
    const std::string wanted = what();
    const auto& slots = graph::as_class(module->type())->slots;
    for (const auto& slot : slots)
      if (!slot.type->is(TK::None) &&
          (wanted == "parameters" ? slot.is_parameter : wanted == "buffers" && slot.is_buffer))
        out.push_back({prefix + slot.name, graph_value(module)->attribute(range, l, slot.name)});
    for (const auto& slot : slots) {
      const graph::ClassType* child = graph::as_class(slot.type);
      if (!child || !child->is_module || child->is_interface) continue;
      SugaredPtr v = graph_value(module)->attribute(range, l, slot.name);
      if (wanted == "children" || wanted == "modules") out.push_back({prefix + slot.name, v});
      if (wanted != "children") walk(range, l, v->as_value(range, l), prefix + slot.name + ".", out);
    }
  }
  Value* module_;
  std::string name_;
};
}  // namespace

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

// ---- graph values ----

namespace {
// x.wait of a future.
class WaitMethod final : public Sugared {
 public:
  explicit WaitMethod(Value* v) : future_(v) {}
  std::string kind() const override { return "method 'wait'"; }
  SugaredPtr call(const Range& range, Lowering& l, const std::vector<CallArg>& args) override {
    if (!args.empty()) fail(range, "wait() takes no arguments");
    return Special(is_await(*future_->type()) ? "awaitable_wait" : "wait")
        .call(range, l, {{range, "", graph_value(future_)}});
  }

 private:
  Value* future_;
};
}  // namespace

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
        {"is_leaf", {"aten::is_leaf", Type::boolean()}},
        {"grad", {"prim::grad", Type::optional(Type::tensor())}},
        {"is_cpu", {"prim::is_cpu", Type::boolean()}},
        {"is_meta", {"prim::is_meta", Type::boolean()}},
        {"is_sparse", {"prim::is_sparse", Type::boolean()}},
        {"is_sparse_csr", {"prim::is_sparse_csr", Type::boolean()}},
        {"is_quantized", {"prim::is_quantized", Type::boolean()}},
        {"is_mkldnn", {"prim::is_mkldnn", Type::boolean()}},
        {"is_nested", {"prim::is_nested", Type::boolean()}},
        {"is_mps", {"prim::is_mps", Type::boolean()}},
        {"is_xla", {"prim::is_xla", Type::boolean()}},
        {"is_xpu", {"prim::is_xpu", Type::boolean()}},
        {"itemsize", {"prim::itemsize", Type::integer()}},
        {"nbytes", {"prim::nbytes", Type::integer()}},
        {"data", {"aten::detach", Type::tensor()}}};
    if (auto p = properties.find(name); p != properties.end())
      return graph_value(l.emit_typed(range, p->second.op, {value}, p->second.type));
    if (name == "mT" || name == "mH" || name == "H") {
      Value* turned =
          l.emit_typed(range, "aten::transpose",
                       {value, l.constant(range, int64_t(-2)), l.constant(range, int64_t(-1))}, Type::tensor());
      return name == "mT" ? graph_value(turned) : l.call_operator(range, "conj", {{range, "", graph_value(turned)}});
    }
    if (DType cast; dtype_from_method(name, cast) || name == "cpu" || name == "type" || is_operator(name) ||
                    name == "size" || name == "dim" || name == "numel" || name == "nelement" || name == "stride")
      return std::make_shared<OperatorName>(name == "nelement" ? "numel" : name, value);
    if (name == "tolist")
      fail(range, "Expected type hint for result of tolist(): annotate the variable that it is given to");
    fail(range, str("'Tensor' object has no attribute or method '", name, "'."));
  }
  if (t->is(TK::Generator) && (name == "manual_seed" || name == "seed" || name == "initial_seed"))
    return std::make_shared<OperatorName>(name, value);
  if (t->is(TK::Complex) && (name == "real" || name == "imag"))
    return graph_value(l.emit_typed(range, "prim::" + name, {value}, Type::floating()));
  if (t->is(TK::Device) && (name == "type" || name == "index"))
    return graph_value(l.emit_typed(range, "prim::" + name, {value},
                                    name == "type" ? Type::string() : Type::optional(Type::integer())));
  if (t->is(TK::Tuple) && !t->fields().empty()) {
    for (size_t i = 0; i < t->fields().size(); i++)
      if (t->fields()[i] == name)
        return graph_value(
            l.emit_typed(range, "prim::TupleIndex", {value, l.constant(range, int64_t(i))}, t->contained()[i]));
  }
  if (const graph::ClassType* c = graph::as_class(t)) {
    int slot = c->find_slot(name);
    if (const IValue* known = c->is_enum && slot >= 0 ? graph::constant_of(value) : nullptr)
      return constant_of(known->to_object().slots[size_t(slot)]);
    if (slot >= 0) {
      graph::Node* n = l.emit(range, "prim::GetAttr", {value});
      n->set_attribute("name", name);
      return graph_value(n->output()->set_type(c->slots[size_t(slot)].type));
    }
    if (c->is_module && name == "_modules") return std::make_shared<ModuleTable>(value);
    if (auto found = c->constants.find(name); found != c->constants.end()) {
      if (found->second.is_capsule()) {
        const SugaredPtr& held = static_cast<SugaredCapsule*>(found->second.object())->value;
        SugaredPtr method = held->bind(range, l, value);
        return method ? method : held;
      }
      return constant_of(found->second);
    }
    if (c->is_module && container_of(*c).starts_with("named ") &&
        (name == "items" || name == "keys" || name == "values"))
      return std::make_shared<ModuleTable>(value, name);
    if (c->is_module && !c->find_method(name) && ModuleWalk::knows(name))
      return std::make_shared<ModuleWalk>(value, name);
    if (auto count = c->constants.find(kOverloads + name); count != c->constants.end()) {
      std::vector<std::shared_ptr<graph::Function>> all;
      for (const auto& f : c->methods)
        if (f->name.starts_with(name + "__") && all.size() < size_t(count->second.to_int())) all.push_back(f);
      if (!all.empty()) return std::make_shared<Overloads>(std::move(all), value);
    }
    for (const auto& f : c->methods)
      if (f->name == name) return std::make_shared<FunctionValue>(f, value);
    if (std::string op = graph::native_method(*c, name); !op.empty()) return std::make_shared<OperatorName>(op, value);
    std::string hint;
    if (auto why = c->constants.find(kHints + name); why != c->constants.end()) hint = why->second.to_string();
    if (c->is_module && !c->is_interface)
      fail(range, str("Module '", c->name().substr(c->name().rfind('.') + 1), "' has no attribute '", name, "'",
                      hint.empty() ? "" : " ", hint));
    if (!hint.empty()) fail(range, str("'", c->name(), "' object has no attribute or method '", name, "'. ", hint));
    fail(range, str("'", c->name(), "' object has no attribute or method '", name,
                    "'. Did you forget to initialize an attribute in __init__()?"));
  }
  if (t->is(TK::List) || t->is(TK::Dict) || t->is(TK::String)) {
    if (!graph::primitives("aten::" + name).empty() || name == "format")
      return std::make_shared<OperatorName>(name, value);
  }
  if (is_future(*t) && name == "wait") return std::make_shared<WaitMethod>(value);
  if (is_await(*t))
    return Special("awaitable_wait").call(range, l, {{range, "", graph_value(value)}})->attribute(range, l, name);
  fail(range, str("'", t, "' object has no attribute or method '", name, "'"));
}

// A module's hooks get its arguments as a tuple, and may give others; those after it its result, and may give another.
static SugaredPtr call_with_hooks(const Range& range, Lowering& l, SimpleValue& module, const graph::ClassType& c,
                                  std::vector<CallArg> args) {
  auto given = [&] {
    std::vector<SugaredPtr> parts;
    for (const CallArg& a : args) parts.push_back(a.value);
    return std::make_shared<TupleOf>(std::move(parts));
  };
  for (const std::string& hook : c.pre_hooks) {
    SugaredPtr now = module.attribute(range, l, hook)->call(range, l, {{range, "", given()}});
    if (now->is_none() == 1) continue;
    std::vector<SugaredPtr> parts;
    if (!now->items(range, l, parts)) parts = {now};
    args.clear();
    for (const SugaredPtr& p : parts) args.push_back({range, "", p});
  }
  SugaredPtr out = module.attribute(range, l, "forward")->call(range, l, args);
  for (const std::string& hook : c.hooks) {
    SugaredPtr now = module.attribute(range, l, hook)->call(range, l, {{range, "", given()}, {range, "", out}});
    if (now->is_none() != 1) out = now;
  }
  return out;
}

SugaredPtr SimpleValue::call(const Range& range, Lowering& l, const std::vector<CallArg>& args) {
  if (const graph::ClassType* c = graph::as_class(value->type()); c && !(c->pre_hooks.empty() && c->hooks.empty()))
    return call_with_hooks(range, l, *this, *c, args);
  if (const graph::ClassType* c = graph::as_class(value->type()))
    for (const char* method : {"forward", "__call__"})
      if ((c->is_module || method[0] == '_') &&
          (c->find_method(method) || c->constants.contains(std::string(kOverloads) + method)))
        return attribute(range, l, method)->call(range, l, args);
  return Sugared::call(range, l, args);
}

bool SimpleValue::items(const Range& range, Lowering& l, std::vector<SugaredPtr>& out) {
  if (const graph::ClassType* c = graph::as_class(value->type()); c && c->is_module) {
    std::string kind = container_of(*c);
    for (const Member& m : members(range, l, value))
      out.push_back(kind.starts_with("named ") ? constant_of(m.name) : m.value);
    return !kind.empty() && (!out.empty() || c->constants.contains(kContainer));
  }
  if (!value->type()->is(TK::Tuple)) return false;
  graph::Node* n = l.emit(range, "prim::TupleUnpack", {value}, 0);
  for (const TypePtr& t : value->type()->contained()) out.push_back(graph_value(n->add_output(t)));
  return true;
}

bool SimpleValue::iterate(const Range& range, Lowering& l, Iteration& out) {
  const TypePtr& t = value->type();
  if (t->is(TK::Tuple) || graph::as_class(t)) return Sugared::iterate(range, l, out);
  Value* list = value;
  if (t->is(TK::Dict)) list = l.emit_typed(range, "aten::keys", {value}, Type::list(t->contained()[0]));
  if (t->is(TK::String)) list = l.emit_typed(range, "aten::list", {value}, Type::list(t));
  bool tensor = t->is(TK::Tensor);
  if (!tensor && !list->type()->is(TK::List)) return false;
  out.trips = l.emit_typed(range, "aten::len", {list}, Type::integer());
  out.item = [range, &l, list, tensor](Value* i) {
    if (tensor)
      return graph_value(l.emit_typed(range, "aten::select", {list, l.constant(range, int64_t(0)), i}, Type::tensor()));
    return graph_value(l.emit_typed(range, "aten::__getitem__", {list, i}, list->type()->element()));
  };
  return true;
}

void SimpleValue::set_attribute(const Range& range, Lowering& l, const std::string& name, Value* v) {
  const graph::ClassType* c = graph::as_class(value->type());
  if (!c) return Sugared::set_attribute(range, l, name, v);
  int slot = c->find_slot(name);
  if (slot < 0 && c->open) {
    if (!l.is_unconditional())
      fail(range, str("First assignment cannot be in a control-flow block: initialize '", name,
                      "' at the top level of __init__ first"));
    slot = int(graph::as_class_shared(value->type())->add_slot(name, v->type()));
  }
  if (auto setter = c->constants.find("$set " + name); slot < 0 && setter != c->constants.end()) {
    static_cast<SugaredCapsule*>(setter->second.object())
        ->value->bind(range, l, value)
        ->call(range, l, {{range, "", graph_value(v)}});
    return;
  }
  if (slot < 0)
    fail(range, str("Tried to set nonexistent attribute: ", name,
                    ". Did you forget to initialize it in __init__()? The class is ", c->name()));
  Value* typed = l.convert(range, graph_value(v), c->slots[size_t(slot)].type, nullptr, false);
  if (!typed)
    fail(range, str("Wrong type for attribute assignment. Expected ", c->slots[size_t(slot)].type, " for '", name,
                    "' but got ", v->type()));
  l.emit(range, "prim::SetAttr", {value, typed}, 0)->set_attribute("name", name);
}

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
      if (tensors ? !is_tensor : !is_int && !(is_tensor && implicit)) break;
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
      return why = str("Expected a value of type '", call.generics.fill(a.type), "' for argument '", a.name,
                       "' but instead found ", found_kind(*args[size_t(m.argument)].value)),
             false;
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
  fail(range, str("Arguments for call are not valid.\nThe following variants are available:", reasons,
                  "\n\nThe original call is"));
}

SugaredPtr Lowering::call_function(const Range& range, const std::shared_ptr<graph::Function>& function,
                                   std::vector<CallArg> args, bool method) {
  graph::Function& f = *function;
  if (!f.is_abstract && !compiling(range, f.name, [&] { return f.made(); }))
    fail(range, str("'", f.name, "' is called recursively. Recursive calls are not supported"));
  std::vector<Value*> inputs;
  std::string why;
  if (!match(range, f.schema, args, inputs, why, true, false)) fail(range, str(f.name, "(): ", why));
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

// tensordot(a, b, dims) as Python has it: the last so many of a and the first of b, or a list for each. The operator takes two lists.
static void dims_of_tensordot(const Range& range, Lowering& l, std::vector<CallArg>& args) {
  size_t at = 2;
  while (at < args.size() && args[at].name != "dims" && !(at == 2 && args[at].name.empty())) at++;
  bool two = args.size() > 3 && args[2].name.empty() && args[3].name.empty();
  if (at >= args.size() || two) return;
  SugaredPtr dims = args[at].value;
  args.erase(args.begin() + int64_t(at));
  std::vector<SugaredPtr> parts;
  auto* simple = dynamic_cast<SimpleValue*>(dims.get());
  if (simple && simple->value->type()->is(TK::List)) {
    for (int64_t i : {0, 1})
      parts.push_back(l.call_operator(range, "__getitem__", {{range, "", dims}, {range, "", constant_of(i)}}));
  } else if (!dims->items(range, l, parts)) {
    auto up_to = [&](SugaredPtr from, SugaredPtr to) {
      SugaredPtr all = Special("range").call(range, l, {{range, "", from}, {range, "", to}});
      return graph_value(all->as_value(range, l));
    };
    SugaredPtr none = constant_of(int64_t(0));
    parts = {up_to(l.call_operator(range, "neg", {{range, "", dims}}), none), up_to(none, dims)};
  }
  if (parts.size() != 2) fail(range, "tensordot: expected dims to be a number, or two lists of dimensions");
  args.push_back({range, "dims_self", parts[0]});
  args.push_back({range, "dims_other", parts[1]});
}

Value* OperatorName::as_value(const Range& range, Lowering&) {
  fail(range, str("builtin cannot be used as a value: ", kind()));
}
SugaredPtr OperatorName::attribute(const Range& range, Lowering&, const std::string& wanted) {
  fail(range, str("attribute lookup is not defined on builtin: ", kind(), " has no '", wanted, "'"));
}

SugaredPtr OperatorName::call(const Range& range, Lowering& l, const std::vector<CallArg>& given) {
  std::vector<CallArg> args = given;
  if (bound) args.insert(args.begin(), {range, "", graph_value(bound)});
  if (bound && bound->type()->is(TK::String)) {
    // Where schemas say otherwise than Python's methods: an `end` of -1 is the end, and rsplit's separator is a space.
    static const std::set<std::string> with_end = {"find",  "rfind",      "index",   "rindex",
                                                   "count", "startswith", "endswith"};
    for (size_t i = 1; with_end.contains(name) && i < args.size(); i++) {
      if (args[i].name != "end" && !(i == 3 && args[i].name.empty())) continue;
      Value* end = args[i].value->as_value(args[i].range, l);
      if (const IValue* c = graph::constant_of(end); c && c->is_int()) {
        args[i].value = constant_of(c->to_int() < 0 ? c->to_int() - 1 : c->to_int());
      } else if (end->type()->is(TK::Int)) {
        Value* below = l.emit_typed(range, "aten::lt", {end, l.constant(range, int64_t(0))}, Type::boolean());
        Value* one = l.emit_typed(range, "aten::Int", {below}, Type::integer());
        args[i].value = graph_value(l.emit_typed(range, "aten::sub", {end, one}, Type::integer()));
      }
    }
    if (name == "rsplit" && args.size() == 1) return l.call_operator(range, "split", std::move(args));
    if (name == "rsplit" && args[1].name == "maxsplit")
      fail(range, "rsplit() with a maximum and no separator is not supported in TorchScript");
  }
  if (name == "RaiseException") {
    std::vector<Value*> inputs;  // the text, and the name of the class
    for (const CallArg& a : args) inputs.push_back(a.value->as_value(a.range, l));
    if (inputs.empty() || inputs.size() > 2) fail(range, "prim::RaiseException takes a text and the name of a class");
    l.emit(range, "prim::RaiseException", inputs, 0);
    return constant_of({});
  }
  if (name == "format" || name == "percentFormat") {
    std::vector<Value*> inputs;
    if (std::vector<SugaredPtr> parts;  // archives give the values of % as one tuple
        name == "percentFormat" && args.size() == 2 && args[1].value->items(range, l, parts)) {
      args.pop_back();
      for (const SugaredPtr& p : parts) args.push_back({range, "", p});
    }
    for (const CallArg& a : args) {
      if (!a.name.empty()) fail(a.range, "format() takes no keyword arguments in TorchScript; number the fields: {0}");
      inputs.push_back(a.value->as_value(a.range, l));
    }
    return graph_value(l.emit_typed(range, "aten::" + name, inputs, Type::string()));
  }
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
    size_t given = size_t(std::count_if(args.begin(), args.end(), [](const CallArg& a) { return a.name.empty(); }));
    if (given == 2 && std::none_of(args.begin(), args.end(), [](const CallArg& a) { return a.name == "steps"; }))
      args.insert(args.begin() + 2, {range, "", constant_of(int64_t(100))});
    else if (args.size() > 2 && args[2].name.empty() && args[2].value->is_none() == 1)
      args[2].value = constant_of(int64_t(100));
  }
  if (std::vector<SugaredPtr> parts; (name == "tensor" || name == "as_tensor") && !args.empty() &&
                                     found_type(*args[0].value).starts_with("Tuple[") &&
                                     args[0].value->items(range, l, parts))
    args[0].value = graph_value(l.list_of(range, Iteration{true, std::move(parts), nullptr, nullptr}));
  if (name == "device" && args.size() == 1 && args[0].name == "type") args[0].name.clear();
  if (name == "as_tensor" && !args.empty() && found_type(*args[0].value) == "Tensor")
    return old_operator(name)->call(range, l, args);
  if (bound && name == "type") {  // x.type(torch.float64)
    if (args.size() != 2) fail(range, "x.type() takes a dtype in TorchScript");
    return l.call_operator(range, "to", std::move(args));
  }
  if (SugaredPtr then = upgraded(name, args, l.resolver().version())) return then->call(range, l, args);
  // A number is a size, unless it is written as a dtype: scripts have no type for those.
  if (name == "view" && args.size() == 2 && args[1].name.empty()) {
    std::string written = args[1].range.source ? args[1].range.text() : "";
    Value* v = args[1].value->as_value(range, l);
    if (DType d; v->type()->is(TK::Int) && !dtype_from_name(written.substr(written.rfind('.') + 1), d))
      args[1].value = std::make_shared<TupleOf>(std::vector<SugaredPtr>{graph_value(v)});
  }
  if (name == "tensordot") dims_of_tensordot(range, l, args);
  if (name == "to") name_arguments_of_to(args);
  if (bound && name == "cpu") return graph_value(bound);
  if (DType cast; bound && dtype_from_method(name, cast))
    return l.call_operator(range, "to", {args[0], {range, "", constant_of(cast)}});
  if (!is_operator(name))
    if (SugaredPtr composed = old_operator(name)) return composed->call(range, l, args);
  return l.call_operator(range, name, std::move(args));
}

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
