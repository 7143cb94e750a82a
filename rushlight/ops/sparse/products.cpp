// Products with sparse matrices. Two kernels, each the gradient of the other: a sparse matrix times a dense one, and some elements of the
// product of two dense ones.
#include "rushlight/fn/_sparse_product.h"
#include "rushlight/fn/_sparse_sampled.h"
#include "rushlight/fn/add.h"
#include "rushlight/fn/addmm.h"
#include "rushlight/fn/arange.h"
#include "rushlight/fn/bmm.h"
#include "rushlight/fn/coalesce.h"
#include "rushlight/fn/conj.h"
#include "rushlight/fn/cumsum.h"
#include "rushlight/fn/index_reduce.h"
#include "rushlight/fn/index_select.h"
#include "rushlight/fn/mm.h"
#include "rushlight/fn/mul.h"
#include "rushlight/fn/mv.h"
#include "rushlight/fn/repeat_interleave.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/searchsorted.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/squeeze.h"
#include "rushlight/fn/stack.h"
#include "rushlight/fn/sub.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/t.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/loops.h"
#include "rushlight/kernels/parallel.h"
#include "rushlight/ops/sparse/forms.h"
#include "rushlight/ops/sparse/sparse.h"

namespace rushlight {
namespace {

constexpr Types<float, double, int64_t, int32_t, Half, BFloat16, complex64, complex128> kProducts;

RL_FOR_EACH_ISA(
    template <class T>, void, add_scaled, (T * y, const T* x, int64_t n, compute_t<T> by),
    {
      using A = compute_t<T>;
      RL_IVDEP
      for (int64_t i = 0; i < n; i++) y[i] = T(A(y[i]) + by * A(x[i]));
    },
    <T>)

void check_places(const char* op, const Tensor& at, int64_t size) {
  const int64_t* p = at.data<int64_t>();
  for (int64_t i = 0; i < at.numel(); i++)
    RL_CHECK(IndexError, p[i] >= 0 && p[i] < size, op, ": index ", p[i], " is out of bounds for a dimension of size ",
             size);
}
void check_coordinates(const char* op, const Tensor& rows, const Tensor& cols) {
  RL_CHECK(
      RuntimeError,
      rows.dim() == 1 && rows.dtype() == DType::Int64 && cols.dtype() == DType::Int64 && rows.sizes() == cols.sizes(),
      op, ": expected int64 rows and cols of one length, got ", rows.dtype(), " of shape ", rows.sizes(), " and ",
      cols.dtype(), " of shape ", cols.sizes());
}

TensorSpec product_meta(const Tensor& rows, const Tensor& cols, const Tensor& values, const Tensor& dense, int64_t m) {
  check_coordinates("_sparse_product", rows, cols);
  RL_CHECK(RuntimeError, values.sizes() == rows.sizes() && dense.dim() == 2 && m >= 0,
           "_sparse_product: expected a value for each row, a ", "matrix and m >= 0, got shapes ", values.sizes(),
           " and ", dense.sizes(), ", m = ", m);
  RL_CHECK(RuntimeError, values.dtype() == dense.dtype(),
           "mm: expected both matrices to have the same dtype, but got: ", values.dtype(), " != ", dense.dtype());
  return {.sizes = {m, dense.sizes()[1]},
          .dtype = dense.dtype(),
          .device = dense.device(),
          .strides = contiguous_strides({m, dense.sizes()[1]})};
}
// Each thread has columns of its own, so that the sums come out the same however many there are.
void product_cpu(const Tensor& rows_given, const Tensor& cols_given, const Tensor& values_given, const Tensor& given,
                 int64_t m, const Tensor& out) {
  Tensor rows = dense(rows_given), cols = dense(cols_given), values = dense(values_given), in = dense(given);
  check_places("_sparse_product", rows, m);
  check_places("_sparse_product", cols, in.sizes()[0]);
  int64_t n = out.sizes()[1], count = rows.numel();
  dispatch(kProducts, out.dtype(), "_sparse_product", [&]<class T>() {
    const int64_t *r = rows.data<int64_t>(), *c = cols.data<int64_t>();
    const T *v = values.data<T>(), *b = in.data<T>();
    T* to = out.data<T>();
    std::fill_n(to, out.numel(), T(0));
    auto add = add_scaled_isa<T>();
    parallel_for(0, n, std::max<int64_t>(16, kGrain / std::max<int64_t>(count, 1)), [&](int64_t begin, int64_t end) {
      for (int64_t i = 0; i < count; i++) {
        add(to + r[i] * n + begin, b + c[i] * n + begin, end - begin, compute_t<T>(v[i]));
      }
    });
  });
}
Grads product_grad(const Saved& s, const Tensor& g) {
  Tensor rows = s["rows"], cols = s["cols"];
  return {Tensor(), Tensor(), s.needs("values") ? _sparse_sampled(rows, cols, g, conj(s["dense"])) : Tensor(),
          s.needs("dense") ? _sparse_product(cols, rows, conj(s["values"]), g, s.sizes("dense")[0]) : Tensor()};
}

TensorSpec sampled_meta(const Tensor& rows, const Tensor& cols, const Tensor& a, const Tensor& b) {
  check_coordinates("_sparse_sampled", rows, cols);
  RL_CHECK(RuntimeError, a.dim() == 2 && b.dim() == 2 && a.sizes()[1] == b.sizes()[1] && a.dtype() == b.dtype(),
           "_sparse_sampled: expected two matrices with rows of one length and dtype, got ", a.dtype(), " of shape ",
           a.sizes(), " and ", b.dtype(), " of shape ", b.sizes());
  return {.sizes = rows.sizes(), .dtype = a.dtype(), .device = a.device(), .strides = contiguous_strides(rows.sizes())};
}
void sampled_cpu(const Tensor& rows_given, const Tensor& cols_given, const Tensor& a_given, const Tensor& b_given,
                 const Tensor& out) {
  Tensor rows = dense(rows_given), cols = dense(cols_given), left = dense(a_given), right = dense(b_given);
  check_places("_sparse_sampled", rows, left.sizes()[0]);
  check_places("_sparse_sampled", cols, right.sizes()[0]);
  int64_t n = left.sizes()[1];
  dispatch(kProducts, out.dtype(), "_sparse_sampled", [&]<class T>() {
    using A = compute_t<T>;
    const int64_t *r = rows.data<int64_t>(), *c = cols.data<int64_t>();
    const T *a = left.data<T>(), *b = right.data<T>();
    T* to = out.data<T>();
    parallel_for(0, rows.numel(), std::max<int64_t>(1, kGrain / std::max<int64_t>(n, 1)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; i++) {
                     A sum(0);
                     const T *x = a + r[i] * n, *y = b + c[i] * n;
                     for (int64_t k = 0; k < n; k++) sum += A(x[k]) * A(y[k]);
                     to[i] = T(sum);
                   }
                 });
  });
}
Grads sampled_grad(const Saved& s, const Tensor& g) {
  Tensor rows = s["rows"], cols = s["cols"];
  return {Tensor(), Tensor(), s.needs("a") ? _sparse_product(rows, cols, g, conj(s["b"]), s.sizes("a")[0]) : Tensor(),
          s.needs("b") ? _sparse_product(cols, rows, g, conj(s["a"]), s.sizes("b")[0]) : Tensor()};
}

// ---- forms ----

Tensor row_of(const Coo& c, int64_t d) { return select(c.indices, 0, d); }

Coo matrix(const char* op, const Tensor& t) {
  Coo c = coo_of(t, false);
  RL_CHECK(NotImplementedError, c.sparse_dim() == 2 && c.dense_dim() == 0, op,
           ": expected sparse matrices without dense dimensions, got ", c.sparse_dim(), " sparse and ", c.dense_dim(),
           " dense ones");
  return c;
}

// Each value of a row of self meets each of the row of other that its column names: the pairs are listed, and those of one element added.
Tensor sparse_by_sparse(const Tensor& self, const Tensor& other) {
  Coo a = matrix("mm", self), b = matrix("mm", coalesce(in_layout(other, Layout::Sparse)));
  RL_CHECK(RuntimeError, a.values.dtype() == b.values.dtype(),
           "mm: expected both matrices to have the same dtype, but got: ", a.values.dtype(), " != ", b.values.dtype());
  Tensor begins = searchsorted(row_of(b, 0), arange(b.sizes[0] + 1, DType::Int64, {}, b.indices.device()));
  Tensor from = index_select(begins, 0, row_of(a, 1)), to = index_select(begins, 0, add(row_of(a, 1), 1));
  Tensor lengths = sub(to, from), ends = cumsum(lengths, 0);
  Tensor left = repeat_interleave(lengths);
  int64_t pairs = left.sizes()[0];
  // The number of each pair within its own run, added to where the run begins.
  Tensor within = sub(arange(pairs, DType::Int64, {}, left.device()), index_select(sub(ends, lengths), 0, left));
  Tensor right = add(index_select(from, 0, left), within);
  Tensor values = mul(index_select(a.values, 0, left), index_select(b.values, 0, right));
  Tensor indices = stack(Tensors{index_select(row_of(a, 0), 0, left), index_select(row_of(b, 1), 0, right)}, 0);
  Tensor out = coalesce(make_coo(indices, values, {a.sizes[0], b.sizes[1]}, false));
  return in_layout_of(self, out);
}

}  // namespace

