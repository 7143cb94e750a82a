// What nodes saved for backward: hooks on it, and objects that stand for it (`grad_fn._raw_saved_self`).
#include "bind.h"
#include "py_autograd.h"
#include "py_cycles.h"
#include "rushlight/autograd/function.h"
#include "rushlight/autograd/op_node.h"

namespace rushlight::py {
namespace {

class PyPacked final : public PackedTensor, public HoldsPython {
 public:
  PyPacked(Object value, Object unpack) : value_(std::move(value)), unpack_(std::move(unpack)) {}
  void show_held(void (*show)(PyObject*, void*), void* to) const override {
    show(value_.get(), to);
    show(unpack_.get(), to);
  }
  Tensor unpack() override {
    GilAcquire gil;
    Object t{PyObject_CallOneArg(unpack_.get(), value_.get())};
    if (!t) throw_python_error();
    RL_CHECK(TypeError, is_tensor(t.get()),
             "Output of saved tensor unpack_hook expected to be a Tensor but got result of type ",
             short_type_name(t.get()));
    return unwrap(t.get());
  }

 private:
  Held value_, unpack_;
};

class PySavedHooks final : public SavedHooks {
 public:
  PySavedHooks(PyObject* pack, PyObject* unpack)
      : outer(saved_hooks), pack_(Object::borrow(pack)), unpack_(Object::borrow(unpack)) {}
  Ref<PackedTensor> pack(const Tensor& t) override {
    GilAcquire gil;
    Object given{wrap(t)};
    Object value{given ? PyObject_CallOneArg(pack_.get(), given.get()) : nullptr};
    if (!value) throw_python_error();
    return make_ref<PyPacked>(std::move(value), Object::borrow(unpack_.get()));
  }
  SavedHooks* const outer;  // of saved_tensors_hooks: the pair around this one

 private:
  Held pack_, unpack_;
};

PyObject* push_saved_hooks(PyObject*, PyObject* args) {
  PyObject *pack, *unpack;
  if (!PyArg_ParseTuple(args, "OO", &pack, &unpack)) return nullptr;
  return guarded([&] {
    auto hooks = make_ref<PySavedHooks>(pack, unpack);
    hooks->retain();  // pop_saved_hooks gives it back
    saved_hooks = hooks.get();
    return Py_NewRef(Py_None);
  });
}

PyObject* pop_saved_hooks(PyObject*, PyObject*) {
  auto* hooks = static_cast<PySavedHooks*>(saved_hooks);
  if (!hooks) Py_RETURN_NONE;
  saved_hooks = hooks->outer;
  hooks->release();
  Py_RETURN_NONE;
}

// A saved tensor of a node. It reads nothing before it is asked, so that one that was freed is an error then.
struct PySaved {
  PyObject_HEAD Node* node;  // owned
  int value;                 // its number in the node
  size_t item;               // in a list
};
PySaved& as_saved(PyObject* o) { return *reinterpret_cast<PySaved*>(o); }
PyTypeObject* saved_type = nullptr;

PyObject* register_hooks(PyObject* self, PyObject* args) {
  return guarded([&] {
    bool fits = PyTuple_GET_SIZE(args) == 2 && PyCallable_Check(PyTuple_GET_ITEM(args, 0)) &&
                PyCallable_Check(PyTuple_GET_ITEM(args, 1));
    RL_CHECK(TypeError, fits,
             "register_hooks(): incompatible function arguments: expected two functions, pack_hook and unpack_hook");
    PySaved& s = as_saved(self);
    auto hooks = make_ref<PySavedHooks>(PyTuple_GET_ITEM(args, 0), PyTuple_GET_ITEM(args, 1));
    if (auto* op = dynamic_cast<OpNode*>(s.node)) op->hook_saved(s.value, s.item, *hooks);
    else dynamic_cast<FunctionNode&>(*s.node).hook_saved(s.item, *hooks);
    return Py_NewRef(Py_None);
  });
}

PyMethodDef saved_methods[] = {
    {"register_hooks", register_hooks, METH_VARARGS,
     "register_hooks(pack_hook, unpack_hook): gives the tensor to pack_hook now, and what that returns to unpack_hook "
     "when backward reads it."},
    {},
};

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  if (as_saved(self).node) as_saved(self).node->release();
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* refuse_new(PyTypeObject*, PyObject*, PyObject*) {
  PyErr_SetString(PyExc_RuntimeError,
                  "Trying to create a SavedTensor object from Python is forbidden: take it from a grad_fn, as "
                  "grad_fn._raw_saved_self");
  return nullptr;
}

PyMethodDef functions[] = {
    {"_push_saved_hooks", push_saved_hooks, METH_VARARGS, nullptr},
    {"_pop_saved_hooks", pop_saved_hooks, METH_NOARGS, nullptr},
    {},
};

}  // namespace

PyObject* saved_object(Node& node, int value, size_t item) {
  PyObject* o = saved_type->tp_alloc(saved_type, 0);
  if (!o) throw ErrorSet{};
  as_saved(o).node = Ref<Node>(&node).leak();
  as_saved(o).value = value;
  as_saved(o).item = item;
  return o;
}

void bind_saved(PyObject* module) {
  add_methods(module, functions);
  PyType_Slot slots[] = {
      {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
      {Py_tp_new, reinterpret_cast<void*>(refuse_new)},
      {Py_tp_methods, saved_methods},
      {Py_tp_doc, const_cast<char*>("A tensor that a grad_fn saved for backward.")},
      {0, nullptr},
  };
  PyType_Spec spec = {"rushlight.autograd.SavedTensor", sizeof(PySaved), 0, Py_TPFLAGS_DEFAULT, slots};
  Object type = check(PyType_FromSpec(&spec));
  saved_type = reinterpret_cast<PyTypeObject*>(type.get());
  add_object(module, "_SavedTensor", type.release());
}

}  // namespace rushlight::py
