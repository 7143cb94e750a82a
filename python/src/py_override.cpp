#include "py_override.h"

#include <structmember.h>

#include <vector>

#include "bind.h"
#include "py_dispatch.h"
#include "py_op.h"
#include "py_types.h"

namespace rushlight::py {

PyTypeObject* parameter_type = nullptr;

namespace {

// "__torch_function__", interned; _disabled_torch_function_impl; Tensor's own
PyObject *handler_name, *disabled_handler, *tensor_function;

// The modes that are entered, innermost last.
std::vector<Object>& modes() {
  static thread_local std::vector<Object>& entered = *new std::vector<Object>;  // threads may end after Python
  return entered;
}

// The state while a handler is to see no overrides.
struct Without {
  explicit Without(bool modes_too)
      : off(thread_state.overrides_off, true),
        modes(thread_state.function_modes, !modes_too && thread_state.function_modes) {}
  Scoped<bool> off, modes;
};

// Those among the arguments that override, each class once, in the order in which they are asked.
struct Overriding {
  std::vector<PyObject*> args;

  void add(PyObject* o) {
    PyTypeObject* type = Py_TYPE(o);
    if (!type_overrides(type)) {
      if (PyTuple_Check(o) || PyList_Check(o))
        for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); i++) add(PySequence_Fast_GET_ITEM(o, i));
      return;
    }
    auto at = args.end();
    for (auto i = args.begin(); i != args.end(); ++i) {
      if (Py_TYPE(*i) == type) return;
      if (at == args.end() && PyType_IsSubtype(type, Py_TYPE(*i))) at = i;
    }
    args.insert(at, o);
  }
};

// NotImplemented is a result like any other here.
Object ask(PyObject* who, PyObject* func, PyObject* types, PyObject* args, PyObject* kwargs) {
  Object handler = check(PyObject_GetAttr(who, handler_name));
  return check(kwargs ? PyObject_CallFunctionObjArgs(handler.get(), func, types, args, kwargs, nullptr)
                      : PyObject_CallFunctionObjArgs(handler.get(), func, types, args, nullptr));
}

std::string text(PyObject* o) {
  Object s = check(PyObject_Str(o));
  return std::string(text_of(s.get()));
}

// Owned; NotImplemented if nobody answers.
Object answer(PyObject* func, PyObject* args, PyObject* kwargs, const Overriding& found) {
  Object types = check(PyTuple_New(Py_ssize_t(found.args.size())));
  for (size_t i = 0; i < found.args.size(); i++)
    PyTuple_SET_ITEM(types.get(), i, Py_NewRef(reinterpret_cast<PyObject*>(Py_TYPE(found.args[i]))));
  if (thread_state.function_modes && !modes().empty()) {
    struct Left {  // a mode's own calls are for the modes around it
      Object mode = std::move(modes().back());
      Left() {
        modes().pop_back();
        thread_state.function_modes = !modes().empty();
      }
      ~Left() {
        modes().push_back(std::move(mode));
        thread_state.function_modes = true;
      }
    } left;
    Object mode = left.mode;
    Object result = ask(mode.get(), func, types.get(), args, kwargs);
    if (result.get() != Py_NotImplemented) return result;
  }
  if (!thread_state.overrides_off)
    for (PyObject* o : found.args) {
      Object result = ask(o, func, types.get(), args, kwargs);
      if (result.get() != Py_NotImplemented) return result;
    }
  return Object::borrow(Py_NotImplemented);
}

[[noreturn]] void fail_all(PyObject* func, const Overriding& found) {
  Object name = check(PyObject_CallOneArg(imported("rushlight.overrides", "resolve_name"), func));
  std::string shown = name.get() == Py_None ? text(func) : text(name.get());
  std::string message =
      str("Multiple dispatch failed for '", shown, "'; all __torch_function__ handlers returned NotImplemented:\n\n");
  if (thread_state.function_modes && !modes().empty())
    message += str("  - mode object ", text(check(PyObject_Repr(modes().back().get())).get()), "\n");
  for (PyObject* o : found.args)
    message +=
        str("  - tensor subclass ", text(check(PyObject_Repr(reinterpret_cast<PyObject*>(Py_TYPE(o)))).get()), "\n");
  throw TypeError(message + "\nReturn a result from one of them for this function, or call super().__torch_function__");
}

