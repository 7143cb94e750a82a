// Checkpoints from and to Python objects: _C._load and _C._save, under rushlight.serialization.
#include <unordered_map>

#include "bind.h"
#include "py_convert.h"
#include "py_storage.h"
#include "py_types.h"
#include "rushlight/io/checkpoint.h"
#include "rushlight/io/crc32c.h"

namespace rushlight::py {
namespace {

using io::Pickled;
using K = Pickled::Kind;

constexpr int kMaxDepth = 500;

// ---- loading ----

class ObjectLoader {
 public:
  // `allowed`: what a pickle may name besides tensors and plain values, by its full name; under "" what sets a tensor's attributes.
  ObjectLoader(io::Checkpoint& c, std::string name, PyObject* allowed)
      : c_(c), name_(std::move(name)), allowed_(allowed) {}

  Object object(const Pickled& v, int depth = 0) {
    RL_CHECK(UnpicklingError, depth < kMaxDepth, "load '", name_, "': nested more than ", kMaxDepth, " deep");
    auto known = made_.find(&v);
    if (known != made_.end()) {
      RL_CHECK(UnpicklingError, known->second, "load '", name_,
               "': a value that contains itself where no list or dictionary stands between");
      return known->second;
    }
    made_[&v] = Object();
    Object out = make(v, depth);
    return made_[&v] = out;
  }

