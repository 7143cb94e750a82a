// Futures of scripts and of Python: each side's is one of the other's.
#include "bind.h"
#include "py_convert.h"
#include "py_script.h"
#include "rushlight/graph/future.h"

namespace rushlight::py {
namespace {

using graph::Future;
using Shared = std::shared_ptr<PyObject>;  // let go of with Python's lock held

constexpr const char* kFutureCapsule = "rushlight.Future";

Shared shared(PyObject* o) {
  return Shared(Py_NewRef(o), [](PyObject* p) {
    if (!Py_IsInitialized()) return;
    GilAcquire gil;
    Py_DECREF(p);
  });
}

IValue value_of(const Object& capsule) {
  return *static_cast<IValue*>(PyCapsule_GetPointer(capsule.get(), kFutureCapsule));
}
Object capsule_of(const IValue& v) {
  return check(PyCapsule_New(new IValue(v), kFutureCapsule, [](PyObject* c) {
    delete static_cast<IValue*>(PyCapsule_GetPointer(c, kFutureCapsule));
  }));
}

// The error that is set, as an object.
Object taken_error() {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  if (trace) PyException_SetTraceback(value, trace);
  Py_XDECREF(type);
  Py_XDECREF(trace);
  return Object(value);
}

// Gives Python's future what the script's has.
void settle(PyObject* python, const IValue& v) {
  Object done;
  try {
    Object value = check(to_python(graph::future_of(v).wait()));
    done = Object(PyObject_CallMethod(python, "set_result", "O", value.get()));
  } catch (...) {
    set_error_from_exception();
    done = Object(PyObject_CallMethod(python, "set_exception", "O", taken_error().get()));
  }
  if (!done) PyErr_WriteUnraisable(python);
}

PyObject* wait_for(PyObject* capsule, PyObject*) {
  return guarded([&]() -> PyObject* {
    IValue future = value_of(Object(Py_NewRef(capsule))), value;
    {
      GilRelease release(true);
      value = graph::future_of(future).wait();
    }
    return to_python(value);
  });
}
PyMethodDef wait_method = {"wait", wait_for, METH_NOARGS, "the value of a script's future"};

PyObject* num_threads(PyObject*, PyObject*) { return PyLong_FromLong(graph::num_interop_threads()); }
PyObject* set_num_threads(PyObject*, PyObject* n) {
  return guarded([&]() -> PyObject* {
    int overflow;
    long long wanted = PyLong_AsLongLongAndOverflow(n, &overflow);
    if (wanted == -1 && PyErr_Occurred()) return nullptr;
    graph::set_num_interop_threads(overflow || wanted > INT_MAX ? 0 : int(std::max(wanted, 0LL)));
    Py_RETURN_NONE;
  });
}

PyMethodDef methods[] = {{"get_num_interop_threads", num_threads, METH_NOARGS,
                          "get_num_interop_threads() -> threads that forks of scripts run on"},
                         {"set_num_interop_threads", set_num_threads, METH_O,
                          "set_num_interop_threads(n): how many threads forks of scripts may have"},
                         {nullptr, nullptr, 0, nullptr}};

// What a thread of forks does a task in: others know that tensors are worked on while none of them holds Python's lock.
void work_without_lock(FunctionRef<void()> task) {
  GilAcquire gil;
  GilRelease release(true);
  task();
}

}  // namespace

PyObject* future_to_python(const IValue& v) {
  Object capsule = capsule_of(v);
  if (is_await(*v.to_object().type)) {
    Object wait = check(PyCFunction_New(&wait_method, capsule.get()));
    return PyObject_CallFunction(imported("rushlight.jit._async", "_Await"), "O()", wait.get());
  }
  Object python = check(PyObject_CallNoArgs(imported("rushlight.futures", "Future")));
  check_status(PyObject_SetAttrString(python.get(), "_script", capsule.get()));
  if (graph::future_of(v).done()) settle(python.get(), v);
  else
    graph::future_of(v).then([keep = shared(python.get()), v] {
      GilAcquire gil;
      settle(keep.get(), v);
    });
  return python.release();
}

bool future_from_python(PyObject* o, IValue& out, const Type& wanted) {
  Object held(PyObject_GetAttrString(o, "_script"));
  PyErr_Clear();
  if (held && PyCapsule_IsValid(held.get(), kFutureCapsule)) {
    out = value_of(held);
    return out.type()->is_subtype_of(wanted);
  }
  PyObject* type =
      is_await(wanted) ? imported("rushlight.jit._async", "_Await") : imported("rushlight.futures", "Future");
  if (PyObject_IsInstance(o, type) != 1) return false;
  // Who waits asks Python.
  auto work = [python = shared(o), element = wanted.element()] {
    GilAcquire gil;
    try {
      return from_python(check(PyObject_CallMethod(python.get(), "wait", nullptr)).get(), *element);
    } catch (const ErrorSet&) { throw_python_error(); }
  };
  out = graph::make_future((is_await(wanted) ? await_type : future_type)(wanted.element()),
                           make_ref<Future>(Future::Work(std::move(work))));
  return true;
}

void bind_futures(PyObject* module) {
  graph::around_task = work_without_lock;
  add_methods(module, methods);
}

}  // namespace rushlight::py