struct Packed {
  Object args, kwargs;
  Overriding found;
  Packed(PyObject* const* given, Py_ssize_t nargs, PyObject* kwnames) {
    args = check(PyTuple_New(nargs));
    for (Py_ssize_t i = 0; i < nargs; i++) {
      PyTuple_SET_ITEM(args.get(), i, Py_NewRef(given[i]));
      found.add(given[i]);
    }
    if (!kwnames || !PyTuple_GET_SIZE(kwnames)) return;
    kwargs = check(PyDict_New());
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(kwnames); k++) {
      check_status(PyDict_SetItem(kwargs.get(), PyTuple_GET_ITEM(kwnames, k), given[nargs + k]));
      found.add(given[nargs + k]);
    }
  }
};

}  // namespace

bool type_overrides(PyTypeObject* type) {
  if (type == tensor_type || type == parameter_type) return false;
  PyObject* handler = _PyType_Lookup(type, handler_name);
  if (!handler || handler == disabled_handler) return false;
  // A class that takes calls below autograd is not asked above it unless it says so: its results are what its handler gave.
  return handler != tensor_function || !dispatches(type);
}

bool overrides_slowly(PyObject* o) {
  PyTypeObject* type = Py_TYPE(o);
  if (o == Py_None || type == &PyUnicode_Type || type == &PyBool_Type) return false;
  if (PyTuple_Check(o) || PyList_Check(o)) {
    PyObject** items = PySequence_Fast_ITEMS(o);
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); i++)
      if (may_override(items[i])) return true;
    if (PyTuple_CheckExact(o) || PyList_CheckExact(o)) return false;
  }
  return type_overrides(type);
}

PyObject* call_override(PyObject* func, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  return guarded([&]() -> PyObject* {
    Packed p(args, nargs, kwnames);
    Object result = answer(func, p.args.get(), p.kwargs.get(), p.found);
    if (result.get() == Py_NotImplemented) fail_all(func, p.found);
    return result.release();
  });
}

PyObject* call_operand_override(PyObject* func, PyObject* a, PyObject* b) {
  return guarded([&] {
    PyObject* given[] = {a, b};
    Packed p(given, 2, nullptr);
    return answer(func, p.args.get(), nullptr, p.found).release();
  });
}

PyObject* tensor_entry(const char* name) {
  PyObject* entry = PyDict_GetItemString(tensor_type->tp_dict, name);
  RL_INVARIANT(entry, "Tensor has no ", name);
  return entry;
}

// ---- func ----

namespace {

template <class F>
PyObject* entry_where(F&& matches) {
  PyObject *name, *entry;
  for (Py_ssize_t at = 0; PyDict_Next(tensor_type->tp_dict, &at, &name, &entry);)
    if (matches(entry)) return entry;
  throw InternalError("a function of Tensor that is not in its table");
}
PyObject* attribute_where(PyObject* entry, const char* name) {
  return check(PyObject_GetAttrString(entry, name)).release();
}
PyObject* getset_of(void* f, bool set) {
  return entry_where([&](PyObject* o) {
    if (Py_TYPE(o) != &PyGetSetDescr_Type) return false;
    PyGetSetDef* d = reinterpret_cast<PyGetSetDescrObject*>(o)->d_getset;
    return (set ? reinterpret_cast<void*>(d->set) : reinterpret_cast<void*>(d->get)) == f;
  });
}

PyObject* method_of(void* f) {
  return entry_where([&](PyObject* o) {
    return Py_TYPE(o) == &PyMethodDescr_Type &&
           reinterpret_cast<void*>(reinterpret_cast<PyMethodDescrObject*>(o)->d_method->ml_meth) == f;
  });
}

}  // namespace

PyObject* call_getter_override(void* f, PyObject* self) {
  return guarded([&] {
    Object func(attribute_where(getset_of(f, false), "__get__"));
    return call_override(func.get(), &self, 1, nullptr);
  });
}

int call_setter_override(void* f, PyObject* self, PyObject* value) {
  return guarded(-1, [&] {
    PyObject* given[] = {self, value};
    Object func(attribute_where(getset_of(f, true), "__set__"));
    check(call_override(func.get(), given, 2, nullptr));
    return 0;
  });
}

PyObject* call_method_override(void* f, PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  std::vector<PyObject*> given = {self};
  given.insert(given.end(), args, args + nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0));
  return guarded([&] { return call_override(method_of(f), given.data(), nargs + 1, kwnames); });
}

