// torch.tensor, as_tensor, Tensor(...): tensors from numbers, sequences and other tensors.
#include "py_new.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>

#include "py_op.h"
#include "py_override.h"
#include "py_storage.h"
#include "rushlight/core/device_interface.h"

namespace rushlight::py {
namespace {

OpRef op_to_copy("_to_copy");

bool is_sequence(PyObject* o) {
  return PyList_Check(o) || PyTuple_Check(o) || (PySequence_Check(o) && !is_tensor(o) && !is_numpy_scalar(o));
}

DType dtype_of_item(PyObject* o, int depth = 0);

// The sizes that the first items of every level tell.
Dims sizes_of(PyObject* o) {
  Dims sizes;
  Object level = Object::borrow(o);
  while (is_sequence(level.get())) {
    Py_ssize_t n = PySequence_Size(level.get());
    check_status(int(n));
    sizes.push_back(n);
    RL_CHECK(ValueError, sizes.size() <= 128, "too many dimensions '", short_type_name(level.get()), "'");
    if (n == 0) break;
    Object next{PySequence_GetItem(level.get(), 0)};
    if (!next && PyErr_ExceptionMatches(PyExc_Exception)) {  // no sequence, though its type says so
      PyErr_Clear();
      throw ValueError(str("could not determine the shape of object type '", short_type_name(level.get()),
                           "': its first item can't be read"));
    }
    check_status(next ? 0 : -1);
    RL_CHECK(ValueError, !PyUnicode_Check(next.get()),
             "too many dimensions 'str'. Hint: tensors hold numbers; give each word "
             "one, {word: i for i, word in enumerate(words)}");
    level = std::move(next);
  }
  return sizes;
}

DType dtype_of_sequence(PyObject* o, int depth) {
  RL_CHECK(TypeError, depth < 128, "new(): self-referential lists are incompatible, and so are lists 128 levels deep");
  Object seq = check(PySequence_Fast(o, "not a sequence"));
  Py_ssize_t n = PySequence_Fast_GET_SIZE(seq.get());
  if (n == 0) return default_dtype();
  bool first = true;
  DType d = DType::Bool;
  PyTypeObject* last = nullptr;
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject* item = PySequence_Fast_GET_ITEM(seq.get(), i);
    // Most lists hold one kind of number.
    if (Py_TYPE(item) == last && (last == &PyFloat_Type || last == &PyLong_Type || last == &PyBool_Type)) continue;
    last = Py_TYPE(item);
    DType of = dtype_of_item(item, depth + 1);
    d = first ? of : promote_types(d, of);
    first = false;
    if (d == DType::Complex128) break;
  }
  return d;
}

DType dtype_of_item(PyObject* o, int depth) {
  if (PyFloat_CheckExact(o)) return default_dtype();
  if (PyBool_Check(o)) return DType::Bool;
  if (PyLong_Check(o)) return DType::Int64;
  if (is_tensor(o)) return unwrap(o).dtype();
  if (is_numpy_scalar(o)) {
    Object text = check(PyObject_Str(check(PyObject_GetAttrString(o, "dtype")).get()));
    DType d;
    if (dtype_from_name(text_of(text.get()), d)) return d;
    throw TypeError(str("can't convert a numpy scalar of type ", type_name(o)));
  }
  if (PyFloat_Check(o)) return default_dtype();
  if (PyComplex_Check(o)) return to_complex(default_dtype());
  if (is_numpy_array(o)) return tensor_over_array(o).dtype();
  if (PyUnicode_Check(o)) throw TypeError("new(): invalid data type 'str'");
  if (is_sequence(o)) return dtype_of_sequence(o, depth);
  if (Py_TYPE(o)->tp_as_number && Py_TYPE(o)->tp_as_number->nb_index) return DType::Int64;
  throw RuntimeError(str("Could not infer dtype of ", short_type_name(o), ". Hint: tensors hold numbers",
                         o == Py_None ? "; None may be a value that is missing: use float('nan')" : ""));
}

void store_fitting(char* at, DType dtype, const Scalar& s) {
  try {
    write_number(s, dtype, at);
  } catch (const RuntimeError&) {
    throw RuntimeError(str("value cannot be converted to type ", name_of(dtype), " without overflow"));
  }
}

// Real floating types take what is too large as infinity; whole ones refuse it.
void store(char* at, DType dtype, const IValue& v) {
  Scalar s = v.to_scalar();
  switch (info_of(dtype).kind) {
    case DTypeKind::Float: RL_CHECK(TypeError, !v.is_complex(), "must be real number, not complex"); break;
    case DTypeKind::Complex: break;
    case DTypeKind::Quantized: throw RuntimeError("store_scalar: invalid type");
    default: return store_fitting(at, dtype, s);
  }
  switch (dtype) {
#define RL_ENTRY(Name, python, number, Type, ...)                                            \
  case DType::Name:                                                                          \
    if constexpr (!is_quantized(DType::Name)) *reinterpret_cast<Type*>(at) = s.cast<Type>(); \
    return;
    RL_DTYPES(RL_ENTRY)
#undef RL_ENTRY
  }
}

void store_item(char* at, DType dtype, PyObject* o) {
  if (PyFloat_CheckExact(o) && dtype == DType::Float32) {
    *reinterpret_cast<float*>(at) = float(PyFloat_AS_DOUBLE(o));
    return;
  }
  if (dtype == DType::UInt64 && !is_tensor(o) && !is_numpy_scalar(o)) {
    RL_CHECK(TypeError, PyLong_Check(o), "an integer is required");
    uint64_t v = PyLong_AsUnsignedLongLong(o);
    if (v == uint64_t(-1) && PyErr_Occurred()) throw ErrorSet{};
    std::memcpy(at, &v, sizeof v);
    return;
  }
  IValue v;
  if (is_tensor(o) && unwrap(o).numel() == 1) v = element_of(unwrap(o));
  else if (PyLong_Check(o) && is_floating(dtype)) {
    // An int of any size is a float.
    double d = PyLong_AsDouble(o);
    if (d == -1 && PyErr_Occurred()) throw ErrorSet{};
    v = d;
  } else if (int64_t i; PyLong_Check(o) && as_int(o, i)) {
    v = i;
  } else if (!as_number(o, v)) {
    int64_t i;
    RL_CHECK(ValueError, !is_tensor(o),
             "only one element tensors can be converted to Python scalars. Hint: got one of shape ", unwrap(o).sizes(),
             "; make one tensor of several with torch.stack, or torch.cat");
    if (is_sequence(o))
      throw ValueError(str("only one element tensors can be converted to Python scalars; got a ", short_type_name(o),
                           " where a number is expected"));
    RL_CHECK(TypeError, as_int(o, i), "must be real number, not ", short_type_name(o));
    v = i;
  }
  store(at, dtype, v);
}

char* store_sequence(char* at, const Dims& sizes, size_t dim, DType dtype, PyObject* o) {
  if (dim == sizes.size()) {
    store_item(at, dtype, o);
    return at + item_size(dtype);
  }
  Object seq{is_sequence(o) ? PySequence_Fast(o, "not a sequence") : nullptr};
  if (!seq) {
    PyErr_Clear();
    throw TypeError(str("not a sequence: expected a sequence of length ", sizes[dim], " at dim ", dim, ", got ",
                        short_type_name(o)));
  }
  Py_ssize_t n = PySequence_Fast_GET_SIZE(seq.get());
  RL_CHECK(ValueError, n == sizes[dim], "expected sequence of length ", sizes[dim], " at dim ", dim, " (got ", n,
           "). Hint: all lists of one level must be of one length; pad them, or keep a list of tensors");
  PyObject** items = PySequence_Fast_ITEMS(seq.get());
  if (dim + 1 == sizes.size()) {
    int step = item_size(dtype);
    for (Py_ssize_t i = 0; i < n; i++, at += step) store_item(at, dtype, items[i]);
    return at;
  }
  for (Py_ssize_t i = 0; i < n; i++) at = store_sequence(at, sizes, dim + 1, dtype, items[i]);
  return at;
}

// All elements of a storage, in its memory.
Tensor tensor_over(Ref<Storage> storage, std::optional<DType> of, std::optional<DType> dtype) {
  DType d = dtype ? *dtype : of.value_or(default_dtype());
  RL_CHECK(RuntimeError, !of || *of == d, "Expected a Storage of type ", d,
           " or an UntypedStorage, but got one of type ", of.value_or(d),
           ". Hint: convert it first: storage.type(dtype)");
  int64_t n = int64_t(storage->bytes()) / item_size(d);
  return Tensor(make_ref<TensorImpl>(std::move(storage), d, IntArrayRef(n)));
}

Tensor detached(const Tensor& t) { return t.requires_grad() ? detached_alias(t) : t; }

// What tensor(), as_tensor() and new_tensor() are given. Null: not given.
struct Given {
  PyObject *data = nullptr, *dtype = nullptr, *device = nullptr, *requires_grad = nullptr, *pin_memory = nullptr,
           *layout = nullptr, *names = nullptr;
  struct Name {
    std::string_view text;
    PyObject* Given::* field;
  };
  // Takes the arguments of a fast call, of which `positional` may come without their names. TypeError for others.
  Given(const char* function, std::span<const Name> all, Py_ssize_t positional, PyObject* const* args, Py_ssize_t nargs,
        PyObject* kwnames) {
    RL_CHECK(TypeError, nargs <= positional, function, "() takes ", positional, " positional argument",
             positional == 1 ? "" : "s", " but ", nargs, " were given. Hint: give the others by name, as in dtype=...");
    for (Py_ssize_t i = 0; i < nargs; i++) this->*all[size_t(i)].field = args[i];
    for (Py_ssize_t i = 0; kwnames && i < PyTuple_GET_SIZE(kwnames); i++) {
      const std::string_view name = text_of(PyTuple_GET_ITEM(kwnames, i));
      const auto at = std::ranges::find(all, name, &Name::text);
      RL_CHECK(TypeError, at != all.end(), function, "() got an unexpected keyword argument '", name, "'");
      RL_CHECK(TypeError, !(this->*at->field), function, "() got multiple values for argument '", name, "'");
      this->*at->field = args[nargs + i];
    }
    RL_CHECK(TypeError, data, function, "() missing 1 required positional argument: \"data\"");
  }
  std::optional<DType> as_dtype_or_none() const {
    DType d;
    if (!dtype || dtype == Py_None) return {};
    RL_CHECK(TypeError, as_dtype(dtype, d), "tensor(): argument 'dtype' must be torch.dtype, not ",
             short_type_name(dtype));
    return d;
  }
  std::optional<Device> as_device_or_none() const {
    Device d;
    if (!device || device == Py_None) return {};
    RL_CHECK(TypeError, as_device(device, d), "tensor(): argument 'device' must be torch.device, not ",
             short_type_name(device));
    return d;
  }
  std::optional<Device> as_device_or_default() const {
    auto given = as_device_or_none();
    if (const Device* said = given ? nullptr : default_device()) given = *said;
    return given;
  }
};

PyObject* finish(Tensor t, PyObject* requires_grad) {
  const int required = requires_grad ? PyObject_IsTrue(requires_grad) : 0;
  check_status(required);
  if (required) {
    RL_CHECK(RuntimeError, is_differentiable(t.dtype()),
             "Only Tensors of floating point and complex dtype can require gradients. Hint: this one is ", t.dtype(),
             "; write floats (1.0) or give dtype=torch.float32");
    t.impl()->set_requires_grad(true);
  }
  return wrap(std::move(t));
}

void warn_copy_construct() {
  check_status(
      PyErr_WarnEx(PyExc_UserWarning,
                   "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
                   "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
                   1));
}

PyObject* py_tensor(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  return guarded([&]() -> PyObject* {
    static constexpr Given::Name names[] = {{"data", &Given::data},
                                            {"dtype", &Given::dtype},
                                            {"device", &Given::device},
                                            {"requires_grad", &Given::requires_grad},
                                            {"pin_memory", &Given::pin_memory},
                                            {"names", &Given::names}};
    const Given g("tensor", names, 1, args, nargs, kwnames);
    if (is_tensor(g.data)) warn_copy_construct();
    return finish(tensor_from(g.data, g.as_dtype_or_none(), g.as_device_or_default()), g.requires_grad);
  });
}

// Shares memory where dtype and device allow.
PyObject* py_as_tensor(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  return guarded([&]() -> PyObject* {
    static constexpr Given::Name names[] = {
        {"data", &Given::data}, {"dtype", &Given::dtype}, {"device", &Given::device}};
    const Given g("as_tensor", names, 3, args, nargs, kwnames);
    auto dtype = g.as_dtype_or_none();
    auto device = g.as_device_or_default();
    if (is_tensor(g.data)) return wrap(converted(unwrap(g.data), dtype, device));
    if (is_numpy_array(g.data)) return wrap(converted(tensor_over_array(g.data), dtype, device));
    if (PyObject_HasAttrString(g.data, "__array_interface__") && !is_numpy_scalar(g.data)) {
      Object array = check(PyObject_CallFunction(imported("numpy", "asarray"), "O", g.data));
      return wrap(converted(tensor_over_array(array.get()), dtype, device));
    }
    return wrap(tensor_from(g.data, dtype, device));
  });
}

PyObject* py_from_numpy(PyObject*, PyObject* array) {
  return guarded([&] {
    RL_CHECK(TypeError, is_numpy_array(array), "expected np.ndarray (got ", short_type_name(array),
             "). Hint: torch.tensor makes tensors of lists and numbers");
    return wrap(tensor_over_array(array));
  });
}

// x.new_tensor(data, dtype=None, device=None, requires_grad=False)
PyObject* new_tensor(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  return guarded([&]() -> PyObject* {
    static constexpr Given::Name names[] = {{"data", &Given::data},     {"dtype", &Given::dtype},
                                            {"device", &Given::device}, {"requires_grad", &Given::requires_grad},
                                            {"layout", &Given::layout}, {"pin_memory", &Given::pin_memory}};
    const Given g("new_tensor", names, 1, args, nargs, kwnames);
    if (is_tensor(g.data)) warn_copy_construct();
    const Tensor& like = unwrap(self);
    Tensor made =
        tensor_from(g.data, g.as_dtype_or_none().value_or(like.dtype()), g.as_device_or_none().value_or(like.device()));
    return finish(std::move(made), g.requires_grad);
  });
}

// Tensor(), Tensor(2, 3), Tensor(size), Tensor(sequence), Tensor(tensor), of a dtype.
Tensor legacy(PyObject* args, DType dtype) {
  Py_ssize_t n = PyTuple_GET_SIZE(args);
  if (n == 0) return empty_tensor({0}, dtype);
  PyObject* first = PyTuple_GET_ITEM(args, 0);
  int64_t size;
  if (is_tensor(first) && n == 1 && (unwrap(first).dim() > 0 || !is_integral(unwrap(first).dtype(), false))) {
    const Tensor& t = unwrap(first);
    RL_CHECK(TypeError, t.dtype() == dtype, "expected torch.", name_of(dtype), " tensor (got torch.",
             name_of(t.dtype()), ")");
    return detached_alias(t);
  }
  if (as_int(first, size)) {
    Dims sizes;
    for (Py_ssize_t i = 0; i < n; i++) {
      RL_CHECK(TypeError, as_int(PyTuple_GET_ITEM(args, i), size),
               "new() received an invalid combination of arguments: sizes must be ints, got ",
               short_type_name(PyTuple_GET_ITEM(args, i)));
      sizes.push_back(size);
    }
    return empty_tensor(sizes, dtype);
  }
  RL_CHECK(TypeError, n == 1, "new() received an invalid combination of arguments");
  std::optional<DType> of;
  if (Ref<Storage> memory; as_storage(first, memory, of)) return tensor_over(std::move(memory), of, dtype);
  if (Py_TYPE(first) == size_type) {
    Dims sizes;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(first); i++)
      sizes.push_back(PyLong_AsLongLong(PyTuple_GET_ITEM(first, i)));
    return empty_tensor(sizes, dtype);
  }
  RL_CHECK(TypeError, is_sequence(first) || is_numpy_array(first), "new(): data must be a sequence (got ",
           short_type_name(first), ")");
  return tensor_from(first, dtype, {});
}

