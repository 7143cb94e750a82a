// Channels of images moved into the plane and back, channels in another order; gated units; learned leaks.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/fn/_prelu_kernel.h"
#include "rushlight/fn/channel_shuffle.h"
#include "rushlight/fn/chunk.h"
#include "rushlight/fn/permute.h"
#include "rushlight/fn/pixel_shuffle.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/sigmoid.h"
#include "rushlight/fn/transpose.h"
#include "rushlight/fn/view.h"
#include "rushlight/fn/where.h"
#include "rushlight/ops/nn/layout.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

// (*, C r r, H, W) as (*, C, r, r, H, W), permuted to (*, C, H, r, W, r).
Tensor pixel_shuffle_op(const Tensor& self, int64_t r) {
  RL_CHECK(RuntimeError, self.dim() >= 3,
           "pixel_shuffle expects input to have at least 3 dimensions, but got input with ", self.dim(),
           " dimension(s)");
  RL_CHECK(RuntimeError, r > 0, "pixel_shuffle expects a positive upscale_factor, but got ", r);
  size_t lead = size_t(self.dim()) - 3;
  int64_t c = self.sizes()[lead], h = self.sizes()[lead + 1], w = self.sizes()[lead + 2];
  int64_t square;
  RL_CHECK(RuntimeError, !__builtin_mul_overflow(r, r, &square) && c % square == 0,
           "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but "
           "input.size(-3)=",
           c, " is not divisible by the square of ", r,
           ". Hint: give the layer before it channels * upscale_factor ** 2 output channels");
  Dims split, order, result;
  for (size_t d = 0; d < lead; d++) {
    split.push_back(self.sizes()[d]);
    result.push_back(self.sizes()[d]);
    order.push_back(int64_t(d));
  }
  for (int64_t n : {c / square, r, r, h, w}) split.push_back(n);
  for (int64_t d : {0, 3, 1, 4, 2}) order.push_back(int64_t(lead) + d);
  for (CheckedInt n : {CheckedInt(c / square), CheckedInt(h) * r, CheckedInt(w) * r}) result.push_back(n);
  return following(self, reshape(permute(reshape(self, split), order), result));
}

Tensor pixel_unshuffle_op(const Tensor& self, int64_t r) {
  RL_CHECK(RuntimeError, self.dim() >= 3,
           "pixel_unshuffle expects input to have at least 3 dimensions, but got input with ", self.dim(),
           " dimension(s)");
  RL_CHECK(RuntimeError, r > 0, "pixel_unshuffle expects a positive downscale_factor, but got ", r);
  size_t lead = size_t(self.dim()) - 3;
  int64_t c = self.sizes()[lead], h = self.sizes()[lead + 1], w = self.sizes()[lead + 2];
  RL_CHECK(RuntimeError, h % r == 0,
           "pixel_unshuffle expects height to be divisible by downscale_factor, but input.size(-2)=", h,
           " is not divisible by ", r);
  RL_CHECK(RuntimeError, w % r == 0,
           "pixel_unshuffle expects width to be divisible by downscale_factor, but input.size(-1)=", w,
           " is not divisible by ", r);
  Dims split, order, result;
  for (size_t d = 0; d < lead; d++) {
    split.push_back(self.sizes()[d]);
    result.push_back(self.sizes()[d]);
    order.push_back(int64_t(d));
  }
  for (int64_t n : {c, h / r, r, w / r, r}) split.push_back(n);
  for (int64_t d : {0, 2, 4, 1, 3}) order.push_back(int64_t(lead) + d);
  for (CheckedInt n : {CheckedInt(c) * r * r, CheckedInt(h / r), CheckedInt(w / r)}) result.push_back(n);
  return following(self, reshape(permute(reshape(self, split), order), result));
}

Tensor channel_shuffle_op(const Tensor& self, int64_t groups) {
  RL_CHECK(RuntimeError, self.dim() > 2, "channel_shuffle expects input with > 2 dims, but got input with sizes ",
           self.sizes());
  RL_CHECK(RuntimeError, groups > 0,
           "Number of groups to divide channels in must be positive. Value of groups:", groups);
  int64_t c = self.sizes()[1];
  RL_CHECK(RuntimeError, c % groups == 0, "Number of channels must be divisible by groups. Got ", c, " channels and ",
           groups, " groups.");
  Tensor split = reshape(self, Dims{self.sizes()[0], groups, c / groups, product(IntArrayRef(self.sizes()).slice(2))});
  return following(self, reshape(transpose(split, 1, 2), self.sizes()));
}

