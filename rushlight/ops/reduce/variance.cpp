// Variance and standard deviation.
#include <cmath>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/eq.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/mean.h"
#include "rushlight/fn/std.h"
#include "rushlight/fn/var.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/halves.h"
#include "rushlight/kernels/math.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/reduce/dims.h"

namespace rushlight {
namespace {

using OptionalScalar = std::optional<Scalar>;

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
        for (int64_t j = 0; j < lanes; j++) sums[j] += double(x[i + j]);
      for (int64_t j = 0; j < n - whole; j++) sums[j] += double(x[whole + j]);
      for (int64_t width = lanes / 2; width > 0; width /= 2)
        for (int64_t j = 0; j < width; j++) sums[j] += sums[j + width];
      double mean = sums[0] / double(n);
      for (int64_t j = 0; j < lanes; j++) sums[j] = 0;
      for (int64_t i = 0; i < whole; i += lanes)
        for (int64_t j = 0; j < lanes; j++) sums[j] += (double(x[i + j]) - mean) * (double(x[i + j]) - mean);
      for (int64_t j = 0; j < n - whole; j++) sums[j] += (double(x[whole + j]) - mean) * (double(x[whole + j]) - mean);
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
    for (int64_t i = 0; i < n; i++) sum += double(x[i * stride]);
    double mean = sum / double(n);
    for (int64_t i = 0; i < n; i++) {
      double d = double(x[i * stride]) - mean;
      m2 += d * d;
    }
    return {double(n), mean, m2};
  }
  void columns(Acc* acc, const T* x, int64_t row_stride, int64_t rows, int64_t columns) const {
    double mean[ReducePlan::kBlock] = {}, m2[ReducePlan::kBlock] = {};
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = 0; j < columns; j++) mean[j] += double(x[i * row_stride + j]);
    for (int64_t j = 0; j < columns; j++) mean[j] /= double(rows);
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = 0; j < columns; j++) {
        double d = double(x[i * row_stride + j]) - mean[j];
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
    return T(root ? std::sqrt(v) : v);
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
  auto run = [&](const Tensor& x, const Tensor& y) {
    dispatch(Types<float, double>{}, x.dtype(), "var", [&]<class T>() { reduce(Variance<T, root>{c}, x, dims, y); });
  };
  if (!through_float(self, out, run)) run(self, out);
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

}  // namespace rushlight
