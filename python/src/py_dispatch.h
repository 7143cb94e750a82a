// __torch_dispatch__: Python classes and modes that answer what remains of a call when autograd has seen it.
#pragma once
#include "py_tensor.h"

namespace rushlight::py {

// Whether a subclass of Tensor has a __torch_dispatch__ of its own.
bool dispatches(PyTypeObject* type);

void bind_dispatch(PyObject* module);

}  // namespace rushlight::py
