#include "py_parse.h"

#include <algorithm>
#include <cstring>

#include "py_trace.h"
#include "rushlight/dispatch/binding.h"
#include "rushlight/graph/tracer.h"

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

// A slot is filled once, and empty before: there is nothing to destroy.
template <class T>
void put(IValue& slot, T&& value) {
  new (&slot) IValue(std::forward<T>(value));
}

// In a list of integers a tensor of one element stands for it, whatever its dimensions. While a trace is made, when what is computed from
// sizes are tensors, one without dimensions of any dtype does: (size / 2).ceil() is a whole number too.
bool as_item(PyObject* o, int64_t& out) {
  if (as_int(o, out)) return true;
  if (!is_tensor(o)) {  // an array without dimensions, which is no number elsewhere
    if (type_name(o) != std::string_view("numpy.ndarray")) return false;
    Object n{PyNumber_Index(o)};
    if (!n) PyErr_Clear();
    return n && as_int(n.get(), out);
  }
  const Tensor& t = unwrap(o);
  if (t.numel() != 1 || t.device().is_meta()) return false;
  bool whole = is_integral(t.dtype(), false) && !t.requires_grad();
  if (!whole && (t.dim() > 0 || !graph::Tracer::current())) return false;
  return out = element_of(t).to_scalar().cast<int64_t>(), true;
}

bool take_ints(const Param& p, PyObject* o, IValue& slot, CallArgs& call) {
  if (!is_sequence(o)) {
    int64_t v;
    if (p.list_size == 0 || !as_item(o, v)) return false;
    for (size_t i = 0; i < p.list_size; i++) tell_number(*p.arg, i, o);
    int64_t* items = call.ints(p.list_size);
    std::fill_n(items, p.list_size, v);
    put(slot, IValue::borrow(IntArrayRef(items, p.list_size)));
    return true;
  }
  size_t n = size_t(PySequence_Fast_GET_SIZE(o));
  PyObject** from = PySequence_Fast_ITEMS(o);
  int64_t* items = call.ints(n);
  for (size_t i = 0; i < n; i++) {
    if (!as_item(from[i], items[i])) return false;
    tell_number(*p.arg, i, from[i]);
  }
  put(slot, IValue::borrow(IntArrayRef(items, n)));
  return true;
}

bool take_list(const Param& p, PyObject* o, IValue& slot, CallArgs& call) {
  if (p.want == Want::FloatList && p.list_size && !is_sequence(o)) {
    double v;
    if (!as_double(o, v)) return false;
    put(slot, std::vector<double>(p.list_size, v));
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
      put(slot, IValue::borrow(TensorList(reinterpret_cast<const Tensor*>(out), n)));
      return true;
    }
    case Want::FloatList: {
      std::vector<double> out(n);
      for (size_t i = 0; i < n; i++)
        if (!as_double(items[i], out[i])) return false;
      put(slot, std::move(out));
      return true;
    }
    case Want::BoolList: {
      int64_t* out = call.ints(n);
      for (size_t i = 0; i < n; i++) {
        bool b;
        if (!as_bool(items[i], b)) return false;
        out[i] = b;
      }
      put(slot, IValue::borrow(IntArrayRef(out, n)));
      return true;
    }
    default: {
      auto out = make_ref<GenericList>(Type::simple(Type::Kind::Number));
      for (size_t i = 0; i < n; i++) {
        IValue v;
        if (!as_number(items[i], v)) return false;
        out->items.push_back(std::move(v));
      }
      put(slot, std::move(out));
      return true;
    }
  }
}

