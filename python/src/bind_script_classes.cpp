// Script classes that are made from those of Python: modules, classes, enums, interfaces; and their objects on either side.
#include "py_convert.h"
#include "py_script.h"
#include "rushlight/api/backend.h"
#include "rushlight/core/future_type.h"
#include "rushlight/core/notice.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/native_class.h"
#include "rushlight/script/module.h"
#include "rushlight/script/parser.h"

namespace rushlight::py {
namespace {

using graph::ClassType;
using graph::Function;

// Between script classes and those of Python that they were made from: an object is made anew on either side.
std::unordered_map<const Type*, PyObject*>& python_classes() {
  static auto& all = *new std::unordered_map<const Type*, PyObject*>;
  return all;
}
std::unordered_map<PyObject*, TypePtr>& script_classes() {
  static auto& all = *new std::unordered_map<PyObject*, TypePtr>;
  return all;
}

// What makes a class of a module, besides its slots; see make_object.
struct ClassSpec {
  PyObject *describe, *constants, *compile, *known, *functions;
  const char* container;
};
// A function of a class: "method", "property", "static", or "" for what an attribute holds; and the function.
std::pair<std::string, PyObject*> role_of(PyObject* pair) {
  const char* role;
  PyObject* function;
  check_status(PyArg_ParseTuple(pair, "sO", &role, &function) ? 0 : -1);
  return {role, function};
}
// What tells two classes of one Python class apart: the types of the attributes, the constants, and which functions are attributes.
std::string structure_of(const std::vector<ClassType::Slot>& slots, const ClassSpec& spec) {
  std::string key = std::string(text_of(check(PyObject_Repr(spec.constants)).get()));
  std::function<void(const Type&)> add_classes = [&](const Type& t) {
    if (t.is(Type::Kind::Class)) key += str("@", reinterpret_cast<uintptr_t>(&t));
    for (const TypePtr& part : t.contained()) add_classes(*part);
  };
  for (const ClassType::Slot& s : slots) {
    key += str("\n", s.name, s.is_parameter ? " parameter " : s.is_buffer ? " buffer " : " ", s.type->schema_text());
    add_classes(*s.type);
  }
  PyObject *name, *function;
  for (Py_ssize_t at = 0; spec.functions && PyDict_Next(spec.functions, &at, &name, &function);)
    if (auto [role, held] = role_of(function); role.empty())
      key += str("\n", text_of(name), " function @", reinterpret_cast<uintptr_t>(held));
  return key;
}
constexpr const char* kClassCapsule = "rushlight.ScriptClass";
using WeakClass = std::weak_ptr<ClassType>;
Object capsule_of(const std::shared_ptr<ClassType>& type) {
  return check(PyCapsule_New(new WeakClass(type), kClassCapsule, [](PyObject* capsule) {
    delete static_cast<WeakClass*>(PyCapsule_GetPointer(capsule, kClassCapsule));
  }));
}

// A method that is parsed and compiled when it is first used. `self` outlives it. `described`: (name, source, file, line, names), and for an
// overload the source, file and line of its signature.
std::shared_ptr<Function> lazy_method(PyObject* described, PyObject* compile, std::function<TypePtr()> self) {
  const char *method, *text, *file, *signature = nullptr, *signature_file;
  int line, signature_line;
  PyObject* names;
  check_status(PyArg_ParseTuple(described, "sssiO|ssi", &method, &text, &file, &line, &names, &signature,
                                &signature_file, &signature_line)
                   ? 0
                   : -1);
  auto resolver = python_resolver(names, compile);
  auto source = source_from(text, file, line);
  auto declared = signature ? source_from(signature, signature_file, signature_line) : nullptr;
  auto f = std::make_shared<Function>();
  f->name = method;
  f->compile = [source, declared, resolver, self = std::move(self)](Function& into) {
    script::StmtPtr def = script::definition_in(source);
    if (declared) def = script::with_signature(*script::definition_in(declared), *def);
    auto made = script::lazy_function(into.name, def, resolver, self());
    made->made();
    into.schema = made->schema;
    into.graph = made->graph;
  };
  return f;
}

// The class of a module: one that `known` has of this structure and that is alive, or a new one.
std::shared_ptr<ClassType> class_for(std::vector<ClassType::Slot> slots, const ClassSpec& spec) {
  PyObject* known = spec.known;
  std::string key = known == Py_None ? "" : structure_of(slots, spec);
  if (PyObject* found = known == Py_None ? nullptr : PyDict_GetItemString(known, key.c_str()))
    if (auto type = static_cast<WeakClass*>(PyCapsule_GetPointer(found, kClassCapsule))->lock()) return type;
  Object described = check(PyObject_CallNoArgs(spec.describe));
  const char* name;
  PyObject* methods;
  check_status(PyArg_ParseTuple(described.get(), "sO!", &name, &PyList_Type, &methods) ? 0 : -1);
  auto type = std::make_shared<ClassType>(name, true);
  for (ClassType::Slot& s : slots) type->add_slot(s.name, std::move(s.type), s.is_parameter, s.is_buffer);
  PyObject *constant, *value;
  for (auto [name, list] : {std::pair("$pre_hooks", &type->pre_hooks), {"$hooks", &type->hooks}})
    if (PyObject* hooks = PyDict_GetItemString(spec.constants, name))
      for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(hooks); i++) list->emplace_back(text_of(PyTuple_GET_ITEM(hooks, i)));
  if (spec.container) type->constants[script::kContainer] = IValue(spec.container);
  for (Py_ssize_t at = 0; PyDict_Next(spec.constants, &at, &constant, &value);)
    if (text_of(constant)[0] != '$' || text_of(constant).starts_with(script::kOverloads) ||
        text_of(constant).starts_with(script::kHints))
      type->constants[std::string(text_of(constant))] = from_python(value);
  for (Py_ssize_t at = 0; spec.functions && PyDict_Next(spec.functions, &at, &constant, &value);) {
    auto [role, function] = role_of(value);
    auto lazy = lazy_object(std::string(text_of(constant)), role, function, spec.compile);
    type->constants[std::string(text_of(constant))] =
        IValue::capsule(make_ref<script::SugaredCapsule>(std::move(lazy)));
  }
  // The class has the method, and so outlives it.
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(methods); i++)
    type->add_method(lazy_method(PyList_GET_ITEM(methods, i), spec.compile, [c = type.get()] { return c->unowned(); }));
  if (known != Py_None) check_status(PyDict_SetItemString(known, key.c_str(), capsule_of(type).get()));
  return type;
}

