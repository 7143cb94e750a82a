#include "rushlight/nn/module.h"

#include "rushlight/api/args.h"
#include "rushlight/api/autograd.h"
#include "rushlight/functions.h"

namespace torch {
inline namespace rl {
namespace nn {
namespace detail {
void fail_empty(const char* what) { throw RuntimeError(what); }
void fail_cast(const char* what, const std::type_info& got, const std::type_info& wanted) {
  bool value = std::string_view(what) == "AnyValue";
  throw RuntimeError(
      value ? str("Attempted to cast AnyValue to ", demangle(wanted.name()), ", but its actual type is ",
                  demangle(got.name()))
            : str("Attempted to cast ", what, " ", demangle(got.name()), " to type ", demangle(wanted.name())));
}
}  // namespace detail

Module::Module(std::string name) : Module() { name_ = std::move(name); }
Module::Module() : parameters_("Parameter"), buffers_("Buffer"), children_("Submodule") {}
Module::Module(const Module&) = default;
Module& Module::operator=(const Module&) = default;
Module::Module(Module&&) noexcept = default;
Module& Module::operator=(Module&&) noexcept = default;
Module::~Module() = default;

const std::string& Module::name() const noexcept {
  if (!name_) name_ = demangle(typeid(*this).name());
  return *name_;
}

// ---- copies ----------------------------------------------------------------------------------------------------------

std::shared_ptr<Module> Module::clone(const std::optional<Device>&) const {
  throw NotImplementedError(str("clone() has not been implemented for ", name(), ". Subclass torch::nn::Cloneable<",
                                name(),
                                "> instead of torch::nn::Module to inherit "
                                "the ability to clone."));
}
void Module::clone_(Module&, const std::optional<Device>&) {}

namespace {
// reset(), whose draws leave the random generator as it was: a copy makes none in Python.
void remake(Module& made, void (*reset)(Module&)) {
  rushlight::Generator& generator = rushlight::default_generator();
  uint8_t before[rushlight::Generator::kStateBytes];
  auto locked = [&](auto f) {
    std::lock_guard lock(generator.mutex());
    f();
  };
  locked([&] { generator.get_state(before); });
  auto restore = [&] { locked([&] { generator.set_state(before, sizeof before); }); };
  try {
    reset(made);
  } catch (...) {
    restore();
    throw;
  }
  restore();
}
}  // namespace

std::shared_ptr<Module> Module::clone_of(const std::optional<Device>& device, Module* (*copy)(const Module&),
                                         void (*reset)(Module&)) const {
  std::shared_ptr<Module> made(copy(*this));
  made->parameters_.clear();
  made->buffers_.clear();
  made->children_.clear();
  remake(*made, reset);
  copy_contents_to(*made, device);
  return made;
}

void Module::become_clone(Module& other, const std::optional<Device>& device, bool (*assign)(Module&, Module&)) {
  std::shared_ptr<Module> made = other.clone(device);
  RL_CHECK(RuntimeError, made && assign(*this, *made),
           "Attempted to clone submodule, but it is of a different type than the submodule it was to be cloned into");
}

void Module::copy_contents_to(Module& made, const std::optional<Device>& device) const {
  NoGradGuard no_grad;
  auto check = [&](const char* what, size_t ours, size_t theirs) {
    RL_CHECK(RuntimeError, ours == theirs, "The cloned module does not have the same number of ", what,
             "s as the original module after calling reset(). Are you sure you called register_", what,
             "() inside reset() and not the constructor?");
  };
  auto copy = [&](const OrderedDict<std::string, Tensor>& from, OrderedDict<std::string, Tensor>& to) {
    for (const auto& item : from) {
      if (!item->defined()) continue;
      Tensor data = device && *device != item->device() ? Tensor(item->to(*device)) : Tensor(item->clone());
      Tensor& target = to[item.key()];
      if (target.defined()) target.set_data(data);
      else target = data;
    }
  };
  check("parameter", parameters_.size(), made.parameters_.size());
  copy(parameters_, made.parameters_);
  check("buffer", buffers_.size(), made.buffers_.size());
  copy(buffers_, made.buffers_);
  RL_CHECK(RuntimeError, children_.size() == made.children_.size(),
           "The cloned module does not have the same number of child modules as the original module after calling "
           "reset(). Are you sure you called register_module() inside reset() and not the constructor?");
  for (const auto& child : children_) made.children_[child.key()]->clone_(*child.value(), device);
}

// ---- walks -----------------------------------------------------------------------------------------------------------

namespace {
std::string join(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}
}  // namespace

void Module::apply(const ModuleApplyFunction& function) {
  function(*this);
  for (auto& child : children_) child.value()->apply(function);
}
void Module::apply(const ConstModuleApplyFunction& function) const {
  function(*this);
  for (const auto& child : children_) std::as_const(*child.value()).apply(function);
}
void Module::apply(const NamedModuleApplyFunction& function, const std::string& name_prefix) {
  function(name_prefix, *this);
  for (auto& child : children_) child.value()->apply(function, join(name_prefix, child.key()));
}
void Module::apply(const ConstNamedModuleApplyFunction& function, const std::string& name_prefix) const {
  function(name_prefix, *this);
  for (const auto& child : children_) std::as_const(*child.value()).apply(function, join(name_prefix, child.key()));
}
void Module::apply(const ModulePointerApplyFunction& function) const {
  function(shared_self());
  for (const auto& child : children_) child.value()->apply(function);
}
void Module::apply(const NamedModulePointerApplyFunction& function, const std::string& name_prefix) const {
  function(name_prefix, shared_self());
  for (const auto& child : children_) child.value()->apply(function, join(name_prefix, child.key()));
}

template <class Visit>
void Module::visit(const Visit& f, const std::string& prefix, bool recurse) const {
  f(prefix, *this);
  if (!recurse) return;
  for (const auto& child : children_) child.value()->visit(f, join(prefix, child.key()), true);
}

OrderedDict<std::string, Tensor> Module::named_parameters(bool recurse) const {
  OrderedDict<std::string, Tensor> out;
  visit(
      [&](const std::string& prefix, const Module& m) {
        for (const auto& p : m.parameters_)
          if (p->defined()) out.insert(join(prefix, p.key()), *p);
      },
      "", recurse);
  return out;
}
OrderedDict<std::string, Tensor> Module::named_buffers(bool recurse) const {
  OrderedDict<std::string, Tensor> out;
  visit(
      [&](const std::string& prefix, const Module& m) {
        for (const auto& b : m.buffers_)
          if (b->defined()) out.insert(join(prefix, b.key()), *b);
      },
      "", recurse);
  return out;
}
std::vector<Tensor> Module::parameters(bool recurse) const { return named_parameters(recurse).values(); }
std::vector<Tensor> Module::buffers(bool recurse) const { return named_buffers(recurse).values(); }

OrderedDict<std::string, std::shared_ptr<Module>> Module::named_modules(const std::string& name_prefix,
                                                                        bool include_self) const {
  OrderedDict<std::string, std::shared_ptr<Module>> out;
  if (include_self) out.insert(name_prefix, shared_self());
  for (const auto& child : children_)
    child.value()->apply([&](const std::string& name, const std::shared_ptr<Module>& m) { out.insert(name, m); },
                         join(name_prefix, child.key()));
  return out;
}
std::vector<std::shared_ptr<Module>> Module::modules(bool include_self) const {
  return named_modules({}, include_self).values();
}
std::vector<std::shared_ptr<Module>> Module::children() const { return children_.values(); }
OrderedDict<std::string, std::shared_ptr<Module>> Module::named_children() const { return children_; }

std::shared_ptr<Module> Module::shared_self() const {
  try {
    return std::const_pointer_cast<Module>(shared_from_this());
  } catch (const std::bad_weak_ptr&) {
    throw RuntimeError(
        "It looks like you attempted to retrieve your top-level module as a shared_ptr, but it is not stored in a "
        "shared_ptr. Use std::make_shared<" +
        name() +
        "> instead of creating your module on the stack, or alternatively do not try to access your top-level "
        "module at all by passing /*include_self=*/false to modules() or named_modules()");
  }
}

// ---- modes and types --------------------------------------------------------------------------------------------------

void Module::train(bool on) {
  for (auto& child : children_) child.value()->train(on);
  is_training_ = on;
}

template <class... Args>
void Module::convert(const Args&... args) {
  for (auto& child : children_) child.value()->to(args...);
  for (auto* list : {&parameters_, &buffers_})
    for (auto& item : *list)
      if (item->defined()) item->set_data(item->to(args...).detach());
}
void Module::to(Device device, Dtype dtype, bool non_blocking) { convert(device, dtype, non_blocking); }
void Module::to(Dtype dtype, bool non_blocking) { convert(dtype, non_blocking); }
void Module::to(Device device, bool non_blocking) { convert(device, non_blocking); }

void Module::zero_grad(bool set_to_none) {
  for (auto& child : children_) child.value()->zero_grad(set_to_none);
  for (auto& p : parameters_) {
    if (!p->defined() || !p->grad().defined()) continue;
    if (set_to_none) {
      p->mutable_grad().reset();
    } else {
      p->mutable_grad() = p->grad().detach();
      p->mutable_grad().zero_();
    }
  }
}

// ---- contents --------------------------------------------------------------------------------------------------------

namespace {
void check_name(const char* what, const std::string& name) {
  RL_CHECK(RuntimeError, !name.empty(), what, " name must not be empty");
  RL_CHECK(RuntimeError, name.find('.') == std::string::npos, what, " name must not contain a dot (got '", name, "')");
}
}  // namespace

Tensor& Module::register_parameter(std::string name, Tensor tensor, bool requires_grad) {
  check_name("Parameter", name);
  if (!tensor.defined()) {
    if (requires_grad)
      TORCH_WARN("An undefined tensor cannot require grad. Ignoring the `requires_grad=true` function parameter.");
  } else {
    tensor.set_requires_grad(requires_grad);
  }
  return parameters_.insert(std::move(name), std::move(tensor));
}
Tensor& Module::register_buffer(std::string name, Tensor tensor) {
  check_name("Buffer", name);
  return buffers_.insert(std::move(name), std::move(tensor));
}
void Module::add_child(std::string name, std::shared_ptr<Module> module) {
  check_name("Submodule", name);
  RL_CHECK(RuntimeError, module, "register_module: the module '", name, "' is null");
  children_.insert(std::move(name), std::move(module));
}
void Module::unregister_module(const std::string& name) {
  RL_CHECK(RuntimeError, children_.contains(name), "No Module with name `", name, "` is registered");
  children_.erase(name);
}

void Module::save(serialize::OutputArchive& archive) const {
  for (const auto& p : parameters_)
    if (p->defined()) archive.write(p.key(), p.value());
  for (const auto& b : buffers_)
    if (b->defined()) archive.write(b.key(), b.value(), true);
  for (const auto& child : children_) {
    if (!child.value()->is_serializable()) continue;
    serialize::OutputArchive nested(archive.compilation_unit());
    child.value()->save(nested);
    archive.write(child.key(), nested);
  }
}
// Members of classes are copies of what is registered: the tensors stay, and take over the archive's contents.
void Module::load(serialize::InputArchive& archive) {
  serialize::Transaction all_or_nothing(archive);
  for (auto& p : parameters_)
    if (p->defined()) archive.read(p.key(), p.value());
  for (auto& b : buffers_)
    if (b->defined()) archive.read(b.key(), b.value(), true);
  for (const auto& child : children_) {
    if (!child.value()->is_serializable()) continue;
    serialize::InputArchive nested;
    archive.read(child.key(), nested);
    child.value()->load(nested);
  }
  all_or_nothing.commit();
}
serialize::OutputArchive& operator<<(serialize::OutputArchive& archive, const std::shared_ptr<Module>& module) {
  RL_CHECK(RuntimeError, module, "Cannot serialize empty module");
  module->save(archive);
  return archive;
}
serialize::InputArchive& operator>>(serialize::InputArchive& archive, const std::shared_ptr<Module>& module) {
  RL_CHECK(RuntimeError, module, "Cannot deserialize empty module");
  serialize::Transaction all_or_nothing(archive);
  module->load(archive);
  all_or_nothing.refuse_unread();
  all_or_nothing.commit();
  return archive;
}

// ---- text ------------------------------------------------------------------------------------------------------------

void Module::pretty_print(std::ostream& stream) const { stream << name(); }
void Module::print_tree(std::ostream& stream, const std::string& indentation) const {
  pretty_print(stream);
  if (children_.is_empty()) return;
  stream << "(\n";
  std::string deeper = indentation + "  ";
  for (const auto& child : children_) {
    stream << deeper << "(" << child.key() << "): ";
    child.value()->print_tree(stream, deeper);
    stream << '\n';
  }
  stream << indentation << ")";
}
std::ostream& operator<<(std::ostream& stream, const Module& module) {
  module.print_tree(stream, "");
  return stream;
}

// ---- AnyModule -------------------------------------------------------------------------------------------------------

void AnyModule::complete(Module& module, const std::type_info& type, std::vector<AnyValue>& args, size_t count) {
  if (args.size() == count) return;
  std::vector<Module::DefaultArgument> defaults = module._forward_default_args();
  if (defaults.empty()) {
    std::string name = demangle(type.name());
    std::string hint = args.size() > count
                           ? ""
                           : " If " + name +
                                 "'s forward() method has default arguments, please make sure the forward() "
                                 "method is declared with a corresponding `FORWARD_HAS_DEFAULT_ARGS` macro.";
    throw RuntimeError(
        str(name, "'s forward() method expects ", count, " argument(s), but received ", args.size(), ".", hint));
  }
  size_t required = defaults[0].first;
  RL_CHECK(RuntimeError, args.size() >= required && args.size() <= count, demangle(type.name()),
           "'s forward() method expects at least ", required, " argument(s) and at most ", count,
           " argument(s), but received ", args.size(), ".");
  for (auto& [at, value] : defaults)
    if (at == args.size()) args.push_back(std::move(value));
  RL_CHECK(RuntimeError, args.size() == count, demangle(type.name()),
           ": FORWARD_HAS_DEFAULT_ARGS does not name every argument from number ", required, " on");
}
void AnyModule::fail_argument(size_t i, const std::type_info& wanted, const std::type_info& got) {
  throw RuntimeError(str("Expected argument #", i, " to be of type ", demangle(wanted.name()),
                         ", but received value of type ", demangle(got.name())));
}

}  // namespace nn
}  // namespace rl
}  // namespace torch
