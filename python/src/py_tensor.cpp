#include "py_tensor.h"

#include <structmember.h>

#include <vector>

#include "py_cycles.h"
#include "py_dispatch.h"
#include "py_methods.h"
#include "py_op.h"

namespace rushlight::py {

PyTypeObject* tensor_type = nullptr;

namespace {

// Plain objects wait here for their next tensor.
constexpr int kKept = 256;
PyTensor* free_objects[kKept];
int free_count = 0;

void subclass_dealloc(PyObject* self);
int subclass_clear(PyObject* self);

// Whether a class written in Python, or one that it is made of, has __slots__. Others keep CPython's functions, without which an
// object can't change its class.
bool has_slots(PyTypeObject* type) {
  for (; type != tensor_type; type = type->tp_base)
    if (Py_SIZE(type)) return true;
  return false;
}

PyTensor* allocate(PyTypeObject* type) {
  if (type == tensor_type && free_count) {
    PyTensor* o = free_objects[--free_count];
    Py_INCREF(type);
    _Py_NewReference(reinterpret_cast<PyObject*>(o));
    o->counted = {};
    return o;
  }
  // PyType_GenericAlloc would put the object under the cycle collector's eyes at once; a plain tensor needs that only when it gets
  // attributes.
  PyTensor* o =
      type == tensor_type ? PyObject_GC_New(PyTensor, type) : reinterpret_cast<PyTensor*>(type->tp_alloc(type, 0));
  if (!o) return nullptr;
  if (type != tensor_type && has_slots(type)) {
    type->tp_dealloc = subclass_dealloc;
    type->tp_clear = subclass_clear;
  }
  o->impl = nullptr;
  o->dict = o->weakrefs = o->shape = nullptr;
  o->counted = {};
  return o;
}

bool has_state(PyTensor* o) { return Py_TYPE(o) != tensor_type || (o->dict && PyDict_GET_SIZE(o->dict) > 0); }

// True: the tensor lives on and keeps its object. See Note [Identity]. The type's reference stays with the object.
bool stays(PyObject* self) {
  auto* o = reinterpret_cast<PyTensor*>(self);
  TensorImpl* impl = o->impl;
  if (!impl || impl->owns_py_object || impl->refs() == 1 || !has_state(o)) return false;
  _Py_NewReference(self);
  // If its last reference went with a collection's garbage it stands in that list still, and would lose its attributes next.
  if (PyObject_GC_IsTracked(self)) PyObject_GC_UnTrack(self);
  PyObject_GC_Track(self);
  impl->owns_py_object = true;
  Held::count++;
  impl->release();
  return true;
}

void dealloc(PyObject* self) {
  auto* o = reinterpret_cast<PyTensor*>(self);
  TensorImpl* impl = o->impl;
  if (stays(self)) return;
  PyTypeObject* type = Py_TYPE(self);
  if (PyObject_GC_IsTracked(self)) PyObject_GC_UnTrack(self);
  if (o->weakrefs) PyObject_ClearWeakRefs(self);
  Py_CLEAR(o->dict);
  Py_CLEAR(o->shape);
  o->impl = nullptr;
  if (impl) {
    impl->py_object = nullptr;
    if (impl->owns_py_object) impl->owns_py_object = false, Held::count--;
    else impl->release();
  }
  if (type == tensor_type && free_count < kKept) free_objects[free_count++] = o;
  else type->tp_free(self);
  Py_DECREF(type);
}

void clear_slots(PyObject* self) {
  for (PyTypeObject* t = Py_TYPE(self); t != tensor_type; t = t->tp_base)
    for (PyMemberDef* m = Py_SIZE(t) ? t->tp_members : nullptr; m && m->name; m++)
      if (m->type == T_OBJECT_EX) Py_CLEAR(*reinterpret_cast<PyObject**>(reinterpret_cast<char*>(self) + m->offset));
}

// Of classes with __slots__, which CPython's own functions empty before they ask whether the object stays.
void subclass_dealloc(PyObject* self) {
  if (stays(self)) return;
  PyTypeObject* type = Py_TYPE(self);
  if (type->tp_finalize && PyObject_CallFinalizerFromDealloc(self) < 0) return;
  if (PyObject_GC_IsTracked(self)) PyObject_GC_UnTrack(self);
  Py_TRASHCAN_BEGIN(self, subclass_dealloc) clear_slots(self);
  dealloc(self);
  Py_TRASHCAN_END
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  auto* o = reinterpret_cast<PyTensor*>(self);
  if (!o->impl || shows_attributes(*o->impl, o->counted)) Py_VISIT(o->dict);
  Py_VISIT(Py_TYPE(self));
  return o->impl ? traverse_owned(*o->impl, o->counted, visit, arg) : 0;
}

int clear(PyObject* self) {
  auto* o = reinterpret_cast<PyTensor*>(self);
  if (o->impl && held_elsewhere(*o->impl, o->counted)) return 0;  // its attributes stay with the tensor
  Py_CLEAR(o->dict);
  if (o->impl && o->impl->autograd) {
    Tensor grad = std::move(static_cast<AutogradMeta*>(o->impl->autograd.get())->grad);  // its graph may lead back here
  }
  return 0;
}

int subclass_clear(PyObject* self) {
  auto* o = reinterpret_cast<PyTensor*>(self);
  if (!o->impl || !held_elsewhere(*o->impl, o->counted)) clear_slots(self);
  return clear(self);
}

int setattro(PyObject* self, PyObject* name, PyObject* value) {
  int status = PyObject_GenericSetAttr(self, name, value);
  if (reinterpret_cast<PyTensor*>(self)->dict) track(self);
  return status;
}

PyObject* get_dict(PyObject* self, void*) {
  PyObject* dict = PyObject_GenericGetDict(self, nullptr);
  if (dict) track(self);
  return dict;
}

// A TensorImpl that owned its object is gone.
void release_object(void* p) {
  // Else a collection at the interpreter's end would follow the object to a TensorImpl that is gone.
  if (!may_touch_python()) return;
  GilAcquire gil;
  auto* o = static_cast<PyTensor*>(p);
  Held::count--;
  // Somebody may have got hold of the object through a weak reference: it must stay a tensor.
  o->impl = Py_REFCNT(o) > 1 ? Ref<TensorImpl>(empty_tensor({0}, DType::Float32).ref()).leak() : nullptr;
  if (o->impl) o->impl->py_object = o;
  Py_DECREF(o);
}

PyObject* make_subclass(PyObject*, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    static const char* names[] = {"cls", "data", "require_grad", "dispatch_sizes_strides", "dispatch_device", nullptr};
    PyObject *cls, *data, *unused = nullptr;  // sizes and devices are the tensor's own here
    int require_grad = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|p$OO:_make_subclass", const_cast<char**>(names), &cls, &data,
                                     &require_grad, &unused, &unused))
      return nullptr;
    RL_CHECK(TypeError, PyType_Check(cls) && PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(cls), tensor_type),
             "cls must be a type derived from rushlight.Tensor");
    Tensor t = detached_alias(expect_tensor(data, "data"));
    RL_CHECK(RuntimeError, !require_grad || is_differentiable(t.dtype()),
             "Only Tensors of floating point and complex dtype can require gradients");
    t.impl()->set_requires_grad(require_grad);
    return wrap_as(reinterpret_cast<PyTypeObject*>(cls), std::move(t));
  });
}

