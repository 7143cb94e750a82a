// Calls of operators through the C interface: arguments are bound to overloads as in the other front ends (dispatch/binding.h).
#include <algorithm>
#include <cstring>

#include "rushlight/capi/handles.h"
#include "rushlight/dispatch/binding.h"
#include "rushlight/dispatch/boxing.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/script/module.h"

namespace rushlight::capi {

std::string full_name(const Op& op) {
  return op.symbol() + (op.schema().overload.empty() ? "" : "." + op.schema().overload);
}

const Op& find_op(std::string_view name) {
  std::string_view short_name = name.substr(0, 6) == "aten::" ? name.substr(6) : name;
  const Op* op = OpTable::get().find(short_name);
  RL_CHECK(RuntimeError, op, "no operator ", name, missing_operator(name),
           OpTable::get().overloads(short_name).empty() ? "" : "; it has overloads, one of which has to be named");
  return *op;
}

// Numbers stand for tensors only where the record says so; lists of dtypes' numbers and the like are lists of ints.
bool fit(const IValue& v, const Argument& a, IValue& out) {
  const Type& type = a.base_type();
  if (v.is_none() && (a.is_optional() || type.is(Type::Kind::Any))) return out = IValue(), true;
  if (type.is(Type::Kind::Any)) return out = v, true;
  if (type.is(Type::Kind::Tensor)) return v.is_tensor() && (out = IValue::borrow(v), true);
  if (type.is(Type::Kind::Float) && (v.is_int() || v.is_double())) return out = v.to_double(), true;
  if (type.is(Type::Kind::Device) && v.is_string()) return out = rushlight::Device::parse(v.to_string()), true;
  if (type.is(Type::Kind::Int) && a.type_name.rfind("ScalarType", 0) == 0 &&
      !(v.is_int() && is_dtype_number(v.to_int())))
    return false;
  if (type.is(Type::Kind::List)) {
    const TypePtr& element = type.element();
    bool ints = v.is_int() && element->is(Type::Kind::Int), floats = v.is_double() && element->is(Type::Kind::Float);
    if (a.list_size > 0 && ints) return out = std::vector<int64_t>(size_t(a.list_size), v.to_int()), true;
    if (a.list_size > 0 && floats) return out = std::vector<double>(size_t(a.list_size), v.to_double()), true;
    if (v.is_int_list() && element->is(Type::Kind::Float)) {
      IntArrayRef items = v.int_list();
      return out = std::vector<double>(items.begin(), items.end()), true;
    }
    // A list whose items may be missing is one of tensors, some of which are undefined.
    if (element->is(Type::Kind::Optional) && v.is_any_list() && element->element()->is(Type::Kind::Tensor)) {
      Tensors items;
      for (size_t i = 0, n = graph::list_size(v); i < n; i++) {
        IValue item = graph::list_get(v, i);
        if (!item.is_none() && !item.is_tensor()) return false;
        items.push_back(item.optional_tensor());
      }
      return out = std::move(items), true;
    }
  }
  if (v.is_tensor_list() || v.is_int_list() || v.is_double_list())
    if (v.type()->is_subtype_of(type)) return out = IValue::borrow(v), true;
  try {
    out = script::fitted_value(v, a.is_optional() ? a.type->element() : a.type, "");
    return true;
  } catch (const Error&) { return false; }
}

void call_in_order(const Op& op, const IValue* const* args, size_t n, IValue* rets) {
  const auto& schema = op.schema().args;
  RL_CHECK(RuntimeError, n <= schema.size(), op.symbol(), ": expected at most ", schema.size(), " arguments, got ", n,
           ": ", op.schema().full_text());
  std::vector<IValue> values(schema.size());
  for (size_t i = 0; i < schema.size(); i++) {
    if (i >= n || !args[i]) {
      RL_CHECK(RuntimeError, schema[i].has_default || schema[i].is_optional(), op.symbol(), ": argument ",
               schema[i].name, " is missing: ", op.schema().full_text());
      values[i] = schema[i].default_value;
      continue;
    }
    RL_CHECK(TypeError, fit(*args[i], schema[i], values[i]), op.symbol(), ": argument ", schema[i].name, " is of type ",
             schema[i].type_name, ", got a ", args[i]->kind_name(), ": ", op.schema().full_text());
  }
  rushlight::call(op, values.data(), rets);
}

namespace {

// A call, as bind() sees it.
struct ValueCall {
  const Op& op;
  const rl_value* const* args;
  size_t by_place;
  const char* const* names;
  const rl_value* const* keyword;
  size_t keywords;
  bool fallback;  // numbers stand for tensors where no overload takes them as they are
  std::vector<IValue> values = std::vector<IValue>(schema().size());
  std::vector<char> has = std::vector<char>(schema().size());
  std::vector<int> in_place = by_position();

