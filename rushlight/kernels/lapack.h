// LAPACK's routines on one column-major matrix, for float, double and their complex types. Those that return an int return LAPACK's info: 0,
// or -i for a bad argument i (NaN among them), or what went wrong. OpenBLAS is looked up at the first call; a missing one throws
// (providers.h), as do sizes beyond 32 bits. Leading dimensions are the numbers of rows unless said.
// Some routines need not end on infinities and NaN: ask all_finite() before svd, eigh, eig and least_squares.
#pragma once
#include <complex>
#include <cstdint>
#include <vector>

namespace rushlight::lapack {

template <class T> struct RealOf { using type = T; };
template <class T> struct RealOf<std::complex<T>> { using type = T; };
template <class T> using real_t = typename RealOf<T>::type;
template <class T> using complex_t = std::complex<real_t<T>>;

enum class Vectors : char { None = 'N', Thin = 'S', All = 'A' };
enum class Op : char { None = 'N', Transpose = 'T', Adjoint = 'C' };
enum class Triangle : char { Lower = 'L', Upper = 'U' };

// What a routine works in. Kept from one matrix of a batch to the next of the same size, its size is asked for once.
template <class T> struct Work {
  std::vector<T> main;
  std::vector<real_t<T>> real;
  std::vector<int> whole;
};

template <class T> bool all_finite(const T* a, int64_t n);

// a = u diag(s) vh for m x n a, which is destroyed. u and vh are not touched for Vectors::None.
template <class T> int svd(Vectors job, int64_t m, int64_t n, T* a, real_t<T>* s, T* u, T* vh, Work<T>& work);

// a becomes the factors of p a = l u; info > 0: the first zero on the diagonal. Pivots count from 1.
template <class T> int lu(int64_t m, int64_t n, T* a, int* pivots);
template <class T> void lu_solve(Op op, int64_t n, int64_t columns, const T* lu, const int* pivots, T* b);
// REQUIRES: no zero on the diagonal.
template <class T> void lu_inverse(int64_t n, T* lu, const int* pivots, Work<T>& work);

// Reads and writes one triangle only; info > 0: the leading minor that is not positive.
template <class T> int cholesky(Triangle t, int64_t n, T* a);

// a becomes R above the Householder vectors.
template <class T> void qr(int64_t m, int64_t n, T* a, T* tau, Work<T>& work);
// The first n columns of the product of k reflectors, in place of their vectors. REQUIRES: m >= n >= k.
template <class T> void qr_columns(int64_t m, int64_t n, int64_t k, T* a, const T* tau, Work<T>& work);
// c (m x n) becomes op(Q) c, or c op(Q). Q is of k reflectors in the columns of a, which has m (n) rows.
template <class T> void qr_multiply(bool left, bool adjoint, int64_t m, int64_t n, int64_t k, const T* a, const T* tau,
                                    T* c, Work<T>& work);

// Ascending values; the vectors take the place of a.
template <class T> int eigh(bool vectors, Triangle t, int64_t n, T* a, real_t<T>* values, Work<T>& work);
// a is destroyed.
template <class T> int eig(bool vectors, int64_t n, T* a, complex_t<T>* values, complex_t<T>* v, Work<T>& work);

// Pivots as sytrf and hetrf leave them; info > 0: a zero block on the diagonal.
template <class T> int ldl(bool hermitian, int64_t n, T* a, int* pivots, Work<T>& work);
template <class T> void ldl_solve(bool hermitian, int64_t n, int64_t columns, const T* ld, const int* pivots, T* b);

enum class LeastSquares : uint8_t { Gels, Gelsy, Gelsd, Gelss };
// b has max(m, n) rows, the first n of which become the solution. rank and s (min(m, n) values) where the driver makes them.
template <class T> int least_squares(LeastSquares driver, int64_t m, int64_t n, int64_t columns, T* a, T* b,
                                     real_t<T> rcond, real_t<T>* s, int* rank, Work<T>& work);

// b (m x n) becomes op(a)^-1 b, or b op(a)^-1.
template <class T> void solve_triangular(bool left, Triangle t, Op op, bool unit, int64_t m, int64_t n, const T* a,
                                         T* b);

}  // namespace rushlight::lapack