PyObject* py_legacy_typed(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *dtype, *rest;
    if (!PyArg_ParseTuple(args, "OO!", &dtype, &PyTuple_Type, &rest)) return nullptr;
    DType d;
    RL_CHECK(TypeError, as_dtype(dtype, d), "expected a dtype");
    return wrap(legacy(rest, d));
  });
}

// A batch of samples that are plain tensors of one kind, else None. Only the objects are looked at: to count a reference in a
// tensor's header would give each forked worker of a loader a copy of the page that it shares with the parent.
PyObject* py_stack_samples(PyObject*, PyObject* list) {
  return guarded([&]() -> PyObject* {
    if (!PyList_Check(list) || PyList_GET_SIZE(list) == 0 || watched()) return Py_NewRef(Py_None);
    const Py_ssize_t count = PyList_GET_SIZE(list);
    auto sample = [&](Py_ssize_t i) -> const TensorImpl* {
      PyObject* o = PyList_GET_ITEM(list, i);
      return is_tensor_exact(o) ? unwrap(o).impl() : nullptr;
    };
    const TensorImpl* first = sample(0);
    for (Py_ssize_t i = 0; i < count; i++) {
      const TensorImpl* t = sample(i);
      const bool plain = t && (t->flags() & ~kIsView) == 0 && !(t->base() && t->base()->requires_grad()) &&
                         t->contiguous() && is_computed(t->dtype()) && !is_complex(t->dtype());
      if (!plain || t->dtype() != first->dtype() || t->sizes() != first->sizes()) return Py_NewRef(Py_None);
    }
    Dims sizes{count};
    for (int64_t n : first->sizes()) sizes.push_back(n);
    Tensor out = empty_tensor(sizes, first->dtype());
    const size_t item = size_t(item_size(first->dtype())), bytes = item * size_t(first->numel());
    char* to = static_cast<char*>(out.raw());
    for (Py_ssize_t i = 0; bytes && i < count; i++) {
      const TensorImpl* t = sample(i);
      std::memcpy(to + size_t(i) * bytes, static_cast<const char*>(t->storage()->data()) + size_t(t->offset()) * item,
                  bytes);
    }
    return wrap(std::move(out));
  });
}

