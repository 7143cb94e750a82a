// Functions of matrices: powers, the exponential, chains of products; and what has no other place in torch.linalg.
#include <algorithm>
#include <cmath>

#include "rushlight/fn/cat.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/cumprod.h"
#include "rushlight/fn/diagonal.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/eye.h"
#include "rushlight/fn/full.h"
#include "rushlight/fn/linalg_inv.h"
#include "rushlight/fn/linalg_matrix_exp.h"
#include "rushlight/fn/linalg_matrix_norm.h"
#include "rushlight/fn/linalg_matrix_power.h"
#include "rushlight/fn/linalg_multi_dot.h"
#include "rushlight/fn/linalg_vector_norm.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/matmul.h"
#include "rushlight/fn/mm.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/ones_like.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/ops/linalg/linalg.h"

namespace rushlight {
namespace {

// ---- powers ----

Tensor power_op(const Tensor& self, int64_t n) {
  check_square(self, "linalg.matrix_power");
  if (n == 0) {  // a result of self all the same, whose gradient is zero
    Tensor nowhere = masked_fill(self, full({}, true, DType::Bool, std::nullopt, self.device()), Scalar(0));
    return nowhere + eye(self.size(-1), self.dtype(), std::nullopt, self.device());
  }
  Tensor square = n < 0 ? linalg_inv(self) : self, result;
  if (n == 1) return clone(square);
  for (uint64_t left = n < 0 ? -uint64_t(n) : uint64_t(n); left; left >>= 1) {
    if (left & 1) result = result.defined() ? matmul(result, square) : square;
    if (left > 1) square = matmul(square, square);
  }
  return result;
}
Tensor old_power_op(const Tensor& self, int64_t n) { return linalg_matrix_power(self, n); }

// ---- the exponential ----

TensorSpec exp_meta(const Tensor& a) {
  check_square(a, "linalg.matrix_exp");
  check_field(a, "linalg.matrix_exp", true);
  return rows_spec(a.sizes(), a.dtype(), a.device());
}
// Scaling and squaring (Higham 2005): exp(A) = exp(A / 2^s)^(2^s), where the inner one is a diagonal Pade quotient of a degree that the
// norm allows.
template <class T>
class Exponential {
 public:
  explicit Exponential(int64_t n) : n_(n), room_(size_t(8 * n * n)), pivots_(size_t(n)) {}
  // `a` in either order, dense; REQUIRES: n > 0.
  void operator()(const T* a, T* out) {
    using R = lapack::real_t<T>;
    int64_t size = n_ * n_;
    double norm = 0;
    for (int64_t i = 0; i < n_; i++) {
      double sum = 0;
      for (int64_t j = 0; j < n_; j++) sum += double(std::abs(a[i * n_ + j]));
      norm = sum > norm || std::isnan(sum) ? sum : norm;
      if (std::isnan(norm)) break;
    }
    if (!std::isfinite(norm)) return std::fill(out, out + size, T(NAN));
    constexpr bool wide = std::is_same_v<R, double>;
    // The largest norms for which degrees 3, 5, 7 and 13 are exact to rounding.
    constexpr double limits[] = {wide ? 1.495585217958292e-2 : 4.258730016922831e-1,
                                 wide ? 2.539398330063230e-1 : 1.880152677804762,
                                 wide ? 9.504178996162932e-1 : 3.925724783138660, 5.371920351148152};
    constexpr int degrees[] = {3, 5, 7, 13}, last = wide ? 3 : 2;
    int which = 0, squarings = 0;
    while (which < last && norm > limits[which]) which++;
    if (norm > limits[last]) squarings = int(std::ceil(std::log2(norm / limits[last])));
    int degree = degrees[which];
    double b[14] = {1};
    for (int j = 1; j <= degree; j++) b[j] = b[j - 1] * (degree - j + 1) / (j * (2.0 * degree - j + 1));

    T* slot[8];
    for (int i = 0; i < 8; i++) slot[i] = room_.data() + i * size;
    auto [scaled, p2, p4, p6, odd, even, u, v] = slot;
    R factor = R(std::ldexp(1.0, -squarings));
    for (int64_t i = 0; i < size; i++) scaled[i] = a[i] * factor;
    product(scaled, scaled, p2);
    if (degree > 3) product(p2, p2, p4);
    if (degree > 5) product(p2, p4, p6);
    const T* powers[] = {p2, p4, p6};
    // b[from] + b[from + 2] A^2 + ...
    auto polynomial = [&](T* to, int from, int terms, bool constant) {
      for (int64_t i = 0; i < size; i++) {
        T sum = 0;
        for (int t = 0; t < terms; t++) sum += powers[t][i] * R(b[from + 2 * t + 2 * constant]);
        to[i] = sum;
      }
      for (int64_t i = 0; constant && i < n_; i++) to[i * (n_ + 1)] += R(b[from]);
    };
    int terms = std::min(3, degree / 2);
    if (degree == 13) {
      polynomial(u, 9, 3, false);
      product(p6, u, odd);
      polynomial(u, 1, 3, true);
      for (int64_t i = 0; i < size; i++) odd[i] += u[i];
      polynomial(u, 8, 3, false);
      product(p6, u, even);
      polynomial(u, 0, 3, true);
      for (int64_t i = 0; i < size; i++) even[i] += u[i];
    } else {
      polynomial(odd, 1, terms, true);
      polynomial(even, 0, terms, true);
    }
    product(scaled, odd, u);
    for (int64_t i = 0; i < size; i++) {
      T sum = even[i] + u[i];
      v[i] = even[i] - u[i];
      u[i] = sum;
    }
    // Powers of one matrix commute, so that it doesn't matter which way round they lie.
    lapack::lu<T>(n_, n_, v, pivots_.data());
    lapack::lu_solve<T>(lapack::Op::None, n_, n_, v, pivots_.data(), u);
    for (int s = 0; s < squarings; s++) {
      product(u, u, v);
      std::swap(u, v);
    }
    std::copy(u, u + size, out);
  }

