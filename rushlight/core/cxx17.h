// What the headers that C++ programs include need of C++20, for programs that are compiled as C++17. The library itself is C++20.
#pragma once
#include <type_traits>

#if __cplusplus >= 202002L
#define RL_CONSTINIT constinit
#elif defined(__clang__)
#define RL_CONSTINIT __attribute__((require_constant_initialization))
#else
#define RL_CONSTINIT __constinit
#endif

namespace rushlight {

template <class To, class From>
constexpr To bit_cast(const From& from) {
  return __builtin_bit_cast(To, from);
}

// template <class T, require<condition> = 0>
template <bool Condition>
using require = std::enable_if_t<Condition, int>;

}  // namespace rushlight
