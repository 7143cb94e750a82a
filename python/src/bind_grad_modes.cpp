// no_grad, enable_grad, set_grad_enabled, inference_mode: context managers and decorators as native types, since small models enter
// them on every call.
#include "py_autograd.h"
#include "rushlight/core/thread_state.h"

namespace rushlight::py {
namespace {

enum class Mode : char { NoGrad, EnableGrad, SetGrad, Inference };

struct PyMode {
  PyObject_HEAD Mode mode;
  bool on;  // of set_grad_enabled and inference_mode
  bool old_grad, old_inference;
};

PyTypeObject* types[4];
const char* const names[] = {"no_grad", "enable_grad", "set_grad_enabled", "inference_mode"};

void apply(const PyMode& m) {
  switch (m.mode) {
    case Mode::NoGrad: thread_state.grad_enabled = false; break;
    case Mode::EnableGrad: thread_state.grad_enabled = !thread_state.inference_mode; break;
    case Mode::SetGrad: thread_state.grad_enabled = m.on && !thread_state.inference_mode; break;
    case Mode::Inference:
      thread_state.inference_mode = m.on;
      thread_state.grad_enabled = !m.on;
      break;
  }
}

PyObject* decorate(PyObject* self, PyObject* function) {
  return guarded([&] {
    return PyObject_CallFunctionObjArgs(imported("rushlight.autograd.grad_mode", "_decorated"), self, function,
                                        nullptr);
  });
}

Mode mode_of(PyTypeObject* type) {
  for (int i = 0; i < 4; i++)
    if (type == types[i] || PyType_IsSubtype(type, types[i])) return Mode(i);
  return Mode::NoGrad;
}

PyObject* make(PyTypeObject* type, PyObject* argument) {
  Mode mode = mode_of(type);
  bool has_setting = mode == Mode::SetGrad || mode == Mode::Inference;
  // `@torch.no_grad` without parentheses.
  bool decorates = argument && !PyBool_Check(argument) && PyCallable_Check(argument) && mode != Mode::SetGrad;
  if (argument && !decorates && !has_setting) {
    PyErr_Format(PyExc_TypeError, "%s() takes no arguments", names[int(mode)]);
    return nullptr;
  }
  if (!argument && mode == Mode::SetGrad) {
    PyErr_SetString(PyExc_TypeError, "set_grad_enabled() missing 1 required positional argument: 'mode'");
    return nullptr;
  }
  int on = 1;
  if (argument && !decorates && (on = PyObject_IsTrue(argument)) < 0) return nullptr;
  PyMode* m = PyObject_New(PyMode, type);
  if (!m) return nullptr;
  m->mode = mode;
  m->on = on;
  m->old_grad = thread_state.grad_enabled;
  m->old_inference = thread_state.inference_mode;
  if (mode == Mode::SetGrad) apply(*m);  // also works as a plain call
  if (!decorates) return reinterpret_cast<PyObject*>(m);
  Object self{reinterpret_cast<PyObject*>(m)};
  return decorate(self.get(), argument);
}

PyObject* type_call(PyObject* type, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  Py_ssize_t n = PyVectorcall_NARGS(nargsf), k = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  if (n + k > 1) {
    PyErr_SetString(PyExc_TypeError, "at most one argument is expected");
    return nullptr;
  }
  if (k && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "mode") != 0) {
    PyErr_Format(PyExc_TypeError, "unexpected keyword argument '%U'", PyTuple_GET_ITEM(kwnames, 0));
    return nullptr;
  }
  return make(reinterpret_cast<PyTypeObject*>(type), n + k ? args[0] : nullptr);
}

PyObject* type_new(PyTypeObject* type, PyObject* args, PyObject*) {
  return make(type, PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, 0) : nullptr);
}

PyObject* enter(PyObject* self, PyObject*) {
  auto& m = *reinterpret_cast<PyMode*>(self);
  if (m.mode != Mode::SetGrad) {
    m.old_grad = thread_state.grad_enabled;
    m.old_inference = thread_state.inference_mode;
  }
  apply(m);
  Py_RETURN_NONE;
}
PyObject* leave(PyObject* self, PyObject* const*, Py_ssize_t) {
  auto& m = *reinterpret_cast<PyMode*>(self);
  thread_state.grad_enabled = m.old_grad;
  thread_state.inference_mode = m.old_inference;
  Py_RETURN_NONE;
}
PyObject* clone(PyObject* self, PyObject*) {
  auto& m = *reinterpret_cast<PyMode*>(self);
  PyMode* copy = PyObject_New(PyMode, Py_TYPE(self));
  if (!copy) return nullptr;
  copy->mode = m.mode;
  copy->on = m.on;
  copy->old_grad = thread_state.grad_enabled;
  copy->old_inference = thread_state.inference_mode;
  return reinterpret_cast<PyObject*>(copy);
}
PyObject* call(PyObject* self, PyObject* args, PyObject*) {
  PyObject* function;
  if (!PyArg_ParseTuple(args, "O", &function)) return nullptr;
  auto& m = *reinterpret_cast<PyMode*>(self);
  if (m.mode == Mode::SetGrad) leave(self, nullptr, 0);  // a decorator takes effect in the call only
  return decorate(self, function);
}
void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_Free(self);
  Py_DECREF(type);
}

PyMethodDef methods[] = {
    {"__enter__", enter, METH_NOARGS, nullptr},
    {"__exit__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(leave)), METH_FASTCALL, nullptr},
    {"clone", clone, METH_NOARGS, "Another context manager that does the same."},
    {},
};
PyGetSetDef getset[] = {
    {"prev", [](PyObject* s, void*) { return PyBool_FromLong(reinterpret_cast<PyMode*>(s)->old_grad); }, nullptr,
     nullptr, nullptr},
    {"mode", [](PyObject* s, void*) { return PyBool_FromLong(reinterpret_cast<PyMode*>(s)->on); }, nullptr, nullptr,
     nullptr},
    {},
};

}  // namespace

void bind_grad_modes(PyObject* module) {
  const char* docs[] = {
      "Operators record no gradients inside. Context manager and decorator.",
      "Operators record gradients inside, within no_grad too. Context manager and decorator.",
      "Records gradients or not, as `mode` says. Context manager, decorator, or a plain call.",
      "As no_grad, and tensors made inside never take part in gradients. Context manager and decorator."};
  for (int i = 0; i < 4; i++) {
    PyType_Slot slots[] = {
        {Py_tp_new, reinterpret_cast<void*>(type_new)},
        {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
        {Py_tp_call, reinterpret_cast<void*>(call)},
        {Py_tp_methods, methods},
        {Py_tp_getset, getset},
        {Py_tp_doc, const_cast<char*>(docs[i])},
        {0, nullptr},
    };
    static std::string full[4];
    full[i] = std::string("rushlight.") + names[i];
    PyType_Spec spec = {full[i].c_str(), sizeof(PyMode), 0, Py_TPFLAGS_DEFAULT, slots};
    Object type = check(PyType_FromSpec(&spec));
    types[i] = reinterpret_cast<PyTypeObject*>(type.get());
    types[i]->tp_vectorcall = type_call;
    add_object(module, names[i], type.release());
  }
}

}  // namespace rushlight::py
