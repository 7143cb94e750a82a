// What the records of linear algebra share: PyTorch's checks, and batches of matrices in LAPACK's order.
#pragma once
#include "rushlight/dispatch/kernel.h"
#include "rushlight/kernels/lapack.h"
#include "rushlight/ops/linalg/products.h"

namespace rushlight {

using LapackTypes = Types<float, double, complex64, complex128>;

inline void check_matrix(const Tensor& a, const char* op, const char* name = "A") {
  RL_CHECK(ShapeError, a.dim() >= 2, op, ": The input tensor ", name, " must have at least 2 dimensions.");
}
inline void check_field(const Tensor& a, const char* op, bool halves = false) {
  RL_CHECK(RuntimeError, is_differentiable(a.dtype()), op,
           ": Expected a floating point or complex tensor as input. Got ", scalar_type_name(a.dtype()));
  RL_CHECK(RuntimeError, halves || !is_half(a.dtype()), op, ": Low precision dtypes not supported. Got ",
           scalar_type_name(a.dtype()));
}

// The sizes before the last `matrix` dimensions, and then these.
inline Dims batch_and(const Tensor& a, std::initializer_list<int64_t> last, size_t matrix = 2) {
  Dims sizes = IntArrayRef(a.sizes()).slice(0, a.sizes().size() - matrix);
  for (int64_t n : last) sizes.push_back(n);
  return sizes;
}
inline int64_t batch_count(const Tensor& a) { return product(IntArrayRef(a.sizes()).slice(0, a.sizes().size() - 2)); }
// The last two dimensions exchanged, unseen by autograd.
inline Tensor exchanged(const Tensor& t) {
  Dims sizes = t.sizes(), strides = t.strides();
  size_t n = sizes.size();
  std::swap(sizes[n - 1], sizes[n - 2]);
  std::swap(strides[n - 1], strides[n - 2]);
  return alias_tensor(t, sizes, strides, t.storage_offset());
}
// A dense tensor of transposed matrices: what LAPACK sees as rows x columns. A batch of m x n is a (..., n, m) tensor.
inline Tensor columns_like(const Tensor& a, int64_t rows, int64_t columns) {
  return empty_tensor(batch_and(a, {columns, rows}), a.dtype(), a.device());
}
inline Tensor columns_of(const Tensor& a) {
  Tensor copy = columns_like(a, a.size(-2), a.size(-1));
  copy_elements(copy, exchanged(a));
  return copy;
}
inline void from_columns(const Tensor& out, const Tensor& columns) { copy_elements(out, exchanged(columns)); }

}  // namespace rushlight
