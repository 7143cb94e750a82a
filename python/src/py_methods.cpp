// Methods of a tensor that are no operators: size, stride, item, tolist, to and its short forms, numpy, data_ptr, ...
#include "py_methods.h"

#include "py_new.h"
#include "py_op.h"
#include "py_override.h"
#include "py_storage.h"
#include "py_trace.h"
#include "rushlight/core/lazy_copy.h"

namespace rushlight::py {

namespace {

// Nested lists. Of a dimension longer than twice `edge` (if that is not negative) only the ends, with an Ellipsis between.
PyObject* of_list(const Tensor& t, const char* at, size_t dim, int64_t edge = -1) {
  if (dim == t.sizes().size()) {
    // One element, read where it lies.
    switch (t.dtype()) {
      case DType::Int64: return PyLong_FromLongLong(*reinterpret_cast<const int64_t*>(at));
      case DType::Float32: return PyFloat_FromDouble(*reinterpret_cast<const float*>(at));
      case DType::UInt64: return PyLong_FromUnsignedLongLong(*reinterpret_cast<const uint64_t*>(at));
      default: break;
    }
    Scalar v = read_number(t.dtype(), at);
    return v.is_bool()      ? PyBool_FromLong(v.to<bool>())
           : v.is_int()     ? PyLong_FromLongLong(v.to_int())
           : v.is_complex() ? PyComplex_FromDoubles(v.to<complex128>().real(), v.to<complex128>().imag())
                            : PyFloat_FromDouble(v.to_double());
  }
  int64_t n = t.sizes()[dim], step = t.strides()[dim] * t.item_size();
  bool cut = edge >= 0 && n > 2 * edge;
  Object list = check(PyList_New(Py_ssize_t(cut ? 2 * edge + 1 : n)));
  Py_ssize_t filled = 0;
  for (int64_t i = 0; i < n; i++) {
    if (cut && i == edge) {
      PyList_SET_ITEM(list.get(), filled++, Py_NewRef(Py_Ellipsis));
      i = n - edge;
      if (edge == 0) break;
    }
    PyList_SET_ITEM(list.get(), filled++, check(of_list(t, at + i * step, dim + 1, edge)).release());
  }
  return list.release();
}

// ---- geometry ----

PyObject* size_or_stride(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, bool strides) {
  return guarded([&]() -> PyObject* {
    const Tensor& t = unwrap(self);
    Py_ssize_t named = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    RL_CHECK(TypeError, nargs + named <= 1, strides ? "stride" : "size",
             "() takes from 0 to 1 positional arguments but ", nargs + named, " were given");
    if (nargs + named == 0 && !strides)
      if (PyObject* traced = told_sizes(t)) return traced;
    if (nargs + named == 0 || args[0] == Py_None) return strides ? wrap_ints(t.strides()) : wrap_size(t.sizes());
    int64_t d;
    RL_CHECK(TypeError, as_int(args[0], d), strides ? "stride" : "size",
             "(): argument 'dim' (position 1) must be int, not ", short_type_name(args[0]));
    int64_t n = t.dim();
    RL_CHECK(IndexError, n > 0, "Dimension specified as ", d, " but tensor has no dimensions");
    RL_CHECK(IndexError, d >= -n && d < n, "Dimension out of range (expected to be in range of [", -n, ", ", n - 1,
             "], but got ", d, ")");
    if (!strides)
      if (PyObject* traced = told_size(t, d < 0 ? d + n : d)) return traced;
    return PyLong_FromLongLong((strides ? t.strides() : t.sizes())[size_t(d < 0 ? d + n : d)]);
  });
}
PyObject* size(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kw) {
  return size_or_stride(self, args, nargs, kw, false);
}
PyObject* stride(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kw) {
  return size_or_stride(self, args, nargs, kw, true);
}

PyObject* dim(PyObject* s, PyObject*) { return PyLong_FromLongLong(unwrap(s).dim()); }
PyObject* numel(PyObject* s, PyObject*) {
  return guarded([&]() -> PyObject* {
    if (PyObject* traced = told_numel(unwrap(s))) return traced;
    return PyLong_FromLongLong(unwrap(s).numel());
  });
}
PyObject* element_size(PyObject* s, PyObject*) { return PyLong_FromLongLong(unwrap(s).item_size()); }
PyObject* storage_offset(PyObject* s, PyObject*) { return PyLong_FromLongLong(unwrap(s).storage_offset()); }
PyObject* data_ptr(PyObject* s, PyObject*) {
  return guarded([&] {
    const Tensor& t = unwrap(s);
    if (!t.device().is_meta()) check_has_memory(t, "data_ptr");
    if (t.numel() && !t.device().is_meta()) materialize(t.storage());  // whoever asks may write there
    return PyLong_FromVoidPtr(t.numel() ? t.raw() : nullptr);
  });
}

// One keyword or positional argument of a kind; absent: null.
PyObject* only_argument(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, const char* function,
                        const char* name) {
  Py_ssize_t named = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  RL_CHECK(TypeError, nargs + named <= 1, function, "() takes from 0 to 1 arguments but ", nargs + named,
           " were given");
  if (named)
    RL_CHECK(TypeError, text_of(PyTuple_GET_ITEM(kwnames, 0)) == name, function,
             "() got an unexpected keyword argument '", text_of(PyTuple_GET_ITEM(kwnames, 0)), "'");
  return nargs + named ? args[0] : nullptr;
}

PyObject* is_contiguous(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  return guarded([&]() -> PyObject* {
    PyObject* format = only_argument(args, nargs, kwnames, "is_contiguous", "memory_format");
    RL_CHECK(TypeError, !format || is_memory_format(format),
             "is_contiguous(): argument 'memory_format' (position 1) must be torch.memory_format, not ",
             short_type_name(format));
    return PyBool_FromLong(
        unwrap(self).is_contiguous(format ? MemoryFormat(enum_value(format)) : MemoryFormat::Contiguous));
  });
}

PyObject* predicate(PyObject* self, bool (*f)(DType)) { return PyBool_FromLong(f(unwrap(self).dtype())); }
PyObject* is_floating_point(PyObject* s, PyObject*) { return predicate(s, is_floating); }
PyObject* is_complex_(PyObject* s, PyObject*) { return predicate(s, is_complex); }
PyObject* is_signed_(PyObject* s, PyObject*) { return predicate(s, is_signed); }

PyObject* is_set_to(PyObject* self, PyObject* other) {
  return guarded([&] {
    const Tensor &a = unwrap(self), &b = expect_tensor(other, "is_set_to(): the argument");
    return PyBool_FromLong(a.impl()->storage() == b.impl()->storage() && a.storage_offset() == b.storage_offset() &&
                           a.sizes() == b.sizes() && a.strides() == b.strides());
  });
}

// ---- values ----

PyObject* py_item(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    const Tensor& t = unwrap(self);
    IValue v = read_element(t, Read::Number);
    if (!v.is_double()) return to_python(v);
    // Beyond int64 values have only floats.
    if (t.dtype() == DType::UInt64) return PyLong_FromUnsignedLongLong(*t.data<uint64_t>());
    return PyFloat_FromDouble(v.to_double());
  });
}
PyObject* py_tolist(PyObject* self, PyObject*) {
  return guarded([&] {
    tell_read(unwrap(self), Read::List);
    return tolist(unwrap(self));
  });
}

