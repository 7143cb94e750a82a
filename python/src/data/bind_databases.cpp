#include "rushlight/data/db.h"
#include "rushlight/data/record.h"
#include "tensors.h"

namespace rushlight::py {
namespace {

using data::Batch;
using data::Cursor;
using data::Database;
using data::DbKind;

// Bytes, a str as UTF-8, or another buffer; held by the caller.
class Text {
 public:
  explicit Text(nb::handle from) {
    if (PyBytes_Check(from.ptr())) view_ = {PyBytes_AS_STRING(from.ptr()), size_t(PyBytes_GET_SIZE(from.ptr()))};
    else if (PyUnicode_Check(from.ptr())) view_ = text_of(from.ptr());
    else {
      if (PyObject_GetBuffer(from.ptr(), &buffer_, PyBUF_SIMPLE) != 0) {
        PyErr_Clear();
        throw TypeError(str("expected bytes or str, got ", short_type_name(from.ptr())));
      }
      view_ = {static_cast<const char*>(buffer_.buf), size_t(buffer_.len)};
    }
  }
  ~Text() {
    if (buffer_.obj) PyBuffer_Release(&buffer_);
  }
  Text(const Text&) = delete;
  operator std::string_view() const { return view_; }

 private:
  Py_buffer buffer_{};
  std::string_view view_;
};

inline nb::object bytes_object(std::string_view s) {
  nb::object out = nb::steal(PyBytes_FromStringAndSize(s.data(), Py_ssize_t(s.size())));
  if (!out.is_valid()) nb::raise_python_error();
  return out;
}

// A database that may have been closed; cursors hold what they need themselves. Python's Database derives from it.
struct Db {
  Db(nb::handle path, const std::string& kind, bool write, bool create, bool folder, const std::string& name,
     bool verify)
      : path(path_of(path)) {
    data::DbOptions o;
    RL_CHECK(ValueError, kind.empty() || kind == "lmdb" || kind == "leveldb",
             "open_db: expected kind lmdb or leveldb, got ", kind);
    o.kind = kind.empty() ? DbKind::Unknown : kind == "lmdb" ? DbKind::Lmdb : DbKind::LevelDb;
    o.write = write;
    o.create = create;
    o.folder = folder;
    o.name = name;
    o.verify = verify;
    db = without_gil([&] { return Database::open(this->path, o); });
  }
  std::shared_ptr<Database> db;
  std::string path;
  const std::shared_ptr<Database>& open() const {
    RL_CHECK(ValueError, db, "database '", path, "' is closed");
    return db;
  }
};

// Whether a thread besides this one knows Python, and may wait for its lock.
bool has_other_threads() {
  PyThreadState* first = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
  return first && PyThreadState_Next(first);
}

// LMDB's values lie in mapped memory, and are copied once, into the object; LevelDB reads and unpacks without the lock where somebody else
// may want it: to let go of it and take it again is a twentieth of a call.
nb::object get(const std::shared_ptr<Database>& db, std::string_view key, nb::handle missing) {
  nb::object out;
  auto use = [&](std::string_view value) { out = bytes_object(value); };
  if (db->kind() == DbKind::Lmdb || !has_other_threads()) {
    db->get(key, use);
  } else {
    const std::shared_ptr<Database> kept = db;  // another thread may close it meanwhile
    std::optional<nb::gil_scoped_release> released(std::in_place);
    kept->get(key, [&](std::string_view value) {
      released.reset();  // takes the lock again
      use(value);
    });
  }
  return out.is_valid() ? out : nb::borrow(missing);
}

// A cursor with what it may not outlive.
struct Walk {
  std::shared_ptr<Database> db;
  std::shared_ptr<Cursor> cursor;
  Cursor& at() const {
    RL_CHECK(IndexError, cursor->valid(), "the cursor is on no entry");
    return *cursor;
  }
};

// What an iteration gives.
enum What { kKeys, kValues, kItems };

// An iteration from where the cursor is on, while the keys are below (above or at, going back) `stop`.
struct Entries {
  Walk walk;
  What what;
  bool back;
  std::optional<std::string> stop;
  bool begun = false;

