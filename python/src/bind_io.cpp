// Checkpoints from and to Python objects: _C._load and _C._save, under rushlight.serialization.
#include <cstring>
#include <unordered_map>

#include "bind.h"
#include "py_convert.h"
#include "py_storage.h"
#include "py_types.h"
#include "rushlight/io/crc32c.h"
#include "rushlight/io/interpret.h"
#include "rushlight/io/safetensors.h"

namespace rushlight::py {
namespace {

using io::Pickled;
using K = Pickled::Kind;

// ---- loading ----

struct NoHint {  // Python's objects are of no type that is known before
  bool operator==(const NoHint&) const = default;
};

class ObjectLoader : public io::PickleInterpreter<ObjectLoader, Object, NoHint> {
 public:
  // `allowed`: what a pickle may name besides tensors and plain values, by its full name; under "" what sets a tensor's attributes.
  // `encoding`: of strings that Python 2 wrote; "bytes" leaves them as they are.
  ObjectLoader(io::Checkpoint& c, std::string name, PyObject* allowed, std::string encoding = "utf-8")
      : PickleInterpreter(*c.tensors, std::move(name)), allowed_(allowed), encoding_(std::move(encoding)) {}

 private:
  friend PickleInterpreter;
  using Items = std::vector<Pickled*>;

  Object none() { return Object::borrow(Py_None); }
  Object boolean(bool b) { return Object::borrow(b ? Py_True : Py_False); }
  Object integer(int64_t i, NoHint) { return check(PyLong_FromLongLong(i)); }
  Object big_integer(const std::string& s) { return check(PyLong_FromString(s.c_str(), nullptr, 0)); }
  Object number(double d) { return check(PyFloat_FromDouble(d)); }
  Object text(const std::string& s, NoHint) {
    return check(PyUnicode_DecodeUTF8(s.data(), Py_ssize_t(s.size()), "surrogatepass"));
  }
  Object old_text(const std::string& s) {
    if (encoding_ == "bytes") return bytes(s);
    if (encoding_ == "utf-8") return text(s, {});
    return check(PyUnicode_Decode(s.data(), Py_ssize_t(s.size()), encoding_.c_str(), "strict"));
  }
  Object bytes(const std::string& s) { return check(PyBytes_FromStringAndSize(s.data(), Py_ssize_t(s.size()))); }
  Object complex(double re, double im) { return check(PyComplex_FromDoubles(re, im)); }
  Object dtype(DType d) { return Object(wrap(d)); }
  Object layout(Layout l) { return check(wrap(l)); }
  Object device(Device d) { return check(wrap(d)); }
  Object tensor(Tensor t, bool parameter, const Pickled* attributes, int depth) {
    bool wants = t.requires_grad();
    if (parameter) t.impl()->set_requires_grad(false);
    Object out = check(wrap(std::move(t)));
    if (parameter)
      out = check(PyObject_CallFunction(imported("rushlight.nn.parameter", "Parameter"), "OO", out.get(),
                                        wants ? Py_True : Py_False));
    if (attributes) set_attributes(out.get(), value(*attributes, {}, depth + 1).get());
    return out;
  }
  Object storage(Ref<Storage> s, std::optional<DType> dtype) {
    Object untyped(wrap(std::move(s)));
    if (!dtype) return untyped;
    Object kwargs = check(Py_BuildValue("{s:O,s:N}", "wrap_storage", untyped.get(), "dtype", wrap(*dtype)));
    Object none = check(PyTuple_New(0));
    return check(PyObject_Call(imported("rushlight.storage", "TypedStorage"), none.get(), kwargs.get()));
  }
  Object tuple(const Pickled& v, NoHint, int depth) { return tuple_of(v.items, depth); }
  Object tuple_of(const Items& items, int depth) {
    Object out = check(PyTuple_New(Py_ssize_t(items.size())));
    for (size_t i = 0; i < items.size(); i++)
      PyTuple_SET_ITEM(out.get(), Py_ssize_t(i), value(*items[i], {}, depth + 1).release());
    return out;
  }
  Object list(const Pickled& v, const Items& items, NoHint, int depth) {
    Object out = check(PyList_New(0));
    remember(v, out);
    append(out.get(), items, depth);
    return out;
  }
  Object set(const Items& items, bool frozen, int depth) {
    Object all = tuple_of(items, depth);
    return check(frozen ? PyFrozenSet_New(all.get()) : PySet_New(all.get()));
  }
  Object dict(const Pickled& v, const Items& pairs, bool ordered, NoHint, int depth) {
    Object out = check(ordered ? PyObject_CallNoArgs(imported("collections", "OrderedDict")) : PyDict_New());
    remember(v, out);
    fill(out.get(), pairs, depth);
    if (ordered && v.state && v.state->is(K::Dict)) {
      Object own = check(PyObject_GetAttrString(out.get(), "__dict__"));
      fill(own.get(), v.state->items, depth);
    }
    return out;
  }
  Object size(const Items& items, int depth) {
    return check(PyObject_CallOneArg(reinterpret_cast<PyObject*>(size_type), tuple_of(items, depth).get()));
  }
  Object global(const Pickled& v) {
    if (PyObject* found = allowed(v)) return Object::borrow(found);
    unsupported(v.text);
  }
  // Calls and objects that the user has allowed by name.
  Object object(const Pickled& v, int depth) { return other_call(v, depth); }
  Object other_call(const Pickled& v, int depth) {
    PyObject* f = allowed(*v.items[0]);
    if (!f) unsupported(v.items[0]->text);
    RL_CHECK(UnpicklingError, v.items[1]->is(K::Tuple), "load '", name_, "': ", v.items[0]->text,
             " made from what is no tuple");
    Object args = value(*v.items[1], {}, depth + 1);
    Object out;
    if (v.is(K::Call)) {
      out = py::check(PyObject_Call(f, args.get(), nullptr));
    } else {
      RL_CHECK(UnpicklingError, PyType_Check(f), "load '", name_, "': ", v.items[0]->text, " is no class");
      out = py::check(
          reinterpret_cast<PyTypeObject*>(f)->tp_new(reinterpret_cast<PyTypeObject*>(f), args.get(), nullptr));
    }
    remember(v, out);
    if (PyList_Check(out.get())) append(out.get(), v.appended, depth);
    else fill(out.get(), v.appended, depth);
    if (!v.state) return out;
    Object state = value(*v.state, {}, depth + 1);
    if (Object set{PyObject_GetAttrString(out.get(), "__setstate__")}) {
      check(PyObject_CallOneArg(set.get(), state.get()));
      return out;
    }
    PyErr_Clear();
    set_attributes(out.get(), state.get());
    return out;
  }
  void check(const Object&, NoHint) const {}
  static Object check(PyObject* o) { return py::check(o); }

