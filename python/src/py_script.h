// What the files that bind TorchScript share: the Python objects around compiled functions and script objects, and how names and types of
// Python become those of a script. Python objects that are passed in are borrowed, and kept as long as what is made of them; `compile` is
// _resolve of _resolver.py. All of it is called with Python's lock held; what fails throws, ErrorSet where Python has the error.
#pragma once
#include "py_trace.h"
#include "rushlight/script/sugared.h"

namespace rushlight::py {

// ---- Python objects (bind_script.cpp) ----

struct PyScriptFunction {
  PyObject_HEAD std::shared_ptr<graph::Function>* function;  // owned, never null
  script::SugaredPtr* inlined;  // owned: what a call of it in a script lowers; null for a call of its graph
};
struct PyScriptObject { PyObject_HEAD Ref<ObjectValue>* object; };  // owned, never null
extern PyTypeObject *script_function_type, *script_object_type;     // null until bind_script; they live for ever

inline graph::Function& function_of(PyObject* o) { return **reinterpret_cast<PyScriptFunction*>(o)->function; }
inline const Ref<ObjectValue>& object_of(PyObject* o) { return *reinterpret_cast<PyScriptObject*>(o)->object; }

// A _C.Graph: the graph itself, which Python may change (bind_graph.cpp). It keeps `owner`, who keeps the classes that the graph names.
PyObject* wrap_graph(const std::shared_ptr<graph::Graph>& g, std::shared_ptr<const void> owner);

// ---- names and types (py_script_names.cpp) ----

// A capsule that owns a type; and the type in one, which lives as long as the capsule: null for what is no such capsule.
Object wrap_type(TypePtr type);
const TypePtr* type_in(PyObject* o);
// What _type_of in _resolver.py says: a schema's text, or a constructor and its parts. Never null.
TypePtr type_from(PyObject* spec);
// What a function of a class is to a script, looked at when the text uses it: functions are compiled only then.
// role: "method", "property", "static", or "" for what an attribute holds.
script::SugaredPtr lazy_object(std::string name, std::string role, PyObject* o, PyObject* compile);
// Names from a function's closure and globals, a dict.
std::shared_ptr<script::Resolver> python_resolver(PyObject* names, PyObject* compile);

inline std::shared_ptr<script::Source> source_from(const char* text, const char* file, int line) {
  return std::make_shared<script::Source>(script::Source{text, file, line});
}

// ---- objects of script classes (bind_script_classes.cpp) ----

// A ScriptObject, the ScriptModule around one, or an object of a Python class that has been compiled. False for anything else.
bool script_from_python(PyObject* o, IValue& out, const Type* wanted = nullptr);
// Called by bind_script, after its types are made.
void bind_script_classes(PyObject* module);

// ---- futures (py_futures.cpp) ----

// A torch.futures.Future that gets what a script's future has, or a torch._awaits._Await that waits for it.
PyObject* future_to_python(const IValue& v);
// The other way, as a future of the type `wanted`. False for what is none.
bool future_from_python(PyObject* o, IValue& out, const Type& wanted);
void bind_futures(PyObject* module);

}  // namespace rushlight::py
