#include "py_types.h"

#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "py_tensor.h"
#include "rushlight/core/device_interface.h"

namespace rushlight::py {

PyTypeObject *dtype_type, *device_type, *layout_type, *memory_format_type, *size_type, *generator_type;

bool default_device_said = false;

namespace {

PyEnum* dtypes[kDTypeSlots];
PyEnum* layouts[kLayouts];
PyEnum* memory_formats[4];

PyEnum* self_enum(PyObject* o) { return reinterpret_cast<PyEnum*>(o); }
DType dtype_value(PyObject* o) { return DType(self_enum(o)->value); }

PyObject* enum_repr(PyObject* o) { return PyUnicode_FromString(self_enum(o)->text); }
// Pickled by name: "float32" in module rushlight.
PyObject* enum_reduce(PyObject* o, PyObject*) {
  return PyUnicode_FromString(std::string_view(self_enum(o)->text).substr(6).data());
}
PyObject* enum_copy(PyObject* o, PyObject*) { return Py_NewRef(o); }

PyMethodDef enum_methods[] = {
    {"__reduce__", enum_reduce, METH_NOARGS, nullptr},
    {"__copy__", enum_copy, METH_NOARGS, nullptr},
    {"__deepcopy__", enum_copy, METH_O, nullptr},
    {},
};
PyMethodDef dtype_methods[] = {
    {"__reduce__", enum_reduce, METH_NOARGS, nullptr},
    {"__copy__", enum_copy, METH_NOARGS, nullptr},
    {"__deepcopy__", enum_copy, METH_O, nullptr},
    {"to_real", [](PyObject* o, PyObject*) { return wrap(to_real(dtype_value(o))); }, METH_NOARGS,
     "The dtype of a complex number's parts."},
    {"to_complex",
     [](PyObject* o, PyObject*) {
       return guarded([&] {
         DType d = dtype_value(o);
         RL_CHECK(RuntimeError, is_complex(d) || (is_floating(d) && is_computed(d)), "Unknown Complex ScalarType for ",
                  scalar_type_name(d));
         return wrap(to_complex(d));
       });
     },
     METH_NOARGS, "The complex dtype with parts of this one."},
    {},
};
PyGetSetDef dtype_getset[] = {
    {"is_floating_point", [](PyObject* o, void*) { return PyBool_FromLong(is_floating(dtype_value(o))); }, nullptr,
     "Whether it is a real floating point type.", nullptr},
    {"is_complex", [](PyObject* o, void*) { return PyBool_FromLong(is_complex(dtype_value(o))); }, nullptr,
     "Whether it is a complex type.", nullptr},
    {"is_signed",
     [](PyObject* o, void*) {
       return guarded([&] {
         RL_CHECK(RuntimeError, !is_quantized(dtype_value(o)), "isSignedType not supported for quantized types");
         return PyBool_FromLong(is_signed(dtype_value(o)));
       });
     },
     nullptr, "Whether it holds negative numbers.", nullptr},
    {"itemsize", [](PyObject* o, void*) { return PyLong_FromLong(item_size(dtype_value(o))); }, nullptr,
     "The bytes of one element.", nullptr},
    {},
};

PyTypeObject* make_type(const char* name, size_t size, std::vector<PyType_Slot> slots, unsigned flags = 0,
                        PyTypeObject* base = nullptr) {
  slots.push_back({0, nullptr});
  PyType_Spec spec = {name, int(size), 0, unsigned(Py_TPFLAGS_DEFAULT | flags), slots.data()};
  Object type = check(PyType_FromSpecWithBases(&spec, reinterpret_cast<PyObject*>(base)));
  return reinterpret_cast<PyTypeObject*>(type.release());
}
PyEnum* make_enum(PyTypeObject* type, int value, const char* text) {
  PyEnum* o = PyObject_New(PyEnum, type);
  if (!o) throw ErrorSet{};
  o->value = value;
  o->text = text;
  return o;
}

// ---- device ----

Device device_of(PyObject* o) { return reinterpret_cast<PyDevice*>(o)->device; }

PyObject* device_new(PyTypeObject*, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    static const char* names[] = {"type", "index", nullptr};
    PyObject *type, *index = nullptr;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:device", const_cast<char**>(names), &type, &index))
      return nullptr;
    Device d;
    RL_CHECK(TypeError, as_device(type, d), "device(): argument 'type' must be str, int or device, not ",
             short_type_name(type));
    if (index && index != Py_None) {
      RL_CHECK(RuntimeError, d.index < 0,
               "type (string) must not include an index because index was passed explicitly: ", d.text());
      long i = PyLong_AsLong(index);
      if (i == -1 && PyErr_Occurred()) return nullptr;
      RL_CHECK(RuntimeError, i >= 0 && i < 128, "Device index must not be negative, got ", i);
      d.index = int8_t(i);
    }
    return wrap(d);
  });
}
PyObject* device_repr(PyObject* o) {
  std::string text = device_of(o).text();
  std::string type = text.substr(0, text.find(':'));
  std::string out = "device(type='" + type + "'" +
                    (device_of(o).index >= 0 ? ", index=" + std::to_string(device_of(o).index) : "") + ")";
  return to_str(out);
}
PyObject* device_type_text(PyObject* o, void*) {
  std::string text = device_of(o).text();
  return to_str(std::string_view(text).substr(0, text.find(':')));
}
PyObject* device_compare(PyObject* a, PyObject* b, int op) {
  if (!is_device(b) || (op != Py_EQ && op != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
  return PyBool_FromLong((device_of(a) == device_of(b)) == (op == Py_EQ));
}
Py_hash_t device_hash(PyObject* o) { return Py_hash_t(device_of(o).type) * 256 + device_of(o).index + 1; }
PyGetSetDef device_getset[] = {
    {"type", device_type_text, nullptr, "The kind of device: \"cpu\", \"cuda\" or \"meta\".", nullptr},
    {"index",
     [](PyObject* o, void*) {
       return device_of(o).index < 0 ? Py_NewRef(Py_None) : PyLong_FromLong(device_of(o).index);
     },
     nullptr, "Which device of its kind, or None for the current one.", nullptr},
    {},
};
thread_local std::vector<Device> entered_devices;
thread_local std::optional<Device> set_device;

PyObject* device_enter(PyObject* o, PyObject*) {
  entered_devices.push_back(device_of(o));
  default_device_said = true;
  return Py_NewRef(o);
}
PyObject* device_exit(PyObject*, PyObject*) {
  if (!entered_devices.empty()) entered_devices.pop_back();
  Py_RETURN_FALSE;
}
PyObject* set_default_device(PyObject*, PyObject* device) {
  return guarded([&]() -> PyObject* {
    Device d;
    set_device.reset();
    if (device != Py_None) {
      RL_CHECK(TypeError, as_device(device, d), "set_default_device(): expected a device, got ",
               short_type_name(device));
      set_device = d;
      default_device_said = true;
    }
    Py_RETURN_NONE;
  });
}
PyObject* get_default_device(PyObject*, PyObject*) {
  const Device* said = default_device();
  return wrap(said ? *said : Device());
}
// A decorator: the function runs in the device's context.
PyObject* device_call(PyObject* o, PyObject* args, PyObject*) {
  return guarded([&]() -> PyObject* {
    PyObject* function;
    if (!PyArg_ParseTuple(args, "O:device", &function)) return nullptr;
    return PyObject_CallFunctionObjArgs(imported("rushlight._settings", "in_context"), o, function, nullptr);
  });
}
PyMethodDef device_functions[] = {
    {"set_default_device", set_default_device, METH_O,
     "set_default_device(device): where new tensors are made when no device is given, on this thread; None: on the "
     "CPU."},
    {"get_default_device", get_default_device, METH_NOARGS,
     "get_default_device() -> device: where new tensors are made when no device is given."},
    {},
};

PyMethodDef device_methods[] = {
    {"__enter__", device_enter, METH_NOARGS, "Until __exit__, tensors that are given no device are made on this one."},
    {"__exit__", device_exit, METH_VARARGS, nullptr},
    {"__reduce__",
     [](PyObject* o, PyObject*) { return Py_BuildValue("(O(s))", Py_TYPE(o), device_of(o).text().c_str()); },
     METH_NOARGS, nullptr},
    {},
};

// ---- Size ----

PyObject* size_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    Object self = check(PyTuple_Type.tp_new(type, args, kwargs));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self.get()); i++) {
      PyObject* item = PyTuple_GET_ITEM(self.get(), i);
      if (PyLong_CheckExact(item)) continue;
      Object number{PyNumber_Index(item)};
      if (!number) {
        PyErr_Clear();
        throw TypeError(str("torch.Size() takes an iterable of 'int' (item ", i, " is '", short_type_name(item), "')"));
      }
      Py_SETREF(PyTuple_GET_ITEM(self.get(), i), number.release());
    }
    return self.release();
  });
}
PyObject* size_repr(PyObject* self) {
  std::string out = "torch.Size([";
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self); i++)
    out += (i ? ", " : "") + std::to_string(PyLong_AsLongLong(PyTuple_GET_ITEM(self, i)));
  return to_str(out + "])");
}
PyObject* size_numel(PyObject* self, PyObject*) {
  int64_t n = 1;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self); i++) n *= PyLong_AsLongLong(PyTuple_GET_ITEM(self, i));
  return PyLong_FromLongLong(n);
}
PyObject* as_size(PyObject* tuple) {
  if (!tuple || !PyTuple_CheckExact(tuple)) return tuple;
  Object owned(tuple);
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++)
    if (!PyLong_CheckExact(PyTuple_GET_ITEM(tuple, i))) return owned.release();
  PyObject* out = size_type->tp_alloc(size_type, PyTuple_GET_SIZE(tuple));
  if (!out) return nullptr;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++)
    PyTuple_SET_ITEM(out, i, Py_NewRef(PyTuple_GET_ITEM(tuple, i)));
  return out;
}
PyObject* size_concat(PyObject* a, PyObject* b) {
  if (!PyTuple_Check(a) || !PyTuple_Check(b)) Py_RETURN_NOTIMPLEMENTED;
  return as_size(PyTuple_Type.tp_as_sequence->sq_concat(a, b));
}
// As a sequence: nobody else is asked afterwards.
PyObject* size_extend(PyObject* a, PyObject* b) {
  if (PyTuple_Check(b)) return size_concat(a, b);
  PyErr_Format(PyExc_TypeError, "can only concatenate tuple (not %s) to torch.Size", Py_TYPE(b)->tp_name);
  return nullptr;
}
PyObject* size_repeat(PyObject* a, Py_ssize_t n) { return as_size(PyTuple_Type.tp_as_sequence->sq_repeat(a, n)); }
PyObject* size_subscript(PyObject* a, PyObject* i) { return as_size(PyTuple_Type.tp_as_mapping->mp_subscript(a, i)); }
PyMethodDef size_methods[] = {
    {"numel", size_numel, METH_NOARGS, "The number of elements of a tensor of this size."},
    {"__reduce__",
     [](PyObject* o, PyObject*) {
       Object plain{PySequence_Tuple(o)};
       Object items{PySequence_List(o)};
       Object t{items ? PyList_AsTuple(items.get()) : nullptr};
       return t ? Py_BuildValue("(O(O))", Py_TYPE(o), t.get()) : nullptr;
     },
     METH_NOARGS, nullptr},
    {},
};

