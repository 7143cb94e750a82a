// Losses of pairs of tensors, nearly all composed, so that their gradients of every order follow.
#include <algorithm>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/fn/_huber.h"
#include "rushlight/fn/_smooth_l1.h"
#include "rushlight/fn/abs.h"
#include "rushlight/fn/aminmax.h"
#include "rushlight/fn/binary_cross_entropy.h"
#include "rushlight/fn/binary_cross_entropy_with_logits.h"
#include "rushlight/fn/clamp.h"
#include "rushlight/fn/clamp_min.h"
#include "rushlight/fn/cosine_embedding_loss.h"
#include "rushlight/fn/exp.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/hinge_embedding_loss.h"
#include "rushlight/fn/huber_loss.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/kl_div.h"
#include "rushlight/fn/l1_loss.h"
#include "rushlight/fn/log.h"
#include "rushlight/fn/log1p.h"
#include "rushlight/fn/log_sigmoid.h"
#include "rushlight/fn/margin_ranking_loss.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/minimum.h"
#include "rushlight/fn/mse_loss.h"
#include "rushlight/fn/norm.h"
#include "rushlight/fn/poisson_nll_loss.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/smooth_l1_loss.h"
#include "rushlight/fn/soft_margin_loss.h"
#include "rushlight/fn/sqrt.h"
#include "rushlight/fn/square.h"
#include "rushlight/fn/squeeze.h"
#include "rushlight/fn/sum_to_size.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/triplet_margin_loss.h"
#include "rushlight/fn/where.h"
#include "rushlight/fn/xlogy.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/ops/loss/reduction.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

Tensor mse(const Tensor& x, const Tensor& y, int64_t reduction) {
  RL_CHECK(NotImplementedError, !is_integral(x.dtype(), true), "\"mse_cpu\" not implemented for '",
           scalar_type_name(x.dtype()), "'. Hint: mse_loss: convert with input.float()");
  return reduce_loss(square(x - y), reduction);
}
Tensor l1(const Tensor& x, const Tensor& y, int64_t reduction) { return reduce_loss(abs(x - y), reduction); }
// Quadratic up to delta, linear beyond.
template <class T>
struct Huber {
  explicit Huber(const IValue* a) : delta(scalar_arg<T>(a[2])) {}
  T delta;
  RL_FN T operator()(T x, T y) const {
    T z = math::abs(x - y);
    return math::select(z <= delta, T(0.5) * z * z, delta * (z - T(0.5) * delta));
  }
};
Grads huber_grad(const Saved& s, const Tensor& g) {
  double delta = s.arg("delta").to_scalar().to<double>();
  Tensor slope = g * clamp(s["self"] - s["target"], -delta, delta);
  return {slope, s.needs("target") ? neg(slope) : Tensor()};
}
// The same by delta, in one step: the parts may be out of a half's range where the quotient is not.
template <class T>
struct SmoothL1 {
  explicit SmoothL1(const IValue* a) : beta(scalar_arg<T>(a[2])) {}
  T beta;
  RL_FN T operator()(T x, T y) const {
    T z = math::abs(x - y);
    return math::select(z < beta, T(0.5) * z * z / beta, z - T(0.5) * beta);
  }
};
Grads smooth_l1_grad(const Saved& s, const Tensor& g) {
  double beta = s.arg("beta").to_scalar().to<double>();
  Tensor slope = g * clamp((s["self"] - s["target"]) / beta, -1, 1);
  return {slope, s.needs("target") ? neg(slope) : Tensor()};
}
Tensor smooth_l1(const Tensor& x, const Tensor& y, int64_t reduction, double beta) {
  RL_CHECK(RuntimeError, beta >= 0, "smooth_l1_loss does not support negative values for beta.");
  if (beta == 0) return l1(x, y, reduction);
  return reduce_loss(_smooth_l1(x, y, beta), reduction);
}
Tensor huber(const Tensor& x, const Tensor& y, int64_t reduction, double delta) {
  RL_CHECK(RuntimeError, delta > 0, "huber_loss does not support non-positive values for delta.");
  return reduce_loss(_huber(x, y, delta), reduction);
}
Tensor soft_margin(const Tensor& x, const Tensor& y, int64_t reduction) {
  return reduce_loss(neg(log_sigmoid(y * x)), reduction);
}