PyObject* as_subclass(PyObject* self, PyObject* cls) {
  return guarded([&]() -> PyObject* {
    RL_CHECK(TypeError, PyType_Check(cls) && PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(cls), tensor_type),
             "as_subclass: expected a type derived from rushlight.Tensor");
    // An alias that stays on the graph of gradients.
    static OpRef alias("alias");
    IValue args[1] = {IValue::borrow(unwrap(self))};
    return wrap_as(reinterpret_cast<PyTypeObject*>(cls), call_tensor(*alias, args));
  });
}

// _swap_tensors(a, b): each object stands for the other's tensor from now on.
PyObject* swap_tensors(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *a, *b;
    if (!PyArg_ParseTuple(args, "O!O!:_swap_tensors", tensor_type, &a, tensor_type, &b)) return nullptr;
    auto *first = reinterpret_cast<PyTensor*>(a), *second = reinterpret_cast<PyTensor*>(b);
    RL_CHECK(RuntimeError, first->impl && second->impl, "swap_tensors: one of the tensors is gone");
    std::swap(first->impl, second->impl);
    for (PyTensor* o : {first, second}) {
      o->impl->py_object = o;
      o->impl->set_python_dispatch(dispatches(Py_TYPE(o)));
      Py_CLEAR(o->shape);
      if (!PyObject_GC_IsTracked(reinterpret_cast<PyObject*>(o))) PyObject_GC_Track(reinterpret_cast<PyObject*>(o));
    }
    Py_RETURN_NONE;
  });
}
// _class_changed(t): t's class was changed; whether its calls are Python's to answer follows it.
PyObject* class_changed(PyObject*, PyObject* o) {
  return guarded([&] {
    expect_tensor(o, "_class_changed").impl()->set_python_dispatch(dispatches(Py_TYPE(o)));
    return Py_NewRef(Py_None);
  });
}

