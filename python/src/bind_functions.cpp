// autograd.Function: gradients written in Python. The ctx of a call is its grad_fn's Python object.

// clang-format off
#include "bind.h"  // has Python.h, which structmember.h needs
#include "py_autograd.h"
#include "py_cycles.h"
#include <structmember.h>
// clang-format on

#include <algorithm>

#include "rushlight/autograd/engine.h"
#include "rushlight/autograd/function.h"

namespace rushlight::py {
namespace {

struct Context {
  PyNode
      base;  // base.node: the PyFunction, which owns this object; null while forward runs, if nothing is recorded, or once it is gone
  PyObject *dict, *weakrefs;
  PyObject *to_save, *dirty,
      *constant;  // as given to save_for_backward, mark_dirty, mark_non_differentiable; null if never
  PyObject* needs_input_grad;
  bool materialize, materialize_constant;
};
Context& context(PyObject* o) { return *reinterpret_cast<Context*>(o); }

class PyFunction final : public FunctionNode {
 public:
  // `places`: of each tensor input among forward's arguments.
  PyFunction(PyObject* ctx, std::vector<int> places, int num_args)
      : ctx_(ctx),
        held_(Object::borrow(ctx)),
        name_(short_type_name(ctx)),
        places_(std::move(places)),
        num_args_(num_args) {
    py_object = ctx;
    context(ctx).base.node = this;
  }
  ~PyFunction() override {
    // What is held past the interpreter's end is not freed, but its last collection still walks it.
    if (!Py_IsInitialized()) context(ctx_).base.node = nullptr;
    else {
      GilAcquire gil;
      context(ctx_).base.node = nullptr;
    }
  }
  std::string name() const override { return name_; }

  Tensors backward(const Tensors& grads) override {
    GilAcquire gil;
    try {
      return call(grads);
    } catch (const ErrorSet&) { throw_python_error(); }
  }

 private:
  Tensors call(const Tensors& grads) {
    Object self = Object::borrow(ctx_);
    Object args = check(PyTuple_New(Py_ssize_t(grads.size()) + 1));
    PyTuple_SET_ITEM(args.get(), 0, Py_NewRef(ctx_));
    for (size_t i = 0; i < grads.size(); i++)
      PyTuple_SET_ITEM(args.get(), Py_ssize_t(i) + 1, check(wrap(grads[i])).release());
    Object function = check(PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(ctx_)), "_backward_function"));
    Object result = check(PyObject_CallObject(function.get(), args.get()));
    if (!PyTuple_Check(result.get())) {
      if (PyList_Check(result.get())) result = check(PyList_AsTuple(result.get()));
      else result = check(PyTuple_Pack(1, result.get()));
    }
    Py_ssize_t given = PyTuple_GET_SIZE(result.get()), used = given;
    while (used > num_args_ && PyTuple_GET_ITEM(result.get(), used - 1) == Py_None)
      used--;  // further Nones are let pass
    RL_CHECK(AutogradError, used == num_args_, "function ", name_,
             " returned an incorrect number of gradients (expected ", num_args_, ", got ", given,
             "). Hint: backward returns one for each argument of forward but ctx, None where there is none");
    Tensors out(places_.size());
    size_t next = 0;
    for (int i = 0; i < num_args_; i++) {
      PyObject* g = PyTuple_GET_ITEM(result.get(), i);
      bool is_input = next < places_.size() && places_[next] == i;
      if (g != Py_None) {
        RL_CHECK(TypeError, is_tensor(g), "expected Variable or None (got ", short_type_name(g), ")");
        RL_CHECK(AutogradError, is_input, "function ", name_, " returned a gradient different from None at position ",
                 i + 1, ", but the corresponding forward input was not a Variable");
        out[next] = unwrap(g);
      }
      if (is_input) next++;
    }
    return out;
  }

  PyObject* ctx_;
  Held held_;  // ctx_, which lives as long as this node
  std::string name_;
  std::vector<int> places_;
  int num_args_;
};

Tensors tensors_in(PyObject* tuple, const char* what) {
  Tensors out;
  for (Py_ssize_t i = 0; tuple && i < PyTuple_GET_SIZE(tuple); i++) {
    PyObject* item = PyTuple_GET_ITEM(tuple, i);
    RL_CHECK(TypeError, item == Py_None || is_tensor(item), what, " can only take variables, but argument ", i,
             " is of type ", short_type_name(item));
    out.push_back(item == Py_None ? Tensor() : unwrap(item));
  }
  return out;
}

