// TorchScript in Python: compiling functions and modules from their text, script objects, archives. Under rushlight.jit.
#include <algorithm>
#include <set>

#include "bind.h"
#include "py_convert.h"
#include "py_trace.h"
#include "rushlight/graph/executor/slots.h"
#include "rushlight/graph/passes/passes.h"
#include "rushlight/script/module.h"
#include "rushlight/script/parser.h"

namespace rushlight::py {
namespace {

using graph::ClassType;
using graph::Function;
using script::Range;
using script::SugaredPtr;

PyTypeObject *function_type, *object_type;

// Between script classes and those of Python that they were made from: an object is made anew on either side.
std::unordered_map<const Type*, PyObject*>& python_classes() {
  static auto& all = *new std::unordered_map<const Type*, PyObject*>;
  return all;
}
std::unordered_map<PyObject*, TypePtr>& script_classes() {
  static auto& all = *new std::unordered_map<PyObject*, TypePtr>;
  return all;
}
constexpr const char* kTypeCapsule = "rushlight.ScriptType";
Object wrap_type(TypePtr type) {
  return check(PyCapsule_New(new TypePtr(std::move(type)), kTypeCapsule, [](PyObject* capsule) {
    delete static_cast<TypePtr*>(PyCapsule_GetPointer(capsule, kTypeCapsule));
  }));
}
const TypePtr* type_in(PyObject* o) {
  return PyCapsule_IsValid(o, kTypeCapsule) ? static_cast<TypePtr*>(PyCapsule_GetPointer(o, kTypeCapsule)) : nullptr;
}

struct PyFunction {
  PyObject_HEAD std::shared_ptr<Function>* function;
  SugaredPtr* inlined;  // what a call of it in a script lowers; null for a call of its graph
};
struct PyScriptObject { PyObject_HEAD Ref<ObjectValue>* object; };

}  // namespace

PyObject* wrap_function(std::shared_ptr<Function> f) {
  auto* o = check(function_type->tp_alloc(function_type, 0)).release();
  reinterpret_cast<PyFunction*>(o)->function = new std::shared_ptr<Function>(std::move(f));
  return o;
}
PyObject* wrap_object(Ref<ObjectValue> v) {
  auto* o = check(object_type->tp_alloc(object_type, 0)).release();
  reinterpret_cast<PyScriptObject*>(o)->object = new Ref<ObjectValue>(std::move(v));
  return o;
}
const Ref<ObjectValue>* script_object(PyObject* o) {
  return Py_TYPE(o) == object_type ? reinterpret_cast<PyScriptObject*>(o)->object : nullptr;
}

namespace {

// A Python object that compiling code holds: it is dropped by threads that don't hold Python's lock.
class Kept {
 public:
  explicit Kept(PyObject* o) : object_(Py_NewRef(o)) {}
  ~Kept() {
    if (!object_ || !Py_IsInitialized()) return;
    GilAcquire gil;
    Py_DECREF(object_);
  }
  Kept(const Kept&) = delete;
  PyObject* get() const { return object_; }

 private:
  PyObject* object_;
};

Function& function_of(PyObject* o) { return **reinterpret_cast<PyFunction*>(o)->function; }
const Ref<ObjectValue>& object_of(PyObject* o) { return *reinterpret_cast<PyScriptObject*>(o)->object; }

// A Python object that a name in script text stands for.
SugaredPtr sugar(PyObject* o, PyObject* compile);

// Compiles without Python's lock: another thread may wait for it while it holds the compiler's.
Function& made(Function& f) {
  if (f.is_made()) return f;
  GilRelease release(true);
  f.made();
  return f;
}

// A Python object that TorchScript has no use for: an error where something is done with it, with the name that the text gives it.
class PythonObject final : public script::Sugared {
 public:
  PythonObject(std::string name, PyObject* o)
      : kind_(str("Python object '", name, "' of type '", Py_TYPE(o)->tp_name, "'")) {}
  std::string kind() const override { return kind_; }
  script::Value* as_value(const Range& range, script::Lowering&) override { refuse(range); }
  SugaredPtr attribute(const Range& range, script::Lowering&, const std::string&) override { refuse(range); }
  SugaredPtr call(const Range& range, script::Lowering&, const std::vector<script::CallArg>&) override {
    refuse(range);
  }
  bool iterate(const Range& range, script::Lowering&, script::Iteration&) override { refuse(range); }

 private:
  [[noreturn]] void refuse(const Range& range) { fail(range, str(kind_, " cannot be used in TorchScript")); }
  std::string kind_;
};

SugaredPtr sugar_or_object(const std::string& name, PyObject* o, PyObject* compile) {
  if (SugaredPtr s = sugar(o, compile)) return s;
  return std::make_shared<PythonObject>(name, o);
}

// What a name stands for is looked at when the text uses it: functions are compiled only then.
class LazyObject final : public script::Sugared {
 public:
  LazyObject(std::string name, std::string role, PyObject* o, PyObject* compile)
      : name_(std::move(name)), role_(std::move(role)), object_(o), compile_(compile) {}
  SugaredPtr bind(const Range& range, script::Lowering& l, script::Value* self) override {
    if (role_ != "method" && role_ != "property") return nullptr;
    SugaredPtr method = real()->bind(range, l, self);
    return method && role_ == "property" ? method->call(range, l, {}) : method;
  }
  std::string kind() const override { return "function '" + name_ + "'"; }
  script::Value* as_value(const Range& range, script::Lowering& l) override { return real()->as_value(range, l); }
  SugaredPtr call(const Range& range, script::Lowering& l, const std::vector<script::CallArg>& args) override {
    return real()->call(range, l, args);
  }

