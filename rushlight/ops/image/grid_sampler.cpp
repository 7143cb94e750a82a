// grid_sampler: an image or a volume at the places that a grid names, in [-1, 1]; and affine_grid_generator, which makes such grids.
// Every way of sampling is a product of taps, a few in each dimension: an index, its weight, and the weight's derivative by the place.
#include <array>
#include <cmath>

#include "rushlight/dispatch/expect.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_grid_sampler_backward.h"
#include "rushlight/fn/abs.h"
#include "rushlight/fn/clamp.h"
#include "rushlight/fn/detach.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/floor.h"
#include "rushlight/fn/fmod.h"
#include "rushlight/fn/gather.h"
#include "rushlight/fn/grid_sampler_2d.h"
#include "rushlight/fn/grid_sampler_3d.h"
#include "rushlight/fn/linspace.h"
#include "rushlight/fn/logical_and.h"
#include "rushlight/fn/matmul.h"
#include "rushlight/fn/ones.h"
#include "rushlight/fn/ones_like.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/round.h"
#include "rushlight/fn/scatter_add.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/stack.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/transpose.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/where.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/math.h"
#include "rushlight/kernels/parallel.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

enum class Sampling : int64_t { Linear, Nearest, Cubic };
enum class Outside : int64_t { Zeros, Border, Reflection };

template <class T>
struct Taps {
  int count = 0;
  int64_t at[4];
  T weight[4], slope[4];
  void add(int64_t i, int64_t size, T w, T s) {
    if (i < 0 || i >= size) return;
    at[count] = i, weight[count] = w, slope[count++] = s;
  }
};

// A coordinate folded into [low / 2, high / 2], and the sign that the fold gives its derivative.
template <class T>
T reflected(T x, int64_t low, int64_t high, T& sign) {
  sign = 1;
  if (low == high) return sign = 0, T(0);
  T min = T(low) / 2, span = T(high - low) / 2;
  x -= min;
  if (x < 0) sign = -1, x = -x;
  T extra = std::fmod(x, span);
  int64_t flips = int64_t(std::floor(x / span));
  if (flips % 2 == 0) return extra + min;
  sign = -sign;
  return span - extra + min;
}
template <class T>
T clipped(T x, int64_t size, T& factor) {
  T last = T(size - 1);
  factor = x > 0 && x < last ? T(1) : T(0);
  return x <= 0 ? T(0) : x >= last ? last : x;
}
template <class T>
T bounded(T x, int64_t size, Outside outside, bool align, T& factor) {
  factor = 1;
  if (outside == Outside::Zeros) return x;
  if (outside == Outside::Reflection) {
    T sign, clip;
    x = align ? reflected(x, 0, 2 * (size - 1), sign) : reflected(x, -1, 2 * size - 1, sign);
    x = clipped(x, size, clip);
    factor = sign * clip;
  } else {
    x = clipped(x, size, factor);
  }
  return x;
}

template <class T>
Taps<T> taps(T place, int64_t size, Sampling how, Outside outside, bool align) {
  T x = align ? (place + 1) / 2 * T(size - 1) : ((place + 1) * T(size) - 1) / 2,
    by = align ? T(size - 1) / 2 : T(size) / 2;
  Taps<T> t;
  if (!(std::abs(x) < T(1e9))) x = -100;  // NaN and what no index could hold: outside
  if (how == Sampling::Cubic) {
    constexpr T A = T(-0.75);
    T floor = std::floor(x), f = x - floor;
    // The cubic convolution at distances 1 + f, f, 1 - f, 2 - f.
    T near[2] = {f, 1 - f}, w[4], s[4];
    for (int k = 0; k < 2; k++) {
      T d = near[k], e = d + 1;
      w[1 + k] = ((A + 2) * d - (A + 3)) * d * d + 1;
      s[1 + k] = (3 * (A + 2) * d - 2 * (A + 3)) * d;
      w[3 * k] = ((A * e - 5 * A) * e + 8 * A) * e - 4 * A;
      s[3 * k] = (3 * A * e - 10 * A) * e + 8 * A;
    }
    for (int k = 0; k < 4; k++) {
      T none;
      int64_t at = int64_t(bounded(floor + T(k - 1), size, outside, align, none));
      t.add(at, size, w[k], (k < 2 ? s[k] : -s[k]) * by);
    }
    return t;
  }
  T factor;
  x = bounded(x, size, outside, align, factor);
  if (how == Sampling::Nearest) {
    t.add(int64_t(std::nearbyint(x)), size, 1, 0);
    return t;
  }
  T floor = std::floor(x), f = x - floor;
  t.add(int64_t(floor), size, 1 - f, -by * factor);
  t.add(int64_t(floor) + 1, size, f, by * factor);
  return t;
}