// What forward wrote to. Tensors that are no inputs need no mark; PyTorch lets them pass with a warning.
Tensors marked_inputs(PyObject* marked, const Tensors& inputs) {
  Tensors out;
  for (const Tensor& t : tensors_in(marked, "mark_dirty")) {
    bool given = std::any_of(inputs.begin(), inputs.end(), [&](const Tensor& in) { return in.is_same(t); });
    if (given) out.push_back(t);
    else
      check_status(
          PyErr_WarnEx(PyExc_UserWarning,
                       "ctx.mark_dirty() received a tensor that was not an input. Only input Tensors that have been "
                       "mutated should be passed to ctx.mark_dirty().",
                       1));
  }
  return out;
}

// Function.apply(*args)
// `forward_gave`: the outputs, where forward ran already, outside of a transform's level.
PyObject* apply(PyObject* cls, PyObject* const* args, Py_ssize_t nargs, PyObject* forward_gave = nullptr) {
  return guarded([&]() -> PyObject* {
    if (watched() && !forward_gave) [[unlikely]]
      if (PyObject* level = level_that_owns(args, nargs)) {
        Object given = check(PyTuple_New(nargs));
        for (Py_ssize_t i = 0; i < nargs; i++) PyTuple_SET_ITEM(given.get(), i, Py_NewRef(args[i]));
        return PyObject_CallFunctionObjArgs(imported("rushlight.func._function", "apply"), cls, level, given.get(),
                                            nullptr);
      }
    Object ctx_class = check(PyObject_GetAttrString(cls, "_backward_cls"));
    Object ctx = check(PyObject_CallNoArgs(ctx_class.get()));
    Context& c = context(ctx.get());
    Tensors inputs;
    std::vector<int> places;
    bool needs = false;
    c.needs_input_grad = check(PyTuple_New(nargs)).release();
    for (Py_ssize_t i = 0; i < nargs; i++) {
      bool wants = false;
      if (is_tensor(args[i])) {
        inputs.push_back(unwrap(args[i]));
        places.push_back(int(i));
        wants = inputs.back().requires_grad();
      }
      needs |= wants;
      PyTuple_SET_ITEM(c.needs_input_grad, i, Py_NewRef(wants ? Py_True : Py_False));
    }
    bool recorded = needs && thread_state.grad_enabled;
    Ref<PyFunction> node;
    if (recorded) {
      node = make_ref<PyFunction>(ctx.get(), std::move(places), int(nargs));
      node->start(inputs);
    }
    Object output;
    {
      NoGradGuard no_grad;
      Scoped<bool> no_tangents(carries_tangents, false);
      Object separate = check(PyObject_GetAttrString(cls, "_has_setup_context"));
      Object forward = check(PyObject_GetAttrString(cls, "forward"));
      Object all = check(PyTuple_New(nargs));
      for (Py_ssize_t i = 0; i < nargs; i++) PyTuple_SET_ITEM(all.get(), i, Py_NewRef(args[i]));
      if (separate.get() == Py_True) {
        output = forward_gave ? Object::borrow(forward_gave) : check(PyObject_CallObject(forward.get(), all.get()));
        Object setup = check(PyObject_GetAttrString(cls, "setup_context"));
        check(PyObject_CallFunctionObjArgs(setup.get(), ctx.get(), all.get(), output.get(), nullptr));
      } else {
        Object head = check(PyTuple_Pack(1, ctx.get()));
        Object both = check(PySequence_Concat(head.get(), all.get()));
        output = check(PyObject_CallObject(forward.get(), both.get()));
      }
    }
    bool many = PyTuple_Check(output.get());
    Object outputs = many ? output : check(PyTuple_Pack(1, output.get()));
    Tensors results;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(outputs.get()); i++) {
      PyObject* o = PyTuple_GET_ITEM(outputs.get(), i);
      results.push_back(is_tensor(o) ? unwrap(o) : Tensor());
    }
    if (!recorded) {
      for (const Tensor& t : marked_inputs(c.dirty, inputs))
        if (t.defined()) t.impl()->bump_version();
      if (thread_state.grad_enabled) FunctionNode::mark_views(inputs, results);
      return output.release();
    }
    node->save_for_backward(tensors_in(c.to_save, "save_for_backward"));
    node->mark_dirty(marked_inputs(c.dirty, inputs));
    node->mark_non_differentiable(tensors_in(c.constant, "mark_non_differentiable"));
    node->set_materialize_grads(c.materialize);
    node->set_materialize_non_differentiable(c.materialize_constant);
    results = node->finish(inputs, std::move(results));
    Py_CLEAR(c.to_save);
    Py_CLEAR(c.dirty);
    Py_CLEAR(c.constant);
    Object wired = check(PyTuple_New(PyTuple_GET_SIZE(outputs.get())));
    for (size_t i = 0; i < results.size(); i++) {
      PyObject* was = PyTuple_GET_ITEM(outputs.get(), Py_ssize_t(i));
      size_t first = 0;  // an output that is returned twice is one object
      while (PyTuple_GET_ITEM(outputs.get(), Py_ssize_t(first)) != was) first++;
      Object out = first < i              ? Object::borrow(PyTuple_GET_ITEM(wired.get(), Py_ssize_t(first)))
                   : results[i].defined() ? check(wrap(results[i]))
                                          : Object::borrow(was);
      if (results[i].defined()) track(out.get());  // the ctx may keep it
      PyTuple_SET_ITEM(wired.get(), Py_ssize_t(i), out.release());
    }
    return many ? wired.release() : Py_NewRef(PyTuple_GET_ITEM(wired.get(), 0));
  });
}

