// Products of complex numbers by the plain formula, as PyTorch has them. The operator * of std::complex calls a library function that looks for
// infinities among NaNs, and no loop with it is vectorised.
#pragma once
#include <complex>

#include "rushlight/kernels/math.h"

namespace rushlight::math {

template <class T> RL_FN T times(T a, T b) { return a * b; }
template <class R>
RL_FN std::complex<R> times(std::complex<R> a, std::complex<R> b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

}  // namespace rushlight::math
