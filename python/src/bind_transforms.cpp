// Levels and autocast for Python: what rushlight/func and rushlight/amp are made of.
#include <memory>
#include <optional>

#include "bind.h"
#include "py_convert.h"
#include "py_op.h"
#include "rushlight/autograd/meta.h"
#include "rushlight/transforms/autocast.h"
#include "rushlight/transforms/forward_level.h"
#include "rushlight/transforms/level.h"

namespace rushlight::py {
namespace {

// A level that Python holds; it may not be pushed when it dies.
struct PyLevel {
  PyObject_HEAD GradLevel* grad;
  BatchLevel* batch;
  bool pushed;
  TransformLevel& level() { return grad ? static_cast<TransformLevel&>(*grad) : *batch; }
};
PyTypeObject* level_type;
PyLevel& level_of(PyObject* o) {
  RL_CHECK(TypeError, Py_TYPE(o) == level_type, "expected a level of a transform, got ", short_type_name(o));
  return *reinterpret_cast<PyLevel*>(o);
}

void level_dealloc(PyObject* self) {
  auto* l = reinterpret_cast<PyLevel*>(self);
  PyTypeObject* type = Py_TYPE(self);
  if (l->pushed) pop_interceptor(l->level());
  delete l->grad;
  delete l->batch;
  PyObject_Free(self);
  Py_DECREF(type);
}
PyLevel* new_level() {
  auto* l = PyObject_New(PyLevel, level_type);
  if (!l) throw ErrorSet{};
  l->grad = nullptr;
  l->batch = nullptr;
  l->pushed = false;
  return l;
}

PyObject* grad_level(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    int forward = 0;
    if (!PyArg_ParseTuple(args, "|p:_grad_level", &forward)) return nullptr;
    PyLevel* l = new_level();
    l->grad = new GradLevel(forward);
    l->grad->front_end = l;
    return reinterpret_cast<PyObject*>(l);
  });
}
PyObject* batch_level(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    long long size;
    int randomness;
    if (!PyArg_ParseTuple(args, "Li:_batch_level", &size, &randomness)) return nullptr;
    PyLevel* l = new_level();
    l->batch = new BatchLevel(size, BatchLevel::Randomness(randomness));
    l->batch->front_end = l;
    return reinterpret_cast<PyObject*>(l);
  });
}

PyObject* enter(PyObject* self, PyObject*) {
  return guarded([&] {
    PyLevel& l = level_of(self);
    RL_CHECK(RuntimeError, !l.pushed, "this level of a transform is entered already");
    if (l.grad) l.grad->enter();
    push_interceptor(l.level());
    l.pushed = true;
    return Py_NewRef(self);
  });
}
PyObject* leave(PyObject* self, PyObject*) {
  return guarded([&] {
    PyLevel& l = level_of(self);
    if (l.pushed) pop_interceptor(l.level());
    l.pushed = false;
    Py_RETURN_NONE;
  });
}
// wrap(tensor, requires_grad=False) -> Tensor: as this level's program sees it.
PyObject* wrap_here(PyObject* self, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject* o;
    int requires_grad = 0;
    if (!PyArg_ParseTuple(args, "O|p:wrap", &o, &requires_grad)) return nullptr;
    PyLevel& l = level_of(self);
    const Tensor& t = expect_tensor(o, "wrap: the argument");
    return wrap(l.grad ? l.grad->wrap(t, requires_grad) : l.batch->wrap(t));
  });
}
PyObject* unwrap_here(PyObject* self, PyObject* o) {
  return guarded([&] { return wrap(level_of(self).level().unwrapped(expect_tensor(o, "unwrap: the argument"))); });
}
PyObject* owns(PyObject* self, PyObject* o) {
  return guarded([&] { return PyBool_FromLong(is_tensor(o) && level_of(self).level().owns(unwrap(o))); });
}

// call_outside(function, *args): as what this level unwraps is called.
PyObject* call_outside(PyObject* self, PyObject* args) {
  return guarded([&] {
    PyLevel& l = level_of(self);
    RL_CHECK(RuntimeError, l.pushed, "call_outside: this level of a transform is not entered");
    Scoped<Interceptor*> outside(thread_state.interceptor, l.level().outer);
    std::optional<GradLevel::Outside> modes;
    if (l.grad) modes.emplace(*l.grad);
    Object rest = check(PyTuple_GetSlice(args, 1, PyTuple_GET_SIZE(args)));
    RL_CHECK(TypeError, PyTuple_GET_SIZE(args) > 0, "call_outside: expected a function");
    return PyObject_CallObject(PyTuple_GET_ITEM(args, 0), rest.get());
  });
}
// (size, randomness) of a batch; None for a gradient's level.
PyObject* batch(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    PyLevel& l = level_of(self);
    if (!l.batch) Py_RETURN_NONE;
    constexpr const char* names[] = {"error", "same", "different"};
    return Py_BuildValue("(Ls)", static_cast<long long>(l.batch->batch_size()), names[int(l.batch->randomness())]);
  });
}

PyMethodDef level_methods[] = {
    {"call_outside", call_outside, METH_VARARGS, nullptr},
    {"batch", batch, METH_NOARGS, nullptr},
    {"__enter__", enter, METH_NOARGS, nullptr},
    {"__exit__", leave, METH_VARARGS, nullptr},
    {"wrap", wrap_here, METH_VARARGS, nullptr},
    {"unwrap", unwrap_here, METH_O, nullptr},
    {"owns", owns, METH_O, nullptr},
    {},
};

