// Linear equations: solve, inverses, triangular matrices.
#include "rushlight/fn/_linalg_solve_ex.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/linalg_inv.h"
#include "rushlight/fn/linalg_inv_ex.h"
#include "rushlight/fn/linalg_lu_solve.h"
#include "rushlight/fn/linalg_solve.h"
#include "rushlight/fn/linalg_solve_triangular.h"
#include "rushlight/fn/matmul.h"
#include "rushlight/fn/permute.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/squeeze.h"
#include "rushlight/fn/tril.h"
#include "rushlight/fn/triu.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/ops/linalg/linalg.h"

namespace rushlight {
namespace {

using OptionalDims = std::optional<IntArrayRef>;

void check_equation(const char* op, const Dims& a, const Dims& b, bool left) {
  int64_t n = a.back(), rows = b[b.size() - 2], columns = b.back();
  RL_CHECK(ShapeError, n == (left ? rows : columns), op, ": Incompatible shapes of A and B for the equation ",
           left ? "AX = B" : "XA = B", " (", n, "x", n, " and ", rows, "x", columns, "). Hint: B needs ", n,
           left ? " rows" : " columns", ", as many as A has");
}

// ---- solve ----

std::array<TensorSpec, 4> solve_meta(const Tensor& a, const Tensor& b, bool left, bool) {
  check_square(a, "linalg.solve");
  check_field(a, "linalg.solve");
  check_same_dtype("linalg.solve", a, "A", b, "B");
  RL_CHECK(ShapeError, b.dim() >= 1, "linalg.solve: The input tensor B must have at least 1 dimension.");
  bool vector = is_vector_side(a.sizes(), b.sizes());
  Dims sides = b.sizes();
  if (vector) sides.push_back(1);
  check_equation("linalg.solve", a.sizes(), sides, left);
  Dims sizes = with_matrix(common_batch(a.sizes(), sides), sides[sides.size() - 2], sides.back());
  if (vector) sizes.resize(sizes.size() - 1);
  return {
      left && sizes.size() > 1 ? columns_spec(sizes, a.dtype(), a.device()) : rows_spec(sizes, a.dtype(), a.device()),
      columns_spec(a.sizes(), a.dtype(), a.device()), rows_spec(batch_and(a, {a.size(-1)}), DType::Int32, a.device()),
      rows_spec(batch_and(a, {}), DType::Int32, a.device())};
}
void solve_cpu(const Tensor& a, const Tensor& b, bool left, bool check, const Tensor& out, const Tensor& lu,
               const Tensor& pivots, const Tensor& info) {
  int64_t n = a.size(-1), count = batch_count(a);
  bool vector = is_vector_side(a.sizes(), b.sizes());
  // The right-hand sides as columns: X A = B is A^T X^T = B^T, whose columns are the rows of X.
  auto sides = [&](const Tensor& t) {
    if (!vector) return left ? exchanged(t) : t;
    Dims sizes = t.sizes(), strides = t.strides();
    sizes.insert(sizes.size() - 1, 1);
    strides.insert(strides.size() - 1, 1);
    return alias_tensor(t, sizes, strides, t.storage_offset());
  };
  Tensor seen = sides(out), x = seen.is_contiguous() ? seen : empty_tensor(seen.sizes(), seen.dtype());
  copy_elements(x, sides(b));
  copy_elements(lu, a);
  int64_t columns = x.size(-2);
  dispatch(LapackTypes{}, a.dtype(), "linalg_solve", [&]<class T>() {
    for (int64_t i = 0; i < count; i++) {
      int failed = n == 0 ? 0 : lapack::lu<T>(n, n, lu.data<T>() + i * n * n, pivots.data<int32_t>() + i * n);
      info.data<int32_t>()[i] = failed;
      RL_CHECK(LinAlgError, !check || failed == 0, "torch.linalg.solve: ", batch_place(a, i),
               "The solver failed because the input matrix is singular.");
    }
    if (x.numel() == 0) return;
    std::vector<int64_t> numbers = matrix_numbers(lu, batch_of(x.sizes()));
    for (size_t i = 0; i < numbers.size(); i++)
      lapack::lu_solve<T>(left ? lapack::Op::None : lapack::Op::Transpose, n, columns,
                          lu.data<T>() + numbers[i] * n * n, pivots.data<int32_t>() + numbers[i] * n,
                          x.data<T>() + int64_t(i) * n * columns);
  });
  if (!x.is_same(seen)) copy_elements(seen, x);
}
Grads solve_grad(const Saved& s, const Tensors& g) {
  Tensor a = s["A"], x = s["result"], ga;
  bool left = s.arg("left").to_bool(), vector = is_vector_side(a.sizes(), s.sizes("B"));
  auto sides = [&](const Tensor& t) { return vector ? unsqueeze(t, -1) : t; };
  // The factors know the way, but not how they depend on A.
  Tensor gb = thread_state.grad_enabled ? linalg_solve(adjoint_of(a), sides(g[0]), left)
                                        : linalg_lu_solve(s["LU"], s["pivots"], sides(g[0]), left, true);
  if (s.needs("A")) ga = left ? -matmul(gb, adjoint_of(sides(x))) : -matmul(adjoint_of(sides(x)), gb);
  return {ga, vector ? squeeze(gb, -1) : gb};
}
std::tuple<Tensor, Tensor> solve_ex_op(const Tensor& a, const Tensor& b, bool left, bool check) {
  auto [x, lu, pivots, info] = _linalg_solve_ex(a, b, left, check);
  return {x, info};
}
Tensor solve_op(const Tensor& a, const Tensor& b, bool left) { return std::get<0>(_linalg_solve_ex(a, b, left, true)); }

// ---- inverses ----

std::array<TensorSpec, 2> inverse_meta(const Tensor& a, bool) {
  check_square(a, "linalg.inv");
  check_field(a, "linalg.inv");
  return {columns_spec(a.sizes(), a.dtype(), a.device()), rows_spec(batch_and(a, {}), DType::Int32, a.device())};
}
void inverse_cpu(const Tensor& a, bool check, const Tensor& out, const Tensor& info) {
  int64_t n = a.size(-1), count = batch_count(a);
  copy_elements(out, a);
  std::vector<int> pivots(size_t(std::max<int64_t>(n, 1)));
  dispatch(LapackTypes{}, a.dtype(), "linalg_inv", [&]<class T>() {
    lapack::Work<T> work;
    for (int64_t i = 0; i < count; i++) {
      T* at = out.data<T>() + i * n * n;
      int failed = n == 0 ? 0 : lapack::lu<T>(n, n, at, pivots.data());
      info.data<int32_t>()[i] = failed;
      RL_CHECK(LinAlgError, !check || failed == 0, "linalg.inv: ", batch_place(a, i), "The diagonal element ", failed,
               " is zero, the inversion could not be completed because the input matrix is singular. Hint: use pinv, "
               "or add a "
               "little to the diagonal");
      if (failed == 0 && n > 0) lapack::lu_inverse<T>(n, at, pivots.data(), work);
      else std::fill(at, at + n * n, T(INFINITY));
    }
  });
}
Grads inverse_grad(const Saved& s, const Tensors& g) {
  Tensor turned = adjoint_of(s["inverse"]);
  return {-matmul(turned, matmul(g[0], turned))};
}
Tensor inv_op(const Tensor& a) { return std::get<0>(linalg_inv_ex(a, true)); }
Tensor inverse_op(const Tensor& a) { return linalg_inv(a); }

// ---- triangular matrices ----

TensorSpec triangular_meta(const Tensor& a, const Tensor& b, bool, bool left, bool) {
  check_square(a, "linalg.solve_triangular");
  check_matrix(b, "linalg.solve_triangular", "B");
  check_same_dtype("linalg.solve_triangular", a, "A", b, "B");
  check_field(a, "linalg.solve_triangular");
  check_equation("linalg.solve_triangular", a.sizes(), b.sizes(), left);
  return columns_spec(with_matrix(common_batch(a.sizes(), b.sizes()), b.size(-2), b.size(-1)), b.dtype(), b.device());
}
void triangular_cpu(const Tensor& given, const Tensor& b, bool upper, bool left, bool unit, const Tensor& out) {
  copy_elements(out, b);
  if (out.numel() == 0) return;
  int64_t m = out.size(-2), n = out.size(-1), size = given.size(-1);
  // A matrix in rows is its transpose in columns.
  bool rows = given.is_contiguous();
  Tensor a = rows ? given : columns_of(given);
  std::vector<int64_t> numbers = matrix_numbers(a, batch_of(out.sizes()));
  dispatch(LapackTypes{}, b.dtype(), "linalg_solve_triangular", [&]<class T>() {
    for (size_t i = 0; i < numbers.size(); i++)
      lapack::solve_triangular<T>(left, upper != rows ? lapack::Triangle::Upper : lapack::Triangle::Lower,
                                  rows ? lapack::Op::Transpose : lapack::Op::None, unit, m, n,
                                  a.data<T>() + numbers[i] * size * size, out.data<T>() + int64_t(i) * m * n);
  });
}
Grads triangular_grad(const Saved& s, const Tensor& g) {
  Tensor a = s["self"], x = s["result"], ga;
  bool upper = s.arg("upper").to_bool(), left = s.arg("left").to_bool(), unit = s.arg("unitriangular").to_bool();
  Tensor gb = linalg_solve_triangular(adjoint_of(a), g, !upper, left, unit);
  if (s.needs("self")) {
    ga = left ? -matmul(gb, adjoint_of(x)) : -matmul(adjoint_of(x), gb);
    ga = upper ? triu(ga, unit) : tril(ga, -int64_t(unit));
  }
  return {ga, gb};
}
std::tuple<Tensor, Tensor> triangular_solve_op(const Tensor& b, const Tensor& a, bool upper, bool transpose,
                                               bool unit) {
  RL_CHECK(ShapeError, b.dim() >= 2, "torch.triangular_solve: Expected b to have at least 2 dimensions, but it has ",
           b.dim(), " dimensions instead");
  RL_CHECK(ShapeError, a.dim() >= 2, "torch.triangular_solve: Expected A to have at least 2 dimensions, but it has ",
           a.dim(), " dimensions instead");
  check_square(a, "triangular_solve");
  RL_CHECK(ShapeError, a.size(-1) == b.size(-2), "Incompatible matrix sizes for triangular_solve: each A matrix is ",
           a.size(-1), " by ", a.size(-1), " but each b matrix is ", b.size(-2), " by ", b.size(-1));
  check_same_dtype("triangular_solve", b, "b", a, "A");
  Tensor x = transpose ? linalg_solve_triangular(rushlight::transpose(a, -2, -1), b, !upper, true, unit)
                       : linalg_solve_triangular(a, b, upper, true, unit);
  return {x, rushlight::transpose(clone(rushlight::transpose(a, -2, -1), MemoryFormat::Contiguous), -2, -1)};
}

// ---- tensors of more dimensions, as matrices ----

Tensor tensorinv_op(const Tensor& self, int64_t ind) {
  RL_CHECK(RuntimeError, ind > 0, "Expected a strictly positive integer for 'ind', but got ", ind);
  size_t at = size_t(std::min<int64_t>(ind, self.dim()));
  IntArrayRef sizes = self.sizes();
  int64_t rows = product(sizes.slice(0, at)), columns = product(sizes.slice(at, sizes.size() - at));
  RL_CHECK(ShapeError, rows == columns,
           "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got ",
           columns, " != ", rows);
  Dims turned = sizes.slice(at, sizes.size() - at);
  for (size_t i = 0; i < at; i++) turned.push_back(sizes[i]);
  return reshape(linalg_inv(reshape(self, {rows, columns})), turned);
}
Tensor tensorsolve_op(const Tensor& self, const Tensor& other, const OptionalDims& dims) {
  Tensor a = self;
  if (dims) {
    Dims order, last;
    std::vector<bool> moved(size_t(self.dim()));
    for (int64_t d : *dims) {
      last.push_back(wrap_dim(d, self.dim()));
      RL_CHECK(RuntimeError, self.dim() > 0 && !moved[size_t(last.back())], "linalg.tensorsolve: repeated dim in dims");
      moved[size_t(last.back())] = true;
    }
    for (int64_t d = 0; d < self.dim(); d++)
      if (!moved[size_t(d)]) order.push_back(d);
    for (int64_t d : last) order.push_back(d);
    a = permute(self, order);
  }
  IntArrayRef sizes = a.sizes();
  size_t at = std::min(other.sizes().size(), sizes.size());
  Dims result = sizes.slice(at, sizes.size() - at);
  int64_t columns = product(result), rows = product(sizes.slice(0, at));
  RL_CHECK(ShapeError, rows == columns,
           "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), "
           "but got ",
           columns, " != ", rows);
  RL_CHECK(ShapeError, other.numel() == rows, "linalg.tensorsolve: expected other of shape ", sizes.slice(0, at),
           ", got ", other.sizes());
  return reshape(linalg_solve(reshape(a, {rows, columns}), reshape(other, {rows})), result);
}

}  // namespace

OP(_linalg_solve_ex,
   {.schema = "_linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (Tensor result, "
              "Tensor LU, Tensor pivots, Tensor info)",
    .doc = "linalg.solve_ex, and the factors it made.",
    .kernel = structured<solve_meta, solve_cpu>(),
    .grad = {{"A", "result", "LU", "pivots"}, solve_grad},
    .forms = kFunction});
OP(linalg_solve_ex,
   {.schema =
        "linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (Tensor result, Tensor "
        "info)",
    .doc = "linalg.solve, which says in info where a matrix is singular."
           " >>> torch.linalg.solve_ex(torch.tensor([[2.]]), torch.tensor([[4.]])).result\ntensor([[2.]])",
    .kernel = composite<solve_ex_op>(),
    .forms = kFunction | kOut,
    .module = "linalg"});
OP(linalg_solve, {.schema = "linalg_solve(Tensor A, Tensor B, *, bool left=True) -> Tensor",
                  .doc = "The X of A X = B (left=False: X A = B). B is one vector, or a matrix, for each matrix of A."
                         " >>> torch.linalg.solve(torch.tensor([[2., 0.], [0., 4.]]), torch.tensor([2., 2.]))\n"
                         "tensor([1.0000, 0.5000])",
                  .kernel = composite<solve_op>(),
                  .forms = kFunction | kOut,
                  .module = "linalg"});
OP(linalg_inv_ex, {.schema = "linalg_inv_ex(Tensor A, *, bool check_errors=False) -> (Tensor inverse, Tensor info)",
                   .doc = "linalg.inv, which says in info where a matrix is singular; its inverse is then inf."
                          " >>> torch.linalg.inv_ex(torch.tensor([[2.]])).inverse\ntensor([[0.5000]])",
                   .kernel = structured<inverse_meta, inverse_cpu>(),
                   .grad = {{"inverse"}, inverse_grad},
                   .forms = kFunction | kOut,
                   .module = "linalg"});
OP(linalg_inv, {.schema = "linalg_inv(Tensor A) -> Tensor",
                .doc = "The inverse of square matrices; LinAlgError where one is singular."
                       " >>> torch.linalg.inv(torch.tensor([[4.]]))\ntensor([[0.2500]])",
                .kernel = composite<inv_op>(),
                .forms = kFunction | kOut,
                .module = "linalg"});
OP(inverse, {.schema = "inverse(Tensor self) -> Tensor",
             .doc = "linalg.inv, by its old name. >>> torch.inverse(torch.tensor([[2.]]))\ntensor([[0.5000]])",
             .kernel = composite<inverse_op>(),
             .forms = kFunction | kMethod | kOut,
             .autocast = Autocast::Float32});
OP(linalg_solve_triangular,
   {.schema = "linalg_solve_triangular(Tensor self, Tensor B, *, bool upper, bool left=True, bool unitriangular=False) "
              "-> Tensor",
    .doc = "The X of self X = B, or X self = B, for triangular matrices: the other triangle is not read."
           " >>> torch.linalg.solve_triangular(torch.tensor([[2.]]), torch.tensor([[4.]]), upper=True)\ntensor([[2.]])",
    .kernel = structured<triangular_meta, triangular_cpu>(),
    .grad = {{"self", "result"}, triangular_grad},
    .forms = kFunction | kOut,
    .module = "linalg"});
OP(triangular_solve,
   {.schema = "triangular_solve(Tensor self, Tensor A, bool upper=True, bool transpose=False, bool "
              "unitriangular=False) -> (Tensor solution, Tensor cloned_coefficient)",
    .doc = "linalg.solve_triangular, by its old name."
           " >>> torch.triangular_solve(torch.tensor([[4.]]), torch.tensor([[2.]])).solution\ntensor([[2.]])",
    .kernel = composite<triangular_solve_op>(),
    .forms = kFunction | kMethod | kOut,
    .autocast = Autocast::Float32});
OP(linalg_tensorinv, {.schema = "linalg_tensorinv(Tensor self, int ind=2) -> Tensor",
                      .doc = "The inverse of what tensordot does with the first ind dimensions."
                             " >>> torch.linalg.tensorinv(torch.eye(6).reshape(2, 3, 6)).shape\ntorch.Size([6, 2, 3])",
                      .kernel = composite<tensorinv_op>(),
                      .forms = kFunction | kOut,
                      .module = "linalg"});
OP(linalg_tensorsolve,
   {.schema = "linalg_tensorsolve(Tensor self, Tensor other, int[]? dims=None) -> Tensor",
    .doc = "The x of tensordot(self, x, x.ndim) = other."
           " >>> torch.linalg.tensorsolve(torch.eye(6).reshape(2, 3, 6), torch.ones(2, 3)).shape\ntorch.Size([6])",
    .kernel = composite<tensorsolve_op>(),
    .forms = kFunction | kOut,
    .module = "linalg"});

}  // namespace rushlight
