// multi_margin_loss and multilabel_margin_loss: hinges between the scores of classes.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/cumprod.h"
#include "rushlight/fn/gather.h"
#include "rushlight/fn/index_select.h"
#include "rushlight/fn/logical_and.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/multi_margin_loss.h"
#include "rushlight/fn/multilabel_margin_loss.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/scatter.h"
#include "rushlight/fn/scatter_add.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/ops/loss/reduction.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

// The scores as rows: a vector is one row.
Tensor score_rows(const char* op, const Tensor& x, const Tensor& target) {
  RL_CHECK(RuntimeError, x.dim() <= 2 && (x.dim() == 0 || x.size(-1) > 0), op,
           ": Expected non-empty vector or matrix with optional 0-dim batch size, but got: ", x.sizes());
  RL_CHECK(RuntimeError, target.dtype() == DType::Int64, op, ": expected scalar type Long but found ",
           scalar_type_name(target.dtype()));
  return x.dim() == 2 ? x : reshape(x, {1, x.numel()});
}
void check_classes(const char* op, const Tensor& target, int64_t low, int64_t classes) {
  if (target.device().is_meta()) return;
  Tensor at = dense(target);
  for (int64_t i = 0; i < at.numel(); i++)
    RL_CHECK(RuntimeError, at.data<int64_t>()[i] >= low && at.data<int64_t>()[i] < classes, op,
             ": argument #2 'target' is out of range: ", at.data<int64_t>()[i], " is not one of ", classes, " classes");
}
// What is not positive counts neither in the loss nor in the gradient.
Tensor hinge(const Tensor& z) { return masked_fill(z, z <= Scalar(0), Scalar(0)); }

Tensor row_losses(const Tensor& sums, const Tensor& given, int64_t classes, int64_t reduction) {
  Tensor loss = sums / Scalar(classes);
  if (reduction == kNone) return given.dim() == 2 ? loss : reshape(loss, {});
  return reduce_loss(loss, reduction);
}

Tensor multi_margin(const Tensor& given, const Tensor& target, const Scalar& p, const Scalar& margin,
                    const Tensor& weight, int64_t reduction) {
  RL_CHECK(RuntimeError, p.equals(1) || p.equals(2), "multi_margin_loss: only p == 1 and p == 2 supported");
  Tensor x = score_rows("multi_margin_loss", given, target);
  int64_t n = x.size(0), classes = x.size(1);
  RL_CHECK(RuntimeError, target.dim() <= 1 && target.numel() == n,
           "multi_margin_loss: inconsistent target size, expected ", n, " but got ", target.sizes());
  RL_CHECK(RuntimeError, !weight.defined() || (weight.dim() <= 1 && weight.numel() == classes),
           "multi_margin_loss: inconsistent weight size, expected ", classes, " but got ",
           weight.defined() ? weight.sizes() : Dims());
  check_classes("multi_margin_loss", target, 0, classes);
  Tensor y = reshape(target, {n, 1});
  Tensor z = hinge(margin - gather(x, 1, y) + x);
  if (p.equals(2)) z = z * z;
  if (weight.defined()) z = z * reshape(index_select(reshape(weight, {classes}), 0, reshape(target, {n})), {n, 1});
  return row_losses(sum(scatter(z, 1, y, Scalar(0)), IntArrayRef(1)), given, classes, reduction);
}

// A row of targets ends at its first -1.
Tensor multilabel_margin(const Tensor& given, const Tensor& target, int64_t reduction) {
  Tensor x = score_rows("multilabel_margin_loss", given, target);
  int64_t n = x.size(0), classes = x.size(1);
  RL_CHECK(RuntimeError, target.dim() <= 2 && target.numel() == x.numel() && (target.dim() < 2 || given.dim() == 2),
           "multilabel_margin_loss: inconsistent target size: ", target.sizes(), " for input of size: ", given.sizes());
  check_classes("multilabel_margin_loss", target, -1, classes);
  Tensor y = reshape(target, {n, classes});
  Tensor named = cumprod(to(y >= Scalar(0), DType::Int64), 1);
  Tensor at = y * named, is_target = scatter_add(zeros_like(named), 1, at, named) > Scalar(0);
  Tensor pairs = logical_and(unsqueeze(named > Scalar(0), 2), unsqueeze(is_target == Scalar(0), 1));
  Tensor z = hinge(1.0 - unsqueeze(gather(x, 1, at), 2) + unsqueeze(x, 1));
  Tensor kept = masked_fill(z, pairs == Scalar(0), Scalar(0));
  return row_losses(sum(kept, IntArrayRef({1, 2})), given, classes, reduction);
}

}  // namespace

OP(multi_margin_loss,
   {.schema = "multi_margin_loss(Tensor self, Tensor target, Scalar p=1, Scalar margin=1, Tensor? "
              "weight=None, int reduction=Mean) -> Tensor",
    .doc = "The mean over the other classes of max(0, margin - x[target] + x[class]) ** p."
           " >>> torch.nn.functional.multi_margin_loss(torch.tensor([[0.1, 0.8]]), torch.tensor([1]))\ntensor(0.1500)",
    .kernel = composite<multi_margin>(),
    .forms = kFunction | kOut,
    .module = "nn",
    .node = "MultiMarginLossBackward0",
    .autocast = Autocast::Float32});
OP(multilabel_margin_loss,
   {.schema = "multilabel_margin_loss(Tensor self, Tensor target, int reduction=Mean) -> Tensor",
    .doc = "The sum over targets and other classes of max(0, 1 - x[target] + x[class]), by the number of classes."
           " >>> torch.nn.functional.multilabel_margin_loss(torch.tensor([[0.1, 0.8]]), torch.tensor([[1, "
           "-1]]))\ntensor(0.1500)",
    .kernel = composite<multilabel_margin>(),
    .forms = kFunction | kOut,
    .module = "nn",
    .node = "MultilabelMarginLossBackward0",
    .autocast = Autocast::Float32});

}  // namespace rushlight
