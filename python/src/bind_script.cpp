// TorchScript in Python: compiling functions from their text, compiled functions, script objects, archives. Under rushlight.jit.
#include <set>

#include "bind.h"
#include "py_convert.h"
#include "py_script.h"
#include "rushlight/core/limits.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/executor/slots.h"
#include "rushlight/graph/native_class.h"
#include "rushlight/graph/passes/passes.h"
#include "rushlight/graph/tracer.h"
#include "rushlight/io/zip.h"
#include "rushlight/script/import.h"
#include "rushlight/script/inferred.h"
#include "rushlight/script/inspect.h"
#include "rushlight/script/module.h"
#include "rushlight/script/parser.h"

namespace rushlight::py {

using graph::ClassType;
using graph::Function;
using script::SugaredPtr;

PyTypeObject *script_function_type, *script_object_type;

PyObject* wrap_function(std::shared_ptr<Function> f) {
  auto* o = check(script_function_type->tp_alloc(script_function_type, 0)).release();
  reinterpret_cast<PyScriptFunction*>(o)->function = new std::shared_ptr<Function>(std::move(f));
  return o;
}
PyObject* wrap_object(Ref<ObjectValue> v) {
  auto* o = check(script_object_type->tp_alloc(script_object_type, 0)).release();
  reinterpret_cast<PyScriptObject*>(o)->object = new Ref<ObjectValue>(std::move(v));
  return o;
}
const Ref<ObjectValue>* script_object(PyObject* o) {
  return Py_TYPE(o) == script_object_type ? reinterpret_cast<PyScriptObject*>(o)->object : nullptr;
}

namespace {

// Compiles without Python's lock: another thread may wait for it while it holds the compiler's.
Function& made(Function& f) {
  if (f.is_made()) return f;
  GilRelease release(true);
  f.made();
  return f;
}

// _compile(source, file, line, names, compile) -> ScriptFunction
PyObject* compile_text(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char *text, *file;
    int line;
    PyObject *names, *compile;
    if (!PyArg_ParseTuple(args, "ssiOO:_compile", &text, &file, &line, &names, &compile)) return nullptr;
    auto resolver = python_resolver(names, compile);
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
    auto resolver = python_resolver(names, compile);
    script::StmtPtr s = script::definition_in(source_from(text, file, line));
    PyObject* out = wrap_function(script::lazy_function(s->text, s, resolver));
    reinterpret_cast<PyScriptFunction*>(out)->inlined =
        new SugaredPtr(std::make_shared<script::InlineFunction>(s, resolver.get(), resolver));
    return out;
  });
}

// _define_overloads((source, file, line, names), [(source, file, line) of a signature], compile) -> ScriptFunction that calls choose from
PyObject* define_overloads(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char *text, *file;
    int line;
    PyObject *names, *signatures, *compile;
    if (!PyArg_ParseTuple(args, "(ssiO)O!O:_define_overloads", &text, &file, &line, &names, &PyList_Type, &signatures,
                          &compile))
      return nullptr;
    auto resolver = python_resolver(names, compile);
    script::StmtPtr body = script::definition_in(source_from(text, file, line));
    std::vector<std::shared_ptr<Function>> all;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(signatures); i++) {
      if (!PyArg_ParseTuple(PyList_GET_ITEM(signatures, i), "ssi", &text, &file, &line)) return nullptr;
      script::StmtPtr signature = script::definition_in(source_from(text, file, line));
      all.push_back(script::lazy_function(body->text, script::with_signature(*signature, *body), resolver));
    }
    RL_CHECK(ValueError, !all.empty(), "_define_overloads: expected one signature or more");
    PyObject* out = wrap_function(all[0]);
    reinterpret_cast<PyScriptFunction*>(out)->inlined = new SugaredPtr(std::make_shared<script::Overloads>(all));
    return out;
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

void check_interface(const ClassType& wanted, const TypePtr& have);  // below

// " (aka NamedTuple(x, y))" of a named tuple.
std::string told_fields(const Type& t) {
  if (!t.is(Type::Kind::Tuple) || t.fields().empty()) return {};
  std::string out;
  for (const std::string& field : t.fields()) out += (out.empty() ? "" : ", ") + field;
  return " (aka NamedTuple(" + out + "))";
}

