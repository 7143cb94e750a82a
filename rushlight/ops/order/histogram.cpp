// Values counted in bins: histogram, and histogramdd in several dimensions.
#include "rushlight/fn/histogram.h"

#include <algorithm>
#include <cmath>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_histogramdd_from_bin_tensors.h"
#include "rushlight/fn/aminmax.h"
#include "rushlight/fn/diff.h"
#include "rushlight/fn/histogramdd.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/linspace.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

using Numbers = std::optional<ArrayRef<double>>;
using Real = Types<float, double>;
constexpr int64_t kMostDims = 64;

void check_values(const char* op, const Tensor& t) {
  RL_CHECK(NotImplementedError, t.dtype() == DType::Float32 || t.dtype() == DType::Float64, '"', op,
           "\" not implemented for '", scalar_type_name(t.dtype()), "'");
}

// The ends of the outer bins of dimension d: given, or of the values.
std::pair<double, double> ends(const char* op, const Tensor& values, const Numbers& range, size_t d) {
  double low = 0, high = 1;
  if (range) {
    low = (*range)[2 * d], high = (*range)[2 * d + 1];
  } else if (values.numel() > 0) {
    RL_CHECK(NotImplementedError, !values.device().is_meta(), op,
             ": the range depends on the values, which meta tensors don't have; give range=");
    auto [least, most] = aminmax(values);
    low = item(least).to_double(), high = item(most).to_double();
  }
  RL_CHECK(RuntimeError, std::isfinite(low) && std::isfinite(high), op, ": dimension ", d, "'s range [", low, ", ",
           high, "] is not finite");
  RL_CHECK(RuntimeError, low <= high, op, ": min should not exceed max, but got min ", low, " max ", high,
           " for dimension ", d);
  if (low == high) low -= 0.5, high += 0.5;
  return {low, high};
}

// The values of each point are in a row; edges ascend.
TensorSpec count_meta(const Tensor& self, TensorList bins, const Tensor& weight, bool) {
  check_values("histogramdd", self);
  RL_CHECK(ShapeError, self.dim() >= 2, "torch.histogramdd: input tensor should have at least 2 dimensions, but got ",
           self.dim());
  RL_CHECK(ShapeError, self.size(-1) == int64_t(bins.size()), "torch.histogramdd: expected ", self.size(-1),
           " sequences of bin edges for a ", self.size(-1), "-dimensional histogram but got ", bins.size());
  RL_CHECK(ShapeError, int64_t(bins.size()) <= kMostDims, "torch.histogramdd: expected up to ", kMostDims,
           " dimensions, got ", bins.size());
  Dims sizes;
  for (size_t d = 0; d < bins.size(); d++) {
    RL_CHECK(DTypeError, bins[d].dtype() == self.dtype(),
             "torch.histogramdd: input tensor and bins tensors should have ",
             "the same dtype, but got input with dtype ", self.dtype(), " and bins for dimension ", d, " with dtype ",
             bins[d].dtype());
    RL_CHECK(ShapeError, bins[d].dim() == 1 && bins[d].numel() > 0,
             "torch.histogramdd: bins tensor should have one dimension and at least 1 element, but got shape ",
             bins[d].sizes(), " for dimension ", d);
    sizes.push_back(bins[d].numel() - 1);
  }
  if (weight.defined()) {
    RL_CHECK(DTypeError, weight.dtype() == self.dtype(),
             "torch.histogramdd: if weight tensor is provided, input tensor and ",
             "weight tensor should have the same dtype, but got input(", self.dtype(), ") and weight(", weight.dtype(),
             ")");
    RL_CHECK(
        ShapeError, IntArrayRef(weight.sizes()) == IntArrayRef(self.sizes()).slice(0, self.sizes().size() - 1),
        "torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor excluding ",
        "its innermost dimension, but got input with shape ", self.sizes(), " and weight with shape ", weight.sizes());
  }
  return {.sizes = sizes, .dtype = self.dtype(), .device = self.device()};
}
void count_cpu(const Tensor& self, TensorList bins, const Tensor& weight, bool density, const Tensor& out) {
  Tensor x = dense(self), w = weight.defined() ? dense(weight) : Tensor(),
         counts = empty_tensor(out.sizes(), out.dtype());
  int64_t dims = x.size(-1), points = dims ? x.numel() / dims : 0;
  Tensors edges;
  for (const Tensor& b : bins) edges.push_back(dense(b));
  dispatch(Real{}, x.dtype(), "histogramdd", [&]<class T>() {
    for (const Tensor& e : edges)
      RL_CHECK(RuntimeError, std::is_sorted(e.data<T>(), e.data<T>() + e.numel()),
               "torch.histogramdd: expected bin edges that ascend");
    T* count = counts.data<T>();
    std::fill(count, count + counts.numel(), T(0));
    // Numbers of many equal values are summed in double: float stops counting at 2^24.
    std::vector<double> sums(size_t(counts.numel()), 0.0);
    for (int64_t i = 0; i < points; i++) {
      int64_t at = 0;
      for (int64_t d = 0; d < dims && at >= 0; d++) {
        const T *first = edges[size_t(d)].data<T>(), *last = first + edges[size_t(d)].numel() - 1;
        T v = x.data<T>()[i * dims + d];
        if (!(v >= *first && v <= *last) || first == last) {  // NaN too
          at = -1;
          break;
        }
        // The last bin has both its ends.
        int64_t bin = v == *last ? last - first - 1 : std::upper_bound(first, last + 1, v) - first - 1;
        at = at * (last - first) + bin;
      }
      if (at >= 0) sums[size_t(at)] += w.defined() ? double(w.data<T>()[i]) : 1.0;
    }
    double total = 0;
    for (double s : sums) total += s;
    for (int64_t i = 0; i < counts.numel(); i++) {
      double value = sums[size_t(i)];
      if (density) {
        value /= total;
        for (int64_t d = dims - 1, rest = i; d >= 0; d--) {
          int64_t n = edges[size_t(d)].numel() - 1;
          const T* e = edges[size_t(d)].data<T>() + rest % n;
          value /= double(e[1]) - double(e[0]);
          rest /= n;
        }
      }
      count[i] = T(value);
    }
  });
  copy_elements(out, counts);
}