DType compute_dtype(DType d) { return is_half(d) ? DType::Float32 : d; }

struct Sampler {
  int dims;
  Sampling how;
  Outside outside;
  bool align;
  int64_t batch, channels, in[3] = {1, 1, 1}, out_places = 1;
  int64_t plane() const { return in[0] * in[1] * in[2]; }

  Sampler(const Tensor& x, const Tensor& grid, int64_t mode, int64_t padding, bool align_corners)
      : dims(int(x.dim()) - 2),
        how(Sampling(mode)),
        outside(Outside(padding)),
        align(align_corners),
        batch(x.size(0)),
        channels(x.size(1)) {
    for (int d = 0; d < dims; d++) {
      in[3 - dims + d] = x.size(d + 2);
      out_places *= grid.size(d + 1);
    }
  }
  // f(index in a plane, weight, its derivatives by x, y, z) for each tap of a place.
  template <class T, class F>
  void at(const T* place, const F& f) const {
    Taps<T> t[3];  // depth, height, width
    for (int d = 0; d < 3; d++) {
      if (d < 3 - dims) t[d].add(0, 1, 1, 0);
      else t[d] = taps(place[2 - d], in[d], how, outside, align);
    }
    for (int i = 0; i < t[0].count; i++)
      for (int j = 0; j < t[1].count; j++)
        for (int k = 0; k < t[2].count; k++) {
          T a = t[0].weight[i], b = t[1].weight[j], c = t[2].weight[k];
          f((t[0].at[i] * in[1] + t[1].at[j]) * in[2] + t[2].at[k], a * b * c,
            std::array<T, 3>{a * b * t[2].slope[k], a * t[1].slope[j] * c, t[0].slope[i] * b * c});
        }
  }
  // Sampled by blocks of places; a fold needs the general way.
  bool bilinear() const {
    return dims == 2 && how == Sampling::Linear && outside != Outside::Reflection && plane() < int64_t(1) << 31;
  }
  int64_t grain() const { return std::max<int64_t>(1, 2048 / std::max<int64_t>(1, channels)); }
};

void check_grid(const Tensor& x, const Tensor& grid, int64_t mode, int64_t padding) {
  RL_CHECK(RuntimeError, (x.dim() == 4 || x.dim() == 5) && x.dim() == grid.dim(),
           "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes ",
           x.sizes(), " and grid with sizes ", grid.sizes());
  RL_CHECK(RuntimeError, x.size(0) == grid.size(0),
           "grid_sampler(): expected grid and input to have same batch size, but got input with sizes ", x.sizes(),
           " and grid with sizes ", grid.sizes());
  RL_CHECK(RuntimeError, grid.size(-1) == x.dim() - 2, "grid_sampler(): expected grid to have size ", x.dim() - 2,
           " in last dimension, but got grid with sizes ", grid.sizes(),
           ". Hint: a grid holds the coordinates (x, y), or (x, y, z), of each output element, in its last dimension");
  for (int64_t d = 2; d < x.dim(); d++)
    RL_CHECK(RuntimeError, x.size(d) > 0,
             "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes ", x.sizes(),
             " with dimension ", d, " being empty");
  RL_CHECK(RuntimeError, mode >= 0 && mode <= 2 && padding >= 0 && padding <= 2,
           "grid_sampler(): expected interpolation_mode and padding_mode to be 0, 1 or 2, got ", mode, " and ",
           padding);
  RL_CHECK(RuntimeError, Sampling(mode) != Sampling::Cubic || x.dim() == 4,
           "grid_sampler(): bicubic interpolation only supports 4D input");
  RL_CHECK(RuntimeError, x.dtype() == grid.dtype(), "grid_sampler(): expected input and grid to have the same dtype, ",
           "but input has ", x.dtype(), " and grid has ", grid.dtype());
}
TensorSpec sample_meta(const Tensor& x, const Tensor& grid, int64_t mode, int64_t padding, bool) {
  check_grid(x, grid, mode, padding);
  Dims sizes = {x.size(0), x.size(1)};
  for (int64_t d = 1; d + 1 < grid.dim(); d++) sizes.push_back(grid.size(d));
  return {.sizes = sizes, .dtype = x.dtype(), .device = x.device()};
}
// The taps of a block of places in a plane: indices (-1: none) and weights, by tap and place.
constexpr int64_t kBlock = 64;
template <class T>
struct BlockTaps {
  int32_t at[4][kBlock];
  T weight[4][kBlock];
};

