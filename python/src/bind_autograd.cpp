// autograd's part of Tensor (grad, grad_fn, backward, hooks), and the entry to the engine.
#include "bind.h"
#include "py_autograd.h"
#include "py_cycles.h"
#include "py_override.h"
#include "rushlight/autograd/engine.h"
#include "rushlight/autograd/finite_check.h"
#include "rushlight/core/notice.h"
#include "rushlight/graph/tracer.h"

namespace rushlight::py {
namespace {

// A tensor, or a GradientEdge: (node, output_nr, ...).
GraphPlace place_of(PyObject* o, const char* what) {
  if (!PyTuple_Check(o) || PyTuple_GET_SIZE(o) < 2 || !PyObject_TypeCheck(PyTuple_GET_ITEM(o, 0), node_type))
    return GraphPlace(expect_tensor(o, what));
  Node* n = reinterpret_cast<PyNode*>(PyTuple_GET_ITEM(o, 0))->node;
  RL_CHECK(RuntimeError, n, what, ": the graph of this GradientEdge is gone");
  unsigned long nr = PyLong_AsUnsignedLong(PyTuple_GET_ITEM(o, 1));
  if (PyErr_Occurred()) throw ErrorSet{};
  return {Ref<Node>(n), uint32_t(std::min<unsigned long>(nr, UINT32_MAX))};
}

GraphPlaces places_of(PyObject* o, const char* what) {
  if (is_tensor(o)) return {GraphPlace(unwrap(o))};
  Object items = check(PySequence_Fast(o, what));
  if (PyTuple_Check(o) && PyTuple_GET_SIZE(o) && PyObject_TypeCheck(PyTuple_GET_ITEM(o, 0), node_type))
    return {place_of(o, what)};
  GraphPlaces out;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); i++)
    out.push_back(place_of(PySequence_Fast_GET_ITEM(items.get(), i), what));
  return out;
}

// None becomes undefined.
Tensors weights_of(PyObject* o) {
  Object items = check(PySequence_Fast(o, "grad_tensors"));
  Tensors out;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); i++) {
    PyObject* item = PySequence_Fast_GET_ITEM(items.get(), i);
    out.push_back(item == Py_None ? Tensor() : expect_tensor(item, "grad_tensors"));
  }
  return out;
}

Tensors run_without_gil(const GraphPlaces& roots, const Tensors& grads, const BackwardOptions& options,
                        const GraphPlaces& inputs) {
  GilRelease release(true);
  return run_backward_from(roots, grads, options, inputs);
}

// The gradients of leaves then hold the graph, which holds the leaves.
void warn_of_cycles() {
  static constexpr const char* kText =
      "Using backward() with create_graph=True will create a reference cycle between the parameter and its gradient "
      "which can cause a memory leak. We recommend using autograd.grad when creating the graph to avoid this. If you "
      "have to use this function, make sure to reset the .grad fields of your parameters to None after use to break "
      "the cycle and avoid the leak.";
  check(PyObject_CallFunction(imported("rushlight._settings", "warn_once"), "s", kText));
}

// _run_backward(tensors, grads, retain_graph, create_graph, inputs, allow_unused, accumulate)
PyObject* py_run_backward(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *tensors, *grads, *inputs;
    int retain, create, allow_unused, accumulate;
    if (!PyArg_ParseTuple(args, "OOppOpp", &tensors, &grads, &retain, &create, &inputs, &allow_unused, &accumulate))
      return nullptr;
    GraphPlaces roots = places_of(tensors, "tensors");
    Tensors weights = weights_of(grads);
    if (create && accumulate) warn_of_cycles();
    GraphPlaces wanted = inputs == Py_None ? GraphPlaces() : places_of(inputs, "inputs");
    Tensors out = run_without_gil(roots, weights,
                                  {.retain_graph = bool(retain),
                                   .create_graph = bool(create),
                                   .allow_unused = bool(allow_unused),
                                   .accumulate = bool(accumulate)},
                                  wanted);
    if (accumulate) Py_RETURN_NONE;
    return tuple_of(out).release();
  });
}

