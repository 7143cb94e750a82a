#include "py_parse.h"

#include <algorithm>
#include <cstring>

#include "py_trace.h"

namespace rushlight::py {
namespace {

Want want_of(const Argument& a) {
  std::string t = a.type_name;  // "int[2]?"
  if (t.size() > 1 && t.back() == '?') t.pop_back();
  if (a.list_size) t.resize(t.rfind('[') + 1), t += ']';
  for (const SchemaType& known : schema_types())
    if (t == known.name) return known.want;
  return t == "number" ? Want::Number : Want::Any;
}

std::string shown_type(Want w) { return w == Want::Any ? "object" : schema_types()[size_t(w)].python; }

PyObject* intern(std::string_view s) {
  PyObject* o = to_str(s);
  if (!o) throw ErrorSet{};
  PyUnicode_InternInPlace(&o);
  return o;
}

bool is_sequence(PyObject* o) { return PyTuple_Check(o) || PyList_Check(o); }

bool take_ints(const Param& p, PyObject* o, IValue& slot, CallArgs& call) {
  if (!is_sequence(o)) {
    int64_t v;
    if (p.list_size == 0 || !as_int(o, v)) return false;
    for (size_t i = 0; i < p.list_size; i++) tell_number(*p.arg, i, o);
    int64_t* items = call.ints(p.list_size);
    std::fill_n(items, p.list_size, v);
    slot = IValue::borrow(IntArrayRef(items, p.list_size));
    return true;
  }
  size_t n = size_t(PySequence_Fast_GET_SIZE(o));
  PyObject** from = PySequence_Fast_ITEMS(o);
  int64_t* items = call.ints(n);
  for (size_t i = 0; i < n; i++) {
    if (!as_int(from[i], items[i])) return false;
    tell_number(*p.arg, i, from[i]);
  }
  slot = IValue::borrow(IntArrayRef(items, n));
  return true;
}

bool take_list(const Param& p, PyObject* o, IValue& slot, CallArgs& call) {
  if (p.want == Want::IntList) return take_ints(p, o, slot, call);
  if (p.want == Want::FloatList && p.list_size && !is_sequence(o)) {
    double v;
    if (!as_double(o, v)) return false;
    slot = std::vector<double>(p.list_size, v);
    return true;
  }
  if (!is_sequence(o)) return false;
  size_t n = size_t(PySequence_Fast_GET_SIZE(o));
  PyObject** items = PySequence_Fast_ITEMS(o);
  switch (p.want) {
    case Want::TensorList:
    case Want::OptionalTensorList: {
      TensorImpl** out = call.tensors(n);
      for (size_t i = 0; i < n; i++) {
        if (is_tensor(items[i])) out[i] = unwrap(items[i]).impl();
        else if (items[i] == Py_None && p.want == Want::OptionalTensorList) out[i] = nullptr;
        else return false;
      }
      slot = IValue::borrow(TensorList(reinterpret_cast<const Tensor*>(out), n));
      return true;
    }
    case Want::FloatList: {
      std::vector<double> out(n);
      for (size_t i = 0; i < n; i++)
        if (!as_double(items[i], out[i])) return false;
      slot = std::move(out);
      return true;
    }
    case Want::BoolList: {
      int64_t* out = call.ints(n);
      for (size_t i = 0; i < n; i++) {
        bool b;
        if (!as_bool(items[i], b)) return false;
        out[i] = b;
      }
      slot = IValue::borrow(IntArrayRef(out, n));
      return true;
    }
    default: {
      auto out = make_ref<GenericList>(Type::simple(Type::Kind::Number));
      for (size_t i = 0; i < n; i++) {
        IValue v;
        if (!as_number(items[i], v)) return false;
        out->items.push_back(std::move(v));
      }
      slot = std::move(out);
      return true;
    }
  }
}

// True and the slot filled if the object may stand for the parameter.
inline bool take(const Param& p, PyObject* o, IValue& slot, CallArgs& call, bool fallback) {
  if (p.want == Want::Tensor) {
    if (is_tensor(o)) [[likely]] {
      slot = IValue::borrow(unwrap(o));
      return true;
    }
    if (o == Py_None) return p.optional;
    return (p.number_allowed || (fallback && p.number_as_fallback)) && as_number(o, slot);
  }
  if (o == Py_None && p.optional) return true;
  switch (p.want) {
    case Want::Number: tell_number(*p.arg, 0, o); return as_number(o, slot);
    case Want::Int: {
      int64_t v;
      if (!as_int(o, v)) return false;
      tell_number(*p.arg, 0, o);
      slot = v;
      return true;
    }
    case Want::Bool: {
      bool v;
      if (!as_bool(o, v)) return false;
      slot = v;
      return true;
    }
    case Want::Float: {
      double v;
      if (!as_double(o, v)) return false;
      tell_number(*p.arg, 0, o);
      slot = v;
      return true;
    }
    case Want::Complex: {
      IValue v;
      if (!as_number(o, v)) return false;
      slot = v.to_complex();
      return true;
    }
    case Want::Str:
      if (!PyUnicode_Check(o)) return false;
      slot = IValue::borrow(text_of(o));
      return true;
    case Want::DType: {
      DType d;
      if (!as_dtype(o, d)) return false;
      slot = d;
      return true;
    }
    case Want::Layout:
    case Want::MemoryFormat:
      if (p.want == Want::Layout ? !is_layout(o) : !is_memory_format(o)) return false;
      slot = enum_value(o);
      return true;
    case Want::Device: {
      Device d;
      if (!as_device(o, d)) return false;
      slot = d;
      return true;
    }
    case Want::Generator:
      if (!is_generator(o)) return false;
      slot = IValue::borrow(reinterpret_cast<PyGenerator*>(o)->generator);
      return true;
    case Want::Any: slot = from_python(o, *p.arg->type); return true;
    default: return take_list(p, o, slot, call);
  }
}

bool same_text(PyObject* a, PyObject* b) { return a == b || (b && PyUnicode_Compare(a, b) == 0); }

int find_param(const Overload& o, PyObject* name) {
  for (size_t i = 0; i < o.params.size(); i++)
    if (o.params[i].name == name) return int(i);
  for (size_t i = 0; i < o.params.size(); i++) {
    if (same_text(name, o.params[i].name)) return int(i);
    for (PyObject* other : o.params[i].other_names)
      if (other && same_text(name, other)) return int(i);
  }
  return -1;
}

PyObject* out_name() {
  static PyObject* name = intern("out");
  return name;
}
PyObject* requires_grad_name() {
  static PyObject* name = intern("requires_grad");
  return name;
}

// An argument like any other, not that of an out= form.
bool has_own_out(const Overload& o) { return o.outs.empty() && find_param(o, out_name()) >= 0; }

bool take_outs(const Overload& o, PyObject* value, CallArgs& call) {
  IValue* slots = call.values();
  if (o.outs.size() == 1) {
    if (!is_tensor(value)) return false;
    slots[o.outs[0]] = IValue::borrow(unwrap(value));
    return true;
  }
  if (!is_sequence(value) || size_t(PySequence_Fast_GET_SIZE(value)) != o.outs.size()) return false;
  for (size_t i = 0; i < o.outs.size(); i++) {
    PyObject* item = PySequence_Fast_ITEMS(value)[i];
    if (!is_tensor(item)) return false;
    slots[o.outs[i]] = IValue::borrow(unwrap(item));
  }
  return true;
}

}  // namespace

Overload prepare(const Op& op, bool method) {
  Overload o;
  o.op = &op;
  const Schema& schema = op.schema();
  RL_INVARIANT(schema.args.size() <= size_t(kMaxArgs), schema.name, " has too many arguments for the parser");
  Numbers numbers = op.def().numbers;
  bool seen_dtype = false, seen_device = false, seen_pin = false;
  bool foreign = schema.name.find("::") != std::string::npos;
  for (size_t i = 0; i < schema.args.size(); i++) {
    const Argument& a = schema.args[i];
    Param p;
    p.arg = &a;
    p.want = want_of(a);
    p.list_size = uint8_t(a.list_size);
    p.optional = a.is_optional();
    p.kwarg_only = a.kwarg_only;
    p.name = intern(a.name == "self" && !foreign ? "input" : a.name);
    if (foreign) {
      // what a library defines goes by the names it gave
    } else if (a.name == "self") {
      p.other_names[0] = intern("x");
      p.other_names[1] = intern("self");
      p.other_names[2] = intern("a");
    } else if (a.name == "dim") {
      p.other_names[0] = intern("axis");
    } else if (a.name == "keepdim") {
      p.other_names[0] = intern("keepdims");
    } else if (a.name == "other") {
      p.other_names[0] = intern("x2");
    }
    bool is_self = a.name == "self" && method;
    bool plain = p.want == Want::Tensor && !a.is_out;
    p.number_allowed = plain && numbers == Numbers::Always && !is_self;
    p.number_as_fallback = plain && numbers == Numbers::Fallback && a.name != "self";
    if (a.has_default) {
      p.default_value = a.default_value;
      if (p.want == Want::BoolList && p.default_value.is_bool_list()) {
        const auto& items = a.default_value.bool_list().items;
        p.default_value = std::vector<int64_t>(items.begin(), items.end());
      }
      // A number in the slot of a float is one.
      if (p.want == Want::Float && p.default_value.is_int()) p.default_value = p.default_value.to_double();
    } else {
      o.required |= 1u << i;
    }
    if (a.is_out) o.outs.push_back(uint8_t(i));
    seen_dtype |= a.name == "dtype";
    seen_device |= a.name == "device" && a.kwarg_only;
    seen_pin |= a.name == "pin_memory";
    o.params.push_back(std::move(p));
  }
  o.factory = seen_dtype && seen_device && seen_pin && op.form() != Op::Form::InPlace;
  for (size_t i = 0; o.factory && i < o.params.size(); i++) {
    if (o.params[i].arg->name == "device") o.device_at = int8_t(i);
    if (o.params[i].want == Want::Tensor || o.params[i].want == Want::TensorList) {
      o.device_at = -1;  // what it makes goes where they are
      break;
    }
  }
  int self = schema.find_arg("self");
  if (method && self >= 0) o.positional.push_back(uint8_t(self));
  for (size_t i = 0; i < o.params.size(); i++)
    if (!o.params[i].kwarg_only && !(method && int(i) == self)) o.positional.push_back(uint8_t(i));
  o.first_shown = method && self >= 0;
  size_t shown = o.positional.size() - size_t(o.first_shown);
  o.spread_ints = shown == 1 && o.params[o.positional.back()].want == Want::IntList;
  return o;
}

// What fits more narrowly is tried first: a tensor before a number, an int before a list of ints.
static int looseness(const Overload& o) {
  int score = 0;
  for (uint8_t i : o.positional) {
    score *= 4;
    switch (o.params[i].want) {
      case Want::Number: score += 1; break;
      case Want::IntList: score += 2; break;
      case Want::Any: score += 3; break;
      default: break;
    }
  }
  return score;
}

void sort_overloads(std::vector<Overload>& all) {
  std::stable_sort(all.begin(), all.end(),
                   [](const Overload& a, const Overload& b) { return looseness(a) < looseness(b); });
}

bool parse(const Overload& o, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, CallArgs& call,
           bool fallback) {
  const Py_ssize_t count = Py_ssize_t(o.params.size()), places = Py_ssize_t(o.positional.size());
  call.start(int(count));
  IValue* slots = call.values();
  uint32_t filled = 0;
  Py_ssize_t from_position = nargs;
  if (o.spread_ints && nargs >= places && !is_sequence(args[places - 1]) &&
      !(nargs == places && args[places - 1] == Py_None)) [[unlikely]] {
    // x.view(2, 3)
    Py_ssize_t n = nargs - places + 1;
    int64_t* items = call.ints(size_t(n));
    int at = o.positional[size_t(places - 1)];
    for (Py_ssize_t i = 0; i < n; i++) {
      if (!as_int(args[places - 1 + i], items[i])) return false;
      tell_number(*o.params[size_t(at)].arg, size_t(i), args[places - 1 + i]);
    }
    slots[at] = IValue::borrow(IntArrayRef(items, size_t(n)));
    filled |= 1u << at;
    from_position = places - 1;
  } else if (nargs > places) {
    return false;
  }
  for (Py_ssize_t i = 0; i < from_position; i++) {
    int at = o.positional[size_t(i)];
    if (!take(o.params[size_t(at)], args[i], slots[at], call, fallback)) return false;
    filled |= 1u << at;
  }
  if (kwnames) {
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(kwnames); k++) {
      PyObject* name = PyTuple_GET_ITEM(kwnames, k);
      PyObject* value = args[nargs + k];
      if (same_text(name, out_name()) && !has_own_out(o)) {
        if (o.outs.empty()) {
          if (value != Py_None) return false;
          continue;
        }
        if (!take_outs(o, value, call)) return false;
        for (uint8_t out : o.outs) filled |= 1u << out;
        continue;
      }
      int at = find_param(o, name);
      if (at < 0 && o.factory && same_text(name, requires_grad_name())) {
        if (value != Py_None && !as_bool(value, call.requires_grad)) return false;
        continue;
      }
      if (at < 0 || (filled & (1u << at))) return false;
      if (!take(o.params[size_t(at)], value, slots[at], call, fallback)) return false;
      filled |= 1u << at;
    }
  }
  if (o.required & ~filled) return false;
  if (fallback) {  // numbers alone make no call
    bool any_tensor = false;
    for (Py_ssize_t i = 0; i < count; i++) any_tensor |= slots[i].is_tensor();
    if (!any_tensor) return false;
  }
  for (Py_ssize_t i = 0; i < count; i++)
    if (!(filled & (1u << i))) {
      const IValue& d = o.params[size_t(i)].default_value;
      if (!d.is_none()) slots[i] = IValue::borrow(d);
    }
  return true;
}

