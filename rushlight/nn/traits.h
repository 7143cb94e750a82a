// What PyTorch's torch/detail/static.h and csrc/utils hold and programs came to use: questions about types, asked of the compiler.
#pragma once
#include <memory>

#include "rushlight/nn/module.h"

namespace rushlight::api {

using std::enable_if_t;
template <bool condition, class T = void>
using disable_if_t = std::enable_if_t<!condition, T>;
template <bool... values>
using all_of = std::bool_constant<(values && ...)>;
template <bool... values>
using any_of = std::bool_constant<(values || ...)>;

// Calls `function` with each of them.
template <class F, class... Ts>
F apply(F function, Ts&&... items) {
  (function(std::forward<Ts>(items)), ...);
  return function;
}

namespace detail {

template <class T>
using is_module = std::is_base_of<nn::Module, std::decay_t<T>>;
template <class M, class T = void>
using enable_if_module_t = std::enable_if_t<is_module<M>::value, T>;

template <class... Ts>
constexpr bool check_not_lvalue_references() {
  return (!std::is_lvalue_reference_v<Ts> && ...);
}

// What forward() returns for these arguments; void where the module has none.
template <class Void, class M, class... Args>
struct forward_result {
  using type = void;
};
template <class M, class... Args>
struct forward_result<std::void_t<decltype(std::declval<M&>().forward(std::declval<Args>()...))>, M, Args...> {
  using type = decltype(std::declval<M&>().forward(std::declval<Args>()...));
};
template <class M, class... Args>
using return_type_of_forward = forward_result<void, M, Args...>;
template <class M, class... Args>
using return_type_of_forward_t = typename return_type_of_forward<M, Args...>::type;

}  // namespace detail
}  // namespace rushlight::api
