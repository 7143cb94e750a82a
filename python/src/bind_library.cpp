// Operators as torch.ops shows them, and those that Python adds to the table: torch.library.

// clang-format off
#include "py_op.h"  // has Python.h, which structmember.h needs
#include <structmember.h>
// clang-format on

#include "bind.h"
#include "py_override.h"
#include "py_parse.h"
#include "rushlight/api/python.h"
#include "rushlight/dispatch/library.h"

namespace rushlight::py {
namespace {

// ---- values of schemas -------------------------------------------------------------------------------------------------------

// As Python code sees an argument: dtypes, layouts and memory formats are objects there, and ints in graphs.
PyObject* show(const IValue& v, const Argument& a) {
  if (v.is_int()) {
    std::string_view t = a.type_name;
    int64_t i = v.to_int();  // a script can pass any
    if (t.starts_with("ScalarType") && is_dtype_number(i)) return wrap(DType(i));
    if (t.starts_with("Layout") && i == 0) return wrap(Layout(i));
    if (t.starts_with("MemoryFormat") && i >= 0 && i <= int64_t(MemoryFormat::ChannelsLast3d))
      return wrap(MemoryFormat(i));
  }
  // The parser passes lists of bools as lists of ints.
  if (v.is_int_list() && a.type_name.starts_with("bool")) {
    Object out = check(PyList_New(0));
    for (int64_t i : v.int_list()) check_status(PyList_Append(out.get(), i ? Py_True : Py_False));
    return out.release();
  }
  return to_python(v);
}

bool same_value(const IValue& a, const IValue& b) {
  if (a.is_int_list() && b.is_bool_list()) {  // see show()
    const auto& bits = b.bool_list().items;
    return std::equal(a.int_list().begin(), a.int_list().end(), bits.begin(), bits.end());
  }
  if (a.is_int_list() && b.is_int_list()) return a.int_list().vec() == b.int_list().vec();
  if (a.is_double_list() && b.is_double_list()) return a.double_list().vec() == b.double_list().vec();
  return a.is_same(b);
}

// ---- kernels written in Python --------------------------------------------------------------------------------------------------

class PyKernel final : public BoxedKernel {
 public:
  PyKernel(PyObject* function, DispatchKey key) : function_(Object::borrow(function)), key_(key) {}
  ~PyKernel() override {
    if (!Py_IsInitialized()) {
      function_.release();
      return;
    }
    GilAcquire gil;
    function_ = Object();
  }

  void call(const Op& op, IValue* args, IValue* rets) override {
    GilAcquire gil;
    try {
      Object result = call_function(op, args);
      take_results(op, result.get(), rets);
    } catch (const ErrorSet&) { throw_python_error(); }
  }

 private:
  // Arguments that only repeat their defaults are left out, as in PyTorch: the function may have less parameters than the schema.
  Object call_function(const Op& op, IValue* args) {
    const auto& schema = op.schema().args;
    auto is_default = [&](size_t i) { return schema[i].has_default && same_value(args[i], schema[i].default_value); };
    size_t by_place = 0;
    while (by_place < schema.size() && !schema[by_place].kwarg_only) by_place++;
    size_t given = by_place;
    while (given > 0 && is_default(given - 1)) given--;
    Object places = py::check(PyTuple_New(Py_ssize_t(given))), names;
    for (size_t i = 0; i < given; i++)
      PyTuple_SET_ITEM(places.get(), Py_ssize_t(i), py::check(show(args[i], schema[i])).release());
    for (size_t i = by_place; i < schema.size(); i++) {
      if (is_default(i)) continue;
      if (!names) names = py::check(PyDict_New());
      check_status(
          PyDict_SetItemString(names.get(), schema[i].name.c_str(), py::check(show(args[i], schema[i])).get()));
    }
    return py::check(PyObject_Call(function_.get(), places.get(), names.get()));
  }

