// Determinants, by LU factors.
#include <cmath>

#include "rushlight/fn/_linalg_det.h"
#include "rushlight/fn/_linalg_slogdet.h"
#include "rushlight/fn/all.h"
#include "rushlight/fn/cat.h"
#include "rushlight/fn/conj.h"
#include "rushlight/fn/cumprod.h"
#include "rushlight/fn/diag_embed.h"
#include "rushlight/fn/diagonal.h"
#include "rushlight/fn/eye.h"
#include "rushlight/fn/flip.h"
#include "rushlight/fn/imag.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/linalg_det.h"
#include "rushlight/fn/linalg_lu_solve.h"
#include "rushlight/fn/linalg_slogdet.h"
#include "rushlight/fn/linalg_solve.h"
#include "rushlight/fn/linalg_svd.h"
#include "rushlight/fn/log.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/matmul.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/ones_like.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/ops/linalg/linalg.h"

namespace rushlight {
namespace {

void check(const Tensor& a, const char* op) {
  check_square(a, op);
  check_field(a, op);
}
std::array<TensorSpec, 2> factors(const Tensor& a) {
  return {columns_spec(a.sizes(), a.dtype(), a.device()),
          rows_spec(batch_and(a, {a.size(-1)}), DType::Int32, a.device())};
}
std::array<TensorSpec, 3> det_meta(const Tensor& a) {
  check(a, "linalg.det");
  auto [lu, pivots] = factors(a);
  return {rows_spec(batch_and(a, {}), a.dtype(), a.device()), lu, pivots};
}
std::array<TensorSpec, 4> slogdet_meta(const Tensor& a) {
  check(a, "linalg.slogdet");
  auto [lu, pivots] = factors(a);
  return {rows_spec(batch_and(a, {}), a.dtype(), a.device()),
          rows_spec(batch_and(a, {}), to_real(a.dtype()), a.device()), lu, pivots};
}
// f(i, the diagonal of U, its step, whether an odd number of rows was exchanged) for each matrix.
template <class F>
void each_factored(const Tensor& a, const Tensor& lu, const Tensor& pivots, const char* op, const F& f) {
  int64_t n = a.size(-1), count = batch_count(a);
  copy_elements(lu, a);
  dispatch(LapackTypes{}, a.dtype(), op, [&]<class T>() {
    for (int64_t i = 0; i < count; i++) {
      T* at = lu.data<T>() + i * n * n;
      int32_t* rows = pivots.data<int32_t>() + i * n;
      if (n > 0) lapack::lu<T>(n, n, at, rows);
      bool odd = false;
      for (int64_t r = 0; r < n; r++) odd ^= rows[r] != r + 1;
      f(i, at, odd);
    }
  });
}
void det_cpu(const Tensor& a, const Tensor& out, const Tensor& lu, const Tensor& pivots) {
  int64_t n = a.size(-1);
  Tensor values = empty_tensor(out.sizes(), out.dtype());
  each_factored(a, lu, pivots, "linalg_det", [&]<class T>(int64_t i, const T* at, bool odd) {
    T det = odd ? T(-1) : T(1);
    for (int64_t r = 0; r < n; r++) det *= at[r * (n + 1)];
    values.data<T>()[i] = det;
  });
  copy_elements(out, values);
}
void slogdet_cpu(const Tensor& a, const Tensor& sign, const Tensor& logabs, const Tensor& lu, const Tensor& pivots) {
  int64_t n = a.size(-1);
  Tensor signs = empty_tensor(sign.sizes(), sign.dtype()), logs = empty_tensor(logabs.sizes(), logabs.dtype());
  each_factored(a, lu, pivots, "linalg_slogdet", [&]<class T>(int64_t i, const T* at, bool odd) {
    using R = lapack::real_t<T>;
    T direction = odd ? T(-1) : T(1);
    R sum = 0;
    for (int64_t r = 0; r < n; r++) {
      T u = at[r * (n + 1)];
      R size = std::abs(u);
      direction *= size == 0 ? T(0) : T(u / size);
      sum += std::log(size);
    }
    signs.data<T>()[i] = direction;
    logs.data<R>()[i] = sum;
  });
  copy_elements(sign, signs);
  copy_elements(logabs, logs);
}

Tensor scaled_identity(const Tensor& by, const Tensor& a) {
  return unsqueeze(unsqueeze(by, -1), -1) * eye(a.size(-1), a.dtype(), std::nullopt, a.device());
}
// A^-H times numbers, by the factors at hand, or in a way that can be differentiated again.
Tensor inverse_times(const Tensor& by, const Tensor& a, const Tensor& lu, const Tensor& pivots) {
  Tensor sides = scaled_identity(by, a);
  return thread_state.grad_enabled ? linalg_solve(adjoint_of(a), sides)
                                   : linalg_lu_solve(lu, pivots, sides, true, true);
}
// The product of all elements but one along the last dimension, for each.
Tensor products_of_others(const Tensor& s) {
  int64_t n = s.size(-1);
  Tensor one = ones_like(narrow(s, -1, 0, 1));
  Tensor before = cumprod(cat({one, narrow(s, -1, 0, n - 1)}, -1), -1);
  Tensor after = flip(cumprod(cat({one, narrow(flip(s, -1), -1, 0, n - 1)}, -1), -1), -1);
  return before * after;
}
// det A is a polynomial, so that it has a gradient, of cofactors, also where A has no inverse: by A = U S Vh they are
// det(U) det(Vh) U C Vh, where C holds the cofactors of S.
Grads det_grad(const Saved& s, const Tensors& g) {
  Tensor a = s["A"], det = s["result"], lu = s["LU"];
  if (a.numel() == 0) return {zeros_like(a)};
  bool singular = !item(all(det != Scalar(0))).to<bool>();
  if (!singular) return {inverse_times(g[0] * conj_of(det), a, lu, s["pivots"])};
  auto [u, values, vh] = linalg_svd(a, false);
  Tensor alpha = conj_of(linalg_det(u) * linalg_det(vh)) * g[0];
  Tensor inner = unsqueeze(alpha, -1) * products_of_others(values);
  return {matmul(u * unsqueeze(inner, -2), vh)};
}
// With t = tr(A^-1 dA): d log|det| = Re t and d sign = i sign Im t.
Grads slogdet_grad(const Saved& s, const Tensors& g) {
  Tensor a = s["A"], sign = s["sign"], by;
  if (g[1].defined()) by = to(g[1], a.dtype());
  if (g[0].defined() && is_complex(a.dtype())) {
    Tensor turning = to(imag(conj(g[0]) * sign), a.dtype()) * Scalar(complex128(0, -1));
    by = by.defined() ? by + turning : turning;
  }
  if (!by.defined() || a.numel() == 0) return {zeros_like(a)};
  return {inverse_times(by, a, s["LU"], s["pivots"])};
}

Tensor linalg_det_op(const Tensor& a) { return std::get<0>(_linalg_det(a)); }
Tensor det_op(const Tensor& a) { return linalg_det(a); }
std::tuple<Tensor, Tensor> linalg_slogdet_op(const Tensor& a) {
  auto [sign, logabs, lu, pivots] = _linalg_slogdet(a);
  return {sign, logabs};
}
std::tuple<Tensor, Tensor> slogdet_op(const Tensor& a) { return linalg_slogdet(a); }
Tensor logdet_op(const Tensor& a) {
  check(a, "linalg.logdet");
  auto [sign, logabs] = linalg_slogdet(a);
  if (is_complex(a.dtype())) return log(sign) + logabs;
  return masked_fill(logabs, sign == Scalar(-1), Scalar(NAN));
}

}  // namespace

OP(_linalg_det, {.schema = "_linalg_det(Tensor A) -> (Tensor result, Tensor LU, Tensor pivots)",
                 .doc = "linalg.det, and the factors it made.",
                 .kernel = structured<det_meta, det_cpu>(),
                 .grad = {{"A", "result", "LU", "pivots"}, det_grad},
                 .forms = kFunction});
OP(linalg_det, {.schema = "linalg_det(Tensor A) -> Tensor",
                .doc = "The determinant of square matrices."
                       " >>> torch.linalg.det(torch.tensor([[2., 1.], [0., 3.]]))\ntensor(6.)",
                .kernel = composite<linalg_det_op>(),
                .forms = kFunction | kOut,
                .module = "linalg"});
OP(det, {.schema = "det(Tensor self) -> Tensor",
         .doc = "linalg.det. >>> torch.det(torch.tensor([[3.]]))\ntensor(3.)",
         .kernel = composite<det_op>(),
         .autocast = Autocast::Float32});
OP(_linalg_slogdet, {.schema = "_linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet, Tensor LU, Tensor pivots)",
                     .doc = "linalg.slogdet, and the factors it made.",
                     .kernel = structured<slogdet_meta, slogdet_cpu>(),
                     .grad = {{"A", "sign", "LU", "pivots"}, slogdet_grad},
                     .forms = kFunction});
OP(linalg_slogdet, {.schema = "linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet)",
                    .doc = "The sign of the determinant, and the logarithm of its absolute value."
                           " >>> torch.linalg.slogdet(torch.tensor([[-1.]])).sign\ntensor(-1.)",
                    .kernel = composite<linalg_slogdet_op>(),
                    .forms = kFunction | kOut,
                    .module = "linalg"});
OP(slogdet, {.schema = "slogdet(Tensor self) -> (Tensor sign, Tensor logabsdet)",
             .doc = "linalg.slogdet. >>> torch.slogdet(torch.tensor([[1.]])).logabsdet\ntensor(0.)",
             .kernel = composite<slogdet_op>(),
             .forms = kFunction | kMethod | kOut,
             .autocast = Autocast::Float32});
OP(logdet, {.schema = "logdet(Tensor self) -> Tensor",
            .doc = "The logarithm of the determinant; NaN where that is negative."
                   " >>> torch.logdet(torch.eye(2))\ntensor(0.)",
            .kernel = composite<logdet_op>(),
            .autocast = Autocast::Float32});

}  // namespace rushlight
