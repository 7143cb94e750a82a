// Classes whose objects C++ makes: what scripts, schemas and archives name torch.classes.quantized.LinearPackedParamsBase. One registry has
// them all: those of programs (torch::class_ in api/custom_class.h, which add_native_class() a class with methods of their own), and those
// whose objects never change (define_native_class). The library of rushlight's own that has a namespace is loaded when somebody names
// a class of it.
// Thread safety: all functions may run at once.
#pragma once
#include <map>

#include "rushlight/graph/ir.h"

namespace rushlight::graph {

constexpr std::string_view kNativeClasses = "__torch__.torch.classes.";  // what their full names begin with

// Kept for good. Throws RuntimeError where there is one of that name already.
void add_native_class(std::shared_ptr<ClassType> type);
// By its whole name, "__torch__.torch.classes.quantized.LinearPackedParamsBase". Null for any other.
std::shared_ptr<ClassType> find_native_class(const std::string& full_name);
inline bool is_of_native_class(const Type& t) { return t.name().starts_with(kNativeClasses); }

// ---- classes whose objects never change: the state that archives hold, and what was prepared from it for computing; they are shared ----

// Checks what an archive holds, which may be anything, and makes of it what kernels want. Throws RuntimeError.
using Prepare = Ref<RefCounted> (*)(const IValue& state);

// "quantized.LinearPackedParamsBase". Kept for good. `methods`: their names in scripts, and the operators that they are, which take the object.
void define_native_class(const std::string& name, Prepare prepare, std::map<std::string, std::string> methods = {});
// The operator that a method is; "" for what is none.
std::string native_method(const ClassType& c, const std::string& name);
// Whether it is one of these.
bool is_native(const ClassType& c);
// An object of the class. Throws RuntimeError for a state that is none.
IValue make_native(const std::shared_ptr<ClassType>& c, IValue state);
// REQUIRES: an object of a native class.
const IValue& native_state(const ObjectValue& o);
// What `prepare` made. Throws TypeError for what is no object of the class.
RefCounted& native_parts(const IValue& object, const std::string& full_name);

}  // namespace rushlight::graph