Object as_list(PyObject* value, const Type& type);
// A number stands for all of a list of known length.
Object repeated(PyObject* value, const Argument& a) {
  if (!PyLong_Check(value) && !PyFloat_Check(value)) return Object(Py_NewRef(value));
  Object list = check(PyList_New(a.list_size));
  for (int i = 0; i < a.list_size; i++) PyList_SET_ITEM(list.get(), i, Py_NewRef(value));
  return list;
}

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
    } else if (PyBool_Check(value) && a.type->kind() == Type::Kind::Int) {
      out.push_back(int64_t(value == Py_True));
    } else {
      try {
        // A number is no tensor here, as it may be for operators.
        RL_CHECK(TypeError, a.type->kind() != Type::Kind::Tensor || !PyNumber_Check(value) || is_tensor(value), "");
        out.push_back(from_python(as_list(a.list_size ? repeated(value, a).get() : value, *a.type).get(), *a.type));
      } catch (const Error&) {
        if (PyUnicode_Check(value) && a.base_type().is(Type::Kind::Device)) throw;  // which says what there is
        std::string member;
        if (a.type->is(Type::Kind::Union)) {
          try {
            member = str("Expected a member of ", a.type, " but instead found type ", from_python(value).type(), ": ");
          } catch (const Error&) {}  // what it is is said below
        }
        const bool inferred = a.type == script::inferred_tensor();
        IValue given;
        const ClassType* interface = graph::as_class(a.type);
        std::string lacks;
        if (interface && interface->is_interface && script_from_python(value, given) && given.is_object()) try {
            check_interface(*interface, given.type());
          } catch (const Error& e) { lacks = str(" ", e.text(), "."); }
        throw RuntimeError(str(member, name, "() Expected a value of type '", a.type, inferred ? " (inferred)'" : "'",
                               told_fields(*a.type), " for argument '", a.name, "' but instead found type '",
                               Py_TYPE(value)->tp_name, "'.",
                               inferred ? str(" Inferred '", a.name,
                                              "' to be of type 'Tensor' because it was not annotated with an explicit "
                                              "type.")
                                        : std::string(),
                               lacks, " Position: ", i - first, ". Declaration: ", schema.text()));
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

// What stands for a list: anything of a known length that can be gone through, as range(3).
Object as_list(PyObject* value, const Type& type) {
  const Type& wanted = type.is(Type::Kind::Optional) ? *type.element() : type;
  const bool other = PyList_Check(value) || PyTuple_Check(value) || PyUnicode_Check(value) || PyDict_Check(value) ||
                     is_tensor(value) || PyObject_CheckBuffer(value);
  if (!wanted.is(Type::Kind::List) || other ||
      !(PyRange_Check(value) || PyAnySet_Check(value) || PyObject_HasAttrString(value, "__len__")))
    return Object(Py_NewRef(value));
  if (IValue shared; script_from_python(value, shared)) return Object(Py_NewRef(value));  // a ScriptList
  Object list(PySequence_List(value));
  if (!list) PyErr_Clear();
  return list ? std::move(list) : Object(Py_NewRef(value));
}

// A trace records the call, unless it is of an object's method.
IValue run(const std::shared_ptr<Function>& f, std::vector<IValue> args) {
  graph::Tracer* tracer = graph::Tracer::current();
  const ClassType* self = !args.empty() && args[0].is_object() ? graph::as_class(args[0].to_object().type) : nullptr;
  if (tracer && (!self || self->is_module))
    return tracer->calls(f, args, [&] {
      GilRelease release(true);
      return graph::run_function(*f, args);
    });
  GilRelease release(true);
  return graph::run_function(*f, std::move(args));
}

PyObject* function_call(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    Function& f = made(function_of(self));
    auto values = arguments(f.schema, 0, args, kwargs, f.name);
    return to_python(run(*reinterpret_cast<PyScriptFunction*>(self)->function, std::move(values)));
  });
}
PyObject* function_graph(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    return wrap_graph(made(function_of(self)).graph, *reinterpret_cast<PyScriptFunction*>(self)->function);
  });
}
PyObject* function_inlined(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    std::shared_ptr<graph::Graph> graph = made(function_of(self)).graph->copy();
    graph->check();
    graph::inline_calls(*graph);
    return wrap_graph(graph, *reinterpret_cast<PyScriptFunction*>(self)->function);
  });
}
// What a call runs.
PyObject* function_optimized(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    std::shared_ptr<graph::Graph> graph = made(function_of(self)).graph->copy();
    graph::optimize(*graph);
    graph::forget_shapes(*graph);
    return wrap_graph(graph, *reinterpret_cast<PyScriptFunction*>(self)->function);
  });
}
PyObject* function_code_text(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    std::vector<IValue> constants;
    script::TextOptions options{constants};
    options.types_self = false;
    return to_str(script::function_code(made(function_of(self)), options));
  });
}
PyObject* function_schema(PyObject* self, void*) {
  return guarded([&]() -> PyObject* { return to_str(made(function_of(self)).schema.text()); });
}
// (code, [constants])
PyObject* function_code_parts(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    std::vector<IValue> constants;
    script::TextOptions options{constants};
    options.types_self = false;
    Object code = check(to_str(script::function_code(made(function_of(self)), options)));
    Object list = check(to_python(graph::make_list(Type::any(), std::move(constants))));
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
    forward->compile = [from = *reinterpret_cast<PyScriptFunction*>(self)->function, c = type.get()](Function& into) {
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
  delete reinterpret_cast<PyScriptFunction*>(self)->inlined;
  delete reinterpret_cast<PyScriptFunction*>(self)->function;
  Py_TYPE(self)->tp_free(self);
}
PyGetSetDef function_getset[] = {
    {"graph", function_graph, nullptr, "the graph", nullptr},
    {"inlined_graph", function_inlined, nullptr, "a copy of the graph with all calls inlined", nullptr},
    {"_optimized_graph", function_optimized, nullptr, "a copy of the graph that a call runs", nullptr},
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
PyType_Spec function_spec = {"rushlight._C.ScriptFunction", sizeof(PyScriptFunction), 0, Py_TPFLAGS_DEFAULT,
                             function_slots};

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
    return to_python(run({graph::as_class_shared(object_of(self)->type), f}, std::move(values)));
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
    if (slot >= 0) return to_python(graph::read_slot(object_of(self)->slots[size_t(slot)]));
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
  if (copy && from->slots.size() == 1 && from->slots[0].is_capsule()) {  // of a class of C++, which knows its state
    Function *get = c.find_method("__getstate__"), *set = c.find_method("__setstate__");
    RL_CHECK(RuntimeError, get && set, "Tried to deepcopy object ", c.name(),
             " which does not have a __getstate__ method defined! Add .def_pickle to its torch::class_");
    auto type = graph::as_class_shared(from->type);
    Object state = check(copy(check(to_python(run({type, get}, {IValue(from)}))).get()));
    run({type, set}, {IValue(made), from_python(state.get(), *set->schema.args[1].type)});
    return out.release();
  }
  const bool shared = !copy || graph::is_native(c);  // what never changes need not be copied
  for (size_t i = 0; i < from->slots.size(); i++) {
    if (shared || from->slots[i].is_none()) {
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
    const ClassType& c = class_of(self);
    Function* get = c.find_method("__getstate__");
    RL_CHECK(RuntimeError, get && graph::is_of_native_class(c), "Tried to serialize object ", c.name(),
             " which does not have a __getstate__ method defined! Save it with torch.jit.save.");
    auto type = graph::as_class_shared(object_of(self)->type);
    Object state = check(to_python(run({type, get}, {IValue(object_of(self))})));
    return Py_BuildValue("O(sO)", imported("rushlight.classes", "restored"), c.name().c_str(), state.get());
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
  RL_CHECK(TypeError, c.is_module || !wanted.is_module, c.name(), " is not compatible with interface ", wanted.name(),
           ": it is no module, and only a ScriptModule class can be subtype of module interface");
  for (const auto& f : wanted.methods) {
    Function* own = c.find_method(f->name);
    RL_CHECK(TypeError, own, c.name(), " is not compatible with interface ", wanted.name(), ": it has no method '",
             f->name, "'");
    const Schema &a = f->schema, &b = made(*own).schema;
    bool fits = a.args.size() == b.args.size() && b.returns[0].type->is_subtype_of(*a.returns[0].type);
    for (size_t i = 1; fits && i < a.args.size(); i++)
      fits = a.args[i].name == b.args[i].name && a.args[i].type->is_subtype_of(*b.args[i].type);
    RL_CHECK(TypeError, fits, c.name(), " is not compatible with interface ", wanted.name(), ": its method '", f->name,
             "' is ", b.text(), ", and the interface says ", a.text());
  }
}
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
      const ClassType* wanted = graph::as_class(type);
      const bool object = wanted && script_from_python(value, v) && v.is_object();  // a ScriptList is none
      const bool interface = wanted && wanted->is_interface;
      if (object && !interface)
        RL_CHECK(TypeError, v.to_object().type == type, "expected an object of the same class, got a ", v.type());
      if (!object || !interface) v = from_python(value, *type);
      if (interface) check_interface(*wanted, v.type());
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
PyObject* object_repr(PyObject* self) {
  return guarded([&]() -> PyObject* { return to_str(str("ScriptObject <", class_of(self).name(), ">")); });
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
    int lite = 0;
    if (!PyArg_ParseTuple(args, "OO!|p:_save", &destination, &PyDict_Type, &extra, &lite)) return nullptr;
    std::map<std::string, std::string> files = files_from(extra);
    if (PyUnicode_Check(destination)) {
      std::string path(text_of(destination));
      std::string stem = path.substr(path.rfind('/') + 1);
      stem = stem.substr(0, stem.rfind('.'));
      io::AtomicFile file(path);
      {
        GilRelease release(true);
        script::save_module(*object_of(self), file.sink(), stem.empty() ? "archive" : stem, files, bool(lite));
      }
      file.commit();
      Py_RETURN_NONE;
    }
    std::string bytes;
    {
      GilRelease release(true);
      auto sink = [&](const void* p, size_t n) { bytes.append(static_cast<const char*>(p), n); };
      script::save_module(*object_of(self), sink, "archive", files, bool(lite));
    }
    Object written = check(PyBytes_FromStringAndSize(bytes.data(), Py_ssize_t(bytes.size())));
    return PyObject_CallMethod(destination, "write", "O", written.get());
  });
}
PyObject* check_zip(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char *data, *name;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "y#s:_check_zip", &data, &size, &name)) return nullptr;
    io::ZipReader zip(io::Bytes{{reinterpret_cast<const uint8_t*>(data), size_t(size)}, nullptr}, name);
    Py_RETURN_NONE;
  });
}
PyObject* inspect_file(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char* path;
    int code;
    if (!PyArg_ParseTuple(args, "sp:_inspect", &path, &code)) return nullptr;
    std::string out;
    {
      GilRelease release(true);
      out = script::inspect(io::map_file(path), path, {.code = bool(code)});
    }
    return to_str(out);
  });
}
// The values of `extra` become the bytes of the files that are there.
PyObject* load_object(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *source, *extra, *where;
    if (!PyArg_ParseTuple(args, "OO!O:_load_script", &source, &PyDict_Type, &extra, &where)) return nullptr;
    std::optional<Device> place;
    if (where != Py_None) place = from_python(where).to_device();
    std::map<std::string, std::string> files = files_from(extra);
    Ref<ObjectValue> module;
    if (PyUnicode_Check(source)) {
      std::string path(text_of(source));
      GilRelease release(true);
      module = script::load_module(io::map_file(path), path, &files, place);
    } else {
      std::string all = bytes_of(source);
      GilRelease release(true);
      module = script::load_module(io::own_bytes({all.begin(), all.end()}), "a file object", &files, place);
    }
    for (const auto& [file, text] : files) {
      Object value = check(PyBytes_FromStringAndSize(text.data(), Py_ssize_t(text.size())));
      check_status(PyDict_SetItemString(extra, file.c_str(), value.get()));
    }
    return wrap_object(std::move(module));
  });
}
// _import_model(format, path or bytes, name, folder) -> ScriptObject
PyObject* import_model(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char *format, *name, *folder;
    PyObject* source;
    if (!PyArg_ParseTuple(args, "sOss:_import_model", &format, &source, &name, &folder)) return nullptr;
    Ref<ObjectValue> module;
    std::string text = PyUnicode_Check(source) ? std::string(text_of(source)) : bytes_of(source);
    {
      const bool mapped = PyUnicode_Check(source);
      GilRelease release(true);
      io::Bytes bytes = mapped ? io::map_file(text) : io::own_bytes({text.begin(), text.end()});
      module = script::import_model(format, bytes, name, folder);
    }
    return wrap_object(std::move(module));
  });
}
// The part of a call that Python's function writes: emit(type, inputs, attributes, outputs) -> names. An input is a name, a tensor, or the number
// of an argument; the type "" makes no node, and gives the inputs' names.
constexpr const char* kExportCall = "rushlight.ExportCall";
PyObject* emit_node(PyObject* self, PyObject* args) {
  return guarded([&]() -> PyObject* {
    auto* call = static_cast<script::ExportCall*>(PyCapsule_GetPointer(self, kExportCall));
    const char* type;
    PyObject *inputs, *attributes;
    Py_ssize_t outputs;
    if (!call ||
        !PyArg_ParseTuple(args, "sO!O!n:emit", &type, &PyList_Type, &inputs, &PyDict_Type, &attributes, &outputs))
      return nullptr;
    RL_CHECK(ValueError, outputs >= 0 && outputs < 1000, "onnx.export: a node of ", outputs, " outputs");
    std::vector<std::string> names;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(inputs); i++) {
      PyObject* in = PyList_GET_ITEM(inputs, i);
      if (PyUnicode_Check(in)) {
        names.emplace_back(text_of(in));
      } else if (PyLong_Check(in)) {
        size_t k = PyLong_AsSize_t(in);
        RL_CHECK(IndexError, !PyErr_Occurred() && k < call->size(), "onnx.export: no such argument");
        names.push_back(call->name(k));
      } else {
        IValue v = from_python(in);
        RL_CHECK(TypeError, v.is_tensor(), "onnx.export: an input of a node is a ", v.kind_name());
        names.push_back(call->constant(v.tensor()));
      }
    }
    if (*type) {
      std::vector<std::pair<std::string, IValue>> list;
      PyObject *key, *value;
      for (Py_ssize_t at = 0; PyDict_Next(attributes, &at, &key, &value);)
        list.emplace_back(std::string(text_of(key)), from_python(value));
      names = call->node(type, names, size_t(outputs), list);
    }
    Object out = check(PyList_New(0));
    for (const std::string& n : names)
      check_status(PyList_Append(out.get(), check(PyUnicode_FromString(n.c_str())).get()));
    return out.release();
  });
}
PyMethodDef emit_def = {"emit", emit_node, METH_VARARGS, nullptr};

