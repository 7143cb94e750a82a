"""Layers that belong together, as one module each: what fuse_modules makes, and its forms for training that is aware of quantisation."""

from __future__ import annotations

from typing import Any

import rushlight as torch

from .... import _missing
from ....nn import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    Conv1d,
    Conv2d,
    Conv3d,
    Linear,
    ReLU,
    Sequential,
)
from ....nn.utils.fusion import fuse_conv_bn_weights

__all__ = [
    "BNReLU2d", "BNReLU3d", "ConvBn1d", "ConvBn2d", "ConvBn3d", "ConvBnReLU1d", "ConvBnReLU2d", "ConvBnReLU3d", "ConvReLU1d", "ConvReLU2d",
    "ConvReLU3d", "LinearBn1d", "LinearReLU",
]  # fmt: skip


class _FusedModule(Sequential):
    """Run one after the other."""


def _fused(name: str, *kinds: type) -> type:
    def init(self: Any, *parts: Any) -> None:
        for part, kind in zip(parts, kinds, strict=True):
            if not isinstance(part, kind):
                raise AssertionError(
                    f"Incorrect types for input modules of {name}: expected {kind.__name__}, got {type(part).__name__}"
                )
        _FusedModule.__init__(self, *parts)

    doc = f"{', then '.join(k.__name__ for k in kinds)}."
    return type(name, (_FusedModule,), {"__init__": init, "__module__": __name__, "__doc__": doc})


ConvReLU1d = _fused("ConvReLU1d", Conv1d, ReLU)
ConvReLU2d = _fused("ConvReLU2d", Conv2d, ReLU)
ConvReLU3d = _fused("ConvReLU3d", Conv3d, ReLU)
LinearReLU = _fused("LinearReLU", Linear, ReLU)
ConvBn1d = _fused("ConvBn1d", Conv1d, BatchNorm1d)
ConvBn2d = _fused("ConvBn2d", Conv2d, BatchNorm2d)
ConvBn3d = _fused("ConvBn3d", Conv3d, BatchNorm3d)
ConvBnReLU1d = _fused("ConvBnReLU1d", Conv1d, BatchNorm1d, ReLU)
ConvBnReLU2d = _fused("ConvBnReLU2d", Conv2d, BatchNorm2d, ReLU)
ConvBnReLU3d = _fused("ConvBnReLU3d", Conv3d, BatchNorm3d, ReLU)
BNReLU2d = _fused("BNReLU2d", BatchNorm2d, ReLU)
BNReLU3d = _fused("BNReLU3d", BatchNorm3d, ReLU)
LinearBn1d = _fused("LinearBn1d", Linear, BatchNorm1d)


def folded(mod: Any) -> Any:
    """The first layer of a fused module, with a batch norm behind it in its weights, and with the observers of the whole."""
    inner = mod[0] if isinstance(mod, _FusedModule) else mod
    norm = getattr(mod, "bn", None) or next(
        (
            m
            for m in (mod if isinstance(mod, _FusedModule) else ())
            if isinstance(m, (BatchNorm1d, BatchNorm2d, BatchNorm3d))
        ),
        None,
    )
    if norm is not None:
        weight, bias = fuse_conv_bn_weights(
            inner.weight,
            inner.bias,
            norm.running_mean,
            norm.running_var,
            norm.eps,
            norm.weight,
            norm.bias,
            transpose=inner.transposed,
        )
        inner.weight, inner.bias = torch.nn.Parameter(weight), torch.nn.Parameter(bias)
    if inner is not mod:
        for name in ("qconfig", "activation_post_process"):
            if hasattr(mod, name):
                setattr(inner, name, getattr(mod, name))
    return inner


from . import qat, quantized  # noqa: E402  which need the classes above

__getattr__ = _missing.getattr_of(__name__)
