// Functors over the functions of kernels/special.h.
#pragma once
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/kernels/special.h"

// What is no float function computes in double.
#define RL_SPECIAL1(Functor, name)                                \
  template <class T> struct Functor {                             \
    RL_FN T operator()(T x) const { return T(special::name(x)); } \
  };
#define RL_SPECIAL2(Functor, name)                                        \
  template <class T> struct Functor {                                     \
    RL_FN T operator()(T x, T y) const { return T(special::name(x, y)); } \
  };
