// How what Python names becomes a value of a script: modules, functions, constants, types.
#include <algorithm>

#include "py_convert.h"
#include "py_script.h"
#include "rushlight/core/future_type.h"
#include "rushlight/graph/named_tuple.h"
#include "rushlight/script/lowering.h"

namespace rushlight::py {
namespace {

using script::Range;
using script::SugaredPtr;

constexpr const char* kTypeCapsule = "rushlight.ScriptType";

}  // namespace

Object wrap_type(TypePtr type) {
  return check(PyCapsule_New(new TypePtr(std::move(type)), kTypeCapsule, [](PyObject* capsule) {
    delete static_cast<TypePtr*>(PyCapsule_GetPointer(capsule, kTypeCapsule));
  }));
}
const TypePtr* type_in(PyObject* o) {
  return PyCapsule_IsValid(o, kTypeCapsule) ? static_cast<TypePtr*>(PyCapsule_GetPointer(o, kTypeCapsule)) : nullptr;
}

TypePtr type_from(PyObject* spec) {
  if (PyUnicode_Check(spec)) return parse_schema_type(text_of(spec));
  if (const TypePtr* made = type_in(spec)) return *made;
  std::string_view kind = text_of(PyTuple_GET_ITEM(spec, 0));
  PyObject* list = PyTuple_GET_ITEM(spec, PyTuple_GET_SIZE(spec) - 1);
  std::vector<TypePtr> parts;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) parts.push_back(type_from(PyList_GET_ITEM(list, i)));
  if (kind == "List") return Type::list(parts.at(0));
  if (kind == "Future") return future_type(parts.at(0));
  if (kind == "Await") return await_type(parts.at(0));
  if (kind == "Dict") return Type::dict(parts.at(0), parts.at(1));
  if (kind == "Tuple") return Type::tuple(std::move(parts));
  if (kind == "NamedTuple") {
    PyObject* names = PyTuple_GET_ITEM(spec, 2);
    std::vector<std::string> fields;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(names); i++) fields.emplace_back(text_of(PyList_GET_ITEM(names, i)));
    std::map<std::string, IValue> defaults;
    for (size_t i = 0; i < fields.size(); i++)
      if (PyObject* given = PyDict_GetItemString(PyTuple_GET_ITEM(spec, 3), fields[i].c_str())) try {
          defaults[fields[i]] = from_python(given, *parts[i]);
        } catch (const TypeError&) { defaults[fields[i]] = from_python(given); }
    std::string name(text_of(PyTuple_GET_ITEM(spec, 1)));
    return std::make_shared<graph::NamedTuple>(std::move(parts), std::move(name), std::move(fields),
                                               std::move(defaults));
  }
  return Type::union_of(std::move(parts));
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

// A Python object that a name in script text stands for.
SugaredPtr sugar(PyObject* o, PyObject* compile);

// A Python object that TorchScript has no use for: an error where something is done with it, with the name that the text gives it.
class PythonObject final : public script::Sugared {
 public:
  PythonObject(std::string name, PyObject* o, PyObject* compile)
      : kind_(str("python value of type '", Py_TYPE(o)->tp_name, "'")),
        name_(std::move(name)),
        object_(o),
        compile_(compile) {
    is_module_ = PyObject_HasAttrString(o, "_modules");
    if (!PyType_Check(o)) return;
    Object module(PyObject_GetAttrString(o, "__module__")), own(PyObject_GetAttrString(o, "__name__"));
    if (module && own && PyUnicode_Check(module.get()) && PyUnicode_Check(own.get()))
      qualified_ = str(text_of(module.get()), ".", text_of(own.get()));
    PyErr_Clear();
  }
  std::string kind() const override { return kind_; }
  std::string qualified_name() const override { return qualified_; }
  script::Value* as_value(const Range& range, script::Lowering&) override { refuse(range); }
  SugaredPtr attribute(const Range& range, script::Lowering& l, const std::string& wanted) override;
  SugaredPtr call(const Range& range, script::Lowering&, const std::vector<script::CallArg>&) override {
    if (is_module_) fail(range, str("Cannot call a ScriptModule that is not a submodule of the caller: '", name_, "'"));
    fail(range, str(refused(), ". This op may not exist or may not be currently supported in TorchScript"));
  }
  bool iterate(const Range& range, script::Lowering&, script::Iteration&) override { refuse(range); }

