// grad_fn objects: a type per kind of node ("AddBackward0"), so that type(y.grad_fn).__name__ reads as in PyTorch.
#include <cstdlib>
#include <cstring>
#include <map>

#include "py_autograd.h"
#include "py_convert.h"
#include "py_cycles.h"
#include "rushlight/autograd/engine.h"
#include "rushlight/autograd/op_node.h"

namespace rushlight::py {

PyTypeObject* node_type = nullptr;

namespace {

PyTypeObject* handle_type = nullptr;

Node& node_of(PyObject* self) {
  Node* n = reinterpret_cast<PyNode*>(self)->node;
  RL_CHECK(RuntimeError, n, "this node's graph is gone: the results that owned it were freed");
  return *n;
}

PyTypeObject* type_named(const std::string& name) {
  static auto& types = *new std::map<std::string, PyTypeObject*>;
  PyTypeObject*& slot = types[name];
  if (!slot) {
    static auto& kept = *new std::map<std::string, std::string>;
    const std::string& full = kept[name] = "rushlight.autograd.graph." + name;
    PyType_Slot slots[] = {{0, nullptr}};
    PyType_Spec spec = {full.c_str(), 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
    Object bases = check(PyTuple_Pack(1, node_type));
    slot = reinterpret_cast<PyTypeObject*>(check(PyType_FromSpecWithBases(&spec, bases.get())).release());
  }
  return slot;
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  auto* o = reinterpret_cast<PyNode*>(self);
  Py_VISIT(Py_TYPE(self));
  return o->node ? traverse_owned(*o->node, false, o->counted, visit, arg) : 0;
}

void dealloc(PyObject* self) {
  auto* o = reinterpret_cast<PyNode*>(self);
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (o->node) {
    o->node->py_object = nullptr;
    o->node->release();
  }
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* repr(PyObject* self) {
  return PyUnicode_FromFormat("<%s object at %p>", std::string(short_type_name(self)).c_str(), self);
}

PyObject* next_functions(PyObject* self, void*) {
  return guarded([&] {
    Node& n = node_of(self);
    Object out = check(PyTuple_New(Py_ssize_t(n.num_edges())));
    for (uint32_t i = 0; i < n.num_edges(); i++) {
      const Edge& e = n.edges()[i];
      if (e.node) e.node->note_input(e);
      PyObject* pair = Py_BuildValue("(NI)", wrap(e.node), e.node ? e.input_nr : 0u);
      if (!pair) throw ErrorSet{};
      PyTuple_SET_ITEM(out.get(), i, pair);
    }
    return out.release();
  });
}

struct Notes final : RefCounted, HoldsPython {  // a node's dictionary
  Held dict{check(PyDict_New())};
  void show_held(void (*show)(PyObject*, void*), void* to) const override { show(dict.get(), to); }
};

PyObject* metadata(PyObject* self, void*) {
  return guarded([&] {
    NodeExtras& x = node_of(self).make_extras();
    if (!x.metadata) x.metadata = make_ref<Notes>();
    PyObject* dict = static_cast<Notes*>(x.metadata.get())->dict.get();
    if (!x.trace.empty() && !PyDict_GetItemString(dict, "traceback_")) {
      Object lines = check(Py_BuildValue("[N]", to_str(x.trace)));
      check_status(PyDict_SetItemString(dict, "traceback_", lines.get()));
    }
    return Py_NewRef(dict);
  });
}

PyObject* variable(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    auto* leaf = dynamic_cast<AccumulateGrad*>(&node_of(self));
    RL_CHECK(AttributeError, leaf, "'", short_type_name(self), "' object has no attribute 'variable'");
    return wrap(leaf->variable());
  });
}

// Of a tensor argument that wasn't saved a rule may still read the sizes: _saved_self_sym_sizes, _saved_self_sym_argsize_minus_1.
PyObject* saved_sizes(const OpNode& node, std::string_view what) {
  size_t at = what.find("_sym_sizes"), one = what.find("_sym_argsize_");
  bool is_size = at == what.npos;
  if (is_size) at = one;
  int i = at == what.npos ? -1 : node.plan().schema.find_arg(what.substr(0, at));
  if (i < 0 || node.plan().args[size_t(i)].edge < 0 || node.plan().args[size_t(i)].is_list) return nullptr;
  const Dims& sizes = node.edges()[node.edge_of(i)].sizes;
  if (!is_size) {
    Object out = check(PyTuple_New(Py_ssize_t(sizes.size())));
    for (size_t k = 0; k < sizes.size(); k++) PyTuple_SET_ITEM(out.get(), Py_ssize_t(k), PyLong_FromLongLong(sizes[k]));
    return out.release();
  }
  std::string number(what.substr(one + std::string_view("_sym_argsize_").size()));
  bool back = number.starts_with("minus_");
  int64_t dim = std::atoll(number.c_str() + (back ? 6 : 0));
  if (back) dim = int64_t(sizes.size()) - dim;
  return dim >= 0 && dim < int64_t(sizes.size()) ? PyLong_FromLongLong(sizes[size_t(dim)]) : nullptr;
}

// _saved_self, _saved_result, _saved_dim: what the gradient rule will read; _raw_saved_self: an object to put hooks on.
PyObject* getattr(PyObject* self, PyObject* name) {
  PyObject* found = PyObject_GenericGetAttr(self, name);
  if (found || !PyErr_ExceptionMatches(PyExc_AttributeError)) return found;
  const char* text = PyUnicode_AsUTF8(name);
  auto* node = dynamic_cast<OpNode*>(reinterpret_cast<PyNode*>(self)->node);
  bool raw = text && std::strncmp(text, "_raw_saved_", 11) == 0;
  if (!text || !node || (!raw && std::strncmp(text, "_saved_", 7) != 0)) return nullptr;
  const GradPlan& plan = node->plan();
  std::string_view what = text + (raw ? 11 : 7);
  int i = plan.schema.find_arg(what);
  if (i < 0)
    for (size_t r = 0; r < plan.saved_results.size(); r++)
      if (plan.find_result(what) == int(plan.saved_results[r])) i = int(plan.args.size() + r);
  bool is_arg = i >= 0 && i < int(plan.args.size());
  if (i < 0 || (is_arg && plan.args[size_t(i)].edge >= 0 && !plan.args[size_t(i)].saved)) {
    PyObject* error[3];
    PyErr_Fetch(&error[0], &error[1], &error[2]);
    PyObject* sizes = raw ? nullptr : saved_sizes(*node, what);
    if (!sizes) PyErr_Restore(error[0], error[1], error[2]);
    else
      for (PyObject* e : error) Py_XDECREF(e);
    return sizes;
  }
  if (raw && is_arg && plan.args[size_t(i)].edge < 0) return nullptr;  // a number
  PyErr_Clear();
  return guarded([&]() -> PyObject* {
    if (is_arg && plan.args[size_t(i)].is_list) {
      Tensors list = node->saved_list(i);
      if (!raw) return tuple_of(list).release();
      Object out = check(PyTuple_New(Py_ssize_t(list.size())));
      for (size_t k = 0; k < list.size(); k++) PyTuple_SET_ITEM(out.get(), Py_ssize_t(k), saved_object(*node, i, k));
      return out.release();
    }
    if (raw) return saved_object(*node, i, 0);
    if (!is_arg || plan.args[size_t(i)].edge >= 0) {
      EnableGradGuard on_the_graph;
      return wrap(node->saved_tensor(i));
    }
    return to_python(node->value(i));
  });
}

// grad_fn(*grads): its function by itself.
PyObject* call_node(PyObject* self, PyObject* args, PyObject*) {
  return guarded([&]() -> PyObject* {
    Ref<Node> n(&node_of(self));
    Py_ssize_t given = PyTuple_GET_SIZE(args);
    RL_CHECK(TypeError, size_t(given) == n->num_inputs(), n->name(), " expected ", n->num_inputs(), " arguments, got ",
             given, " instead");
    Tensors grads;
    for (Py_ssize_t i = 0; i < given; i++) {
      PyObject* g = PyTuple_GET_ITEM(args, i);
      grads.push_back(g == Py_None ? Tensor() : expect_tensor(g, "a gradient"));
    }
    Tensors out;
    {
      GilRelease release(true);
      out = Backward::call_alone(*n, std::move(grads));
    }
    return out.size() == 1 ? wrap(out[0]) : tuple_of(out).release();
  });
}

PyGetSetDef getset[] = {
    {"next_functions", next_functions, nullptr, "The nodes whose results this one took, with the result's number.",
     nullptr},
    {"metadata", metadata, nullptr, "A dictionary to keep notes in.", nullptr},
    {"variable", variable, nullptr, "Of AccumulateGrad: the leaf.", nullptr},
    {},
};

// ---- hooks ------------------------------------------------------------------------------------------------------------

struct PyHook {
  PyObject_HEAD PyObject* function;  // null once removed
};
PyHook* as_hook(PyObject* o) { return reinterpret_cast<PyHook*>(o); }

int hook_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(as_hook(self)->function);
  Py_VISIT(Py_TYPE(self));
  return 0;
}
int hook_clear(PyObject* self) {
  Py_CLEAR(as_hook(self)->function);
  return 0;
}
void hook_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  hook_clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}
PyObject* hook_remove(PyObject* self, PyObject*) {
  hook_clear(self);
  Py_RETURN_NONE;
}
PyMethodDef hook_methods[] = {
    {"remove", hook_remove, METH_NOARGS, "Takes the hook off."},
    {"__enter__", [](PyObject* s, PyObject*) { return Py_NewRef(s); }, METH_NOARGS, nullptr},
    {"__exit__", [](PyObject* s, PyObject*) { return hook_remove(s, nullptr); }, METH_VARARGS, nullptr},
    {},
};