PyObject* numpy(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  return guarded([&]() -> PyObject* {
    PyObject* force = only_argument(args, nargs, kwnames, "numpy", "force");
    const Tensor& t = unwrap(self);
    RL_CHECK(RuntimeError, !(t.requires_grad() && thread_state.grad_enabled) || force == Py_True,
             "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.");
    if (force == Py_True && !t.device().is_cpu()) return numpy_over(converted(t, {}, Device()));
    return numpy_over(t);
  });
}
PyObject* array(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    static const char* names[] = {"dtype", "copy", nullptr};
    PyObject *dtype = Py_None, *copy = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$O:__array__", const_cast<char**>(names), &dtype, &copy))
      return nullptr;
    RL_CHECK(RuntimeError, !(unwrap(self).requires_grad() && thread_state.grad_enabled),
             "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.");
    Object out = check(numpy_over(unwrap(self)));
    if (dtype != Py_None) out = check(PyObject_CallMethod(out.get(), "astype", "O", dtype));
    else if (copy == Py_True) out = check(PyObject_CallMethod(out.get(), "copy", nullptr));
    return out.release();
  });
}

// ---- to ----

struct Wanted {
  std::optional<DType> dtype;
  std::optional<Device> device;
  IValue memory_format;
  bool copy = false, non_blocking = false;
};

