// Messages as protobuf's Python classes show them: fields as attributes, repeated fields as lists that stay part of the message.
#include <cmath>

#include "message_of.h"

namespace rushlight::py {
namespace {

using caffe2::FieldKind;
using caffe2::FieldType;
using caffe2::Message;
using caffe2::MessageRef;
using caffe2::MessageType;

// A message as Python holds it. Sub-messages keep their place in the one they are of.
struct PyMessage { MessageRef m; };
struct PyList {
  MessageRef m;
  int field;
  const FieldType& type() const { return m->type().fields[size_t(field)]; }
};

[[noreturn]] void type_error(const std::string& text) { throw TypeError(text); }

std::string class_name(nb::handle h) { return std::string(short_type_name(h.ptr())); }

int64_t whole_of(const FieldType& f, nb::handle v) {
  if (f.kind == FieldKind::Enum && PyUnicode_Check(v.ptr())) {
    std::string s = nb::cast<std::string>(v);
    const int64_t* n = f.enums->number_of(s);
    if (!n) throw ValueError(str("unknown enum label \"", s, "\""));
    return *n;
  }
  nb::object number;
  if (PyLong_Check(v.ptr())) number = nb::borrow(v);
  else {
    if (PyFloat_Check(v.ptr()) || !PyIndex_Check(v.ptr()))
      type_error(str(class_name(v), " has type ", class_name(v), ", but expected one of: int, for field ", f.name));
    number = nb::steal(PyNumber_Index(v.ptr()));
    if (!number) throw nb::python_error();
  }
  int overflow = 0;
  int64_t n = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  bool fits = !overflow;
  if (f.kind == FieldKind::Bool) return n != 0;
  if (f.kind == FieldKind::Int32 || f.kind == FieldKind::Enum) fits = fits && n == int32_t(n);
  if (f.kind == FieldKind::Uint32) fits = fits && n >= 0 && n <= int64_t(UINT32_MAX);
  if (!fits) throw ValueError(str("Value out of range: ", nb::cast<std::string>(nb::str(v)), " for ", f.name));
  return n;
}

double real_of(const FieldType& f, nb::handle v) {
  if (PyUnicode_Check(v.ptr()) || PyBytes_Check(v.ptr()))
    type_error(str(nb::cast<std::string>(nb::repr(v)), " has type ", class_name(v),
                   ", but expected one of: int, float, for field ", f.name));
  double d = PyFloat_AsDouble(v.ptr());
  if (d == -1 && PyErr_Occurred()) {
    PyErr_Clear();
    type_error(str(nb::cast<std::string>(nb::repr(v)), " has type ", class_name(v),
                   ", but expected one of: int, float, for field ", f.name));
  }
  return d;
}

std::string text_of_field(const FieldType& f, nb::handle v) {
  if (PyBytes_Check(v.ptr())) return {PyBytes_AS_STRING(v.ptr()), size_t(PyBytes_GET_SIZE(v.ptr()))};
  if (PyUnicode_Check(v.ptr()) && f.kind == FieldKind::String) return std::string(nb::cast<std::string_view>(v));
  type_error(str(nb::cast<std::string>(nb::repr(v)), " has type ", class_name(v), ", but expected one of: ",
                 f.kind == FieldKind::String ? "bytes, str" : "bytes", ", for field ", f.name));
}

nb::object text_object(const FieldType& f, const std::string& s) {
  if (f.kind == FieldKind::Bytes) return nb::bytes(s.data(), s.size());
  return nb::steal(PyUnicode_DecodeUTF8(s.data(), Py_ssize_t(s.size()), "surrogateescape"));
}

nb::object whole_object(const FieldType& f, int64_t v) {
  if (f.kind == FieldKind::Bool) return nb::borrow(v ? Py_True : Py_False);
  return nb::steal(PyLong_FromLongLong(v));
}

// The classes of Python, by the message's name: they are made there, over this one.
std::map<std::string, nb::object>& classes() {
  static auto& all = *new std::map<std::string, nb::object>;
  return all;
}

}  // namespace

nb::object wrap_message(MessageRef m) {
  auto found = classes().find(m->type().name);
  if (found == classes().end()) return nb::cast(PyMessage{std::move(m)});
  nb::object o = found->second.attr("__new__")(found->second);
  nb::cast<PyMessage&>(nb::getattr(o, "_message")).m = std::move(m);
  return o;
}

Message& message_of(nb::handle h) {
  nb::object inner = nb::getattr(h, "_message", nb::none());
  PyMessage* m = nullptr;
  if (!nb::try_cast<PyMessage*>(inner, m) || !m) type_error(str("expected a message, got ", class_name(h)));
  return *m->m;
}

namespace {

int field_of(const Message& m, const std::string& name) {
  int i = m.type().find(name);
  if (i < 0) throw AttributeError(str("'", m.type().name, "' object has no attribute '", name, "'"));
  return i;
}

void append(PyList& list, nb::handle v) {
  const FieldType& f = list.type();
  Message& m = *list.m;
  if (f.is_whole()) {
    int64_t n = whole_of(f, v);
    m.mutable_wholes(f.name).push_back(n);
  } else if (f.kind == FieldKind::Float) {
    double d = real_of(f, v);
    m.mutable_floats(f.name).push_back(float(d));
  } else if (f.kind == FieldKind::Double) {
    double d = real_of(f, v);
    m.mutable_doubles(f.name).push_back(d);
  } else if (f.is_text()) {
    std::string s = text_of_field(f, v);
    m.add(f.name, std::move(s));
  } else {
    Message& from = message_of(v);
    MessageRef copy = from.copy();
    RL_CHECK(TypeError, &copy->type() == f.message,
             "Parameter to MergeFrom() must be instance of same class: expected ", f.message->name, " got ",
             copy->type().name);
    m.append_message(f.name, std::move(copy));
  }
}

size_t size_of(const PyList& l) {
  return std::visit(
      [](const auto& v) -> size_t {
        if constexpr (requires { v.size(); }) return v.size();
        else return 0;
      },
      l.m->value(l.field));
}

nb::object item(const PyList& l, size_t i) {
  const FieldType& f = l.type();
  return std::visit(
      [&](const auto& v) -> nb::object {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::vector<int64_t>>) return whole_object(f, v[i]);
        else if constexpr (std::is_same_v<T, std::vector<float>> || std::is_same_v<T, std::vector<double>>)
          return nb::float_(double(v[i]));
        else if constexpr (std::is_same_v<T, std::vector<std::string>>) return text_object(f, v[i]);
        else if constexpr (std::is_same_v<T, std::vector<MessageRef>>) return wrap_message(v[i]);
        else return nb::none();
      },
      l.m->value(l.field));
}

nb::list as_list(const PyList& l) {
  nb::list out;
  for (size_t i = 0, n = size_of(l); i < n; i++) out.append(item(l, i));
  return out;
}

// The list becomes these items, of which messages are kept as they are.
void replace(PyList& l, const nb::list& items) {
  const FieldType& f = l.type();
  if (f.kind == FieldKind::Message) {
    std::vector<MessageRef> all;
    for (nb::handle h : items) all.push_back(nb::cast<PyMessage&>(nb::getattr(h, "_message")).m);
    l.m->clear(l.field);
    for (MessageRef& m : all) l.m->append_message(f.name, std::move(m));
    return;
  }
  auto fresh = make_ref<Message>(l.m->type());
  PyList copy{fresh, l.field};
  for (nb::handle h : items) append(copy, h);
  l.m->touch();
  l.m->mutable_list(l.field) = fresh->mutable_list(l.field);
}

nb::object get(PyMessage& self, const std::string& name) {
  Message& m = *self.m;
  int i = field_of(m, name);
  const FieldType& f = m.type().fields[size_t(i)];
  if (f.repeated) {
    m.mutable_list(i);
    return nb::cast(PyList{self.m, i});
  }
  if (f.kind == FieldKind::Message) return wrap_message(m.child(i));
  if (f.is_whole()) return whole_object(f, m.whole(name));
  if (f.is_real()) return nb::float_(m.real(name));
  return text_object(f, m.text(name));
}

void set(PyMessage& self, const std::string& name, nb::handle v) {
  Message& m = *self.m;
  int i = field_of(m, name);
  const FieldType& f = m.type().fields[size_t(i)];
  if (f.repeated || f.kind == FieldKind::Message)
    throw AttributeError(str("Assignment not allowed to ", f.repeated ? "repeated" : "message", " field \"", name,
                             "\" in protocol message object."));
  if (f.is_whole()) m.set_value(i, whole_of(f, v));
  else if (f.is_real()) m.set_value(i, real_of(f, v));
  else m.set_value(i, text_of_field(f, v));
}

size_t index_of(const PyList& l, int64_t i) {
  auto n = int64_t(size_of(l));
  if (i < 0) i += n;
  RL_CHECK(IndexError, i >= 0 && i < n, "list index out of range");
  return size_t(i);
}

nb::list field_names(const MessageType& t) {
  nb::list out;
  for (const FieldType& f : t.fields) out.append(f.name);
  return out;
}

}  // namespace

