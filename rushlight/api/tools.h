// Small tools of c10/util that programs and extensions use: registries, flags, values made once or for each thread, sums of sizes. Each stands
// alone; api.h does not include them.
#pragma once
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "rushlight/api/check.h"
#include "rushlight/api/dispatch.h"

namespace rushlight::api {

// ---- c10/util/accumulate.h ----

template <class It>
int64_t sum_integers(It begin, It end) {
  return std::accumulate(begin, end, int64_t(0));
}
template <class C>
int64_t sum_integers(const C& c) {
  return sum_integers(c.begin(), c.end());
}
template <class It>
int64_t multiply_integers(It begin, It end) {
  return std::accumulate(begin, end, int64_t(1), std::multiplies<>());
}
template <class C>
int64_t multiply_integers(const C& c) {
  return multiply_integers(c.begin(), c.end());
}
// The product of the sizes k, k + 1, ...; 1 where there are none.
template <class C>
int64_t numelements_from_dim(int k, const C& sizes) {
  TORCH_CHECK(k >= 0, "numelements_from_dim: expected k >= 0, got ", k);
  return k > int(sizes.size()) ? 1 : multiply_integers(std::next(sizes.begin(), k), sizes.end());
}
// The product of the first k sizes.
template <class C>
int64_t numelements_to_dim(int k, const C& sizes) {
  TORCH_CHECK(k >= 0 && size_t(k) <= sizes.size(), "numelements_to_dim: expected 0 <= k <= ", sizes.size(), ", got ",
              k);
  return multiply_integers(sizes.begin(), std::next(sizes.begin(), k));
}
// The product of the sizes from the smaller of the two up to, and without, the greater.
template <class C>
int64_t numelements_between_dim(int k, int l, const C& sizes) {
  TORCH_CHECK(k >= 0 && l >= 0 && size_t(std::max(k, l)) <= sizes.size(),
              "numelements_between_dim: expected numbers from 0 to ", sizes.size(), ", got ", k, " and ", l);
  return multiply_integers(std::next(sizes.begin(), std::min(k, l)), std::next(sizes.begin(), std::max(k, l)));
}

// ---- c10/util/generic_math.h, bit_cast.h, ssize.h ----

// Rounded towards minus infinity.
template <class T>
T div_floor_integer(T a, T b) {
  T q = a / b;
  return (std::is_signed_v<T> && (a < 0) != (b < 0) && a % b != 0) ? q - 1 : q;
}
template <class T>
T div_floor_floating(T a, T b) {
  if (b == 0) return a / b;
  T mod = std::fmod(a, b), q = (a - mod) / b;
  if (mod != 0 && (b < 0) != (mod < 0)) q -= 1;
  if (q == 0) return std::copysign(T(0), a / b);
  T floor = std::floor(q);
  return q - floor > T(0.5) ? floor + 1 : floor;
}
// The remainder with b's sign.
template <class T>
T div_mod(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    return a - div_floor_integer(a, b) * b;
  } else {
    T mod = std::fmod(a, b);
    return mod != 0 && (b < 0) != (mod < 0) ? mod + b : mod;
  }
}
template <class To, class From>
To bit_cast(const From& from) {
  static_assert(sizeof(To) == sizeof(From) && std::is_trivially_copyable_v<From> && std::is_trivially_copyable_v<To>,
                "bit_cast: both types are of one size, and copied as bytes");
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}
template <class C>
auto ssize(const C& c) -> std::common_type_t<std::ptrdiff_t, std::make_signed_t<decltype(c.size())>> {
  using Signed = std::common_type_t<std::ptrdiff_t, std::make_signed_t<decltype(c.size())>>;
  TORCH_CHECK(c.size() <= size_t(std::numeric_limits<Signed>::max()), "ssize: ", c.size(), " is no signed number");
  return Signed(c.size());
}

// ---- ATen/NumericUtils.h, ATen/AccumulateType.h ----

namespace detail {
// Whether a part of the number is: a complex number has two, a whole one none.
template <class T, class F>
bool any_part(const T& v, const F& is) {
  if constexpr (std::is_same_v<T, complex64> || std::is_same_v<T, complex128>) return is(v.real()) || is(v.imag());
  else if constexpr (std::is_integral_v<T>) return false;
  else return is(opmath_type<T>(v));
}
}  // namespace detail

template <class T>
bool _isnan(const T& v) {
  return detail::any_part(v, [](auto part) { return std::isnan(part); });
}
template <class T>
bool _isinf(const T& v) {
  return detail::any_part(v, [](auto part) { return std::isinf(part); });
}

