// Cholesky factors: A = L L^H of positive-definite matrices, and what is solved with them.
#include "rushlight/fn/cholesky_solve.h"
#include "rushlight/fn/diagonal.h"
#include "rushlight/fn/eye.h"
#include "rushlight/fn/linalg_cholesky.h"
#include "rushlight/fn/linalg_cholesky_ex.h"
#include "rushlight/fn/linalg_solve_triangular.h"
#include "rushlight/fn/matmul.h"
#include "rushlight/fn/tril.h"
#include "rushlight/ops/linalg/linalg.h"

namespace rushlight {
namespace {

std::array<TensorSpec, 2> factor_meta(const Tensor& a, bool, bool) {
  check_square(a, "linalg.cholesky");
  check_field(a, "linalg.cholesky");
  return {columns_spec(a.sizes(), a.dtype(), a.device()), rows_spec(batch_and(a, {}), DType::Int32, a.device())};
}
void factor_cpu(const Tensor& a, bool upper, bool check, const Tensor& l, const Tensor& info) {
  int64_t n = a.size(-1), count = batch_count(a);
  copy_elements(l, a);
  dispatch(LapackTypes{}, a.dtype(), "linalg_cholesky", [&]<class T>() {
    for (int64_t i = 0; i < count; i++) {
      T* at = l.data<T>() + i * n * n;
      for (int64_t column = 0; column < n; column++) {
        if (upper) std::fill(at + column * n + column + 1, at + (column + 1) * n, T(0));
        else std::fill(at + column * n, at + column * n + column, T(0));
      }
      int failed = n == 0 ? 0 : lapack::cholesky<T>(upper ? lapack::Triangle::Upper : lapack::Triangle::Lower, n, at);
      info.data<int32_t>()[i] = failed;
      RL_CHECK(LinAlgError, !check || failed == 0, "linalg.cholesky: ", batch_place(a, i),
               "The factorization could not be completed because the input is not positive-definite (the leading minor "
               "of order ",
               failed,
               " is not positive-definite). Hint: add a little to the diagonal, a + 1e-6 * torch.eye(n), or use eigh");
    }
  });
}
// gA = L^-H P L^-1 made hermitian, where P is the lower triangle of L^H gL with half its diagonal.
Grads factor_grad(const Saved& s, const Tensors& g) {
  bool upper = s.arg("upper").to_bool();
  Tensor l = upper ? adjoint_of(s["L"]) : s["L"], gl = upper ? adjoint_of(g[0]) : g[0];
  Tensor p = matmul(adjoint_of(l), gl);
  p = (tril(p) + tril(p, -1)) * Scalar(0.5);
  Tensor left = linalg_solve_triangular(adjoint_of(l), p, true);
  Tensor both = linalg_solve_triangular(l, left, false, false);
  return {(both + adjoint_of(both)) * Scalar(0.5)};
}

Tensor linalg_cholesky_op(const Tensor& a, bool upper) { return std::get<0>(linalg_cholesky_ex(a, upper, true)); }
Tensor cholesky_op(const Tensor& a, bool upper) { return linalg_cholesky(a, upper); }

TensorSpec solve_meta(const Tensor& b, const Tensor& factor, bool) {
  RL_CHECK(ShapeError, b.dim() >= 2, "b should have at least 2 dimensions, but has ", b.dim(), " dimensions instead");
  RL_CHECK(ShapeError, factor.dim() >= 2, "u should have at least 2 dimensions, but has ", factor.dim(),
           " dimensions instead");
  check_square(factor, "cholesky_solve");
  RL_CHECK(ShapeError, factor.size(-1) == b.size(-2), "Incompatible matrix sizes for cholesky_solve: each A matrix is ",
           factor.size(-1), " by ", factor.size(-1), " but each b matrix is ", b.size(-2), " by ", b.size(-1));
  check_same_dtype("cholesky_solve", b, "b", factor, "A");
  check_field(b, "cholesky_solve");
  return columns_spec(with_matrix(common_batch(factor.sizes(), b.sizes()), b.size(-2), b.size(-1)), b.dtype(),
                      b.device());
}
void solve_cpu(const Tensor& b, const Tensor& given, bool upper, const Tensor& out) {
  copy_elements(out, b);
  if (out.numel() == 0) return;
  Tensor factor = columns_of(given);
  int64_t m = out.size(-2), n = out.size(-1);
  std::vector<int64_t> numbers = matrix_numbers(factor, batch_of(out.sizes()));
  auto triangle = upper ? lapack::Triangle::Upper : lapack::Triangle::Lower;
  dispatch(LapackTypes{}, b.dtype(), "cholesky_solve", [&]<class T>() {
    for (size_t i = 0; i < numbers.size(); i++)
      for (auto op : {upper ? lapack::Op::Adjoint : lapack::Op::None, upper ? lapack::Op::None : lapack::Op::Adjoint})
        lapack::solve_triangular<T>(true, triangle, op, false, m, n, factor.data<T>() + numbers[i] * m * m,
                                    out.data<T>() + int64_t(i) * m * n);
  });
}
// As if both triangles of the factor counted, which is what PyTorch gives.
Grads solve_grad(const Saved& s, const Tensor& g) {
  Tensor factor = s["input2"], x = s["result"], gfactor;
  bool upper = s.arg("upper").to_bool();
  Tensor gb = cholesky_solve(g, factor, upper);
  if (s.needs("input2")) {
    Tensor common = matmul(gb, adjoint_of(x));
    common = common + adjoint_of(common);
    gfactor = upper ? -matmul(factor, common) : -matmul(common, factor);
  }
  return {gb, gfactor};
}
Tensor cholesky_inverse_op(const Tensor& factor, bool upper) {
  check_square(factor, "cholesky_inverse");
  check_field(factor, "cholesky_inverse");
  return cholesky_solve(eye(factor.size(-1), factor.dtype(), std::nullopt, factor.device()), factor, upper);
}

}  // namespace

OP(linalg_cholesky_ex,
   {.schema =
        "linalg_cholesky_ex(Tensor self, *, bool upper=False, bool check_errors=False) -> (Tensor L, Tensor info)",
    .doc = "The Cholesky factor of positive-definite matrices; info says where there is none."
           " >>> torch.linalg.cholesky_ex(torch.tensor([[4., 2.], [2., 5.]])).L\ntensor([[2., 0.],\n        [1., 2.]])",
    .kernel = structured<factor_meta, factor_cpu>(),
    .grad = {{"L"}, factor_grad},
    .forms = kFunction | kOut,
    .module = "linalg"});
OP(linalg_cholesky,
   {.schema = "linalg_cholesky(Tensor self, *, bool upper=False) -> Tensor",
    .doc = "The lower (or upper) Cholesky factor of positive-definite matrices: self = L L^H."
           " >>> torch.linalg.cholesky(torch.tensor([[4., 2.], [2., 5.]]))\ntensor([[2., 0.],\n        [1., 2.]])",
    .kernel = composite<linalg_cholesky_op>(),
    .forms = kFunction | kOut,
    .module = "linalg"});
OP(cholesky, {.schema = "cholesky(Tensor self, bool upper=False) -> Tensor",
              .doc = "linalg.cholesky, by its old name."
                     " >>> torch.cholesky(torch.tensor([[4.]]))\ntensor([[2.]])",
              .kernel = composite<cholesky_op>(),
              .forms = kFunction | kMethod | kOut,
              .autocast = Autocast::Float32});
OP(cholesky_solve, {.schema = "cholesky_solve(Tensor self, Tensor input2, bool upper=False) -> Tensor",
                    .doc = "Solves A x = self, where input2 is the Cholesky factor of A."
                           " >>> torch.cholesky_solve(torch.tensor([[8.]]), torch.tensor([[2.]]))\ntensor([[2.]])",
                    .kernel = structured<solve_meta, solve_cpu>(),
                    .grad = {{"input2", "result"}, solve_grad},
                    .forms = kFunction | kMethod | kOut,
                    .autocast = Autocast::Float32});
OP(cholesky_inverse, {.schema = "cholesky_inverse(Tensor self, bool upper=False) -> Tensor",
                      .doc = "The inverse of the matrix whose Cholesky factor self is."
                             " >>> torch.cholesky_inverse(torch.tensor([[2.]]))\ntensor([[0.2500]])",
                      .kernel = composite<cholesky_inverse_op>(),
                      .forms = kFunction | kMethod | kOut,
                      .autocast = Autocast::Float32});

}  // namespace rushlight
