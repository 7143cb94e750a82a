#include "rushlight/api/backend.h"

#include <mutex>

#include "rushlight/graph/native_class.h"

namespace rushlight::api::jit {
namespace {

std::mutex lock;
std::map<std::string, BackendPreprocessFunction>& preprocess_functions() {
  static auto* all = new std::map<std::string, BackendPreprocessFunction>;
  return *all;
}
BackendPreprocessFunction preprocess_of(const std::string& backend) {
  std::lock_guard guard(lock);
  auto found = preprocess_functions().find(backend);
  return found == preprocess_functions().end() ? nullptr : found->second;
}

// A default as text; "" for what is no number, truth value or None, which callers then have to give.
std::string literal(const IValue& v) {
  if (v.isNone()) return "None";
  if (v.isBool()) return v.toBool() ? "True" : "False";
  return v.isInt() || v.isDouble() ? rushlight::str(static_cast<const rushlight::IValue&>(v)) : "";
}

// The parameters of a method, as a signature has them and as a call passes them on.
struct Parameters {
  explicit Parameters(const FunctionSchema& schema) {
    for (size_t i = 1; i < schema.arguments().size(); i++) {
      const auto& a = schema.arguments()[i];
      std::string fallback = a.default_value() ? literal(*a.default_value()) : "";
      declared +=
          rushlight::str(", ", a.name(), ": ", a.type()->annotation_str(), fallback.empty() ? "" : " = " + fallback);
      passed += (passed.empty() ? "" : ", ") + a.name();
    }
  }
  std::string declared, passed;
};

// One method: its results are checked to be what the module's own method returns.
std::string method_text(const std::string& name, const Parameters& p, const FunctionSchema& schema) {
  rushlight::TypePtr result = schema.returns().at(0).type();
  const bool several = result->is(Type::Kind::Tuple);
  std::vector<rushlight::TypePtr> parts = several ? result->contained() : std::vector<rushlight::TypePtr>{result};
  std::string text = rushlight::str("def ", name, "(self", p.declared, "):\n  typed_inputs: List[Any] = [", p.passed,
                                    "]\n  if self.__backend.is_available():\n"
                                    "    results = self.__backend.execute(self.__handles[\"",
                                    name,
                                    "\"], typed_inputs)\n"
                                    "    assert len(results) == ",
                                    parts.size(), ", \"the backend gave another number of results\"\n");
  std::string all;
  for (size_t i = 0; i < parts.size(); i++) {
    text += rushlight::str("    _", i, " = results[", i, "]\n    assert isinstance(_", i, ", ",
                           TypePtr(parts[i])->annotation_str(), ")\n");
    all += rushlight::str(i ? ", _" : "_", i);
  }
  return text + rushlight::str("    return ", several ? "(" + all + (parts.size() == 1 ? ",)" : ")") : all,
                               "\n  else:\n    raise Exception(\"Backend is not available.\")\n");
}

}  // namespace

namespace detail {
bool hasBackendPreprocessFunction(const std::string& name) { return bool(preprocess_of(name)); }
}  // namespace detail

backend_preprocess_register::backend_preprocess_register(const std::string& name, BackendPreprocessFunction f) {
  std::lock_guard guard(lock);
  RL_CHECK(RuntimeError, preprocess_functions().emplace(name, std::move(f)).second,
           "Preprocessing function for backend ", name,
           " is already registered. Ensure that registration is only called once.");
}

Module to_backend(const std::string& name, const Module& module, const Dict<std::string, IValue>& spec) {
  auto cls = graph::find_native_class(rushlight::str(graph::kNativeClasses, "__backends__.", name));
  RL_CHECK(RuntimeError, cls, "to_backend: there is no backend \"", name,
           "\"; load the library whose torch::jit::backend registers it");
  IValue processed = module._ivalue();
  if (auto preprocess = preprocess_of(name))
    processed = preprocess(module, impl::toGenericDict(spec),
                           [](const std::shared_ptr<Graph>&) { return NodeToDebugHandle(); });

  TypePtr by_method = spec.value().type();
  auto made = make_ref<ObjectValue>(cls, cls->slots.size());
  Method(made, "__init__")({});
  Module inner("__torch__.torch.jit.LoweredModule." + name);
  inner.register_attribute("__processed_module", rushlight::Type::any(), processed);
  inner.register_attribute("__method_compile_spec", by_method, spec);
  inner.register_attribute("__handles", by_method, Dict<std::string, IValue>());
  inner.register_attribute("__backend", rushlight::TypePtr(cls), rushlight::IValue(made));
  inner.define(rushlight::str(
      "def __getstate__(self):\n"
      "  return self.__method_compile_spec, self.__processed_module\n"
      "def __setstate__(self, state: Tuple[Dict[str, Any], Any]) -> None:\n"
      "  self.__method_compile_spec = state[0]\n"
      "  self.__processed_module = state[1]\n"
      "  self.__backend = torch.classes.__backends__.",
      name,
      "()\n"
      "  if self.__backend.is_available():\n"
      "    self.__handles = self.__backend.compile(self.__processed_module, self.__method_compile_spec)\n"
      "  else:\n"
      "    raise Exception(\"Backend is not available.\")\n"));
  Module outer("__torch__.torch.jit.LoweredWrapper." + name);
  outer.register_module("__loweredModule__", inner);
  for (const auto& entry : spec) {
    auto method = module.find_method(entry.key());
    RL_CHECK(RuntimeError, method, "to_backend: the compile spec names the method \"", entry.key(), "\", which ",
             module.name(), " has not");
    FunctionSchema schema = method->getSchema();
    Parameters p(schema);
    inner.define(method_text(entry.key(), p, schema));
    outer.define(rushlight::str("def ", entry.key(), "(self", p.declared, "):\n  return self.__loweredModule__.",
                                entry.key(), "(", p.passed, ")\n"));
  }
  // Where it can't run, only running it is an error, and loading it.
  if (Method(made, "is_available")({}).toBool())
    inner.run_method("__setstate__", IValue(std::make_tuple(IValue(spec), processed)));
  return outer;
}

}  // namespace rushlight::api::jit
