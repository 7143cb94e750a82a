// OpenBLAS from the scipy-openblas32 wheel, or any library with the same functions under their plain names.
#include <dlfcn.h>

#include <string>

#include "rushlight/kernels/forked.h"
#include "rushlight/kernels/parallel.h"
#include "rushlight/kernels/providers.h"

namespace rushlight {
namespace {

constexpr int kRowMajor = 101, kNoTrans = 111, kTrans = 112;

struct Blas {
  void* library = nullptr;
  void (*sgemm)(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*,
                int) = nullptr;
  void (*dgemm)(int, int, int, int, int, int, double, const double*, int, const double*, int, double, double*,
                int) = nullptr;
  void (*cgemm)(int, int, int, int, int, int, const void*, const void*, int, const void*, int, const void*, void*,
                int) = nullptr;
  void (*zgemm)(int, int, int, int, int, int, const void*, const void*, int, const void*, int, const void*, void*,
                int) = nullptr;
  void (*set_num_threads)(int) = nullptr;

  void* find(const std::string& name) const {
    if (void* f = dlsym(library, ("scipy_" + name).c_str())) return f;
    return dlsym(library, name.c_str());
  }
  template <class F>
  void bind(F& f, const char* name) {
    f = reinterpret_cast<F>(find(name));
  }

  Blas() {
    library = open_provider_library({"libscipy_openblas.so", "libopenblas.so.0"});
    if (!library) return;
    bind(sgemm, "cblas_sgemm");
    bind(dgemm, "cblas_dgemm");
    bind(cgemm, "cblas_cgemm");
    bind(zgemm, "cblas_zgemm");
    bind(set_num_threads, "openblas_set_num_threads");
  }
};

const Blas& blas() {
  static const Blas* all = new Blas;
  return *all;
}

// The last thread count given to OpenBLAS; it is a global of the library.
std::atomic<int> threads_now{0};
void use_threads(int n) {
  if (blas().set_num_threads && threads_now.exchange(n) != n) blas().set_num_threads(n);
}

// Row-major operand: transposed or not, and its leading dimension; false if neither dimension is dense.
bool operand(int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride, int& trans, int& ld) {
  if ((col_stride == 1 || cols == 1) && (rows == 1 || row_stride >= cols)) {
    trans = kNoTrans;
    ld = int(rows == 1 ? std::max<int64_t>(cols, 1) : row_stride);
    return true;
  }
  if ((row_stride == 1 || rows == 1) && (cols == 1 || col_stride >= rows)) {
    trans = kTrans;
    ld = int(cols == 1 ? std::max<int64_t>(rows, 1) : col_stride);
    return true;
  }
  return false;
}

class OpenBlas final : public Provider {
 public:
  const char* name() const override { return "openblas"; }
  bool available() override { return blas().library != nullptr; }

  bool gemm(const GemmProblem& p) override {
    constexpr int64_t limit = INT32_MAX;
    if (p.m > limit || p.n > limit || p.k > limit || p.a_row > limit || p.a_col > limit || p.b_row > limit ||
        p.b_col > limit || p.c_row > limit)
      return false;
    int ta, tb, lda, ldb, ldc = int(p.m == 1 ? std::max(p.n, p.c_row) : p.c_row);
    if (!operand(p.m, p.k, p.a_row, p.a_col, ta, lda) || !operand(p.k, p.n, p.b_row, p.b_col, tb, ldb)) return false;
    int m = int(p.m), n = int(p.n), k = int(p.k);
    use_lapack_threads();
    const Blas& f = blas();
    switch (p.dtype) {
      case DType::Float32:
        if (!f.sgemm) return false;
        f.sgemm(kRowMajor, ta, tb, m, n, k, p.alpha.to<float>(), static_cast<const float*>(p.a), lda,
                static_cast<const float*>(p.b), ldb, p.beta.to<float>(), static_cast<float*>(p.c), ldc);
        return true;
      case DType::Float64:
        if (!f.dgemm) return false;
        f.dgemm(kRowMajor, ta, tb, m, n, k, p.alpha.to<double>(), static_cast<const double*>(p.a), lda,
                static_cast<const double*>(p.b), ldb, p.beta.to<double>(), static_cast<double*>(p.c), ldc);
        return true;
      case DType::Complex64: {
        if (!f.cgemm) return false;
        complex64 alpha = p.alpha.to<complex64>(), beta = p.beta.to<complex64>();
        f.cgemm(kRowMajor, ta, tb, m, n, k, &alpha, p.a, lda, p.b, ldb, &beta, p.c, ldc);
        return true;
      }
      case DType::Complex128: {
        if (!f.zgemm) return false;
        complex128 alpha = p.alpha.to<complex128>(), beta = p.beta.to<complex128>();
        f.zgemm(kRowMajor, ta, tb, m, n, k, &alpha, p.a, lda, p.b, ldb, &beta, p.c, ldc);
        return true;
      }
      default: return false;
    }
  }
};

}  // namespace

Provider* openblas_provider() {
  static auto* provider = new OpenBlas;
  return provider;
}

void use_lapack_threads() { use_threads(library_threads(in_parallel_region() ? 1 : num_threads())); }

void* lapack_function(const char* name) {
  RL_CHECK(RuntimeError, blas().library,
           "linear algebra needs LAPACK: no OpenBLAS was found; pip install scipy-openblas32, or set "
           "RUSHLIGHT_PROVIDER_PATH "
           "to the folder of libopenblas.so.0");
  void* f = blas().find(std::string(name) + "_");
  RL_CHECK(RuntimeError, f, "the OpenBLAS that was found has no LAPACK function ", name);
  return f;
}

}  // namespace rushlight
