// LAPACK's routines on one column-major matrix, for float, double and their complex types. Each returns LAPACK's info: 0, or -i for a bad
// argument i (NaN among them), or what went wrong. OpenBLAS is looked up at the first call; a missing one throws (providers.h).
// Leading dimensions are the numbers of rows.
#pragma once
#include <complex>
#include <cstdint>

namespace rushlight::lapack {

template <class T> struct RealOf { using type = T; };
template <class T> struct RealOf<std::complex<T>> { using type = T; };
template <class T> using real_t = typename RealOf<T>::type;

enum class Vectors : char { None = 'N', Thin = 'S', All = 'A' };

// a = u diag(s) vh for m x n a, which is destroyed. u and vh are not touched for Vectors::None.
template <class T> int svd(Vectors job, int64_t m, int64_t n, T* a, real_t<T>* s, T* u, T* vh);

}  // namespace rushlight::lapack
