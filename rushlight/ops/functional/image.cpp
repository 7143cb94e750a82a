// Images and volumes of nn.functional: resampling, sampling at places, unfolding.
#include "rushlight/dispatch/scripted.h"

namespace rushlight {

OP(functional_interpolate,
   {.schema = "functional::interpolate(Tensor input, int[]? size=None, float[]? scale_factor=None, str mode='nearest', "
              "bool? align_corners=None, bool? recompute_scale_factor=None, bool antialias=False) -> Tensor",
    .doc = "Resamples (N, C, ...) to `size` or by `scale_factor`. `mode` is nearest, nearest-exact, linear, "
           "bilinear, bicubic, trilinear "
           "or area; `align_corners` aligns the corner pixels' centres, not their edges. "
           ">>> torch.nn.functional.interpolate(torch.ones(1, 1, 2), size=4).shape",
    .kernel = RL_SCRIPT(R"py(
if mode in ("nearest", "area", "nearest-exact"):
    if align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear")
dim = input.dim() - 2
sizes: Optional[List[int]] = None
scales: Optional[List[float]] = None
if size is not None and scale_factor is not None:
    raise ValueError("only one of size or scale_factor should be defined")
if size is not None:
    if isinstance(size, int):
        sizes = [size] * dim
    else:
        if len(size) != dim:
            shown = ", ".join([str(n) for n in size])
            raise ValueError(
                "Input and output must have the same number of spatial dimensions, but got input with spatial dimensions of "
                f"{input.size()[2:]} and output size of ({shown}). Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
                "output size in (o1, o2, ...,oK) format.")
        sizes = size
elif scale_factor is not None:
    if isinstance(scale_factor, float):
        scales = [scale_factor] * dim
    else:
        if len(scale_factor) != dim:
            shown = ", ".join([str(s) for s in scale_factor])
            raise ValueError(
                "Input and scale_factor must have the same number of spatial dimensions, but got input with spatial dimensions of "
                f"{input.size()[2:]} and scale_factor of shape ({shown}). Please provide input tensor in (N, C, d1, d2, ...,dK) "
                "format and scale_factor in (s1, s2, ...,sK) format.")
        scales = scale_factor
else:
    raise ValueError("either size or scale_factor should be defined")
again = recompute_scale_factor is not None and recompute_scale_factor
if again and size is not None:
    raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
if scales is not None:
    if again or mode == "area":
        found: List[int] = []
        for i in range(dim):
            found.append(int(input.size(i + 2) * scales[i]))
        sizes = found
        scales = None
if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and input.dim() == 4):
    raise ValueError(
        "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input")
corners = align_corners is not None and align_corners
if mode == "lanczos":
    if not antialias:
        raise ValueError("Lanczos mode requires antialias=True")
    if corners:
        raise ValueError("Lanczos mode does not support align_corners=True")
if mode == "area":
    assert sizes is not None
    if input.dim() == 3:
        return torch.adaptive_avg_pool1d(input, sizes)
    if input.dim() == 4:
        return torch.adaptive_avg_pool2d(input, sizes)
    if input.dim() == 5:
        return torch.adaptive_avg_pool3d(input, sizes)
if mode == "nearest":
    if input.dim() == 3:
        return torch.upsample_nearest1d(input, sizes, scales)
    if input.dim() == 4:
        return torch.upsample_nearest2d(input, sizes, scales)
    if input.dim() == 5:
        return torch.upsample_nearest3d(input, sizes, scales)
if mode == "nearest-exact":
    if input.dim() == 3:
        return torch._upsample_nearest_exact1d(input, sizes, scales)
    if input.dim() == 4:
        return torch._upsample_nearest_exact2d(input, sizes, scales)
    if input.dim() == 5:
        return torch._upsample_nearest_exact3d(input, sizes, scales)
if mode == "linear" and input.dim() == 3:
    return torch.upsample_linear1d(input, sizes, corners, scales)
if mode == "bilinear" and input.dim() == 4:
    if antialias:
        return torch._upsample_bilinear2d_aa(input, sizes, corners, scales)
    return torch.upsample_bilinear2d(input, sizes, corners, scales)
if mode == "trilinear" and input.dim() == 5:
    return torch.upsample_trilinear3d(input, sizes, corners, scales)
if mode == "bicubic" and input.dim() == 4:
    if antialias:
        return torch._upsample_bicubic2d_aa(input, sizes, corners, scales)
    return torch.upsample_bicubic2d(input, sizes, corners, scales)
if mode == "lanczos" and input.dim() == 4:
    return torch._upsample_lanczos2d_aa(input, sizes, corners, scales)
if mode in ("linear", "bilinear", "trilinear") and input.dim() >= 3 and input.dim() <= 5:
    wanted = 3 if mode == "linear" else 4 if mode == "bilinear" else 5
    raise NotImplementedError(f"Got {input.dim()}D input, but {mode} mode needs {wanted}D input. Hint: the input is (batch, channels, sizes ...); x.unsqueeze(0) adds a batch of one")
raise NotImplementedError(
    f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.dim()}D) for the modes: nearest | linear | bilinear | "
    f"bicubic | trilinear | lanczos | area | nearest-exact (got {mode})")
)py"),
    .overloads = {
        "functional::interpolate.size(Tensor input, int size, float[]? scale_factor=None, str mode='nearest', "
        "bool? align_corners=None, bool? recompute_scale_factor=None, bool antialias=False) -> Tensor",
        "functional::interpolate.scale(Tensor input, int[]? size=None, float scale_factor, str mode='nearest', "
        "bool? align_corners=None, bool? recompute_scale_factor=None, bool antialias=False) -> Tensor",
        "functional::interpolate.size_scale(Tensor input, int size, float scale_factor, str mode='nearest', "
        "bool? align_corners=None, bool? recompute_scale_factor=None, bool antialias=False) -> Tensor"}})