Tensor edges_of(const char* op, const Tensor& values, int64_t bins, const Numbers& range, size_t d) {
  RL_CHECK(RuntimeError, bins > 0, op, ": bins must be > 0, but got ", bins, " for dimension ", d);
  auto [low, high] = ends(op, values, range, d);
  return linspace(low, high, CheckedInt(bins) + 1, values.dtype(), std::nullopt, values.device());
}
std::tuple<Tensor, Tensor> counted(const Tensor& self, const Tensor& edges, const Tensor& weight, bool density) {
  RL_CHECK(
      ShapeError, !weight.defined() || weight.sizes() == self.sizes(),
      "torch.histogram: if weight tensor is provided it should have the same shape as the input tensor, but got input ",
      "with shape ", self.sizes(), " and weight with shape ", weight.defined() ? weight.sizes() : self.sizes());
  Tensor flat = reshape(self, {self.numel(), 1});
  Tensor by = weight.defined() ? reshape(weight, {weight.numel()}) : Tensor();
  return {_histogramdd_from_bin_tensors(flat, {edges}, by, density), edges};
}
std::tuple<Tensor, Tensor> histogram_count(const Tensor& self, int64_t bins, const Numbers& range, const Tensor& weight,
                                           bool density) {
  check_values("histogram", self);
  RL_CHECK(RuntimeError, !range || range->size() == 2, "torch.histogram: range should have 2 elements, but got ",
           range ? range->size() : 0);
  return counted(self, edges_of("torch.histogram", self, bins, range, 0), weight, density);
}
std::tuple<Tensor, Tensor> histogram_tensor(const Tensor& self, const Tensor& bins, const Tensor& weight,
                                            bool density) {
  check_values("histogram", self);
  RL_CHECK(ShapeError, bins.dim() == 1 && bins.numel() > 0,
           "torch.histogram: bins tensor should have one dimension and at least 1 element, but got shape ",
           bins.sizes());
  return counted(self, bins, weight, density);
}