 private:
  [[noreturn]] void refuse(const Range& range) {
    fail(range,
         str(kind_, " cannot be used as a value: ", refused(), ". If it is a global, pass it in as an argument"));
  }
  std::string refused() const {
    return str("Python object '", name_, "' of", kind_.substr(kind_.find(" type")), " cannot be used in TorchScript");
  }
  std::string kind_, name_, qualified_;
  Kept object_, compile_;
  bool is_module_ = false;
};

SugaredPtr sugar_or_object(const std::string& name, PyObject* o, PyObject* compile) {
  if (SugaredPtr s = sugar(o, compile)) return s;
  return std::make_shared<PythonObject>(name, o, compile);
}

// Of a class that scripts have no objects of, as one of nn.Module's, its functions can be called all the same: Net.helper(x).
SugaredPtr PythonObject::attribute(const Range& range, script::Lowering&, const std::string& wanted) {
  GilAcquire gil;
  if (!PyType_Check(object_.get())) refuse(range);
  Object found(PyObject_GetAttrString(object_.get(), wanted.c_str()));
  PyErr_Clear();
  if (!found || !PyFunction_Check(found.get())) refuse(range);
  try {
    return sugar_or_object(str(name_, ".", wanted), found.get(), compile_.get());
  } catch (const ErrorSet&) { throw_python_error(); }
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
    if (role_ != "class") return real()->call(range, l, args);
    SugaredPtr function = part("__func__");  // of a bound method of the class
    auto* inlined = dynamic_cast<script::InlineFunction*>(function.get());
    if (!inlined) fail(range, str("class method '", name_, "' can't be compiled"));
    script::InlineFunction of_class = *inlined;
    of_class.self = part("__self__");
    return of_class.call(range, l, args);
  }

 private:
  SugaredPtr real() {
    GilAcquire gil;
    try {
      return sugar_or_object(name_, object_.get(), compile_.get());
    } catch (const ErrorSet&) { throw_python_error(); }
  }
  SugaredPtr part(const char* attribute) {
    GilAcquire gil;
    try {
      Object found = check(PyObject_GetAttrString(object_.get(), attribute));
      return sugar_or_object(name_, found.get(), compile_.get());
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
    fail(range, str("module '", name_, "': object has no attribute ", wanted));
  }

 private:
  std::string name_;
  Kept module_, compile_;
  script::Namespace known_;
};