  const std::vector<Argument>& schema() const { return op.schema().args; }
  std::vector<int> by_position() const {
    std::vector<int> out;
    for (size_t i = 0; i < schema().size(); i++)
      if (!schema()[i].kwarg_only) out.push_back(int(i));
    return out;
  }
  const IValue& given(int k) const { return size_t(k) < by_place ? args[k]->v : keyword[size_t(k) - by_place]->v; }
  int positional() const { return int(by_place); }
  int named() const { return int(keywords); }
  int places() const { return int(in_place.size()); }
  int place(int i) const { return in_place[size_t(i)]; }
  bool spreads() const { return false; }
  int spread(int) const { return 0; }
  bool take(int p, int argument, int) {
    const Argument& a = schema()[size_t(p)];
    const IValue& v = given(argument);
    if (fit(v, a, values[size_t(p)])) return true;
    Numbers numbers = op.def().numbers;
    bool number = numbers == Numbers::Always || (fallback && numbers == Numbers::Fallback && a.name != "self");
    if (!number || !a.base_type().is(Type::Kind::Tensor) || a.is_out || !v.is_scalar()) return false;
    values[size_t(p)] = wrapped_number(v.to_scalar());
    return true;
  }
  int find(int argument) const {
    const char* name = names[size_t(argument) - by_place];
    if (int at = op.schema().find_arg(name); at >= 0) return at;
    for (size_t i = 0; op.schema().ns() == "aten" && i < schema().size(); i++)
      for (const char* other : other_names(schema()[i].name))
        if (other && std::strcmp(name, other) == 0) return int(i);
    return kUnknownName;
  }
  bool filled(int p) const { return has[size_t(p)]; }
  void fill(int p) { has[size_t(p)] = true; }
  int missing() const {
    for (size_t i = 0; i < schema().size(); i++)
      if (!has[i] && !schema()[i].has_default) return int(i);
    return -1;
  }
  std::string why(const Misfit& m) const {
    auto argument = [&] { return schema()[size_t(m.parameter)].name; };
    switch (m.kind) {
      case Misfit::Kind::TooMany: return str("takes ", places(), " arguments by position, got ", by_place);
      case Misfit::Kind::Type:
        return str("argument ", argument(), " is of type ", schema()[size_t(m.parameter)].type_name, ", got a ",
                   given(m.argument).kind_name());
      case Misfit::Kind::Unknown: return str("has no argument ", names[size_t(m.argument) - by_place]);
      case Misfit::Kind::Twice: return str("argument ", argument(), " is given twice");
      case Misfit::Kind::Missing: return str("argument ", argument(), " is missing");
      default: return "";
    }
  }
};

IValue packed(const Op& op, std::vector<IValue> rets) {
  if (op.num_returns() == 0) return {};
  if (op.num_returns() == 1) return std::move(rets[0]);
  rets.resize(size_t(op.num_returns()));
  return IValue::tuple(std::move(rets));
}
std::vector<IValue> room_for(const Op& op) {
  return std::vector<IValue>(std::max<size_t>(size_t(op.num_returns()), kMaxResults));
}

std::vector<const Op*> candidates(const std::string& name, bool wants_out) {
  std::string_view short_name = name;
  if (short_name.substr(0, 6) == "aten::") short_name.remove_prefix(6);
  std::vector<const Op*> found;
  for (const Op* op : OpTable::get().overloads(short_name))
    if ((op->form() == Op::Form::Out) == wants_out) found.push_back(op);
  if (found.empty()) found.push_back(&find_op(name));
  std::stable_sort(found.begin(), found.end(),
                   [](const Op* a, const Op* b) { return looseness(a->schema()) < looseness(b->schema()); });
  return found;
}

}  // namespace
}  // namespace rushlight::capi

