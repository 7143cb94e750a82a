// Eigenvalues and eigenvectors.
#include "rushlight/fn/_linalg_eigh.h"
#include "rushlight/fn/_linalg_eigvals.h"
#include "rushlight/fn/diag_embed.h"
#include "rushlight/fn/diagonal.h"
#include "rushlight/fn/eye.h"
#include "rushlight/fn/linalg_eig.h"
#include "rushlight/fn/linalg_solve.h"
#include "rushlight/fn/matmul.h"
#include "rushlight/fn/real.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/ops/linalg/linalg.h"

namespace rushlight {
namespace {

DType complex_of(DType d) {
  return d == DType::Float32 ? DType::Complex64 : d == DType::Float64 ? DType::Complex128 : d;
}

bool is_upper(std::string_view uplo) {
  char c = uplo.size() == 1 ? char(uplo[0] & ~32) : ' ';
  RL_CHECK(RuntimeError, c == 'L' || c == 'U', "Expected UPLO argument to be 'L' or 'U', but got ", uplo);
  return c == 'U';
}

// ---- hermitian matrices ----

std::array<TensorSpec, 2> eigh_meta(const Tensor& a, std::string_view uplo, bool vectors) {
  check_square(a, "linalg.eigh");
  check_field(a, "linalg.eigh");
  is_upper(uplo);
  TensorSpec v{.sizes = {0}, .dtype = a.dtype(), .device = a.device()};
  if (vectors) v = columns_spec(a.sizes(), a.dtype(), a.device());
  return {rows_spec(batch_and(a, {a.size(-1)}), to_real(a.dtype()), a.device()), v};
}
void eigh_cpu(const Tensor& a, std::string_view uplo, bool vectors, const Tensor& values, const Tensor& v) {
  int64_t n = a.size(-1), count = batch_count(a);
  Tensor work = vectors ? exchanged(v) : columns_like(a, n, n);
  copy_elements(work, exchanged(a));
  if (n == 0) return;
  auto triangle = is_upper(uplo) ? lapack::Triangle::Upper : lapack::Triangle::Lower;
  Tensor found = empty_tensor(values.sizes(), values.dtype());
  dispatch(LapackTypes{}, a.dtype(), "linalg_eigh", [&]<class T>() {
    lapack::Work<T> room;
    for (int64_t i = 0; i < count; i++) {
      T* at = work.data<T>() + i * n * n;
      bool finite = lapack::all_finite(at, n * n);
      int info = !finite ? 1 : lapack::eigh<T>(vectors, triangle, n, at, found.data<lapack::real_t<T>>() + i * n, room);
      RL_CHECK(LinAlgError, info == 0, "linalg.eigh: ", batch_place(a, i),
               "The algorithm failed to converge because the input matrix ",
               finite ? "is ill-conditioned or has too many repeated eigenvalues (error code: "
                      : "contained non-finite values (error code: ",
               info, ").");
    }
  });
  copy_elements(values, found);
}
// gA = V (diag(gL) + V^H gV / E) V^H, where E_ij = L_j - L_i off the diagonal, and the diagonal of V^H gV is of no account;
// made hermitian, as A is.
Grads eigh_grad(const Saved& s, const Tensors& g) {
  RL_CHECK(AutogradError, s.arg("compute_v").to_bool(),
           "linalg.eigh: the gradient of eigenvalues needs compute_v=True");
  Tensor values = s["eigenvalues"], v = s["eigenvectors"], gl = g[0], gv = g[1], inner;
  if (!gl.defined() && !gv.defined()) return {zeros_like(v)};
  if (!gv.defined()) return {matmul(v * unsqueeze(gl, -2), adjoint_of(v))};
  int64_t n = v.size(-1);
  Tensor apart = unsqueeze(values, -2) - unsqueeze(values, -1);
  inner = matmul(adjoint_of(v), gv);
  inner = (inner - diag_embed(diagonal(inner, 0, -2, -1))) /
          (apart + eye(n, values.dtype(), std::nullopt, values.device()));
  if (gl.defined()) inner = inner + diag_embed(gl);
  Tensor ga = matmul(v, matmul(inner, adjoint_of(v)));
  return {(ga + adjoint_of(ga)) * Scalar(0.5)};
}
std::tuple<Tensor, Tensor> linalg_eigh_op(const Tensor& a, std::string_view uplo) {
  return _linalg_eigh(a, uplo, true);
}
Tensor eigvalsh_op(const Tensor& a, std::string_view uplo) {
  return std::get<0>(_linalg_eigh(a, uplo, wants_gradient(a)));
}

// ---- any square matrices ----

template <bool vectors>
void eig_into(const Tensor& a, const Tensor& values, const Tensor& v) {
  int64_t n = a.size(-1), count = batch_count(a);
  Tensor work = columns_of(a), found = empty_tensor(values.sizes(), values.dtype());
  if (n == 0) return;
  dispatch(LapackTypes{}, a.dtype(), "linalg_eig", [&]<class T>() {
    using C = lapack::complex_t<T>;
    lapack::Work<T> room;
    for (int64_t i = 0; i < count; i++) {
      T* at = work.data<T>() + i * n * n;
      RL_CHECK(RuntimeError, lapack::all_finite(at, n * n),
               "torch.linalg.eig: input tensor should not contain infs or NaNs.");
      int info =
          lapack::eig<T>(vectors, n, at, found.data<C>() + i * n, vectors ? v.data<C>() + i * n * n : nullptr, room);
      RL_CHECK(LinAlgError, info == 0, "linalg.eig: ", batch_place(a, i),
               "The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated "
               "eigenvalues (error code: ",
               info, ").");
    }
  });
  copy_elements(values, found);
}
TensorSpec eigvals_meta(const Tensor& a) {
  check_square(a, "linalg.eig");
  check_field(a, "linalg.eig");
  return rows_spec(batch_and(a, {a.size(-1)}), complex_of(a.dtype()), a.device());
}
std::array<TensorSpec, 2> eig_meta(const Tensor& a) {
  return {eigvals_meta(a), columns_spec(a.sizes(), complex_of(a.dtype()), a.device())};
}
void eigvals_cpu(const Tensor& a, const Tensor& values) { eig_into<false>(a, values, Tensor()); }
void eig_cpu(const Tensor& a, const Tensor& values, const Tensor& v) { eig_into<true>(a, values, v); }

// gA = V^-H (diag(gL) + (V^H gV - V^H V diag(Re V^H gV)) / E) V^H, where E_ij is the conjugate of L_j - L_i off the diagonal.
Grads eig_grad(const Saved& s, const Tensors& g) {
  Tensor values = s["eigenvalues"], v = s["eigenvectors"], turned = adjoint_of(v), gl = g[0], gv = g[1], inner;
  bool real_input = !is_complex(s.dtype("self"));
  auto result = [&](const Tensor& t) { return Grads{real_input ? real(t) : t}; };
  if (!gl.defined() && !gv.defined()) return result(zeros_like(v));
  if (gv.defined()) {
    Tensor other = conj(values);
    Tensor apart = unsqueeze(other, -2) - unsqueeze(other, -1) + eye(v.size(-1), v.dtype(), std::nullopt, v.device());
    Tensor product = matmul(turned, gv);
    Tensor lengths = to(real(diagonal(product, 0, -2, -1)), v.dtype());
    inner = (product - matmul(turned, v * unsqueeze(lengths, -2))) / apart;
    inner = inner - diag_embed(diagonal(inner, 0, -2, -1));
    if (gl.defined()) inner = inner + diag_embed(gl);
    inner = matmul(inner, turned);
  } else {
    inner = unsqueeze(gl, -1) * turned;
  }
  return result(linalg_solve(turned, inner));
}
Tensor linalg_eigvals_op(const Tensor& a) {
  return wants_gradient(a) ? std::get<0>(linalg_eig(a)) : _linalg_eigvals(a);
}

}  // namespace

OP(_linalg_eigh,
   {.schema = "_linalg_eigh(Tensor A, str UPLO=\"L\", bool compute_v=True) -> (Tensor eigenvalues, Tensor "
              "eigenvectors)",
    .doc = "linalg.eigh, where vectors can be left out.",
    .kernel = structured<eigh_meta, eigh_cpu>(),
    .grad = {{"eigenvalues", "eigenvectors"}, eigh_grad},
    .forms = kFunction});
OP(linalg_eigh, {.schema = "linalg_eigh(Tensor self, str UPLO=\"L\") -> (Tensor eigenvalues, Tensor eigenvectors)",
                 .doc = "Eigenvalues of symmetric or hermitian matrices, ascending, and their vectors. UPLO says which "
                        "triangle is read."
                        " >>> torch.linalg.eigh(torch.tensor([[2., 0.], [0., 1.]])).eigenvalues\ntensor([1., 2.])",
                 .kernel = composite<linalg_eigh_op>(),
                 .forms = kFunction | kOut,
                 .module = "linalg"});
OP(linalg_eigvalsh, {.schema = "linalg_eigvalsh(Tensor self, str UPLO=\"L\") -> Tensor",
                     .doc = "The eigenvalues of linalg.eigh alone."
                            " >>> torch.linalg.eigvalsh(torch.tensor([[2., 0.], [0., 1.]]))\ntensor([1., 2.])",
                     .kernel = composite<eigvalsh_op>(),
                     .forms = kFunction | kOut,
                     .module = "linalg"});
OP(linalg_eig,
   {.schema = "linalg_eig(Tensor self) -> (Tensor eigenvalues, Tensor eigenvectors)",
    .doc = "Eigenvalues and vectors of square matrices, which are complex."
           " >>> torch.linalg.eig(torch.tensor([[2., 0.], [0., 1.]])).eigenvalues\ntensor([2.+0.j, 1.+0.j])",
    .kernel = structured<eig_meta, eig_cpu>(),
    .grad = {{"eigenvalues", "eigenvectors"}, eig_grad},
    .forms = kFunction | kOut,
    .module = "linalg"});
OP(_linalg_eigvals, {.schema = "_linalg_eigvals(Tensor self) -> Tensor",
                     .doc = "linalg.eigvals, without a gradient.",
                     .kernel = structured<eigvals_meta, eigvals_cpu>(),
                     .forms = kFunction});
OP(linalg_eigvals, {.schema = "linalg_eigvals(Tensor self) -> Tensor",
                    .doc = "The eigenvalues of linalg.eig alone."
                           " >>> torch.linalg.eigvals(torch.tensor([[2., 0.], [0., 1.]]))\ntensor([2.+0.j, 1.+0.j])",
                    .kernel = composite<linalg_eigvals_op>(),
                    .forms = kFunction | kOut,
                    .module = "linalg"});

}  // namespace rushlight