 private:
  void product(const T* a, const T* b, T* c) {
    gemm({.dtype = dtype_of<T>,
          .m = n_,
          .n = n_,
          .k = n_,
          .a = a,
          .a_row = n_,
          .a_col = 1,
          .b = b,
          .b_row = n_,
          .b_col = 1,
          .c = c,
          .c_row = n_});
  }
  int64_t n_;
  std::vector<T> room_;
  std::vector<int> pivots_;
};
void exp_cpu(const Tensor& given, const Tensor& out) {
  if (given.numel() == 0) return;
  DType computed = is_half(given.dtype()) ? DType::Float32 : given.dtype();
  Tensor a = dense(given, computed), result = empty_tensor(a.sizes(), computed);
  int64_t n = a.size(-1);
  dispatch(LapackTypes{}, computed, "linalg_matrix_exp", [&]<class T>() {
    Exponential<T> exponential(n);
    for (int64_t i = 0; i < batch_count(a); i++) exponential(a.data<T>() + i * n * n, result.data<T>() + i * n * n);
  });
  copy_elements(out, result);
}
// exp of [[A^H, G], [0, A^H]] has the derivative at A^H in the direction G above its diagonal.
Grads exp_grad(const Saved& s, const Tensor& g) {
  Tensor a = s["self"], turned = adjoint_of(a);
  int64_t n = a.size(-1);
  if (a.numel() == 0) return {zeros_like(a)};
  Tensor blocks = cat({cat({turned, g}, -1), cat({zeros_like(g), turned}, -1)}, -2);
  return {narrow(narrow(linalg_matrix_exp(blocks), -2, 0, n), -1, n, n)};
}
Tensor matrix_exp_op(const Tensor& a) { return linalg_matrix_exp(a); }

// ---- chains of products ----

Tensor multi_dot_op(TensorList given) {
  size_t n = given.size();
  RL_CHECK(RuntimeError, n >= 2, "multi_dot(): expected at least 2 tensors but got ", n);
  std::vector<Tensor> all(given.begin(), given.end());
  bool row = all[0].dim() == 1, column = all[n - 1].dim() == 1;
  RL_CHECK(ShapeError, row || all[0].dim() == 2, "multi_dot(): the first tensor must be 1D or 2D but got ",
           all[0].dim(), "D");
  RL_CHECK(ShapeError, column || all[n - 1].dim() == 2, "multi_dot(): the last tensor must be 1D or 2D but got ",
           all[n - 1].dim(), "D");
  if (row) all[0] = unsqueeze(all[0], 0);
  if (column) all[n - 1] = unsqueeze(all[n - 1], -1);
  for (size_t i = 1; i < n; i++) {
    RL_CHECK(ShapeError, all[i].dim() == 2, "multi_dot(): tensor ", i, " must be 2D but got ", all[i].dim(), "D");
    RL_CHECK(DTypeError, all[i].dtype() == all[0].dtype(),
             "multi_dot(): all tensors must have be the same dtype but tensor 0 is ", info_of(all[0].dtype()).type_name,
             " and tensor ", i, " ", info_of(all[i].dtype()).type_name);
    RL_CHECK(ShapeError, all[i - 1].size(1) == all[i].size(0), "multi_dot(): tensors ", i - 1, " and ", i,
             " with shapes ", all[i - 1].sizes(), " and ", all[i].sizes(), " cannot be multiplied");
  }
  // The cheapest way to multiply tensors i to j, of all ways to split them; costs in double can't overflow.
  std::vector<std::vector<double>> cost(n, std::vector<double>(n, 0));
  std::vector<std::vector<size_t>> split(n, std::vector<size_t>(n, 0));
  for (size_t length = 1; length < n; length++)
    for (size_t i = 0; i + length < n; i++) {
      size_t j = i + length;
      cost[i][j] = INFINITY;
      for (size_t k = i; k < j; k++) {
        double c =
            cost[i][k] + cost[k + 1][j] + double(all[i].size(0)) * double(all[k].size(1)) * double(all[j].size(1));
        if (c < cost[i][j]) cost[i][j] = c, split[i][j] = k;
      }
    }
  auto multiply = [&](auto& self, size_t i, size_t j) -> Tensor {
    return i == j ? all[i] : mm(self(self, i, split[i][j]), self(self, split[i][j] + 1, j));
  };
  Tensor result = multiply(multiply, 0, n - 1);
  Dims shape;
  if (!row) shape.push_back(result.size(0));
  if (!column) shape.push_back(result.size(1));
  return row || column ? reshape(result, shape) : result;
}
Tensor chain_matmul_op(TensorList matrices) {
  for (const Tensor& m : matrices)
    RL_CHECK(ShapeError, m.dim() == 2, "chain_matmul: Tensor dimension is ", m.dim(), ", expected 2 instead");
  RL_CHECK(RuntimeError, matrices.size() > 0, "chain_matmul(): Expected one or more matrices");
  return matrices.size() == 1 ? clone(matrices[0]) : linalg_multi_dot(matrices);
}

// ---- others ----

Tensor vander_op(const Tensor& x, const std::optional<int64_t>& count) {
  RL_CHECK(RuntimeError, x.dtype() != DType::Bool,
           "linalg.vander supports floating point, complex, and integer tensors, but got Bool");
  int64_t n = count.value_or(x.dim() ? x.size(-1) : 1);
  RL_CHECK(RuntimeError, n > 1, "N must be greater than 1.");
  Tensor column = unsqueeze(x.dim() ? x : unsqueeze(x, 0), -1);
  Dims sizes = column.sizes();
  sizes.back() = n - 1;
  Tensor powers = cumprod(expand(column, sizes), -1);
  return cat({ones_like(narrow(powers, -1, 0, 1)), powers}, -1);
}
Tensor vecdot_op(const Tensor& x, const Tensor& y, int64_t dim) {
  check_field(x, "linalg.vecdot", true);
  check_same_dtype("linalg.vecdot", x, "x", y, "y");
  return sum(conj_of(x) * y, IntArrayRef(dim));
}
Tensor diagonal_op(const Tensor& a, int64_t offset, int64_t dim1, int64_t dim2) {
  return diagonal(a, offset, dim1, dim2);
}
Tensor linalg_matmul_op(const Tensor& a, const Tensor& b) { return matmul(a, b); }
Tensor frobenius_op(const Tensor& self, IntArrayRef dim, bool keepdim) {
  return linalg_vector_norm(self, 2, dim, keepdim);
}
Tensor nuclear_op(const Tensor& self, bool keepdim) {
  const Dims both = {-2, -1};
  return linalg_matrix_norm(self, std::string_view("nuc"), both, keepdim);
}
Tensor nuclear_dim(const Tensor& self, IntArrayRef dim, bool keepdim) {
  return linalg_matrix_norm(self, std::string_view("nuc"), dim, keepdim);
}

}  // namespace

OP(linalg_matrix_power, {.schema = "linalg_matrix_power(Tensor self, int n) -> Tensor",
                         .doc = "The n-th power of square matrices; of their inverses for negative n."
                                " >>> torch.linalg.matrix_power(torch.tensor([[2.]]), 3)\ntensor([[8.]])",
                         .kernel = composite<power_op>(),
                         .forms = kFunction | kOut,
                         .module = "linalg"});
OP(matrix_power, {.schema = "matrix_power(Tensor self, int n) -> Tensor",
                  .doc = "linalg.matrix_power. >>> torch.matrix_power(torch.tensor([[2.]]), 2)\ntensor([[4.]])",
                  .kernel = composite<old_power_op>(),
                  .forms = kFunction | kMethod | kOut,
                  .autocast = Autocast::Float32});
OP(linalg_matrix_exp, {.schema = "linalg_matrix_exp(Tensor self) -> Tensor",
                       .doc = "The exponential of square matrices: 1 + A + A^2 / 2 + ..."
                              " >>> torch.linalg.matrix_exp(torch.zeros(2, 2))\ntensor([[1., 0.],\n        [0., 1.]])",
                       .kernel = structured<exp_meta, exp_cpu>(),
                       .grad = {{"self"}, exp_grad},
                       .forms = kFunction | kOut,
                       .module = "linalg"});
OP(matrix_exp, {.schema = "matrix_exp(Tensor self) -> Tensor",
                .doc = "linalg.matrix_exp. >>> torch.matrix_exp(torch.zeros(1, 1))\ntensor([[1.]])",
                .kernel = composite<matrix_exp_op>(),
                .autocast = Autocast::Float32});
OP(linalg_multi_dot,
   {.schema = "linalg_multi_dot(Tensor[] tensors) -> Tensor",
    .doc = "The product of matrices, in the order that costs least. The first and the last may be vectors."
           " >>> torch.linalg.multi_dot([torch.ones(2), torch.ones(2, 3), torch.ones(3)])\ntensor(6.)",
    .kernel = composite<multi_dot_op>(),
    .forms = kFunction | kOut,
    .module = "linalg"});
OP(chain_matmul, {.schema = "chain_matmul(Tensor[] matrices) -> Tensor",
                  .doc = "linalg.multi_dot of matrices, by its old name.",
                  .kernel = composite<chain_matmul_op>(),
                  .forms = kFunction | kOut});
OP(linalg_vander,
   {.schema = "linalg_vander(Tensor x, *, int? N=None) -> Tensor",
    .doc = "The powers 0 to N - 1 of numbers, in rows."
           " >>> torch.linalg.vander(torch.tensor([2, 3]), N=3)\ntensor([[1, 2, 4],\n        [1, 3, 9]])",
    .kernel = composite<vander_op>(),
    .forms = kFunction,
    .module = "linalg"});
OP(linalg_vecdot, {.schema = "linalg_vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor",
                   .doc = "Inner products along a dimension, the numbers of x conjugated."
                          " >>> torch.linalg.vecdot(torch.tensor([1., 2.]), torch.tensor([3., 4.]))\ntensor(11.)",
                   .kernel = composite<vecdot_op>(),
                   .forms = kFunction | kOut,
                   .module = "linalg"});
OP(linalg_diagonal, {.schema = "linalg_diagonal(Tensor(a) A, *, int offset=0, int dim1=-2, int dim2=-1) -> Tensor(a)",
                     .doc = "A view of the diagonals of matrices."
                            " >>> torch.linalg.diagonal(torch.tensor([[1, 2], [3, 4]]))\ntensor([1, 4])",
                     .kernel = composite<diagonal_op>(),
                     .forms = kFunction,
                     .module = "linalg"});
OP(linalg_matmul, {.schema = "linalg_matmul(Tensor self, Tensor other) -> Tensor",
                   .doc = "torch.matmul. >>> torch.linalg.matmul(torch.ones(2), torch.ones(2))\ntensor(2.)",
                   .kernel = composite<linalg_matmul_op>(),
                   .forms = kFunction | kOut,
                   .module = "linalg"});
OP(frobenius_norm, {.schema = "frobenius_norm.dim(Tensor self, int[1] dim, bool keepdim=False) -> Tensor",
                    .doc = "The square root of the sum of squares over dim."
                           " >>> torch.frobenius_norm(torch.tensor([3., 4.]), 0)\ntensor(5.)",
                    .kernel = composite<frobenius_op>(),
                    .forms = kFunction | kOut});
OP(nuclear_norm, {.schema = "nuclear_norm(Tensor self, bool keepdim=False) -> Tensor",
                  .doc = "The sum of singular values. >>> torch.nuclear_norm(torch.eye(2))\ntensor(2.)",
                  .kernel = composite<nuclear_op>(),
                  .forms = kFunction | kOut});
OP(nuclear_norm_dim, {.schema = "nuclear_norm.dim(Tensor self, int[2] dim, bool keepdim=False) -> Tensor",
                      .doc = "The sum of the singular values of the matrices in dim.",
                      .kernel = composite<nuclear_dim>(),
                      .forms = kFunction | kOut});

}  // namespace rushlight
