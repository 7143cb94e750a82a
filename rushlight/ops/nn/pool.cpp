// Pooling over one to three dimensions, all seen as three: (planes, depth, height, width).
#include <algorithm>
#include <limits>

#include "rushlight/dispatch/expect.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_adaptive_max_pool.h"
#include "rushlight/fn/_avg_pool.h"
#include "rushlight/fn/_avg_pool_backward.h"
#include "rushlight/fn/_max_pool.h"
#include "rushlight/fn/contiguous.h"
#include "rushlight/fn/to.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/parallel.h"
#include "rushlight/ops/nn/layout.h"
#include "rushlight/ops/nn/pooling.h"
#include "rushlight/ops/specs.h"

namespace rushlight {
namespace {

using Three = std::array<int64_t, 3>;

// "int[2] x" with one value for all, or one each; the missing leading dimensions get `otherwise`.
Three expand(IntArrayRef given, int dims, int64_t otherwise, const char* op, const char* name) {
  RL_CHECK(RuntimeError, given.size() == 1 || int(given.size()) == dims, op, ": ", name,
           " must either be a single int, or a tuple of ", dims, " ints");
  Three out = {otherwise, otherwise, otherwise};
  for (int i = 0; i < dims; i++) out[size_t(3 - dims + i)] = given[given.size() == 1 ? 0 : size_t(i)];
  return out;
}
struct Window {
  Three in, out, kernel, stride, pad, dilation;
  int64_t planes;
};

Window window(const Tensor& x, int dims, IntArrayRef kernel, IntArrayRef stride, IntArrayRef pad, IntArrayRef dilation,
              bool ceil, const char* op) {
  RL_CHECK(RuntimeError, x.dim() == dims + 1 || x.dim() == dims + 2, op, ": Expected ", dims + 1, "D or ", dims + 2,
           "D input tensor, but got ", x.sizes());
  for (int64_t d = x.dim() == dims + 2; d < x.dim(); d++)
    RL_CHECK(RuntimeError, x.size(d) > 0, op, ": Expected ", dims + 1, "D or ", dims + 2, "D (batch mode) tensor with ",
             "optional 0 dim batch size for input, but got: ", x.sizes());
  Window w;
  w.kernel = expand(kernel, dims, 1, op, "kernel_size");
  w.stride = stride.empty() ? w.kernel : expand(stride, dims, 1, op, "stride");
  w.pad = expand(pad, dims, 0, op, "padding");
  w.dilation = expand(dilation, dims, 1, op, "dilation");
  w.planes = 1;
  for (int64_t d = 0; d < x.dim() - dims; d++) w.planes *= x.sizes()[size_t(d)];
  for (size_t i = 0; i < 3; i++) {
    int d = int(i) - (3 - dims);
    w.in[i] = d < 0 ? 1 : x.size(x.dim() - dims + d);
    RL_CHECK(RuntimeError, w.kernel[i] > 0, op, ": kernel size should be greater than zero, but got ", kernel);
    RL_CHECK(RuntimeError, w.stride[i] > 0, op, ": stride should not be zero, got ", stride);
    RL_CHECK(RuntimeError, w.dilation[i] > 0, op, ": dilation should be greater than zero, but got ", dilation);
    int64_t span = CheckedInt(w.kernel[i] - 1) * w.dilation[i] + 1;
    RL_CHECK(RuntimeError, w.pad[i] >= 0 && w.pad[i] <= span / 2, op,
             ": pad should be at most half of effective kernel size, but got pad=", w.pad[i],
             ", kernel_size=", w.kernel[i], " and dilation=", w.dilation[i]);
    int64_t reach = CheckedInt(w.pad[i]) * 2 + w.in[i] - span;
    w.out[i] =
        reach < 0 ? (ceil && reach > -w.stride[i]) : (ceil ? ceil_div(reach, w.stride[i]) : reach / w.stride[i]) + 1;
    if (ceil && w.out[i] > 0 && CheckedInt(w.out[i] - 1) * w.stride[i] >= w.in[i] + w.pad[i])
      w.out[i]--;  // the last window must begin inside
    RL_CHECK(RuntimeError, w.out[i] >= 1, op, ": Given input size: ", x.sizes(),
             ". Calculated output size is too small. Hint: use a smaller kernel_size, more padding, a larger input, or "
             "fewer "
             "poolings and strides before");
  }
  return w;
}
Dims out_sizes(const Tensor& x, int dims, const Three& out) {
  Dims sizes = x.sizes();
  for (int i = 0; i < dims; i++) sizes[sizes.size() - size_t(dims) + size_t(i)] = out[size_t(3 - dims + i)];
  return sizes;
}

template <class F>
void with_number(DType d, const char* op, const F& f) {
  switch (d) {
    case DType::Float32: return f(float());
    case DType::Float64: return f(double());
    case DType::Int64: return f(int64_t());
    case DType::Int32: return f(int32_t());
    default: throw NotImplementedError(str("\"", op, "\" not implemented for '", d, "'"));
  }
}

// Bounds of each window along one dimension, the distance of its elements, and what a sum over it is divided by.
struct Spans {
  std::vector<int64_t> first, last, divisor;
  int64_t step = 1;
  // Where windows are all alike but for the edges: element k of window o stands at offset + o * stride + k * step. No taps: they are not.
  int64_t taps = 0, stride = 0, offset = 0;
};
Spans adaptive_spans(int64_t in, int64_t out) {
  Spans s;
  for (int64_t o = 0; o < out; o++) {
    s.first.push_back(CheckedInt(o) * in / out);
    s.last.push_back(ceil_div(CheckedInt(o + 1) * in, out));
    s.divisor.push_back(s.last.back() - s.first.back());
  }
  return s;
}

Spans max_spans(const Window& w, size_t d) {
  Spans s;
  s.step = w.dilation[d];
  s.taps = w.kernel[d], s.stride = w.stride[d], s.offset = -w.pad[d];
  for (int64_t o = 0; o < w.out[d]; o++) {
    int64_t from = o * w.stride[d] - w.pad[d];
    s.last.push_back(std::min(from + (w.kernel[d] - 1) * s.step + 1, w.in[d]));
    if (from < 0) from += ceil_div(-from, s.step) * s.step;
    s.first.push_back(from);
  }
  return s;
}

// The larger of each maximum so far and an element of x, which are `stride` apart, and its place, counted from `place` on. The last NaN wins.
#define RL_RAISE_BODY                                                  \
  {                                                                    \
    auto raise = [&](int64_t apart) {                                  \
      RL_IVDEP for (int64_t v = 0; v < n; v++) {                       \
        T y = x[v * apart], so_far = best[v];                          \
        bool take = bool(int(y > so_far) | int(y != y));               \
        best[v] = take ? y : so_far;                                   \
        at[v] = take ? Place(place + Place(v) * Place(apart)) : at[v]; \
      }                                                                \
    };                                                                 \
    if (stride == 1) raise(1);                                         \
    else if (stride == 2) raise(2);                                    \
    else raise(stride);                                                \
  }
RL_FOR_EACH_ISA(template <class T RL_COMMA class Place>, void, raise_maxima,
                (const T* x, int64_t stride, int64_t n, Place place, T* best, Place* at), RL_RAISE_BODY,
                <T RL_COMMA Place>)

template <class T>
constexpr T kLowest =
    std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();

// One row of windows that are alike: a sweep over the row for each element of the window. `at` is room for the row.
template <class T, class Place>
void row_maxima(const T* in, const Three& size, const std::array<Spans, 3>& s, size_t z, size_t y, T* out,
                std::vector<Place>& at, int64_t* where) {
  const Spans& along = s[2];
  int64_t width = int64_t(along.first.size());
  int64_t start = (s[0].first[z] * size[1] + s[1].first[y]) * size[2];
  // The taps that meet an element in some window; a kernel may reach far into the padding.
  int64_t before = -along.offset - (width - 1) * along.stride;
  int64_t first_tap = before > 0 ? ceil_div(before, along.step) : 0;
  int64_t last_tap = std::min(along.taps, ceil_div(size[2] - along.offset, along.step));
  for (int64_t v = 0; v < width; v++) {
    out[v] = kLowest<T>;
    at[size_t(v)] = Place(start + along.first[size_t(v)]);
  }
  for (int64_t i = s[0].first[z]; i < s[0].last[z]; i += s[0].step)
    for (int64_t j = s[1].first[y]; j < s[1].last[y]; j += s[1].step)
      for (int64_t k = first_tap; k < last_tap; k++) {
        int64_t shift = along.offset + k * along.step;
        int64_t from = shift < 0 ? (-shift + along.stride - 1) / along.stride : 0;
        int64_t to = shift < size[2] ? std::min(width, (size[2] - 1 - shift) / along.stride + 1) : 0;
        int64_t place = (i * size[1] + j) * size[2] + shift + from * along.stride;
        if (from < to)
          raise_maxima_isa<T, Place>()(in + place, along.stride, to - from, Place(place), out + from, at.data() + from);
      }
  std::copy(at.begin(), at.end(), where);
}

void maxima(const Tensor& given, int dims, const std::array<Spans, 3>& s, const char* op, const Tensor& out,
            const Tensor& where) {
  Tensor x = contiguous(given);
  Three in3 = {1, 1, 1}, out3;
  for (int d = 0; d < dims; d++) in3[size_t(3 - dims + d)] = x.size(x.dim() - dims + d);
  for (size_t d = 0; d < 3; d++) out3[d] = int64_t(s[d].first.size());
  int64_t in_plane = product({in3[0], in3[1], in3[2]}), out_plane = product({out3[0], out3[1], out3[2]});
  int64_t planes = out_plane ? out.numel() / out_plane : 0;
  with_number(x.dtype(), op, [&]<class T>(T) {
    using Place = std::conditional_t<sizeof(T) == 8, int64_t, int32_t>;
    bool alike = s[2].taps > 0 && in_plane <= std::numeric_limits<Place>::max();
    parallel_for(0, planes, std::max<int64_t>(1, 4096 / std::max<int64_t>(out_plane, 1)), [&](int64_t b, int64_t e) {
      std::vector<Place> row(alike ? size_t(out3[2]) : 0);
      for (int64_t plane = b; plane < e; plane++) {
        const T* in = x.data<T>() + plane * in_plane;
        T* o = out.data<T>() + plane * out_plane;
        int64_t *at = where.data<int64_t>() + plane * out_plane, here = 0;
        for (size_t z = 0; z < size_t(out3[0]); z++)
          for (size_t y = 0; y < size_t(out3[1]); y++) {
            if (alike) {
              row_maxima(in, in3, s, z, y, o + here, row, at + here);
              here += out3[2];
              continue;
            }
            for (size_t v = 0; v < size_t(out3[2]); v++, here++) {
              T best = kLowest<T>;
              int64_t best_at = (s[0].first[z] * in3[1] + s[1].first[y]) * in3[2] + s[2].first[v];
              for (int64_t i = s[0].first[z]; i < s[0].last[z]; i += s[0].step)
                for (int64_t j = s[1].first[y]; j < s[1].last[y]; j += s[1].step)
                  for (int64_t k = s[2].first[v]; k < s[2].last[v]; k += s[2].step) {
                    int64_t index = (i * in3[1] + j) * in3[2] + k;
                    if (in[index] > best || in[index] != in[index]) {
                      best = in[index];
                      best_at = index;
                    }
                  }
              o[here] = best;
              at[here] = best_at;
            }
          }
      }
    });
  });
}
void maxima_in_order(const Tensor& given, int dims, const std::array<Spans, 3>& s, const char* op, const Tensor& out,
                     const Tensor& where) {
  fill_in_order(out, [&](const Tensor& o) {
    fill_in_order(where, [&](const Tensor& at) { maxima(given, dims, s, op, o, at); });
  });
}
constexpr const char* kMaxPools[] = {"", "max_pool1d", "max_pool2d", "max_pool3d"};
constexpr const char* kAdaptiveMaxPools[] = {"", "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"};
constexpr const char* kAdaptiveAvgPools[] = {"", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"};

std::array<TensorSpec, 2> maxima_spec(const char* op, const Tensor& x, int64_t dims, const Three& out) {
  with_number(x.dtype(), op, [](auto) {});
  Dims sizes = out_sizes(x, int(dims), out);
  Dims strides = x.dim() == dims + 2 ? strides_following(x, sizes) : Dims();
  return {TensorSpec{.sizes = sizes, .dtype = x.dtype(), .device = x.device(), .strides = strides},
          TensorSpec{.sizes = sizes, .dtype = DType::Int64, .device = x.device(), .strides = strides}};
}
int checked_dims(int64_t dims) {
  RL_CHECK(RuntimeError, dims >= 1 && dims <= 3, "pooling: expected 1 to 3 dimensions, got ", dims);
  return int(dims);
}
std::array<TensorSpec, 2> max_pool_meta(const Tensor& x, int64_t dims, IntArrayRef kernel, IntArrayRef stride,
                                        IntArrayRef pad, IntArrayRef dilation, bool ceil) {
  const char* op = kMaxPools[checked_dims(dims)];
  return maxima_spec(op, x, dims, window(x, int(dims), kernel, stride, pad, dilation, ceil, op).out);
}
void max_pool_cpu(const Tensor& x, int64_t dims, IntArrayRef kernel, IntArrayRef stride, IntArrayRef pad,
                  IntArrayRef dilation, bool ceil, const Tensor& out, const Tensor& where) {
  const char* op = kMaxPools[dims];
  Window w = window(x, int(dims), kernel, stride, pad, dilation, ceil, op);
  maxima_in_order(x, int(dims), {max_spans(w, 0), max_spans(w, 1), max_spans(w, 2)}, op, out, where);
}

void check_adaptive(const char* op, const Tensor& self, int dims, IntArrayRef output_size) {
  RL_CHECK(RuntimeError, self.dim() == dims + 1 || self.dim() == dims + 2, op, "(): Expected ", dims + 1, "D or ",
           dims + 2, "D tensor, but got ", self.sizes());
  RL_CHECK(RuntimeError, int(output_size.size()) == dims, op, "(): output_size must be ", dims);
  for (int64_t n : output_size)
    RL_CHECK(RuntimeError, n >= 0, op, "(): elements of output_size must be greater than or equal to 0 but received ",
             output_size);
}
void check_not_empty_from(const char* op, const Tensor& self, int64_t first) {
  for (int64_t d = first; d < self.dim(); d++)
    RL_CHECK(RuntimeError, self.size(d) > 0, op,
             "(): Expected input to have non-zero size for non-batch dimensions, but input has sizes ", self.sizes(),
             " with dimension ", d, " being empty");
}
// The spans of adaptive pooling, in three dimensions.
std::array<Spans, 3> adaptive(const Tensor& self, int dims, IntArrayRef output_size) {
  std::array<Spans, 3> s = {adaptive_spans(1, 1), adaptive_spans(1, 1), adaptive_spans(1, 1)};
  // What no memory holds is refused before spans are counted.
  Dims sizes = self.sizes();
  for (int d = 0; d < dims; d++) sizes[sizes.size() - size_t(dims - d)] = output_size[size_t(d)];
  for (int64_t& n : sizes) n = std::max<int64_t>(n, 1);
  empty_tensor(sizes, DType::Float64);
  for (int d = 0; d < dims; d++)
    s[size_t(3 - dims + d)] = adaptive_spans(self.size(self.dim() - dims + d), output_size[size_t(d)]);
  return s;
}
std::array<TensorSpec, 2> adaptive_max_pool_meta(const Tensor& x, int64_t dims, IntArrayRef output_size) {
  const char* op = kAdaptiveMaxPools[checked_dims(dims)];
  check_adaptive(op, x, int(dims), output_size);
  check_not_empty_from(op, x, x.dim() == dims + 2);
  return maxima_spec(op, x, dims, expand(output_size, int(dims), 1, op, "output_size"));
}
void adaptive_max_pool_cpu(const Tensor& x, int64_t dims, IntArrayRef output_size, const Tensor& out,
                           const Tensor& where) {
  maxima_in_order(x, int(dims), adaptive(x, int(dims), output_size), kAdaptiveMaxPools[dims], out, where);
}

Grads max_pool_grad(const Saved& s, const Tensors& g) {
  return {maxima_gradient(g[0], s["indices"], s.sizes("self"), s.arg("dims").to_int())};
}

// The kernels are for 32 and 64 bits.
Tensor widened(const Tensor& x) {
  bool small = is_integral(x.dtype(), false) && x.item_size() < 4;
  return is_half(x.dtype()) ? to(x, DType::Float32) : small ? to(x, DType::Int32) : x;
}

template <int dims>
std::tuple<Tensor, Tensor> max_pool_with_indices(const Tensor& self, IntArrayRef kernel, IntArrayRef stride,
                                                 IntArrayRef pad, IntArrayRef dilation, bool ceil) {
  auto [out, at] = _max_pool(widened(self), dims, kernel, stride, pad, dilation, ceil);
  return {to(out, self.dtype()), at};
}
template <int dims>
Tensor max_pool_only(const Tensor& self, IntArrayRef kernel, IntArrayRef stride, IntArrayRef pad, IntArrayRef dilation,
                     bool ceil) {
  return std::get<0>(max_pool_with_indices<dims>(self, kernel, stride, pad, dilation, ceil));
}

template <int dims>
std::tuple<Tensor, Tensor> adaptive_max_pool_nd(const Tensor& self, IntArrayRef output_size) {
  auto [out, at] = _adaptive_max_pool(widened(self), dims, output_size);
  return {to(out, self.dtype()), at};
}

// ---- averages ----

Spans average_spans(const Window& w, size_t d, bool count_pad) {
  Spans s;
  for (int64_t o = 0; o < w.out[d]; o++) {
    int64_t from = o * w.stride[d] - w.pad[d];
    int64_t to = std::min<int64_t>(CheckedInt(from) + w.kernel[d], w.in[d] + w.pad[d]);
    int64_t padded = to - from;
    from = std::max<int64_t>(from, 0);
    to = std::min(to, w.in[d]);
    s.first.push_back(from);
    s.last.push_back(to);
    s.divisor.push_back(count_pad ? padded : to - from);
  }
  return s;
}
// spans: for each of the three dimensions first, last, divisor in turn, each a list; divisor_override 0: none. `in`: what is averaged.
struct Averages {
  struct Along { const int64_t *first, *last, *divisor; };
  std::array<Along, 3> s;
  Three in3 = {1, 1, 1}, out3;
  Dims sizes;  // of the averages
  int64_t planes;

  Averages(IntArrayRef in, int64_t dims, IntArrayRef lengths, IntArrayRef spans) : sizes(in) {
    RL_CHECK(ShapeError, checked_dims(dims) < int(in.size()) && lengths.size() == 3, "_avg_pool: expected ", dims + 1,
             " dimensions or more and three lengths, got ", in, " and ", lengths);
    size_t first = in.size() - size_t(dims);
    planes = product(in.slice(0, first));
    for (size_t d = 0; d < size_t(dims); d++) in3[3 - size_t(dims) + d] = in[first + d];
    const int64_t *p = spans.begin(), *end = spans.end();
    for (size_t d = 0; d < 3; d++) {
      int64_t n = out3[d] = lengths[d];
      RL_CHECK(ShapeError, n == 1 || d + size_t(dims) >= 3, "_avg_pool: expected length 1 before the last ", dims,
               " dimensions, got ", lengths);
      RL_CHECK(ShapeError, n >= 0 && n <= (end - p) / 3, "_avg_pool: expected first, last and divisor of ", n,
               " spans, got a list of ", spans.size());
      s[d] = {p, p + n, p + 2 * n};
      p += 3 * n;
      for (size_t i = 0; i < size_t(n); i++)
        RL_CHECK(ShapeError, s[d].first[i] >= 0 && s[d].last[i] <= in3[d], "_avg_pool: the span from ", s[d].first[i],
                 " to ", s[d].last[i], " is not in a dimension of size ", in3[d]);
    }
    for (size_t d = 0; d < size_t(dims); d++) sizes[first + d] = out3[3 - size_t(dims) + d];
  }
};
void check_averaged(DType d) {
  if (!is_half(d)) with_number(d, "avg_pool", [](auto) {});
}

template <bool backward>
void average(const Tensor& given, const Averages& a, int64_t divisor_override, const Tensor& result) {
  Tensor g = contiguous(given);
  const auto& [s, in3, out3, _, count] = a;
  int64_t in_plane = product({in3[0], in3[1], in3[2]}), out_plane = product({out3[0], out3[1], out3[2]});
  // Windows one element wide, as those over channels are: whole lines are added up.
  bool by_lines = !backward && !is_half(g.dtype()) && out3[2] == in3[2];
  for (size_t v = 0; by_lines && v < size_t(out3[2]); v++)
    by_lines = s[2].first[v] == int64_t(v) && s[2].last[v] == int64_t(v) + 1;
  auto run = [&]<class T>(T) {
    // Integers are divided by 64 bits: a divisor may be more than T holds.
    using D = std::conditional_t<std::is_integral_v<T>, int64_t, T>;
    auto divisor_of = [&](size_t z, size_t y, size_t v) {
      return D(divisor_override ? divisor_override
                                : int64_t(CheckedInt(s[0].divisor[z]) * s[1].divisor[y] * s[2].divisor[v]));
    };
    auto divided = [](T sum, D divisor) {
      if constexpr (std::is_integral_v<T>)
        if (divisor == -1) return T(0 - uint64_t(sum));  // the smallest integer / -1 would trap
      return T(sum / divisor);
    };
    if (backward) std::fill(result.data<T>(), result.data<T>() + result.numel(), T(0));
    parallel_for(0, count, std::max<int64_t>(1, 4096 / std::max<int64_t>(in_plane, 1)), [&](int64_t b, int64_t e) {
      for (int64_t plane = b; plane < e; plane++) {
        const T* from = g.data<T>() + plane * (backward ? out_plane : in_plane);
        T* to = result.data<T>() + plane * (backward ? in_plane : out_plane);
        int64_t here = 0;
        for (size_t z = 0; z < size_t(out3[0]); z++)
          for (size_t y = 0; y < size_t(out3[1]); y++) {
            if (by_lines) {
              T* line = to + here;
              here += out3[2];
              std::fill(line, line + out3[2], T(0));
              for (int64_t i = s[0].first[z]; i < s[0].last[z]; i++)
                for (int64_t j = s[1].first[y]; j < s[1].last[y]; j++) {
                  const T* row = from + (i * in3[1] + j) * in3[2];
                  for (int64_t v = 0; v < out3[2]; v++) line[v] = T(line[v] + row[v]);
                }
              for (int64_t v = 0; v < out3[2]; v++) line[v] = divided(line[v], divisor_of(z, y, size_t(v)));
              continue;
            }
            for (size_t v = 0; v < size_t(out3[2]); v++, here++) {
              D divisor = divisor_of(z, y, v);
              T sum = 0, share = backward ? divided(from[here], divisor) : T(0);
              for (int64_t i = s[0].first[z]; i < s[0].last[z]; i++)
                for (int64_t j = s[1].first[y]; j < s[1].last[y]; j++)
                  for (int64_t k = s[2].first[v]; k < s[2].last[v]; k++) {
                    int64_t index = (i * in3[1] + j) * in3[2] + k;
                    if (backward) to[index] = T(to[index] + share);
                    else sum = T(sum + from[index]);
                  }
              if (backward) continue;
              if constexpr (is_half(dtype_of<T>)) {
                T across = T(T(sum / float(s[0].divisor[z])) / float(s[1].divisor[y]));
                to[here] = T(across / float(s[2].divisor[v]));
              } else {
                to[here] = divided(sum, divisor);
              }
            }
          }
      }
    });
  };
  if (g.dtype() == DType::Float16) run(Half());
  else if (g.dtype() == DType::BFloat16) run(BFloat16());
  else with_number(g.dtype(), "avg_pool", run);
}
TensorSpec avg_forward_meta(const Tensor& self, int64_t dims, IntArrayRef lengths, IntArrayRef spans, int64_t) {
  check_averaged(self.dtype());
  Dims sizes = Averages(self.sizes(), dims, lengths, spans).sizes, strides;
  if (self.dim() == dims + 2) strides = strides_following(self, sizes);
  return {.sizes = sizes, .dtype = self.dtype(), .device = self.device(), .strides = strides};
}
void avg_forward_cpu(const Tensor& self, int64_t dims, IntArrayRef lengths, IntArrayRef spans, int64_t divisor,
                     const Tensor& out) {
  fill_in_order(
      out, [&](const Tensor& to) { average<false>(self, Averages(self.sizes(), dims, lengths, spans), divisor, to); });
}
TensorSpec avg_backward_meta(const Tensor& g, int64_t dims, IntArrayRef lengths, IntArrayRef spans, int64_t,
                             IntArrayRef sizes) {
  check_averaged(g.dtype());
  Averages a(sizes, dims, lengths, spans);
  expect_shape("_avg_pool_backward", "grad_output", g, a.sizes);
  Dims all(sizes), strides;
  if (g.dim() == dims + 2) strides = strides_following(g, all);
  return {.sizes = all, .dtype = g.dtype(), .device = g.device(), .strides = strides};
}
void avg_backward_cpu(const Tensor& g, int64_t dims, IntArrayRef lengths, IntArrayRef spans, int64_t divisor,
                      IntArrayRef sizes, const Tensor& out) {
  fill_in_order(out, [&](const Tensor& to) { average<true>(g, Averages(sizes, dims, lengths, spans), divisor, to); });
}

Tensor spans_average(const Tensor& self, int dims, const std::array<Spans, 3>& s, int64_t divisor) {
  std::vector<int64_t> lengths, all;
  for (const Spans& one : s) {
    lengths.push_back(int64_t(one.first.size()));
    for (const auto* list : {&one.first, &one.last, &one.divisor}) all.insert(all.end(), list->begin(), list->end());
  }
  return _avg_pool(self, dims, lengths, all, divisor);
}
Tensor run_average(const Tensor& self, int dims, const std::array<Spans, 3>& s, int64_t divisor) {
  return to(spans_average(widened(self), dims, s, divisor), self.dtype());
}
template <int dims>
Tensor avg_pool_nd(const Tensor& self, IntArrayRef kernel, IntArrayRef stride, IntArrayRef pad, bool ceil,
                   bool count_pad, const std::optional<int64_t>& divisor) {
  const char* ops[] = {"", "avg_pool1d", "avg_pool2d", "avg_pool3d"};
  RL_CHECK(RuntimeError, !divisor || *divisor != 0, "divisor must be not zero");
  Window w = window(self, dims, kernel, stride, pad, {1}, ceil, ops[dims]);
  return run_average(self, dims,
                     {average_spans(w, 0, count_pad), average_spans(w, 1, count_pad), average_spans(w, 2, count_pad)},
                     divisor.value_or(0));
}
Tensor avg_pool1d(const Tensor& self, IntArrayRef kernel, IntArrayRef stride, IntArrayRef pad, bool ceil,
                  bool count_pad) {
  return avg_pool_nd<1>(self, kernel, stride, pad, ceil, count_pad, {});
}
template <int dims>
Tensor adaptive_avg_pool(const Tensor& self, IntArrayRef output_size) {
  const char* op = kAdaptiveAvgPools[dims];
  check_adaptive(op, self, dims, output_size);
  bool single = std::all_of(output_size.begin(), output_size.end(), [](int64_t n) { return n == 1; });
  // One result is a mean, which nothing has too (NaN, which integers have not). Of the others those of batches in three dimensions refuse to have no channels.
  if (!single || is_integral(self.dtype(), true)) check_not_empty_from(op, self, dims == 3 ? 1 : self.dim() - dims);
  std::array<Spans, 3> spans = adaptive(self, dims, output_size);
  // In three dimensions PyTorch adds up halves as they are, unless there is one result.
  return dims == 3 && !single && is_half(self.dtype()) ? spans_average(self, dims, spans, 0)
                                                       : run_average(self, dims, spans, 0);
}

}  // namespace

OP(max_pool, {.schema = "_max_pool(Tensor self, int dims, int[] kernel_size, int[] stride, int[] padding, int[] "
                        "dilation, bool ceil_mode) -> (Tensor output, Tensor indices)",
              .doc = "Maxima of windows over the last `dims` dimensions, and where in their plane they stood.",
              .kernel = structured<max_pool_meta, max_pool_cpu>(),
              .grad = {{"indices"}, max_pool_grad},
              .forms = kFunction});
OP(adaptive_max_pool,
   {.schema = "_adaptive_max_pool(Tensor self, int dims, int[] output_size) -> (Tensor output, Tensor indices)",
    .doc = "Maxima of output_size spans over the last `dims` dimensions, and where in their plane they stood.",
    .kernel = structured<adaptive_max_pool_meta, adaptive_max_pool_cpu>(),
    .grad = {{"indices"}, max_pool_grad},
    .forms = kFunction});
OP(adaptive_max_pool1d,
   {.schema = "adaptive_max_pool1d(Tensor self, int[1] output_size) -> (Tensor, Tensor)",
    .doc = "Maxima of output_size spans, and their places."
           " >>> torch.nn.functional.adaptive_max_pool1d(torch.tensor([[[1., 5., 2., 3.]]]), 2)\ntensor([[[5., 3.]]])",
    .kernel = composite<adaptive_max_pool_nd<1>>(),
    .forms = kFunction,
    .module = ""});
OP(adaptive_max_pool2d,
   {.schema = "adaptive_max_pool2d(Tensor self, int[2] output_size) -> (Tensor out, Tensor indices)",
    .doc = "Maxima of output_size spans, and their places."
           " >>> torch.nn.functional.adaptive_max_pool2d(torch.tensor([[[[1., 5.], [2., 3.]]]]), (1, "
           "2))\ntensor([[[[2., 5.]]]])",
    .kernel = composite<adaptive_max_pool_nd<2>>(),
    .forms = kFunction | kOut,
    .module = "nn",
    .node = "AdaptiveMaxPool2DBackward0"});
OP(adaptive_max_pool3d,
   {.schema = "adaptive_max_pool3d(Tensor self, int[3] output_size) -> (Tensor out, Tensor indices)",
    .doc = "Maxima of output_size spans, and their places.",
    .kernel = composite<adaptive_max_pool_nd<3>>(),
    .forms = kFunction | kOut,
    .module = "nn",
    .node = "AdaptiveMaxPool3DBackward0",
    .autocast = Autocast::Float32});
OP(max_pool1d,
   {.schema = "max_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=0, int[1] "
              "dilation=1, bool ceil_mode=False) -> Tensor",
    .doc = "Maxima of windows of (N, C, L)."
           " >>> torch.nn.functional.max_pool1d(torch.tensor([[[1., 5., 2., 3.]]]), 2)\ntensor([[[5., 3.]]])",
    .kernel = composite<max_pool_only<1>>(),
    .forms = kFunction,
    .node = "SqueezeBackward1"});
OP(max_pool2d,
   {.schema = "max_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] "
              "dilation=1, bool ceil_mode=False) -> Tensor",
    .doc = "Maxima of windows of (N, C, H, W)."
           " >>> torch.nn.functional.max_pool2d(torch.tensor([[[[1., 5.], [2., 3.]]]]), 2)\ntensor([[[[5.]]]])",
    .kernel = composite<max_pool_only<2>>(),
    .forms = kFunction,
    .node = "MaxPool2DWithIndicesBackward0"});
OP(max_pool3d,
   {.schema = "max_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, int[3] "
              "dilation=1, bool ceil_mode=False) -> Tensor",
    .doc = "Maxima of windows of (N, C, D, H, W)."
           " >>> torch.nn.functional.max_pool3d(torch.ones(1, 1, 2, 4, 4), 2).shape\ntorch.Size([1, 1, 1, 2, 2])",
    .kernel = composite<max_pool_only<3>>(),
    .forms = kFunction,
    .node = "MaxPool3DWithIndicesBackward0",
    .autocast = Autocast::Float32});
OP(max_pool1d_with_indices, {.schema = "max_pool1d_with_indices(Tensor self, int[1] kernel_size, int[1] stride=[], "
                                       "int[1] padding=0, int[1] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)",
                             .doc = "max_pool1d and the places of the maxima."
                                    " >>> torch.nn.functional.max_pool1d(torch.tensor([[[1., 5., 2., 3.]]]), 2, "
                                    "return_indices=True)[1]\ntensor([[[1, 3]]])",
                             .kernel = composite<max_pool_with_indices<1>>(),
                             .forms = kFunction});
OP(max_pool2d_with_indices, {.schema = "max_pool2d_with_indices(Tensor self, int[2] kernel_size, int[2] stride=[], "
                                       "int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)",
                             .doc = "max_pool2d and the places of the maxima."
                                    " >>> torch.nn.functional.max_pool2d(torch.tensor([[[[1., 5.], [2., 3.]]]]), 2, "
                                    "return_indices=True)[1]\ntensor([[[[1]]]])",
                             .kernel = composite<max_pool_with_indices<2>>(),
                             .forms = kFunction,
                             .module = "nn",
                             .node = "MaxPool2DWithIndicesBackward0"});
OP(max_pool3d_with_indices, {.schema = "max_pool3d_with_indices(Tensor self, int[3] kernel_size, int[3] stride=[], "
                                       "int[3] padding=0, int[3] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)",
                             .doc = "max_pool3d and the places of the maxima.",
                             .kernel = composite<max_pool_with_indices<3>>(),
                             .forms = kFunction,
                             .module = "nn",
                             .node = "MaxPool3DWithIndicesBackward0"});
OP(avg_pool, {.schema = "_avg_pool(Tensor self, int dims, int[] lengths, int[] spans, int divisor_override) -> Tensor",
              .doc = "Averages of spans.",
              .kernel = structured<avg_forward_meta, avg_forward_cpu>(),
              .grad = {{},
                       [](const Saved& s, const Tensor& g) {
                         return Grads{_avg_pool_backward(g, s.arg("dims").to_int(), s.arg("lengths").int_list(),
                                                         s.arg("spans").int_list(), s.arg("divisor_override").to_int(),
                                                         s.sizes("self"))};
                       }},
              .forms = kFunction});
OP(avg_pool_backward,
   {.schema = "_avg_pool_backward(Tensor grad_output, int dims, int[] lengths, int[] spans, int divisor_override, "
              "int[] sizes) -> Tensor",
    .doc = "Gradient of _avg_pool.",
    .kernel = structured<avg_backward_meta, avg_backward_cpu>(),
    .grad = {{},
             [](const Saved& s, const Tensor& g) {
               return Grads{_avg_pool(g, s.arg("dims").to_int(), s.arg("lengths").int_list(), s.arg("spans").int_list(),
                                      s.arg("divisor_override").to_int())};
             }},
    .forms = kFunction});
OP(avg_pool1d,
   {.schema = "avg_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=0, bool "
              "ceil_mode=False, bool count_include_pad=True) -> Tensor",
    .doc = "Averages of windows of (N, C, L)."
           " >>> torch.nn.functional.avg_pool1d(torch.tensor([[[1., 5., 2., 4.]]]), 2)\ntensor([[[3., 3.]]])",
    .kernel = composite<avg_pool1d>(),
    .forms = kFunction,
    .node = "SqueezeBackward1"});
OP(avg_pool2d,
   {.schema = "avg_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, bool "
              "ceil_mode=False, bool count_include_pad=True, int? divisor_override=None) -> Tensor",
    .doc = "Averages of windows of (N, C, H, W)."
           " >>> torch.nn.functional.avg_pool2d(torch.tensor([[[[1., 5.], [2., 4.]]]]), 2)\ntensor([[[[3.]]]])",
    .kernel = composite<avg_pool_nd<2>>(),
    .forms = kFunction | kOut,
    .module = "nn",
    .node = "AvgPool2DBackward0"});
OP(avg_pool3d,
   {.schema = "avg_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, bool "
              "ceil_mode=False, bool count_include_pad=True, int? divisor_override=None) -> Tensor",
    .doc = "Averages of windows of (N, C, D, H, W)."
           " >>> torch.nn.functional.avg_pool3d(torch.ones(1, 1, 2, 4, 4), 2).shape\ntorch.Size([1, 1, 1, 2, 2])",
    .kernel = composite<avg_pool_nd<3>>(),
    .forms = kFunction | kOut,
    .module = "nn",
    .node = "AvgPool3DBackward0",
    .autocast = Autocast::Float32});
OP(adaptive_avg_pool1d,
   {.schema = "adaptive_avg_pool1d(Tensor self, int[1] output_size) -> Tensor",
    .doc = "Averages of output_size spans."
           " >>> torch.nn.functional.adaptive_avg_pool1d(torch.tensor([[[1., 5., 2., 4.]]]), 2)\ntensor([[[3., 3.]]])",
    .kernel = composite<adaptive_avg_pool<1>>(),
    .forms = kFunction});
OP(adaptive_avg_pool2d,
   {.schema = "adaptive_avg_pool2d(Tensor self, int[2] output_size) -> Tensor",
    .doc =
        "Averages of output_size spans."
        " >>> torch.nn.functional.adaptive_avg_pool2d(torch.tensor([[[[1., 5.], [2., 4.]]]]), 1)\ntensor([[[[3.]]]])",
    .kernel = composite<adaptive_avg_pool<2>>(),
    .forms = kFunction,
    .module = "nn",
    .node = "AdaptiveAvgPool2DBackward0"});
OP(adaptive_avg_pool3d,
   {.schema = "adaptive_avg_pool3d(Tensor self, int[3] output_size) -> Tensor",
    .doc =
        "Averages of output_size spans."
        " >>> torch.nn.functional.adaptive_avg_pool3d(torch.ones(1, 1, 2, 4, 4), 1).shape\ntorch.Size([1, 1, 1, 1, 1])",
    .kernel = composite<adaptive_avg_pool<3>>(),
    .forms = kFunction,
    .module = "nn",
    .node = "AdaptiveAvgPool3DBackward0",
    .autocast = Autocast::Float32});

}  // namespace rushlight
