// torch::jit::mobile: modules as programs of mobile runtimes load them. Their archives hold text besides bytecode, which is what runs here.
#pragma once
#include <map>

#include "rushlight/api/module.h"

namespace rushlight::api::jit {

namespace mobile {
using jit::Method;
class Module : public jit::Module {
 public:
  Module() = default;
  explicit Module(jit::Module m) : jit::Module(std::move(m)) {}
  // By their paths, "conv.weight".
  std::map<std::string, Tensor> named_parameters() const {
    std::map<std::string, Tensor> out;
    for (auto& item : jit::Module::named_parameters()) out.emplace(std::move(item.name), std::move(item.value));
    return out;
  }
  bool compareMethodSchemas(const std::string& a, const std::string& b) const {
    return str(get_method(a).getSchema()) == str(get_method(b).getSchema());
  }
};
}  // namespace mobile

// As load(), of archives with and without bytecode.
inline mobile::Module _load_for_mobile(const std::string& path, std::optional<Device> device = std::nullopt) {
  return mobile::Module(load(path, device));
}
inline mobile::Module _load_for_mobile(const std::string& path, std::optional<Device> device, ExtraFilesMap& extra) {
  return mobile::Module(load(path, device, extra));
}
inline mobile::Module _load_for_mobile(std::istream& in, std::optional<Device> device = std::nullopt) {
  return mobile::Module(load(in, device));
}
inline mobile::Module _load_for_mobile(std::istream& in, std::optional<Device> device, ExtraFilesMap& extra) {
  return mobile::Module(load(in, device, extra));
}

}  // namespace rushlight::api::jit
