// The losses of nn.functional: reductions by name, broadcasting, checks.
#include "rushlight/dispatch/scripted.h"

namespace rushlight {

OP(functional_reduction_name,
   {.schema = "functional::_reduction_name(bool? size_average, bool? reduce, str reduction, bool warns=True) -> str",
    .doc = "The name of a reduction whose arguments may be the old pair.",
    .kernel = RL_SCRIPT(R"py(
if size_average is None and reduce is None:
    return reduction
name = "mean"
if reduce is not None and not reduce:
    name = "none"
elif size_average is not None and not size_average:
    name = "sum"
if warns:
    warn(f"size_average and reduce args will be deprecated, please use reduction='{name}' instead.")
return name
)py")})

OP(functional_reduction, {.schema = "functional::_reduction(bool? size_average, bool? reduce, str reduction) -> int",
                          .doc = "The operators' number for the reduction arguments of a loss.",
                          .kernel = RL_SCRIPT(R"py(
name = functional._reduction_name(size_average, reduce, reduction)
if name == "none":
    return 0
if name == "mean":
    return 1
if name == "sum":
    return 2
if name == "elementwise_mean":
    warn("reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.")
    return 1
raise ValueError(f"{name} is not a valid value for reduction")
)py")})

OP(functional_reduced, {.schema = "functional::_reduced(Tensor loss, str reduction) -> Tensor",
                        .doc = "The mean, the sum or the elements themselves.",
                        .kernel = RL_SCRIPT(R"py(
if reduction == "mean":
    return loss.mean()
if reduction == "sum":
    return loss.sum()
return loss
)py"),
                        .shares = {"loss"}})

OP(functional_of_one_size, {.schema = "functional::_of_one_size(Tensor input, Tensor target) -> (Tensor, Tensor)",
                            .doc = "Both, broadcast; warns where they have to be.",
                            .kernel = RL_SCRIPT(R"py(
if target.size() == input.size():
    return input, target
warn(f"Using a target size (torch.Size({target.size()})) that is different to the input size (torch.Size({input.size()})). "
     "This will likely lead to incorrect results due to broadcasting. Please ensure they have the same size.")
both = torch.broadcast_tensors([input, target])
return both[0], both[1]
)py"),
                            .shares = {"input", "target"}})

OP(functional_weighted,
   {.schema = "functional::_weighted(Tensor loss, Tensor weight, Tensor input, str reduction, bool by_weight) -> "
              "Tensor",
    .doc = "Reduces loss * weight; the mean is over the weights or over the elements.",
    .kernel = RL_SCRIPT(R"py(
if weight.size() != input.size():
    raise ValueError("Weights and input must have the same size.")
if reduction not in ("none", "mean", "sum"):
    raise ValueError(f"Invalid reduction mode: {reduction}. Expected one of 'none', 'mean', 'sum'.")
weighted = loss * weight
if reduction == "mean" and by_weight:
    return torch.sum(weighted) / torch.sum(weight)
return functional._reduced(weighted, reduction)
)py")})

OP(functional_cross_entropy,
   {.schema = "functional::cross_entropy(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, "
              "int ignore_index=-100, bool? reduce=None, str reduction='mean', float label_smoothing=0.0) -> Tensor",
    .doc = "The cross entropy between logits (N, C), (C) or (N, C, d1, ...) and class indices (N), () or (N, d1, "
           "...), or class "
           "probabilities of the logits' shape. `weight` is a factor for each class; `ignore_index` adds nothing. "
           ">>> torch.nn.functional.cross_entropy(torch.zeros(1, 2), torch.tensor([1]))",
    .kernel = RL_SCRIPT(R"py(
reduced = functional._reduction(size_average, reduce, reduction)
return torch.cross_entropy_loss(input, target, weight, reduced, ignore_index, label_smoothing)
)py")})

OP(functional_nll_loss,
   {.schema = "functional::nll_loss(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, int "
              "ignore_index=-100, bool? reduce=None, str reduction='mean') -> Tensor",
    .doc = "The negative of the log-probability that `input` gives to the target class.",
    .kernel = RL_SCRIPT("return torch.nll_loss_nd(input, target, weight, functional._reduction(size_average, reduce, "
                        "reduction), ignore_index)")})

OP(functional_poisson_nll_loss,
   {.schema = "functional::poisson_nll_loss(Tensor input, Tensor target, bool log_input=True, bool full=False, "
              "bool? size_average=None, float eps=1e-08, bool? reduce=None, str reduction='mean') -> Tensor",
    .doc = "The negative log-likelihood of counts under a Poisson distribution.",
    .kernel = RL_SCRIPT(R"py(
if reduction not in ("none", "mean", "sum"):
    raise ValueError(f"{reduction} is not a valid value for reduction")
return torch.poisson_nll_loss(input, target, log_input, full, eps, functional._reduction(size_average, reduce, reduction))
)py")})

OP(functional_gaussian_nll_loss,
   {.schema = "functional::gaussian_nll_loss(Tensor input, Tensor target, Tensor var, bool full=False, float "
              "eps=1e-06, str reduction='mean') -> Tensor",
    .doc = "The negative log-likelihood of `target` under normal distributions of mean `input` and variance `var`, "
           "which is at least "
           "`eps`. >>> torch.nn.functional.gaussian_nll_loss(torch.zeros(2), torch.ones(2), torch.ones(2))",
    .kernel = RL_SCRIPT(R"py(
if isinstance(var, float):
    if var < 0:
        raise ValueError("var has negative entry/entries")
    variance = var * torch.ones_like(input)
else:
    if torch.any(var < 0):
        raise ValueError("var has negative entry/entries")
    variance = var
if variance.size() != input.size():
    if input.size()[:-1] == variance.size():
        variance = variance.unsqueeze(-1)
    else:
        other = 0
        if input.dim() == variance.dim():
            for i in range(input.dim()):
                if input.size(i) != variance.size(i):
                    other += variance.size(i)
        if other != 1:
            raise ValueError("var is of incorrect size")
if reduction not in ("none", "mean", "sum"):
    raise ValueError(f"{reduction} is not valid")
variance = variance.clone()
with torch.no_grad():
    variance.clamp_(min=eps)
loss = 0.5 * (torch.log(variance) + (input - target) ** 2 / variance)
if full:
    loss = loss + 0.91893853320467274178  # log(2 pi) / 2
return functional._reduced(loss, reduction)
)py"),
    .overloads = {"functional::gaussian_nll_loss.float(Tensor input, Tensor target, float var, bool full=False, "
                  "float eps=1e-06, str reduction='mean') -> Tensor"}})

OP(functional_kl_div,
   {.schema = "functional::kl_div(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str "
              "reduction='mean', bool log_target=False) -> Tensor",
    .doc = "The Kullback-Leibler divergence of `target` from `input`, which is a log-probability.",
    .kernel = RL_SCRIPT(R"py(
named = size_average is None and reduce is None
if named and reduction == "mean":
    warn("reduction: 'mean' divides the total loss by both the batch size and the support size."
         "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
         "'mean' will be changed to behave the same as 'batchmean' in the next major release.")
whole = "sum" if reduction == "batchmean" else reduction
loss = torch.kl_div(input, target, functional._reduction(size_average, reduce, whole), log_target=log_target)
if reduction == "batchmean" and input.dim() != 0:
    loss = loss / input.size(0)
return loss
)py")})

OP(functional_binary_cross_entropy,
   {.schema = "functional::binary_cross_entropy(Tensor input, Tensor target, Tensor? weight=None, bool? "
              "size_average=None, bool? reduce=None, str reduction='mean') -> Tensor",
    .doc = "The cross entropy of probabilities `input` and `target`.",
    .kernel = RL_SCRIPT(R"py(
reduced = functional._reduction(size_average, reduce, reduction)
if target.size() != input.size():
    raise ValueError(
        f"Using a target size (torch.Size({target.size()})) that is different to the input size (torch.Size({input.size()})) is "
        "deprecated. Please ensure they have the same size. Hint: target.unsqueeze(1) or view_as(input) makes (N, 1) of (N)")
if weight is not None:
    weight = torch.broadcast_tensors([weight, target])[0]
return torch.binary_cross_entropy(input, target, weight, reduced)
)py")})

OP(functional_binary_cross_entropy_with_logits,
   {.schema = "functional::binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? weight=None, bool? "
              "size_average=None, bool? reduce=None, str reduction='mean', Tensor? pos_weight=None) -> Tensor",
    .doc = "binary_cross_entropy of sigmoid(input), without overflow.",
    .kernel = RL_SCRIPT(R"py(
reduced = functional._reduction(size_average, reduce, reduction)
if target.size() != input.size():
    raise ValueError(f"Target size (torch.Size({target.size()})) must be the same as input size (torch.Size({input.size()})). Hint: give both one shape, with target.view_as(input) or input.squeeze(1)")
return torch.binary_cross_entropy_with_logits(input, target, weight, pos_weight, reduced)
)py")})

OP(functional_smooth_l1_loss,
   {.schema = "functional::smooth_l1_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, "
              "str reduction='mean', float beta=1.0) -> Tensor",
    .doc = "Squared error below `beta`, absolute error above.",
    .kernel = RL_SCRIPT(R"py(
x, y = functional._of_one_size(input, target)
reduced = functional._reduction(size_average, reduce, reduction)
if beta == 0.0:
    return torch.l1_loss(x, y, reduced)
return torch.smooth_l1_loss(x, y, reduced, beta)
)py")})

OP(functional_huber_loss,
   {.schema = "functional::huber_loss(Tensor input, Tensor target, str reduction='mean', float delta=1.0, Tensor? "
              "weight=None) -> Tensor",
    .doc = "Squared error below `delta`, `delta` times the absolute error above.",
    .kernel = RL_SCRIPT(R"py(
x, y = functional._of_one_size(input, target)
if weight is None:
    return torch.huber_loss(x, y, functional._reduction(None, None, reduction), delta)
return functional._weighted(torch.huber_loss(x, y, 0, delta), weight, input, reduction, False)
)py")})

OP(functional_l1_loss,
   {.schema = "functional::l1_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str "
              "reduction='mean', Tensor? weight=None) -> Tensor",
    .doc = "The absolute error.",
    .kernel = RL_SCRIPT(R"py(
x, y = functional._of_one_size(input, target)
if weight is None:
    return torch.l1_loss(x, y, functional._reduction(size_average, reduce, reduction))
return functional._weighted(torch.abs(x - y), weight, input, functional._reduction_name(size_average, reduce, reduction), True)
)py")})

OP(functional_mse_loss,
   {.schema = "functional::mse_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str "
              "reduction='mean', Tensor? weight=None) -> Tensor",
    .doc = "The squared error. >>> torch.nn.functional.mse_loss(torch.zeros(2), torch.ones(2))",
    .kernel = RL_SCRIPT(R"py(
x, y = functional._of_one_size(input, target)
if weight is None:
    return torch.mse_loss(x, y, functional._reduction(size_average, reduce, reduction))
return functional._weighted((x - y) ** 2, weight, input, functional._reduction_name(size_average, reduce, reduction), True)
)py")})

OP(functional_margin_ranking_loss,
   {.schema = "functional::margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0, bool? "
              "size_average=None, bool? reduce=None, str reduction='mean') -> Tensor",
    .doc = "max(0, -target * (input1 - input2) + margin).",
    .kernel = RL_SCRIPT(R"py(
reduced = functional._reduction(size_average, reduce, reduction)
if input1.dim() != input2.dim() or input1.dim() != target.dim():
    raise RuntimeError(
        "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
        f"torch.Size({input1.size()}), input2: torch.Size({input2.size()}), target: torch.Size({target.size()}) ")
return torch.margin_ranking_loss(input1, input2, target, margin, reduced)
)py")})

OP(functional_hinge_embedding_loss,
   {.schema = "functional::hinge_embedding_loss(Tensor input, Tensor target, float margin=1.0, bool? "
              "size_average=None, bool? reduce=None, str reduction='mean') -> Tensor",
    .doc = "`input` where the target is 1, max(0, margin - input) where it is -1.",
    .kernel = RL_SCRIPT(
        "return torch.hinge_embedding_loss(input, target, margin, functional._reduction(size_average, reduce, "
        "reduction))")})

OP(functional_multilabel_margin_loss,
   {.schema = "functional::multilabel_margin_loss(Tensor input, Tensor target, bool? size_average=None, bool? "
              "reduce=None, str reduction='mean') -> Tensor",
    .doc = "The margin loss of several classes to a sample; the list of classes ends at -1.",
    .kernel = RL_SCRIPT(
        "return torch.multilabel_margin_loss(input, target, functional._reduction(size_average, reduce, "
        "reduction))")})

OP(functional_soft_margin_loss,
   {.schema = "functional::soft_margin_loss(Tensor input, Tensor target, bool? size_average=None, bool? "
              "reduce=None, str reduction='mean') -> Tensor",
    .doc = "log(1 + exp(-target * input)).",
    .kernel = RL_SCRIPT(
        "return torch.soft_margin_loss(input, target, functional._reduction(size_average, reduce, reduction))")})

OP(functional_multilabel_soft_margin_loss,
   {.schema = "functional::multilabel_soft_margin_loss(Tensor input, Tensor target, Tensor? weight=None, bool? "
              "size_average=None, bool? reduce=None, str reduction='mean') -> Tensor",
    .doc = "The mean over classes of the cross entropy of each class against the rest.",
    .kernel = RL_SCRIPT(R"py(
name = functional._reduction_name(size_average, reduce, reduction)
loss = -(target * torch.log_sigmoid(input) + (1 - target) * torch.log_sigmoid(-input))
if weight is not None:
    loss = loss * weight
last = input.dim() - 1
loss = loss.sum(dim=last) / input.size(last)
if name not in ("none", "mean", "sum"):
    raise ValueError(f"{name} is not valid")
return functional._reduced(loss, name)
)py")})

OP(functional_multi_margin_loss,
   {.schema = "functional::multi_margin_loss(Tensor input, Tensor target, int p=1, float margin=1.0, Tensor? "
              "weight=None, bool? size_average=None, bool? reduce=None, str reduction='mean') -> Tensor",
    .doc = "The mean over the other classes of max(0, margin - input[target] + input[i]) ** p.",
    .kernel = RL_SCRIPT(R"py(
reduced = functional._reduction(size_average, reduce, reduction)
if p != 1 and p != 2:
    raise ValueError("only p == 1 and p == 2 supported")
if weight is not None:
    if weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
return torch.multi_margin_loss(input, target, p, margin, weight, reduced)
)py")})

OP(functional_cosine_embedding_loss,
   {.schema = "functional::cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0, bool? "
              "size_average=None, bool? reduce=None, str reduction='mean') -> Tensor",
    .doc = "1 - cos where the target is 1, max(0, cos - margin) where it is -1.",
    .kernel = RL_SCRIPT("return torch.cosine_embedding_loss(input1, input2, target, margin, "
                        "functional._reduction(size_average, reduce, reduction))")})

OP(functional_ctc_loss,
   {.schema = "functional::ctc_loss(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor target_lengths, "
              "int blank=0, str reduction='mean', bool zero_infinity=False) -> Tensor",
    .doc = "The connectionist temporal classification loss of (T, N, C) log-probabilities.",
    .kernel = RL_SCRIPT(R"py(
reduced = functional._reduction(None, None, reduction)
return torch.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, reduced, zero_infinity)
)py"),
    .overloads = {
        "functional::ctc_loss.lengths(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, "
        "int blank=0, str reduction='mean', bool zero_infinity=False) -> Tensor"}})

OP(functional_triplet_margin_loss,
   {.schema = "functional::triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, Scalar margin=1.0, "
              "float p=2, float eps=1e-06, bool swap=False, bool? size_average=None, bool? reduce=None, str "
              "reduction='mean') -> Tensor",
    .doc = "max(0, d(anchor, positive) - d(anchor, negative) + margin).",
    .kernel = RL_SCRIPT(R"py(
reduced = functional._reduction(size_average, reduce, reduction)
if margin <= 0:
    raise ValueError(f"margin must be greater than 0, got {margin}")
return torch.triplet_margin_loss(anchor, positive, negative, float(margin), p, eps, swap, reduced)
)py")})

// The distances are the caller's, who may have a function of their own.
OP(functional_triplet_of_distances,
   {.schema = "functional::_triplet_of_distances(Tensor positive, Tensor negative, Tensor? swapped, float margin, "
              "str reduction) -> Tensor",
    .doc = "The triplet loss of distances: to the positive, to the negative, and between these two where that may "
           "stand for it.",
    .kernel = RL_SCRIPT(R"py(
if swapped is not None:
    negative = torch.minimum(negative, swapped)
return functional._reduced(torch.clamp_min(margin + positive - negative, 0), reduction)
)py")})

}  // namespace rushlight
