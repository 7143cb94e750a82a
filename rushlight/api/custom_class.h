// torch::class_: classes of C++ whose objects scripts make, call and save.
//
//   struct Stack : torch::CustomClassHolder { ... };
//   static auto r = torch::class_<Stack>("mine", "Stack")
//       .def(torch::init<std::vector<std::string>>())
//       .def("push", &Stack::push)
//       .def_pickle([](const c10::intrusive_ptr<Stack>& s) { return s->items; },
//                   [](std::vector<std::string> items) { return c10::make_intrusive<Stack>(std::move(items)); });
//
// Scripts say torch.classes.mine.Stack(["a"]).push("b").
#pragma once
#include "rushlight/api/library.h"

namespace rushlight::api {

template <class... Args>
struct init_types {};
template <class... Args>
init_types<Args...> init() {
  return {};
}
template <class F>
struct init_function {
  F f;
};
// .def(torch::init([](int64_t n) { return c10::make_intrusive<Stack>(n); }))
template <class F>
init_function<std::decay_t<F>> init(F&& f) {
  return {std::forward<F>(f)};
}
struct arg {
  explicit arg(std::string name) : name(std::move(name)) {}
  arg& operator=(const IValue& v) {
    value = v;
    return *this;
  }
  // For torch::arg("x") = torch::arg::none(), or, as one, torch::arg::none("x").
  static IValue none() { return IValue(); }
  static arg none(const std::string& name) { return arg(name) = IValue(); }
  std::string name;
  std::optional<IValue> value;
};

template <class T, class... Args>
IValue make_custom_class(Args&&... args) {
  return IValue(make_intrusive<T>(std::forward<Args>(args)...));
}
template <class Pointer>
TypePtr getCustomClassType() {
  return detail::custom_class_type(typeid(typename Pointer::element_type));
}
template <class T>
bool isCustomClassRegistered() {
  return detail::has_custom_class(typeid(typename T::element_type));
}

// "__torch__.torch.classes.mine.Stack"; null for a class that nobody registered.
TypePtr getCustomClass(const std::string& name);
inline bool isCustomClass(const IValue& v) { return v.isCustomClass(); }

namespace library_detail {

template <class T>
struct TypeText<intrusive_ptr<T>> {
  static std::string get() { return detail::custom_class_name(typeid(T)); }
};

}  // namespace library_detail

namespace detail {

// What a class_ builds up. The class stays for good, and with it the library that has its code.
class CustomClassBuilder {
 public:
  CustomClassBuilder(const std::string& ns, const std::string& name, const std::type_info& cls);
  // `self_first`: a method; otherwise a static one.
  void add(const std::string& name, Ref<BoxedKernel> kernel, const library_detail::Signature& signature,
           const std::vector<arg>& args, bool self_first);
  void add_property(const std::string& name, const std::string& getter, const std::string& setter);

 private:
  struct State;
  State* state_;
};
// Puts what a constructor made into the object that a script is making.
void fill_custom_object(const rushlight::IValue& object, intrusive_ptr<CustomClassHolder> made);

template <class F, class Function>
class InitKernel;
template <class F, class R, class... A>
class InitKernel<F, R(A...)> final : public BoxedKernel {
 public:
  explicit InitKernel(F f) : f_(std::move(f)) {}
  void call(const Op&, rushlight::IValue* args, rushlight::IValue*) override {
    apply(args, std::index_sequence_for<A...>());
  }

 private:
  template <size_t... I>
  void apply(rushlight::IValue* args, std::index_sequence<I...>) {
    fill_custom_object(args[0], f_(std::move(library_detail::Held<library_detail::Plain<A>>(args[I + 1]).get())...));
  }
  F f_;
};

}  // namespace detail

template <class T>
class class_ {
  static_assert(std::is_base_of_v<CustomClassHolder, T>, "torch::class_<T>: T derives from torch::CustomClassHolder");

 public:
  // Throws RuntimeError for a name that is none, or is taken.
  class_(const std::string& ns, const std::string& name, std::string /*doc*/ = "") : builder_(ns, name, typeid(T)) {}

