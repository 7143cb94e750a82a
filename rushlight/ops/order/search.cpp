// Values counted and found: searchsorted, bucketize, bincount, histc, isin, unique.
#include <cmath>
#include <cstring>
#include <numeric>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/index_select.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/lanes.h"
#include "rushlight/kernels/sort_keys.h"
#include "rushlight/ops/index/indices.h"

namespace rushlight {
namespace {

// ---- searchsorted ----

bool goes_right(bool right, const std::optional<std::string_view>& side) {
  if (!side) return right;
  RL_CHECK(RuntimeError, *side == "left" || *side == "right",
           "torch.searchsorted(): side can only be 'left' or 'right' but got ", *side);
  RL_CHECK(RuntimeError, !right || *side == "right",
           "torch.searchsorted(): side and right can't be set to opposites, got side of ", *side,
           " while right was True");
  return *side == "right";
}
void check_sorter(const Tensor& boundaries, const Tensor& sorter) {
  if (!sorter.defined()) return;
  RL_CHECK(RuntimeError, sorter.sizes() == boundaries.sizes(),
           "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor ",
           boundaries.sizes(), " and got sorter tensor ", sorter.sizes());
  RL_CHECK(RuntimeError, sorter.dtype() == DType::Int64,
           "torch.searchsorted(): sorter must be a tensor of long dtype but got dtype ",
           scalar_type_name(sorter.dtype()));
}
TensorSpec searchsorted_meta(const Tensor& sorted, const Tensor& self, bool out_int32, bool right,
                             const std::optional<std::string_view>& side, const Tensor& sorter) {
  goes_right(right, side);
  check_sorter(sorted, sorter);
  RL_CHECK(RuntimeError, sorted.dim() != 0,
           "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got "
           "boundaries tensor dim(0)");
  if (sorted.dim() != 1) {
    bool same = sorted.dim() == self.dim();
    for (int64_t d = 0; same && d + 1 < self.dim(); d++) same = sorted.sizes()[size_t(d)] == self.sizes()[size_t(d)];
    RL_CHECK(RuntimeError, same,
             "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries "
             "tensor and input value tensor must match, but we got boundaries tensor ",
             sorted.sizes(), " and input value tensor ", self.sizes());
  }
  return {.sizes = self.sizes(), .dtype = out_int32 ? DType::Int32 : DType::Int64, .device = self.device()};
}
void searchsorted_cpu(const Tensor& sorted, const Tensor& self, bool, bool right,
                      const std::optional<std::string_view>& side, const Tensor& sorter, const Tensor& out) {
  if (self.numel() == 0) return;
  right = goes_right(right, side);
  DType common = promote_types(
      sorted.dtype(), self.impl()->wrapped_number && is_floating(sorted.dtype()) ? sorted.dtype() : self.dtype());
  Tensor edges = dense(sorted, common), values = dense(self, common),
         order = sorter.defined() ? dense(sorter) : Tensor();
  if (order.defined())
    for (int64_t i = 0; i < order.numel(); i++)
      RL_CHECK(RuntimeError, uint64_t(order.data<int64_t>()[i]) < uint64_t(order.sizes().back()),
               "torch.searchsorted(): sorter index out of range: ", order.data<int64_t>()[i],
               " is not a position among ", order.sizes().back(), " boundaries");
  Tensor found = empty_tensor(self.sizes(), DType::Int64);
  int64_t n = edges.sizes().back(), per_row = sorted.dim() == 1 ? values.numel() : values.sizes().back();
  dispatch(RealTypes{}, common, "searchsorted", [&]<class T>() {
    using C = compute_t<T>;
    parallel_for(0, values.numel(), 4096, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        int64_t row = i / per_row * n;
        C v = C(values.data<T>()[i]);
        int64_t low = 0, high = n;
        while (low < high) {
          int64_t middle = (low + high) / 2;
          C e = C(edges.data<T>()[row + (order.defined() ? order.data<int64_t>()[row + middle] : middle)]);
          bool before = right ? !(e > v) : !(e >= v);
          if (before) low = middle + 1;
          else high = middle;
        }
        found.data<int64_t>()[i] = low;
      }
    });
  });
  copy_elements(out, found);
}
TensorSpec searchsorted_scalar_meta(const Tensor& sorted, const Scalar&, bool out_int32, bool right,
                                    const std::optional<std::string_view>& side, const Tensor& sorter) {
  goes_right(right, side);
  check_sorter(sorted, sorter);
  RL_CHECK(RuntimeError, sorted.dim() == 1,
           "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got "
           "boundaries tensor dim(",
           sorted.dim(), ")");
  return {.dtype = out_int32 ? DType::Int32 : DType::Int64, .device = sorted.device()};
}
void searchsorted_scalar_cpu(const Tensor& sorted, const Scalar& self, bool out_int32, bool right,
                             const std::optional<std::string_view>& side, const Tensor& sorter, const Tensor& out) {
  searchsorted_cpu(sorted, wrapped_number(self), out_int32, right, side, sorter, out);
}
TensorSpec bucketize_meta(const Tensor& self, const Tensor& boundaries, bool out_int32, bool) {
  RL_CHECK(RuntimeError, boundaries.dim() == 1, "bucketize(): boundaries tensor must be 1 dimension, but got dim(",
           boundaries.dim(), ")");
  return {.sizes = self.sizes(), .dtype = out_int32 ? DType::Int32 : DType::Int64, .device = self.device()};
}
void bucketize_cpu(const Tensor& self, const Tensor& boundaries, bool out_int32, bool right, const Tensor& out) {
  searchsorted_cpu(boundaries, self, out_int32, right, std::nullopt, Tensor(), out);
}
TensorSpec bucketize_scalar_meta(const Scalar&, const Tensor& boundaries, bool out_int32, bool) {
  RL_CHECK(RuntimeError, boundaries.dim() == 1, "bucketize(): boundaries tensor must be 1 dimension, but got dim(",
           boundaries.dim(), ")");
  return {.dtype = out_int32 ? DType::Int32 : DType::Int64, .device = boundaries.device()};
}
void bucketize_scalar_cpu(const Scalar& self, const Tensor& boundaries, bool out_int32, bool right, const Tensor& out) {
  searchsorted_cpu(boundaries, wrapped_number(self), out_int32, right, std::nullopt, Tensor(), out);
}

