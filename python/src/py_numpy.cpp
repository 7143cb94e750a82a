// Memory shared with numpy and other owners of buffers. numpy is neither linked nor imported before a tensor becomes an array.
#include <array>
#include <bit>
#include <cstring>
#include <optional>

#include "py_convert.h"
#include "py_new.h"
#include "rushlight/core/notice.h"
#include "rushlight/core/shared_memory.h"

namespace rushlight::py {
namespace {

// Keeps a buffer's owner alive; given back under the GIL.
struct HeldBuffer {
  Py_buffer view{};
  ~HeldBuffer() {
    if (!view.obj || !Py_IsInitialized()) return;
    std::optional<GilAcquire> gil;
    if (!PyGILState_Check()) gil.emplace();  // mostly it is held, and asking costs less than taking
    PyBuffer_Release(&view);
  }
};

// numpy's own letter for the kind, by that of Python's struct; the size says the rest. 0: none that tensors have.
char kind_of_format(const char* format) {
  if (!format) return 'u';
  if (*format == '@' || *format == '=' || *format == '<' || *format == '|') format++;
  if (format[0] == 'Z' && format[1] && !format[2]) return 'c';
  if (!format[0] || format[1]) return 0;
  switch (format[0]) {
    case '?': return 'b';
    case 'e':
    case 'f':
    case 'd': return 'f';
    case 'b':
    case 'h':
    case 'i':
    case 'l':
    case 'q':
    case 'n': return 'i';
    case 'B':
    case 'H':
    case 'I':
    case 'L':
    case 'Q':
    case 'N': return 'u';
    default: return 0;
  }
}

// The dtype of numpy's kind and size, or null.
const DTypeInfo* dtype_of_format(const char* format, Py_ssize_t itemsize) {
  static constexpr std::string_view kinds = "bcfiu";
  static constexpr size_t sizes = 17;
  static const auto table = [] {
    std::array<const DTypeInfo*, kinds.size() * sizes> all{};
    for (const DTypeInfo& i : kDTypes)
      if (i.numpy[0]) all[kinds.find(i.numpy[1]) * sizes + size_t(i.size)] = &i;
    return all;
  }();
  const size_t kind = kinds.find(kind_of_format(format));
  return kind < kinds.size() && size_t(itemsize) < sizes ? table[kind * sizes + size_t(itemsize)] : nullptr;
}

std::string numpy_type(PyObject* array) {
  Object dtype{PyObject_GetAttrString(array, "dtype")};
  Object type{dtype ? PyObject_GetAttrString(dtype.get(), "type") : nullptr};
  Object name{type ? PyObject_GetAttrString(type.get(), "__name__") : nullptr};
  PyErr_Clear();
  return name ? "numpy." + std::string(text_of(name.get())) : "an unknown type";
}

[[noreturn]] void fail_dtype(PyObject* array) {
  throw TypeError(str("can't convert np.ndarray of type ", numpy_type(array),
                      ". The only supported types are: float64, float32, float16, complex64, complex128, int64, int32, "
                      "int16, int8, uint64, uint32, uint16, uint8, and bool."));
}

const char* typestr(DType d) {
  const char* type = info_of(d).numpy;
  RL_CHECK(TypeError, *type, "Got unsupported ScalarType ", scalar_type_name(d));
  return type;
}

// What numpy asks for an array: holds the tensor alive as the array's base.
struct ArraySource {
  PyObject_HEAD PyObject* interface;
  TensorImpl* impl;               // owned
  std::shared_ptr<void>* memory;  // owned
};
PyTypeObject* source_type;

void source_dealloc(PyObject* self) {
  auto* s = reinterpret_cast<ArraySource*>(self);
  PyTypeObject* type = Py_TYPE(self);
  Py_XDECREF(s->interface);
  if (s->impl) s->impl->release();
  delete s->memory;
  PyObject_Free(self);
  Py_DECREF(type);
}
PyGetSetDef source_getset[] = {
    {"__array_interface__",
     [](PyObject* self, void*) { return Py_NewRef(reinterpret_cast<ArraySource*>(self)->interface); }, nullptr, nullptr,
     nullptr},
    {},
};

PyObject* frombuffer(PyObject*, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    static const char* names[] = {"buffer", "dtype", "count", "offset", "requires_grad", nullptr};
    PyObject *buffer, *dtype;
    long long count = -1, offset = 0;
    int requires_grad = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$OLLp:frombuffer", const_cast<char**>(names), &buffer, &dtype,
                                     &count, &offset, &requires_grad))
      return nullptr;
    DType d;
    RL_CHECK(TypeError, as_dtype(dtype, d), "frombuffer(): argument 'dtype' must be torch.dtype, not ",
             short_type_name(dtype));
    auto held = std::make_shared<HeldBuffer>();
    if (PyObject_GetBuffer(buffer, &held->view, PyBUF_WRITABLE) < 0) {
      PyErr_Clear();
      check_status(PyObject_GetBuffer(buffer, &held->view, PyBUF_SIMPLE));
    }
    const Py_buffer& v = held->view;
    int64_t size = item_size(d);
    RL_CHECK(ValueError, v.len > 0 && count != 0, "both buffer length (", v.len, ") and count (", count,
             ") must not be 0");
    RL_CHECK(ValueError, offset >= 0 && offset < v.len, "offset (", offset,
             " bytes) must be non-negative and no greater than buffer length (", v.len, " bytes) minus 1");
    RL_CHECK(ValueError, count > 0 || (v.len - offset) % size == 0, "buffer length (", v.len - offset,
             " bytes) after offset (", offset, " bytes) must be a multiple of element size (", size, ")");
    if (count < 0) count = (v.len - offset) / size;
    RL_CHECK(ValueError, count <= (v.len - offset) / size, "requested buffer length (", count, " * ", size,
             " bytes) after offset (", offset, " bytes) must not be greater than actual buffer length (", v.len,
             " bytes)");
    bool read_only = v.readonly;
    auto storage = make_ref<Storage>(static_cast<char*>(v.buf) + offset, size_t(count * size), Device(),
                                     std::move(held), read_only);
    Tensor t(make_ref<TensorImpl>(std::move(storage), d, IntArrayRef(int64_t(count))));
    t.impl()->set_requires_grad(requires_grad);
    return wrap(std::move(t));
  });
}

