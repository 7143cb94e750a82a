"""Padding, resampling, folding and shuffling of images and volumes."""

from __future__ import annotations

import warnings
from typing import Any

import rushlight as rl
from rushlight import Tensor

from .._tuples import _pair
from ._operators import operator, ops

pixel_shuffle = operator("pixel_shuffle")
pixel_unshuffle = operator("pixel_unshuffle")
channel_shuffle = operator("channel_shuffle")
native_channel_shuffle = operator("native_channel_shuffle")


def pad(input: Tensor, pad: list[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Pads the last dimensions.

    Args:
        pad: (before, after) of the last dimension, then of the one before it, and so on.
        mode: ``"constant"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.

    >>> import rushlight as torch
    >>> torch.nn.functional.pad(torch.ones(2), (1, 0))
    tensor([0., 1., 1.])
    """
    return ops.pad(input, pad, mode, value)


def _is_integer(x: Any) -> bool:
    if isinstance(x, Tensor):
        return not x.is_floating_point()
    return isinstance(x, int) or hasattr(x, "__index__")


def _area(input: Tensor, size: Any) -> Tensor:
    if input.dim() == 3:
        return rl.adaptive_avg_pool1d(input, size)
    return ops.adaptive_avg_pool2d(input, size) if input.dim() == 4 else ops.adaptive_avg_pool3d(input, size)


def _nearest(input: Tensor, size: Any, scale: Any) -> Tensor:
    if input.dim() == 3:
        return ops.upsample_nearest1d(input, size, scale)
    if input.dim() == 4:
        return ops.upsample_nearest2d(input, size, scale)
    return ops.upsample_nearest3d(input, size, scale)


def _nearest_exact(input: Tensor, size: Any, scale: Any) -> Tensor:
    if input.dim() == 3:
        return ops._upsample_nearest_exact1d(input, size, scale)
    if input.dim() == 4:
        return ops._upsample_nearest_exact2d(input, size, scale)
    return ops._upsample_nearest_exact3d(input, size, scale)


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resamples ``(N, C, ...)`` to ``size`` or by ``scale_factor``.

    Args:
        mode: ``"nearest"``, ``"nearest-exact"``, ``"linear"``, ``"bilinear"``, ``"bicubic"``, ``"trilinear"`` or
            ``"area"``.
        align_corners: whether the corner pixels' centres, not their edges, are aligned.
    """
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the "
                "interpolating modes: linear | bilinear | bicubic | trilinear"
            )
    elif align_corners is None:
        align_corners = False

    dim = input.dim() - 2
    output_size: Any = None
    scale_factors: Any = None
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        if isinstance(size, (list, tuple)):
            if len(size) != dim:
                raise ValueError(
                    "Input and output must have the same number of spatial dimensions, but got "
                    f"input with spatial dimensions of {list(input.shape[2:])} and output size of {size}. "
                    "Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
                    "output size in (o1, o2, ...,oK) format."
                )
            if not all([_is_integer(x) for x in size]):  # noqa: C419  (a script has no generators)
                types = "a script's" if rl.jit.is_scripting() else [type(x) for x in size]
                raise TypeError(
                    "expected size to be one of int or Tuple[int] or Tuple[int, int] or "
                    f"Tuple[int, int, int], but got size with types {types}"
                )
            output_size = [int(x) for x in size]
        else:
            output_size = [size] * dim
    elif scale_factor is not None:
        if isinstance(scale_factor, (list, tuple)):
            if len(scale_factor) != dim:
                raise ValueError(
                    "Input and scale_factor must have the same number of spatial dimensions, but "
                    f"got input with spatial dimensions of {list(input.shape[2:])} and "
                    f"scale_factor of shape {scale_factor}. "
                    "Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
                    "scale_factor in (s1, s2, ...,sK) format."
                )
            scale_factors = [float(s) for s in scale_factor]
        else:
            scale_factors = [float(scale_factor)] * dim
    else:
        raise ValueError("either size or scale_factor should be defined")
    if recompute_scale_factor and size is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    if scale_factors is not None and (recompute_scale_factor or mode == "area"):
        output_size = [int(input.size(i + 2) * scale_factors[i]) for i in range(dim)]
        scale_factors = None
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and input.ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input"
        )

    corners = align_corners is not None and align_corners
    if mode == "lanczos":
        if not antialias:
            raise ValueError("Lanczos mode requires antialias=True")
        if corners:
            raise ValueError("Lanczos mode does not support align_corners=True")
    if input.dim() in (3, 4, 5):
        if mode == "area":
            return _area(input, output_size)
        if mode == "nearest":
            return _nearest(input, output_size, scale_factors)
        if mode == "nearest-exact":
            return _nearest_exact(input, output_size, scale_factors)
    if mode == "linear" and input.dim() == 3:
        return ops.upsample_linear1d(input, output_size, corners, scale_factors)
    if mode == "bilinear" and input.dim() == 4:
        if antialias:
            return ops._upsample_bilinear2d_aa(input, output_size, corners, scale_factors)
        return ops.upsample_bilinear2d(input, output_size, corners, scale_factors)
    if mode == "trilinear" and input.dim() == 5:
        return ops.upsample_trilinear3d(input, output_size, corners, scale_factors)
    if mode == "bicubic" and input.dim() == 4:
        if antialias:
            return ops._upsample_bicubic2d_aa(input, output_size, corners, scale_factors)
        return ops.upsample_bicubic2d(input, output_size, corners, scale_factors)
    if mode == "lanczos" and input.dim() == 4:
        return ops._upsample_lanczos2d_aa(input, output_size, corners, scale_factors)
    if mode in ("linear", "bilinear", "trilinear") and input.dim() in (3, 4, 5):
        wanted = 3 if mode == "linear" else 4 if mode == "bilinear" else 5
        raise NotImplementedError(f"Got {input.dim()}D input, but {mode} mode needs {wanted}D input")
    raise NotImplementedError(
        "Input Error: Only 3D, 4D and 5D input Tensors supported"
        f" (got {input.dim()}D) for the modes: nearest | linear | bilinear | bicubic | trilinear | lanczos | area | "
        f"nearest-exact (got {mode})"
    )