PyMethodDef functions[] = {
    {"_stack_samples", py_stack_samples, METH_O, nullptr},
    {"tensor", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(py_tensor)), METH_FASTCALL | METH_KEYWORDS,
     "tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False) -> Tensor\n\nA new tensor with a "
     "copy of the data."},
    {"as_tensor", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(py_as_tensor)),
     METH_FASTCALL | METH_KEYWORDS,
     "as_tensor(data, dtype=None, device=None) -> Tensor\n\nShares the data's memory where it can."},
    {"from_numpy", py_from_numpy, METH_O, "from_numpy(ndarray) -> Tensor\n\nA tensor over the array's memory."},
    {"_legacy_typed", py_legacy_typed, METH_VARARGS, nullptr},
    {},
};
PyMethodDef methods[] = {
    {"new_tensor", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(over<new_tensor>)),
     METH_FASTCALL | METH_KEYWORDS,
     "new_tensor(data, dtype=None, device=None, requires_grad=False) -> Tensor: a copy of data, by default of this "
     "tensor's dtype and on its device."},
    {},
};

}  // namespace

std::string tensor_type_text(const Tensor& t) {
  Device d = t.device();
  std::string place = d.is_cpu() || d.is_meta() ? "" : str(device_type_name(d.type), ".");
  std::string layout = t.layout() == Layout::Strided  ? ""
                       : t.layout() == Layout::Sparse ? "sparse."
                                                      : str(name_of(t.layout()), ".");
  return str("torch.", place, layout, scalar_type_name(t.dtype()), "Tensor");
}