// _make_class(name, class, [(method, source, file, line, names)], {name: (role, function), or ("hint", text)}, compile) -> type
// Its attributes are what __init__ assigns, which _finish_class compiles.
PyObject* make_class(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char* name;
    PyObject *python, *methods, *functions, *compile;
    if (!PyArg_ParseTuple(args, "sOO!O!O:_make_class", &name, &python, &PyList_Type, &methods, &PyDict_Type, &functions,
                          &compile))
      return nullptr;
    auto type = std::make_shared<ClassType>(name, false);
    PyObject *key, *value;
    for (Py_ssize_t at = 0; PyDict_Next(functions, &at, &key, &value);) {
      auto [role, function] = role_of(value);
      if (role == "hint") {  // why the class has not what Python's has
        type->constants[script::kHints + std::string(text_of(key))] = from_python(function);
        continue;
      }
      auto lazy = lazy_object(std::string(text_of(key)), role, function, compile);
      type->constants[std::string(text_of(key))] = IValue::capsule(make_ref<script::SugaredCapsule>(std::move(lazy)));
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(methods); i++)
      type->add_method(lazy_method(PyList_GET_ITEM(methods, i), compile, [c = type.get()] { return c->unowned(); }));
    python_classes()[type.get()] = Py_NewRef(python);
    script_classes()[python] = type;
    return wrap_type(type).release();
  });
}
PyObject* finish_class(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    auto type = graph::as_class_shared(*type_in(o));
    Function* f = type->find_method("__init__");
    if (!f) Py_RETURN_NONE;
    type->open = true;
    try {
      GilRelease release(true);
      f->made();
    } catch (...) {
      type->open = false;
      PyObject* python = python_classes()[type.get()];  // the type may go now, and its address be another's
      python_classes().erase(type.get());
      script_classes().erase(python);
      Py_DECREF(python);
      throw;
    }
    type->open = false;
    Py_RETURN_NONE;
  });
}
// _compile_methods(type): what is wrong with them is raised.
PyObject* compile_methods(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    auto type = graph::as_class_shared(*type_in(o));
    {
      GilRelease release(true);
      for (const auto& f : type->methods)
        if (f->compile) f->made();
    }
    Py_RETURN_NONE;
  });
}
// _slots_of(type) -> [(name, (its type's text, its type))] of a class
PyObject* slots_of(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    Object out = check(PyList_New(0));
    const TypePtr* t = type_in(o);
    if (const ClassType* c = t ? graph::as_class(*t) : nullptr)
      for (const ClassType::Slot& s : c->slots)
        check_status(PyList_Append(out.get(), check(Py_BuildValue("(s(sN))", s.name.c_str(), s.type->text().c_str(),
                                                                  wrap_type(s.type).release()))
                                                  .get()));
    return out.release();
  });
}
// _make_enum(name, class, [(member, value)]) -> type
PyObject* make_enum_type(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char* name;
    PyObject *python, *list;
    if (!PyArg_ParseTuple(args, "sOO!:_make_enum", &name, &python, &PyList_Type, &list)) return nullptr;
    std::vector<std::pair<std::string, IValue>> members;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
      const char* member;
      PyObject* value;
      if (!PyArg_ParseTuple(PyList_GET_ITEM(list, i), "sO", &member, &value)) return nullptr;
      members.emplace_back(member, from_python(value));
    }
    auto type = graph::make_enum(name, std::move(members));
    python_classes()[type.get()] = Py_NewRef(python);
    script_classes()[python] = type;
    return wrap_type(type).release();
  });
}
// _make_interface(name, is a module's, [(method, source, file, line, names)], compile) -> type
PyObject* make_interface(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char* name;
    int is_module;
    PyObject *methods, *compile;
    if (!PyArg_ParseTuple(args, "spO!O:_make_interface", &name, &is_module, &PyList_Type, &methods, &compile))
      return nullptr;
    auto type = std::make_shared<ClassType>(name, is_module);
    type->is_interface = true;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(methods); i++) {
      const char *method, *text, *file;
      int line;
      PyObject* names;
      check_status(PyArg_ParseTuple(PyList_GET_ITEM(methods, i), "sssiO", &method, &text, &file, &line, &names) ? 0
                                                                                                                : -1);
      auto resolver = python_resolver(names, compile);
      graph::Graph scratch;
      script::Lowering types(scratch, *resolver);
      GilRelease release(true);
      for (const script::StmtPtr& s : script::parse_module(source_from(text, file, line)))
        if (s->kind == script::Stmt::Kind::Def) type->add_method(script::abstract_method(*s, type->unowned(), types));
    }
    return wrap_type(type).release();
  });
}

