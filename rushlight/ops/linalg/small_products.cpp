// Products that are other products, rearranged: inner, kron, cross, addbmm; cov and corrcoef.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/addmm.h"
#include "rushlight/fn/clamp.h"
#include "rushlight/fn/clamp_min.h"
#include "rushlight/fn/complex.h"
#include "rushlight/fn/diagonal.h"
#include "rushlight/fn/full.h"
#include "rushlight/fn/imag.h"
#include "rushlight/fn/linalg_cross.h"
#include "rushlight/fn/matmul.h"
#include "rushlight/fn/mean.h"
#include "rushlight/fn/real.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/roll.h"
#include "rushlight/fn/sqrt.h"
#include "rushlight/fn/squeeze.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/tensordot.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/transpose.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/ops/linalg/products.h"

namespace rushlight {
namespace {

Tensor adjoint_op(const Tensor& self) {
  RL_CHECK(RuntimeError, self.dim() == 0 || self.dim() > 1,
           "tensor.adjoint() is only supported on matrices or batches of matrices. Got 1-D tensor.");
  return self.dim() == 0 ? conj_of(self) : adjoint_of(self);
}
Tensor inner_op(const Tensor& a, const Tensor& b) {
  RL_CHECK(RuntimeError, a.dtype() == b.dtype(), "expected both vectors to have same dtype, but found ",
           info_of(a.dtype()).type_name, " and ", info_of(b.dtype()).type_name);
  if (a.dim() == 0 || b.dim() == 0) return a * b;
  RL_CHECK(ShapeError, a.size(-1) == b.size(-1), "inner() the last dimension must match on both input tensors but got ",
           "shapes ", a.sizes(), " and ", b.sizes());
  return tensordot(a, b, {int64_t(-1)}, {int64_t(-1)});
}

Tensor kron_op(const Tensor& a, const Tensor& b) {
  int64_t rank = std::max(a.dim(), b.dim());
  Dims left, right, sizes;
  for (int64_t d = 0; d < rank; d++) {
    int64_t m = d < rank - a.dim() ? 1 : a.size(d - rank), n = d < rank - b.dim() ? 1 : b.size(d - rank);
    for (int64_t v : {m, int64_t(1)}) left.push_back(v);
    for (int64_t v : {int64_t(1), n}) right.push_back(v);
    sizes.push_back(CheckedInt(m) * n);
  }
  return reshape(reshape(a, left) * reshape(b, right), sizes);
}

Tensor linalg_cross_op(const Tensor& a, const Tensor& b, int64_t dim) {
  RL_CHECK(RuntimeError, a.dim() == b.dim(), "linalg.cross: inputs must have the same number of dimensions.");
  int64_t d = wrap_dim(dim, a.dim());
  RL_CHECK(RuntimeError, a.dim() > 0 && a.size(d) == 3 && b.size(d) == 3, "linalg.cross: inputs dimension ", dim,
           " must have length 3. Got ", a.dim() ? a.size(d) : 1, " and ", b.dim() ? b.size(d) : 1);
  return roll(a, -1, d) * roll(b, -2, d) - roll(a, -2, d) * roll(b, -1, d);
}
Tensor cross_op(const Tensor& a, const Tensor& b, const std::optional<int64_t>& dim) {
  if (dim) return linalg_cross(a, b, *dim);
  for (int64_t d = 0; d < a.dim(); d++)
    if (a.size(d) == 3) return linalg_cross(a, b, d);
  throw RuntimeError("no dimension of size 3 in input");
}

// The sum of a batch of products is one product of longer rows.
Tensor addbmm_op(const Tensor& self, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  RL_CHECK(RuntimeError, a.dim() == 3, "batch1 must be a 3D tensor");
  RL_CHECK(RuntimeError, b.dim() == 3, "batch2 must be a 3D tensor");
  RL_CHECK(RuntimeError, a.size(0) == b.size(0), "batch1 and batch2 must have same number of batches, got ", a.size(0),
           " and ", b.size(0));
  RL_CHECK(RuntimeError, a.size(2) == b.size(1), "Incompatible matrix sizes for bmm (", a.size(1), "x", a.size(2),
           " and ", b.size(1), "x", b.size(2), ")");
  int64_t k = a.size(0) * a.size(2);
  return addmm(self, reshape(transpose(a, 0, 1), {a.size(1), k}), reshape(b, {k, b.size(2)}), beta, alpha);
}

Tensor cov_op(const Tensor& self, int64_t correction, const Tensor& fweights, const Tensor& aweights) {
  RL_CHECK(RuntimeError, self.dim() <= 2,
           "cov(): expected input to have two or fewer dimensions but got an input with ", self.dim(), " dimensions");
  RL_CHECK(RuntimeError, self.dtype() != DType::Bool, "cov(): bool dtype is not supported for input");
  Tensor x = self.dim() < 2 ? reshape(self, {1, self.numel()}) : self, w;
  int64_t n = x.size(1);
  auto check = [&](const Tensor& t, const char* name) {
    RL_CHECK(RuntimeError, t.dim() <= 1, "cov(): expected ", name, " to have one or fewer dimensions but got ", name,
             " with ", t.dim(), " dimensions");
    RL_CHECK(RuntimeError, t.numel() == n, "cov(): expected ", name,
             " to have the same numel as there are observations ", "in the input but got ", t.numel(), " != ", n);
    if (t.device().is_meta()) return;
    Tensor low = dense(t, DType::Float64);
    for (int64_t i = 0; i < n; i++)
      RL_CHECK(RuntimeError, low.data<double>()[i] >= 0, "cov(): ", name, " cannot be negative");
  };
  if (fweights.defined()) {
    RL_CHECK(RuntimeError, is_integral(fweights.dtype(), false),
             "cov(): expected fweights to have integral dtype but got ", "fweights with ",
             scalar_type_name(fweights.dtype()), " dtype");
    check(fweights, "fweights");
    w = fweights;
  }
  if (aweights.defined()) {
    RL_CHECK(RuntimeError, !is_integral(aweights.dtype(), true) && !is_complex(aweights.dtype()),
             "cov(): expected aweights to have floating point dtype but got aweights with ",
             scalar_type_name(aweights.dtype()), " dtype");
    check(aweights, "aweights");
    w = w.defined() ? w * aweights : aweights;
  }
  DType dtype = is_integral(x.dtype(), true) ? default_dtype() : x.dtype();
  x = to(x, dtype);
  Tensor centre, norm;
  if (w.defined()) {
    Tensor total = sum(w);
    centre = sum(x * w, IntArrayRef(1), true) / total;
    norm = aweights.defined() && correction ? total - double(correction) * sum(w * aweights) / total
                                            : total - Scalar(correction);
    if (is_integral(norm.dtype(), true)) norm = to(norm, to_real(dtype));
  } else {
    centre = mean(x, IntArrayRef(1), true);
    norm = full({}, double(n - correction), to_real(dtype));
  }
  norm = clamp_min(norm, 0.0);
  Tensor apart = x - centre;
  return squeeze(matmul(w.defined() ? apart * w : apart, adjoint_of(apart)) / norm);
}
Tensor corrcoef_op(const Tensor& self) {
  RL_CHECK(RuntimeError, self.dim() <= 2,
           "corrcoef(): expected input to have two or fewer dimensions but got an input with ", self.dim(),
           " dimensions");
  Tensor c = cov_op(self, 1, Tensor(), Tensor());
  if (c.dim() == 0) return c / c;
  Tensor deviation = sqrt(real(diagonal(c)));
  Tensor r = c / unsqueeze(deviation, 1) / unsqueeze(deviation, 0);
  if (is_complex(r.dtype()))
    return complex(clamp(real(r), Scalar(-1), Scalar(1)), clamp(imag(r), Scalar(-1), Scalar(1)));
  return clamp(r, Scalar(-1), Scalar(1));
}

}  // namespace

OP(adjoint, {.schema = "adjoint(Tensor(a) self) -> Tensor(a)",
             .doc = "The conjugate of matrices, transposed."
                    " >>> torch.tensor([[1, 2], [3, 4]]).adjoint()\ntensor([[1, 3],\n        [2, 4]])",
             .kernel = composite<adjoint_op>()});
OP(inner, {.schema = "inner(Tensor self, Tensor other) -> Tensor",
           .doc = "Sums of products over the last dimensions."
                  " >>> torch.inner(torch.tensor([1, 2]), torch.tensor([3, 4]))\ntensor(11)",
           .kernel = composite<inner_op>(),
           .forms = kFunction | kMethod | kOut});
OP(kron, {.schema = "kron(Tensor self, Tensor other) -> Tensor",
          .doc = "The Kronecker product: other times each element of self."
                 " >>> torch.kron(torch.tensor([1, 2]), torch.tensor([1, 10]))\ntensor([ 1, 10,  2, 20])",
          .kernel = composite<kron_op>(),
          .forms = kFunction | kMethod | kOut});
OP(linalg_cross,
   {.schema = "linalg_cross(Tensor self, Tensor other, *, int dim=-1) -> Tensor",
    .doc = "The cross product of vectors of three elements."
           " >>> torch.linalg.cross(torch.tensor([1., 0., 0.]), torch.tensor([0., 1., 0.]))\ntensor([0., 0., 1.])",
    .kernel = composite<linalg_cross_op>(),
    .forms = kFunction | kOut,
    .module = "linalg"});
OP(cross,
   {.schema = "cross(Tensor self, Tensor other, int? dim=None) -> Tensor",
    .doc = "The cross product along dim, or the first dimension of size 3."
           " >>> torch.cross(torch.tensor([1., 0., 0.]), torch.tensor([0., 1., 0.]), dim=0)\ntensor([0., 0., 1.])",
    .kernel = composite<cross_op>(),
    .forms = kFunction | kMethod | kOut});
// Without an in-place form: PyTorch's gives self another size.
OP(addbmm, {.schema = "addbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
            .doc = "beta * self + alpha * the sum of batch1[i] @ batch2[i]."
                   " >>> torch.addbmm(torch.zeros(1, 1), torch.ones(2, 1, 3), torch.ones(2, 3, 1))\ntensor([[6.]])",
            .kernel = composite<addbmm_op>(),
            .forms = kFunction | kMethod | kInPlace | kOut,
            .autocast = Autocast::Lower});
OP(cov, {.schema = "cov(Tensor self, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None) -> Tensor",
         .doc = "The covariances of rows, a column an observation."
                " >>> torch.cov(torch.tensor([[0., 1., 2.], [2., 1., 0.]]))\ntensor([[ 1., -1.],\n        [-1.,  1.]])",
         .kernel = composite<cov_op>()});
OP(corrcoef,
   {.schema = "corrcoef(Tensor self) -> Tensor",
    .doc = "The correlation coefficients of rows, a column an observation."
           " >>> torch.corrcoef(torch.tensor([[0., 1., 2.], [2., 1., 0.]]))\ntensor([[ 1., -1.],\n        [-1.,  1.]])",
    .kernel = composite<corrcoef_op>()});

}  // namespace rushlight
