// Operators of a program or plug-in: TORCH_LIBRARY and its relatives, and calls by name (c10::Dispatcher).
//
//   Tensor scale(const Tensor& x, double by) { return x * by; }
//   TORCH_LIBRARY(mine, m) {
//     m.def("scale(Tensor x, float by) -> Tensor");
//   }
//   TORCH_LIBRARY_IMPL(mine, CPU, m) { m.impl("scale", &scale); }
//
// A shared library with such blocks registers them when it is loaded (torch.ops.load_library) and takes them away when it is unloaded.
// Which kernel runs when: see rushlight/dispatch/library.h.
#pragma once
#include <array>
#include <tuple>

#include "rushlight/api/autograd.h"
#include "rushlight/api/check.h"
#include "rushlight/api/schema.h"
#include "rushlight/dispatch/library.h"

namespace rushlight::api {

using rushlight::DispatchKey;

// A set of keys. Calls are not chosen by it: it makes a kernel's first parameter, as some kernels of PyTorch's have it.
class DispatchKeySet {
 public:
  constexpr DispatchKeySet() = default;
  constexpr explicit DispatchKeySet(DispatchKey k) : bits_(uint64_t(1) << (unsigned(k) & 63)) {}
  constexpr bool has(DispatchKey k) const { return bits_ & DispatchKeySet(k).bits_; }
  constexpr bool empty() const { return !bits_; }
  friend constexpr DispatchKeySet operator&(DispatchKeySet a, DispatchKeySet b) { return of(a.bits_ & b.bits_); }
  friend constexpr DispatchKeySet operator|(DispatchKeySet a, DispatchKeySet b) { return of(a.bits_ | b.bits_); }
  friend constexpr bool operator==(DispatchKeySet a, DispatchKeySet b) { return a.bits_ == b.bits_; }

 private:
  static constexpr DispatchKeySet of(uint64_t bits) {
    DispatchKeySet out;
    out.bits_ = bits;
    return out;
  }
  uint64_t bits_ = 0;
};
inline const DispatchKeySet after_autograd_keyset{};
inline constexpr DispatchKeySet autograd_dispatch_keyset =
    DispatchKeySet(DispatchKey::Autograd) | DispatchKeySet(DispatchKey::AutogradOther) |
    DispatchKeySet(DispatchKey::AutogradCPU) | DispatchKeySet(DispatchKey::AutogradCUDA) |
    DispatchKeySet(DispatchKey::AutogradPrivateUse1) | DispatchKeySet(DispatchKey::AutogradMeta);
namespace impl {
// What the modes of this thread mean in PyTorch's terms.
inline bool tls_is_dispatch_keyset_excluded(DispatchKeySet s) {
  return (thread_state.inference_mode || thread_state.below_autograd) && !s.empty() &&
         (s & autograd_dispatch_keyset) == s;
}
inline bool tls_is_dispatch_key_excluded(DispatchKey k) { return tls_is_dispatch_keyset_excluded(DispatchKeySet(k)); }
inline bool tls_is_dispatch_keyset_included(DispatchKeySet s) {
  return !thread_state.inference_mode && s == DispatchKeySet(DispatchKey::ADInplaceOrView);
}
inline bool tls_is_dispatch_key_included(DispatchKey k) { return tls_is_dispatch_keyset_included(DispatchKeySet(k)); }
}  // namespace impl

// In its scope calls go to the kernels below autograd, and nothing is recorded.
struct AutoDispatchBelowAutograd {
  AutoDispatchBelowAutograd() = default;
  AutoDispatchBelowAutograd(const AutoDispatchBelowAutograd&) = delete;

