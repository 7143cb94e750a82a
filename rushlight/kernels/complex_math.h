// Functions of complex numbers. Those of std under the names of math.h, and those that std has not, or not as PyTorch has them.
#pragma once
#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <utility>

#include "rushlight/kernels/math.h"

namespace rushlight::math {

// Not templates: they must win over std's, which argument-dependent look-up finds.
#define RL_STD(name)                                          \
  inline complex64 name(complex64 x) { return std::name(x); } \
  inline complex128 name(complex128 x) { return std::name(x); }
RL_STD_COMPLEX_MATH1(RL_STD)
#undef RL_STD

template <class R> RL_FN R real(std::complex<R> x) { return x.real(); }
template <class R> RL_FN R imag(std::complex<R> x) { return x.imag(); }
template <class R> RL_FN std::complex<R> conj(std::complex<R> x) { return {x.real(), -x.imag()}; }
template <class R> R arg(std::complex<R> x) { return std::arg(x); }

// gcc's vector pattern for this joins products with sums whatever -ffp-contract says.
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__) && __GNUC__ >= 12
#define RL_ROUNDED(x) __builtin_assoc_barrier(x)
#else
#define RL_ROUNDED(x) (x)
#endif
// The plain formula, as PyTorch has it. The operator * of std::complex calls a library function that looks for infinities among NaNs, and no loop
// with it is vectorised.
template <class R>
RL_FN std::complex<R> product(std::complex<R> a, std::complex<R> b) {
  return {RL_ROUNDED(a.real() * b.real()) - RL_ROUNDED(a.imag() * b.imag()),
          RL_ROUNDED(a.real() * b.imag()) + RL_ROUNDED(a.imag() * b.real())};
}
template <class T>
RL_FN T times(T a, T b) {
  if constexpr (is_complex_type<T>) return product(a, b);
  else return a * b;
}

constexpr double kLn2 = 0.693147180559945309417;
template <class R> std::complex<R> exp2(std::complex<R> x) { return std::exp(x * R(kLn2)); }
template <class R> std::complex<R> log2(std::complex<R> x) { return std::log(x) / R(kLn2); }
template <class R>
std::complex<R> expm1(std::complex<R> x) {
  R half = std::sin(x.imag() / 2);
  return {std::expm1(x.real()) * std::cos(x.imag()) - 2 * half * half, std::exp(x.real()) * std::sin(x.imag())};
}
// Near 0 the modulus of 1 + z by log1p of |1 + z|^2 - 1.
template <class R>
std::complex<R> log1p(std::complex<R> z) {
  R x = z.real(), y = z.imag();
  if (!(std::abs(z) < R(0.5))) return std::log(std::complex<R>(x + 1, y));
  R above = x * (2 + x) + y * y;
  return {above == 0 ? x : R(0.5) * std::log1p(above), std::atan2(y, x + 1)};
}
// The larger comes out of the sum, so that exp never overflows; equal values keep inf, inf out of inf - inf.
template <class R>
std::complex<R> logaddexp(std::complex<R> a, std::complex<R> b) {
  using C = std::complex<R>;
  if (isnan(a) || isnan(b)) return C(R(__builtin_nan("")), R(__builtin_nan("")));
  if (a.real() > b.real()) std::swap(a, b);
  if (!std::isfinite(a.real()) && a.real() == b.real()) return a.real() < 0 ? a : std::log(std::exp(a) + std::exp(b));
  return log1p(std::exp(a - b)) + b;
}

// Whole powers by products, which are exact where the result is; and 0 to the power of 0 is 1.
template <class R>
std::complex<R> pow(std::complex<R> x, std::complex<R> y) {
  using C = std::complex<R>;
  if (y.imag() == 0 && y.real() == std::trunc(y.real()) && std::abs(y.real()) <= 64) {
    C result = 1;
    for (int n = int(std::abs(y.real())); n; n >>= 1, x *= n ? x : C(1))
      if (n & 1) result *= x;
    return y.real() < 0 ? R(1) / result : result;
  }
  if (x == C(0) && y.real() > 0) return 0;
  return std::pow(x, y);
}

// x / |x|, and 0 for 0.
template <class R>
std::complex<R> sgn(std::complex<R> x) {
  using C = std::complex<R>;
  R size = std::max(abs(x.real()), abs(x.imag()));
  if (size == 0) return C(0);
  // The modulus of what is very large or small would be out of range or inexact.
  if (!(size > 16 * std::numeric_limits<R>::min() && size < std::numeric_limits<R>::max() / 2) && std::isfinite(size))
    x = C(x.real() / size, x.imag() / size);
  return x / std::abs(x);
}

}  // namespace rushlight::math