PyObject* call_method_override(void* f, PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    std::vector<PyObject*> given = {self};
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) given.push_back(PyTuple_GET_ITEM(args, i));
    Py_ssize_t nargs = Py_ssize_t(given.size());
    Object names;
    if (kwargs && PyDict_GET_SIZE(kwargs)) {
      names = check(PyTuple_New(PyDict_GET_SIZE(kwargs)));
      PyObject *name, *value;
      for (Py_ssize_t at = 0, i = 0; PyDict_Next(kwargs, &at, &name, &value); i++) {
        PyTuple_SET_ITEM(names.get(), i, Py_NewRef(name));
        given.push_back(value);
      }
    }
    return call_override(method_of(f), given.data(), nargs, names.get());
  });
}

// ---- the class of results ----

PyObject* in_class(PyObject* given, PyTypeObject* type) {
  Object o(given);
  if (is_tensor(o.get())) {
    if (PyType_IsSubtype(Py_TYPE(o.get()), type)) return o.release();
    if (Py_REFCNT(o.get()) == 1 && is_tensor_exact(o.get())) {
      Tensor t = unwrap(o.get());
      o = {};  // the plain object goes; the tensor gets another
      if (!t.impl()->py_object) return wrap_as(type, std::move(t));
      return in_class(check(wrap(std::move(t))).release(), type);
    }
    static OpRef alias("alias");
    IValue args[1] = {IValue::borrow(unwrap(o.get()))};
    return wrap_as(type, call_tensor(*alias, args));
  }
  if (!PyList_Check(o.get()) && !PyTuple_Check(o.get())) return o.release();
  Py_ssize_t n = PySequence_Fast_GET_SIZE(o.get());
  PyObject** items = PySequence_Fast_ITEMS(o.get());
  bool any = false;
  for (Py_ssize_t i = 0; i < n; i++) any |= is_tensor(items[i]) || PyList_Check(items[i]) || PyTuple_Check(items[i]);
  if (!any) return o.release();
  Object out = o;
  if (Py_REFCNT(o.get()) > 2) {  // others see it too
    Object copy = check(PyObject_CallFunctionObjArgs(reinterpret_cast<PyObject*>(Py_TYPE(o.get())), o.get(), nullptr));
    if (!PyObject_TypeCheck(copy.get(), Py_TYPE(o.get())) || PySequence_Fast_GET_SIZE(copy.get()) != n)
      return o.release();
    if (copy.get() == o.get()) {  // an exact tuple is its own copy
      copy = check(PyTuple_New(n));
      for (Py_ssize_t i = 0; i < n; i++) PyTuple_SET_ITEM(copy.get(), i, Py_NewRef(items[i]));
    }
    out = copy;
    items = PySequence_Fast_ITEMS(out.get());
  }
  o = {};
  for (Py_ssize_t i = 0; i < n; i++)
    if (PyObject* item = std::exchange(items[i], nullptr)) {
      PyObject* typed = nullptr;
      try {
        typed = in_class(item, type);
      } catch (...) {
        items[i] = Py_NewRef(Py_None);
        throw;
      }
      items[i] = typed;
    }
  return out.release();
}

namespace {

// Attributes that show a tensor which is not made by the call.
bool shows_another(PyObject* func) {
  static PyObject* getters[2] = {attribute_where(tensor_entry("_base"), "__get__"),
                                 attribute_where(tensor_entry("grad"), "__get__")};
  if (Py_TYPE(func) != Py_TYPE(getters[0])) return false;
  for (PyObject* g : getters)
    if (int same = PyObject_RichCompareBool(func, g, Py_EQ)) {
      check_status(same);
      return true;
    }
  return false;
}

struct HandlerArgs {
  PyObject *func, *types, *args = nullptr, *kwargs = nullptr;
  bool read(PyObject* given, PyObject* named) {
    static const char* names[] = {"func", "types", "args", "kwargs", nullptr};
    if (!PyArg_ParseTupleAndKeywords(given, named, "OO|OO:__torch_function__", const_cast<char**>(names), &func, &types,
                                     &args, &kwargs))
      return false;
    if (kwargs == Py_None) kwargs = nullptr;
    return true;
  }
  Object call() const {
    Object tuple = args ? check(PySequence_Tuple(args)) : check(PyTuple_New(0));
    return check(PyObject_Call(func, tuple.get(), kwargs));
  }
};

// Tensor.__torch_function__(func, types, args=(), kwargs=None): the call without overrides, its results in the class.
PyObject* default_handler(PyObject* cls, PyObject* given, PyObject* named) {
  return guarded([&]() -> PyObject* {
    HandlerArgs h;
    if (!h.read(given, named)) return nullptr;
    Object types = check(PySequence_Fast(h.types, "__torch_function__: types must be a sequence"));
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(types.get()); i++) {
      int below = PyObject_IsSubclass(cls, PySequence_Fast_GET_ITEM(types.get(), i));
      check_status(below);
      if (!below) Py_RETURN_NOTIMPLEMENTED;
    }
    Without plain(false);
    Object result = h.call();
    auto* type = reinterpret_cast<PyTypeObject*>(cls);
    if (type == tensor_type || shows_another(h.func)) return result.release();
    return in_class(result.release(), type);
  });
}