// ---- Generator ----

Generator& generator_of(PyObject* o) { return *reinterpret_cast<PyGenerator*>(o)->generator; }

PyObject* generator_new(PyTypeObject*, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    static const char* names[] = {"device", nullptr};
    PyObject* device = nullptr;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:Generator", const_cast<char**>(names), &device)) return nullptr;
    Device d;
    if (device && device != Py_None) {
      RL_CHECK(TypeError, as_device(device, d), "Generator(): argument 'device' must be a device, not ",
               short_type_name(device));
      RL_CHECK(RuntimeError, !d.is_meta(), "Generator: no random generator for device ", d);
      d = located(d);
    }
    return wrap(make_ref<Generator>(Generator::kDefaultSeed, d));
  });
}
void generator_dealloc(PyObject* o) {
  PyTypeObject* type = Py_TYPE(o);
  generator_of(o).release();
  PyObject_Free(o);
  Py_DECREF(type);
}
bool seed_of(PyObject* o, uint64_t& seed) {
  Object n{PyNumber_Index(o)};
  if (!n) return false;
  int overflow;
  long long v = PyLong_AsLongLongAndOverflow(n.get(), &overflow);
  if (overflow < 0 || (v == -1 && PyErr_Occurred())) {
    PyErr_SetString(PyExc_ValueError, "Overflow when unpacking long long: the seed must lie in [-2**63, 2**64)");
    return false;
  }
  seed = uint64_t(v);
  if (overflow > 0) {
    seed = PyLong_AsUnsignedLongLong(n.get());
    if (PyErr_Occurred()) {
      PyErr_SetString(PyExc_ValueError, "Overflow when unpacking long long: the seed must lie in [-2**63, 2**64)");
      return false;
    }
  }
  return true;
}
PyMethodDef generator_methods[] = {
    {"manual_seed",
     [](PyObject* o, PyObject* seed) -> PyObject* {
       uint64_t value;
       if (!seed_of(seed, value)) return nullptr;
       std::lock_guard lock(generator_of(o).mutex());
       generator_of(o).manual_seed(value);
       return Py_NewRef(o);
     },
     METH_O, "manual_seed(seed) -> Generator"},
    {"seed",
     [](PyObject* o, PyObject*) {
       std::lock_guard lock(generator_of(o).mutex());
       return PyLong_FromUnsignedLongLong(generator_of(o).seed());
     },
     METH_NOARGS, "Seeds from the system's entropy; returns the seed."},
    {"initial_seed", [](PyObject* o, PyObject*) { return PyLong_FromUnsignedLongLong(generator_of(o).initial_seed()); },
     METH_NOARGS, "initial_seed() -> int: the seed the generator was last seeded with."},
    {"get_state",
     [](PyObject* o, PyObject*) {
       return guarded([&] {
         Tensor t = empty_tensor({int64_t(Generator::kStateBytes)}, DType::UInt8);
         std::lock_guard lock(generator_of(o).mutex());
         generator_of(o).get_state(t.data<uint8_t>());
         return wrap(t);
       });
     },
     METH_NOARGS, "The state as a uint8 tensor."},
    {"set_state",
     [](PyObject* o, PyObject* state) {
       return guarded([&] {
         const Tensor& t = expect_tensor(state, "set_state: the state");
         RL_CHECK(TypeError, t.dtype() == DType::UInt8 && t.is_contiguous() && t.device().is_cpu(),
                  "expected a torch.ByteTensor, but got ", t.dtype());
         std::lock_guard lock(generator_of(o).mutex());
         generator_of(o).set_state(t.data<uint8_t>(), size_t(t.numel()));
         return Py_NewRef(o);
       });
     },
     METH_O, "set_state(state) -> Generator"},
    {"__reduce__",
     [](PyObject* o, PyObject*) -> PyObject* {
       Object state{PyObject_CallMethod(o, "get_state", nullptr)};
       if (!state) return nullptr;
       return Py_BuildValue("(O(N)(KON))", Py_TYPE(o), wrap(Device()), generator_of(o).initial_seed(), Py_None,
                            state.release());
     },
     METH_NOARGS, nullptr},
    {"__setstate__",
     [](PyObject* o, PyObject* given) -> PyObject* {
       PyObject *seed, *offset, *state;
       if (!PyArg_ParseTuple(given, "OOO:__setstate__", &seed, &offset, &state)) return nullptr;
       Object seeded{PyObject_CallMethod(o, "manual_seed", "O", seed)};
       Object set{seeded ? PyObject_CallMethod(o, "set_state", "O", state) : nullptr};
       return set ? Py_NewRef(Py_None) : nullptr;
     },
     METH_O, nullptr},
    {"clone_state", [](PyObject* o, PyObject*) { return guarded([&] { return wrap(generator_of(o).clone()); }); },
     METH_NOARGS, "clone_state() -> Generator: another generator in the same state."},
    {},
};
PyGetSetDef generator_getset[] = {
    {"device", [](PyObject* o, void*) { return wrap(generator_of(o).device()); }, nullptr,
     "The device whose numbers it draws.", nullptr},
    {},
};
PyObject* generator_repr(PyObject* o) {
  return PyUnicode_FromFormat("<torch._C.Generator object at %p>", static_cast<void*>(o));
}

}  // namespace