// Tensor.backward(gradient=None, retain_graph=None, create_graph=False, inputs=None)
PyObject* backward(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  return guarded([&]() -> PyObject* {
    static const char* const names[] = {"gradient", "retain_graph", "create_graph", "inputs"};
    PyObject* values[4] = {};
    RL_CHECK(TypeError, nargs <= 4, "backward() takes at most 4 arguments");
    for (Py_ssize_t i = 0; i < nargs; i++) values[i] = args[i];
    for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); k++) {
      std::string_view name = text_of(PyTuple_GET_ITEM(kwnames, k));
      int at = 0;
      while (at < 4 && name != names[at]) at++;
      RL_CHECK(TypeError, at < 4, "backward() got an unexpected keyword argument '", name, "'");
      RL_CHECK(TypeError, !values[at], "backward() got multiple values for argument '", name, "'");
      values[at] = args[nargs + k];
    }
    auto truth = [&](PyObject* o) {
      int t = o ? PyObject_IsTrue(o) : 0;
      check_status(t);
      return bool(t);
    };
    Tensor gradient = values[0] && values[0] != Py_None ? expect_tensor(values[0], "gradient") : Tensor();
    bool create = truth(values[2]);
    bool retain = values[1] && values[1] != Py_None ? truth(values[1]) : create;
    GraphPlaces inputs;
    if (values[3] && values[3] != Py_None) {
      inputs = places_of(values[3], "inputs");
      RL_CHECK(RuntimeError, !inputs.empty(), "`inputs` argument to `backward()` cannot be empty.");
    }
    if (create) warn_of_cycles();
    run_without_gil({GraphPlace(unwrap(self))}, {std::move(gradient)}, {.retain_graph = retain, .create_graph = create},
                    inputs);
    Py_RETURN_NONE;
  });
}

PyObject* get_grad(PyObject* self, void*) {
  return guarded([&] {
    const Tensor& t = unwrap(self);
    const Tensor& grad = grad_of(t);
    if (!grad.defined() && t.requires_grad() && !is_leaf(t)) {
      const char* text =
          "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be "
          "populated during "
          "autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf Tensor, use "
          ".retain_grad() on the "
          "non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure you access the leaf Tensor "
          "instead.";
      if (!meta_of(t)->retains_grad) check_status(PyErr_WarnEx(PyExc_UserWarning, text, 1));
    }
    return wrap(grad);
  });
}
PyObject* get_grad_fn(PyObject* self, void*) {
  return guarded([&] {
    const Tensor& t = unwrap(self);
    Ref<Node> node = grad_fn(t);
    if (node) node->note_input(gradient_edge(t));
    return wrap(std::move(node));
  });
}
int put_grad(PyObject* self, PyObject* value, void*) {
  return guarded(-1, [&] {
    RL_CHECK(TypeError, !value || value == Py_None || is_tensor(value),
             "assigned grad expected to be a Tensor or None but got grad of type ", short_type_name(value));
    set_grad(unwrap(self), value && value != Py_None ? unwrap(value) : Tensor());
    return 0;
  });
}
int put_requires_grad(PyObject* self, PyObject* value, void*) {
  return guarded(-1, [&] {
    RL_CHECK(RuntimeError, value && PyBool_Check(value), "requires_grad must be a bool");
    set_requires_grad(unwrap(self), value == Py_True);
    return 0;
  });
}

