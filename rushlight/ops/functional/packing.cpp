// Sequences of different lengths, packed for recurrent networks step by step: the first elements of all, then the second, and so on.
#include "rushlight/dispatch/scripted.h"

namespace rushlight {

OP(_pack_padded_sequence,
   {.schema = "_pack_padded_sequence(Tensor input, Tensor lengths, bool batch_first) -> (Tensor, Tensor)",
    .doc = "The elements of padded sequences (T, B, *), or (B, T, *) with batch_first, whose lengths fall, without the "
           "padding; and how many "
           "sequences reach each step."
           " >>> torch._pack_padded_sequence(torch.tensor([[1, 2], [3, 0]]), torch.tensor([2, 1]), True)\n"
           "(tensor([1, 3, 2]), tensor([2, 1]))",
    .kernel = RL_SCRIPT(R"py(
if batch_first:
    input = input.transpose(0, 1)
if input.dim() < 2 or input.numel() == 0:
    raise RuntimeError(f"Cannot pack empty tensors: pack_padded_sequence got an input of shape {list(input.size())}")
count = input.size(1)
if lengths.dim() != 1 or lengths.size(0) != count:
    raise RuntimeError(f"Expected `len(lengths)` to be equal to batch_size, but got {lengths.numel()} (batch_size={count})")
if lengths.is_floating_point() or lengths.is_complex():
    raise RuntimeError("Expected the lengths to be integers")
if bool((lengths[1:] > lengths[:-1]).any()):
    raise RuntimeError(
        "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
        "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you do not need ONNX "
        "exportability.")
longest, shortest = int(lengths[0]), int(lengths[-1])
if shortest <= 0:
    raise RuntimeError("Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0")
if longest > input.size(0):
    raise RuntimeError(f"Expected lengths of at most {input.size(0)}, the steps of the input, but got {longest}")
reached = torch.arange(longest, device=lengths.device).unsqueeze(1) < lengths
rows = reached.flatten().nonzero().squeeze(1)
data = input[:longest].flatten(0, 1).index_select(0, rows.to(input.device))
return data, reached.sum(1)
)py")})

OP(_pad_packed_sequence,
   {.schema = "_pad_packed_sequence(Tensor data, Tensor batch_sizes, bool batch_first, Scalar padding_value, int "
              "total_length) -> (Tensor, "
              "Tensor)",
    .doc = "Padded sequences (T, B, *), or (B, T, *) with batch_first, of total_length steps if that is positive, and "
           "their lengths: the "
           "inverse of _pack_padded_sequence."
           " >>> torch._pad_packed_sequence(torch.tensor([1, 3, 2]), torch.tensor([2, 1]), True, 0, -1)\n"
           "(tensor([[1, 2],\n        [3, 0]]), tensor([2, 1]))",
    .kernel = RL_SCRIPT(R"py(
if batch_sizes.dim() != 1 or batch_sizes.numel() == 0 or batch_sizes.is_floating_point():
    raise RuntimeError(f"Expected batch sizes as a list of integers, but got a tensor of shape {list(batch_sizes.size())}")
steps, count = batch_sizes.size(0), int(batch_sizes[0])
total = steps
if total_length > 0:
    if total_length < steps:
        raise RuntimeError(
            "Expected total_length to be at least the length of the longest sequence in input, but got "
            f"total_length={total_length} and max sequence length being {steps}")
    total = total_length
reached = torch.arange(count, device=batch_sizes.device) < batch_sizes.unsqueeze(1)
rows = reached.flatten().nonzero().squeeze(1)
if rows.size(0) != data.size(0):
    raise RuntimeError(f"Expected batch sizes that fall from step to step and add up to {data.size(0)}, the rows of the data")
sizes = data.size()[1:]
padded = data.new_full([total * count] + sizes, padding_value).index_copy(0, rows.to(data.device), data)
padded = padded.view([total, count] + sizes)
if batch_first:
    padded = padded.transpose(0, 1)
return padded, reached.sum(0)
)py")})

}  // namespace rushlight
