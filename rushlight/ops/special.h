// Functors over the functions of kernels/special.h.
#pragma once
#include "rushlight/kernels/special.h"
#include "rushlight/ops/pointwise.h"

// Computes in double for every value type.
#define RL_SPECIAL1(Functor, name)                                    \
  template <class T> struct Functor {                                 \
    RL_FN T operator()(T x) const {                                   \
      if constexpr (std::is_same_v<T, Expr>) return Expr(#name, {x}); \
      else return T(special::name(double(x)));                        \
    }                                                                 \
  };
#define RL_SPECIAL2(Functor, name)                                       \
  template <class T> struct Functor {                                    \
    RL_FN T operator()(T x, T y) const {                                 \
      if constexpr (std::is_same_v<T, Expr>) return Expr(#name, {x, y}); \
      else return T(special::name(double(x), double(y)));                \
    }                                                                    \
  };