 private:
  Object make(const Pickled& v, int depth) {
    switch (v.kind) {
      case K::None: return Object::borrow(Py_None);
      case K::Bool: return Object::borrow(v.boolean ? Py_True : Py_False);
      case K::Int: return check(PyLong_FromLongLong(v.integer));
      case K::BigInt: return check(PyLong_FromString(v.text.c_str(), nullptr, 0));
      case K::Float: return check(PyFloat_FromDouble(v.number));
      case K::Str: return check(PyUnicode_DecodeUTF8(v.text.data(), Py_ssize_t(v.text.size()), "surrogatepass"));
      case K::Bytes: return check(PyBytes_FromStringAndSize(v.text.data(), Py_ssize_t(v.text.size())));
      case K::Tuple: {
        Object out = check(PyTuple_New(Py_ssize_t(v.items.size())));
        for (size_t i = 0; i < v.items.size(); i++)
          PyTuple_SET_ITEM(out.get(), Py_ssize_t(i), object(*v.items[i], depth + 1).release());
        return out;
      }
      case K::List: {
        Object out = check(PyList_New(0));
        made_[&v] = out;  // a list may contain itself
        for (const Pickled* i : v.items) check_status(PyList_Append(out.get(), object(*i, depth + 1).get()));
        return out;
      }
      case K::Set: {
        Object out = check(PySet_New(nullptr));
        for (const Pickled* i : v.items) check_status(PySet_Add(out.get(), object(*i, depth + 1).get()));
        return out;
      }
      case K::Dict: {
        Object out = check(PyDict_New());
        made_[&v] = out;
        fill(out.get(), v.items, depth);
        return out;
      }
      case K::Global: return global(v);
      case K::Persistent: return storage(v);
      case K::Call: return call(v, depth);
      case K::Object: return instance(v, depth);
    }
    unsupported("a value of an unknown kind");
  }
  void fill(PyObject* dict, const std::vector<Pickled*>& pairs, int depth) {
    for (size_t i = 0; i + 1 < pairs.size(); i += 2)
      check_status(PyObject_SetItem(dict, object(*pairs[i], depth + 1).get(), object(*pairs[i + 1], depth + 1).get()));
  }
  [[noreturn]] void unsupported(const std::string& what) {
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

  // A call or an object that the user has allowed by name.
  Object instance(const Pickled& v, int depth) {
    PyObject* f = allowed(*v.items[0]);
    if (!f) unsupported(v.items[0]->text);
    RL_CHECK(UnpicklingError, v.items[1]->is(K::Tuple), "load '", name_, "': ", v.items[0]->text,
             " made from what is no tuple");
    Object args = object(*v.items[1], depth + 1);
    Object out;
    if (v.is(K::Call)) {
      out = check(PyObject_Call(f, args.get(), nullptr));
    } else {
      RL_CHECK(UnpicklingError, PyType_Check(f), "load '", name_, "': ", v.items[0]->text, " is no class");
      out = check(reinterpret_cast<PyTypeObject*>(f)->tp_new(reinterpret_cast<PyTypeObject*>(f), args.get(), nullptr));
    }
    made_[&v] = out;
    if (PyList_Check(out.get()))
      for (const Pickled* i : v.appended) check_status(PyList_Append(out.get(), object(*i, depth + 1).get()));
    else fill(out.get(), v.appended, depth);
    if (!v.state) return out;
    Object state = object(*v.state, depth + 1);
    if (Object set{PyObject_GetAttrString(out.get(), "__setstate__")}) {
      check(PyObject_CallOneArg(set.get(), state.get()));
      return out;
    }
    PyErr_Clear();
    set_attributes(out.get(), state.get());
    return out;
  }
  void set_attributes(PyObject* o, PyObject* state) {
    PyObject* set = PyDict_GetItemString(allowed_, "");
    RL_INVARIANT(set, "_load without a function that sets attributes");
    check(PyObject_CallFunctionObjArgs(set, o, state, nullptr));
  }
  Object global(const Pickled& v) {
    DType d;
    if (v.text.starts_with("torch.") && dtype_from_name(std::string_view(v.text).substr(6), d)) return Object(wrap(d));
    if (v.text == "torch.strided") return Object(wrap(Layout::Strided));
    if (PyObject* found = allowed(v)) return Object::borrow(found);
    unsupported(v.text);
  }
  Object storage(const Pickled& v) {
    std::optional<DType> dtype;
    Ref<Storage> s = c_.tensors->storage(v, dtype);
    Object untyped(wrap(std::move(s)));
    if (!dtype) return untyped;
    Object kwargs = check(Py_BuildValue("{s:O,s:N}", "wrap_storage", untyped.get(), "dtype", wrap(*dtype)));
    Object none = check(PyTuple_New(0));
    return check(PyObject_Call(imported("rushlight.storage", "TypedStorage"), none.get(), kwargs.get()));
  }
  Object call(const Pickled& v, int depth) {
    bool parameter = false;
    const Pickled* attributes = nullptr;
    if (auto t = c_.tensors->tensor(v, &parameter, &attributes)) {
      bool wants = t->requires_grad();
      if (parameter) t->impl()->set_requires_grad(false);
      Object out = check(wrap(*t));
      if (parameter)
        out = check(PyObject_CallFunction(imported("rushlight.nn.parameter", "Parameter"), "OO", out.get(),
                                          wants ? Py_True : Py_False));
      if (attributes) set_attributes(out.get(), object(*attributes, depth + 1).get());
      return out;
    }
    const Pickled& f = *v.items[0];
    const Pickled& args = *v.items[1];
    auto first = [&] {
      RL_CHECK(UnpicklingError, !args.items.empty(), "load '", name_, "': ", f.text, " without arguments");
      return object(*args.items[0], depth + 1);
    };
    if (std::optional<Layout> layout = io::layout_of(v)) return check(wrap(*layout));
    if (f.is_global("collections.OrderedDict")) {
      Object out = check(PyObject_CallNoArgs(imported("collections", "OrderedDict")));
      made_[&v] = out;
      if (!args.items.empty())  // protocols before 2 list the pairs
        for (const Pickled* pair : args.items[0]->items)
          if (pair->items.size() == 2) fill(out.get(), pair->items, depth);
      fill(out.get(), v.appended, depth);
      if (v.state && v.state->is(K::Dict)) {
        Object own = check(PyObject_GetAttrString(out.get(), "__dict__"));
        fill(own.get(), v.state->items, depth);
      }
      return out;
    }
    if (f.is_global("torch.Size"))
      return check(PyObject_CallOneArg(reinterpret_cast<PyObject*>(size_type), first().get()));
    if (f.is_global("torch.device")) {
      Object all = object(args, depth + 1);
      return check(PyObject_Call(reinterpret_cast<PyObject*>(device_type), all.get(), nullptr));
    }
    if (f.is_global("builtins.set") || f.is_global("__builtin__.set")) return check(PySet_New(first().get()));
    if (f.is_global("builtins.frozenset") || f.is_global("__builtin__.frozenset"))
      return check(PyFrozenSet_New(first().get()));
    if (f.is_global("builtins.complex") || f.is_global("__builtin__.complex")) {
      Object all = object(args, depth + 1);
      return check(PyObject_Call(reinterpret_cast<PyObject*>(&PyComplex_Type), all.get(), nullptr));
    }
    if (f.is_global("_codecs.encode") && args.items.size() == 2 && args.items[1]->text == "latin1")
      return check(PyUnicode_AsLatin1String(first().get()));
    return instance(v, depth);
  }

  io::Checkpoint& c_;
  std::string name_;
  PyObject* allowed_;
  std::unordered_map<const Pickled*, Object> made_;
};

io::Bytes bytes_of(PyObject* source, std::string& name) {
  if (PyUnicode_Check(source)) {
    name = text_of(source);
    return io::map_file(name);
  }
  auto view = std::make_shared<Py_buffer>();
  check_status(PyObject_GetBuffer(source, view.get(), PyBUF_SIMPLE));
  std::vector<uint8_t> copy(static_cast<uint8_t*>(view->buf), static_cast<uint8_t*>(view->buf) + view->len);
  PyBuffer_Release(view.get());
  name = "a file object";
  return io::own_bytes(std::move(copy));
}

PyObject* load(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *source, *device, *allowed;
    int mapped;
    if (!PyArg_ParseTuple(args, "OpOO!:_load", &source, &mapped, &device, &PyDict_Type, &allowed)) return nullptr;
    std::string name;
    io::Bytes bytes = bytes_of(source, name);
    io::Checkpoint c = io::open_checkpoint(bytes, name, !mapped);
    if (device != Py_None) {
      // A function of where a storage was, as text.
      c.tensors->set_place([&](const std::string& was) {
        Object where = check(PyObject_CallFunction(device, "s", was.c_str()));
        Device d;
        RL_CHECK(TypeError, as_device(where.get(), d), "load: map_location gave ", short_type_name(where.get()),
                 " for a storage on '", was, "', expected a device");
        return d;
      });
    }
    return ObjectLoader(c, name, allowed).object(*c.tree.root).release();
  });
}

// ---- saving ----

struct NotPlain {};  // a value that only Python's own pickle can write

class ObjectPickler {
 public:
  void object(PyObject* o, int depth = 0) {
    if (depth > kMaxDepth) throw NotPlain{};
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
    if (t.impl()->parts()) return io::pickle_sparse_tensor(p_, t, [this](const Tensor& part) { data(part); });
    if (t.device().is_meta()) return pickle_meta_tensor(p_, t);
    const Ref<Storage>& s = t.impl()->storage();
    auto [at, fresh] = keys_.emplace(s.get(), storages_.size());
    if (fresh) storages_.push_back(s);
    pickle_tensor(p_, t, str(at->second));
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
};

// Writes to a path (str) or calls write(bytes) of a file object.
void write_to(PyObject* destination, const std::string& pickle, const std::vector<Ref<Storage>>& storages) {
  if (PyUnicode_Check(destination)) {
    std::string path(text_of(destination));
    std::string stem = path.substr(path.rfind('/') + 1);
    stem = stem.substr(0, stem.rfind('.'));
    GilRelease release(true);
    io::AtomicFile file(path);
    io::write_checkpoint(file.sink(), pickle, storages, stem.empty() ? "archive" : stem);
    file.commit();
    return;
  }
  io::write_checkpoint(
      [&](const void* data, size_t size) {
        // The bytes themselves, not a copy; released after, should the file object have kept them.
        Object view =
            check(PyMemoryView_FromMemory(static_cast<char*>(const_cast<void*>(data)), Py_ssize_t(size), PyBUF_READ));
        check(PyObject_CallMethod(destination, "write", "O", view.get()));
        check(PyObject_CallMethod(view.get(), "release", nullptr));
      },
      pickle, storages);
}

PyObject* save(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *o, *destination;
    if (!PyArg_ParseTuple(args, "OO:_save", &o, &destination)) return nullptr;
    ObjectPickler p;
    try {
      p.object(o);
    } catch (const NotPlain&) { Py_RETURN_FALSE; }
    write_to(destination, p.finish(), p.storages());
    Py_RETURN_TRUE;
  });
}

PyObject* save_pickle(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *pickle, *list, *destination;
    if (!PyArg_ParseTuple(args, "SO!O:_save_pickle", &pickle, &PyList_Type, &list, &destination)) return nullptr;
    std::vector<Ref<Storage>> storages;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) storages.push_back(expect_storage(PyList_GET_ITEM(list, i)));
    write_to(destination, {PyBytes_AS_STRING(pickle), size_t(PyBytes_GET_SIZE(pickle))}, storages);
    Py_RETURN_NONE;
  });
}

PyMethodDef methods[] = {
    {"_load", load, METH_VARARGS,
     "_load(path_or_bytes, mapped, device, allowed): the object of a checkpoint; nothing in it is executed."},
    {"_save", save, METH_VARARGS,
     "_save(obj, path_or_file): True, or False if obj holds what only Python's pickle can write."},
    {"_save_pickle", save_pickle, METH_VARARGS, "_save_pickle(pickle, storages, path_or_file)"},
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
