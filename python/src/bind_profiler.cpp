// The call profiler; rushlight/profiler.py makes tables and traces from its events.
#include "bind.h"
#include "py_types.h"
#include "rushlight/dispatch/profiler.h"

namespace rushlight::py {
namespace {

constexpr const char* kCapsule = "rushlight.Profiler";

Profiler* profiler_of(PyObject* capsule) {
  void* p = PyCapsule_GetPointer(capsule, kCapsule);
  if (!p) throw ErrorSet{};
  return static_cast<Profiler*>(p);
}

PyObject* start(PyObject*, PyObject* record_shapes) {
  return guarded([&] {
    auto* p = new Profiler(PyObject_IsTrue(record_shapes) == 1);
    Object capsule = check(PyCapsule_New(p, kCapsule, [](PyObject* c) {
      auto* mine = static_cast<Profiler*>(PyCapsule_GetPointer(c, kCapsule));
      mine->stop();
      delete mine;
    }));
    p->start();
    return capsule.release();
  });
}

// [(name, start_ns, end_ns, bytes, depth, is_range, shapes)]
PyObject* stop(PyObject*, PyObject* capsule) {
  return guarded([&] {
    Profiler* p = profiler_of(capsule);
    p->stop();
    Object out = check(PyList_New(0));
    for (const Profiler::Event& e : p->events()) {
      Object shapes = check(PyList_New(0));
      for (const Dims& d : e.shapes) check_status(PyList_Append(shapes.get(), check(wrap_ints(d)).get()));
      Object row = check(Py_BuildValue("(s#LLLiOO)", e.name->data(), Py_ssize_t(e.name->size()), (long long)e.start_ns,
                                       (long long)e.end_ns, (long long)e.bytes, e.depth,
                                       e.is_range ? Py_True : Py_False, shapes.get()));
      check_status(PyList_Append(out.get(), row.get()));
    }
    return out.release();
  });
}

PyMethodDef functions[] = {
    {"_profiler_start", start, METH_O, nullptr},
    {"_profiler_stop", stop, METH_O, nullptr},
    {"_profiler_enabled", [](PyObject*, PyObject*) { return PyBool_FromLong(Profiler::current() != nullptr); },
     METH_NOARGS, "Whether a profiler runs on this thread."},
    {"_profiler_begin_range",
     [](PyObject*, PyObject* name) {
       return guarded([&] {
         if (Profiler* p = Profiler::current()) p->begin_range(std::string(text_of(name)));
         return Py_NewRef(Py_None);
       });
     },
     METH_O, nullptr},
    {"_profiler_end_range",
     [](PyObject*, PyObject*) {
       if (Profiler* p = Profiler::current()) p->end_range();
       return Py_NewRef(Py_None);
     },
     METH_NOARGS, nullptr},
    {},
};

}  // namespace

void bind_profiler(PyObject* module) { add_methods(module, functions); }

}  // namespace rushlight::py