// ---- messages ----

namespace {

std::string default_text(const Param& p) {
  const IValue& v = p.default_value;
  if (p.want == Want::DType && v.is_int()) return "torch." + std::string(name_of(DType(v.to_int())));
  if (p.want == Want::MemoryFormat && v.is_int()) return "torch.contiguous_format";
  return v.is_string() ? "\"" + std::string(v.to_string()) + "\"" : v.text();
}

// What came, as PyTorch names it: "Tensor", "int", "tuple of (int, int)".
std::string given_type(PyObject* o) {
  if (is_tensor(o)) return std::string(short_type_name(o));
  if (is_sequence(o)) {
    std::string out = PyTuple_Check(o) ? std::string(short_type_name(o)) + " of (" : "list of [";
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); i++)
      out += (i ? ", " : "") + given_type(PySequence_Fast_GET_ITEM(o, i));
    if (PyTuple_Check(o)) return out + (PySequence_Fast_GET_SIZE(o) == 1 ? ",)" : ")");
    return out + "]";
  }
  if (is_dtype(o) || is_device(o) || is_layout(o) || is_memory_format(o) || is_generator(o))
    return "torch." + std::string(short_type_name(o));
  return std::string(short_type_name(o));
}

std::string call_text(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, int skip) {
  std::string out = "(";
  for (Py_ssize_t i = skip; i < nargs; i++) out += (i > skip ? ", " : "") + given_type(args[i]);
  for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); k++)
    out += (nargs + k > skip ? ", " : "") + std::string(text_of(PyTuple_GET_ITEM(kwnames, k))) + "=" +
           given_type(args[nargs + k]);
  return out + ")";
}