// What a tensor or a node keeps of a hook.
class HeldHook : public HoldsPython {
 public:
  explicit HeldHook(const Object& hook) : hook_(hook) {}
  void show_held(void (*show)(PyObject*, void*), void* to) const override { show(hook_.get(), to); }

 protected:
  PyObject* function() const { return as_hook(hook_.get())->function; }

 private:
  Held hook_;
};

Tensor checked_result(PyObject* result, const Tensor& was, PyObject* function) {
  if (result == Py_None) return Tensor();
  RL_CHECK(TypeError, is_tensor(result), "expected Variable, but hook returned '", short_type_name(result), "'");
  const Tensor& t = unwrap(result);
  Object name{PyObject_GetAttrString(function, "__name__")};
  if (!name) PyErr_Clear();
  std::string_view shown = name && PyUnicode_Check(name.get()) ? text_of(name.get()) : "hook";
  RL_CHECK(RuntimeError, !was.defined() || t.sizes() == was.sizes(), "hook '", shown,
           "' has changed the size of value");
  return t;
}

class OnTensor final : public TensorHook, public HeldHook {
 public:
  using HeldHook::HeldHook;
  bool removed() const override { return !function(); }
  PyObject* called() const { return function(); }
  Tensor call(const Tensor& g) override {
    GilAcquire gil;
    if (!function()) return {};
    Object f = Object::borrow(function()), grad{wrap(g)};
    Object result{grad ? PyObject_CallOneArg(f.get(), grad.get()) : nullptr};
    if (!result) throw_python_error();
    return checked_result(result.get(), g, f.get());
  }
};

