// _resample: each element along a dimension becomes a weighted sum of elements along it, which is its own gradient with the taps inverted.
#include <algorithm>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_resample.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/parallel.h"

namespace rushlight {
namespace {

// Along the last dimension: n results, tap k of result i at places[k * n + i].
RL_FOR_EACH_ISA(
    template <class T>, void, gather_line,
    (T * out, const T* x, const int32_t* places, const T* weights, int64_t taps, int64_t n),
    {
      RL_IVDEP
      for (int64_t i = 0; i < n; i++) out[i] = places[i] >= 0 ? weights[i] * x[places[i]] : T(0);
      for (int64_t k = 1; k < taps; k++) {
        const int32_t* at = places + k * n;
        const T* w = weights + k * n;
        RL_IVDEP
        for (int64_t i = 0; i < n; i++) out[i] += at[i] >= 0 ? w[i] * x[at[i]] : T(0);
      }
    },
    <T>)

// Along an earlier dimension: n results, each a run of `inner` elements.
RL_FOR_EACH_ISA(
    template <class T>, void, sum_runs,
    (T * out, const T* x, const int32_t* places, const T* weights, int64_t taps, int64_t n, int64_t inner),
    {
      for (int64_t i = 0; i < n; i++, out += inner) {
        int64_t k = 0;
        if (taps > 1 && places[i] >= 0 && places[n + i] >= 0) {
          const T* a = x + places[i] * inner;
          const T* b = x + places[n + i] * inner;
          T v = weights[i];
          T w = weights[n + i];
          RL_IVDEP
          for (int64_t c = 0; c < inner; c++) out[c] = v * a[c] + w * b[c];
          k = 2;
        } else {
          for (int64_t c = 0; c < inner; c++) out[c] = T(0);
        }
        for (; k < taps; k++) {
          int64_t at = places[k * n + i];
          if (at < 0) continue;
          const T* a = x + at * inner;
          T w = weights[k * n + i];
          RL_IVDEP
          for (int64_t c = 0; c < inner; c++) out[c] += w * a[c];
        }
      }
    },
    <T>)

// Places and weights are of the CPU whatever device self is on: positions are checked before any kernel, and the gradient inverts them.
TensorSpec resample_meta(const Tensor& self, int64_t dim, const Tensor& places, const Tensor& weights) {
  RL_CHECK(RuntimeError, places.device().is_cpu() && weights.device().is_cpu(),
           "_resample: expected places and weights on the CPU, got ", places.device(), " and ", weights.device());
  RL_CHECK(ShapeError, dim >= 0 && dim < self.dim() && places.sizes() == weights.sizes() && places.dim() == 2,
           "_resample: expected a dimension below ", self.dim(), " and places and weights of one shape (taps, n), got ",
           dim, ", ", places.sizes(), " and ", weights.sizes());
  RL_CHECK(ShapeError, places.size(0) > 0, "_resample: expected at least one tap, got places of shape ",
           places.sizes());
  Tensor at = dense(places, DType::Int32);
  const int32_t* p = at.data<int32_t>();
  int64_t in = self.size(dim);
  RL_CHECK(IndexError, std::all_of(p, p + at.numel(), [&](int32_t i) { return i < in; }),
           "_resample: expected places below ", in);
  Dims sizes = self.sizes();
  sizes[size_t(dim)] = places.size(1);
  return {.sizes = sizes, .dtype = self.dtype(), .device = self.device()};
}
// x and out are contiguous; places and weights of their kinds.
void resample_along(const Tensor& x, int64_t dim, const Tensor& places, const Tensor& weights, const Tensor& out) {
  int64_t taps = places.size(0), n = places.size(1), in = x.size(dim), outer = 1, inner = 1;
  for (int64_t d = 0; d < x.dim(); d++) (d < dim ? outer : inner) *= d == dim ? 1 : x.size(d);
  const int32_t* p = places.data<int32_t>();
  dispatch(Types<float, double, int32_t>{}, x.dtype(), "upsample", [&]<class T>() {
    int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, n * inner));
    parallel_for(0, outer, grain, [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; o++) {
        T* to = out.data<T>() + o * n * inner;
        const T* from = x.data<T>() + o * in * inner;
        if (inner == 1) gather_line_isa<T>()(to, from, p, weights.data<T>(), taps, n);
        else sum_runs_isa<T>()(to, from, p, weights.data<T>(), taps, n, inner);
      }
    });
  });
}

void resample_cpu(const Tensor& self, int64_t dim, const Tensor& places, const Tensor& weights, const Tensor& out) {
  constexpr int64_t kLines = 16;  // a vector of them
  Tensor at = dense(places, DType::Int32), w = dense(weights, self.dtype());
  if (dim == 0 || dim + 1 < self.dim() || self.size(dim - 1) < kLines || at.size(1) > self.size(dim))
    return resample_along(dense(self), dim, at, w, out);
  // Of many lines side by side each sum is one of vectors: two transposing copies cost less than gathering element by element, unless the
  // results are more than the elements.
  Tensor place = moved_last(out, dim - 1), sums = empty_tensor(place.sizes(), out.dtype());
  resample_along(dense(moved_last(self, dim - 1)), dim - 1, at, w, sums);
  copy_elements(place, sums);
}

Grads resample_grad(const Saved& s, const Tensor& g) {
  Tensor places = dense(s["places"], DType::Int32), weights = dense(s["weights"], DType::Float64);
  int64_t dim = s.arg("dim").to_int(), in = s.sizes("self")[size_t(dim)], n = places.size(1), most = 1;
  const int32_t* at = places.data<int32_t>();
  std::vector<int64_t> used(static_cast<size_t>(in), 0);
  for (int64_t i = 0; i < places.numel(); i++)
    if (at[i] >= 0) most = std::max(most, ++used[size_t(at[i])]);
  Tensor back = empty_tensor({most, in}, DType::Int32), factors = empty_tensor({most, in}, DType::Float64);
  std::fill_n(back.data<int32_t>(), most * in, -1);
  std::fill_n(factors.data<double>(), most * in, 0.0);
  for (int64_t i = 0; i < places.numel(); i++) {
    if (at[i] < 0) continue;
    int64_t to = --used[size_t(at[i])] * in + at[i];
    back.data<int32_t>()[to] = int32_t(i % n);
    factors.data<double>()[to] = weights.data<double>()[i];
  }
  return {_resample(g, dim, back, dense(factors, g.dtype())), Tensor(), Tensor()};
}

}  // namespace

OP(_resample,
   {.schema = "_resample(Tensor self, int dim, Tensor places, Tensor weights) -> Tensor",
    .doc = "Along dim the sums over k of weights[k, i] * self[places[k, i]]; places below 0 count for nothing.",
    .kernel = structured<resample_meta, resample_cpu>(),
    .grad = {{"places", "weights"}, resample_grad},
    .forms = kFunction,
    .any_device = true});

}  // namespace rushlight