// ---- counting ----

RL_FOR_EACH_ISA(
    template <class T>, void, widen_bounds, (T * low, T* high, const T* x, int64_t n),
    {
      T least = *low;
      T most = *high;
      for (int64_t i = 0; i < n; i++) {
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
      }
      *low = least;
      *high = most;
    },
    <T>)

Tensor bincount_op(const Tensor& self, const Tensor& weights, int64_t minlength) {
  RL_CHECK(NotImplementedError, is_integral(self.dtype(), false), "\"bincount_cpu\" not implemented for '",
           scalar_type_name(self.dtype()), "'");
  RL_CHECK(RuntimeError, minlength >= 0, "minlength should be >= 0");
  RL_CHECK(RuntimeError, self.dim() == 1,
           "bincount only supports 1-d non-negative integral inputs. Hint: the input has shape ", self.sizes(),
           "; use x.flatten()");
  RL_CHECK(RuntimeError, !weights.defined() || (weights.dim() == 1 && weights.numel() == self.numel()),
           "weights should be 1-d and have the same length as input");
  Tensor in = dense(self, DType::Int64);
  const int64_t* x = in.data<int64_t>();
  int64_t least = 0, most = minlength - 1;
  widen_bounds_isa<int64_t>()(&least, &most, x, in.numel());
  RL_CHECK(RuntimeError, least >= 0, "bincount only supports 1-d non-negative integral inputs. Hint: there is ", least);
  int64_t bins = CheckedInt(most) + 1;
  bool single = weights.defined() && weights.dtype() == DType::Float32;
  Tensor out = empty_tensor(bins, !weights.defined() ? DType::Int64 : single ? DType::Float32 : DType::Float64);
  if (bins) std::memset(out.raw(), 0, size_t(out.nbytes()));
  if (!weights.defined()) {
    int64_t* counts = out.data<int64_t>();
    for (int64_t i = 0; i < in.numel(); i++) counts[x[i]]++;
    return out;
  }
  Tensor w = dense(weights, out.dtype());
  for (int64_t i = 0; i < in.numel(); i++) {
    if (single) out.data<float>()[x[i]] += w.data<float>()[i];
    else out.data<double>()[x[i]] += w.data<double>()[i];
  }
  return out;
}

