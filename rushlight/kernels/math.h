// Mathematical functions as functors use them, for every value type a functor meets: float and double in vectorised loops, complex, integers
// where that makes sense, and in other translation units CUDA's scalars and symbolic expressions by their own overloads.
//
// The float and double ones carry vector variants (Note [Vectorised loops]): `simd` lets the compiler call them in loops. They are SLEEF's, with
// an error of at most 1 ulp: the same mathematics as PyTorch's CPU kernels.
#pragma once
#include <cmath>
#include <complex>
#include <cstdint>
#include <type_traits>

#include "rushlight/core/dtype.h"

#ifdef __CUDACC__
#define RL_FN __host__ __device__
#else
#define RL_FN
#endif

#if defined(RL_HAVE_SLEEF) && !defined(__clang__) && !defined(__CUDACC__) && defined(__x86_64__)
#define RL_SIMD __attribute__((simd("notinbranch"), const))
#define RL_LIBM "rlm_"  // see sleef.cpp
#else
#define RL_LIBM
#define RL_SIMD __attribute__((const))
#endif

namespace rushlight::math {

#ifndef __CUDACC__
extern "C" {
#define RL_MATH1(name)                                         \
  RL_SIMD float rl_f_##name(float) __asm__(RL_LIBM #name "f"); \
  RL_SIMD double rl_d_##name(double) __asm__(RL_LIBM #name);
#define RL_MATH2(name)                                                \
  RL_SIMD float rl_f_##name(float, float) __asm__(RL_LIBM #name "f"); \
  RL_SIMD double rl_d_##name(double, double) __asm__(RL_LIBM #name);
RL_MATH1(exp)
RL_MATH1(exp2)
RL_MATH1(expm1)
RL_MATH1(log)
RL_MATH1(log2)
RL_MATH1(log10)
RL_MATH1(log1p)
RL_MATH1(sin)
RL_MATH1(cos)
RL_MATH1(tan)
RL_MATH1(asin)
RL_MATH1(acos)
RL_MATH1(atan)
RL_MATH1(sinh)
RL_MATH1(cosh)
RL_MATH1(tanh)
RL_MATH1(asinh)
RL_MATH1(acosh)
RL_MATH1(atanh)
RL_MATH1(erf)
RL_MATH1(erfc)
RL_MATH1(lgamma)
RL_MATH1(tgamma)
RL_MATH1(cbrt)
RL_MATH2(pow)
RL_MATH2(atan2)
RL_MATH2(hypot)
RL_MATH2(fmod)
#undef RL_MATH1
#undef RL_MATH2
}
#define RL_CALL(kind, name) rl_##kind##_##name
#else
#define RL_CALL(kind, name) ::name
#endif

#define RL_MATH1(name)                                             \
  RL_FN inline float name(float x) { return RL_CALL(f, name)(x); } \
  RL_FN inline double name(double x) { return RL_CALL(d, name)(x); }
// Not templates: they must win over std's, which argument-dependent look-up finds.
#define RL_COMPLEX1(name)                                     \
  inline complex64 name(complex64 x) { return std::name(x); } \
  inline complex128 name(complex128 x) { return std::name(x); }
#define RL_MATH2(name)                                                         \
  RL_FN inline float name(float x, float y) { return RL_CALL(f, name)(x, y); } \
  RL_FN inline double name(double x, double y) { return RL_CALL(d, name)(x, y); }
RL_MATH1(exp)
RL_MATH1(exp2)
RL_MATH1(expm1)
RL_MATH1(log)
RL_MATH1(log2)
RL_MATH1(log10)
RL_MATH1(sin)
RL_MATH1(cos)
RL_MATH1(tan)
RL_MATH1(asin)
RL_MATH1(acos)
RL_MATH1(atan)
RL_MATH1(tanh)
RL_MATH1(atanh)
RL_MATH1(erf)
RL_MATH1(erfc)
RL_MATH1(lgamma)
RL_MATH1(tgamma)
RL_MATH1(cbrt)
RL_MATH2(pow)
RL_MATH2(atan2)
RL_MATH2(hypot)
RL_MATH2(fmod)
RL_COMPLEX1(exp)
RL_COMPLEX1(log)
RL_COMPLEX1(log10)
RL_COMPLEX1(sin)
RL_COMPLEX1(cos)
RL_COMPLEX1(tan)
RL_COMPLEX1(asin)
RL_COMPLEX1(acos)
RL_COMPLEX1(atan)
RL_COMPLEX1(sinh)
RL_COMPLEX1(cosh)
RL_COMPLEX1(tanh)
RL_COMPLEX1(asinh)
RL_COMPLEX1(acosh)
RL_COMPLEX1(atanh)
RL_COMPLEX1(sqrt)
#undef RL_MATH1
#undef RL_MATH2
#undef RL_COMPLEX1
inline complex64 pow(complex64 x, complex64 y) { return std::pow(x, y); }
inline complex128 pow(complex128 x, complex128 y) { return std::pow(x, y); }

// Note [Large arguments]: SLEEF's log1p, asinh, acosh, sinh and cosh overflow before their results do. What is large is brought into their
// range first: log1p x = log1p(x / 2^64) + log 2^64, asinh x = 2 asinh sqrt(x / 2), cosh 2x = 2 cosh² x, to the last place beyond these
// limits. All that depends on the condition is chosen before the call: a second choice after it would become a branch around both, and
// the loop would not be vectorised.
#define RL_LARGE(R, f, sqrt_of, abs_of, copysign_of)      \
  RL_FN inline R log1p(R x) {                             \
    bool large = x > R(0x1p120);                          \
    R scale = large ? R(0x1p-64) : R(1);                  \
    R more = large ? R(44.3614195558364998027) : R(-0.0); \
    return RL_CALL(f, log1p)(x * scale) + more;           \
  }                                                       \
  RL_FN inline R asinh(R x) {                             \
    R root = copysign_of(sqrt_of(abs_of(x) * R(0.5)), x); \
    bool large = abs_of(x) > R(0x1p60);                   \
    R y = large ? root : x;                               \
    R times = large ? R(2) : R(1);                        \
    return RL_CALL(f, asinh)(y) * times;                  \
  }                                                       \
  RL_FN inline R acosh(R x) {                             \
    R root = sqrt_of(abs_of(x) * R(0.5));                 \
    bool large = x > R(0x1p60);                           \
    R y = large ? root : x;                               \
    R times = large ? R(2) : R(1);                        \
    return RL_CALL(f, acosh)(y) * times;                  \
  }                                                       \
  RL_FN inline R cosh(R x) {                              \
    R large = abs_of(x) > R(80) ? R(1) : R(0);            \
    R y = RL_CALL(f, cosh)(x * (R(1) - R(0.5) * large));  \
    return y * ((y + y) * large + (R(1) - large));        \
  }                                                       \
  RL_FN inline R sinh(R x) {                              \
    R large = abs_of(x) > R(80) ? R(1) : R(0);            \
    R y = RL_CALL(f, sinh)(x * (R(1) - R(0.5) * large));  \
    return y * (abs_of(y + y) * large + (R(1) - large));  \
  }
RL_LARGE(float, f, __builtin_sqrtf, __builtin_fabsf, __builtin_copysignf)
RL_LARGE(double, d, __builtin_sqrt, __builtin_fabs, __builtin_copysign)
#undef RL_LARGE
#undef RL_CALL

RL_FN inline float sqrt(float x) { return __builtin_sqrtf(x); }
RL_FN inline double sqrt(double x) { return __builtin_sqrt(x); }
RL_FN inline float floor(float x) { return __builtin_floorf(x); }
RL_FN inline double floor(double x) { return __builtin_floor(x); }
RL_FN inline float ceil(float x) { return __builtin_ceilf(x); }
RL_FN inline double ceil(double x) { return __builtin_ceil(x); }
RL_FN inline float trunc(float x) { return __builtin_truncf(x); }
RL_FN inline double trunc(double x) { return __builtin_trunc(x); }
RL_FN inline float round_even(float x) { return __builtin_nearbyintf(x); }
RL_FN inline double round_even(double x) { return __builtin_nearbyint(x); }
RL_FN inline float copysign(float x, float y) { return __builtin_copysignf(x, y); }
RL_FN inline double copysign(double x, double y) { return __builtin_copysign(x, y); }
template <class T>
  requires std::is_integral_v<T>
RL_FN T floor(T x) {
  return x;
}
template <class T>
  requires std::is_integral_v<T>
RL_FN T trunc(T x) {
  return x;
}

RL_FN inline float abs(float x) { return __builtin_fabsf(x); }
RL_FN inline double abs(double x) { return __builtin_fabs(x); }
template <class R> RL_FN R abs(std::complex<R> x) { return std::abs(x); }
template <class T>
  requires std::is_integral_v<T>
RL_FN T abs(T x) {
  // Through the unsigned type: the smallest integer stays itself instead of being undefined.
  using U = std::make_unsigned_t<std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>>;
  return x < T(0) ? T(U(0) - U(x)) : x;
}

// Both sides are computed, always: a branch would keep the loop from being vectorised.
template <class T>
RL_FN T select(bool c, T a, T b) {
  return c ? a : b;
}

template <class T> RL_FN bool isnan(T x) { return x != x; }
template <class R> RL_FN bool isnan(std::complex<R> x) { return isnan(x.real()) || isnan(x.imag()); }

// NaN wins, as in torch.maximum. Two selections instead of ||: the compiler joins branches on the same value, as minimum(maximum(x, low),
// high) has them, and then no longer vectorises the loop.
template <class T>
RL_FN T maximum(T a, T b) {
  T larger = a > b ? a : b;
  return a != a ? a : larger;
}
template <class T>
RL_FN T minimum(T a, T b) {
  T smaller = a < b ? a : b;
  return a != a ? a : smaller;
}

// x between two numbers that are not NaN; NaN stays.
template <class T>
RL_FN T limit(T x, T low, T high) {
  T raised = x < low ? low : x;
  return raised > high ? high : raised;
}

template <class T> constexpr bool is_complex_type = false;
template <class R> constexpr bool is_complex_type<std::complex<R>> = true;

// 1 / (1 + exp(-x)), by an exponential that can't overflow: so it keeps the smallest results.
template <class T>
RL_FN T sigmoid(T x) {
  if constexpr (is_complex_type<T>) {
    return T(1) / (T(1) + exp(-x));
  } else {
    T z = exp(-abs(x));
    return select(x < T(0), z, T(1)) / (T(1) + z);
  }
}
// x, where a factor that comes to 0 long before cuts it off: 0 times this is never 0 times inf.
template <class T> RL_FN T cut_below(T x) { return maximum(x, T(-1e38)); }
template <class T> RL_FN T cut(T x) { return limit(x, T(-1e3), T(1e3)); }

// The normal distribution function, (1 + erf(x / sqrt 2)) / 2.
template <class T> RL_FN T normal_cdf(T x) { return T(0.5) * (T(1) + erf(x * T(0.70710678118654752440))); }
RL_FN inline double normal_cdf(double x) { return 0.5 * erfc(x * -0.70710678118654752440); }
// In float by a rational minimax fit of erf(y) / y in y^2 (relative error 2e-8 on |y| < 3.93; erf is 1 in float from there on): all rounding
// included within 2e-7 of the exact value, at a sixth of the time of an erf that is exact to the last place.
RL_FN inline float normal_cdf(float x) {
  float y = x * 0.70710678f, t = y * y;
  float p = 2.0421600765985204e-06f, q = 3.800525519181974e-05f;
  p = p * t + 0.00028479317552410066f;
  q = q * t + 0.0011650166707113385f;
  p = p * t + 0.0037787703331559896f;
  q = q * t + 0.014995739795267582f;
  p = p * t + 0.052787669003009796f;
  q = q * t + 0.11424926668405533f;
  p = p * t + 0.19076377153396606f;
  q = q * t + 0.5023927092552185f;
  p = p * t + 1.1283791065216064f;
  q = q * t + 1.0f;
  float half = 0.5f * select(abs(y) >= 3.93f, copysign(1.0f, y), y * p / q);
  return select(half < -0.5f, 0.0f, 0.5f + half);  // a rounding beyond 1 would change the sign
}

template <class T> struct real_of { using type = T; };
template <class R> struct real_of<std::complex<R>> { using type = R; };
template <class T> using real_t = typename real_of<T>::type;

}  // namespace rushlight::math
