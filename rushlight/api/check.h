// TORCH_CHECK and its relatives: checks in programs, whose texts join values by operator<<.
#pragma once
#include <memory>
#include <sstream>

#include "rushlight/api/types.h"

namespace rushlight::api {

namespace detail {
// Wide characters as UTF-8.
std::string narrow(const wchar_t* text, size_t n);
template <class T>
decltype(auto) printed(const T& part) {
  if constexpr (std::is_same_v<T, wchar_t>) return narrow(&part, 1);
  else if constexpr (std::is_convertible_v<const T&, std::wstring_view>) {
    std::wstring_view text = part;
    return narrow(text.data(), text.size());
  } else return (part);
}
}  // namespace detail
// c10::str(a, b, ...): the values' texts one behind the other.
template <class... Ts>
std::string str(const Ts&... parts) {
  std::ostringstream out;
  static_cast<void>((out << ... << detail::printed(parts)));
  return out.str();
}

// A type's name as programs write it: "torch::nn::LinearImpl".
std::string demangle(const char* name);
// A line for each call that led here, the last one first.
std::string get_backtrace(size_t frames_to_skip = 0, size_t maximum_number_of_frames = 64,
                          bool skip_python_frames = true);

namespace detail {
template <class... Ts>
std::string check_text(const char* condition, const Ts&... parts) {
  if constexpr (sizeof...(Ts) == 0)
    return std::string("Expected ") + condition +
           " to be true, but got false.  (Could this error message be improved?)";
  else return api::str(parts...);
}
template <class A, class B, class F>
std::unique_ptr<std::string> compare(const A& a, const B& b, const F& f, const char* condition) {
  if (f(a, b)) return nullptr;
  return std::make_unique<std::string>(api::str("Check failed: ", condition, " (", a, " vs. ", b, "). "));
}
// Throws RuntimeError at its end, with what was streamed.
class Thrower {
 public:
  explicit Thrower(const std::string& text) { out_ << text; }
  Thrower(const Thrower&) = delete;
  ~Thrower() noexcept(false) { throw RuntimeError(out_.str()); }
  std::ostream& stream() { return out_; }

 private:
  std::ostringstream out_;
};
bool shall_warn(bool& said);
std::string assert_text(const char* condition, const char* file, int line, const std::string& more);
void warn(const std::string& text, const char* function, const char* file, unsigned line);
}  // namespace detail

struct SourceLocation {
  const char* function;
  const char* file;
  uint32_t line;
};
class WarningHandler;
// What a program is told that is no error.
class Warning {
 public:
  // PyTorch's names before WarningUtils.
  static void set_warning_handler(WarningHandler* handler) noexcept;
  static WarningHandler* get_warning_handler() noexcept;
  Warning(std::string text, SourceLocation where) : text_(std::move(text)), where_(where) {}
  const std::string& msg() const noexcept { return text_; }
  const SourceLocation& source_location() const noexcept { return where_; }
  bool verbatim() const noexcept { return false; }

 private:
  std::string text_;
  SourceLocation where_;  // empty texts for a warning of the library's own
};
// Who tells it. The first one writes to the standard error stream, or makes Python's UserWarning.
class WarningHandler {
 public:
  virtual ~WarningHandler() = default;
  // A handler overrides one of the two; the second is the form before PyTorch 2.
  virtual void process(const Warning& warning) {
    process(warning.source_location(), warning.msg(), warning.verbatim());
  }
  virtual void process(const SourceLocation&, const std::string& /*text*/, bool /*verbatim*/) {}
};
namespace WarningUtils {
// Of this thread's warnings, until another is set; null for the first one.
void set_warning_handler(WarningHandler* handler) noexcept;
WarningHandler* get_warning_handler() noexcept;
class WarningHandlerGuard {
 public:
  explicit WarningHandlerGuard(WarningHandler* handler) : before_(get_warning_handler()) {
    set_warning_handler(handler);
  }
  WarningHandlerGuard(const WarningHandlerGuard&) = delete;
  ~WarningHandlerGuard() { set_warning_handler(before_); }

 private:
  WarningHandler* before_;
};
// On: TORCH_WARN_ONCE warns each time.
void set_warnAlways(bool on) noexcept;
bool get_warnAlways() noexcept;
// In its scope.
class WarnAlways {
 public:
  explicit WarnAlways(bool on = true) : before_(get_warnAlways()) { set_warnAlways(on); }
  WarnAlways(const WarnAlways&) = delete;
  ~WarnAlways() { set_warnAlways(before_); }

 private:
  bool before_;
};
}  // namespace WarningUtils
inline void Warning::set_warning_handler(WarningHandler* handler) noexcept {
  WarningUtils::set_warning_handler(handler);
}
inline WarningHandler* Warning::get_warning_handler() noexcept { return WarningUtils::get_warning_handler(); }
// As TORCH_WARN, from a function.
inline void warn(const Warning& warning) { WarningUtils::get_warning_handler()->process(warning); }

}  // namespace rushlight::api