PyGetSetDef getset[] = {{"__dict__", get_dict, PyObject_GenericSetDict, nullptr, nullptr}, {}};
PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(PyTensor, weakrefs), READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(PyTensor, dict), READONLY, nullptr},
    {},
};
PyMethodDef methods[] = {
    {"_make_subclass", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(make_subclass)),
     METH_VARARGS | METH_KEYWORDS | METH_STATIC, "_make_subclass(cls, data, require_grad=False)"},
    {"_swap_tensors", swap_tensors, METH_VARARGS | METH_STATIC, "_swap_tensors(a, b)"},
    {"_class_changed", class_changed, METH_O | METH_STATIC, "_class_changed(t)"},
    {"as_subclass", as_subclass, METH_O, "as_subclass(cls) -> Tensor"},
    {},
};

// id(self), as PyTorch documents it.
Py_hash_t hash(PyObject* self) { return Py_hash_t(reinterpret_cast<uintptr_t>(self)); }

}  // namespace

PyObject* wrap_fresh(Ref<TensorImpl> impl) {
  PyTensor* o = allocate(tensor_type);
  if (!o) return nullptr;
  impl->py_object = o;
  if (impl->autograd) [[unlikely]]
    PyObject_GC_Track(o);
  o->impl = impl.leak();
  return reinterpret_cast<PyObject*>(o);
}

PyObject* wrap_owned_back(Ref<TensorImpl> impl) {
  auto* o = static_cast<PyObject*>(impl->py_object);
  impl->owns_py_object = false;  // its reference becomes ours
  Held::count--;
  impl.leak();
  return o;
}

PyObject* wrap_as(PyTypeObject* type, Tensor t) {
  RL_CHECK(RuntimeError, !t.impl()->py_object,
           "the tensor has a Python object already; make a new tensor for one of another class");
  PyTensor* o = allocate(type);
  if (!o) throw ErrorSet{};
  t.impl()->py_object = o;
  t.impl()->set_python_dispatch(dispatches(type));
  o->impl = Ref<TensorImpl>(t.ref()).leak();
  return reinterpret_cast<PyObject*>(o);
}

const Tensor& expect_tensor(PyObject* o, const char* what) {
  RL_CHECK(TypeError, is_tensor(o), what, " must be a Tensor, not ", short_type_name(o));
  return unwrap(o);
}

void add_methods(PyTypeObject* type, PyMethodDef* methods) {
  for (; methods->ml_name; methods++) {
    bool fixed = methods->ml_flags & (METH_STATIC | METH_CLASS);
    Object f = methods->ml_flags & METH_CLASS ? check(PyDescr_NewClassMethod(type, methods))
               : fixed ? check(PyStaticMethod_New(check(PyCFunction_New(methods, nullptr)).get()))
                       : check(PyDescr_NewMethod(type, methods));
    check_status(PyDict_SetItemString(type->tp_dict, methods->ml_name, f.get()));
  }
  PyType_Modified(type);
}

void add_getset(PyTypeObject* type, PyGetSetDef* getset) {
  for (; getset->name; getset++) {
    Object d = check(PyDescr_NewGetSet(type, getset));
    check_status(PyDict_SetItemString(type->tp_dict, getset->name, d.get()));
  }
  PyType_Modified(type);
}

void bind_tensor(PyObject* module) {
  std::vector<PyType_Slot> slots = {
      {Py_tp_doc, const_cast<char*>("A many-dimensional array of numbers of one type.")},
      {Py_tp_new, reinterpret_cast<void*>(legacy_new)},
      {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(clear)},
      {Py_tp_setattro, reinterpret_cast<void*>(setattro)},
      {Py_tp_getattro, reinterpret_cast<void*>(PyObject_GenericGetAttr)},
      {Py_tp_getset, getset},
      {Py_tp_members, members},
      {Py_tp_methods, methods},
      {Py_tp_hash, reinterpret_cast<void*>(hash)},
      {Py_tp_repr, reinterpret_cast<void*>(tensor_repr)},
      {Py_tp_iter, reinterpret_cast<void*>(tensor_iter)},
      {Py_tp_richcompare, reinterpret_cast<void*>(tensor_richcompare)},
      {Py_mp_subscript, reinterpret_cast<void*>(tensor_getitem)},
      {Py_mp_ass_subscript, reinterpret_cast<void*>(tensor_setitem)},
  };
  for (PyType_Slot* s = number_slots; s->slot; s++) slots.push_back(*s);
  slots.push_back(length_slot);
  slots.push_back({0, nullptr});
  PyType_Spec spec = {"rushlight.Tensor", sizeof(PyTensor), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots.data()};
  Object type = check(PyType_FromSpec(&spec));
  tensor_type = reinterpret_cast<PyTypeObject*>(type.get());
  TensorImpl::release_py_object = release_object;
  bind_tensor_attributes(tensor_type);
  bind_tensor_methods(tensor_type);
  add_object(module, "Tensor", type.release());
  static TensorApi api = {tensor_type, wrap, set_error_from_exception};
  add_object(module, "_tensor_api", check(PyCapsule_New(&api, "rushlight._C._tensor_api", nullptr)).get());
}

}  // namespace rushlight::py