PyObject* wrap(DType d) { return Py_NewRef(reinterpret_cast<PyObject*>(dtypes[int(d)])); }
PyObject* wrap(Layout l) { return Py_NewRef(reinterpret_cast<PyObject*>(layouts[int(l)])); }
PyObject* wrap(MemoryFormat f) { return Py_NewRef(reinterpret_cast<PyObject*>(memory_formats[int(f)])); }
PyObject* wrap(Device d) {
  PyDevice* o = PyObject_New(PyDevice, device_type);
  if (o) o->device = d;
  return reinterpret_cast<PyObject*>(o);
}
PyObject* wrap_size(IntArrayRef sizes) {
  PyObject* out = size_type->tp_alloc(size_type, Py_ssize_t(sizes.size()));
  if (!out) return nullptr;
  for (size_t i = 0; i < sizes.size(); i++) PyTuple_SET_ITEM(out, i, PyLong_FromLongLong(sizes[i]));
  return out;
}
PyObject* wrap_ints(IntArrayRef items) {
  PyObject* out = PyTuple_New(Py_ssize_t(items.size()));
  if (!out) return nullptr;
  for (size_t i = 0; i < items.size(); i++) PyTuple_SET_ITEM(out, i, PyLong_FromLongLong(items[i]));
  return out;
}
PyObject* wrap(Ref<Generator> g) {
  PyGenerator* o = PyObject_New(PyGenerator, generator_type);
  if (o) o->generator = g.leak();
  return reinterpret_cast<PyObject*>(o);
}