 private:
  Scoped<bool> below_{thread_state.below_autograd, true}, off_{thread_state.grad_enabled, false};
};
using AutoDispatchBelowADInplaceOrView = AutoDispatchBelowAutograd;
struct AutoNonVariableTypeMode : AutoDispatchBelowAutograd {
  explicit AutoNonVariableTypeMode(bool = true) {
    TORCH_WARN_ONCE(
        "AutoNonVariableTypeMode is deprecated; kernels use AutoDispatchBelowADInplaceOrView, programs that only "
        "infer c10::InferenceMode");
  }
};

class OperatorHandle;

namespace library_detail {

// ---- C++ types and those of schemas -------------------------------------------------------------------------------------------

template <class T>
struct TypeText {
  static_assert(!std::is_same_v<T, float>, "operators take and return double, not float");
  static_assert(!std::is_integral_v<T>, "operators take and return int64_t, no other integers");
  static_assert(std::is_integral_v<T> || std::is_same_v<T, float>, "no type of a schema stands for this C++ type");
};
#define RL_TYPE_TEXT(T, text)                 \
  template <>                                 \
  struct TypeText<T> {                        \
    static std::string get() { return text; } \
  };
RL_TYPE_TEXT(Tensor, "Tensor")
RL_TYPE_TEXT(int64_t, "int")
RL_TYPE_TEXT(double, "float")
RL_TYPE_TEXT(bool, "bool")
RL_TYPE_TEXT(std::string, "str")
RL_TYPE_TEXT(std::string_view, "str")
RL_TYPE_TEXT(complex128, "complex")
RL_TYPE_TEXT(Scalar, "Scalar")
RL_TYPE_TEXT(Device, "Device")
RL_TYPE_TEXT(DType, "ScalarType")
RL_TYPE_TEXT(Layout, "Layout")
RL_TYPE_TEXT(MemoryFormat, "MemoryFormat")
RL_TYPE_TEXT(Generator, "Generator")
RL_TYPE_TEXT(IValue, "Any")
RL_TYPE_TEXT(OptionalIntArrayRef, "int[]?")
#undef RL_TYPE_TEXT
template <class T>
struct TypeText<std::optional<T>> {
  static std::string get() { return TypeText<T>::get() + "?"; }
};
template <class T>
struct ListText {
  static std::string get() { return TypeText<T>::get() + "[]"; }
};
template <class T>
struct TypeText<std::vector<T>> : ListText<T> {};
template <class T>
struct TypeText<ArrayRef<T>> : ListText<T> {};
template <class T>
struct TypeText<List<T>> : ListText<T> {};
template <class T, size_t N>
struct TypeText<std::array<T, N>> : ListText<T> {};
template <class K, class V>
struct DictText {
  static std::string get() { return "Dict(" + TypeText<K>::get() + ", " + TypeText<V>::get() + ")"; }
};
template <class K, class V>
struct TypeText<Dict<K, V>> : DictText<K, V> {};
template <class K, class V>
struct TypeText<std::unordered_map<K, V>> : DictText<K, V> {};

template <class... Ts>
struct TypeText<std::tuple<Ts...>> {
  static std::string get() {
    std::string out;
    ((out += (out.empty() ? "(" : ", ") + TypeText<Ts>::get()), ...);
    return out + ")";
  }
};

template <class T>
using Plain = std::remove_cv_t<std::remove_reference_t<T>>;

// A parameter's value while the function runs.
template <class T>
struct Held {
  explicit Held(const rushlight::IValue& v) : value(IValue(v).template to<T>()) {}
  T& get() { return value; }
  T value;
};
template <>
struct Held<Tensor> {
  explicit Held(const rushlight::IValue& v) : value(rushlight::Tensor(v.optional_tensor())) {}
  Tensor& get() { return value; }
  Tensor value;
};
template <>
struct Held<DType> {
  explicit Held(const rushlight::IValue& v) : value(checked(v.to_int())) {}
  DType& get() { return value; }
  DType value;

