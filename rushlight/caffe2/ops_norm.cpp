// Normalisation: by batch, layer, group, instance and neighbouring channels.
#include "rushlight/caffe2/gradient.h"
#include "rushlight/caffe2/operator.h"

namespace rushlight::caffe2 {
namespace {

// A tensor of channels beside the others: [1, C, 1, 1].
Tensor by_channel(const Tensor& v, const Tensor& x, bool nhwc) {
  std::vector<int64_t> s(size_t(x.dim()), 1);
  s[size_t(nhwc ? x.dim() - 1 : 1)] = v.numel();
  return v.reshape(s);
}
std::vector<int64_t> all_but_channel(const Tensor& x, bool nhwc) {
  std::vector<int64_t> d;
  for (int64_t k = 0; k < x.dim(); k++)
    if (k != (nhwc ? x.dim() - 1 : 1)) d.push_back(k);
  return d;
}

void spatial_bn(Call& c) {
  Tensor x = c.X(0), scale = c.X(1), bias = c.X(2);
  bool nhwc = c.nhwc();
  C2_ENFORCE(x.dim() >= 2, "SpatialBN: the input should have at least 2 dimensions, got ", x.dim());
  int64_t C = x.size(nhwc ? -1 : 1);
  double eps = c.f("epsilon", 1e-5);
  for (size_t k = 1; k < std::min<size_t>(c.inputs(), 5); k++)
    C2_ENFORCE(c.X(k).numel() == C, "input ", k, " should have ", C, " elements, got ", c.X(k).numel());
  auto apply = [&](const Tensor& mean, const Tensor& inv) {
    Tensor a = scale * inv, b = bias - a * mean;
    c.set(x * by_channel(a, x, nhwc) + by_channel(b, x, nhwc));
  };
  if (c.b("is_test")) {
    C2_ENFORCE(c.inputs() >= 5, "is_test wants the estimated mean and variance");
    apply(c.X(3), (c.X(4) + eps).rsqrt());
    return;
  }
  if (x.numel() == 0) {  // nothing was seen
    c.set(0, x), c.set(1, c.X(3)), c.set(2, c.X(4));
    for (size_t k : {3, 4}) c.set(k, torch::zeros_like(scale));
    return;
  }
  auto dims = all_but_channel(x, nhwc);
  Tensor mean, var;
  int64_t n = C ? x.numel() / C : 0;
  int64_t batches = c.i("num_batches", 1);
  if (batches > 1 && c.inputs() == 7) {
    n *= batches;
    mean = c.X(5) / double(n);
    var = c.X(6) / double(n) - mean * mean;
  } else {
    mean = x.mean(dims);
    var = (x - by_channel(mean, x, nhwc)).square().mean(dims);
  }
  Tensor inv = (var + eps).rsqrt();
  apply(mean, inv);
  double m = c.f("momentum", 0.9), unbias = n > 1 ? double(n) / double(n - 1) : 1;
  Tensor old_mean = c.has(3) ? c.X(3) : torch::zeros_like(mean), old_var = c.has(4) ? c.X(4) : torch::zeros_like(var);
  c.set(1, old_mean * m + mean * (1 - m));
  c.set(2, old_var * m + var * ((1 - m) * unbias));
  c.set(3, mean);
  c.set(4, inv);
}

void spatial_bn_gradient(Call& c) {
  Tensor x = c.X(0), scale = c.X(1), g = c.X(2), mean = c.X(3), inv = c.X(4);
  bool nhwc = c.nhwc();
  auto dims = all_but_channel(x, nhwc);
  bool test = c.b("is_test");
  if (test) inv = (inv + c.f("epsilon", 1e-5)).rsqrt();
  Tensor normal = (x - by_channel(mean, x, nhwc)) * by_channel(inv, x, nhwc);
  Tensor gs = (g * normal).sum(dims), gb = g.sum(dims);
  // The sums over several batches, which others have made.
  if (int64_t batches = c.i("num_batches", 1); batches > 1 && c.inputs() == 7 && x.numel())
    gs = c.X(5) / double(batches), gb = c.X(6) / double(batches);
  double n = scale.numel() ? double(x.numel() / scale.numel()) : 1;
  Tensor a = by_channel(scale * inv, x, nhwc);
  c.set(0, test ? g * a : a * (g - by_channel(gb / n, x, nhwc) - normal * by_channel(gs / n, x, nhwc)));
  c.set(1, gs);
  c.set(2, gb);
}

// Mean and variance over the last of two dimensions.
std::pair<Tensor, Tensor> moments(const Tensor& rows) {
  Tensor mean = rows.mean(std::vector<int64_t>{1}, true);
  return {mean, (rows - mean).square().mean(std::vector<int64_t>{1}, true)};
}

void layer_norm(Call& c) {
  Tensor x = c.X(0);
  int64_t axis = canonical_axis(c.i("axis", 1), x.dim());
  Tensor rows = flat(x, axis);
  auto [mean, var] = moments(rows);
  Tensor std = (var + c.f("epsilon", 1e-5)).sqrt();
  Tensor y = (rows - mean) / std;
  if (c.b("elementwise_affine")) {
    C2_ENFORCE(c.inputs() == 3 && c.X(1).numel() == rows.size(1) && c.X(2).numel() == rows.size(1),
               "elementwise_affine wants gamma and beta of ", rows.size(1), " elements");
    y = y * c.X(1).reshape({1, -1}) + c.X(2).reshape({1, -1});
  }
  c.set(0, y.reshape(x.sizes()));
  std::vector<int64_t> s(x.sizes().begin(), x.sizes().begin() + axis);
  s.push_back(1);
  c.set(1, mean.reshape(s));
  c.set(2, std.reshape(s));
}

void group_norm(Call& c) {
  bool nhwc = c.nhwc();
  Tensor x = nhwc ? to_nchw(c.X(0)) : c.X(0);
  int64_t G = c.i("group", 32), N = x.size(0), C = x.size(1);
  C2_ENFORCE(G > 0 && C % G == 0, C, " channels for ", G, " groups");
  C2_ENFORCE(c.X(1).numel() == C && c.X(2).numel() == C, "gamma and beta should have ", C, " elements");
  Tensor rows = x.reshape({N * G, x.numel() / std::max<int64_t>(N * G, 1)});
  auto [mean, var] = moments(rows);
  Tensor inv = (var + c.f("epsilon", 1e-5)).rsqrt();
  Tensor y = ((rows - mean) * inv).reshape(x.sizes()) * by_channel(c.X(1), x, false) + by_channel(c.X(2), x, false);
  c.set(0, nhwc ? to_nhwc(y) : y);
  c.set(1, mean.reshape({N, G}));
  c.set(2, inv.reshape({N, G}));
}

void instance_norm(Call& c) {
  bool nhwc = c.nhwc();
  Tensor x = nhwc ? to_nchw(c.X(0)) : c.X(0);
  int64_t N = x.size(0), C = x.size(1);
  C2_ENFORCE(c.X(1).numel() == C && c.X(2).numel() == C, "scale and bias should have ", C, " elements");
  Tensor rows = x.reshape({N * C, x.numel() / std::max<int64_t>(N * C, 1)});
  auto [mean, var] = moments(rows);
  Tensor inv = (var + c.f("epsilon", 1e-5)).rsqrt();
  Tensor y = ((rows - mean) * inv).reshape(x.sizes()) * by_channel(c.X(1), x, false) + by_channel(c.X(2), x, false);
  c.set(0, nhwc ? to_nhwc(y) : y);
  c.set(1, mean.reshape({N, C}));
  c.set(2, inv.reshape({N, C}));
}

void lrn(Call& c) {
  Tensor x = c.X(0);
  int64_t size = c.i("size", 0), channel = c.nhwc() ? x.dim() - 1 : 1, C = x.size(channel);
  double alpha = c.f("alpha", 0), beta = c.f("beta", 0), bias = c.f("bias", 1);
  C2_ENFORCE(size > 0 && size % 2 == 1 && size < (int64_t(1) << 24), "LRN size should be odd and above 0, got ", size);
  // Sums of a window are differences of running sums; the window lies around each channel.
  int64_t half = (size - 1) / 2;
  Tensor squares = x.square(), sum = torch::zeros_like(x);
  for (int64_t d = -std::min(half, C - 1); d <= std::min(half, C - 1); d++) {
    int64_t n = C - std::abs(d);
    std::vector<int64_t> edge(x.sizes().begin(), x.sizes().end());
    edge[size_t(channel)] = std::abs(d);
    Tensor part = squares.narrow(channel, std::max<int64_t>(d, 0), n), none = torch::zeros(edge, x.options());
    sum = sum + (d == 0 ? part : d > 0 ? torch::cat({part, none}, channel) : torch::cat({none, part}, channel));
  }
  Tensor scale = sum * (alpha / double(size)) + bias;
  c.set(0, x * scale.pow(-beta));
  c.set(1, scale);
}

}  // namespace

void add_norm(Registry& r) {
  r.op("SpatialBN", "5-7 -> 1-5", spatial_bn)
      .script("X, scale, bias, mean, var, outputs: Any, is_test: Any, epsilon: Any = 1e-5, order: Any = \"NCHW\"",
              R"(if is_test == 0:
    unsupported()
return last(torch.batch_norm(first(X, order), scale, bias, mean, var, False, 0.0, epsilon, False), order),)")
      .needs("is_test")
      .grad([](GradientMaker& m) {
        bool test = m.op.args.b("is_test");
        std::vector<std::string> in{m.I(0), m.I(1), m.GO(0)};
        if (test) in.push_back(m.I(3)), in.push_back(m.I(4));
        else in.push_back(m.O(3)), in.push_back(m.O(4));
        m.add("SpatialBNGradient", in, {m.GI(0), m.GI(1), m.GI(2)});
      });
  r.op("SpatialBNGradient", "5-7 -> 3", spatial_bn_gradient);
  r.op("LayerNorm", "1-3 -> 3", layer_norm).grad([](GradientMaker& m) {
    std::vector<std::string> in{m.GO(0), m.O(0), m.O(1), m.O(2), m.I(0)}, out{m.GI(0)};
    if (m.op.args.b("elementwise_affine")) in.push_back(m.I(1)), out.push_back(m.GI(1)), out.push_back(m.GI(2));
    m.add("LayerNormGradient", in, out);
  });
  r.op("LayerNormGradient", "5-6 -> 1-3", [](Call& c) {
    std::vector<Value> in{c.in[4]};
    std::vector<size_t> wanted{0};
    if (c.outputs() == 3) {
      in.push_back(c.in[5]);
      in.push_back(Value(rushlight::Tensor(torch::zeros_like(c.X(5)))));
      wanted = {0, 1, 2};
    }
    std::vector<Tensor> out = derive(*Registry::get().find("LayerNorm"), c.op, in, wanted, {c.X(0)});
    for (size_t k = 0; k < out.size(); k++) c.set(k, out[k]);
  });
  r.op("GroupNorm", "3 -> 1-3", group_norm)
      .script("X, gamma, beta, outputs: Any, group: Any = 32, epsilon: Any = 1e-5, order: Any = \"NCHW\"",
              R"(if outputs > 1:
    unsupported()
return last(torch.group_norm(first(X, order), group, gamma, beta, epsilon), order),)")
      .grad("GroupNormGradient: GO0 I0 I1 I2 O1 O2 -> GI0 GI1 GI2");
  r.op("InstanceNorm", "3 -> 1-3", instance_norm)
      .script("X, scale, bias, outputs: Any, epsilon: Any = 1e-5, order: Any = \"NCHW\"", R"(if outputs > 1:
    unsupported()
return last(torch.instance_norm(first(X, order), scale, bias, None, None, True, 0.0, epsilon, False), order),)")
      .grad([](GradientMaker& m) {
        std::vector<std::string> in{m.I(0), m.I(1), m.I(2), m.GO(0)};
        for (size_t k = 1; k < m.op.outputs.size(); k++) in.push_back(m.O(k));
        m.add("InstanceNormGradient", in, {m.GI(0), m.GI(1), m.GI(2)});
      });
  r.op("InstanceNormGradient", "4-6 -> 3", [](Call& c) {
    std::vector<Tensor> out =
        derive(*Registry::get().find("InstanceNorm"), c.op, {c.in[0], c.in[1], c.in[2]}, {0, 1, 2}, {c.X(3)});
    for (size_t k = 0; k < out.size(); k++) c.set(k, out[k]);
  });
  r.op("LRN", "1 -> 1-2", lrn)
      .script("X, outputs: Any, size: Any, alpha: Any = 0.0, beta: Any = 0.0, bias: Any = 1.0, order: Any = \"NCHW\"",
              R"(if outputs > 1 or order != "NCHW":
    unsupported()
return functional.local_response_norm(X, size, alpha, beta, bias),)")
      .grad("LRNGradient: I0 O0 GO0 -> GI0");
  r.op("BatchMoments", "1 -> 2", [](Call& c) {
     auto dims = all_but_channel(c.X(), c.nhwc());
     c.set(0, c.X().mean(dims));
     c.set(1, c.X().square().mean(dims));
   }).grad("BatchMomentsGradient: GO0 GO1 I0 -> GI0");
  r.op("ChannelStats", "1 -> 2", [](Call& c) {
    auto dims = all_but_channel(c.X(), c.nhwc());
    c.set(0, c.X().sum(dims));
    c.set(1, c.X().square().sum(dims));
  });
  r.op("ChannelBackpropStats", "4 -> 2", [](Call& c) {
    Tensor x = c.X(0), g = c.X(3);
    auto dims = all_but_channel(x, false);
    Tensor normal = (x - by_channel(c.X(1), x, false)) * by_channel(c.X(2), x, false);
    c.set(0, (g * normal).sum(dims));
    c.set(1, g.sum(dims));
  });
  // A factor and a term for each channel.
  r.op("AffineChannel", "3 -> 1", [](Call& c) {
     Tensor x = c.X(0);
     C2_ENFORCE(x.dim() >= 2 && c.X(1).numel() == x.size(c.nhwc() ? -1 : 1) && c.X(2).numel() == c.X(1).numel(),
                "AffineChannel: scale and bias should have a number for each channel of ", x.sizes());
     c.set(x * by_channel(c.X(1), x, c.nhwc()) + by_channel(c.X(2), x, c.nhwc()));
   }).grad([](GradientMaker& m) {
    if (m.op.args.b("is_learnable"))
      m.add("AffineChannelGradient", {m.GO(0), m.I(0), m.I(1)}, {m.GI(0), m.GI(1), m.GI(2)});
    else m.add("AffineChannelGradient", {m.GO(0), m.I(1)}, {m.GI(0)});
  });
  r.op("AffineChannelGradient", "2-3 -> 1-3", [](Call& c) {
    bool all = c.b("is_learnable");
    C2_ENFORCE(!all || c.has(2), "is_learnable wants the input of AffineChannel too");
    Tensor g = c.X(0), scale = c.X(all ? 2 : 1);
    C2_ENFORCE(g.dim() >= 2 && scale.numel() == g.size(c.nhwc() ? -1 : 1),
               "AffineChannelGradient: scale should have a number for each channel of ", g.sizes());
    c.set(0, g * by_channel(scale, g, c.nhwc()));
    if (!all) return;
    auto dims = all_but_channel(g, c.nhwc());
    c.set(1, (g * c.X(1)).sum(dims).reshape(scale.sizes()));
    c.set(2, g.sum(dims).reshape(scale.sizes()));
  });
  r.op("Moments", "1 -> 2", [](Call& c) {
     Tensor x = c.X();
     std::vector<int64_t> axes;
     for (int64_t a : c.ints("axes")) axes.push_back(canonical_axis(a, x.dim()));
     if (axes.empty())
       for (int64_t d = 0; d < x.dim(); d++) axes.push_back(d);
     bool keep = c.b("keepdims", true);
     if (axes.empty()) return c.set(0, x), c.set(1, torch::zeros_like(x));
     Tensor mean = x.mean(axes, true);
     c.set(0, keep ? mean : x.mean(axes)), c.set(1, (x - mean).square().mean(axes, keep));
   }).grad("MomentsGradient: GO0 GO1 I0 O0 -> GI0");
  // Rows by the root of their mean square.
  r.op("RMSNorm", "3 -> 2", [](Call& c) {
     Tensor x = c.X(0);
     int64_t axis = canonical_axis(c.i("axis", 1), x.dim());
     Tensor rows = flat(x, axis);
     C2_ENFORCE(c.X(1).numel() == rows.size(1) && c.X(2).numel() == rows.size(1), "gamma and beta should have ",
                rows.size(1), " elements");
     Tensor inv = (rows.square().mean(std::vector<int64_t>{1}, true) + c.f("eps", 0)).rsqrt();
     c.set(0, (rows * inv * c.X(1).reshape({1, -1}) + c.X(2).reshape({1, -1})).reshape(x.sizes()));
     c.set(1, inv.reshape(x.sizes().slice(0, size_t(axis))));
   }).grad("RMSNormGradient: GO0 I0 I1 O1 -> GI0 GI1 GI2");
  r.op("RMSNormGradient", "4 -> 3", [](Call& c) {
    Tensor x = c.X(1);
    int64_t axis = canonical_axis(c.i("axis", 1), x.dim());
    Tensor rows = flat(x, axis), g = flat(c.X(0), axis), inv = c.X(3).reshape({-1, 1}),
           scaled = g * c.X(2).reshape({1, -1});
    Tensor along = (scaled * rows).mean(std::vector<int64_t>{1}, true);
    c.set(0, (inv * scaled - inv.pow(3) * along * rows).reshape(x.sizes()));
    c.set(1, (g * rows * inv).sum(std::vector<int64_t>{0}).reshape(c.X(2).sizes()));
    c.set(2, g.sum(std::vector<int64_t>{0}).reshape(c.X(2).sizes()));
  });
  // Rows of length 1, by L1 or L2.
  r.op("Normalize", "1 -> 1",
       [](Call& c) {
         Tensor x = c.X();
         int64_t axis = canonical_axis(c.i("axis", -1), x.dim());
         c.set(x / x.square().sum(std::vector<int64_t>{axis}, true).sqrt().clamp_min(1e-12));
       })
      .script("X, axis: Any = -1", "return X / torch.clamp_min(torch.sqrt((X * X).sum([axis], True)), 1e-12)")
      .grad("NormalizeGradient: I0 GO0 -> GI0");
  r.op("NormalizeL1", "1 -> 1", [](Call& c) {
    Tensor x = c.X();
    int64_t axis = canonical_axis(c.i("axis", -1), x.dim());
    Tensor n = x.abs().sum(std::vector<int64_t>{axis}, true);
    c.set(torch::where(n == 0, x, x / torch::where(n == 0, torch::ones_like(n), n)));
  });
  // Rows divided by the square root of their scale, where that is above 0.
  r.op("SquareRootDivide", "2 -> 1", [](Call& c) {
     Tensor x = c.X(0), scale = c.X(1).to(x.scalar_type()).reshape({-1});
     C2_ENFORCE(x.dim() >= 1 && scale.numel() == x.size(0), "there are ", scale.numel(), " scales for ", x.sizes());
     std::vector<int64_t> s(size_t(x.dim()), 1);
     s[0] = scale.numel();
     c.set(x / torch::where(scale > 0, scale, torch::ones_like(scale)).sqrt().reshape(s));
   }).grad("SquareRootDivide: GO0 I1 -> GI0");
  r.op("NormalizePlanarYUV", "3 -> 1", [](Call& c) {
    Tensor x = c.X(0);
    C2_ENFORCE(x.dim() == 4, "NormalizePlanarYUV wants 4 dimensions");
    c.set((x - by_channel(c.X(1).reshape({-1}), x, false)) / by_channel(c.X(2).reshape({-1}), x, false));
  });
}

}  // namespace rushlight::caffe2