// A Python function that a script calls as it is.
struct PythonCall final : RefCounted {
  PythonCall(PyObject* f, Schema s, bool more);
  Kept function;
  std::string name;
  Schema schema;
  bool takes_more;             // *args
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
    if (type.is(Type::Kind::None) || (type.is(Type::Kind::Tensor) && result.get() == Py_None)) return;  // no tensor
    try {
      rets[0] = from_python(result.get(), type);
    } catch (const Error& e) {
      throw RuntimeError(str("the ignored function '", call.name, "' is said to return a value of type '", type.text(),
                             "' but instead got value of type ", type_name(result.get()), ": ", e.text()));
    }
  } catch (const ErrorSet&) { throw_python_error(); }
}
Argument argument_of(std::string name, TypePtr type) {
  Argument a;
  a.name = std::move(name);
  a.type = std::move(type);
  a.type_name = a.type->schema_text();
  return a;
}
PythonCall::PythonCall(PyObject* f, Schema s, bool more)
    : function(f), name(s.name), schema(std::move(s)), takes_more(more) {
  Argument any = argument_of("", Type::any());
  any.is_mutated = true;  // what it does with an argument is not known
  primitive.schema.name = "prim::PythonOp";
  primitive.schema.args.assign(schema.args.size() + 1, any);
  primitive.schema.returns = schema.returns;
  primitive.run = run_python;
}
class PythonFunction final : public script::Sugared {
 public:
  explicit PythonFunction(Ref<PythonCall> c, script::Value* self = nullptr) : call_(std::move(c)), self_(self) {}
  std::string kind() const override { return "Python function '" + call_->name + "'"; }
  SugaredPtr bind(const Range&, script::Lowering&, script::Value* self) override {
    return std::make_shared<PythonFunction>(call_, self);
  }
  SugaredPtr call(const Range& range, script::Lowering& l, const std::vector<script::CallArg>& given) override {
    std::vector<script::CallArg> args = given;
    if (self_) args.insert(args.begin(), {range, "", script::graph_value(self_)});
    Ref<PythonCall> call = call_;
    if (call->takes_more &&
        args.size() > call->schema.args.size()) {  // each number of arguments has a schema of its own
      Schema schema = call->schema;
      while (schema.args.size() < args.size())
        schema.args.push_back(argument_of(str("argument_", schema.args.size()), Type::any()));
      call = make_ref<PythonCall>(call_->function.get(), std::move(schema), false);
    }
    std::vector<script::Value*> inputs;
    std::string why;
    if (!l.match(range, call->schema, args, inputs, why, true, false)) fail(range, str(call->name, "(): ", why));
    inputs.insert(inputs.begin(), l.constant(range, IValue::capsule(call), Type::any()));
    graph::Node* n = l.emit(range, "prim::PythonOp", inputs);
    n->set_attribute("name", call->name);
    n->primitive = &call->primitive;  // the constant beside it keeps that
    return script::graph_value(n->output()->set_type(call->schema.returns[0].type));
  }

 private:
  Ref<PythonCall> call_;
  script::Value* self_;  // of a method
};
// ("python", function, name, [(argument, type or None, has default, default)], type of the result, whether it takes more)
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
    Argument a = argument_of(name, type_from(type));
    if ((a.has_default = has_default)) a.default_value = from_python(value, *a.type);
    schema.args.push_back(std::move(a));
  }
  schema.returns.push_back(argument_of("", type_from(PyTuple_GET_ITEM(spec, 4))));
  const bool more = PyTuple_GET_ITEM(spec, 5) == Py_True;
  return std::make_shared<PythonFunction>(make_ref<PythonCall>(function, std::move(schema), more));
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
    if (name == "math" || name == "cmath") return std::make_shared<script::Namespace>(name);
    if (name.starts_with("torch.")) name.replace(0, 5, "rushlight");  // in a program that imports torch
    if (name == "rushlight.jit") return std::make_shared<script::Namespace>("torch.jit");
    if (name == "rushlight.classes" || name.starts_with("rushlight.classes."))
      return std::make_shared<script::Namespace>("torch" + name.substr(9));
    bool known = name == "rushlight" || name == "rushlight.linalg" || name == "rushlight.special" ||
                 name == "rushlight.fft" || name == "rushlight.nn.functional";
    return std::make_shared<PythonModule>(o, compile,
                                          known && name != "rushlight.nn.functional" ? "torch" + name.substr(9) : "");
  }
  if (Py_TYPE(o) == script_function_type) {
    auto* f = reinterpret_cast<PyScriptFunction*>(o);
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
  if (PyTuple_Check(out.get()) && PyTuple_GET_SIZE(out.get()) == 6) return python_function(out.get());
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
  return Py_TYPE(out.get()) == script_function_type ? sugar(out.get(), compile) : nullptr;
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
    RL_CHECK(
        RuntimeError, !PyList_Check(found) && !PyDict_Check(found),
        "Mutable default parameters are not supported because Python binds them to the function and they persist "
        "across function calls. As a workaround, make the default None and instantiate the default parameter within "
        "the body of the function. Found ",
        Py_TYPE(found)->tp_name, " on parameter ", parameter);
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

}  // namespace

SugaredPtr lazy_object(std::string name, std::string role, PyObject* o, PyObject* compile) {
  return std::make_shared<LazyObject>(std::move(name), std::move(role), o, compile);
}
std::shared_ptr<script::Resolver> python_resolver(PyObject* names, PyObject* compile) {
  return std::make_shared<PythonResolver>(names, compile);
}

}  // namespace rushlight::py