  std::string who(const Op& op) const {
    return str(op.symbol(), ": the kernel for ", name_of(key_), " (a Python function)");
  }
  void take_results(const Op& op, PyObject* result, IValue* rets) const {
    const auto& returns = op.schema().returns;
    if (returns.empty()) {
      RL_CHECK(RuntimeError, result == Py_None, who(op), " returned ", short_type_name(result),
               ", expected None: the schema has no result: ", op.schema().full_text());
      return;
    }
    if (returns.size() == 1) return take_result(op, result, returns[0], 0, rets[0]);
    bool sequence = PyTuple_Check(result) || PyList_Check(result);
    RL_CHECK(RuntimeError, sequence && size_t(PySequence_Fast_GET_SIZE(result)) == returns.size(), who(op),
             " returned ",
             sequence ? str(PySequence_Fast_GET_SIZE(result), " values") : std::string(short_type_name(result)),
             ", expected ", returns.size(), " values: ", op.schema().full_text());
    for (size_t i = 0; i < returns.size(); i++)
      take_result(op, PySequence_Fast_GET_ITEM(result, Py_ssize_t(i)), returns[i], i, rets[i]);
  }
  void take_result(const Op& op, PyObject* o, const Argument& a, size_t i, IValue& ret) const {
    bool tensor = a.type->is(Type::Kind::Tensor);
    if (tensor && o == Py_None) return;  // an undefined tensor
    try {
      if (!tensor || is_tensor(o)) {
        ret = from_python(o, *a.type);
        return;
      }
    } catch (const Error&) {}
    throw RuntimeError(str(who(op), " returned a value of type ", short_type_name(o), " as result ", i, ", expected ",
                           a.type_name, ": ", op.schema().full_text()));
  }

  Object function_;
  DispatchKey key_;
};

class FallThrough final : public BoxedKernel {
 public:
  void call(const Op&, IValue*, IValue*) override {}
  bool falls_through() const override { return true; }
};

// ---- libraries ----------------------------------------------------------------------------------------------------------------

struct PyLibrary { PyObject_HEAD OpLibrary* library; };
OpLibrary& library_of(PyObject* o) {
  OpLibrary* library = reinterpret_cast<PyLibrary*>(o)->library;
  RL_CHECK(RuntimeError, library, "this Library was destroyed");
  return *library;
}

PyObject* new_library(PyTypeObject* type, PyObject* args, PyObject*) {
  return guarded([&]() -> PyObject* {
    const char *kind, *ns, *where;
    if (!PyArg_ParseTuple(args, "sss:_Library", &kind, &ns, &where)) return nullptr;
    using K = OpLibrary::Kind;
    std::string_view k = kind;
    std::unique_ptr<OpLibrary> made;
    {
      GilRelease released(true);
      made = std::make_unique<OpLibrary>(k == "DEF" ? K::Def : k == "IMPL" ? K::Impl : K::Fragment, ns, where);
    }
    Object o = check(type->tp_alloc(type, 0));
    reinterpret_cast<PyLibrary*>(o.get())->library = made.release();
    return o.release();
  });
}
void drop(PyObject* self) {
  OpLibrary* library = std::exchange(reinterpret_cast<PyLibrary*>(self)->library, nullptr);
  if (!library) return;
  GilRelease released(true);  // kernels that go take the lock
  delete library;
}
void library_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  drop(self);
  type->tp_free(self);
  Py_DECREF(type);
}
PyObject* library_drop(PyObject* self, PyObject*) {
  return guarded([&] {
    drop(self);
    return Py_NewRef(Py_None);
  });
}
PyObject* library_define(PyObject* self, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char* schema;
    int opaque;
    if (!PyArg_ParseTuple(args, "sp:define", &schema, &opaque)) return nullptr;
    OpLibrary& library = library_of(self);
    std::string name;
    {
      GilRelease released(true);  // never wait for other registrations with it: they may warn
      name = library.define(schema, opaque);
    }
    return to_str(name);
  });
}
PyObject* library_impl(PyObject* self, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char *name, *key_text;
    PyObject* function;
    if (!PyArg_ParseTuple(args, "sOs:impl", &name, &function, &key_text)) return nullptr;
    DispatchKey key = parse_dispatch_key(key_text);
    Ref<BoxedKernel> kernel;
    if (function == Py_None) kernel = make_ref<FallThrough>();
    else kernel = make_ref<PyKernel>(function, key);
    OpLibrary& library = library_of(self);
    {
      GilRelease released(true);
      library.impl(name, key, std::move(kernel));
    }
    Py_RETURN_NONE;
  });
}