TensorSpec histc_meta(const Tensor& self, int64_t bins, const Scalar&, const Scalar&) {
  RL_CHECK(NotImplementedError, is_floating(self.dtype()), "\"histogram_cpu\" not implemented for '",
           scalar_type_name(self.dtype()), "'");
  RL_CHECK(RuntimeError, bins > 0, "torch.histogram(): bins must be > 0, but got ", bins);
  return {.sizes = Dims{bins}, .dtype = self.dtype(), .device = self.device()};
}
void histc_cpu(const Tensor& self, int64_t bins, const Scalar& min, const Scalar& max, const Tensor& result) {
  Tensor in = dense(self, is_half(self.dtype()) ? DType::Float32 : self.dtype()), out = empty_tensor(bins, in.dtype());
  std::memset(out.raw(), 0, size_t(out.nbytes()));
  dispatch(Types<float, double>{}, in.dtype(), "histc", [&]<class T>() {
    const T* x = in.data<T>();
    // Halves are rounded at each step, as in PyTorch: it decides on which side of a bound they fall.
    DType given = self.dtype();
    auto rounded = [given](T v) {
      return given == DType::Float16 ? T(Half(float(v))) : given == DType::BFloat16 ? T(BFloat16(float(v))) : v;
    };
    T low = rounded(min.to<T>()), high = rounded(max.to<T>());
    if (low == high && in.numel() > 0) {
      low = *std::min_element(x, x + in.numel());
      high = *std::max_element(x, x + in.numel());
    }
    if (low == high) low -= 1, high += 1;
    RL_CHECK(RuntimeError, std::isfinite(low) && std::isfinite(high), "torch.histogram: range of [", double(low), ", ",
             double(high), "] is not finite");
    RL_CHECK(RuntimeError, low < high, "torch.histogram: max must be larger than min");
    // A range that overflows is halved first.
    T by = std::isfinite(high - low) ? T(1) : T(0.5), start = low * by, span = high * by - start;
    for (int64_t i = 0; i < in.numel(); i++) {
      if (!(x[i] >= low && x[i] <= high)) continue;
      T at = is_half(given) ? rounded(rounded(rounded(x[i] - low) * T(bins)) / rounded(high - low))
                            : (x[i] * by - start) / span * T(bins);
      out.data<T>()[at < T(bins) ? int64_t(at) : bins - 1] += 1;
    }
  });
  copy_elements(result, out);
}

// ---- isin ----

TensorSpec isin_meta(const Tensor& elements, const Tensor& test, bool, bool) {
  RL_CHECK(NotImplementedError,
           !is_complex(elements.dtype()) && !is_complex(test.dtype()) && elements.dtype() != DType::Bool,
           "Unsupported input type encountered for isin(): ", scalar_type_name(elements.dtype()));
  return {.sizes = elements.sizes(), .dtype = DType::Bool, .device = elements.device()};
}
void isin_cpu(const Tensor& elements, const Tensor& test, bool, bool invert, const Tensor& out) {
  DType common = promote_types(elements.dtype(), test.dtype());
  Tensor in = dense(elements, common), among = dense(test, common), to = dense(out);
  dispatch(RealTypes{}, common, "isin", [&]<class T>() {
    std::vector<SortKey<T>> keys;
    for (int64_t i = 0; i < among.numel(); i++)
      if (T v = among.data<T>()[i]; compute_t<T>(v) == compute_t<T>(v)) keys.push_back(sort_key(v));
    std::sort(keys.begin(), keys.end());
    // Halving without branches: which half is a coin toss, and a wrong guess of the processor costs more than all steps.
    auto contains = [&](SortKey<T> key) {
      const SortKey<T>* at = keys.data();
      for (size_t n = keys.size(); n > 1;) {
        size_t half = n / 2;
        at += size_t(at[half - 1] < key) * half;
        n -= half;
      }
      return !keys.empty() && *at == key;
    };
    const T* x = in.data<T>();
    bool* o = to.data<bool>();
    parallel_for(0, in.numel(), 4096, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        o[i] = (compute_t<T>(x[i]) == compute_t<T>(x[i]) && contains(sort_key(x[i]))) != invert;
    });
  });
  if (!to.is_same(out)) copy_elements(out, to);
}
Tensor tested_number(const Tensor& elements, const Scalar& test) {
  bool fits = is_floating(elements.dtype()) || test.is_integral(true);
  return dense(wrapped_number(test), fits ? elements.dtype() : default_dtype());
}
TensorSpec isin_scalar_meta(const Tensor& elements, const Scalar& test, bool unique, bool invert) {
  return isin_meta(elements, tested_number(elements, test), unique, invert);
}
void isin_scalar_cpu(const Tensor& elements, const Scalar& test, bool unique, bool invert, const Tensor& out) {
  isin_cpu(elements, tested_number(elements, test), unique, invert, out);
}
TensorSpec isin_element_meta(const Scalar& element, const Tensor& test, bool unique, bool invert) {
  TensorSpec spec = isin_meta(dense(wrapped_number(element), test.dtype()), test, unique, invert);
  spec.device = test.device();
  return spec;
}
void isin_element_cpu(const Scalar& element, const Tensor& test, bool unique, bool invert, const Tensor& out) {
  isin_cpu(dense(wrapped_number(element), test.dtype()), test, unique, invert, out);
}

