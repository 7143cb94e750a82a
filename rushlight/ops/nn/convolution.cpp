// Convolutions of one to three dimensions, forwards and backwards, over the kernels of conv.h.
#include <algorithm>
#include <cstring>

#include "rushlight/dispatch/cost.h"
#include "rushlight/dispatch/expect.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_conv.h"
#include "rushlight/fn/_conv_input.h"
#include "rushlight/fn/_conv_weight.h"
#include "rushlight/fn/add.h"
#include "rushlight/fn/complex.h"
#include "rushlight/fn/constant_pad_nd.h"
#include "rushlight/fn/contiguous.h"
#include "rushlight/fn/imag.h"
#include "rushlight/fn/permute.h"
#include "rushlight/fn/real.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/squeeze.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/kernels/conv.h"
#include "rushlight/ops/nn/layout.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/specs.h"

namespace rushlight {
namespace {

using Pass = ConvProblem::Pass;

ConvProblem problem(Pass pass, IntArrayRef in, IntArrayRef weight, IntArrayRef out, IntArrayRef stride,
                    IntArrayRef padding, IntArrayRef dilation, int64_t groups, DType dtype) {
  ConvProblem p;
  p.pass = pass;
  p.dtype = dtype;
  p.spatial = int(in.size()) - 2;
  p.batch = in[0];
  p.groups = groups;
  p.in = in[1] / groups;
  p.out = weight[0] / groups;
  for (int i = 0; i < p.spatial; i++) {
    p.input[i] = in[size_t(i + 2)];
    p.output[i] = out[size_t(i + 2)];
    p.kernel[i] = weight[size_t(i + 2)];
    p.stride[i] = stride[size_t(i)];
    p.padding[i] = padding[size_t(i)];
    p.dilation[i] = dilation[size_t(i)];
  }
  return p;
}

Dims out_sizes(IntArrayRef in, IntArrayRef weight, IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation) {
  Dims out = {in[0], weight[0]};
  for (size_t i = 2; i < in.size(); i++)
    out.push_back((CheckedInt(padding[i - 2]) * 2 + in[i] - CheckedInt(dilation[i - 2]) * (weight[i] - 1) - 1) /
                      stride[i - 2] +
                  1);
  return out;
}

void check_steps(const char* op, IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, int64_t groups) {
  for (int64_t v : stride)
    RL_CHECK(RuntimeError, v > 0, "non-positive stride is not supported: ", op, " got stride=", stride);
  for (int64_t v : padding)
    RL_CHECK(RuntimeError, v >= 0, "negative padding is not supported: ", op, " got padding=", padding);
  for (int64_t v : dilation)
    RL_CHECK(RuntimeError, v > 0, "dilation should be greater than zero: ", op, " got dilation=", dilation);
  RL_CHECK(RuntimeError, groups > 0, "non-positive groups is not supported");
}
void clear(const Tensor& out) {
  if (out.numel()) std::memset(out.raw(), 0, size_t(out.nbytes()));
}

// The sizes of the result of _conv, after the checks that it, its gradients and theirs share, whoever calls them.
Dims checked_out_sizes(const char* op, IntArrayRef in, IntArrayRef weight, DType a, DType b, IntArrayRef stride,
                       IntArrayRef padding, IntArrayRef dilation, int64_t groups) {
  size_t spatial = stride.size();
  RL_CHECK(ShapeError,
           spatial >= 1 && spatial <= 3 && in.size() == spatial + 2 && weight.size() == spatial + 2 &&
               padding.size() == spatial && dilation.size() == spatial,
           op, ": expected an input and a weight of 3 to 5 dimensions and steps for all but two of them, got ", in,
           " and ", weight, " with stride ", stride, ", padding ", padding, " and dilation ", dilation);
  check_steps(op, stride, padding, dilation, groups);
  RL_CHECK(ShapeError, in[1] == weight[1] * groups && weight[0] % groups == 0, op,
           ": expected (N, C, ...) and (K, C / groups, ...), got ", in, " and ", weight, " with groups ", groups);
  RL_CHECK(DTypeError, a == b, op, ": expected one dtype, got ", a, " and ", b);
  return out_sizes(in, weight, stride, padding, dilation);
}

// As in PyTorch, an image or a weight with channels last makes a result with channels last.
Dims strides_following(const Tensor& x, const Tensor& w, const Dims& sizes) {
  Dims strides = rushlight::strides_following(x, sizes);
  if (strides.empty() && channels_come_last(w)) strides = strides_for(sizes, channels_last_format(x.dim()));
  return strides;
}
Tensor channels_last(const Tensor& x) { return contiguous(x, channels_last_format(x.dim())); }

TensorSpec conv_meta(const Tensor& x, const Tensor& w, const Tensor& bias, IntArrayRef stride, IntArrayRef padding,
                     IntArrayRef dilation, int64_t groups) {
  Dims sizes =
      checked_out_sizes("_conv", x.sizes(), w.sizes(), x.dtype(), w.dtype(), stride, padding, dilation, groups);
  RL_CHECK(ShapeError, !bias.defined() || (bias.sizes() == Dims{w.size(0)} && bias.dtype() == x.dtype()),
           "_conv: expected a bias of shape [", w.size(0), "] and dtype ", x.dtype());
  return {.sizes = sizes, .dtype = x.dtype(), .device = x.device(), .strides = strides_following(x, w, sizes)};
}
void conv_cpu(const Tensor& input, const Tensor& weight, const Tensor& bias, IntArrayRef stride, IntArrayRef padding,
              IntArrayRef dilation, int64_t groups, const Tensor& out) {
  if (out.numel() == 0) return;
  Tensor w = contiguous(weight), b = bias.defined() ? contiguous(bias) : bias;
  ConvProblem p =
      problem(Pass::Forward, input.sizes(), w.sizes(), out.sizes(), stride, padding, dilation, groups, input.dtype());
  p.has_bias = b.defined();
  void* bias_data = b.defined() ? b.raw() : nullptr;
  if (!out.is_contiguous() && convolve_channels_last(p, {channels_last(input).raw(), w.raw(), bias_data, out.raw()}))
    return;
  Tensor x = contiguous(input);
  fill_in_order(out, [&](const Tensor& to) { convolve(p, {x.raw(), w.raw(), bias_data, to.raw()}); });
}

TensorSpec conv_input_meta(const Tensor& grad, const Tensor& w, IntArrayRef sizes, IntArrayRef stride,
                           IntArrayRef padding, IntArrayRef dilation, int64_t groups) {
  const char* op = "_conv_input";
  expect_shape(op, "grad_output", grad,
               checked_out_sizes(op, sizes, w.sizes(), grad.dtype(), w.dtype(), stride, padding, dilation, groups));
  Dims all(sizes);
  return {.sizes = all, .dtype = grad.dtype(), .device = grad.device(), .strides = strides_following(grad, w, all)};
}
void conv_input_cpu(const Tensor& grad, const Tensor& weight, IntArrayRef sizes, IntArrayRef stride,
                    IntArrayRef padding, IntArrayRef dilation, int64_t groups, const Tensor& out) {
  if (grad.numel() == 0 || out.numel() == 0) return clear(out);
  Tensor w = contiguous(weight);
  ConvProblem p =
      problem(Pass::BackwardData, sizes, w.sizes(), grad.sizes(), stride, padding, dilation, groups, grad.dtype());
  if (!out.is_contiguous() && convolve_channels_last(p, {out.raw(), w.raw(), nullptr, channels_last(grad).raw()}))
    return;
  Tensor g = contiguous(grad);
  fill_in_order(out, [&](const Tensor& to) { convolve(p, {to.raw(), w.raw(), nullptr, g.raw()}); });
}

TensorSpec conv_weight_meta(const Tensor& grad, const Tensor& x, IntArrayRef sizes, IntArrayRef stride,
                            IntArrayRef padding, IntArrayRef dilation, int64_t groups) {
  const char* op = "_conv_weight";
  expect_shape(op, "grad_output", grad,
               checked_out_sizes(op, x.sizes(), sizes, grad.dtype(), x.dtype(), stride, padding, dilation, groups));
  return {.sizes = Dims(sizes), .dtype = grad.dtype(), .device = grad.device()};
}
void conv_weight_cpu(const Tensor& grad, const Tensor& input, IntArrayRef sizes, IntArrayRef stride,
                     IntArrayRef padding, IntArrayRef dilation, int64_t groups, const Tensor& out) {
  if (grad.numel() == 0 || out.numel() == 0) return clear(out);
  ConvProblem p = problem(Pass::BackwardWeights, input.sizes(), sizes, grad.sizes(), stride, padding, dilation, groups,
                          grad.dtype());
  const bool last = channels_come_last(input) && channels_come_last(grad);
  if (last && convolve_channels_last(p, {channels_last(input).raw(), out.raw(), nullptr, channels_last(grad).raw()}))
    return;
  Tensor g = contiguous(grad), x = contiguous(input);
  convolve(p, {x.raw(), out.raw(), nullptr, g.raw()});
}

struct Shape {
  const Saved& s;
  IntArrayRef stride = s.arg("stride").int_list(), padding = s.arg("padding").int_list(),
              dilation = s.arg("dilation").int_list();
  int64_t groups = s.arg("groups").to_int();
};
Grads conv_grad(const Saved& s, const Tensor& g) {
  Shape k{s};
  Tensor db;
  if (s.needs("bias")) {
    Dims over = {0};
    for (size_t d = 2; d < s.sizes("input").size(); d++) over.push_back(int64_t(d));
    db = sum(g, over);
  }
  return {s.needs("input") ? _conv_input(g, s["weight"], s.sizes("input"), k.stride, k.padding, k.dilation, k.groups)
                           : Tensor(),
          s.needs("weight") ? _conv_weight(g, s["input"], s.sizes("weight"), k.stride, k.padding, k.dilation, k.groups)
                            : Tensor(),
          db};
}
Grads conv_input_grad(const Saved& s, const Tensor& gg) {
  Shape k{s};
  return {
      s.needs("grad_output") ? _conv(gg, s["weight"], Tensor(), k.stride, k.padding, k.dilation, k.groups) : Tensor(),
      s.needs("weight")
          ? _conv_weight(s["grad_output"], gg, s.sizes("weight"), k.stride, k.padding, k.dilation, k.groups)
          : Tensor()};
}
Grads conv_weight_grad(const Saved& s, const Tensor& gg) {
  Shape k{s};
  return {
      s.needs("grad_output") ? _conv(s["input"], gg, Tensor(), k.stride, k.padding, k.dilation, k.groups) : Tensor(),
      s.needs("input") ? _conv_input(s["grad_output"], gg, s.sizes("input"), k.stride, k.padding, k.dilation, k.groups)
                       : Tensor()};
}

Dims each(IntArrayRef v, int dims, const char* what) {
  RL_CHECK(RuntimeError, v.size() == 1 || int(v.size()) == dims, "expected ", what,
           " to be a single integer value or a list of ", dims, " values to match the convolution dimensions, but got ",
           what, "=", v);
  return v.size() == 1 ? Dims(size_t(dims), v[0]) : Dims(v);
}

void check_conv_types(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  RL_CHECK(RuntimeError, x.dtype() == weight.dtype() && (!bias.defined() || bias.dtype() == x.dtype()),
           "Input type (torch.", scalar_type_name(x.dtype()), "Tensor) and weight type (torch.",
           scalar_type_name(weight.dtype()),
           "Tensor) or bias type should be the same. Hint: convert one of them, with x.to(weight.dtype) or "
           "model.to(x.dtype)");
}

// run(x, weight, bias) for floats; halves and integers through wider ones, complex numbers by their parts.
// `wide_bfloat`: bfloat16 too, where run() rounds more than once.
template <class F>
Tensor on_floats(const Tensor& x, const Tensor& weight, const Tensor& bias, bool wide_bfloat, const F& run) {
  check_conv_types(x, weight, bias);
  DType type = x.dtype();
  if (is_complex(type)) {
    // Three products for four: the imaginary part is (a + b)(c + d) - ac - bd.
    Tensor a = real(x), b = imag(x), c = real(weight), d = imag(weight), first, second;
    if (bias.defined()) first = real(bias), second = first + imag(bias);
    Tensor ac = run(a, c, first), bd = run(b, d, Tensor()), all = run(a + b, c + d, second);
    return complex(ac - bd, all - ac - bd);
  }
  bool widened = type == DType::Float16 || (type == DType::BFloat16 && wide_bfloat);
  if (!widened && !is_integral(type, false)) return run(x, weight, bias);
  DType wide = widened ? DType::Float32 : DType::Float64;
  return to(run(to(x, wide), to(weight, wide), bias.defined() ? to(bias, wide) : bias), type);
}

template <int dims>
Tensor conv_floats(const Tensor& given, const Tensor& weight, const Tensor& bias, IntArrayRef stride,
                   IntArrayRef padding, IntArrayRef dilation, int64_t groups) {
  RL_CHECK(RuntimeError, given.dim() == dims + 1 || given.dim() == dims + 2, "Expected ", dims + 1, "D (unbatched) or ",
           dims + 2, "D (batched) input to conv", dims, "d, but got input of size: ", given.sizes(),
           ". Hint: expected (N, C, ...) or (C, ...); add what is missing with x.unsqueeze(0)");
  bool single = given.dim() == dims + 1;
  Tensor x = single ? unsqueeze(given, 0) : given;
  RL_CHECK(RuntimeError, weight.dim() == dims + 2, "conv", dims, "d: expected weight of ", dims + 2,
           " dimensions, got ", weight.sizes());
  Dims s = each(stride, dims, "stride"), p = each(padding, dims, "padding"), d = each(dilation, dims, "dilation");
  check_steps(str("conv", dims, "d").c_str(), s, p, d, groups);
  RL_CHECK(ShapeError, weight.size(0) % groups == 0 && x.size(1) == CheckedInt(weight.size(1)) * groups,
           "Given groups=", groups, ", weight of size ", weight.sizes(), ", expected input", x.sizes(), " to have ",
           weight.size(1) * groups, " channels, but got ", x.size(1), " channels instead. Hint: conv", dims,
           "d: make the layer with in_channels=", x.size(1),
           ", or bring the channels to dimension 1 with x.permute(...)");
  RL_CHECK(ShapeError, !bias.defined() || (bias.dim() == 1 && bias.size(0) == weight.size(0)), "Given weight of size ",
           weight.sizes(), ", expected bias to be 1-dimensional with ", weight.size(0),
           " elements, but got bias of size ", bias.defined() ? bias.sizes() : Dims(), " instead");
  for (size_t i = 0; i < size_t(dims); i++) {
    int64_t padded = CheckedInt(p[i]) * 2 + x.sizes()[i + 2],
            kernel = CheckedInt(d[i]) * (weight.sizes()[i + 2] - 1) + 1;
    RL_CHECK(RuntimeError, padded >= kernel, "Calculated padded input size per channel: (", padded, "). Kernel size: (",
             kernel, "). Kernel size can't be greater than actual input size. Hint: conv", dims,
             "d: the input of shape ", x.sizes(), " is too small for the weight of shape ", weight.sizes(),
             "; use a larger input, more padding, or fewer poolings and strides before");
  }
  Tensor out = _conv(x, weight, bias, s, p, d, groups);
  return single ? squeeze(out, 0) : out;
}
template <int dims>
Tensor conv_nd(const Tensor& given, const Tensor& weight, const Tensor& bias, IntArrayRef stride, IntArrayRef padding,
               IntArrayRef dilation, int64_t groups) {
  return on_floats(given, weight, bias, false, [&](const Tensor& x, const Tensor& w, const Tensor& b) {
    return conv_floats<dims>(x, w, b, stride, padding, dilation, groups);
  });
}
template <int dims>
Tensor conv_padded(const Tensor& x, const Tensor& weight, const Tensor& bias, IntArrayRef stride,
                   std::string_view padding, IntArrayRef dilation, int64_t groups) {
  if (padding == "valid") return conv_nd<dims>(x, weight, bias, stride, {0}, dilation, groups);
  RL_CHECK(RuntimeError, padding == "same", "Invalid padding string: '", padding, "'");
  RL_CHECK(RuntimeError, weight.dim() == dims + 2, "conv", dims, "d: expected weight of ", dims + 2,
           " dimensions, got ", weight.sizes());
  for (int64_t s : stride) RL_CHECK(RuntimeError, s == 1, "padding='same' is not supported for strided convolutions");
  Dims d = each(dilation, dims, "dilation"), even, extra;
  bool lopsided = false;
  for (size_t i = 0; i < size_t(dims); i++) {
    int64_t total = CheckedInt(d[i]) * (weight.sizes()[i + 2] - 1);
    even.push_back(total / 2);
    lopsided |= total % 2 != 0;
  }
  if (!lopsided) return conv_nd<dims>(x, weight, bias, stride, even, dilation, groups);
  for (size_t i = size_t(dims); i-- > 0;) {
    extra.push_back(0);
    extra.push_back(d[i] * (weight.sizes()[i + 2] - 1) % 2);
  }
  return conv_nd<dims>(constant_pad_nd(x, extra, 0), weight, bias, stride, even, dilation, groups);
}

// The forward of a transposed convolution is the gradient of the convolution for its input.
template <int dims>
Tensor conv_transpose_floats(const Tensor& given, const Tensor& weight, const Tensor& bias, IntArrayRef stride,
                             IntArrayRef padding, IntArrayRef output_padding, int64_t groups, IntArrayRef dilation) {
  RL_CHECK(RuntimeError, given.dim() == dims + 1 || given.dim() == dims + 2, "Expected ", dims + 1, "D (unbatched) or ",
           dims + 2, "D (batched) input to conv_transpose", dims, "d, but got input of size: ", given.sizes());
  bool single = given.dim() == dims + 1;
  Tensor x = single ? unsqueeze(given, 0) : given;
  RL_CHECK(RuntimeError, weight.dim() == dims + 2, "conv_transpose", dims, "d: expected weight of ", dims + 2,
           " dimensions, got ", weight.sizes());
  Dims s = each(stride, dims, "stride"), p = each(padding, dims, "padding"), d = each(dilation, dims, "dilation"),
       extra = each(output_padding, dims, "output_padding");
  check_steps(str("conv_transpose", dims, "d").c_str(), s, p, d, groups);
  RL_CHECK(ShapeError, weight.size(0) % groups == 0 && x.size(1) == weight.size(0),
           "Given transposed=1, weight of size ", weight.sizes(), ", expected input", x.sizes(), " to have ",
           weight.size(0), " channels, but got ", x.size(1), " channels instead. Hint: conv_transpose", x.dim() - 2,
           "d: make the layer with in_channels=", x.size(1), ", or bring the channels to dimension 1 with ",
           "x.permute(...)");
  int64_t channels = CheckedInt(weight.size(1)) * groups;
  RL_CHECK(ShapeError, !bias.defined() || (bias.dim() == 1 && bias.size(0) == channels), "Given transposed=1, ",
           "weight of size ", weight.sizes(), ", expected bias to be 1-dimensional with ", channels,
           " elements, but got bias of size ", bias.defined() ? bias.sizes() : Dims(), " instead");
  Dims sizes = {x.size(0), channels}, crop;
  bool beyond = false;
  for (size_t i = 0; i < size_t(dims); i++) {
    RL_CHECK(RuntimeError, extra[i] >= 0, "negative output_padding is not supported: conv_transpose", dims,
             "d got output_padding=", extra);
    RL_CHECK(RuntimeError, extra[i] < s[i] || extra[i] < d[i], "output padding must be smaller than either stride or ",
             "dilation, but got output_padding=", extra, ", stride=", s, " and dilation=", d,
             ". Hint: it chooses among the sizes that a stride maps to one; padding changes the size otherwise");
    CheckedInt full = CheckedInt(x.sizes()[i + 2] - 1) * s[i] + CheckedInt(d[i]) * (weight.sizes()[i + 2] - 1) + 1;
    sizes.push_back(full - CheckedInt(p[i]) * 2 + extra[i]);
    RL_CHECK(RuntimeError, sizes.back() > 0, "Given input size per channel: ", x.sizes(),
             ". Calculated output size per channel: ", sizes, ". Output size is too small");
    beyond |= extra[i] >= s[i];
    crop.insert(0, extra[i] - p[i]);
    crop.insert(0, -p[i]);
  }
  Tensor out;
  if (beyond) {  // a window more would fit into such a result: the convolution back would not have x's shape
    Dims whole = sizes, none(p.size(), 0);
    for (size_t i = 0; i < size_t(dims); i++) whole[i + 2] = CheckedInt(p[i]) * 2 + whole[i + 2] - extra[i];
    out = constant_pad_nd(_conv_input(x, weight, whole, s, none, d, groups), crop, 0);
  } else {
    out = _conv_input(x, weight, sizes, s, p, d, groups);
  }
  if (bias.defined()) {
    Dims shape(x.sizes().size() - 1, 1);
    shape[0] = channels;
    out = add(out, reshape(bias, shape));
  }
  return single ? squeeze(out, 0) : out;
}

// (time, batch, channels) with a weight of (width, channels in, channels out).
Tensor conv_tbc(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t pad) {
  RL_CHECK(ShapeError, x.dim() == 3 && weight.dim() == 3 && bias.dim() == 1,
           "conv_tbc: expected an input and a weight of 3 dimensions and a bias of 1, got ", x.sizes(), ", ",
           weight.sizes(), " and ", bias.sizes());
  RL_CHECK(ShapeError, x.size(2) == weight.size(1) && bias.size(0) == weight.size(2),
           "conv_tbc: expected input.size(2) == weight.size(1) and bias.size(0) == weight.size(2), got ", x.sizes(),
           ", ", weight.sizes(), " and ", bias.sizes());
  return permute(conv_nd<1>(permute(x, {1, 2, 0}), permute(weight, {2, 1, 0}), bias, {1}, pad, {1}, 1), {2, 0, 1});
}

template <int dims>
Tensor conv_transpose(const Tensor& given, const Tensor& weight, const Tensor& bias, IntArrayRef stride,
                      IntArrayRef padding, IntArrayRef output_padding, int64_t groups, IntArrayRef dilation) {
  return on_floats(given, weight, bias, bias.defined(), [&](const Tensor& x, const Tensor& w, const Tensor& b) {
    return conv_transpose_floats<dims>(x, w, b, stride, padding, output_padding, groups, dilation);
  });
}

// What traces of PyTorch hold.
Tensor convolution(const Tensor& x, const Tensor& weight, const Tensor& bias, IntArrayRef stride, IntArrayRef padding,
                   IntArrayRef dilation, bool transposed, IntArrayRef output_padding, int64_t groups) {
  RL_CHECK(RuntimeError, weight.dim() >= 3 && weight.dim() <= 5,
           "convolution: expected a weight of 3 to 5 dimensions, got ", weight.sizes());
  if (transposed) {
    auto run = weight.dim() == 3 ? conv_transpose<1> : weight.dim() == 4 ? conv_transpose<2> : conv_transpose<3>;
    return run(x, weight, bias, stride, padding, output_padding, groups, dilation);
  }
  auto run = weight.dim() == 3 ? conv_nd<1> : weight.dim() == 4 ? conv_nd<2> : conv_nd<3>;
  return run(x, weight, bias, stride, padding, dilation, groups);
}
Tensor convolution_flags(const Tensor& x, const Tensor& weight, const Tensor& bias, IntArrayRef stride,
                         IntArrayRef padding, IntArrayRef dilation, bool transposed, IntArrayRef output_padding,
                         int64_t groups, bool, bool, bool, bool) {
  return convolution(x, weight, bias, stride, padding, dilation, transposed, output_padding, groups);
}
Tensor convolution_fewer_flags(const Tensor& x, const Tensor& weight, const Tensor& bias, IntArrayRef stride,
                               IntArrayRef padding, IntArrayRef dilation, bool transposed, IntArrayRef output_padding,
                               int64_t groups, bool, bool, bool) {
  return convolution(x, weight, bias, stride, padding, dilation, transposed, output_padding, groups);
}

// Products that an element of the result sums up.
int64_t products_each(IntArrayRef weight) {
  int64_t n = 1;
  for (size_t i = 1; i < weight.size(); i++) n *= weight[i];
  return n;
}

}  // namespace

OP(convolution, {.schema = "convolution(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] "
                           "dilation, bool transposed, int[] output_padding, int groups) -> Tensor",
                 .doc = "A convolution of as many dimensions as the weight has."
                        " >>> torch.convolution(torch.ones(1, 1, 3), torch.ones(1, 1, 2), None, [1], [0], [1], False, "
                        "[0], 1)\ntensor([[[2., 2.]]])",
                 .kernel = composite<convolution>(),
                 .forms = kFunction});
OP(convolution_flags, {.schema = "_convolution(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, "
                                 "int[] dilation, bool transposed, int[] output_padding, int groups, bool benchmark, "
                                 "bool deterministic, bool cudnn_enabled, bool allow_tf32) -> Tensor",
                       .doc = "convolution, as PyTorch's traces name it.",
                       .kernel = composite<convolution_flags>(),
                       .forms = kFunction,
                       .autocast = Autocast::Lower});
OP(convolution_fewer_flags,
   {.schema = "_convolution.deprecated(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] "
              "dilation, bool transposed, int[] output_padding, int groups, bool benchmark, bool deterministic, bool "
              "cudnn_enabled) -> Tensor",
    .doc = "convolution, as the traces of PyTorch before 1.7 name it.",
    .kernel = composite<convolution_fewer_flags>(),
    .forms = kFunction,
    .autocast = Autocast::Lower});
OP(conv, {.schema = "_conv(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, int "
                    "groups) -> Tensor",
          .doc = "The convolution behind conv1d, conv2d and conv3d; every list has its full length.",
          .kernel = structured<conv_meta, conv_cpu>(),
          .grad = {{"input", "weight"}, conv_grad},
          .forms = kFunction,
          .node = "ConvolutionBackward0"});
COST(conv, [](auto args, auto rets) { return rets[0].tensor().numel() * products_each(args[1].tensor().sizes()); })
OP(conv_input, {.schema = "_conv_input(Tensor grad_output, Tensor weight, int[] input_sizes, int[] stride, int[] "
                          "padding, int[] dilation, int groups) -> Tensor",
                .doc = "Gradient of _conv with respect to its input.",
                .kernel = structured<conv_input_meta, conv_input_cpu>(),
                .grad = {{"grad_output", "weight"}, conv_input_grad},
                .forms = kFunction,
                .node = "ConvolutionBackward0"});
COST(conv_input, [](auto args, auto) { return args[0].tensor().numel() * products_each(args[1].tensor().sizes()); })
OP(conv_weight, {.schema = "_conv_weight(Tensor grad_output, Tensor input, int[] weight_sizes, int[] stride, int[] "
                           "padding, int[] dilation, int groups) -> Tensor",
                 .doc = "Gradient of _conv with respect to its weight.",
                 .kernel = structured<conv_weight_meta, conv_weight_cpu>(),
                 .grad = {{"grad_output", "input"}, conv_weight_grad},
                 .forms = kFunction});
COST(conv_weight, [](auto args, auto) { return args[0].tensor().numel() * products_each(args[2].int_list()); })
OP(conv1d, {.schema = "conv1d(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, int[1] padding=0, "
                      "int[1] dilation=1, int groups=1) -> Tensor",
            .doc = "Convolves (N, C, L)."
                   " >>> torch.nn.functional.conv1d(torch.tensor([[[1., 2., 3.]]]), torch.tensor([[[1., "
                   "1.]]]))\ntensor([[[3., 5.]]])",
            .kernel = composite<conv_nd<1>>(),
            .forms = kFunction,
            .autocast = Autocast::Lower});
OP(conv2d, {.schema = "conv2d(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, int[2] padding=0, "
                      "int[2] dilation=1, int groups=1) -> Tensor",
            .doc = "Convolves (N, C, H, W)."
                   " >>> torch.nn.functional.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2))\ntensor([[[[4., "
                   "4.],\n          [4., 4.]]]])",
            .kernel = composite<conv_nd<2>>(),
            .forms = kFunction,
            .autocast = Autocast::Lower});
OP(conv3d,
   {.schema = "conv3d(Tensor input, Tensor weight, Tensor? bias=None, int[3] stride=1, int[3] padding=0, "
              "int[3] dilation=1, int groups=1) -> Tensor",
    .doc =
        "Convolves (N, C, D, H, W)."
        " >>> torch.nn.functional.conv3d(torch.ones(1, 1, 2, 2, 2), torch.ones(1, 1, 2, 2, 2))\ntensor([[[[[8.]]]]])",
    .kernel = composite<conv_nd<3>>(),
    .forms = kFunction,
    .autocast = Autocast::Lower});
OP(conv1d_padding, {.schema = "conv1d.padding(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, str "
                              "padding='valid', int[1] dilation=1, int groups=1) -> Tensor",
                    .doc = "conv1d with padding 'same' or 'valid'.",
                    .kernel = composite<conv_padded<1>>(),
                    .forms = kFunction,
                    .autocast = Autocast::Lower});
OP(conv2d_padding, {.schema = "conv2d.padding(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, str "
                              "padding='valid', int[2] dilation=1, int groups=1) -> Tensor",
                    .doc = "conv2d with padding 'same' or 'valid'.",
                    .kernel = composite<conv_padded<2>>(),
                    .forms = kFunction,
                    .autocast = Autocast::Lower});
OP(conv3d_padding, {.schema = "conv3d.padding(Tensor input, Tensor weight, Tensor? bias=None, int[3] stride=1, str "
                              "padding='valid', int[3] dilation=1, int groups=1) -> Tensor",
                    .doc = "conv3d with padding 'same' or 'valid'.",
                    .kernel = composite<conv_padded<3>>(),
                    .forms = kFunction,
                    .autocast = Autocast::Lower});
OP(conv_transpose1d, {.schema = "conv_transpose1d(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, "
                                "int[1] padding=0, int[1] output_padding=0, int groups=1, int[1] dilation=1) -> Tensor",
                      .doc = "The transpose of conv1d: spreads (N, C, L) by strides."
                             " >>> torch.nn.functional.conv_transpose1d(torch.tensor([[[1., 2.]]]), "
                             "torch.tensor([[[1., 1.]]]), stride=2)\ntensor([[[1., 1., 2., 2.]]])",
                      .kernel = composite<conv_transpose<1>>(),
                      .forms = kFunction,
                      .autocast = Autocast::Lower});
OP(conv_transpose2d,
   {.schema = "conv_transpose2d.input(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, int[2] "
              "padding=0, int[2] output_padding=0, int groups=1, int[2] dilation=1) -> Tensor",
    .doc = "The transpose of conv2d: spreads (N, C, H, W) by strides."
           " >>> torch.nn.functional.conv_transpose2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2))\ntensor([[[[1., "
           "2., 1.],\n          [2., 4., 2.],\n          [1., 2., 1.]]]])",
    .kernel = composite<conv_transpose<2>>(),
    .forms = kFunction,
    .autocast = Autocast::Lower});
OP(conv_transpose3d,
   {.schema = "conv_transpose3d.input(Tensor input, Tensor weight, Tensor? bias=None, int[3] stride=1, int[3] "
              "padding=0, int[3] output_padding=0, int groups=1, int[3] dilation=1) -> Tensor",
    .doc = "The transpose of conv3d: spreads (N, C, D, H, W) by strides."
           " >>> torch.nn.functional.conv_transpose3d(torch.ones(1, 1, 1, 1, 1), torch.ones(1, 2, 1, 1, "
           "2)).shape\ntorch.Size([1, 2, 1, 1, 2])",
    .kernel = composite<conv_transpose<3>>(),
    .forms = kFunction,
    .autocast = Autocast::Lower});
OP(conv_tbc,
   {.schema = "conv_tbc(Tensor self, Tensor weight, Tensor bias, int pad=0) -> Tensor",
    .doc = "Convolves (L, N, C) with a weight of (width, C in, C out)."
           " >>> torch.conv_tbc(torch.ones(3, 1, 1), torch.ones(2, 1, 1), torch.zeros(1)).flatten()\ntensor([2., 2.])",
    .kernel = composite<conv_tbc>(),
    .autocast = Autocast::Lower});

}  // namespace rushlight
