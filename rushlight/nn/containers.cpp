#include "rushlight/nn/containers.h"

#include "rushlight/api/autograd.h"

namespace torch {
inline namespace rl {
namespace nn {

namespace detail {
void check_at(size_t i, size_t size) {
  if (i >= size) throw IndexError(str("Index out of range: ", i, " of ", size));
}
void fail_element(const std::string& key, const std::type_info& wanted) {
  throw RuntimeError(str("Unable to cast module[", key, "] to ", demangle(wanted.name())));
}
}  // namespace detail

void SequentialImpl::fail_result(const std::type_info& got, const std::type_info& asked) {
  throw RuntimeError(str("The type of the return value is ", demangle(got.name()), ", but you asked for type ",
                         demangle(asked.name())));
}
std::shared_ptr<Module> SequentialImpl::clone(const std::optional<Device>& device) const {
  auto made = std::make_shared<SequentialImpl>();
  for (size_t i = 0; i < modules_.size(); i++) made->push_back(children_[i].key(), modules_[i].clone(device));
  made->train(is_training());
  return made;
}
void SequentialImpl::pretty_print(std::ostream& stream) const { stream << "torch::nn::Sequential"; }

std::shared_ptr<Module> ModuleListImpl::clone(const std::optional<Device>& device) const {
  auto made = std::make_shared<ModuleListImpl>();
  for (const auto& m : modules_) made->push_back(m->clone(device));
  made->train(is_training());
  return made;
}
void ModuleListImpl::pretty_print(std::ostream& stream) const { stream << "torch::nn::ModuleList"; }
void ModuleListImpl::insert(size_t i, std::shared_ptr<Module> module) {
  if (i > size()) detail::check_at(i, size());
  modules_.insert(modules_.begin() + std::ptrdiff_t(i), std::move(module));
  register_module(std::to_string(size() - 1), modules_.back());
  for (; i + 1 < size(); i++) replace_module(std::to_string(i), modules_[i]);
}

std::shared_ptr<Module> ModuleDictImpl::clone(const std::optional<Device>& device) const {
  auto made = std::make_shared<ModuleDictImpl>();
  for (const auto& m : children_) made->insert(m.key(), m.value()->clone(device));
  made->train(is_training());
  return made;
}
void ModuleDictImpl::pretty_print(std::ostream& stream) const { stream << "torch::nn::ModuleDict"; }
std::shared_ptr<Module> ModuleDictImpl::pop(const std::string& key) {
  auto module = children_[key];
  children_.erase(key);
  return module;
}
void ModuleDictImpl::insert(const std::string& key, std::shared_ptr<Module> module) {
  if (contains(key)) replace_module(key, std::move(module));
  else register_module(key, std::move(module));
}

namespace {
void print_parameters(std::ostream& stream, const char* name, const OrderedDict<std::string, Tensor>& parameters) {
  stream << "torch::nn::" << name << "(" << '\n';
  for (const auto& p : parameters)
    stream << "(" << p.key() << "): Parameter containing: [" << p->scalar_type() << " of size " << p->sizes() << "]\n";
  stream << ")";
}
template <class Impl>
std::shared_ptr<Module> clone_parameters(const OrderedDict<std::string, Tensor>& parameters,
                                         const std::optional<Device>& device, bool training) {
  NoGradGuard no_grad;
  auto made = std::make_shared<Impl>();
  for (const auto& p : parameters)
    made->register_parameter(p.key(), device && *device != p->device() ? Tensor(p->to(*device)) : Tensor(p->clone()),
                             p->requires_grad());
  made->train(training);
  return made;
}
}  // namespace

void ParameterListImpl::pretty_print(std::ostream& stream) const {
  print_parameters(stream, "ParameterList", parameters_);
}
std::shared_ptr<Module> ParameterListImpl::clone(const std::optional<Device>& device) const {
  return clone_parameters<ParameterListImpl>(parameters_, device, is_training());
}
void ParameterDictImpl::pretty_print(std::ostream& stream) const {
  print_parameters(stream, "ParameterDict", parameters_);
}
std::shared_ptr<Module> ParameterDictImpl::clone(const std::optional<Device>& device) const {
  return clone_parameters<ParameterDictImpl>(parameters_, device, is_training());
}
Tensor ParameterDictImpl::pop(const std::string& key) {
  Tensor value = parameters_[key];
  parameters_.erase(key);
  return value;
}

void FunctionalImpl::pretty_print(std::ostream& stream) const { stream << "torch::nn::Functional()"; }

}  // namespace nn
}  // namespace rl
}  // namespace torch