  void append(PyObject* list, const Items& items, int depth) {
    for (const Pickled* i : items) check_status(PyList_Append(list, value(*i, {}, depth + 1).get()));
  }
  void fill(PyObject* dict, const Items& pairs, int depth) {
    for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
      Object key = value(*pairs[i], {}, depth + 1);
      check_status(PyObject_SetItem(dict, key.get(), value(*pairs[i + 1], {}, depth + 1).get()));
    }
  }
  void set_attributes(PyObject* o, PyObject* state) {
    PyObject* set = PyDict_GetItemString(allowed_, "");
    RL_INVARIANT(set, "_load without a function that sets attributes");
    check(PyObject_CallFunctionObjArgs(set, o, state, nullptr));
  }
  [[noreturn]] void unsupported(std::string what) {
    if (what.starts_with("__builtin__."))
      what.replace(0, 11, "builtins");  // as Python 2 called them, and protocol 2 does
    throw UnpicklingError(str("Weights only load failed for '", name_, "': Unsupported global: GLOBAL ",
                              what.empty() ? "(computed)" : what,
                              " was not an allowed global by default. Only tensors, numbers, strings and their "
                              "containers are read. If the class is safe to make, allow it "
                              "with `torch.serialization.add_safe_globals([",
                              what.substr(what.rfind('.') + 1),
                              "])`; if you trust the whole file, pass `weights_only=False`: it can execute any code."));
  }
  PyObject* allowed(const Pickled& v) {
    return v.is(K::Global) ? PyDict_GetItemString(allowed_, v.text.c_str()) : nullptr;
  }