// ---- unique ----

using Three = std::tuple<Tensor, Tensor, Tensor>;

// Groups items that `same` as their predecessor in `order`; representative, inverse and counts.
template <class Same>
void group(const std::vector<int64_t>& order, const Same& same, std::vector<int64_t>& first, Tensor& inverse,
           std::vector<int64_t>& counts) {
  for (size_t i = 0; i < order.size(); i++) {
    if (i == 0 || !same(order[i - 1], order[i])) {
      first.push_back(order[i]);
      counts.push_back(0);
    }
    counts.back()++;
    inverse.data<int64_t>()[order[i]] = int64_t(first.size()) - 1;
  }
}
Tensor vector_of(const std::vector<int64_t>& v) {
  Tensor t = empty_tensor(int64_t(v.size()), DType::Int64);
  if (!v.empty()) std::memcpy(t.raw(), v.data(), v.size() * sizeof(int64_t));
  return t;
}
Tensor nothing() { return empty_tensor(Dims{0}, DType::Int64); }

template <class T>
bool equal_values(T a, T b) {
  return a == b;
}

Three unique_flat(const Tensor& self, bool sort, bool want_inverse, bool want_counts) {
  Tensor in = dense(self), inverse = empty_tensor(self.sizes(), DType::Int64), values;
  std::vector<int64_t> order(size_t(in.numel())), first, counts;
  std::iota(order.begin(), order.end(), 0);
  dispatch(AllTypes{}, self.dtype(), "unique", [&]<class T>() {
    const T* x = in.data<T>();
    if (sort) {
      if constexpr (is_complex(dtype_of<T>)) {
        std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
          return std::pair(x[a].real(), x[a].imag()) < std::pair(x[b].real(), x[b].imag());
        });
      } else {
        using K = SortKey<T>;
        std::vector<Keyed<K>> items(2 * order.size());
        for (size_t i = 0; i < order.size(); i++) items[i] = Keyed<K>(sort_key(x[i]), int64_t(i));
        Keyed<K>* sorted = sort_keyed<K>(items.data(), items.data() + order.size(), int64_t(order.size()));
        for (size_t i = 0; i < order.size(); i++) order[i] = sorted[i].at();
      }
    }
    group(order, [&](int64_t a, int64_t b) { return equal_values(x[a], x[b]); }, first, inverse, counts);
    values = empty_tensor(int64_t(first.size()), self.dtype());
    for (size_t i = 0; i < first.size(); i++) values.data<T>()[i] = x[first[i]];
  });
  return {values, want_inverse ? inverse : nothing(), want_counts ? vector_of(counts) : nothing()};
}

