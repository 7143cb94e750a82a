// Tracing in Python: _C._trace, and what the front end tells the tracer. Under rushlight.jit.
#include "bind.h"
#include "py_convert.h"
#include "py_trace.h"
#include "rushlight/graph/passes/passes.h"
#include "rushlight/graph/tracer.h"

namespace rushlight::py {
namespace {

using graph::Tracer;

// The innermost Python frame.
graph::Location python_place() {
  GilAcquire gil;
  graph::Location here;
  PyFrameObject* frame = PyEval_GetFrame();
  if (!frame) return here;
  Object code(reinterpret_cast<PyObject*>(PyFrame_GetCode(frame)));
  auto* c = reinterpret_cast<PyCodeObject*>(code.get());
  const char *file = PyUnicode_AsUTF8(c->co_filename), *function = PyUnicode_AsUTF8(c->co_name);
  if (!file || !function) {
    PyErr_Clear();
    return here;
  }
  here.file = file;
  here.line = PyFrame_GetLineNumber(frame);
  here.snippet = str(here.file, "(", here.line, "): ", function, "\n");
  return here;
}

std::vector<std::string> path_from(PyObject* tuple) {
  std::vector<std::string> path;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++) path.emplace_back(text_of(PyTuple_GET_ITEM(tuple, i)));
  return path;
}

Argument argument_of(std::string name, TypePtr type) {
  Argument a;
  a.name = std::move(name);
  a.type_name = type->schema_text();
  a.type = std::move(type);
  return a;
}

// What PyTorch warns with where a trace can't follow.
const char* warning_of(Read how) {
#define RL_TRACED(what)                                                                                            \
  "Converting a tensor to a Python " what                                                                          \
  " might cause the trace to be incorrect. We can't record the data flow of Python values, so this value will be " \
  "treated as a constant in the future. This means that the trace might not generalize to other inputs!"
  switch (how) {
    case Read::Number: return RL_TRACED("number");
    case Read::Bool: return RL_TRACED("boolean");
    case Read::Int: return RL_TRACED("integer");
    case Read::Float: return RL_TRACED("float");
    case Read::Index: return RL_TRACED("index");
    case Read::List: return RL_TRACED("list");
    case Read::Length:
      return "Using len to get tensor shape might cause the trace to be incorrect. Recommended usage would be "
             "tensor.shape[0]. Passing a tensor of different shape might lead to errors or silently give "
             "incorrect results.";
    case Read::Rows: break;
  }
#undef RL_TRACED
  return "Iterating over a tensor might cause the trace to be incorrect. Passing a tensor of different shape won't "
         "change the number of iterations executed (and might lead to errors or silently give incorrect results).";
}
void warn_lost(Read how) {
  check_status(PyErr_WarnEx(imported("rushlight.jit._trace", "TracerWarning"), warning_of(how), 1));
}

void collect(PyObject* o, Tensors& out) {
  if (is_tensor(o)) out.push_back(unwrap(o));
  else if (PyTuple_Check(o) || PyList_Check(o))
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); i++) collect(PySequence_Fast_GET_ITEM(o, i), out);
  else if (PyDict_Check(o)) {
    PyObject *key, *value;
    for (Py_ssize_t at = 0; PyDict_Next(o, &at, &key, &value);) collect(value, out);
  }
}

void warn_shared(const Op& op, size_t views) {
  std::string text =
      str("There are ", views, " live references to the data region being modified when tracing in-place operator ",
          op.name(),
          ". This might cause the trace to be incorrect, because all other views that also reference this data will "
          "not reflect this change in the trace!");
  GilAcquire gil;
  check_status(PyErr_WarnEx(imported("rushlight.jit._trace", "TracerWarning"), text.c_str(), 1));
}

