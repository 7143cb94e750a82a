// Mathematical functions as functors use them, by the names of functions.h: float and double in vectorised loops and as CUDA's scalars, integers
// where that makes sense; those of complex_math.h and integer_math.h beside them, and of expressions by the overloads of expr.h.
//
// The float and double ones carry vector variants (Note [Vectorised loops]): `simd` lets the compiler call them in loops. They are SLEEF's, with
// an error of at most 1 ulp: the same mathematics as PyTorch's CPU kernels.
#pragma once
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "rushlight/core/dtype.h"
#include "rushlight/kernels/functions.h"

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
#define RL_DECLARE1(name, ulp)                                 \
  RL_SIMD float rl_f_##name(float) __asm__(RL_LIBM #name "f"); \
  RL_SIMD double rl_d_##name(double) __asm__(RL_LIBM #name);
#define RL_DECLARE2(name, ulp)                                        \
  RL_SIMD float rl_f_##name(float, float) __asm__(RL_LIBM #name "f"); \
  RL_SIMD double rl_d_##name(double, double) __asm__(RL_LIBM #name);
RL_VECTOR_MATH1(RL_DECLARE1)
RL_MADE_MATH1(RL_DECLARE1)
RL_VECTOR_MATH2(RL_DECLARE2)
#undef RL_DECLARE1
#undef RL_DECLARE2
}
#define RL_CALL(kind, name) rl_##kind##_##name
#else
#define RL_CALL(kind, name) ::name
#endif

#define RL_DEFINE1(name, ulp)                                      \
  RL_FN inline float name(float x) { return RL_CALL(f, name)(x); } \
  RL_FN inline double name(double x) { return RL_CALL(d, name)(x); }
#define RL_DEFINE2(name, ulp)                                                  \
  RL_FN inline float name(float x, float y) { return RL_CALL(f, name)(x, y); } \
  RL_FN inline double name(double x, double y) { return RL_CALL(d, name)(x, y); }
RL_VECTOR_MATH1(RL_DEFINE1)
RL_VECTOR_MATH2(RL_DEFINE2)
#undef RL_DEFINE1
#undef RL_DEFINE2

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

// Of floats within 1.4 ulp, in a fifth of the time of SLEEF's: below 0.7 x + x^3 p(x^2), with p of the least relative error, beyond
// 1 - 2 / (exp 2x + 1). Both are a + b / (exp c + 1), so that nothing is chosen after the call, as above.
RL_FN inline float tanh(float x) {
  float size = __builtin_fabsf(x), t = x * x;
  float p = 0.00188439770f;
  p = p * t - 0.00786827598f;
  p = p * t + 0.0215636566f;
  p = p * t - 0.0539193153f;
  p = p * t + 0.133329675f;
  p = p * t - 0.333333254f;
  bool near = size < 0.7f;
  float a = near ? size : 1.0f;
  float b = near ? (size + size) * (t * p) : -2.0f;
  float c = near ? 0.0f : size + size;
  return __builtin_copysignf(a + b / (RL_CALL(f, exp)(c) + 1.0f), x);
}
RL_FN inline double tanh(double x) { return RL_CALL(d, tanh)(x); }
#undef RL_CALL

// An expression of type R (expr.h).
template <class R> class Expr;
// What T counts with: R where it is an Expr<R>.
template <class T> struct number_of { using type = T; };
template <class R> struct number_of<Expr<R>> { using type = R; };
template <class T> using number_t = typename number_of<T>::type;
template <class T> constexpr bool is_expr = !std::is_same_v<T, number_t<T>>;
// R, or an Expr of it where T is one.
template <class T, class R> using same_kind_t = std::conditional_t<is_expr<T>, Expr<R>, R>;

template <class T> struct real_of { using type = T; };
template <class R> struct real_of<std::complex<R>> { using type = R; };
template <class R> struct real_of<Expr<R>> { using type = Expr<typename real_of<R>::type>; };
template <class T> using real_t = typename real_of<T>::type;

// Kinds of T, Exprs of them included.
template <class T> constexpr bool is_complex_type = !std::is_same_v<number_t<T>, real_t<number_t<T>>>;
template <class T> constexpr bool is_integer = std::is_integral_v<number_t<T>>;  // bools too
template <class T> constexpr bool is_float = std::is_floating_point_v<number_t<T>>;
template <class T> constexpr bool is_bool = std::is_same_v<number_t<T>, bool>;