// ---- the ctx ----------------------------------------------------------------------------------------------------------------

PyObject* new_context(PyTypeObject* type, PyObject*, PyObject*) {
  auto* c = reinterpret_cast<Context*>(type->tp_alloc(type, 0));
  if (c) c->materialize = c->materialize_constant = true;
  return reinterpret_cast<PyObject*>(c);
}
int traverse(PyObject* self, visitproc visit, void* arg) {
  Context& c = context(self);
  for (PyObject* o : {c.dict, c.to_save, c.dirty, c.constant, c.needs_input_grad}) Py_VISIT(o);
  Py_VISIT(Py_TYPE(self));
  return c.base.node ? traverse_owned(*c.base.node, true, c.base.counted, visit, arg) : 0;
}
int clear(PyObject* self) {
  Context& c = context(self);
  for (PyObject** o : {&c.dict, &c.to_save, &c.dirty, &c.constant, &c.needs_input_grad}) Py_CLEAR(*o);
  return 0;
}
void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (context(self).weakrefs) PyObject_ClearWeakRefs(self);
  clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

template <PyObject* Context::* Slot>
PyObject* keep_tuple(PyObject* self, PyObject* args) {
  Py_XSETREF(context(self).*Slot, Py_NewRef(args));
  Py_RETURN_NONE;
}

PyObject* saved_tensors(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    Node* node = context(self).base.node;
    return node ? tuple_of(static_cast<PyFunction*>(node)->saved_tensors()).release() : PyTuple_New(0);
  });
}

PyObject* saved_variables(PyObject* self, void*) {
  if (PyErr_WarnEx(PyExc_DeprecationWarning, "'saved_variables' is deprecated; use 'saved_tensors'", 1) < 0)
    return nullptr;
  return saved_tensors(self, nullptr);
}

PyObject* raw_saved_tensors(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    Node* node = context(self).base.node;
    size_t n = node ? static_cast<PyFunction*>(node)->num_saved() : 0;
    Object out = check(PyTuple_New(Py_ssize_t(n)));
    for (size_t i = 0; i < n; i++) PyTuple_SET_ITEM(out.get(), Py_ssize_t(i), saved_object(*node, 0, i));
    return out.release();
  });
}

template <PyObject* Context::* Slot>
PyObject* marked(PyObject* self, void*) {
  return Py_NewRef(context(self).*Slot ? context(self).*Slot : Py_None);
}

