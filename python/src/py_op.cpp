#include "py_op.h"

#include <structmember.h>

#include <algorithm>
#include <map>
#include <utility>

#include "py_override.h"
#include "py_parse.h"
#include "rushlight/core/notice.h"
#include "rushlight/dispatch/values.h"

namespace rushlight::py {

// The callable. Overloads are prepared at the first call: most names are never called.
struct PyOp {
  PyObject_HEAD vectorcallfunc vectorcall;
  std::string* name;
  Placed placed;
  bool ready;
  std::vector<Overload>* overloads;
  PyObject* weakrefs;
};

namespace {

PyTypeObject *function_type, *method_type;

PyOp* as_op(PyObject* o) { return reinterpret_cast<PyOp*>(o); }

// Without the namespace: as programs and messages name it.
std::string_view bare(std::string_view name) {
  size_t colon = name.find("::");
  return colon == name.npos ? name : name.substr(colon + 2);
}

bool belongs(const Op& op, Placed placed) {
  return placed == Placed::Anywhere ||
         (placed == Placed::Method ? op.is_method() : op.is_function() || op.form() == Op::Form::Out);
}

PyObject* named_repr(PyObject* self) {
  std::string out = std::string(type_name(self)) + "(";
  PyMemberDef* member = Py_TYPE(self)->tp_members;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self); i++) {
    Object text{PyObject_Repr(PyTuple_GET_ITEM(self, i))};
    const char* p = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
    if (!p) return nullptr;
    out += str(i ? ",\n" : "\n", member[i].name, "=", p);
  }
  return to_str(out + ")");
}

// torch.return_types.max and the like: one type per operator name, made when it is first needed.
PyTypeObject* named_result_of(const Op& op) {
  const auto& returns = op.schema().returns;
  if (returns.size() < 2) return nullptr;
  for (const Argument& r : returns)
    if (r.name.empty()) return nullptr;
  static std::map<std::string, PyTypeObject*>& made = *new std::map<std::string, PyTypeObject*>;
  std::string key = op.name();
  for (const Argument& r : returns) key += "," + r.name;
  PyTypeObject*& type = made[key];
  if (type) return type;
  auto* fields = new std::vector<PyStructSequence_Field>;
  for (const Argument& r : returns) fields->push_back({r.name.c_str(), nullptr});
  fields->push_back({nullptr, nullptr});
  auto* name = new std::string("torch.return_types." + op.name());
  auto* desc = new PyStructSequence_Desc{name->c_str(), nullptr, fields->data(), int(returns.size())};
  type = PyStructSequence_NewType(desc);
  if (!type) throw ErrorSet{};
  type->tp_repr = named_repr;
  check_status(
      PyDict_SetItemString(type->tp_dict, "__module__", check(PyUnicode_FromString("torch.return_types")).get()));
  Object types = check(PyObject_GetAttrString(c_module, "_return_types"));
  check_status(PyDict_SetItemString(types.get(), op.name().c_str(), reinterpret_cast<PyObject*>(type)));
  return type;
}

void make_ready(PyOp* o) {
  if (o->ready) return;
  std::vector<Overload> all;
  for (const Op* op : OpTable::get().overloads(*o->name)) {
    if (!belongs(*op, o->placed)) continue;
    all.push_back(prepare(*op, o->placed == Placed::Method));
    all.back().named_result = named_result_of(*op);
  }
  sort_overloads(all);
  *o->overloads = std::move(all);
  o->ready = true;
}

PyObject* show(const IValue& v, const Argument& as) {
  if (v.is_tensor()) return wrap(v.tensor());
  if (v.is_int() && as.type_name == "ScalarType") return wrap(DType(v.to_int()));
  if (v.is_int_list()) return wrap_ints(v.int_list());
  if (v.is_tensor_list()) {
    TensorList items = v.tensor_list();
    Object out = check(PyTuple_New(Py_ssize_t(items.size())));
    for (size_t i = 0; i < items.size(); i++) PyTuple_SET_ITEM(out.get(), i, check(wrap(items[i])).release());
    return out.release();
  }
  return to_python(v);
}