Three unique_slices(const Tensor& self, int64_t dim, bool sort, bool want_inverse, bool want_counts) {
  dim = wrap_dim(dim, self.dim());
  RL_CHECK(RuntimeError, self.dim() > 0,
           "There are 0-sized dimensions, and they aren't selected, so unique cannot be applied");
  int64_t n = self.sizes()[size_t(dim)];
  for (int64_t d = 0; d < self.dim(); d++)
    RL_CHECK(RuntimeError, self.sizes()[size_t(d)] != 0 || d == dim,
             "There are 0-sized dimensions, and they aren't selected, so unique cannot be applied");
  // Slices as rows.
  Dims sizes = self.sizes(), strides = self.strides();
  int64_t size = sizes[size_t(dim)], stride = strides[size_t(dim)];
  sizes.erase(size_t(dim));
  strides.erase(size_t(dim));
  sizes.insert(0, size);
  strides.insert(0, stride);
  Tensor rows = dense(alias_tensor(self, sizes, strides, self.storage_offset())),
         inverse = empty_tensor(n, DType::Int64);
  int64_t width = n ? rows.numel() / n : 0;
  std::vector<int64_t> order(static_cast<size_t>(n)), first, counts;
  std::iota(order.begin(), order.end(), 0);
  dispatch(AllTypes{}, self.dtype(), "unique_dim", [&]<class T>() {
    const T* x = rows.data<T>();
    auto less = [](T a, T b) {
      if constexpr (is_complex(dtype_of<T>)) return std::pair(a.real(), a.imag()) < std::pair(b.real(), b.imag());
      else return compute_t<T>(a) < compute_t<T>(b);
    };
    if (sort)
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        return std::lexicographical_compare(x + a * width, x + (a + 1) * width, x + b * width, x + (b + 1) * width,
                                            less);
      });
    group(
        order, [&](int64_t a, int64_t b) { return std::equal(x + a * width, x + (a + 1) * width, x + b * width); },
        first, inverse, counts);
  });
  Tensor values = n ? index_select(self, dim, vector_of(first)) : self;
  return {values, want_inverse ? inverse : nothing(), want_counts ? vector_of(counts) : nothing()};
}

Three unique2(const Tensor& self, bool, bool want_inverse, bool want_counts) {
  return unique_flat(self, true, want_inverse, want_counts);
}
Three unique_dim_op(const Tensor& self, int64_t dim, bool, bool want_inverse, bool want_counts) {
  return unique_slices(self, dim, true, want_inverse, want_counts);
}
Three unique_consecutive_op(const Tensor& self, bool want_inverse, bool want_counts,
                            const std::optional<int64_t>& dim) {
  if (!dim) return unique_flat(self, false, want_inverse, want_counts);
  return unique_slices(self, *dim, false, want_inverse, want_counts);
}
Three unique_dim_consecutive_op(const Tensor& self, int64_t dim, bool want_inverse, bool want_counts) {
  return unique_slices(self, dim, false, want_inverse, want_counts);
}

}  // namespace

OP(searchsorted, {.schema = "searchsorted.Tensor(Tensor sorted_sequence, Tensor self, *, bool out_int32=False, bool "
                            "right=False, str? side=None, Tensor? sorter=None) -> Tensor",
                  .doc = "Where values would have to be inserted to keep a sequence sorted. >>> "
                         "torch.searchsorted(torch.tensor([1, 3]), torch.tensor([2]))\ntensor([1])",
                  .kernel = structured<searchsorted_meta, searchsorted_cpu>(),
                  .forms = kFunction | kOut,
                  .numbers = Numbers::Fallback});
OP(searchsorted_scalar, {.schema = "searchsorted.Scalar(Tensor sorted_sequence, Scalar self, *, bool out_int32=False, "
                                   "bool right=False, str? side=None, Tensor? sorter=None) -> Tensor",
                         .doc = "Where a number would have to be inserted to keep a sequence sorted.",
                         .kernel = structured<searchsorted_scalar_meta, searchsorted_scalar_cpu>(),
                         .forms = kFunction | kOut,
                         .numbers = Numbers::Fallback});
OP(bucketize,
   {.schema = "bucketize.Tensor(Tensor self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor",
    .doc = "The interval between sorted boundaries in which each element lies. >>> torch.bucketize(torch.tensor([2]), "
           "torch.tensor([1, 3]))\ntensor([1])",
    .kernel = structured<bucketize_meta, bucketize_cpu>(),
    .forms = kFunction | kOut,
    .numbers = Numbers::Fallback});
