// Variance and standard deviation; norms; products; logsumexp.
#include <cmath>

#include "rushlight/fn/abs.h"
#include "rushlight/fn/amax.h"
#include "rushlight/fn/amin.h"
#include "rushlight/fn/any.h"
#include "rushlight/fn/cat.h"
#include "rushlight/fn/conj.h"
#include "rushlight/fn/cumprod.h"
#include "rushlight/fn/eq.h"
#include "rushlight/fn/exp.h"
#include "rushlight/fn/flip.h"
#include "rushlight/fn/isfinite.h"
#include "rushlight/fn/isinf.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/linalg_vector_norm.h"
#include "rushlight/fn/log.h"
#include "rushlight/fn/logical_not.h"
#include "rushlight/fn/logical_or.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/mean.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/ones_like.h"
#include "rushlight/fn/pow.h"
#include "rushlight/fn/prod.h"
#include "rushlight/fn/real.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/sgn.h"
#include "rushlight/fn/std.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/var.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/math.h"
#include "rushlight/ops/dims.h"
#include "rushlight/ops/kernel.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

using OptionalDType = std::optional<DType>;
using OptionalScalar = std::optional<Scalar>;

// ---- variance ----

// Mean and sum of squared distances from it; two such parts join exactly (Chan, Golub, LeVeque 1979). Kept in double, as in PyTorch.
struct Spread { double n = 0, mean = 0, m2 = 0; };

RL_FOR_EACH_ISA(
    template <class T>, Spread, spread_row, (const T* x, int64_t n),
    {
      constexpr int64_t lanes = 16;
      double sums[lanes];
      for (int64_t j = 0; j < lanes; j++) sums[j] = 0;
      int64_t whole = n / lanes * lanes;
      for (int64_t i = 0; i < whole; i += lanes)
        for (int64_t j = 0; j < lanes; j++) sums[j] += double(compute_t<T>(x[i + j]));
      for (int64_t j = 0; j < n - whole; j++) sums[j] += double(compute_t<T>(x[whole + j]));
      for (int64_t width = lanes / 2; width > 0; width /= 2)
        for (int64_t j = 0; j < width; j++) sums[j] += sums[j + width];
      double mean = sums[0] / double(n);
      for (int64_t j = 0; j < lanes; j++) sums[j] = 0;
      for (int64_t i = 0; i < whole; i += lanes)
        for (int64_t j = 0; j < lanes; j++)
          sums[j] += (double(compute_t<T>(x[i + j])) - mean) * (double(compute_t<T>(x[i + j])) - mean);
      for (int64_t j = 0; j < n - whole; j++)
        sums[j] += (double(compute_t<T>(x[whole + j])) - mean) * (double(compute_t<T>(x[whole + j])) - mean);
      for (int64_t width = lanes / 2; width > 0; width /= 2)
        for (int64_t j = 0; j < width; j++) sums[j] += sums[j + width];
      Spread s;
      s.n = double(n);
      s.mean = mean;
      s.m2 = sums[0];
      return s;
    },
    <T>)

template <class Element, bool root>
struct Variance {
  using T = Element;
  using Acc = Spread;
  using Out = T;
  double correction;
  Acc identity() const { return {}; }
  Acc row(const T* x, int64_t stride, int64_t n) const {
    if (n == 0) return {};
    if (stride == 1) return spread_row_isa<T>()(x, n);
    double sum = 0, m2 = 0;
    for (int64_t i = 0; i < n; i++) sum += double(compute_t<T>(x[i * stride]));
    double mean = sum / double(n);
    for (int64_t i = 0; i < n; i++) {
      double d = double(compute_t<T>(x[i * stride])) - mean;
      m2 += d * d;
    }
    return {double(n), mean, m2};
  }
  void columns(Acc* acc, const T* x, int64_t row_stride, int64_t rows, int64_t columns) const {
    double mean[ReducePlan::kBlock] = {}, m2[ReducePlan::kBlock] = {};
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = 0; j < columns; j++) mean[j] += double(compute_t<T>(x[i * row_stride + j]));
    for (int64_t j = 0; j < columns; j++) mean[j] /= double(rows);
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = 0; j < columns; j++) {
        double d = double(compute_t<T>(x[i * row_stride + j])) - mean[j];
        m2[j] += d * d;
      }
    for (int64_t j = 0; j < columns; j++) acc[j] = {double(rows), mean[j], m2[j]};
  }
  Acc merge(Acc a, Acc b) const {
    if (a.n == 0) return b;
    if (b.n == 0) return a;
    double n = a.n + b.n, d = b.mean - a.mean;
    return {n, a.mean + d * (b.n / n), a.m2 + b.m2 + d * d * (a.n * b.n / n)};
  }
  Out finish(Acc a, int64_t n) const {
    double v = a.m2 / std::max(0.0, double(n) - correction);
    return T(compute_t<T>(root ? std::sqrt(v) : v));
  }
};