#define RL_API_CHECK(Kind, condition, ...)                                                                      \
  do {                                                                                                          \
    if (!(condition)) throw ::rushlight::Kind(::rushlight::api::detail::check_text(#condition, ##__VA_ARGS__)); \
  } while (false)

#define TORCH_CHECK(condition, ...) RL_API_CHECK(RuntimeError, condition, ##__VA_ARGS__)
#define TORCH_CHECK_INDEX(condition, ...) RL_API_CHECK(IndexError, condition, ##__VA_ARGS__)
#define TORCH_CHECK_VALUE(condition, ...) RL_API_CHECK(ValueError, condition, ##__VA_ARGS__)
#define TORCH_CHECK_TYPE(condition, ...) RL_API_CHECK(TypeError, condition, ##__VA_ARGS__)
#define TORCH_CHECK_NOT_IMPLEMENTED(condition, ...) RL_API_CHECK(NotImplementedError, condition, ##__VA_ARGS__)
#define TORCH_CHECK_WITH(Kind, condition, ...)                                                                \
  do {                                                                                                        \
    if (!(condition)) C10_THROW_ERROR(Kind, ::rushlight::api::detail::check_text(#condition, ##__VA_ARGS__)); \
  } while (false)
#define C10_THROW_ERROR(Kind, text) throw ::c10::Kind(text)
#define TORCH_INTERNAL_ASSERT(condition, ...)                                                                         \
  do {                                                                                                                \
    if (!(condition))                                                                                                 \
      throw ::rushlight::InternalError(                                                                               \
          ::rushlight::api::detail::assert_text(#condition, __FILE__, __LINE__, ::rushlight::api::str(__VA_ARGS__))); \
  } while (false)
#ifdef NDEBUG
#define TORCH_INTERNAL_ASSERT_DEBUG_ONLY(...) \
  while (false) TORCH_INTERNAL_ASSERT(__VA_ARGS__)
#else
#define TORCH_INTERNAL_ASSERT_DEBUG_ONLY(...) TORCH_INTERNAL_ASSERT(__VA_ARGS__)
#endif
// TORCH_CHECK_EQ(a, b) << "more text";
#define RL_CHECK_COMPARE(a, b, op)                                                                       \
  if (auto rl_failed = ::rushlight::api::detail::compare(                                                \
          (a), (b), [](const auto& rl_a, const auto& rl_b) { return rl_a op rl_b; }, #a " " #op " " #b); \
      !rl_failed) {                                                                                      \
  } else ::rushlight::api::detail::Thrower(*rl_failed).stream()
#define TORCH_CHECK_EQ(a, b) RL_CHECK_COMPARE(a, b, ==)
#define TORCH_CHECK_NE(a, b) RL_CHECK_COMPARE(a, b, !=)
#define TORCH_CHECK_LT(a, b) RL_CHECK_COMPARE(a, b, <)
#define TORCH_CHECK_LE(a, b) RL_CHECK_COMPARE(a, b, <=)
#define TORCH_CHECK_GT(a, b) RL_CHECK_COMPARE(a, b, >)
#define TORCH_CHECK_GE(a, b) RL_CHECK_COMPARE(a, b, >=)
// To the thread's WarningHandler.
#define TORCH_WARN(...) \
  ::rushlight::api::detail::warn(::rushlight::api::str(__VA_ARGS__), __func__, __FILE__, unsigned(__LINE__))
#define TORCH_WARN_ONCE(...)                                                    \
  do {                                                                          \
    static bool rl_said = false;                                                \
    if (::rushlight::api::detail::shall_warn(rl_said)) TORCH_WARN(__VA_ARGS__); \
  } while (false)
#define AT_ERROR(...) throw ::rushlight::RuntimeError(::rushlight::api::str(__VA_ARGS__))
#define AT_ASSERT(...) TORCH_INTERNAL_ASSERT(__VA_ARGS__)
#define AT_ASSERTM(condition, ...) TORCH_CHECK(condition, ##__VA_ARGS__)
#define AT_CHECK(condition, ...) TORCH_CHECK(condition, ##__VA_ARGS__)
#define AT_WARN(...) TORCH_WARN(__VA_ARGS__)

// Marks that mean nothing here, in code that was written for PyTorch.
#define TORCH_API
#define C10_API
#define C10_EXPORT
#define C10_UNUSED [[maybe_unused]]
#define C10_USED __attribute__((used))
#define C10_NODISCARD [[nodiscard]]
#define C10_ALWAYS_INLINE inline __attribute__((always_inline))
#define C10_NOINLINE __attribute__((noinline))
#define C10_LIKELY(x) __builtin_expect(static_cast<bool>(x), 1)
#define C10_UNLIKELY(x) __builtin_expect(static_cast<bool>(x), 0)
#define C10_HOST_DEVICE
#define C10_HOST
#define C10_DEVICE
#define C10_RESTRICT __restrict
// Nothing counts who uses what.
#define C10_LOG_API_USAGE_ONCE(...) static_cast<void>(0)
#define C10_STRINGIZE_IMPL(x) #x
#define C10_STRINGIZE(x) C10_STRINGIZE_IMPL(x)
