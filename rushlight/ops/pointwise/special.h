// Functors over the functions of kernels/special.h.
#pragma once
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/kernels/special.h"

// Computes in double, but floats where the function has an overload for them.
template <class T> using special_t = std::conditional_t<std::is_same_v<T, float>, float, double>;
#define RL_SPECIAL1(Functor, name)                                    \
  template <class T> struct Functor {                                 \
    RL_FN T operator()(T x) const {                                   \
      if constexpr (std::is_same_v<T, Expr>) return Expr(#name, {x}); \
      else return T(special::name(special_t<T>(x)));                  \
    }                                                                 \
  };
#define RL_SPECIAL2(Functor, name)                                       \
  template <class T> struct Functor {                                    \
    RL_FN T operator()(T x, T y) const {                                 \
      if constexpr (std::is_same_v<T, Expr>) return Expr(#name, {x, y}); \
      else return T(special::name(special_t<T>(x), special_t<T>(y)));    \
    }                                                                    \
  };