// Bilinear taps; as taps() has them.
RL_FOR_EACH_ISA(
    template <class T>, void, bilinear_taps,
    (BlockTaps<T> & t, const T* places, int64_t n, int32_t height, int32_t width, bool align, bool border),
    {
      T sizes[2] = {T(width) RL_COMMA T(height)};
      T x[2][kBlock];
      for (int d = 0; d < 2; d++) {
        T size = sizes[d];
        RL_IVDEP
        for (int64_t p = 0; p < n; p++) {
          T place = places[2 * p + d];
          T v = align ? (place + 1) / 2 * (size - 1) : ((place + 1) * size - 1) / 2;
          v = math::select(math::abs(v) < T(1e9), v, T(-100));
          T inside = math::limit(v, T(0), size - 1);
          x[d][p] = border ? inside : v;
        }
      }
      for (int k = 0; k < 4; k++) {
        int right = k % 2;
        int down = k / 2;
        RL_IVDEP
        for (int64_t p = 0; p < n; p++) {
          T left = math::floor(x[0][p]);
          T top = math::floor(x[1][p]);
          T fx = x[0][p] - left;
          T fy = x[1][p] - top;
          int32_t i = int32_t(left) + right;
          int32_t j = int32_t(top) + down;
          uint32_t index = uint32_t(j) * uint32_t(width) + uint32_t(i);
          bool inside = (i >= 0) & (i < width) & (j >= 0) & (j < height);
          t.at[k][p] = math::select(inside, int32_t(index), int32_t(-1));
          t.weight[k][p] = (right ? fx : 1 - fx) * (down ? fy : 1 - fy);
        }
      }
    },
    <T>)

// One channel at a block of places.
RL_FOR_EACH_ISA(
    template <class T>, void, sum_taps, (T * out, const T* image, const BlockTaps<T>& t, int64_t n),
    {
      RL_IVDEP
      for (int64_t p = 0; p < n; p++) {
        T total = 0;
        for (int k = 0; k < 4; k++) total += t.at[k][p] >= 0 ? t.weight[k][p] * image[t.at[k][p]] : T(0);
        out[p] = total;
      }
    },
    <T>)

template <class T>
void sample_bilinear(const Sampler& s, const T* x, const T* grid, T* out) {
  auto find = bilinear_taps_isa<T>();
  auto sum = sum_taps_isa<T>();
  int64_t blocks = (s.out_places + kBlock - 1) / kBlock;
  parallel_for(0, s.batch * blocks, std::max<int64_t>(1, s.grain() / kBlock), [&](int64_t begin, int64_t end) {
    BlockTaps<T> t;
    for (int64_t b = begin; b < end; b++) {
      int64_t n = b / blocks, from = b % blocks * kBlock, count = std::min(kBlock, s.out_places - from);
      find(t, grid + (n * s.out_places + from) * 2, count, int32_t(s.in[1]), int32_t(s.in[2]), s.align,
           s.outside == Outside::Border);
      for (int64_t c = n * s.channels; c < (n + 1) * s.channels; c++)
        sum(out + c * s.out_places + from, x + c * s.plane(), t, count);
    }
  });
}