double correction_of(const OptionalScalar& c) { return c ? c->to_double() : 1.0; }

template <bool root>
TensorSpec var_meta(const Tensor& self, const OptionalDims& dim, const OptionalScalar&, bool keepdim) {
  RL_CHECK(RuntimeError, is_differentiable(self.dtype()), root ? "std" : "var",
           " only support floating point and complex dtypes");
  return {.sizes = reduced_sizes(self.sizes(), dim_set(dim, self.dim()), keepdim),
          .dtype = to_real(self.dtype()),
          .device = self.device()};
}
template <bool root>
void var_cpu(const Tensor& self, const OptionalDims& dim, const OptionalScalar& correction, bool, const Tensor& out) {
  DimSet dims = dim_set(dim, self.dim());
  double c = correction_of(correction);
  if (is_complex(self.dtype())) {  // the variances of both parts add up
    DType real = to_real(self.dtype());
    Tensor parts = dense(self), sums = empty_tensor(out.sizes(), real), other = empty_tensor(out.sizes(), real);
    Dims strides = parts.strides();
    for (int64_t& s : strides) s *= 2;
    auto part = [&](int64_t i) {
      return Tensor(
          make_ref<TensorImpl>(parts.impl()->storage(), real, parts.sizes(), strides, 2 * parts.storage_offset() + i));
    };
    dispatch(Types<float, double>{}, real, "var", [&]<class T>() {
      reduce(Variance<T, false>{c}, part(0), dims, sums);
      reduce(Variance<T, false>{c}, part(1), dims, other);
      for (int64_t i = 0; i < sums.numel(); i++) {
        T v = sums.data<T>()[i] + other.data<T>()[i];
        sums.data<T>()[i] = root ? std::sqrt(v) : v;
      }
    });
    return copy_elements(out, sums);
  }
  dispatch(FloatTypes{}, self.dtype(), "var", [&]<class T>() { reduce(Variance<T, root>{c}, self, dims, out); });
}

// d var / d x = 2 (x - mean) / (n - correction).
Tensor var_backward(const Tensor& g, const Saved& s) {
  Tensor self = s["self"];
  int64_t rank = self.dim();
  DimSet dims = dim_set_of(s.arg("dim"), rank);
  double free = double(reduced_count(self.sizes(), dims)) -
                correction_of(s.arg("correction").is_none() ? OptionalScalar() : s.arg("correction").to_scalar());
  Dims over;
  for (int64_t d = 0; d < rank; d++)
    if (dims >> d & 1) over.push_back(d);
  Tensor opened = s.arg("keepdim").to_bool() ? g : restore_dims(g, dims, rank);
  Tensor centre = over.empty() ? self : mean(self, IntArrayRef(over), true);
  return opened * (self - centre) * (2.0 / std::max(0.0, free));
}
Grads var_grad(const Saved& s, const Tensor& g) { return {var_backward(g, s)}; }
Grads std_grad(const Saved& s, const Tensor& g) {
  Tensor result = s["result"];
  return {var_backward(masked_fill(g / (result * 2.0), eq(result, 0), Scalar(0)), s)};
}

template <bool root>
Tensor spread_of(const Tensor& self, const OptionalDims& dim, double correction, bool keepdim) {
  if constexpr (root) return std(self, dim, Scalar(correction), keepdim);
  else return var(self, dim, Scalar(correction), keepdim);
}

template <bool root>
Tensor unbiased_all(const Tensor& self, bool unbiased) {
  return spread_of<root>(self, std::nullopt, unbiased, false);
}
template <bool root>
Tensor unbiased_dim(const Tensor& self, const OptionalDims& dim, bool unbiased, bool keepdim) {
  return spread_of<root>(self, dim, unbiased, keepdim);
}