// _compile_unit(source, file, line, names, compile) -> [ScriptFunction]: all functions of a text, each of which sees those before it
PyObject* compile_unit(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char *text, *file;
    int line;
    PyObject *names, *compile;
    if (!PyArg_ParseTuple(args, "ssiO!O:_compile_unit", &text, &file, &line, &PyDict_Type, &names, &compile))
      return nullptr;
    auto resolver = python_resolver(names, compile);
    Object out = check(PyList_New(0));
    std::vector<std::shared_ptr<Function>> all;
    for (const script::StmtPtr& s : script::parse_module(source_from(text, file, line))) {
      if (s->kind != script::Stmt::Kind::Def)
        script::fail(s->range, "expected the definition of a function: a text of TorchScript holds nothing else");
      all.push_back(script::lazy_function(s->text, s, resolver));
      Object f(wrap_function(all.back()));
      check_status(PyDict_SetItemString(names, s->text.c_str(), f.get()));
      check_status(PyList_Append(out.get(), f.get()));
    }
    GilRelease release(true);
    for (const auto& f : all) f->made();
    return out.release();
  });
}
// _define_methods(object, source, file, line, names, compile): methods of a module's class, from text
PyObject* define_methods(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char *text, *file;
    int line;
    PyObject *object, *names, *compile;
    if (!PyArg_ParseTuple(args, "O!ssiOO:_define_methods", script_object_type, &object, &text, &file, &line, &names,
                          &compile))
      return nullptr;
    auto type = graph::as_class_shared(object_of(object)->type);
    auto resolver = python_resolver(names, compile);
    std::vector<std::shared_ptr<Function>> all;
    for (const script::StmtPtr& s : script::parse_module(source_from(text, file, line))) {
      if (s->kind != script::Stmt::Kind::Def) script::fail(s->range, "expected the definition of a method");
      if (type->find_method(s->text)) script::fail(s->range, str("method '", s->text, "' already defined"));
      all.push_back(type->add_method(script::lazy_function(s->text, s, resolver, type->unowned())));
    }
    {
      GilRelease release(true);
      for (const auto& f : all) f->made();
    }
    Py_RETURN_NONE;
  });
}

