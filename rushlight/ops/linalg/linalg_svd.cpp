// The singular value decomposition, and the norms of matrices.
#include "rushlight/fn/linalg_svd.h"

#include <algorithm>
#include <cmath>

#include "rushlight/fn/_linalg_svd.h"
#include "rushlight/fn/amax.h"
#include "rushlight/fn/amin.h"
#include "rushlight/fn/diag_embed.h"
#include "rushlight/fn/diagonal.h"
#include "rushlight/fn/eye.h"
#include "rushlight/fn/linalg_matrix_norm.h"
#include "rushlight/fn/linalg_svdvals.h"
#include "rushlight/fn/linalg_vector_norm.h"
#include "rushlight/fn/matmul.h"
#include "rushlight/fn/movedim.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/ops/linalg/linalg.h"
#include "rushlight/ops/reduce/dims.h"

namespace rushlight {
namespace {

using OptionalDType = std::optional<DType>;
using OptionalText = std::optional<std::string_view>;

std::array<TensorSpec, 3> svd_meta(const Tensor& a, bool full, bool vectors, const OptionalText& driver) {
  check_matrix(a, "linalg.svd");
  check_field(a, "linalg.svd");
  RL_CHECK(RuntimeError, !driver,
           "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with "
           "cuSOLVER backend.");
  int64_t m = a.size(-2), n = a.size(-1), k = std::min(m, n);
  TensorSpec u{.sizes = {0}, .dtype = a.dtype(), .device = a.device()}, vh = u;
  if (vectors) {
    u = columns_spec(batch_and(a, {m, full ? m : k}), a.dtype(), a.device());
    vh = columns_spec(batch_and(a, {full ? n : k, n}), a.dtype(), a.device());
  }
  return {u, TensorSpec{.sizes = batch_and(a, {k}), .dtype = to_real(a.dtype()), .device = a.device()}, vh};
}
void svd_cpu(const Tensor& a, bool full, bool vectors, const OptionalText&, const Tensor& u, const Tensor& s,
             const Tensor& vh) {
  int64_t m = a.size(-2), n = a.size(-1), k = std::min(m, n), count = batch_count(a);
  if (k == 0) {  // nothing to decompose: any bases do
    for (const Tensor* t : {&u, &vh})
      if (vectors && t->numel() > 0) copy_elements(*t, eye(t->size(-2), t->size(-1), t->dtype()));
    return;
  }
  auto job = !vectors ? lapack::Vectors::None : full ? lapack::Vectors::All : lapack::Vectors::Thin;
  int64_t u_step = vectors ? m * (full ? m : k) : 0, vh_step = vectors ? n * (full ? n : k) : 0;
  Tensor matrices = columns_of(a), values = empty_tensor(s.sizes(), s.dtype());
  dispatch(LapackTypes{}, a.dtype(), "linalg_svd", [&]<class T>() {
    lapack::Work<T> work;
    for (int64_t i = 0; i < count; i++) {
      T* matrix = matrices.data<T>() + i * m * n;
      RL_CHECK(LinAlgError, lapack::all_finite(matrix, m * n), "linalg.svd: ", batch_place(a, i),
               "The algorithm failed to converge because the input matrix contained non-finite values.");
      int info = lapack::svd<T>(job, m, n, matrix, values.data<lapack::real_t<T>>() + i * k, u.data<T>() + i * u_step,
                                vh.data<T>() + i * vh_step, work);
      RL_CHECK(LinAlgError, info == 0, "linalg.svd: ", batch_place(a, i),
               "The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated "
               "singular values (error code: ",
               info, ").");
    }
  });
  copy_elements(s, values);
}

// With A = U diag(S) Vh and skew(X) = X - X^H:
//   gA = U ((skew(U^H gU) S + S skew(Vh gVh^H)) / E + diag(gS)) Vh, where E_ij = S_j^2 - S_i^2 off the diagonal,
// and what gU and gVh have outside of the spaces that U and Vh span. Complex phases are free: gradients that depend on them are not defined.
Grads svd_grad(const Saved& saved, const Tensors& g) {
  RL_CHECK(AutogradError, saved.arg("compute_uv").to_bool() || !g[1].defined(),
           "linalg.svd: the gradient of singular values needs compute_uv=True");
  Tensor u = saved["U"], s = saved["S"], vh = saved["Vh"], gu = g[0], gs = g[1], gvh = g[2];
  int64_t m = u.size(-2), n = vh.size(-1), k = s.size(-1);
  auto columns = [&](const Tensor& t) { return t.defined() && t.size(-1) > k ? narrow(t, -1, 0, k) : t; };
  auto rows = [&](const Tensor& t) { return t.defined() && t.size(-2) > k ? narrow(t, -2, 0, k) : t; };
  u = columns(u), gu = columns(gu), vh = rows(vh), gvh = rows(gvh);
  if (k == 0 || !(gu.defined() || gs.defined() || gvh.defined()))
    return {zeros(saved.sizes("A"), u.dtype(), std::nullopt, u.device())};
  if (!gu.defined() && !gvh.defined()) {
    return {m >= n ? matmul(u, unsqueeze(gs, -1) * vh) : matmul(u * unsqueeze(gs, -2), vh)};
  }
  auto skew = [](const Tensor& t) { return t - adjoint_of(t); };
  Tensor uu = gu.defined() ? skew(matmul(adjoint_of(u), gu)) : Tensor();
  Tensor vv = gvh.defined() ? skew(matmul(vh, adjoint_of(gvh))) : Tensor();
  Tensor across = unsqueeze(s, -2), down = unsqueeze(s, -1), squares = s * s;
  Tensor e = unsqueeze(squares, -2) - unsqueeze(squares, -1) + eye(k, s.dtype(), std::nullopt, s.device());
  Tensor inner = uu.defined() && vv.defined() ? (uu * across + down * vv) / e
                 : uu.defined()               ? uu / e * across
                                              : down * (vv / e);
  if (gs.defined()) inner = inner + diag_embed(gs);
  if (is_complex(u.dtype()) && uu.defined() && vv.defined())
    inner = inner + diag_embed(diagonal(uu, 0, -2, -1) / (s * 2));
  if (m > k && gu.defined()) {
    Tensor scaled_u = gu / across;
    return {matmul(matmul(u, inner) + scaled_u - matmul(u, matmul(adjoint_of(u), scaled_u)), vh)};
  }
  if (n > k && gvh.defined()) {
    Tensor scaled_v = gvh / down;
    return {matmul(u, matmul(inner, vh) + scaled_v - matmul(matmul(scaled_v, adjoint_of(vh)), vh))};
  }
  return {m >= n ? matmul(u, matmul(inner, vh)) : matmul(matmul(u, inner), vh)};
}

std::tuple<Tensor, Tensor, Tensor> linalg_svd_op(const Tensor& a, bool full, const OptionalText& driver) {
  return _linalg_svd(a, full, true, driver);
}
Tensor svdvals_op(const Tensor& a, const OptionalText& driver) {
  return std::get<1>(_linalg_svd(a, false, wants_gradient(a), driver));
}
std::tuple<Tensor, Tensor, Tensor> svd_op(const Tensor& self, bool some, bool vectors) {
  check_matrix(self, "linalg.svd");
  if (vectors) {
    auto [u, s, vh] = _linalg_svd(self, !some);
    return {u, s, adjoint_of(vh)};
  }
  auto none = [&](int64_t n) { return zeros(batch_and(self, {n, n}), self.dtype(), std::nullopt, self.device()); };
  return {none(self.size(-2)), linalg_svdvals(self), none(self.size(-1))};
}

// ---- norms ----

Dims two_dims(const Tensor& a, IntArrayRef dim) {
  RL_CHECK(RuntimeError, dim.size() == 2, "linalg.matrix_norm: dim must be a 2-tuple. Got ", Dims(dim));
  Dims at = {wrap_dim(dim[0], a.dim()), wrap_dim(dim[1], a.dim())};
  RL_CHECK(RuntimeError, at[0] != at[1], "linalg.matrix_norm: dims must be different. Got (", dim[0], ", ", dim[1],
           ")");
  return at;
}
// 0 where there is nothing to take the largest of.
Tensor largest(const Tensor& t, const Dims& dim, bool keepdim) {
  return t.size(dim[0]) == 0 ? sum(t, IntArrayRef(dim), keepdim) : amax(t, dim, keepdim);
}
Tensor norm_of_values(const Tensor& a, const Dims& at, bool keepdim, char kind) {
  Tensor s = linalg_svdvals(movedim(a, at, {-2, -1}));
  const Dims last = {-1};
  Tensor result = kind == '*' ? sum(s, IntArrayRef(last)) : kind == '>' ? largest(s, last, false) : amin(s, last);
  if (!keepdim) return result;
  return restore_dims(result, (DimSet(1) << at[0]) | (DimSet(1) << at[1]), a.dim());
}
Tensor converted(const Tensor& a, const OptionalDType& dtype) {
  if (!dtype) return a;
  RL_CHECK(RuntimeError, is_differentiable(*dtype),
           "linalg.matrix_norm: dtype should be floating point or complex. Got ", scalar_type_name(*dtype));
  RL_CHECK(RuntimeError, is_complex(a.dtype()) == is_complex(*dtype), "linalg.matrix_norm: dtype should be ",
           is_complex(a.dtype()) ? "complex" : "real", " for ", is_complex(a.dtype()) ? "complex" : "real",
           " inputs, but got ", scalar_type_name(*dtype));
  RL_CHECK(RuntimeError, promote_types(a.dtype(), *dtype) == *dtype, "linalg.matrix_norm: the dtype of the input (",
           scalar_type_name(a.dtype()), ") should be convertible without narrowing to the specified dtype (",
           scalar_type_name(*dtype), ")");
  return to(a, *dtype);
}
Tensor matrix_norm_op(const Tensor& self, const Scalar& ord, IntArrayRef dim, bool keepdim,
                      const OptionalDType& dtype) {
  check_matrix(self, "linalg.matrix_norm");
  check_field(self, "linalg.matrix_norm", true);
  double p = ord.to_double(), size = std::abs(p);
  RL_CHECK(RuntimeError, size == 1 || size == 2 || std::isinf(size), "linalg.matrix_norm: Order ", ord,
           " not supported.");
  Dims at = two_dims(self, dim);
  Tensor a = converted(self, dtype);
  if (size == 2) {
    check_field(a, "linalg.matrix_norm");
    return norm_of_values(a, at, keepdim, p > 0 ? '>' : '<');
  }
  // The largest or smallest sum of a column (1) or a row (infinity).
  if (std::isinf(size)) std::swap(at[0], at[1]);
  const Dims first = {at[0]}, second = {!keepdim && at[1] > at[0] ? at[1] - 1 : at[1]};
  Tensor sums = linalg_vector_norm(a, 1, IntArrayRef(first), keepdim);
  return p > 0 ? largest(sums, second, keepdim) : amin(sums, second, keepdim);
}
Tensor matrix_norm_text(const Tensor& self, std::string_view ord, IntArrayRef dim, bool keepdim,
                        const OptionalDType& dtype) {
  check_matrix(self, "linalg.matrix_norm");
  check_field(self, "linalg.matrix_norm", ord != "nuc");
  RL_CHECK(RuntimeError, ord == "fro" || ord == "nuc", "linalg.matrix_norm: Order ", ord, " not supported.");
  Dims at = two_dims(self, dim);
  if (ord == "fro") return linalg_vector_norm(self, 2, IntArrayRef(at), keepdim, dtype);
  return norm_of_values(converted(self, dtype), at, keepdim, '*');
}

Tensor norm_op(const Tensor& self, const std::optional<Scalar>& ord, const OptionalDims& dim, bool keepdim,
               const OptionalDType& dtype) {
  if (dim)
    RL_CHECK(RuntimeError, dim->size() == 1 || dim->size() == 2,
             "linalg.norm: If dim is specified, it must be of length 1 or 2. Got ", Dims(*dim));
  else if (ord)
    RL_CHECK(RuntimeError, self.dim() == 1 || self.dim() == 2,
             "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got ", self.dim(), "D.");
  const Dims both = {0, 1};
  if (ord && ((dim && dim->size() == 2) || (!dim && self.dim() == 2)))
    return linalg_matrix_norm(self, *ord, dim ? *dim : IntArrayRef(both), keepdim, dtype);
  return linalg_vector_norm(self, ord.value_or(Scalar(2)), dim, keepdim, dtype);
}
Tensor norm_text(const Tensor& self, std::string_view ord, const OptionalDims& dim, bool keepdim,
                 const OptionalDType& dtype) {
  if (dim)
    RL_CHECK(RuntimeError, dim->size() == 1 || dim->size() == 2,
             "linalg.norm: If dim is specified, it mut be of length 1 or 2. Got ", Dims(*dim));
  else
    RL_CHECK(RuntimeError, self.dim() == 1 || self.dim() == 2,
             "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got ", self.dim(), "D.");
  const Dims both = {0, 1};
  return linalg_matrix_norm(self, ord, dim ? *dim : IntArrayRef(both), keepdim, dtype);
}

}  // namespace

OP(_linalg_svd, {.schema = "_linalg_svd(Tensor A, bool full_matrices=False, bool compute_uv=True, *, str? driver=None) "
                           "-> (Tensor U, Tensor S, Tensor Vh)",
                 .doc = "linalg.svd, where vectors can be left out.",
                 .kernel = structured<svd_meta, svd_cpu>(),
                 .grad = {{"U", "S", "Vh"}, svd_grad},
                 .forms = kFunction});
OP(linalg_svd, {.schema = "linalg_svd(Tensor A, bool full_matrices=True, *, str? driver=None) -> (Tensor U, Tensor S, "
                          "Tensor Vh)",
                .doc = "The singular value decomposition A = U diag(S) Vh."
                       " >>> torch.linalg.svd(torch.tensor([[3., 0.], [0., 2.]])).S\ntensor([3., 2.])",
                .kernel = composite<linalg_svd_op>(),
                .forms = kFunction | kOut,
                .module = "linalg",
                .autocast = Autocast::Float32});
OP(linalg_svdvals, {.schema = "linalg_svdvals(Tensor A, *, str? driver=None) -> Tensor",
                    .doc = "Singular values, in descending order."
                           " >>> torch.linalg.svdvals(torch.tensor([[3., 0.], [0., 2.]]))\ntensor([3., 2.])",
                    .kernel = composite<svdvals_op>(),
                    .forms = kFunction | kOut,
                    .module = "linalg",
                    .autocast = Autocast::Float32});
OP(svd, {.schema = "svd(Tensor self, bool some=True, bool compute_uv=True) -> (Tensor U, Tensor S, Tensor V)",
         .doc = "The singular value decomposition self = U diag(S) V^H."
                " >>> torch.svd(torch.tensor([[3., 0.], [0., 2.]])).S\ntensor([3., 2.])",
         .kernel = composite<svd_op>(),
         .forms = kFunction | kMethod | kOut,
         .autocast = Autocast::Float32});

OP(linalg_matrix_norm, {.schema = "linalg_matrix_norm(Tensor self, Scalar ord, int[] dim=[-2, -1], bool keepdim=False, "
                                  "*, ScalarType? dtype=None) -> Tensor",
                        .doc = "A norm of matrices: ord 1, -1, 2, -2, inf, -inf."
                               " >>> torch.linalg.matrix_norm(torch.tensor([[1., 2.], [3., 4.]]), 1)\ntensor(6.)",
                        .kernel = composite<matrix_norm_op>(),
                        .forms = kFunction | kOut,
                        .module = "linalg"});
OP(linalg_matrix_norm_str,
   {.schema = "linalg_matrix_norm.str_ord(Tensor self, str ord=\"fro\", int[] dim=[-2, -1], bool keepdim=False, *, "
              "ScalarType? dtype=None) -> Tensor",
    .doc = "The Frobenius (\"fro\") or the nuclear (\"nuc\") norm of matrices."
           " >>> torch.linalg.matrix_norm(torch.tensor([[3., 0.], [0., 4.]]))\ntensor(5.)",
    .kernel = composite<matrix_norm_text>(),
    .forms = kFunction | kOut,
    .module = "linalg"});
OP(linalg_norm, {.schema = "linalg_norm(Tensor self, Scalar? ord=None, int[1]? dim=None, bool keepdim=False, *, "
                           "ScalarType? dtype=None) -> Tensor",
                 .doc = "The norm of vectors or of matrices."
                        " >>> torch.linalg.norm(torch.tensor([3., 4.]))\ntensor(5.)",
                 .kernel = composite<norm_op>(),
                 .forms = kFunction | kOut,
                 .module = "linalg"});
OP(linalg_norm_str, {.schema = "linalg_norm.ord_str(Tensor self, str ord, int[1]? dim=None, bool keepdim=False, *, "
                               "ScalarType? dtype=None) -> Tensor",
                     .doc = "The norm of matrices that a name says."
                            " >>> torch.linalg.norm(torch.tensor([[3., 0.], [0., 4.]]), 'nuc')\ntensor(7.)",
                     .kernel = composite<norm_text>(),
                     .forms = kFunction | kOut,
                     .module = "linalg"});

}  // namespace rushlight
