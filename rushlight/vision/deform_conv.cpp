// deform_conv2d: a convolution whose kernel's taps each lie at an offset of their own, and may be weighted by a mask.
//
// Image by image the taps are sampled into columns, which the weights then multiply.
#include <torch/torch.h>

#include "rushlight/vision/axis.h"
#include "rushlight/vision/register.h"

namespace rushlight::vision {
namespace {

// Sizes of one call, checked.
struct Sizes {
  int64_t images, channels, height, width;  // of the input
  int64_t out_channels, kernel_h, kernel_w, out_h, out_w;
  int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups, offset_groups;
  bool use_mask;
  int64_t taps() const { return kernel_h * kernel_w; }
  int64_t out_plane() const { return out_h * out_w; }
};

#define RL_DEFORM_NUMBERS                                                                                   \
  int64_t stride_h, int64_t stride_w, int64_t pad_h, int64_t pad_w, int64_t dilation_h, int64_t dilation_w, \
      int64_t groups, int64_t offset_groups, bool use_mask

Sizes sizes_of(const Tensor& input, const Tensor& weight, const Tensor& offset, const Tensor& mask, const Tensor& bias,
               RL_DEFORM_NUMBERS) {
  TORCH_CHECK(input.dim() == 4 && weight.dim() == 4 && offset.dim() == 4 && (!use_mask || mask.dim() == 4),
              "deform_conv2d: expected input, weight, offset and mask of 4 dimensions, got shapes ", input.sizes(),
              ", ", weight.sizes(), ", ", offset.sizes(), ", ", mask.sizes());
  for (const Tensor& t : {weight, offset, bias})
    TORCH_CHECK(t.scalar_type() == input.scalar_type(), "deform_conv2d: expected all tensors to be of ",
                input.scalar_type(), " as input is, got ", t.scalar_type());
  TORCH_CHECK(!use_mask || mask.scalar_type() == input.scalar_type(), "deform_conv2d: expected a mask of ",
              input.scalar_type(), ", got ", mask.scalar_type());
  TORCH_CHECK(stride_h > 0 && stride_w > 0, "deform_conv2d: stride_h: ", stride_h, " stride_w: ", stride_w,
              "; expected > 0");
  TORCH_CHECK(pad_h >= 0 && pad_w >= 0, "deform_conv2d: pad_h: ", pad_h, " pad_w: ", pad_w, "; expected >= 0");
  TORCH_CHECK(dilation_h > 0 && dilation_w > 0, "deform_conv2d: dilation_h: ", dilation_h, " dilation_w: ", dilation_w,
              "; expected > 0");
  TORCH_CHECK(groups > 0 && offset_groups > 0, "deform_conv2d: groups: ", groups, " offset_groups: ", offset_groups,
              "; expected > 0");
  // So that no product of two of them, with a 2, overflows.
  constexpr int64_t most = int64_t(1) << 30;
  for (int64_t n : {stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups, offset_groups, input.size(2),
                    input.size(3), weight.size(1)})
    TORCH_CHECK(n <= most,
                "deform_conv2d: expected sizes, strides, paddings, dilations and groups of at most 2**30, got ", n);
  TORCH_CHECK(weight.size(2) <= most && weight.size(3) <= most / std::max<int64_t>(weight.size(2), 1),
              "deform_conv2d: expected a kernel of at most 2**30 elements, got ", weight.size(2), " x ",
              weight.size(3));
  Sizes s{input.size(0),
          input.size(1),
          input.size(2),
          input.size(3),
          weight.size(0),
          weight.size(2),
          weight.size(3),
          0,
          0,
          stride_h,
          stride_w,
          pad_h,
          pad_w,
          dilation_h,
          dilation_w,
          groups,
          offset_groups,
          use_mask};
  TORCH_CHECK(s.kernel_h > 0 && s.kernel_w > 0, "deform_conv2d: expected a kernel > 0, got ", weight.sizes());
  s.out_h = (s.height + 2 * pad_h - (dilation_h * (s.kernel_h - 1) + 1)) / stride_h + 1;
  s.out_w = (s.width + 2 * pad_w - (dilation_w * (s.kernel_w - 1) + 1)) / stride_w + 1;
  TORCH_CHECK(weight.size(1) * groups == s.channels, "deform_conv2d: expected input of ", weight.size(1) * groups,
              " channels (weight.size(1) * groups), got ", s.channels);
  TORCH_CHECK(s.out_channels % groups == 0, "deform_conv2d: weight.size(0) is ", s.out_channels,
              ", not a multiple of groups, ", groups);
  TORCH_CHECK(s.channels % offset_groups == 0, "deform_conv2d: input has ", s.channels,
              " channels, not a multiple of the offsets' groups, ", offset_groups);
  TORCH_CHECK(offset.size(1) == offset_groups * 2 * s.taps(),
              "deform_conv2d: offset.shape[1] is not valid: got: ", offset.size(1),
              " expected: ", offset_groups * 2 * s.taps());
  TORCH_CHECK(!use_mask || mask.size(1) == offset_groups * s.taps(),
              "deform_conv2d: mask.shape[1] is not valid: got: ", mask.size(1),
              " expected: ", offset_groups * s.taps());
  TORCH_CHECK(offset.size(0) == s.images && (!use_mask || mask.size(0) == s.images),
              "deform_conv2d: invalid batch size of offset or mask: got ", offset.size(0), ", expected ", s.images);
  TORCH_CHECK(offset.size(2) == s.out_h && offset.size(3) == s.out_w, "deform_conv2d: offset output dims: (",
              offset.size(2), ", ", offset.size(3), ") - computed output dims: (", s.out_h, ", ", s.out_w, ")");
  TORCH_CHECK(!use_mask || (mask.size(2) == s.out_h && mask.size(3) == s.out_w), "deform_conv2d: mask output dims: (",
              mask.size(2), ", ", mask.size(3), ") - computed output dims: (", s.out_h, ", ", s.out_w, ")");
  TORCH_CHECK(s.out_h > 0 && s.out_w > 0, "deform_conv2d: calculated output size too small - out_h: ", s.out_h,
              " out_w: ", s.out_w);
  TORCH_CHECK(bias.dim() == 1 && bias.size(0) == s.out_channels, "deform_conv2d: expected bias of shape [",
              s.out_channels, "], got ", bias.sizes());
  return s;
}

// The four pixels around a point. Unlike those of regions, points beyond the border see zeros.
template <class T>
struct Corners {
  bool inside = false;
  int64_t at[4];
  bool valid[4];
  T y, x;  // the fractions