// _make_object(describe, [(name, value, kind)], constants, compile, known) -> ScriptObject
// kind: "parameter", "buffer", "module" or a type's text. describe() gives the class's name and its methods, [(name, source, file, line,
// names)]; it is asked unless the dict `known` has a class of the same structure. known: None if no other object may have the class.
// functions: {name: function} of attributes that are called. container: what kind of list or dict of modules it is, or "".
PyObject* make_object(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *describe, *slots, *constants, *compile, *known, *functions = nullptr;
    const char* container = nullptr;
    if (!PyArg_ParseTuple(args, "OO!O!OO|O!s:_make_object", &describe, &PyList_Type, &slots, &PyDict_Type, &constants,
                          &compile, &known, &PyDict_Type, &functions, &container))
      return nullptr;
    std::vector<ClassType::Slot> described;
    std::vector<IValue> values;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(slots); i++) {
      const char* slot;
      PyObject *value, *kind;
      if (!PyArg_ParseTuple(PyList_GET_ITEM(slots, i), "sOO", &slot, &value, &kind)) return nullptr;
      if (!PyUnicode_Check(kind)) {
        TypePtr t = type_from(kind);
        values.push_back(from_python(value, *t));
        described.push_back({slot, std::move(t)});
        continue;
      }
      std::string_view k = text_of(kind);
      IValue v = Py_TYPE(value) == script_object_type ? IValue(object_of(value)) : from_python(value);
      TypePtr t = k == "parameter" || k == "buffer" ? Type::tensor()
                  : k.empty() || k == "module"      ? v.type()
                                                    : parse_schema_type(k);
      if (v.is_none() && (k == "parameter" || k == "buffer")) t = Type::none();
      described.push_back({slot, std::move(t), k == "parameter", k == "buffer"});
      values.push_back(std::move(v));
    }
    auto type = class_for(std::move(described), {describe, constants, compile, known, functions, container});
    auto object = make_ref<ObjectValue>(type, values.size());
    object->slots = std::move(values);
    return wrap_object(std::move(object));
  });
}

// A list or dict that scripts and Python share, as an object of ScriptList or ScriptDict holds it.
constexpr const char* kValueCapsule = "rushlight.Value";
const IValue* value_in(PyObject* o) {
  return PyCapsule_IsValid(o, kValueCapsule) ? static_cast<IValue*>(PyCapsule_GetPointer(o, kValueCapsule)) : nullptr;
}
// _box(value, type of _type_of or "") -> (capsule, the type's text)
PyObject* box(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *value, *type;
    if (!PyArg_ParseTuple(args, "OO:_box", &value, &type)) return nullptr;
    bool open = PyUnicode_Check(type) && text_of(type).empty();
    IValue v = open ? from_python(value) : from_python(value, *type_from(type));
    std::string text = v.type()->text();
    Object capsule = check(PyCapsule_New(new IValue(std::move(v)), kValueCapsule, [](PyObject* c) {
      delete static_cast<IValue*>(PyCapsule_GetPointer(c, kValueCapsule));
    }));
    return Py_BuildValue("Ns", capsule.release(), text.c_str());
  });
}
PyObject* unbox(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    const IValue* v = value_in(o);
    RL_CHECK(TypeError, v, "_unbox: expected what _box gave");
    return to_python(*v);
  });
}
// _as_script_object(o) -> ScriptObject, of an object of a class that has been compiled
PyObject* as_script_object(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    IValue v = from_python(o);
    RL_CHECK(TypeError, v.is_object(), "expected an object of a class that scripts know");
    return wrap_object(v.ref<ObjectValue>());
  });
}