 private:
  static DType checked(int64_t i) {
    RL_CHECK(RuntimeError, is_dtype_number(i), "expected the number of a dtype, got ", i);
    return DType(i);
  }
};
template <>
struct Held<std::string_view> {
  explicit Held(const rushlight::IValue& v) : value(v.to_string()) {}
  std::string_view& get() { return value; }
  std::string_view value;
};
template <class T>
struct Held<ArrayRef<T>> {
  explicit Held(const rushlight::IValue& v) : items(IValue(v).template to<std::vector<T>>()), value(items) {}
  ArrayRef<T>& get() { return value; }
  std::vector<T> items;
  ArrayRef<T> value;
};
template <>
struct Held<ArrayRef<bool>>;  // a vector<bool> has no such items: take List<bool>
template <class T>
struct Held<std::optional<T>> {
  explicit Held(const rushlight::IValue& v) {
    if (v.is_none()) return;
    held.emplace(v);
    value = held->get();
  }
  std::optional<T>& get() { return value; }
  std::optional<Held<T>> held;
  std::optional<T> value;
};
template <>
struct Held<OptionalIntArrayRef> {
  explicit Held(const rushlight::IValue& v) {
    if (v.is_none()) return;
    items = v.int_list().vec();
    value = IntArrayRef(items);
  }
  OptionalIntArrayRef& get() { return value; }
  std::vector<int64_t> items;
  OptionalIntArrayRef value;
};
template <class T, size_t N>
struct Held<std::array<T, N>> {
  explicit Held(const rushlight::IValue& v) {
    auto items = IValue(v).template to<std::vector<T>>();
    RL_CHECK(RuntimeError, items.size() == N, "expected a list of ", N, " items, got ", items.size());
    std::copy(items.begin(), items.end(), value.begin());
  }
  std::array<T, N>& get() { return value; }
  std::array<T, N> value;
};

template <class R>
struct Returned {
  static std::vector<std::string> types() { return {TypeText<Plain<R>>::get()}; }
  static void put(rushlight::IValue* rets, const R& v) { rets[0] = IValue(v); }
  static R take(rushlight::IValue* rets) { return Held<R>(rets[0]).get(); }
};
template <>
struct Returned<void> {
  static std::vector<std::string> types() { return {}; }
};
template <class... Ts>
struct Returned<std::tuple<Ts...>> {
  static std::vector<std::string> types() { return {TypeText<Plain<Ts>>::get()...}; }
  static void put(rushlight::IValue* rets, const std::tuple<Ts...>& v) {
    std::apply([&](const auto&... part) { (void)((*rets++ = IValue(part)), ...); }, v);
  }
  static std::tuple<Ts...> take(rushlight::IValue* rets) { return take(rets, std::index_sequence_for<Ts...>()); }
  template <size_t... I>
  static std::tuple<Ts...> take(rushlight::IValue* rets, std::index_sequence<I...>) {
    return {Held<Ts>(rets[I]).get()...};
  }
};

// ---- kernels ----------------------------------------------------------------------------------------------------------------------

template <class F>
struct FunctionOf : FunctionOf<decltype(&F::operator())> {};
template <class R, class... A>
struct FunctionOf<R (*)(A...)> {
  using type = R(A...);
};
template <class R, class... A>
struct FunctionOf<R(A...)> {
  using type = R(A...);
};
template <class C, class R, class... A>
struct FunctionOf<R (C::*)(A...)> {
  using type = R(A...);
};
template <class C, class R, class... A>
struct FunctionOf<R (C::*)(A...) const> {
  using type = R(A...);
};

struct Signature {
  std::vector<std::string> params, returns;
  std::string schema(const std::string& name) const;  // with parameters called _0, _1, ...
};
// Throws RuntimeError if a function of this signature can't be a kernel of the operator.
void check_signature(const Op& op, const Signature& s);

template <class F, class Function>
class TypedKernel;
template <class F, class R, class... A>
class TypedKernel<F, R(A...)> final : public BoxedKernel {
 public:
  explicit TypedKernel(F f) : f_(std::move(f)) {}
  static Signature signature() { return {{TypeText<Plain<A>>::get()...}, Returned<Plain<R>>::types()}; }
  static Signature signature_of_arguments() { return {{TypeText<Plain<A>>::get()...}, {}}; }
  void check(const Op& op) const override { check_signature(op, signature()); }
  void call(const Op&, rushlight::IValue* args, rushlight::IValue* rets) override {
    apply(args, rets, std::index_sequence_for<A...>());
  }

 private:
  template <size_t... I>
  void apply([[maybe_unused]] rushlight::IValue* args, [[maybe_unused]] rushlight::IValue* rets,
             std::index_sequence<I...>) {
    if constexpr (std::is_void_v<R>) f_(pass<A>(Held<Plain<A>>(args[I]).get())...);
    else Returned<Plain<R>>::put(rets, f_(pass<A>(Held<Plain<A>>(args[I]).get())...));
  }
  template <class P, class T>
  static decltype(auto) pass(T& held) {
    if constexpr (std::is_lvalue_reference_v<P>) return static_cast<T&>(held);
    else return std::move(held);
  }
  F f_;
};
// A kernel that wants to see the keys gets none.
template <class F, class R, class... A>
class TypedKernel<F, R(DispatchKeySet, A...)> final : public BoxedKernel {
  struct Inner {
    F f;
    R operator()(A... a) { return f(DispatchKeySet(), static_cast<A&&>(a)...); }
  };