PyObject* disabled(PyObject*, PyObject* given, PyObject* named) {
  return guarded([&]() -> PyObject* {
    HandlerArgs h;
    if (!h.read(given, named)) return nullptr;
    Without plain(false);
    return h.call().release();
  });
}

// ---- for Python ----

// A function of Python's that is redispatched asks once for overrides, and is told that there are none.
thread_local bool unasked = false;
PyObject* told(PyObject* const* args, Py_ssize_t n) {
  return PyBool_FromLong(!std::exchange(unasked, false) && overridden(args, n));
}

// has_torch_function(args), of an iterable; the _variadic form takes them one by one.
PyObject* has_torch_function(PyObject*, PyObject* args) {
  return guarded([&] {
    Object items = check(PySequence_Fast(args, "expected a sequence"));
    return told(PySequence_Fast_ITEMS(items.get()), PySequence_Fast_GET_SIZE(items.get()));
  });
}
PyObject* has_torch_function_unary(PyObject*, PyObject* arg) { return told(&arg, 1); }
PyObject* has_torch_function_variadic(PyObject*, PyObject* const* args, Py_ssize_t n) { return told(args, n); }

// _handle(func, relevant, args, kwargs): torch.overrides.handle_torch_function.
PyObject* handle(PyObject*, PyObject* given) {
  return guarded([&]() -> PyObject* {
    PyObject *func, *relevant, *args, *kwargs;
    if (!PyArg_ParseTuple(given, "OOO!O!", &func, &relevant, &PyTuple_Type, &args, &PyDict_Type, &kwargs))
      return nullptr;
    Object items = check(PySequence_Fast(relevant, "expected a sequence of arguments"));
    Overriding found;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); i++)
      found.add(PySequence_Fast_GET_ITEM(items.get(), i));
    Object result = answer(func, args, kwargs, found);
    if (result.get() == Py_NotImplemented) fail_all(func, found);
    return result.release();
  });
}

PyObject* overriding_arguments(PyObject*, PyObject* relevant) {
  return guarded([&] {
    Object items = check(PySequence_Fast(relevant, "expected a sequence of arguments"));
    Overriding found;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); i++)
      found.add(PySequence_Fast_GET_ITEM(items.get(), i));
    Object out = check(PyList_New(0));
    for (PyObject* o : found.args) check_status(PyList_Append(out.get(), o));
    return out.release();
  });
}

PyObject* push_mode(PyObject*, PyObject* mode) {
  modes().push_back(Object::borrow(mode));
  thread_state.function_modes = true;
  Py_RETURN_NONE;
}
PyObject* pop_mode(PyObject*, PyObject*) {
  return guarded([&] {
    RL_CHECK(RuntimeError, !modes().empty(), "trying to pop from empty mode stack");
    Object mode = std::move(modes().back());
    modes().pop_back();
    thread_state.function_modes = !modes().empty();
    return mode.release();
  });
}
PyObject* mode_stack(PyObject*, PyObject*) {
  return guarded([&] {
    Object out = check(PyList_New(0));
    for (const Object& m : modes()) check_status(PyList_Append(out.get(), m.get()));
    return out.release();
  });
}

// _overrides_state(state=None) -> (subclasses off, modes on), as it was: for the context managers.
PyObject* overrides_state(PyObject*, PyObject* args) {
  int off = -1, modes_on = -1;
  if (!PyArg_ParseTuple(args, "|pp", &off, &modes_on)) return nullptr;
  PyObject* was =
      Py_BuildValue("(NN)", PyBool_FromLong(thread_state.overrides_off), PyBool_FromLong(thread_state.function_modes));
  if (off >= 0) thread_state.overrides_off = off;
  if (modes_on >= 0) thread_state.function_modes = modes_on && !modes().empty();
  return was;
}