std::shared_ptr<ClassType> native_class(PyObject* name) {
  std::string full(text_of(name));
  auto type = graph::find_native_class(full);
  RL_CHECK(RuntimeError, type, "Tried to instantiate class '", full.substr(graph::kNativeClasses.size()),
           "', but it does not exist! Ensure that it is registered via torch::class_, and that its library is loaded");
  return type;
}
// _native_functions(full name) -> {name: static method}, {property: name of the method that reads it}, {property: the one that sets it}
PyObject* native_functions(PyObject*, PyObject* name) {
  return guarded([&]() -> PyObject* {
    auto type = native_class(name);
    Object statics = check(PyDict_New()), getters = check(PyDict_New()), setters = check(PyDict_New());
    for (const auto& [key, value] : type->constants) {
      auto* held = value.is_capsule() ? dynamic_cast<script::SugaredCapsule*>(value.object()) : nullptr;
      auto* f = held ? dynamic_cast<script::FunctionValue*>(held->value.get()) : nullptr;
      if (!f) continue;
      const bool sets = key.starts_with("$set "), own = type->find_method(f->function->name) == f->function.get();
      Object entry = check(own ? to_str(f->function->name) : wrap_function(f->function));
      PyObject* into = !own ? statics.get() : sets ? setters.get() : getters.get();
      check_status(PyDict_SetItemString(into, key.c_str() + (sets ? 5 : 0), entry.get()));
    }
    return PyTuple_Pack(3, statics.get(), getters.get(), setters.get());
  });
}
// _native_object(full name) -> ScriptObject that is empty until its __init__ or __setstate__ is called
PyObject* native_object(PyObject*, PyObject* name) {
  return guarded([&]() -> PyObject* {
    auto type = native_class(name);
    return wrap_object(make_ref<ObjectValue>(type, type->slots.size()));
  });
}

// _to_backend(name, ScriptObject, {method: what the backend is told of it}) -> ScriptObject
PyObject* to_backend(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char* name;
    PyObject *module, *told;
    if (!PyArg_ParseTuple(args, "sO!O:_to_backend", &name, script_object_type, &module, &told)) return nullptr;
    IValue spec = from_python(told, *Type::dict(Type::string(), Type::any()));
    GilRelease release(true);
    auto lowered = api::jit::to_backend(name, api::jit::Module(*script_object(module)),
                                        api::Dict<std::string, api::IValue>::from(api::IValue(std::move(spec))));
    GilAcquire back;
    return wrap_object(lowered.object());
  });
}