bool as_dtype(PyObject* o, DType& d) {
  if (is_dtype(o)) d = dtype_value(o);
  else if (o == reinterpret_cast<PyObject*>(&PyFloat_Type)) d = DType::Float64;
  else if (o == reinterpret_cast<PyObject*>(&PyLong_Type)) d = DType::Int64;
  else if (o == reinterpret_cast<PyObject*>(&PyBool_Type)) d = DType::Bool;
  else if (o == reinterpret_cast<PyObject*>(&PyComplex_Type)) d = DType::Complex128;
  else return false;
  return true;
}

const Device* said_default_device() {
  return !entered_devices.empty() ? &entered_devices.back() : set_device ? &*set_device : nullptr;
}

bool as_device(PyObject* o, Device& d) {
  if (is_device(o)) {
    d = device_of(o);
  } else if (PyUnicode_Check(o)) {
    d = Device::parse(text_of(o));
  } else if (PyLong_Check(o) && !PyBool_Check(o)) {
    long i = PyLong_AsLong(o);
    if (i == -1 && PyErr_Occurred()) throw ErrorSet{};
    DeviceType accelerator = accelerator_type();
    RL_CHECK(RuntimeError, accelerator != DeviceType::Cpu, "Cannot access accelerator device when none is available.");
    RL_CHECK(RuntimeError, i >= 0 && i < 128, "Device index must not be negative, got ", i);
    d = {accelerator, int8_t(i)};
  } else {
    return false;
  }
  return true;
}

