// Calls of operators whose arguments Python takes in another form than their schemas.
#include <algorithm>
#include <map>
#include <set>

#include "rushlight/graph/executor/primitives.h"
#include "rushlight/script/lowering.h"

namespace rushlight::script {

using TK = Type::Kind;

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

// einsum(x, [0, 1], y, [1, 2], [0, 2]), the last list only where the result's dimensions are named, is einsum("AB,BC->AC", [x, y]).
static void equation_of_einsum(const Range& range, Lowering& l, std::vector<CallArg>& args) {
  std::string equation;
  std::vector<SugaredPtr> operands;
  for (size_t i = 0; i < args.size(); i++) {
    if (i % 2 == 0 && i + 1 < args.size()) {
      operands.push_back(args[i].value);
      continue;
    }
    equation += i % 2 == 0 ? "->" : i > 1 ? "," : "";
    for (const Value* v : args[i].value->as_value(args[i].range, l)->node()->inputs()) {
      const IValue* c = graph::constant_of(v);
      int64_t label = c && c->is_int() ? c->to_int() : -1;
      if (label < 0 || label >= 52)
        fail(args[i].range, "einsum: expected a list of labels, numbers from 0 to 51 that are known while compiling");
      equation += char(label < 26 ? 'A' + label : 'a' + label - 26);
    }
  }
  args = {{range, "", constant_of(equation)}, {range, "", std::make_shared<TupleOf>(std::move(operands))}};
}

Value* OperatorName::as_value(const Range& range, Lowering&) {
  fail(range, str("builtin cannot be used as a value: ", kind()));
}
SugaredPtr OperatorName::attribute(const Range& range, Lowering&, const std::string& wanted) {
  fail(range, str("attribute lookup is not defined on builtin: ", kind(), " has no '", wanted, "'"));
}

SugaredPtr OperatorName::call(const Range& range, Lowering& l, const std::vector<CallArg>& given) {
  std::vector<CallArg> args = given;
  if (bound) {
    // x.where(condition, y): the schema may have its `self` behind others.
    int self = -1;
    for (const Op* op : OpTable::get().overloads(name))
      if (self < 0) self = op->schema().find_arg("self");
    auto named = std::find_if(args.begin(), args.end(), [](const CallArg& a) { return !a.name.empty(); });
    if (self > named - args.begin()) args.push_back({range, "self", graph_value(bound)});
    else args.insert(args.begin() + std::max(self, 0), {range, "", graph_value(bound)});
  }
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
  if (name == "einsum" && args.size() > 1 && found_type(*args[0].value) == "Tensor") equation_of_einsum(range, l, args);
  if (name == "tensordot") dims_of_tensordot(range, l, args);
  if (name == "to") name_arguments_of_to(args);
  if (bound && name == "cpu") return graph_value(bound);
  if (bound && name == "cuda" && args.size() == 1)
    return l.call_operator(range, "to", {args[0], {range, "device", constant_of(Device::parse("cuda"))}});
  if (DType cast; bound && dtype_from_method(name, cast))
    return l.call_operator(range, "to", {args[0], {range, "", constant_of(cast)}});
  if (!is_operator(name))
    if (SugaredPtr composed = old_operator(name)) return composed->call(range, l, args);
  return l.call_operator(range, name, std::move(args));
}

}  // namespace rushlight::script