PyMethodDef methods[] = {
    {"_to_backend", to_backend, METH_VARARGS,
     "_to_backend(name, module, spec) -> a module whose methods the backend runs"},
    {"_native_functions", native_functions, METH_O,
     "_native_functions(name of a C++ class) -> static methods, getters, setters"},
    {"_native_object", native_object, METH_O, "_native_object(name of a C++ class) -> an empty ScriptObject of it"},
    {"_box", box, METH_VARARGS, "_box(value, type) -> (capsule, text of the type): a list or dict that scripts share"},
    {"_unbox", unbox, METH_O, "_unbox(capsule) -> a copy of what it holds"},
    {"_as_script_object", as_script_object, METH_O, "_as_script_object(object) -> ScriptObject"},
    {"_make_object", make_object, METH_VARARGS,
     "_make_object(describe, slots, constants, compile, known, functions, container) -> ScriptObject"},
    {"_make_class", make_class, METH_VARARGS, "_make_class(name, class, methods, functions, compile) -> type"},
    {"_finish_class", finish_class, METH_O, "_finish_class(type): compiles __init__, which makes its attributes"},
    {"_compile_methods", compile_methods, METH_O, "_compile_methods(type): compiles all, which else happens at a call"},
    {"_make_enum", make_enum_type, METH_VARARGS, "_make_enum(name, class, members) -> type"},
    {"_make_interface", make_interface, METH_VARARGS, "_make_interface(name, is_module, methods, compile) -> type"},
    {"_slots_of", slots_of, METH_O, "_slots_of(type) -> [(name, (text, type))]"},
    {"_compile_unit", compile_unit, METH_VARARGS, "_compile_unit(source, file, line, names, compile) -> functions"},
    {"_define_methods", define_methods, METH_VARARGS, "_define_methods(object, source, file, line, names, compile)"},
    {"_live_classes", [](PyObject*, PyObject*) { return PyLong_FromLongLong(ClassType::live()); }, METH_NOARGS,
     "how many script classes there are"},
    {nullptr, nullptr, 0, nullptr}};

// A class's name as Python has it: without what tells classes of one name apart.
std::string python_name(const ClassType& c) {
  std::string out;
  for (std::string_view rest = c.name(); !rest.empty();) {
    size_t dot = std::min(rest.find('.'), rest.size());
    std::string_view part = rest.substr(0, dot);
    if (part != "__torch__" && !part.starts_with("___torch_mangle_")) (out += out.empty() ? "" : ".") += part;
    rest.remove_prefix(std::min(dot + 1, rest.size()));
  }
  return out;
}
std::string qualified_name(PyObject* type) {
  Object module{PyObject_GetAttrString(type, "__module__")}, own{PyObject_GetAttrString(type, "__qualname__")};
  PyErr_Clear();
  if (!module || !own || !PyUnicode_Check(module.get()) || !PyUnicode_Check(own.get())) return {};
  return str(text_of(module.get()), ".", text_of(own.get()));
}
// Archives have enums of their own, which stand for those of the same name, members and values in the program.
bool member_of_archive(PyObject* o, const ClassType& wanted, IValue& out) {
  PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(o));
  if (auto known = script_classes().find(type); known != script_classes().end() && known->second.get() == &wanted)
    return false;
  if (qualified_name(type) != python_name(wanted)) return false;
  Object name{PyObject_GetAttrString(o, "name")}, value{PyObject_GetAttrString(o, "value")};
  PyErr_Clear();
  if (!name || !value || !PyUnicode_Check(name.get())) return false;
  for (const auto& [member, object] : wanted.members)
    if (member == text_of(name.get()) && graph::values_equal(object.to_object().slots[1], from_python(value.get())))
      return out = object, true;
  return false;
}
// Null where no module that is loaded has the class; none is imported.
PyObject* member_in_python(const ClassType& c, const ObjectValue& o) {
  const std::string name = python_name(c);
  for (size_t dot = name.rfind('.'); dot != std::string::npos && dot > 0; dot = name.rfind('.', dot - 1)) {
    Object path = check(to_str(name.substr(0, dot))), at{PyImport_GetModule(path.get())};
    for (size_t from = dot + 1; at && from <= name.size();) {
      size_t end = std::min(name.find('.', from), name.size());
      at = Object{PyObject_GetAttrString(at.get(), name.substr(from, end - from).c_str())};
      from = end + 1;
    }
    PyErr_Clear();
    if (!at || !PyType_Check(at.get())) continue;
    Object member{PyObject_GetAttrString(at.get(), std::string(o.slots[0].to_string()).c_str())};
    PyErr_Clear();
    IValue back;
    if (member && member_of_archive(member.get(), c, back) && back.object() == &o) return member.release();
  }
  return nullptr;
}

