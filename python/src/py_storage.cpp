#include "py_storage.h"

#include <structmember.h>

#include <cstring>
#include <unordered_map>

#include "py_convert.h"
#include "rushlight/core/lazy_copy.h"
#include "rushlight/core/shared_memory.h"

namespace rushlight::py {
namespace {

PyTypeObject* base_type;  // of UntypedStorage and of what programs derive
PyTypeObject* storage_type;

struct PyStorage {
  PyObject_HEAD Storage* storage;  // owned
  PyObject* dict;
  PyObject* weakrefs;
};
// The object that stands for a storage, as long as it lives; under the interpreter's lock.
std::unordered_map<Storage*, PyObject*>& objects() {
  static auto* all = new std::unordered_map<Storage*, PyObject*>;
  return *all;
}
PyObject* object_over(PyTypeObject* type, Ref<Storage> s) {
  auto* o = reinterpret_cast<PyStorage*>(check(type->tp_alloc(type, 0)).release());
  o->storage = s.leak();
  objects()[o->storage] = reinterpret_cast<PyObject*>(o);
  return reinterpret_cast<PyObject*>(o);
}
Storage& storage_of(PyObject* o) { return *reinterpret_cast<PyStorage*>(o)->storage; }

PyObject* storage_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    RL_CHECK(RuntimeError, type != base_type,
             "Cannot directly construct StorageBase; subclass it and then construct that");
    static const char* names[] = {"size", "device", nullptr};
    PyObject *size = nullptr, *device = nullptr;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:UntypedStorage", const_cast<char**>(names), &size, &device))
      return nullptr;
    Device d;
    if (device && device != Py_None)
      RL_CHECK(TypeError, as_device(device, d), "UntypedStorage(): argument 'device' must be a device");
    int64_t n = 0;
    if (size && !as_int(size, n)) {
      RL_CHECK(TypeError, PySequence_Check(size), "UntypedStorage(): expected a number of bytes or a sequence of them");
      Object bytes = check(PyBytes_FromObject(size));
      auto storage = make_ref<Storage>(size_t(PyBytes_GET_SIZE(bytes.get())), d);
      if (!d.is_meta())
        copy_bytes(storage->device(), storage->data(), {}, PyBytes_AS_STRING(bytes.get()), storage->bytes());
      return object_over(type, std::move(storage));
    }
    RL_CHECK(RuntimeError, n >= 0, "UntypedStorage(): the size must not be negative, got ", n);
    return object_over(type, make_ref<Storage>(size_t(n), d));
  });
}
void storage_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  auto* o = reinterpret_cast<PyStorage*>(self);
  PyObject_GC_UnTrack(self);
  if (auto at = objects().find(o->storage); at != objects().end() && at->second == self) objects().erase(at);
  if (o->weakrefs) PyObject_ClearWeakRefs(self);
  Py_CLEAR(o->dict);
  if (o->storage) o->storage->release();
  type->tp_free(self);
  Py_DECREF(type);
}
int storage_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(reinterpret_cast<PyStorage*>(self)->dict);
  return 0;
}
int storage_clear(PyObject* self) {
  Py_CLEAR(reinterpret_cast<PyStorage*>(self)->dict);
  return 0;
}

uint8_t* byte_at(PyObject* self, Py_ssize_t i) {
  Storage& s = storage_of(self);
  RL_CHECK(NotImplementedError, !s.device().is_meta(), "Not available for 'meta' device: its storages hold no bytes");
  RL_CHECK(IndexError, i >= 0 && size_t(i) < s.bytes(), "index ", i, " out of range for storage of size ", s.bytes());
  return static_cast<uint8_t*>(s.data()) + i;
}
PyObject* storage_item(PyObject* self, Py_ssize_t i) {
  return guarded([&] {
    uint8_t v;
    uint8_t* at = byte_at(self, i);
    copy_bytes({}, &v, storage_of(self).device(), at, 1);
    return PyLong_FromLong(v);
  });
}
int storage_set_item(PyObject* self, Py_ssize_t i, PyObject* value) {
  return guarded(-1, [&] {
    int64_t v;
    RL_CHECK(TypeError, value && as_int(value, v) && v >= 0 && v < 256, "a storage holds bytes (0 to 255)");
    materialize(storage_of(self));
    RL_CHECK(RuntimeError, !storage_of(self).read_only(), "the storage's memory is read-only");
    uint8_t byte = uint8_t(v);
    copy_bytes(storage_of(self).device(), byte_at(self, i), {}, &byte, 1);
    return 0;
  });
}
// s[i] is a byte; s[a:b] a storage over those bytes of this one, which lives as long.
PyObject* storage_subscript(PyObject* self, PyObject* key) {
  return guarded([&]() -> PyObject* {
    Storage& s = storage_of(self);
    if (!PySlice_Check(key)) {
      Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
      if (i == -1 && PyErr_Occurred()) return nullptr;
      return storage_item(self, i < 0 ? i + Py_ssize_t(s.bytes()) : i);
    }
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(key, &start, &stop, &step) < 0) return nullptr;
    Py_ssize_t length = PySlice_AdjustIndices(Py_ssize_t(s.bytes()), &start, &stop, step);
    RL_CHECK(RuntimeError, step == 1, "Trying to slice with a step of ", step, ", but only a step of 1 is supported");
    RL_CHECK(NotImplementedError, !s.device().is_meta(), "Not available for 'meta' device: its storages hold no bytes");
    auto keep = std::make_shared<Ref<Storage>>(&s);
    return wrap(make_ref<Storage>(static_cast<char*>(s.data()) + start, size_t(length), s.device(), std::move(keep),
                                  s.read_only()));
  });
}
PyObject* nbytes(PyObject* o, PyObject*) { return PyLong_FromSize_t(storage_of(o).bytes()); }