 private:
  SugaredPtr real() {
    GilAcquire gil;
    try {
      return sugar_or_object(name_, object_.get(), compile_.get());
    } catch (const ErrorSet&) { throw_python_error(); }
  }
  std::string name_, role_;
  Kept object_, compile_;
};

// A Python module: its attributes are looked up when text names them, first among what the language itself knows of it.
class PythonModule final : public script::Sugared {
 public:
  PythonModule(PyObject* m, PyObject* compile, std::string known = {})
      : name_(PyModule_GetName(m)), module_(m), compile_(compile), known_(std::move(known)) {}
  std::string kind() const override { return str("Python module '", name_, "'"); }
  SugaredPtr attribute(const Range& range, script::Lowering& l, const std::string& wanted) override {
    GilAcquire gil;
    Object found(PyObject_GetAttrString(module_.get(), wanted.c_str()));
    if (!found) PyErr_Clear();
    try {
      if (found && PyModule_Check(found.get())) return sugar(found.get(), compile_.get());
      if (!known_.path.empty())
        if (SugaredPtr s = known_.find(range, l, wanted)) return s;
      if (found) return sugar_or_object(str(name_, ".", wanted), found.get(), compile_.get());
    } catch (const ErrorSet&) { throw_python_error(); }
    fail(range, str("module '", name_, "' has no attribute '", wanted, "'"));
  }

 private:
  std::string name_;
  Kept module_, compile_;
  script::Namespace known_;
};

// What _type_of in _script.py says: a schema's text, or a constructor and its parts.
TypePtr type_from(PyObject* spec) {
  if (PyUnicode_Check(spec)) return parse_schema_type(text_of(spec));
  if (const TypePtr* made = type_in(spec)) return *made;
  std::string_view kind = text_of(PyTuple_GET_ITEM(spec, 0));
  PyObject* list = PyTuple_GET_ITEM(spec, PyTuple_GET_SIZE(spec) - 1);
  std::vector<TypePtr> parts;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) parts.push_back(type_from(PyList_GET_ITEM(list, i)));
  if (kind == "List") return Type::list(parts.at(0));
  if (kind == "Dict") return Type::dict(parts.at(0), parts.at(1));
  if (kind == "Tuple") return Type::tuple(std::move(parts));
  if (kind == "NamedTuple") {
    PyObject* names = PyTuple_GET_ITEM(spec, 2);
    std::vector<std::string> fields;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(names); i++) fields.emplace_back(text_of(PyList_GET_ITEM(names, i)));
    return Type::tuple(std::move(parts), std::string(text_of(PyTuple_GET_ITEM(spec, 1))), std::move(fields));
  }
  auto none = std::find_if(parts.begin(), parts.end(), [](const TypePtr& t) { return t->is(Type::Kind::None); });
  if (none == parts.end()) return Type::union_of(std::move(parts));
  parts.erase(none);
  return Type::optional(parts.size() == 1 ? parts[0] : Type::union_of(std::move(parts)));
}

// A Python function that a script calls as it is.
struct PythonCall final : RefCounted {
  PythonCall(PyObject* f, std::string n, Schema s) : function(f), name(std::move(n)), schema(std::move(s)) {}
  Kept function;
  std::string name;
  Schema schema;
  graph::Primitive primitive;  // of its node: the capsule, and the arguments
};
void run_python(IValue* args, IValue* rets) {
  const auto& call = *static_cast<PythonCall*>(args[0].object());
  GilAcquire gil;
  try {
    size_t n = call.schema.args.size();
    Object given = check(PyTuple_New(Py_ssize_t(n)));
    for (size_t i = 0; i < n; i++)
      PyTuple_SET_ITEM(given.get(), Py_ssize_t(i), check(to_python(args[i + 1])).release());
    Object result = check(PyObject_CallObject(call.function.get(), given.get()));
    const Type& type = *call.schema.returns[0].type;
    if (type.is(Type::Kind::None)) return;
    try {
      rets[0] = from_python(result.get(), type);
    } catch (const Error& e) { throw RuntimeError(str("the ignored function '", call.name, "': ", e.text())); }
  } catch (const ErrorSet&) { throw_python_error(); }
}
class PythonFunction final : public script::Sugared {
 public:
  explicit PythonFunction(Ref<PythonCall> c) : call_(std::move(c)) {}
  std::string kind() const override { return "Python function '" + call_->name + "'"; }
  SugaredPtr call(const Range& range, script::Lowering& l, const std::vector<script::CallArg>& args) override {
    std::vector<script::Value*> inputs;
    std::string why;
    if (!l.match(range, call_->schema, args, inputs, why, true, false)) fail(range, str(call_->name, "(): ", why));
    inputs.insert(inputs.begin(), l.constant(range, IValue::capsule(call_), Type::any()));
    graph::Node* n = l.emit(range, "prim::PythonOp", inputs);
    n->set_attribute("name", call_->name);
    n->primitive = &call_->primitive;  // the constant beside it keeps that
    return script::graph_value(n->output()->set_type(call_->schema.returns[0].type));
  }

 private:
  Ref<PythonCall> call_;
};
// ("python", function, name, [(argument, type or None, has default, default)], type of the result)
SugaredPtr python_function(PyObject* spec) {
  Schema schema;
  PyObject* function = PyTuple_GET_ITEM(spec, 1);
  schema.name = text_of(PyTuple_GET_ITEM(spec, 2));
  PyObject* list = PyTuple_GET_ITEM(spec, 3);
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
    const char* name;
    PyObject *type, *value;
    int has_default;
    check_status(PyArg_ParseTuple(PyList_GET_ITEM(list, i), "sOpO", &name, &type, &has_default, &value) ? 0 : -1);
    Argument a;
    a.name = name;
    a.type = type_from(type);
    a.type_name = a.type->schema_text();
    if ((a.has_default = has_default)) a.default_value = from_python(value, *a.type);
    schema.args.push_back(std::move(a));
  }
  Argument result;
  result.type = type_from(PyTuple_GET_ITEM(spec, 4));
  result.type_name = result.type->schema_text();
  schema.returns.push_back(std::move(result));
  auto call = make_ref<PythonCall>(function, schema.name, schema);
  Argument any;
  any.type = Type::any();
  any.type_name = "Any";
  any.is_mutated = true;  // what it does with an argument is not known
  call->primitive.schema.name = "prim::PythonOp";
  call->primitive.schema.args.assign(schema.args.size() + 1, any);
  call->primitive.schema.returns = call->schema.returns;
  call->primitive.run = run_python;
  return std::make_shared<PythonFunction>(std::move(call));
}
// A function that a script may name and must not call: ("unused", message, type of the result)
class UnusedFunction final : public script::Sugared {
 public:
  UnusedFunction(std::string message, TypePtr result) : message_(std::move(message)), result_(std::move(result)) {}
  std::string kind() const override { return "unused function"; }
  SugaredPtr call(const Range& range, script::Lowering& l, const std::vector<script::CallArg>&) override {
    l.emit(range, "prim::RaiseException", {l.constant(range, message_)}, 0);
    if (result_->is(Type::Kind::None)) return script::constant_of({});
    return script::graph_value(l.emit_typed(range, "prim::Uninitialized", {}, result_));
  }

