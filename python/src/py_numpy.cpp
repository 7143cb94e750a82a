// Memory shared with numpy and other owners of buffers. numpy is neither linked nor imported before one of its arrays is met.
#include <array>
#include <bit>
#include <cstring>
#include <optional>

#include "py_convert.h"
#include "py_new.h"
#include "rushlight/core/notice.h"
#include "rushlight/core/shared_memory.h"

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <numpy/arrayobject.h>

namespace rushlight::py {
namespace {

// Gives back what memory was lent with, on whichever thread its last tensor ends.
template <class F>
void under_gil(F give_back) {
  if (!Py_IsInitialized()) return;
  std::optional<GilAcquire> gil;
  if (!PyGILState_Check()) gil.emplace();  // mostly it is held, and asking costs less than taking
  give_back();
}

struct HeldBuffer {
  Py_buffer view{};
  ~HeldBuffer() {
    if (view.obj) under_gil([&] { PyBuffer_Release(&view); });
  }
};

struct HeldArray {
  PyObject* array;
  explicit HeldArray(PyObject* lent) : array(Py_NewRef(lent)) {}
  HeldArray(const HeldArray&) = delete;
  ~HeldArray() {
    under_gil([&] { Py_DECREF(array); });
  }
};

// The dtype of numpy's letter for a kind and a size in bytes, or null.
const DTypeInfo* dtype_of_kind(char kind, npy_intp size) {
  static constexpr std::string_view kinds = "bcfiu";
  static constexpr size_t sizes = 17;
  static const auto table = [] {
    std::array<const DTypeInfo*, kinds.size() * sizes> all{};
    for (const DTypeInfo& i : kDTypes)
      if (i.numpy[0]) all[kinds.find(i.numpy[1]) * sizes + size_t(i.size)] = &i;
    return all;
  }();
  const size_t row = kinds.find(kind);
  return row < kinds.size() && size_t(size) < sizes ? table[row * sizes + size_t(size)] : nullptr;
}

std::string numpy_type(PyObject* array) {
  Object dtype{PyObject_GetAttrString(array, "dtype")};
  Object type{dtype ? PyObject_GetAttrString(dtype.get(), "type") : nullptr};
  Object name{type ? PyObject_GetAttrString(type.get(), "__name__") : nullptr};
  PyErr_Clear();
  return name ? "numpy." + std::string(text_of(name.get())) : "an unknown type";
}

[[noreturn]] void fail_dtype(PyObject* array) {
  throw TypeError(
      str("can't convert np.ndarray of type ", numpy_type(array),
          ". The only supported types are: float64, float32, float16, complex64, complex128, int64, int32, "
          "int16, int8, uint64, uint32, uint16, uint8, and bool. Hint: array.astype('float32') makes numbers of "
          "texts and objects, where all rows are of one length"));
}

const char* typestr(DType d) {
  const char* type = info_of(d).numpy;
  RL_CHECK(TypeError, *type, "Got unsupported ScalarType ", scalar_type_name(d),
           ". Hint: numpy has no such numbers: convert with x.float()");
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
      RL_CHECK(ValueError, PyObject_CheckBuffer(buffer), "object does not implement Python buffer protocol. Hint: ",
               "frombuffer() takes bytes, a bytearray, a memoryview or an array; torch.tensor takes a ",
               short_type_name(buffer));
      check_status(PyObject_GetBuffer(buffer, &held->view, PyBUF_SIMPLE));
    }
    static bool said = false;
    if (held->view.readonly && shall_warn(said))
      check_status(
          PyErr_WarnEx(PyExc_UserWarning,
                       "The given buffer is not writable. The tensor that shares its memory is for reading only: it "
                       "refuses to be written to; copy the buffer to a bytearray, or clone the tensor, to get one "
                       "that can be. This warning is shown once.",
                       1));
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
  if (PyArray_API) return PyArray_Check(o);
  for (PyTypeObject* t = Py_TYPE(o); t; t = t->tp_base)  // no import for what is not numpy's
    if (std::string_view(t->tp_name) == "numpy.ndarray") {
      check_status(PyArray_ImportNumPyAPI());
      return PyArray_Check(o);
    }
  return false;
}

Tensor tensor_over_array(PyObject* o) {
  auto* array = reinterpret_cast<PyArrayObject*>(o);
  const int64_t size = PyArray_ITEMSIZE(array);
  const DTypeInfo* type = dtype_of_kind(PyArray_DESCR(array)->kind, size);
  if (!type) fail_dtype(o);
  RL_CHECK(ValueError, PyArray_ISNBO(PyArray_DESCR(array)->byteorder),
           "given numpy array has byte order different from the native byte order. Conversion between byte orders is "
           "currently not supported.");
  const int shift = std::countr_zero(size_t(size));  // all sizes are powers of two
  Dims sizes, strides;
  int64_t last = 0;
  bool any = true;
  for (int i = 0; i < PyArray_NDIM(array); i++) {
    const int64_t n = PyArray_DIM(array, i), stride = PyArray_STRIDE(array, i);
    RL_CHECK(ValueError, stride >= 0,
             "At least one stride in the given numpy array is negative, and tensors with negative strides are not "
             "currently supported. "
             "(You can probably work around this by making a copy of your array  with array.copy().) ");
    RL_CHECK(ValueError, (stride & (size - 1)) == 0,
             "given numpy array strides not a multiple of the element byte size. Copy the numpy array to reallocate "
             "the memory.");
    sizes.push_back(n);
    strides.push_back(stride >> shift);
    any &= n > 0;
    last += (n - 1) * stride;
  }
  const bool read_only = !PyArray_ISWRITEABLE(array);
  if (read_only) {
    static bool said = false;
    if (shall_warn(said))
      check_status(
          PyErr_WarnEx(PyExc_UserWarning,
                       "The given NumPy array is not writable, and tensors that can't be written to (non-writable) "
                       "are for reading only: this one shares its memory and refuses to be written to; copy the "
                       "array, or clone the tensor, to get one that can be. This warning is shown once.",
                       1));
  }
  const size_t bytes = any ? size_t(last + size) : 0;
  auto storage = make_ref<Storage>(PyArray_DATA(array), bytes, Device(), std::make_shared<HeldArray>(o), read_only);
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