OP(functional_grid_sample,
   {.schema = "functional::grid_sample(Tensor input, Tensor grid, str mode='bilinear', str padding_mode='zeros', "
              "bool? align_corners=None) -> Tensor",
    .doc = "Samples `input` at the places that `grid` gives, in [-1, 1].",
    .kernel = RL_SCRIPT(R"py(
modes = ["bilinear", "nearest", "bicubic"]
paddings = ["zeros", "border", "reflection"]
if mode not in ("bilinear", "nearest", "bicubic"):
    raise ValueError(
        f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'")
if padding_mode not in ("zeros", "border", "reflection"):
    raise ValueError("nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', "
                     f"but got: '{padding_mode}'")
corners = functional._aligned(align_corners)
return torch.grid_sampler(input, grid, modes.index(mode), paddings.index(padding_mode), corners)
)py")})

OP(functional_aligned, {.schema = "functional::_aligned(bool? align_corners) -> bool",
                        .doc = "What grids do where nothing is said, with a warning.",
                        .kernel = RL_SCRIPT(R"py(
if align_corners is not None:
    return align_corners
warn("Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
     "align_corners=True if the old behavior is desired. See the documentation of grid_sample for details.")
return False
)py")})

OP(functional_affine_grid,
   {.schema = "functional::affine_grid(Tensor theta, int[] size, bool? align_corners=None) -> Tensor",
    .doc = "The grid of grid_sample that a batch of affine maps makes: (N, 2, 3) or (N, 3, 4) for a size of four or "
           "five numbers.",
    .kernel = RL_SCRIPT(R"py(
corners = functional._aligned(align_corners)
if not theta.is_floating_point():
    raise ValueError("Expected theta to have floating point type, but got another")
if len(size) != 4 and len(size) != 5:
    raise NotImplementedError(
        f"affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size {size}.")
n = len(size) - 2
if theta.dim() != 3 or theta.size(-2) != n or theta.size(-1) != n + 1:
    raise ValueError(f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size {size}. Got {theta.size()}.")
if corners and min(size[2:]) == 1:
    warn("Since version 1.3.0, affine_grid behavior has changed for unit-size grids when align_corners=True. "
         "This is not an intended use case of affine_grid. See the documentation of affine_grid for details.")
elif min(size) <= 0:
    raise ValueError(f"Expected non-zero, positive output size. Got {size}")
return torch.affine_grid_generator(theta, size, corners)
)py")})

OP(functional_unfold,
   {.schema = "functional::unfold(Tensor input, int[2] kernel_size, int[2] dilation=1, int[2] padding=0, int[2] "
              "stride=1) -> Tensor",
    .doc = "The sliding windows of an image, each a column.",
    .kernel = RL_SCRIPT("return torch.im2col(input, kernel_size, dilation, padding, stride)")})

OP(functional_fold,
   {.schema = "functional::fold(Tensor input, int[2] output_size, int[2] kernel_size, int[2] "
              "dilation=1, int[2] padding=0, "
              "int[2] stride=1) -> Tensor",
    .doc = "The sum of columns back into an image: the adjoint of unfold.",
    .kernel = RL_SCRIPT("return torch.col2im(input, output_size, kernel_size, dilation, padding, stride)")})

}  // namespace rushlight