void sample_cpu(const Tensor& given, const Tensor& places, int64_t mode, int64_t padding, bool align,
                const Tensor& out) {
  DType type = compute_dtype(given.dtype());
  Tensor x = dense(given, type), grid = dense(places, type), to = dense(out, type);
  Sampler s(x, grid, mode, padding, align);
  dispatch(Types<float, double>{}, x.dtype(), "grid_sampler", [&]<class T>() {
    if (s.bilinear()) return sample_bilinear(s, x.data<T>(), grid.data<T>(), to.data<T>());
    parallel_for(0, s.batch * s.out_places, s.grain(), [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; p++) {
        int64_t n = p / s.out_places;
        const T* image = x.data<T>() + n * s.channels * s.plane();
        T* o = to.data<T>() + n * s.channels * s.out_places + p % s.out_places;
        for (int64_t c = 0; c < s.channels; c++) o[c * s.out_places] = 0;
        s.at(grid.data<T>() + p * s.dims, [&](int64_t at, T weight, const std::array<T, 3>&) {
          for (int64_t c = 0; c < s.channels; c++) o[c * s.out_places] += weight * image[c * s.plane() + at];
        });
      }
    });
  });
  if (!to.is_same(out)) copy_elements(out, to);
}

// Without needs_grid the second result is empty.
std::array<TensorSpec, 2> sample_backward_meta(const Tensor& grad, const Tensor& x, const Tensor& grid, int64_t mode,
                                               int64_t padding, bool align, bool needs_grid) {
  TensorSpec out = sample_meta(x, grid, mode, padding, align);
  expect_shape("_grid_sampler_backward", "grad_output", grad, out.sizes);
  expect_dtype("_grid_sampler_backward", "grad_output", grad, x.dtype());
  return {TensorSpec{.sizes = x.sizes(), .dtype = x.dtype(), .device = x.device()},
          TensorSpec{.sizes = needs_grid ? grid.sizes() : Dims{0}, .dtype = grid.dtype(), .device = grid.device()}};
}
void sample_backward_cpu(const Tensor& grad, const Tensor& given, const Tensor& places, int64_t mode, int64_t padding,
                         bool align, bool needs_grid, const Tensor& out_x, const Tensor& out_grid) {
  DType type = compute_dtype(given.dtype());
  Tensor g = dense(grad, type), x = dense(given, type), grid = dense(places, type);
  Sampler s(x, grid, mode, padding, align);
  bool direct = given.dtype() == type;
  Tensor dx = direct ? out_x : empty_tensor(x.sizes(), type),
         dgrid = direct || !needs_grid ? out_grid : empty_tensor(grid.sizes(), type);
  dispatch(Types<float, double>{}, x.dtype(), "grid_sampler_backward", [&]<class T>() {
    std::fill(dx.data<T>(), dx.data<T>() + dx.numel(), T(0));
    // Places of one image may meet in a pixel: a thread takes whole images.
    parallel_for(0, s.batch, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin * s.out_places; p < end * s.out_places; p++) {
        int64_t n = p / s.out_places, image = n * s.channels * s.plane();
        const T* from = g.data<T>() + n * s.channels * s.out_places + p % s.out_places;
        std::array<T, 3> d = {};
        s.at(grid.data<T>() + p * s.dims, [&](int64_t at, T weight, const std::array<T, 3>& slope) {
          T* to = dx.data<T>() + image + at;
          for (int64_t c = 0; c < s.channels; c++) to[c * s.plane()] += weight * from[c * s.out_places];
          if (!needs_grid) return;
          T dot = 0;
          for (int64_t c = 0; c < s.channels; c++)
            dot += from[c * s.out_places] * x.data<T>()[image + c * s.plane() + at];
          for (size_t k = 0; k < 3; k++) d[k] += slope[k] * dot;
        });
        if (!needs_grid) continue;
        for (int k = 0; k < s.dims; k++) dgrid.data<T>()[p * s.dims + k] = d[size_t(k)];
      }
    });
  });
  if (direct) return;
  copy_elements(out_x, dx);
  if (needs_grid) copy_elements(out_grid, dgrid);
}

// The taps of all places in one dimension, as differentiable tensors (N, places): what taps() gives for one.
struct TensorTap { Tensor at, weight, slope; };

