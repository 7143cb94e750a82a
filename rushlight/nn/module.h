// torch::nn::Module, what holds one (TORCH_MODULE), and modules of any type (AnyModule).
//
// Thread safety: as a standard container. Tensors of a module that several threads only read may be used by all.
#pragma once
#include <functional>
#include <memory>
#include <typeinfo>

#include "rushlight/api/ordered_dict.h"
#include "rushlight/api/serialize.h"

namespace torch {
inline namespace rl {
namespace nn {

class Module;
template <class Contained>
class ModuleHolder;

namespace detail {
[[noreturn]] void fail_empty(const char* what);
class HolderBase {};
// A shared pointer to Module that is used as one to the class that it is known to be.
template <class Contained>
class Impl : public std::shared_ptr<Module> {
 public:
  using std::shared_ptr<Module>::shared_ptr;
  Impl(std::shared_ptr<Module> module) : std::shared_ptr<Module>(std::move(module)) {}
  Contained* get() const { return static_cast<Contained*>(std::shared_ptr<Module>::get()); }
  Contained* operator->() const { return get(); }
  Contained& operator*() const { return *get(); }
  operator std::shared_ptr<Contained>() const { return std::static_pointer_cast<Contained>(*this); }
};
template <class T>
constexpr bool is_holder = std::is_base_of_v<HolderBase, std::decay_t<T>>;
template <class T>
constexpr bool is_module = std::is_base_of_v<Module, std::decay_t<T>>;
template <class T>
constexpr bool is_shared = false;
template <class T>
constexpr bool is_shared<std::shared_ptr<T>> = true;
[[noreturn]] void fail_cast(const char* what, const std::type_info& got, const std::type_info& wanted);
}  // namespace detail

// A value of any type that can be copied.
class AnyValue {
 public:
  AnyValue(AnyValue&&) = default;
  AnyValue& operator=(AnyValue&&) = default;
  AnyValue(const AnyValue& o) : content_(o.content_ ? o.content_->copy() : nullptr) {}
  AnyValue& operator=(const AnyValue& o) {
    if (this != &o) content_ = o.content_ ? o.content_->copy() : nullptr;
    return *this;
  }
  template <class T, require<!std::is_same_v<std::decay_t<T>, AnyValue>> = 0>
  explicit AnyValue(T&& value) : content_(new Content<std::decay_t<T>>(std::forward<T>(value))) {}

  // Null unless the value is of exactly this type.
  template <class T>
  T* try_get() {
    static_assert(!std::is_reference_v<T> && !std::is_array_v<T>, "values are kept without reference and as pointers");
    return content_ && *content_->type == typeid(T) ? &static_cast<Content<T>&>(*content_).value : nullptr;
  }
  // Throws RuntimeError for another type.
  template <class T>
  T get() {
    T* value = try_get<T>();
    if (!value) detail::fail_cast("AnyValue", type_info(), typeid(T));
    return *value;
  }
  const std::type_info& type_info() const noexcept { return content_ ? *content_->type : typeid(void); }

 private:
  struct Erased {
    explicit Erased(const std::type_info& t) : type(&t) {}
    virtual ~Erased() = default;
    virtual std::unique_ptr<Erased> copy() const = 0;
    const std::type_info* type;
  };
  template <class T>
  struct Content : Erased {
    template <class U>
    explicit Content(U&& v) : Erased(typeid(T)), value(std::forward<U>(v)) {}
    std::unique_ptr<Erased> copy() const override { return std::unique_ptr<Erased>(new Content(value)); }
    T value;
  };
  std::unique_ptr<Erased> content_;
};

// The base of modules: parameters, buffers and modules inside it, each under a name.
//
//   struct Net : torch::nn::Module {
//     Net() : fc(register_module("fc", torch::nn::Linear(3, 2))) {}
//     torch::Tensor forward(torch::Tensor x) { return fc(x); }
//     torch::nn::Linear fc;
//   };
class Module : public std::enable_shared_from_this<Module> {
 public:
  using ModuleApplyFunction = std::function<void(Module&)>;
  using ConstModuleApplyFunction = std::function<void(const Module&)>;
  using NamedModuleApplyFunction = std::function<void(const std::string&, Module&)>;
  using ConstNamedModuleApplyFunction = std::function<void(const std::string&, const Module&)>;
  using ModulePointerApplyFunction = std::function<void(const std::shared_ptr<Module>&)>;
  using NamedModulePointerApplyFunction = std::function<void(const std::string&, const std::shared_ptr<Module>&)>;
  using DefaultArgument = std::pair<unsigned, AnyValue>;

  explicit Module(std::string name);
  Module();
  Module(const Module&);
  Module& operator=(const Module&);
  Module(Module&&) noexcept;
  Module& operator=(Module&&) noexcept;
  virtual ~Module();

  // The class's, unless the constructor was given one.
  const std::string& name() const noexcept;
  // With tensors of its own. Throws NotImplementedError unless the class derives from Cloneable.
  virtual std::shared_ptr<Module> clone(const std::optional<Device>& device = std::nullopt) const;

  // This module first, then those inside it, depth first.
  void apply(const ModuleApplyFunction& function);
  void apply(const ConstModuleApplyFunction& function) const;
  void apply(const NamedModuleApplyFunction& function, const std::string& name_prefix = {});
  void apply(const ConstNamedModuleApplyFunction& function, const std::string& name_prefix = {}) const;
  void apply(const ModulePointerApplyFunction& function) const;
  void apply(const NamedModulePointerApplyFunction& function, const std::string& name_prefix = {}) const;

  // Undefined ones are left out.
  std::vector<Tensor> parameters(bool recurse = true) const;
  OrderedDict<std::string, Tensor> named_parameters(bool recurse = true) const;
  std::vector<Tensor> buffers(bool recurse = true) const;
  OrderedDict<std::string, Tensor> named_buffers(bool recurse = true) const;
  // Throws RuntimeError with include_self for a module that no shared_ptr holds.
  std::vector<std::shared_ptr<Module>> modules(bool include_self = true) const;
  OrderedDict<std::string, std::shared_ptr<Module>> named_modules(const std::string& name_prefix = {},
                                                                  bool include_self = true) const;
  std::vector<std::shared_ptr<Module>> children() const;
  OrderedDict<std::string, std::shared_ptr<Module>> named_children() const;

  virtual void train(bool on = true);
  void eval() { train(false); }
  virtual bool is_training() const noexcept { return is_training_; }
  // Parameters and buffers stay the same tensors, with other contents.
  virtual void to(Device device, Dtype dtype, bool non_blocking = false);
  virtual void to(Dtype dtype, bool non_blocking = false);
  virtual void to(Device device, bool non_blocking = false);
  virtual void zero_grad(bool set_to_none = true);

  // Null for a module of another class. T is the module's class or its holder's.
  template <class T>
  auto* as() noexcept {
    if constexpr (detail::is_holder<T>) return dynamic_cast<typename T::ContainedType*>(this);
    else return dynamic_cast<T*>(this);
  }
  template <class T>
  auto* as() const noexcept {
    if constexpr (detail::is_holder<T>) return dynamic_cast<const typename T::ContainedType*>(this);
    else return dynamic_cast<const T*>(this);
  }

  virtual void save(serialize::OutputArchive& archive) const;
  virtual void load(serialize::InputArchive& archive);
  virtual void pretty_print(std::ostream& stream) const;
  virtual bool is_serializable() const { return true; }

  // Names are not empty, have no dot and are used once. Throws RuntimeError otherwise.
  Tensor& register_parameter(std::string name, Tensor tensor, bool requires_grad = true);
  Tensor& register_buffer(std::string name, Tensor tensor);
  template <class T>
  std::shared_ptr<T> register_module(std::string name, std::shared_ptr<T> module) {
    add_child(std::move(name), module);
    return module;
  }
  template <class T>
  std::shared_ptr<T> register_module(std::string name, ModuleHolder<T> holder) {
    return register_module(std::move(name), holder.ptr());
  }
  template <class T>
  std::shared_ptr<T> replace_module(const std::string& name, std::shared_ptr<T> module) {
    children_[name] = module;
    return module;
  }
  template <class T>
  std::shared_ptr<T> replace_module(const std::string& name, ModuleHolder<T> holder) {
    return replace_module(name, holder.ptr());
  }
  void unregister_module(const std::string& name);

 protected:
  // What AnyModule passes for arguments that a caller leaves out; see FORWARD_HAS_DEFAULT_ARGS.
  virtual std::vector<DefaultArgument> _forward_default_args() { return {}; }
  OrderedDict<std::string, Tensor> parameters_, buffers_;
  OrderedDict<std::string, std::shared_ptr<Module>> children_;

 private:
  template <class Derived>
  friend class Cloneable;
  friend class AnyModule;
  friend std::ostream& operator<<(std::ostream& stream, const Module& module);

  void add_child(std::string name, std::shared_ptr<Module> module);
  virtual void clone_(Module& other, const std::optional<Device>& device);
  // What Cloneable does, apart from what needs the class; here once, so that programs compile none of it.
  std::shared_ptr<Module> clone_of(const std::optional<Device>& device, Module* (*copy)(const Module&),
                                   void (*reset)(Module&)) const;
  void become_clone(Module& other, const std::optional<Device>& device, bool (*assign)(Module& to, Module& from));
  void copy_contents_to(Module& made, const std::optional<Device>& device) const;
  template <class... Args>
  void convert(const Args&... args);
  template <class Visit>
  void visit(const Visit& f, const std::string& prefix, bool recurse) const;
  void print_tree(std::ostream& stream, const std::string& indentation) const;
  std::shared_ptr<Module> shared_self() const;

  mutable std::optional<std::string> name_;
  bool is_training_ = true;
};
// The tree of modules, as Python prints it.
std::ostream& operator<<(std::ostream& stream, const Module& module);
serialize::OutputArchive& operator<<(serialize::OutputArchive& archive, const std::shared_ptr<Module>& module);
serialize::InputArchive& operator>>(serialize::InputArchive& archive, const std::shared_ptr<Module>& module);

// Modules that can be cloned: they register all they have in reset(), which their constructors call.
template <class Derived>
class Cloneable : public Module {
 public:
  using Module::Module;
  // Makes parameters and buffers anew, with their first values.
  virtual void reset() = 0;
  std::shared_ptr<Module> clone(const std::optional<Device>& device = std::nullopt) const override {
    return clone_of(
        device, [](const Module& m) -> Module* { return new Derived(static_cast<const Derived&>(m)); },
        [](Module& m) { static_cast<Derived&>(m).reset(); });
  }

 private:
  void clone_(Module& other, const std::optional<Device>& device) final {
    become_clone(other, device, [](Module& to, Module& from) {
      auto* made = dynamic_cast<Derived*>(&from);
      if (made) static_cast<Derived&>(to) = *made;
      return made != nullptr;
    });
  }
};

// A shared pointer to a module that makes it, and calls its forward(). The pointer inside is one to Module, so that a program compiles
// std::shared_ptr for the classes only that it takes out of their holders.
template <class Contained>
class ModuleHolder : private detail::HolderBase {
 protected:
  detail::Impl<Contained> impl_;

 public:
  using ContainedType = Contained;
  ModuleHolder() : impl_(make_default()) {
    static_assert(
        std::is_default_constructible_v<Contained>,
        "this module's constructor takes arguments; write `Linear linear = nullptr;` for one without a module");
  }
  ModuleHolder(std::nullptr_t) {}
  template <class Head, class... Tail,
            require<sizeof...(Tail) != 0 || !(std::is_base_of_v<ModuleHolder, std::decay_t<Head>> ||
                                              detail::is_shared<std::decay_t<Head>>)> = 0>
  explicit ModuleHolder(Head&& head, Tail&&... tail)
      : impl_(std::shared_ptr<Module>(new Contained(std::forward<Head>(head), std::forward<Tail>(tail)...))) {}
  // Of the class or one derived from it.
  template <class T, require<std::is_convertible_v<T*, Contained*>> = 0>
  ModuleHolder(std::shared_ptr<T> module) : impl_(std::move(module)) {}

  explicit operator bool() const noexcept { return bool(impl_); }
  bool is_empty() const noexcept { return !impl_; }
  // Each throws RuntimeError if there is no module.
  Contained* operator->() { return get(); }
  const Contained* operator->() const { return get(); }
  Contained& operator*() { return *get(); }
  const Contained& operator*() const { return *get(); }
  Contained* get() { return need().get(); }
  const Contained* get() const { return need().get(); }
  std::shared_ptr<Contained> ptr() const { return need(); }
  template <class... Args>
  decltype(auto) operator()(Args&&... args) {
    return get()->forward(std::forward<Args>(args)...);
  }
  template <class Arg>
  decltype(auto) operator[](Arg&& arg) {
    return (*get())[std::forward<Arg>(arg)];
  }

 private:
  const detail::Impl<Contained>& need() const {
    if (!impl_) detail::fail_empty("Accessing empty ModuleHolder");
    return impl_;
  }
  static std::shared_ptr<Module> make_default() {
    if constexpr (std::is_default_constructible_v<Contained>) return std::shared_ptr<Module>(new Contained());
    else return nullptr;
  }
};
template <class T>
std::ostream& operator<<(std::ostream& stream, const ModuleHolder<T>& module) {
  return stream << *module;
}
template <class T>
serialize::OutputArchive& operator<<(serialize::OutputArchive& archive, const ModuleHolder<T>& module) {
  return archive << std::shared_ptr<Module>(module.ptr());
}
template <class T>
serialize::InputArchive& operator>>(serialize::InputArchive& archive, ModuleHolder<T>& module) {
  return archive >> std::shared_ptr<Module>(module.ptr());
}

// A module of any class with a forward() that is no template and takes values or const references.
class AnyModule {
 public:
  AnyModule() = default;
  template <class M>
  explicit AnyModule(std::shared_ptr<M> module) {
    wrap(std::move(module), &M::forward);
  }
  template <class M, require<detail::is_module<M>> = 0>
  explicit AnyModule(M&& module) : AnyModule(std::make_shared<std::decay_t<M>>(std::forward<M>(module))) {}
  template <class M>
  explicit AnyModule(const ModuleHolder<M>& holder) : AnyModule(holder.ptr()) {}
  template <class M>
  AnyModule& operator=(std::shared_ptr<M> module) {
    return *this = AnyModule(std::move(module));
  }
  AnyModule clone(std::optional<Device> device = std::nullopt) const {
    AnyModule out = *this;
    if (module_) out.module_ = module_->clone(device);
    return out;
  }

  // Throws RuntimeError where number or type of the arguments is not forward()'s.
  template <class... Args>
  AnyValue any_forward(Args&&... args) {
    need("Cannot call forward() on an empty AnyModule");
    std::vector<AnyValue> values;
    values.reserve(sizeof...(Args));
    (values.push_back(AnyValue(std::forward<Args>(args))), ...);
    return kind_->call(*module_, std::move(values));
  }
  template <class Result = Tensor, class... Args>
  Result forward(Args&&... args) {
    return any_forward(std::forward<Args>(args)...).template get<Result>();
  }

  // T is the class of the module or of its holder. Throws RuntimeError for another one.
  template <class T, require<detail::is_module<T>> = 0>
  T& get() {
    return *ptr<T>("Cannot call get() on an empty AnyModule");
  }
  template <class T, require<detail::is_module<T>> = 0>
  const T& get() const {
    return *ptr<T>("Cannot call get() on an empty AnyModule");
  }
  template <class T, require<detail::is_holder<T>> = 0>
  T get() const {
    return T(ptr<typename T::ContainedType>());
  }
  template <class T, require<detail::is_module<T>> = 0>
  std::shared_ptr<T> ptr(const char* if_empty = "Cannot call ptr() on an empty AnyModule") const {
    need(if_empty);
    if (*kind_->type != typeid(T)) detail::fail_cast("module of type", *kind_->type, typeid(T));
    return std::static_pointer_cast<T>(module_);
  }
  std::shared_ptr<Module> ptr() const {
    need("Cannot call ptr() on an empty AnyModule");
    return module_;
  }
  const std::type_info& type_info() const {
    need("Cannot call type_info() on an empty AnyModule");
    return *kind_->type;
  }
  bool is_empty() const noexcept { return !module_; }

 private:
  struct Kind {
    const std::type_info* type;
    AnyValue (*call)(Module&, std::vector<AnyValue>&&);
  };
  void need(const char* message) const {
    if (!module_) detail::fail_empty(message);
  }
  // Checks the number of arguments, and adds the defaults.
  static void complete(Module& module, const std::type_info& type, std::vector<AnyValue>& args, size_t count);
  [[noreturn]] static void fail_argument(size_t i, const std::type_info& wanted, const std::type_info& got);
  template <class T>
  static std::decay_t<T>&& argument(std::vector<AnyValue>& args, size_t i) {
    auto* value = args[i].template try_get<std::decay_t<T>>();
    if (!value) fail_argument(i, typeid(T), args[i].type_info());
    return std::move(*value);
  }
  template <class M, class... Args, size_t... I>
  static AnyValue call(Module& module, std::vector<AnyValue>&& args, std::index_sequence<I...>) {
    complete(module, typeid(M), args, sizeof...(Args));
    return AnyValue(static_cast<M&>(module).forward(argument<Args>(args, I)...));
  }
  template <class M, class Result, class Class, class... Args>
  void wrap(std::shared_ptr<M> module, Result (Class::*)(Args...)) {
    static_assert((!(std::is_lvalue_reference_v<Args> && !std::is_const_v<std::remove_reference_t<Args>>) && ...),
                  "forward() of a module in an AnyModule must not change its arguments; use values or pointers");
    static_assert(!std::is_void_v<Result>, "forward() of a module in an AnyModule must return something");
    static const Kind kind = {&typeid(M), [](Module& m, std::vector<AnyValue>&& args) {
                                return call<M, Args...>(m, std::move(args), std::index_sequence_for<Args...>());
                              }};
    kind_ = &kind;
    module_ = std::move(module);
  }
  template <class M, class Result, class Class, class... Args>
  void wrap(std::shared_ptr<M> module, Result (Class::*)(Args...) const) {
    wrap(std::move(module), static_cast<Result (Class::*)(Args...)>(nullptr));
  }

  std::shared_ptr<Module> module_;
  const Kind* kind_ = nullptr;
};

}  // namespace nn
}  // namespace rl
}  // namespace torch

// TORCH_MODULE(Net): Net, a ModuleHolder of NetImpl.
#define TORCH_MODULE_IMPL(Name, ImplType)                    \
  class Name : public ::torch::nn::ModuleHolder<ImplType> {  \
   public:                                                   \
    using ::torch::nn::ModuleHolder<ImplType>::ModuleHolder; \
    using Impl = ImplType;                                   \
  }
#define TORCH_MODULE(Name) TORCH_MODULE_IMPL(Name, Name##Impl)

// In a class whose forward(a, b = x) may stand in a Sequential: FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(x)})
#define FORWARD_HAS_DEFAULT_ARGS(...) \
  std::vector<::torch::nn::Module::DefaultArgument> _forward_default_args() override { return {__VA_ARGS__}; }