// The gradients of a list of parameters, or None where one has none, or where a state dictionary no longer holds the
// tensor that stands in the list of its name. See optim/_fused.py.
PyObject* plan_gradients(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *params, *states, *names, *lists;
    if (!PyArg_ParseTuple(args, "O!O!O!O!:_plan_gradients", &PyList_Type, &params, &PyList_Type, &states, &PyTuple_Type,
                          &names, &PyTuple_Type, &lists))
      return nullptr;
    const Py_ssize_t count = PyList_GET_SIZE(params), kinds = PyTuple_GET_SIZE(names);
    RL_CHECK(RuntimeError, PyList_GET_SIZE(states) == count && PyTuple_GET_SIZE(lists) == kinds,
             "_plan_gradients(): expected ", count, " states and ", kinds, " lists");
    for (Py_ssize_t k = 0; k < kinds; k++) {
      PyObject* values = PyTuple_GET_ITEM(lists, k);
      if (!PyList_Check(values) || PyList_GET_SIZE(values) != count) Py_RETURN_NONE;
      for (Py_ssize_t i = 0; i < count; i++) {
        PyObject* state = PyList_GET_ITEM(states, i);
        if (!PyDict_Check(state)) Py_RETURN_NONE;
        PyObject* value = PyDict_GetItemWithError(state, PyTuple_GET_ITEM(names, k));
        if (!value && PyErr_Occurred()) return nullptr;
        if (value != PyList_GET_ITEM(values, i)) Py_RETURN_NONE;
      }
    }
    Object grads = check(PyList_New(count));
    for (Py_ssize_t i = 0; i < count; i++) {
      if (i >= PyList_GET_SIZE(params)) Py_RETURN_NONE;  // a subclass's own `grad` may change the list
      Object param = Object::borrow(PyList_GET_ITEM(params, i)), grad;
      const bool plain = is_tensor(param.get()) && !(thread_state.function_modes || may_override(param.get()));
      if (plain) {
        const Tensor& found = grad_of(unwrap(param.get()));
        if (found.defined()) grad = check(wrap(found));
      } else {
        grad = check(PyObject_GetAttrString(param.get(), "grad"));
      }
      if (!grad || grad.get() == Py_None) Py_RETURN_NONE;
      PyList_SET_ITEM(grads.get(), i, grad.release());
    }
    return grads.release();
  });
}

PyGetSetDef getset[] = {
    {"grad", over<get_grad>, over<put_grad>, "The gradient that backward() added up here.", nullptr},
    {"_grad", over<+[](PyObject* s, void*) { return guarded([&] { return wrap(grad_of(unwrap(s))); }); }>,
     over<put_grad>, nullptr, nullptr},
    {"grad_fn", over<get_grad_fn>, nullptr, "The recorded operation that made this tensor; None for leaves.", nullptr},
    {"requires_grad", over<+[](PyObject* s, void*) { return PyBool_FromLong(unwrap(s).requires_grad()); }>,
     over<put_requires_grad>,
     "Whether backward() computes a gradient for this tensor. It can be set on leaves of floating point or complex "
     "dtype.",
     nullptr},
    {"is_leaf", over<+[](PyObject* s, void*) { return guarded([&] { return PyBool_FromLong(is_leaf(unwrap(s))); }); }>,
     nullptr, "True for tensors that no recorded operation made.", nullptr},
    {"output_nr", over<+[](PyObject* s, void*) { return PyLong_FromUnsignedLong(output_nr(unwrap(s))); }>, nullptr,
     "Which result of the operator that made it this tensor is.", nullptr},
    {"_backward_hooks",
     over<+[](PyObject* s, void*) { return guarded([&] { return tensor_hooks(unwrap(s)).release(); }); }>, nullptr,
     "The hooks on this tensor's gradient, by number; None for none. A copy: remove them by their handles.", nullptr},
    {"retains_grad",
     over<+[](PyObject* s, void*) { return PyBool_FromLong(meta_of(unwrap(s)) && meta_of(unwrap(s))->retains_grad); }>,
     nullptr, "Whether .grad of this tensor, which is no leaf, is kept (see retain_grad).", nullptr},
    {},
};

PyObject* register_tensor_hook(PyObject* self, PyObject* function) {
  return guarded([&] {
    Object hook = make_hook(function);
    register_hook(unwrap(self), tensor_hook(hook));
    track(self);
    return hook.release();
  });
}
PyObject* register_leaf_hook(PyObject* self, PyObject* function) {
  return guarded([&] {
    Object hook = make_hook(function);
    register_post_accumulate_hook(unwrap(self), leaf_hook(hook));
    track(self);
    return hook.release();
  });
}

