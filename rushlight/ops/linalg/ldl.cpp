// LDL factors of symmetric and hermitian matrices that need not be definite, and solving with them.
#include <algorithm>

#include "rushlight/fn/linalg_ldl_factor_ex.h"
#include "rushlight/ops/linalg/linalg.h"

namespace rushlight {
namespace {

std::array<TensorSpec, 3> factor_meta(const Tensor& a, bool, bool) {
  check_square(a, "torch.linalg.ldl_factor_ex");
  check_field(a, "torch.linalg.ldl_factor_ex");
  return {columns_spec(a.sizes(), a.dtype(), a.device()),
          rows_spec(batch_and(a, {a.size(-1)}), DType::Int32, a.device()),
          rows_spec(batch_and(a, {}), DType::Int32, a.device())};
}
void factor_cpu(const Tensor& a, bool hermitian, bool check, const Tensor& ld, const Tensor& pivots,
                const Tensor& info) {
  int64_t n = a.size(-1), count = batch_count(a);
  copy_elements(ld, a);
  dispatch(LapackTypes{}, a.dtype(), "linalg_ldl_factor", [&]<class T>() {
    lapack::Work<T> work;
    for (int64_t i = 0; i < count; i++) {
      T* at = ld.data<T>() + i * n * n;
      int failed = n == 0 ? 0 : lapack::ldl<T>(hermitian, n, at, pivots.data<int32_t>() + i * n, work);
      for (int64_t c = 0; c < n; c++) std::fill(at + c * n, at + c * n + c, T(0));
      info.data<int32_t>()[i] = failed;
      RL_CHECK(
          LinAlgError, !check || failed == 0, "torch.linalg.ldl_factor: ", batch_place(a, i), "D[", failed, ",", failed,
          "] is zero and using it on ldl_solve would result in a division by zero. If you still want to perform the "
          "factorization, consider calling linalg.ldl_factor_ex(A)");
    }
  });
}
std::tuple<Tensor, Tensor> factor_op(const Tensor& a, bool hermitian) {
  auto [ld, pivots, info] = linalg_ldl_factor_ex(a, hermitian, true);
  return {ld, pivots};
}

TensorSpec solve_meta(const Tensor& ld, const Tensor& pivots, const Tensor& b, bool) {
  const char* op = "torch.linalg.ldl_solve";
  check_square(ld, op);
  check_field(ld, op);
  RL_CHECK(ShapeError, b.dim() >= 2, op, ": Expected B to have at least 2 dimensions, but it has ", b.dim(),
           " dimensions instead");
  RL_CHECK(ShapeError, ld.size(-1) == b.size(-2), "Incompatible matrix sizes for ", op, ": each A matrix is ",
           ld.size(-1), " by ", ld.size(-1), " but each b matrix is ", b.size(-2), " by ", b.size(-1));
  RL_CHECK(ShapeError, IntArrayRef(pivots.sizes()) == batch_of(ld.sizes(), 1), op,
           ": Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape ", pivots.sizes(),
           " instead");
  RL_CHECK(DTypeError, is_integral(pivots.dtype(), false), op, ": Expected pivots to be integers. Got ",
           scalar_type_name(pivots.dtype()));
  check_same_dtype(op, ld, "LD", b, "B");
  return columns_spec(with_matrix(common_batch(ld.sizes(), b.sizes()), b.size(-2), b.size(-1)), b.dtype(), b.device());
}
// A negative pivot and the next one together stand for a block of two rows.
void check_pivots(const int32_t* pivots, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    RL_CHECK(RuntimeError, pivots[i] != 0 && std::abs(int64_t(pivots[i])) <= n,
             "Pivots given to ldl_solve must all satisfy |pivot| <= LD.size(-2). Did you properly pass the result of "
             "ldl_factor?");
    if (pivots[i] > 0) continue;
    i++;
    RL_CHECK(RuntimeError, i < n && pivots[i] < 0 && pivots[i] >= -n,
             "Pivots given to ldl_solve: negative ones must come in pairs. Did you properly pass the result of "
             "ldl_factor?");
  }
}
void solve_cpu(const Tensor& given, const Tensor& given_pivots, const Tensor& b, bool hermitian, const Tensor& out) {
  Tensor ld = columns_of(given), pivots = dense(given_pivots, DType::Int32);
  int64_t n = ld.size(-1), columns = b.size(-1);
  for (int64_t i = 0; n > 0 && i < pivots.numel() / n; i++) check_pivots(pivots.data<int32_t>() + i * n, n);
  copy_elements(out, b);
  if (out.numel() == 0) return;
  std::vector<int64_t> numbers = matrix_numbers(ld, batch_of(out.sizes()));
  dispatch(LapackTypes{}, b.dtype(), "linalg_ldl_solve", [&]<class T>() {
    for (size_t i = 0; i < numbers.size(); i++)
      lapack::ldl_solve<T>(hermitian, n, columns, ld.data<T>() + numbers[i] * n * n,
                           pivots.data<int32_t>() + numbers[i] * n, out.data<T>() + int64_t(i) * n * columns);
  });
}

}  // namespace

OP(linalg_ldl_factor_ex,
   {.schema =
        "linalg_ldl_factor_ex(Tensor self, *, bool hermitian=False, bool check_errors=False) -> (Tensor LD, Tensor "
        "pivots, Tensor info)",
    .doc = "linalg.ldl_factor, which says in info where the block diagonal is singular."
           " >>> torch.linalg.ldl_factor_ex(torch.eye(1)).info\ntensor(0, dtype=torch.int32)",
    .kernel = structured<factor_meta, factor_cpu>(),
    .forms = kFunction | kOut,
    .module = "linalg"});
OP(linalg_ldl_factor,
   {.schema = "linalg_ldl_factor(Tensor self, *, bool hermitian=False) -> (Tensor LD, Tensor pivots)",
    .doc = "The factors of symmetric (or hermitian) matrices as P L D L^T P^T, in LAPACK's form. No gradient."
           " >>> torch.linalg.ldl_factor(torch.tensor([[2.]])).LD\ntensor([[2.]])",
    .kernel = composite<factor_op>(),
    .forms = kFunction | kOut,
    .module = "linalg"});
OP(linalg_ldl_solve,
   {.schema = "linalg_ldl_solve(Tensor LD, Tensor pivots, Tensor B, *, bool hermitian=False) -> Tensor",
    .doc = "Solves A X = B with what linalg.ldl_factor(A) gives. No gradient."
           " >>> torch.linalg.ldl_solve(*torch.linalg.ldl_factor(torch.tensor([[2.]])), torch.tensor([[4.]]))\n"
           "tensor([[2.]])",
    .kernel = structured<solve_meta, solve_cpu>(),
    .forms = kFunction | kOut,
    .module = "linalg"});

}  // namespace rushlight