 private:
  std::string message_;
  TypePtr result_;
};

SugaredPtr sugar(PyObject* o, PyObject* compile) {
  if (PyModule_Check(o)) {
    std::string name = PyModule_GetName(o);
    if (name == "math") return std::make_shared<script::Namespace>("math");
    if (name == "rushlight.jit") return std::make_shared<script::Namespace>("torch.jit");
    bool known = name == "rushlight" || name == "rushlight.linalg" || name == "rushlight.special" ||
                 name == "rushlight.nn.functional";
    return std::make_shared<PythonModule>(o, compile,
                                          known && name != "rushlight.nn.functional" ? "torch" + name.substr(9) : "");
  }
  if (Py_TYPE(o) == function_type) {
    auto* f = reinterpret_cast<PyFunction*>(o);
    return f->inlined ? *f->inlined : std::make_shared<script::FunctionValue>(*f->function);
  }
  if (o == reinterpret_cast<PyObject*>(tensor_type)) return std::make_shared<script::TypeName>(Type::tensor());
  if (o == Py_None || PyBool_Check(o) || PyLong_Check(o) || PyFloat_Check(o) || PyComplex_Check(o) ||
      PyUnicode_Check(o) || is_dtype(o) || is_device(o) || is_layout(o) || is_memory_format(o) || PyTuple_Check(o))
    return std::make_shared<script::ConstantValue>(from_python(o));
  // Operators, and Python functions, which are compiled in their turn.
  Object out = check(PyObject_CallOneArg(compile, o));
  if (out.get() == Py_None) return nullptr;
  if (out.get() == o) return std::make_shared<script::ConstantValue>(from_python(o));  // a member of an enum
  if (PyUnicode_Check(out.get())) {
    std::string name(text_of(out.get()));
    if (name == "torch") return std::make_shared<script::Namespace>(name);
    if (name.starts_with("special:")) return std::make_shared<script::Special>(name.substr(8));
    if (name.starts_with("math:")) {
      graph::Graph unused;
      return script::Namespace("math").math(name.substr(5));
    }
    return std::make_shared<script::OperatorName>(name);
  }
  if (PyTuple_Check(out.get()) && PyTuple_GET_SIZE(out.get()) == 3) {
    if (text_of(PyTuple_GET_ITEM(out.get(), 0)) == "unused")
      return std::make_shared<UnusedFunction>(std::string(text_of(PyTuple_GET_ITEM(out.get(), 1))),
                                              type_from(PyTuple_GET_ITEM(out.get(), 2)));
    auto named = std::make_shared<script::TypeName>(type_from(PyTuple_GET_ITEM(out.get(), 1)));  // with defaults
    PyObject *field, *value;
    for (Py_ssize_t at = 0; PyDict_Next(PyTuple_GET_ITEM(out.get(), 2), &at, &field, &value);)
      named->defaults[std::string(text_of(field))] = from_python(value);
    return named;
  }
  if (PyTuple_Check(out.get()) && PyTuple_GET_SIZE(out.get()) == 5) return python_function(out.get());
  if (PyTuple_Check(out.get()) && PyTuple_GET_SIZE(out.get()) == 2)  // ("type", ...)
    return std::make_shared<script::TypeName>(type_from(PyTuple_GET_ITEM(out.get(), 1)));
  if (PyTuple_Check(out.get())) {  // (argument, position, function if true, function if false)
    const char* argument;
    Py_ssize_t position;
    PyObject* sides[2];
    check_status(PyArg_ParseTuple(out.get(), "snOO", &argument, &position, &sides[1], &sides[0]) ? 0 : -1);
    return std::make_shared<script::Dispatched>(argument, size_t(position), sugar(sides[1], compile),
                                                sugar(sides[0], compile));
  }
  return Py_TYPE(out.get()) == function_type ? sugar(out.get(), compile) : nullptr;
}

// Names from a function's closure and globals.
class PythonResolver final : public script::Resolver {
 public:
  PythonResolver(PyObject* names, PyObject* compile) : names_(names), compile_(compile) {}
  SugaredPtr resolve(const std::string& name, const Range&) override {
    GilAcquire gil;
    PyObject* found = PyDict_GetItemString(names_.get(), name.c_str());
    if (!found) return nullptr;
    try {
      return sugar_or_object(name, found, compile_.get());
    } catch (const ErrorSet&) { throw_python_error(); }
  }
  bool default_value(const std::string& parameter, const Type& type, IValue& out) override {
    GilAcquire gil;
    PyObject* defaults = PyDict_GetItemString(names_.get(), "$defaults");
    PyObject* found = defaults ? PyDict_GetItemString(defaults, parameter.c_str()) : nullptr;
    if (!found) return false;
    try {
      out = from_python(found, type);
      return true;
    } catch (const Error&) { return false; } catch (const ErrorSet&) {
      PyErr_Clear();
      return false;
    }
  }

 private:
  Kept names_, compile_;
};

std::shared_ptr<script::Source> source_from(const char* text, const char* file, int line) {
  return std::make_shared<script::Source>(script::Source{text, file, line});
}