// bounded(), and the factor of its derivative; neither is differentiated.
std::pair<Tensor, Tensor> bounded(Tensor x, int64_t size, Outside outside, bool align) {
  Tensor factor = ones_like(x);
  if (outside == Outside::Zeros) return {x, factor};
  double last = double(size - 1);
  if (outside == Outside::Reflection) {
    double low = align ? 0 : -0.5, span = align ? last : double(size);
    if (span == 0) return {x * 0.0, x * 0.0};
    Tensor off = x - low, away = abs(off), extra = fmod(away, span);
    Tensor even = fmod(floor(away / span), 2.0) == 0.0;
    factor = where(off < 0.0, -1.0, factor) * where(even, factor, -1.0);
    x = where(even, extra, span - extra) + low;
  }
  return {clamp(x, Scalar(0.0), Scalar(last)), where(logical_and(x > 0.0, x < last), factor, 0.0)};
}
std::vector<TensorTap> tensor_taps(const Tensor& place, int64_t size, Sampling how, Outside outside, bool align) {
  double by = double(align ? size - 1 : size) / 2;
  Tensor x = detach(align ? (place + 1.0) * by : ((place + 1.0) * double(size) - 1.0) / 2.0);
  x = where(abs(x) < 1e9, x, -100.0);
  std::vector<TensorTap> out;
  auto tap = [&](const Tensor& at, const Tensor& weight, const Tensor& slope) {
    Tensor inside = logical_and(at >= 0.0, at <= double(size - 1));
    out.push_back(
        {clamp(at, Scalar(0.0), Scalar(double(size - 1))), where(inside, weight, 0.0), where(inside, slope, 0.0)});
  };
  // Every bound is a straight line around x: its value, and its slope times what leaves the place.
  Tensor moved = place - detach(place);
  if (how == Sampling::Cubic) {
    constexpr double A = -0.75;
    Tensor whole = floor(x), f = (x - whole) + moved * by;
    for (int k = -1; k < 3; k++) {
      Tensor d = k <= 0 ? f - double(k) : double(k) - f;  // the distance
      bool near = k == 0 || k == 1;
      Tensor w = near ? ((A + 2) * d - (A + 3)) * d * d + 1.0 : ((A * d - 5 * A) * d + 8 * A) * d - 4 * A;
      Tensor s = near ? (3 * (A + 2) * d - 2 * (A + 3)) * d : (3 * A * d - 10 * A) * d + 8 * A;
      tap(bounded(whole + double(k), size, outside, align).first, w, s * (k <= 0 ? by : -by));
    }
    return out;
  }
  auto [value, factor] = bounded(x, size, outside, align);
  if (how == Sampling::Nearest) {
    tap(round(value), ones_like(value), zeros_like(value));
    return out;
  }
  Tensor whole = floor(value), slope = factor * by, f = (value - whole) + slope * moved;
  tap(whole, 1.0 - f, neg(slope));
  tap(whole + 1.0, f, slope);
  return out;
}
// _grid_sampler_backward of operators that have gradients.
std::array<Tensor, 2> sample_backward_again(const Tensor& g, const Tensor& x, const Tensor& grid, Sampling how,
                                            Outside outside, bool align) {
  int64_t dims = x.dim() - 2, batch = x.size(0), channels = x.size(1), places = product(grid.sizes()) / (batch * dims);
  Tensor flat = reshape(grid, {batch, places, dims}), from = reshape(g, {batch, channels, places});
  Tensor image = reshape(x, {batch, channels, product(x.sizes()) / (batch * channels)}), dx = zeros_like(image);
  Tensors slopes(size_t(dims), zeros({batch, places}, x.dtype(), std::nullopt, x.device()));
  std::vector<std::vector<TensorTap>> along;  // the first dimension first, whose coordinate is the last
  for (int64_t d = 0; d < dims; d++)
    along.push_back(tensor_taps(select(flat, 2, dims - 1 - d), x.size(d + 2), how, outside, align));
  std::vector<size_t> pick(size_t(dims), 0);
  for (bool more = true; more;) {
    Tensor at, weight;
    Tensors by(along.size());  // the derivatives of the weight
    for (int64_t d = 0; d < dims; d++) {
      const TensorTap& t = along[size_t(d)][pick[size_t(d)]];
      for (int64_t k = 0; k < d; k++) by[size_t(k)] = by[size_t(k)] * t.weight;
      by[size_t(d)] = weight.defined() ? weight * t.slope : t.slope;
      weight = weight.defined() ? weight * t.weight : t.weight;
      at = at.defined() ? at * double(x.size(d + 2)) + t.at : t.at;
    }
    at = expand(unsqueeze(to(at, DType::Int64), 1), {batch, channels, places});
    dx = scatter_add(dx, 2, at, from * unsqueeze(weight, 1));
    Tensor dot = sum(from * gather(image, 2, at), IntArrayRef(1));
    for (int64_t d = 0; d < dims; d++)
      slopes[size_t(dims - 1 - d)] = slopes[size_t(dims - 1 - d)] + by[size_t(d)] * dot;
    more = false;
    for (size_t d = size_t(dims); d-- > 0 && !more; more = pick[d] != 0) pick[d] = (pick[d] + 1) % along[d].size();
  }
  return {reshape(dx, x.sizes()), reshape(stack(slopes, 2), grid.sizes())};
}
Grads sample_grad(const Saved& s, const Tensor& g) {
  int64_t mode = s.arg("interpolation_mode").to_int(), padding = s.arg("padding_mode").to_int();
  bool align = s.arg("align_corners").to_bool();
  Tensor x = s["input"], grid = s["grid"];
  if (thread_state.grad_enabled && x.numel() && grid.numel()) {  // to be differentiated again
    auto [dx, dgrid] = sample_backward_again(g, x, grid, Sampling(mode), Outside(padding), align);
    return {dx, dgrid};
  }
  auto [dx, dgrid] = _grid_sampler_backward(g, x, grid, mode, padding, align, s.needs("grid"));
  return {dx, s.needs("grid") ? dgrid : Tensor()};
}
Grads no_second(const Saved&, const Tensors&) {
  throw NotImplementedError("the derivative for 'grid_sampler_backward' is not implemented");
}

