// Negative log-likelihood of classes and the cross entropy on top of it.
#include "rushlight/dispatch/expect.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/cross_entropy_loss.h"
#include "rushlight/fn/log_softmax.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/mean.h"
#include "rushlight/fn/neg.h"
#include "rushlight/fn/nll_loss.h"
#include "rushlight/fn/nll_loss_backward.h"
#include "rushlight/fn/nll_loss_forward.h"
#include "rushlight/fn/nll_loss_nd.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/view.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/ops/loss/reduction.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

// Scores (C), (N, C) or (N, C, d1, ...) as n samples of c classes at `inner` places.
struct Scores {
  int64_t n, c, inner = 1;
  explicit Scores(const Dims& sizes) {
    n = sizes.size() == 1 ? 1 : sizes[0];
    c = sizes.size() == 1 ? sizes[0] : sizes[1];
    for (size_t i = 2; i < sizes.size(); i++) inner *= sizes[i];
  }
};

void check_class_weight(const char* prefix, const Tensor& self, const Tensor& weight, int64_t classes) {
  RL_CHECK(ShapeError, !weight.defined() || (weight.dim() == 1 && weight.numel() == classes), prefix,
           "weight tensor should be defined either for all ", classes,
           " classes or no classes but got weight tensor of shape: ", weight.defined() ? weight.sizes() : Dims{},
           ". Hint: weight has a factor for each class of the input, whose shape is ", self.sizes());
}

void check_nll(const Tensor& self, const Tensor& target, const Tensor& weight) {
  RL_CHECK(ShapeError, self.dim() > 0, "input tensor should be at least 1D, got 0D");
  RL_CHECK(RuntimeError, is_floating(self.dtype()), "\"nll_loss_out_frame\" not implemented for '",
           scalar_type_name(self.dtype()), "'");
  RL_CHECK(
      RuntimeError, target.dtype() == DType::Int64 || target.dtype() == DType::UInt8,
      "expected target dtype to be Long or Byte, but got ", scalar_type_name(target.dtype()),
      ". Hint: class indices are integers: convert with target.long(); probabilities have the shape of the input, ",
      self.sizes(), ", this target ", target.sizes());
  Dims expected = self.sizes();
  if (self.dim() == 1) {
    expected.clear();
    RL_CHECK(ShapeError, target.dim() == 0 || (target.dim() == 1 && target.sizes()[0] == 1),
             "0D or 1D target tensor expected, multi-target not supported. Hint: the target has shape ", target.sizes(),
             ", the input ", self.sizes(),
             "; labels of shape [N, 1] need target.squeeze(1), one-hot ones target.argmax(1)");
  } else {
    expected.erase(1);
    if (self.dim() == 2)
      RL_CHECK(ShapeError, target.dim() <= 1,
               "0D or 1D target tensor expected, multi-target not supported. Hint: the target has shape ",
               target.sizes(), ", the input ", self.sizes(),
               "; labels of shape [N, 1] need target.squeeze(1), one-hot ones target.argmax(1)");
    RL_CHECK(ShapeError, target.sizes() == expected, "size mismatch (got input: ", self.sizes(),
             ", target: ", target.sizes(), ")");
  }
  int64_t classes = Scores(self.sizes()).c;
  check_class_weight("", self, weight, classes);
  RL_CHECK(RuntimeError, !weight.defined() || weight.dtype() == self.dtype(), "expected scalar type ",
           scalar_type_name(self.dtype()), " but found ", weight.defined() ? scalar_type_name(weight.dtype()) : "");
}

std::array<TensorSpec, 2> nll_meta(const Tensor& self, const Tensor& target, const Tensor& weight, int64_t reduction,
                                   int64_t) {
  check_nll(self, target, weight);
  TensorSpec total{.sizes = {}, .dtype = self.dtype(), .device = self.device()}, out = total;
  if (reduction == kNone && self.dim() > 1) {
    out.sizes = self.sizes();
    out.sizes.erase(1);
  }
  return {out, total};
}