using namespace rushlight;
using namespace rushlight::capi;

rl_error* rl_call(const char* name, const rl_value* const* args, size_t n, const char* const* names,
                  const rl_value* const* keyword, size_t keywords, rl_value** result) {
  return guarded([&] {
    const std::string asked = &need(name, "rl_call", "the name");
    rl_value*& to = need(result, "rl_call", "where the result goes");
    if (n) need(args, asked.c_str(), "the array of arguments");
    if (keywords)
      need(names, asked.c_str(), "the array of names"), need(keyword, asked.c_str(), "the array of keywords");
    bool wants_out = false;
    for (size_t i = 0; i < n; i++) value_of(args[i], asked.c_str(), "an argument");
    for (size_t i = 0; i < keywords; i++) {
      value_of(keyword[i], asked.c_str(), "a keyword argument");
      wants_out |= std::strcmp(&need(names[i], asked.c_str(), "a name"), "out") == 0;
    }
    std::string reasons;
    std::vector<const Op*> all = candidates(asked, wants_out);
    for (bool fallback : {false, true}) {
      for (const Op* op : all) {
        ValueCall call{*op, args, n, names, keyword, keywords, fallback};
        Misfit m = bind(call);
        if (m) {
          if (!fallback) reasons += str("\n  ", op->schema().full_text(), ": ", call.why(m));
          continue;
        }
        for (size_t i = 0; i < call.values.size(); i++)
          if (!call.has[i]) call.values[i] = op->schema().args[i].default_value;
        std::vector<IValue> rets = room_for(*op);
        rushlight::call(*op, call.values.data(), rets.data());
        to = give(packed(*op, std::move(rets)));
        return;
      }
    }
    throw TypeError(str(asked, ": no overload takes these arguments:", reasons));
  });
}

rl_error* rl_operator_find(const char* name, const rl_operator** out) {
  return guarded(
      [&] { need(out, "rl_operator_find", "out") = handle_of(find_op(&need(name, "rl_operator_find", "the name"))); });
}
rl_error* rl_operator_schema(const rl_operator* op, rl_value** text) {
  return guarded([&] {
    need(text, "rl_operator_schema", "where the text goes") =
        give(op_of(op, "rl_operator_schema").schema().full_text());
  });
}
rl_error* rl_operator_arity(const rl_operator* op, size_t* args, size_t* results) {
  return guarded([&] {
    const Op& o = op_of(op, "rl_operator_arity");
    need(args, "rl_operator_arity", "args") = size_t(o.num_args());
    need(results, "rl_operator_arity", "results") = size_t(o.num_returns());
  });
}
rl_error* rl_operator_call(const rl_operator* op, const rl_value* const* args, size_t n, rl_value** results,
                           size_t room) {
  return guarded([&] {
    const Op& o = op_of(op, "rl_operator_call");
    size_t wanted = size_t(o.num_returns());
    RL_CHECK(RuntimeError, room >= wanted, o.symbol(), ": has ", wanted, " results, and there is room for ", room);
    if (n) need(args, "rl_operator_call", "the array of arguments");
    if (wanted) need(results, "rl_operator_call", "the array of results");
    std::vector<const IValue*> values;
    for (size_t i = 0; i < n; i++) values.push_back(args[i] ? &args[i]->v : nullptr);
    std::vector<IValue> rets = room_for(o);
    call_in_order(o, values.data(), n, rets.data());
    std::vector<std::unique_ptr<rl_value>> handles;  // so that none is lost if the memory ends
    for (size_t i = 0; i < wanted; i++) handles.emplace_back(give(std::move(rets[i])));
    for (size_t i = 0; i < wanted; i++) results[i] = handles[i].release();
  });
}
rl_error* rl_operator_names(rl_value** out) {
  return guarded([&] {
    std::vector<IValue> names;
    for (const Op* op : OpTable::get().all()) names.push_back(full_name(*op));
    need(out, "rl_operator_names", "out") = give(graph::make_list(Type::string(), std::move(names)));
  });
}