PyObject* run(const Overload& o, CallArgs& parsed) {
  const Op& op = *o.op;
  IValue rets[kMaxResults];
  if (o.device_at >= 0 && parsed.values()[o.device_at].is_none())
    if (const Device* said = default_device()) parsed.values()[o.device_at] = *said;
  {
    GilRelease released(!o.is_view && is_big(op, parsed.values()));
    call(op, parsed.values(), rets);
  }
  const auto& returns = op.schema().returns;
  if (returns.size() == 1) {
    if (rets[0].is_tensor()) [[likely]] {
      Tensor result = rets[0].take_tensor();
      if (parsed.requires_grad) [[unlikely]] {
        RL_CHECK(RuntimeError, is_differentiable(result.dtype()),
                 "Only Tensors of floating point and complex dtype can require gradients");
        result.impl()->set_requires_grad(true);
      }
      return wrap(std::move(result));
    }
    return show(rets[0], returns[0]);
  }
  if (returns.empty()) Py_RETURN_NONE;
  Object out = check(o.named_result ? PyStructSequence_New(o.named_result) : PyTuple_New(Py_ssize_t(returns.size())));
  for (size_t i = 0; i < returns.size(); i++)
    PyTuple_SET_ITEM(out.get(), i, check(show(rets[i], returns[i])).release());
  if (!PyObject_GC_IsTracked(out.get())) PyObject_GC_Track(out.get());  // named results are not of themselves
  return out.release();
}

}  // namespace

bool is_big(const Op& op, const IValue* args) {
  int64_t n = 0;
  each_tensor(op, args, [&](const Tensor& t) { n += t.numel(); });
  return n >= kReleaseGilFrom;
}

namespace {

// Calls as PyTorch took them of old, with numbers before tensors: x.add_(0.1, y), torch.addmm(1, x, 1, a, b). The numbers are the
// keyword-only ones of the schema (alpha; beta, alpha; value), in their order. False if the call is not one of these.
bool call_as_of_old(PyOp* op, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, PyObject*& result) {
  for (const Overload& o : *op->overloads) {
    std::vector<PyObject*> tensors, numbers;
    bool in_order = true;  // no number stands before a tensor
    for (Py_ssize_t i = 0; i < nargs; i++) {
      IValue unused;
      if (is_tensor(args[i])) {
        in_order &= numbers.empty();
        tensors.push_back(args[i]);
      } else if (as_number(args[i], unused)) {
        numbers.push_back(args[i]);
      } else {
        return false;
      }
    }
    size_t takes = 0;
    std::vector<const Param*> keywords;
    for (const Param& p : o.params) {
      if (p.want == Want::Tensor && !p.arg->is_out) takes++;
      else if (p.want == Want::Number && p.kwarg_only) keywords.push_back(&p);
    }
    if (in_order || takes != tensors.size() || takes != o.positional.size() || numbers.size() > keywords.size())
      continue;
    static std::map<std::string, bool> warned;
    if (shall_warn(warned[*op->name]))
      check_status(
          PyErr_WarnEx(PyExc_UserWarning,
                       str("This overload of ", *op->name, " is deprecated: numbers before tensors\nConsider using ",
                           "one of the following signatures instead:\n\t", *op->name, o.signature())
                           .c_str(),
                       1));
    Py_ssize_t given = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    Object names = check(PyTuple_New(Py_ssize_t(numbers.size()) + given));
    for (size_t i = 0; i < numbers.size(); i++) {
      PyTuple_SET_ITEM(names.get(), i, Py_NewRef(keywords[i]->name));
      tensors.push_back(numbers[i]);
    }
    for (Py_ssize_t i = 0; i < given; i++) {
      PyTuple_SET_ITEM(names.get(), Py_ssize_t(numbers.size()) + i, Py_NewRef(PyTuple_GET_ITEM(kwnames, i)));
      tensors.push_back(args[nargs + i]);
    }
    result = PyObject_Vectorcall(reinterpret_cast<PyObject*>(op), tensors.data(), takes, names.get());
    return true;
  }
  return false;
}

PyObject* call_op(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  return guarded([&]() -> PyObject* {
    PyOp* op = as_op(self);
    if (!op->ready) [[unlikely]]
      make_ready(op);
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (op->placed == Placed::Method && (nargs < 1 || !is_tensor(args[0])))
      throw TypeError(str("descriptor '", *op->name, "' for 'torch._C.TensorBase' objects doesn't apply to a '",
                          nargs ? short_type_name(args[0]) : "NULL", "' object"));
    if (overridden(args, nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0))) [[unlikely]]
      return call_override(self, args, nargs, kwnames);
    CallArgs parsed;
    for (bool loose : {false, true})
      for (const Overload& o : *op->overloads)
        if (parse(o, args, nargs, kwnames, parsed, loose)) return run(o, parsed);
    PyObject* result = nullptr;
    if (call_as_of_old(op, args, nargs, kwnames, result)) return result;
    fail_parse(bare(*op->name), *op->overloads, args, nargs, kwnames);
  });
}

void op_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  if (as_op(self)->weakrefs) PyObject_ClearWeakRefs(self);
  delete as_op(self)->name;
  delete as_op(self)->overloads;
  PyObject_Free(self);
  Py_DECREF(type);
}

PyObject* op_descr_get(PyObject* self, PyObject* obj, PyObject*) {
  return obj && obj != Py_None ? PyMethod_New(self, obj) : Py_NewRef(self);
}