// What many values of T are added in: the CPU's sums of floats are doubles, a GPU's are not.
template <class T, bool is_cuda>
struct AccumulateType {
  using type = std::conditional_t<
      std::is_same_v<T, bool>, bool,
      std::conditional_t<std::is_integral_v<T>, int64_t,
                         std::conditional_t<!is_cuda && std::is_same_v<T, float>, double,
                                            std::conditional_t<!is_cuda && std::is_same_v<T, complex64>, complex128,
                                                               opmath_type<T>>>>>;
};
template <class T, bool is_cuda>
using acc_type = typename AccumulateType<T, is_cuda>::type;

// ---- c10/util/overloaded.h, Array.h ----

// One function object of several: std::visit(c10::overloaded([](int) {}, [](double) {}), v).
template <class... Fs>
struct overloaded_t : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
overloaded_t<std::decay_t<Fs>...> overloaded(Fs&&... fs) {
  return {std::forward<Fs>(fs)...};
}
template <class T, class... Ts>
constexpr std::array<T, sizeof...(Ts)> array_of(Ts&&... items) {
  return {{std::forward<Ts>(items)...}};
}

// ---- c10/util/CallOnce.h, Synchronized.h, Lazy.h, ThreadLocal.h, ExclusivelyOwned.h ----

class once_flag {
 public:
  // Whether a call has ended without an exception.
  bool test_once() const noexcept { return done_.load(std::memory_order_acquire); }

 private:
  template <class F, class... Args>
  friend void call_once(once_flag& flag, F&& f, Args&&... args);
  std::mutex mutex_;
  std::atomic<bool> done_{false};
};
// f(args...) unless a call with this flag has ended well.
template <class F, class... Args>
void call_once(once_flag& flag, F&& f, Args&&... args) {
  if (flag.test_once()) return;
  std::lock_guard lock(flag.mutex_);
  if (flag.test_once()) return;
  std::invoke(std::forward<F>(f), std::forward<Args>(args)...);
  flag.done_.store(true, std::memory_order_release);
}

// A value that is only seen under its lock.
template <class T>
class Synchronized {
 public:
  Synchronized() = default;
  Synchronized(T value) : value_(std::move(value)) {}
  Synchronized(const Synchronized&) = delete;
  template <class F>
  auto withLock(F&& f) {
    std::lock_guard lock(mutex_);
    return f(value_);
  }
  template <class F>
  auto withLock(F&& f) const {
    std::lock_guard lock(mutex_);
    return f(value_);
  }

 private:
  mutable std::mutex mutex_;
  T value_;
};

// A value that is made when it is first wanted; of several threads that make one, the first one's stays.
template <class T>
class OptimisticLazy {
 public:
  OptimisticLazy() = default;
  OptimisticLazy(const OptimisticLazy& o) {
    if (const T* v = o.value_.load(std::memory_order_acquire)) value_ = new T(*v);
  }
  OptimisticLazy(OptimisticLazy&& o) noexcept : value_(o.value_.exchange(nullptr)) {}
  ~OptimisticLazy() { reset(); }
  OptimisticLazy& operator=(const OptimisticLazy& o) { return *this = OptimisticLazy(o); }
  OptimisticLazy& operator=(OptimisticLazy&& o) noexcept {
    if (this != &o) delete value_.exchange(o.value_.exchange(nullptr));
    return *this;
  }
  template <class F>
  T& ensure(const F& make) {
    T* have = value_.load(std::memory_order_acquire);
    if (have) return *have;
    std::unique_ptr<T> made(new T(make()));
    return value_.compare_exchange_strong(have, made.get(), std::memory_order_acq_rel) ? *made.release() : *have;
  }
  // Not while another thread uses the value.
  void reset() { delete value_.exchange(nullptr); }

 private:
  std::atomic<T*> value_{nullptr};
};
template <class T>
class LazyValue {
 public:
  virtual ~LazyValue() = default;
  virtual const T& get() const = 0;
};
template <class T>
class OptimisticLazyValue : public LazyValue<T> {
 public:
  const T& get() const override {
    return value_.ensure([this] { return compute(); });
  }

 private:
  virtual T compute() const = 0;
  mutable OptimisticLazy<T> value_;
};
template <class T>
class PrecomputedLazyValue : public LazyValue<T> {
 public:
  PrecomputedLazyValue(T value) : value_(std::move(value)) {}
  const T& get() const override { return value_; }

 private:
  T value_;
};

// What C10_DEFINE_TLS_static makes: this thread's value, found by a function.
template <class T>
class ThreadLocal {
 public:
  using Find = T* (*)();
  explicit ThreadLocal(Find find) : find_(find) {}
  T& get() { return *find_(); }
  T& operator*() { return get(); }
  T* operator->() { return &get(); }

 private:
  Find find_;
};