PyMethodDef methods[] = {
    {"backward", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(over<backward>)),
     METH_FASTCALL | METH_KEYWORDS,
     "backward(gradient=None, retain_graph=None, create_graph=False, inputs=None)\n\nAdds the gradient of this tensor "
     "to .grad of the leaves it came "
     "from."},
    {"register_hook", over<register_tensor_hook>, METH_O,
     "register_hook(fn): fn(grad) runs whenever this tensor's gradient is computed, and may return another."},
    {"register_post_accumulate_grad_hook", over<register_leaf_hook>, METH_O,
     "register_post_accumulate_grad_hook(fn): fn(leaf) runs after a gradient was added to leaf.grad."},
    {"retain_grad",
     over<+[](PyObject* s, PyObject*) { return guarded([&] { return retain_grad(unwrap(s)), Py_NewRef(Py_None); }); }>,
     METH_NOARGS, "Keeps .grad of this tensor although it is no leaf."},
    {"detach_", over<+[](PyObject* s, PyObject*) {
       return guarded([&] {
         detach_in_place(unwrap(s));
         if (graph::Tracer* t = graph::Tracer::current()) t->detached(unwrap(s));
         return Py_NewRef(s);
       });
     }>,
     METH_NOARGS, "Makes this tensor a leaf that requires no gradient."},
    {"_use_count", [](PyObject* s, PyObject*) { return PyLong_FromUnsignedLong(unwrap(s).impl()->refs()); },
     METH_NOARGS, "How many hold the tensor: its object, views of it, graphs that saved it."},
    {"is_inference", over<+[](PyObject* s, PyObject*) { return PyBool_FromLong(unwrap(s).impl()->inference); }>,
     METH_NOARGS, "True for tensors made in inference mode."},
    {},
};

// ---- anomaly mode ---------------------------------------------------------------------------------------------------------

std::string python_trace() {
  if (!Py_IsInitialized()) return {};
  GilAcquire gil;
  if (!PyEval_GetFrame()) return {};
  try {
    Object lines = check(PyObject_CallNoArgs(imported("traceback", "format_stack")));
    Object joined = check(PyUnicode_Join(check(PyUnicode_FromString("")).get(), lines.get()));
    FiniteCheck* watch = FiniteCheck::current();
    std::string where = watch ? watch->where() : "";
    return (where.empty() ? "" : "Called" + where + ":\n") + std::string(text_of(joined.get()));
  } catch (const ErrorSet&) {
    PyErr_Clear();
    return {};
  }
}
void python_warning(const std::string& text) {
  if (!Py_IsInitialized()) return;
  GilAcquire gil;
  if (PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 1) < 0) throw_python_error();
}
// Python's filters alone would say what each run says once only the first time.
void python_warning_at(const std::string& text, const std::string& file, int line) {
  if (!Py_IsInitialized()) return;
  GilAcquire gil;
  if (PyErr_WarnExplicit(PyExc_UserWarning, text.c_str(), file.c_str(), line, nullptr, nullptr) < 0)
    throw_python_error();
}

// ---- runs of the engine ---------------------------------------------------------------------------------------------------

class PyCallback final : public RunCallback {
 public:
  explicit PyCallback(PyObject* f) : function_(Object::borrow(f)) {}
  void call() override {
    GilAcquire gil;
    if (!Object(PyObject_CallNoArgs(function_.get()))) throw_python_error();
  }

 private:
  Held function_;
};

PyObject* queue_callback(PyObject*, PyObject* function) {
  return guarded([&] {
    RL_CHECK(RuntimeError, Backward::current(), "Final callbacks can only be installed during backward pass.");
    RL_CHECK(TypeError, PyCallable_Check(function), "queue_callback: expected a function, got ",
             short_type_name(function));
    Backward::current()->when_done(make_ref<PyCallback>(function));
    return Py_NewRef(Py_None);
  });
}