  PyObject* allowed_;
  std::string encoding_;
};

io::Bytes bytes_of(PyObject* source, std::string& name) {
  if (PyUnicode_Check(source)) {
    name = text_of(source);
    return io::map_file(name);
  }
  auto view = std::make_unique<Py_buffer>();
  check_status(PyObject_GetBuffer(source, view.get(), PyBUF_SIMPLE));
  name = "a file object";
  std::span<const uint8_t> data(static_cast<const uint8_t*>(view->buf), size_t(view->len));
  return {data, std::shared_ptr<void>(view.release(), [](void* p) {
            PyGILState_STATE state = PyGILState_Ensure();
            PyBuffer_Release(static_cast<Py_buffer*>(p));
            delete static_cast<Py_buffer*>(p);
            PyGILState_Release(state);
          })};
}

// What load() and its relatives say of how to read; `place` and `restore` are borrowed.
struct Opened {
  std::string name;
  io::Checkpoint file;
};
Opened open(PyObject* source, bool mapped, bool big_endian, bool skip_data, PyObject* place, PyObject* restore) {
  Opened out;
  io::Bytes bytes = bytes_of(source, out.name);
  out.file = io::open_checkpoint(bytes, out.name, !mapped, big_endian);
  io::TensorLoader& tensors = *out.file.tensors;
  if (skip_data) tensors.skip_data();
  if (restore != Py_None)
    tensors.set_restore([restore](Ref<Storage> held, const std::string& was) {
      Object given(wrap(std::move(held)));
      Object put = check(PyObject_CallFunction(restore, "Os", given.get(), was.c_str()));
      return expect_storage(put.get());
    });
  else if (place != Py_None)
    tensors.set_place([place](const std::string& was) {
      Object where = check(PyObject_CallFunction(place, "s", was.c_str()));
      Device d;
      RL_CHECK(TypeError, as_device(where.get(), d), "load: map_location gave ", short_type_name(where.get()),
               " for a storage on '", was, "', expected a device");
      return d;
    });
  return out;
}

PyObject* load(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *source, *place, *restore, *allowed;
    const char* encoding;
    int mapped, big_endian, skip_data;
    if (!PyArg_ParseTuple(args, "OpppOOO!s:_load", &source, &mapped, &big_endian, &skip_data, &place, &restore,
                          &PyDict_Type, &allowed, &encoding))
      return nullptr;
    Opened o = open(source, mapped, big_endian, skip_data, place, restore);
    io::PickleTree tree = o.file.parse();
    return ObjectLoader(o.file, o.name, allowed, encoding).value(*tree.root).release();
  });
}

// For Python's own pickle: the pickle's bytes, and what gives the tensors and storages that its persistent ids name.
struct OpenFile {
  Opened opened;
  Object place, restore;
};

PyObject* open_file(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *source, *place, *restore;
    int mapped, big_endian, skip_data;
    if (!PyArg_ParseTuple(args, "OpppOO:_open_checkpoint", &source, &mapped, &big_endian, &skip_data, &place, &restore))
      return nullptr;
    auto file = std::make_unique<OpenFile>(OpenFile{open(source, mapped, big_endian, skip_data, place, restore),
                                                    Object::borrow(place), Object::borrow(restore)});
    const io::Bytes& pickle = file->opened.file.pickle;
    Object bytes = check(
        PyBytes_FromStringAndSize(reinterpret_cast<const char*>(pickle.data.data()), Py_ssize_t(pickle.data.size())));
    Object capsule = check(PyCapsule_New(file.get(), "rushlight.checkpoint", [](PyObject* c) {
      delete static_cast<OpenFile*>(PyCapsule_GetPointer(c, "rushlight.checkpoint"));
    }));
    file.release();
    return PyTuple_Pack(2, bytes.get(), capsule.get());
  });
}

PyObject* stored(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *capsule, *dtype, *view;
    const char *key, *was;
    long long count;
    if (!PyArg_ParseTuple(args, "OsOsLO:_stored", &capsule, &key, &dtype, &was, &count, &view)) return nullptr;
    auto* file = static_cast<OpenFile*>(PyCapsule_GetPointer(capsule, "rushlight.checkpoint"));
    if (!file) return nullptr;
    io::TensorLoader& tensors = *file->opened.file.tensors;
    if (count < 0) return wrap(tensors.numbered_tensor(key));
    io::StorageId id;
    id.key = key;
    id.was = was;
    id.count = count;
    if (is_dtype(dtype)) id.dtype = DType(enum_value(dtype));
    if (view != Py_None) {
      PyObject* name;
      long long first, size;
      if (!PyArg_ParseTuple(view, "OLL;a part of a storage", &name, &first, &size)) return nullptr;
      id.part = true;
      id.part_first = first;
      id.part_count = size;
    }
    return wrap(tensors.storage(id));
  });
}

