"""Fused layers for training that is aware of quantisation."""

from __future__ import annotations

from typing import Any

import rushlight as torch

from .... import _missing
from ....nn import BatchNorm1d, BatchNorm2d, BatchNorm3d
from ....nn import functional as F
from ..qat import Conv1d, Conv2d, Conv3d, Linear

__all__ = [
    "ConvBn1d", "ConvBn2d", "ConvBn3d", "ConvBnReLU1d", "ConvBnReLU2d", "ConvBnReLU3d", "ConvReLU1d", "ConvReLU2d", "ConvReLU3d",
    "LinearReLU", "freeze_bn_stats", "update_bn_stats",
]  # fmt: skip


class _ConvBn:
    """A convolution whose weight is rounded as it will be with the batch norm in it."""

    _norm: type
    _relu = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.bn = self._norm(self.out_channels)  # type: ignore[attr-defined]

    def forward(self, input: Any) -> Any:
        bn = self.bn
        shape = [-1] + [1] * (self.weight.dim() - 1)  # type: ignore[attr-defined]
        by = bn.weight / torch.sqrt(bn.running_var + bn.eps)
        weight = self.weight_fake_quant(self.weight * by.reshape(shape))  # type: ignore[attr-defined]
        y = self._conv_forward(input, weight, torch.zeros_like(bn.bias)) / by.reshape([1, *shape[:-1]])  # type: ignore[attr-defined]
        if self.bias is not None:  # type: ignore[attr-defined]
            y = y + self.bias.reshape([1, *shape[:-1]])  # type: ignore[attr-defined]
        y = bn(y)
        return F.relu(y) if self._relu else y

    def freeze_bn_stats(self) -> Any:
        self.bn.eval()
        return self

    def update_bn_stats(self) -> Any:
        self.bn.train()
        return self

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        out = super().from_float(mod, use_precomputed_fake_quant)  # type: ignore[misc]
        out.bn = mod[1]
        return out


def _conv_bn(name: str, base: type, norm: type, relu: bool) -> type:
    body = {
        "_norm": norm,
        "_relu": relu,
        "__module__": __name__,
        "__doc__": f"{base.__name__} and {norm.__name__}{' and ReLU' * relu}.",
    }
    return type(name, (_ConvBn, base), body)


ConvBn1d = _conv_bn("ConvBn1d", Conv1d, BatchNorm1d, False)
ConvBn2d = _conv_bn("ConvBn2d", Conv2d, BatchNorm2d, False)
ConvBn3d = _conv_bn("ConvBn3d", Conv3d, BatchNorm3d, False)
ConvBnReLU1d = _conv_bn("ConvBnReLU1d", Conv1d, BatchNorm1d, True)
ConvBnReLU2d = _conv_bn("ConvBnReLU2d", Conv2d, BatchNorm2d, True)
ConvBnReLU3d = _conv_bn("ConvBnReLU3d", Conv3d, BatchNorm3d, True)


class ConvReLU1d(Conv1d):
    def forward(self, input: Any) -> Any:
        return F.relu(super().forward(input))


class ConvReLU2d(Conv2d):
    def forward(self, input: Any) -> Any:
        return F.relu(super().forward(input))


class ConvReLU3d(Conv3d):
    def forward(self, input: Any) -> Any:
        return F.relu(super().forward(input))


class LinearReLU(Linear):
    def forward(self, input: Any) -> Any:
        return F.relu(super().forward(input))


def update_bn_stats(mod: Any) -> None:
    """For ``model.apply``: batch norms follow the batches."""
    if isinstance(mod, _ConvBn):
        mod.update_bn_stats()


def freeze_bn_stats(mod: Any) -> None:
    """For ``model.apply``: batch norms keep their statistics."""
    if isinstance(mod, _ConvBn):
        mod.freeze_bn_stats()


__getattr__ = _missing.getattr_of(__name__)