// As in PyTorch, dimensions of size 1 don't count: an input of (4, 1) and a target of (4) are alike.
Tensor in_shape_of(const Tensor& x, const Tensor& y) {
  if (y.sizes() == x.sizes()) return y;
  return reshape(expand(squeeze(y), squeeze(x).sizes()), x.sizes());
}
TensorSpec bce_meta(const Tensor& x, const Tensor& y, const Tensor& weight, int64_t reduction) {
  RL_CHECK(NotImplementedError, is_floating(x.dtype()), "\"binary_cross_entropy\" not implemented for '",
           scalar_type_name(x.dtype()), "'");
  RL_CHECK(RuntimeError, y.dtype() == x.dtype(), "Found dtype ", scalar_type_name(y.dtype()), " but expected ",
           scalar_type_name(x.dtype()), ": binary_cross_entropy takes a target of its input's dtype");
  Dims flat = squeeze(x).sizes(), last = squeeze(y).sizes();
  RL_CHECK(RuntimeError, last.size() <= flat.size() && std::equal(last.begin(), last.end(), flat.end() - last.size()),
           "binary_cross_entropy: expected a target of the input's shape, got ", y.sizes(), " for an input of ",
           x.sizes());
  Dims sizes = x.sizes();
  if (weight.defined()) sizes = broadcast_shapes(sizes, weight.sizes());
  return {.sizes = reduction == kMean || reduction == kSum ? Dims() : sizes, .dtype = x.dtype(), .device = x.device()};
}
// log below -100 is -100, as in PyTorch: a probability of 0 costs much but not everything.
void check_probabilities(const Tensor& t, const char* name) {
  if (t.numel() == 0) return;
  auto [least, most] = aminmax(t);
  RL_CHECK(RuntimeError, item(least).to_double() >= 0 && item(most).to_double() <= 1, "all elements of ", name,
           " should be between 0 and 1. Hint: binary_cross_entropy got values from ", item(least).to_double(), " to ",
           item(most).to_double(), "; apply sigmoid first, or use binary_cross_entropy_with_logits");
}
void bce_cpu(const Tensor& x, const Tensor& target, const Tensor& weight, int64_t reduction, const Tensor& out) {
  check_probabilities(x, "input");
  check_probabilities(target, "target");
  Tensor y = in_shape_of(x, target);
  Tensor loss = (y - 1.0) * clamp_min(log1p(neg(x)), -100.0) - y * clamp_min(log(x), -100.0);
  if (weight.defined()) loss = loss * weight;
  copy_elements(out, reduce_loss(loss, reduction));
}
Grads bce_grad(const Saved& s, const Tensor& g) {
  Tensor x = s["self"], target = s["target"], weight = s["weight"], y = in_shape_of(x, target);
  int64_t reduction = s.arg("reduction").to_int();
  Tensor scale = weight.defined() ? g * weight : g;
  if (reduction == kMean) scale = scale / Scalar(x.numel());
  Grads grads{Tensor(), Tensor(), Tensor()};
  if (s.needs("self")) grads[0] = scale * (x - y) / clamp_min((1.0 - x) * x, 1e-12);
  if (s.needs("target")) {
    Tensor all = scale * (clamp_min(log1p(neg(x)), -100.0) - clamp_min(log(x), -100.0));
    if (y.sizes() != target.sizes()) {
      all = sum_to_size(reshape(all, squeeze(x).sizes()), squeeze(target).sizes());
      all = reshape(all, target.sizes());
    }
    grads[1] = all;
  }
  return grads;
}

Tensor bce_with_logits(const Tensor& x, const Tensor& y, const Tensor& weight, const Tensor& pos_weight,
                       int64_t reduction) {
  DType common = promote_types(x.dtype(), y.dtype());
  RL_CHECK(RuntimeError, can_cast(common, y.dtype()), "result type ", scalar_type_name(common),
           " can't be cast to the desired output type ", scalar_type_name(y.dtype()),
           " (binary_cross_entropy_with_logits: target must be floating; convert it with target.to(input.dtype))");
  Tensor log_p = log_sigmoid(x);
  Tensor loss = (1.0 - y) * x - (pos_weight.defined() ? ((pos_weight - 1.0) * y + 1.0) * log_p : log_p);
  if (weight.defined()) loss = loss * weight;
  return reduce_loss(loss, reduction);
}

