// Graph nodes and hooks as Python objects.
#pragma once
#include "py_tensor.h"
#include "rushlight/autograd/meta.h"

namespace rushlight::py {

// grad_fn and its like. A node has at most one object, so that x.grad_fn is x.grad_fn.
struct PyNode {
  PyObject_HEAD Node* node;  // owned; for the ctx of a custom function borrowed, and null once the node is gone
  CountedRefs counted;
};
extern PyTypeObject* node_type;

PyObject* wrap(Ref<Node> node);  // None for null

// A registered hook, which users have as its handle: remove() takes it off. Throws TypeError for what is not callable.
Object make_hook(PyObject* function);
Ref<TensorHook> tensor_hook(const Object& hook);
// A dict of the functions that were registered for a tensor's gradient and are not removed, by number; None for none.
Object tensor_hooks(const Tensor& t);
Ref<LeafHook> leaf_hook(const Object& hook);

// A tuple of tensors or None.
Object tuple_of(const Tensors& tensors);

// An object for a tensor that the node saved: of an OpNode value number `value`, item `item` if that is a list; of a FunctionNode number `item`.
PyObject* saved_object(Node& node, int value, size_t item);

void bind_nodes(PyObject* module);
void bind_saved(PyObject* module);
void bind_functions(PyObject* module);
void bind_grad_modes(PyObject* module);

}  // namespace rushlight::py
