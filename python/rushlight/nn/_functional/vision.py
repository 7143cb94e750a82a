"""Padding, resampling, folding and shuffling of images and volumes."""

from __future__ import annotations

import warnings
from typing import Any

from rushlight import Tensor

from ._operators import operator, records

pixel_shuffle = operator("pixel_shuffle")
pixel_unshuffle = operator("pixel_unshuffle")
channel_shuffle = operator("channel_shuffle")
native_channel_shuffle = operator("native_channel_shuffle")
pad = operator("pad")
affine_grid = records.affine_grid
fold = records.fold
grid_sample = records.grid_sample
interpolate = records.interpolate
unfold = records.unfold


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