PyObject* checkpoint_globals(PyObject*, PyObject* source) {
  return guarded([&]() -> PyObject* {
    std::string name;
    io::Bytes bytes = bytes_of(source, name);
    io::Checkpoint c = io::open_checkpoint(bytes, name);
    io::PickleTree tree = c.parse();
    Object names = check(PySet_New(nullptr));
    tree.each([&](const Pickled& v) {
      if (v.is(K::Global))
        check_status(
            PySet_Add(names.get(), check(PyUnicode_FromStringAndSize(v.text.data(), Py_ssize_t(v.text.size()))).get()));
    });
    return names.release();
  });
}

// ---- saving ----

struct NotPlain {};  // a value that only Python's own pickle can write

class ObjectPickler {
 public:
  explicit ObjectPickler(bool legacy) : legacy_(legacy) {}
  void object(PyObject* o, int depth = 0) {
    if (depth > io::kMaxPickleDepth) throw NotPlain{};
    if (o == Py_None) return p_.none();
    if (PyBool_Check(o)) return p_.boolean(o == Py_True);
    if (PyLong_CheckExact(o)) {
      int overflow;
      long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
      if (overflow) throw NotPlain{};
      return p_.integer(v);
    }
    if (PyFloat_CheckExact(o)) return p_.number(PyFloat_AS_DOUBLE(o));
    if (PyBytes_CheckExact(o)) return p_.bytes({PyBytes_AS_STRING(o), size_t(PyBytes_GET_SIZE(o))});
    if (is_dtype(o)) return p_.global("torch", name_of(DType(enum_value(o))));
    if (is_layout(o)) return io::pickle_layout(p_, Layout(enum_value(o)));
    auto known = memo_.find(o);
    if (known != memo_.end()) {
      if (known->second == kOpen) throw NotPlain{};  // a tuple inside itself
      return p_.get(known->second);
    }
    keep_.push_back(Object::borrow(o));  // an id in the memo must stay that object's
    if (PyUnicode_CheckExact(o)) p_.text(text_of(o));
    else if (PyList_CheckExact(o)) return list(o, depth);
    else if (PyTuple_CheckExact(o)) tuple(o, depth);
    else if (PyDict_CheckExact(o)) return dict(o, depth, false);
    else if (reinterpret_cast<PyObject*>(Py_TYPE(o)) == imported("collections", "OrderedDict"))
      return dict(o, depth, true);
    else if (Py_TYPE(o) == size_type) size(o);
    else if (is_device(o)) device(o);
    else if (is_tensor(o)) tensor(o);
    else throw NotPlain{};
    memo_[o] = p_.put();
  }
  std::string finish() { return p_.finish(); }
  const std::vector<Ref<Storage>>& storages() const { return storages_; }
  const std::vector<int64_t>& item_sizes() const { return item_sizes_; }

 private:
  static constexpr uint32_t kOpen = UINT32_MAX;