Tensor kl(const Tensor& x, const Tensor& y, int64_t reduction, bool log_target) {
  if (log_target) return reduce_loss(exp(y) * (y - x), reduction);
  return reduce_loss(xlogy(y, y) - y * x, reduction);
}

Tensor poisson_nll(const Tensor& x, const Tensor& y, bool log_input, bool full, double eps, int64_t reduction) {
  Tensor loss = log_input ? exp(x) - y * x : x - y * log(x + eps);
  if (full) {
    Tensor stirling = y * log(y) - y + 0.5 * log(6.283185307179586 * y);
    loss = loss + masked_fill(stirling, y <= 1.0, 0.0);
  }
  return reduce_loss(loss, reduction);
}

Tensor margin_ranking(const Tensor& a, const Tensor& b, const Tensor& y, double margin, int64_t reduction) {
  return reduce_loss(clamp_min(neg(y) * (a - b) + margin, 0.0), reduction);
}
Tensor hinge_embedding(const Tensor& x, const Tensor& y, double margin, int64_t reduction) {
  Tensor apart = where(y != 1.0, clamp_min(margin - x, 0.0), 0.0);
  return reduce_loss(apart + where(y != -1.0, x, 0.0), reduction);
}
Tensor cosine_embedding(const Tensor& a, const Tensor& b, const Tensor& y, double margin, int64_t reduction) {
  RL_CHECK(ShapeError, y.dim() <= 1, "0D or 1D target tensor expected, multi-target not supported");
  int64_t last = y.dim();
  RL_CHECK(RuntimeError, a.dim() == last + 1 && b.dim() == last + 1, last, "D target tensor expects ", last + 1,
           "D input tensors, but found inputs with sizes ", a.sizes(), " and ", b.sizes(),
           ". Hint: inputs are (batch, features) beside a target of (batch), or (features) beside a single number");
  IntArrayRef over(last);
  constexpr double kEpsilon = 1e-12;
  Tensor cosine = sum(a * b, over) / sqrt((sum(a * a, over) + kEpsilon) * (sum(b * b, over) + kEpsilon));
  Tensor together = where(y == 1.0, 1.0 - cosine, 0.0);
  return reduce_loss(together + where(y == -1.0, clamp_min(cosine - margin, 0.0), 0.0), reduction);
}
Tensor distance(const Tensor& a, const Tensor& b, double p, double eps, bool keepdim) {
  int64_t last = std::max(a.dim(), b.dim()) - 1;
  return norm(a - b + eps, p, IntArrayRef(last), keepdim);
}
Tensor triplet_margin(const Tensor& anchor, const Tensor& positive, const Tensor& negative, double margin, double p,
                      double eps, bool swap, int64_t reduction) {
  RL_CHECK(RuntimeError, anchor.dim() == positive.dim() && anchor.dim() == negative.dim(),
           "All inputs should have same dimension but got ", anchor.dim(), "D, ", positive.dim(), "D and ",
           negative.dim(), "D inputs.");
  Tensor far = distance(anchor, negative, p, eps, false);
  if (swap) far = minimum(far, distance(positive, negative, p, eps, false));
  return reduce_loss(clamp_min(distance(anchor, positive, p, eps, false) - far + margin, 0.0), reduction);
}

Tensor cosine(const Tensor& a, const Tensor& b, int64_t dim, double eps) {
  IntArrayRef over(dim);
  Dims sizes = broadcast_shapes(a.sizes(), b.sizes());
  DType common = promote_types(a.dtype(), b.dtype());
  RL_CHECK(RuntimeError, !is_integral(common, true), "expected common dtype to be floating point, yet common dtype is ",
           scalar_type_name(common), ". Hint: convert the tensors with x.float()");
  auto direction = [&](const Tensor& t) {
    Tensor wide = to(expand(t, sizes), common);
    return wide / clamp_min(norm(wide, 2.0, over, true), eps);
  };
  return sum(direction(a) * direction(b), over);
}

}  // namespace