OP(bucketize_scalar,
   {.schema = "bucketize.Scalar(Scalar self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor",
    .doc = "The interval between sorted boundaries in which a number lies.",
    .kernel = structured<bucketize_scalar_meta, bucketize_scalar_cpu>(),
    .forms = kFunction,
    .numbers = Numbers::Fallback});
OP(bincount,
   {.schema = "bincount(Tensor self, Tensor? weights=None, int minlength=0) -> Tensor",
    .doc = "How often each value from 0 on occurs. >>> torch.bincount(torch.tensor([0, 2, 2]))\ntensor([1, 0, 2])",
    .kernel = function<bincount_op>()});
OP(histc, {.schema = "histc(Tensor self, int bins=100, Scalar min=0, Scalar max=0) -> Tensor",
           .doc = "How many elements lie in each of the equal bins from min to max. >>> torch.histc(torch.tensor([1., "
                  "2., 1.]), bins=2, min=0, max=2)\ntensor([0., 3.])",
           .kernel = structured<histc_meta, histc_cpu>(),
           .forms = kFunction | kMethod | kOut});
OP(isin, {.schema = "isin.Tensor_Tensor(Tensor elements, Tensor test_elements, *, bool assume_unique=False, bool "
                    "invert=False) -> Tensor",
          .doc = "Whether each element is among others. >>> torch.isin(torch.tensor([1, 2]), "
                 "torch.tensor([2]))\ntensor([False,  True])",
          .kernel = structured<isin_meta, isin_cpu>(),
          .forms = kFunction | kOut,
          .numbers = Numbers::Fallback});
OP(isin_scalar, {.schema = "isin.Tensor_Scalar(Tensor elements, Scalar test_element, *, bool assume_unique=False, bool "
                           "invert=False) -> Tensor",
                 .doc = "Whether each element equals a number.",
                 .kernel = structured<isin_scalar_meta, isin_scalar_cpu>(),
                 .forms = kFunction | kOut,
                 .numbers = Numbers::Fallback});
OP(isin_element, {.schema = "isin.Scalar_Tensor(Scalar element, Tensor test_elements, *, bool assume_unique=False, "
                            "bool invert=False) -> Tensor",
                  .doc = "Whether a number is among elements.",
                  .kernel = structured<isin_element_meta, isin_element_cpu>(),
                  .forms = kFunction | kOut,
                  .numbers = Numbers::Fallback});
OP(_unique2,
   {.schema = "_unique2(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> "
              "(Tensor, Tensor, Tensor)",
    .doc = "The distinct elements, sorted; where each element's value stands among them; how often each occurs.",
    .kernel = function<unique2>(),
    .forms = kFunction});
OP(unique_dim, {.schema = "unique_dim(Tensor self, int dim, bool sorted=True, bool return_inverse=False, bool "
                          "return_counts=False) -> (Tensor, Tensor, Tensor)",
                .doc = "The distinct slices along a dimension, sorted."
                       " >>> torch.unique(torch.tensor([[1, 2], [1, 2]]), dim=0)\ntensor([[1, 2]])",
                .kernel = function<unique_dim_op>(),
                .forms = kFunction});
OP(unique_consecutive, {.schema = "unique_consecutive(Tensor self, bool return_inverse=False, bool "
                                  "return_counts=False, int? dim=None) -> (Tensor, Tensor, Tensor)",
                        .doc = "One element of each run of equal ones."
                               " >>> torch.unique_consecutive(torch.tensor([1, 1, 2, 1]))\ntensor([1, 2, 1])",
                        .kernel = function<unique_consecutive_op>()});
OP(unique_dim_consecutive, {.schema = "unique_dim_consecutive(Tensor self, int dim, bool return_inverse=False, bool "
                                      "return_counts=False) -> (Tensor, Tensor, Tensor)",
                            .doc = "One slice of each run of equal ones.",
                            .kernel = function<unique_dim_consecutive_op>(),
                            .forms = kFunction});

}  // namespace rushlight