PyMethodDef library_methods[] = {{"define", library_define, METH_VARARGS, nullptr},
                                 {"impl", library_impl, METH_VARARGS, nullptr},
                                 {"drop", library_drop, METH_NOARGS, nullptr},
                                 {}};

// ---- torch.ops' callables -----------------------------------------------------------------------------------------------------

// All overloads of a name, or one. They are looked up again after the table has changed.
struct PyOperator {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject* shown;    // a weak reference to the object of Python's that stands for it
  std::string* name;  // "mine::scale" or, of one overload, "mine::scale.out"
  bool one;
  uint64_t generation;  // of the table when the overloads were looked up
  // A call keeps those that it began with: what it runs may change the table.
  std::shared_ptr<const std::vector<Overload>>* overloads;
};
PyOperator& operator_of(PyObject* o) { return *reinterpret_cast<PyOperator*>(o); }
PyTypeObject* operator_type;

std::shared_ptr<const std::vector<Overload>> look_up(PyOperator& o) {
  const OpTable& table = OpTable::get();
  uint64_t now = table.generation();
  if (o.generation == now) return *o.overloads;
  std::vector<const Op*> found;
  if (!o.one) found = table.overloads(*o.name);
  else if (const Op* op = table.find(*o.name)) found = {op};
  auto made = std::make_shared<std::vector<Overload>>();
  for (const Op* op : found) made->push_back(prepare(*op, false));
  sort_overloads(*made);
  *o.overloads = std::move(made);
  o.generation = now;
  return *o.overloads;
}

PyObject* results(const Op& op, IValue* rets) {
  size_t n = op.schema().returns.size();
  if (n == 0) Py_RETURN_NONE;
  if (n == 1) return to_python(rets[0]);
  Object out = check(PyTuple_New(Py_ssize_t(n)));
  for (size_t i = 0; i < n; i++) PyTuple_SET_ITEM(out.get(), Py_ssize_t(i), check(to_python(rets[i])).release());
  return out.release();
}

// `overrides`: whether __torch_function__ is asked.
PyObject* run_operator(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kwnames, bool overrides) {
  return guarded([&]() -> PyObject* {
    PyOperator& o = operator_of(self);
    auto overloads = look_up(o);
    RL_CHECK(RuntimeError, !overloads->empty(), *o.name, ": no operator has this name",
             OpTable::get().near_misses(*o.name), " It was taken away with its library, or never registered");
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (overrides && overridden(args, nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0))) [[unlikely]] {
      PyObject* shown = PyWeakref_GetObject(o.shown);
      return call_override(shown && shown != Py_None ? shown : self, args, nargs, kwnames);
    }
    CallArgs parsed;
    for (bool loose : {false, true})
      for (const Overload& overload : *overloads) {
        if (!parse(overload, args, nargs, kwnames, parsed, loose)) continue;
        const Op& op = *overload.op;
        std::vector<IValue> rets(std::max<size_t>(op.schema().returns.size(), kMaxResults));
        {
          GilRelease released(is_big(op, parsed.values()));
          call(op, parsed.values(), rets.data());
        }
        return results(op, rets.data());
      }
    std::string text;
    for (const Overload& overload : *overloads)
      text += (text.empty() ? "" : "\n\n") + explain_mismatch(overload, args, nargs, kwnames);
    if (overloads->size() > 1)
      text = "Overloaded torch operator invoked from Python failed to match any schema:\n" + text;
    throw RuntimeError(std::move(text));
  });
}

PyObject* call_operator(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  return run_operator(self, args, nargsf, kwnames, true);
}

PyObject* new_operator(PyTypeObject* type, PyObject* args, PyObject*) {
  return guarded([&]() -> PyObject* {
    const char* name;
    int one;
    PyObject* shown;
    if (!PyArg_ParseTuple(args, "spO:_Operator", &name, &one, &shown)) return nullptr;
    Object reference = check(PyWeakref_NewRef(shown, nullptr));
    Object o = check(type->tp_alloc(type, 0));
    PyOperator& made = operator_of(o.get());
    made.vectorcall = call_operator;
    made.name = new std::string(name);
    made.one = one;
    made.shown = reference.release();
    made.generation = ~uint64_t(0);
    made.overloads = new std::shared_ptr<const std::vector<Overload>>;
    return o.release();
  });
}
void operator_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  delete operator_of(self).name;
  delete operator_of(self).overloads;
  Py_XDECREF(operator_of(self).shown);
  type->tp_free(self);
  Py_DECREF(type);
}