Tensor sparse_mm(const Tensor& self, const Tensor& mat2) {
  RL_CHECK(RuntimeError, self.dim() == 2 && mat2.dim() == 2, "mm: expected two matrices, got tensors of ", self.dim(),
           " and ", mat2.dim(), " dimensions");
  RL_CHECK(RuntimeError, self.sizes()[1] == mat2.sizes()[0], "mat1 and mat2 shapes cannot be multiplied (",
           self.sizes()[0], "x", self.sizes()[1], " and ", mat2.sizes()[0], "x", mat2.sizes()[1], ")");
  if (is_sparse(self) && is_sparse(mat2)) return sparse_by_sparse(self, mat2);
  if (!is_sparse(self)) {
    Coo c = matrix("mm", mat2);
    return t(_sparse_product(row_of(c, 1), row_of(c, 0), c.values, t(self), c.sizes[1]));
  }
  Coo c = matrix("mm", self);
  return _sparse_product(row_of(c, 0), row_of(c, 1), c.values, mat2, c.sizes[0]);
}

Tensor sparse_mv(const Tensor& self, const Tensor& vec) {
  RL_CHECK(RuntimeError, self.dim() == 2 && vec.dim() == 1, "mv: expected a matrix and a vector, got tensors of ",
           self.dim(), " and ", vec.dim(), " dimensions");
  RL_CHECK(RuntimeError, self.sizes()[1] == vec.sizes()[0], "size mismatch, got input (", self.sizes()[0], "), mat (",
           self.sizes()[0], "x", self.sizes()[1], "), vec (", vec.sizes()[0], ")");
  return squeeze(sparse_mm(self, unsqueeze(vec, 1)), 1);
}

