// What the records of linear algebra share: PyTorch's checks, and batches of matrices in LAPACK's order.
#pragma once
#include "rushlight/core/linalg_error.h"
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
inline void check_square(const Tensor& a, const char* op, const char* name = "A") {
  check_matrix(a, op, name);
  RL_CHECK(ShapeError, a.size(-1) == a.size(-2), op, ": ", name, " must be batches of square matrices, but they are ",
           a.size(-2), " by ", a.size(-1), " matrices");
}
inline void check_same_dtype(const char* op, const Tensor& a, const char* name_a, const Tensor& b, const char* name_b) {
  RL_CHECK(DTypeError, a.dtype() == b.dtype(), op, ": Expected ", name_a, " and ", name_b,
           " to have the same dtype, but found ", name_a, " of type ", scalar_type_name(a.dtype()), " and ", name_b,
           " of type ", scalar_type_name(b.dtype()), " instead");
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

// A result whose matrices lie column after column, as LAPACK leaves them and PyTorch shows them.
inline TensorSpec columns_spec(Dims sizes, DType dtype, Device device) {
  size_t n = sizes.size();
  Dims turned = sizes;
  std::swap(turned[n - 1], turned[n - 2]);
  Dims strides = contiguous_strides(turned);
  std::swap(strides[n - 1], strides[n - 2]);
  return {.sizes = std::move(sizes), .dtype = dtype, .device = device, .strides = std::move(strides)};
}
inline TensorSpec rows_spec(Dims sizes, DType dtype, Device device) {
  return {.sizes = std::move(sizes), .dtype = dtype, .device = device};
}

// "(Batch element 1): " where there is a batch.
inline std::string batch_place(const Tensor& a, int64_t i) {
  return a.dim() == 2 ? std::string() : "(Batch element " + std::to_string(i) + "): ";
}

// The numbers of t's matrices that stand at the positions of a batch to which t's own broadcasts.
inline std::vector<int64_t> matrix_numbers(const Tensor& t, IntArrayRef batch, size_t matrix = 2) {
  Dims own = IntArrayRef(t.sizes()).slice(0, t.sizes().size() - matrix), strides = contiguous_strides(own);
  std::vector<int64_t> numbers = {0};
  for (size_t d = 0; d < batch.size(); d++) {
    int64_t at = int64_t(d) - int64_t(batch.size() - own.size());
    int64_t step = at < 0 || own[size_t(at)] == 1 ? 0 : strides[size_t(at)];
    std::vector<int64_t> more;
    for (int64_t n : numbers)
      for (int64_t i = 0; i < batch[d]; i++) more.push_back(n + i * step);
    numbers = std::move(more);
  }
  return numbers;
}

// Without the last `matrix` dimensions.
inline IntArrayRef batch_of(const Dims& sizes, size_t matrix = 2) {
  return IntArrayRef(sizes).slice(0, sizes.size() - matrix);
}
// A right-hand side that is one vector for each matrix.
inline bool is_vector_side(const Dims& a, const Dims& b) {
  return b.size() == 1 || (a.size() - 1 == b.size() && IntArrayRef(b) == batch_of(a, 1));
}
// The batch that those of matrices a and b broadcast to.
inline Dims common_batch(const Dims& a, const Dims& b) { return broadcast_shapes(batch_of(a), batch_of(b)); }
inline Dims with_matrix(Dims batch, int64_t rows, int64_t columns) {
  batch.push_back(rows);
  batch.push_back(columns);
  return batch;
}

inline bool wants_gradient(const Tensor& t) { return thread_state.grad_enabled && t.requires_grad(); }

}  // namespace rushlight
