// Errors: each kind maps to the Python exception PyTorch raises for the same mistake (see docs/design.md, section 8).
//
//   RL_CHECK(ShapeError, a.size(1) == b.size(0), "matmul: expected ..., got ", a.size(1));
//   RL_INVARIANT(node.refs() > 0);   // our bug, never the user's
#pragma once
#include <complex>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>
#if __cplusplus >= 202002L
#include <span>
#endif

#include "rushlight/core/cxx17.h"

namespace rushlight {

// What the Python front end raises for an Error.
enum class ErrorKind : uint8_t {
  Runtime,
  Value,
  Type,
  Index,
  NotImplemented,
  Memory,
  Os,
  Key,
  Attribute,
  Unpickling,
  Internal
};

class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string text) : kind_(kind), text_(std::move(text)) {}
  // As PyTorch programs throw it; there is no backtrace to keep.
  explicit Error(std::string text, const std::string& = {}) : Error(ErrorKind::Runtime, std::move(text)) {}
  const char* what() const noexcept override { return text_.c_str(); }
  const std::string& text() const { return text_; }
  // PyTorch's names for it.
  const std::string& msg() const { return text_; }
  const char* what_without_backtrace() const noexcept { return what(); }
  // What was being done when it came, added on its way up.
  void add_context(const std::string& doing) { text_ += " (" + doing + ")"; }
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
  std::string text_;
};

template <ErrorKind K>
class ErrorOf : public Error {
 public:
  explicit ErrorOf(std::string text) : Error(K, std::move(text)) {}
};

class ShapeError : public ErrorOf<ErrorKind::Runtime> { using ErrorOf::ErrorOf; };
class DTypeError : public ErrorOf<ErrorKind::Runtime> { using ErrorOf::ErrorOf; };
class RuntimeError : public ErrorOf<ErrorKind::Runtime> { using ErrorOf::ErrorOf; };
class AutogradError : public ErrorOf<ErrorKind::Runtime> { using ErrorOf::ErrorOf; };
class FileError : public ErrorOf<ErrorKind::Runtime> { using ErrorOf::ErrorOf; };           // a damaged or hostile file
class UnpicklingError : public ErrorOf<ErrorKind::Unpickling> { using ErrorOf::ErrorOf; };  // pickle.UnpicklingError
class ScriptError : public ErrorOf<ErrorKind::Runtime> { using ErrorOf::ErrorOf; };
class ValueError : public ErrorOf<ErrorKind::Value> { using ErrorOf::ErrorOf; };
class TypeError : public ErrorOf<ErrorKind::Type> { using ErrorOf::ErrorOf; };
class IndexError : public ErrorOf<ErrorKind::Index> { using ErrorOf::ErrorOf; };
class KeyError : public ErrorOf<ErrorKind::Key> { using ErrorOf::ErrorOf; };
class AttributeError : public ErrorOf<ErrorKind::Attribute> { using ErrorOf::ErrorOf; };
class NotImplementedError : public ErrorOf<ErrorKind::NotImplemented> { using ErrorOf::ErrorOf; };
class OsError : public ErrorOf<ErrorKind::Os> { using ErrorOf::ErrorOf; };  // open, read, write, rename failed
class OutOfMemory : public ErrorOf<ErrorKind::Memory> { using ErrorOf::ErrorOf; };
class InternalError : public ErrorOf<ErrorKind::Internal> { using ErrorOf::ErrorOf; };

// ---- text: str(a, b, ...) joins values; a type joins in by an overload of append_text found by lookup ----------------

inline void append_text(std::string& out, std::string_view s) { out += s; }
inline void append_text(std::string& out, const char* s) { out += s; }
inline void append_text(std::string& out, const std::string& s) { out += s; }
inline void append_text(std::string& out, char c) { out += c; }
inline void append_text(std::string& out, bool b) { out += b ? "True" : "False"; }
void append_text(std::string& out, double v);  // as Python's repr: 1.0, 1e-05, inf, nan
void append_text(std::string& out, std::complex<double> v);
template <class T, require<std::is_integral_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, char>> = 0>
void append_text(std::string& out, T v) {
  out += std::to_string(v);
}
inline void append_text(std::string& out, float v) { append_text(out, double(v)); }

template <class T>
void append_list(std::string& out, const T& items) {
  out += '[';
  bool first = true;
  for (const auto& item : items) {
    if (!first) out += ", ";
    first = false;
    append_text(out, item);
  }
  out += ']';
}
#if __cplusplus >= 202002L
template <class T>
void append_text(std::string& out, std::span<const T> items) {
  append_list(out, items);
}
#endif
template <class T>
void append_text(std::string& out, const std::vector<T>& items) {
  append_list(out, items);
}

// One of the values that str joins, without its type: a list of parts is joined by one function, whatever its types are. That made 0.3 MB of
// object code less.
struct TextPart {
  const void* value;
  void (*append)(std::string& out, const void* value);
};
template <class T>
TextPart text_part(const T& value) {
  return {&value, [](std::string& out, const void* v) { append_text(out, *static_cast<const T*>(v)); }};
}
inline TextPart text_part(const char* value) { return {value, nullptr}; }
std::string join_text(const TextPart* parts, size_t count);

template <class... Ts>
std::string str(const Ts&... values) {
  const TextPart parts[] = {text_part(values)..., TextPart{}};
  return join_text(parts, sizeof...(values));
}

[[noreturn]] void fail_invariant(const char* condition, const char* file, int line, const std::string& detail);

}  // namespace rushlight

#define RL_CHECK(Kind, condition, ...)                        \
  do {                                                        \
    if (!(condition)) [[unlikely]]                            \
      throw ::rushlight::Kind(::rushlight::str(__VA_ARGS__)); \
  } while (false)

#define RL_INVARIANT(condition, ...)                                                              \
  do {                                                                                            \
    if (!(condition)) [[unlikely]]                                                                \
      ::rushlight::fail_invariant(#condition, __FILE__, __LINE__, ::rushlight::str(__VA_ARGS__)); \
  } while (false)

// In builds under a sanitizer: stops where an index leaves its list or a pointer is read as another size of element.
#ifdef RL_SANITIZED
#define RL_BOUNDS(condition)            \
  do {                                  \
    if (!(condition)) __builtin_trap(); \
  } while (false)
#else
#define RL_BOUNDS(condition) static_cast<void>(0)
#endif