// _compile(source, file, line, names, compile) -> ScriptFunction
PyObject* compile_text(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char *text, *file;
    int line;
    PyObject *names, *compile;
    if (!PyArg_ParseTuple(args, "ssiOO:_compile", &text, &file, &line, &names, &compile)) return nullptr;
    auto resolver = std::make_shared<PythonResolver>(names, compile);
    std::shared_ptr<Function> function;
    {
      GilRelease release(true);
      function = script::compile_function(source_from(text, file, line), resolver);
    }
    return wrap_function(std::move(function));
  });
}

// _define(source, file, line, names, compile) -> ScriptFunction that nothing is compiled of yet; calls of it are lowered where they stand
PyObject* define(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char *text, *file;
    int line;
    PyObject *names, *compile;
    if (!PyArg_ParseTuple(args, "ssiOO:_define", &text, &file, &line, &names, &compile)) return nullptr;
    auto resolver = std::make_shared<PythonResolver>(names, compile);
    for (const script::StmtPtr& s : script::parse_module(source_from(text, file, line))) {
      if (s->kind != script::Stmt::Kind::Def) continue;
      PyObject* out = wrap_function(script::lazy_function(s->text, s, resolver));
      reinterpret_cast<PyFunction*>(out)->inlined =
          new SugaredPtr(std::make_shared<script::InlineFunction>(s, resolver.get(), resolver));
      return out;
    }
    throw RuntimeError(str("expected the definition of a function in ", file, " at line ", line));
  });
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

// A method that is parsed and compiled when it is first used. `self` outlives it.
std::shared_ptr<Function> lazy_method(PyObject* described, PyObject* compile, std::function<TypePtr()> self) {
  const char *method, *text, *file;
  int line;
  PyObject* names;
  check_status(PyArg_ParseTuple(described, "sssiO", &method, &text, &file, &line, &names) ? 0 : -1);
  auto resolver = std::make_shared<PythonResolver>(names, compile);
  auto source = source_from(text, file, line);
  auto f = std::make_shared<Function>();
  f->name = method;
  f->compile = [source, resolver, self = std::move(self)](Function& into) {
    for (const script::StmtPtr& s : script::parse_module(source))
      if (s->kind == script::Stmt::Kind::Def) {
        auto made = script::lazy_function(into.name, s, resolver, self());
        made->made();
        into.schema = made->schema;
        into.graph = made->graph;
      }
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
    if (text_of(constant)[0] != '$') type->constants[std::string(text_of(constant))] = from_python(value);
  for (Py_ssize_t at = 0; spec.functions && PyDict_Next(spec.functions, &at, &constant, &value);) {
    auto [role, function] = role_of(value);
    auto lazy = std::make_shared<LazyObject>(std::string(text_of(constant)), role, function, spec.compile);
    type->constants[std::string(text_of(constant))] =
        IValue::capsule(make_ref<script::SugaredCapsule>(std::move(lazy)));
  }
  // The class has the method, and so outlives it.
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(methods); i++)
    type->add_method(lazy_method(PyList_GET_ITEM(methods, i), spec.compile, [c = type.get()] { return c->unowned(); }));
  if (known != Py_None) check_status(PyDict_SetItemString(known, key.c_str(), capsule_of(type).get()));
  return type;
}

// _make_class(name, class, [(method, source, file, line, names)], {name: (role, function)}, compile) -> type
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
      auto lazy = std::make_shared<LazyObject>(std::string(text_of(key)), role, function, compile);
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
      PythonResolver resolver(names, compile);
      graph::Graph scratch;
      script::Lowering types(scratch, resolver);
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
    auto resolver = std::make_shared<PythonResolver>(names, compile);
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
    if (!PyArg_ParseTuple(args, "O!ssiOO:_define_methods", object_type, &object, &text, &file, &line, &names, &compile))
      return nullptr;
    auto type = graph::as_class_shared(object_of(object)->type);
    auto resolver = std::make_shared<PythonResolver>(names, compile);
    std::vector<std::shared_ptr<Function>> all;
    for (const script::StmtPtr& s : script::parse_module(source_from(text, file, line))) {
      if (s->kind != script::Stmt::Kind::Def) script::fail(s->range, "expected the definition of a method");
      if (type->find_method(s->text)) script::fail(s->range, str("method '", s->text, "' already defined"));
      all.push_back(type->add_method(script::lazy_function(s->text, s, resolver, type->unowned())));
    }
    GilRelease release(true);
    for (const auto& f : all) f->made();
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
      IValue v = Py_TYPE(value) == object_type ? IValue(object_of(value)) : from_python(value);
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

// _has_type(value, type of _type_of or "") -> whether the value is of that type; of any type for ""
PyObject* has_type(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *value, *type;
    if (!PyArg_ParseTuple(args, "OO:_has_type", &value, &type)) return nullptr;
    try {
      if (PyUnicode_Check(type) && text_of(type).empty()) from_python(value);
      else from_python(value, *type_from(type));
      Py_RETURN_TRUE;
    } catch (const Error&) { Py_RETURN_FALSE; } catch (const ErrorSet&) {
      PyErr_Clear();
      Py_RETURN_FALSE;
    }
  });
}

// ---- ScriptFunction ----

