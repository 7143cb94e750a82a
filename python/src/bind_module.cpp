// ModuleBase: the hot paths of nn.Module as a CPython type. python/rushlight/nn/_module_base.py has the same semantics in
// Python and is the specification; nn/modules/module.py holds everything that is not hot.
//
// Calls: with no hook on the module and none on all modules, forward is called directly, self and the arguments passed
// on without a tuple or a bound method. Attributes: the ordinary lookup, and where it ends in nothing, a look into
// _parameters, _buffers and _modules. Assignments that may concern those three go to Module._set_member.
#include <Python.h>
#include <structmember.h>  // needs Python.h before it

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "bind.h"
#include "py_trace.h"

namespace rushlight::py {
namespace {

constexpr int kHookKinds = 4;
constexpr int kMemberKinds = 3;

// Note [Versions of dictionaries]: a call looks six names up in the module's dictionary, and a parameter's attribute one more than its
// own: an eighth of what a small MLP costs. CPython 3.11 gives each state of each dictionary a number of its own, so what was found is
// kept with that number, and holds while the dictionary still has it. Later versions of Python have no such number; there nothing is kept.
#if PY_VERSION_HEX < 0x030C0000
uint64_t version_of(PyObject* dict) { return reinterpret_cast<PyDictObject*>(dict)->ma_version_tag; }
#else
uint64_t version_of(PyObject*) { return 0; }
#endif

struct ModuleObject {
  PyObject_HEAD PyObject* dict;
  PyObject* weakrefs;
  vectorcallfunc vectorcall;
  // What the dictionary of this version holds, borrowed from it; see the note. 0: nothing is known.
  uint64_t plain_version;       // neither compiled nor with a forward of its own, and
  PyObject* hooks[kHookKinds];  // the dictionaries of its hooks
  uint64_t member_version;
  PyObject* members[kMemberKinds];  // those of its members, null if not looked up yet
};

// Made once when the extension is imported and kept: the type, names, and what module.py configures.
struct Globals {
  PyTypeObject* type = nullptr;
  PyObject* tensor_type = nullptr;
  PyObject* all_module_hooks[kHookKinds] = {};
  PyObject* hook_names[kHookKinds] = {};
  PyObject* member_names[kMemberKinds] = {};
  PyObject* forward = nullptr;
  PyObject* compiled_call = nullptr;
  PyObject* call_with_hooks = nullptr;
  PyObject* set_member = nullptr;
  PyObject* note_failure = nullptr;
  PyObject* getattr_name = nullptr;
  PyObject* getattribute_name = nullptr;
  PyObject* own_getattr = nullptr;
  PyObject* own_getattribute = nullptr;
};
Globals g;

ModuleObject* as_module(PyObject* self) { return reinterpret_cast<ModuleObject*>(self); }

// With the object and the name, from which Python's traceback suggests the name that was meant.
PyObject* no_attribute(PyObject* self, PyObject* name) {
  PyErr_Format(PyExc_AttributeError, "'%.200s' object has no attribute '%U'", Py_TYPE(self)->tp_name, name);
  PyObject *type, *error, *trace;
  PyErr_Fetch(&type, &error, &trace);
  PyErr_NormalizeException(&type, &error, &trace);
  if (PyObject_SetAttrString(error, "name", name) < 0 || PyObject_SetAttrString(error, "obj", self) < 0) PyErr_Clear();
  PyErr_Restore(type, error, trace);
  return nullptr;
}

// A borrowed reference to the member dictionary of the kind, or null without an error before Module.__init__.
PyObject* members_of(PyObject* self, int kind) {
  ModuleObject* m = as_module(self);
  if (m->dict == nullptr) return nullptr;
  const uint64_t now = version_of(m->dict);
  if (now == 0 || m->member_version != now) {
    std::fill(std::begin(m->members), std::end(m->members), nullptr);
    m->member_version = now;
  }
  PyObject*& members = m->members[kind];
  if (members == nullptr) {
    members = PyDict_GetItemWithError(m->dict, g.member_names[kind]);
    if (members != nullptr && !PyDict_Check(members)) members = nullptr;
  }
  return members;
}

// A new reference to the parameter, buffer or module of that name, or null: with an error set only if one happened.
PyObject* find_member(PyObject* self, PyObject* name) {
  for (int kind = 0; kind < kMemberKinds; ++kind) {
    PyObject* members = members_of(self, kind);
    if (members == nullptr) {
      if (PyErr_Occurred()) return nullptr;
      continue;
    }
    PyObject* found = PyDict_GetItemWithError(members, name);
    if (found != nullptr) return Py_NewRef(found);
    if (PyErr_Occurred()) return nullptr;
  }
  return nullptr;
}

PyObject* member_or_error(PyObject* self, PyObject* name) {
  PyObject* found = find_member(self, name);
  if (found == nullptr && !PyErr_Occurred()) return no_attribute(self, name);
  return found;
}

// As PyObject_GenericGetAttr, but without raising an exception only to drop it when the name is a member's.
PyObject* module_getattro(PyObject* self, PyObject* name) {
  if (!PyUnicode_Check(name)) return PyObject_GenericGetAttr(self, name);
  PyTypeObject* type = Py_TYPE(self);
  PyObject* descr = _PyType_Lookup(type, name);
  descrgetfunc get = nullptr;
  if (descr != nullptr) {
    Py_INCREF(descr);
    get = Py_TYPE(descr)->tp_descr_get;
    if (get != nullptr && PyDescr_IsData(descr)) {
      PyObject* value = get(descr, self, reinterpret_cast<PyObject*>(type));
      Py_DECREF(descr);
      if (value != nullptr || !PyErr_ExceptionMatches(PyExc_AttributeError)) return value;
      PyErr_Clear();  // as with __getattr__ in Python: a property that lacks an attribute is itself looked for
      return member_or_error(self, name);
    }
  }
  if (PyObject* dict = as_module(self)->dict) {
    PyObject* value = PyDict_GetItemWithError(dict, name);
    if (value != nullptr) {
      Py_INCREF(value);
      Py_XDECREF(descr);
      return value;
    }
    if (PyErr_Occurred()) {
      Py_XDECREF(descr);
      return nullptr;
    }
  }
  if (descr == nullptr) return member_or_error(self, name);
  if (get == nullptr) return descr;
  PyObject* value = get(descr, self, reinterpret_cast<PyObject*>(type));
  Py_DECREF(descr);
  if (value != nullptr || !PyErr_ExceptionMatches(PyExc_AttributeError)) return value;
  PyErr_Clear();
  return member_or_error(self, name);
}

// 1 if the name is that of a member, 0 if not, -1 with an error.
int is_member(PyObject* self, PyObject* name) {
  for (int kind = 0; kind < kMemberKinds; ++kind) {
    PyObject* members = members_of(self, kind);
    int found = members == nullptr ? (PyErr_Occurred() ? -1 : 0) : PyDict_Contains(members, name);
    if (found != 0) return found;
  }
  return 0;
}

// A method and not the slot tp_setattro: with the slot, object.__setattr__(module, ...) would be refused.
PyObject* module_setattr(PyObject* self, PyObject* const* args, Py_ssize_t nargs) {
  if (nargs != 2) {
    PyErr_Format(PyExc_TypeError, "__setattr__ expected 2 arguments, got %zd", nargs);
    return nullptr;
  }
  PyObject *name = args[0], *value = args[1];
  bool may_be_member =
      PyObject_TypeCheck(value, g.type) ||
      (g.tensor_type != nullptr && PyObject_TypeCheck(value, reinterpret_cast<PyTypeObject*>(g.tensor_type)));
  if (!may_be_member) {
    int found = is_member(self, name);
    if (found < 0) return nullptr;
    may_be_member = found != 0;
  }
  if (may_be_member) {
    PyObject* taken = PyObject_CallMethodObjArgs(self, g.set_member, name, value, nullptr);
    if (taken == nullptr) return nullptr;
    bool done = taken == Py_True;
    Py_DECREF(taken);
    if (done) Py_RETURN_NONE;
  }
  if (PyObject_GenericSetAttr(self, name, value) < 0) return nullptr;
  Py_RETURN_NONE;
}

bool has_entries(PyObject* hooks) {
  if (PyDict_Check(hooks)) return PyDict_GET_SIZE(hooks) != 0;
  return PyObject_IsTrue(hooks) != 0;
}

bool any_hook_of_all() {
  for (PyObject* hooks : g.all_module_hooks)
    if (hooks != nullptr && PyDict_GET_SIZE(hooks) != 0) return true;
  return false;
}

// 1 if a hook must be called, 0 if not, -1 with an error. Fills m->hooks, with null for what is no dictionary.
int any_hook(ModuleObject* m) {
  bool any = any_hook_of_all();
  for (int kind = 0; kind < kHookKinds; ++kind) {
    PyObject* hooks = m->dict == nullptr ? nullptr : PyDict_GetItemWithError(m->dict, g.hook_names[kind]);
    if (hooks == nullptr) {
      if (!PyErr_Occurred()) no_attribute(reinterpret_cast<PyObject*>(m), g.hook_names[kind]);
      return -1;
    }
    m->hooks[kind] = PyDict_Check(hooks) ? hooks : nullptr;
    any = any || has_entries(hooks);
  }
  return any;
}

PyObject* make_kwargs(PyObject* const* values, PyObject* kwnames) {
  PyObject* kwargs = PyDict_New();
  for (Py_ssize_t i = 0; kwargs != nullptr && kwnames != nullptr && i < PyTuple_GET_SIZE(kwnames); ++i) {
    if (PyDict_SetItem(kwargs, PyTuple_GET_ITEM(kwnames, i), values[i]) < 0) Py_CLEAR(kwargs);
  }
  return kwargs;
}

PyObject* make_args(PyObject* const* values, Py_ssize_t count) {
  PyObject* args = PyTuple_New(count);
  for (Py_ssize_t i = 0; args != nullptr && i < count; ++i) PyTuple_SET_ITEM(args, i, Py_NewRef(values[i]));
  return args;
}

PyObject* call_hooked(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  PyObject* positional = make_args(args, nargs);
  PyObject* named = positional == nullptr ? nullptr : make_kwargs(args + nargs, kwnames);
  PyObject* result = nullptr;
  if (named != nullptr) result = PyObject_CallMethodObjArgs(self, g.call_with_hooks, positional, named, nullptr);
  Py_XDECREF(positional);
  Py_XDECREF(named);
  return result;
}

// Calls a function with self before the arguments. The caller of a vectorcall lends the slot before them.
PyObject* call_with_self(PyObject* function, PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
  if (nargsf & PY_VECTORCALL_ARGUMENTS_OFFSET) {
    PyObject** slot = const_cast<PyObject**>(args) - 1;
    PyObject* kept = *slot;
    *slot = self;
    PyObject* result = PyObject_Vectorcall(function, slot, nargs + 1, kwnames);
    *slot = kept;
    return result;
  }
  Py_ssize_t total = nargs + (kwnames == nullptr ? 0 : PyTuple_GET_SIZE(kwnames));
  constexpr Py_ssize_t kOnStack = 8;
  PyObject* small[kOnStack + 1];
  PyObject** values = total <= kOnStack ? small : PyMem_New(PyObject*, total + 1);
  if (values == nullptr) return PyErr_NoMemory();
  values[0] = self;
  for (Py_ssize_t i = 0; i < total; ++i) values[i + 1] = args[i];
  PyObject* result = PyObject_Vectorcall(function, values, nargs + 1, kwnames);
  if (values != small) PyMem_Free(values);
  return result;
}

// `own`: whether the module's dictionary has a forward.
PyObject* call_plain(PyObject* self, bool own, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  PyObject* function = own ? nullptr : _PyType_Lookup(Py_TYPE(self), g.forward);
  if (function != nullptr && (Py_TYPE(function)->tp_flags & Py_TPFLAGS_METHOD_DESCRIPTOR)) {
    Py_INCREF(function);
    PyObject* result = call_with_self(function, self, args, nargsf, kwnames);
    Py_DECREF(function);
    return result;
  }
  PyObject* forward = PyObject_GetAttr(self, g.forward);
  if (forward == nullptr) return nullptr;
  PyObject* result = PyObject_Vectorcall(forward, args, PyVectorcall_NARGS(nargsf), kwnames);
  Py_DECREF(forward);
  return result;
}

PyObject* call_forward(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  ModuleObject* m = as_module(self);
  uint64_t version = m->dict == nullptr ? 0 : version_of(m->dict);
  if (version != 0 && m->plain_version == version) {
    bool hooked = any_hook_of_all();
    for (PyObject* hooks : m->hooks) hooked |= PyDict_GET_SIZE(hooks) != 0;
    if (hooked) return call_hooked(self, args, PyVectorcall_NARGS(nargsf), kwnames);
    return call_plain(self, false, args, nargsf, kwnames);
  }
  if (m->dict != nullptr) {
    PyObject* compiled = PyDict_GetItemWithError(m->dict, g.compiled_call);
    if (compiled != nullptr && compiled != Py_None) {
      Py_INCREF(compiled);
      PyObject* result = PyObject_Vectorcall(compiled, args, PyVectorcall_NARGS(nargsf), kwnames);
      Py_DECREF(compiled);
      return result;
    }
    if (compiled == nullptr && PyErr_Occurred()) return nullptr;
  }
  m->plain_version = 0;
  int hooked = any_hook(m);
  if (hooked < 0) return nullptr;
  PyObject* own = PyDict_GetItemWithError(m->dict, g.forward);
  if (own == nullptr && PyErr_Occurred()) return nullptr;
  const bool plain =
      own == nullptr && std::find(std::begin(m->hooks), std::end(m->hooks), nullptr) == std::end(m->hooks);
  if (plain) m->plain_version = version_of(m->dict);
  if (hooked) return call_hooked(self, args, PyVectorcall_NARGS(nargsf), kwnames);
  return call_plain(self, own != nullptr, args, nargsf, kwnames);
}

// Lets the error that is set say which module it came from. What fails here is dropped: the error itself matters more.
void note_failure(PyObject* self) {
  PyObject *kind, *error, *traceback;
  PyErr_Fetch(&kind, &error, &traceback);
  PyErr_NormalizeException(&kind, &error, &traceback);
  Py_XDECREF(PyObject_CallMethodObjArgs(self, g.note_failure, error, nullptr));
  PyErr_Clear();
  PyErr_Restore(kind, error, traceback);
}

PyObject* call_module(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  PyObject* result;
  if (watched()) [[unlikely]] {
    result = guarded([&] {
      Interceptor* entered =
          told_enter(self, args, PyVectorcall_NARGS(nargsf) + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0));
      PyObject* out = call_forward(self, args, nargsf, kwnames);
      if (entered) told_leave(entered, out);
      return out;
    });
  } else {
    result = call_forward(self, args, nargsf, kwnames);
  }
  if (result == nullptr) [[unlikely]]
    note_failure(self);
  return result;
}

// tp_call: calls from tuples and dictionaries, and super().__call__ of a class that has a __call__ of its own.
PyObject* module_call(PyObject* self, PyObject* args, PyObject* kwargs) {
  PyObject* const* values = &PyTuple_GET_ITEM(args, 0);
  Py_ssize_t nargs = PyTuple_GET_SIZE(args);
  if (kwargs == nullptr || PyDict_GET_SIZE(kwargs) == 0) return call_module(self, values, nargs, nullptr);
  Py_ssize_t named = PyDict_GET_SIZE(kwargs);
  PyObject* kwnames = PyTuple_New(named);
  PyObject** all = kwnames == nullptr ? nullptr : PyMem_New(PyObject*, nargs + named);
  if (all == nullptr) {
    Py_XDECREF(kwnames);
    return PyErr_NoMemory();
  }
  for (Py_ssize_t i = 0; i < nargs; ++i) all[i] = values[i];
  PyObject *key, *value;
  for (Py_ssize_t position = 0, i = 0; PyDict_Next(kwargs, &position, &key, &value); ++i) {
    PyTuple_SET_ITEM(kwnames, i, Py_NewRef(key));
    all[nargs + i] = Py_NewRef(value);  // held: forward may change the caller's dictionary
  }
  PyObject* result = call_module(self, all, nargs, kwnames);
  for (Py_ssize_t i = 0; i < named; ++i) Py_DECREF(all[nargs + i]);
  PyMem_Free(all);
  Py_DECREF(kwnames);
  return result;
}

PyObject* module_vectorcall(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  ternaryfunc call = Py_TYPE(self)->tp_call;
  if (call == module_call) return call_module(self, args, nargsf, kwnames);
  // The class was given another __call__ after it was made.
  Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
  PyObject* positional = make_args(args, nargs);
  PyObject* named = positional == nullptr ? nullptr : make_kwargs(args + nargs, kwnames);
  PyObject* result = named == nullptr ? nullptr : call(self, positional, named);
  Py_XDECREF(positional);
  Py_XDECREF(named);
  return result;
}

PyObject* module_delattr(PyObject* self, PyObject* name) {
  for (int kind = 0; kind < kMemberKinds; ++kind) {
    PyObject* members = members_of(self, kind);
    int found = members == nullptr ? (PyErr_Occurred() ? -1 : 0) : PyDict_Contains(members, name);
    if (found < 0) return nullptr;
    if (found == 0) continue;
    if (PyDict_DelItem(members, name) < 0) return nullptr;
    PyObject* transient = PyDict_GetItemString(as_module(self)->dict, "_non_persistent_buffers_set");
    if (transient != nullptr && PySet_Check(transient) && PySet_Discard(transient, name) < 0) return nullptr;
    Py_RETURN_NONE;
  }
  if (PyObject_GenericSetAttr(self, name, nullptr) < 0) return nullptr;
  Py_RETURN_NONE;
}

// Gives a class the fast slots that its __getattr__ in our dictionary and CPython 3.11's rules for vectorcall would
// take from it. A class with a __getattr__, __getattribute__ or __call__ of its own keeps the ordinary ones.
void set_fast_slots(PyTypeObject* type) {
  if (_PyType_Lookup(type, g.getattr_name) == g.own_getattr &&
      _PyType_Lookup(type, g.getattribute_name) == g.own_getattribute) {
    type->tp_getattro = module_getattro;
  }
  if (type->tp_call == module_call) type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
  PyType_Modified(type);
}

PyObject* module_init_subclass(PyObject* cls, PyObject* args, PyObject* kwargs) {
  PyObject* super = PyObject_CallFunctionObjArgs(reinterpret_cast<PyObject*>(&PySuper_Type),
                                                 reinterpret_cast<PyObject*>(g.type), cls, nullptr);
  if (super == nullptr) return nullptr;
  PyObject* next = PyObject_GetAttrString(super, "__init_subclass__");
  Py_DECREF(super);
  if (next == nullptr) return nullptr;
  PyObject* result = PyObject_Call(next, args, kwargs);
  Py_DECREF(next);
  if (result == nullptr) return nullptr;
  Py_DECREF(result);
  set_fast_slots(reinterpret_cast<PyTypeObject*>(cls));
  Py_RETURN_NONE;
}

// For a class whose methods were exchanged for a time and put back: that has taken the fast slots from it.
PyObject* module_refresh(PyObject* cls, PyObject*) {
  set_fast_slots(reinterpret_cast<PyTypeObject*>(cls));
  Py_RETURN_NONE;
}

PyObject* module_configure(PyObject*, PyObject* args) {
  PyObject* hooks[kHookKinds];
  PyObject* tensor_type;
  if (!PyArg_ParseTuple(args, "O!O!O!O!O!", &PyType_Type, &tensor_type, &PyDict_Type, &hooks[0], &PyDict_Type,
                        &hooks[1], &PyDict_Type, &hooks[2], &PyDict_Type, &hooks[3])) {
    return nullptr;
  }
  Py_XSETREF(g.tensor_type, Py_NewRef(tensor_type));
  for (int i = 0; i < kHookKinds; ++i) Py_XSETREF(g.all_module_hooks[i], Py_NewRef(hooks[i]));
  Py_RETURN_NONE;
}

PyObject* module_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self != nullptr) as_module(self)->vectorcall = module_vectorcall;
  return self;
}