bool take_other(const Param& p, PyObject* o, IValue& slot, CallArgs& call, bool fallback) {
  if (p.want == Want::Tensor) {
    if (o == Py_None) return p.optional;
    return (p.number_allowed || (fallback && p.number_as_fallback)) && as_number(o, slot);
  }
  if (o == Py_None && p.optional) return true;
  if (p.want == Want::IntList) return take_ints(p, o, slot, call);
  switch (p.want) {
    case Want::Number: tell_number(*p.arg, 0, o); return as_number(o, slot);
    case Want::Int: {
      int64_t v;
      if (!as_int(o, v)) return false;
      tell_number(*p.arg, 0, o);
      put(slot, v);
      return true;
    }
    case Want::Bool: {
      bool v;
      if (!as_bool(o, v)) return false;
      put(slot, v);
      return true;
    }
    case Want::Float: {
      double v;
      if (!as_double(o, v)) return false;
      tell_number(*p.arg, 0, o);
      put(slot, v);
      return true;
    }
    case Want::Complex: {
      IValue v;
      if (!as_number(o, v)) return false;
      put(slot, v.to_complex());
      return true;
    }
    case Want::Str:
      if (!PyUnicode_Check(o)) return false;
      put(slot, IValue::borrow(text_of(o)));
      return true;
    case Want::DType: {
      DType d;
      if (!as_dtype(o, d)) return false;
      put(slot, d);
      return true;
    }
    case Want::Layout:
    case Want::MemoryFormat:
      if (p.want == Want::Layout ? !is_layout(o) : !is_memory_format(o)) return false;
      put(slot, enum_value(o));
      return true;
    case Want::Device: {
      Device d;
      if (!as_device(o, d)) return false;
      put(slot, d);
      return true;
    }
    case Want::Generator:
      if (!is_generator(o)) return false;
      put(slot, IValue::borrow(reinterpret_cast<PyGenerator*>(o)->generator));
      return true;
    case Want::Any: try { put(slot, from_python(o, *p.arg->type));
      } catch (const TypeError&) { return false; }  // the caller's error names the argument
      return true;
    default: return take_list(p, o, slot, call);
  }
}

