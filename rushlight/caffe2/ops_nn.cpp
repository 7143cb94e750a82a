// Products, convolutions, pools.
#include <algorithm>
#include <cmath>

#include "rushlight/caffe2/gradient.h"
#include "rushlight/caffe2/random.h"
#include "rushlight/caffe2/window.h"

namespace rushlight::caffe2 {

std::vector<int64_t> picture_of(const Tensor& x, bool nhwc) {
  C2_ENFORCE(x.dim() >= 2, "input should have at least 3 dimensions, got ", x.dim());
  std::vector<int64_t> out;
  for (int64_t k = nhwc ? 1 : 2; k < x.dim() - nhwc; k++) out.push_back(x.size(k));
  return out;
}

Window::Window(const Call& c, int64_t dims, const std::vector<int64_t>& picture) : legacy(c.i("legacy_pad", 0)) {
  std::string order = c.s("order", "NCHW");
  C2_ENFORCE(order == "NCHW" || order == "NHWC", "Unknown storage order: ", order);
  auto d = size_t(dims);
  // One number for all, a list, or a number for each of the two dimensions of a picture.
  auto list = [&](const char* many, const char* one, int64_t otherwise) {
    std::vector<int64_t> v = c.ints(many);
    std::string h = str(one, "_h"), w = str(one, "_w");
    if (v.empty() && d == 2 && c.has_arg(h) && c.has_arg(w)) v = {c.i(h), c.i(w)};
    if (v.empty()) v.assign(d, c.i(one, otherwise));
    C2_ENFORCE(v.size() == d, "argument ", many, " has ", v.size(), " numbers for ", d, " dimensions");
    return v;
  };
  global = c.b("global_pooling");
  kernel = global ? picture : list("kernels", "kernel", 0);
  stride = list("strides", "stride", 1);
  dilation = list("dilations", "dilation", 1);
  std::vector<int64_t> pads = c.ints("pads");
  if (!pads.empty()) {
    C2_ENFORCE(pads.size() == 2 * d, "argument pads has ", pads.size(), " numbers for ", d, " dimensions");
    begin.assign(pads.begin(), pads.begin() + dims);
    end.assign(pads.begin() + dims, pads.end());
  } else if (d == 2 && (c.has_arg("pad_t") || c.has_arg("pad_l") || c.has_arg("pad_b") || c.has_arg("pad_r"))) {
    begin = {c.i("pad_t", 0), c.i("pad_l", 0)};
    end = {c.i("pad_b", 0), c.i("pad_r", 0)};
  } else {
    begin.assign(d, c.i("pad", 0));
    end = begin;
  }
  for (size_t k = 0; k < d; k++) {
    C2_ENFORCE(stride[k] > 0, "stride must be > 0, got ", stride[k]);
    C2_ENFORCE(dilation[k] > 0, "dilation must be > 0, got ", dilation[k]);
    C2_ENFORCE(begin[k] >= 0 && end[k] >= 0, "pad must be >= 0, got ", begin, " and ", end);
    C2_ENFORCE(kernel[k] < (int64_t(1) << 31) && begin[k] < (int64_t(1) << 31) && end[k] < (int64_t(1) << 31) &&
                   dilation[k] < (int64_t(1) << 31),
               "kernel, pads and dilation are too large");
  }
}

void Window::fit(const std::vector<int64_t>& picture) {
  for (size_t k = 0; k < picture.size(); k++) {
    C2_ENFORCE(global || kernel[k] > 0, "kernel must be > 0, got ", kernel[k]);
    if (global) continue;
    if (legacy == 1) {
      begin[k] = end[k] = 0;
    } else if (legacy == 2) {
      int64_t target = (picture[k] + stride[k] - 1) / stride[k];
      int64_t needed = std::max<int64_t>((target - 1) * stride[k] + kernel[k] - picture[k], 0);
      begin[k] = needed / 2;
      end[k] = needed - begin[k];
    } else if (legacy == 3) {
      int64_t n = (picture[k] + 2 * begin[k] - kernel[k] + stride[k] - 1) / stride[k] + 1;
      if (begin[k] > 0 && (n - 1) * stride[k] >= picture[k] + begin[k]) n--;
      int64_t standard = (picture[k] + 2 * begin[k] - kernel[k]) / stride[k] + 1;
      end[k] = begin[k] + stride[k] * (n - standard);
    }
  }
}

std::vector<int64_t> Window::result(const std::vector<int64_t>& picture) const {
  std::vector<int64_t> out;
  for (size_t k = 0; k < picture.size(); k++) {
    int64_t span = dilation[k] * (kernel[k] - 1) + 1, room = picture[k] + begin[k] + end[k];
    C2_ENFORCE(kernel[k] > 0, "kernel must be > 0, got ", kernel[k]);
    C2_ENFORCE(room >= span, "the kernel of ", span, " is larger than the padded picture of ", room);
    out.push_back((room - span) / stride[k] + 1);
  }
  return out;
}

std::vector<int64_t> Window::as_pad() const {
  std::vector<int64_t> out;
  for (size_t k = begin.size(); k-- > 0;) out.push_back(begin[k]), out.push_back(end[k]);
  return out;
}

namespace {

// ---- products

void fc(Call& c, bool transposed) {
  Tensor x = c.X(0), w = c.X(1), b = c.X(2);
  C2_ENFORCE(b.dim() == 1, "the bias should have one dimension, got ", b.dim());
  int64_t axis = canonical_axis(c.i("axis", 1), x.dim(), true),
          axis_w = canonical_axis(c.i("axis_w", 1), w.dim(), true);
  int64_t M = size_to(x, axis), K = size_from(x, axis);
  int64_t N = transposed ? size_from(w, axis_w) : size_to(w, axis_w);
  C2_ENFORCE((transposed ? size_to(w, axis_w) : size_from(w, axis_w)) == K && b.numel() == N && w.numel() == N * K,
             "Dimension mismatch: X: ", x.sizes(), ", W: ", w.sizes(), ", b: ", b.sizes(), ", axis: ", axis, ", M: ", M,
             ", N: ", N, ", K: ", K);
  std::vector<int64_t> sizes(x.sizes().begin(), x.sizes().begin() + axis);
  sizes.push_back(N);
  Tensor W = transposed ? w.reshape({K, N}).t() : w.reshape({N, K});
  if (x.scalar_type() == torch::kHalf || w.scalar_type() == torch::kHalf) {
    Tensor y =
        torch::linear(x.to(torch::kFloat).reshape({M, K}), W.to(torch::kFloat), b.to(torch::kFloat)).reshape(sizes);
    c.set(y.to(x.scalar_type()));
    return;
  }
  if (!x.is_floating_point()) c.unsupported(x);
  c.set(torch::linear(x.reshape({M, K}), W, b).reshape(sizes));
}

void fc_gradient(Call& c, const char* forward) {
  Tensor x = c.X(0), w = c.X(1), g = c.X(2);
  int64_t axis = canonical_axis(c.i("axis", 1), x.dim(), true);
  int64_t N = size_from(x, axis) ? w.numel() / size_from(x, axis) : g.size(-1);
  std::vector<size_t> wanted{1, 2};
  if (c.outputs() > 2) wanted.push_back(0);
  std::vector<Tensor> out =
      derive(*Registry::get().find(forward), c.op,
             {c.in[0], c.in[1], Value(rushlight::Tensor(torch::zeros({N}, x.options())))}, wanted, {g});
  for (size_t k = 0; k < out.size(); k++) c.set(k, out[k]);
}

Tensor matrix(const Call& c, const Tensor& t, const char* axis, bool transpose) {
  Tensor m = flat(t, canonical_axis(c.i(axis, 1), t.dim()));
  return transpose ? m.t() : m;
}

void matmul(Call& c) {
  Tensor a = matrix(c, c.X(0), "axis_a", c.b("trans_a")), b = matrix(c, c.X(1), "axis_b", c.b("trans_b"));
  C2_ENFORCE(a.size(1) == b.size(0), "Dimension mismatch: ", c.b("trans_a") ? "trans(A)" : "A", ": ", a.sizes(), ", ",
             c.b("trans_b") ? "trans(B)" : "B", ": ", b.sizes());
  Tensor y = a.matmul(b);
  c.set(c.has(2) ? y.reshape(c.X(2).sizes()) : y);
}

void matmul_gradient(GradientMaker& m) {
  bool ta = m.op.args.b("trans_a"), tb = m.op.args.b("trans_b");
  std::string A = m.I(0), B = m.I(1), G = m.GO(0);
  auto add = [&](std::vector<std::string> in, const std::string& out, bool trans_a, bool trans_b, const char* axis,
                 int64_t at) {
    std::vector<MessageRef> args;
    if (trans_a) args.push_back(int_arg("trans_a", 1));
    if (trans_b) args.push_back(int_arg("trans_b", 1));
    args.push_back(int_arg(axis, at));
    m.add("MatMul", std::move(in), {out}, args, false);
  };
  int64_t axis_a = m.op.args.i("axis_a", 1), axis_b = m.op.args.i("axis_b", 1);
  if (ta) add({B, G, A}, m.GI(0), tb, true, "axis_a", axis_b);
  else add({G, B, A}, m.GI(0), false, !tb, "axis_b", axis_b);
  if (tb) add({G, A, B}, m.GI(1), true, ta, "axis_b", axis_a);
  else add({A, G, B}, m.GI(1), !ta, false, "axis_a", axis_a);
}

void batch_matmul(Call& c) {
  Tensor a = c.X(0), b = c.X(1);
  bool ta = c.b("trans_a"), tb = c.b("trans_b");
  if (!c.b("broadcast")) {
    C2_ENFORCE(a.dim() == b.dim() && a.dim() >= 2, "A and B should have the same number of dimensions, got ", a.sizes(),
               " and ", b.sizes());
    for (int64_t k = 0; k + 2 < a.dim(); k++)
      C2_ENFORCE(a.size(k) == b.size(k), "dimensions of A and B do not match: ", a.sizes(), " and ", b.sizes());
  }
  if (ta && a.dim() > 1) a = a.transpose(-1, -2);
  if (tb && b.dim() > 1) b = b.transpose(-1, -2);
  int64_t K = a.size(-1), L = b.dim() == 1 ? b.size(0) : b.size(-2);
  C2_ENFORCE(K == L, "Dimension mismatch: A: ", a.sizes(), ", B: ", b.sizes());
  Tensor y = a.matmul(b);
  c.set(y.dim() == 0 ? y.reshape({1}) : y);
}

// ---- convolutions

Tensor filter_of(const Call& c, const Tensor& w) { return c.nhwc() ? w.movedim(-1, 1) : w; }

Tensor convolve(const Tensor& x, const Tensor& w, const Tensor& b, const Window& win, int64_t group) {
  Tensor in = x;
  std::vector<int64_t> pad = win.begin;
  if (!win.symmetric()) {
    in = torch::constant_pad_nd(x, win.as_pad(), 0);
    pad.assign(pad.size(), 0);
  }
  std::optional<Tensor> bias;
  if (b.defined()) bias = b;
  switch (pad.size()) {
    case 1: return torch::conv1d(in, w, bias, win.stride, pad, win.dilation, group);
    case 2: return torch::conv2d(in, w, bias, win.stride, pad, win.dilation, group);
    case 3: return torch::conv3d(in, w, bias, win.stride, pad, win.dilation, group);
    default: C2_FAIL("a convolution over ", pad.size(), " dimensions");
  }
}

Tensor conv_of(const Call& c) {
  Tensor x = c.X(0), w = c.X(1), b;
  if (c.has(2) && !c.b("no_bias")) b = c.X(2);
  C2_ENFORCE(x.dim() >= 3, "Conv: the input should have at least 3 dimensions, got ", x.dim());
  C2_ENFORCE(w.dim() == x.dim(), "the filter has ", w.dim(), " dimensions, the input ", x.dim());
  if (!x.is_floating_point()) c.unsupported(x);
  std::vector<int64_t> picture = picture_of(x, c.nhwc());
  Window win(c, int64_t(picture.size()), picture);
  int64_t group = c.i("group", 1);
  win.fit(picture);
  win.result(picture);
  x = c.nhwc() ? to_nchw(x) : x;
  w = filter_of(c, w);
  C2_ENFORCE(group > 0 && x.size(1) == w.size(1) * group,
             "Convolution op: input channels does not match: # of input channels ", x.size(1),
             " is not equal to kernel channels * group: ", w.size(1), "*", group);
  C2_ENFORCE(w.size(0) % group == 0, "The number of output channels is not divisible by group.");
  for (size_t k = 0; k < picture.size(); k++)
    C2_ENFORCE(w.size(int64_t(k) + 2) == win.kernel[k], "the filter's size ", w.size(int64_t(k) + 2),
               " is not the kernel's ", win.kernel[k]);
  C2_ENFORCE(!b.defined() || (b.dim() == 1 && b.size(0) == w.size(0)), "the bias should have ", w.size(0), " elements");
  Tensor y = convolve(x, w, b, win, group);
  return c.nhwc() ? to_nhwc(y) : y;
}

Tensor conv_transpose_of(const Call& c) {
  Tensor x = c.X(0), w = c.X(1), b;
  if (c.has(2) && !c.b("no_bias")) b = c.X(2);
  C2_ENFORCE(x.dim() >= 3 && w.dim() == x.dim(), "ConvTranspose: an input of ", x.dim(), " dimensions and a filter of ",
             w.dim());
  std::vector<int64_t> picture = picture_of(x, c.nhwc());
  Window win(c, int64_t(picture.size()), picture);
  std::vector<int64_t> adjust = c.ints("adjs");
  if (adjust.empty() && picture.size() == 2 && (c.has_arg("adj_h") || c.has_arg("adj_w")))
    adjust = {c.i("adj_h", 0), c.i("adj_w", 0)};
  if (adjust.empty()) adjust.assign(picture.size(), c.i("adj", 0));
  C2_ENFORCE(adjust.size() == picture.size(), "argument adjs has ", adjust.size(), " numbers");
  int64_t group = c.i("group", 1);
  x = c.nhwc() ? to_nchw(x) : x;
  w = filter_of(c, w);
  C2_ENFORCE(x.size(1) == w.size(0), "the filter has ", w.size(0), " input channels, the input ", x.size(1));
  for (size_t k = 0; k < picture.size(); k++) {
    C2_ENFORCE(w.size(int64_t(k) + 2) == win.kernel[k], "the filter's size ", w.size(int64_t(k) + 2),
               " is not the kernel's ", win.kernel[k]);
    C2_ENFORCE(adjust[k] >= 0 && adjust[k] < win.stride[k], "adj must be below the stride");
  }
  std::optional<Tensor> bias;
  if (b.defined()) bias = b;
  // Whole, then cut: pads may differ at the two ends.
  std::vector<int64_t> none(picture.size(), 0);
  Tensor y;
  switch (picture.size()) {
    case 1: y = torch::conv_transpose1d(x, w, bias, win.stride, none, adjust, group, win.dilation); break;
    case 2: y = torch::conv_transpose2d(x, w, bias, win.stride, none, adjust, group, win.dilation); break;
    case 3: y = torch::conv_transpose3d(x, w, bias, win.stride, none, adjust, group, win.dilation); break;
    default: C2_FAIL("a convolution over ", picture.size(), " dimensions");
  }
  for (size_t k = 0; k < picture.size(); k++) {
    int64_t n = y.size(int64_t(k) + 2) - win.begin[k] - win.end[k];
    C2_ENFORCE(n > 0, "the pads are larger than the result");
    y = y.narrow(int64_t(k) + 2, win.begin[k], n);
  }
  return c.nhwc() ? to_nhwc(y) : y.contiguous();
}

// Each place of the result has filters of its own: [places..., channels, those of the input, kernel...].
Tensor locally_connected(const Call& c) {
  Tensor x = c.X(0), w = c.X(1);
  C2_ENFORCE(x.dim() >= 3, "LC: the input should have at least 3 dimensions, got ", x.dim());
  std::vector<int64_t> picture = picture_of(x, c.nhwc());
  auto dims = int64_t(picture.size());
  Window win(c, dims, picture);
  win.fit(picture);
  std::vector<int64_t> out = win.result(picture);
  int64_t group = c.i("group", 1), L = 1, K = 1;
  C2_ENFORCE(w.dim() == 2 * dims + 2 && std::equal(out.begin(), out.end(), w.sizes().begin()),
             "LC: the filter should have ", 2 * dims + 2, " dimensions that begin ", out);
  x = torch::constant_pad_nd(c.nhwc() ? to_nchw(x) : x, win.as_pad(), 0);
  if (c.nhwc()) w = w.movedim(-1, dims + 1);
  int64_t M = w.size(dims), C = x.size(1), N = x.size(0);
  C2_ENFORCE(group > 0 && M % group == 0 && C == w.size(dims + 1) * group, "LC: channels and groups don't fit");
  // [N, C, places and kernel of each dimension...]
  std::vector<int64_t> sizes{N, C}, order{0, 1};
  for (int64_t d = 0; d < dims; d++) {
    auto k = size_t(d);
    auto whole = torch::TensorOptions().dtype(torch::kLong);
    Tensor at = torch::arange(out[k], whole).reshape({-1, 1}) * win.stride[k] +
                torch::arange(win.kernel[k], whole) * win.dilation[k];
    x = x.index_select(d + 2, at.reshape({-1}));
    sizes.push_back(out[k]), sizes.push_back(win.kernel[k]);
    L *= out[k], K *= win.kernel[k];
  }
  for (int64_t of = 1; of >= 0; of--)
    for (int64_t d = 0; d < dims; d++) order.push_back(2 + 2 * d + of);
  Tensor columns = x.reshape(sizes).permute(order).reshape({N, group, C / group * K, L}).permute({1, 3, 0, 2});
  Tensor filter = w.reshape({L, group, M / group, C / group * K}).permute({1, 0, 3, 2});
  std::vector<int64_t> result{N, M}, places = out;
  result.insert(result.end(), out.begin(), out.end());
  Tensor y = columns.matmul(filter).permute({2, 0, 3, 1}).reshape(result);  // [G, L, N, CK] by [G, L, CK, M]
  places.push_back(M);
  if (c.has(2)) y = y + c.X(2).reshape(places).movedim(-1, 0);
  return c.nhwc() ? to_nhwc(y) : y.contiguous();
}

void conv_gradient(Call& c, const char* forward) {
  bool no_bias = c.b("no_bias");
  std::vector<size_t> wanted{1};
  std::vector<Value> in{c.in[0], c.in[1]};
  if (!no_bias) {
    Tensor g = c.X(2);
    if (std::string_view(forward) == "LC") {
      Tensor w = c.X(1);
      in.push_back(Value(rushlight::Tensor(torch::zeros(w.sizes().slice(0, size_t(w.dim() / 2)), w.options()))));
    } else {
      in.push_back(Value(rushlight::Tensor(torch::zeros({g.size(c.nhwc() ? -1 : 1)}, g.options()))));
    }
    wanted.push_back(2);
  }
  if (c.outputs() > wanted.size()) wanted.push_back(0);
  std::vector<Tensor> out = derive(*Registry::get().find(forward), c.op, in, wanted, {c.X(2)});
  for (size_t k = 0; k < out.size(); k++) c.set(k, out[k]);
}

MakeGradient conv_maker(const char* type) {
  return [type](GradientMaker& m) {
    bool bias = m.op.inputs.size() == 3;
    std::vector<std::string> out{m.GI(1)};
    if (bias) out.push_back(m.GI(2));
    if (!m.op.args.b("no_gradient_to_input")) out.push_back(m.GI(0));
    m.add(type, {m.I(0), m.I(1), m.GO(0)}, out, bias ? std::vector<MessageRef>() : std::vector{int_arg("no_bias", 1)});
  };
}

// ---- pools

Tensor pool(const Call& c, bool average) {
  Tensor x = c.X();
  C2_ENFORCE(x.dim() >= 3, "pooling: the input should have at least 3 dimensions, got ", x.dim());
  if (!x.is_floating_point()) c.unsupported(x);
  std::vector<int64_t> picture = picture_of(x, c.nhwc());
  Window w(c, int64_t(picture.size()), picture);
  for (int64_t d : w.dilation) C2_ENFORCE(d == 1, "Pooling op does not support dilation right now.");
  if (w.global)
    for (size_t k = 0; k < w.begin.size(); k++)
      C2_ENFORCE(!w.begin[k] && !w.end[k] && w.stride[k] == 1,
                 "If global_pooling is set pad and stride shouldn't be set.");
  w.fit(picture);
  if (!w.global)
    for (size_t k = 0; k < w.begin.size(); k++)
      C2_ENFORCE(w.begin[k] < w.kernel[k] && w.end[k] < w.kernel[k] + w.stride[k],
                 "Pad should be smaller than kernel.");
  w.result(picture);
  x = c.nhwc() ? to_nchw(x) : x;
  bool padded = false;
  for (size_t k = 0; k < w.begin.size(); k++) padded |= w.begin[k] || w.end[k];
  auto mean = [&](const Tensor& t) {
    switch (picture.size()) {
      case 1: return torch::avg_pool1d(t, w.kernel, w.stride);
      case 2: return torch::avg_pool2d(t, w.kernel, w.stride);
      case 3: return torch::avg_pool3d(t, w.kernel, w.stride);
      default: C2_FAIL("a pool over ", picture.size(), " dimensions");
    }
  };
  Tensor y;
  if (average) {
    y = mean(padded ? torch::constant_pad_nd(x, w.as_pad(), 0) : x);
    if (padded && !c.b("count_include_pad")) {
      std::vector<int64_t> one(size_t(x.dim()), 1);
      std::copy(picture.begin(), picture.end(), one.begin() + 2);
      y = y / mean(torch::constant_pad_nd(torch::ones(one, x.options()), w.as_pad(), 0));
    }
  } else {
    if (padded) x = torch::constant_pad_nd(x, w.as_pad(), -std::numeric_limits<float>::infinity());
    switch (picture.size()) {
      case 1: y = torch::max_pool1d(x, w.kernel, w.stride); break;
      case 2: y = torch::max_pool2d(x, w.kernel, w.stride); break;
      case 3: y = torch::max_pool3d(x, w.kernel, w.stride); break;
      default: C2_FAIL("a pool over ", picture.size(), " dimensions");
    }
  }
  return c.nhwc() ? to_nhwc(y) : y;
}

// Each place that has its window's greatest element gets the gradient, as in Caffe2.
void max_pool_gradient(Call& c) {
  Tensor x = c.X(0);
  Tensor y = c.X(1), g = c.X(2);
  std::vector<Tensor> out = derive(*Registry::get().find("MaxPool"), c.op, {c.in[0]}, {0}, {g});
  (void)y;
  c.set(out[0].reshape(x.sizes()));
}

Tensor lp_pool(const Call& c) {
  Tensor x = c.X();
  double p = c.f("p", 2);
  std::vector<int64_t> picture = picture_of(x, c.nhwc());
  C2_ENFORCE(picture.size() == 2, "LpPool: the input should have 4 dimensions, got ", x.dim());
  Window w(c, 2, picture);
  w.fit(picture);
  w.result(picture);
  x = torch::constant_pad_nd(c.nhwc() ? to_nchw(x) : x, w.as_pad(), 0);
  Tensor y = (torch::avg_pool2d(x.abs().pow(p), w.kernel, w.stride) * double(w.kernel[0] * w.kernel[1])).pow(1 / p);
  return c.nhwc() ? to_nhwc(y) : y;
}

// ---- the same in graphs

constexpr const char* kConvolution =
    "X, W, b: Any = None, begin: Any, stride: Any, dilation: Any, around: Any, zeros: Any, even: Any, legacy: Any, "
    "group: Any = 1, order: Any = \"NCHW\", no_bias: Any = 0";
constexpr const char* kConvolved = R"(if legacy > 1:
    unsupported()
x = around_of(first(X, order), even, around, 0.0)
if no_bias != 0:
    b = None
return last(torch.convolution(x, first(W, order), b, stride, begin if even else zeros, dilation, False, zeros, group), order))";
// Its third input is the gradient.
constexpr const char* kConvolvedBack = R"(if legacy > 1 or not even or order != "NCHW":
    unsupported()
gx, gw, gb = torch.convolution_backward(b, X, W, [W.size(0)], stride, begin, dilation, False, zeros, group, [True, True, True])
if no_bias != 0:
    return gw, gx
return gw, gb, gx)";
constexpr const char* kPool =
    "X, kernel: Any, begin: Any, stride: Any, around: Any, space: Any, even: Any, legacy: Any, order: Any = \"NCHW\", "
    "global_pooling: Any = 0, count_include_pad: Any = 0";