std::vector<IValue> arguments(const Schema& schema, size_t first, PyObject* args, PyObject* kwargs,
                              const std::string& name) {
  std::vector<IValue> out;
  Py_ssize_t given = PyTuple_GET_SIZE(args);
  size_t wanted = schema.args.size() - first;
  RL_CHECK(RuntimeError, size_t(given) <= wanted, name, "() expected at most ", wanted, " argument(s) but received ",
           given, " argument(s). Declaration: ", schema.text());
  Py_ssize_t used = 0;
  for (size_t i = first; i < schema.args.size(); i++) {
    const Argument& a = schema.args[i];
    PyObject* value = Py_ssize_t(i - first) < given ? PyTuple_GET_ITEM(args, Py_ssize_t(i - first)) : nullptr;
    if (PyObject* named = kwargs ? PyDict_GetItemString(kwargs, a.name.c_str()) : nullptr) {
      RL_CHECK(RuntimeError, !value, name, "() got argument '", a.name,
               "' both by position and by name. Declaration: ", schema.text());
      value = named;
      used++;
    }
    if (!value) {
      RL_CHECK(RuntimeError, a.has_default, name, "() is missing value for argument '", a.name,
               "'. Declaration: ", schema.text());
      out.push_back(a.default_value);
    } else if (Py_TYPE(value) == object_type) {
      out.push_back(IValue(object_of(value)));
    } else if (PyBool_Check(value) && a.type->kind() == Type::Kind::Int) {
      out.push_back(int64_t(value == Py_True));
    } else {
      try {
        // A number is no tensor here, as it may be for operators.
        RL_CHECK(TypeError, a.type->kind() != Type::Kind::Tensor || !PyNumber_Check(value) || is_tensor(value), "");
        out.push_back(from_python(value, *a.type));
      } catch (const Error&) {
        throw RuntimeError(str(name, "() Expected a value of type '", a.type, "' for argument '", a.name,
                               "' but instead found type '", Py_TYPE(value)->tp_name,
                               "'. Declaration: ", schema.text()));
      }
    }
  }
  if (kwargs && used != PyDict_Size(kwargs)) {
    PyObject *key, *value;
    for (Py_ssize_t at = 0; PyDict_Next(kwargs, &at, &key, &value);)
      RL_CHECK(RuntimeError, schema.find_arg(text_of(key)) >= int(first), name,
               "() got an unexpected keyword argument '", text_of(key), "'. Declaration: ", schema.text());
  }
  return out;
}

IValue run(Function& f, std::vector<IValue> args) {
  GilRelease release(true);
  return graph::run_function(f, std::move(args));
}