[[noreturn]] void fail_argument(std::string_view name, const Param& p, PyObject* value, Py_ssize_t position) {
  std::string where = position > 0 ? str(" (position ", position, ")") : "";
  if (is_sequence(value) && (p.want == Want::IntList || p.want == Want::FloatList || p.want == Want::TensorList ||
                             p.want == Want::OptionalTensorList || p.want == Want::BoolList)) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(value); i++) {
      PyObject* item = PySequence_Fast_GET_ITEM(value, i);
      int64_t n;
      double d;
      bool b;
      bool fits = p.want == Want::IntList     ? as_int(item, n)
                  : p.want == Want::FloatList ? as_double(item, d)
                  : p.want == Want::BoolList  ? as_bool(item, b)
                                              : is_tensor(item);
      if (!fits) {
        if (p.want == Want::TensorList || p.want == Want::OptionalTensorList)
          throw TypeError(str("expected Tensor as element ", i, " in argument ", position - 1, ", but got ",
                              short_type_name(item)));
        const char* element = p.want == Want::IntList     ? "ints"
                              : p.want == Want::FloatList ? "floats"
                              : p.want == Want::BoolList  ? "bools"
                                                          : "Tensors";
        throw TypeError(str(name, "(): argument '", text_of(p.name), "'", where, " must be tuple of ", element,
                            ", but found element of type ", short_type_name(item), " at pos ", i));
      }
    }
  }
  throw TypeError(str(name, "(): argument '", text_of(p.name), "'", where, " must be ", shown_type(p.want), ", not ",
                      short_type_name(value)));
}