using Pair = std::tuple<Tensor, Tensor>;
template <bool root>
Pair with_mean(const Tensor& self, const OptionalDims& dim, const OptionalScalar& correction, bool keepdim) {
  RL_CHECK(RuntimeError, is_differentiable(self.dtype()), root ? "std_mean" : "var_mean",
           " only support floating point and complex dtypes");
  return {spread_of<root>(self, dim, correction_of(correction), keepdim), dim       ? mean(self, dim, keepdim)
                                                                          : keepdim ? mean(self, OptionalDims(), true)
                                                                                    : mean(self)};
}
template <bool root>
Pair with_mean_all(const Tensor& self, bool unbiased) {
  return with_mean<root>(self, std::nullopt, Scalar(int64_t(unbiased)), false);
}
template <bool root>
Pair with_mean_dim(const Tensor& self, const OptionalDims& dim, bool unbiased, bool keepdim) {
  return with_mean<root>(self, dim, Scalar(int64_t(unbiased)), keepdim);
}

// ---- norms ----

enum class Norm { Zero, One, Two, Largest, Smallest, Any };

template <class Element, Norm kind>
struct VectorNorm {
  using T = Element;
  using Out = math::real_t<T>;
  using Acc = compute_t<Out>;
  double p = 2;
  static Acc size_of(T x) {
    if constexpr (math::is_complex_type<T>) return std::abs(x);
    else return math::abs(compute_t<T>(x));
  }
  Acc identity() const { return kind == Norm::Smallest ? std::numeric_limits<Acc>::infinity() : Acc(0); }
  Acc fold(Acc a, T x) const {
    Acc v = size_of(x);
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
           scalar_type_name(self.dtype()));
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
void norm_into(const Tensor& in, double p, DimSet dims, const Tensor& out) {
  dispatch(FloatAndComplexTypes{}, in.dtype(), "linalg_vector_norm", [&]<class T>() {
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

// ---- products ----

template <class Element>
struct Product {
  using T = Element;
  // Of floats in double: the order of the factors does not matter then.
  using Acc = std::conditional_t<std::is_same_v<accumulator_t<T>, float>, double, accumulator_t<T>>;
  using Out = std::conditional_t<std::is_integral_v<T>, int64_t, T>;
  Acc identity() const { return Acc(1); }
  Acc fold(Acc a, T x) const { return a * Acc(x); }
  Acc merge(Acc a, Acc b) const { return a * b; }
  Out finish(Acc a, int64_t) const { return Out(a); }
};
DType prod_dtype(const Tensor& self, const OptionalDType& dtype) {
  return dtype ? *dtype : is_integral(self.dtype(), true) ? DType::Int64 : self.dtype();
}
void prod_into(const Tensor& self, DimSet dims, const Tensor& out) {
  Tensor in = is_integral(self.dtype(), true) && is_integral(out.dtype(), true) ? self : dense(self, out.dtype());
  dispatch(AllTypes{}, in.dtype(), "prod", [&]<class T>() {
    using R = FoldReducer<Product<T>>;
    if (out.dtype() == dtype_of<typename R::Out>) return reduce(R{}, in, dims, out);
    Tensor own = empty_tensor(out.sizes(), dtype_of<typename R::Out>);
    reduce(R{}, in, dims, own);
    copy_elements(out, own);
  });
}
TensorSpec prod_all_meta(const Tensor& self, const OptionalDType& dtype) {
  return {.dtype = prod_dtype(self, dtype), .device = self.device()};
}
void prod_all_cpu(const Tensor& self, const OptionalDType&, const Tensor& out) {
  prod_into(self, all_dims(self.dim()), out);
}
TensorSpec prod_meta(const Tensor& self, int64_t dim, bool keepdim, const OptionalDType& dtype) {
  return {.sizes = reduced_sizes(self.sizes(), one_dim(dim, self.dim()), keepdim),
          .dtype = prod_dtype(self, dtype),
          .device = self.device()};
}
void prod_cpu(const Tensor& self, int64_t dim, bool, const OptionalDType&, const Tensor& out) {
  prod_into(self, one_dim(dim, self.dim()), out);
}

// The product of all other elements along a dimension, which stays right where elements are zero.
Tensor others_product(const Tensor& self, int64_t dim) {
  int64_t n = self.size(dim);
  Tensor one = ones_like(narrow(self, dim, 0, 1));
  Tensor before = cumprod(cat(Tensors{one, narrow(self, dim, 0, n - 1)}, dim), dim);
  Tensor after =
      flip(cumprod(flip(cat(Tensors{narrow(self, dim, 1, n - 1), one}, dim), IntArrayRef(dim)), dim), IntArrayRef(dim));
  return before * after;
}
bool has_zero(const Tensor& t) { return item(any(eq(t, 0))).to<bool>(); }
Tensor factor(const Tensor& t) { return is_complex(t.dtype()) ? conj(t) : t; }

Grads prod_all_grad(const Saved& s, const Tensor& given) {
  Tensor self = s["self"], g = to(given, self.dtype());
  if (self.dim() == 0) return {g};
  if (!has_zero(self)) return {factor(s["result"] / self) * g};
  Tensor flat = reshape(self, IntArrayRef(int64_t(-1)));
  return {reshape(factor(others_product(flat, 0)), self.sizes()) * g};
}
Grads prod_grad(const Saved& s, const Tensor& given) {
  Tensor self = s["self"], result = s["result"], g = to(given, self.dtype());
  int64_t dim = wrap_dim(s.arg("dim").to_int(), self.dim());
  if (self.dim() == 0) return {g};
  if (!s.arg("keepdim").to_bool()) {
    g = unsqueeze(g, dim);
    result = unsqueeze(result, dim);
  }
  if (self.numel() == 0) return {zeros_like(self)};
  return {g * factor(has_zero(self) ? others_product(self, dim) : result / self)};
}

// ---- logsumexp ----

TensorSpec logsumexp_meta(const Tensor& self, IntArrayRef dim, bool keepdim) {
  return {.sizes = reduced_sizes(self.sizes(), dim_set(dim, self.dim()), keepdim),
          .dtype = is_integral(self.dtype(), true) ? default_dtype() : self.dtype(),
          .device = self.device()};
}
Tensor logsumexp_of(const Tensor& given, IntArrayRef dim, bool keepdim) {
  Tensor self = is_integral(given.dtype(), true) ? to(given, default_dtype()) : given;
  if (self.numel() == 0) return log(sum(exp(self), dim, keepdim));
  Tensor top = amax(is_complex(self.dtype()) ? real(self) : self, dim, true);
  top = masked_fill(top, isinf(top), Scalar(0));
  Tensor logs = log(sum(exp(self - top), dim, keepdim));
  if (keepdim) return logs + top;
  return logs + reshape(top, logs.sizes());
}
void logsumexp_cpu(const Tensor& self, IntArrayRef dim, bool keepdim, const Tensor& out) {
  copy_elements(out, logsumexp_of(self, dim, keepdim));
}
Grads logsumexp_grad(const Saved& s, const Tensor& given) {
  Tensor self = s["self"], result = s["result"], g = given;
  if (!s.arg("keepdim").to_bool()) {
    DimSet dims = dim_set_of(s.arg("dim"), self.dim());
    g = restore_dims(g, dims, self.dim());
    result = restore_dims(result, dims, self.dim());
  }
  return {g * factor(exp(self - masked_fill(result, eq(result, -INFINITY), Scalar(0))))};
}

}  // namespace

OP(var,
   {.schema = "var.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor",
    .doc = "The variance, divided by n - correction. >>> torch.var(torch.tensor([1., 3.]))\ntensor(2.)",
    .kernel = structured<var_meta<false>, var_cpu<false>>(),
    .grad = {{"self"}, var_grad}});
OP(var_unbiased, {.schema = "var(Tensor self, bool unbiased=True) -> Tensor",
                  .doc = "The variance of all elements."
                         " >>> torch.var(torch.tensor([1., 2., 3.]))\ntensor(1.)",
                  .kernel = composite<unbiased_all<false>>()});
OP(var_dim, {.schema = "var.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor",
             .doc = "The variance over some dimensions."
                    " >>> torch.var(torch.tensor([[1., 2., 3.]]), 1, unbiased=False)\ntensor([0.6667])",
             .kernel = composite<unbiased_dim<false>>(),
             .forms = kFunction | kMethod | kOut});
OP(std,
   {.schema = "std.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor",
    .doc = "The standard deviation, the root of torch.var. >>> torch.std(torch.tensor([1., 1.]))\ntensor(0.)",
    .kernel = structured<var_meta<true>, var_cpu<true>>(),
    .grad = {{"self", "result"}, std_grad}});
OP(std_unbiased, {.schema = "std(Tensor self, bool unbiased=True) -> Tensor",
                  .doc = "The standard deviation of all elements."
                         " >>> torch.std(torch.tensor([1., 2., 3.]))\ntensor(1.)",
                  .kernel = composite<unbiased_all<true>>()});
OP(std_dim, {.schema = "std.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor",
             .doc = "The standard deviation over some dimensions."
                    " >>> torch.std(torch.tensor([[1., 3.]]), 1, unbiased=False)\ntensor([1.])",
             .kernel = composite<unbiased_dim<true>>(),
             .forms = kFunction | kMethod | kOut});
OP(var_mean, {.schema = "var_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool "
                        "keepdim=False) -> (Tensor, Tensor)",
              .doc = "Variance and mean."
                     " >>> torch.var_mean(torch.tensor([1., 2., 3.]), correction=0)\n(tensor(0.6667), tensor(2.))",
              .kernel = composite<with_mean<false>>(),
              .forms = kFunction});
OP(var_mean_unbiased, {.schema = "var_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)",
                       .doc = "Variance and mean of all elements.",
                       .kernel = composite<with_mean_all<false>>(),
                       .forms = kFunction});
OP(var_mean_dim,
   {.schema = "var_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)",
    .doc = "Variance and mean over some dimensions.",
    .kernel = composite<with_mean_dim<false>>(),
    .forms = kFunction});
OP(std_mean, {.schema = "std_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool "
                        "keepdim=False) -> (Tensor, Tensor)",
              .doc = "Standard deviation and mean."
                     " >>> torch.std_mean(torch.tensor([1., 2., 3.]), correction=1)\n(tensor(1.), tensor(2.))",
              .kernel = composite<with_mean<true>>(),
              .forms = kFunction});
OP(std_mean_unbiased, {.schema = "std_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)",
                       .doc = "Standard deviation and mean of all elements.",
                       .kernel = composite<with_mean_all<true>>(),
                       .forms = kFunction});
OP(std_mean_dim,
   {.schema = "std_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)",
    .doc = "Standard deviation and mean over some dimensions.",
    .kernel = composite<with_mean_dim<true>>(),
    .forms = kFunction});
OP(linalg_vector_norm,
   {.schema = "linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? "
              "dtype=None) -> Tensor",
    .doc = "The ord-norm over some dimensions. >>> torch.linalg.vector_norm(torch.tensor([3., 4.]))\ntensor(5.)",
    .kernel = structured<norm_meta, norm_cpu>(),
    .grad = {{"self", "result"}, norm_grad},
    .forms = kFunction | kOut,
    .module = "linalg"});
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
OP(prod, {.schema = "prod(Tensor self, *, ScalarType? dtype=None) -> Tensor",
          .doc = "The product of all elements. >>> torch.prod(torch.tensor([2, 3]))\ntensor(6)",
          .kernel = structured<prod_all_meta, prod_all_cpu>(),
          .grad = {{"self", "result"}, prod_all_grad}});
OP(prod_dim, {.schema = "prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
              .doc = "The product along a dimension. >>> torch.prod(torch.tensor([[2, 3]]), 1)\ntensor([6])",
              .kernel = structured<prod_meta, prod_cpu>(),
              .grad = {{"self", "result"}, prod_grad}});
OP(logsumexp, {.schema = "logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor",
               .doc = "log(sum(exp(self))) without overflow. >>> torch.logsumexp(torch.zeros(1), 0)\ntensor(0.)",
               .kernel = structured<logsumexp_meta, logsumexp_cpu>(),
               .grad = {{"self", "result"}, logsumexp_grad},
               .forms = kFunction | kMethod | kOut,
               .aliases = {"special_logsumexp"}});

}  // namespace rushlight