// What Python's function makes of a call: write(kind, [(example, is it a constant), ...], emit) -> names.
std::vector<std::string> call_custom(PyObject* write, script::ExportCall& call) {
  GilAcquire locked;
  try {
    Object capsule = check(PyCapsule_New(&call, kExportCall, nullptr)),
           emit = check(PyCFunction_New(&emit_def, capsule.get())), examples = check(PyList_New(0));
    for (size_t i = 0; i < call.size(); i++) {
      Object example = check(to_python(call.example(i)));
      Object pair = check(Py_BuildValue("(OO)", example.get(), call.is_constant(i) ? Py_True : Py_False));
      check_status(PyList_Append(examples.get(), pair.get()));
    }
    Object result = check(PyObject_CallFunction(write, "sOO", call.kind().c_str(), examples.get(), emit.get()));
    RL_CHECK(TypeError, PyList_Check(result.get()), "onnx.export: no list of names");
    std::vector<std::string> names;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(result.get()); i++)
      names.emplace_back(text_of(PyList_GET_ITEM(result.get(), i)));
    return names;
  } catch (const ErrorSet&) { throw_python_error(); }
}

// _export_model(format, script object, method, arguments, opset, input names, output names, [(name, axis, dimension's name)], export_params,
// initializers_as_inputs, fold, [(domain, version)], [operators that `write` writes], write) -> bytes
PyObject* export_model(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char *format, *method;
    PyObject *module, *examples, *inputs, *outputs, *axes, *domains, *custom, *write;
    int opset, params, as_inputs, fold;
    if (!PyArg_ParseTuple(args, "sO!sO!iO!O!O!pppO!O!O:_export_model", &format, script_object_type, &module, &method,
                          &PyTuple_Type, &examples, &opset, &PyList_Type, &inputs, &PyList_Type, &outputs, &PyList_Type,
                          &axes, &params, &as_inputs, &fold, &PyList_Type, &domains, &PyList_Type, &custom, &write))
      return nullptr;
    script::ExportOptions options;
    options.opset = opset;
    options.export_params = params;
    options.initializers_as_inputs = as_inputs;
    options.fold_constants = fold;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(inputs); i++)
      options.input_names.emplace_back(text_of(PyList_GET_ITEM(inputs, i)));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(outputs); i++)
      options.output_names.emplace_back(text_of(PyList_GET_ITEM(outputs, i)));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(axes); i++) {
      const char *name, *dimension;
      long long axis;
      if (!PyArg_ParseTuple(PyList_GET_ITEM(axes, i), "sLs", &name, &axis, &dimension)) return nullptr;
      options.dynamic_axes[name][axis] = dimension;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(domains); i++) {
      const char* domain;
      long long version;
      if (!PyArg_ParseTuple(PyList_GET_ITEM(domains, i), "sL", &domain, &version)) return nullptr;
      options.domains[domain] = version;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(custom); i++)
      options.custom_operators.emplace(text_of(PyList_GET_ITEM(custom, i)));
    options.custom = [write](script::ExportCall& call) { return call_custom(write, call); };
    std::vector<IValue> values;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(examples); i++)
      values.push_back(from_python(PyTuple_GET_ITEM(examples, i)));
    std::string out;
    {
      GilRelease release(true);
      out = script::export_model(format, object_of(module), method, std::move(values), options);
    }
    return PyBytes_FromStringAndSize(out.data(), Py_ssize_t(out.size()));
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
                                    {Py_tp_repr, reinterpret_cast<void*>(object_repr)},
                                    {Py_tp_methods, object_table},
                                    {Py_tp_getset, object_getset},
                                    {Py_tp_doc, const_cast<char*>("An instance of a script class.")},
                                    {0, nullptr}};
