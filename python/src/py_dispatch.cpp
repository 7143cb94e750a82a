#include "py_dispatch.h"

#include <algorithm>
#include <vector>

#include "bind.h"
#include "py_convert.h"
#include "py_new.h"
#include "py_op.h"
#include "py_override.h"
#include "rushlight/core/alias.h"
#include "rushlight/dispatch/values.h"

namespace rushlight::py {

namespace {

PyObject *handler_name, *default_handler;  // "__torch_dispatch__", interned; Tensor's own
// False while Tensor's own handler, which is what super() reaches, runs a call: no class is asked again.
thread_local bool classes_are_asked = true;

// The modes that are entered, innermost last. They stand in the chain of interceptors as one, below autograd.
class DispatchModes final : public Interceptor {
 public:
  DispatchModes() : Interceptor(Place::BelowAutograd) {}
  static DispatchModes& of_thread() {
    static thread_local DispatchModes& modes = *new DispatchModes;  // threads may end after Python
    return modes;
  }
  bool takes_whole(const Op& op) const override { return !is_composite(op); }
  void call(const Op& op, IValue* args, IValue* rets) override;
  void push(PyObject* mode) {
    entered.push_back(Object::borrow(mode));
    if (entered.size() == 1) push_interceptor(*this);
  }
  Object pop() {
    RL_CHECK(RuntimeError, !entered.empty(), "trying to pop from empty mode stack");
    Object mode = std::move(entered.back());
    entered.pop_back();
    if (entered.empty()) pop_interceptor(*this);
    return mode;
  }
  std::vector<Object> entered;
};

bool same_value(const IValue& a, const IValue& b) {
  if (a.is_none() || b.is_none()) return a.is_none() && b.is_none();
  if (a.is_bool() || b.is_bool()) return a.is_bool() && b.is_bool() && a.to_bool() == b.to_bool();
  if (a.is_scalar() && b.is_scalar()) return !a.is_complex() && !b.is_complex() && a.to_double() == b.to_double();
  if (a.is_int_list() && b.is_int_list()) return std::ranges::equal(a.int_list(), b.int_list());
  return a.is_string() && b.is_string() && a.to_string() == b.to_string();
}

Object shown(const IValue& v, const Argument& as) {
  const std::string& t = as.type_name;
  if (v.is_int() && t.starts_with("ScalarType")) return check(wrap(DType(v.to_int())));
  if (v.is_int() && t.starts_with("Layout")) return check(wrap(Layout(v.to_int())));
  if (v.is_int() && t.starts_with("MemoryFormat")) return check(wrap(MemoryFormat(v.to_int())));
  if (v.is_int_list() && t.starts_with("bool")) {  // which is how the parser passes it
    Object out = check(PyList_New(Py_ssize_t(v.int_list().size())));
    for (size_t i = 0; i < v.int_list().size(); i++)
      PyList_SET_ITEM(out.get(), i, PyBool_FromLong(v.int_list()[i] != 0));
    return out;
  }
  return check(to_python(v));
}

// A call as a handler is given it: what stands for a default at the end is left out.
struct Shown {
  Object func, args, kwargs;
  Shown(const Op& op, const IValue* values) {
    const auto& schema = op.schema().args;
    auto is_default = [&](size_t i) { return schema[i].has_default && same_value(values[i], schema[i].default_value); };
    size_t positional = 0;
    for (size_t i = 0; i < schema.size() && !schema[i].kwarg_only; i++)
      if (!is_default(i)) positional = i + 1;
    args = check(PyTuple_New(Py_ssize_t(positional)));
    kwargs = check(PyDict_New());
    for (size_t i = 0; i < schema.size(); i++) {
      if (i < positional) PyTuple_SET_ITEM(args.get(), Py_ssize_t(i), shown(values[i], schema[i]).release());
      else if (schema[i].kwarg_only && !is_default(i))
        check_status(PyDict_SetItemString(kwargs.get(), schema[i].name.c_str(), shown(values[i], schema[i]).get()));
    }
    PyObject* overload_of = imported("rushlight.utils._python_dispatch", "_overload_of");
    func = check(PyObject_CallFunction(overload_of, "ss", op.name().c_str(), op.schema().overload.c_str()));
  }
};

std::string name_of_type(PyObject* o) { return std::string(text_of(check(PyObject_Repr(o)).get())); }

// The handler's result as the operator's. Throws a TypeError that says what came for what.
void take_results(const Op& op, PyObject* result, const std::string& who, IValue* rets) {
  const auto& returns = op.schema().returns;
  auto one = [&](PyObject* o, const Argument& as) -> IValue {
    try {
      // Only a tensor will do for a tensor, though numbers stand for them among arguments.
      if (!as.base_type().is(Type::Kind::Tensor) || is_tensor(o) || o == Py_None) return from_python(o, *as.type);
    } catch (const TypeError&) {}
    throw TypeError(str(op.qualified_name(), ": __torch_dispatch__ of ", who, " must return ", as.type_name, ", got ",
                        short_type_name(o)));
  };
  if (returns.empty()) return;
  if (returns.size() == 1) {
    if (returns[0].base_type().is(Type::Kind::Tensor) && !is_tensor(result))
      throw TypeError(str(op.qualified_name(), ": __torch_dispatch__ of ", who, " must return a Tensor, got ",
                          short_type_name(result)));
    rets[0] = one(result, returns[0]);
    return;
  }
  RL_CHECK(TypeError, PyTuple_Check(result) || PyList_Check(result), op.qualified_name(), ": __torch_dispatch__ of ",
           who, " must return a tuple of ", returns.size(), " values, got ", short_type_name(result));
  RL_CHECK(TypeError, size_t(PySequence_Fast_GET_SIZE(result)) == returns.size(), op.qualified_name(),
           ": __torch_dispatch__ of ", who, " must return ", returns.size(), " values, got ",
           PySequence_Fast_GET_SIZE(result));
  for (size_t i = 0; i < returns.size(); i++)
    rets[i] = one(PySequence_Fast_GET_ITEM(result, Py_ssize_t(i)), returns[i]);
}

// The tensors whose classes dispatch, each class once, in the order in which they are asked.
std::vector<Object> dispatching(const Op& op, const IValue* args) {
  std::vector<Object> found;
  each_tensor(op, args, [&](const Tensor& t) {
    if (!(t.impl()->flags() & kPythonDispatch)) return;
    Object o = check(wrap(t));
    PyTypeObject* type = Py_TYPE(o.get());
    if (!dispatches(type)) return;
    auto at = found.end();
    for (auto i = found.begin(); i != found.end(); ++i) {
      if (Py_TYPE(i->get()) == type) return;
      if (at == found.end() && PyType_IsSubtype(type, Py_TYPE(i->get()))) at = i;
    }
    found.insert(at, std::move(o));
  });
  return found;
}

Object types_of(const std::vector<Object>& found) {
  Object types = check(PyTuple_New(Py_ssize_t(found.size())));
  for (size_t i = 0; i < found.size(); i++)
    PyTuple_SET_ITEM(types.get(), i, Py_NewRef(reinterpret_cast<PyObject*>(Py_TYPE(found[i].get()))));
  return types;
}

// Python errors cross the C++ that made the call.
template <class F>
void in_python(F&& f) {
  GilAcquire gil;
  try {
    f();
  } catch (const ErrorSet&) { throw_python_error(); }
}

void DispatchModes::call(const Op& op, IValue* args, IValue* rets) {
  in_python([&] {
    NoGradGuard no_grad;
    struct Left {  // a mode's own calls are for the modes around it
      DispatchModes& modes;
      Object mode;
      explicit Left(DispatchModes& m) : modes(m), mode(std::move(m.entered.back())) { m.entered.pop_back(); }
      ~Left() { modes.entered.push_back(mode); }
    } left(*this);
    Interceptor* inner = thread_state.interceptor;
    if (!entered.empty()) inner = (outer = thread_state.interceptor, this);
    Scoped<Interceptor*> others(thread_state.interceptor, inner);
    Shown s(op, args);
    std::vector<Object> found = dispatching(op, args);
    Object handler = check(PyObject_GetAttr(left.mode.get(), handler_name));
    Object result = check(PyObject_CallFunctionObjArgs(handler.get(), s.func.get(), types_of(found).get(), s.args.get(),
                                                       s.kwargs.get(), nullptr));
    if (result.get() == Py_NotImplemented) {
      RL_CHECK(TypeError, !found.empty(), "Multiple dispatch failed for '", op.qualified_name(),
               "'; all __torch_dispatch__ handlers returned NotImplemented:\n\n  - mode object ",
               name_of_type(left.mode.get()));
      return rushlight::call(op, args, rets);
    }
    take_results(op, result.get(), name_of_type(reinterpret_cast<PyObject*>(Py_TYPE(left.mode.get()))), rets);
  });
}

void call_classes(const Op& op, IValue* args, IValue* rets) {
  if (!classes_are_asked) {
    each_tensor(op, args, [&](const Tensor& t) { check_has_memory(t, op.name().c_str()); });
    return op.run(args, rets);
  }
  in_python([&] {
    NoGradGuard no_grad;
    std::vector<Object> found = dispatching(op, args);
    RL_CHECK(
        RuntimeError, !found.empty(), op.name(),
        ": Cannot access data pointer of Tensor that doesn't have storage; its Python object, which kept the values, "
        "is gone");
    Shown s(op, args);
    Object types = types_of(found);
    for (const Object& o : found) {
      PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(o.get()));
      Object handler = check(PyObject_GetAttr(type, handler_name));
      Object result = check(PyObject_CallFunctionObjArgs(handler.get(), s.func.get(), types.get(), s.args.get(),
                                                         s.kwargs.get(), nullptr));
      if (result.get() != Py_NotImplemented) return take_results(op, result.get(), name_of_type(type), rets);
    }
    std::string text = str("Multiple dispatch failed for 'torch.ops.aten.", op.qualified_name(),
                           "'; all __torch_dispatch__ handlers returned NotImplemented:\n\n");
    for (const Object& o : found)
      text += str("  - tensor subclass ", name_of_type(reinterpret_cast<PyObject*>(Py_TYPE(o.get()))), "\n");
    throw TypeError(std::move(text));
  });
}

Tensor alias_by_class(const Tensor& of) {
  if (!classes_are_asked) {
    check_has_memory(of, "detach");
    Tensor t(make_ref<TensorImpl>(of.impl()->storage(), of.dtype(), of.sizes(), of.strides(), of.storage_offset()));
    t.impl()->inference = of.impl()->inference;
    t.impl()->share_version(*of.impl());
    return t;
  }
  static const Op* detach = OpTable::get().find("detach");
  IValue args[1] = {IValue::borrow(of)}, ret;
  call_classes(*detach, args, &ret);
  Tensor t = ret.take_tensor();
  RL_CHECK(RuntimeError, !t.is_same(of), "detach: __torch_dispatch__ must return another tensor, not its argument");
  return t;
}

// ---- for Python ----

PyObject* push_mode(PyObject*, PyObject* mode) {
  DispatchModes::of_thread().push(mode);
  Py_RETURN_NONE;
}
PyObject* pop_mode(PyObject*, PyObject*) {
  return guarded([] { return DispatchModes::of_thread().pop().release(); });
}
PyObject* mode_stack(PyObject*, PyObject*) {
  return guarded([] {
    Object out = check(PyList_New(0));
    for (const Object& m : DispatchModes::of_thread().entered) check_status(PyList_Append(out.get(), m.get()));
    return out.release();
  });
}

// _make_wrapper_subclass(cls, size, strides=None, storage_offset=None, memory_format=None, dtype=None, layout=None, device=None,
// pin_memory=False, requires_grad=False, ...): a tensor of the class that has no memory.
PyObject* make_wrapper_subclass(PyObject*, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    static const char* names[] = {"cls",
                                  "size",
                                  "strides",
                                  "storage_offset",
                                  "memory_format",
                                  "dtype",
                                  "layout",
                                  "device",
                                  "pin_memory",
                                  "requires_grad",
                                  "dispatch_sizes_strides_policy",
                                  "dispatch_device",
                                  "dispatch_layout",
                                  "_extra_dispatch_keys",
                                  "storage_size",
                                  nullptr};
    PyObject *cls, *size, *strides = Py_None, *format = Py_None, *dtype = Py_None, *device = Py_None,
                          *skipped = nullptr, *offset = Py_None;
    int requires_grad = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|OOOOOOOpOOOOO:_make_wrapper_subclass", const_cast<char**>(names),
                                     &cls, &size, &strides, &offset, &format, &dtype, &skipped, &device, &skipped,
                                     &requires_grad, &skipped, &skipped, &skipped, &skipped, &skipped))
      return nullptr;
    RL_CHECK(TypeError, PyType_Check(cls) && PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(cls), tensor_type),
             "_make_wrapper_subclass: cls must be a type derived from rushlight.Tensor");
    auto* type = reinterpret_cast<PyTypeObject*>(cls);
    RL_CHECK(RuntimeError, dispatches(type), type->tp_name,
             " must define __torch_dispatch__ to be used with _make_wrapper_subclass: its tensors have no memory");
    DType d = default_dtype();
    Device at;
    int64_t start = 0;
    RL_CHECK(TypeError, dtype == Py_None || as_dtype(dtype, d), "_make_wrapper_subclass: dtype must be a torch.dtype");
    RL_CHECK(TypeError, device == Py_None || as_device(device, at), "_make_wrapper_subclass: device must be a device");
    RL_CHECK(TypeError, offset == Py_None || as_int(offset, start),
             "_make_wrapper_subclass: storage_offset must be an int");
    IValue sizes = from_python(size, *Type::list(Type::integer()));
    Dims shape(sizes.int_list()), steps = contiguous_strides(shape);
    for (int64_t n : shape) RL_CHECK(RuntimeError, n >= 0, "Trying to create tensor with negative dimension ", n);
    if (strides != Py_None) {
      IValue given = from_python(strides, *Type::list(Type::integer()));
      steps.assign(given.int_list());
      RL_CHECK(RuntimeError, steps.size() == shape.size(), "_make_wrapper_subclass: expected a stride for each of ",
               shape.size(), " dimensions, got ", steps.size());
    }
    int64_t elements = 0, bytes = 0;
    RL_CHECK(RuntimeError,
             storage_extent(shape, steps, start, elements) &&
                 !__builtin_mul_overflow(elements, int64_t(item_size(d)), &bytes),
             "_make_wrapper_subclass: sizes ", shape, " and strides ", steps, " reach too far");
    RL_CHECK(RuntimeError, !requires_grad || is_differentiable(d),
             "Only Tensors of floating point and complex dtype can require gradients");
    auto nothing = make_ref<Storage>(nullptr, size_t(bytes), at, nullptr);
    Tensor t(make_ref<TensorImpl>(std::move(nothing), d, shape, steps, start));
    t.impl()->set_requires_grad(requires_grad);
    return wrap_as(type, std::move(t));
  });
}