constexpr const char* kGreatest = R"(x = first(X, order)
if global_pooling != 0:
    return last(torch.amax(x, space, True), order)
if legacy == 2 or not even:
    unsupported()
if len(begin) == 1:
    return last(torch.max_pool1d(x, kernel, stride, begin, [1], legacy == 3), order)
if len(begin) == 2:
    return last(torch.max_pool2d(x, kernel, stride, begin, [1, 1], legacy == 3), order)
return last(torch.max_pool3d(x, kernel, stride, begin, [1, 1, 1], legacy == 3), order))";
constexpr const char* kAverage = R"(x = first(X, order)
if global_pooling != 0:
    return last(torch.mean(x, space, True), order)
if legacy == 2 or not even or (legacy == 3 and count_include_pad != 0):
    unsupported()
if len(begin) == 1:
    return last(torch.avg_pool1d(x, kernel, stride, begin, legacy == 3, count_include_pad != 0), order)
if len(begin) == 2:
    return last(torch.avg_pool2d(x, kernel, stride, begin, legacy == 3, count_include_pad != 0), order)
return last(torch.avg_pool3d(x, kernel, stride, begin, legacy == 3, count_include_pad != 0), order))";
constexpr const char* kAverageBack =
    R"(if global_pooling != 0 or legacy >= 2 or not even or order != "NCHW" or len(begin) != 2:
    unsupported()
