// What watches a thread's calls for the front end: the recorder behind summaries and drawings, and the check for NaN and infinity.
#include <memory>

#include "bind.h"
#include "py_convert.h"
#include "py_tensor.h"
#include "py_types.h"
#include "rushlight/autograd/finite_check.h"

namespace rushlight::py {
namespace {

constexpr const char* kRecorder = "rushlight.Recorder";
constexpr const char* kFiniteCheck = "rushlight.FiniteCheck";

template <class T>
T* held(PyObject* capsule, const char* kind) {
  void* p = PyCapsule_GetPointer(capsule, kind);
  if (!p) throw ErrorSet{};
  return static_cast<T*>(p);
}

template <class T>
PyObject* pushed(std::unique_ptr<T> made, const char* kind) {
  Object capsule = check(PyCapsule_New(made.get(), kind, [](PyObject* c) {
    auto* mine = static_cast<T*>(PyCapsule_GetPointer(c, PyCapsule_GetName(c)));
    mine->stop();
    delete mine;
  }));
  made.release()->start();
  return capsule.release();
}

PyObject* record_start(PyObject*, PyObject*) {
  return guarded([] { return pushed(std::make_unique<Recorder>(), kRecorder); });
}

Object numbers(const std::vector<int>& v) {
  Object out = check(PyTuple_New(Py_ssize_t(v.size())));
  for (size_t i = 0; i < v.size(); i++) PyTuple_SET_ITEM(out.get(), i, check(PyLong_FromLong(v[i])).release());
  return out;
}

// Schemas hold enums as numbers; what shows them shows names.
Object plain_arguments(const Recorder::Call& c) {
  Object out = check(PyDict_New());
  for (auto& [i, v] : c.plain) {
    const Argument& a = c.op->schema().args[size_t(i)];
    Object shown =
        v.is_int() && a.type_name.starts_with("ScalarType") ? check(wrap(DType(v.to_int()))) : check(to_python(v));
    check_status(PyDict_SetItemString(out.get(), a.name.c_str(), shown.get()));
  }
  return out;
}

// -> ([(tensor, bytes, produced)], [(name, scope, inputs, outputs, arguments, multiply_adds)], [(id of the module, parent, inputs, outputs)])
PyObject* record_stop(PyObject*, PyObject* capsule) {
  return guarded([&] {
    auto* r = held<Recorder>(capsule, kRecorder);
    r->stop();
    Object values = check(PyList_New(0)), calls = check(PyList_New(0)), scopes = check(PyList_New(0));
    for (const Recorder::Value& v : r->values())
      check_status(PyList_Append(values.get(), check(Py_BuildValue("(NLO)", check(wrap(v.tensor)).release(),
                                                                   (long long)v.bytes, v.produced ? Py_True : Py_False))
                                                   .get()));
    for (const Recorder::Call& c : r->calls())
      check_status(PyList_Append(
          calls.get(),
          check(Py_BuildValue("(siNNNL)", c.op->symbol().c_str(), c.scope, numbers(c.inputs).release(),
                              numbers(c.outputs).release(), plain_arguments(c).release(), (long long)c.multiply_adds))
              .get()));
    for (const Recorder::Scope& s : r->scopes())
      check_status(PyList_Append(
          scopes.get(), check(Py_BuildValue("(NiNN)", check(PyLong_FromVoidPtr(const_cast<void*>(s.object))).release(),
                                            s.parent, numbers(s.inputs).release(), numbers(s.outputs).release()))
                            .get()));
    return Py_BuildValue("(NNN)", values.release(), calls.release(), scopes.release());
  });
}

// _finite_check_start(infinities, name_of): name_of(id of a module) -> str.
PyObject* finite_start(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    int infinities;
    PyObject* name_of;
    if (!PyArg_ParseTuple(args, "pO:_finite_check_start", &infinities, &name_of)) return nullptr;
    auto name = [held = std::make_shared<Object>(Object::borrow(name_of))](const void* object) {
      Object id = check(PyLong_FromVoidPtr(const_cast<void*>(object)));
      return std::string(text_of(check(PyObject_CallOneArg(held->get(), id.get())).get()));
    };
    return pushed(std::make_unique<FiniteCheck>(infinities != 0, std::move(name)), kFiniteCheck);
  });
}

PyObject* finite_stop(PyObject*, PyObject* capsule) {
  return guarded([&] { return held<FiniteCheck>(capsule, kFiniteCheck)->stop(), Py_NewRef(Py_None); });
}

PyMethodDef functions[] = {
    {"_record_start", record_start, METH_NOARGS, nullptr},
    {"_record_stop", record_stop, METH_O, nullptr},
    {"_finite_check_start", finite_start, METH_VARARGS, nullptr},
    {"_finite_check_stop", finite_stop, METH_O, nullptr},
    {},
};

}  // namespace

void bind_watch(PyObject* module) { add_methods(module, functions); }

}  // namespace rushlight::py
