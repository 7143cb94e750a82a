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

// The modules whose calls the tracer of this thread is told of, with their attribute paths.
thread_local const std::unordered_map<PyObject*, std::vector<std::string>>* traced_modules = nullptr;

void collect(PyObject* o, Tensors& out) {
  if (is_tensor(o)) out.push_back(unwrap(o));
  else if (PyTuple_Check(o) || PyList_Check(o))
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); i++) collect(PySequence_Fast_GET_ITEM(o, i), out);
  else if (PyDict_Check(o)) {
    PyObject *key, *value;
    for (Py_ssize_t at = 0; PyDict_Next(o, &at, &key, &value);) collect(value, out);
  }
}

// _trace(function, inputs, names, self, state, modules, name) -> ScriptFunction
// Calls function(*inputs) and records it. self: a ScriptObject or None; state: [(attribute path, tensor)] of what belongs to it; modules:
// [(attribute path, module)], whose calls become methods.
PyObject* trace(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *callable, *inputs, *names, *self, *state, *modules;
    const char* name;
    if (!PyArg_ParseTuple(args, "OO!O!OO!O!s:_trace", &callable, &PyTuple_Type, &inputs, &PyTuple_Type, &names, &self,
                          &PyList_Type, &state, &PyList_Type, &modules, &name))
      return nullptr;
    RL_CHECK(RuntimeError, !Tracer::current(), "jit.trace: a trace is being recorded already");
    RL_CHECK(ValueError, PyTuple_GET_SIZE(inputs) == PyTuple_GET_SIZE(names), "_trace: expected a name for each input");
    auto function = std::make_shared<graph::Function>();
    function->name = function->schema.name = name;
    Tracer tracer;
    tracer.locate = python_place;
    const Ref<ObjectValue>* object = script_object(self);
    if (object) {
      tracer.add_self((*object)->type);
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
    std::unordered_map<PyObject*, std::vector<std::string>> paths;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(modules); i++) {
      PyObject *path, *module;
      if (!PyArg_ParseTuple(PyList_GET_ITEM(modules, i), "O!O", &PyTuple_Type, &path, &module)) return nullptr;
      paths.try_emplace(module, path_from(path));
    }
    {
      graph::Tracing recording(tracer);
      traced_modules = &paths;
      PyObject* called = PyObject_Call(callable, inputs, nullptr);
      traced_modules = nullptr;
      Object result = check(called);
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

PyMethodDef functions[] = {
    {"_trace", trace, METH_VARARGS, "_trace(function, inputs, names, self, state, modules, name) -> ScriptFunction"},
    {"_is_tracing", [](PyObject*, PyObject*) { return PyBool_FromLong(Tracer::current() != nullptr); }, METH_NOARGS,
     nullptr},
    {},
};

}  // namespace

void trace_loss(const Tensor& t, const char* warning) {
  Tracer* tracer = Tracer::current();
  if (!tracer || !tracer->knows(t)) return;
  check_status(PyErr_WarnEx(imported("rushlight.jit._trace", "TracerWarning"), warning, 1));
}

void trace_number(const Argument& a, size_t element, const Tensor& t) {
  if (Tracer* tracer = Tracer::current()) tracer->note_number(a, element, t);
}

int trace_enters(PyObject* module, PyObject* const* args, Py_ssize_t count) {
  return guarded(-1, [&] {
    Tracer* tracer = Tracer::current();
    if (!tracer || !traced_modules) return 0;
    auto found = traced_modules->find(module);
    if (found == traced_modules->end()) return 0;
    Tensors tensors;
    for (Py_ssize_t i = 0; i < count; i++) collect(args[i], tensors);
    tracer->enter(found->second, tensors);
    return 1;
  });
}

void trace_leaves(PyObject* result) {
  Tensors tensors;
  if (result) collect(result, tensors);
  Tracer::current()->leave(tensors);
}

PyObject* traced_size(const Tensor& t, int64_t dim) {
  Tracer* tracer = Tracer::current();
  return tracer && tracer->knows(t) ? wrap(tracer->size(t, dim)) : nullptr;
}

PyObject* traced_numel(const Tensor& t) {
  Tracer* tracer = Tracer::current();
  return tracer && tracer->knows(t) ? wrap(tracer->numel(t)) : nullptr;
}

PyObject* traced_sizes(const Tensor& t) {
  Tracer* tracer = Tracer::current();
  if (!tracer || !tracer->knows(t)) return nullptr;
  Object out = check(size_type->tp_alloc(size_type, Py_ssize_t(t.dim())));
  for (int64_t i = 0; i < t.dim(); i++) PyTuple_SET_ITEM(out.get(), i, check(wrap(tracer->size(t, i))).release());
  return out.release();
}

void bind_trace(PyObject* module) { add_methods(module, functions); }

}  // namespace rushlight::py
