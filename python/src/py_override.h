// Overrides: who answers a call whose arguments have a __torch_function__, or that is made under a TorchFunctionMode.
//
// Everything that Python calls asks `overridden` first: of plain tensors and numbers that is a comparison of types. What is to be
// called by handlers (`func`) is found again only then, so that functions and attributes need say nothing of it: their entry in the
// type's table is wrapped in `over`.
#pragma once
#include "py_tensor.h"
#include "rushlight/core/thread_state.h"

namespace rushlight::py {

// rushlight.nn.Parameter, once it is imported; its objects are tensors like any other here.
extern PyTypeObject* parameter_type;

// Whether the type has a __torch_function__ of its own or, as a subclass of Tensor, inherits the one that keeps the class.
bool type_overrides(PyTypeObject* type);
bool overrides_slowly(PyObject* o);
inline bool may_override(PyObject* o) {
  PyTypeObject* t = Py_TYPE(o);
  return t != tensor_type && t != &PyLong_Type && t != parameter_type && t != &PyFloat_Type && overrides_slowly(o);
}
inline bool overridden(PyObject* const* args, Py_ssize_t count) {
  if (thread_state.function_modes) [[unlikely]]
    return true;
  for (Py_ssize_t i = 0; i < count; i++)
    if (may_override(args[i])) [[unlikely]]
      return !thread_state.overrides_off;
  return false;
}

// Gives the call to the innermost mode, then to the arguments' classes: the most derived first, then from left to right. A new reference,
// or null with an error set: a TypeError if all return NotImplemented.
PyObject* call_override(PyObject* func, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames);
// The same for an operator of Python's, whose other operand is asked after NotImplemented.
PyObject* call_operand_override(PyObject* func, PyObject* a, PyObject* b);
// An entry of Tensor, borrowed: what a handler is given as func.
PyObject* tensor_entry(const char* name);

// An entry of the tables of Tensor that asks for overrides first; func is found by the C function in the table.
PyObject* call_method_override(void* c_function, PyObject* self, PyObject* const* args, Py_ssize_t nargs,
                               PyObject* kwnames);
PyObject* call_method_override(void* c_function, PyObject* self, PyObject* args, PyObject* kwargs);
PyObject* call_getter_override(void* c_function, PyObject* self);
int call_setter_override(void* c_function, PyObject* self, PyObject* value);

template <auto f>
struct Over;
template <PyObject* (*f)(PyObject*, PyObject*)>  // METH_NOARGS, METH_O
struct Over<f> {
  static PyObject* call(PyObject* self, PyObject* arg) {
    if (overridden(&self, 1) || (arg && overridden(&arg, 1))) [[unlikely]]
      return call_method_override(reinterpret_cast<void*>(call), self, &arg, arg ? 1 : 0, nullptr);
    return f(self, arg);
  }
};
template <PyObject* (*f)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*)>  // METH_FASTCALL | METH_KEYWORDS
struct Over<f> {
  static PyObject* call(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    if (overridden(&self, 1) || overridden(args, nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0))) [[unlikely]]
      return call_method_override(reinterpret_cast<void*>(call), self, args, nargs, kwnames);
    return f(self, args, nargs, kwnames);
  }
};
template <PyObject* (*f)(PyObject*, PyObject*, PyObject*)>  // METH_VARARGS | METH_KEYWORDS
struct Over<f> {
  static PyObject* call(PyObject* self, PyObject* args, PyObject* kwargs) {
    if (overridden(&self, 1)) [[unlikely]]
      return call_method_override(reinterpret_cast<void*>(call), self, args, kwargs);
    return f(self, args, kwargs);
  }
};
template <PyObject* (*f)(PyObject*, void*)>  // a getter
struct Over<f> {
  static PyObject* call(PyObject* self, void* closure) {
    if (overridden(&self, 1)) [[unlikely]]
      return call_getter_override(reinterpret_cast<void*>(call), self);
    return f(self, closure);
  }
};
template <int (*f)(PyObject*, PyObject*, void*)>  // a setter
struct Over<f> {
  static int call(PyObject* self, PyObject* value, void* closure) {
    if (overridden(&self, 1) && value) [[unlikely]]
      return call_setter_override(reinterpret_cast<void*>(call), self, value);
    return f(self, value, closure);
  }
};
template <auto f>
constexpr auto over = Over<f>::call;

// The result of a call over a class, in it: tensors, and those in tuples and lists. Takes over `o`; throws.
PyObject* in_class(PyObject* o, PyTypeObject* type);

void bind_overrides(PyObject* module);

}  // namespace rushlight::py
