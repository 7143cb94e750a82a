#include "py_convert.h"

#include "py_op.h"
#include "rushlight/core/device_memory.h"
#include "rushlight/graph/ir.h"

namespace rushlight::py {

PyObject* (*object_to_python)(const IValue&) = nullptr;
bool (*object_from_python)(PyObject*, IValue&, const Type*) = nullptr;

bool is_numpy_scalar(PyObject* o) {
  // numpy is never imported for this: its types say where they are from.
  const char* name = type_name(o);
  return std::string_view(name).starts_with("numpy.") && !PyObject_HasAttrString(o, "__len__") &&
         PyObject_HasAttrString(o, "item");
}

namespace {

Object number_of_numpy(PyObject* o) { return check(PyObject_CallMethod(o, "item", nullptr)); }

template <class Item, class Convert>
PyObject* list_of(const Item& items, Convert convert) {
  Object list = check(PyList_New(Py_ssize_t(items.size())));
  Py_ssize_t i = 0;
  for (const auto& item : items) {
    PyObject* o = convert(item);
    if (!o) throw ErrorSet{};
    PyList_SET_ITEM(list.get(), i++, o);
  }
  return list.release();
}

[[noreturn]] void fail_type(PyObject* o, const Type& type) {
  throw TypeError(str("expected a value of type '", type.text(), "', got '", short_type_name(o), "'"));
}

Object sequence_of(PyObject* o, const Type& type) {
  if (!PyList_Check(o) && !PyTuple_Check(o)) fail_type(o, type);
  return check(PySequence_Fast(o, "expected a sequence"));
}

IValue list_from_python(PyObject* o, const Type& type) {
  Object seq = sequence_of(o, type);
  Py_ssize_t n = PySequence_Fast_GET_SIZE(seq.get());
  auto item = [&](Py_ssize_t i) { return PySequence_Fast_GET_ITEM(seq.get(), i); };
  const Type& element = *type.element();
  switch (element.kind()) {
    case Type::Kind::Int: {
      std::vector<int64_t> out(static_cast<size_t>(n));
      for (Py_ssize_t i = 0; i < n; i++)
        if (!as_int(item(i), out[size_t(i)])) fail_type(o, type);
      return out;
    }
    case Type::Kind::Float: {
      std::vector<double> out(static_cast<size_t>(n));
      for (Py_ssize_t i = 0; i < n; i++)
        if (!as_double(item(i), out[size_t(i)])) fail_type(o, type);
      return out;
    }
    case Type::Kind::Bool: {
      auto out = make_ref<BoolList>();
      for (Py_ssize_t i = 0; i < n; i++) {
        bool b;
        if (PyLong_Check(item(i))) b = PyObject_IsTrue(item(i)) == 1;  // a number is a truth here, as in Python
        else if (!as_bool(item(i), b)) fail_type(o, type);
        out->items.push_back(b);
      }
      return out;
    }
    case Type::Kind::Tensor: {
      Tensors out;
      for (Py_ssize_t i = 0; i < n; i++) {
        if (!is_tensor(item(i))) fail_type(o, type);
        out.push_back(unwrap(item(i)));
      }
      return out;
    }
    default: {
      auto out = make_ref<GenericList>(type.element());
      for (Py_ssize_t i = 0; i < n; i++) out->items.push_back(from_python(item(i), element));
      return out;
    }
  }
}

}  // namespace

IValue called_element(const Tensor& t) {
  static OpRef op("item");
  IValue args[1] = {IValue::borrow(t)}, ret;
  call(*op, args, &ret);
  return ret;
}

Tensor in_memory(const Tensor& t, const char* who) {
  Tensor at = t;
  while (at.impl()->wrapper() && !at.impl()->wrapper()->batched) at = Tensor(at.impl()->wrapper()->inner);
  if (!at.device().is_meta()) check_has_memory(at, who);
  return at;
}

IValue watched_element(const Tensor& t, Read how) {
  read_event(t, how);
  return called_element(t);
}

IValue element_elsewhere(const Tensor& t) {
  RL_CHECK(RuntimeError, t.numel() == 1, "a Tensor with ", t.numel(),
           " elements cannot be converted to Scalar. Hint: item: the tensor has shape ", t.sizes(),
           "; reduce it to one element (mean, sum, an index), or use tolist()");
  RL_CHECK(RuntimeError, !t.device().is_meta(), "Tensor.item() cannot be called on meta tensors");
  return element_in_memory(host_span(t));
}

bool as_number(PyObject* o, IValue& out) {
  if (PyFloat_Check(o)) return out = PyFloat_AS_DOUBLE(o), true;
  if (PyBool_Check(o)) return out = o == Py_True, true;
  if (PyLong_Check(o)) {
    int overflow;
    long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow) {
      // What an uint64 can hold is taken as the float it is.
      unsigned long long u = overflow > 0 ? PyLong_AsUnsignedLongLong(o) : ~0ull;
      if (overflow < 0 || PyErr_Occurred()) {
        PyErr_SetString(PyExc_OverflowError, "int too big to convert");
        throw ErrorSet{};
      }
      return out = double(u), true;
    }
    return out = int64_t(v), true;
  }
  if (PyComplex_Check(o)) return out = complex128(PyComplex_RealAsDouble(o), PyComplex_ImagAsDouble(o)), true;
  if (is_tensor(o)) {
    const Tensor& t = unwrap(o);
    if (t.dim() != 0 || t.requires_grad() || t.device().is_meta()) return false;
    return out = element_of(t), true;
  }
  if (is_numpy_scalar(o)) {
    Object n = number_of_numpy(o);
    return !is_numpy_scalar(n.get()) && as_number(n.get(), out);
  }
  return false;
}

