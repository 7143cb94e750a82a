// Normalisation, embeddings and their checks of nn.functional.
#include "rushlight/dispatch/scripted.h"

namespace rushlight {

OP(functional_checked_index,
   {.schema = "functional::_padding_row(Tensor weight, int? padding_idx) -> int",
    .doc = "The row of an embedding that gets no gradient, counted from the first; -1 for none.",
    .kernel = RL_SCRIPT(R"py(
if padding_idx is None:
    return -1
rows = weight.size(0)
if padding_idx >= rows or padding_idx < -rows:
    raise AssertionError("Padding_idx must be within num_embeddings")
return padding_idx if padding_idx >= 0 else padding_idx + rows
)py")})

OP(functional_embedding, {.schema = "functional::embedding(Tensor input, Tensor weight, int? padding_idx=None, "
                                    "float? max_norm=None, float norm_type=2.0, "
                                    "bool scale_grad_by_freq=False, bool sparse=False) -> Tensor",
                          .doc = "The rows of `weight` that `input` names. `padding_idx` is a row that gets no "
                                 "gradient; rows with a larger `norm_type` norm than "
                                 "`max_norm` are first scaled down, in place. "
                                 ">>> torch.nn.functional.embedding(torch.tensor([1]), torch.eye(2))",
                          .kernel = RL_SCRIPT(R"py(
row = functional._padding_row(weight, padding_idx)
if max_norm is not None:
    input = input.contiguous()
    with torch.no_grad():
        torch.embedding_renorm_(weight, input, max_norm, norm_type)
return torch.embedding(weight, input, row, scale_grad_by_freq, sparse)
)py"),
                          .writes = {"weight:max_norm"}})

OP(functional_embedding_bag,
   {.schema = "functional::embedding_bag(Tensor input, Tensor weight, Tensor? offsets=None, float? max_norm=None, "
              "float norm_type=2, "
              "bool scale_grad_by_freq=False, str mode='mean', bool sparse=False, Tensor? per_sample_weights=None, "
              "bool include_last_offset=False, int? padding_idx=None) -> Tensor",
    .doc = "Sums, means or maxima of the rows of `weight` that each bag of `input` names: (B, N), a bag a row, or "
           "(N) with the bags' starts in "
           "`offsets`.",
    .kernel = RL_SCRIPT(R"py(
if weight.dtype == torch.int64 and input.is_floating_point():
    warn("Argument order of nn.functional.embedding_bag was changed. Usage `embedding_bag(weight, input, ...)` is deprecated, "
         "and should now be `embedding_bag(input, weight, ...)`.")
    rows, table = weight, input
else:
    rows, table = input, weight
if per_sample_weights is not None:
    if rows.size() != per_sample_weights.size():
        raise ValueError(
            f"embedding_bag: If per_sample_weights (torch.Size({per_sample_weights.size()})) is not None, "
            f"then it must have the same shape as the input (torch.Size({rows.size()}))")
if table.dim() != 2:
    raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {table.dim()}")
if rows.dim() == 2:
    if offsets is not None:
        raise ValueError(
            "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences. "
            "However, found offsets of type Tensor")
    starts = torch.arange(0, rows.numel(), rows.size(1), dtype=rows.dtype, device=rows.device)
    last = False
    rows = rows.reshape(-1)
    if per_sample_weights is not None:
        per_sample_weights = per_sample_weights.reshape(-1)
elif rows.dim() == 1:
    if offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None. Hint: it says where each bag begins in a 1D input; "
                         "a 2D input, a row for each bag, needs none")
    if offsets.dim() != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    starts = offsets
    last = include_last_offset
else:
    raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {rows.dim()}")
if mode not in ("sum", "mean", "max"):
    raise ValueError("mode has to be one of sum, mean or max")
if mode == "max" and scale_grad_by_freq:
    raise ValueError("max mode does not support scaling the gradient by the frequency")
if mode == "max" and sparse:
    raise ValueError("max mode does not support sparse weights")
if max_norm is not None:
    with torch.no_grad():
        torch.embedding_renorm_(table, rows, max_norm, norm_type)
if per_sample_weights is not None and mode != "sum":
    raise NotImplementedError(
        "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' "
        f"(got mode='{mode}'). Please open a feature request on GitHub.")
number = 0 if mode == "sum" else 1 if mode == "mean" else 2
bags, o, sizes, most = torch.embedding_bag(
    table, rows, starts, scale_grad_by_freq, number, sparse, per_sample_weights, last, padding_idx)
return bags
)py"),
    .writes = {"weight:max_norm"}})

OP(functional_more_than_one, {.schema = "functional::_more_than_one(int[] size) -> ()",
                              .doc = "Raises where a channel has one value only.",
                              .kernel = RL_SCRIPT(R"py(
count = size[0]
for n in size[2:]:
    count *= n
if count == 1:
    raise ValueError(
        f"Expected more than 1 value per channel when training, got input size torch.Size({size}). Hint: use a larger batch "
        "(drop_last=True in the DataLoader), or model.eval()")
)py")})

OP(functional_batch_norm, {.schema = "functional::batch_norm(Tensor input, Tensor? running_mean, Tensor? "
                                     "running_var, Tensor? weight=None, Tensor? bias=None, "
                                     "bool training=False, float momentum=0.1, float eps=1e-05) -> Tensor",
                           .doc = "Normalises each channel of (N, C, ...) by its mean and variance, of the batch "
                                  "while training, running ones otherwise.",
                           .kernel = RL_SCRIPT(R"py(
if training:
    functional._more_than_one(input.size())
    if eps <= 0.0:
        raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
elif eps < 0.0:
    raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
return torch.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, True)
)py"),
                           .writes = {"running_mean:training", "running_var:training"}})

OP(functional_instance_norm,
   {.schema = "functional::instance_norm(Tensor input, Tensor? running_mean=None, Tensor? running_var=None, Tensor? "
              "weight=None, "
              "Tensor? bias=None, bool use_input_stats=True, float momentum=0.1, float eps=1e-05) -> Tensor",
    .doc = "Normalises each channel of each sample.",
    .kernel = RL_SCRIPT(R"py(
if use_input_stats:
    count = 1
    for n in input.size()[2:]:
        count *= n
    if count == 1:
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size torch.Size({input.size()})")
return torch.instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, True)
)py"),
    .writes = {"running_mean:use_input_stats", "running_var:use_input_stats"}})

OP(functional_group_norm, {.schema = "functional::group_norm(Tensor input, int num_groups, Tensor? weight=None, "
                                     "Tensor? bias=None, float eps=1e-05) -> Tensor",
                           .doc = "Normalises groups of channels of each sample of (N, C, ...).",
                           .kernel = RL_SCRIPT(R"py(
if input.dim() < 2:
    raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.dim()}")
size = input.size()
functional._more_than_one([size[0] * size[1] // num_groups, num_groups] + size[2:])
return torch.group_norm(input, num_groups, weight, bias, eps, True)
)py")})

OP(functional_local_response_norm,
   {.schema = "functional::local_response_norm(Tensor input, int size, float alpha=0.0001, float beta=0.75, float "
              "k=1.0) -> Tensor",
    .doc = "Divides by (k + alpha * mean of squares over `size` neighbouring channels) ** beta.",
    .kernel = RL_SCRIPT(R"py(
dim = input.dim()
if dim < 3:
    raise ValueError(f"Expected 3D or higher dimensionality                          input (got {dim} dimensions)")
if input.numel() == 0:
    return input
squares = input.mul(input)
before, after = size // 2, (size - 1) // 2
if dim == 3:
    padded = torch.pad(squares.unsqueeze(1), [0, 0, before, after])
    mean = torch.avg_pool2d(padded, [size, 1], [1, 1]).squeeze(1)
else:
    sizes = input.size()
    padded = torch.pad(squares.view([sizes[0], 1, sizes[1], sizes[2], -1]), [0, 0, 0, 0, before, after])
    mean = torch.avg_pool3d(padded, [size, 1, 1], [1, 1, 1]).squeeze(1).view(sizes)
return input / mean.mul(alpha).add(k).pow(beta)
)py"),
    .shares = {"input"}})

OP(functional_normalize, {.schema = "functional::normalize(Tensor input, float p=2.0, int[1] dim=1, float "
                                    "eps=1e-12, Tensor? out=None) -> Tensor",
                          .doc = "input / max(norm, eps) with the `p` norm along `dim`. >>> "
                                 "torch.nn.functional.normalize(torch.tensor([[3.0, 4.0]]))",
                          .kernel = RL_SCRIPT(R"py(
length = input.norm(p, dim, keepdim=True)
if out is None:
    return input / length.clamp_min(eps).expand_as(input)
return torch.div(input, length.clamp_min_(eps).expand_as(input), out=out)
)py"),
                          .writes = {"out"},
                          .shares = {"out"}})

}  // namespace rushlight