// As one matrix with the blocks on its diagonal.
Tensor sparse_bmm(const Tensor& self, const Tensor& mat2) {
  RL_CHECK(
      RuntimeError,
      self.dim() == 3 && mat2.dim() == 3 && self.sizes()[0] == mat2.sizes()[0] && self.sizes()[2] == mat2.sizes()[1],
      "bmm: expected tensors of sizes [b, n, m] and [b, m, p], got ", self.sizes(), " and ", mat2.sizes());
  RL_CHECK(NotImplementedError, is_sparse(self) && !is_sparse(mat2),
           "bmm: only a sparse tensor by a dense one is implemented; use to_dense()");
  Coo c = coo_of(self, false);
  RL_CHECK(NotImplementedError, c.sparse_dim() == 3,
           "bmm: not implemented for a tensor with dense dimensions; use to_dense()");
  int64_t b = c.sizes[0], n = c.sizes[1], m = c.sizes[2], p = mat2.sizes()[2];
  Tensor block = row_of(c, 0);
  Tensor out = _sparse_product(add(mul(block, n), row_of(c, 1)), add(mul(block, m), row_of(c, 2)), c.values,
                               reshape(mat2, {CheckedInt(b) * m, p}), CheckedInt(b) * n);
  return reshape(out, {b, n, p});
}

Tensor sparse_matmul(const Tensor& self, const Tensor& other) {
  int64_t a = self.dim(), b = other.dim();
  if (a == 2 && b == 2) return mm(self, other);
  if (a == 2 && b == 1) return mv(self, other);
  if (a == 1 && b == 2 && !is_sparse(self)) return mv(t(other), self);
  if (a == 3 && b == 3) return bmm(self, other);
  throw NotImplementedError(
      str("matmul: not implemented for sparse tensors of ", a, " and ", b, " dimensions; use to_dense()"));
}

Tensor sparse_addmm(const Tensor& self, const Tensor& mat1, const Tensor& mat2, const Scalar& beta,
                    const Scalar& alpha) {
  Tensor product = is_sparse(mat1) || is_sparse(mat2) ? sparse_mm(mat1, mat2) : mm(mat1, mat2);
  auto times = [](const Tensor& t, const Scalar& by) {
    return !by.is_complex() && by.to<double>() == 1 ? t : mul(t, by);
  };
  if (!beta.is_complex() && beta.to<double>() == 0) return times(product, alpha);
  return add(times(self, beta), times(product, alpha));
}
Tensor sparse_addmv(const Tensor& self, const Tensor& mat, const Tensor& vec, const Scalar& beta, const Scalar& alpha) {
  return add(mul(self, beta), mul(sparse_mv(mat, vec), alpha));
}