PyObject* change(PyObject* self, const Wanted& w) {
  const Tensor& t = unwrap(self);
  bool same = (!w.dtype || *w.dtype == t.dtype()) && (!w.device || is_there(t, *w.device)) && !w.copy;
  if (same && w.memory_format.is_int())
    same = w.memory_format.to_int() == int(MemoryFormat::Preserve) ||
           t.is_contiguous(MemoryFormat(w.memory_format.to_int()));
  if (same && !watched()) return Py_NewRef(self);
  static OpRef to_dtype("to.dtype"), to_device("to.device"), to_copy("_to_copy");
  if (w.device && !w.dtype && watched()) {
    IValue args[6] = {IValue::borrow(t), *w.device, t.dtype(), w.non_blocking, w.copy, w.memory_format};
    return call_one(*to_device, args);
  }
  if (w.device) {
    IValue args[6] = {IValue::borrow(t), *w.device, w.dtype.value_or(t.dtype()),
                      w.non_blocking,    w.copy,    w.memory_format};
    return call_one(*to_device, args);
  }
  IValue args[5] = {IValue::borrow(t), w.dtype.value_or(t.dtype()), w.non_blocking, w.copy, w.memory_format};
  return call_one(*to_dtype, args);
}

// to(dtype), to(device), to(device, dtype), to(other), each with non_blocking, copy and memory_format.
PyObject* to(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  return guarded([&]() -> PyObject* {
    Wanted w;
    auto fail = [](PyObject* o) {
      throw TypeError(str("to() received an invalid combination of arguments - got (", short_type_name(o),
                          "), but expected one of:\n * (torch.device device = None, torch.dtype dtype = None, bool "
                          "non_blocking = False, bool copy = False, *, "
                          "torch.memory_format memory_format = None)\n * (torch.dtype dtype, bool non_blocking = "
                          "False, bool copy = False, *, torch.memory_format "
                          "memory_format = None)\n * (Tensor tensor, bool non_blocking = False, bool copy = False, *, "
                          "torch.memory_format memory_format = None)\n"));
    };
    Py_ssize_t i = 0;
    if (nargs > 0) {
      DType dtype;
      Device device;
      if (is_tensor(args[0])) {
        w.dtype = unwrap(args[0]).dtype();
        w.device = unwrap(args[0]).device();
        i = 1;
      } else if (as_dtype(args[0], dtype)) {
        w.dtype = dtype;
        i = 1;
      } else if (args[0] == Py_None || as_device(args[0], device)) {
        if (args[0] != Py_None) w.device = device;
        i = 1;
        if (nargs > 1 && !PyBool_Check(args[1])) {
          if (args[1] != Py_None) {
            if (!as_dtype(args[1], dtype)) fail(args[1]);
            w.dtype = dtype;
          }
          i = 2;
        }
      } else {
        fail(args[0]);
      }
    }
    bool* flags[] = {&w.non_blocking, &w.copy};
    for (int k = 0; i < nargs; i++, k++)
      if (k > 1 || !as_bool(args[i], *flags[k])) fail(args[i]);
    for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); k++) {
      std::string_view key = text_of(PyTuple_GET_ITEM(kwnames, k));
      PyObject* v = args[nargs + k];
      DType dtype;
      Device device;
      if (key == "dtype") {
        if (v == Py_None) continue;
        if (!as_dtype(v, dtype)) fail(v);
        w.dtype = dtype;
      } else if (key == "device") {
        if (v == Py_None) continue;
        if (!as_device(v, device)) fail(v);
        w.device = device;
      } else if (key == "non_blocking" || key == "copy") {
        if (!as_bool(v, *flags[key == "copy"])) fail(v);
      } else if (key == "memory_format") {
        if (v == Py_None) continue;
        if (!is_memory_format(v)) fail(v);
        w.memory_format = enum_value(v);
      } else if (key == "other" || key == "tensor") {
        w.dtype = expect_tensor(v, "to(): the argument").dtype();
        w.device = unwrap(v).device();
      } else {
        throw TypeError(str("to() got an unexpected keyword argument '", key, "'"));
      }
    }
    return change(self, w);
  });
}