// Calls f(element, place in the scores, weight) for each target that counts.
template <class T, class F>
void for_each_target(const Scores& s, const Tensor& target, const Tensor& weight, int64_t ignore, F f) {
  Tensor classes = dense(target, DType::Int64);
  Tensor weights = weight.defined() ? dense(weight) : Tensor();
  const int64_t* t = classes.data<int64_t>();
  const T* w = weights.defined() ? weights.data<T>() : nullptr;
  for (int64_t n = 0; n < s.n; n++) {
    for (int64_t i = 0; i < s.inner; i++) {
      int64_t k = t[n * s.inner + i];
      if (k == ignore) continue;
      RL_CHECK(
          IndexError, k >= 0 && k < s.c, "Target ", k, " is out of bounds. Hint: cross_entropy: the input has ", s.c,
          " classes: labels are 0 to ", s.c - 1,
          "; check the labels (those from 1 on need -1, those to be left out ignore_index), or give the last layer as "
          "many outputs as there are classes");
      f(n * s.inner + i, (n * s.c + k) * s.inner + i, w ? compute_t<T>(w[k]) : compute_t<T>(1));
    }
  }
}

void nll_cpu(const Tensor& self, const Tensor& target, const Tensor& weight, int64_t reduction, int64_t ignore,
             const Tensor& out, const Tensor& total) {
  Scores s(self.sizes());
  dispatch(FloatTypes{}, self.dtype(), "nll_loss", [&]<class T>() {
    Tensor scores = dense(self);
    const T* x = scores.data<T>();
    if (reduction == kNone) {
      Tensor to = dense(out);
      T* y = to.data<T>();
      for (int64_t i = 0; i < to.numel(); i++) y[i] = T(0);
      for_each_target<T>(s, target, weight, ignore,
                         [&](int64_t i, int64_t at, auto w) { y[i] = T(-w * compute_t<T>(x[at])); });
      if (!to.is_same(out)) copy_elements(out, to);
      total.data<T>()[0] = T(0);
      return;
    }
    double sum = 0, weights = 0;
    for_each_target<T>(s, target, weight, ignore, [&](int64_t, int64_t at, auto w) {
      sum -= double(w) * double(x[at]);
      weights += double(w);
    });
    out.data<T>()[0] = T(compute_t<T>(reduction == kMean ? sum / weights : sum));
    total.data<T>()[0] = T(compute_t<T>(weights));
  });
}

TensorSpec nll_backward_meta(const Tensor& grad, const Tensor& self, const Tensor& target, const Tensor& weight,
                             int64_t reduction, int64_t, const Tensor& total) {
  check_nll(self, target, weight);
  Dims losses;
  if (reduction == kNone && self.dim() > 1) {
    losses = self.sizes();
    losses.erase(1);
  }
  RL_CHECK(ShapeError, grad.sizes() == losses || (losses.empty() && grad.numel() == 1),
           "nll_loss_backward: expected grad_output of shape ", losses, ", got ", grad.sizes());
  expect_dtype("nll_loss_backward", "grad_output", grad, self.dtype());
  RL_CHECK(RuntimeError, total.numel() == 1, "Expected total_weight to be a tensor of one element, got ",
           total.sizes());
  expect_dtype("nll_loss_backward", "total_weight", total, self.dtype());
  return {.sizes = self.sizes(), .dtype = self.dtype(), .device = self.device()};
}
void nll_backward_cpu(const Tensor& grad, const Tensor& self, const Tensor& target, const Tensor& weight,
                      int64_t reduction, int64_t ignore, const Tensor& total, const Tensor& out) {
  Scores s(self.sizes());
  dispatch(FloatTypes{}, self.dtype(), "nll_loss_backward", [&]<class T>() {
    using C = compute_t<T>;
    Tensor to = dense(out), gradients = dense(grad);
    T* y = to.data<T>();
    const T* g = gradients.data<T>();
    for (int64_t i = 0; i < to.numel(); i++) y[i] = T(0);
    C scale = reduction == kMean ? C(1) / C(dense(total).data<T>()[0]) : C(1);
    for_each_target<T>(s, target, weight, ignore, [&](int64_t i, int64_t at, auto w) {
      y[at] = T(-w * scale * C(g[reduction == kNone ? i : 0]));
    });
    if (!to.is_same(out)) copy_elements(out, to);
  });
}