#define RL_BUILTIN(name, builtin)                            \
  RL_FN inline float name(float x) { return builtin##f(x); } \
  RL_FN inline double name(double x) { return builtin(x); }
RL_BUILTIN(sqrt, __builtin_sqrt)
RL_BUILTIN(floor, __builtin_floor)
RL_BUILTIN(ceil, __builtin_ceil)
RL_BUILTIN(trunc, __builtin_trunc)
RL_BUILTIN(round_even, __builtin_nearbyint)
RL_BUILTIN(abs, __builtin_fabs)
#undef RL_BUILTIN
RL_FN inline float copysign(float x, float y) { return __builtin_copysignf(x, y); }
RL_FN inline double copysign(double x, double y) { return __builtin_copysign(x, y); }
inline float nextafter(float x, float y) { return std::nextafter(x, y); }
inline double nextafter(double x, double y) { return std::nextafter(x, y); }
// One of them is NaN: one test instead of two.
RL_FN inline bool unordered(float x, float y) { return __builtin_isunordered(x, y); }
RL_FN inline bool unordered(double x, double y) { return __builtin_isunordered(x, y); }

template <class T>
  requires std::is_integral_v<T>
RL_FN T floor(T x) {
  return x;
}
template <class T>
  requires std::is_integral_v<T>
RL_FN T ceil(T x) {
  return x;
}
template <class T>
  requires std::is_integral_v<T>
RL_FN T trunc(T x) {
  return x;
}
template <class T>
  requires std::is_integral_v<T>
RL_FN T round_even(T x) {
  return x;
}

template <class R> RL_FN R abs(std::complex<R> x) { return std::abs(x); }
template <class T>
  requires std::is_integral_v<T>
RL_FN T abs(T x) {
  // Through the unsigned type: the smallest integer stays itself instead of being undefined.
  using U = std::make_unsigned_t<std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>>;
  return x < T(0) ? T(U(0) - U(x)) : x;
}
template <class T>
RL_FN T negative(T x) {
  return -x;
}
// Signs of half types are a bit.
template <class T>
  requires(is_half(dtype_of<T>))
RL_FN T with_bits(int bits) {
  T t;
  t.bits = uint16_t(bits);
  return t;
}
RL_FN inline Half negative(Half x) { return with_bits<Half>(x.bits ^ 0x8000); }
RL_FN inline BFloat16 negative(BFloat16 x) { return with_bits<BFloat16>(x.bits ^ 0x8000); }
RL_FN inline Half abs(Half x) { return with_bits<Half>(x.bits & 0x7FFF); }
RL_FN inline BFloat16 abs(BFloat16 x) { return with_bits<BFloat16>(x.bits & 0x7FFF); }

// Both sides are computed, always: a branch would keep the loop from being vectorised.
template <class T>
RL_FN T select(bool c, T a, T b) {
  return c ? a : b;
}
// The result of one of two functions: a branch, for what is no vector loop anyway. An expression selects.
template <class A, class B>
RL_FN auto either(bool c, A&& a, B&& b) {
  return c ? a() : b();
}

template <class T> RL_FN bool isnan(T x) { return x != x; }
template <class R> RL_FN bool isnan(std::complex<R> x) { return isnan(x.real()) || isnan(x.imag()); }
template <class T>
RL_FN bool isinf(T x) {
  if constexpr (is_complex_type<T>) return isinf(x.real()) || isinf(x.imag());
  else if constexpr (is_integer<T>) return false;
  else return abs(x) == T(__builtin_inf());
}
template <class T>
  requires(!is_complex_type<T>)
RL_FN bool signbit(T x) {
  if constexpr (is_float<T>) return std::signbit(x);
  else return x < T(0);
}

// NaN wins, as in torch.maximum. Two selections instead of ||: the compiler joins branches on the same value, as minimum(maximum(x, low),
// high) has them, and then no longer vectorises the loop.
template <class T>
  requires(!is_complex_type<T>)
RL_FN T maximum(T a, T b) {
  T larger = a > b ? a : b;
  return a != a ? a : larger;
}
template <class T>
  requires(!is_complex_type<T>)
RL_FN T minimum(T a, T b) {
  T smaller = a < b ? a : b;
  return a != a ? a : smaller;
}

// x between two numbers that are not NaN; NaN stays.
template <class T>
RL_FN T limit(T x, T low, T high) {
  T raised = select(x < low, low, x);
  return select(raised > high, high, raised);
}

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

// The normal distribution function, (1 + erf(x / sqrt 2)) / 2. In float by a rational minimax fit of erf(y) / y in y^2 (relative error 2e-8 on
// |y| < 3.93; erf is 1 in float from there on): all rounding included within 2e-7 of the exact value, at a sixth of the time of an erf
// that is exact to the last place.
template <class T>
RL_FN T normal_cdf(T x) {
  if constexpr (std::is_same_v<number_t<T>, float>) {
    T y = x * T(0.70710678f), t = y * y;
    T p = T(2.0421600765985204e-06f), q = T(3.800525519181974e-05f);
    p = p * t + T(0.00028479317552410066f);
    q = q * t + T(0.0011650166707113385f);
    p = p * t + T(0.0037787703331559896f);
    q = q * t + T(0.014995739795267582f);
    p = p * t + T(0.052787669003009796f);
    q = q * t + T(0.11424926668405533f);
    p = p * t + T(0.19076377153396606f);
    q = q * t + T(0.5023927092552185f);
    p = p * t + T(1.1283791065216064f);
    q = q * t + T(1.0f);
    T half = T(0.5f) * select(abs(y) >= T(3.93f), copysign(T(1.0f), y), y * p / q);
    return select(half < T(-0.5f), T(0.0f), T(0.5f) + half);  // a rounding beyond 1 would change the sign
  } else {
    return T(0.5) * erfc(x * T(-0.70710678118654752440));
  }
}

// The polynomial with these coefficients, the highest first.
template <class T, class... C>
RL_FN T horner(T x, double highest, C... others) {
  T sum = T(highest);
  ((sum = sum * x + T(others)), ...);
  return sum;
}

// The x of erf(x) = y, NaN beyond 1: y times a polynomial in w = -log(1 - y^2), or from 5 on in sqrt(w), fitted to the least relative error of
// 1e-8: of floats in double, so that the result is within 2 ulp. Of doubles a step of Halley's method follows, which makes 7e-7 of it 1e-17; it
// takes the distance to y from erfc where 1 - y has more digits.
template <class T>
RL_FN T erfinv(T y) {
  constexpr bool single = std::is_same_v<number_t<T>, float>;
  using D = same_kind_t<T, double>;
  D size = abs(D(y)), rest = D(1) - size, w = D(-log(T(rest * (D(1) + size))));
  D near = horner(w - D(2.5), -8.79119542213316e-09, 2.3232420220797737e-08, 4.661726350461213e-07,
                  -3.4627022672298993e-06, -4.96335740361147e-06, 0.00021834443167146738, -0.0012527418597748192,
                  -0.0041773867755723745, 0.24664028613986963, 1.501409359280992);
  D root = sqrt(w), far = root;
  if constexpr (single)
    far = horner(root - D(3), 0.00011671251559164375, -0.00031042462796904147, -5.826071719639003e-05,
                 0.001486129011027515, -0.0035966241266578436, 0.005686590448021889, -0.00763745279982686,
                 0.009445329196751118, 1.001675009727478, 2.832976818084717);
  else
    far = horner(root - D(4), -1.305297887895585e-06, 1.9647359660853498e-05, -6.939106729645372e-05,
                 7.972373589988628e-05, -5.163201555118569e-05, 0.0002756366903757218, -0.0009189318517629927,
                 0.0012823984704024877, 1.0095046404649097, 3.8397822724281654);
  D x = size * select(w > D(5), far, near);
  if constexpr (!single) {
    D off = select(size > D(0.5), rest - erfc(x), erf(x) - size);
    D move = off * D(0.88622692545275801365) * exp(x * x);  // by Newton's method
    x = x - move / (D(1) + x * move);
  }
  return copysign(T(select(size == D(1), D(std::numeric_limits<double>::infinity()), x)), y);
}

}  // namespace rushlight::math
