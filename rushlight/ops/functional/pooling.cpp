// Pooling of nn.functional that other operators make up: powers' means, sizes of what is put back, places drawn at random.
#include "rushlight/dispatch/scripted.h"

namespace rushlight {

// The power mean's body from the averages `out` over windows of `count` elements.
OP(functional_root_of_mean,
   {.schema = "functional::_root_of_mean(Tensor out, int count, float norm_type) -> Tensor",
    .doc = "(count * out) ** (1 / norm_type), keeping the sign.",
    .kernel = RL_SCRIPT("return (torch.sign(out) * torch.relu(torch.abs(out))).mul(count).pow(1.0 / norm_type)")})

OP(functional_lp_pool1d, {.schema = "functional::lp_pool1d(Tensor input, float norm_type, int[1] kernel_size, "
                                    "int[1]? stride=None, bool ceil_mode=False) "
                                    "-> Tensor",
                          .doc = "(sum of x ** norm_type) ** (1 / norm_type) over windows of (N, C, L) or (C, L). "
                                 ">>> torch.nn.functional.lp_pool1d(torch.tensor([[3.0, 4.0]]), 2.0, 2)",
                          .kernel = RL_SCRIPT(R"py(
step = kernel_size if stride is None else stride
if norm_type == inf:
    return torch.max_pool1d(input.abs(), kernel_size, step, 0, 1, ceil_mode)
if norm_type == -inf:
    return -torch.max_pool1d(-input.abs(), kernel_size, step, 0, 1, ceil_mode)
out = torch.avg_pool1d(input.pow(norm_type), kernel_size, step, 0, ceil_mode)
return functional._root_of_mean(out, kernel_size[0], norm_type)
)py")})

OP(functional_lp_pool2d,
   {.schema = "functional::lp_pool2d(Tensor input, float norm_type, int[2] kernel_size, int[2]? stride=None, bool "
              "ceil_mode=False) "
              "-> Tensor",
    .doc = "(sum of x ** norm_type) ** (1 / norm_type) over windows of (N, C, H, W) or (C, H, W).",
    .kernel = RL_SCRIPT(R"py(
step = kernel_size if stride is None else stride
if norm_type == inf:
    return torch.max_pool2d(input.abs(), kernel_size, step, 0, 1, ceil_mode)
if norm_type == -inf:
    return -torch.max_pool2d(-input.abs(), kernel_size, step, 0, 1, ceil_mode)
out = torch.avg_pool2d(input.pow(norm_type), kernel_size, step, 0, ceil_mode)
return functional._root_of_mean(out, kernel_size[0] * kernel_size[1], norm_type)
)py")})

OP(functional_lp_pool3d,
   {.schema = "functional::lp_pool3d(Tensor input, float norm_type, int[3] kernel_size, int[3]? stride=None, bool "
              "ceil_mode=False) "
              "-> Tensor",
    .doc = "(sum of x ** norm_type) ** (1 / norm_type) over windows of (N, C, D, H, W) or (C, D, H, W).",
    .kernel = RL_SCRIPT(R"py(
step = kernel_size if stride is None else stride
if norm_type == inf:
    return torch.max_pool3d(input.abs(), kernel_size, step, 0, 1, ceil_mode)
if norm_type == -inf:
    return -torch.max_pool3d(-input.abs(), kernel_size, step, 0, 1, ceil_mode)
out = torch.avg_pool3d(input.pow(norm_type), kernel_size, step, 0, ceil_mode)
return functional._root_of_mean(out, kernel_size[0] * kernel_size[1] * kernel_size[2], norm_type)
)py")})

OP(functional_unpool_size,
   {.schema = "functional::_unpool_size(Tensor input, int[] kernel_size, int[] stride, int[] padding, int[]? "
              "output_size) -> int[]",
    .doc = "The spatial sizes that pooling made `input` of; several do, and `output_size` names one of them.",
    .kernel = RL_SCRIPT(R"py(
n = len(kernel_size)
first = input.dim() - n
default: List[int] = []
for d in range(n):
    default.append((input.size(first + d) - 1) * stride[d] + kernel_size[d] - 2 * padding[d])
if output_size is None:
    return default
size = output_size
if len(size) == n + 2:
    size = size[2:]
if len(size) != n:
    raise ValueError(
        f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a length of '{len(size)}'")
for d in range(n):
    low = default[d] - stride[d]
    high = default[d] + stride[d]
    if size[d] <= low or size[d] >= high:
        raise ValueError(f'invalid output_size "{size}" (dim {d} must be between {low} and {high})')
return size
)py")})

OP(functional_max_unpool1d, {.schema = "functional::max_unpool1d(Tensor input, Tensor indices, int[1] kernel_size, "
                                       "int[1]? stride=None, int[1] padding=0, "
                                       "int[]? output_size=None) -> Tensor",
                             .doc = "Puts each value back where max_pool1d found it; zeros elsewhere. `output_size` "
                                    "may have the batch's dimensions too.",
                             .kernel = RL_SCRIPT(R"py(
step = kernel_size if stride is None else stride
size = functional._unpool_size(input, kernel_size, step, padding, output_size)
return torch.max_unpool2d(input.unsqueeze(-1), indices.unsqueeze(-1), size + [1]).squeeze(-1)
)py")})

OP(functional_max_unpool2d, {.schema = "functional::max_unpool2d(Tensor input, Tensor indices, int[2] kernel_size, "
                                       "int[2]? stride=None, int[2] padding=0, "
                                       "int[]? output_size=None) -> Tensor",
                             .doc = "Puts each value back where max_pool2d found it; zeros elsewhere.",
                             .kernel = RL_SCRIPT(R"py(
step = kernel_size if stride is None else stride
return torch.max_unpool2d(input, indices, functional._unpool_size(input, kernel_size, step, padding, output_size))
)py")})

OP(functional_max_unpool3d, {.schema = "functional::max_unpool3d(Tensor input, Tensor indices, int[3] kernel_size, "
                                       "int[3]? stride=None, int[3] padding=0, "
                                       "int[]? output_size=None) -> Tensor",
                             .doc = "Puts each value back where max_pool3d found it; zeros elsewhere.",
                             .kernel = RL_SCRIPT(R"py(
step = kernel_size if stride is None else stride
size = functional._unpool_size(input, kernel_size, step, padding, output_size)
return torch.max_unpool3d(input, indices, size, step, padding)
)py")})

OP(functional_fractional_places,
   {.schema = "functional::_fractional_places(Tensor input, int dims, int[]? output_size, float[]? output_ratio, "
              "Tensor? samples) -> "
              "(int[], Tensor)",
    .doc = "The sizes of fractional pooling's result, and where its windows are: `samples`, or drawn.",
    .kernel = RL_SCRIPT(R"py(
if output_size is not None:
    size = output_size
elif output_ratio is not None:
    size: List[int] = []
    for d in range(dims):
        size.append(int(input.size(input.dim() - dims + d) * output_ratio[d]))
else:
    raise ValueError(f"fractional_max_pool{dims}d requires specifying either an output_size or an output_ratio")
if samples is not None:
    return size, samples
batch = 1 if input.dim() == dims + 1 else input.size(0)
return size, torch.rand([batch, input.size(-dims - 1), dims], dtype=input.dtype, device=input.device)
)py"),
    .shares = {"samples"},
    .draws = "always"})

OP(functional_fractional_max_pool2d,
   {.schema =
        "functional::fractional_max_pool2d_with_indices(Tensor input, int[2] kernel_size, int[2]? output_size=None, "
        "float[2]? output_ratio=None, bool return_indices=False, Tensor? _random_samples=None) -> (Tensor, Tensor)",
    .doc = "Maxima of windows at places drawn at random, and where each maximum was found.",
    .kernel = RL_SCRIPT(R"py(
size, samples = functional._fractional_places(input, 2, output_size, output_ratio, _random_samples)
return torch.fractional_max_pool2d(input, kernel_size, size, samples)
)py"),
    .draws = "always"})

OP(functional_fractional_max_pool3d,
   {.schema =
        "functional::fractional_max_pool3d_with_indices(Tensor input, int[3] kernel_size, int[3]? output_size=None, "
        "float[3]? output_ratio=None, bool return_indices=False, Tensor? _random_samples=None) -> (Tensor, Tensor)",
    .doc = "Maxima of windows at places drawn at random, and where each maximum was found.",
    .kernel = RL_SCRIPT(R"py(
size, samples = functional._fractional_places(input, 3, output_size, output_ratio, _random_samples)
return torch.fractional_max_pool3d(input, kernel_size, size, samples)
)py"),
    .draws = "always"})

}  // namespace rushlight
