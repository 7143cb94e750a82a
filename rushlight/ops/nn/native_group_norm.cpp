// group_norm with the statistics it used.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/mean.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/rsqrt.h"
#include "rushlight/fn/square.h"
#include "rushlight/fn/squeeze.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

std::tuple<Tensor, Tensor, Tensor> native_group_norm_op(const Tensor& input, const Tensor& weight, const Tensor& bias,
                                                        int64_t n, int64_t c, int64_t hxw, int64_t group, double eps) {
  const char* op = "native_group_norm";
  RL_CHECK(RuntimeError, group > 0 && c % group == 0, op, ": Expected number of channels in input to be divisible by ",
           "num_groups, but got input of shape ", input.sizes(), " and num_groups=", group);
  RL_CHECK(ShapeError, n >= 0 && c >= 0 && hxw >= 0 && input.numel() == CheckedInt(n) * c * hxw, op,
           ": expected N * C * HxW = ", n, " * ", c, " * ", hxw, " elements, got shape ", input.sizes());
  for (const Tensor* t : {&weight, &bias})
    RL_CHECK(ShapeError, !t->defined() || (t->dim() == 1 && t->numel() == c), op,
             ": expected weight and bias to be vectors of ", c, " elements, got shape ",
             t->defined() ? t->sizes() : input.sizes());
  const Dims last = {-1};
  Tensor x = reshape(input, {n, group, CheckedInt(c / group) * hxw});
  Tensor centre = mean(x, IntArrayRef(last), true);
  Tensor apart = x - centre;
  Tensor scale = rsqrt(mean(square(apart), IntArrayRef(last), true) + Scalar(eps));
  Tensor y = reshape(apart * scale, {n, c, hxw});
  if (weight.defined()) y = y * reshape(weight, {1, c, 1});
  if (bias.defined()) y = y + reshape(bias, {1, c, 1});
  return {reshape(y, input.sizes()), squeeze(centre, -1), squeeze(scale, -1)};
}

}  // namespace

OP(native_group_norm,
   {.schema =
        "native_group_norm(Tensor input, Tensor? weight, Tensor? bias, int N, int C, int HxW, int group, float eps) "
        "-> (Tensor, Tensor, Tensor)",
    .doc = "group_norm, and the mean and the reciprocal deviation of every group."
           " >>> torch.native_group_norm(torch.ones(1, 2), None, None, 1, 2, 1, 1, 1e-5)[0]\ntensor([[0., 0.]])",
    .kernel = composite<native_group_norm_op>(),
    .forms = kFunction});

}  // namespace rushlight