PyObject* op_repr(PyObject* self) {
  std::string_view name = bare(*as_op(self)->name);
  return to_str(as_op(self)->placed == Placed::Method ? str("<method '", name, "' of 'torch._C.TensorBase' objects>")
                                                      : str("<built-in method ", name, " of type object>"));
}

PyObject* op_doc(PyObject* self, void*) {
  return guarded([&] {
    make_ready(as_op(self));
    std::string text;
    std::vector<std::string_view> docs;  // of each record once, that of the plain overload first
    for (const Overload& o : *as_op(self)->overloads) {
      text += str(bare(*as_op(self)->name), o.signature(), "\n");
      std::string_view doc = o.op->def().doc;
      if (std::ranges::find(docs, doc) != docs.end()) continue;
      docs.insert(o.op->schema().overload.empty() ? docs.begin() : docs.end(), doc);
    }
    for (std::string_view doc : docs) {
      size_t example = doc.find(" >>> ");
      text += str("\n", doc.substr(0, example), "\n");
      if (example != doc.npos) text += str("\n", doc.substr(example + 1), "\n");
    }
    return to_str(text);
  });
}

PyObject* op_name(PyObject* self, void*) { return to_str(bare(*as_op(self)->name)); }
PyObject* op_full_name(PyObject* self, void*) { return to_str(*as_op(self)->name); }
PyObject* op_module(PyObject* self, void*) {
  if (as_op(self)->placed == Placed::Anywhere) return PyUnicode_FromString("rushlight._C._ops");
  if (as_op(self)->name->starts_with("functional::")) return PyUnicode_FromString("rushlight.nn.functional");
  std::vector<const Op*> all = OpTable::get().overloads(*as_op(self)->name);
  std::string_view of = all.empty() ? "" : all[0]->def().module;
  return of.empty() ? PyUnicode_FromString("rushlight") : to_str(str("rushlight._C._", of));
}
// Of what PyTorch has as functions of Python; inspect.signature says so of these and refuses others.
PyObject* op_signature(PyObject* self, void*) {
  if (as_op(self)->name->starts_with("functional::"))
    return guarded([&] {
      Object make(Py_NewRef(imported("rushlight.nn._functional._operators", "signature")));
      return PyObject_CallOneArg(make.get(), self);
    });
  PyErr_SetString(PyExc_AttributeError, "__signature__");
  return nullptr;
}
PyObject* op_schemas(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    make_ready(as_op(self));
    Object out = check(PyList_New(0));
    for (const Overload& o : *as_op(self)->overloads)
      check_status(PyList_Append(out.get(), check(to_str(o.op->schema().text())).get()));
    return out.release();
  });
}
PyObject* op_reduce(PyObject* self, PyObject*) {
  // By name, so that a copy is the same object.
  if (as_op(self)->placed != Placed::Method) return to_str(bare(*as_op(self)->name));
  return Py_BuildValue("O(Os)", PyDict_GetItemString(PyEval_GetBuiltins(), "getattr"), tensor_type,
                       as_op(self)->name->c_str());
}

PyGetSetDef op_getset[] = {
    {"__name__", op_name, nullptr, nullptr, nullptr},
    {"__qualname__", op_name, nullptr, nullptr, nullptr},
    {"__doc__", op_doc, nullptr, nullptr, nullptr},
    {"__module__", op_module, nullptr, nullptr, nullptr},
    {"_schemas", op_schemas, nullptr, nullptr, nullptr},
    {"_full_name", op_full_name, nullptr, nullptr, nullptr},
    {"__signature__", op_signature, nullptr, nullptr, nullptr},
    {},
};
PyMemberDef op_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(PyOp, vectorcall), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(PyOp, weakrefs), READONLY, nullptr},
    {},
};
PyMethodDef op_methods[] = {{"__reduce__", op_reduce, METH_NOARGS, nullptr}, {}};

PyTypeObject* make_op_type(const char* name, bool method) {
  std::vector<PyType_Slot> slots = {
      {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
      {Py_tp_dealloc, reinterpret_cast<void*>(op_dealloc)},
      {Py_tp_repr, reinterpret_cast<void*>(op_repr)},
      {Py_tp_getset, op_getset},
      {Py_tp_members, op_members},
      {Py_tp_methods, op_methods},
  };
  if (method) slots.push_back({Py_tp_descr_get, reinterpret_cast<void*>(op_descr_get)});
  slots.push_back({0, nullptr});
  unsigned flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION |
                   (method ? Py_TPFLAGS_METHOD_DESCRIPTOR : 0);
  PyType_Spec spec = {name, sizeof(PyOp), 0, flags, slots.data()};
  return reinterpret_cast<PyTypeObject*>(check(PyType_FromSpec(&spec)).release());
}

}  // namespace