// The only owner of a value.
template <class T>
struct ExclusivelyOwnedTraits;
template <class T>
class ExclusivelyOwned {
 public:
  ExclusivelyOwned() = default;
  explicit ExclusivelyOwned(T value) : value_(std::move(value)) {}
  template <class... Args>
  explicit ExclusivelyOwned(std::in_place_t, Args&&... args) : value_(std::forward<Args>(args)...) {}
  ExclusivelyOwned(const ExclusivelyOwned&) = delete;
  ExclusivelyOwned(ExclusivelyOwned&&) = default;
  ExclusivelyOwned& operator=(ExclusivelyOwned&&) = default;
  ExclusivelyOwned& operator=(T value) { return value_ = std::move(value), *this; }
  T take() && { return std::move(value_); }
  T* get() { return &value_; }
  const T* get() const { return &value_; }
  T& operator*() { return value_; }
  const T& operator*() const { return value_; }
  T* operator->() { return &value_; }
  const T* operator->() const { return &value_; }

 private:
  T value_;
};

// ---- c10/util/Registry.h ----

enum RegistryPriority { REGISTRY_FALLBACK = 1, REGISTRY_DEFAULT = 2, REGISTRY_PREFERRED = 3 };

// Makers of objects by a key; they register themselves while the program starts.
template <class Key, class ObjectPtr, class... Args>
class Registry {
 public:
  using Creator = std::function<ObjectPtr(Args...)>;
  explicit Registry(bool warning = true) : warning_(warning) {}
  // Replaces a maker of less priority, and gives way to one of more. Throws std::runtime_error for a second one of the same.
  void Register(const Key& key, Creator creator, RegistryPriority priority = REGISTRY_DEFAULT) {
    std::lock_guard lock(mutex_);
    auto [at, is_new] = entries_.try_emplace(key);
    Entry& e = at->second;
    if (!is_new && priority == e.priority)
      throw std::runtime_error(api::str("Registry: ", key, " is registered already"));
    if (!is_new && warning_ && priority != e.priority)
      TORCH_WARN("Registry: ", key,
                 priority > e.priority ? " is registered anew, with a higher priority"
                                       : " keeps its maker of a higher priority");
    if (is_new || priority > e.priority) e.creator = std::move(creator), e.priority = priority;
  }
  void Register(const Key& key, Creator creator, const std::string& help,
                RegistryPriority priority = REGISTRY_DEFAULT) {
    Register(key, std::move(creator), priority);
    std::lock_guard lock(mutex_);
    entries_[key].help = help;
  }
  bool Has(const Key& key) const {
    std::lock_guard lock(mutex_);
    return entries_.count(key) != 0;
  }
  // Null for a key without a maker.
  ObjectPtr Create(const Key& key, Args... args) const {
    Creator creator;
    {
      std::lock_guard lock(mutex_);
      auto at = entries_.find(key);
      if (at == entries_.end()) return nullptr;
      creator = at->second.creator;
    }
    return creator(args...);
  }
  std::vector<Key> Keys() const {
    std::lock_guard lock(mutex_);
    std::vector<Key> keys;
    for (const auto& e : entries_) keys.push_back(e.first);
    return keys;
  }
  // Null for a key without a text.
  const char* HelpMessage(const Key& key) const {
    std::lock_guard lock(mutex_);
    auto at = entries_.find(key);
    return at == entries_.end() || at->second.help.empty() ? nullptr : at->second.help.c_str();
  }
  // Nothing here ends the process.
  void SetTerminate(bool) {}

 private:
  struct Entry {
    Creator creator;
    RegistryPriority priority = REGISTRY_FALLBACK;
    std::string help;
  };
  std::unordered_map<Key, Entry> entries_;
  bool warning_;
  mutable std::mutex mutex_;
};
template <class Key, class ObjectPtr, class... Args>
class Registerer {
 public:
  using Creator = typename Registry<Key, ObjectPtr, Args...>::Creator;
  Registerer(const Key& key, Registry<Key, ObjectPtr, Args...>* registry, Creator creator,
             const std::string& help = {}) {
    registry->Register(key, std::move(creator), help);
  }
  Registerer(const Key& key, RegistryPriority priority, Registry<Key, ObjectPtr, Args...>* registry, Creator creator,
             const std::string& help = {}) {
    registry->Register(key, std::move(creator), help, priority);
  }
  template <class Derived>
  static ObjectPtr DefaultCreator(Args... args) {
    return ObjectPtr(new Derived(args...));
  }
};

}  // namespace rushlight::api

#define RL_TOOL_JOIN2(a, b) a##b
#define RL_TOOL_JOIN(a, b) RL_TOOL_JOIN2(a, b)

#define C10_DECLARE_TYPED_REGISTRY(Name, Key, Object, Pointer, ...)        \
  ::rushlight::api::Registry<Key, Pointer<Object>, ##__VA_ARGS__>* Name(); \
  using Registerer##Name = ::rushlight::api::Registerer<Key, Pointer<Object>, ##__VA_ARGS__>
