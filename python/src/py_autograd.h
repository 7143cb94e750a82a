// Graph nodes and hooks as Python objects.
#pragma once
#include "py_tensor.h"
#include "rushlight/autograd/meta.h"

namespace rushlight::py {

// grad_fn and its like. A node has at most one object, so that x.grad_fn is x.grad_fn.
struct PyNode {
  PyObject_HEAD Node* node;  // owned; for the ctx of a custom function borrowed, and null once the node is gone
};
extern PyTypeObject* node_type;

PyObject* wrap(Ref<Node> node);  // None for null

// A handle whose remove() takes the hook off; `slot` is the hook's callable.
struct PyHook : RefCounted {
  explicit PyHook(PyObject* f) : function(Py_NewRef(f)) {}
  ~PyHook() override;
  void remove() {
    PyObject* f = std::exchange(function, nullptr);
    Py_XDECREF(f);
  }
  PyObject* function;  // null once removed
};
PyObject* make_handle(Ref<PyHook> hook);
// REQUIRES: a callable. Throws TypeError.
Ref<PyHook> make_hook(PyObject* function);
Ref<TensorHook> tensor_hook(Ref<PyHook> hook);
Ref<LeafHook> leaf_hook(Ref<PyHook> hook);

// A tuple of tensors or None.
Object tuple_of(const Tensors& tensors);

void bind_nodes(PyObject* module);
void bind_functions(PyObject* module);
void bind_grad_modes(PyObject* module);

}  // namespace rushlight::py