bool as_int(PyObject* o, int64_t& out) {
  if (PyLong_Check(o) && !PyBool_Check(o)) {
    int overflow;
    out = PyLong_AsLongLongAndOverflow(o, &overflow);
    RL_CHECK(ValueError, !overflow, "Overflow when unpacking long long");
    return true;
  }
  if (PyBool_Check(o) || PyFloat_Check(o)) return false;
  if (is_tensor(o)) {
    const Tensor& t = unwrap(o);
    if (t.dim() != 0 || t.requires_grad() || !is_integral(t.dtype(), false) || t.device().is_meta()) return false;
    return out = element_of(t).to_int(), true;
  }
  if (Py_TYPE(o)->tp_as_number && Py_TYPE(o)->tp_as_number->nb_index &&
      std::string_view(type_name(o)) != "numpy.ndarray" && std::string_view(type_name(o)) != "numpy.bool") {
    Object n{PyNumber_Index(o)};
    if (n) return as_int(n.get(), out);
    PyErr_Clear();
  }
  return false;
}

bool as_bool(PyObject* o, bool& out) {
  if (PyBool_Check(o)) return out = o == Py_True, true;
  std::string_view name = type_name(o);
  if (name != "numpy.bool" && name != "numpy.bool_") return false;
  int truth = PyObject_IsTrue(o);
  if (truth < 0) throw ErrorSet{};
  return out = truth, true;
}

bool as_double(PyObject* o, double& out) {
  if (PyFloat_Check(o)) return out = PyFloat_AS_DOUBLE(o), true;
  if (PyLong_Check(o)) {
    out = PyLong_AsDouble(o);
    if (out == -1 && PyErr_Occurred()) throw ErrorSet{};
    return true;
  }
  IValue v;
  if (!as_number(o, v) || v.is_complex()) return false;
  return out = v.to_double(), true;
}