class OnLeaf final : public LeafHook, public HeldHook {
 public:
  using HeldHook::HeldHook;
  bool removed() const override { return !function(); }
  void call(const Tensor& leaf) override {
    GilAcquire gil;
    if (!function()) return;
    Object f = Object::borrow(function()), t{wrap(leaf)};
    Object result{t ? PyObject_CallOneArg(f.get(), t.get()) : nullptr};
    if (!result) throw_python_error();
    RL_CHECK(RuntimeError, result.get() == Py_None, "Tensor post accumulate grad hooks should return None.");
  }
};

class OnNode final : public NodeHook, public HeldHook {
 public:
  OnNode(const Object& hook, bool before) : HeldHook(hook), before_(before) {}
  bool removed() const override { return !function(); }
  void call(Tensors& outputs, Tensors& inputs) override {
    GilAcquire gil;
    if (!function()) return;
    Object f = Object::borrow(function());
    try {
      Object in = tuple_of(inputs), out = before_ ? Object() : tuple_of(outputs);
      Object result = check(before_ ? PyObject_CallOneArg(f.get(), in.get())
                                    : PyObject_CallFunctionObjArgs(f.get(), out.get(), in.get(), nullptr));
      if (result.get() == Py_None) return;
      Tensors& into = before_ ? inputs : outputs;
      if (is_tensor(result.get())) result = check(PyTuple_Pack(1, result.get()));
      Object items = check(PySequence_Fast(result.get(), "a node's hook must return a tuple or None"));
      Py_ssize_t n = PySequence_Fast_GET_SIZE(items.get());
      RL_CHECK(RuntimeError, size_t(n) == into.size(), "hook has returned an incorrect number of values (got ", n,
               ", but expected ", into.size(), ")");
      for (Py_ssize_t i = 0; i < n; i++) {
        PyObject* item = PySequence_Fast_GET_ITEM(items.get(), i);
        into[size_t(i)] = item == Py_None ? Tensor() : checked_result(item, into[size_t(i)], f.get());
      }
    } catch (const ErrorSet&) { throw_python_error(); }
  }

 private:
  bool before_;
};

template <bool Before>
PyObject* register_node_hook(PyObject* self, PyObject* function) {
  return guarded([&] {
    Object hook = make_hook(function);
    node_of(self).add_hook(make_ref<OnNode>(hook, Before), Before);
    return hook.release();
  });
}