  void list(PyObject* o, int depth) {
    p_.empty_list();
    memo_[o] = p_.put();
    if (PyList_GET_SIZE(o) == 0) return;
    p_.mark();
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(o); i++) object(PyList_GET_ITEM(o, i), depth + 1);
    p_.appends();
  }
  void tuple(PyObject* o, int depth) {
    Py_ssize_t n = PyTuple_GET_SIZE(o);
    memo_[o] = kOpen;
    if (n > 3) p_.mark();
    for (Py_ssize_t i = 0; i < n; i++) object(PyTuple_GET_ITEM(o, i), depth + 1);
    p_.tuple(size_t(n));
  }
  void dict(PyObject* o, int depth, bool ordered) {
    if (ordered) {
      p_.global("collections", "OrderedDict");
      p_.empty_tuple();
      p_.reduce();
    } else {
      p_.empty_dict();
    }
    memo_[o] = p_.put();
    Object pairs = check(PyMapping_Items(o));
    if (PyList_GET_SIZE(pairs.get())) {
      p_.mark();
      for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pairs.get()); i++) {
        PyObject* pair = PyList_GET_ITEM(pairs.get(), i);
        object(PyTuple_GET_ITEM(pair, 0), depth + 1);
        object(PyTuple_GET_ITEM(pair, 1), depth + 1);
      }
      p_.setitems();
    }
    if (!ordered) return;
    Object state = check(PyObject_GetAttrString(o, "__dict__"));  // a state dict's _metadata
    if (PyDict_Size(state.get()) > 0) {
      dict(state.get(), depth, false);
      keep_.push_back(state);
      p_.build();
    }
  }
  void size(PyObject* o) {
    p_.global("torch", "Size");
    p_.mark();
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(o); i++) p_.integer(PyLong_AsLongLong(PyTuple_GET_ITEM(o, i)));
    p_.tuple(4);
    p_.tuple(1);
    p_.reduce();
  }
  void device(PyObject* o) {
    Device d = reinterpret_cast<PyDevice*>(o)->device;
    p_.global("torch", "device");
    p_.text(device_type_name(d.type));
    if (d.index >= 0) p_.integer(d.index);
    p_.tuple(d.index >= 0 ? 2 : 1);
    p_.reduce();
  }
  void data(const Tensor& t) {
    if (t.layout() != Layout::Strided)
      return io::pickle_sparse_tensor(p_, t, [this](const Tensor& part) { data(part); });
    if (t.device().is_meta()) return pickle_meta_tensor(p_, t);
    const Ref<Storage>& s = t.impl()->storage();
    DType seen = io::has_storage_class(t.dtype()) ? t.dtype() : DType::UInt8;
    auto [at, fresh] = keys_.emplace(s.get(), storages_.size());
    if (fresh) {
      storages_.push_back(s);
      item_sizes_.push_back(item_size(seen));
      dtypes_.push_back(seen);
    }
    // A reader makes one storage of one type of it.
    RL_CHECK(RuntimeError, dtypes_[at->second] == seen || s->bytes() == 0,
             "Cannot save multiple tensors or storages that view the same data as different types: ",
             name_of(dtypes_[at->second]), " and ", name_of(seen), ". Save a clone() of one");
    pickle_tensor(p_, t, str(at->second), legacy_, [this](const Tensor& part) { data(part); });
  }
  void tensor(PyObject* o) {
    const Tensor& t = unwrap(o);
    bool parameter = !is_tensor_exact(o) &&
                     reinterpret_cast<PyObject*>(Py_TYPE(o)) == imported("rushlight.nn.parameter", "Parameter");
    if (!(is_tensor_exact(o) || parameter)) throw NotPlain{};
    Object attributes(PyObject_GetAttrString(o, "__dict__"));
    if (!attributes) PyErr_Clear();
    else if (PyDict_Check(attributes.get()) && PyDict_Size(attributes.get()) > 0) throw NotPlain{};
    if (!parameter) return data(t);
    p_.global("torch._utils", "_rebuild_parameter");
    data(detached_alias(t));
    p_.boolean(t.requires_grad());
    p_.global("collections", "OrderedDict");
    p_.empty_tuple();
    p_.reduce();
    p_.tuple(3);
    p_.reduce();
  }

  io::Pickler p_;
  std::unordered_map<PyObject*, uint32_t> memo_;
  std::vector<Object> keep_;
  std::unordered_map<const Storage*, size_t> keys_;
  std::vector<Ref<Storage>> storages_;
  std::vector<int64_t> item_sizes_;
  std::vector<DType> dtypes_;
  bool legacy_;
};

struct SaveOptions { int legacy = 0, skip_data = 0, with_crc = 1, with_byte_order = 1; };

// Writes to a path (str) or calls write(bytes) of a file object.
void write_to(PyObject* destination, const std::string& pickle, const std::vector<Ref<Storage>>& storages,
              const std::vector<int64_t>& item_sizes, const SaveOptions& options) {
  io::WriteOptions zip;
  zip.skip_data = options.skip_data;
  zip.with_crc = options.with_crc;
  zip.with_byte_order = options.with_byte_order;
  auto write = [&](const io::Sink& sink) {
    if (options.legacy) io::write_legacy_checkpoint(sink, pickle, storages, item_sizes);
    else io::write_checkpoint(sink, pickle, storages, zip);
  };
  if (PyUnicode_Check(destination)) {
    std::string path(text_of(destination));
    std::string stem = path.substr(path.rfind('/') + 1);
    stem = stem.substr(0, stem.rfind('.'));
    if (!stem.empty()) zip.root = stem;
    GilRelease release(true);
    io::AtomicFile file(path);
    write(file.sink());
    file.commit();
    return;
  }
  write([&](const void* data, size_t size) {
    // The bytes themselves, not a copy; released after, should the file object have kept them.
    Object view =
        check(PyMemoryView_FromMemory(static_cast<char*>(const_cast<void*>(data)), Py_ssize_t(size), PyBUF_READ));
    check(PyObject_CallMethod(destination, "write", "O", view.get()));
    check(PyObject_CallMethod(view.get(), "release", nullptr));
  });
}