// operator.below_autograd(...): the same, and nothing is recorded.
PyObject* call_below_autograd(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  Scoped<bool> below(thread_state.below_autograd, true), off(thread_state.grad_enabled, false);
  return run_operator(self, args, size_t(nargs), kwnames, false);
}

PyMethodDef operator_methods[] = {
    {"below_autograd", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call_below_autograd)),
     METH_FASTCALL | METH_KEYWORDS, nullptr},
    {}};
PyMemberDef operator_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(PyOperator, vectorcall), READONLY, nullptr}, {}};

// ---- what Python asks of the table ---------------------------------------------------------------------------------------------

// _op_overloads("mine::scale") -> ["", "out"]
PyObject* op_overloads(PyObject*, PyObject* name) {
  return guarded([&]() -> PyObject* {
    Object out = check(PyList_New(0));
    for (const Op* op : OpTable::get().overloads(text_of(name)))
      check_status(PyList_Append(out.get(), check(to_str(op->schema().overload)).get()));
    return out.release();
  });
}
// _op_names() -> the symbols of all operators
PyObject* op_names(PyObject*, PyObject*) {
  return guarded([&]() -> PyObject* {
    Object out = check(PySet_New(nullptr));
    for (const Op* op : OpTable::get().all()) check_status(PySet_Add(out.get(), check(to_str(op->symbol())).get()));
    return out.release();
  });
}
PyObject* op_near(PyObject*, PyObject* name) {
  return guarded([&] { return to_str(missing_operator(text_of(name))); });
}

Object describe(const Argument& a) {
  Object value = check(a.has_default ? show(a.default_value, a) : Py_NewRef(Py_None));
  return check(Py_BuildValue("{s:s,s:s,s:O,s:O,s:O,s:O,s:O,s:i,s:s}", "name", a.name.c_str(), "type",
                             a.type_name.c_str(), "has_default", a.has_default ? Py_True : Py_False, "default",
                             value.get(), "kwarg_only", a.kwarg_only ? Py_True : Py_False, "is_alias",
                             a.is_alias ? Py_True : Py_False, "is_write", a.is_mutated ? Py_True : Py_False,
                             "list_size", a.list_size, "alias_set", a.alias_set.c_str()));
}
PyObject* describe(const Schema& schema) {
  auto list = [](const std::vector<Argument>& all) {
    Object out = check(PyList_New(0));
    for (const Argument& a : all) check_status(PyList_Append(out.get(), describe(a).get()));
    return out;
  };
  return Py_BuildValue("(ssOOs)", schema.symbol().c_str(), schema.overload.c_str(), list(schema.args).get(),
                       list(schema.returns).get(), schema.full_text().c_str());
}
// _op_schema("mine::scale.out") -> (name, overload, arguments, returns, text); None if there is no such operator
PyObject* op_schema(PyObject*, PyObject* name) {
  return guarded([&]() -> PyObject* {
    const Op* op = OpTable::get().find(text_of(name));
    if (!op) Py_RETURN_NONE;
    return describe(op->schema());
  });
}
// _parse_schema(text), in the same form
PyObject* parse_schema(PyObject*, PyObject* text) {
  return guarded([&] { return describe(Schema::parse(text_of(text))); });
}
// _op_kernels("mine::scale") -> the keys that libraries registered kernels for
PyObject* op_kernels(PyObject*, PyObject* name) {
  return guarded([&]() -> PyObject* {
    Object out = check(PyList_New(0));
    if (const Op* op = OpTable::get().find(text_of(name)))
      for (DispatchKey k : kernel_keys(*op)) check_status(PyList_Append(out.get(), check(to_str(name_of(k))).get()));
    return out.release();
  });
}

// _set_below_autograd(on) -> what it was; see AutoDispatchBelowAutograd in library.py
PyObject* set_below_autograd(PyObject*, PyObject* on) {
  bool before = thread_state.below_autograd;
  thread_state.below_autograd = on == Py_True;
  return PyBool_FromLong(before);
}