PyType_Spec object_spec = {"rushlight._C.ScriptObject", sizeof(PyScriptObject), 0, Py_TPFLAGS_DEFAULT,
                           object_slots_table};

// _freeze(object, [methods], [attributes to keep], fold, keep parameters=False) -> ScriptObject of a class with these methods and what they need
PyObject* freeze_object(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *o, *method_names, *kept_names;
    int fold, parameters = 0;
    if (!PyArg_ParseTuple(args, "O!O!O!p|p:_freeze", script_object_type, &o, &PyList_Type, &method_names, &PyList_Type,
                          &kept_names, &fold, &parameters))
      return nullptr;
    auto names = [](PyObject* list) {
      std::set<std::string> out;
      for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) out.emplace(text_of(PyList_GET_ITEM(list, i)));
      return out;
    };
    const Ref<ObjectValue>& module = object_of(o);
    std::set<std::string> methods = names(method_names), kept = names(kept_names);
    Ref<ObjectValue> object;
    {
      GilRelease release(true);
      object = script::freeze_module(module, methods, kept, fold, parameters);
      script::make_ready(object);
    }
    return wrap_object(std::move(object));
  });
}

// Whether the tensors of one object lie where those of another of its class do. Attributes that are neither tensors, modules nor truths can't
// be told to be the same.
bool shares_state(const ObjectValue& a, const ObjectValue& b) {
  if (a.type != b.type || a.slots.size() != b.slots.size()) return false;
  for (size_t i = 0; i < a.slots.size(); i++) {
    const IValue &x = a.slots[i], &y = b.slots[i];
    if (x.is_tensor() && y.is_tensor()) {
      const TensorImpl &s = *x.tensor().impl(), &t = *y.tensor().impl();
      if (x.tensor().raw() != y.tensor().raw() || s.dtype() != t.dtype() || s.sizes() != t.sizes() ||
          s.strides() != t.strides())
        return false;
    } else if (x.is_object() && y.is_object()) {
      if (!shares_state(x.to_object(), y.to_object())) return false;
    } else if (!(x.is_bool() && y.is_bool()) && !(x.is_none() && y.is_none())) {
      return false;
    }
  }
  return true;
}
// _shares_state(object, object) -> bool
PyObject* objects_share_state(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *a, *b;
    if (!PyArg_ParseTuple(args, "O!O!:_shares_state", script_object_type, &a, script_object_type, &b)) return nullptr;
    return PyBool_FromLong(shares_state(*object_of(a), *object_of(b)));
  });
}