PyObject* to_python(const IValue& v) {
  switch (v.tag()) {
    case IValue::Tag::None: Py_RETURN_NONE;
    case IValue::Tag::Int: return PyLong_FromLongLong(v.to_int());
    case IValue::Tag::Bool: return PyBool_FromLong(v.to_bool());
    case IValue::Tag::Double: return PyFloat_FromDouble(v.to_double());
    case IValue::Tag::Device: return wrap(v.to_device());
    case IValue::Tag::Tensor: return wrap(v.tensor());
    case IValue::Tag::String: return to_str(v.to_string());
    case IValue::Tag::Complex: return PyComplex_FromDoubles(v.to_complex().real(), v.to_complex().imag());
    case IValue::Tag::IntList: return list_of(v.int_list(), [](int64_t i) { return PyLong_FromLongLong(i); });
    case IValue::Tag::DoubleList: return list_of(v.double_list(), [](double d) { return PyFloat_FromDouble(d); });
    case IValue::Tag::BoolList: return list_of(v.bool_list().items, [](uint8_t b) { return PyBool_FromLong(b); });
    case IValue::Tag::TensorList: return list_of(v.tensor_list(), [](const Tensor& t) { return wrap(t); });
    case IValue::Tag::List: return list_of(v.list().items, [](const IValue& i) { return to_python(i); });
    case IValue::Tag::Generator: return wrap(Ref<Generator>(v.generator()));
    case IValue::Tag::Tuple: {
      const TupleValue& tuple = v.to_tuple();
      if (tuple.type && object_to_python) {
        if (PyObject* named = object_to_python(v)) return named;
      }
      Object out = check(PyTuple_New(Py_ssize_t(tuple.items.size())));
      for (size_t i = 0; i < tuple.items.size(); i++) PyTuple_SET_ITEM(out.get(), i, to_python(tuple.items[i]));
      return out.release();
    }
    case IValue::Tag::Dict: {
      Object out = check(PyDict_New());
      for (const auto& [key, value] : v.dict().items) {
        Object k = check(to_python(key)), item = check(to_python(value));
        check_status(PyDict_SetItem(out.get(), k.get(), item.get()));
      }
      return out.release();
    }
    case IValue::Tag::Object:
    case IValue::Tag::Capsule: break;
  }
  PyObject* known = object_to_python ? object_to_python(v) : nullptr;
  if (!known) throw TypeError(str("no Python object stands for a value of type ", v.kind_name()));
  return known;
}

namespace {
// What a ScriptList or ScriptDict holds: the very list or dict that scripts change.
bool is_held(PyObject* o, const Type& type, IValue& out) {
  if (PyList_Check(o) || PyTuple_Check(o) || PyDict_Check(o) || is_tensor(o) || !object_from_python) return false;
  return object_from_python(o, out, nullptr) && (out.is_any_list() || out.is_dict()) && out.type()->is_subtype_of(type);
}
}  // namespace