Grads nll_grad(const Saved& s, const Tensors& g) {
  return {nll_loss_backward(g[0], s["self"], s["target"], s["weight"], s.arg("reduction").to_int(),
                            s.arg("ignore_index").to_int(), s["total_weight"]),
          Tensor(), Tensor()};
}
// The backward step is linear in grad_output: its gradient is the loss itself.
Grads nll_backward_grad(const Saved& s, const Tensor& g) {
  return {nll_loss(g, s["target"], s["weight"], s.arg("reduction").to_int(), s.arg("ignore_index").to_int()), Tensor(),
          Tensor(), Tensor(), Tensor()};
}

Tensor nll(const Tensor& self, const Tensor& target, const Tensor& weight, int64_t reduction, int64_t ignore) {
  return std::get<0>(nll_loss_forward(self, target, weight, reduction, ignore));
}

Tensor nll_nd(const Tensor& self, const Tensor& target, const Tensor& weight, int64_t reduction, int64_t ignore) {
  RL_CHECK(ValueError, self.dim() >= 1, "Expected 1 or more dimensions (got ", self.dim(), ")");
  RL_CHECK(ValueError, self.dim() != 1 || target.dim() != 1 || target.numel() == 1,
           "For 1D input, 1D target must have size 1, but got target size: ", target.numel());
  if (self.dim() > 1) {
    int64_t got = target.dim() > 0 ? target.sizes()[0] : 1;
    RL_CHECK(ValueError, self.sizes()[0] == got, "Expected input batch_size (", self.sizes()[0],
             ") to match target batch_size (", got, "). Hint: the input has shape ", self.sizes(), ", the target ",
             target.sizes(),
             "; both need the same first size: look for a reshape, flatten or view that mixed batch and features");
  }
  if (self.dim() > 2) {
    Dims expected = self.sizes();
    expected.erase(1);
    RL_CHECK(RuntimeError, target.sizes() == expected, "Expected target size ", expected, ", got ", target.sizes(),
             ". Hint: the input has shape ", self.sizes(),
             "; labels have its sizes without dimension 1, the classes: target.squeeze(1) drops a channel of one");
  }
  return nll_loss(self, target, weight, reduction, ignore);
}

Tensor with_classes(const Tensor& weight, int64_t dims, int64_t class_dim) {  // (C) as (1, C, 1, ...)
  Dims shape(size_t(dims), 1);
  shape[size_t(class_dim)] = weight.numel();
  return view(weight, shape);
}

Tensor cross_entropy_of_probabilities(const Tensor& self, const Tensor& given, const Tensor& weight, int64_t reduction,
                                      double smoothing) {
  int64_t class_dim = self.dim() == 1 ? 0 : 1, classes = self.sizes()[size_t(class_dim)];
  RL_CHECK(
      RuntimeError, is_floating(given.dtype()),
      "Expected floating point type for target with class probabilities, got ", scalar_type_name(given.dtype()),
      ". Hint: a target of the input's shape, ", self.sizes(),
      ", holds probabilities: convert it with target.float(); labels have no dimension of classes: target.argmax(1)");
  check_class_weight("cross_entropy: ", self, weight, classes);
  Tensor target = given;
  if (smoothing > 0) target = target * (1 - smoothing) + Scalar(smoothing / double(classes));
  Tensor terms = log_softmax(self, class_dim) * target;
  if (weight.defined()) terms = terms * with_classes(weight, self.dim(), class_dim);
  if (reduction == kSum) return neg(sum(terms));
  if (reduction == kMean) {
    double samples = double(self.numel()) / double(classes);
    return neg(sum(terms)) / Scalar(self.dim() == 1 ? 1.0 : samples);
  }
  return neg(sum(terms, IntArrayRef(class_dim)));
}

Tensor smoothed_cross_entropy(const Tensor& self, const Tensor& target, const Tensor& weight, int64_t reduction,
                              int64_t ignore, double smoothing) {
  RL_CHECK(ShapeError, self.dim() > 0, "cross_entropy: expected input of 1 dimension or more, got none");
  int64_t class_dim = self.dim() == 1 ? 0 : 1, classes = self.sizes()[size_t(class_dim)];
  Tensor input = log_softmax(self, class_dim);
  Tensor loss = nll_loss_nd(input, target, weight, reduction, ignore);
  Tensor weighted = weight.defined() ? input * with_classes(weight, input.dim(), class_dim) : input;
  Tensor smooth = neg(sum(weighted, IntArrayRef(class_dim)));
  Tensor ignored = target == Scalar(ignore);
  smooth = masked_fill(smooth, ignored, Scalar(0));
  if (reduction == kMean) {
    if (weight.defined()) {
      // Divided by the weight of the targets that count, as nll_loss does.
      Tensor ones = nll_loss_nd(neg(input * Scalar(0)) - Scalar(1), target, weight, kSum, ignore);
      smooth = sum(smooth) / ones;
    } else {
      smooth = sum(smooth) / to(sum(target != Scalar(ignore)), smooth.dtype());
    }
  } else if (reduction == kSum) {
    smooth = sum(smooth);
  }
  return loss * Scalar(1 - smoothing) + smooth * Scalar(smoothing / double(classes));
}