def _deprecated(name: str) -> None:
    warnings.warn(f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=3)


def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """The deprecated name of interpolate."""
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """Deprecated: interpolate with mode "nearest"."""
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """Deprecated: interpolate with mode "bilinear" and aligned corners."""
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


_GRID_MODES = {"bilinear": 0, "nearest": 1, "bicubic": 2}
_GRID_PADDING = {"zeros": 0, "border": 1, "reflection": 2}


def _default_align_corners(align_corners: bool | None) -> bool:
    if align_corners is not None:
        return align_corners
    warnings.warn(
        "Default grid_sample and affine_grid behavior has changed "
        "to align_corners=False since 1.3.0. Please specify "
        "align_corners=True if the old behavior is desired. "
        "See the documentation of grid_sample for details.",
        stacklevel=3,
    )
    return False


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Samples ``input`` at the places that ``grid`` gives, in [-1, 1]."""
    if mode not in _GRID_MODES:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in _GRID_PADDING:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', "
            f"but got: '{padding_mode}'"
        )
    corners = _default_align_corners(align_corners)
    return rl.grid_sampler(input, grid, _GRID_MODES[mode], _GRID_PADDING[padding_mode], corners)


def affine_grid(theta: Tensor, size: list[int], align_corners: bool | None = None) -> Tensor:
    """The grid of grid_sample that a batch of affine maps makes."""
    corners = _default_align_corners(align_corners)
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, "
            "for 2D and 3D affine transforms, respectively. "
            f"Got size {size}."
        )
    spatial = len(size) - 2
    if theta.dim() != 3 or tuple(theta.shape[-2:]) != (spatial, spatial + 1):
        raise ValueError(
            f"Expected a batch of {spatial}D affine matrices of shape Nx{spatial}x{spatial + 1} for size {size}. "
            f"Got {theta.shape}."
        )
    if corners and min(size[-spatial:]) == 1:
        warnings.warn(
            "Since version 1.3.0, affine_grid behavior has changed "
            "for unit-size grids when align_corners=True. "
            "This is not an intended use case of affine_grid. "
            "See the documentation of affine_grid for details.",
            stacklevel=2,
        )
    elif min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    return rl.affine_grid_generator(theta, size, corners)


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The sliding windows of an image, each a column."""
    return ops.im2col(input, _pair(kernel_size), _pair(dilation), _pair(padding), _pair(stride))


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """The sum of columns back into an image: the adjoint of unfold."""
    return ops.col2im(input, _pair(output_size), _pair(kernel_size), _pair(dilation), _pair(padding), _pair(stride))