// What the products of one element become other than their sum; 0 where there are none.
static Tensor mm_reduce(const Tensor& sparse, const Tensor& dense, std::string_view reduce) {
  if (reduce == "sum") return mm(sparse, dense);
  RL_CHECK(RuntimeError, reduce == "mean" || reduce == "amax" || reduce == "amin",
           "torch.sparse.mm: expected reduce to be one of sum, mean, amax and amin, got ", reduce);
  RL_CHECK(RuntimeError,
           is_sparse(sparse) && !is_sparse(dense) && sparse.dim() == 2 && dense.dim() == 2 &&
               sparse.sizes()[1] == dense.sizes()[0],
           "torch.sparse.mm: with reduce expected a sparse matrix and a dense one that it can be multiplied with, got "
           "shapes ",
           sparse.sizes(), " and ", dense.sizes());
  Coo c = matrix("mm", sparse);
  Tensor items = mul(unsqueeze(c.values, 1), index_select(dense, 0, row_of(c, 1)));
  return index_reduce(zeros({c.sizes[0], dense.sizes()[1]}, items.dtype(), {}, items.device()), 0, row_of(c, 0), items,
                      reduce, false);
}

static Tensor sampled_addmm(const Tensor& self, const Tensor& mat1, const Tensor& mat2, const Scalar& beta,
                            const Scalar& alpha) {
  RL_CHECK(RuntimeError, is_sparse(self) && self.dim() == 2,
           "sparse_sampled_addmm: expected a sparse matrix for self, got layout ", layout_seen(self));
  RL_CHECK(RuntimeError,
           mat1.dim() == 2 && mat2.dim() == 2 && mat1.sizes()[1] == mat2.sizes()[0] &&
               mat1.sizes()[0] == self.sizes()[0] && mat2.sizes()[1] == self.sizes()[1],
           "sparse_sampled_addmm: expected mat1 and mat2 whose product has the sizes of self, ", self.sizes(), ", got ",
           mat1.sizes(), " and ", mat2.sizes());
  Coo c = matrix("sparse_sampled_addmm", self);
  Tensor sampled = _sparse_sampled(row_of(c, 0), row_of(c, 1), mat1, t(mat2));
  return in_layout_of(self, make_coo(c.indices, add(mul(c.values, beta), mul(sampled, alpha)), c.sizes, c.coalesced));
}

OP(_sparse_product,
   {.schema = "_sparse_product(Tensor rows, Tensor cols, Tensor values, Tensor dense, int m) -> Tensor",
    .doc = "The matrix of m rows with values at rows and cols, by a dense matrix.",
    .kernel = structured<product_meta, product_cpu>(),
    .grad = {{"rows", "cols", "values:dense", "dense:values"}, product_grad},
    .forms = kFunction});
OP(_sparse_sampled, {.schema = "_sparse_sampled(Tensor rows, Tensor cols, Tensor a, Tensor b) -> Tensor",
                     .doc = "The elements at rows and cols of a by b transposed.",
                     .kernel = structured<sampled_meta, sampled_cpu>(),
                     .grad = {{"rows", "cols", "a:b", "b:a"}, sampled_grad},
                     .forms = kFunction});
OP(sparse_sampled_addmm,
   {.schema = "sparse_sampled_addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    .doc = "beta * self + alpha * (mat1 @ mat2), only where the sparse self has values.",
    .kernel = composite<sampled_addmm>(),
    .forms = kFunction});
OP(_sparse_mm_reduce, {.schema = "_sparse_mm.reduce(Tensor sparse, Tensor dense, str reduce) -> Tensor",
                       .doc = "The products of each element's row and column: their sum, mean, amax or amin.",
                       .kernel = composite<mm_reduce>(),
                       .forms = kFunction});
OP(_sparse_addmm,
   {.schema = "_sparse_addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    .doc = "beta * self + alpha * (mat1 @ mat2) with a sparse mat1.",
    .kernel = composite<addmm>(),
    .forms = kFunction});
OP(_sparse_mm, {.schema = "_sparse_mm(Tensor sparse, Tensor dense) -> Tensor",
                .doc = "The product of two matrices of which one is sparse, or both. >>> "
                       "torch.sparse.mm(torch.eye(2).to_sparse(), torch.ones(2, 1))\ntensor([[1.],\n        [1.]])",
                .kernel = composite<mm>(),
                .forms = kFunction});

}  // namespace rushlight