 public:
  explicit TypedKernel(F f) : kernel_(Inner{std::move(f)}) {}
  static Signature signature() { return TypedKernel<Inner, R(A...)>::signature(); }
  void check(const Op& op) const override { kernel_.check(op); }
  void call(const Op& op, rushlight::IValue* args, rushlight::IValue* rets) override { kernel_.call(op, args, rets); }

 private:
  TypedKernel<Inner, R(A...)> kernel_;
};

using BoxedFunction = void (*)(const OperatorHandle&, torch_jit_stack::Stack*);
Ref<BoxedKernel> make_boxed(BoxedFunction f);
Ref<BoxedKernel> make_fallthrough();
Ref<BoxedKernel> make_without_gradient();

}  // namespace library_detail

// ---- calls by name -------------------------------------------------------------------------------------------------------------------

template <class Function>
class TypedOperatorHandle;

// An operator found in the table.
class OperatorHandle {
 public:
  explicit OperatorHandle(const Op* op) : op_(op) {}
  std::string name() const;  // "mine::scale.out"
  OperatorName operator_name() const { return schema().operator_name(); }
  FunctionSchema schema() const;
  bool hasSchema() const { return true; }
  bool hasKernelForDispatchKey(DispatchKey key) const;
  // Takes the arguments off the stack and puts the results on it.
  void callBoxed(torch_jit_stack::Stack* stack) const;
  void callBoxed(torch_jit_stack::Stack& stack) const { callBoxed(&stack); }
  void redispatchBoxed(DispatchKeySet, torch_jit_stack::Stack* stack) const {
    AutoDispatchBelowAutograd below;
    callBoxed(stack);
  }
  // Throws RuntimeError if the operator can't be called as such a function.
  template <class Function>
  TypedOperatorHandle<Function> typed() const;
  // Runs it with a value for each argument of the schema; fills one for each result.
  void invoke(rushlight::IValue* args, rushlight::IValue* rets) const;

 protected:
  const Op* op_;
};

template <class R, class... A>
class TypedOperatorHandle<R(A...)> : public OperatorHandle {
 public:
  using OperatorHandle::OperatorHandle;
  R call(A... a) const {
    rushlight::IValue args[sizeof...(A) + 1] = {IValue(a)...};
    rushlight::IValue rets[16];
    invoke(args, rets);
    if constexpr (std::is_lvalue_reference_v<R>) return std::get<0>(std::tie(a...));
    else if constexpr (!std::is_void_v<R>) return library_detail::Returned<R>::take(rets);
  }
  R redispatch(DispatchKeySet, A... a) const {
    AutoDispatchBelowAutograd below;
    return call(static_cast<A&&>(a)...);
  }

 private:
  friend class OperatorHandle;
};
template <class Function>
TypedOperatorHandle<Function> OperatorHandle::typed() const {
  using Kernel = library_detail::TypedKernel<Function*, Function>;
  library_detail::check_signature(*op_, Kernel::signature());
  return TypedOperatorHandle<Function>(op_);
}

class Dispatcher {
 public:
  static Dispatcher& singleton();
  // Throws RuntimeError, with the names that are near.
  OperatorHandle findSchemaOrThrow(const char* name, const char* overload_name) const;
  std::optional<OperatorHandle> findSchema(const OperatorName& name) const;
  std::optional<OperatorHandle> findOp(const OperatorName& name) const { return findSchema(name); }
};

// ---- libraries --------------------------------------------------------------------------------------------------------------------------

template <class T>
class class_;

enum class AliasAnalysisKind { CONSERVATIVE, FROM_SCHEMA, PURE_FUNCTION };

// A kernel as def() and impl() take it: a function, a lambda, or one of the makers below.
class CppFunction {
 public:
  template <class F, std::enable_if_t<!std::is_same_v<library_detail::Plain<F>, CppFunction>, int> = 0>
  CppFunction(F&& f) {
    using Value = std::decay_t<F>;
    using Kernel = library_detail::TypedKernel<Value, typename library_detail::FunctionOf<Value>::type>;
    kernel_ = make_ref<Kernel>(Value(std::forward<F>(f)));
    signature_ = Kernel::signature();
    typed_ = true;
  }
  template <library_detail::BoxedFunction f>
  static CppFunction makeFromBoxedFunction() {
    return CppFunction(library_detail::make_boxed(f), 0);
  }
  // The next kernel in order runs.
  static CppFunction makeFallthrough() { return CppFunction(library_detail::make_fallthrough(), 0); }
  // See autogradNotImplementedFallback().
  static CppFunction makeWithoutGradient() { return CppFunction(library_detail::make_without_gradient(), 0); }