OP(mse_loss, {.schema = "mse_loss(Tensor self, Tensor target, int reduction=Mean) -> Tensor",
              .doc = "The squared error."
                     " >>> torch.nn.functional.mse_loss(torch.tensor([1., 2.]), torch.tensor([1., 4.]))\ntensor(2.)",
              .kernel = composite<mse>(),
              .forms = kFunction | kOut,
              .module = "nn",
              .node = "MseLossBackward0",
              .autocast = Autocast::Float32});
OP(l1_loss, {.schema = "l1_loss(Tensor self, Tensor target, int reduction=Mean) -> Tensor",
             .doc = "The absolute error."
                    " >>> torch.nn.functional.l1_loss(torch.tensor([1., 2.]), torch.tensor([1., 4.]))\ntensor(1.)",
             .kernel = composite<l1>(),
             .forms = kFunction,
             .module = "nn",
             .autocast = Autocast::Float32});
OP(huber, {.schema = "_huber(Tensor self, Tensor target, Scalar delta) -> Tensor",
           .doc = "Half the squared difference up to delta, linear beyond.",
           .kernel = pointwise<Huber, Floating>(),
           .grad = {{"self", "target"}, huber_grad},
           .forms = kFunction});
OP(smooth_l1, {.schema = "_smooth_l1(Tensor self, Tensor target, Scalar beta) -> Tensor",
               .doc = "Half the squared difference by beta up to beta, linear beyond.",
               .kernel = pointwise<SmoothL1, Floating>(),
               .grad = {{"self", "target"}, smooth_l1_grad},
               .forms = kFunction});
OP(smooth_l1_loss,
   {.schema = "smooth_l1_loss(Tensor self, Tensor target, int reduction=Mean, float beta=1.0) -> Tensor",
    .doc = "The squared error below beta, the absolute error above."
           " >>> torch.nn.functional.smooth_l1_loss(torch.tensor([0.5, 3.]), torch.tensor([0., 0.]), "
           "reduction=\"none\")\ntensor([0.1250, 2.5000])",
    .kernel = composite<smooth_l1>(),
    .forms = kFunction | kOut,
    .module = "nn",
    .node = "SmoothL1LossBackward0",
    .autocast = Autocast::Float32});
OP(huber_loss, {.schema = "huber_loss(Tensor self, Tensor target, int reduction=Mean, float delta=1.0) -> Tensor",
                .doc = "The squared error below delta, delta times the absolute error above."
                       " >>> torch.nn.functional.huber_loss(torch.tensor([0.5, 3.]), torch.tensor([0., 0.]), "
                       "reduction=\"none\", delta=2.0)\ntensor([0.1250, 4.0000])",
                .kernel = composite<huber>(),
                .forms = kFunction | kOut,
                .module = "nn",
                .node = "HuberLossBackward0",
                .autocast = Autocast::Float32});
OP(soft_margin_loss,
   {.schema = "soft_margin_loss(Tensor self, Tensor target, int reduction=Mean) -> Tensor",
    .doc = "log(1 + exp(-target * self))."
           " >>> torch.nn.functional.soft_margin_loss(torch.tensor([0.]), torch.tensor([1.]))\ntensor(0.6931)",
    .kernel = composite<soft_margin>(),
    .forms = kFunction | kOut,
    .module = "nn",
    .node = "SoftMarginLossBackward0",
    .autocast = Autocast::Float32});
OP(binary_cross_entropy,
   {.schema = "binary_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean) -> Tensor",
    .doc = "The cross entropy of probabilities."
           " >>> torch.nn.functional.binary_cross_entropy(torch.tensor([0.5]), torch.tensor([1.]))\ntensor(0.6931)",
    .kernel = structured<bce_meta, bce_cpu>(),
    .grad = {{"self", "target", "weight"}, bce_grad},
    .forms = kFunction,
    .module = "nn",
    .autocast = Autocast::Float32});
OP(binary_cross_entropy_with_logits,
   {.schema = "binary_cross_entropy_with_logits(Tensor self, Tensor target, Tensor? "
              "weight=None, Tensor? pos_weight=None, int reduction=Mean) -> Tensor",
    .doc = "binary_cross_entropy of sigmoid(self), without overflow."
           " >>> torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor([0.]), "
           "torch.tensor([1.]))\ntensor(0.6931)",
    .kernel = composite<bce_with_logits>(),
    .node = "BinaryCrossEntropyWithLogitsBackward0",
    .autocast = Autocast::Float32});
