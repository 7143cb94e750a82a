#include "rushlight/kernels/lapack.h"

#include <algorithm>
#include <string>
#include <vector>

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
void* find(const char* name) {
  return lapack_function((kLetter<T> + std::string(name)).c_str());
}
// Fortran passes the lengths of its character arguments behind all others.
constexpr size_t kOne = 1;
template <class... A>
void run(void* f, A... args) {
  reinterpret_cast<void (*)(A...)>(f)(args...);
}

int as_int(int64_t n) {
  RL_CHECK(ShapeError, n <= INT32_MAX, "linear algebra: expected matrices with up to ", INT32_MAX, " rows, got ", n);
  return int(n);
}
int leading(int64_t rows) { return std::max(1, as_int(rows)); }

// Calls f(work, size) once to ask for the best size of the workspace, and once with it.
template <class T, class F>
void with_workspace(F f) {
  T best{};
  f(&best, -1);
  // A large size is rounded in float: a little more never hurts.
  std::vector<T> work(size_t(std::max<double>(1, double(std::real(best)) * (1 + 1e-6))));
  f(work.data(), as_int(int64_t(work.size())));
}

}  // namespace

template <class T>
int svd(Vectors vectors, int64_t rows, int64_t columns, T* a, real_t<T>* s, T* u, T* vh) {
  static void* f = find<T>("gesdd");
  int m = as_int(rows), n = as_int(columns), k = std::min(m, n), info = 0;
  int lda = leading(m), ldvt = leading(vectors == Vectors::All ? n : k);
  char job = char(vectors);
  std::vector<int> whole(size_t(8) * size_t(std::max(k, 1)));
  if constexpr (kComplex<T>) {
    int64_t small = k, large = std::max(m, n);
    std::vector<real_t<T>> real(size_t(
        std::max<int64_t>(1, std::max(5 * small * small + 7 * small, 2 * large * small + 2 * small * small + small))));
    with_workspace<T>([&](T* work, int size) {
      run(f, &job, &m, &n, a, &lda, s, u, &lda, vh, &ldvt, work, &size, real.data(), whole.data(), &info, kOne);
    });
  } else {
    with_workspace<T>([&](T* work, int size) {
      run(f, &job, &m, &n, a, &lda, s, u, &lda, vh, &ldvt, work, &size, whole.data(), &info, kOne);
    });
  }
  return info;
}

template int svd<float>(Vectors, int64_t, int64_t, float*, float*, float*, float*);
template int svd<double>(Vectors, int64_t, int64_t, double*, double*, double*, double*);
template int svd<complex64>(Vectors, int64_t, int64_t, complex64*, float*, complex64*, complex64*);
template int svd<complex128>(Vectors, int64_t, int64_t, complex128*, double*, complex128*, complex128*);

}  // namespace rushlight::lapack