 private:
  friend class Library;
  template <class F>
  friend CppFunction dispatch(DispatchKey key, F&& f);
  CppFunction(Ref<BoxedKernel> kernel, int) : kernel_(std::move(kernel)) {}
  Ref<BoxedKernel> kernel_;
  library_detail::Signature signature_;
  bool typed_ = false;
  std::optional<DispatchKey> key_;
};
template <class F>
CppFunction dispatch(DispatchKey key, F&& f) {
  CppFunction out(std::forward<F>(f));
  out.key_ = key;
  return out;
}
template <class F>
CppFunction dispatch(DeviceType device, F&& f) {
  return dispatch(dispatch_key_of(device), std::forward<F>(f));
}
namespace autograd {
// For the Autograd key: the kernel below runs, and who asks for the gradient gets an error instead of none.
inline CppFunction autogradNotImplementedFallback() { return CppFunction::makeWithoutGradient(); }
// For ADInplaceOrView, whose work the one above does too.
inline CppFunction autogradNotImplementedInplaceOrViewFallback() { return CppFunction::makeFallthrough(); }
}  // namespace autograd

struct SchemaText {
  std::string text;
  AliasAnalysisKind alias_analysis = AliasAnalysisKind::FROM_SCHEMA;
};
inline SchemaText schema(const char* text, AliasAnalysisKind kind = AliasAnalysisKind::FROM_SCHEMA) {
  return {text, kind};
}

// What an operator says of itself to compilers; taken, and not used yet.
enum class Tag {
  core,
  cudagraph_unsafe,
  data_dependent_output,
  dynamic_output_shape,
  flexible_layout,
  generated,
  inplace_view,
  maybe_aliasing_or_mutating,
  needs_exact_strides,
  needs_fixed_stride_order,
  nondeterministic_bitwise,
  nondeterministic_seeded,
  pointwise,
  pt2_compliant_tag,
  reduction,
  view_copy
};

class Library {
 public:
  enum Kind { DEF, IMPL, FRAGMENT };
  Library(Kind kind, std::string ns, std::optional<DispatchKey> key, const char* file, uint32_t line);
  Library(const Library&) = delete;
  Library(Library&&) = default;

  // An operator without kernels: they come from impl() here or elsewhere.
  Library& def(const SchemaText& schema);
  Library& def(const char* schema) { return def(SchemaText{schema}); }
  Library& def(const std::string& schema) { return def(SchemaText{schema}); }
  Library& def(const char* schema, const std::vector<Tag>&) { return def(schema); }
  // With a kernel. Without parentheses the text is a name, and the function's types say the schema.
  Library& def(const SchemaText& name_or_schema, CppFunction f);
  template <class Text, class F>
  Library& def(const Text& name_or_schema, F&& f) {
    return def(as_text(name_or_schema), CppFunction(std::forward<F>(f)));
  }
  template <class F>
  Library& impl(const char* name, F&& f) {
    return add(name, CppFunction(std::forward<F>(f)));
  }
  template <class F>
  Library& impl(const std::string& name, F&& f) {
    return add(name, CppFunction(std::forward<F>(f)));
  }
  template <class F>
  Library& impl(const std::string& name, DispatchKey key, F&& f) {
    return add(name, dispatch(key, std::forward<F>(f)));
  }
  // Throws NotImplementedError: kernels for all operators of a namespace are not possible yet.
  Library& fallback(CppFunction f);
  template <class T>
  api::class_<T> class_(const std::string& name);
  std::string ns() const { return library_->ns(); }
  // Where Python's part of an operator stands; who calls it imports that.
  void set_python_module(const char* /*module*/, const char* /*context*/ = "") {}
  void impl_abstract_pystub(const char* /*module*/, const char* /*context*/ = "") {}
  // Takes all away, after calls in other threads have ended.
  void reset();