PyObject* save(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *o, *destination;
    SaveOptions options;
    if (!PyArg_ParseTuple(args, "OOpppp:_save", &o, &destination, &options.legacy, &options.skip_data,
                          &options.with_crc, &options.with_byte_order))
      return nullptr;
    ObjectPickler p(options.legacy);
    try {
      p.object(o);
    } catch (const NotPlain&) { Py_RETURN_FALSE; }
    write_to(destination, p.finish(), p.storages(), p.item_sizes(), options);
    Py_RETURN_TRUE;
  });
}

PyObject* save_pickle(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *pickle, *list, *sizes, *destination;
    SaveOptions options;
    if (!PyArg_ParseTuple(args, "SO!O!Opppp:_save_pickle", &pickle, &PyList_Type, &list, &PyList_Type, &sizes,
                          &destination, &options.legacy, &options.skip_data, &options.with_crc,
                          &options.with_byte_order))
      return nullptr;
    std::vector<Ref<Storage>> storages;
    std::vector<int64_t> item_sizes;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) storages.push_back(expect_storage(PyList_GET_ITEM(list, i)));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(sizes); i++)
      item_sizes.push_back(PyLong_AsLongLong(PyList_GET_ITEM(sizes, i)));
    RL_CHECK(ValueError, item_sizes.size() == storages.size(), "_save_pickle: expected a size for each storage");
    write_to(destination, {PyBytes_AS_STRING(pickle), size_t(PyBytes_GET_SIZE(pickle))}, storages, item_sizes, options);
    Py_RETURN_NONE;
  });
}

// ---- safetensors ----

PyObject* safetensors_load(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *source, *only;
    int mapped;
    if (!PyArg_ParseTuple(args, "OpO:_safetensors_load", &source, &mapped, &only)) return nullptr;
    std::string name;
    io::Bytes bytes = bytes_of(source, name);
    io::SafeTensors file(std::move(bytes), name, mapped);
    Object tensors = check(PyDict_New()), about = check(PyDict_New());
    for (const auto& [key, e] : file.entries()) {
      if (only != Py_None) {
        Object k = check(PyUnicode_FromStringAndSize(key.data(), Py_ssize_t(key.size())));
        int wanted = PySequence_Contains(only, k.get());
        check_status(wanted);
        if (!wanted) continue;
      }
      check_status(PyDict_SetItemString(tensors.get(), key.c_str(), check(wrap(file.tensor(key))).get()));
    }
    for (const auto& [key, value] : file.metadata())
      check_status(
          PyDict_SetItemString(about.get(), key.c_str(),
                               check(PyUnicode_DecodeUTF8(value.data(), Py_ssize_t(value.size()), "replace")).get()));
    return PyTuple_Pack(2, tensors.get(), about.get());
  });
}

PyObject* safetensors_entries(PyObject*, PyObject* source) {
  return guarded([&]() -> PyObject* {
    std::string name;
    io::Bytes bytes = bytes_of(source, name);
    io::SafeTensors file(std::move(bytes), name, true);
    Object out = check(PyDict_New());
    for (const auto& [key, e] : file.entries()) {
      Object size = check(PyTuple_New(Py_ssize_t(e.sizes.size())));
      for (size_t i = 0; i < e.sizes.size(); i++)
        PyTuple_SET_ITEM(size.get(), Py_ssize_t(i), PyLong_FromLongLong(e.sizes[i]));
      Object item = check(Py_BuildValue("(sO)", std::string(e.dtype).c_str(), size.get()));
      check_status(PyDict_SetItemString(out.get(), key.c_str(), item.get()));
    }
    return out.release();
  });
}

