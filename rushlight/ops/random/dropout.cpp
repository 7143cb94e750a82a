// Dropout of elements and of whole channels, plain and the kind that keeps mean and variance under SELU. The noise is drawn as in
// PyTorch: one Bernoulli number for each element of a tensor like the input, or for each channel.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/add.h"
#include "rushlight/fn/bernoulli_.h"
#include "rushlight/fn/div.h"
#include "rushlight/fn/empty.h"
#include "rushlight/fn/empty_like.h"
#include "rushlight/fn/mul.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

struct Factors {  // the result is x * scale + shift, shift undefined where there is none
  Tensor scale, shift;
};

// Undefined factors: the input stays as it is.
template <bool feature, bool alpha>
Factors draw(const Tensor& x, double p, bool train) {
  RL_CHECK(RuntimeError, p >= 0 && p <= 1, "dropout probability has to be between 0 and 1, but got ", p);
  if (p == 0 || !train || x.numel() == 0) return {};
  if (p == 1) return {zeros(IntArrayRef(), x.dtype()), Tensor()};
  NoGradGuard no_grad;
  Tensor noise;
  if constexpr (feature) {
    RL_CHECK(ShapeError, x.dim() >= 2, "Feature dropout requires at least 2 dimensions in the input");
    Dims sizes(size_t(x.dim()), 1);
    sizes[0] = x.sizes()[0];
    sizes[1] = x.sizes()[1];
    noise = empty(sizes, x.dtype(), std::nullopt, x.device());
  } else {
    noise = empty_like(x);
  }
  bernoulli_(noise, 1 - p);
  if constexpr (alpha) {
    constexpr double kAlpha = 1.7580993408473766;  // -scale * alpha of SELU: where dropped elements go
    double a = 1 / std::sqrt((kAlpha * kAlpha * p + 1) * (1 - p));
    Tensor shift = add(noise, Scalar(-1));
    mul_(shift, Scalar(kAlpha * a));
    add_(shift, Scalar(kAlpha * a * p));
    mul_(noise, Scalar(a));
    return {noise, shift};
  } else {
    div_(noise, Scalar(1 - p));
    return {noise, Tensor()};
  }
}

template <bool feature, bool alpha>
Tensor dropped(const Tensor& x, double p, bool train) {
  Factors f = draw<feature, alpha>(x, p, train);
  if (!f.scale.defined()) return x;
  return f.shift.defined() ? x * f.scale + f.shift : x * f.scale;
}
template <bool feature, bool alpha>
Tensor drop_in_place(const Tensor& x, double p, bool train) {
  Factors f = draw<feature, alpha>(x, p, train);
  if (!f.scale.defined()) return x;
  mul_(x, f.scale);
  if (f.shift.defined()) add_(x, f.shift);
  return x;
}

}  // namespace

OP(dropout, {.schema = "dropout(Tensor input, float p, bool train) -> Tensor",
             .doc = "Zeroes elements with probability p while training and scales the rest by 1 / (1 - p)."
                    " >>> torch.dropout(torch.ones(3), 0.5, False)\ntensor([1., 1., 1.])",
             .kernel = composite<dropped<false, false>>(),
             .shares = {"input"},
             .draws = "train"});
OP(dropout_, {.schema = "dropout_(Tensor(a!) self, float p, bool train) -> Tensor(a!)",
              .doc = "dropout in place.",
              .kernel = composite<drop_in_place<false, false>>(),
              .draws = "train"});
OP(feature_dropout, {.schema = "feature_dropout(Tensor input, float p, bool train) -> Tensor",
                     .doc = "dropout of whole channels of (N, C, ...)."
                            " >>> torch.feature_dropout(torch.ones(1, 2, 1), 0.5, False).flatten()\ntensor([1., 1.])",
                     .kernel = composite<dropped<true, false>>(),
                     .shares = {"input"},
                     .draws = "train"});
OP(feature_dropout_, {.schema = "feature_dropout_(Tensor(a!) self, float p, bool train) -> Tensor(a!)",
                      .doc = "feature_dropout in place.",
                      .kernel = composite<drop_in_place<true, false>>(),
                      .draws = "train"});
OP(alpha_dropout, {.schema = "alpha_dropout(Tensor input, float p, bool train) -> Tensor",
                   .doc = "dropout that keeps mean and variance under SELU."
                          " >>> torch.alpha_dropout(torch.ones(3), 0.5, False)\ntensor([1., 1., 1.])",
                   .kernel = composite<dropped<false, true>>(),
                   .shares = {"input"},
                   .draws = "train"});
OP(alpha_dropout_, {.schema = "alpha_dropout_(Tensor(a!) self, float p, bool train) -> Tensor(a!)",
                    .doc = "alpha_dropout in place.",
                    .kernel = composite<drop_in_place<false, true>>(),
                    .draws = "train"});
OP(feature_alpha_dropout, {.schema = "feature_alpha_dropout(Tensor input, float p, bool train) -> Tensor",
                           .doc = "alpha_dropout of whole channels.",
                           .kernel = composite<dropped<true, true>>(),
                           .shares = {"input"},
                           .draws = "train"});
OP(feature_alpha_dropout_, {.schema = "feature_alpha_dropout_(Tensor(a!) self, float p, bool train) -> Tensor(a!)",
                            .doc = "feature_alpha_dropout in place.",
                            .kernel = composite<drop_in_place<true, true>>(),
                            .draws = "train"});
}  // namespace rushlight