PyObject* bytes_of(PyObject* o, PyObject*) {
  return guarded([&] {
    Storage& s = storage_of(o);
    Object bytes = check(PyBytes_FromStringAndSize(nullptr, s.data() ? Py_ssize_t(s.bytes()) : 0));
    if (s.data()) copy_bytes({}, PyBytes_AS_STRING(bytes.get()), s.device(), s.data(), s.bytes());
    return bytes.release();
  });
}

PyObject* storage_from_file(PyObject*, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    static const char* names[] = {"filename", "shared", "nbytes", nullptr};
    PyObject* path;
    int shared = 0;
    long long bytes = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&|pL:from_file", const_cast<char**>(names), PyUnicode_FSConverter,
                                     &path, &shared, &bytes))
      return nullptr;
    Object owned{path};
    RL_CHECK(RuntimeError, bytes >= 0, "from_file: expected nbytes >= 0, got ", bytes);
    return wrap(storage_of_file(PyBytes_AS_STRING(path), shared, size_t(bytes)));
  });
}

PyMethodDef methods[] = {
    {"data_ptr", [](PyObject* o, PyObject*) { return PyLong_FromVoidPtr(storage_of(o).data()); }, METH_NOARGS,
     "data_ptr() -> int: the address of the first byte."},
    {"nbytes", nbytes, METH_NOARGS, "nbytes() -> int: the number of bytes."},
    {"size", nbytes, METH_NOARGS, "size() -> int: the number of bytes."},
    {"element_size", [](PyObject*, PyObject*) { return PyLong_FromLong(1); }, METH_NOARGS, "element_size() -> int: 1."},
    {"resizable", [](PyObject* o, PyObject*) { return PyBool_FromLong(storage_of(o).resizable()); }, METH_NOARGS,
     "resizable() -> bool: whether resize_ works; not for memory that belongs to somebody else."},
    {"is_shared", [](PyObject* o, PyObject*) { return PyBool_FromLong(shared_memory_descriptor(storage_of(o)) >= 0); },
     METH_NOARGS, "is_shared() -> bool: whether the memory can be shared with other processes (share_memory_)."},
    {"share_memory_",
     [](PyObject* o, PyObject*) -> PyObject* {
       return guarded([&] {
         move_to_shared_memory(storage_of(o));
         return Py_NewRef(o);
       });
     },
     METH_NOARGS,
     "share_memory_(): moves the bytes to memory that other processes can map; all tensors of the storage see it."},
    {"_shared_descriptor",
     [](PyObject* o, PyObject*) { return PyLong_FromLong(shared_memory_descriptor(storage_of(o))); }, METH_NOARGS,
     "The file descriptor of the shared memory, which the storage owns; -1 if it is not shared."},
    {"from_file", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(storage_from_file)),
     METH_VARARGS | METH_KEYWORDS | METH_STATIC,
     "from_file(filename, shared=False, nbytes=0): a storage over the first bytes of a file. Shared: what is written "
     "is written "
     "to the file, which is made where there is none; else the file stays as it is."},
    {"_from_descriptor",
     [](PyObject*, PyObject* args) -> PyObject* {
       return guarded([&]() -> PyObject* {
         int descriptor, keep = 1;
         unsigned long long bytes;
         if (!PyArg_ParseTuple(args, "iK|p:_from_descriptor", &descriptor, &bytes, &keep)) return nullptr;
         return wrap(storage_over(descriptor, size_t(bytes), keep));
       });
     },
     METH_VARARGS | METH_STATIC,
     "_from_descriptor(fd, nbytes, keep=True): a storage over shared memory; takes the descriptor over. Without `keep` "
     "it is "
     "closed, and the storage counts as not shared."},
    {"resize_",
     [](PyObject* o, PyObject* size) -> PyObject* {
       return guarded([&] {
         int64_t n;
         RL_CHECK(TypeError, as_int(size, n) && n >= 0, "resize_(): expected a number of bytes");
         storage_of(o).resize(size_t(n));
         return Py_NewRef(o);
       });
     },
     METH_O, "resize_(n): changes the number of bytes, in place; keeps the first ones."},
    {"clone",
     [](PyObject* o, PyObject*) -> PyObject* {
       return guarded([&] {
         Storage& from = storage_of(o);
         auto to = make_ref<Storage>(from.bytes(), from.device());
         if (from.data()) copy_bytes(to->device(), to->data(), from.device(), from.data(), from.bytes());
         return wrap(std::move(to));
       });
     },
     METH_NOARGS, "clone() -> UntypedStorage: a copy."},
    {"tolist", [](PyObject* o, PyObject*) -> PyObject* { return PySequence_List(o); }, METH_NOARGS,
     "tolist() -> list: the bytes, as integers."},
    {"_bytes", bytes_of, METH_NOARGS, "A copy of the bytes."},
    {"__reduce__",
     [](PyObject* o, PyObject*) -> PyObject* {
       Object bytes{bytes_of(o, nullptr)};
       if (!bytes) return nullptr;
       Device d = storage_of(o).device();
       if (d.is_cpu()) return Py_BuildValue("(O(O))", storage_type, bytes.get());
       return Py_BuildValue("(O(Os))", storage_type, bytes.get(), d.text().c_str());
     },
     METH_NOARGS, nullptr},
    {},
};
PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(PyStorage, weakrefs), READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(PyStorage, dict), READONLY, nullptr},
    {},
};
PyGetSetDef getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {"device", [](PyObject* o, void*) { return wrap(storage_of(o).device()); }, nullptr,
     "Where the bytes are, a torch.device.", nullptr},
    {"_cdata", [](PyObject* o, void*) { return PyLong_FromVoidPtr(&storage_of(o)); }, nullptr, nullptr, nullptr},
    {},
};

}  // namespace

