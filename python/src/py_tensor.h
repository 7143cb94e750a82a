// rushlight.Tensor: the Python object around a TensorImpl.
//
// Note [Identity]: a TensorImpl points at its live object (py_object, borrowed), so one tensor is always one object. When the object
// would die while C++ still holds the tensor, an object that carries state (attributes, a subclass) is kept: the TensorImpl takes it
// over (owns_py_object) and the object gives up its hold on the TensorImpl; showing the tensor to Python again turns that back. A
// plain object is let go and made anew.
#pragma once
#include "py.h"
#include "rushlight/core/tensor.h"

namespace rushlight::py {

// See Note [Cycles] in py_cycles.h: the references of a C++ object that a collection knows.
struct CountedRefs { uint32_t collection, refs; };

struct PyTensor {
  PyObject_HEAD TensorImpl* impl;  // owned unless impl->owns_py_object; null only while being made
  PyObject* dict;
  PyObject* weakrefs;
  PyObject* shape;  // what x.shape last gave; valid while it equals the sizes
  CountedRefs counted;
};
static_assert(sizeof(Tensor) == sizeof(TensorImpl*));

extern PyTypeObject* tensor_type;

inline bool is_tensor_exact(PyObject* o) { return Py_TYPE(o) == tensor_type; }
inline bool is_tensor(PyObject* o) { return Py_TYPE(o) == tensor_type || PyType_IsSubtype(Py_TYPE(o), tensor_type); }
// REQUIRES: is_tensor(o). The handle lives in the object.
inline const Tensor& unwrap(PyObject* o) {
  return reinterpret_cast<const Tensor&>(reinterpret_cast<PyTensor*>(o)->impl);
}

// Shows the object to the collector of cycles; plain tensors that no graph leads to stay out of its way.
inline void track(PyObject* tensor) {
  if (!PyObject_GC_IsTracked(tensor)) PyObject_GC_Track(tensor);
}

PyObject* wrap_fresh(Ref<TensorImpl> impl);
PyObject* wrap_owned_back(Ref<TensorImpl> impl);

// A new reference to the tensor's object; None for an undefined tensor. Null with an error set if there is no memory.
inline PyObject* wrap(Tensor t) {
  TensorImpl* impl = t.impl();
  if (!impl) Py_RETURN_NONE;
  if (!impl->py_object) return wrap_fresh(t.ref());
  if (impl->owns_py_object) [[unlikely]]
    return wrap_owned_back(t.ref());
  return Py_NewRef(static_cast<PyObject*>(impl->py_object));
}
// A new object of a subclass of rushlight.Tensor. Throws RuntimeError if the tensor has an object already.
PyObject* wrap_as(PyTypeObject* type, Tensor t);

// What the package's other extension modules need of _C; in the capsule _C._tensor_api.
struct TensorApi {
  PyTypeObject* type;
  PyObject* (*wrap)(Tensor);
  void (*set_error)() noexcept;  // set_error_from_exception
};

// The argument as a tensor. Throws TypeError naming `what`.
const Tensor& expect_tensor(PyObject* o, const char* what);

void bind_tensor(PyObject* module);
void bind_tensor_attributes(PyTypeObject* type);  // py_attributes.cpp
void bind_tensor_methods(PyTypeObject* type);     // py_methods.cpp

// Adds to a type after it was made, keeping what stands there already.
void add_methods(PyTypeObject* type, PyMethodDef* methods);
void add_getset(PyTypeObject* type, PyGetSetDef* getset);

// Number protocol, py_number.cpp; indexing, py_indexing.cpp; construction, py_new.cpp.
extern PyType_Slot number_slots[];
PyObject* tensor_getitem(PyObject* self, PyObject* index);
int tensor_setitem(PyObject* self, PyObject* index, PyObject* value);
PyObject* tensor_iter(PyObject* self);
PyObject* tensor_richcompare(PyObject* self, PyObject* other, int op);
PyObject* tensor_repr(PyObject* self);
PyObject* legacy_new(PyTypeObject* type, PyObject* args, PyObject* kwargs);
// self.item() as a Python number. Throws for more than one element.
PyObject* item(const Tensor& t);
PyObject* tolist(const Tensor& t);

}  // namespace rushlight::py
