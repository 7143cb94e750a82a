// DLPack: memory shared with other frameworks through a capsule.
#include "bind.h"
#include "py_convert.h"
#include "py_new.h"
#include "rushlight/core/dlpack.h"

namespace rushlight::py {
namespace {

template <class Managed>
PyObject* export_as(const Tensor& t, const char* name) {
  if (info_of(t.dtype()).kind == DTypeKind::Quantized) {
    PyErr_SetString(PyExc_BufferError, "QUInt/QInt types are not supported by dlpack");
    throw ErrorSet{};
  }
  Managed* managed = to_dlpack<Managed>(t);
  // A capsule that nobody took still owns the structure; a taken one is renamed.
  PyObject* capsule = PyCapsule_New(managed, name, [](PyObject* capsule) {
    constexpr const char* own = std::is_same_v<Managed, DLManagedTensor> ? "dltensor" : "dltensor_versioned";
    if (!PyCapsule_IsValid(capsule, own)) return;
    auto* m = static_cast<Managed*>(PyCapsule_GetPointer(capsule, own));
    m->deleter(m);
  });
  if (!capsule) managed->deleter(managed);
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
  return rushlight::from_dlpack(*m, [&] {
    check_status(PyCapsule_SetName(capsule, used));
    return std::shared_ptr<void>(m, [](void* p) {
      auto* managed = static_cast<Managed*>(p);
      if (!managed->deleter || !Py_IsInitialized()) return;
      GilAcquire gil;
      managed->deleter(managed);
    });
  });
}

PyObject* from_capsule(PyObject*, PyObject* o) {
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

PyObject* as_capsule(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    check_has_memory(expect_tensor(o, "to_dlpack(): the argument"), "to_dlpack");
    Object none = check(PyTuple_New(0));
    return dlpack(o, none.get(), nullptr);
  });
}

PyMethodDef functions[] = {
    {"from_dlpack", from_capsule, METH_O,
     "from_dlpack(ext_tensor) -> Tensor\n\nA tensor over memory that another framework owns."},
    {"to_dlpack", as_capsule, METH_O, "to_dlpack(tensor) -> capsule"},
    {},
};
PyMethodDef methods[] = {
    {"__dlpack__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(dlpack)), METH_VARARGS | METH_KEYWORDS,
     nullptr},
    {"__dlpack_device__", [](PyObject*, PyObject*) { return Py_BuildValue("(ii)", int(kDLCPU), 0); }, METH_NOARGS,
     nullptr},
    {},
};

}  // namespace

void bind_dlpack(PyObject* module) {
  add_methods(module, functions);
  add_methods(tensor_type, methods);
}

}  // namespace rushlight::py