#define C10_DEFINE_TYPED_REGISTRY(Name, Key, Object, Pointer, ...)                                 \
  ::rushlight::api::Registry<Key, Pointer<Object>, ##__VA_ARGS__>* Name() {                        \
    static auto* registry = new ::rushlight::api::Registry<Key, Pointer<Object>, ##__VA_ARGS__>(); \
    return registry;                                                                               \
  }
#define C10_DECLARE_REGISTRY(Name, Object, ...) \
  C10_DECLARE_TYPED_REGISTRY(Name, std::string, Object, std::unique_ptr, ##__VA_ARGS__)
#define C10_DEFINE_REGISTRY(Name, Object, ...) \
  C10_DEFINE_TYPED_REGISTRY(Name, std::string, Object, std::unique_ptr, ##__VA_ARGS__)
#define C10_DECLARE_SHARED_REGISTRY(Name, Object, ...) \
  C10_DECLARE_TYPED_REGISTRY(Name, std::string, Object, std::shared_ptr, ##__VA_ARGS__)
#define C10_DEFINE_SHARED_REGISTRY(Name, Object, ...) \
  C10_DEFINE_TYPED_REGISTRY(Name, std::string, Object, std::shared_ptr, ##__VA_ARGS__)
#define C10_DEFINE_REGISTRY_WITHOUT_WARNING C10_DEFINE_REGISTRY
#define C10_DEFINE_SHARED_REGISTRY_WITHOUT_WARNING C10_DEFINE_SHARED_REGISTRY
#define C10_REGISTER_TYPED_CREATOR(Name, key, ...) \
  static Registerer##Name RL_TOOL_JOIN(rl_registered_##Name, __COUNTER__)(key, Name(), ##__VA_ARGS__)
#define C10_REGISTER_TYPED_CLASS(Name, key, ...)                           \
  static Registerer##Name RL_TOOL_JOIN(rl_registered_##Name, __COUNTER__)( \
      key, Name(), Registerer##Name::DefaultCreator<__VA_ARGS__>)
#define C10_REGISTER_CREATOR(Name, key, ...) C10_REGISTER_TYPED_CREATOR(Name, #key, __VA_ARGS__)
#define C10_REGISTER_CLASS(Name, key, ...) C10_REGISTER_TYPED_CLASS(Name, #key, __VA_ARGS__)
#define C10_REGISTER_CLASS_WITH_PRIORITY(Name, key, priority, ...)         \
  static Registerer##Name RL_TOOL_JOIN(rl_registered_##Name, __COUNTER__)( \
      #key, priority, Name(), Registerer##Name::DefaultCreator<__VA_ARGS__>)

// Flags are variables: nothing reads them from the command line.
#define RL_DEFINE_FLAG(type, name, value) \
  namespace c10 {                         \
  type FLAGS_##name = value;              \
  }                                       \
  using c10::FLAGS_##name
#define RL_DECLARE_FLAG(type, name) \
  namespace c10 {                   \
  extern type FLAGS_##name;         \
  }                                 \
  using c10::FLAGS_##name
#define C10_DEFINE_int(name, value, help) RL_DEFINE_FLAG(int, name, value)
#define C10_DEFINE_int32(name, value, help) RL_DEFINE_FLAG(int32_t, name, value)
#define C10_DEFINE_int64(name, value, help) RL_DEFINE_FLAG(int64_t, name, value)
#define C10_DEFINE_double(name, value, help) RL_DEFINE_FLAG(double, name, value)
#define C10_DEFINE_bool(name, value, help) RL_DEFINE_FLAG(bool, name, value)
#define C10_DEFINE_string(name, value, help) RL_DEFINE_FLAG(::std::string, name, value)
#define C10_DECLARE_int(name) RL_DECLARE_FLAG(int, name)
#define C10_DECLARE_int32(name) RL_DECLARE_FLAG(int32_t, name)
#define C10_DECLARE_int64(name) RL_DECLARE_FLAG(int64_t, name)
#define C10_DECLARE_double(name) RL_DECLARE_FLAG(double, name)
#define C10_DECLARE_bool(name) RL_DECLARE_FLAG(bool, name)
#define C10_DECLARE_string(name) RL_DECLARE_FLAG(::std::string, name)

#define RL_THREAD_VALUE(Type)       \
  ([]() -> Type* {                  \
    static thread_local Type value; \
    return &value;                  \
  })
#define C10_DEFINE_TLS_static(Type, name) static ::rushlight::api::ThreadLocal<Type> name(RL_THREAD_VALUE(Type))
#define C10_DECLARE_TLS_class_static(Class, Type, name) static ::rushlight::api::ThreadLocal<Type> name
#define C10_DEFINE_TLS_class_static(Class, Type, name) \
  ::rushlight::api::ThreadLocal<Type> Class::name(RL_THREAD_VALUE(Type))
