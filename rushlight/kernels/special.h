// Special functions of one or two numbers, in double: what pointwise functors call where there is no vector form worth having. Each is exact
// to a few units in the last place of a double but near its zeros, so that a float result is rounded right.
//
//   digamma · zeta(s, q), the sum over k >= 0 of (q + k)^-s · polygamma(n, x), the n-th derivative of digamma
//   ndtr, ndtri, log_ndtr: the normal distribution function, its inverse and its logarithm · erfcx, exp(x^2) erfc(x)
//   gammainc(a, x), gammaincc(a, x): the regularised lower and upper incomplete gamma functions
//   bessel_*: Bessel functions; i: modified of the first kind, k: of the second; e: times exp(-|x|) or exp(x) · airy_ai
//   chebyshev_t(x, n) ...: orthogonal polynomials of degree n (rounded towards 0; negative: 0); shifted: of 2 x - 1
#pragma once
#include "rushlight/kernels/functions.h"

namespace rushlight::special {

#define RL_DECLARE1(name) double name(double x);
#define RL_DECLARE2(name) double name(double x, double y);
// In float as PyTorch computes them: polygamma keeps fewer digits near the poles on the left, the others overflow and cancel.
#define RL_DECLARE_FLOAT2(name)    \
  double name(double x, double y); \
  float name(float x, float y);
RL_SPECIAL_MATH1(RL_DECLARE1)
RL_SPECIAL_MATH2(RL_DECLARE2)
RL_SPECIAL_FLOAT_MATH2(RL_DECLARE_FLOAT2)
#undef RL_DECLARE1
#undef RL_DECLARE2
#undef RL_DECLARE_FLOAT2

}  // namespace rushlight::special