void bind_messages(nb::module_& m) {
  nb::class_<PyMessage>(m, "Message", "A message by its fields; the classes of caffe2_pb2 hold one.")
      .def(nb::init<>())
      .def("__init__",
           [](PyMessage* self, const std::string& type) { new (self) PyMessage{caffe2::make_message(type)}; })
      .def_prop_ro("type", [](PyMessage& s) { return s.m->type().name; })
      .def("get", &get)
      .def("set", &set, "name"_a, "value"_a.none())
      .def("has",
           [](PyMessage& s, const std::string& name) {
             int i = s.m->type().find(name);
             if (i < 0 || s.m->type().fields[size_t(i)].repeated)
               throw ValueError(
                   i < 0 ? str("Protocol message ", s.m->type().name, " has no field ", name, ".")
                         : str("Protocol message ", s.m->type().name, " has no singular \"", name, "\" field."));
             return s.m->has(i);
           })
      .def("clear_field",
           [](PyMessage& s, const std::string& name) {
             int i = s.m->type().find(name);
             RL_CHECK(ValueError, i >= 0, "Protocol message ", s.m->type().name, " has no \"", name, "\" field.");
             s.m->clear(i);
           })
      .def("clear", [](PyMessage& s) { s.m->clear(); })
      .def("touch", [](PyMessage& s) { s.m->touch(); })
      .def("copy_from",
           [](PyMessage& s, PyMessage& o) {
             RL_CHECK(TypeError, &s.m->type() == &o.m->type(),
                      "Parameter to CopyFrom() must be instance of same class: expected ", s.m->type().name, " got ",
                      o.m->type().name, ".");
             s.m->touch();
             s.m->copy_from(*o.m);
           })
      .def("merge_from",
           [](PyMessage& s, PyMessage& o) {
             RL_CHECK(TypeError, &s.m->type() == &o.m->type(),
                      "Parameter to MergeFrom() must be instance of same class: expected ", s.m->type().name, " got ",
                      o.m->type().name, ".");
             s.m->merge_from(*o.m);
           })
      .def("equals", [](PyMessage& s, PyMessage& o) { return s.m->equals(*o.m); })
      .def("missing", [](PyMessage& s) { return s.m->missing(); })
      .def("serialize", [](PyMessage& s) { return to_bytes(s.m->serialize()); })
      .def("parse",
           [](PyMessage& s, nb::bytes b) {
             s.m->touch();
             s.m->parse({b.c_str(), b.size()}, s.m->type().name);
             return b.size();
           })
      .def("merge_binary",
           [](PyMessage& s, nb::bytes b) {
             s.m->merge_binary({b.c_str(), b.size()}, s.m->type().name);
             return b.size();
           })
      .def("text", [](PyMessage& s) { return s.m->to_text(); })
      .def("parse_text",
           [](PyMessage& s, std::string_view text, const std::string& where) {
             MessageRef fresh = make_ref<Message>(s.m->type());
             fresh->parse_text(text, where);
             s.m->merge_from(std::move(*fresh));
           })
      .def("set_fields", [](PyMessage& s) {
        nb::list out;
        for (size_t i = 0; i < s.m->type().fields.size(); i++) {
          const FieldType& f = s.m->type().fields[i];
          if (f.repeated ? size_of(PyList{s.m, int(i)}) > 0 : s.m->has(int(i))) out.append(f.name);
        }
        return out;
      });
  nb::class_<PyList>(m, "RepeatedField", "A repeated field; changes to it are changes of its message.",
                     nb::is_weak_referenceable())
      .def("__len__", &size_of)
      .def("__getitem__",
           [](PyList& l, nb::handle i) -> nb::object {
             if (PySlice_Check(i.ptr())) return nb::steal(PyObject_GetItem(as_list(l).ptr(), i.ptr()));
             return item(l, index_of(l, nb::cast<int64_t>(nb::steal(PyNumber_Index(i.ptr())))));
           })
      .def("__setitem__",
           [](PyList& l, nb::handle i, nb::handle v) {
             if (l.type().kind == FieldKind::Message)
               type_error("'RepeatedCompositeContainer' object does not support item assignment");
             nb::list items = as_list(l);
             if (!PySlice_Check(i.ptr())) index_of(l, nb::cast<int64_t>(i));
             if (PyObject_SetItem(items.ptr(), i.ptr(), v.ptr()) != 0) throw nb::python_error();
             replace(l, items);
           })
      .def("__delitem__",
           [](PyList& l, nb::handle i) {
             nb::list items = as_list(l);
             if (PyObject_DelItem(items.ptr(), i.ptr()) != 0) throw nb::python_error();
             replace(l, items);
           })
      .def("__iter__", [](PyList& l) { return nb::iter(as_list(l)); })
      .def("append", &append, "value"_a.none())
      .def(
          "extend",
          [](PyList& l, nb::handle items) {
            if (items.is_none()) return;
            nb::list all(nb::borrow(items));  // first, as the items may be of this very list
            l.m->touch();
            for (nb::handle h : all) append(l, h);
          },
          "items"_a.none())
      .def("MergeFrom",
           [](PyList& l, PyList& o) {
             nb::list all = as_list(o);
             for (nb::handle h : all) append(l, h);
           })
      .def("add",
           [](PyList& l, nb::kwargs fields) {
             if (l.type().kind != FieldKind::Message)
               throw AttributeError("'RepeatedScalarContainer' object has no attribute 'add'");
             nb::object o = wrap_message(l.m->add(l.type().name));
             nb::getattr(o, "_fill")(fields);
             return o;
           })
      .def("insert",
           [](PyList& l, int64_t at, nb::handle v) {
             nb::list items = as_list(l);
             items.attr("insert")(at, v);
             replace(l, items);
           })
      .def(
          "pop",
          [](PyList& l, int64_t at) {
            nb::list items = as_list(l);
            nb::object out = items.attr("pop")(at);
            replace(l, items);
            return out;
          },
          "index"_a = -1)
      .def("remove",
           [](PyList& l, nb::handle v) {
             nb::list items = as_list(l);
             items.attr("remove")(v);
             replace(l, items);
           })
      .def("reverse",
           [](PyList& l) {
             nb::list items = as_list(l);
             items.attr("reverse")();
             replace(l, items);
           })
      .def("sort",
           [](PyList& l, nb::kwargs how) {
             nb::list items = as_list(l);
             items.attr("sort")(**how);
             replace(l, items);
           })
      .def("index", [](PyList& l, nb::handle v) { return as_list(l).attr("index")(v); })
      .def("count", [](PyList& l, nb::handle v) { return as_list(l).attr("count")(v); })
      .def("__contains__", [](PyList& l, nb::handle v) { return PySequence_Contains(as_list(l).ptr(), v.ptr()) == 1; })
      .def(
          "__eq__",
          [](PyList& l, nb::handle o) -> bool {
            PyList* other = nullptr;
            if (nb::try_cast<PyList*>(o, other) && other) return as_list(l).equal(as_list(*other));
            if (!PySequence_Check(o.ptr()) || PyUnicode_Check(o.ptr())) return false;
            return as_list(l).equal(nb::list(nb::borrow(o)));
          },
          "other"_a.none())
      .def("__add__", [](PyList& l, nb::handle o) { return as_list(l) + nb::list(nb::borrow(o)); })
      .def("__radd__", [](PyList& l, nb::handle o) { return nb::list(nb::borrow(o)) + as_list(l); })
      .def("__repr__", [](PyList& l) { return nb::repr(as_list(l)); })
      .def("__array__",
           [](PyList& l, nb::args, nb::kwargs) { return nb::module_::import_("numpy").attr("array")(as_list(l)); })
      .def("__bool__", [](PyList& l) { return size_of(l) > 0; });
  m.def("_register_message", [](const std::string& name, nb::object cls) { classes()[name] = cls; });
  m.def("message_types", [] {
    nb::list out;
    for (const MessageType* t : caffe2::message_types()) out.append(nb::make_tuple(t->name, field_names(*t)));
    return out;
  });
  m.def("enum_types", [] {
    nb::list out;
    for (const caffe2::EnumType* e : caffe2::enum_types()) {
      nb::list values;
      for (auto& [name, n] : e->values) values.append(nb::make_tuple(name, n));
      out.append(nb::make_tuple(e->name, values));
    }
    return out;
  });
  // Classes of Python live as long as the interpreter; they go before it does.
  nb::module_::import_("atexit").attr("register")(nb::cpp_function([] { classes().clear(); }));
}

}  // namespace rushlight::py