  nb::object next() {
    Cursor& c = *walk.cursor;
    if (begun && c.valid()) back ? c.prev() : c.next();
    begun = true;
    if (!c.valid()) return {};
    const std::string_view key = c.key();
    if (stop && (back ? key < *stop : key >= *stop)) return {};
    if (what == kKeys) return bytes_object(key);
    if (what == kValues) return bytes_object(c.value());
    nb::object pair = nb::steal(PyTuple_New(2));
    if (!pair.is_valid()) nb::raise_python_error();
    PyTuple_SET_ITEM(pair.ptr(), 0, bytes_object(key).release().ptr());
    PyTuple_SET_ITEM(pair.ptr(), 1, bytes_object(c.value()).release().ptr());
    return pair;
  }
};

// What slots of Python's run, since a bound method costs more than reading an entry does. nanobind turns exceptions of C++ into
// Python's in what it binds, so one is thrown again from there.
thread_local std::exception_ptr failed;
template <class F>
auto in_slot(F f, decltype(f()) otherwise) noexcept -> decltype(f()) {
  try {
    return f();
  } catch (nb::python_error& error) { error.restore(); } catch (...) {
    failed = std::current_exception();
    PyObject* module = PyImport_ImportModule("rushlight._data");
    if (module) Py_XDECREF(PyObject_CallMethod(module, "_throw", nullptr));
    Py_XDECREF(module);
  }
  return otherwise;
}

PyObject* next_entry(PyObject* self) {
  return in_slot([&] { return nb::inst_ptr<Entries>(self)->next().release().ptr(); }, nullptr);
}
PyType_Slot entries_slots[] = {{Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
                               {Py_tp_iternext, reinterpret_cast<void*>(next_entry)},
                               {0, nullptr}};

// The database that an object stands for, once its __init__ has run.
const std::shared_ptr<Database>& opened(PyObject* self) {
  RL_CHECK(ValueError, nb::inst_ready(self), "this database was never opened. Hint: open_db makes one");
  return nb::inst_ptr<Db>(self)->open();
}
PyObject* value_at(PyObject* self, PyObject* key) {
  return in_slot(
      [&] {
        const Text text(key);
        nb::object found = get(opened(self), text, nb::handle());
        if (!found.is_valid()) PyErr_SetObject(PyExc_KeyError, key);
        return found.release().ptr();
      },
      nullptr);
}
int contains(PyObject* self, PyObject* key) {
  return in_slot(
      [&] {
        const Text text(key);
        return int(get(opened(self), text, nb::handle()).is_valid());
      },
      -1);
}
PyType_Slot database_slots[] = {{Py_mp_subscript, reinterpret_cast<void*>(value_at)},
                                {Py_sq_contains, reinterpret_cast<void*>(contains)},
                                {0, nullptr}};

}  // namespace

void bind_databases(nb::module_& m) {
  m.def("_throw", [] { std::rethrow_exception(std::exchange(failed, nullptr)); });
  nb::class_<Db>(m, "_Database", nb::type_slots(database_slots))
      .def(nb::init<nb::handle, const std::string&, bool, bool, bool, const std::string&, bool>(), "path"_a, "kind"_a,
           "write"_a, "create"_a, "folder"_a, "name"_a, "verify"_a)
      .def(
          "get",
          [](Db& d, nb::handle key, nb::handle missing) {
            const Text text(key);
            return get(d.open(), text, missing);
          },
          "key"_a, "default"_a = nb::none(), "The value under a key.")
      .def(
          "get_many",
          [](Db& d, nb::iterable keys) {
            const std::shared_ptr<Database> db = d.open();  // what gives the keys may close it
            nb::list out;
            for (nb::handle k : keys) {
              const Text text(k);
              out.append(get(db, text, nb::none()));
            }
            return out;
          },
          "keys"_a, "The values under keys, None for those that aren't there.")
      .def("_walk", [](Db& d) { return new Walk{d.db, d.open()->cursor()}; })
      .def(
          "__len__",
          [](Db& d) {
            const std::shared_ptr<Database> db = d.open();
            return without_gil([&] { return db->count(); });
          },
          "How many entries there are. LevelDB counts them one by one.")
      .def_prop_ro(
          "kind", [](Db& d) { return d.open()->kind() == DbKind::Lmdb ? "lmdb" : "leveldb"; },
          "\"lmdb\" or \"leveldb\".")
      .def(
          "_write",
          [](Db& d, const Batch& batch, bool sync) {
            const std::shared_ptr<Database> db = d.open();
            without_gil([&] { db->write(batch, sync); });
          },
          "batch"_a, "sync"_a)
      .def(
          "close", [](Db& d) { d.db.reset(); },
          "Lets go of the database; cursors and iterations that are under way keep it open.");
  nb::class_<Walk>(m, "_Cursor")
      .def("valid", [](Walk& w) { return w.cursor->valid(); })
      .def("first",
           [](Walk& w) {
             w.cursor->first();
             return w.cursor->valid();
           })
      .def("last",
           [](Walk& w) {
             w.cursor->last();
             return w.cursor->valid();
           })
      .def("next",
           [](Walk& w) {
             w.cursor->next();
             return w.cursor->valid();
           })
      .def("prev",
           [](Walk& w) {
             w.cursor->prev();
             return w.cursor->valid();
           })
      .def(
          "seek",
          [](Walk& w, nb::handle key) {
            w.cursor->seek(Text(key));
            return w.cursor->valid();
          },
          "key"_a)
      .def("key", [](Walk& w) { return bytes_object(w.at().key()); })
      .def("value", [](Walk& w) { return bytes_object(w.at().value()); })
      // An iteration from here on, which moves the cursor.
      .def(
          "entries",
          [](Walk& w, int what, bool back, nb::handle stop) {
            std::optional<std::string> end;
            if (!stop.is_none()) end.emplace(Text(stop));
            return new Entries{{w.db, w.cursor}, What(what), back, std::move(end)};
          },
          "what"_a, "back"_a, "stop"_a.none());
  nb::class_<Entries>(m, "_Entries", nb::type_slots(entries_slots));
  nb::class_<Batch>(m, "_Batch")
      .def(nb::init<>())
      .def(
          "put", [](Batch& b, nb::handle key, nb::handle value) { b.put(Text(key), Text(value)); }, "key"_a, "value"_a)
      .def(
          "delete", [](Batch& b, nb::handle key) { b.remove(Text(key)); }, "key"_a)
      // (True, value or None) for what the batch has changed.
      .def("find",
           [](Batch& b, nb::handle key) -> nb::object {
             const Batch::Change* c = b.find(Text(key));
             if (!c) return nb::none();
             return nb::make_tuple(c->value ? bytes_object(*c->value) : nb::none());
           })
      .def("clear", &Batch::clear)
      .def("__len__", [](Batch& b) { return b.changes().size(); });
  m.def(
      "db_kind",
      [](nb::handle path) -> const char* {
        switch (data::db_kind(path_of(path))) {
          case DbKind::Lmdb: return "lmdb";
          case DbKind::LevelDb: return "leveldb";
          default: return nullptr;
        }
      },
      "path"_a, "What lies at a path: lmdb, leveldb or None.");
  m.def(
      "decode_record",
      [](nb::handle bytes, const std::string& where) -> nb::object {
        Text text(bytes);
        std::string_view view = text;
        data::Record r = without_gil([&] { return data::decode_record(view, where); });
        nb::list tensors;
        for (Tensor& t : r.tensors) tensors.append(to_object(t));
        const bool datum = r.kind == data::RecordKind::Datum;
        return nb::make_tuple(datum ? "datum" : "tensors", tensors, to_texts(r.names), r.label);
      },
      "bytes"_a, "where"_a);
  m.def(
      "encode_datum",
      [](nb::object image, std::optional<int64_t> label, std::tuple<int64_t, int64_t, int64_t> sizes) {
        if (PyObject_TypeCheck(image.ptr(), tensor_api->type))
          return to_bytes(data::encode_datum(unwrap(image.ptr()), label));
        auto [c, h, w] = sizes;
        return to_bytes(data::encode_datum(Text(image), c, h, w, label));
      },
      "image"_a, "label"_a = nb::none(), "sizes"_a = std::tuple<int64_t, int64_t, int64_t>());
  m.def(
      "encode_tensors",
      [](const std::vector<Tensor>& tensors, const std::vector<std::string>& names) {
        return to_bytes(data::encode_tensors(tensors, names));
      },
      "tensors"_a, "names"_a = std::vector<std::string>());
}

}  // namespace rushlight::py
