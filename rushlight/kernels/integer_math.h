// Arithmetic of integers that is defined for every argument: it wraps where the machine would trap, and refuses a divisor of 0.
#pragma once
#include <type_traits>

#include "rushlight/core/error.h"
#include "rushlight/kernels/math.h"

namespace rushlight::math {

#define RL_INTEGER \
  template <class T, class = std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>>> inline
#define RL_CHECK_DIVISOR(b) RL_CHECK(RuntimeError, (b) != 0, "ZeroDivisionError")

// Towards zero. The smallest integer / -1 would trap.
RL_INTEGER T quotient(T a, T b) {
  RL_CHECK_DIVISOR(b);
  return b == T(-1) ? T(0 - a) : T(a / b);
}
// What that leaves, with the sign of a.
RL_INTEGER T rest(T a, T b) {
  RL_CHECK_DIVISOR(b);
  return b == T(-1) ? T(0) : T(a % b);
}

// The smallest integer's magnitude is none of its own type.
RL_INTEGER std::make_unsigned_t<T> magnitude(T x) {
  using U = std::make_unsigned_t<T>;
  return x < 0 ? U(0) - U(x) : U(x);
}
RL_INTEGER T gcd(T a, T b) {
  auto x = magnitude(a), y = magnitude(b);
  while (x != 0) {
    auto left = y % x;
    y = x;
    x = left;
  }
  return T(y);
}
RL_INTEGER T lcm(T a, T b) {
  auto g = std::make_unsigned_t<T>(gcd(a, b));
  return g == 0 ? T(0) : abs(T(magnitude(a) / g * magnitude(b)));
}
RL_INTEGER T pow(T x, T y) {
  if (y < 0) return x == 1 ? T(1) : x == T(-1) ? T(y % 2 ? -1 : 1) : T(0);
  T result = 1;
  for (; y; y >>= 1, x = T(x * x))
    if (y & 1) result = T(result * x);
  return result;
}

RL_INTEGER T shift_left(T a, T b) { return b < 0 || b >= T(sizeof(T) * 8) ? T(0) : T(std::make_unsigned_t<T>(a) << b); }
RL_INTEGER T shift_right(T a, T b) { return b < 0 || b >= T(sizeof(T) * 8) ? T(a < 0 ? -1 : 0) : T(a >> b); }

#undef RL_INTEGER
#undef RL_CHECK_DIVISOR

}  // namespace rushlight::math
