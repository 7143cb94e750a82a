// The functions of numbers, by name: the one list, from which their declarations, their vector forms (sleef.cpp), the steps of expressions
// (expr.h) and what evaluates or emits those are made. A name may be defined for several types of number; each group says where.
#pragma once

// In math.h, of float and double, with vector forms: X(name, accuracy of SLEEF's variant). math.h makes those of the second group of SLEEF's: what
// is large is brought into their range (Note [Large arguments]), and tanh of floats is one of its own.
#define RL_VECTOR_MATH1(X) \
  X(exp, "u10")            \
  X(exp2, "u10")           \
  X(expm1, "u10")          \
  X(log, "u10")            \
  X(log2, "u10")           \
  X(log10, "u10")          \
  X(sin, "u10")            \
  X(cos, "u10")            \
  X(tan, "u10")            \
  X(asin, "u10")           \
  X(acos, "u10")           \
  X(atan, "u10")           \
  X(atanh, "u10")          \
  X(erf, "u10")            \
  X(erfc, "u15")           \
  X(lgamma, "u10")         \
  X(tgamma, "u10")         \
  X(cbrt, "u10")
#define RL_MADE_MATH1(X) \
  X(log1p, "u10")        \
  X(sinh, "u10")         \
  X(cosh, "u10")         \
  X(tanh, "u10")         \
  X(asinh, "u10")        \
  X(acosh, "u10")
#define RL_VECTOR_MATH2(X) \
  X(pow, "u10")            \
  X(atan2, "u10")          \
  X(hypot, "u05")          \
  X(fmod, "")

// In math.h, by instructions; some are of integers, bools and half types too.
#define RL_PLAIN_MATH1(X) \
  X(negative)             \
  X(abs)                  \
  X(sqrt)                 \
  X(floor)                \
  X(ceil)                 \
  X(trunc)                \
  X(round_even)           \
  X(isnan)                \
  X(isinf)                \
  X(signbit)
#define RL_PLAIN_MATH2(X) \
  X(maximum)              \
  X(minimum)              \
  X(copysign)             \
  X(nextafter)            \
  X(unordered)

// In integer_math.h, of integers: without remainder or overflow that the machine would trap on.
#define RL_INTEGER_MATH2(X) \
  X(quotient)               \
  X(rest)                   \
  X(gcd)                    \
  X(lcm)                    \
  X(shift_left)             \
  X(shift_right)

// In complex_math.h, of complex numbers. Those of std, from which that header makes ours, and the others.
#define RL_STD_COMPLEX_MATH1(X) \
  X(exp)                        \
  X(log)                        \
  X(log10)                      \
  X(sin)                        \
  X(cos)                        \
  X(tan)                        \
  X(asin)                       \
  X(acos)                       \
  X(atan)                       \
  X(sinh)                       \
  X(cosh)                       \
  X(tanh)                       \
  X(asinh)                      \
  X(acosh)                      \
  X(atanh)                      \
  X(sqrt)
#define RL_COMPLEX_MATH1(X) \
  X(real)                   \
  X(imag)                   \
  X(conj)                   \
  X(arg)                    \
  X(sgn)
#define RL_COMPLEX_MATH2(X) \
  X(product)                \
  X(logaddexp)

// In special.h, of double; the last group of float too.
#define RL_SPECIAL_MATH1(X) \
  X(digamma)                \
  X(ndtr)                   \
  X(ndtri)                  \
  X(erfcx)                  \
  X(log_ndtr)               \
  X(bessel_i0)              \
  X(bessel_i1)              \
  X(bessel_i0e)             \
  X(bessel_i1e)             \
  X(bessel_k0)              \
  X(bessel_k1)              \
  X(bessel_k0e)             \
  X(bessel_k1e)             \
  X(bessel_j0)              \
  X(bessel_j1)              \
  X(bessel_y0)              \
  X(bessel_y1)              \
  X(spherical_j0)           \
  X(airy_ai)
#define RL_SPECIAL_MATH2(X) \
  X(zeta)                   \
  X(gammainc)               \
  X(gammaincc)              \
  X(chebyshev_t)            \
  X(chebyshev_u)            \
  X(chebyshev_v)            \
  X(chebyshev_w)            \
  X(shifted_chebyshev_t)    \
  X(shifted_chebyshev_u)    \
  X(shifted_chebyshev_v)    \
  X(shifted_chebyshev_w)    \
  X(laguerre_l)             \
  X(legendre_p)
#define RL_SPECIAL_FLOAT_MATH2(X) \
  X(polygamma)                    \
  X(hermite_h)                    \
  X(hermite_he)

// What C++ writes with a sign: X(name, sign), with results of the arguments' type, or bool.
#define RL_OPERATORS(X) \
  X(add, +)             \
  X(sub, -)             \
  X(mul, *)             \
  X(div, /)             \
  X(bit_and, &)         \
  X(bit_or, |)          \
  X(bit_xor, ^)
#define RL_COMPARISONS(X) \
  X(less, <)              \
  X(greater, >)           \
  X(less_equal, <=)       \
  X(greater_equal, >=)    \
  X(equal, ==)            \
  X(not_equal, !=)        \
  X(logical_and, &&)      \
  X(logical_or, ||)
#define RL_UNARY_OPERATORS(X) \
  X(bit_not, ~)               \
  X(logical_not, !)

// All functions that are called by name.
#define RL_MATH1(X)  \
  RL_VECTOR_MATH1(X) \
  RL_MADE_MATH1(X)   \
  RL_PLAIN_MATH1(X)  \
  RL_COMPLEX_MATH1(X)
#define RL_MATH2(X)   \
  RL_VECTOR_MATH2(X)  \
  RL_PLAIN_MATH2(X)   \
  RL_INTEGER_MATH2(X) \
  RL_COMPLEX_MATH2(X)
