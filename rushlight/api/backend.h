// Backends that run parts of a model with code of their own (PyTorch's torch/csrc/jit/backends): to_backend() gives a module with the methods of
// another one, each of which hands its arguments to the backend. What the backend's preprocess function made of the module is part of
// archives, and is compiled anew where they are loaded.
//
//   struct Mine : torch::jit::PyTorchBackendInterface {...};
//   static auto mine = torch::jit::backend<Mine>("mine");
//   static auto prepared = torch::jit::backend_preprocess_register("mine", preprocess);
#pragma once
#include <functional>

#include "rushlight/api/custom_class.h"
#include "rushlight/api/module.h"

namespace rushlight::api::jit {

class PyTorchBackendInterface : public CustomClassHolder {
 public:
  PyTorchBackendInterface() = default;
  ~PyTorchBackendInterface() override = default;
  // Whether this machine can run it.
  virtual bool is_available() = 0;
  // What `execute` wants for each method, by its name. processed: what the preprocess function made; spec: what the caller of to_backend
  // said for each method.
  virtual impl::GenericDict compile(IValue processed, impl::GenericDict method_compile_spec) = 0;
  // The results of one call of a method, one for each of its tensors or other values.
  virtual impl::GenericList execute(IValue handle, impl::GenericList inputs) = 0;
};

// Numbers by which a backend names nodes in its errors; none here, where graphs show no nodes to C++ programs.
using DebugHandleType = int64_t;
using NodeToDebugHandle = std::unordered_map<const void*, DebugHandleType>;
using BackendDebugHandleGenerator = std::function<NodeToDebugHandle(const std::shared_ptr<Graph>&)>;
using BackendPreprocessFunction =
    std::function<IValue(const Module&, const Dict<IValue, IValue>&, const BackendDebugHandleGenerator&)>;

// Registers the class of a backend, which has a constructor without arguments, under torch.classes.__backends__.
template <class T>
class backend {
  static_assert(std::is_base_of_v<PyTorchBackendInterface, T>,
                "torch::jit::backend<T>: T derives from PyTorchBackendInterface");

 public:
  explicit backend(const std::string& name) {
    using Spec = Dict<std::string, IValue>;
    class_<T>("__backends__", name)
        .def(init<>())
        .def("is_available", [](const intrusive_ptr<T>& self) { return self->is_available(); })
        .def("compile",
             [](const intrusive_ptr<T>& self, const IValue& processed, const Spec& spec) {
               return impl::toTypedDict<std::string, IValue>(self->compile(processed, impl::toGenericDict(spec)));
             })
        .def("execute", [](const intrusive_ptr<T>& self, const IValue& handle, const List<IValue>& inputs) {
          return self->execute(handle, inputs);
        });
  }
};

// What a backend makes of a module before it is compiled: all that archives have of it. A module itself by default.
class backend_preprocess_register {
 public:
  backend_preprocess_register(const std::string& name, BackendPreprocessFunction preprocess);
};

// A module whose methods, those that `method_compile_spec` names, are run by the backend. Throws RuntimeError for a backend that nobody
// registered or a method that the module has not; whether the backend is available shows when a method runs, or an archive is loaded.
Module to_backend(const std::string& backend, const Module& module,
                  const Dict<std::string, IValue>& method_compile_spec);

namespace detail {
bool hasBackendPreprocessFunction(const std::string& name);
}

}  // namespace rushlight::api::jit