PyGetSetDef getset[] = {
    {"_raw_saved_tensors", raw_saved_tensors, nullptr, "Objects for them to put hooks on.", nullptr},
    {"saved_tensors", saved_tensors, nullptr, "What save_for_backward was given.", nullptr},
    {"saved_variables", saved_variables, nullptr, nullptr, nullptr},
    {"needs_input_grad",
     [](PyObject* s, void*) {
       PyObject* needs = context(s).needs_input_grad;
       return needs ? Py_NewRef(needs) : PyTuple_New(0);
     },
     [](PyObject* s, PyObject* v, void*) {
       Py_XSETREF(context(s).needs_input_grad, Py_XNewRef(v));
       return 0;
     },
     "A bool per argument of forward: whether its gradient is wanted.", nullptr},
    {"to_save", marked<&Context::to_save>, nullptr, nullptr, nullptr},
    {"dirty_tensors", marked<&Context::dirty>, nullptr, "What mark_dirty was given.", nullptr},
    {"non_differentiable", marked<&Context::constant>, nullptr, "What mark_non_differentiable was given.", nullptr},
    {"materialize_grads", [](PyObject* s, void*) { return PyBool_FromLong(context(s).materialize); }, nullptr, nullptr,
     nullptr},
    {"_materialize_non_diff_grads", [](PyObject* s, void*) { return PyBool_FromLong(context(s).materialize_constant); },
     [](PyObject* s, PyObject* on, void*) {
       int truth = on ? PyObject_IsTrue(on) : true;
       if (truth >= 0) context(s).materialize_constant = truth;
       return truth < 0 ? -1 : 0;
     },
     nullptr, nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {},
};
PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Context, weakrefs), READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(Context, dict), READONLY, nullptr},
    {},
};
PyMethodDef methods[] = {
    {"save_for_backward", keep_tuple<&Context::to_save>, METH_VARARGS,
     "Saves tensors for backward, which reads ctx.saved_tensors."},
    {"mark_dirty", keep_tuple<&Context::dirty>, METH_VARARGS, "Marks inputs that forward wrote to."},
    {"mark_non_differentiable", keep_tuple<&Context::constant>, METH_VARARGS, "Marks outputs that have no gradient."},
    {"set_materialize_grads",
     [](PyObject* s, PyObject* on) -> PyObject* {
       int truth = PyObject_IsTrue(on);
       if (truth < 0) return nullptr;
       context(s).materialize = truth;
       Py_RETURN_NONE;
     },
     METH_O, "False: backward gets None instead of zeros for outputs without a gradient."},
    {},
};

}  // namespace

void bind_functions(PyObject* module) {
  PyType_Slot slots[] = {
      {Py_tp_new, reinterpret_cast<void*>(new_context)},
      {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(clear)},
      {Py_tp_getattro, reinterpret_cast<void*>(PyObject_GenericGetAttr)},
      {Py_tp_getset, getset},
      {Py_tp_members, members},
      {Py_tp_methods, methods},
      {Py_tp_doc, const_cast<char*>("The ctx of a custom function's call.")},
      {0, nullptr},
  };
  PyType_Spec spec = {"rushlight.autograd.function._Context", sizeof(Context), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  Object bases = check(PyTuple_Pack(1, node_type));
  Object type = check(PyType_FromSpecWithBases(&spec, bases.get()));
  add_object(module, "_FunctionContext", type.release());
  // As a function of the module: Function.apply passes its class.
  static PyMethodDef apply_function = {
      "_apply_function",
      reinterpret_cast<PyCFunction>(
          reinterpret_cast<void (*)()>(static_cast<PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t)>(
              [](PyObject*, PyObject* const* args, Py_ssize_t nargs) { return apply(args[0], args + 1, nargs - 1); }))),
      METH_FASTCALL, "_apply_function(cls, *args)"};
  static PyMethodDef wire_function = {
      "_wire_function",
      reinterpret_cast<PyCFunction>(
          reinterpret_cast<void (*)()>(static_cast<PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t)>(
              [](PyObject*, PyObject* const* args, Py_ssize_t nargs) {
                return apply(args[0], args + 2, nargs - 2, args[1]);
              }))),
      METH_FASTCALL, "_wire_function(cls, outputs, *args): as _apply_function, when forward has run."};
  add_object(module, "_wire_function", check(PyCFunction_New(&wire_function, nullptr)).get());
  add_object(module, "_apply_function", check(PyCFunction_New(&apply_function, nullptr)).get());
}

}  // namespace rushlight::py
