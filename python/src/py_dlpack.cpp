// DLPack: memory shared with other frameworks through a capsule. The structures are those of the protocol's ABI, versions 0 and 1.
#include "bind.h"
#include "py_convert.h"
#include "py_new.h"
#include "rushlight/core/shared_memory.h"

namespace rushlight::py {
namespace {

struct DLDevice { int32_t type, id; };
struct DLDataType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t *shape, *strides;
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};
struct DLManagedTensorVersioned {
  uint32_t major, minor;
  void* context;
  void (*deleter)(DLManagedTensorVersioned*);
  uint64_t flags;  // bit 0: read-only, bit 1: a copy
  DLTensor tensor;
};
constexpr int kCpu = 1;
enum Code : uint8_t { kInt = 0, kUInt = 1, kFloat = 2, kBfloat = 4, kComplex = 5, kBool = 6 };

DLDataType to_dl(DType d) {
  constexpr std::pair<DType, uint8_t> eights[] = {{DType::Float8_e4m3fn, 10},
                                                  {DType::Float8_e4m3fnuz, 11},
                                                  {DType::Float8_e5m2, 12},
                                                  {DType::Float8_e5m2fnuz, 13},
                                                  {DType::Float8_e8m0fnu, 14}};
  uint8_t bits = uint8_t(item_size(d) * 8);
  for (auto [eight, code] : eights)
    if (d == eight) return {code, bits, 1};
  switch (info_of(d).kind) {
    case DTypeKind::Bool: return {kBool, bits, 1};
    case DTypeKind::Unsigned: return {kUInt, bits, 1};
    case DTypeKind::Signed: return {kInt, bits, 1};
    case DTypeKind::Complex: return {kComplex, bits, 1};
    case DTypeKind::Float: return {uint8_t(d == DType::BFloat16 ? kBfloat : kFloat), bits, 1};
    case DTypeKind::Quantized: break;
  }
  PyErr_SetString(PyExc_BufferError, "QUInt/QInt types are not supported by dlpack");
  throw ErrorSet{};
}

DType from_dl(DLDataType t) {
  for (const DTypeInfo& i : kDTypes) {
    if (i.kind == DTypeKind::Quantized) continue;
    DLDataType wanted = to_dl(i.dtype);
    if (wanted.code == t.code && wanted.bits == t.bits && t.lanes == 1) return i.dtype;
  }
  throw RuntimeError(
      str("from_dlpack: no dtype has code ", int(t.code), ", ", int(t.bits), " bits and ", int(t.lanes), " lanes"));
}

// What a capsule of ours points at: the structure, and what it borrows.
template <class Managed>
struct Exported {
  Managed managed{};
  Tensor tensor;
  Dims sizes, strides;
  std::shared_ptr<void> memory;
};

template <class Managed>
PyObject* export_as(const Tensor& t, const char* name) {
  auto* e = new Exported<Managed>{{}, t, t.sizes(), t.strides(), lend_memory(*t.impl()->storage())};
  DLTensor& d = e->managed.tensor;
  d = {t.raw(), {kCpu, 0}, int32_t(t.dim()), to_dl(t.dtype()), e->sizes.data(), e->strides.data(), 0};
  e->managed.context = e;
  e->managed.deleter = [](Managed* m) { delete static_cast<Exported<Managed>*>(m->context); };
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
    e->managed.major = 1;
    e->managed.flags = t.storage().read_only() ? 1 : 0;
  }
  // A capsule that nobody took still owns the structure; a taken one is renamed.
  PyObject* capsule = PyCapsule_New(&e->managed, name, [](PyObject* capsule) {
    constexpr const char* own = std::is_same_v<Managed, DLManagedTensor> ? "dltensor" : "dltensor_versioned";
    if (!PyCapsule_IsValid(capsule, own)) return;
    auto* m = static_cast<Managed*>(PyCapsule_GetPointer(capsule, own));
    m->deleter(m);
  });
  if (!capsule) delete e;
  return capsule;
}

PyObject* dlpack(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    static const char* names[] = {"stream", "max_version", "dl_device", "copy", nullptr};
    PyObject *stream = Py_None, *max_version = Py_None, *dl_device = Py_None, *copy = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$OOO:__dlpack__", const_cast<char**>(names), &stream,
                                     &max_version, &dl_device, &copy))
      return nullptr;
    RL_CHECK(TypeError, stream == Py_None || PyLong_Check(stream), "stream must be ``int`` or ``none``");
    const Tensor t = in_memory(unwrap(self), "__dlpack__");
    if (t.requires_grad()) {
      PyErr_SetString(PyExc_BufferError, "Can't export tensors that require gradient, use tensor.detach()");
      return nullptr;
    }
    RL_CHECK(RuntimeError, t.device().is_cpu(), "__dlpack__: only tensors on the CPU can be shared, this one is on ",
             t.device());
    Tensor shared = copy == Py_True ? converted(t, {}, {}, true) : t;
    long major = 0;
    if (max_version != Py_None) {
      Object first = check(PySequence_GetItem(max_version, 0));
      major = PyLong_AsLong(first.get());
      if (major == -1 && PyErr_Occurred()) return nullptr;
    }
    return major >= 1 ? export_as<DLManagedTensorVersioned>(shared, "dltensor_versioned")
                      : export_as<DLManagedTensor>(shared, "dltensor");
  });
}

