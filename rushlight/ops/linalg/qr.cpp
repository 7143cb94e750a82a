// QR factors, and the Householder reflectors that they are made of: Q = H_1 ... H_k, H_i = 1 - tau_i v_i v_i^H, where v_i stands below the
// diagonal of column i, with a 1 on it.
#include <algorithm>

#include "rushlight/fn/cat.h"
#include "rushlight/fn/diag_embed.h"
#include "rushlight/fn/diagonal.h"
#include "rushlight/fn/empty.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/eye.h"
#include "rushlight/fn/geqrf.h"
#include "rushlight/fn/linalg_householder_product.h"
#include "rushlight/fn/linalg_qr.h"
#include "rushlight/fn/linalg_solve_triangular.h"
#include "rushlight/fn/matmul.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/ormqr.h"
#include "rushlight/fn/stack.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/tril.h"
#include "rushlight/fn/triu.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/ops/linalg/linalg.h"

namespace rushlight {
namespace {

// ---- geqrf ----

std::array<TensorSpec, 2> geqrf_meta(const Tensor& a) {
  RL_CHECK(ShapeError, a.dim() >= 2, "torch.geqrf: input must have at least 2 dimensions.");
  check_field(a, "torch.geqrf");
  return {columns_spec(a.sizes(), a.dtype(), a.device()),
          rows_spec(batch_and(a, {std::min(a.size(-2), a.size(-1))}), a.dtype(), a.device())};
}
void geqrf_cpu(const Tensor& a, const Tensor& out, const Tensor& tau) {
  int64_t m = a.size(-2), n = a.size(-1), k = std::min(m, n), count = batch_count(a);
  copy_elements(out, a);
  if (k == 0) return;
  Tensor taus = tau.is_contiguous() ? tau : empty_tensor(tau.sizes(), tau.dtype());
  dispatch(LapackTypes{}, a.dtype(), "geqrf", [&]<class T>() {
    lapack::Work<T> work;
    for (int64_t i = 0; i < count; i++) lapack::qr<T>(m, n, out.data<T>() + i * m * n, taus.data<T>() + i * k, work);
  });
  if (!taus.is_same(tau)) copy_elements(tau, taus);
}

// ---- qr ----

struct Shape { int64_t q_columns, r_rows; };
Shape shape_of(const Tensor& a, std::string_view mode) {
  int64_t m = a.size(-2), k = std::min(m, a.size(-1));
  if (mode == "reduced") return {k, k};
  if (mode == "complete") return {m, m};
  RL_CHECK(RuntimeError, mode == "r", "qr received unrecognized mode '", mode,
           "' but expected one of 'reduced' (default), 'r', or 'complete'");
  return {-1, k};
}
std::array<TensorSpec, 2> qr_meta(const Tensor& a, std::string_view mode) {
  check_matrix(a, "linalg.qr");
  check_field(a, "linalg.qr");
  auto [q_columns, r_rows] = shape_of(a, mode);
  TensorSpec q{.sizes = {0}, .dtype = a.dtype(), .device = a.device()};
  if (q_columns >= 0) q = columns_spec(batch_and(a, {a.size(-2), q_columns}), a.dtype(), a.device());
  return {q, columns_spec(batch_and(a, {r_rows, a.size(-1)}), a.dtype(), a.device())};
}
void qr_cpu(const Tensor& a, std::string_view mode, const Tensor& q, const Tensor& r) {
  int64_t m = a.size(-2), n = a.size(-1), k = std::min(m, n), count = batch_count(a);
  auto [q_columns, r_rows] = shape_of(a, mode);
  Tensor all = columns_of(a), tau = empty_tensor({k}, a.dtype());
  dispatch(LapackTypes{}, a.dtype(), "linalg_qr", [&]<class T>() {
    lapack::Work<T> work, product_work;
    for (int64_t i = 0; i < count; i++) {
      T *at = all.data<T>() + i * m * n, *to = r.data<T>() + i * r_rows * n;
      if (k > 0) lapack::qr<T>(m, n, at, tau.data<T>(), work);
      for (int64_t c = 0; c < n; c++)
        for (int64_t row = 0; row < r_rows; row++) to[c * r_rows + row] = row <= c ? at[c * m + row] : T(0);
      if (q_columns < 0) continue;
      T* columns = q.data<T>() + i * m * q_columns;
      if (k > 0) {
        std::copy(at, at + m * std::min(n, q_columns), columns);
        lapack::qr_columns<T>(m, q_columns, k, columns, tau.data<T>(), product_work);
      } else {
        for (int64_t c = 0; c < q_columns; c++)
          for (int64_t row = 0; row < m; row++) columns[c * m + row] = T(row == c ? 1 : 0);
      }
    }
  });
}
// For a square R: gA = (gQ + Q S) R^-H, where S is the hermitian matrix whose upper triangle is that of gR R^H - Q^H gQ. What is beyond it is Q^H A2.
Grads qr_grad(const Saved& s, const Tensors& g) {
  std::string_view mode = s.arg("mode").to_string();
  RL_CHECK(AutogradError, mode != "r",
           "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use linalg.qr(A, "
           "mode='reduced') if you are going to require gradients.");
  Tensor q = s["Q"], r = s["R"], gq = g[0], gr = g[1];
  int64_t m = q.size(-2), n = r.size(-1), k = std::min(m, n);
  RL_CHECK(AutogradError, mode != "complete" || m <= n,
           "The QR decomposition is not differentiable when mode='complete' and nrows > ncols.");
  if (!gq.defined()) gq = zeros_like(q);
  if (!gr.defined()) gr = zeros_like(r);
  if (k == 0 || q.numel() == 0) {
    Tensor none = empty(s.sizes("A"), q.dtype(), std::nullopt, q.device());
    return {zeros_like(none)};
  }
  Tensor beyond, square = r;
  if (n > m) {
    Tensor r2 = narrow(r, -1, m, n - m), gr2 = narrow(gr, -1, m, n - m);
    beyond = matmul(q, gr2);
    gq = gq + matmul(q, matmul(r2, adjoint_of(gr2)));
    square = narrow(r, -1, 0, m);
    gr = narrow(gr, -1, 0, m);
  }
  Tensor upper = triu(matmul(gr, adjoint_of(square)) - matmul(adjoint_of(q), gq));
  Tensor both = upper + adjoint_of(upper);
  both = both - diag_embed(diagonal(both, 0, -2, -1)) * Scalar(0.5);
  Tensor ga = linalg_solve_triangular(adjoint_of(square), gq + matmul(q, both), false, false);
  return {beyond.defined() ? cat({ga, beyond}, -1) : ga};
}
std::tuple<Tensor, Tensor> qr_op(const Tensor& self, bool some) {
  return linalg_qr(self, some ? "reduced" : "complete");
}

// ---- reflectors ----

void check_reflectors(const char* op, const Tensor& a, const Tensor& tau) {
  RL_CHECK(ShapeError, a.dim() >= 2, op, ": input must have at least 2 dimensions.");
  RL_CHECK(ShapeError, a.dim() - tau.dim() == 1, op, ": Expected tau to have one dimension less than input, but got ",
           "tau.ndim equal to ", tau.dim(), " and input.ndim is equal to ", a.dim());
  RL_CHECK(ShapeError, batch_of(tau.sizes(), 1) == batch_of(a.sizes()), op,
           ": Expected batch dimensions of tau to be equal to input.shape[:-2], but got ",
           Dims(batch_of(tau.sizes(), 1)));
  RL_CHECK(DTypeError, tau.dtype() == a.dtype(), op, ": tau dtype ", scalar_type_name(tau.dtype()),
           " does not match input dtype ", scalar_type_name(a.dtype()));
  check_field(a, op);
}

// What the rule of a product needs: v_i as a column, from the columns below the diagonal.
Tensor reflector(const Tensor& below, int64_t i) {
  int64_t m = below.size(-2);
  Tensor unit = narrow(eye(m, below.dtype(), std::nullopt, below.device()), -1, i, 1);
  return narrow(below, -1, i, 1) + unit;
}
struct ReflectorGrads { Tensor a, tau, y; };
// Of g for (1 - t_i v_i v_i^H) ... y, the reflectors applied in the order given, the last of it first. t is tau, or its conjugate.
ReflectorGrads reflected_grad(const Tensor& a, const Tensor& tau, bool conjugate, bool forwards, const Tensor& y,
                              const Tensor& g) {
  int64_t n = a.size(-1), k = tau.size(-1);
  Tensor below = tril(a, -1), t = conjugate ? conj_of(tau) : tau;
  auto at = [&](int64_t step) { return forwards ? step : k - 1 - step; };
  auto number = [&](int64_t i) { return unsqueeze(narrow(t, -1, i, 1), -1); };
  std::vector<Tensor> states(size_t(k) + 1);
  states[size_t(k)] = y;
  for (int64_t step = k - 1; step >= 0; step--) {
    Tensor v = reflector(below, at(step)), now = states[size_t(step) + 1];
    states[size_t(step)] = now - number(at(step)) * matmul(v, matmul(adjoint_of(v), now));
  }
  std::vector<Tensor> columns(static_cast<size_t>(n)), numbers(static_cast<size_t>(k));
  Tensor grad = g;
  for (int64_t step = 0; step < k; step++) {
    int64_t i = at(step);
    Tensor v = reflector(below, i), now = states[size_t(step) + 1], by = number(i);
    Tensor row = matmul(adjoint_of(v), now), grad_row = matmul(adjoint_of(v), grad);  // 1 x n
    Tensor dt = -sum(grad_row * conj_of(row), IntArrayRef(int64_t(-1)));
    numbers[size_t(i)] = conjugate ? conj_of(dt) : dt;
    columns[size_t(i)] = -(conj_of(by) * matmul(grad, adjoint_of(row)) + by * matmul(now, adjoint_of(grad_row)));
    grad = grad - conj_of(by) * matmul(v, grad_row);
  }
  for (int64_t i = k; i < n; i++) columns[size_t(i)] = zeros_like(narrow(a, -1, i, 1));
  return {n ? tril(cat(columns, -1), -1) : zeros_like(a), k ? cat(numbers, -1) : zeros_like(tau), grad};
}

TensorSpec product_meta(const Tensor& a, const Tensor& tau) {
  const char* op = "torch.linalg.householder_product";
  RL_CHECK(ShapeError, a.dim() >= 2, op, ": input must have at least 2 dimensions.");
  RL_CHECK(ShapeError, a.size(-2) >= a.size(-1), op,
           ": input.shape[-2] must be greater than or equal to input.shape[-1]");
  RL_CHECK(ShapeError, tau.dim() >= 1 && a.size(-1) >= tau.size(-1), op,
           ": input.shape[-1] must be greater than or equal to tau.shape[-1]");
  check_reflectors(op, a, tau);
  return columns_spec(a.sizes(), a.dtype(), a.device());
}
void product_cpu(const Tensor& a, const Tensor& given_tau, const Tensor& out) {
  int64_t m = a.size(-2), n = a.size(-1), k = given_tau.size(-1), count = batch_count(a);
  copy_elements(out, a);
  if (n == 0) return;
  Tensor tau = dense(given_tau);
  dispatch(LapackTypes{}, a.dtype(), "linalg_householder_product", [&]<class T>() {
    lapack::Work<T> work;
    for (int64_t i = 0; i < count; i++)
      lapack::qr_columns<T>(m, n, k, out.data<T>() + i * m * n, tau.data<T>() + i * k, work);
  });
}
Grads product_grad(const Saved& s, const Tensor& g) {
  Tensor a = s["input"], tau = s["tau"];
  if (a.numel() == 0 || tau.numel() == 0) return {Tensor(), Tensor()};
  Tensor start = expand(eye(a.size(-2), a.size(-1), a.dtype(), std::nullopt, a.device()), a.sizes());
  auto [ga, gtau, rest] = reflected_grad(a, tau, false, true, start, g);
  return {ga, gtau};
}

TensorSpec ormqr_meta(const Tensor& a, const Tensor& tau, const Tensor& c, bool left, bool) {
  const char* op = "torch.ormqr";
  RL_CHECK(ShapeError, a.dim() >= 2, op, ": input must have at least 2 dimensions.");
  RL_CHECK(ShapeError, c.dim() >= 2, op, ": other must have at least 2 dimensions.");
  int64_t side = left ? -2 : -1;
  RL_CHECK(ShapeError, c.size(side) == a.size(-2), op, ": other.shape[", side, "] must be equal to input.shape[-2]");
  RL_CHECK(ShapeError, tau.dim() >= 1 && tau.size(-1) == std::min(c.size(side), a.size(-1)), op,
           ": tau.shape[-1] must be equal to min(other.shape[", side, "], input.shape[-1])");
  check_reflectors(op, a, tau);
  RL_CHECK(ShapeError, a.dim() == c.dim() && batch_of(a.sizes()) == batch_of(c.sizes()), op,
           ": batch dimensions of other have to be those of input, got ", c.sizes(), " and ", a.sizes());
  RL_CHECK(DTypeError, c.dtype() == a.dtype(), op, ": other dtype ", scalar_type_name(c.dtype()),
           " does not match input dtype ", scalar_type_name(a.dtype()));
  return columns_spec(c.sizes(), c.dtype(), c.device());
}
void ormqr_cpu(const Tensor& given, const Tensor& given_tau, const Tensor& c, bool left, bool transpose,
               const Tensor& out) {
  copy_elements(out, c);
  if (out.numel() == 0 || given.numel() == 0) return;
  Tensor a = columns_of(given), tau = dense(given_tau);
  int64_t m = c.size(-2), n = c.size(-1), k = tau.size(-1), step = a.size(-1) * a.size(-2);
  dispatch(LapackTypes{}, c.dtype(), "ormqr", [&]<class T>() {
    lapack::Work<T> work;
    for (int64_t i = 0; i < batch_count(c); i++)
      lapack::qr_multiply<T>(left, transpose, m, n, k, a.data<T>() + i * step, tau.data<T>() + i * k,
                             out.data<T>() + i * m * n, work);
  });
}
// c Q is (Q^H c^H)^H, and Q^H has the reflectors in the other order.
Grads ormqr_grad(const Saved& s, const Tensor& g) {
  bool left = s.arg("left").to_bool(), transpose = s.arg("transpose").to_bool(), adjoint = transpose == left;
  Tensor a = s["self"], tau = s["input2"], c = s["input3"];
  if (a.numel() == 0 || g.numel() == 0) return {Tensor(), Tensor(), g};
  auto [ga, gtau, gc] = left ? reflected_grad(a, tau, adjoint, !adjoint, c, g)
                             : reflected_grad(a, tau, adjoint, !adjoint, adjoint_of(c), adjoint_of(g));
  return {ga, gtau, left ? gc : adjoint_of(gc)};
}
Tensor orgqr_op(const Tensor& a, const Tensor& tau) { return linalg_householder_product(a, tau); }

}  // namespace

OP(geqrf,
   {.schema = "geqrf(Tensor self) -> (Tensor a, Tensor tau)",
    .doc = "The QR factors as LAPACK keeps them: R above Householder vectors, and the numbers that belong to these."
           " >>> torch.geqrf(torch.tensor([[2.]])).a\ntensor([[2.]])",
    .kernel = structured<geqrf_meta, geqrf_cpu>(),
    .forms = kFunction | kMethod | kOut,
    .autocast = Autocast::Float32});
OP(linalg_qr, {.schema = "linalg_qr(Tensor A, str mode=\"reduced\") -> (Tensor Q, Tensor R)",
               .doc = "The factors of A = Q R: Q with orthonormal columns, R upper triangular. mode: 'reduced', "
                      "'complete' (a square Q), "
                      "'r' (no Q)."
                      " >>> torch.linalg.qr(torch.tensor([[1., 2.], [3., 4.]])).R.shape\ntorch.Size([2, 2])",
               .kernel = structured<qr_meta, qr_cpu>(),
               .grad = {{"Q", "R"}, qr_grad},
               .forms = kFunction | kOut,
               .module = "linalg"});
OP(qr, {.schema = "qr(Tensor self, bool some=True) -> (Tensor Q, Tensor R)",
        .doc = "linalg.qr, by its old name. >>> torch.qr(torch.eye(2)).R.shape\ntorch.Size([2, 2])",
        .kernel = composite<qr_op>(),
        .forms = kFunction | kMethod | kOut,
        .autocast = Autocast::Float32});
OP(linalg_householder_product,
   {.schema = "linalg_householder_product(Tensor input, Tensor tau) -> Tensor",
    .doc =
        "The first columns of the product of the reflectors that torch.geqrf leaves."
        " >>> torch.linalg.householder_product(torch.zeros(2, 1), torch.zeros(1)).abs()\ntensor([[1.],\n        [0.]])",
    .kernel = structured<product_meta, product_cpu>(),
    .grad = {{"input", "tau"}, product_grad},
    .forms = kFunction | kOut,
    .module = "linalg"});
OP(orgqr, {.schema = "orgqr(Tensor self, Tensor input2) -> Tensor",
           .doc = "linalg.householder_product, by its old name."
                  " >>> torch.orgqr(torch.zeros(2, 1), torch.zeros(1)).shape\ntorch.Size([2, 1])",
           .kernel = composite<orgqr_op>(),
           .forms = kFunction | kMethod | kOut,
           .autocast = Autocast::Float32});
OP(ormqr,
   {.schema = "ormqr(Tensor self, Tensor input2, Tensor input3, bool left=True, bool transpose=False) -> Tensor",
    .doc = "Q input3, or input3 Q (left=False), where Q is the product of the reflectors of self and input2; its "
           "adjoint with transpose=True."
           " >>> torch.ormqr(torch.zeros(1, 1), torch.zeros(1), torch.ones(1, 2))\ntensor([[1., 1.]])",
    .kernel = structured<ormqr_meta, ormqr_cpu>(),
    .grad = {{"self", "input2", "input3"}, ormqr_grad},
    .forms = kFunction | kMethod | kOut,
    .autocast = Autocast::Float32});

}  // namespace rushlight