PyObject* safetensors_save(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *tensors, *metadata, *destination;
    if (!PyArg_ParseTuple(args, "O!O!O:_safetensors_save", &PyDict_Type, &tensors, &PyDict_Type, &metadata,
                          &destination))
      return nullptr;
    std::vector<std::pair<std::string, Tensor>> items;
    std::map<std::string, std::string> about;
    PyObject *key, *value;
    for (Py_ssize_t at = 0; PyDict_Next(tensors, &at, &key, &value);) {
      RL_CHECK(TypeError, PyUnicode_Check(key) && is_tensor(value),
               "save_file: expected a dictionary of strings and tensors, got ", short_type_name(key), " and ",
               short_type_name(value));
      items.emplace_back(text_of(key), unwrap(value));
    }
    for (Py_ssize_t at = 0; PyDict_Next(metadata, &at, &key, &value);) {
      RL_CHECK(TypeError, PyUnicode_Check(key) && PyUnicode_Check(value), "save_file: metadata must be strings");
      about[std::string(text_of(key))] = text_of(value);
    }
    if (PyUnicode_Check(destination)) {
      std::string path(text_of(destination));
      {
        GilRelease release(true);
        io::AtomicFile file(path);
        io::write_safetensors(file.sink(), items, about);
        file.commit();
      }
      Py_RETURN_NONE;
    }
    Object out = check(PyByteArray_FromStringAndSize(nullptr, 0));
    io::write_safetensors(
        [&](const void* data, size_t size) {
          Py_ssize_t before = PyByteArray_GET_SIZE(out.get());
          check_status(PyByteArray_Resize(out.get(), before + Py_ssize_t(size)));
          if (size) std::memcpy(PyByteArray_AS_STRING(out.get()) + before, data, size);
        },
        items, about);
    return PyBytes_FromObject(out.get());
  });
}

PyMethodDef methods[] = {
    {"_load", load, METH_VARARGS,
     "_load(path_or_bytes, mapped, big_endian, skip_data, place, restore, allowed, encoding): the object of a "
     "checkpoint; "
     "nothing "
     "in it is executed."},
    {"_open_checkpoint", open_file, METH_VARARGS,
     "_open_checkpoint(path_or_bytes, mapped, big_endian, skip_data, place, restore): the pickle, and a file for "
     "_stored."},
    {"_checkpoint_globals", checkpoint_globals, METH_O,
     "_checkpoint_globals(path_or_bytes): the names of the classes and functions that a file's pickle holds, a set."},
    {"_stored", stored, METH_VARARGS,
     "_stored(file, key, dtype, was, count, view): a storage; the tensor of that number where count < 0."},
    {"_save", save, METH_VARARGS,
     "_save(obj, path_or_file, legacy, skip_data, crc, byte_order): True, or False if obj holds what only Python's "
     "pickle can write."},
    {"_save_pickle", save_pickle, METH_VARARGS,
     "_save_pickle(pickle, storages, item_sizes, path_or_file, legacy, skip_data, crc, byte_order)"},
    {"_safetensors_load", safetensors_load, METH_VARARGS,
     "_safetensors_load(path_or_bytes, mapped, names or None): (tensors, metadata)."},
    {"_safetensors_entries", safetensors_entries, METH_O,
     "_safetensors_entries(path_or_bytes): {name: (dtype, shape)}."},
    {"_safetensors_save", safetensors_save, METH_VARARGS,
     "_safetensors_save(tensors, metadata, path or None): the bytes, without a path."},
    {"_crc32c",
     [](PyObject*, PyObject* data) -> PyObject* {
       Py_buffer bytes;
       if (PyObject_GetBuffer(data, &bytes, PyBUF_SIMPLE) < 0) return nullptr;
       uint32_t crc = crc32c(bytes.buf, size_t(bytes.len));
       PyBuffer_Release(&bytes);
       return PyLong_FromUnsignedLong(crc);
     },
     METH_O, "_crc32c(data): the Castagnoli crc of a buffer."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void bind_io(PyObject* module) {
  add_methods(module, methods);
  Object stored = check(PyList_New(0));  // dtypes that have a storage class
  for (const DTypeInfo& i : kDTypes)
    if (io::has_storage_class(i.dtype)) check_status(PyList_Append(stored.get(), Object(wrap(i.dtype)).get()));
  add_object(module, "_storage_dtypes", stored.get());
}

}  // namespace rushlight::py