PyObject* wrap(Ref<Storage> s) {
  // One without references is being destroyed.
  if (auto at = objects().find(s.get()); at != objects().end() && Py_REFCNT(at->second) > 0)
    return Py_NewRef(at->second);
  return object_over(storage_type, std::move(s));
}

bool is_storage(PyObject* o) { return PyObject_TypeCheck(o, base_type); }

Ref<Storage> expect_storage(PyObject* o) {
  if (is_storage(o)) return Ref<Storage>(&storage_of(o));
  Object inner{PyObject_GetAttrString(o, "_untyped_storage")};
  if (!inner) PyErr_Clear();
  RL_CHECK(TypeError, inner && is_storage(inner.get()), "expected a storage, got ", short_type_name(o));
  return Ref<Storage>(&storage_of(inner.get()));
}

bool as_storage(PyObject* o, Ref<Storage>& storage, std::optional<DType>& dtype) {
  if (is_storage(o)) {
    storage = Ref<Storage>(&storage_of(o));
    return true;
  }
  if (PyType_HasFeature(Py_TYPE(o), Py_TPFLAGS_LIST_SUBCLASS | Py_TPFLAGS_TUPLE_SUBCLASS) ||
      !PyObject_HasAttrString(o, "_untyped_storage"))
    return false;
  storage = expect_storage(o);
  Object of = check(PyObject_GetAttrString(o, "dtype"));
  DType d;
  RL_CHECK(TypeError, as_dtype(of.get(), d), "expected a storage with a dtype, got ", short_type_name(o));
  dtype = d;
  return true;
}

void bind_storage(PyObject* module) {
  PyType_Slot slots[] = {
      {Py_tp_doc, const_cast<char*>("What storages derive from; see UntypedStorage.")},
      {Py_tp_new, reinterpret_cast<void*>(storage_new)},
      {Py_tp_dealloc, reinterpret_cast<void*>(storage_dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(storage_traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(storage_clear)},
      {Py_tp_methods, methods},
      {Py_tp_members, members},
      {Py_tp_getset, getset},
      {Py_sq_length, reinterpret_cast<void*>(+[](PyObject* o) { return Py_ssize_t(storage_of(o).bytes()); })},
      {Py_sq_item, reinterpret_cast<void*>(storage_item)},
      {Py_mp_subscript, reinterpret_cast<void*>(storage_subscript)},
      {Py_sq_ass_item, reinterpret_cast<void*>(storage_set_item)},
      {0, nullptr}};
  constexpr unsigned kFlags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC;
  PyType_Spec base = {"rushlight._C.StorageBase", sizeof(PyStorage), 0, kFlags, slots};
  base_type = reinterpret_cast<PyTypeObject*>(check(PyType_FromSpec(&base)).release());
  PyType_Slot own[] = {
      {Py_tp_doc, const_cast<char*>("UntypedStorage(bytes, device=None): a block of memory that tensors share.")},
      {0, nullptr}};
  PyType_Spec spec = {"rushlight.UntypedStorage", sizeof(PyStorage), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, own};
  storage_type = reinterpret_cast<PyTypeObject*>(
      check(PyType_FromSpecWithBases(&spec, reinterpret_cast<PyObject*>(base_type))).release());
  add_object(module, "StorageBase", reinterpret_cast<PyObject*>(base_type));
  add_object(module, "UntypedStorage", reinterpret_cast<PyObject*>(storage_type));
}

}  // namespace rushlight::py