  template <class... Args>
  class_& def(init_types<Args...>, std::string /*doc*/ = "", std::initializer_list<arg> args = {}) {
    return add_init([](Args... a) { return make_intrusive<T>(std::move(a)...); }, args);
  }
  template <class F>
  class_& def(init_function<F> f, std::string /*doc*/ = "", std::initializer_list<arg> args = {}) {
    return add_init(std::move(f.f), args);
  }
  template <class F>
  class_& def(const std::string& name, F f, std::string /*doc*/ = "", std::initializer_list<arg> args = {}) {
    if constexpr (std::is_member_function_pointer_v<F>) return add_member(name, f, args, f);
    else {
      using Kernel = library_detail::TypedKernel<F, typename library_detail::FunctionOf<F>::type>;
      builder_.add(name, make_ref<Kernel>(std::move(f)), Kernel::signature(), args, true);
    }
    return *this;
  }
  template <class F>
  class_& def_static(const std::string& name, F f, std::string /*doc*/ = "") {
    using Kernel = library_detail::TypedKernel<F, typename library_detail::FunctionOf<F>::type>;
    builder_.add(name, make_ref<Kernel>(std::move(f)), Kernel::signature(), {}, false);
    return *this;
  }
  template <class Get>
  class_& def_property(const std::string& name, Get get, std::string /*doc*/ = "") {
    def(name + "_getter", std::move(get));
    builder_.add_property(name, name + "_getter", "");
    return *this;
  }
  template <class Get, class Set, std::enable_if_t<!std::is_convertible_v<Set, std::string>, int> = 0>
  class_& def_property(const std::string& name, Get get, Set set, std::string /*doc*/ = "") {
    def(name + "_getter", std::move(get));
    def(name + "_setter", std::move(set));
    builder_.add_property(name, name + "_getter", name + "_setter");
    return *this;
  }
  template <class V>
  class_& def_readwrite(const std::string& name, V T::* field) {
    return def_property(
        name, [field](const intrusive_ptr<T>& self) -> V { return (*self).*field; },
        [field](const intrusive_ptr<T>& self, V v) { (*self).*field = std::move(v); });
  }
  template <class V>
  class_& def_readonly(const std::string& name, V T::* field) {
    return def_property(name, [field](const intrusive_ptr<T>& self) -> V { return (*self).*field; });
  }
  // What is saved of an object, and how one is made from it.
  template <class Get, class Set>
  class_& def_pickle(Get get, Set set) {
    def("__getstate__", std::move(get));
    return add_init(std::move(set), {}, "__setstate__");
  }

 private:
  template <class F>
  class_& add_init(F f, const std::vector<arg>& args, const char* name = "__init__") {
    using Function = typename library_detail::FunctionOf<F>::type;
    library_detail::Signature s = library_detail::TypedKernel<F, Function>::signature_of_arguments();
    s.params.insert(s.params.begin(), detail::custom_class_name(typeid(T)));
    builder_.add(name, make_ref<detail::InitKernel<F, Function>>(std::move(f)), s, args, true);
    return *this;
  }
  template <class F, class C, class R, class... A>
  class_& add_member(const std::string& name, F f, const std::vector<arg>& args, R (C::*)(A...)) {
    return add_call<R, A...>(name, f, args);
  }
  template <class F, class C, class R, class... A>
  class_& add_member(const std::string& name, F f, const std::vector<arg>& args, R (C::*)(A...) const) {
    return add_call<R, A...>(name, f, args);
  }
  template <class R, class... A, class F>
  class_& add_call(const std::string& name, F f, const std::vector<arg>& args) {
    auto call = [f](const intrusive_ptr<T>& self, A... a) -> R { return ((*self).*f)(std::forward<A>(a)...); };
    using Kernel = library_detail::TypedKernel<decltype(call), R(const intrusive_ptr<T>&, A...)>;
    builder_.add(name, make_ref<Kernel>(std::move(call)), Kernel::signature(), args, true);
    return *this;
  }
  detail::CustomClassBuilder builder_;
};

template <class T>
class_<T> Library::class_(const std::string& name) {
  return api::class_<T>(ns(), name);
}

}  // namespace rushlight::api