// The Python class of a named tuple that came from a script.
PyObject* named_tuple_class(const Type& type) {
  static auto& made = *new std::map<std::string, PyObject*>;
  std::string key = type.schema_text();
  for (const std::string& f : type.fields()) key += "," + f;
  PyObject*& found = made[key];
  if (found) return found;
  Object fields = check(PyList_New(0));
  for (const std::string& f : type.fields()) check_status(PyList_Append(fields.get(), check(to_str(f)).get()));
  std::string name = type.name().substr(type.name().rfind('.') + 1);
  return found = check(PyObject_CallFunction(imported("collections", "namedtuple"), "sO", name.c_str(), fields.get()))
                     .release();
}
PyObject* script_to_python(const IValue& v) {
  if (v.is_tuple()) {
    const TupleValue& tuple = v.to_tuple();
    if (tuple.type->fields().size() != tuple.items.size()) return nullptr;
    Object items = check(PyTuple_New(Py_ssize_t(tuple.items.size())));
    for (size_t i = 0; i < tuple.items.size(); i++)
      PyTuple_SET_ITEM(items.get(), Py_ssize_t(i), check(to_python(tuple.items[i])).release());
    return check(PyObject_CallObject(named_tuple_class(*tuple.type), items.get())).release();
  }
  if (!v.is_object()) return nullptr;
  if (is_future(*v.to_object().type)) return future_to_python(v);
  auto found = python_classes().find(v.to_object().type.get());
  const ClassType& c = *graph::as_class(v.to_object().type);
  if (found == python_classes().end()) {
    PyObject* member = c.is_enum ? member_in_python(c, v.to_object()) : nullptr;
    return member ? member : wrap_object(v.ref<ObjectValue>());
  }
  if (c.is_enum) return PyObject_GetItem(found->second, check(to_python(v.to_object().slots[0])).get());
  Object out = check(PyObject_CallMethod(found->second, "__new__", "O", found->second));
  for (size_t i = 0; i < c.slots.size(); i++)
    check_status(
        PyObject_SetAttrString(out.get(), c.slots[i].name.c_str(), check(to_python(v.to_object().slots[i])).get()));
  return out.release();
}

// What `print` of a script does: Python's, so that it is seen where the program's own lines are.
void python_print(const std::string& line) {
  GilAcquire gil;
  PyObject* out = PySys_GetObject("stdout");
  if (!out || out == Py_None) return;
  Object text(PyUnicode_DecodeUTF8(line.data(), Py_ssize_t(line.size()), "backslashreplace"));
  if (!text || PyFile_WriteObject(text.get(), out, Py_PRINT_RAW) < 0 || PyFile_WriteString("\n", out) < 0)
    throw_python_error();
}

}  // namespace

bool script_from_python(PyObject* o, IValue& out, const Type* wanted) {
  if (wanted && is_future(*wanted)) return future_from_python(o, out, *wanted);
  if (const auto* c = dynamic_cast<const ClassType*>(wanted); c && c->is_enum && member_of_archive(o, *c, out))
    return true;
  auto known = script_classes().find(reinterpret_cast<PyObject*>(Py_TYPE(o)));
  if (known != script_classes().end()) {
    const ClassType& c = *graph::as_class(known->second);
    if (c.is_enum) {
      Object name = check(PyObject_GetAttrString(o, "name"));
      for (const auto& [member, object] : c.members)
        if (member == text_of(name.get())) return out = object, true;
      return false;
    }
    auto made = make_ref<ObjectValue>(known->second, c.slots.size());
    for (size_t i = 0; i < c.slots.size(); i++) {
      Object value = check(PyObject_GetAttrString(o, c.slots[i].name.c_str()));
      made->slots[i] = from_python(value.get(), *c.slots[i].type);
    }
    return out = IValue(std::move(made)), true;
  }
  if (!script_object(o)) {
    auto** dict = _PyObject_GetDictPtr(o);
    PyObject* c = dict && *dict ? PyDict_GetItemString(*dict, "_c") : nullptr;
    if (const IValue* held = c ? value_in(c) : nullptr) return out = *held, true;
    if (!c || !script_object(c)) return false;
    o = c;
  }
  out = IValue(object_of(o));
  return true;
}

void bind_script_classes(PyObject* module) {
  print_line = python_print;
  bind_futures(module);
  add_methods(module, methods);
  object_to_python = script_to_python;
  object_from_python = script_from_python;
}

}  // namespace rushlight::py