// _trace(function, inputs, names, self, state, modules, name, out_of_place=False) -> ScriptFunction
// Calls function(*inputs) and records it. self: a ScriptObject or None; state: [(attribute path, tensor)] of what belongs to it; modules:
// [(attribute path, module)], whose calls become methods.
PyObject* trace(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *callable, *inputs, *names, *self, *state, *modules;
    const char* name;
    int out_of_place = 0;
    if (!PyArg_ParseTuple(args, "OO!O!OO!O!s|p:_trace", &callable, &PyTuple_Type, &inputs, &PyTuple_Type, &names, &self,
                          &PyList_Type, &state, &PyList_Type, &modules, &name, &out_of_place))
      return nullptr;
    RL_CHECK(RuntimeError, !Tracer::current(), "jit.trace: a trace is being recorded already");
    RL_CHECK(ValueError, PyTuple_GET_SIZE(inputs) == PyTuple_GET_SIZE(names), "_trace: expected a name for each input");
    auto function = std::make_shared<graph::Function>();
    function->name = function->schema.name = name;
    Tracer tracer;
    tracer.locate = python_place;
    tracer.lost = warn_lost;
    tracer.out_of_place = out_of_place;
    tracer.shared = warn_shared;
    const Ref<ObjectValue>* object = script_object(self);
    if (object) {
      tracer.add_self(*object);
      function->schema.args.push_back(argument_of("self", graph::as_class((*object)->type)->unowned()));
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(state); i++) {
      PyObject *path, *tensor;
      if (!PyArg_ParseTuple(PyList_GET_ITEM(state, i), "O!O", &PyTuple_Type, &path, &tensor)) return nullptr;
      tracer.add_state(expect_tensor(tensor, "_trace: the state"), path_from(path));
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(inputs); i++) {
      std::string input(text_of(PyTuple_GET_ITEM(names, i)));
      IValue example = from_python(PyTuple_GET_ITEM(inputs, i));
      function->schema.args.push_back(argument_of(input, example.type()));
      tracer.add_input(input, example);
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(modules); i++) {
      PyObject *path, *module;
      if (!PyArg_ParseTuple(PyList_GET_ITEM(modules, i), "O!O", &PyTuple_Type, &path, &module)) return nullptr;
      tracer.add_module(module, path_from(path));
    }
    {
      graph::Tracing recording(tracer);
      Object result = check(PyObject_Call(callable, inputs, nullptr));
      tracer.add_output(from_python(result.get()));
    }
    tracer.finish();
    function->graph = tracer.graph();
    function->schema.returns.push_back(argument_of("", function->graph->outputs()[0]->type()));
    if (!object) return wrap_function(function);
    graph::as_class_shared((*object)->type)->add_method(function);
    Py_RETURN_NONE;  // the object has it
  });
}

// The trace that is being recorded; forks are told to it only while there is one.
Tracer& current() {
  RL_CHECK(RuntimeError, Tracer::current(), "no trace is being recorded");
  return *Tracer::current();
}
// _traced_fork(call) -> (call(), number)
PyObject* traced_fork(PyObject*, PyObject* call) {
  return guarded([&]() -> PyObject* {
    Tracer& tracer = current();
    tracer.begins_fork();
    Object result(PyObject_CallNoArgs(call));
    if (!result) {
      tracer.drops_fork();
      return nullptr;
    }
    int64_t number = tracer.ends_fork(from_python(result.get()));
    return Py_BuildValue("OL", result.get(), (long long)number);
  });
}
// _traced_wait(number, result)
PyObject* traced_wait(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    long long number;
    PyObject* result;
    if (!PyArg_ParseTuple(args, "LO:_traced_wait", &number, &result)) return nullptr;
    current().waits(number, from_python(result));
    Py_RETURN_NONE;
  });
}

PyMethodDef functions[] = {
    {"_traced_fork", traced_fork, METH_O, "_traced_fork(call) -> (call(), number), the call a fork of the trace"},
    {"_traced_wait", traced_wait, METH_VARARGS, "_traced_wait(number, result): the trace waits for that fork"},
    {"_trace", trace, METH_VARARGS,
     "_trace(function, inputs, names, self, state, modules, name, out_of_place=False) -> ScriptFunction"},
    {"_is_tracing", [](PyObject*, PyObject*) { return PyBool_FromLong(Tracer::current() != nullptr); }, METH_NOARGS,
     nullptr},
    {},
};

}  // namespace

Interceptor* told_enter(PyObject* module, PyObject* const* args, Py_ssize_t count) {
  Tensors tensors;
  for (Py_ssize_t i = 0; i < count; i++) collect(args[i], tensors);
  return enter_event(module, tensors);
}

void told_leave(Interceptor* entered, PyObject* result) {
  Tensors tensors;
  if (result) collect(result, tensors);
  entered->leaves(tensors);
}

PyObject* told_sizes_slowly(const Tensor& t) {
  Object out;
  for (int64_t i = 0; i < t.dim(); i++) {
    Tensor size = size_event(t, i);
    if (!size.defined()) return nullptr;
    if (!out) out = check(size_type->tp_alloc(size_type, Py_ssize_t(t.dim())));
    PyTuple_SET_ITEM(out.get(), i, check(wrap(std::move(size))).release());
  }
  return out.release();
}

void bind_trace(PyObject* module) { add_methods(module, functions); }

}  // namespace rushlight::py
