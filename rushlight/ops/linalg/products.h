// What the records of matrix products share: operands for gemm, PyTorch's checks, conjugate transposes for gradients.
#pragma once
#include "rushlight/fn/conj.h"
#include "rushlight/fn/transpose.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/gemm.h"
#include "rushlight/ops/operators.h"

namespace rushlight {

// An output that a kernel can fill row by row: the tensor given, or a dense one that is copied into it at the end.
class DenseOut {
 public:
  explicit DenseOut(const Tensor& target)
      : target_(target), work_(target.is_contiguous() ? target : empty_tensor(target.sizes(), target.dtype())) {}
  const Tensor& get() const { return work_; }
  void finish() const {
    if (!work_.is_same(target_)) copy_elements(target_, work_);
  }

 private:
  const Tensor& target_;
  Tensor work_;
};

inline void check_matrix_shapes(const Tensor& a, const Tensor& b) {
  RL_CHECK(ShapeError, a.sizes()[1] == b.sizes()[0], "mat1 and mat2 shapes cannot be multiplied (", a.sizes()[0], "x",
           a.sizes()[1], " and ", b.sizes()[0], "x", b.sizes()[1], "). Hint: the columns of the first (", a.sizes()[1],
           ") must be as many as the rows of the second (", b.sizes()[0], "); transpose one with .mT, or reshape it");
}

inline void check_product_dtypes(const char* op, const Tensor& a, const Tensor& b) {
  RL_CHECK(DTypeError, a.dtype() == b.dtype(),
           "expected m1 and m2 to have the same dtype, but got: ", info_of(a.dtype()).type_name,
           " != ", info_of(b.dtype()).type_name, ". Hint: ", op, ": convert one with .to(", a.dtype(), ") or .to(",
           b.dtype(), ")");
  RL_CHECK(NotImplementedError, a.dtype() != DType::Bool, '"', op, "\" not implemented for 'Bool'");
}

// PyTorch refuses fractional factors of integer products.
inline void check_factors(DType d, const Scalar& beta, const Scalar& alpha) {
  if (!is_integral(d, true)) return;
  RL_CHECK(RuntimeError, alpha.is_integral(true),
           "For integral input tensors, argument alpha must not be a floating point number.");
  RL_CHECK(RuntimeError, beta.is_integral(true),
           "For integral input tensors, argument beta must not be a floating point number.");
}

// m x k by k x n, with any strides, into contiguous c.
inline GemmProblem matrix_problem(const Tensor& a, const Tensor& b, const Tensor& c) {
  const Dims &as = a.strides(), &bs = b.strides();
  return {.dtype = a.dtype(),
          .m = a.sizes()[0],
          .n = b.sizes()[1],
          .k = a.sizes()[1],
          .a = a.raw(),
          .a_row = as[0],
          .a_col = as[1],
          .b = b.raw(),
          .b_row = bs[0],
          .b_col = bs[1],
          .c = c.raw(),
          .c_row = b.sizes()[1]};
}

// The conjugate transpose of the last two dimensions.
inline Tensor adjoint_of(const Tensor& t) {
  Tensor swapped = transpose(t, -2, -1);
  return is_complex(t.dtype()) ? conj(swapped) : swapped;
}
inline Tensor conj_of(const Tensor& t) { return is_complex(t.dtype()) ? conj(t) : t; }

// g times the conjugate of a factor.
inline Tensor scaled(const Tensor& g, const Scalar& by) {
  if (by.equals(1)) return g;
  return by.is_complex() ? g * Scalar(std::conj(by.to<complex128>())) : g * by;
}

}  // namespace rushlight