PyObject* will_execute(PyObject*, PyObject* node) {
  return guarded([&] {
    RL_CHECK(RuntimeError, Backward::current(),
             "_will_engine_execute_node: expected to be called inside of a backward pass");
    RL_CHECK(TypeError, PyObject_TypeCheck(node, node_type), "_will_engine_execute_node: expected a grad_fn, got ",
             short_type_name(node));
    Node* n = reinterpret_cast<PyNode*>(node)->node;
    return PyBool_FromLong(n && Backward::current()->will_execute(n));
  });
}

PyMethodDef functions[] = {
    {"_graph_leads_to",
     [](PyObject*, PyObject* t) {
       return guarded([&] {
         AutogradMeta* m = meta_of(expect_tensor(t, "tensor"));
         AccumulateGrad* end = m ? m->accumulator.load() : nullptr;
         return PyBool_FromLong(end && end->refs() > 1);
       });
     },
     METH_O, "_graph_leads_to(leaf) -> bool: whether a graph has the leaf's AccumulateGrad."},
    {"_plan_gradients", plan_gradients, METH_VARARGS,
     "_plan_gradients(params, states, names, lists): the gradients, or None where the lists no longer hold."},
    {"_queue_callback", queue_callback, METH_O, nullptr},
    {"_will_engine_execute_node", will_execute, METH_O, nullptr},
    {"_current_graph_task_id",
     [](PyObject*, PyObject*) {
       return Backward::current() ? PyLong_FromUnsignedLong(Backward::current()->number()) : PyLong_FromLong(-1);
     },
     METH_NOARGS, "_current_graph_task_id() -> int: the number of the backward pass that goes on; -1 for none."},
    {"_current_autograd_node",
     [](PyObject*, PyObject*) { return guarded([] { return wrap(Backward::running_node()); }); }, METH_NOARGS,
     "_current_autograd_node() -> Node: whose backward runs; None outside of any."},
    {"_run_backward", py_run_backward, METH_VARARGS, nullptr},
    {"_set_anomaly",
     [](PyObject*, PyObject* args) -> PyObject* {
       int on, check_nan, check_inf = 0;
       if (!PyArg_ParseTuple(args, "pp|p", &on, &check_nan, &check_inf)) return nullptr;
       anomaly.enabled = on;
       anomaly.check_nan = check_nan;
       anomaly.check_inf = check_inf;
       Py_RETURN_NONE;
     },
     METH_VARARGS, nullptr},
    {"is_anomaly_enabled", [](PyObject*, PyObject*) { return PyBool_FromLong(anomaly.enabled); }, METH_NOARGS,
     "is_anomaly_enabled() -> bool: whether anomaly detection is on."},
    {"is_anomaly_check_nan_enabled", [](PyObject*, PyObject*) { return PyBool_FromLong(anomaly.check_nan); },
     METH_NOARGS, "is_anomaly_check_nan_enabled() -> bool: whether anomaly detection looks for NaN in gradients."},
    {"_bump_version",
     [](PyObject*, PyObject* t) {
       return guarded([&] {
         expect_tensor(t, "tensor").impl()->bump_version();
         return Py_NewRef(Py_None);
       });
     },
     METH_O, nullptr},
    {"_gradient_edge",
     [](PyObject*, PyObject* t) {
       return guarded([&] {
         Edge e = gradient_edge(expect_tensor(t, "tensor"));
         RL_CHECK(RuntimeError, e.node,
                  "It is not possible to get the gradient edge for a Tensor that does not require gradients");
         e.node->note_input(e);
         return Py_BuildValue("(NI)", wrap(e.node), e.input_nr);
       });
     },
     METH_O, nullptr},
    {},
};

}  // namespace

void bind_autograd(PyObject* module) {
  add_methods(module, functions);
  add_getset(tensor_type, getset);
  add_methods(tensor_type, methods);
  bind_grad_modes(module);
  bind_nodes(module);
  bind_saved(module);
  bind_functions(module);
  anomaly.trace = python_trace;
  anomaly.warn = python_warning;
  show_warning = python_warning;
  show_warning_at = python_warning_at;
}

}  // namespace rushlight::py