IValue from_python(PyObject* o, const Type& type) {
  if (type.is(Type::Kind::List) || type.is(Type::Kind::Dict))
    if (IValue held; is_held(o, type, held)) return held;
  switch (type.kind()) {
    case Type::Kind::Tensor: {
      IValue number;
      if (is_tensor(o)) return unwrap(o);
      if (as_number(o, number)) return number;
      break;
    }
    case Type::Kind::Int: {
      int64_t v;
      if (as_int(o, v)) return v;
      if (is_dtype(o) || is_layout(o) || is_memory_format(o)) return enum_value(o);
      break;
    }
    case Type::Kind::Float: {
      double v;
      if (as_double(o, v)) return v;
      break;
    }
    case Type::Kind::Bool: {
      bool v;
      if (as_bool(o, v)) return v;
      break;
    }
    case Type::Kind::Complex:
    case Type::Kind::Number: {
      IValue v;
      if (as_number(o, v)) return type.is(Type::Kind::Complex) ? IValue(v.to_complex()) : v;
      break;
    }
    case Type::Kind::String:
      if (PyUnicode_Check(o)) return std::string(text_of(o));
      break;
    case Type::Kind::None:
      if (o == Py_None) return {};
      break;
    case Type::Kind::Device: {
      Device d;
      if (as_device(o, d)) return d;
      if (PyUnicode_Check(o)) return Device::parse(text_of(o));  // says what it should be
      break;
    }
    case Type::Kind::Generator:
      if (is_generator(o)) return Ref<Generator>(reinterpret_cast<PyGenerator*>(o)->generator);
      break;
    case Type::Kind::Any: return from_python(o);
    case Type::Kind::Optional: return o == Py_None ? IValue() : from_python(o, *type.element());
    case Type::Kind::List: return list_from_python(o, type);
    case Type::Kind::Tuple: {
      if (!PyTuple_Check(o) && !PyList_Check(o)) break;
      Object given = check(PySequence_Tuple(o));
      if (size_t(PyTuple_GET_SIZE(given.get())) != type.contained().size()) break;
      std::vector<IValue> items;
      for (size_t i = 0; i < type.contained().size(); i++)
        items.push_back(from_python(PyTuple_GET_ITEM(given.get(), i), *type.contained()[i]));
      if (type.fields().empty()) return IValue::tuple(std::move(items));
      return make_ref<TupleValue>(std::move(items), Type::tuple(type.contained(), type.name(), type.fields()));
    }
    case Type::Kind::Dict: {
      if (!PyDict_Check(o)) break;
      auto out = make_ref<DictValue>(type.contained()[0], type.contained()[1]);
      PyObject *key, *value;
      Py_ssize_t at = 0;
      while (PyDict_Next(o, &at, &key, &value)) out->set(from_python(key, *out->key), from_python(value, *out->value));
      return out;
    }
    case Type::Kind::Union:
      for (const TypePtr& option : type.contained()) {
        IValue v = from_python(o);
        if (v.type()->is_subtype_of(*option)) return v;
      }
      for (const TypePtr& option : type.contained()) {  // {"a": None} is a Dict[str, Optional[int]]
        if (!option->is(Type::Kind::List) && !option->is(Type::Kind::Dict) && !option->is(Type::Kind::Tuple)) continue;
        try {
          return from_python(o, *option);
        } catch (const Error&) {}  // then another
      }
      break;
    case Type::Kind::Class:
    case Type::Kind::Function:
    case Type::Kind::Future:
    case Type::Kind::Module: {
      IValue v;
      if (object_from_python && object_from_python(o, v, &type)) {
        const auto* wanted = dynamic_cast<const graph::ClassType*>(&type);
        TypePtr have = v.type();
        if (!wanted || have.get() == wanted || wanted->is_implemented_by(have)) return v;
      }
      break;
    }
  }
  fail_type(o, type);
}

IValue from_python(PyObject* o) {
  IValue v;
  if (o == Py_None) return v;
  if (is_tensor(o)) return unwrap(o);
  if (as_number(o, v)) return v;
  if (PyUnicode_Check(o)) return std::string(text_of(o));
  if (is_dtype(o) || is_layout(o) || is_memory_format(o)) return enum_value(o);
  if (is_device(o)) return reinterpret_cast<PyDevice*>(o)->device;
  if (is_generator(o)) return Ref<Generator>(reinterpret_cast<PyGenerator*>(o)->generator);
  if (object_from_python && object_from_python(o, v, nullptr)) return v;
  if (PyTuple_Check(o)) {
    std::vector<IValue> items;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(o); i++) items.push_back(from_python(PyTuple_GET_ITEM(o, i)));
    return IValue::tuple(std::move(items));
  }
  if (PyList_Check(o)) {
    if (PyList_GET_SIZE(o) == 0) return Tensors();
    std::vector<IValue> items;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(o); i++) items.push_back(from_python(PyList_GET_ITEM(o, i)));
    TypePtr element;
    bool none = false;
    for (const IValue& item : items) {
      TypePtr type = item.type();
      if (item.is_none()) none = true;
      else if (!element) element = std::move(type);
      else
        RL_CHECK(TypeError, type->equals(*element), "a list must hold values of one type, got ", element, " and ",
                 type);
    }
    if (!element) element = Type::none();
    else if (none) element = Type::optional(element);
    return from_python(o, *Type::list(element));
  }
  if (PyDict_Check(o)) {
    PyObject *key, *value;
    Py_ssize_t at = 0;
    Ref<DictValue> out;
    while (PyDict_Next(o, &at, &key, &value)) {
      IValue k = from_python(key), item = from_python(value);
      if (!out) out = make_ref<DictValue>(k.type(), item.type());
      out->set(std::move(k), std::move(item));
    }
    return out ? out : make_ref<DictValue>(Type::string(), Type::tensor());
  }
  throw TypeError(str("a value of type '", short_type_name(o), "' has no place outside of Python"));
}

}  // namespace rushlight::py
