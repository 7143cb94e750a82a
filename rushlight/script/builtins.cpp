// Names of the language: torch and math, types, and functions such as range, len and isinstance.
#include <cmath>
#include <set>

#include "rushlight/core/future_type.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/executor/primitives.h"
#include "rushlight/graph/generics.h"
#include "rushlight/graph/native_class.h"
#include "rushlight/script/lowering.h"
#include "rushlight/script/sugared.h"

namespace rushlight::script {

using TK = Type::Kind;

namespace {
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
}  // namespace

SugaredPtr Namespace::math(const std::string& name) {
  static const std::map<std::string, double> numbers = {{"pi", 3.14159265358979323846},
                                                        {"e", 2.71828182845904523536},
                                                        {"tau", 6.28318530717958647693},
                                                        {"inf", __builtin_inf()},
                                                        {"nan", __builtin_nan("")}};
  if (auto v = numbers.find(name); v != numbers.end()) return constant_of(v->second);
  if (name == "remainder") return std::make_shared<OperatorName>("mathremainder");  // "remainder" is the operator %
  static const std::set<std::string> functions = {
      "sqrt",    "exp",   "log",   "log10", "log2", "log1p",     "expm1",    "sin",   "cos",   "tan",      "asin",
      "acos",    "atan",  "sinh",  "cosh",  "tanh", "asinh",     "acosh",    "atanh", "atan2", "fmod",     "fabs",
      "floor",   "ceil",  "pow",   "erf",   "erfc", "gamma",     "lgamma",   "isnan", "isinf", "isfinite", "degrees",
      "radians", "ldexp", "frexp", "modf",  "gcd",  "factorial", "copysign", "hypot"};
  if (functions.contains(name)) return std::make_shared<OperatorName>(name);
  if (name == "trunc") return std::make_shared<Special>("int");
  if (name == "phase") return std::make_shared<OperatorName>("angle");  // of cmath
  if (name == "rect") return std::make_shared<OperatorName>("polar");
  return nullptr;
}

SugaredPtr Namespace::attribute(const Range& range, Lowering& l, const std::string& name) {
  if (SugaredPtr v = find(range, l, name)) return v;
  fail(range, str("module '", path, "' has no attribute '", name, "' that TorchScript knows"));
}

// cmath's infj and nanj; null for other names.
static SugaredPtr imaginary(const std::string& name) {
  if (name != "infj" && name != "nanj") return nullptr;
  return constant_of(complex128(0, name == "infj" ? __builtin_inf() : __builtin_nan("")));
}

SugaredPtr Namespace::find(const Range&, Lowering&, const std::string& name) {
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
    if (name == "Generator") return std::make_shared<Special>(name);
    if (name == "pi") return constant_of(3.14159265358979323846);
    if (name == "e") return constant_of(2.71828182845904523536);
    if (name == "inf") return constant_of(__builtin_inf());
    if (name == "nan") return constant_of(__builtin_nan(""));
    if (name == "no_grad" || name == "enable_grad" || name == "inference_mode" || name == "set_grad_enabled")
      return std::make_shared<Special>(name);
    if (name == "nn" || name == "jit" || name == "linalg" || name == "special" || name == "fft" || name == "classes" ||
        name == "autograd")
      return std::make_shared<Namespace>("torch." + name);
  }
  if (path == "torch.autograd" && name != "grad" && name != "backward") return nullptr;
  if (path == "torch" && name == "ops") return std::make_shared<Namespace>("ops");
  if (path == "torch.nn" && name == "functional") return std::make_shared<Namespace>("torch.nn.functional");
  if (path == "torch.jit" || path == "ops.prim") {
    if (path == "ops.prim" && name == "unchecked_unwrap_optional") return std::make_shared<Special>("_unwrap_optional");
    if (path == "ops.prim" && name.starts_with("awaitable")) return std::make_shared<Special>(name);
    if (path == "ops.prim") return std::make_shared<OperatorName>(name);
    return std::make_shared<Special>(name);
  }
  if (path == "ops") return std::make_shared<Namespace>("ops." + name);
  if (path == "torch.classes") return std::make_shared<Namespace>("torch.classes." + name);
  if (path.starts_with("torch.classes.")) {
    auto found = graph::find_native_class(str("__torch__.", path, ".", name));
    return found ? std::make_shared<TypeName>(found) : nullptr;
  }
  if (path.starts_with("ops.") && path != "ops.aten")  // whether there is one, the call says
    return std::make_shared<OperatorName>(path.substr(4) + "::" + name);
  if (path == "torch.nn.functional" && is_operator("functional::" + name))
    return std::make_shared<OperatorName>("functional::" + name);
  if (SugaredPtr unit = path == "cmath" ? imaginary(name) : nullptr) return unit;
  if (path == "math" || path == "cmath") return math(name);
  for (const char* part : {"linalg", "special", "fft"})  // their operators carry the name of the module
    if (std::string full = str(part, "_", name); path == str("torch.", part) && is_operator(full))
      return std::make_shared<OperatorName>(full);
  if (is_operator(name)) return std::make_shared<OperatorName>(name);
  if (path != "torch") return nullptr;
  return name == "_unwrap_optional" || name == "wait" ? std::make_shared<Special>(name) : old_operator(name);
}