bool is_there(const Tensor& t, Device d) {
  Device now = t.device();
  return d.type == now.type && (d.is_cpu() || d.is_meta() || located(d) == now);
}

Tensor converted(const Tensor& t, std::optional<DType> dtype, std::optional<Device> device, bool copy) {
  if (!copy && (!dtype || *dtype == t.dtype()) && (!device || is_there(t, *device))) return t;
  IValue args[7] = {IValue::borrow(t), {}, {}, {}, {}, false, {}};
  if (dtype) args[1] = *dtype;
  if (device) args[3] = *device;
  return call_tensor(*op_to_copy, args);
}

Tensor tensor_from(PyObject* data, std::optional<DType> dtype, std::optional<Device> device) {
  if (is_tensor(data)) return converted(detached(unwrap(data)), dtype, device, true);
  if (is_numpy_array(data)) return converted(tensor_over_array(data), dtype, device, true);
  if (!PyList_Check(data) && !PyTuple_Check(data) && !is_numpy_scalar(data) &&
      PyObject_HasAttrString(data, "__array_interface__")) {
    Object array = check(PyObject_CallFunction(imported("numpy", "asarray"), "O", data));
    return converted(tensor_over_array(array.get()), dtype, device, true);
  }
  if (PyUnicode_Check(data)) throw TypeError("new(): invalid data type 'str'");
  if (!PyList_Check(data) && !PyTuple_Check(data) && !PyFloat_Check(data) && !PyLong_Check(data)) {
    std::optional<DType> of;
    if (Ref<Storage> memory; as_storage(data, memory, of))
      return converted(tensor_over(std::move(memory), of, dtype), {}, device);
  }
  Dims sizes = sizes_of(data);
  DType d = dtype ? *dtype : dtype_of_item(data);
  Tensor t = empty_tensor(sizes, d);
  if (t.numel()) store_sequence(static_cast<char*>(t.raw()), sizes, 0, d, data);
  return device && !device->is_cpu() ? converted(t, {}, device) : t;
}

PyObject* legacy_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    // A subclass with an __init__ of its own may take keywords; they are not for us.
    bool own = type == tensor_type;
    RL_CHECK(TypeError,
             !own || !kwargs || PyDict_GET_SIZE(kwargs) == 0 ||
                 (PyDict_GET_SIZE(kwargs) == 1 &&
                  (PyDict_GetItemString(kwargs, "device") || PyDict_GetItemString(kwargs, "requires_grad"))),
             "new() received an unexpected keyword argument");
    Tensor t = legacy(args, default_dtype());
    return own ? wrap(std::move(t)) : wrap_as(type, std::move(t));
  });
}

void bind_new(PyObject* module) {
  add_methods(module, functions);
  add_methods(tensor_type, methods);
}

}  // namespace rushlight::py