void bind_types(PyObject* module) {
  add_methods(module, device_functions);
  auto slot = [](int id, auto p) { return PyType_Slot{id, reinterpret_cast<void*>(p)}; };
  const unsigned closed = Py_TPFLAGS_DISALLOW_INSTANTIATION;
  dtype_type =
      make_type("rushlight.dtype", sizeof(PyEnum),
                {{Py_tp_doc, const_cast<char*>("The type of a tensor's elements: torch.float32, torch.int64, ...")},
                 slot(Py_tp_repr, enum_repr),
                 slot(Py_tp_methods, dtype_methods),
                 slot(Py_tp_getset, dtype_getset)},
                closed);
  layout_type = make_type(
      "rushlight.layout", sizeof(PyEnum),
      {{Py_tp_doc,
        const_cast<char*>("How a tensor's elements are kept: torch.strided, torch.sparse_coo, torch.sparse_csr, ...")},
       slot(Py_tp_repr, enum_repr),
       slot(Py_tp_methods, enum_methods)},
      closed);
  memory_format_type =
      make_type("rushlight.memory_format", sizeof(PyEnum),
                {{Py_tp_doc, const_cast<char*>("The order of a tensor's elements in memory: torch.contiguous_format, "
                                               "channels_last, channels_last_3d or preserve_format.")},
                 slot(Py_tp_repr, enum_repr),
                 slot(Py_tp_methods, enum_methods)},
                closed);
  device_type = make_type(
      "rushlight.device", sizeof(PyDevice),
      {{Py_tp_doc, const_cast<char*>("device(type, index=None): where tensors are, \"cpu\", \"cuda:1\" or \"meta\".")},
       slot(Py_tp_new, device_new),
       slot(Py_tp_repr, device_repr),
       slot(
           Py_tp_str, +[](PyObject* o) { return to_str(device_of(o).text()); }),
       slot(Py_tp_richcompare, device_compare),
       slot(Py_tp_hash, device_hash),
       slot(Py_tp_getset, device_getset),
       slot(Py_tp_call, device_call),
       slot(Py_tp_methods, device_methods)});
  size_type = make_type(
      "rushlight.Size", 0,
      {{Py_tp_doc, const_cast<char*>(
                       "Size(iterable of integers): the shape of a tensor, a tuple that slices and adds to a Size.")},
       slot(Py_tp_new, size_new),
       slot(Py_tp_repr, size_repr),
       slot(Py_tp_methods, size_methods),
       slot(Py_sq_concat, size_extend),
       slot(Py_nb_add, size_concat),
       slot(Py_sq_repeat, size_repeat),
       slot(Py_mp_subscript, size_subscript)},
      Py_TPFLAGS_BASETYPE, &PyTuple_Type);
  generator_type = make_type(
      "rushlight._C.Generator", sizeof(PyGenerator),
      {{Py_tp_doc, const_cast<char*>("Generator(device=\"cpu\"): a stream of random numbers with a seed of its own.")},
       slot(Py_tp_new, generator_new),
       slot(Py_tp_dealloc, generator_dealloc),
       slot(Py_tp_repr, generator_repr),
       slot(Py_tp_methods, generator_methods),
       slot(Py_tp_getset, generator_getset)});
  for (auto [name, type] : {std::pair("dtype", dtype_type), std::pair("layout", layout_type),
                            std::pair("memory_format", memory_format_type), std::pair("device", device_type),
                            std::pair("Size", size_type), std::pair("Generator", generator_type)})
    add_object(module, name, reinterpret_cast<PyObject*>(type));

  // _dtypes: by all their names. _scalar_types: {dtype: "Float"}, the names of old tensor types and storages.
  Object names = check(PyDict_New()), scalar_types = check(PyDict_New());
  for (const DTypeInfo& i : kDTypes) {
    auto* text = new std::string(str("torch.", i.name));
    dtypes[int(i.dtype)] = make_enum(dtype_type, int(i.dtype), text->c_str());
    PyObject* o = reinterpret_cast<PyObject*>(dtypes[int(i.dtype)]);
    for (const char* name : {i.name, i.alias})
      if (*name) check_status(PyDict_SetItemString(names.get(), name, o));
    check_status(PyDict_SetItem(scalar_types.get(), o, check(to_str(i.scalar_type)).get()));
  }
  add_object(module, "_dtypes", names.get());
  add_object(module, "_scalar_types", scalar_types.get());
  Object layout_names = check(PyDict_New());
  for (int i = 0; i < kLayouts; i++) {
    auto* text = new std::string(str(Layout(i)));
    layouts[i] = make_enum(layout_type, i, text->c_str());
    PyObject* o = reinterpret_cast<PyObject*>(layouts[i]);
    check_status(PyDict_SetItemString(layout_names.get(), name_of(Layout(i)), o));
  }
  add_object(module, "_layouts", layout_names.get());
  const char* formats[] = {"torch.contiguous_format", "torch.preserve_format", "torch.channels_last",
                           "torch.channels_last_3d"};
  for (int i = 0; i < 4; i++) {
    memory_formats[i] = make_enum(memory_format_type, i, formats[i]);
    add_object(module, formats[i] + 6, reinterpret_cast<PyObject*>(memory_formats[i]));
  }
  Object generator = check(wrap(Ref<Generator>(&default_generator())));
  generator_of(generator.get()).retain();  // never freed
  add_object(module, "default_generator", generator.get());
}

}  // namespace rushlight::py