PyMethodDef functions[] = {
    {"frombuffer", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(frombuffer)),
     METH_VARARGS | METH_KEYWORDS, "frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False) -> Tensor"},
    {},
};

}  // namespace

bool is_numpy_array(PyObject* o) {
  static PyTypeObject* ndarray = nullptr;  // kept once seen: nobody unloads numpy. Under the GIL.
  if (Py_TYPE(o) == ndarray) return true;
  for (PyTypeObject* t = Py_TYPE(o); t; t = t->tp_base)
    if (std::string_view(t->tp_name) == "numpy.ndarray") {
      if (t == Py_TYPE(o)) Py_XSETREF(ndarray, reinterpret_cast<PyTypeObject*>(Py_NewRef(t)));
      return true;
    }
  return false;
}

Tensor tensor_over_array(PyObject* array) {
  auto held = std::make_shared<HeldBuffer>();
  if (PyObject_GetBuffer(array, &held->view, PyBUF_STRIDES | PyBUF_FORMAT) < 0) {
    PyErr_Clear();
    fail_dtype(array);
  }
  const Py_buffer& v = held->view;
  RL_CHECK(ValueError, !v.format || (v.format[0] != '>' && v.format[0] != '!') || v.itemsize == 1,
           "given numpy array has byte order different from the native byte order. Conversion between byte orders is "
           "currently not supported.");
  const DTypeInfo* type = dtype_of_format(v.format, v.itemsize);
  if (!type) fail_dtype(array);
  const int shift = std::countr_zero(size_t(v.itemsize));  // all sizes are powers of two
  Dims sizes, strides;
  int64_t last = 0;
  bool any = true;
  for (int i = 0; i < v.ndim; i++) {
    RL_CHECK(ValueError, v.strides[i] >= 0,
             "At least one stride in the given numpy array is negative, and tensors with negative strides are not "
             "currently supported. "
             "(You can probably work around this by making a copy of your array  with array.copy().) ");
    RL_CHECK(ValueError, (v.strides[i] & (v.itemsize - 1)) == 0,
             "given numpy array strides not a multiple of the element byte size. Copy the numpy array to reallocate "
             "the memory.");
    sizes.push_back(v.shape[i]);
    strides.push_back(v.strides[i] >> shift);
    any &= v.shape[i] > 0;
    last += (v.shape[i] - 1) * v.strides[i];
  }
  if (v.readonly) {
    static bool said = false;
    if (shall_warn(said))
      check_status(
          PyErr_WarnEx(PyExc_UserWarning,
                       "The given NumPy array is not writable, and tensors that can't be written to (non-writable) "
                       "are for reading only: this one shares its memory and refuses to be written to; copy the "
                       "array, or clone the tensor, to get one that can be. This warning is shown once.",
                       1));
  }
  size_t bytes = any ? size_t(last + v.itemsize) : 0;
  void* data = v.buf;
  bool read_only = v.readonly;
  auto storage = make_ref<Storage>(data, bytes, Device(), std::move(held), read_only);
  return Tensor(make_ref<TensorImpl>(std::move(storage), type->dtype, sizes, strides, 0));
}

PyObject* numpy_over(const Tensor& t) {
  RL_CHECK(TypeError, !t.impl()->parts(), "can't convert a tensor of layout ", t.layout(),
           " to numpy. Use Tensor.to_dense() first.");
  check_has_memory(t, "numpy");
  RL_CHECK(TypeError, t.device().is_cpu(), "can't convert ", t.device(),
           " device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.");
  auto memory = lend_memory(*t.impl()->storage());
  int64_t size = t.item_size();
  Object shape = check(wrap_ints(t.sizes()));
  Dims byte_strides(t.strides());
  for (int64_t& s : byte_strides) s *= size;
  Object strides = check(wrap_ints(byte_strides));
  static const char empty = 0;  // an array needs an address even if it has no elements
  const void* data = t.numel() ? t.raw() : &empty;
  Object interface = check(Py_BuildValue("{s:i,s:s,s:O,s:O,s:(KO)}", "version", 3, "typestr", typestr(t.dtype()),
                                         "shape", shape.get(), "strides", strides.get(), "data",
                                         static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(data)),
                                         t.storage().read_only() ? Py_True : Py_False));
  ArraySource* source = PyObject_New(ArraySource, source_type);
  if (!source) throw ErrorSet{};
  source->interface = interface.release();
  source->impl = Ref<TensorImpl>(t.ref()).leak();
  source->memory = new std::shared_ptr<void>(std::move(memory));
  Object owned{reinterpret_cast<PyObject*>(source)};
  return PyObject_CallOneArg(imported("numpy", "asarray"), owned.get());
}

void bind_numpy(PyObject* module) {
  PyType_Slot slots[] = {
      {Py_tp_dealloc, reinterpret_cast<void*>(source_dealloc)}, {Py_tp_getset, source_getset}, {0, nullptr}};
  PyType_Spec spec = {"rushlight._C._ArraySource", sizeof(ArraySource), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  source_type = reinterpret_cast<PyTypeObject*>(check(PyType_FromSpec(&spec)).release());
  add_methods(module, functions);
}

}  // namespace rushlight::py
