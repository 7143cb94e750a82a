// What stands behind the handles of rushlight/c_api.h, and the way from exceptions to errors as values.
#pragma once
#include "rushlight/api/api.h"
#include "rushlight/c_api.h"
#include "rushlight/dispatch/op.h"

struct rl_error {
  int32_t kind;
  std::string text;
};
struct rl_value { rushlight::IValue v; };

namespace rushlight::capi {

rl_error* error_of(int32_t kind, const char* text) noexcept;

// Nothing that f throws gets out.
template <class F>
rl_error* guarded(const F& f) noexcept {
  try {
    f();
    return nullptr;
  } catch (const Error& e) { return error_of(int32_t(e.kind()), e.what()); } catch (const std::bad_alloc&) {
    return error_of(RL_MEMORY_ERROR, "out of memory");
  } catch (const std::exception& e) { return error_of(RL_RUNTIME_ERROR, e.what()); } catch (...) {
    return error_of(RL_RUNTIME_ERROR, "an exception of an unknown type");
  }
}

// Throws what a kernel returned, and frees it. `who` begins the text.
void throw_returned(rl_error* e, const std::string& who);

inline rl_value* give(IValue v) { return new rl_value{std::move(v)}; }
template <class T>
T& need(T* p, const char* function, const char* what) {
  RL_CHECK(ValueError, p, function, ": ", what, " is NULL");
  return *p;
}
inline const IValue& value_of(const rl_value* v, const char* function, const char* what = "the value") {
  return need(v, function, what).v;
}
const Tensor& tensor_of(const rl_value* v, const char* function);
inline const Op& op_of(const rl_operator* op, const char* function) {
  return need(reinterpret_cast<const Op*>(op), function, "the operator");
}
inline const rl_operator* handle_of(const Op& op) { return reinterpret_cast<const rl_operator*>(&op); }
std::string full_name(const Op& op);  // "aten::add.Tensor"
// Throws RuntimeError with near names.
const Op& find_op(std::string_view name);

// v as the value of an argument or a result: an int where a float is wanted, one int where a list of two is. False: it doesn't fit.
bool fit(const IValue& v, const Argument& a, IValue& out);
// `borrowed`: fills what the call needs of arguments in schema order.
void call_in_order(const Op& op, const IValue* const* args, size_t n, IValue* rets);

}  // namespace rushlight::capi