template <DType D>
PyObject* cast(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  return guarded([&]() -> PyObject* {
    PyObject* format = only_argument(args, nargs, kwnames, name_of(D).data(), "memory_format");
    Wanted w{.dtype = D};
    if (format && format != Py_None) {
      RL_CHECK(TypeError, is_memory_format(format), name_of(D),
               "(): argument 'memory_format' must be torch.memory_format, not ", short_type_name(format));
      w.memory_format = enum_value(format);
    }
    return change(self, w);
  });
}
PyObject* cpu(PyObject* self, PyObject*, PyObject*) {
  return guarded([&] { return change(self, {.device = Device()}); });
}
PyObject* cuda(PyObject* self, PyObject*, PyObject*) {
  return guarded([&] { return change(self, {.device = Device{DeviceType::Cuda, -1}}); });
}

PyObject* type(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    static const char* names[] = {"dtype", "non_blocking", nullptr};
    PyObject* dtype = Py_None;
    int non_blocking = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|Op:type", const_cast<char**>(names), &dtype, &non_blocking))
      return nullptr;
    if (dtype == Py_None) return to_str(tensor_type_text(unwrap(self)));
    DType d;
    if (as_dtype(dtype, d)) return change(self, {.dtype = d});
    if (dtype == reinterpret_cast<PyObject*>(tensor_type)) return change(self, {.dtype = default_dtype()});
    // A name ("torch.FloatTensor") or a type with a dtype of its own.
    Object text = PyUnicode_Check(dtype) ? Object::borrow(dtype) : check(PyObject_GetAttrString(dtype, "dtype"));
    if (as_dtype(text.get(), d)) return change(self, {.dtype = d});
    std::string_view name = text_of(text.get());
    if (name.starts_with("torch.") && name.ends_with("Tensor") &&
        dtype_from_scalar_type(name.substr(6, name.size() - 12), d))
      return change(self, {.dtype = d});
    throw ValueError(str("invalid type: '", text_of(text.get()), "'"));
  });
}

PyObject* untyped_storage(PyObject* self, PyObject*) {
  return guarded([&] { return wrap(in_memory(unwrap(self), "untyped_storage").impl()->storage()); });
}

PyObject* requires_grad_(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  return guarded([&]() -> PyObject* {
    PyObject* on = only_argument(args, nargs, kwnames, "requires_grad_", "requires_grad");
    RL_CHECK(TypeError, !on || PyBool_Check(on),
             "requires_grad_(): argument 'requires_grad' (position 1) must be bool, not ", short_type_name(on));
    check_status(PyObject_SetAttrString(self, "requires_grad", on ? on : Py_True));
    return Py_NewRef(self);
  });
}