OP(kl_div, {.schema = "kl_div(Tensor self, Tensor target, int reduction=Mean, *, bool log_target=False) -> Tensor",
            .doc = "The Kullback-Leibler divergence of the target from a log-probability."
                   " >>> torch.nn.functional.kl_div(torch.tensor([0.5, 0.5]).log(), torch.tensor([0.25, 0.75]), "
                   "reduction=\"sum\")\ntensor(0.1308)",
            .kernel = composite<kl>(),
            .autocast = Autocast::Float32});
OP(poisson_nll_loss,
   {.schema =
        "poisson_nll_loss(Tensor input, Tensor target, bool log_input, bool full, float eps, int reduction) -> Tensor",
    .doc = "The negative log-likelihood of counts under a Poisson distribution."
           " >>> torch.nn.functional.poisson_nll_loss(torch.tensor([0.]), torch.tensor([2.]))\ntensor(1.)",
    .kernel = composite<poisson_nll>(),
    .autocast = Autocast::Float32});
OP(margin_ranking_loss, {.schema = "margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, "
                                   "int reduction=Mean) -> Tensor",
                         .doc = "max(0, -target * (input1 - input2) + margin)."
                                " >>> torch.nn.functional.margin_ranking_loss(torch.tensor([1.]), torch.tensor([2.]), "
                                "torch.tensor([1.]))\ntensor(1.)",
                         .kernel = composite<margin_ranking>(),
                         .autocast = Autocast::Float32});
OP(hinge_embedding_loss,
   {.schema = "hinge_embedding_loss(Tensor self, Tensor target, float margin=1.0, int reduction=Mean) -> Tensor",
    .doc = "self where the target is 1, max(0, margin - self) where it is -1."
           " >>> torch.nn.functional.hinge_embedding_loss(torch.tensor([0.25, 0.25]), torch.tensor([1., -1.]), "
           "reduction=\"none\")\ntensor([0.2500, 0.7500])",
    .kernel = composite<hinge_embedding>(),
    .autocast = Autocast::Float32});
OP(cosine_embedding_loss, {.schema = "cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float "
                                     "margin=0.0, int reduction=Mean) -> Tensor",
                           .doc = "1 - cos where the target is 1, max(0, cos - margin) where it is -1."
                                  " >>> torch.nn.functional.cosine_embedding_loss(torch.tensor([[1., 0.]]), "
                                  "torch.tensor([[0., 1.]]), torch.tensor([1.]))\ntensor(1.)",
                           .kernel = composite<cosine_embedding>(),
                           .autocast = Autocast::Float32});
OP(triplet_margin_loss,
   {.schema = "triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1.0, float p=2, float "
              "eps=1e-06, bool swap=False, int reduction=Mean) -> Tensor",
    .doc = "max(0, d(anchor, positive) - d(anchor, negative) + margin)."
           " >>> torch.nn.functional.triplet_margin_loss(torch.tensor([[0.]]), torch.tensor([[1.]]), "
           "torch.tensor([[1.5]]))\ntensor(0.5000)",
    .kernel = composite<triplet_margin>(),
    .autocast = Autocast::Float32});
OP(pairwise_distance,
   {.schema = "pairwise_distance(Tensor x1, Tensor x2, float p=2, float eps=1e-06, bool keepdim=False) -> Tensor",
    .doc =
        "The p norm of x1 - x2 + eps along the last dimension."
        " >>> torch.nn.functional.pairwise_distance(torch.tensor([[3., 0.]]), torch.tensor([[0., 4.]]))\ntensor([5.])",
    .kernel = composite<distance>()});
OP(cosine_similarity, {.schema = "cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor",
                       .doc = "The cosine of the angle between vectors along dim."
                              " >>> torch.nn.functional.cosine_similarity(torch.tensor([[1., 0.]]), torch.tensor([[1., "
                              "1.]]))\ntensor([0.7071])",
                       .kernel = composite<cosine>()});
}  // namespace rushlight