PyObject* set_parameter_type(PyObject*, PyObject* type) {
  if (!PyType_Check(type)) return PyErr_SetString(PyExc_TypeError, "expected a type"), nullptr;
  parameter_type = reinterpret_cast<PyTypeObject*>(Py_NewRef(type));
  Py_RETURN_NONE;
}

// ---- functions written in Python ----

// A Python function whose arguments may override it. Everything else is asked of the function.
struct PyOverridable {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject* function;
  PyObject* dict;
  bool spreads;  // f(a, [x, y]) is asked for as f(a, x, y)
};
PyOverridable* as_overridable(PyObject* o) { return reinterpret_cast<PyOverridable*>(o); }

PyObject* overridable_call(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
  if (overridden(args, nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0))) [[unlikely]] {
    if (as_overridable(self)->spreads && nargs == 2 && !kwnames && (PyList_Check(args[1]) || PyTuple_Check(args[1]))) {
      std::vector<PyObject*> spread{args[0]};
      for (Py_ssize_t i = 0, n = PySequence_Fast_GET_SIZE(args[1]); i < n; i++)
        spread.push_back(PySequence_Fast_GET_ITEM(args[1], i));
      return call_override(self, spread.data(), Py_ssize_t(spread.size()), nullptr);
    }
    return call_override(self, args, nargs, kwnames);
  }
  return PyObject_Vectorcall(as_overridable(self)->function, args, nargsf, kwnames);
}
PyObject* overridable_getattro(PyObject* self, PyObject* name) {
  PyObject* own = PyObject_GenericGetAttr(self, name);
  if (own || !PyErr_ExceptionMatches(PyExc_AttributeError)) return own;
  PyErr_Clear();
  return PyObject_GetAttr(as_overridable(self)->function, name);
}
int overridable_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(as_overridable(self)->function);
  Py_VISIT(as_overridable(self)->dict);
  Py_VISIT(Py_TYPE(self));
  return 0;
}
int overridable_clear(PyObject* self) {
  Py_CLEAR(as_overridable(self)->function);
  Py_CLEAR(as_overridable(self)->dict);
  return 0;
}
void overridable_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  overridable_clear(self);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}
PyObject* overridable_get(PyObject* self, PyObject* of, PyObject*) {
  return of && of != Py_None ? PyMethod_New(self, of) : Py_NewRef(self);
}
PyObject* overridable_repr(PyObject* self) { return PyObject_Repr(as_overridable(self)->function); }
PyObject* overridable_reduce(PyObject* self, PyObject*) {
  return PyObject_GetAttrString(as_overridable(self)->function, "__qualname__");  // by name, as functions are
}
PyObject* overridable_same(PyObject* self, PyObject*) { return Py_NewRef(self); }

template <int of>
PyObject* of_function(PyObject* self, void*) {
  constexpr const char* names[] = {"__name__", "__qualname__", "__doc__", "__module__"};
  return PyObject_GetAttrString(as_overridable(self)->function, names[of]);
}
PyGetSetDef overridable_getset[] = {
    {"__name__", of_function<0>, nullptr, nullptr, nullptr},
    {"__qualname__", of_function<1>, nullptr, nullptr, nullptr},
    {"__doc__", of_function<2>, nullptr, nullptr, nullptr},
    {"__module__", of_function<3>, nullptr, nullptr, nullptr},
    {"__wrapped__", [](PyObject* s, void*) { return Py_NewRef(as_overridable(s)->function); }, nullptr, nullptr,
     nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {},
};
PyMemberDef overridable_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(PyOverridable, vectorcall), READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(PyOverridable, dict), READONLY, nullptr},
    {},
};
PyMethodDef overridable_methods[] = {
    {"__reduce__", overridable_reduce, METH_NOARGS, nullptr},
    {"__copy__", overridable_same, METH_NOARGS, nullptr},
    {"__deepcopy__", overridable_same, METH_O, nullptr},
    {},
};
PyTypeObject* overridable_type;

// _redispatch(func, args, kwargs): the call, without the overrides that it would ask for first; what it calls asks as ever.
PyObject* redispatch(PyObject*, PyObject* given) {
  return guarded([&]() -> PyObject* {
    PyObject *func, *args, *kwargs = nullptr;
    if (!PyArg_ParseTuple(given, "OO!O", &func, &PyTuple_Type, &args, &kwargs)) return nullptr;
    if (kwargs == Py_None) kwargs = nullptr;
    // Methods of Tensor that are written in Python call others under their own name (__repr__).
    bool wrapped = Py_TYPE(func) == overridable_type;
    PyObject *name, *entry;
    for (Py_ssize_t at = 0; wrapped && PyDict_Next(tensor_type->tp_dict, &at, &name, &entry);) wrapped = entry != func;
    if (wrapped) return check(PyObject_Call(as_overridable(func)->function, args, kwargs)).release();
    if (PyFunction_Check(func)) {
      Scoped<bool> once(unasked, true);
      return check(PyObject_Call(func, args, kwargs)).release();
    }
    Without plain(true);
    return check(PyObject_Call(func, args, kwargs)).release();
  });
}