// Repeats the parse of one overload to say what is wrong with it.
[[noreturn]] void fail_overload(std::string_view name, const Overload& o, PyObject* const* args, Py_ssize_t nargs,
                                PyObject* kwnames) {
  CallArgs call;
  call.start(int(o.params.size()));
  Py_ssize_t places = Py_ssize_t(o.positional.size()), skip = o.first_shown;
  bool spread = o.spread_ints && nargs >= places && !is_sequence(args[places - 1]);
  if (!spread && nargs > places) {
    Py_ssize_t takes = places - skip;
    int optional = 0;
    for (uint8_t i : o.positional) optional += o.params[i].arg->has_default;
    throw TypeError(str(name, "() takes ",
                        optional ? "from " + std::to_string(takes - optional) + " to " : std::string(), takes,
                        " positional argument", takes == 1 && !optional ? "" : "s", " but ", nargs - skip,
                        nargs - skip == 1 ? " was" : " were", " given"));
  }
  uint32_t filled = 0;
  for (Py_ssize_t i = 0; i < std::min(nargs, places); i++) {
    int at = o.positional[size_t(i)];
    filled |= 1u << at;
    const Param& p = o.params[size_t(at)];
    if (spread && i == places - 1) {
      for (Py_ssize_t k = i; k < nargs; k++) {
        int64_t v;
        if (!as_int(args[k], v))
          throw TypeError(str(name, "(): argument '", text_of(p.name), "' (position ", i - skip + 1,
                              ") must be tuple of ints, ", k == i ? "not " : "but found element of type ",
                              short_type_name(args[k]), k == i ? "" : " at pos " + std::to_string(k - i)));
      }
      break;
    }
    if (!take(p, args[i], call.values()[at], call, true)) fail_argument(name, p, args[i], i - skip + 1);
  }
  for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); k++) {
    PyObject* key = PyTuple_GET_ITEM(kwnames, k);
    PyObject* value = args[nargs + k];
    if (same_text(key, out_name()) && !has_own_out(o)) {
      if (!o.outs.empty() && !take_outs(o, value, call))
        throw TypeError(str(name, "(): argument 'out' must be ", o.outs.size() == 1 ? "Tensor" : "tuple of Tensors",
                            ", not ", short_type_name(value)));
      if (o.outs.empty() && value != Py_None) throw TypeError(str(name, "() got an unexpected keyword argument 'out'"));
      for (uint8_t out : o.outs) filled |= 1u << out;
      continue;
    }
    int at = find_param(o, key);
    if (at < 0) {
      if (o.factory && same_text(key, requires_grad_name())) continue;
      throw TypeError(str(name, "() got an unexpected keyword argument '", text_of(key), "'"));
    }
    if (filled & (1u << at)) throw TypeError(str(name, "() got multiple values for argument '", text_of(key), "'"));
    filled |= 1u << at;
    if (!take(o.params[size_t(at)], value, call.values()[at], call, true))
      fail_argument(name, o.params[size_t(at)], value, 0);
  }
  std::string missing;
  int n = 0;
  for (uint8_t i : o.positional)
    if ((o.required & ~filled) & (1u << i)) {
      missing += (n++ ? ", \"" : "\"") + std::string(text_of(o.params[i].name)) + "\"";
    }
  if (n)
    throw TypeError(str(name, "() missing ", n, " required positional argument", n == 1 ? "s" : "s", ": ", missing));
  for (size_t i = 0; i < o.params.size(); i++)
    if ((o.required & ~filled) & (1u << i))
      throw TypeError(str(name, "() missing required keyword argument '", text_of(o.params[i].name), "'"));
  throw TypeError(str(name, "(): invalid arguments"));
}

}  // namespace