int module_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(as_module(self)->dict);
  Py_VISIT(Py_TYPE(self));
  return 0;
}

int module_clear(PyObject* self) {
  Py_CLEAR(as_module(self)->dict);
  return 0;
}

void module_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (as_module(self)->weakrefs != nullptr) PyObject_ClearWeakRefs(self);
  Py_CLEAR(as_module(self)->dict);
  type->tp_free(self);
  Py_DECREF(type);
}

template <class F>
PyCFunction as_cfunction(F* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(function));
}

PyMethodDef methods[] = {
    {"__getattr__", member_or_error, METH_O, "The parameter, buffer or module of that name."},
    {"__setattr__", as_cfunction(module_setattr), METH_FASTCALL, nullptr},
    {"__delattr__", module_delattr, METH_O, nullptr},
    {"__init_subclass__", as_cfunction(module_init_subclass), METH_VARARGS | METH_KEYWORDS | METH_CLASS, nullptr},
    {"_refresh", module_refresh, METH_NOARGS | METH_CLASS,
     "Gives a class its fast calls and attribute reads back, after methods of it were exchanged and put back."},
    {"_configure", module_configure, METH_VARARGS | METH_STATIC,
     "_configure(tensor_type, *hooks): the tensor class, and the hook dictionaries common to all modules."},
    {nullptr, nullptr, 0, nullptr},
};

PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(ModuleObject, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(ModuleObject, weakrefs), READONLY, nullptr},
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(ModuleObject, vectorcall), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyGetSetDef getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

template <class F>
void* slot(F* function) {
  return reinterpret_cast<void*>(function);
}

bool intern(PyObject*& name, const char* text) {
  name = PyUnicode_InternFromString(text);
  return name != nullptr;
}

bool intern_names() {
  const char* hooks[kHookKinds] = {"_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"};
  const char* kinds[kMemberKinds] = {"_parameters", "_buffers", "_modules"};
  for (int i = 0; i < kHookKinds; ++i) {
    if (!intern(g.hook_names[i], hooks[i])) return false;
  }
  for (int i = 0; i < kMemberKinds; ++i) {
    if (!intern(g.member_names[i], kinds[i])) return false;
  }
  return intern(g.forward, "forward") && intern(g.compiled_call, "_compiled_call_impl") &&
         intern(g.call_with_hooks, "_call_with_hooks") && intern(g.set_member, "_set_member") &&
         intern(g.note_failure, "_note_failure") && intern(g.getattr_name, "__getattr__") &&
         intern(g.getattribute_name, "__getattribute__");
}

}  // namespace

void bind_module(PyObject* extension) {
  if (!intern_names()) throw ErrorSet{};
  PyType_Slot slots[] = {
      {Py_tp_doc, const_cast<char*>("The hot paths of nn.Module: call and attributes.")},
      {Py_tp_new, slot(module_new)},
      {Py_tp_dealloc, slot(module_dealloc)},
      {Py_tp_traverse, slot(module_traverse)},
      {Py_tp_clear, slot(module_clear)},
      {Py_tp_call, slot(module_call)},
      {Py_tp_getattro, slot(module_getattro)},
      {Py_tp_methods, methods},
      {Py_tp_members, members},
      {Py_tp_getset, getset},
      {0, nullptr},
  };
  PyType_Spec spec = {"rushlight._C.ModuleBase", sizeof(ModuleObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
                      slots};
  PyObject* type = check(PyType_FromSpec(&spec)).release();  // kept for good
  g.type = reinterpret_cast<PyTypeObject*>(type);
  g.own_getattr = _PyType_Lookup(g.type, g.getattr_name);
  g.own_getattribute = _PyType_Lookup(g.type, g.getattribute_name);
  add_object(extension, "ModuleBase", type);
}

}  // namespace rushlight::py
