"""Fused layers on quantised tensors."""

from __future__ import annotations

import rushlight as torch

from .... import _missing
from ..quantized import Conv1d, Conv2d, Conv3d, Linear

__all__ = ["ConvReLU1d", "ConvReLU2d", "ConvReLU3d", "LinearReLU"]


class LinearReLU(Linear):
    """relu of a linear layer."""

    _apply_op = staticmethod(lambda *args: torch.ops.quantized.linear_relu(*args))


class ConvReLU1d(Conv1d):
    """relu of a convolution."""

    _relu = True


class ConvReLU2d(Conv2d):
    """relu of a convolution."""

    _relu = True


class ConvReLU3d(Conv3d):
    """relu of a convolution."""

    _relu = True


__getattr__ = _missing.getattr_of(__name__)