std::string Overload::signature() const {
  std::string out = "(";
  bool star = false, first = true;
  for (size_t i = 0; i < params.size(); i++) {
    const Param& p = params[i];
    if (first_shown && !positional.empty() && positional[0] == i) continue;
    if (!outs.empty() && p.arg->is_out && i != outs[0]) continue;
    if (!first) out += ", ";
    first = false;
    if (p.kwarg_only && !star) {
      out += "*, ";
      star = true;
    }
    out += shown_type(p.want) + " " + std::string(text_of(p.name));
    if (p.arg->has_default) out += " = " + default_text(p);
  }
  if (factory) out += ", bool requires_grad = False";
  return out + ")";
}

void fail_parse(std::string_view name, const std::vector<Overload>& overloads, PyObject* const* args, Py_ssize_t nargs,
                PyObject* kwnames) {
  Py_ssize_t named = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  bool has_out = false;
  for (Py_ssize_t k = 0; k < named; k++)
    has_out |=
        same_text(PyTuple_GET_ITEM(kwnames, k), out_name()) && args[nargs + k] != Py_None && !has_own_out(overloads[0]);
  std::vector<const Overload*> shown, plausible;
  for (const Overload& o : overloads) {
    if (!o.outs.empty() != has_out) continue;
    // Where a number may stand for the tensor, PyTorch does not name the overload for numbers.
    if (o.op->schema().overload == "Scalar" && o.op->def().numbers == Numbers::Always) continue;
    shown.push_back(&o);
    Py_ssize_t least = __builtin_popcount(o.required), most = Py_ssize_t(o.params.size()) + o.factory;
    if (nargs + named >= least && (nargs + named <= most || o.spread_ints)) plausible.push_back(&o);
  }
  if (shown.empty())
    for (const Overload& o : overloads) shown.push_back(&o);
  if (shown.size() == 1) fail_overload(name, *shown[0], args, nargs, kwnames);
  if (plausible.size() == 1) fail_overload(name, *plausible[0], args, nargs, kwnames);
  std::string text = str(name, "() received an invalid combination of arguments - got ",
                         call_text(args, nargs, kwnames, shown[0]->first_shown), ", but expected one of:\n");
  for (const Overload* o : shown) text += " * " + o->signature() + "\n";
  throw TypeError(std::move(text));
}

