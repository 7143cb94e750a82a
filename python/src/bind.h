// What makes up the module rushlight._C: one function per topic, called in this order by module.cpp.
#pragma once
#include "py.h"

namespace rushlight::py {

void bind_types(PyObject* module);
void bind_storage(PyObject* module);
void bind_tensor(PyObject* module);
void bind_dlpack(PyObject* module);
void bind_methods(PyObject* module);
void bind_numpy(PyObject* module);
void bind_new(PyObject* module);
void bind_ops(PyObject* module);
void bind_library(PyObject* module);
void bind_state(PyObject* module);
void bind_devices(PyObject* module);
void bind_module(PyObject* module);
void bind_autograd(PyObject* module);
void bind_profiler(PyObject* module);
void bind_io(PyObject* module);
void bind_script(PyObject* module);
void bind_graph(PyObject* module);
void bind_trace(PyObject* module);
void bind_watch(PyObject* module);
void bind_cycles(PyObject* module);
void bind_overrides(PyObject* module);
void bind_dispatch(PyObject* module);
void bind_transforms(PyObject* module);
// The innermost level that one of the arguments belongs to, borrowed; null if there is none.
PyObject* level_that_owns(PyObject* const* args, Py_ssize_t count);

}  // namespace rushlight::py
