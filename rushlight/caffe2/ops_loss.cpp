// Losses, distances and what judges predictions.
#include <cmath>

#include "rushlight/caffe2/gradient.h"
#include "rushlight/caffe2/operator.h"

namespace rushlight::caffe2 {
namespace {

using Dims1 = std::vector<int64_t>;

// Logarithms below this probability are cut.
constexpr double kLeast = 1e-20;

// [N, D]: all dimensions but the first are classes; a single dimension is one example.
Tensor examples(const Tensor& x) { return x.dim() > 1 ? flat(x, 1) : x.reshape({1, -1}); }

Tensor labels_of(const Call& c, size_t k, int64_t N, int64_t D) {
  Tensor t = c.X(k);
  C2_ENFORCE(t.dim() == 1 || (t.dim() == 2 && t.size(1) == 1), "labels should have one dimension, got ", t.dim());
  C2_ENFORCE(t.numel() == N, "there are ", t.numel(), " labels for ", N, " examples");
  t = t.reshape({-1}).to(torch::kLong);
  C2_ENFORCE(!(t < 0).logical_or(t >= D).any().item<bool>(),
             "Label seems to be outside of supported range. Supported labels are in range [0,", D, ")");
  return t;
}

Tensor rows_of(const Tensor& x) {
  return x.dim() == 0 ? x.reshape({1, 1}) : x.reshape({x.numel() / std::max<int64_t>(x.size(-1), 1), x.size(-1)});
}
Dims1 without_last(const Tensor& x) { return x.dim() == 0 ? Dims1{} : Dims1(x.sizes().begin(), x.sizes().end() - 1); }

Tensor sigmoid_entropy(const Call& c, const Tensor& x, const Tensor& t) {
  // log sigmoid(x) and log sigmoid(-x) without overflow.
  Tensor pos = torch::log_sigmoid(x), neg = torch::log_sigmoid(-x);
  if (c.b("log_D_trick")) return (2 * t - 1) * pos;
  if (c.b("unjoined_lr_loss"))
    return t * x + (1 - t) * (-x.clamp_min(0) - torch::log1p((x - 2 * x.clamp_min(0)).exp()));
  return t * pos + (1 - t) * neg;
}

struct Classes {
  Tensor logits, target, weights;  // [N, D], of labels or probabilities as [N, D], [N]
};
Classes classes_of(const Call& c, size_t probabilities) {
  Tensor x = c.X(0), t = c.X(1);
  int64_t axis = canonical_axis(c.i("axis", 1), x.dim(), true), N = size_to(x, axis), D = size_from(x, axis);
  Classes out;
  out.logits = flat(x, axis);
  if (c.b("label_prob")) {
    C2_ENFORCE(t.numel() == N * D, "label probabilities should have the shape of the input");
    out.target = t.reshape({N, D});
    C2_ENFORCE(!(out.target < 0).any().item<bool>(),
               "Label prob seems incorrect: label prob value must be nonnegative");
    C2_ENFORCE(N == 0 || ((out.target.sum(Dims1{1}) - 1).abs().max().item<double>() < 1e-5),
               "Label prob seems incorrect: label prob values do not sum to 1.0");
  } else {
    C2_ENFORCE(t.numel() == N, "there are ", t.numel(), " labels for ", N, " examples");
    Tensor l = t.reshape({-1}).to(torch::kLong);
    C2_ENFORCE(!(l < 0).logical_or(l >= D).any().item<bool>(),
               "Label seems incorrect: label value larger than number of classes: ", D);
    out.target = torch::one_hot(l, D).to(x.scalar_type());
  }
  out.weights = c.inputs() > probabilities ? c.X(2).reshape({-1}) : torch::ones({N}, x.options());
  return out;
}
double total_of(const Call& c, const Tensor& weights) {
  return c.b("average_by_batch_size") ? double(weights.numel()) : weights.sum().item<double>();
}

void softmax_with_loss(Call& c) {
  Classes k = classes_of(c, 2);
  Tensor logp = k.logits.log_softmax(1);
  double total = total_of(c, k.weights);
  Tensor loss = -(logp * k.target).sum(Dims1{1}) * k.weights;
  c.set(0, logp.exp().reshape(c.X(0).sizes()));
  c.set(1, total != 0 ? loss.sum() * (c.f("scale", 1) / total) : torch::zeros({}, loss.options()));
}
void softmax_with_loss_gradient(Call& c) {
  Classes k = classes_of(c, 4);
  Tensor p = c.X(c.inputs() - 2), g = c.X(c.inputs() - 1).reshape({});
  double total = total_of(c, k.weights);
  Tensor d = (p.reshape(k.logits.sizes()) - k.target) * k.weights.reshape({-1, 1}) * g;
  c.set((total > 0 ? d * (c.f("scale", 1) / total) : d).reshape(c.X(0).sizes()));
}

// Labels of -1 don't count.
struct Pixels { Tensor target, weights; };
Pixels pixels_of(const Call& c, size_t with_weights) {
  Tensor x = c.X(0), t = c.X(1).to(torch::kLong);
  C2_ENFORCE(x.dim() == 4 && t.dim() == 3 && t.size(0) == x.size(0) && t.size(1) == x.size(2) && t.size(2) == x.size(3),
             "logits of ", x.sizes(), " and labels of ", t.sizes(), " don't fit");
  C2_ENFORCE(!(t < -1).logical_or(t >= x.size(1)).any().item<bool>(),
             "Label seems incorrect:label value larger than number of classes ", x.size(1));
  Tensor counts = (t >= 0).to(x.scalar_type());
  return {torch::one_hot(t.clamp_min(0), x.size(1)).to(x.scalar_type()).movedim(-1, 1),
          c.inputs() > with_weights ? c.X(2).reshape(t.sizes()) * counts : counts};
}

// Pairs of one session with different labels.
template <class F>
void each_pair(const Call& c, size_t lengths_at, size_t plain_inputs, int64_t N, F&& f) {
  Dims1 lengths{N};
  if (c.inputs() > plain_inputs) lengths = c.whole_numbers(lengths_at);
  int64_t at = 0;
  for (size_t s = 0; s < lengths.size(); at += lengths[s], s++) {
    C2_ENFORCE(lengths[s] >= 0 && at + lengths[s] <= N, "the lengths don't add up to ", N);
    for (int64_t i = at; i < at + lengths[s]; i++)
      for (int64_t j = at; j < i; j++) f(s, i, j);
  }
  C2_ENFORCE(at == N, "the lengths don't add up to ", N);
}

void same_shapes(const Call& c) {
  C2_ENFORCE(c.X(0).sizes() == c.X(1).sizes(), "the inputs have different shapes: ", c.X(0).sizes(), " and ",
             c.X(1).sizes());
}
Tensor rows2(const Tensor& x) { return x.dim() > 0 ? x.reshape({x.size(0), -1}) : x.reshape({1, 1}); }
Tensor paired(const Call& c) { return rows2(c.X(0) - c.X(1)); }

// A softmax at each node on the way to a word: X, W, b and labels; the intermediate values are those of each node's scores, then its shares.
void hierarchical_softmax(Call& c) {
  Tensor x = c.X(0).dim() > 1 ? c.X(0) : c.X(0).reshape({1, -1}), w = c.X(1), b = c.X(2);
  int64_t M = x.size(0);
  x = x.reshape({M, -1});
  std::vector<int64_t> labels = c.whole_numbers(3);
  C2_ENFORCE(w.dim() >= 2 && b.dim() == 1 && w.size(0) == b.size(0) && w.numel() == w.size(0) * x.size(1) &&
                 int64_t(labels.size()) == M,
             "HSoftmax: X of ", x.sizes(), ", W of ", w.sizes(), ", b of ", b.sizes(), " and ", labels.size(),
             " labels don't fit");
  w = w.reshape({w.size(0), -1});
  MessageRef tree = make_message("HierarchyProto");
  tree->parse(c.s("hierarchy", ""), "HSoftmax: the argument hierarchy");
  std::map<int64_t, const Message*> paths;
  for (const MessageRef& p : tree->messages("paths")) paths[p->whole("word_id")] = p.get();
  std::vector<Tensor> losses, between;
  for (int64_t i = 0; i < M; i++) {
    auto path = paths.find(labels[size_t(i)]);
    C2_ENFORCE(path != paths.end(), "HSoftmax: the hierarchy has no word ", labels[size_t(i)]);
    Tensor loss = torch::zeros({}, x.options());
    for (const MessageRef& node : path->second->messages("path_nodes")) {
      int64_t from = node->whole("index"), n = node->whole("length"), target = node->whole("target");
      C2_ENFORCE(from >= 0 && n > 0 && from + n <= w.size(0) && target >= 0 && target < n, "HSoftmax: a node of rows ",
                 from, " to ", from + n, " with the target ", target, ", and W has ", w.size(0), " rows");
      Tensor score = torch::linear(x.narrow(0, i, 1), w.narrow(0, from, n), b.narrow(0, from, n)).reshape({-1});
      Tensor share = score.softmax(0);
      loss = loss - share.select(0, target).clamp_min(kLeast).log();
      between.push_back(score), between.push_back(share);
    }
    losses.push_back(loss);
  }
  c.set(0, losses.empty() ? torch::zeros({0}, x.options()) : torch::stack(losses));
  c.set(1, between.empty() ? torch::zeros({0}, x.options()) : torch::cat(between).detach());
}

}  // namespace

void add_loss(Registry& r) {
  r.op("HSoftmax", "4 -> 2", hierarchical_softmax).apart().needs("hierarchy").grad([](GradientMaker& m) {
    m.add("HSoftmaxGradient", {m.I(0), m.I(1), m.I(2), m.I(3), m.O(1), m.GO(0)},
          {m.GI(0), m.GI(1), m.GI(2), m.O(1) + "_grad"});
  });
  r.op("HSoftmaxGradient", "6 -> 4", [](Call& c) {
    auto out =
        derive(*Registry::get().find("HSoftmax"), c.op, {c.in[0], c.in[1], c.in[2], c.in[3]}, {0, 1, 2}, {c.X(5)});
    for (size_t k = 0; k < 3; k++) c.set(k, out[k]);
    c.set(3, torch::zeros_like(c.X(4)));
  });
  r.op("AveragedLoss", "1 -> 1",
       [](Call& c) { c.set(c.X().numel() ? c.X().mean() : torch::zeros({}, c.X().options())); })
      .script("X", R"(s = sized(X)
n = 0
if s:
    n = numel(X)
if n > 0:
    return X.mean()
return X.sum() / max(X.numel(), 1))")
      .apart()
      .grad("AveragedLossGradient: I0 GO0 -> GI0", "X, G", "return (G / numel(X)).reshape([]).expand(sizes(X))");
  r.op("LabelCrossEntropy", "2 -> 1",
       [](Call& c) {
         Tensor x = examples(c.X(0));
         Tensor l = labels_of(c, 1, x.size(0), x.size(1));
         c.set(-x.gather(1, l.reshape({-1, 1})).clamp_min(kLeast).log().reshape({-1}));
       })
      .apart()
      .grad("LabelCrossEntropyGradient: I0 I1 GO0 -> GI0");
  r.op("LabelCrossEntropyGradient", "3 -> 1", [](Call& c) {
    Tensor x = examples(c.X(0)), l = labels_of(c, 1, x.size(0), x.size(1)).reshape({-1, 1}),
           g = c.X(2).reshape({-1, 1});
    c.set(torch::zeros_like(x).scatter(1, l, -g / x.gather(1, l).clamp_min(kLeast)).reshape(c.X(0).sizes()));
  });
  r.op("CrossEntropy", "2 -> 1",
       [](Call& c) {
         same_shapes(c);
         c.set(-(examples(c.X(0)).clamp_min(kLeast).log() * examples(c.X(1))).sum(Dims1{1}));
       })
      .apart()
      .grad("CrossEntropyGradient: I0 I1 GO0 -> GI0");
  r.op("CrossEntropyGradient", "3 -> 1", [](Call& c) {
    Tensor x = examples(c.X(0)), t = examples(c.X(1));
    c.set((-c.X(2).reshape({-1, 1}) * t / x.clamp_min(kLeast)).reshape(c.X(0).sizes()));
  });
  r.op("MakeTwoClass", "1 -> 1", [](Call& c) {
     Dims1 s(c.X().sizes().begin(), c.X().sizes().end());
     if (s.size() == 2 && s[1] == 1) s.pop_back();
     Tensor x = c.X().reshape(s);
     c.set(torch::stack({1 - x, x}, -1));
   }).grad("MakeTwoClassGradient: GO0 -> GI0");
  r.op("MakeTwoClassGradient", "1 -> 1", [](Call& c) { c.set(c.X().select(-1, 1) - c.X().select(-1, 0)); });
  r.op("SigmoidCrossEntropyWithLogits", "2 -> 1",
       [](Call& c) {
         same_shapes(c);
         c.set(-rows_of(sigmoid_entropy(c, c.X(0), c.X(1))).mean(Dims1{1}).reshape(without_last(c.X(0))));
       })
      .apart()
      .grad("SigmoidCrossEntropyWithLogitsGradient: GO0 I0 I1 -> GI0");
  r.op("WeightedSigmoidCrossEntropyWithLogits", "3 -> 1",
       [](Call& c) {
         same_shapes(c);
         c.set(-rows_of(sigmoid_entropy(c, c.X(0), c.X(1)) * c.X(2)).mean(Dims1{1}).reshape(without_last(c.X(0))));
       })
      .apart()
      .grad("WeightedSigmoidCrossEntropyWithLogitsGradient: GO0 I0 I1 I2 -> GI0");
  auto with_loss = [](const char* type) {
    return [type](GradientMaker& m) {
      std::vector<std::string> in{m.I(0), m.I(1)};
      if (m.op.inputs.size() == 3) in.push_back(m.I(2));
      in.push_back(m.O(0)), in.push_back(m.GO(1));
      m.add(type, in, {m.GI(0)});
    };
  };
  r.op("SoftmaxWithLoss", "2-3 -> 2", softmax_with_loss).grad(with_loss("SoftmaxWithLossGradient"));
  r.op("SoftmaxWithLossGradient", "4-5 -> 1", softmax_with_loss_gradient);
  r.op("SpatialSoftmaxWithLoss", "2-3 -> 2", [](Call& c) {
     Pixels p = pixels_of(c, 2);
     Tensor logp = c.X(0).log_softmax(1), loss = -(logp * p.target).sum(Dims1{1}) * p.weights;
     double total = p.weights.sum().item<double>();
     c.set(0, logp.exp());
     c.set(1, total != 0 ? loss.sum() / total : torch::zeros({}, loss.options()));
   }).grad(with_loss("SpatialSoftmaxWithLossGradient"));
  r.op("SpatialSoftmaxWithLossGradient", "4-5 -> 1", [](Call& c) {
    Pixels p = pixels_of(c, 4);
    double total = p.weights.sum().item<double>();
    Tensor d = (c.X(c.inputs() - 2) - p.target) * p.weights.unsqueeze(1) * c.X(c.inputs() - 1).reshape({});
    c.set(total > 0 ? d * (c.f("scale", 1) / total) : d);
  });
  r.op("SquaredL2Distance", "2 -> 1",
       [](Call& c) { same_shapes(c), c.set(rows2(paired(c)).square().sum(Dims1{1}) * 0.5); })
      .script("X, Y", R"(return ((X - Y).reshape([size(X, 0), -1]) ** 2).sum([1]) * 0.5)")
      .apart()
      .grad("SquaredL2DistanceGradient: I0 I1 GO0 -> GI0 GI1", "X, Y, G, outputs: Any",
            "d = G.reshape([-1] + [1] * (rank(X) - 1)) * (X - Y)\nreturn d, -d");
  r.op("L1Distance", "2 -> 1", [](Call& c) { same_shapes(c), c.set(rows2(paired(c)).abs().sum(Dims1{1})); })
      .script("X, Y", R"(return torch.abs((X - Y).reshape([size(X, 0), -1])).sum([1]))")
      .apart()
      .grad("L1DistanceGradient: I0 I1 GO0 -> GI0 GI1");
  r.op("DotProduct", "2 -> 1", [](Call& c) { same_shapes(c), c.set((rows2(c.X(0)) * rows2(c.X(1))).sum(Dims1{1})); })
      .script("X, Y", R"(return (X * Y).reshape([size(X, 0), -1]).sum([1]))")
      .apart()
      .grad("DotProductGradient: I0 I1 GO0 -> GI0 GI1");
  r.op("CosineSimilarity", "2 -> 1",
       [](Call& c) {
         same_shapes(c);
         Tensor x = rows2(c.X(0)), y = rows2(c.X(1));
         auto norm = [](const Tensor& t) { return t.square().sum(Dims1{1}).clamp_min(1e-12).sqrt(); };
         c.set((x * y).sum(Dims1{1}) / (norm(x) * norm(y)));
       })
      .apart()
      .grad("CosineSimilarityGradient: I0 I1 GO0 -> GI0 GI1");
  r.op("DotProductWithPadding", "2 -> 1",
       [](Call& c) {
         Tensor x = rows2(c.X(0)), y = rows2(c.X(1));
         C2_ENFORCE(x.size(0) == y.size(0), "the inputs have different numbers of rows: ", x.size(0), " and ",
                    y.size(0));
         int64_t n = std::min(x.size(1), y.size(1)), m = std::max(x.size(1), y.size(1));
         const Tensor& longer = x.size(1) == m ? x : y;
         const Tensor& shorter = x.size(1) == m ? y : x;
         if (c.b("replicate")) {
           C2_ENFORCE(n > 0 && m % n == 0, "the longer rows should be a multiple of the shorter ones");
           c.set((longer * shorter.repeat({1, m / n})).sum(Dims1{1}));
         } else {
           c.set((longer.narrow(1, 0, n) * shorter).sum(Dims1{1}) +
                 longer.narrow(1, n, m - n).sum(Dims1{1}) * c.f("pad_value", 0));
         }
       })
      .apart()
      .grad([](GradientMaker& m) {
        std::vector<MessageRef> args{float_arg("pad_value", m.op.args.f("pad_value", 0)),
                                     int_arg("replicate", m.op.args.i("replicate", 0))};
        m.add("DotProductWithPaddingGradient", {m.I(0), m.I(1), m.GO(0)}, {m.GI(0), m.GI(1)}, args);
      });
  r.op("DotProductWithPaddingGradient", "3 -> 2", [](Call& c) {
    auto out = derive(*Registry::get().find("DotProductWithPadding"), c.op, {c.in[0], c.in[1]}, {0, 1}, {c.X(2)});
    c.set(0, out[0]), c.set(1, out[1]);
  });
  r.op("CosineEmbeddingCriterion", "2 -> 1", [](Call& c) {
     C2_ENFORCE(c.X(0).numel() == c.X(1).numel(), "The embedding and label should have the same size.");
     Tensor s = c.X(0);
     c.set(torch::where(c.X(1) == 1, 1 - s, (s - c.f("margin", 0)).clamp_min(0)));
   }).grad("CosineEmbeddingCriterionGradient: I0 I1 GO0 -> GI0");
  r.op("MarginRankingCriterion", "3 -> 1", [](Call& c) {
     c.set((-c.X(2).to(c.X(0).scalar_type()) * (c.X(0) - c.X(1)) + c.f("margin", 1)).clamp_min(0));
   }).grad("MarginRankingCriterionGradient: I0 I1 I2 GO0 -> GI0 GI1");
  r.op("BernoulliJSD", "2 -> 1", [](Call& c) {
     Tensor p = c.X(0), q = c.X(1), m = (p + q) * 0.5;
     // Entropy of a coin, with 0 log 0 = 0.
     auto h = [](const Tensor& t) {
       auto xlog = [](const Tensor& v) {
         return torch::where(v <= 0, torch::zeros_like(v), v * v.clamp_min(1e-38).log());
       };
       return -xlog(t) - xlog(1 - t);
     };
     c.set(h(m) - (h(p) + h(q)) * 0.5);
   }).grad("BernoulliJSDGradient: GO0 I0 I1 -> GI0");
  r.op("PairWiseLoss", "2-3 -> 1",
       [](Call& c) {
         Tensor x = c.X(0).reshape({-1}).contiguous(), l = c.X(1).reshape({-1}).to(torch::kFloat).contiguous();
         int64_t N = x.numel();
         C2_ENFORCE(l.numel() == N, "there are ", l.numel(), " labels for ", N, " examples");
         if (!N) return c.set(torch::zeros({0}));
         std::vector<double> sum(c.inputs() > 2 ? size_t(c.X(2).numel()) : 1), pairs(sum.size());
         const float *p = c.data<float>(x), *q = c.data<float>(l);
         each_pair(c, 2, 2, N, [&](size_t s, int64_t i, int64_t j) {
           if (std::abs(q[i] - q[j]) < 1e-7f) return;
           double d = (q[i] > q[j] ? 1 : -1) * (p[j] - p[i]);
           sum[s] += d > 15.9 ? d : std::log1p(std::exp(d));
           pairs[s]++;
         });
         Tensor y = torch::zeros({int64_t(sum.size())});
         for (size_t s = 0; s < sum.size(); s++) y.data_ptr<float>()[s] = float(pairs[s] ? sum[s] / pairs[s] : 0);
         c.set(y);
       })
      .apart()
      .grad([](GradientMaker& m) {
        std::vector<std::string> in{m.I(0), m.I(1), m.GO(0)};
        if (m.op.inputs.size() > 2) in.push_back(m.I(2));
        m.add("PairWiseLossGradient", in, {m.GI(0)});
      });
  r.op("PairWiseLossGradient", "3-4 -> 1", [](Call& c) {
    Tensor x = c.X(0).reshape({-1}).contiguous(), l = c.X(1).reshape({-1}).to(torch::kFloat).contiguous(),
           g = c.X(2).reshape({-1}).contiguous();
    int64_t N = x.numel();
    C2_ENFORCE(l.numel() == N, "there are ", l.numel(), " labels for ", N, " examples");
    Tensor d = torch::zeros({N});
    const float *p = c.data<float>(x), *q = c.data<float>(l), *gp = c.data<float>(g);
    std::vector<double> pairs(size_t(g.numel()));
    auto differ = [&](int64_t i, int64_t j) { return std::abs(q[i] - q[j]) >= 1e-7f; };
    each_pair(c, 3, 3, N, [&](size_t s, int64_t i, int64_t j) {
      C2_ENFORCE(s < pairs.size(), "more sessions than gradients");
      pairs[s] += differ(i, j);
    });
    each_pair(c, 3, 3, N, [&](size_t s, int64_t i, int64_t j) {
      if (!differ(i, j)) return;
      double sign = q[i] > q[j] ? 1 : -1, slope = sign / (1 + std::exp(-sign * (p[j] - p[i]))) * gp[s] / pairs[s];
      d.data_ptr<float>()[i] -= float(slope);
      d.data_ptr<float>()[j] += float(slope);
    });
    c.set(d.reshape(c.X(0).sizes()));
  });
  r.op("SmoothL1Loss", "4 -> 1",
       [](Call& c) {
         Tensor d = (c.X(0) - c.X(1)) * c.X(2), a = d.abs();
         double beta = c.f("beta", 1), scale = c.f("scale", 1);
         Tensor y = torch::where(a < beta, d * d * (0.5 / beta), a - 0.5 * beta) * c.X(3);
         c.set(y.sum() * (scale / double(std::max<int64_t>(c.X(0).size(0), 1))));
       })
      .apart()
      .grad("SmoothL1LossGradient: I0 I1 I2 I3 GO0 -> GI0");
  r.op("Accuracy", "2 -> 1",
       [](Call& c) {
         Tensor x = examples(c.X(0));
         int64_t N = x.size(0), k = c.i("top_k", 1);
         C2_ENFORCE(c.X(1).numel() == N, "there are ", c.X(1).numel(), " labels for ", N, " examples");
         Tensor l = c.X(1).reshape({-1, 1}).to(torch::kLong);
         // Right where fewer than k classes are before it; of equals the one that comes first is before.
         Tensor inside = (l >= 0).logical_and(l < x.size(1)), at = l.clamp(0, std::max<int64_t>(x.size(1) - 1, 0));
         if (!N) return c.set(torch::zeros({}));
         Tensor own = x.gather(1, at), index = torch::arange(x.size(1)).reshape({1, -1});
         Tensor before = (x > own).logical_or((x == own).logical_and(index < at)).to(torch::kLong).sum(Dims1{1}, true);
         c.set((before < k).logical_and(inside).to(torch::kFloat).mean());
       })
      .apart()
      .stop();
  r.op("MultiClassAccuracy", "2 -> 2",
       [](Call& c) {
         Tensor x = examples(c.X(0)), l = labels_of(c, 1, x.size(0), x.size(1));
         Tensor right = (std::get<1>(x.max(1)) == l).to(torch::kFloat),
                amounts = torch::zeros({x.size(1)}).index_add(0, l, torch::ones_like(right));
         c.set(0, torch::zeros({x.size(1)}).index_add(0, l, right) / amounts.clamp_min(1));
         c.set(1, amounts.to(torch::kInt));
       })
      .apart()
      .stop();
  r.op("Perplexity", "1 -> 1", [](Call& c) { c.set((-c.X().log().mean()).exp()); }).apart().stop();
  r.op("SigmoidFocalLoss", "3 -> 1",
       [](Call& c) {
         Tensor x = c.X(0), t = c.X(1);
         int64_t classes = c.i("num_classes", 80), A = x.size(1) / std::max<int64_t>(classes, 1);
         double gamma = c.f("gamma", 1), alpha = c.f("alpha", 0.25), scale = c.f("scale", 1);
         Tensor fg = c.X(2).reshape({}).clamp_min(1);
         Tensor X = x.reshape({x.size(0), A, classes, x.size(2), x.size(3)}),
                T = t.reshape({x.size(0), A, 1, x.size(2), x.size(3)}).to(torch::kLong);
         Tensor own = T == torch::arange(classes).reshape({1, 1, classes, 1, 1}) + 1,
                other = (T >= 0).logical_and(own.logical_not());
         Tensor p = X.sigmoid(), zero = torch::zeros_like(X);
         Tensor first = torch::where(own, -(1 - p).pow(gamma) * torch::log_sigmoid(X) * alpha, zero);
         Tensor second = torch::where(other, -p.pow(gamma) * torch::log_sigmoid(-X) * (1 - alpha), zero);
         c.set((first + second).sum() * scale / fg);
       })
      .apart()
      .grad("SigmoidFocalLossGradient: I0 I1 I2 GO0 -> GI0");
}

}  // namespace rushlight::caffe2