return torch.avg_pool2d_backward(G, X, kernel, stride, begin, False, count_include_pad != 0, None))";
constexpr const char* kGreatestBack =
    R"(if global_pooling != 0 or legacy == 2 or not even or order != "NCHW" or len(begin) != 2:
    unsupported()
y, at = torch.max_pool2d_with_indices(X, kernel, stride, begin, [1, 1], legacy == 3)
return torch.max_pool2d_with_indices_backward(G, X, kernel, stride, begin, [1, 1], legacy == 3, at))";

}  // namespace

void add_nn(Registry& r) {
  r.op("FC", "3 -> 1", [](Call& c) { fc(c, false); })
      .script("X, W, b, axis: Any = 1, axis_w: Any = 1",
              "return torch.linear(X.flatten(axis) if rank(X) != axis + 1 else X, flat(W, axis_w), b)")
      .apart()
      .grad("FCGradient: I0 I1 GO0 -> GI1 GI2 GI0");
  r.op("FCTransposed", "3 -> 1", [](Call& c) { fc(c, true); })
      .script("X, W, b, axis: Any = 1, axis_w: Any = 1",
              "return torch.linear(X.flatten(axis) if rank(X) != axis + 1 else X, flat(W, axis_w).t(), b)")
      .apart()
      .grad("FCTransposedGradient: I0 I1 GO0 -> GI1 GI2 GI0");
  r.op("FCGradient", "3 -> 2-3", [](Call& c) {
     fc_gradient(c, "FC");
   }).script("X, W, G, outputs: Any, axis: Any = 1, axis_w: Any = 1", R"(if axis != 1 or axis_w != 1:
    unsupported()
x = flat(X, 1)
w = flat(W, 1)
g = flat(G, 1)
return unflat(torch.mm(g.t(), x), W), g.sum([0]), unflat(torch.mm(g, w), X))");
  r.op("FCTransposedGradient", "3 -> 2-3", [](Call& c) { fc_gradient(c, "FCTransposed"); });
  r.op("MatMul", "2-3 -> 1", matmul)
      .script("A, B, axis_a: Any = 1, axis_b: Any = 1, trans_a: Any = 0, trans_b: Any = 0", R"(a = flat(A, axis_a)
b = flat(B, axis_b)
if trans_a != 0:
    a = a.t()
if trans_b != 0:
    b = b.t()
return torch.mm(a, b))")
      .apart()
      .grad(matmul_gradient);
  r.op("BatchMatMul", "2 -> 1", batch_matmul)
      .script("A, B, trans_a: Any = 0, trans_b: Any = 0, broadcast: Any = 0", R"(if broadcast != 0:
    unsupported()
a = A
b = B
if trans_a != 0:
    a = a.transpose(-1, -2)
if trans_b != 0:
    b = b.transpose(-1, -2)
return torch.matmul(a, b))")
      .apart()
      .grad([](GradientMaker& m) {
        C2_ENFORCE(!m.op.args.b("broadcast"), "Gradient is currently not supported with broadcast=1 for BatchMatMul.");
        bool ta = m.op.args.b("trans_a"), tb = m.op.args.b("trans_b");
        auto add = [&](std::vector<std::string> in, const std::string& out, bool a, bool b) {
          std::vector<MessageRef> args;
          if (a) args.push_back(int_arg("trans_a", 1));
          if (b) args.push_back(int_arg("trans_b", 1));
          m.add("BatchMatMul", std::move(in), {out}, args, false);
        };
        std::string A = m.I(0), B = m.I(1), G = m.GO(0);
        if (ta) add({B, G}, m.GI(0), tb, true);
        else add({G, B}, m.GI(0), false, !tb);
        if (tb) add({G, A}, m.GI(1), true, ta);
        else add({A, G}, m.GI(1), !ta, false);
      });
  for (const char* dims : {"", "1D", "2D", "3D"}) {
    std::string d = dims;
    r.op("Conv" + d, "2-3 -> 1", [](Call& c) { c.set(conv_of(c)); })
        .apart()
        .script(kConvolution, kConvolved)
        .grad(conv_maker(*dims == 0     ? "ConvGradient"
                         : *dims == '1' ? "Conv1DGradient"
                         : *dims == '2' ? "Conv2DGradient"
                                        : "Conv3DGradient"));
    r.op("Conv" + d + "Gradient", "2-3 -> 1-3", [](Call& c) {
       conv_gradient(c, "Conv");
     }).script(kConvolution + str(", outputs: Any"), kConvolvedBack);
    r.op("LC" + d, "2-3 -> 1", [](Call& c) { c.set(locally_connected(c)); })
        .apart()
        .grad(conv_maker(*dims == 0     ? "LCGradient"
                         : *dims == '1' ? "LC1DGradient"
                         : *dims == '2' ? "LC2DGradient"
                                        : "LC3DGradient"));
    r.op("LC" + d + "Gradient", "2-3 -> 1-3", [](Call& c) { conv_gradient(c, "LC"); });
    for (bool average : {true, false}) {
      std::string name = (average ? "AveragePool" : "MaxPool") + d;
      r.op(name, "1 -> 1", [average](Call& c) { c.set(pool(c, average)); })
          .apart()
          .script(kPool, average ? kAverage : kGreatest)
          .grad(name + "Gradient: I0 O0 GO0 -> GI0", average ? str("X, Y, G", kPool + 1) : "",
                average ? kAverageBack : "");
      if (!average)
        r.op(name + "Gradient", "3 -> 1", max_pool_gradient).script(str("X, Y, G", kPool + 1), kGreatestBack);
    }
  }
  r.op("ConvRelu", "2-3 -> 1", [](Call& c) { c.set(conv_of(c).relu()); }).apart();
  r.op("ConvTranspose", "2-3 -> 1", [](Call& c) { c.set(conv_transpose_of(c)); })
      .script(
          "X, W, b: Any = None, begin: Any, stride: Any, dilation: Any, even: Any, zeros: Any, group: Any = 1, adj: "
          "Any = 0, adjs: Any = None, adj_h: Any = 0, adj_w: Any = 0, order: Any = \"NCHW\", no_bias: Any = 0",
          R"(if not even or adj_h != 0 or adj_w != 0:
    unsupported()
extra = adjs if adjs is not None else [adj for k in zeros]
x = first(X, order)
w = first(W, order)
return last(torch.convolution(x, w, b, stride, begin, dilation, True, extra, group), order))")
      .apart()
      .grad(conv_maker("ConvTransposeGradient"));
  r.op("ConvTransposeGradient", "3 -> 1-3", [](Call& c) { conv_gradient(c, "ConvTranspose"); });
  r.op("LpPool", "1 -> 1", [](Call& c) { c.set(lp_pool(c)); }).apart().grad("LpPoolGradient: I0 O0 GO0 -> GI0");
  r.op("MaxPoolWithIndex", "1 -> 2", [](Call& c) {
    std::vector<int64_t> picture = picture_of(c.X(), false);
    Window w(c, int64_t(picture.size()), picture);
    w.fit(picture);
    C2_ENFORCE(picture.size() == 2 && w.symmetric(), "MaxPoolWithIndex wants 4 dimensions and equal pads");
    auto both = torch::max_pool2d_with_indices(c.X(), w.kernel, w.stride, w.begin);
    c.set(0, std::get<0>(both));
    c.set(1, std::get<1>(both).to(torch::kInt));
  });

  r.op("Softmax", "1 -> 1",
       [](Call& c) {
         Tensor x = c.X();
         if (!x.is_floating_point()) c.unsupported(x);
         c.set(flat(x, canonical_axis(c.i("axis", 1), x.dim(), true)).softmax(1).reshape(x.sizes()));
       })
      .script("X, axis: Any = 1", R"(if rank(X) == axis + 1:
    return torch.softmax(X, axis)
return torch.softmax(flat(X, axis), 1).reshape(sizes(X)))")
      .grad("SoftmaxGradient: O0 GO0 -> GI0");
  r.op("SoftmaxGradient", "2 -> 1", [](Call& c) {
     Tensor y = c.X(0), g = c.X(1);
     int64_t axis = canonical_axis(c.i("axis", 1), y.dim(), true);
     Tensor Y = flat(y, axis), G = flat(g, axis);
     c.set((Y * (G - (Y * G).sum(1, true))).reshape(y.sizes()));
   }).script("Y, G, axis: Any = 1", R"(r = rank(Y)
if r != 2 or axis != 1:
    unsupported()
return Y * (G - (Y * G).sum([1], True)))");
  r.op("LogSoftmax", "1 -> 1", [](Call& c) {
     c.set(flat(c.X(), canonical_axis(c.i("axis", 1), c.X().dim(), true)).log_softmax(1).reshape(c.X().sizes()));
   }).script("X, axis: Any = 1", R"(if rank(X) == axis + 1:
    return torch.log_softmax(X, axis)
return torch.log_softmax(flat(X, axis), 1).reshape(sizes(X)))");
  r.op("Dropout", "1 -> 1-2",
       [](Call& c) {
         Tensor x = c.X();
         double ratio = c.f("ratio", 0.5);
         C2_ENFORCE(ratio >= 0 && ratio < 1, "ratio should be in [0, 1), got ", ratio);
         if (c.b("is_test")) {
           c.set(x);
           return;
         }
         Tensor mask = uniform_tensor(c, std::vector<int64_t>(x.sizes().begin(), x.sizes().end()), 0, 1) > ratio;
         c.set(0, x * mask.to(x.scalar_type()) / (1 - ratio));
         c.set(1, mask);
       })
      .script("X, outputs: Any, is_test: Any", R"(if is_test == 0 or outputs > 1:
    unsupported()
return X,)")
      .needs("is_test")
      .grad([](GradientMaker& m) {
        if (m.op.args.b("is_test")) m.add("DropoutGrad", {m.GO(0)}, {m.GI(0)});
        else m.add("DropoutGrad", {m.GO(0), m.O(1)}, {m.GI(0)});
      });
  r.op("DropoutGrad", "1-2 -> 1", [](Call& c) {
    Tensor g = c.X();
    c.set(c.b("is_test") || !c.has(1) ? g : g * c.X(1).to(g.scalar_type()) / (1 - c.f("ratio", 0.5)));
  });
}

}  // namespace rushlight::caffe2
