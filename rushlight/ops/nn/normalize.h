// What the normalising operators share: the gradients of xhat * weight + bias, where xhat is x over its mean and variance,
// composed of differentiable operators. The fused backward kernels give the same numbers; this serves gradients of gradients.
#pragma once
#include "rushlight/dispatch/op.h"
#include "rushlight/fn/mean.h"
#include "rushlight/fn/rsqrt.h"
#include "rushlight/fn/sum.h"
#include "rushlight/ops/operators.h"

namespace rushlight {

// `over`: the dimensions a mean is taken over. `others`: those that a weight is constant along. `weight` broadcasts to x or is
// undefined. Returns the gradients of x, of the weight and of the bias, the last two over `others` with those kept as 1.
inline std::array<Tensor, 3> normalize_grads(const Tensor& x, const Tensor& g, const Tensor& weight, IntArrayRef over,
                                             IntArrayRef others, double eps) {
  Tensor centred = x - mean(x, over, true);
  Tensor scale = rsqrt(mean(centred * centred, over, true) + eps);
  Tensor normal = centred * scale, gw = weight.defined() ? g * weight : g;
  Tensor dx = scale * (gw - mean(gw, over, true) - normal * mean(gw * normal, over, true));
  auto summed = [&](const Tensor& t) { return others.empty() ? t : sum(t, others, true); };  // no list means all
  return {dx, summed(g * normal), summed(g)};
}

}  // namespace rushlight
