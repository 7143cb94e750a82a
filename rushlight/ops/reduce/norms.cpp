// Norms of vectors, the distance that is one, and renorm.
#include <cmath>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/abs.h"
#include "rushlight/fn/amax.h"
#include "rushlight/fn/amin.h"
#include "rushlight/fn/eq.h"
#include "rushlight/fn/full_like.h"
#include "rushlight/fn/isfinite.h"
#include "rushlight/fn/isinf.h"
#include "rushlight/fn/linalg_vector_norm.h"
#include "rushlight/fn/logical_not.h"
#include "rushlight/fn/logical_or.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/ones_like.h"
#include "rushlight/fn/pow.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/sgn.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/where.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/halves.h"
#include "rushlight/kernels/math.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/reduce/dims.h"
#include "rushlight/ops/sparse/forms.h"

namespace rushlight {
namespace {

using OptionalDType = std::optional<DType>;
using OptionalScalar = std::optional<Scalar>;

enum class Norm { Zero, One, Two, Largest, Smallest, Any };

template <class Element, Norm kind>
struct VectorNorm {
  using T = Element;
  using Out = T;
  using Acc = T;
  double p = 2;
  Acc identity() const { return kind == Norm::Smallest ? std::numeric_limits<Acc>::infinity() : Acc(0); }
  Acc fold(Acc a, T x) const {
    Acc v = math::abs(x);
    if constexpr (kind == Norm::Zero) return a + (v != Acc(0));
    else if constexpr (kind == Norm::One) return a + v;
    else if constexpr (kind == Norm::Two) return a + v * v;
    else if constexpr (kind == Norm::Any) return a + std::pow(v, Acc(p));
    else return merge(a, v);
  }
  Acc merge(Acc a, Acc b) const {
    if constexpr (kind == Norm::Largest) return math::maximum(a, b);
    else if constexpr (kind == Norm::Smallest) return math::minimum(a, b);
    else return a + b;
  }
  Out finish(Acc a, int64_t) const {
    if constexpr (kind == Norm::Two) return Out(std::sqrt(a));
    else if constexpr (kind == Norm::Any) return Out(std::pow(a, Acc(1 / p)));
    else return Out(a);
  }
};

TensorSpec norm_meta(const Tensor& self, const Scalar& ord, const OptionalDims& dim, bool keepdim,
                     const OptionalDType& dtype) {
  RL_CHECK(RuntimeError, !ord.is_complex(), "linalg.vector_norm: Expected a non-complex scalar as the order of norm.");
  RL_CHECK(RuntimeError, is_differentiable(self.dtype()),
           "linalg.vector_norm: Expected a floating point or complex tensor as input. Got ",
           scalar_type_name(self.dtype()), ". Hint: convert first, x.float().norm()");
  if (dtype) {
    RL_CHECK(RuntimeError, is_differentiable(*dtype),
             "linalg.vector_norm: dtype should be floating point or complex. Got ", scalar_type_name(*dtype));
    RL_CHECK(RuntimeError, is_complex(self.dtype()) == is_complex(*dtype), "linalg.vector_norm: dtype should be ",
             is_complex(self.dtype()) ? "complex" : "real", " for ", is_complex(self.dtype()) ? "complex" : "real",
             " inputs, but got ", scalar_type_name(*dtype));
    RL_CHECK(RuntimeError, promote_types(self.dtype(), *dtype) == *dtype,
             "linalg.vector_norm: the dtype of the input (", scalar_type_name(self.dtype()),
             ") should be convertible without narrowing to the specified dtype (", scalar_type_name(*dtype), ")");
  }
  double p = ord.to_double();
  DimSet dims = dim_set(dim, self.dim());
  if (p < 0 || std::isinf(p))
    RL_CHECK(RuntimeError, self.numel() > 0 || (dim && !dim->empty() && reduced_count(self.sizes(), dims) > 0),
             "linalg.vector_norm cannot compute the ", ord, " norm on an empty ",
             dim && !dim->empty() ? "dimension" : "tensor", " because the operation does not have an identity");
  return {.sizes = reduced_sizes(self.sizes(), dims, keepdim),
          .dtype = to_real(dtype.value_or(self.dtype())),
          .device = self.device()};
}

// Half types are added up in float; of complex numbers the moduli count.
void norm_into(const Tensor& in, double p, DimSet dims, const Tensor& out) {
  if (through_float(in, out, [&](const Tensor& x, const Tensor& y) { norm_into(x, p, dims, y); })) return;
  if (is_complex(in.dtype())) {
    NoGradGuard no_grad;
    return norm_into(abs(in), p, dims, out);
  }
  dispatch(Types<float, double>{}, in.dtype(), "linalg_vector_norm", [&]<class T>() {
    auto go = [&]<Norm kind>() {
      FoldReducer<VectorNorm<T, kind>> r;
      r.p = p;
      reduce(r, in, dims, out);
    };
    if (p == 0) go.template operator()<Norm::Zero>();
    else if (p == 1) go.template operator()<Norm::One>();
    else if (p == 2) go.template operator()<Norm::Two>();
    else if (std::isinf(p) && p > 0) go.template operator()<Norm::Largest>();
    else if (std::isinf(p)) go.template operator()<Norm::Smallest>();
    else go.template operator()<Norm::Any>();
  });
}

// Which norms may have left the range of their sums of powers on the way.
struct Suspects { bool lost = false, zero = false; };

Suspects suspects(const Tensor& norms, const Tensor& largest) {
  Suspects found;
  dispatch(Types<float, double>{}, norms.dtype(), "linalg_vector_norm", [&]<class T>() {
    T low = std::sqrt(std::numeric_limits<T>::min()) * T(1e4), high = std::numeric_limits<T>::max();
    const T *x = norms.data<T>(), *top = largest.defined() ? largest.data<T>() : nullptr;
    for (int64_t i = 0; i < norms.numel(); i++) {
      bool zero = x[i] == T(0), lost = !(x[i] >= low && x[i] <= high);
      found.zero |= zero;
      found.lost |= lost && (!zero || (top && top[i] != T(0)));
    }
  });
  return found;
}

void norm_cpu(const Tensor& self, const Scalar& ord, const OptionalDims& dim, bool, const OptionalDType& dtype,
              const Tensor& out) {
  Tensor in = dtype && *dtype != self.dtype() ? dense(self, *dtype) : self;
  DimSet dims = dim_set(dim, self.dim());
  double p = ord.to_double();
  if (p == 0 || p == 1 || std::isinf(p) || is_half(in.dtype()) || in.numel() == 0) return norm_into(in, p, dims, out);
  // Looked at afterwards: where one is suspect they are formed again, of elements in units of the largest.
  Tensor norms = out.is_contiguous() ? out : empty_tensor(out.sizes(), out.dtype());
  norm_into(in, p, dims, norms);
  Suspects first = suspects(norms, Tensor());
  if (first.lost || first.zero) {
    Tensor top = empty_tensor(norms.sizes(), norms.dtype());
    norm_into(in, INFINITY, dims, top);
    if (suspects(norms, top).lost) {
      NoGradGuard no_grad;
      top = masked_fill(top, logical_or(top == 0.0, logical_not(isfinite(top))), 1.0);
      norm_into(in / reshape(top, reduced_sizes(in.sizes(), dims, true)), p, dims, norms);
      copy_elements(norms, norms * top);
    }
  }
  if (!norms.is_same(out)) copy_elements(out, norms);
}

Grads norm_grad(const Saved& s, const Tensor& given) {
  Tensor self = s["self"], result = s["result"], g = given;
  DimSet dims = dim_set_of(s.arg("dim"), self.dim());
  if (!s.arg("keepdim").to_bool()) {
    g = restore_dims(g, dims, self.dim());
    result = restore_dims(result, dims, self.dim());
  }
  double p = s.arg("ord").to_scalar().to_double();
  if (p == 0) return {Tensor()};
  if (p == 1) return {sgn(self) * g};
  Tensor zero = eq(result, 0), safe = masked_fill(result, zero, Scalar(1));
  if (p == 2) {
    // The slope of the slope at 0 is NaN, as in PyTorch: there is none.
    if (thread_state.grad_enabled) return {g * masked_fill(self / result, zero, Scalar(0))};
    return {self / safe * masked_fill(g, zero, Scalar(0))};
  }
  if (std::isinf(p)) {
    Dims over;
    for (int64_t d = 0; d < self.dim(); d++)
      if (dims >> d & 1) over.push_back(d);
    // Not the saved result: it may be rounded otherwise than abs, and then nothing would equal it.
    Tensor size = abs(self), extreme = p > 0 ? amax(size, over, true) : amin(size, over, true);
    Tensor mask = to(eq(size, extreme), g.dtype());
    Tensor ties = over.empty() ? mask : sum(mask, IntArrayRef(over), true);
    return {sgn(self) * (g / ties * mask)};
  }
  if (p < 1) {
    Tensor part = masked_fill(sgn(self) * pow(abs(self), p - 1), eq(self, 0), Scalar(0));
    return {part * (g * pow(result, 1 - p))};
  }
  if (p < 2) {
    Tensor part = sgn(self) * pow(abs(self), p - 1);
    return {part * masked_fill(g / pow(safe, p - 1), zero, Scalar(0))};
  }
  // In units of the norm: the powers of what is large or small would leave the range.
  // A power of 0 would have no slope.
  Tensor part = self / safe, size = masked_fill(abs(part), eq(self, 0), Scalar(1));
  return {part * pow(size, p - 2) * masked_fill(g, zero, Scalar(0))};
}

Tensor norm_scalar(const Tensor& self, const Scalar& p) { return linalg_vector_norm(self, p); }

Tensor norm_dim(const Tensor& self, const OptionalScalar& p, IntArrayRef dim, bool keepdim) {
  return linalg_vector_norm(self, p.value_or(Scalar(2)), dim, keepdim);
}

Tensor norm_dim_dtype(const Tensor& self, const OptionalScalar& p, IntArrayRef dim, bool keepdim, DType dtype) {
  return linalg_vector_norm(self, p.value_or(Scalar(2)), dim, keepdim, dtype);
}

Tensor norm_dtype(const Tensor& self, const OptionalScalar& p, DType dtype) {
  return linalg_vector_norm(self, p.value_or(Scalar(2)), std::nullopt, false, dtype);
}

Tensor dist_op(const Tensor& self, const Tensor& other, const Scalar& p) { return linalg_vector_norm(self - other, p); }

// Slices of a dimension scaled down to norm maxnorm where they are longer.
Tensor renorm_op(const Tensor& self, const Scalar& p, int64_t dim, const Scalar& maxnorm) {
  RL_CHECK(RuntimeError, p.to_double() > 0, "renorm: non-positive-norm not supported");
  RL_CHECK(RuntimeError, maxnorm.to_double() >= 0, "renorm: expected maxnorm to be >= 0 but got ", maxnorm);
  RL_CHECK(RuntimeError, self.dim() > 1, "renorm: input needs at least 2 dimensions, got ", self.dim(), " dimensions");
  int64_t at = wrap_dim(dim, self.dim());
  Dims over;
  for (int64_t d = 0; d < self.dim(); d++)
    if (d != at) over.push_back(d);
  bool half = is_half(self.dtype());
  Tensor norm = linalg_vector_norm(half ? to(self, DType::Float32) : self, p, IntArrayRef(over), true);
  Tensor factor = where(norm > maxnorm, full_like(norm, maxnorm) / (norm + Scalar(1e-7)), ones_like(norm));
  return self * (half ? to(factor, self.dtype()) : factor);
}

}  // namespace

OP(linalg_vector_norm,
   {.schema = "linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? "
              "dtype=None) -> Tensor",
    .doc = "The ord-norm over some dimensions. >>> torch.linalg.vector_norm(torch.tensor([3., 4.]))\ntensor(5.)",
    .kernel = structured<norm_meta, norm_cpu>(),
    .grad = {{"self", "result"}, norm_grad},
    .forms = kFunction | kOut,
    .module = "linalg",
    .sparse = sparse_form<sparse_norm>});
OP(norm, {.schema = "norm.Scalar(Tensor self, Scalar p=2) -> Tensor",
          .doc = "The p-norm of all elements. >>> torch.norm(torch.tensor([3., 4.]))\ntensor(5.)",
          .kernel = composite<norm_scalar>()});
OP(norm_dim, {.schema = "norm.ScalarOpt_dim(Tensor self, Scalar? p, int[1] dim, bool keepdim=False) -> Tensor",
              .doc = "The p-norm over some dimensions.",
              .kernel = composite<norm_dim>(),
              .forms = kFunction | kMethod | kOut});
OP(norm_dim_dtype,
   {.schema =
        "norm.ScalarOpt_dim_dtype(Tensor self, Scalar? p, int[1] dim, bool keepdim, *, ScalarType dtype) -> Tensor",
    .doc = "The p-norm over some dimensions, computed in dtype.",
    .kernel = composite<norm_dim_dtype>(),
    .forms = kFunction | kMethod | kOut});
OP(norm_dtype, {.schema = "norm.ScalarOpt_dtype(Tensor self, Scalar? p, *, ScalarType dtype) -> Tensor",
                .doc = "The p-norm of all elements, computed in dtype.",
                .kernel = composite<norm_dtype>()});
OP(dist, {.schema = "dist(Tensor self, Tensor other, Scalar p=2) -> Tensor",
          .doc = "The p-norm of a difference. >>> torch.dist(torch.tensor([3., 4.]), torch.zeros(2))\ntensor(5.)",
          .kernel = composite<dist_op>(),
          .node = "DistBackward0"});
OP(renorm, {.schema = "renorm(Tensor self, Scalar p, int dim, Scalar maxnorm) -> Tensor",
            .doc = "Slices of a dimension scaled down to a p-norm of at most maxnorm."
                   " >>> torch.renorm(torch.tensor([[3., 4.], [0.3, 0.4]]), p=2, dim=0, maxnorm=1)\ntensor([[0.6000, "
                   "0.8000],\n        [0.3000, 0.4000]])",
            .kernel = composite<renorm_op>(),
            .forms = kFunction | kMethod | kInPlace | kOut});

}  // namespace rushlight
