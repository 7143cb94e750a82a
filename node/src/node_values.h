// What the addon is made of: errors, values there and back, and what lives as long as a Node environment (a thread with JavaScript).
#pragma once
// Finalizers run within the collection, not when the program next waits: a loop of calls that never waits would otherwise keep all that it
// made. Node has that only for addons of its newest version.
#define NAPI_EXPERIMENTAL
#include <node_api.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "rushlight/c_api.h"

namespace rushlight::node {

// A JavaScript exception is pending; whoever catches this returns to JavaScript.
struct Pending {};

void check(napi_env env, napi_status status);
[[noreturn]] void type_error(napi_env env, const std::string& text);
[[noreturn]] void range_error(napi_env env, const std::string& text);
// The error as an exception object; takes it.
napi_value exception_of(napi_env env, rl_error* error);
// Throws the error, if there is one.
void check(napi_env env, rl_error* error);

// Owns a value of the library.
class Value {
 public:
  Value() = default;
  explicit Value(rl_value* v) : v_(v) {}
  Value(Value&& o) noexcept : v_(std::exchange(o.v_, nullptr)) {}
  Value& operator=(Value&& o) noexcept {
    std::swap(v_, o.v_);
    return *this;
  }
  ~Value() { rl_value_free(v_); }
  rl_value* get() const { return v_; }
  rl_value** out() { return &v_; }
  rl_value* release() { return std::exchange(v_, nullptr); }

 private:
  rl_value* v_ = nullptr;
};
using Values = std::vector<Value>;
std::vector<const rl_value*> pointers(const Values& values);

// What belongs to one environment. Threads of the library hold it too: memory of a typed array may be let go in any of them.
struct State {
  napi_env env = nullptr;
  // The classes of index.js that mean something, by their constructors.
  napi_ref tensor = nullptr, module = nullptr, tuple = nullptr, number = nullptr;

  // Typed arrays whose memory no tensor uses any more: let go by the environment's own thread.
  std::mutex mutex;
  bool ended = false;
  std::vector<napi_ref> unused;
  napi_threadsafe_function wake = nullptr;
  void let_go(napi_ref array);
  void drop_unused();
};
std::shared_ptr<State>& state_of(node_api_basic_env env);

// An object of class Tensor or ScriptModule.
struct Wrapped {
  Value value;
  napi_ref array = nullptr;      // the typed array's buffer that the memory is
  std::shared_ptr<State> state;  // with `array`
  int64_t bytes = 0;             // what the garbage collector was told of
  int running = 0;               // calls of a module on other threads
  bool tensor = false;
};
// Null for another object.
Wrapped* wrapped_of(napi_env env, napi_value object);
// The value of a Tensor or ScriptModule. Throws where it was disposed, or its memory went with a buffer that was transferred.
rl_value* held_by(napi_env env, const Wrapped& w);

// JavaScript's value; `where` begins errors: "add: argument 2". `values` counts nested arrays that hold themselves out.
Value from_js(napi_env env, napi_value v, const std::string& where, int depth = 0);
napi_value to_js(napi_env env, const Value& v, int depth = 0);
// An object of class Tensor or ScriptModule around the value.
napi_value wrap(napi_env env, Value v, napi_ref array = nullptr);

std::string text_of(napi_env env, napi_value v, const std::string& where);
// One for the C interface, whose texts end at the first null: a path that has one would name another file.
std::string word_of(napi_env env, napi_value v, const std::string& where);
std::string kind_of(napi_env env, napi_value v);
napi_value js_text(napi_env env, const char* text, size_t n);
napi_value js_text(napi_env env, const std::string& text);
napi_value js_number(napi_env env, double v);
std::vector<napi_value> items_of(napi_env env, napi_value array);

// The arguments of a call, and its object.
struct Arguments {
  Arguments(napi_env env, napi_callback_info info);
  napi_value operator[](size_t i) const { return i < given.size() ? given[i] : undefined; }
  std::vector<napi_value> given;
  napi_value self = nullptr, undefined = nullptr;
};
bool is(napi_env env, napi_value v, napi_valuetype type);

// Runs a function that may throw Pending or anything of C++; nothing of that gets out.
template <class F> napi_value guarded(napi_env env, F f) noexcept {
  try {
    return f();
  } catch (const Pending&) {
  } catch (const std::exception& e) { napi_throw_error(env, "InternalError", e.what()); } catch (...) {
    napi_throw_error(env, "InternalError", "unknown error");
  }
  return nullptr;
}

}  // namespace rushlight::node
