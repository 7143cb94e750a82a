// Workspaces and gradients for rushlight.caffe2.python: what the library can't know of Python is done there.
#include <nanobind/stl/unique_ptr.h>

#include "caffe2.h"
#include "message_of.h"
#include "rushlight/caffe2/blobs.h"
#include "rushlight/caffe2/gradient.h"
#include "rushlight/caffe2/lower.h"
#include "rushlight/caffe2/turn.h"
#include "rushlight/caffe2/workspace.h"

namespace rushlight::py {
namespace {

using namespace rushlight::caffe2;

std::string db_path(nb::handle path) {
  PyObject* bytes = nullptr;
  if (!PyUnicode_FSConverter(path.ptr(), &bytes)) throw nb::python_error();
  Object held(bytes);
  return {PyBytes_AS_STRING(bytes), size_t(PyBytes_GET_SIZE(bytes))};
}

nb::object value_object(const Value& v) {
  if (v.is_tensor()) return to_object(v.tensor());
  if (v.is_string()) return to_bytes(std::string(v.to_string()));
  if (auto* s = as<StringTensor>(v)) {
    nb::list items;
    for (const std::string& i : s->items) items.append(to_bytes(i));
    return nb::make_tuple("strings", items, s->sizes);
  }
  if (auto* q = as<Int8Tensor>(v))
    return nb::make_tuple("int8", to_object(rushlight::Tensor(q->data)), q->scale, q->zero_point);
  return nb::make_tuple("object", type_name_of(v));
}

Value value_of(nb::handle h) {
  if (PyBytes_Check(h.ptr())) return Value(std::string(PyBytes_AS_STRING(h.ptr()), size_t(PyBytes_GET_SIZE(h.ptr()))));
  if (PyUnicode_Check(h.ptr())) return Value(nb::cast<std::string>(h));
  if (nb::isinstance<nb::tuple>(h)) {
    nb::tuple t = nb::borrow<nb::tuple>(h);
    std::string kind = nb::cast<std::string>(t[0]);
    if (kind == "strings") {
      auto s = make_ref<StringTensor>();
      for (nb::handle i : nb::borrow<nb::list>(t[1]))
        s->items.emplace_back(PyBytes_AS_STRING(i.ptr()), size_t(PyBytes_GET_SIZE(i.ptr())));
      s->sizes = nb::cast<std::vector<int64_t>>(t[2]);
      return object_value(s);
    }
    auto q = make_ref<Int8Tensor>();
    q->data = caffe2::Tensor(nb::cast<rushlight::Tensor>(t[1]));
    q->scale = float(nb::cast<double>(t[2]));
    q->zero_point = int32_t(nb::cast<int64_t>(t[3]));
    return object_value(q);
  }
  return Value(nb::cast<rushlight::Tensor>(h));
}

nb::object gradient_object(const BlobGradient& g) {
  if (!g.defined()) return nb::none();
  if (g.sparse()) return nb::make_tuple(g.indices, g.values);
  return nb::cast(g.dense);
}
BlobGradient gradient_from(nb::handle h) {
  if (h.is_none()) return {};
  if (nb::isinstance<nb::tuple>(h)) {
    nb::tuple t = nb::borrow<nb::tuple>(h);
    return {"", nb::cast<std::string>(t[0]), nb::cast<std::string>(t[1])};
  }
  return {nb::cast<std::string>(h), "", ""};
}
std::vector<std::pair<std::string, BlobGradient>> targets(nb::list ys) {
  std::vector<std::pair<std::string, BlobGradient>> out;
  for (nb::handle h : ys) {
    nb::tuple t = nb::borrow<nb::tuple>(h);
    out.emplace_back(nb::cast<std::string>(t[0]), gradient_from(t[1]));
  }
  return out;
}
nb::dict gradient_map(const GradientMap& all) {
  nb::dict out;
  for (auto& [name, g] : all) out[nb::cast(name)] = gradient_object(g);
  return out;
}

// The function of an operator, made at its first run.
struct Function final : RefCounted {
  explicit Function(nb::object f) : f(std::move(f)) {}
  ~Function() override {
    nb::gil_scoped_acquire gil;
    f.reset();
  }
  nb::object f;
};

void run_python(Call& c) {
  nb::gil_scoped_acquire gil;
  nb::module_ state = nb::module_::import_("rushlight.caffe2.python._state");
  Ref<RefCounted>& kept = c.op.kept["function"];
  if (!kept) kept = make_ref<Function>(state.attr("_function_of")(wrap_message(c.op.def)));
  nb::list in, out;
  for (const Value& v : c.in) in.append(value_object(v));
  for (const std::string& name : c.op.outputs) {
    BlobRef b = c.ws ? c.ws->find(name) : nullptr;
    out.append(b ? value_object(b->value) : nb::none());
  }
  nb::object made = state.attr("_run")(static_cast<Function&>(*kept).f, in, out, c.op.inputs,
                                       nb::cast(c.ws, nb::rv_policy::reference));
  for (size_t k = 0; k < c.outputs(); k++)
    if (nb::object v = made[k]; !v.is_none()) c.set_value(k, value_of(v));
}

// The gradient that Python has registered for an operator's type.
bool python_gradient(const Message& def, const std::vector<BlobGradient>& go, GradientMeta& meta) {
  nb::gil_scoped_acquire gil;
  nb::list g;
  for (const BlobGradient& b : go) g.append(gradient_object(b));
  nb::object made = nb::module_::import_("rushlight.caffe2.python._gradients")
                        .attr("_registered_gradient")(wrap_message(MessageRef(const_cast<Message*>(&def))), g);
  if (made.is_none()) return false;
  for (nb::handle op : nb::borrow<nb::list>(made[0])) meta.ops.push_back(MessageRef(&message_of(op)));
  for (nb::handle b : nb::borrow<nb::list>(made[1])) meta.gradients.push_back(gradient_from(b));
  return true;
}

// Runs with the workspaces' turn, and without Python's lock, which a thread that has the turn may want.
template <class F>
auto in_turn(F&& f) {
  return without_gil([&] {
    Turn turn;
    return f();
  });
}
template <class F>
void run_in_turn(F&& f) {
  in_turn([&] {
    f();
    return 0;
  });
}

}  // namespace

void bind_workspace(nb::module_& m) {
  foreign_function() = run_python;
  foreign_gradient() = python_gradient;
  outside_threads() = {
      [](int inside) {
        nb::gil_scoped_acquire gil;
        return nb::cast<bool>(nb::module_::import_("rushlight.caffe2.python._state").attr("_more_threads")(inside));
      },
      [] {
        nb::gil_scoped_acquire gil;
        if (PyErr_CheckSignals()) throw nb::python_error();
      }};
  nb::class_<Workspace>(m, "Workspace", "Named blobs and the nets over them.")
      .def(nb::init<std::string>(), "root_folder"_a = ".")
      .def_static(
          "inside", [](Workspace& parent) { return std::make_unique<Workspace>(parent.root(), &parent); },
          nb::keep_alive<0, 1>(), "A workspace that sees the blobs of another.")
      .def_prop_ro("root", [](Workspace& w) { return w.root(); })
      .def("names", [](Workspace& w) { return in_turn([&] { return w.names(); }); })
      .def("has", [](Workspace& w, const std::string& n) { return in_turn([&] { return w.has(n); }); })
      .def("create", [](Workspace& w, const std::string& n) { run_in_turn([&] { w.create(n); }); })
      .def("remove", [](Workspace& w, const std::string& n) { return in_turn([&] { return w.remove(n); }); })
      .def("fetch", [](Workspace& w,
                       const std::string& n) { return value_object(in_turn([&]() -> Value { return w.blob(n); })); })
      .def("serialize",
           [](Workspace& w, const std::string& n) {
             return to_bytes(in_turn([&] { return blob_message(w.blob(n), n)->serialize(); }));
           })
      .def("deserialize",
           [](Workspace& w, const std::string& n, nb::bytes b) {
             MessageRef m = make_message("BlobProto");
             m->parse({b.c_str(), b.size()}, "BlobProto");
             run_in_turn([&] {
               Value v = w.has(n) ? w.blob(n) : Value();
               add_blob_chunk(v, *m);
               w.feed(n, std::move(v));
             });
           })
      .def("feed",
           [](Workspace& w, const std::string& n, nb::handle v) {
             Value value = value_of(v);
             run_in_turn([&] { w.feed(n, std::move(value)); });
           })
      .def("create_net",
           [](Workspace& w, nb::handle def, bool overwrite) {
             MessageRef held(&message_of(def));
             run_in_turn([&] { w.create_net(*held, overwrite); });
           })
      .def("run_net",
           [](Workspace& w, const std::string& n, int64_t times) { run_in_turn([&] { w.run_net(n, times); }); })
      .def("run_net_timed",
           [](Workspace& w, const std::string& n) {
             std::vector<double> seconds;
             run_in_turn([&] {
               w.observer = [&](const caffe2::Op&, double s) { seconds.push_back(s); };
               struct Back {
                 Workspace& of;
                 ~Back() { of.observer = nullptr; }
               } back{w};
               w.run_net(n);
             });
             return seconds;
           })
      .def("delete_net", [](Workspace& w, const std::string& n) { run_in_turn([&] { w.delete_net(n); }); })
      .def("net_names", &Workspace::net_names)
      .def("has_net", &Workspace::has_net)
      .def("net_graphs", [](Workspace& w, const std::string& n) { return w.net(n).program().graphs(); })
      .def("net_def", [](Workspace& w, const std::string& n) { return wrap_message(w.net(n).def().copy()); })
      .def("run_net_once",
           [](Workspace& w, nb::handle def) {
             MessageRef held(&message_of(def));
             run_in_turn([&] { w.run_net_once(*held); });
           })
      .def("run_operator_once",
           [](Workspace& w, nb::handle def) {
             MessageRef held(&message_of(def));
             run_in_turn([&] { w.run_operator_once(*held); });
           })
      .def("run_plan", [](Workspace& w, nb::handle def) {
        MessageRef held(&message_of(def));
        run_in_turn([&] { w.run_plan(*held); });
      });
  nb::class_<DbWriter>(m, "DbWriter", "A database that is being written.")
      .def("put", [](DbWriter& d, nb::bytes key,
                     nb::bytes value) { d.put({key.c_str(), key.size()}, {value.c_str(), value.size()}); })
      .def("commit", &DbWriter::commit);
  nb::class_<DbCursor>(m, "DbCursor", "Entries of a database in order.")
      .def("valid", &DbCursor::valid)
      .def("next", &DbCursor::next)
      .def("first", &DbCursor::first)
      .def("seek", [](DbCursor& d, nb::bytes key) { d.seek({key.c_str(), key.size()}); })
      .def("key", [](DbCursor& d) { return to_bytes(std::string(d.key())); })
      .def("value", [](DbCursor& d) { return to_bytes(std::string(d.value())); });
  m.def("open_db", [](const std::string& type, nb::handle path) { return open_db(type, db_path(path)); });
  m.def("create_db", [](const std::string& type, nb::handle path) { return create_db(type, db_path(path)); });
  m.def("operator_names", [] { return Registry::get().names(); });
  m.def("has_operator", [](const std::string& name) { return Registry::get().find(name) != nullptr; });
  m.def("operator_counts", [](const std::string& name) -> nb::object {
    const OpType* t = Registry::get().find(name);
    if (!t) return nb::none();
    return nb::make_tuple(t->min_in, t->max_in, t->min_out, t->max_out);
  });
  m.def("gradient_of", [](nb::handle def, nb::list go) {
    std::vector<BlobGradient> g;
    for (nb::handle h : go) g.push_back(gradient_from(h));
    GradientMeta meta = gradient_of(message_of(def), g);
    nb::list ops, gi;
    for (const MessageRef& o : meta.ops) ops.append(wrap_message(o));
    for (const BlobGradient& b : meta.gradients) gi.append(gradient_object(b));
    return nb::make_tuple(ops, gi);
  });
  m.def(
      "add_gradients",
      [](nb::handle net, nb::list ys, size_t skip) {
        return gradient_map(add_gradients(message_of(net), targets(ys), skip));
      },
      "net"_a, "ys"_a, "skip"_a = 0);
  m.def("backward_pass", [](nb::list defs, nb::list ys) {
    std::vector<MessageRef> ops, out;
    for (nb::handle h : defs) ops.push_back(MessageRef(&message_of(h)));
    GradientMap all = backward_pass(ops, targets(ys), out);
    nb::list made;
    for (const MessageRef& o : out) made.append(wrap_message(o));
    return nb::make_tuple(made, gradient_map(all));
  });
}

}  // namespace rushlight::py
