// roi_align, roi_pool, ps_roi_align and ps_roi_pool: values of a feature map in regions given as (image, x1, y1, x2, y2).
//
// Forward and backward walk over the same samples: each operator is one loop that calls `visit` with where a value comes from.
#include "rushlight/vision/axis.h"
#include "rushlight/vision/register.h"

namespace rushlight::vision {

void Regions::check(const Tensor& input, const Tensor& rois) const {
  TORCH_CHECK(input.dim() == 4, op, ": expected input of shape [N, C, H, W], got ", input.sizes());
  TORCH_CHECK(rois.dim() == 2 && rois.size(1) == 5, op,
              ": rois must have shape as Tensor[K, 5]: (image, x1, y1, x2, y2) in each row, got ", rois.sizes());
  TORCH_CHECK(input.scalar_type() == rois.scalar_type(), op,
              ": Expected tensor for input to have the same type as tensor for rois; but type ", input.scalar_type(),
              " does not equal ", rois.scalar_type());
  TORCH_CHECK(rois.size(0) == 0 || (input.size(2) > 0 && input.size(3) > 0), op,
              ": expected a map with pixels where there are regions, got shape ", input.sizes());
  TORCH_CHECK(height > 0 && width > 0, op, ": expected a pooled size > 0, got ", height, " x ", width);
  TORCH_CHECK(height <= (int64_t(1) << 30) / width, op, ": expected a pooled size of at most 2**30 bins, got ", height,
              " x ", width);
}

int64_t Regions::image(double index, int64_t n, int64_t images) const {
  TORCH_CHECK_INDEX(index >= 0 && index < double(images), op, ": rois[", n, ", 0] is ", index, ", but input has ",
                    images, " images");
  return int64_t(index);
}

namespace {

// Sizes of the feature map, and which part of it a thread works on.
struct Map {
  int64_t images, channels, height, width;
  int64_t plane() const { return height * width; }
};
Map map_of(const Tensor& x) { return {x.size(0), x.size(1), x.size(2), x.size(3)}; }

template <class T>
using Acc = std::conditional_t<std::is_same_v<T, double>, double, float>;

// Threads share the channels of the result, so that no two of them add to one element of a gradient.
template <class F>
void over_channels(int64_t channels, int64_t cost, F f) {
  at::parallel_for(0, channels, std::max<int64_t>(1, 20000 / std::max<int64_t>(1, cost)), f);
}

// Walks the bins of each region: `each_region(n, image, roi)` returns what is called for (channel, bin y, bin x, flat index of the result).
template <class T, class Region>
void walk(const Regions& r, const Map& map, int64_t out_channels, const Tensor& rois, Region each_region) {
  Tensor kept = rois.contiguous();
  const T* roi = kept.data_ptr<T>();
  int64_t count = kept.size(0), bins = r.height * r.width;
  for (int64_t n = 0; n < count; n++) r.image(double(roi[n * 5]), n, map.images);
  over_channels(out_channels, count * bins * 4, [&](int64_t first, int64_t last) {
    for (int64_t n = 0; n < count; n++) {
      Acc<T> box[4];
      for (int i = 0; i < 4; i++) box[i] = Acc<T>(roi[n * 5 + 1 + i]);
      auto bin = each_region(int64_t(roi[n * 5]), box);
      for (int64_t c = first; c < last; c++)
        for (int64_t y = 0; y < r.height; y++)
          for (int64_t x = 0; x < r.width; x++) bin(c, y, x, ((n * out_channels + c) * r.height + y) * r.width + x);
    }
  });
}

// ---- roi_align and ps_roi_align ------------------------------------------------------------------------------------------------

struct Align {
  double scale;
  int64_t ratio;
  bool aligned, by_position;  // by_position: each bin has channels of its own
};

// visit(flat index of the result, element of the input, weight) for every sample; `done(result index)` behind those of a bin.
template <class T, class Visit, class Done>
void align(const Regions& r, const Align& how, const Map& map, const Tensor& rois, Visit visit, Done done) {
  using A = Acc<T>;
  // A list of the samples along each axis is kept.
  TORCH_CHECK(how.ratio <= (int64_t(1) << 22) / std::max(r.height, r.width), r.op,
              ": expected a sampling ratio of at most 2**22 / pooled size, got ", how.ratio, " for ", r.height, " x ",
              r.width);
  int64_t bins = r.height * r.width, out_channels = how.by_position ? map.channels / bins : map.channels;
  walk<T>(r, map, out_channels, rois, [&](int64_t image, const A* box) {
    A shift = how.aligned || how.by_position ? A(0.5) : A(0), scale = A(how.scale);
    A left = box[0] * scale - shift, top = box[1] * scale - shift;
    A width = box[2] * scale - shift - left, height = box[3] * scale - shift - top;
    if (!how.aligned && !how.by_position) width = std::max(width, A(1)), height = std::max(height, A(1));
    int64_t ny = samples_per_bin(height, r.height, how.ratio), nx = samples_per_bin(width, r.width, how.ratio);
    A count = A(ny) * A(nx);
    if (!how.by_position) count = std::max(count, A(1));
    return [=, &map, ys = Axis<A>(top, height, r.height, ny, map.height),
            xs = Axis<A>(left, width, r.width, nx, map.width)](int64_t c, int64_t y, int64_t x, int64_t to) {
      int64_t from = how.by_position ? (c * r.height + y) * r.width + x : c;
      int64_t plane = (image * map.channels + from) * map.plane();
      for (auto* sy = ys.begin(y); sy != ys.end(y); sy++) {
        int64_t low = plane + sy->low * map.width, high = plane + sy->high * map.width;
        for (auto* sx = xs.begin(x); sx != xs.end(x); sx++) {
          visit(to, low + sx->low, sy->weight_low * sx->weight_low);
          visit(to, low + sx->high, sy->weight_low * sx->weight_high);
          visit(to, high + sx->low, sy->weight_high * sx->weight_low);
          visit(to, high + sx->high, sy->weight_high * sx->weight_high);
        }
      }
      done(to, count, from);
    };
  });
}

template <class T>
void align_forward(const Regions& r, const Align& how, const Tensor& input, const Tensor& rois, const Tensor& out,
                   int* channel) {
  using A = Acc<T>;
  Tensor x = input.contiguous();
  const T* in = x.data_ptr<T>();
  T* to = out.data_ptr<T>();
  thread_local A sum;
  sum = 0;
  align<T>(
      r, how, map_of(input), rois, [=](int64_t, int64_t i, A weight) { sum += weight * A(in[i]); },
      [=](int64_t o, A count, int64_t from) {
        to[o] = T(sum / count);
        if (channel) channel[o] = int(from);
        sum = 0;
      });
}

template <class T>
void align_backward(const Regions& r, const Align& how, const Tensor& grad, const Tensor& rois, const Tensor& out) {
  using A = Acc<T>;
  Tensor g = grad.contiguous();
  const T* in = g.data_ptr<T>();
  Tensor sums = std::is_same_v<T, A> ? out : torch::zeros(out.sizes(), torch::kFloat);
  A* to = sums.data_ptr<A>();
  // The number of samples is known behind them only, so a bin's are kept.
  thread_local std::vector<std::pair<int64_t, A>> kept;
  kept.clear();
  align<T>(
      r, how, map_of(out), rois, [](int64_t, int64_t i, A weight) { kept.emplace_back(i, weight); },
      [=](int64_t o, A count, int64_t) {
        for (auto [i, weight] : kept) to[i] += A(in[o]) * weight / count;
        kept.clear();
      });
  if (!sums.is_same(out)) out.copy_(sums);
}

Tensor roi_align(const Tensor& input, const Tensor& rois, double scale, int64_t height, int64_t width, int64_t ratio,
                 bool aligned) {
  Regions r{"roi_align", height, width};
  r.check(input, rois);
  Tensor out = torch::empty({rois.size(0), input.size(1), height, width}, input.options());
  if (out.is_meta() || out.numel() == 0) return out;
  AT_DISPATCH_FLOATING_TYPES_AND_HALF(input.scalar_type(), "roi_align", [&] {
    align_forward<scalar_t>(r, {scale, ratio, aligned, false}, input, rois, out, nullptr);
  });
  return out;
}
Tensor roi_align_backward(const Tensor& grad, const Tensor& rois, double scale, int64_t height, int64_t width,
                          int64_t n, int64_t c, int64_t h, int64_t w, int64_t ratio, bool aligned) {
  Regions r{"_roi_align_backward", height, width};
  Tensor out = torch::zeros({n, c, h, w}, grad.options());
  r.check(out, rois);
  TORCH_CHECK(grad.sizes() == at::IntArrayRef({rois.size(0), c, height, width}), r.op, ": grad has shape ",
              grad.sizes());
  if (out.is_meta() || grad.numel() == 0) return out;
  AT_DISPATCH_FLOATING_TYPES_AND_HALF(grad.scalar_type(), "roi_align", [&] {
    align_backward<scalar_t>(r, {scale, ratio, aligned, false}, grad, rois, out);
  });
  return out;
}

// The channels of the result of an operator whose bins have channels of their own.
int64_t position_channels(const Regions& r, const Tensor& input) {
  int64_t bins = r.height * r.width;
  TORCH_CHECK(input.size(1) % bins == 0, r.op,
              ": input channels must be a multiple of pooling height * pooling width, got ", input.size(1),
              " channels for ", r.height, " x ", r.width);
  return input.size(1) / bins;
}

std::tuple<Tensor, Tensor> ps_roi_align(const Tensor& input, const Tensor& rois, double scale, int64_t height,
                                        int64_t width, int64_t ratio) {
  Regions r{"ps_roi_align", height, width};
  r.check(input, rois);
  Tensor out = torch::empty({rois.size(0), position_channels(r, input), height, width}, input.options());
  Tensor channel = torch::zeros(out.sizes(), input.options().dtype(torch::kInt));
  if (!out.is_meta() && out.numel())
    AT_DISPATCH_FLOATING_TYPES_AND_HALF(input.scalar_type(), "ps_roi_align", [&] {
      align_forward<scalar_t>(r, {scale, ratio, false, true}, input, rois, out, channel.data_ptr<int>());
    });
  return {out, channel};
}
Tensor ps_roi_align_backward(const Tensor& grad, const Tensor& rois, const Tensor&, double scale, int64_t height,
                             int64_t width, int64_t ratio, int64_t n, int64_t c, int64_t h, int64_t w) {
  Regions r{"_ps_roi_align_backward", height, width};
  Tensor out = torch::zeros({n, c, h, w}, grad.options());
  r.check(out, rois);
  int64_t channels = position_channels(r, out);
  TORCH_CHECK(grad.sizes() == at::IntArrayRef({rois.size(0), channels, height, width}), r.op, ": grad has shape ",
              grad.sizes());
  if (!out.is_meta() && grad.numel())
    AT_DISPATCH_FLOATING_TYPES_AND_HALF(grad.scalar_type(), "ps_roi_align", [&] {
      align_backward<scalar_t>(r, {scale, ratio, false, true}, grad, rois, out);
    });
  return out;
}

// ---- roi_pool and ps_roi_pool --------------------------------------------------------------------------------------------------

// A box on the pixels' grid, and the range of pixels of one of its bins, clipped to the image.
template <class A>
int64_t rounded(A v, A scale) {
  A at = std::round(v * scale);
  return at > A(-1e9) && at < A(1e9) ? int64_t(at) : 0;
}
struct Range { int64_t from, to; };

std::tuple<Tensor, Tensor> roi_pool(const Tensor& input, const Tensor& rois, double spatial, int64_t height,
                                    int64_t width) {
  Regions r{"roi_pool", height, width};
  r.check(input, rois);
  Map map = map_of(input);
  Tensor out = torch::zeros({rois.size(0), map.channels, height, width}, input.options());
  Tensor argmax = torch::zeros(out.sizes(), input.options().dtype(torch::kInt));
  if (out.is_meta() || out.numel() == 0) return {out, argmax};
  AT_DISPATCH_FLOATING_TYPES_AND_HALF(input.scalar_type(), "roi_pool", [&] {
    using A = Acc<scalar_t>;
    Tensor x = input.contiguous();
    const scalar_t* in = x.data_ptr<scalar_t>();
    scalar_t* to = out.data_ptr<scalar_t>();
    int* index = argmax.data_ptr<int>();
    walk<scalar_t>(r, map, map.channels, rois, [&](int64_t image, const A* box) {
      A scale = A(spatial);
      int64_t left = rounded(box[0], scale), top = rounded(box[1], scale);
      A bin_h = A(std::max<int64_t>(rounded(box[3], scale) - top + 1, 1)) / A(r.height);
      A bin_w = A(std::max<int64_t>(rounded(box[2], scale) - left + 1, 1)) / A(r.width);
      auto range = [](int64_t bin, A length, int64_t start, int64_t size) {
        return Range{std::clamp<int64_t>(int64_t(std::floor(A(bin) * length)) + start, 0, size),
                     std::clamp<int64_t>(int64_t(std::ceil(A(bin + 1) * length)) + start, 0, size)};
      };
      return [=](int64_t c, int64_t y, int64_t x, int64_t o) {
        Range ys = range(y, bin_h, top, map.height), xs = range(x, bin_w, left, map.width);
        const scalar_t* plane = in + (image * map.channels + c) * map.plane();
        int64_t best = -1;
        for (int64_t i = ys.from; i < ys.to; i++)
          for (int64_t j = xs.from; j < xs.to; j++)
            if (int64_t at = i * map.width + j; best < 0 || plane[at] > plane[best]) best = at;
        to[o] = best < 0 ? scalar_t(0) : plane[best];
        index[o] = int(best);
      };
    });
  });
  return {out, argmax};
}
Tensor roi_pool_backward(const Tensor& grad, const Tensor& rois, const Tensor& argmax, double, int64_t height,
                         int64_t width, int64_t n, int64_t c, int64_t h, int64_t w) {
  Regions r{"_roi_pool_backward", height, width};
  Tensor out = torch::zeros({n, c, h, w}, grad.options());
  r.check(out, rois);
  TORCH_CHECK(grad.sizes() == at::IntArrayRef({rois.size(0), c, height, width}) && argmax.sizes() == grad.sizes() &&
                  argmax.scalar_type() == torch::kInt,
              r.op, ": grad has shape ", grad.sizes(), ", argmax ", argmax.sizes(), " of ", argmax.scalar_type());
  if (out.is_meta() || grad.numel() == 0) return out;
  Map map = map_of(out);
  AT_DISPATCH_FLOATING_TYPES_AND_HALF(grad.scalar_type(), "roi_pool", [&] {
    Tensor g = grad.contiguous(), a = argmax.contiguous();
    const scalar_t* in = g.data_ptr<scalar_t>();
    const int* index = a.data_ptr<int>();
    scalar_t* to = out.data_ptr<scalar_t>();
    walk<scalar_t>(r, map, map.channels, rois, [&](int64_t image, const auto*) {
      return [=](int64_t channel, int64_t, int64_t, int64_t o) {
        if (index[o] < 0) return;
        TORCH_CHECK_INDEX(index[o] < map.plane(), "_roi_pool_backward: argmax has ", index[o]);
        scalar_t& at = to[(image * map.channels + channel) * map.plane() + index[o]];
        at = scalar_t(at + in[o]);
      };
    });
  });
  return out;
}

// Means of bins with channels of their own: visit(result, first element of the plane, rows, columns, channel).
template <class T, class Visit>
void position_bins(const Regions& r, const Map& map, double spatial, const Tensor& rois, Visit visit) {
  using A = Acc<T>;
  walk<T>(r, map, map.channels / (r.height * r.width), rois, [&](int64_t image, const A* box) {
    A scale = A(spatial);
    int64_t left = rounded(box[0], scale), top = rounded(box[1], scale);
    A bin_h = A(std::max<int64_t>(rounded(box[3], scale) - top, 1)) / A(r.height);
    A bin_w = A(std::max<int64_t>(rounded(box[2], scale) - left, 1)) / A(r.width);
    auto range = [](int64_t bin, A length, int64_t start, int64_t size) {
      return Range{std::clamp<int64_t>(int64_t(std::floor(A(bin) * length + A(start))), 0, size - 1),
                   std::clamp<int64_t>(int64_t(std::ceil(A(bin + 1) * length + A(start))), 0, size - 1)};
    };
    return [=, &map](int64_t c, int64_t y, int64_t x, int64_t o) {
      int64_t channel = (c * r.height + y) * r.width + x;
      visit(o, (image * map.channels + channel) * map.plane(), range(y, bin_h, top, map.height),
            range(x, bin_w, left, map.width), channel);
    };
  });
}

std::tuple<Tensor, Tensor> ps_roi_pool(const Tensor& input, const Tensor& rois, double scale, int64_t height,
                                       int64_t width) {
  Regions r{"ps_roi_pool", height, width};
  r.check(input, rois);
  Map map = map_of(input);
  Tensor out = torch::zeros({rois.size(0), position_channels(r, input), height, width}, input.options());
  Tensor channel = torch::zeros(out.sizes(), input.options().dtype(torch::kInt));
  if (out.is_meta() || out.numel() == 0 || map.plane() == 0) return {out, channel};
  AT_DISPATCH_FLOATING_TYPES_AND_HALF(input.scalar_type(), "ps_roi_pool", [&] {
    using A = Acc<scalar_t>;
    Tensor x = input.contiguous();
    const scalar_t* in = x.data_ptr<scalar_t>();
    scalar_t* to = out.data_ptr<scalar_t>();
    int* from = channel.data_ptr<int>();
    position_bins<scalar_t>(r, map, scale, rois, [=, &map](int64_t o, int64_t plane, Range ys, Range xs, int64_t c) {
      A sum = 0, area = A((ys.to - ys.from) * (xs.to - xs.from));
      for (int64_t i = ys.from; i < ys.to; i++)
        for (int64_t j = xs.from; j < xs.to; j++) sum += A(in[plane + i * map.width + j]);
      to[o] = ys.to <= ys.from || xs.to <= xs.from ? scalar_t(0) : scalar_t(sum / area);
      from[o] = int(c);
    });
  });
  return {out, channel};
}
Tensor ps_roi_pool_backward(const Tensor& grad, const Tensor& rois, const Tensor&, double scale, int64_t height,
                            int64_t width, int64_t n, int64_t c, int64_t h, int64_t w) {
  Regions r{"_ps_roi_pool_backward", height, width};
  Tensor out = torch::zeros({n, c, h, w}, grad.options());
  r.check(out, rois);
  TORCH_CHECK(grad.sizes() == at::IntArrayRef({rois.size(0), position_channels(r, out), height, width}), r.op,
              ": grad has shape ", grad.sizes());
  Map map = map_of(out);
  if (out.is_meta() || grad.numel() == 0 || map.plane() == 0) return out;
  AT_DISPATCH_FLOATING_TYPES_AND_HALF(grad.scalar_type(), "ps_roi_pool", [&] {
    using A = Acc<scalar_t>;
    Tensor g = grad.contiguous();
    const scalar_t* in = g.data_ptr<scalar_t>();
    scalar_t* to = out.data_ptr<scalar_t>();
    position_bins<scalar_t>(r, map, scale, rois, [=, &map](int64_t o, int64_t plane, Range ys, Range xs, int64_t) {
      A part = A(in[o]) / A((ys.to - ys.from) * (xs.to - xs.from));
      for (int64_t i = ys.from; i < ys.to; i++)
        for (int64_t j = xs.from; j < xs.to; j++) {
          scalar_t& at = to[plane + i * map.width + j];
          at = scalar_t(A(at) + part);
        }
    });
  });
  return out;
}

}  // namespace

// ---- registered --------------------------------------------------------------------------------------------------------------------

namespace {

// Arguments of the operators for gradients: the size of the input stands between those of the operator.
Values sizes_behind(const Gradient& g, std::initializer_list<Tensor> tensors, size_t until) {
  Values out(tensors.begin(), tensors.end());
  out.insert(out.end(), g.args.begin() + 2, g.args.begin() + ptrdiff_t(until));
  for (int64_t n : g.args[0].toTensor().sizes()) out.push_back(n);
  out.insert(out.end(), g.args.begin() + ptrdiff_t(until), g.args.end());
  return out;
}
Values roi_align_rule(const Gradient& g) { return sizes_behind(g, {g.grad, g.args[1].toTensor()}, 5); }
Values roi_pool_rule(const Gradient& g) { return sizes_behind(g, {g.grad, g.args[1].toTensor(), g.results[1]}, 5); }
Values ps_roi_align_rule(const Gradient& g) { return sizes_behind(g, {g.grad, g.args[1].toTensor(), g.results[1]}, 6); }

#define POOLED "SymInt pooled_height, SymInt pooled_width"
#define SIZES "SymInt batch_size, SymInt channels, SymInt height, SymInt width"

TORCH_LIBRARY_FRAGMENT(torchvision, m) {
  differentiable<roi_align_rule>(m,
                                 "roi_align(Tensor input, Tensor rois, float spatial_scale, " POOLED
                                 ", int sampling_ratio, bool aligned) -> Tensor",
                                 roi_align);
  once_only(m,
            "_roi_align_backward(Tensor grad, Tensor rois, float spatial_scale, " POOLED ", " SIZES
            ", int sampling_ratio, bool aligned) -> Tensor",
            roi_align_backward);
  differentiable<roi_pool_rule>(
      m, "roi_pool(Tensor input, Tensor rois, float spatial_scale, " POOLED ") -> (Tensor, Tensor)", roi_pool);
  once_only(m,
            "_roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax, float spatial_scale, " POOLED ", " SIZES
            ") -> Tensor",
            roi_pool_backward);
  differentiable<ps_roi_align_rule>(m,
                                    "ps_roi_align(Tensor input, Tensor rois, float spatial_scale, " POOLED
                                    ", int sampling_ratio) -> (Tensor, Tensor)",
                                    ps_roi_align);
  once_only(m,
            "_ps_roi_align_backward(Tensor grad, Tensor rois, Tensor channel_mapping, float spatial_scale, " POOLED
            ", int sampling_ratio, " SIZES ") -> Tensor",
            ps_roi_align_backward);
  differentiable<roi_pool_rule>(
      m, "ps_roi_pool(Tensor input, Tensor rois, float spatial_scale, " POOLED ") -> (Tensor, Tensor)", ps_roi_pool);
  once_only(m,
            "_ps_roi_pool_backward(Tensor grad, Tensor rois, Tensor channel_mapping, float spatial_scale, " POOLED
            ", " SIZES ") -> Tensor",
            ps_roi_pool_backward);
}

}  // namespace
}  // namespace rushlight::vision