Tensor cross_entropy(const Tensor& self, const Tensor& target, const Tensor& weight, int64_t reduction, int64_t ignore,
                     double smoothing) {
  if (self.sizes() == target.sizes() && self.dim() > 0 && is_floating(target.dtype())) {
    RL_CHECK(RuntimeError, ignore < 0, "ignore_index is not supported for floating point target");
    return cross_entropy_of_probabilities(self, target, weight, reduction, smoothing);
  }
  if (self.sizes() == target.sizes() && self.dim() > 0) {
    return cross_entropy_of_probabilities(self, target, weight, reduction, smoothing);  // says what is wrong
  }
  RL_CHECK(RuntimeError, smoothing >= 0 && smoothing <= 1,
           "label_smoothing must be between 0.0 and 1.0. Got: ", smoothing);
  if (smoothing > 0) return smoothed_cross_entropy(self, target, weight, reduction, ignore, smoothing);
  return nll_loss_nd(log_softmax(self, self.dim() == 1 ? 0 : 1), target, weight, reduction, ignore);
}

}  // namespace

OP(nll_loss_forward,
   {.schema = "nll_loss_forward(Tensor self, Tensor target, Tensor? weight, int reduction, SymInt ignore_index) -> "
              "(Tensor output, Tensor total_weight)",
    .doc = "The loss of log-probabilities (C), (N, C) or (N, C, d1, ...), and the weight of the targets that count.",
    .kernel = structured<nll_meta, nll_cpu>(),
    .grad = {{"self", "target", "weight", "total_weight"}, nll_grad},
    .forms = kFunction,
    .module = "nn",
    .node = "NllLossBackward0"});
OP(nll_loss_backward, {.schema = "nll_loss_backward(Tensor grad_output, Tensor self, Tensor target, Tensor? weight, "
                                 "int reduction, SymInt ignore_index, Tensor total_weight) -> Tensor",
                       .doc = "Gradient of nll_loss_forward.",
                       .kernel = structured<nll_backward_meta, nll_backward_cpu>(),
                       .grad = {{"target", "weight"}, nll_backward_grad},
                       .forms = kFunction,
                       .module = "nn"});
OP(nll_loss,
   {.schema = "nll_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean, SymInt "
              "ignore_index=-100) -> Tensor",
    .doc = "Minus the log-probability of the target classes."
           " >>> torch.nn.functional.nll_loss(torch.tensor([[-0.5, -2.]]), torch.tensor([0]))\ntensor(0.5000)",
    .kernel = composite<nll>(),
    .forms = kFunction,
    .module = "nn",
    .aliases = {"nll_loss2d"},
    .autocast = Autocast::Float32});
OP(nll_loss_nd, {.schema = "nll_loss_nd(Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean, SymInt "
                           "ignore_index=-100) -> Tensor",
                 .doc = "nll_loss for any number of dimensions.",
                 .kernel = composite<nll_nd>(),
                 .forms = kFunction,
                 .module = "nn"});
OP(cross_entropy_loss,
   {.schema = "cross_entropy_loss(Tensor self, Tensor target, Tensor? weight=None, int "
              "reduction=Mean, SymInt ignore_index=-100, float label_smoothing=0.0) -> Tensor",
    .doc = "The cross entropy between logits and class indices or class probabilities."
           " >>> torch.nn.functional.cross_entropy(torch.tensor([[2., 0.]]), torch.tensor([0]))\ntensor(0.1269)",
    .kernel = composite<cross_entropy>(),
    .forms = kFunction,
    .module = "nn",
    .autocast = Autocast::Float32});
}  // namespace rushlight