  Corners(T py, T px, int64_t height, int64_t width) {
    if (!(py > T(-1) && py < T(height) && px > T(-1) && px < T(width))) return;
    inside = true;
    T fy = std::floor(py), fx = std::floor(px);
    auto y0 = int64_t(fy), x0 = int64_t(fx);
    y = py - fy, x = px - fx;
    for (int64_t i = 0; i < 4; i++) {
      int64_t row = y0 + i / 2, col = x0 + i % 2;
      valid[i] = row >= 0 && row < height && col >= 0 && col < width;
      at[i] = row * width + col;
    }
  }
  T weight(int i) const { return (i / 2 ? y : 1 - y) * (i % 2 ? x : 1 - x); }
  T value(const T* plane) const {
    T sum = 0;
    for (int i = 0; i < 4; i++)
      if (valid[i]) sum += weight(i) * plane[at[i]];
    return sum;
  }
  // Derivatives of the value by the point's place.
  T by_y(const T* plane) const {
    T sum = 0;
    for (int i = 0; i < 4; i++)
      if (valid[i]) sum += (i / 2 ? 1 : -1) * (i % 2 ? x : 1 - x) * plane[at[i]];
    return sum;
  }
  T by_x(const T* plane) const {
    T sum = 0;
    for (int i = 0; i < 4; i++)
      if (valid[i]) sum += (i % 2 ? 1 : -1) * (i / 2 ? y : 1 - y) * plane[at[i]];
    return sum;
  }
};

// Calls f(tap, out pixel, place of the offset, place of the mask, corners) for one image and one group of offsets.
template <class T, class F>
void each_point(const Sizes& s, const T* offset, int64_t group, F f) {
  const T* mine = offset + group * 2 * s.taps() * s.out_plane();
  for (int64_t tap = 0; tap < s.taps(); tap++)
    for (int64_t p = 0; p < s.out_plane(); p++) {
      int64_t off = 2 * tap * s.out_plane() + p;
      T y = T(p / s.out_w * s.stride_h - s.pad_h + tap / s.kernel_w * s.dilation_h) + mine[off];
      T x = T(p % s.out_w * s.stride_w - s.pad_w + tap % s.kernel_w * s.dilation_w) + mine[off + s.out_plane()];
      f(tap, p, (group * 2 * s.taps()) * s.out_plane() + off, (group * s.taps() + tap) * s.out_plane() + p,
        Corners<T>(y, x, s.height, s.width));
    }
}

// One image as columns [channels * taps, out pixels].
template <class T>
void sample(const Sizes& s, const T* in, const T* offset, const T* mask, T* columns) {
  int64_t per_group = s.channels / s.offset_groups, plane = s.height * s.width;
  at::parallel_for(0, s.offset_groups, 1, [&](int64_t first, int64_t last) {
    for (int64_t g = first; g < last; g++)
      each_point<T>(s, offset, g, [&](int64_t tap, int64_t p, int64_t, int64_t m, const Corners<T>& at) {
        for (int64_t c = g * per_group; c < (g + 1) * per_group; c++) {
          T v = at.inside ? at.value(in + c * plane) : T(0);
          columns[(c * s.taps() + tap) * s.out_plane() + p] = mask ? mask[m] * v : v;
        }
      });
  });
}

// The other way: from the gradient of the columns to those of input, offset and mask.
template <class T>
void sample_backward(const Sizes& s, const T* in, const T* offset, const T* mask, const T* columns, T* d_in,
                     T* d_offset, T* d_mask) {
  int64_t per_group = s.channels / s.offset_groups, plane = s.height * s.width;
  at::parallel_for(0, s.offset_groups, 1, [&](int64_t first, int64_t last) {
    for (int64_t g = first; g < last; g++)
      each_point<T>(s, offset, g, [&](int64_t tap, int64_t p, int64_t o, int64_t m, const Corners<T>& at) {
        if (!at.inside) return;
        T dy = 0, dx = 0, dm = 0, weight = mask ? mask[m] : T(1);
        for (int64_t c = g * per_group; c < (g + 1) * per_group; c++) {
          T grad = columns[(c * s.taps() + tap) * s.out_plane() + p];
          const T* from = in + c * plane;
          dy += grad * at.by_y(from), dx += grad * at.by_x(from);
          if (mask) dm += grad * at.value(from);
          for (int i = 0; i < 4; i++)
            if (at.valid[i]) d_in[c * plane + at.at[i]] += grad * weight * at.weight(i);
        }
        d_offset[o] = dy * weight;
        d_offset[o + s.out_plane()] = dx * weight;
        if (mask) d_mask[m] = dm;
      });
  });
}

#define RL_NUMBERS stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups, offset_groups, use_mask

Tensor deform_conv2d(const Tensor& input, const Tensor& weight, const Tensor& offset, const Tensor& mask,
                     const Tensor& bias, RL_DEFORM_NUMBERS) {
  Sizes s = sizes_of(input, weight, offset, mask, bias, RL_NUMBERS);
  Tensor out = torch::empty({s.images, s.out_channels, s.out_h, s.out_w}, input.options());
  if (out.is_meta() || out.numel() == 0) return out;
  Tensor x = input.contiguous(), off = offset.contiguous(), m = mask.contiguous();
  Tensor w = weight.reshape({groups, s.out_channels / groups, -1});
  Tensor columns = torch::empty({groups, s.channels / groups * s.taps(), s.out_plane()}, input.options());
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "deform_conv2d", [&] {
    for (int64_t n = 0; n < s.images; n++) {
      const auto* of_mask = use_mask ? m.select(0, n).data_ptr<scalar_t>() : nullptr;
      sample<scalar_t>(s, x.select(0, n).data_ptr<scalar_t>(), off.select(0, n).data_ptr<scalar_t>(), of_mask,
                       columns.data_ptr<scalar_t>());
      out.select(0, n).copy_(torch::bmm(w, columns).view({s.out_channels, s.out_h, s.out_w}));
    }
  });
  return out.add_(bias.view({1, -1, 1, 1}));
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> deform_conv2d_backward(const Tensor& grad, const Tensor& input,
                                                                          const Tensor& weight, const Tensor& offset,
                                                                          const Tensor& mask, const Tensor& bias,
                                                                          RL_DEFORM_NUMBERS) {
  Sizes s = sizes_of(input, weight, offset, mask, bias, RL_NUMBERS);
  TORCH_CHECK(grad.sizes() == at::IntArrayRef({s.images, s.out_channels, s.out_h, s.out_w}),
              "_deform_conv2d_backward: grad has shape ", grad.sizes());
  Tensor x = input.contiguous(), off = offset.contiguous(), m = mask.contiguous();
  Tensor w = weight.reshape({groups, s.out_channels / groups, -1});
  Tensor d_input = torch::zeros_like(x), d_offset = torch::zeros_like(off), d_mask = torch::zeros_like(m),
         d_weight = torch::zeros_like(w);
  if (!grad.is_meta() && grad.numel()) {
    Tensor columns = torch::empty({groups, s.channels / groups * s.taps(), s.out_plane()}, input.options());
    AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "deform_conv2d", [&] {
      auto at = [](const Tensor& t, int64_t n) { return t.select(0, n).data_ptr<scalar_t>(); };
      for (int64_t n = 0; n < s.images; n++) {
        Tensor g = grad.select(0, n).reshape({groups, s.out_channels / groups, s.out_plane()});
        const scalar_t* of_mask = use_mask ? at(m, n) : nullptr;
        sample<scalar_t>(s, at(x, n), at(off, n), of_mask, columns.data_ptr<scalar_t>());
        d_weight.add_(torch::bmm(g, columns.transpose(1, 2)));
        Tensor back = torch::bmm(w.transpose(1, 2), g).contiguous();
        sample_backward<scalar_t>(s, at(x, n), at(off, n), of_mask, back.data_ptr<scalar_t>(), at(d_input, n),
                                  at(d_offset, n), use_mask ? at(d_mask, n) : nullptr);
      }
    });
  }
  return {d_input, d_weight.view(weight.sizes()), d_offset, d_mask, grad.sum({0, 2, 3})};
}

Values deform_conv2d_rule(const Gradient& g) {
  Values out = {g.grad};
  out.insert(out.end(), g.args.begin(), g.args.end());
  return out;
}

#define ARGUMENTS                                                                                                   \
  "Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, SymInt stride_w, SymInt " \
  "pad_h, "                                                                                                         \
  "SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, SymInt offset_groups, bool use_mask"

TORCH_LIBRARY_FRAGMENT(torchvision, m) {
  differentiable<deform_conv2d_rule>(m, "deform_conv2d(" ARGUMENTS ") -> Tensor", deform_conv2d);
  once_only(m, "_deform_conv2d_backward(Tensor grad, " ARGUMENTS ") -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
            deform_conv2d_backward);
}

}  // namespace
}  // namespace rushlight::vision