std::string explain_mismatch(const Overload& o, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  const Schema& schema = o.op->schema();
  std::string name = schema.symbol(), text = schema.full_text();
  CallArgs call;
  call.start(int(o.params.size()));
  uint32_t filled = 0;
  auto wrong = [&](const Param& p, PyObject* value, int position) {
    Object shown{PyObject_Str(value)};
    if (!shown) PyErr_Clear();
    std::string type = p.arg->type->text();
    return str(name, "() Expected a value of type '", type == "Scalar" ? "number" : type, "' for argument '",
               p.arg->name, "' but instead found type '", short_type_name(value), "'.\nPosition: ", position,
               "\nValue: ", shown ? std::string(text_of(shown.get())).substr(0, 200) : std::string("?"),
               "\nDeclaration: ", text);
  };
  Py_ssize_t places = Py_ssize_t(o.positional.size());
  if (nargs > places)
    return str(name, "() takes ", places, " positional argument(s) but ", nargs,
               " was/were given.  Declaration: ", text);
  for (Py_ssize_t i = 0; i < nargs; i++) {
    int at = o.positional[size_t(i)];
    filled |= 1u << at;
    if (!take(o.params[size_t(at)], args[i], call.values()[at], call, true))
      return wrong(o.params[size_t(at)], args[i], at);
  }
  for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); k++) {
    PyObject* key = PyTuple_GET_ITEM(kwnames, k);
    int at = find_param(o, key);
    if (at < 0) return str("Unknown keyword argument '", text_of(key), "' for operator '", name, "'. Schema: ", text);
    if (filled & (1u << at))
      return str(name, "() got multiple values for argument '", text_of(key), "'. Schema: ", text);
    filled |= 1u << at;
    if (!take(o.params[size_t(at)], args[nargs + k], call.values()[at], call, true))
      return wrong(o.params[size_t(at)], args[nargs + k], at);
  }
  for (size_t i = 0; i < o.params.size(); i++)
    if ((o.required & ~filled) & (1u << i))
      return str(name, "() is missing value for argument '", o.params[i].arg->name, "'. Declaration: ", text);
  return str(name, "(): these arguments don't fit. Declaration: ", text);
}

}  // namespace rushlight::py