static PyObject* feature_level(PyObject*, PyObject* name) {
  return guarded([&]() -> PyObject* {
    if (!PyUnicode_Check(name)) throw TypeError("feature_level(): expected the name of an operator");
    std::string key(text_of(name));
    std::vector<const Op*> found = OpTable::get().overloads(key);
    RL_CHECK(ValueError, !found.empty(), "feature_level(): no operator is named '", key, "'");
    constexpr const char* levels[] = {"stable", "beta", "prototype"};
    return PyUnicode_FromString(levels[int(found[0]->def().level)]);
  });
}

const Op& OpRef::find() {
  const Op* op = OpTable::get().find(name_);
  RL_CHECK(NotImplementedError, op, "no record names the operator ", name_);
  return *(op_ = op);
}

PyObject* make_op(std::string_view name, Placed placed) {
  bool any = false;
  for (const Op* op : OpTable::get().overloads(name)) any |= belongs(*op, placed) && op->form() != Op::Form::Out;
  if (!any) return nullptr;
  PyOp* o = PyObject_New(PyOp, placed == Placed::Method ? method_type : function_type);
  if (!o) throw ErrorSet{};
  o->vectorcall = call_op;
  o->name = new std::string(name);
  o->placed = placed;
  o->ready = false;
  o->overloads = new std::vector<Overload>;
  o->weakrefs = nullptr;
  return reinterpret_cast<PyObject*>(o);
}

void bind_ops(PyObject* module) {
  static PyMethodDef functions_here[] = {{"_feature_level", feature_level, METH_O, nullptr}, {}};
  add_methods(module, functions_here);
  function_type = make_op_type("rushlight._C.builtin_operator", false);
  method_type = make_op_type("rushlight._C.operator_method", true);
  add_object(module, "_return_types", check(PyDict_New()).get());

  // _functions: what rushlight.<name> shows; _nn, _linalg, ...: what those modules show; _ops: everything by name.
  Object functions = check(PyDict_New()), modules = check(PyDict_New()), all = check(PyDict_New());
  for (const Op* op : OpTable::get().all()) {
    const char* name = op->name().c_str();
    if (op->form() == Op::Form::Out) continue;
    bool functional = op->name().starts_with("functional::");
    if (!functional && !PyDict_GetItemString(all.get(), name))
      check_status(PyDict_SetItemString(all.get(), name, check(make_op(name, Placed::Anywhere)).get()));
    bool special = op->name().starts_with("special_");  // also as another name of a record outside of that module
    std::string_view of = functional ? "functional" : special ? "special" : op->def().module;
    if (op->is_function()) {
      PyObject* into = functions.get();
      if (!of.empty()) {
        std::string key(of);
        into = PyDict_GetItemString(modules.get(), key.c_str());
        if (!into) {
          check_status(PyDict_SetItemString(modules.get(), key.c_str(), check(PyDict_New()).get()));
          into = PyDict_GetItemString(modules.get(), key.c_str());
        }
      }
      const char* shown = functional ? name + std::string_view("functional::").size() : name;
      if (!PyDict_GetItemString(into, shown))
        check_status(PyDict_SetItemString(into, shown, check(make_op(name, Placed::Function)).get()));
    }
    // What a type has natively (Tensor.to) stays.
    if (op->is_method() && !PyDict_GetItemString(tensor_type->tp_dict, name))
      check_status(PyDict_SetItemString(tensor_type->tp_dict, name, check(make_op(name, Placed::Method)).get()));
  }
  PyType_Modified(tensor_type);
  add_object(module, "_functions", functions.get());
  // _C._nn and the like, also where no record names them yet.
  constexpr const char* kModules[] = {"nn", "linalg", "special", "fft", "functional"};
  for (const char* name : kModules) {
    std::string full = str("rushlight._C._", name);
    Object sub = check(PyModule_New(full.c_str()));
    if (PyObject* names = PyDict_GetItemString(modules.get(), name))
      check_status(PyDict_Update(PyModule_GetDict(sub.get()), names));
    add_object(module, full.c_str() + full.rfind('.') + 1, sub.get());
  }
  PyObject* loaded = PyImport_GetModuleDict();  // pickles name operators by these modules
  for (const char* name : kModules)
    check_status(PyDict_SetItemString(loaded, str("rushlight._C._", name).c_str(),
                                      check(PyObject_GetAttrString(module, str("_", name).c_str())).get()));
  Object ops = check(PyModule_New("rushlight._C._ops"));
  check_status(PyDict_SetItemString(loaded, "rushlight._C._ops", ops.get()));
  check_status(PyDict_Update(PyModule_GetDict(ops.get()), all.get()));
  add_object(module, "_ops", ops.get());
}

}  // namespace rushlight::py