PyMethodDef methods[] = {
    {"name", [](PyObject* s, PyObject*) { return guarded([&] { return to_str(node_of(s).name()); }); }, METH_NOARGS,
     "The name of the operation."},
    {"_sequence_nr",
     [](PyObject* s, PyObject*) { return guarded([&] { return PyLong_FromUnsignedLongLong(node_of(s).sequence()); }); },
     METH_NOARGS, nullptr},
    {"register_hook", register_node_hook<false>, METH_O,
     "register_hook(fn): fn(grad_inputs, grad_outputs) runs after the node and may return other grad_inputs."},
    {"register_prehook", register_node_hook<true>, METH_O,
     "register_prehook(fn): fn(grad_outputs) runs before the node and may return others."},
    {},
};

}  // namespace

Object make_hook(PyObject* function) {
  RL_CHECK(TypeError, PyCallable_Check(function), "a hook must be callable, got ", short_type_name(function));
  Object hook = check(handle_type->tp_alloc(handle_type, 0));
  as_hook(hook.get())->function = Py_NewRef(function);
  return hook;
}
Ref<TensorHook> tensor_hook(const Object& hook) { return make_ref<OnTensor>(hook); }
Object tensor_hooks(const Tensor& t) {
  Object none = Object::borrow(Py_None);
  Ref<Node> made_by = grad_fn(t);
  const AutogradMeta* meta = meta_of(t);
  const Node* node = made_by.get();
  if (!node && meta) node = meta->accumulator.load(std::memory_order_acquire);
  const NodeExtras* extras = node ? node->extras() : nullptr;
  if (!extras) return none;
  Object all = check(PyDict_New());
  for (const auto& h : extras->tensor_hooks) {
    const auto* mine =
        h.input_nr == (made_by ? output_nr(t) : 0) ? dynamic_cast<const OnTensor*>(h.hook.get()) : nullptr;
    if (!mine || mine->removed()) continue;
    Object number = check(PyLong_FromLongLong(h.id));
    if (PyDict_SetItem(all.get(), number.get(), mine->called()) < 0) throw_python_error();
  }
  return PyDict_GET_SIZE(all.get()) ? all : none;
}
Ref<LeafHook> leaf_hook(const Object& hook) { return make_ref<OnLeaf>(hook); }

Object tuple_of(const Tensors& tensors) {
  Object out = check(PyTuple_New(Py_ssize_t(tensors.size())));
  for (size_t i = 0; i < tensors.size(); i++)
    PyTuple_SET_ITEM(out.get(), Py_ssize_t(i), check(wrap(tensors[i])).release());
  return out;
}

PyObject* wrap(Ref<Node> node) {
  if (!node) Py_RETURN_NONE;
  if (node->py_object) return Py_NewRef(static_cast<PyObject*>(node->py_object));
  PyTypeObject* type = type_named(node->name());
  auto* o = reinterpret_cast<PyNode*>(type->tp_alloc(type, 0));
  if (!o) throw ErrorSet{};
  node->py_object = o;
  o->node = node.leak();
  return reinterpret_cast<PyObject*>(o);
}

void bind_nodes(PyObject* module) {
  PyType_Slot slots[] = {
      {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
      {Py_tp_repr, reinterpret_cast<void*>(repr)},
      {Py_tp_getattro, reinterpret_cast<void*>(getattr)},
      {Py_tp_call, reinterpret_cast<void*>(call_node)},
      {Py_tp_getset, getset},
      {Py_tp_methods, methods},
      {Py_tp_doc, const_cast<char*>("A recorded operation: the grad_fn of its results.")},
      {0, nullptr},
  };
  PyType_Spec spec = {"rushlight.autograd.graph.Node", sizeof(PyNode), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  Object type = check(PyType_FromSpec(&spec));
  node_type = reinterpret_cast<PyTypeObject*>(type.get());
  add_object(module, "_Node", type.release());

  PyType_Slot handle_slots[] = {
      {Py_tp_dealloc, reinterpret_cast<void*>(hook_dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(hook_traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(hook_clear)},
      {Py_tp_methods, hook_methods},
      {Py_tp_doc, const_cast<char*>("A registered hook; remove() takes it off.")},
      {0, nullptr},
  };
  PyType_Spec handle_spec = {"rushlight.utils.hooks.HookHandle", sizeof(PyHook), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, handle_slots};
  Object handle = check(PyType_FromSpec(&handle_spec));
  handle_type = reinterpret_cast<PyTypeObject*>(handle.get());
  add_object(module, "_HookHandle", handle.release());
}

}  // namespace rushlight::py