// _make_ready(function or object): compiles what calls run, so that the first is like others
PyObject* make_ready(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    const Ref<ObjectValue>* module = script_object(o);
    if (!module && Py_TYPE(o) != script_function_type)
      throw TypeError("_make_ready: expected a compiled function or module");
    Function* f = module ? nullptr : &function_of(o);
    {
      GilRelease release(true);
      if (module) script::make_ready(*module);
      else graph::make_ready(*f);
    }
    Py_RETURN_NONE;
  });
}

// Limits of a thread, the innermost last.
std::vector<std::unique_ptr<Limits>>& limits_of_thread() {
  static thread_local std::vector<std::unique_ptr<Limits>> all;
  return all;
}
PyObject* push_limits(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    double seconds;
    long long bytes;
    if (!PyArg_ParseTuple(args, "dL:_push_limits", &seconds, &bytes)) return nullptr;
    limits_of_thread().push_back(std::make_unique<Limits>(seconds, bytes));
    Py_RETURN_NONE;
  });
}
PyObject* pop_limits(PyObject*, PyObject*) {
  if (auto& all = limits_of_thread(); !all.empty()) all.pop_back();
  Py_RETURN_NONE;
}

PyMethodDef methods[] = {
    {"_push_limits", push_limits, METH_VARARGS, "_push_limits(seconds, bytes): for this thread; 0 is no limit"},
    {"_pop_limits", pop_limits, METH_NOARGS, "_pop_limits(): takes away the innermost"},
    {"_make_ready", make_ready, METH_O, "_make_ready(function or object): compiles what calls run"},
    {"_shares_state", objects_share_state, METH_VARARGS,
     "_shares_state(object, object) -> bool: the same tensors' memory"},
    {"_freeze", freeze_object, METH_VARARGS, "_freeze(object, methods, attributes, fold) -> ScriptObject"},
    {"_compile", compile_text, METH_VARARGS, "_compile(source, file, line, names, compile) -> ScriptFunction"},
    {"_define", define, METH_VARARGS, "_define(source, file, line, names, compile) -> ScriptFunction"},
    {"_define_overloads", define_overloads, METH_VARARGS,
     "_define_overloads(body, signatures, compile) -> ScriptFunction"},
    {"_has_type", has_type, METH_VARARGS, "_has_type(value, type) -> bool"},
    {"_import_model", import_model, METH_VARARGS, "_import_model(format, path or bytes, name, folder) -> ScriptObject"},
    {"_export_model", export_model, METH_VARARGS, "_export_model(format, object, method, arguments, ...) -> bytes"},
    {"_check_zip", check_zip, METH_VARARGS,
     "_check_zip(bytes, name): raises RuntimeError unless it is a sound zip archive"},
    {"_inspect", inspect_file, METH_VARARGS, "_inspect(path, code) -> JSON: what is in a file"},
    {"_load_script", load_object, METH_VARARGS, "_load_script(path or bytes, extra files) -> ScriptObject"},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void bind_script(PyObject* module) {
  script_function_type = reinterpret_cast<PyTypeObject*>(check(PyType_FromSpec(&function_spec)).release());
  script_object_type = reinterpret_cast<PyTypeObject*>(check(PyType_FromSpec(&object_spec)).release());
  add_object(module, "ScriptFunction", reinterpret_cast<PyObject*>(script_function_type));
  add_object(module, "ScriptObject", reinterpret_cast<PyObject*>(script_object_type));
  add_methods(module, methods);
  bind_script_classes(module);
}

}  // namespace rushlight::py