Tensor grid_sampler(const Tensor& x, const Tensor& grid, int64_t mode, int64_t padding, bool align) {
  check_grid(x, grid, mode, padding);
  return x.dim() == 4 ? grid_sampler_2d(x, grid, mode, padding, align) : grid_sampler_3d(x, grid, mode, padding, align);
}

// The coordinates of n pixel centres, or of the corners and what lies between.
Tensor centres(int64_t n, bool align, DType type, Device device = {}) {
  if (n == 1) return zeros({1}, type, std::nullopt, device);
  Tensor steps = linspace(-1, 1, n, type, std::nullopt, device);
  return align ? steps : steps * Scalar(double(n - 1)) / Scalar(double(n));
}

TensorSpec affine_grid_meta(const Tensor& theta, IntArrayRef size, bool) {
  RL_CHECK(RuntimeError, size.size() == 4 || size.size() == 5,
           "AffineGridGenerator needs 4d (spatial) or 5d (volumetric) inputs.");
  int64_t dims = int64_t(size.size()) - 2;
  RL_CHECK(RuntimeError,
           theta.dim() == 3 && theta.size(0) == size[0] && theta.size(1) == dims && theta.size(2) == dims + 1,
           "Expected a batch of affine matrices of shape ", size[0], "x", dims, "x", dims + 1, " for size ", size,
           ", got ", theta.sizes());
  Dims sizes = {size[0]};
  for (int64_t d = 0; d < dims; d++) sizes.push_back(size[size_t(d + 2)]);
  sizes.push_back(dims);
  return {.sizes = sizes, .dtype = theta.dtype(), .device = theta.device()};
}
void affine_grid_cpu(const Tensor& theta, IntArrayRef size, bool align, const Tensor& out) {
  int64_t dims = int64_t(size.size()) - 2, places = product(size.slice(2, size_t(dims)));
  Tensors along;  // x, y, z
  for (int64_t d = 0; d < dims; d++) along.push_back(centres(size[size_t(dims + 1 - d)], align, theta.dtype()));
  Tensor map = dense(theta);
  int64_t width = along[0].numel(), height = along[1].numel();
  dispatch(FloatTypes{}, theta.dtype(), "affine_grid_generator", [&]<class T>() {
    using A = compute_t<T>;
    const T* xs = along[0].data<T>();
    int64_t lines = width ? size[0] * (places / width) : 0, per_image = width ? places / width : 1;
    parallel_for(0, lines, std::max<int64_t>(1, 4096 / std::max<int64_t>(1, width)), [&](int64_t begin, int64_t end) {
      for (int64_t line = begin; line < end; line++) {
        int64_t in_image = line % per_image;
        const T* m = map.data<T>() + line / per_image * dims * (dims + 1);
        A base[3], by_x[3];
        for (int64_t k = 0; k < dims; k++, m += dims + 1) {
          by_x[k] = A(m[0]);
          base[k] = A(m[dims]) + A(m[1]) * A(along[1].data<T>()[in_image % height]);
          if (dims == 3) base[k] += A(m[2]) * A(along[2].data<T>()[in_image / height]);
        }
        T* to = out.data<T>() + line * width * dims;
        for (int64_t x = 0; x < width; x++)
          for (int64_t k = 0; k < dims; k++) *to++ = T(base[k] + by_x[k] * A(xs[x]));
      }
    });
  });
}
Grads affine_grid_grad(const Saved& s, const Tensor& g) {
  IntArrayRef size = s.arg("size").int_list();
  int64_t dims = int64_t(size.size()) - 2, places = product(size.slice(2, size_t(dims)));
  Tensor rows = reshape(g, {size[0], places, dims});
  Tensors columns;
  for (int64_t d = dims - 1; d >= 0; d--) {
    Dims line(size_t(dims), 1), all(size.slice(2, size_t(dims)));
    line[size_t(d)] = size[size_t(d + 2)];
    columns.push_back(reshape(
        expand(reshape(centres(size[size_t(d + 2)], s.arg("align_corners").to_bool(), g.dtype(), g.device()), line),
               all),
        {places}));
  }
  columns.push_back(ones({places}, g.dtype(), std::nullopt, g.device()));
  return {matmul(transpose(rows, 1, 2), stack(columns, 1))};
}

}  // namespace

