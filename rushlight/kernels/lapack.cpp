#include "rushlight/kernels/lapack.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "rushlight/core/error.h"
#include "rushlight/kernels/providers.h"

namespace rushlight::lapack {
namespace {

template <class T> constexpr char kLetter = 's';
template <> constexpr char kLetter<double> = 'd';
template <> constexpr char kLetter<std::complex<float>> = 'c';
template <> constexpr char kLetter<std::complex<double>> = 'z';
template <class T> constexpr bool kComplex = !std::is_same_v<T, real_t<T>>;

template <class T>
void* find(const char* real_name, const char* complex_name = nullptr) {
  return lapack_function((kLetter<T> + std::string(kComplex<T> && complex_name ? complex_name : real_name)).c_str());
}
// Fortran passes the lengths of its character arguments behind all others.
constexpr size_t kOne = 1;
template <class... A>
void run(void* f, A... args) {
  use_lapack_threads();
  reinterpret_cast<void (*)(A...)>(f)(args...);
}

int as_int(int64_t n) {
  RL_CHECK(ShapeError, n <= INT32_MAX, "linear algebra: expected matrices with up to ", INT32_MAX,
           " rows, columns and elements of workspace, got ", n);
  return int(n);
}
int leading(int64_t rows) { return std::max(1, as_int(rows)); }

// Calls f(work, size), and before the first time f(&answer, -1) to ask for the best size.
template <class T, class F>
void with_workspace(Work<T>& work, F f) {
  if (work.main.empty()) {
    T best{};
    f(&best, -1);
    // A large size is rounded in float: a little more never hurts.
    work.main.resize(size_t(std::max<double>(1, double(std::real(best)) * (1 + 1e-6))));
  }
  f(work.main.data(), as_int(int64_t(work.main.size())));
}
template <class V>
void at_least(V& v, int64_t n) {
  if (int64_t(v.size()) < std::max<int64_t>(n, 1)) v.resize(size_t(std::max<int64_t>(n, 1)));
}

}  // namespace

template <class T>
bool all_finite(const T* a, int64_t n) {
  auto* p = reinterpret_cast<const real_t<T>*>(a);
  real_t<T> sum = 0;  // of zeros, unless one is infinite or NaN
  for (int64_t i = 0; i < n * (kComplex<T> ? 2 : 1); i++) sum += p[i] * 0;
  return sum == 0;
}

template <class T>
int svd(Vectors vectors, int64_t rows, int64_t columns, T* a, real_t<T>* s, T* u, T* vh, Work<T>& work) {
  static void* f = find<T>("gesdd");
  int m = as_int(rows), n = as_int(columns), k = std::min(m, n), info = 0;
  int lda = leading(m), ldvt = leading(vectors == Vectors::All ? n : k);
  char job = char(vectors);
  at_least(work.whole, int64_t(8) * k);
  if constexpr (kComplex<T>) {
    int64_t small = k, large = std::max(m, n);
    at_least(work.real, std::max(5 * small * small + 7 * small, 2 * large * small + 2 * small * small + small));
    with_workspace(work, [&](T* w, int size) {
      run(f, &job, &m, &n, a, &lda, s, u, &lda, vh, &ldvt, w, &size, work.real.data(), work.whole.data(), &info, kOne);
    });
  } else {
    with_workspace(work, [&](T* w, int size) {
      run(f, &job, &m, &n, a, &lda, s, u, &lda, vh, &ldvt, w, &size, work.whole.data(), &info, kOne);
    });
  }
  return info;
}

template <class T>
int lu(int64_t rows, int64_t columns, T* a, int* pivots) {
  static void* f = find<T>("getrf");
  int m = as_int(rows), n = as_int(columns), lda = leading(m), info = 0;
  run(f, &m, &n, a, &lda, pivots, &info);
  return info;
}
template <class T>
void lu_solve(Op op, int64_t size, int64_t columns, const T* lu, const int* pivots, T* b) {
  static void* f = find<T>("getrs");
  int n = as_int(size), k = as_int(columns), ld = leading(n), info = 0;
  char trans = char(op);
  run(f, &trans, &n, &k, lu, &ld, pivots, b, &ld, &info, kOne);
}
template <class T>
void lu_inverse(int64_t size, T* lu, const int* pivots, Work<T>& work) {
  static void* f = find<T>("getri");
  int n = as_int(size), ld = leading(n), info = 0;
  with_workspace(work, [&](T* w, int room) { run(f, &n, lu, &ld, pivots, w, &room, &info); });
}

template <class T>
int cholesky(Triangle t, int64_t size, T* a) {
  static void* f = find<T>("potrf");
  int n = as_int(size), ld = leading(n), info = 0;
  char uplo = char(t);
  run(f, &uplo, &n, a, &ld, &info, kOne);
  return info;
}

template <class T>
void qr(int64_t rows, int64_t columns, T* a, T* tau, Work<T>& work) {
  static void* f = find<T>("geqrf");
  int m = as_int(rows), n = as_int(columns), ld = leading(m), info = 0;
  with_workspace(work, [&](T* w, int room) { run(f, &m, &n, a, &ld, tau, w, &room, &info); });
}
template <class T>
void qr_columns(int64_t rows, int64_t columns, int64_t reflectors, T* a, const T* tau, Work<T>& work) {
  static void* f = find<T>("orgqr", "ungqr");
  int m = as_int(rows), n = as_int(columns), k = as_int(reflectors), ld = leading(m), info = 0;
  with_workspace(work, [&](T* w, int room) { run(f, &m, &n, &k, a, &ld, tau, w, &room, &info); });
}
template <class T>
void qr_multiply(bool left, bool adjoint, int64_t rows, int64_t columns, int64_t reflectors, const T* a, const T* tau,
                 T* c, Work<T>& work) {
  static void* f = find<T>("ormqr", "unmqr");
  int m = as_int(rows), n = as_int(columns), k = as_int(reflectors), lda = leading(left ? m : n), ldc = leading(m),
      info = 0;
  char side = left ? 'L' : 'R', trans = !adjoint ? 'N' : kComplex<T> ? 'C' : 'T';
  with_workspace(work, [&](T* w, int room) {
    run(f, &side, &trans, &m, &n, &k, a, &lda, tau, c, &ldc, w, &room, &info, kOne, kOne);
  });
}

template <class T>
int ldl(bool hermitian, int64_t size, T* a, int* pivots, Work<T>& work) {
  static void* symmetric = find<T>("sytrf");
  static void* f = find<T>("sytrf", "hetrf");
  int n = as_int(size), ld = leading(n), info = 0;
  char uplo = 'L';
  with_workspace(
      work, [&](T* w, int room) { run(hermitian ? f : symmetric, &uplo, &n, a, &ld, pivots, w, &room, &info, kOne); });
  return info;
}
template <class T>
void ldl_solve(bool hermitian, int64_t size, int64_t columns, const T* a, const int* pivots, T* b) {
  static void* symmetric = find<T>("sytrs");
  static void* f = find<T>("sytrs", "hetrs");
  int n = as_int(size), k = as_int(columns), ld = leading(n), info = 0;
  char uplo = 'L';
  run(hermitian ? f : symmetric, &uplo, &n, &k, a, &ld, pivots, b, &ld, &info, kOne);
}

template <class T>
int eigh(bool vectors, Triangle t, int64_t size, T* a, real_t<T>* values, Work<T>& work) {
  static void* f = find<T>("syevd", "heevd");
  int n = as_int(size), ld = leading(n), info = 0;
  char job = vectors ? 'V' : 'N', uplo = char(t);
  bool ask = work.main.empty();
  T best{};
  real_t<T> best_real{};
  int best_whole = 0, minus = -1;
  auto call = [&](T* w, int room, real_t<T>* r, int real_room, int* whole, int whole_room) {
    if constexpr (kComplex<T>)
      run(f, &job, &uplo, &n, a, &ld, values, w, &room, r, &real_room, whole, &whole_room, &info, kOne, kOne);
    else run(f, &job, &uplo, &n, a, &ld, values, w, &room, whole, &whole_room, &info, kOne, kOne);
  };
  if (ask) {
    call(&best, minus, &best_real, minus, &best_whole, minus);
    at_least(work.main, int64_t(double(std::real(best)) * (1 + 1e-6)));
    at_least(work.real, int64_t(double(best_real) * (1 + 1e-6)));
    at_least(work.whole, best_whole);
  }
  call(work.main.data(), as_int(int64_t(work.main.size())), work.real.data(), as_int(int64_t(work.real.size())),
       work.whole.data(), as_int(int64_t(work.whole.size())));
  return info;
}

template <class T>
int eig(bool vectors, int64_t size, T* a, complex_t<T>* values, complex_t<T>* v, Work<T>& work) {
  static void* f = find<T>("geev");
  int n = as_int(size), ld = leading(n), one = 1, info = 0;
  char left = 'N', right = vectors ? 'V' : 'N';
  T unused{};
  if constexpr (kComplex<T>) {
    at_least(work.real, 2 * size);
    with_workspace(work, [&](T* w, int room) {
      run(f, &left, &right, &n, a, &ld, values, &unused, &one, vectors ? v : &unused, &ld, w, &room, work.real.data(),
          &info, kOne, kOne);
    });
  } else {
    at_least(work.real, size * (vectors ? size + 2 : 2));
    T *re = work.real.data(), *im = re + size, *columns = im + size;
    with_workspace(work, [&](T* w, int room) {
      run(f, &left, &right, &n, a, &ld, re, im, &unused, &one, vectors ? columns : &unused, &ld, w, &room, &info, kOne,
          kOne);
    });
    for (int64_t j = 0; j < size; j++) values[j] = {re[j], im[j]};
    if (!vectors) return info;
    // A pair of conjugate values has its vector's real and imaginary parts in two columns.
    for (int64_t j = 0; j < size; j++) {
      bool pair = im[j] != 0 && j + 1 < size;
      for (int64_t i = 0; i < size; i++) {
        T x = columns[j * size + i], y = pair ? columns[(j + 1) * size + i] : T(0);
        v[j * size + i] = {x, y};
        if (pair) v[(j + 1) * size + i] = {x, -y};
      }
      j += pair;
    }
  }
  return info;
}

template <class T>
int least_squares(LeastSquares driver, int64_t rows, int64_t width, int64_t columns, T* a, T* b, real_t<T> rcond,
                  real_t<T>* s, int* rank, Work<T>& work) {
  int m = as_int(rows), n = as_int(width), k = as_int(columns), lda = leading(m), ldb = leading(std::max(m, n)),
      info = 0;
  int64_t small = std::min(m, n);
  if (driver == LeastSquares::Gels) {
    static void* f = find<T>("gels");
    char trans = 'N';
    with_workspace(work, [&](T* w, int room) { run(f, &trans, &m, &n, &k, a, &lda, b, &ldb, w, &room, &info, kOne); });
  } else if (driver == LeastSquares::Gelsy) {
    static void* f = find<T>("gelsy");
    at_least(work.whole, n);
    std::fill(work.whole.begin(), work.whole.end(), 0);  // every column may be exchanged
    at_least(work.real, 2 * int64_t(n));
    with_workspace(work, [&](T* w, int room) {
      if constexpr (kComplex<T>)
        run(f, &m, &n, &k, a, &lda, b, &ldb, work.whole.data(), &rcond, rank, w, &room, work.real.data(), &info);
      else run(f, &m, &n, &k, a, &lda, b, &ldb, work.whole.data(), &rcond, rank, w, &room, &info);
    });
  } else if (driver == LeastSquares::Gelss) {
    static void* f = find<T>("gelss");
    at_least(work.real, 5 * small);
    with_workspace(work, [&](T* w, int room) {
      if constexpr (kComplex<T>)
        run(f, &m, &n, &k, a, &lda, b, &ldb, s, &rcond, rank, w, &room, work.real.data(), &info);
      else run(f, &m, &n, &k, a, &lda, b, &ldb, s, &rcond, rank, w, &room, &info);
    });
  } else {
    static void* f = find<T>("gelsd");
    // The query answers these too; the bounds are LAPACK's, for the smallest subproblem it may be built with.
    int64_t levels = std::max<int64_t>(0, int64_t(std::log2(double(std::max<int64_t>(small, 1)))) + 1);
    at_least(work.whole, 3 * small * levels + 11 * small);
    if constexpr (kComplex<T>) {
      int64_t leaf = 64, rhs = columns;
      at_least(work.real, 10 * std::max<int64_t>(m, n) + 2 * small * leaf + 8 * small * levels + 3 * leaf * rhs +
                              std::max((leaf + 1) * (leaf + 1), int64_t(n) * (1 + rhs) + 2 * rhs));
    }
    with_workspace(work, [&](T* w, int room) {
      if constexpr (kComplex<T>)
        run(f, &m, &n, &k, a, &lda, b, &ldb, s, &rcond, rank, w, &room, work.real.data(), work.whole.data(), &info);
      else run(f, &m, &n, &k, a, &lda, b, &ldb, s, &rcond, rank, w, &room, work.whole.data(), &info);
    });
  }
  return info;
}

template <class T>
void solve_triangular(bool left, Triangle t, Op op, bool unit, int64_t rows, int64_t columns, const T* a, T* b) {
  static void* f = find<T>("trsm");
  int m = as_int(rows), n = as_int(columns), lda = leading(left ? m : n), ldb = leading(m);
  char side = left ? 'L' : 'R', uplo = char(t), trans = char(op), diagonal = unit ? 'U' : 'N';
  T one = 1;
  run(f, &side, &uplo, &trans, &diagonal, &m, &n, &one, a, &lda, b, &ldb, kOne, kOne, kOne, kOne);
}

#define RL_LAPACK(T)                                                                                          \
  template bool all_finite<T>(const T*, int64_t);                                                             \
  template int svd<T>(Vectors, int64_t, int64_t, T*, real_t<T>*, T*, T*, Work<T>&);                           \
  template int lu<T>(int64_t, int64_t, T*, int*);                                                             \
  template void lu_solve<T>(Op, int64_t, int64_t, const T*, const int*, T*);                                  \
  template void lu_inverse<T>(int64_t, T*, const int*, Work<T>&);                                             \
  template int cholesky<T>(Triangle, int64_t, T*);                                                            \
  template void qr<T>(int64_t, int64_t, T*, T*, Work<T>&);                                                    \
  template void qr_columns<T>(int64_t, int64_t, int64_t, T*, const T*, Work<T>&);                             \
  template void qr_multiply<T>(bool, bool, int64_t, int64_t, int64_t, const T*, const T*, T*, Work<T>&);      \
  template int ldl<T>(bool, int64_t, T*, int*, Work<T>&);                                                     \
  template void ldl_solve<T>(bool, int64_t, int64_t, const T*, const int*, T*);                               \
  template int eigh<T>(bool, Triangle, int64_t, T*, real_t<T>*, Work<T>&);                                    \
  template int eig<T>(bool, int64_t, T*, complex_t<T>*, complex_t<T>*, Work<T>&);                             \
  template int least_squares<T>(LeastSquares, int64_t, int64_t, int64_t, T*, T*, real_t<T>, real_t<T>*, int*, \
                                Work<T>&);                                                                    \
  template void solve_triangular<T>(bool, Triangle, Op, bool, int64_t, int64_t, const T*, T*);
RL_LAPACK(float)
RL_LAPACK(double)
RL_LAPACK(complex64)
RL_LAPACK(complex128)
#undef RL_LAPACK

}  // namespace rushlight::lapack