// set_(storage, offset, size, stride) and the tensor's own memory: what unpickling needs.
PyObject* rebuild(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *storage, *sizes, *strides, *dtype;
    long long offset;
    if (!PyArg_ParseTuple(args, "OOLOO:_rebuild", &storage, &dtype, &offset, &sizes, &strides)) return nullptr;
    DType d;
    RL_CHECK(TypeError, as_dtype(dtype, d), "_rebuild: expected a dtype");
    IValue size_list = from_python(sizes, *Type::list(Type::integer())),
           stride_list = from_python(strides, *Type::list(Type::integer()));
    RL_CHECK(RuntimeError, size_list.int_list().size() == stride_list.int_list().size(),
             "_rebuild: sizes and strides differ in number");
    Ref<Storage> s = expect_storage(storage);
    Tensor whole(make_ref<TensorImpl>(s, d, IntArrayRef(int64_t(s->bytes()) / item_size(d))));
    return wrap(alias_tensor(whole, size_list.int_list(), stride_list.int_list(), offset));
  });
}

Py_ssize_t mp_length(PyObject* self) {
  return guarded<Py_ssize_t>(-1, [&] {
    if (overridden(&self, 1)) [[unlikely]] {
      Object answer = check(call_override(tensor_entry("__len__"), &self, 1, nullptr));
      Py_ssize_t n = PyNumber_AsSsize_t(answer.get(), PyExc_OverflowError);
      if (n == -1 && PyErr_Occurred()) throw ErrorSet{};
      return n;
    }
    RL_CHECK(TypeError, unwrap(self).dim() > 0, "len() of a 0-d tensor");
    tell_read(unwrap(self), Read::Length);
    return Py_ssize_t(unwrap(self).sizes()[0]);
  });
}

template <class F>
PyCFunction as_function(F f) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f));
}
constexpr int kFast = METH_FASTCALL | METH_KEYWORDS, kTuple = METH_VARARGS | METH_KEYWORDS;

PyMethodDef methods[] = {
    {"size", as_function(over<size>), kFast,
     "size(dim=None) -> torch.Size or int: the shape, or the size of one dimension."},
    {"stride", as_function(over<stride>), kFast,
     "stride(dim=None) -> tuple or int: how many elements lie between neighbours of each dimension, or of one."},
    {"dim", over<dim>, METH_NOARGS, "dim() -> int: the number of dimensions."},
    {"ndimension", over<dim>, METH_NOARGS, "ndimension() -> int: the number of dimensions, as dim()."},
    {"numel", over<numel>, METH_NOARGS, "numel() -> int: the number of elements."},
    {"nelement", over<numel>, METH_NOARGS, "nelement() -> int: the number of elements, as numel()."},
    {"element_size", over<element_size>, METH_NOARGS, "element_size() -> int: the bytes of one element."},
    {"storage_offset", over<storage_offset>, METH_NOARGS,
     "storage_offset() -> int: where in its storage the first element lies, counted in elements."},
    {"data_ptr", over<data_ptr>, METH_NOARGS,
     "data_ptr() -> int: the address of the first element; 0 for tensors without memory."},
    {"is_contiguous", as_function(over<is_contiguous>), kFast,
     "is_contiguous(memory_format=torch.contiguous_format) -> bool: whether the elements lie in memory in that order, "
     "without gaps."},
    {"is_floating_point", over<is_floating_point>, METH_NOARGS,
     "is_floating_point() -> bool: whether the dtype is a real floating point one."},
    {"is_complex", over<is_complex_>, METH_NOARGS, "is_complex() -> bool: whether the dtype is a complex one."},
    {"is_signed", over<is_signed_>, METH_NOARGS, "is_signed() -> bool: whether the dtype holds negative numbers."},
    {"is_set_to", over<is_set_to>, METH_O,
     "is_set_to(tensor) -> bool: whether both are the same memory seen with the same sizes, strides and offset."},
    {"item", over<py_item>, METH_NOARGS,
     "item() -> number: the only element, as a Python number. RuntimeError for tensors of more elements or none."},
    {"tolist", over<py_tolist>, METH_NOARGS,
     "tolist() -> list or number: the elements in nested lists; of a 0-d tensor the number."},
    {"numpy", as_function(over<numpy>), kFast,
     "numpy(*, force=False) -> numpy.ndarray over the same memory. RuntimeError for tensors that require gradients, "
     "unless force=True, which detaches and copies where it must."},
    {"__array__", as_function(over<array>), kTuple, nullptr},
    {"to", as_function(over<to>), kFast,
     "to(dtype), to(device, dtype=None) or to(other), each with non_blocking=False, copy=False and memory_format: the "
     "tensor with that dtype on that device; itself where nothing changes, unless copy=True."},
    {"type", as_function(over<type>), kTuple,
     "type(dtype=None) -> str or Tensor: the name of the tensor's type (\"torch.FloatTensor\"), or the tensor "
     "converted to dtype."},
    {"cpu", as_function(over<cpu>), kTuple,
     "cpu() -> Tensor: the tensor in the memory of the CPU; itself where it is there."},
    {"cuda", as_function(over<cuda>), kTuple, "cuda(device=None): AssertionError, as this build has no CUDA."},
    {"requires_grad_", as_function(over<requires_grad_>), kFast,
     "requires_grad_(requires_grad=True) -> Tensor: says, in place, whether gradients of this leaf are wanted. "
     "RuntimeError for integers, and for results of operators."},
    {"untyped_storage", over<untyped_storage>, METH_NOARGS,
     "untyped_storage() -> torch.UntypedStorage: the bytes that this tensor and its views share."},
    {"_rebuild", rebuild, METH_VARARGS | METH_STATIC, "_rebuild(storage, dtype, offset, sizes, strides) -> Tensor"},
    {},
};

}  // namespace