OP(grid_sampler, {.schema = "grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool "
                            "align_corners) -> Tensor",
                  .doc = "An image or a volume at the places that a grid names."
                         " >>> torch.nn.functional.grid_sample(torch.tensor([[[[1., 2.]]]]), torch.zeros(1, 1, 1, 2), "
                         "align_corners=False)\ntensor([[[[1.5000]]]])",
                  .kernel = composite<grid_sampler>(),
                  .forms = kFunction,
                  .autocast = Autocast::Float32});
OP(grid_sampler_2d, {.schema = "grid_sampler_2d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, "
                               "bool align_corners) -> Tensor",
                     .doc = "(N, C, H, W) at the places of (N, H', W', 2).",
                     .kernel = structured<sample_meta, sample_cpu>(),
                     .grad = {{"input", "grid"}, sample_grad},
                     .forms = kFunction,
                     .autocast = Autocast::Float32});
OP(grid_sampler_3d, {.schema = "grid_sampler_3d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, "
                               "bool align_corners) -> Tensor",
                     .doc = "(N, C, D, H, W) at the places of (N, D', H', W', 3).",
                     .kernel = structured<sample_meta, sample_cpu>(),
                     .grad = {{"input", "grid"}, sample_grad},
                     .forms = kFunction,
                     .autocast = Autocast::Float32});
OP(_grid_sampler_backward,
   {.schema = "_grid_sampler_backward(Tensor grad_output, Tensor input, Tensor grid, int "
              "interpolation_mode, int padding_mode, bool align_corners, bool needs_grid) -> (Tensor, "
              "Tensor)",
    .doc = "Gradients of grid_sampler_2d and grid_sampler_3d.",
    .kernel = structured<sample_backward_meta, sample_backward_cpu>(),
    .grad = {{}, no_second},
    .forms = kFunction});
OP(affine_grid_generator, {.schema = "affine_grid_generator(Tensor theta, int[] size, bool align_corners) -> Tensor",
                           .doc = "The grid that a batch of affine maps makes."
                                  " >>> torch.nn.functional.affine_grid(torch.tensor([[[1., 0., 0.], [0., 1., 0.]]]), "
                                  "(1, 1, 1, 2), align_corners=True)\ntensor([[[[-1.,  0.],\n          [ 1.,  0.]]]])",
                           .kernel = structured<affine_grid_meta, affine_grid_cpu>(),
                           .grad = {{}, affine_grid_grad},
                           .forms = kFunction});

}  // namespace rushlight