PyObject* function_call(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    Function& f = made(function_of(self));
    auto values = arguments(f.schema, 0, args, kwargs, f.name);
    return to_python(run(f, std::move(values)));
  });
}
PyObject* function_graph(PyObject* self, void*) {
  return guarded([&]() -> PyObject* { return to_str(made(function_of(self)).graph->text()); });
}
PyObject* function_inlined(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    std::shared_ptr<graph::Graph> graph = made(function_of(self)).graph->copy();
    graph::inline_calls(*graph);
    return to_str(graph->text());
  });
}
// What a call runs.
PyObject* function_optimized(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    std::shared_ptr<graph::Graph> graph = made(function_of(self)).graph->copy();
    graph::optimize(*graph);
    graph::forget_shapes(*graph);
    return to_str(graph->text());
  });
}
PyObject* function_code_text(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    std::vector<Tensor> constants;
    script::TextOptions options{constants};
    return to_str(script::function_code(made(function_of(self)), options));
  });
}
PyObject* function_schema(PyObject* self, void*) {
  return guarded([&]() -> PyObject* { return to_str(made(function_of(self)).schema.text()); });
}
// (code, [constants])
PyObject* function_code_parts(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    std::vector<Tensor> constants;
    script::TextOptions options{constants};
    Object code = check(to_str(script::function_code(made(function_of(self)), options)));
    Object list = check(to_python(IValue(std::move(constants))));
    return PyTuple_Pack(2, code.get(), list.get());
  });
}
// A module whose forward is the function.
PyObject* function_module(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    Function& f = made(function_of(self));
    auto type = std::make_shared<ClassType>("__torch__.PlaceholderModule", true);
    type->add_slot("training", Type::boolean());
    auto forward = std::make_shared<Function>();
    forward->name = "forward";
    forward->compile = [from = *reinterpret_cast<PyFunction*>(self)->function, c = type.get()](Function& into) {
      auto graph = std::make_shared<graph::Graph>();
      std::vector<graph::Value*> inputs;
      Argument object;
      object.name = "self";
      object.type = c->unowned();
      object.type_name = object.type->schema_text();
      graph->add_input("self", object.type);
      for (const graph::Value* v : from->graph->inputs()) inputs.push_back(graph->add_input(v->name(), v->type()));
      for (graph::Value* v : graph->inline_block(*from->graph->block(), inputs)) graph->register_output(v);
      into.schema = from->schema;
      into.schema.name = "forward";
      into.schema.args.insert(into.schema.args.begin(), object);
      into.graph = std::move(graph);
    };
    type->add_method(forward);
    f.made();
    auto object = make_ref<ObjectValue>(type, 1);
    object->slots[0] = true;
    forward->made();
    return wrap_object(std::move(object));
  });
}
PyObject* function_name(PyObject* self, void*) {
  return guarded([&]() -> PyObject* { return to_str(function_of(self).name); });
}
void function_dealloc(PyObject* self) {
  delete reinterpret_cast<PyFunction*>(self)->inlined;
  delete reinterpret_cast<PyFunction*>(self)->function;
  Py_TYPE(self)->tp_free(self);
}
PyGetSetDef function_getset[] = {
    {"_graph_text", function_graph, nullptr, "the graph as text", nullptr},
    {"_inlined_text", function_inlined, nullptr, "the graph with all calls inlined, as text", nullptr},
    {"_optimized_text", function_optimized, nullptr, "the graph that a call runs, as text", nullptr},
    {"schema", function_schema, nullptr, "the schema as text", nullptr},
    {"code", function_code_text, nullptr, "the function as TorchScript text", nullptr},
    {"name", function_name, nullptr, "its name", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef function_table[] = {
    {"_code_parts", function_code_parts, METH_NOARGS, "the text, and the tensors that it names"},
    {"_module", function_module, METH_NOARGS, "a module whose forward is the function"},
    {nullptr, nullptr, 0, nullptr}};
PyType_Slot function_slots[] = {{Py_tp_methods, function_table},
                                {Py_tp_call, reinterpret_cast<void*>(function_call)},
                                {Py_tp_dealloc, reinterpret_cast<void*>(function_dealloc)},
                                {Py_tp_getset, function_getset},
                                {Py_tp_doc, const_cast<char*>("A compiled function.")},
                                {0, nullptr}};
PyType_Spec function_spec = {"rushlight._C.ScriptFunction", sizeof(PyFunction), 0, Py_TPFLAGS_DEFAULT, function_slots};

// ---- ScriptObject ----

const ClassType& class_of(PyObject* o) { return *graph::as_class(object_of(o)->type); }

PyObject* object_call_method(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    RL_CHECK(TypeError, PyTuple_GET_SIZE(args) >= 1, "_call(): expected the name of a method");
    std::string name(text_of(PyTuple_GET_ITEM(args, 0)));
    Object rest = check(PyTuple_GetSlice(args, 1, PyTuple_GET_SIZE(args)));
    Function* f = class_of(self).find_method(name);
    RL_CHECK(AttributeError, f, "Method '", name, "' is not defined.");
    made(*f);
    auto values = arguments(f->schema, 1, rest.get(), kwargs, name);
    values.insert(values.begin(), IValue(object_of(self)));
    return to_python(run(*f, std::move(values)));
  });
}
PyObject* object_method(PyObject* self, PyObject* name) {
  return guarded([&]() -> PyObject* {
    for (const auto& f : class_of(self).methods)
      if (f->name == text_of(name)) {
        made(*f);
        return wrap_function(
            {graph::as_class_shared(object_of(self)->type), f.get()});  // the class has it, and lives as long
      }
    Py_RETURN_NONE;
  });
}
const char* kind_of(const ClassType::Slot& s) {
  const ClassType* c = graph::as_class(s.type);
  return s.is_parameter ? "parameter" : s.is_buffer ? "buffer" : c && c->is_module ? "module" : "attribute";
}
// The value of a slot, or of a constant of the class. A slot that nothing was put into is None.
PyObject* object_get(PyObject* self, PyObject* name) {
  return guarded([&]() -> PyObject* {
    const ClassType& c = class_of(self);
    std::string key(text_of(name));
    int slot = c.find_slot(key);
    if (slot >= 0) return to_python(object_of(self)->slots[size_t(slot)]);
    auto constant = c.constants.find(key);
    RL_CHECK(AttributeError, constant != c.constants.end(), "the script module has no attribute '", key, "'");
    return to_python(constant->second);
  });
}
// {name: "parameter", "buffer", "module", "attribute" or "constant"}
PyObject* object_kinds(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    Object out = check(PyDict_New());
    auto add = [&](const std::string& name, const char* kind) {
      check_status(PyDict_SetItemString(out.get(), name.c_str(), check(to_str(kind)).get()));
    };
    for (const auto& [name, value] : class_of(self).constants)
      if (!value.is_capsule() && !name.starts_with('$')) add(name, "constant");  // others are for the compiler
    for (const ClassType::Slot& s : class_of(self).slots) add(s.name, kind_of(s));
    return out.release();
  });
}
// An object of the same class: over the same values, or over copies of them.
PyObject* copied(PyObject* self, const std::function<PyObject*(PyObject*)>& copy) {
  const Ref<ObjectValue>& from = object_of(self);
  auto made = make_ref<ObjectValue>(from->type, from->slots.size());
  Object out = check(wrap_object(made));
  const ClassType& c = class_of(self);
  for (size_t i = 0; i < from->slots.size(); i++) {
    if (!copy || from->slots[i].is_none()) {
      made->slots[i] = from->slots[i];
      continue;
    }
    Object value = check(copy(check(to_python(from->slots[i])).get()));
    made->slots[i] = from_python(value.get(), *c.slots[i].type);
  }
  return out.release();
}
PyObject* object_copy(PyObject* self, PyObject*) {
  return guarded([&] { return copied(self, nullptr); });
}
// The same object stays the same one: memo knows it by its address, since a Python object stands for it only for a while.
PyObject* object_deepcopy(PyObject* self, PyObject* memo) {
  return guarded([&]() -> PyObject* {
    Object key = check(Py_BuildValue("(sK)", "ScriptObject", (unsigned long long)(object_of(self).get())));
    if (PyObject* known = PyDict_GetItemWithError(memo, key.get())) return Py_NewRef(known);
    static PyObject* deepcopy = Py_NewRef(imported("copy", "deepcopy"));
    Object out(copied(self, [&](PyObject* v) { return PyObject_CallFunctionObjArgs(deepcopy, v, memo, nullptr); }));
    check_status(PyDict_SetItem(memo, key.get(), check(Py_NewRef(out.get())).get()));
    return out.release();
  });
}
PyObject* object_reduce(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    throw RuntimeError(str("Tried to serialize object ", class_of(self).name(),
                           " which does not have a __getstate__ method defined! Save it with torch.jit.save."));
  });
}
// (names of the methods that run before forward, and after it)
PyObject* object_hooks(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    auto list = [](const std::vector<std::string>& names) {
      Object out = check(PyList_New(0));
      for (const std::string& n : names) check_status(PyList_Append(out.get(), check(to_str(n)).get()));
      return out;
    };
    return PyTuple_Pack(2, list(class_of(self).pre_hooks).get(), list(class_of(self).hooks).get());
  });
}
PyObject* object_methods(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    Object out = check(PyList_New(0));
    for (const auto& f : class_of(self).methods) check_status(PyList_Append(out.get(), check(to_str(f->name)).get()));
    return out.release();
  });
}
// Whether a module's methods take and give what an interface says; compiles them.
void check_interface(const ClassType& wanted, const TypePtr& have) {
  const ClassType& c = *graph::as_class(have);
  for (const auto& f : wanted.methods) {
    Function* own = c.find_method(f->name);
    RL_CHECK(TypeError, own, c.name(), " has no method '", f->name, "'");
    const Schema &a = f->schema, &b = made(*own).schema;
    bool fits = a.args.size() == b.args.size() && b.returns[0].type->is_subtype_of(*a.returns[0].type);
    for (size_t i = 1; fits && i < a.args.size(); i++)
      fits = a.args[i].name == b.args[i].name && a.args[i].type->is_subtype_of(*b.args[i].type);
    RL_CHECK(TypeError, fits, "the method '", f->name, "' of ", c.name(), " is ", b.text(), ", and the interface ",
             wanted.name(), " says ", a.text());
  }
}
bool script_from_python(PyObject* o, IValue& out);
PyObject* object_set(PyObject* self, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char* name;
    PyObject* value;
    if (!PyArg_ParseTuple(args, "sO:_set", &name, &value)) return nullptr;
    const ClassType& c = class_of(self);
    int slot = c.find_slot(name);
    RL_CHECK(AttributeError, slot >= 0, "the script module has no attribute '", name, "'");
    const TypePtr& type = c.slots[size_t(slot)].type;
    IValue v;
    try {
      const ClassType* wanted_class = graph::as_class(type);
      if (wanted_class && !wanted_class->is_interface && script_from_python(value, v))
        RL_CHECK(TypeError, v.to_object().type == type, "expected an object of the same class, got a ", v.type());
      v = from_python(value, *type);
      if (const ClassType* wanted = graph::as_class(type); wanted && wanted->is_interface)
        check_interface(*wanted, v.type());
    } catch (const Error& e) {
      throw RuntimeError(str("Could not cast attribute '", name, "' to type ", type, ": ", e.text()));
    }
    graph::set_slot(object_of(self)->slots[size_t(slot)], std::move(v));
    Py_RETURN_NONE;
  });
}
PyObject* object_identity(PyObject* self, void*) { return PyLong_FromVoidPtr(object_of(self).get()); }
PyObject* object_class_name(PyObject* self, void*) {
  return guarded([&]() -> PyObject* { return to_str(class_of(self).name()); });
}
std::string bytes_of(PyObject* o) {
  char* p;
  Py_ssize_t n;
  if (PyUnicode_Check(o)) return std::string(text_of(o));
  check_status(PyBytes_AsStringAndSize(o, &p, &n));
  return {p, size_t(n)};
}
std::map<std::string, std::string> files_from(PyObject* dict) {
  std::map<std::string, std::string> out;
  PyObject *key, *value;
  for (Py_ssize_t at = 0; PyDict_Next(dict, &at, &key, &value);) out[std::string(text_of(key))] = bytes_of(value);
  return out;
}