template <class Managed>
Tensor import_from(PyObject* capsule, const char* name, const char* used) {
  auto* m = static_cast<Managed*>(PyCapsule_GetPointer(capsule, name));
  if (!m) throw ErrorSet{};
  bool read_only = false;
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
    RL_CHECK(RuntimeError, m->major == 1, "from_dlpack: the capsule is of version ", m->major,
             ", understood is version 1");
    read_only = m->flags & 1;
  }
  const DLTensor& d = m->tensor;
  RL_CHECK(RuntimeError, d.device.type == kCpu, "from_dlpack: memory of device type ", d.device.type,
           " cannot be shared; only the CPU's");
  DType dtype = from_dl(d.dtype);
  Dims sizes, strides;
  int64_t last = 0;
  bool any = true;
  for (int i = 0; i < d.ndim; i++) {
    RL_CHECK(RuntimeError, d.shape[i] >= 0, "from_dlpack: negative size ", d.shape[i]);
    sizes.push_back(d.shape[i]);
    any &= d.shape[i] > 0;
  }
  if (d.strides)
    for (int i = 0; i < d.ndim; i++) strides.push_back(d.strides[i]);
  else strides = contiguous_strides(sizes);
  for (int i = 0; i < d.ndim; i++) {
    RL_CHECK(RuntimeError, strides[size_t(i)] >= 0, "from_dlpack: negative strides are not supported");
    last += (sizes[size_t(i)] - 1) * strides[size_t(i)];
  }
  check_status(PyCapsule_SetName(capsule, used));
  std::shared_ptr<void> keep(m, [](void* p) {
    auto* managed = static_cast<Managed*>(p);
    if (!managed->deleter || !Py_IsInitialized()) return;
    GilAcquire gil;
    managed->deleter(managed);
  });
  size_t bytes = any ? size_t(last + 1) * size_t(item_size(dtype)) : 0;
  auto storage =
      make_ref<Storage>(static_cast<char*>(d.data) + d.byte_offset, bytes, Device(), std::move(keep), read_only);
  return Tensor(make_ref<TensorImpl>(std::move(storage), dtype, sizes, strides, 0));
}

PyObject* from_dlpack(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    Object capsule = Object::borrow(o);
    if (!PyCapsule_CheckExact(o)) {
      RL_CHECK(TypeError, PyObject_HasAttrString(o, "__dlpack__"),
               "from_dlpack: expected a DLPack capsule or an object with __dlpack__, got ", short_type_name(o));
      Object method = check(PyObject_GetAttrString(o, "__dlpack__")),
             kwargs = check(Py_BuildValue("{s:(ii)}", "max_version", 1, 0)), none = check(PyTuple_New(0));
      capsule = Object(PyObject_Call(method.get(), none.get(), kwargs.get()));
      if (!capsule && PyErr_ExceptionMatches(PyExc_TypeError)) {  // a producer of the first version
        PyErr_Clear();
        capsule = Object(PyObject_CallNoArgs(method.get()));
      }
      if (!capsule) return nullptr;
    }
    if (PyCapsule_IsValid(capsule.get(), "dltensor_versioned"))
      return wrap(
          import_from<DLManagedTensorVersioned>(capsule.get(), "dltensor_versioned", "used_dltensor_versioned"));
    RL_CHECK(RuntimeError, PyCapsule_IsValid(capsule.get(), "dltensor"),
             "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so you "
             "might have already constructed a tensor from it once.");
    return wrap(import_from<DLManagedTensor>(capsule.get(), "dltensor", "used_dltensor"));
  });
}

PyObject* to_dlpack(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    check_has_memory(expect_tensor(o, "to_dlpack(): the argument"), "to_dlpack");
    Object none = check(PyTuple_New(0));
    return dlpack(o, none.get(), nullptr);
  });
}

PyMethodDef functions[] = {
    {"from_dlpack", from_dlpack, METH_O,
     "from_dlpack(ext_tensor) -> Tensor\n\nA tensor over memory that another framework owns."},
    {"to_dlpack", to_dlpack, METH_O, "to_dlpack(tensor) -> capsule"},
    {},
};
PyMethodDef methods[] = {
    {"__dlpack__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(dlpack)), METH_VARARGS | METH_KEYWORDS,
     nullptr},
    {"__dlpack_device__", [](PyObject*, PyObject*) { return Py_BuildValue("(ii)", kCpu, 0); }, METH_NOARGS, nullptr},
    {},
};

}  // namespace

void bind_dlpack(PyObject* module) {
  add_methods(module, functions);
  add_methods(tensor_type, methods);
}

}  // namespace rushlight::py