// _storage_id(tensor) -> a number that tensors over the same memory share; 0 where there is none
PyObject* storage_id(PyObject*, PyObject* o) {
  return guarded([&] { return PyLong_FromVoidPtr(expect_tensor(o, "_storage_id").impl()->storage().get()); });
}
PyObject* load(PyObject*, PyObject* path) {
  return guarded([&]() -> PyObject* {
    // Under Python's lock: the loader's own lock is held by whoever imports a module meanwhile, who may wait for Python's.
    load_library(std::string(text_of(path)));
    Py_RETURN_NONE;
  });
}

PyMethodDef functions[] = {{"_op_overloads", op_overloads, METH_O, nullptr},
                           {"_op_names", op_names, METH_NOARGS, nullptr},
                           {"_op_near", op_near, METH_O, nullptr},
                           {"_op_schema", op_schema, METH_O, nullptr},
                           {"_op_kernels", op_kernels, METH_O, nullptr},
                           {"_parse_schema", parse_schema, METH_O, nullptr},
                           {"_storage_id", storage_id, METH_O, nullptr},
                           {"_load_library", load, METH_O, nullptr},
                           {"_set_below_autograd", set_below_autograd, METH_O, nullptr},
                           {}};

PyTypeObject* make_type(PyObject* module, PyType_Spec& spec, const char* name) {
  auto* type = reinterpret_cast<PyTypeObject*>(check(PyType_FromSpec(&spec)).release());
  add_object(module, name, reinterpret_cast<PyObject*>(type));
  return type;
}

void warn(const std::string& text) {
  if (!Py_IsInitialized()) return;
  GilAcquire gil;
  if (PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 1) < 0) throw_python_error();
}

}  // namespace

// ---- for extensions ------------------------------------------------------------------------------------------------------------

namespace {

// Runs f; false, and no error of Python's, where it throws.
template <class F>
bool quietly(const F& f) {
  try {
    return f();
  } catch (...) {
    PyErr_Clear();
    return false;
  }
}
const api::PythonApi extension_api = {
    api::PythonApi::kVersion,
    [](PyObject* o, Tensor* out) { return is_tensor(o) && (*out = unwrap(o), true); },
    [](PyObject* o, DType* out) { return quietly([&] { return as_dtype(o, *out); }); },
    [](PyObject* o, Device* out) { return quietly([&] { return as_device(o, *out); }); },
    [](PyObject* o, Ref<Generator>* out) {
      if (!is_generator(o)) return false;
      *out = Ref<Generator>(reinterpret_cast<PyGenerator*>(o)->generator);
      return true;
    },
    [](const Tensor& t) { return guarded([&] { return wrap(t); }); },
    [](DType d) { return guarded([&] { return wrap(d); }); },
    [](Device d) { return guarded([&] { return wrap(d); }); },
    [](Generator* g) { return guarded([&] { return g ? wrap(Ref<Generator>(g)) : Py_NewRef(Py_None); }); },
};

}  // namespace

void bind_library(PyObject* module) {
  add_methods(module, functions);
  void* shown = const_cast<api::PythonApi*>(&extension_api);
  add_object(module, "_extension_api", check(PyCapsule_New(shown, api::PythonApi::kCapsule, nullptr)).get());
  PyType_Slot library_slots[] = {{Py_tp_new, reinterpret_cast<void*>(new_library)},
                                 {Py_tp_dealloc, reinterpret_cast<void*>(library_dealloc)},
                                 {Py_tp_methods, library_methods},
                                 {0, nullptr}};
  PyType_Spec library_spec = {"rushlight._C._Library", sizeof(PyLibrary), 0, Py_TPFLAGS_DEFAULT, library_slots};
  make_type(module, library_spec, "_Library");
  PyType_Slot operator_slots[] = {{Py_tp_new, reinterpret_cast<void*>(new_operator)},
                                  {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                                  {Py_tp_dealloc, reinterpret_cast<void*>(operator_dealloc)},
                                  {Py_tp_members, operator_members},
                                  {Py_tp_methods, operator_methods},
                                  {0, nullptr}};
  PyType_Spec operator_spec = {"rushlight._C._Operator", sizeof(PyOperator), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL, operator_slots};
  operator_type = make_type(module, operator_spec, "_Operator");
  registration_warning = warn;
}

}  // namespace rushlight::py