PyObject* object_save(PyObject* self, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *destination, *extra;
    if (!PyArg_ParseTuple(args, "OO!:_save", &destination, &PyDict_Type, &extra)) return nullptr;
    std::map<std::string, std::string> files = files_from(extra);
    if (PyUnicode_Check(destination)) {
      std::string path(text_of(destination));
      std::string stem = path.substr(path.rfind('/') + 1);
      stem = stem.substr(0, stem.rfind('.'));
      io::AtomicFile file(path);
      {
        GilRelease release(true);
        script::save_module(*object_of(self), file.sink(), stem.empty() ? "archive" : stem, files);
      }
      file.commit();
      Py_RETURN_NONE;
    }
    std::string bytes;
    {
      GilRelease release(true);
      auto sink = [&](const void* p, size_t n) { bytes.append(static_cast<const char*>(p), n); };
      script::save_module(*object_of(self), sink, "archive", files);
    }
    Object written = check(PyBytes_FromStringAndSize(bytes.data(), Py_ssize_t(bytes.size())));
    return PyObject_CallMethod(destination, "write", "O", written.get());
  });
}
// The values of `extra` become the bytes of the files that are there.
PyObject* load_object(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *source, *extra;
    if (!PyArg_ParseTuple(args, "OO!:_load_script", &source, &PyDict_Type, &extra)) return nullptr;
    std::map<std::string, std::string> files = files_from(extra);
    Ref<ObjectValue> module;
    if (PyUnicode_Check(source)) {
      std::string path(text_of(source));
      GilRelease release(true);
      module = script::load_module(io::map_file(path), path, &files);
    } else {
      std::string all = bytes_of(source);
      GilRelease release(true);
      module = script::load_module(io::own_bytes({all.begin(), all.end()}), "a file object", &files);
    }
    for (const auto& [file, text] : files) {
      Object value = check(PyBytes_FromStringAndSize(text.data(), Py_ssize_t(text.size())));
      check_status(PyDict_SetItemString(extra, file.c_str(), value.get()));
    }
    return wrap_object(std::move(module));
  });
}
void object_dealloc(PyObject* self) {
  delete reinterpret_cast<PyScriptObject*>(self)->object;
  Py_TYPE(self)->tp_free(self);
}
PyMethodDef object_table[] = {{"_call", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(object_call_method)),
                               METH_VARARGS | METH_KEYWORDS, "_call(method, *args, **kwargs)"},
                              {"_method", object_method, METH_O, "_method(name): the compiled method, or None"},
                              {"_get", object_get, METH_O, "_get(name): the value of a slot or constant"},
                              {"_kinds", object_kinds, METH_NOARGS, "{name: kind} of slots and constants"},
                              {"__copy__", object_copy, METH_NOARGS, nullptr},
                              {"__deepcopy__", object_deepcopy, METH_O, nullptr},
                              {"__reduce_ex__", object_reduce, METH_O, nullptr},
                              {"_hooks", object_hooks, METH_NOARGS, "methods that run before and after forward"},
                              {"_methods", object_methods, METH_NOARGS, "names of the methods"},
                              {"_set", object_set, METH_VARARGS, "_set(name, value)"},
                              {"_save", object_save, METH_VARARGS, "_save(path or file, extra files)"},
                              {nullptr, nullptr, 0, nullptr}};