PyObject* make_overridable(PyObject*, PyObject* given) {
  return guarded([&]() -> PyObject* {
    PyObject* function;
    int spreads = false;
    if (!PyArg_ParseTuple(given, "O|p", &function, &spreads)) return nullptr;
    RL_CHECK(TypeError, PyFunction_Check(function), "_overridable: expected a Python function");
    auto* o = PyObject_GC_New(PyOverridable, overridable_type);
    if (!o) return nullptr;
    o->vectorcall = overridable_call;
    o->function = Py_NewRef(function);
    o->dict = nullptr;
    o->spreads = spreads;
    PyObject_GC_Track(o);
    return reinterpret_cast<PyObject*>(o);
  });
}

PyMethodDef functions[] = {
    {"_has_torch_function", has_torch_function, METH_O, nullptr},
    {"_has_torch_function_unary", has_torch_function_unary, METH_O, nullptr},
    {"_has_torch_function_variadic",
     reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(has_torch_function_variadic)), METH_FASTCALL, nullptr},
    {"_handle_torch_function", handle, METH_VARARGS, nullptr},
    {"_redispatch", redispatch, METH_VARARGS, nullptr},
    {"_overriding_arguments", overriding_arguments, METH_O, nullptr},
    {"_push_on_torch_function_stack", push_mode, METH_O, nullptr},
    {"_pop_torch_function_stack", pop_mode, METH_NOARGS, nullptr},
    {"_torch_function_stack", mode_stack, METH_NOARGS, nullptr},
    {"_overrides_state", overrides_state, METH_VARARGS, nullptr},
    {"_set_parameter_type", set_parameter_type, METH_O, nullptr},
    {"_overridable", make_overridable, METH_VARARGS,
     "_overridable(function, spreads=False): asks __torch_function__ of its arguments first; if it spreads, for "
     "f(a, [x, y]) as for f(a, x, y)."},
    {"_disabled_torch_function_impl", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(disabled)),
     METH_VARARGS | METH_KEYWORDS, "As the __torch_function__ of a class: its objects are tensors like any other."},
    {},
};
PyMethodDef tensor_methods[] = {
    {"__torch_function__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(default_handler)),
     METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     "__torch_function__(func, types, args=(), kwargs=None): func(*args, **kwargs), its results in this class."},
    {},
};

}  // namespace

void bind_overrides(PyObject* module) {
  handler_name = PyUnicode_InternFromString("__torch_function__");
  add_methods(module, functions);
  disabled_handler = check(PyObject_GetAttrString(module, "_disabled_torch_function_impl")).release();
  add_methods(tensor_type, tensor_methods);
  tensor_function = tensor_entry("__torch_function__");
  for (auto [old_name, name] : {std::pair("__div__", "__truediv__"), std::pair("__rdiv__", "__rtruediv__"),
                                std::pair("__idiv__", "__itruediv__")})
    check_status(PyDict_SetItemString(tensor_type->tp_dict, old_name, tensor_entry(name)));
  PyType_Modified(tensor_type);
  PyType_Slot slots[] = {
      {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
      {Py_tp_dealloc, reinterpret_cast<void*>(overridable_dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(overridable_traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(overridable_clear)},
      {Py_tp_getattro, reinterpret_cast<void*>(overridable_getattro)},
      {Py_tp_descr_get, reinterpret_cast<void*>(overridable_get)},
      {Py_tp_repr, reinterpret_cast<void*>(overridable_repr)},
      {Py_tp_getset, overridable_getset},
      {Py_tp_members, overridable_members},
      {Py_tp_methods, overridable_methods},
      {0, nullptr},
  };
  PyType_Spec spec = {"rushlight._C.overridable", sizeof(PyOverridable), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                          Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                      slots};
  overridable_type = reinterpret_cast<PyTypeObject*>(check(PyType_FromSpec(&spec)).release());
  add_object(module, "_OverridableType", reinterpret_cast<PyObject*>(overridable_type));
}

}  // namespace rushlight::py