std::tuple<Tensor, Tensors> dd_counts(const Tensor& self, IntArrayRef bins, const Numbers& range, const Tensor& weight,
                                      bool density) {
  const char* op = "torch.histogramdd";
  check_values("histogramdd", self);
  RL_CHECK(ShapeError, self.dim() >= 2, op, ": input tensor should have at least 2 dimensions, but got ", self.dim());
  size_t dims = size_t(self.size(-1));
  RL_CHECK(ShapeError, bins.size() == dims, op, ": expected ", dims, " bin counts for a ", dims,
           "-dimensional histogram but got ", bins.size());
  RL_CHECK(ShapeError, !range || range->size() == 2 * dims, op, ": for a ", dims,
           "-dimensional histogram range should have ", 2 * dims, " elements, but got ", range ? range->size() : 0);
  Tensors edges;
  for (size_t d = 0; d < dims; d++) edges.push_back(edges_of(op, select(self, -1, int64_t(d)), bins[d], range, d));
  return {_histogramdd_from_bin_tensors(self, edges, weight, density), edges};
}
std::tuple<Tensor, Tensors> dd_count(const Tensor& self, int64_t bins, const Numbers& range, const Tensor& weight,
                                     bool density) {
  RL_CHECK(ShapeError, self.dim() >= 2, "torch.histogramdd: input tensor should have at least 2 dimensions, but got ",
           self.dim());
  return dd_counts(self, Dims(size_t(std::min(self.size(-1), kMostDims)), bins), range, weight, density);
}
std::tuple<Tensor, Tensors> dd_tensors(const Tensor& self, TensorList bins, const Numbers&, const Tensor& weight,
                                       bool density) {
  return {_histogramdd_from_bin_tensors(self, bins, weight, density), bins.vec()};
}

}  // namespace

OP(_histogramdd_from_bin_tensors,
   {.schema =
        "_histogramdd_from_bin_tensors(Tensor self, Tensor[] bins, *, Tensor? weight=None, bool density=False) -> "
        "Tensor",
    .doc = "histogramdd by edges alone.",
    .kernel = structured<count_meta, count_cpu>(),
    .forms = kFunction});
OP(histogram,
   {.schema = "histogram.bin_ct(Tensor self, int bins=100, *, float[]? range=None, Tensor? weight=None, bool "
              "density=False) -> (Tensor hist, Tensor bin_edges)",
    .doc = "The numbers of values (or sums of weights) in bins of equal width, and the edges of these."
           " >>> torch.histogram(torch.tensor([0., 1., 1.]), 2).hist\ntensor([1., 2.])",
    .kernel = composite<histogram_count>(),
    .forms = kFunction | kMethod | kOut});
OP(histogram_tensor,
   {.schema =
        "histogram.bins_tensor(Tensor self, Tensor bins, *, Tensor? weight=None, bool density=False) -> (Tensor hist, "
        "Tensor bin_edges)",
    .doc = "The numbers of values between edges that are given.",
    .kernel = composite<histogram_tensor>(),
    .forms = kFunction | kMethod | kOut,
    .shares = {"bins"}});
OP(histogramdd,
   {.schema = "histogramdd(Tensor self, int[] bins, float[]? range=None, Tensor? weight=None, bool density=False) -> "
              "(Tensor hist, Tensor[] bin_edges)",
    .doc = "The numbers of points, whose coordinates are in the last dimension, in boxes."
           " >>> torch.histogramdd(torch.zeros(3, 2), [1, 1]).hist\ntensor([[3.]])",
    .kernel = composite<dd_counts>(),
    .forms = kFunction});
OP(histogramdd_int,
   {.schema =
        "histogramdd.int_bins(Tensor self, int bins, float[]? range=None, Tensor? weight=None, bool density=False) -> "
        "(Tensor hist, Tensor[] bin_edges)",
    .doc = "As many bins in each dimension.",
    .kernel = composite<dd_count>(),
    .forms = kFunction});
OP(histogramdd_tensors,
   {.schema = "histogramdd.TensorList_bins(Tensor self, Tensor[] bins, float[]? range=None, Tensor? weight=None, bool "
              "density=False) -> (Tensor hist, Tensor[] bin_edges)",
    .doc = "Between edges that are given for each dimension.",
    .kernel = composite<dd_tensors>(),
    .forms = kFunction,
    .shares = {"bins"}});

}  // namespace rushlight