PyGetSetDef object_getset[] = {{"_class_name", object_class_name, nullptr, "the class, as archives name it", nullptr},
                               {"_identity", object_identity, nullptr, "equal for what is the same object", nullptr},
                               {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyType_Slot object_slots_table[] = {{Py_tp_dealloc, reinterpret_cast<void*>(object_dealloc)},
                                    {Py_tp_methods, object_table},
                                    {Py_tp_getset, object_getset},
                                    {Py_tp_doc, const_cast<char*>("An instance of a script class.")},
                                    {0, nullptr}};
PyType_Spec object_spec = {"rushlight._C.ScriptObject", sizeof(PyScriptObject), 0, Py_TPFLAGS_DEFAULT,
                           object_slots_table};

// _freeze(object, [methods], [attributes to keep], fold) -> ScriptObject of a class with these methods and what they need
PyObject* freeze_object(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *o, *method_names, *kept_names;
    int fold;
    if (!PyArg_ParseTuple(args, "O!O!O!p:_freeze", object_type, &o, &PyList_Type, &method_names, &PyList_Type,
                          &kept_names, &fold))
      return nullptr;
    auto names = [](PyObject* list) {
      std::set<std::string> out;
      for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) out.emplace(text_of(PyList_GET_ITEM(list, i)));
      return out;
    };
    const Ref<ObjectValue>& module = object_of(o);
    const ClassType& old = *graph::as_class(module->type);
    std::set<std::string> kept = names(kept_names);
    auto type = std::make_shared<ClassType>(old.name(), true);
    std::vector<std::shared_ptr<graph::Graph>> graphs;
    std::vector<Function*> functions;
    for (const std::string& name : names(method_names)) {
      Function* f = old.find_method(name);
      RL_CHECK(AttributeError, f, "freeze: the module has no method '", name, "'");
      graphs.push_back(made(*f).graph->copy());
      functions.push_back(f);
    }
    std::vector<graph::Graph*> all;
    for (const auto& g : graphs) all.push_back(g.get());
    std::set<std::string> used;
    {
      GilRelease release(true);
      graph::freeze(all, *module, kept);
      std::function<void(const graph::Block&, const graph::Value*)> find = [&](const graph::Block& b,
                                                                               const graph::Value* self) {
        for (graph::Node* n : b) {
          for (graph::Block* inner : n->blocks()) find(*inner, self);
          if ((n->is("prim::GetAttr") || n->is("prim::SetAttr")) && n->input(0) == self)
            used.emplace(n->attribute("name").to_string());
        }
      };
      for (graph::Graph* g : all) {
        if (fold) graph::fold_frozen(*g);
        find(*g->block(), g->inputs()[0]);
      }
    }
    for (const std::string& name : kept) used.insert(name.substr(0, name.find('.')));
    std::vector<IValue> slots;
    for (size_t i = 0; i < old.slots.size(); i++) {
      const ClassType::Slot& s = old.slots[i];
      if (!used.contains(s.name)) continue;
      type->add_slot(s.name, s.type, s.is_parameter, s.is_buffer);
      slots.push_back(module->slots[i]);
    }
    for (size_t i = 0; i < functions.size(); i++) {
      auto f = std::make_shared<Function>();
      f->name = functions[i]->name;
      f->compile = [from = functions[i], c = type.get(), g = graphs[i]](Function& into) {
        into.schema = from->schema;
        into.schema.args[0].type = c->unowned();
        into.schema.args[0].type_name = c->name();
        g->inputs()[0]->set_type(c->unowned());
        into.graph = g;
      };
      f->made();
      type->add_method(std::move(f));
    }
    auto object = make_ref<ObjectValue>(type, slots.size());
    object->slots = std::move(slots);
    return wrap_object(std::move(object));
  });
}

PyMethodDef methods[] = {
    {"_freeze", freeze_object, METH_VARARGS, "_freeze(object, methods, attributes, fold) -> ScriptObject"},
    {"_compile", compile_text, METH_VARARGS, "_compile(source, file, line, names, compile) -> ScriptFunction"},
    {"_define", define, METH_VARARGS, "_define(source, file, line, names, compile) -> ScriptFunction"},
    {"_make_object", make_object, METH_VARARGS,
     "_make_object(describe, slots, constants, compile, known, functions, container) -> ScriptObject"},
    {"_make_class", make_class, METH_VARARGS, "_make_class(name, class, methods, functions, compile) -> type"},
    {"_finish_class", finish_class, METH_O, "_finish_class(type): compiles __init__, which makes its attributes"},
    {"_make_enum", make_enum_type, METH_VARARGS, "_make_enum(name, class, members) -> type"},
    {"_make_interface", make_interface, METH_VARARGS, "_make_interface(name, is_module, methods, compile) -> type"},
    {"_compile_unit", compile_unit, METH_VARARGS, "_compile_unit(source, file, line, names, compile) -> functions"},
    {"_define_methods", define_methods, METH_VARARGS, "_define_methods(object, source, file, line, names, compile)"},
    {"_has_type", has_type, METH_VARARGS, "_has_type(value, type) -> bool"},
    {"_live_classes", [](PyObject*, PyObject*) { return PyLong_FromLongLong(ClassType::live()); }, METH_NOARGS,
     "how many script classes there are"},
    {"_load_script", load_object, METH_VARARGS, "_load_script(path or bytes, extra files) -> ScriptObject"},
    {nullptr, nullptr, 0, nullptr}};

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
  auto found = python_classes().find(v.to_object().type.get());
  if (found == python_classes().end()) return wrap_object(v.ref<ObjectValue>());
  const ClassType& c = *graph::as_class(v.to_object().type);
  if (c.is_enum) return PyObject_GetItem(found->second, check(to_python(v.to_object().slots[0])).get());
  Object out = check(PyObject_CallMethod(found->second, "__new__", "O", found->second));
  for (size_t i = 0; i < c.slots.size(); i++)
    check_status(
        PyObject_SetAttrString(out.get(), c.slots[i].name.c_str(), check(to_python(v.to_object().slots[i])).get()));
  return out.release();
}
// A ScriptObject, the ScriptModule around one, or an object of a Python class that has been compiled.
bool script_from_python(PyObject* o, IValue& out) {
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
    if (!c || !script_object(c)) return false;
    o = c;
  }
  out = IValue(object_of(o));
  return true;
}

}  // namespace

void bind_script(PyObject* module) {
  function_type = reinterpret_cast<PyTypeObject*>(check(PyType_FromSpec(&function_spec)).release());
  object_type = reinterpret_cast<PyTypeObject*>(check(PyType_FromSpec(&object_spec)).release());
  add_object(module, "ScriptFunction", reinterpret_cast<PyObject*>(function_type));
  add_object(module, "ScriptObject", reinterpret_cast<PyObject*>(object_type));
  add_methods(module, methods);
  object_to_python = script_to_python;
  object_from_python = script_from_python;
}

}  // namespace rushlight::py