// Whether a transform's level is entered on this thread.
PyObject* transforms_active(PyObject*, PyObject*) {
  for (Interceptor* i = thread_state.interceptor; i; i = i->outer)
    if (dynamic_cast<TransformLevel*>(i)) Py_RETURN_TRUE;
  Py_RETURN_FALSE;
}
// What a wrapper stands for: (inner tensor, batched), or None.
PyObject* wrapped(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    const TensorWrapper* w = expect_tensor(o, "_wrapped: the argument").impl()->wrapper();
    if (!w) Py_RETURN_NONE;
    return Py_BuildValue("(NN)", wrap(Tensor(w->inner)), PyBool_FromLong(w->batched));
  });
}

// Which of the entered levels a wrapper is of, 1 the outermost; -2, as in PyTorch, if it outlived its own.
PyObject* wrapper_level(PyObject*, PyObject* o) {
  return guarded([&] {
    const Tensor& t = expect_tensor(o, "_wrapper_level: the argument");
    long found = 0;
    for (Interceptor* i = thread_state.interceptor; i; i = i->outer)
      if (auto* level = dynamic_cast<TransformLevel*>(i)) found = found || level->owns(t) ? found + 1 : 0;
    return PyLong_FromLong(found ? found : -2);
  });
}

// ---- forward mode ----

// _forward_level(on): begins, or ends with all tangents.
PyObject* forward_level(PyObject*, PyObject* on) {
  static thread_local ForwardLevel level;
  if (on == Py_True) {
    push_interceptor(level);
  } else {
    pop_interceptor(level);
    drop_tangents();
  }
  Py_RETURN_NONE;
}
PyObject* tangent(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    Tensor t = tangent_seen(expect_tensor(o, "_tangent: the argument"));
    if (!t.defined()) Py_RETURN_NONE;
    return wrap(t);
  });
}
PyObject* carry_here(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *t, *tangent;
    if (!PyArg_ParseTuple(args, "OO:_carry", &t, &tangent)) return nullptr;
    carry(expect_tensor(t, "_carry: the tensor"), expect_tensor(tangent, "_carry: the tangent"));
    Py_RETURN_NONE;
  });
}
// _carries_tangents(on=None) -> bool as it was
PyObject* carries(PyObject*, PyObject* args) {
  PyObject* on = Py_None;
  if (!PyArg_ParseTuple(args, "|O:_carries_tangents", &on)) return nullptr;
  bool was = carries_tangents;
  if (on != Py_None) carries_tangents = on == Py_True;
  return PyBool_FromLong(was);
}

// ---- autocast ----

// _autocast(enabled=None, dtype=None, caches=None, nesting=0) -> (enabled, dtype, caches) as it was. Missing: no change.
PyObject* autocast(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *enabled = Py_None, *dtype = Py_None, *caches = Py_None;
    int nesting = 0;
    if (!PyArg_ParseTuple(args, "|OOOi:_autocast", &enabled, &dtype, &caches, &nesting)) return nullptr;
    AutocastRegion& region = AutocastRegion::of_thread();
    Object was = check(Py_BuildValue("(NNN)", PyBool_FromLong(region.enabled()), wrap(region.dtype()),
                                     PyBool_FromLong(region.caches())));
    DType d;
    if (dtype != Py_None) {
      RL_CHECK(TypeError, as_dtype(dtype, d), "autocast: expected a dtype, got ", short_type_name(dtype));
      region.set_dtype(d);
    }
    if (enabled != Py_None) region.set_enabled(enabled == Py_True);
    if (caches != Py_None) region.set_caches(caches == Py_True);
    region.nesting += nesting;
    if (nesting < 0 && region.nesting == 0) region.clear_cache();
    return was.release();
  });
}
PyObject* clear_cache(PyObject*, PyObject*) {
  AutocastRegion::of_thread().clear_cache();
  Py_RETURN_NONE;
}

PyMethodDef functions[] = {
    {"_grad_level", grad_level, METH_VARARGS, "_grad_level(forward=False): forward for one of a jvp"},
    {"_batch_level", batch_level, METH_VARARGS, "_batch_level(size, randomness): 0 error, 1 same, 2 different"},
    {"_wrapped", wrapped, METH_O, nullptr},
    {"_wrapper_level", wrapper_level, METH_O, nullptr},
    {"_are_functorch_transforms_active", transforms_active, METH_NOARGS, nullptr},
    {"_forward_level", forward_level, METH_O, nullptr},
    {"_tangent", tangent, METH_O, nullptr},
    {"_carry", carry_here, METH_VARARGS, nullptr},
    {"_carries_tangents", carries, METH_VARARGS, nullptr},
    {"_autocast", autocast, METH_VARARGS, nullptr},
    {"_autocast_clear_cache", clear_cache, METH_NOARGS, nullptr},
    {},
};

}  // namespace

PyObject* level_that_owns(PyObject* const* args, Py_ssize_t count) {
  for (Interceptor* i = thread_state.interceptor; i; i = i->outer) {
    auto* level = dynamic_cast<TransformLevel*>(i);
    if (!level || !level->front_end) continue;
    for (Py_ssize_t k = 0; k < count; k++)
      if (is_tensor(args[k]) && level->owns(unwrap(args[k]))) return static_cast<PyObject*>(level->front_end);
  }
  return nullptr;
}

void bind_transforms(PyObject* module) {
  add_methods(module, functions);
  PyType_Slot slots[] = {
      {Py_tp_dealloc, reinterpret_cast<void*>(level_dealloc)}, {Py_tp_methods, level_methods}, {0, nullptr}};
  PyType_Spec spec = {"rushlight._C.Level", sizeof(PyLevel), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                      slots};
  level_type = reinterpret_cast<PyTypeObject*>(check(PyType_FromSpec(&spec)).release());
}

}  // namespace rushlight::py
