// LU factors with partial pivoting: A = P L U; solving with them, and taking them apart.
#include <algorithm>

#include "rushlight/fn/_lu_rows.h"
#include "rushlight/fn/arange.h"
#include "rushlight/fn/cat.h"
#include "rushlight/fn/empty.h"
#include "rushlight/fn/eye.h"
#include "rushlight/fn/linalg_lu_factor_ex.h"
#include "rushlight/fn/linalg_lu_solve.h"
#include "rushlight/fn/linalg_solve_triangular.h"
#include "rushlight/fn/lu_unpack.h"
#include "rushlight/fn/matmul.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/tril.h"
#include "rushlight/fn/triu.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/ops/linalg/linalg.h"

namespace rushlight {
namespace {

std::array<TensorSpec, 3> factor_meta(const Tensor& a, bool pivot, bool) {
  RL_CHECK(ShapeError, a.dim() >= 2,
           "linalg.lu_factor: Expected tensor with 2 or more dimensions. Got size: ", a.sizes(), " instead");
  check_field(a, "linalg.lu_factor");
  RL_CHECK(RuntimeError, pivot, "linalg.lu_factor: LU without pivoting is not implemented on the CPU");
  return {columns_spec(a.sizes(), a.dtype(), a.device()),
          rows_spec(batch_and(a, {std::min(a.size(-2), a.size(-1))}), DType::Int32, a.device()),
          rows_spec(batch_and(a, {}), DType::Int32, a.device())};
}
void factor_cpu(const Tensor& a, bool, bool check, const Tensor& lu, const Tensor& pivots, const Tensor& info) {
  int64_t m = a.size(-2), n = a.size(-1), k = std::min(m, n), count = batch_count(a);
  copy_elements(lu, a);
  dispatch(LapackTypes{}, a.dtype(), "linalg_lu_factor", [&]<class T>() {
    for (int64_t i = 0; i < count; i++) {
      int failed = k == 0 ? 0 : lapack::lu<T>(m, n, lu.data<T>() + i * m * n, pivots.data<int32_t>() + i * k);
      info.data<int32_t>()[i] = failed;
      RL_CHECK(RuntimeError, !check || failed == 0, "torch.linalg.lu_factor: ", batch_place(a, i), "U[", failed, ",",
               failed,
               "] is zero and using it on lu_solve would result in a division by zero. If you still want to perform "
               "the factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)");
    }
  });
}

// Row i of the factors' product is row rows[i] of the matrix.
TensorSpec rows_meta(const Tensor& pivots, int64_t m) {
  RL_CHECK(RuntimeError, pivots.dtype() == DType::Int32,
           "lu_unpack: pivots are expected to have torch.int32 dtype, got ", pivots.dtype(),
           ". Note: this function is intended to be used with the output produced by torch.linalg.lu_factor");
  RL_CHECK(ShapeError, pivots.dim() >= 1 && m >= pivots.size(-1), "lu_unpack: expected up to ", m,
           " pivots in the last dimension, got shape ", pivots.sizes());
  Dims sizes = pivots.sizes();
  sizes.back() = m;
  return {.sizes = sizes, .dtype = DType::Int64, .device = pivots.device()};
}
void rows_cpu(const Tensor& given, int64_t m, const Tensor& out) {
  Tensor pivots = dense(given);
  int64_t k = pivots.size(-1), count = product(IntArrayRef(pivots.sizes()).slice(0, pivots.sizes().size() - 1));
  Tensor rows = empty_tensor(out.sizes(), DType::Int64);
  for (int64_t i = 0; i < count; i++) {
    int64_t* row = rows.data<int64_t>() + i * m;
    for (int64_t r = 0; r < m; r++) row[r] = r;
    for (int64_t r = 0; r < k; r++) {
      int64_t with = pivots.data<int32_t>()[i * k + r];
      RL_CHECK(
          RuntimeError, with >= 1 && with <= m,
          "pivots passed to lu_unpack must be between 1 and LU.size(-2) inclusive.Did you properly pass the result "
          "of lu_factor?");
      std::swap(row[r], row[with - 1]);
    }
  }
  copy_elements(out, rows);
}
Tensor permutation(const Tensor& pivots, int64_t m, DType dtype) {
  Tensor all = arange(m, DType::Int64, std::nullopt, pivots.device());
  return to(unsqueeze(all, -1) == unsqueeze(_lu_rows(pivots, m), -2), dtype);
}
Tensor unit_lower(const Tensor& lu) {
  int64_t m = lu.size(-2), k = std::min(m, lu.size(-1));
  return tril(narrow(lu, -1, 0, k), -1) + eye(m, k, lu.dtype(), std::nullopt, lu.device());
}
Tensor upper_of(const Tensor& lu) { return triu(narrow(lu, -2, 0, std::min(lu.size(-2), lu.size(-1)))); }

// With the square leading blocks of P^H A, L and U: gA = P L^-H (tril(L^H gL, -1) + triu(gU U^H)) U^-H. What lies beyond them depends on
// the blocks by L2 = A2 U^-1 or U2 = L^-1 A2.
Grads factor_grad(const Saved& s, const Tensors& g) {
  Tensor lu = s["LU"], gl = tril(g[0], -1), gu = triu(g[0]);
  int64_t m = lu.size(-2), n = lu.size(-1), k = std::min(m, n);
  if (k == 0) return {zeros_like(g[0])};
  Tensor l = unit_lower(narrow(lu, -2, 0, k)), u = triu(narrow(narrow(lu, -2, 0, k), -1, 0, k)), beyond;
  Tensor gl1 = narrow(narrow(gl, -2, 0, k), -1, 0, k), gu1 = narrow(narrow(gu, -2, 0, k), -1, 0, k);
  if (n > m) {
    Tensor u2 = narrow(lu, -1, k, n - k), gu2 = narrow(gu, -1, k, n - k);
    beyond = linalg_solve_triangular(adjoint_of(l), gu2, true, true, true);
    gl1 = gl1 - tril(matmul(beyond, adjoint_of(u2)), -1);
  } else if (m > n) {
    Tensor l2 = narrow(lu, -2, k, m - k), gl2 = narrow(gl, -2, k, m - k);
    beyond = linalg_solve_triangular(adjoint_of(u), gl2, false, false);
    gu1 = gu1 - triu(matmul(adjoint_of(l2), beyond));
  }
  Tensor inner = tril(matmul(adjoint_of(l), gl1), -1) + triu(matmul(gu1, adjoint_of(u)));
  inner = linalg_solve_triangular(adjoint_of(l), inner, true, true, true);
  Tensor ga = linalg_solve_triangular(adjoint_of(u), inner, false, false);
  if (beyond.defined()) ga = cat({ga, beyond}, n > m ? -1 : -2);
  return {matmul(permutation(s["pivots"], m, ga.dtype()), ga)};
}

std::tuple<Tensor, Tensor> lu_factor_op(const Tensor& a, bool pivot) {
  auto [lu, pivots, info] = linalg_lu_factor_ex(a, pivot, true);
  return {lu, pivots};
}
std::tuple<Tensor, Tensor, Tensor> lu_with_info_op(const Tensor& a, bool pivot, bool check) {
  return linalg_lu_factor_ex(a, pivot, check);
}
std::tuple<Tensor, Tensor, Tensor> lu_op(const Tensor& a, bool pivot) {
  RL_CHECK(ShapeError, a.dim() >= 2, "linalg.lu: Expected tensor with 2 or more dimensions. Got size: ", a.sizes(),
           " instead");
  auto [lu, pivots, info] = linalg_lu_factor_ex(a, pivot);
  return lu_unpack(lu, pivots);
}
std::tuple<Tensor, Tensor, Tensor> unpack_op(const Tensor& lu, const Tensor& pivots, bool data, bool want_pivots) {
  check_matrix(lu, "lu_unpack", "LU_data");
  Tensor none = empty({0}, lu.dtype(), std::nullopt, lu.device()), p = none, l = none, u = none;
  if (want_pivots) {
    Dims fitting = batch_and(lu, {std::min(lu.size(-2), lu.size(-1))});
    RL_CHECK(ShapeError, IntArrayRef(pivots.sizes()) == IntArrayRef(fitting), "lu_unpack: expected pivots of shape ",
             fitting, " with LU_data of shape ", lu.sizes(), ", got ", pivots.sizes());
    p = permutation(pivots, lu.size(-2), lu.dtype());
  }
  if (data) l = unit_lower(lu), u = upper_of(lu);
  return {p, l, u};
}

// ---- solving ----

void check_solve(const Tensor& lu, const Tensor& pivots, const Tensor& b, bool left) {
  const char* op = "linalg.lu_solve";
  check_square(lu, op, "LU");
  check_matrix(b, op, "B");
  check_field(lu, op);
  RL_CHECK(RuntimeError, pivots.dtype() == DType::Int32, op, ": pivots should be a Tensor of scalar type torch.int32");
  check_same_dtype(op, lu, "LU", b, "B");
  RL_CHECK(ShapeError, lu.size(-1) == b.size(left ? -2 : -1), op, ": Incompatible shapes of A and B for the equation ",
           left ? "AX = B" : "XA = B", " (", lu.size(-2), "x", lu.size(-1), " and ", b.size(-2), "x", b.size(-1), ")");
  RL_CHECK(ShapeError, pivots.dim() >= 1 && lu.size(-1) == pivots.size(-1), op,
           ": Number of pivots per batch should be same as the dimension of the matrix");
  RL_CHECK(ShapeError, IntArrayRef(pivots.sizes()) == IntArrayRef(batch_and(lu, {lu.size(-1)})), op,
           ": Expected LU.shape[:-1] and pivots.shape to be the same, but got pivots with shape ", pivots.sizes(),
           " instead");
}
TensorSpec solve_meta(const Tensor& lu, const Tensor& pivots, const Tensor& b, bool left, bool) {
  check_solve(lu, pivots, b, left);
  Dims sizes = with_matrix(common_batch(lu.sizes(), b.sizes()), b.size(-2), b.size(-1));
  return left ? columns_spec(sizes, b.dtype(), b.device()) : rows_spec(sizes, b.dtype(), b.device());
}
// X A = B is A^T X^T = B^T, and the rows of X are the columns of X^T.
void solve_cpu(const Tensor& given, const Tensor& given_pivots, const Tensor& b, bool left, bool adjoint,
               const Tensor& out) {
  Tensor lu = columns_of(given), pivots = dense(given_pivots);
  bool transpose = left ? adjoint : !adjoint;
  Tensor seen = left ? exchanged(out) : out;
  Tensor x = seen.is_contiguous() ? seen : empty_tensor(seen.sizes(), seen.dtype());
  // X A^H = B is conj(A) X^T = B^T.
  bool conjugate = !left && adjoint && is_complex(b.dtype());
  copy_elements(x, left ? exchanged(b) : b);
  int64_t n = lu.size(-1), columns = x.size(-2);
  for (int64_t i = 0; i < pivots.numel(); i++)
    RL_CHECK(
        RuntimeError, pivots.data<int32_t>()[i] >= 1 && pivots.data<int32_t>()[i] <= n,
        "Pivots given to lu_solve must all be smaller or equal to LU.size(-2). Did you properly pass the result of "
        "lu_factor?");
  if (x.numel() == 0) return;
  Dims batch = batch_of(out.sizes());
  std::vector<int64_t> numbers = matrix_numbers(lu, batch);
  dispatch(LapackTypes{}, b.dtype(), "linalg_lu_solve", [&]<class T>() {
    if constexpr (!std::is_same_v<T, lapack::real_t<T>>)
      if (conjugate)
        for (int64_t i = 0; i < lu.numel(); i++) lu.data<T>()[i] = std::conj(lu.data<T>()[i]);
    auto op = !transpose ? lapack::Op::None : left ? lapack::Op::Adjoint : lapack::Op::Transpose;
    for (size_t i = 0; i < numbers.size(); i++)
      lapack::lu_solve<T>(op, n, columns, lu.data<T>() + numbers[i] * n * n, pivots.data<int32_t>() + numbers[i] * n,
                          x.data<T>() + int64_t(i) * n * columns);
  });
  if (!x.is_same(seen)) copy_elements(seen, x);
}
// The gradient of A = P L U, which is -gB X^H and the like, given on to L and U.
Grads solve_grad(const Saved& s, const Tensor& g) {
  Tensor lu = s["LU"], pivots = s["pivots"], x = s["result"], gb, glu;
  bool left = s.arg("left").to_bool(), adjoint = s.arg("adjoint").to_bool();
  if (lu.numel() == 0 || x.numel() == 0) return {zeros_like(lu), Tensor(), zeros_like(s["B"])};
  gb = linalg_lu_solve(lu, pivots, g, left, !adjoint);
  if (s.needs("LU")) {
    Tensor ga = left != adjoint ? (left ? matmul(gb, adjoint_of(x)) : matmul(adjoint_of(gb), x))
                                : (left ? matmul(x, adjoint_of(gb)) : matmul(adjoint_of(x), gb));
    Tensor l = unit_lower(lu), u = triu(lu);
    Tensor turned = -matmul(adjoint_of(permutation(pivots, lu.size(-1), lu.dtype())), ga);
    glu = tril(matmul(turned, adjoint_of(u)), -1) + triu(matmul(adjoint_of(l), turned));
  }
  return {glu, Tensor(), gb};
}
Tensor lu_solve_op(const Tensor& b, const Tensor& lu, const Tensor& pivots) { return linalg_lu_solve(lu, pivots, b); }

}  // namespace

OP(linalg_lu_factor_ex,
   {.schema =
        "linalg_lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False) -> (Tensor LU, Tensor pivots, "
        "Tensor info)",
    .doc = "The LU factors in one matrix, the rows exchanged, and where the diagonal of U has its first zero."
           " >>> torch.linalg.lu_factor_ex(torch.tensor([[2., 1.], [1., 3.]])).LU\ntensor([[2.0000, 1.0000],\n"
           "        [0.5000, 2.5000]])",
    .kernel = structured<factor_meta, factor_cpu>(),
    .grad = {{"LU", "pivots"}, factor_grad},
    .forms = kFunction | kOut,
    .module = "linalg"});
OP(linalg_lu_factor,
   {.schema = "linalg_lu_factor(Tensor A, *, bool pivot=True) -> (Tensor LU, Tensor pivots)",
    .doc = "The LU factors in one matrix, and the rows exchanged."
           " >>> torch.linalg.lu_factor(torch.tensor([[1., 3.], [2., 1.]])).pivots\ntensor([2, 2], dtype=torch.int32)",
    .kernel = composite<lu_factor_op>(),
    .forms = kFunction | kOut,
    .module = "linalg"});
OP(_lu_with_info,
   {.schema =
        "_lu_with_info(Tensor self, bool pivot=True, bool check_errors=True) -> (Tensor LU, Tensor pivots, Tensor "
        "info)",
    .doc = "What torch.lu is made of.",
    .kernel = composite<lu_with_info_op>(),
    .forms = kFunction});
OP(linalg_lu,
   {.schema = "linalg_lu(Tensor A, *, bool pivot=True) -> (Tensor P, Tensor L, Tensor U)",
    .doc = "The factors of A = P L U."
           " >>> torch.linalg.lu(torch.tensor([[0., 1.], [2., 0.]])).U\ntensor([[2., 0.],\n        [0., 1.]])",
    .kernel = composite<lu_op>(),
    .forms = kFunction | kOut,
    .module = "linalg"});
OP(_lu_rows, {.schema = "_lu_rows(Tensor pivots, int m) -> Tensor",
              .doc = "The order of rows that exchanges make, of m.",
              .kernel = structured<rows_meta, rows_cpu>(),
              .forms = kFunction});
OP(lu_unpack,
   {.schema =
        "lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True) -> (Tensor P, "
        "Tensor L, Tensor U)",
    .doc = "P, L and U of what linalg.lu_factor gives."
           " >>> torch.lu_unpack(*torch.linalg.lu_factor(torch.tensor([[0., 1.], [2., 0.]]))).P\ntensor([[0., 1.],\n"
           "        [1., 0.]])",
    .kernel = composite<unpack_op>(),
    .forms = kFunction | kOut});
OP(linalg_lu_solve,
   {.schema = "linalg_lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False) -> Tensor",
    .doc = "Solves A X = B (left=False: X A = B) with what linalg.lu_factor(A) gives."
           " >>> torch.linalg.lu_solve(*torch.linalg.lu_factor(torch.tensor([[2.]])), torch.tensor([[4.]]))\n"
           "tensor([[2.]])",
    .kernel = structured<solve_meta, solve_cpu>(),
    .grad = {{"LU", "pivots", "B", "result"}, solve_grad},
    .forms = kFunction | kOut,
    .module = "linalg"});
OP(lu_solve, {.schema = "lu_solve(Tensor self, Tensor LU_data, Tensor LU_pivots) -> Tensor",
              .doc = "linalg.lu_solve, by its old name."
                     " >>> torch.lu_solve(torch.tensor([[4.]]), *torch.linalg.lu_factor(torch.tensor([[2.]])))\n"
                     "tensor([[2.]])",
              .kernel = composite<lu_solve_op>(),
              .forms = kFunction | kMethod | kOut,
              .autocast = Autocast::Float32});

}  // namespace rushlight