// _ask_dispatch_classes(on) -> what it was before
PyObject* ask_classes(PyObject*, PyObject* on) {
  int truth = PyObject_IsTrue(on);
  return truth < 0 ? nullptr : PyBool_FromLong(std::exchange(classes_are_asked, bool(truth)));
}

PyMethodDef functions[] = {
    {"_ask_dispatch_classes", ask_classes, METH_O, nullptr},
    {"_push_on_torch_dispatch_stack", push_mode, METH_O, nullptr},
    {"_pop_torch_dispatch_stack", pop_mode, METH_NOARGS, nullptr},
    {"_torch_dispatch_stack", mode_stack, METH_NOARGS, nullptr},
    {},
};
PyMethodDef tensor_methods[] = {
    {"_make_wrapper_subclass", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(make_wrapper_subclass)),
     METH_VARARGS | METH_KEYWORDS | METH_STATIC, "_make_wrapper_subclass(cls, size, *, dtype=None, device=None, ...)"},
    {"__torch_dispatch__",
     [](PyObject*, PyObject* args) -> PyObject* {
       PyObject *func, *types, *given = nullptr, *kwargs = nullptr;
       if (!PyArg_ParseTuple(args, "OO|OO:__torch_dispatch__", &func, &types, &given, &kwargs)) return nullptr;
       Object tuple{given ? PySequence_Tuple(given) : PyTuple_New(0)};
       Scoped<bool> as_plain_tensors(classes_are_asked, false);
       return tuple ? PyObject_Call(func, tuple.get(), kwargs == Py_None ? nullptr : kwargs) : nullptr;
     },
     METH_VARARGS | METH_STATIC, nullptr},
    {},
};

}  // namespace

bool dispatches(PyTypeObject* type) {
  PyObject* handler = _PyType_Lookup(type, handler_name);
  return handler && handler != default_handler;
}

void bind_dispatch(PyObject* module) {
  handler_name = PyUnicode_InternFromString("__torch_dispatch__");
  add_methods(module, functions);
  add_methods(tensor_type, tensor_methods);
  default_handler = tensor_entry("__torch_dispatch__");
  call_python_dispatch = call_classes;
  alias_in_python = alias_by_class;
}

}  // namespace rushlight::py