// True and the slot filled if the object may stand for the parameter.
[[gnu::always_inline]] inline bool take(const Param& p, PyObject* o, IValue& slot, CallArgs& call, bool fallback) {
  if (p.want != Want::Tensor || !is_tensor(o)) return take_other(p, o, slot, call, fallback);
  put(slot, IValue::borrow(unwrap(o)));
  return true;
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
  o.is_view = op.def().kernel.kind == Kernel::Kind::View;
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
    if (!foreign) {  // what a library defines goes by the names it gave
      std::array<const char*, 3> others = other_names(a.name);
      for (size_t k = 0; k < others.size() && others[k]; k++)
        p.other_names[k] = intern(std::string_view(others[k]) == "input" ? "self" : others[k]);
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

void sort_overloads(std::vector<Overload>& all) {
  std::stable_sort(all.begin(), all.end(), [](const Overload& a, const Overload& b) {
    return looseness(a.op->schema()) < looseness(b.op->schema());
  });
}

namespace {

// x.view(2, 3): some arguments are one list.
bool take_spread(const Param& p, PyObject* const* items, int count, IValue& slot, CallArgs& call) {
  int64_t* out = call.ints(size_t(count));
  for (int i = 0; i < count; i++) {
    if (!as_item(items[i], out[i])) return false;
    tell_number(*p.arg, size_t(i), items[i]);
  }
  put(slot, IValue::borrow(IntArrayRef(out, size_t(count))));
  return true;
}

constexpr int kBoundOuts = -4;  // find_keyword's: all of `outs` have their tensors

// What PythonCall::find says of a keyword that isn't a parameter's first name.
int find_keyword(const Overload& o, PyObject* name, PyObject* value, CallArgs& call) {
  if (same_text(name, out_name()) && !has_own_out(o)) {
    if (o.outs.empty()) return value == Py_None ? kBound : kUnknownName;
    return take_outs(o, value, call) ? kBoundOuts : kRefused;
  }
  int at = find_param(o, name);
  if (at < 0 && o.factory && same_text(name, requires_grad_name()))
    return value == Py_None || as_bool(value, call.requires_grad) ? kBound : kRefused;
  return at;
}

// A call, as bind() sees it. Its address goes to nobody: what it knows stays in registers.
struct PythonCall {
  const Overload& o;
  PyObject* const* args;
  int nargs;
  PyObject* kwnames;
  CallArgs& call;
  bool fallback;
  uint32_t bits = 0;

  PythonCall(const Overload& o, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, CallArgs& call,
             bool fallback)
      : o(o), args(args), nargs(int(nargs)), kwnames(kwnames), call(call), fallback(fallback) {
    call.start(int(o.params.size()));
  }
  int positional() const { return nargs; }
  int named() const { return kwnames ? int(PyTuple_GET_SIZE(kwnames)) : 0; }
  int places() const { return int(o.positional.size()); }
  int place(int i) const { return o.positional[size_t(i)]; }
  bool spreads() const { return o.spread_ints; }
  int spread(int argument) const {
    PyObject* first = args[argument];
    return is_sequence(first) || (argument == nargs - 1 && first == Py_None) ? 0 : nargs - argument;
  }
  [[gnu::always_inline]] bool take(int p, int argument, int count) {
    const Param& param = o.params[size_t(p)];
    if (count) [[unlikely]]
      return take_spread(param, args + argument, count, call.values()[p], call);
    return py::take(param, args[argument], call.values()[p], call, fallback);
  }
  PyObject* name(int argument) const { return PyTuple_GET_ITEM(kwnames, argument - nargs); }
  [[gnu::always_inline]] int find(int argument) {
    PyObject* key = name(argument);
    for (size_t i = 0; i < o.params.size(); i++)
      if (o.params[i].name == key && o.outs.empty()) return int(i);
    int at = find_keyword(o, key, args[argument], call);
    if (at != kBoundOuts) return at;
    for (uint8_t out : o.outs) fill(out);
    return kBound;
  }
  bool filled(int p) const { return bits & (1u << p); }
  void fill(int p) { bits |= 1u << p; }
  int missing() const {
    uint32_t open = o.required & ~bits;
    return open ? __builtin_ctz(open) : -1;
  }
};

}  // namespace

bool parse(const Overload& o, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, CallArgs& call,
           bool fallback) {
  PythonCall c(o, args, nargs, kwnames, call, fallback);
  if (bind(c)) return false;
  const int count = int(o.params.size());
  IValue* slots = call.values();
  if (fallback) {  // numbers alone make no call
    bool any_tensor = false;
    for (int i = 0; i < count; i++) any_tensor |= slots[i].is_tensor();
    if (!any_tensor) return false;
  }
  for (int i = 0; i < count; i++)
    if (!c.filled(i)) {
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
      bool fits = p.want == Want::IntList     ? as_item(item, n)
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
  std::string_view kind = short_type_name(value);
  const char* hint =
      p.want != Want::Tensor ? ""
      : kind == "ndarray"    ? ". Hint: convert it with torch.from_numpy(x)"
      : PyTuple_Check(value) && PyTuple_GET_SIZE(value) > 0 && is_tensor(PyTuple_GET_ITEM(value, 0))
          ? ". Hint: it holds what a layer returned, as nn.LSTM does (output, state): pass one of its items, or "
            "torch.stack(x)"
      : kind == "list" || kind == "tuple"
          ? ". Hint: convert it with torch.tensor(x), or torch.stack(x) if it holds tensors"
          : "";
  throw TypeError(
      str(name, "(): argument '", text_of(p.name), "'", where, " must be ", shown_type(p.want), ", not ", kind, hint));
}

// Says what is wrong with a call of one overload.
[[noreturn]] void fail_overload(std::string_view name, const Overload& o, PyObject* const* args, Py_ssize_t nargs,
                                PyObject* kwnames) {
  CallArgs call;
  PythonCall c(o, args, nargs, kwnames, call, true);
  const Misfit m = bind(c);
  const int skip = o.first_shown, places = c.places();
  const bool by_name = m.argument >= c.nargs;
  const std::string_view key = by_name ? text_of(c.name(m.argument)) : std::string_view();
  switch (m.kind) {
    case Misfit::Kind::None: break;
    case Misfit::Kind::TooMany: {
      int takes = places - skip, optional = 0;
      for (uint8_t i : o.positional) optional += o.params[i].arg->has_default;
      throw TypeError(str(name, "() takes ",
                          optional ? "from " + std::to_string(takes - optional) + " to " : std::string(), takes,
                          " positional argument", takes == 1 && !optional ? "" : "s", " but ", nargs - skip,
                          nargs - skip == 1 ? " was" : " were", " given"));
    }
    case Misfit::Kind::Type: {
      if (m.parameter < 0)  // an argument of all operators with such results
        throw TypeError(str(name, "(): argument '", key, "' must be ",
                            key != "out"         ? "bool"
                            : o.outs.size() == 1 ? "Tensor"
                                                 : "tuple of Tensors",
                            ", not ", short_type_name(args[m.argument])));
      const Param& p = o.params[size_t(m.parameter)];
      bool spread = c.spreads() && !by_name && m.parameter == c.place(places - 1);
      for (int k = 0, count = spread ? c.spread(m.argument) : 0; k < count; k++) {
        int64_t v;
        PyObject* item = args[m.argument + k];
        if (!as_item(item, v))
          throw TypeError(str(name, "(): argument '", text_of(p.name), "' (position ", m.argument - skip + 1,
                              ") must be tuple of ints, ", k == 0 ? "not " : "but found element of type ",
                              short_type_name(item), k == 0 ? "" : " at pos " + std::to_string(k)));
      }
      fail_argument(name, p, args[m.argument], by_name ? 0 : m.argument - skip + 1);
    }
    case Misfit::Kind::Unknown: throw TypeError(str(name, "() got an unexpected keyword argument '", key, "'"));
    case Misfit::Kind::Twice: throw TypeError(str(name, "() got multiple values for argument '", key, "'"));
    case Misfit::Kind::Missing: {
      std::string missing;
      int n = 0;
      for (uint8_t i : o.positional)
        if ((o.required & (1u << i)) && !c.filled(i))
          missing += (n++ ? ", \"" : "\"") + std::string(text_of(o.params[i].name)) + "\"";
      if (n) throw TypeError(str(name, "() missing ", n, " required positional arguments: ", missing));
      throw TypeError(
          str(name, "() missing required keyword argument '", text_of(o.params[size_t(m.parameter)].name), "'"));
    }
  }
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
  PythonCall c(o, args, nargs, kwnames, call, true);
  const Misfit m = bind(c);
  const std::string_view key = m.argument >= c.nargs ? text_of(c.name(m.argument)) : std::string_view();
  const Argument* a = m.parameter >= 0 ? o.params[size_t(m.parameter)].arg : nullptr;
  switch (m.kind) {
    case Misfit::Kind::None: break;
    case Misfit::Kind::TooMany: {
      const Py_ssize_t all = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
      if (size_t(all) > schema.args.size())
        return str(name, "() expected at most ", schema.args.size(), " argument(s) but received ", all,
                   " argument(s). Declaration: ", text);
      return str(name, "() takes ", c.places(), " positional argument(s) but ", nargs,
                 " was/were given.  Declaration: ", text);
    }
    case Misfit::Kind::Type: {
      PyObject* value = args[m.argument];
      Object shown{PyObject_Str(value)};
      if (!shown) PyErr_Clear();
      std::string type = a ? a->type->text() : "Tensor";
      return str(name, "() Expected a value of type '", type == "Scalar" ? "number" : type, "' for argument '",
                 a ? std::string_view(a->name) : key, "' but instead found type '", short_type_name(value),
                 "'.\nPosition: ", m.parameter,
                 "\nValue: ", shown ? std::string(text_of(shown.get())).substr(0, 200) : std::string("?"),
                 "\nDeclaration: ", text);
    }
    case Misfit::Kind::Unknown:
      return str("Unknown keyword argument '", key, "' for operator '", name, "'. Schema: ", text);
    case Misfit::Kind::Twice: return str(name, "() got multiple values for argument '", key, "'. Schema: ", text);
    case Misfit::Kind::Missing:
      return str(name, "() is missing value for argument '", a->name, "'. Declaration: ", text);
  }
  return str(name, "(): these arguments don't fit. Declaration: ", text);
}

}  // namespace rushlight::py
