// Graph values as names stand for them: what a script may ask of a tensor, an object, a list or a future.
#include <map>

#include "rushlight/core/future_type.h"
#include "rushlight/graph/executor/primitives.h"
#include "rushlight/graph/native_class.h"
#include "rushlight/script/lowering.h"
#include "rushlight/script/module_members.h"

namespace rushlight::script {

using TK = Type::Kind;

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
    if (DType cast; dtype_from_method(name, cast) || name == "cpu" || name == "cuda" || name == "type" ||
                    is_operator(name) || name == "size" || name == "dim" || name == "numel" || name == "nelement" ||
                    name == "stride")
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
    if (c->is_module && name == "_modules") return module_table(value);
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
      return module_table(value, name);
    if (c->is_module && !c->find_method(name))
      if (SugaredPtr walk = module_walk(value, name)) return walk;
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
      if ((c->is_module || method[0] == '_') && (c->find_method(method) || c->constants.contains(method) ||
                                                 c->constants.contains(std::string(kOverloads) + method)))
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
  if (auto known = c->constants.find(name); slot < 0 && known != c->constants.end() && !known->second.is_capsule())
    fail(range,
         str("Wrong type for attribute assignment. Expected ", known->second.type(), " for '", name, "' but got ",
             v->type(), ": what it holds when it is scripted is a constant; say in the class what it may hold, as ",
             name, ": Optional[", v->type()->is(TK::Optional) ? v->type()->element() : v->type(), "]"));
  if (auto getter = c->constants.find(name); slot < 0 && getter != c->constants.end() && getter->second.is_capsule())
    fail(range, str("Tried to set read-only attribute: ", name, " of ", c->name(), ", which has no setter for it"));
  if (slot < 0)
    fail(range, str("Tried to set nonexistent attribute: ", name,
                    ". Did you forget to initialize it in __init__()? The class is ", c->name()));
  Value* typed = l.convert(range, graph_value(v), c->slots[size_t(slot)].type, nullptr, false);
  if (!typed)
    fail(range, str("Wrong type for attribute assignment. Expected ", c->slots[size_t(slot)].type, " for '", name,
                    "' but got ", v->type()));
  l.emit(range, "prim::SetAttr", {value, typed}, 0)->set_attribute("name", name);
}

}  // namespace rushlight::script