SugaredPtr TypeName::attribute(const Range& range, Lowering& l, const std::string& name) {
  if (name == "__name__") {
    const std::string text = type->text();
    return constant_of(text.substr(text.rfind('.') + 1));
  }
  const graph::ClassType* c = graph::as_class(type);
  if (name == "__new__" && c) return std::make_shared<NewObject>(type);
  if (c) {
    for (const auto& [member, object] : c->members)
      if (member == name) return constant_of(object);
    for (const auto& f : c->methods)  // C.hook(object, ...)
      if (f->name == name) return std::make_shared<FunctionValue>(f);
    if (auto held = c->constants.find(name); held != c->constants.end())  // a static method
      return held->second.is_capsule() ? static_cast<SugaredCapsule*>(held->second.object())->value
                                       : constant_of(held->second);
  }
  if (c) fail(range, str("Class '", type, "' has no attribute '", name, "'"));
  return Sugared::attribute(range, l, name);
}

bool TypeName::items(const Range&, Lowering&, std::vector<SugaredPtr>& out) {
  const graph::ClassType* c = graph::as_class(type);
  if (!c || !c->is_enum) return false;
  for (const auto& [member, object] : c->members) out.push_back(constant_of(object));
  return true;
}

SugaredPtr TypeName::call(const Range& range, Lowering& l, const std::vector<CallArg>& args) {
  if (type->is(TK::Device)) {
    std::vector<CallArg> given = args;
    if (given.size() == 1 && given[0].name == "type") given[0].name.clear();
    return l.call_operator(range, "device", std::move(given));
  }
  const graph::ClassType* c = graph::as_class(type);
  if (c) {
    if (c->is_enum || c->is_interface || c->is_module)
      fail(range, str("objects of ", c->name(), " can't be made in TorchScript"));
    Value* made = l.emit_typed(range, "prim::CreateObject", {}, type);
    for (const auto& f : c->methods)
      if (f->name == "__init__") FunctionValue(f, made).call(range, l, args);
    return graph_value(made);
  }
  if (type->is(TK::Tuple)) {  // a named tuple
    std::vector<SugaredPtr> parts(type->fields().size());
    for (size_t i = 0, position = 0; i < args.size(); i++) {
      size_t at = position++;
      if (!args[i].name.empty())
        at = size_t(std::find(type->fields().begin(), type->fields().end(), args[i].name) - type->fields().begin());
      if (at >= parts.size())
        fail(args[i].range, args[i].name.empty() ? str(type, " takes ", parts.size(), " values, got ", args.size())
                                                 : str(type, " has no field '", args[i].name, "'"));
      parts[at] = args[i].value;
    }
    for (size_t i = 0; i < parts.size(); i++) {
      auto d = defaults.find(type->fields()[i]);
      if (!parts[i] && d != defaults.end()) parts[i] = constant_of(d->second);
      if (!parts[i]) fail(range, str("argument ", type->fields()[i], " not provided for ", type));
    }
    for (size_t i = 0; i < parts.size(); i++) {
      Value* part = l.convert(range, parts[i], type->contained()[i], nullptr, true);
      if (!part)
        fail(range, str(type, "(): Expected a value of type '", type->contained()[i], "' for argument '",
                        type->fields()[i], "' but instead found ", found_kind(*parts[i])));
      parts[i] = graph_value(part);
    }
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
  if (name == "complex") return Type::simple(TK::Complex);
  if (name == "Generator") return Type::simple(TK::Generator);
  return nullptr;
}

namespace {
bool mentions_class(const Type& t) {
  return !t.name().empty() ||
         std::any_of(t.contained().begin(), t.contained().end(), [](const TypePtr& c) { return mentions_class(*c); });
}
bool is_tuple(Value* v) { return v->type()->is(TK::Tuple); }

// zip, enumerate or reversed of what is gone through. If one part is known while compiling, as a ModuleList is, all are gone through
// by constants.
SugaredPtr joined_iteration(const Range& range, Lowering& l, const std::string& name, std::vector<Iteration> parts,
                            const SugaredPtr& first) {
  auto plus = [range, &l](const SugaredPtr& a, const SugaredPtr& b) {
    auto *x = dynamic_cast<ConstantValue*>(a.get()), *y = dynamic_cast<ConstantValue*>(b.get());
    if (x && x->constant.is_int() && x->constant.to_int() == 0) return b;
    if (x && y) return constant_of(x->constant.to_int() + y->constant.to_int());
    return l.call_operator(range, "add", {{range, "", a}, {range, "", b}});
  };
  auto row = [name, first, plus](const SugaredPtr& i, std::vector<SugaredPtr> items) -> SugaredPtr {
    if (name == "reversed") return items[0];
    if (name == "enumerate") items.insert(items.begin(), plus(first, i));
    return std::make_shared<TupleOf>(std::move(items));
  };
  Iteration all;
  size_t n = SIZE_MAX;
  for (const Iteration& p : parts)
    if (p.is_known) n = std::min(n, p.known.size());
  if (n != SIZE_MAX) {
    all.is_known = true;
    for (size_t r = 0; r < n; r++) {
      std::vector<SugaredPtr> items;
      for (const Iteration& p : parts) items.push_back(p.is_known ? p.known[r] : p.item(l.constant(range, int64_t(r))));
      all.known.push_back(row(constant_of(int64_t(r)), std::move(items)));
    }
    if (name == "reversed") std::reverse(all.known.begin(), all.known.end());
    return std::make_shared<Iterable>(name, std::move(all));
  }
  all.trips = parts[0].trips;
  for (size_t i = 1; i < parts.size(); i++)
    all.trips =
        l.call_operator(range, "min", {{range, "", graph_value(all.trips)}, {range, "", graph_value(parts[i].trips)}})
            ->as_value(range, l);
  all.item = [parts, row, range, name, &l, trips = all.trips](Value* i) {
    if (name == "reversed") {
      Value* last = l.emit_typed(range, "aten::sub", {trips, l.constant(range, int64_t(1))}, Type::integer());
      i = l.emit_typed(range, "aten::sub", {last, i}, Type::integer());
    }
    std::vector<SugaredPtr> items;
    for (const Iteration& p : parts) items.push_back(p.item(i));
    return row(graph_value(i), std::move(items));
  };
  return std::make_shared<Iterable>(name, std::move(all));
}
}  // namespace

// dict([(1, "a"), (2, "b")]). Its type shows only once a pair is compiled.
static Value* dict_of_pairs(const Range& range, Lowering& l, const Iteration& pairs) {
  Value* out = l.emit_typed(range, "prim::DictConstruct", {}, Type::dict(Type::string(), Type::tensor()));
  bool typed = false;
  if (pairs.is_known && pairs.known.empty()) return out;
  l.loop_over(range, pairs, [&](const SugaredPtr& pair) {
    std::vector<SugaredPtr> parts;
    if (!pair->items(range, l, parts) || parts.size() != 2) fail(range, "dict() takes pairs of a key and a value");
    Value *key = parts[0]->as_value(range, l), *value = parts[1]->as_value(range, l);
    if (!std::exchange(typed, true)) out->set_type(Type::dict(key->type(), value->type()));
    l.call_operator(range, "_set_item",
                    {{range, "", graph_value(out)}, {range, "", graph_value(key)}, {range, "", graph_value(value)}});
  });
  return out;
}

SugaredPtr Special::call(const Range& range, Lowering& l, const std::vector<CallArg>& args) {
  static const std::set<std::string> magic = {"len", "int", "float", "bool", "str", "abs", "round", "hash", "complex"};
  if (magic.contains(name) && !args.empty())
    if (SugaredPtr own = l.call_magic(range, args[0].value, "__" + name + "__", {})) return own;
  auto value = [&](size_t i) { return args.at(i).value->as_value(args[i].range, l); };
  auto op = [&](const char* kind, std::vector<Value*> inputs, TypePtr type) {
    return graph_value(l.emit_typed(range, kind, inputs, std::move(type)));
  };
  auto need = [&](size_t low, size_t high) {
    if (args.size() < low || args.size() > high)
      fail(range, str(name, " expected ",
                      low == high         ? "exactly "
                      : args.size() < low ? "at least "
                                          : "at most ",
                      args.size() < low ? low : high, " arguments, got ", args.size()));
  };
  if (name == "range") {
    need(1, 3);
    Value* start = args.size() > 1 ? value(0) : l.constant(range, int64_t(0));
    Value* stop = value(args.size() > 1 ? 1 : 0);
    Value* step = args.size() > 2 ? value(2) : l.constant(range, int64_t(1));
    std::vector<Value*> all = {start, stop, step};
    for (Value*& v : all) {
      Value* whole = l.convert(range, graph_value(v), Type::integer(), nullptr, true);
      if (!whole) fail(range, str("range() takes integers; found ", v->type()));
      v = whole;
    }
    Iteration over;
    if (args.size() == 1) {
      over.trips = all[1];
      over.item = [](Value* i) { return graph_value(i); };
    } else {
      over.trips = l.emit_typed(range, "aten::__range_length", {all[0], all[1], all[2]}, Type::integer());
      over.item = [all, range, &l](Value* i) {
        return graph_value(l.emit_typed(range, "aten::__derive_index", {i, all[0], all[2]}, Type::integer()));
      };
    }
    return std::make_shared<Iterable>(name, std::move(over));
  }
  if (name == "len") {
    need(1, 1);
    std::vector<SugaredPtr> items;
    auto* v = dynamic_cast<SimpleValue*>(args[0].value.get());
    if (!(v && !v->value->type()->is(TK::Tuple) && !graph::as_class(v->value->type())) &&
        args[0].value->items(range, l, items))
      return constant_of(int64_t(items.size()));
    return l.call_operator(range, "len", args);
  }
  if (name == "id") {
    need(1, 1);
    const TypePtr& t = value(0)->type();
    if (!t->is(TK::None) && !graph::as_class(t->is(TK::Optional) ? t->element() : t))
      fail(range,
           str("id(): Expected a value of type 'Optional[AnyClassType]', an object of a class or None, but found '", t,
               "'"));
    return op("prim::id", {value(0)}, Type::integer());
  }
  if (name == "slice") {
    need(1, 3);
    std::vector<SugaredPtr> parts(3, constant_of({}));
    for (size_t i = 0; i < args.size(); i++) {
      if (!args[i].name.empty()) fail(args[i].range, "Slice does not accept any keyword arguments");
      parts[args.size() == 1 ? 1 : i] = args[i].value;
    }
    return std::make_shared<SliceOf>(std::move(parts));
  }
  if (name == "print") {
    std::vector<Value*> inputs;
    for (size_t i = 0; i < args.size(); i++) {
      if (!args[i].name.empty()) fail(args[i].range, "print doesn't accept any keyword arguments in TorchScript");
      inputs.push_back(value(i));
    }
    l.emit(range, "prim::Print", inputs, 0);
    return constant_of({});
  }
  if (name == "int" || name == "float" || name == "bool") {
    need(1, 1);
    TypePtr wanted = as_type();
    Value* v = value(0);
    if (v->type()->equals(*wanted)) return graph_value(v);
    if (name == "bool") return graph_value(l.truth(range, v));
    return l.call_operator(range, name == "int" ? "Int" : "Float", args);
  }
  if (name == "Generator") {
    std::vector<CallArg> given = args;
    if (given.size() == 1 && given[0].name.empty()) given[0].name = "device";
    return l.call_operator(range, name, std::move(given));
  }
  if (name == "complex") {
    need(1, 2);
    return l.call_operator(range, "Complex", args);
  }
  if (name == "str") {
    need(1, 1);
    return op("aten::str", {value(0)}, Type::string());
  }
  if ((name == "min" || name == "max") && args.size() > 2) {  // from the left, two at a time
    SugaredPtr best = args[0].value;
    for (size_t i = 1; i < args.size(); i++) best = Special(name).call(range, l, {{range, "", best}, args[i]});
    return best;
  }
  if ((name == "min" || name == "max") && args.size() == 2)
    return l.call_operator(range, value(0)->type()->is(TK::Tensor) ? name + "imum" : name, args);
  static const std::set<std::string> operators = {"min", "max", "sum", "pow", "abs", "round", "divmod", "hex",
                                                  "oct", "bin", "chr", "ord", "any", "all",   "sorted", "hash"};
  if (operators.contains(name)) {
    std::vector<CallArg> all = args;
    if (std::vector<SugaredPtr> parts;
        all.size() == 1 && name != "hash" && !dynamic_cast<Iterable*>(all[0].value.get()) &&
        (dynamic_cast<TupleOf*>(all[0].value.get()) || is_tuple(value(0))) && all[0].value->items(range, l, parts)) {
      Iteration over;
      over.is_known = true;
      over.known = std::move(parts);
      all[0].value = graph_value(l.list_of(range, over));
    }
    if (name == "sorted" && !all.empty() && value(0)->type()->is(TK::String))
      all[0].value = op("aten::list", {value(0)}, Type::list(Type::string()));
    return l.call_operator(range, name, std::move(all));
  }
  if (name == "list") {
    need(0, 1);
    if (args.empty()) return op("prim::ListConstruct", {}, Type::list(Type::tensor()));
    auto* v = dynamic_cast<SimpleValue*>(args[0].value.get());
    if (v && v->value->type()->is(TK::Dict)) return l.call_operator(range, "keys", args);
    if (v && !is_tuple(v->value) && !v->value->type()->is(TK::Tensor)) return l.call_operator(range, "list", args);
    return graph_value(l.list_of(range, l.iterate(args[0].range, args[0].value)));
  }
  if (name == "dict") {
    bool named = !args.empty() && !args[0].name.empty();
    auto* given = named || args.empty() ? nullptr : dynamic_cast<SimpleValue*>(args[0].value.get());
    const bool nothing = given && given->value->node()->is("prim::ListConstruct") &&
                         given->value->node()->inputs().empty() && !given->value->has_uses();
    if (args.empty() || (nothing && args.size() == 1))
      return op("prim::DictConstruct", {}, Type::dict(Type::string(), Type::tensor()));
    if (!named) {
      auto* v = dynamic_cast<SimpleValue*>(args[0].value.get());
      Value* made = v && v->value->type()->is(TK::Dict)
                        ? l.call_operator(range, "dict", {args[0]})->as_value(range, l)
                        : dict_of_pairs(range, l, l.iterate(args[0].range, args[0].value));
      for (size_t i = 1; i < args.size(); i++) {
        if (args[i].name.empty()) fail(args[i].range, str("dict expected at most 1 arguments, got ", args.size()));
        l.call_operator(range, "_set_item",
                        {{range, "", graph_value(made)},
                         {range, "", constant_of(args[i].name)},
                         {args[i].range, "", args[i].value}});
      }
      return graph_value(made);
    }
    std::vector<Value*> values;
    TypePtr type;
    for (size_t i = 0; i < args.size(); i++) {
      values.push_back(l.constant(range, args[i].name));
      values.push_back(value(i));
      type = type ? unify(type, values.back()->type()) : values.back()->type();
      if (!type) fail(args[i].range, "dictionaries must contain values of a single type");
    }
    return op("prim::DictConstruct", values, Type::dict(Type::string(), type));
  }
  if (name == "tuple") {
    std::vector<SugaredPtr> items;
    need(1, 1);
    // A comprehension over what is known while compiling is a list of known length.
    auto* made = dynamic_cast<SimpleValue*>(args[0].value.get());
    if (made && made->value->node()->is("prim::ListConstruct") && made->value->name().empty() &&
        !made->value->has_uses())
      for (Value* v : made->value->node()->inputs()) items.push_back(graph_value(v));
    else if (!args[0].value->items(range, l, items))
      fail(range,
           "tuple(): cannot statically infer the expected size of a list in this context, as its type says only what "
           "its items are");
    return std::make_shared<TupleOf>(items);
  }
  if (name == "zip" || name == "enumerate" || name == "reversed") {
    if (name == "enumerate") need(1, 2);
    else need(1, name == "zip" ? SIZE_MAX : 1);
    SugaredPtr first = constant_of(int64_t(0));
    std::vector<Iteration> parts;
    bool strict = false;
    for (size_t i = 0; i < (name == "enumerate" ? 1 : args.size()); i++)
      if (name == "zip" && args[i].name == "strict")
        strict = graph::constant_of(value(i)) && graph::constant_of(value(i))->is_same(IValue(true));
      else parts.push_back(l.iterate(args[i].range, args[i].value));
    if (name == "enumerate" && args.size() == 2) first = graph_value(value(1));
    for (size_t i = 1; strict && i < parts.size(); i++) {
      auto length = [&](const Iteration& p) {
        return p.is_known ? l.constant(range, int64_t(p.known.size())) : p.trips;
      };
      if (parts[0].is_known && parts[i].is_known && parts[0].known.size() == parts[i].known.size()) continue;
      Value *x = length(parts[0]), *y = length(parts[i]);
      l.require(range, l.emit_typed(range, "aten::eq", {x, y}, Type::boolean()),
                "ValueError: zip() arguments of different lengths");
    }
    return joined_iteration(range, l, name, std::move(parts), first);
  }
  if (name == "isinstance") {
    SugaredPtr any = constant_of(false);
    for (size_t i = 1; i < args.size(); i++) {
      graph::Node* n = l.emit(range, "prim::isinstance", {value(0)});
      TypePtr type = args[i].value->as_type();
      n->set_attribute("type", type->schema_text());
      if (mentions_class(*type)) n->set_attribute("held", IValue::capsule(make_ref<graph::HeldType>(type)));
      SugaredPtr one = graph_value(n->output()->set_type(Type::boolean()));
      any = i > 1 ? l.call_operator(range, "__or__", {{range, "", any}, {range, "", one}}) : one;
    }
    return any;
  }
  if (name == "hasattr") {
    need(2, 2);
    const IValue* attribute = graph::constant_of(value(1));
    if (!attribute || !attribute->is_string()) fail(range, "hasattr() takes a constant name");
    return constant_of(l.has_attribute(range, args[0].value, std::string(attribute->to_string())));
  }
  if (name == "no_grad" || name == "inference_mode" || name == "enable_grad")
    return std::make_shared<GradMode>(l.constant(range, name == "enable_grad"));
  if (name == "record_function") {
    need(1, 2);
    return std::make_shared<GradMode>(nullptr, nullptr, args);
  }
  if (name == "set_grad_enabled") {  // at once; a `with` around it sets it back
    need(1, 1);
    Value* old = l.emit_typed(range, "aten::is_grad_enabled", {}, Type::boolean());
    l.emit(range, "aten::set_grad_enabled", {l.truth(range, value(0))}, 0);
    return std::make_shared<GradMode>(nullptr, old);
  }
  if (name == "annotate") {
    need(2, 2);
    TypePtr t = args[0].value->as_type();
    Value* v = l.convert(range, args[1].value, t, nullptr, true);
    if (!v) fail(range, str("expected an expression of type ", t, " but found ", found_kind(*args[1].value)));
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
    if (v->type()->is(TK::None))
      fail(range, "_unwrap_optional(): the type of the result could not be inferred from actual type None");
    return op("aten::_unwrap_optional", {v}, v->type()->is(TK::Optional) ? v->type()->element() : v->type());
  }
  if (name == "getattr") {
    need(2, 3);
    const IValue* attribute = graph::constant_of(value(1));
    if (!attribute || !attribute->is_string()) fail(range, "getattr() takes a constant name");
    std::string wanted(attribute->to_string());
    if (auto* v = dynamic_cast<SimpleValue*>(args[0].value.get()))
      if (v->value->type()->is(TK::Tuple) && v->value->type()->fields().empty())
        fail(range, "getattr() takes an object or a named tuple, but got a normal Tuple");
    if (args.size() == 3 && !l.has_attribute(range, args[0].value, wanted)) return args[2].value;
    return args[0].value->attribute(range, l, wanted);
  }
  if (name == "fork" || name == "_fork" || name == "_awaitable" || name == "awaitable") {
    if (args.empty()) fail(range, str("Expected at least one argument to ", name, "()"));
    const bool awaits = name.ends_with("awaitable");
    graph::Node* n = l.emit(range, awaits ? "prim::awaitable" : "prim::fork", {});
    graph::Block* body = n->add_block();
    graph::InsertPoint inside(l.graph(), body);
    Value* result = args[0].value->call(range, l, {args.begin() + 1, args.end()})->as_value(range, l);
    body->register_output(result);
    return graph_value(n->output()->set_type((awaits ? await_type : future_type)(result->type())));
  }
  if (name == "wait" || name == "_wait" || name == "_awaitable_wait" || name == "awaitable_wait") {
    need(1, 1);
    Value* v = value(0);
    const bool awaits = name.find("awaitable") != std::string::npos;
    if (!is_future(*v->type()) || is_await(*v->type()) != awaits)
      fail(range,
           str("Arguments for call are not valid.\nThe following variants are available:\n\n  ",
               awaits ? "prim::awaitable_wait(Await(t) self) -> t" : "aten::wait(Future(t) self) -> t",
               "\n  Expected a value of type '", awaits ? "Await" : "Future",
               "[t]' for argument 'self' but instead found ", found_kind(*args[0].value), "\n\nThe original call is"));
    return op(awaits ? "prim::awaitable_wait" : "aten::wait", {v}, v->type()->element());
  }
  if (name == "_awaitable_nowait" || name == "awaitable_nowait") {
    need(1, 1);
    Value* v = value(0);
    return op("prim::awaitable_nowait", {v}, await_type(v->type()));
  }
  if (name.starts_with("new_tensor.")) {  // torch.LongTensor: of these sizes, or of this list
    const SugaredPtr dtype = constant_of(int64_t(std::stoi(name.substr(11))));
    for (const CallArg& a : args)
      if (!a.name.empty()) fail(a.range, str("Unexpected keyword argument '", a.name, "' of a legacy constructor"));
    bool sizes = true;
    for (size_t i = 0; i < args.size(); i++) sizes &= value(i)->type()->is(TK::Int);
    if (!sizes && args.size() > 1)
      fail(range, "Legacy tensor constructor of multiple positional arguments that were not all integers");
    if (!sizes) return l.call_operator(range, "tensor", {args[0], {range, "dtype", dtype}});
    std::vector<Value*> all;
    for (size_t i = 0; i < args.size(); i++) all.push_back(value(i));
    if (all.empty()) all.push_back(l.constant(range, int64_t(0)));
    SugaredPtr list = op("prim::ListConstruct", all, Type::list(Type::integer()));
    return l.call_operator(range, "empty", {{range, "", list}, {range, "dtype", dtype}});
  }
  if (name == "type") {
    need(1, 1);
    return std::make_shared<TypeName>(value(0)->type());
  }
  if (name == "is_scripting") return constant_of(true);
  if (name == "is_tracing") return constant_of(false);
  if (name == "device") return op("aten::device", {value(0)}, Type::simple(TK::Device));
  fail(range, str("the function '", name, "' is not supported in TorchScript"));
}

SugaredPtr builtin_name(const std::string& name) {
  static const std::map<std::string, bool> specials = [] {
    std::map<std::string, bool> all;
    for (const char* n : {"range",
                          "len",
                          "print",
                          "int",
                          "float",
                          "bool",
                          "str",
                          "complex",
                          "abs",
                          "round",
                          "min",
                          "max",
                          "sum",
                          "pow",
                          "divmod",
                          "hex",
                          "oct",
                          "bin",
                          "chr",
                          "ord",
                          "any",
                          "all",
                          "sorted",
                          "hash",
                          "id",
                          "list",
                          "dict",
                          "tuple",
                          "zip",
                          "slice",
                          "enumerate",
                          "reversed",
                          "isinstance",
                          "type",
                          "hasattr",
                          "getattr",
                          "annotate",
                          "unchecked_cast",
                          "uninitialized",
                          "fork",
                          "awaitable",
                          "_unwrap_optional"})
      all[n] = true;
    return all;
  }();
  if (specials.contains(name)) return std::make_shared<Special>(name);
  if (SugaredPtr unit = imaginary(name)) return unit;
  if (name == "torch" || name == "ops" || name == "math" || name == "cmath") return std::make_shared<Namespace>(name);
  if (name == "inf") return constant_of(__builtin_inf());
  if (name == "nan") return constant_of(__builtin_nan(""));
  return nullptr;
}

}  // namespace rushlight::script