Tensor glu_op(const Tensor& self, int64_t dim) {
  RL_CHECK(RuntimeError, self.dim() > 0, "glu does not support 0-dimensional tensors");
  int64_t d = wrap_dim(dim, self.dim()), n = self.sizes()[size_t(d)];
  RL_CHECK(RuntimeError, n % 2 == 0, "Halving dimension must be even, but dimension ", d, " is size ", n);
  Tensors halves = chunk(self, 2, d);
  return halves[0] * sigmoid(halves[1]);
}

template <class T>
struct Prelu {
  RL_FN T operator()(T x, T weight) const { return math::select(x > T(0), x, weight * x); }
};
Grads prelu_grad(const Saved& s, const Tensor& g) {
  Tensor x = s["self"], positive = x > 0.0;
  return {s.needs("self") ? where(positive, g, g * s["weight"]) : Tensor(),
          s.needs("weight") ? where(positive, 0.0, g * x) : Tensor()};
}

Tensor prelu_op(const Tensor& self, const Tensor& weight) {
  RL_CHECK(RuntimeError, self.dtype() == weight.dtype(), "prelu: Type promoting not supported. Got ", self.dtype(),
           " and ", weight.dtype());
  Tensor w = weight;
  if (weight.numel() != 1) {
    RL_CHECK(RuntimeError, self.dim() > 0, "Not allow zero-dim input tensor.");
    int64_t channels = self.dim() > 1 ? self.sizes()[1] : 1;
    RL_CHECK(RuntimeError, channels == weight.numel(),
             "Mismatch of parameter numbers and input channel size. Found parameter numbers = ", weight.numel(),
             " and channel size = ", channels, ".");
  }
  RL_CHECK(RuntimeError, weight.dim() <= 1,
           "prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = ", weight.dim());
  if (weight.dim() != self.dim()) {
    Dims shape(size_t(self.dim()), 1);
    if (self.dim() > 1) shape[1] = weight.numel();
    w = view(weight, shape);
  }
  return _prelu_kernel(self, w);
}

}  // namespace

OP(pixel_shuffle, {.schema = "pixel_shuffle(Tensor self, int upscale_factor) -> Tensor",
                   .doc = "(*, C r r, H, W) as (*, C, H r, W r)."
                          " >>> torch.pixel_shuffle(torch.tensor([1, 2, 3, 4]).view(1, 4, 1, 1), 2)\ntensor([[[[1, "
                          "2],\n          [3, 4]]]])",
                   .kernel = composite<pixel_shuffle_op>(),
                   .forms = kFunction,
                   .node = "PixelShuffleBackward0",
                   .shares = {"self"}});
OP(pixel_unshuffle, {.schema = "pixel_unshuffle(Tensor self, int downscale_factor) -> Tensor",
                     .doc = "(*, C, H r, W r) as (*, C r r, H, W)."
                            " >>> torch.pixel_unshuffle(torch.ones(1, 1, 4, 6), 2).shape\ntorch.Size([1, 4, 2, 3])",
                     .kernel = composite<pixel_unshuffle_op>(),
                     .forms = kFunction,
                     .node = "PixelUnshuffleBackward0"});
OP(channel_shuffle,
   {.schema = "channel_shuffle(Tensor self, SymInt groups) -> Tensor",
    .doc = "One channel of each group in turn."
           " >>> torch.channel_shuffle(torch.tensor([1, 2, 3, 4]).view(1, 4, 1), 2).flatten()\ntensor([1, 3, 2, 4])",
    .kernel = composite<channel_shuffle_op>(),
    .forms = kFunction,
    .aliases = {"native_channel_shuffle"}});
OP(glu, {.schema = "glu(Tensor self, int dim=-1) -> Tensor",
         .doc = "a * sigmoid(b) for the halves a and b of self along dim."
                " >>> torch.nn.functional.glu(torch.tensor([1., 0.]))\ntensor([0.5000])",
         .kernel = composite<glu_op>(),
         .forms = kFunction | kOut,
         .module = "nn",
         .node = "GluBackward0"});
OP(prelu_kernel, {.schema = "_prelu_kernel(Tensor self, Tensor weight) -> Tensor",
                  .doc = "prelu with a weight that broadcasts.",
                  .kernel = pointwise<Prelu, Floating>(),
                  .grad = {{"self", "weight"}, prelu_grad},
                  .forms = kFunction});
OP(prelu, {.schema = "prelu(Tensor self, Tensor weight) -> Tensor",
           .doc = "x where positive, weight * x elsewhere."
                  " >>> torch.prelu(torch.tensor([-1., 2.]), torch.tensor([0.25]))\ntensor([-0.2500,  2.0000])",
           .kernel = composite<prelu_op>(),
           .forms = kFunction | kMethod,
           .autocast = Autocast::Lower});
}  // namespace rushlight