PyObject* tolist(const Tensor& given) {
  Tensor t = in_memory(given, "tolist");
  RL_CHECK(NotImplementedError, !t.device().is_meta(), "Cannot copy out of meta tensor; no data!");
  Tensor here = converted(t, {}, Device());
  return of_list(here, static_cast<const char*>(here.raw()), 0);
}

PyType_Slot length_slot = {Py_mp_length, reinterpret_cast<void*>(mp_length)};

// x.float(), x.long(), x.cdouble(): of the dtypes that are computed with by PyTorch's own names, of complex ones by their short names.
static std::vector<PyMethodDef>& cast_methods() {
  static auto& out = *new std::vector<PyMethodDef>;
  auto add = [](DType d, PyCFunction f) {
    const DTypeInfo& i = info_of(d);
    if (!i.computed && i.kind != DTypeKind::Complex) return;
    auto* name = new std::string(i.kind == DTypeKind::Complex ? i.alias : i.scalar_type);
    for (char& c : *name) c = char(std::tolower(static_cast<unsigned char>(c)));
    auto* doc = new std::string(str("The tensor as ", i.name, "; itself where it has that dtype."));
    out.push_back({name->c_str(), f, kFast, doc->c_str()});
  };
#define RL_ENTRY(Name, ...) add(DType::Name, as_function(over<cast<DType::Name>>));
  RL_DTYPES(RL_ENTRY)
#undef RL_ENTRY
  out.push_back({});
  return out;
}

void bind_tensor_methods(PyTypeObject* type) {
  add_methods(type, methods);
  add_methods(type, cast_methods().data());
}

void bind_methods(PyObject* module) {
  static PyMethodDef functions[] = {
      {"_nested",
       [](PyObject*, PyObject* args) -> PyObject* {
         PyObject* o;
         long long edge;
         if (!PyArg_ParseTuple(args, "OL:_nested", &o, &edge)) return nullptr;
         return guarded([&] {
           Tensor t = converted(in_memory(expect_tensor(o, "_nested: the argument"), "printing"), {}, Device());
           return of_list(t, static_cast<const char*>(t.raw()), 0, edge);
         });
       },
       METH_VARARGS, "_nested(tensor, edge) -> list, with ... for what lies between the ends"},
      {},
  };
  add_methods(module, functions);
}

PyObject* tensor_repr(PyObject* self) {
  return guarded([&] {
    if (overridden(&self, 1)) [[unlikely]]
      return call_override(tensor_entry("__repr__"), &self, 1, nullptr);
    return PyObject_CallOneArg(imported("rushlight._tensor_str", "_str"), self);
  });
}

}  // namespace rushlight::py