 private:
  static SchemaText as_text(const SchemaText& s) { return s; }
  static SchemaText as_text(const char* s) { return {s}; }
  static SchemaText as_text(const std::string& s) { return {s}; }
  Library& add(const std::string& name, CppFunction f);
  std::unique_ptr<OpLibrary> library_;
  std::optional<DispatchKey> key_;
};

namespace detail {

// Grows when code that plug-ins compile in and this library no longer fit each other.
constexpr int kPluginVersion = 1;

// Runs a block while its library is loaded; what can't be registered is told to who loads it. Takes all away when it is unloaded.
class TorchLibraryInit {
 public:
  TorchLibraryInit(Library::Kind kind, void (*block)(Library&), const char* ns, std::optional<DispatchKey> key,
                   const char* file, uint32_t line, int version = kPluginVersion);
  ~TorchLibraryInit();
  TorchLibraryInit(const TorchLibraryInit&) = delete;

 private:
  std::unique_ptr<Library> library_;
};

}  // namespace detail

// The older way: static auto r = torch::RegisterOperators("mine::scale", &scale);
class RegisterOperators {
 public:
  RegisterOperators() = default;
  template <class F>
  RegisterOperators(const char* name_or_schema, F&& f) {
    op(name_or_schema, std::forward<F>(f));
  }
  RegisterOperators(RegisterOperators&&) = default;
  template <class F>
  RegisterOperators&& op(const std::string& name_or_schema, F&& f) && {
    return std::move(op(name_or_schema, std::forward<F>(f)));
  }
  template <class F>
  RegisterOperators& op(const std::string& name_or_schema, F&& f) & {
    add(name_or_schema, CppFunction(std::forward<F>(f)));
    return *this;
  }

 private:
  void add(const std::string& name_or_schema, CppFunction f);
  std::vector<std::unique_ptr<Library>> libraries_;
};

}  // namespace rushlight::api

#define RL_LIBRARY_JOIN2(a, b) a##b
#define RL_LIBRARY_JOIN(a, b) RL_LIBRARY_JOIN2(a, b)
#define RL_LIBRARY_BLOCK(kind, ns, key, id, m)                                                                        \
  static void RL_LIBRARY_JOIN(rl_library_block_##ns##_, id)(::rushlight::api::Library&);                              \
  static const ::rushlight::api::detail::TorchLibraryInit RL_LIBRARY_JOIN(rl_library_##ns##_, id)(                    \
      ::rushlight::api::Library::kind, &RL_LIBRARY_JOIN(rl_library_block_##ns##_, id), #ns, key, __FILE__, __LINE__); \
  void RL_LIBRARY_JOIN(rl_library_block_##ns##_, id)([[maybe_unused]] ::rushlight::api::Library & m)

#define TORCH_LIBRARY(ns, m) RL_LIBRARY_BLOCK(DEF, ns, ::std::nullopt, def, m)
#define TORCH_LIBRARY_FRAGMENT(ns, m) RL_LIBRARY_BLOCK(FRAGMENT, ns, ::std::nullopt, __COUNTER__, m)
#define TORCH_LIBRARY_IMPL(ns, key, m) RL_LIBRARY_IMPL(ns, key, m, __COUNTER__)
#define RL_LIBRARY_IMPL(ns, key, m, id) \
  RL_LIBRARY_BLOCK(IMPL, ns, ::std::make_optional(::rushlight::DispatchKey::key), RL_LIBRARY_JOIN(key##_, id), m)
// Libraries as values, which take what they registered away when they end: auto m = MAKE_TORCH_LIBRARY(mine);
#define MAKE_TORCH_LIBRARY(ns) \
  ::rushlight::api::Library(::rushlight::api::Library::DEF, #ns, ::std::nullopt, __FILE__, __LINE__)
#define MAKE_TORCH_LIBRARY_IMPL(ns, key)                                                                               \
  ::rushlight::api::Library(::rushlight::api::Library::IMPL, #ns, ::std::make_optional(::rushlight::DispatchKey::key), \
                            __FILE__, __LINE__)
#define TORCH_FN(f) (&f)
#define TORCH_SELECTIVE_NAME(name) name
#define TORCH_SELECTIVE_SCHEMA(schema) schema
