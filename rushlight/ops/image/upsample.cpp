// Resampling of the last dimensions: each dimension in turn is a weighted sum of selected slices, so gradients follow.
#include <algorithm>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_resample.h"
#include "rushlight/fn/bitwise_right_shift.h"
#include "rushlight/fn/clamp.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/index_select.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/to.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/ops/index/indices.h"
#include "rushlight/ops/nn/layout.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

// The smooth ones average over all elements that a smaller result passes over ("antialias").
enum class Resample { Nearest, NearestExact, Linear, Cubic, SmoothLinear, SmoothCubic, SmoothLanczos };

struct Taps {  // the result at i is the sum over k of weights[k][i] * x[places[k][i]]; no weights: all 1
  std::vector<std::vector<int64_t>> places;
  std::vector<std::vector<double>> weights;
};

// The coefficients of cubic convolution with A = -0.75 for a position t between the second and the third tap.
std::array<double, 4> cubic(double t) {
  constexpr double a = -0.75;
  auto near = [&](double x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
  auto far = [&](double x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
  return {far(t + 1), near(t), near(1 - t), far(2 - t)};
}

// The weight of an element at this distance, and the distance from which on it is 0. Cubic convolution has A = -0.5, as in Pillow.
double smooth_weight(Resample how, double x) {
  x = std::abs(x);
  if (how == Resample::SmoothLinear) return std::max(0.0, 1 - x);
  if (how == Resample::SmoothCubic) {
    constexpr double a = -0.5;
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
  }
  if (x == 0) return 1;
  double t = M_PI * x;
  return x < 3 ? 3 * std::sin(t) * std::sin(t / 3) / (t * t) : 0;
}
double smooth_reach(Resample how) { return how == Resample::SmoothLinear ? 1 : how == Resample::SmoothCubic ? 2 : 3; }

// C as below.
template <class C>
Taps smooth_taps(Resample how, int64_t in, int64_t out, C step) {
  C wide = std::max(step, C(1)), reach = C(smooth_reach(how)) * wide;
  int64_t count = std::min(in, int64_t(std::ceil(reach)) * 2 + 1);
  Taps found;
  found.places.assign(size_t(count), std::vector<int64_t>(size_t(out), -1));
  found.weights.assign(size_t(count), std::vector<double>(size_t(out)));
  for (int64_t i = 0; i < out; i++) {
    C center = step * (C(i) + C(0.5));
    int64_t first = std::max<int64_t>(int64_t(center - reach + C(0.5)), 0);
    int64_t n = std::clamp<int64_t>(std::min(int64_t(center + reach + C(0.5)), in) - first, 0, count);
    double total = 0;
    for (int64_t k = 0; k < n; k++) {
      double w = smooth_weight(how, double((C(k + first) - center + C(0.5)) / wide));
      found.places[size_t(k)][size_t(i)] = first + k;
      found.weights[size_t(k)][size_t(i)] = w;
      total += w;
    }
    for (int64_t k = 0; k < n && total != 0; k++) found.weights[size_t(k)][size_t(i)] /= total;
  }
  return found;
}

// C: the type PyTorch computes places in, which decides which slice is taken; double for double only. `whole`: where it finds the
// nearest element of an equal or twofold size by counting, whatever the factor.
template <class C>
Taps taps(Resample how, int64_t in, int64_t out, std::optional<double> factor, bool align_corners, bool whole) {
  C step = factor && *factor > 0 ? C(1.0 / *factor) : C(in) / C(out);
  if (align_corners) step = out > 1 ? C(in - 1) / C(out - 1) : C(0);
  if (how >= Resample::SmoothLinear) return smooth_taps(how, in, out, step);
  int count = how == Resample::Linear ? 2 : how == Resample::Cubic ? 4 : 1;
  Taps found;
  found.places.assign(size_t(count), std::vector<int64_t>(size_t(out)));
  if (count > 1) found.weights.assign(size_t(count), std::vector<double>(size_t(out)));
  for (int64_t i = 0; i < out; i++) {
    size_t at = size_t(i);
    if (how == Resample::Nearest) {
      int64_t from = whole && in == out ? i : whole && out == 2 * in ? i / 2 : int64_t(std::floor(float(C(i) * step)));
      found.places[0][at] = std::min(from, in - 1);
    } else if (how == Resample::NearestExact) {
      found.places[0][at] = std::min(int64_t(std::floor(float((C(i) + C(0.5)) * step))), in - 1);
    } else {
      C real = align_corners ? step * C(i) : std::fma(step, C(i) + C(0.5), C(-0.5));
      if (how == Resample::Linear) real = std::max(real, C(0));
      int64_t first = int64_t(std::floor(real));
      double t = double(real) - double(first);
      if (how == Resample::Linear) {
        found.places[0][at] = std::min(first, in - 1);
        found.places[1][at] = std::min(first + 1, in - 1);
        found.weights[0][at] = 1 - t;
        found.weights[1][at] = t;
      } else {
        std::array<double, 4> w = cubic(t);
        for (int64_t k = 0; k < 4; k++) {
          found.places[size_t(k)][at] = std::clamp<int64_t>(first - 1 + k, 0, in - 1);
          found.weights[size_t(k)][at] = w[size_t(k)];
        }
      }
    }
  }
  return found;
}

// Halves are weighted by halves, but for bilinear resampling.
void round_weights(Resample how, DType half, Taps& taps) {
  auto rounded = [half](double v) {
    return half == DType::Float16 ? double(float(Half(float(v)))) : double(float(BFloat16(float(v))));
  };
  for (auto& line : taps.weights)
    for (double& weight : line) weight = rounded(weight);
  if (how == Resample::Linear)
    for (size_t i = 0; i < taps.weights[0].size(); i++) taps.weights[0][i] = rounded(1 - taps.weights[1][i]);
}

Tensor resample(const Tensor& x, int64_t dim, const Taps& taps) {
  int64_t out = int64_t(taps.places[0].size()), count = int64_t(taps.places.size());
  if (taps.weights.empty()) {
    Tensor index = empty_tensor(Dims{out}, DType::Int64);
    std::copy(taps.places[0].begin(), taps.places[0].end(), index.data<int64_t>());
    return index_select(x, dim, moved_to(index, x.device()));
  }
  Tensor places = empty_tensor({count, out}, DType::Int32), weights = empty_tensor({count, out}, DType::Float64);
  for (int64_t k = 0; k < count; k++) {
    std::ranges::transform(taps.places[size_t(k)], places.data<int32_t>() + k * out,
                           [](int64_t at) { return int32_t(at); });
    std::ranges::copy(taps.weights[size_t(k)], weights.data<double>() + k * out);
  }
  return _resample(x, dim, places, dense(weights, x.dtype()));
}

// In fixed point and rounded after each dimension, as PyTorch and Pillow do it: weights of 16 bits, as precise as the largest allows.
Tensor resample_bytes(const Tensor& x, int64_t dim, Taps taps) {
  size_t count = taps.places.size();
  double largest = 0;
  for (size_t i = 0; i < taps.places[0].size(); i++)
    for (size_t k = 0; k < count; k++) {
      double& weight = taps.weights[k][i];
      for (size_t j = 0; j < k; j++)  // taps that meet at the border are one
        if (taps.places[j][i] == taps.places[k][i]) {
          taps.weights[j][i] += std::exchange(weight, 0.0);
          largest = std::max(largest, taps.weights[j][i]);
          break;
        }
      largest = std::max(largest, weight);
    }
  int64_t bits = 0;
  while (bits < 22 && int(0.5 + largest * double(2 << bits)) < 1 << 15) bits++;
  for (auto& line : taps.weights)
    for (double& weight : line) weight = std::trunc(weight * double(1 << bits) + (weight < 0 ? -0.5 : 0.5));
  Tensor sum = resample(to(x, DType::Int32), dim, taps) + Scalar(int64_t(1) << (bits - 1));
  return to(clamp(bitwise_right_shift(sum, Scalar(bits)), Scalar(0), Scalar(255)), DType::UInt8);
}

Tensor upsample(const Tensor& x, int64_t dims, Resample how, const std::optional<IntArrayRef>& size, bool align_corners,
                const std::optional<ArrayRef<double>>& factors) {
  RL_CHECK(RuntimeError, x.dim() == dims + 2, "It is expected input_size equals to ", dims + 2, ", but got size ",
           x.dim());
  RL_CHECK(RuntimeError, size.has_value() != factors.has_value(),
           "Must specify exactly one of output_size and scale_factors");
  RL_CHECK(RuntimeError, int64_t(size ? size->size() : factors->size()) == dims,
           "It is expected output_size equals to ", dims, ", but got size ", size ? size->size() : factors->size());
  RL_CHECK(RuntimeError, x.size(1) > 0, "Non-empty ", x.dim(), "D data tensor expected but got a tensor with sizes ",
           x.sizes(), ": only the batch may be empty");
  bool bytes = x.dtype() == DType::UInt8 && dims == 2;
  bool weighted = how >= Resample::Linear;
  RL_CHECK(NotImplementedError, !is_integral(x.dtype(), true) || (weighted ? bytes : x.dtype() == DType::UInt8),
           "upsample: not implemented for ", x.dtype(), "; convert with x.float(), and the result back");
  Dims sizes = x.sizes();
  for (int64_t d = 0; d < dims; d++) {
    int64_t in = x.sizes()[size_t(d + 2)];
    double scaled = size ? 0 : double(in) * (*factors)[size_t(d)];
    RL_CHECK(RuntimeError, size || (scaled > -0x1p63 && scaled < 0x1p63), "upsample: a scale factor of ",
             size ? 0 : (*factors)[size_t(d)], " gives ", in,
             " elements no whole number of elements that 64 bits hold");
    int64_t out = size ? (*size)[size_t(d)] : int64_t(scaled);
    RL_CHECK(RuntimeError, in > 0 && out > 0, "Input and output sizes should be greater than 0, but got input (", in,
             ") output (", out, ")");
    sizes[size_t(d + 2)] = out;
  }
  if (x.numel() == 0 || x.device().is_meta()) {  // no element to weigh: sizes that no list of positions holds are fine
    Tensor none = x;
    for (int64_t d = 2; d < x.dim(); d++) none = narrow(none, d, 0, 1);
    return following(x, clone(expand(none, sizes)));
  }
  empty_tensor(sizes, DType::Float64);  // what no memory holds is refused before positions are counted
  Tensor result = weighted && is_half(x.dtype()) ? to(x, DType::Float32) : x;
  MemoryFormat last = dims == 3 ? MemoryFormat::ChannelsLast3d : MemoryFormat::ChannelsLast;
  int64_t around = 0;  // PyTorch has other kernels for small results, and for channels that come last
  for (int64_t d = 0; d < dims; d++) around += sizes[size_t(d + 2)];
  bool whole = dims > 1 && (around <= (dims == 2 ? 128 : 256) || (x.size(1) > 3 && x.is_contiguous(last)));
  for (int64_t d = dims - 1; d >= 0; d--) {
    int64_t in = x.sizes()[size_t(d + 2)];
    std::optional<double> factor = factors ? std::optional<double>((*factors)[size_t(d)]) : std::nullopt;
    int64_t out = sizes[size_t(d + 2)];
    // A size that stays is copied, though the factor says otherwise; not so by PyTorch's bicubic kernel.
    if (in == out && weighted && (bytes || how != Resample::Cubic)) continue;
    bool wide = weighted ? bytes || x.dtype() == DType::Float64 : x.dtype() == DType::Float64 && !whole;
    Taps found = (wide ? taps<double> : taps<float>)(how, in, out, factor, align_corners, whole);
    if (weighted && is_half(x.dtype()) && (how == Resample::Cubic || dims != 2)) round_weights(how, x.dtype(), found);
    result = weighted && bytes ? resample_bytes(result, d + 2, found) : resample(result, d + 2, found);
  }
  result = result.is_same(x) ? clone(x) : to(result, x.dtype());
  return following(x, result);
}

template <Resample how, int dims>
Tensor nearest(const Tensor& x, const std::optional<IntArrayRef>& size,
               const std::optional<ArrayRef<double>>& factors) {
  return upsample(x, dims, how, size, false, factors);
}
template <Resample how, int dims>
Tensor smooth(const Tensor& x, const std::optional<IntArrayRef>& size, bool align_corners,
              const std::optional<ArrayRef<double>>& factors) {
  return upsample(x, dims, how, size, align_corners, factors);
}

}  // namespace

OP(upsample_nearest1d,
   {.schema = "upsample_nearest1d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor",
    .doc = "The nearest element before."
           " >>> torch.nn.functional.interpolate(torch.tensor([[[1., 2.]]]), size=4)\ntensor([[[1., 1., 2., 2.]]])",
    .kernel = composite<nearest<Resample::Nearest, 1>>(),
    .forms = kFunction,
    .module = "nn",
    .node = "UpsampleNearest1DBackward0"});
OP(upsample_nearest2d,
   {.schema = "upsample_nearest2d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor",
    .doc = "The nearest element before."
           " >>> torch.nn.functional.interpolate(torch.tensor([[[[1., 2.]]]]), scale_factor=2)\ntensor([[[[1., 1., 2., "
           "2.],\n          [1., 1., 2., 2.]]]])",
    .kernel = composite<nearest<Resample::Nearest, 2>>(),
    .forms = kFunction,
    .module = "nn",
    .node = "UpsampleNearest2DBackward0"});
OP(upsample_nearest3d,
   {.schema = "upsample_nearest3d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor",
    .doc = "The nearest element before.",
    .kernel = composite<nearest<Resample::Nearest, 3>>(),
    .forms = kFunction,
    .module = "nn",
    .node = "UpsampleNearest3DBackward0"});
OP(_upsample_nearest_exact1d,
   {.schema = "_upsample_nearest_exact1d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor",
    .doc = "The nearest element.",
    .kernel = composite<nearest<Resample::NearestExact, 1>>(),
    .forms = kFunction,
    .module = "nn"});
OP(_upsample_nearest_exact2d,
   {.schema = "_upsample_nearest_exact2d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor",
    .doc = "The nearest element.",
    .kernel = composite<nearest<Resample::NearestExact, 2>>(),
    .forms = kFunction,
    .module = "nn"});
OP(_upsample_nearest_exact3d,
   {.schema = "_upsample_nearest_exact3d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor",
    .doc = "The nearest element.",
    .kernel = composite<nearest<Resample::NearestExact, 3>>(),
    .forms = kFunction,
    .module = "nn"});
OP(upsample_linear1d, {.schema = "upsample_linear1d.vec(Tensor input, SymInt[]? output_size, bool align_corners, "
                                 "float[]? scale_factors) -> Tensor",
                       .doc = "Linear interpolation."
                              " >>> torch.nn.functional.interpolate(torch.tensor([[[0., 1.]]]), size=4, "
                              "mode=\"linear\")\ntensor([[[0.0000, 0.2500, 0.7500, 1.0000]]])",
                       .kernel = composite<smooth<Resample::Linear, 1>>(),
                       .forms = kFunction,
                       .module = "nn",
                       .node = "UpsampleLinear1DBackward0"});
OP(upsample_bilinear2d, {.schema = "upsample_bilinear2d.vec(Tensor input, SymInt[]? output_size, bool align_corners, "
                                   "float[]? scale_factors) -> Tensor",
                         .doc = "Linear interpolation in both dimensions."
                                " >>> torch.nn.functional.interpolate(torch.tensor([[[[0., 1.]]]]), size=(1, 4), "
                                "mode=\"bilinear\")\ntensor([[[[0.0000, 0.2500, 0.7500, 1.0000]]]])",
                         .kernel = composite<smooth<Resample::Linear, 2>>(),
                         .forms = kFunction,
                         .module = "nn",
                         .node = "UpsampleBilinear2DBackward0"});
OP(upsample_trilinear3d, {.schema = "upsample_trilinear3d.vec(Tensor input, SymInt[]? output_size, bool align_corners, "
                                    "float[]? scale_factors) -> Tensor",
                          .doc = "Linear interpolation in all three dimensions."
                                 " >>> torch.nn.functional.interpolate(torch.ones(1, 1, 1, 2, 2), scale_factor=2, "
                                 "mode=\"trilinear\").shape\ntorch.Size([1, 1, 2, 4, 4])",
                          .kernel = composite<smooth<Resample::Linear, 3>>(),
                          .forms = kFunction,
                          .module = "nn",
                          .node = "UpsampleTrilinear3DBackward0"});
OP(upsample_bicubic2d, {.schema = "upsample_bicubic2d.vec(Tensor input, SymInt[]? output_size, bool align_corners, "
                                  "float[]? scale_factors) -> Tensor",
                        .doc = "Cubic convolution in both dimensions."
                               " >>> torch.nn.functional.interpolate(torch.tensor([[[[0., 1.]]]]), size=(1, 4), "
                               "mode=\"bicubic\")\ntensor([[[[-0.1055,  0.2266,  0.7734,  1.1055]]]])",
                        .kernel = composite<smooth<Resample::Cubic, 2>>(),
                        .forms = kFunction,
                        .module = "nn",
                        .node = "UpsampleBicubic2DBackward0"});
OP(_upsample_bilinear2d_aa,
   {.schema = "_upsample_bilinear2d_aa.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? "
              "scale_factors) -> Tensor",
    .doc = "Linear interpolation that averages over what a smaller result passes over."
           " >>> torch.nn.functional.interpolate(torch.arange(8.).view(1, 1, 1, 8), size=(1, 2), mode=\"bilinear\", "
           "antialias=True)\ntensor([[[[1.8929, 5.1071]]]])",
    .kernel = composite<smooth<Resample::SmoothLinear, 2>>(),
    .forms = kFunction,
    .module = "nn",
    .node = "UpsampleBilinear2DAaBackward0"});
OP(_upsample_bicubic2d_aa,
   {.schema = "_upsample_bicubic2d_aa.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? "
              "scale_factors) -> Tensor",
    .doc = "Cubic convolution over all that a smaller result passes over.",
    .kernel = composite<smooth<Resample::SmoothCubic, 2>>(),
    .forms = kFunction,
    .module = "nn",
    .node = "UpsampleBicubic2DAaBackward0"});
OP(_upsample_lanczos2d_aa,
   {.schema = "_upsample_lanczos2d_aa.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? "
              "scale_factors) -> Tensor",
    .doc = "Lanczos' window of three lobes over all that a smaller result passes over.",
    .kernel = composite<smooth<Resample::SmoothLanczos, 2>>(),
    .forms = kFunction,
    .module = "nn",
    .node = "UpsampleLanczos2DAaBackward0"});
}  // namespace rushlight
