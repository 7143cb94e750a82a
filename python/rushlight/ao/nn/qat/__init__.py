"""Layers whose weights are rounded as they will be once they are quantised, for training."""

from __future__ import annotations

from typing import Any

from .... import _missing
from ....nn import Conv1d as _Conv1d
from ....nn import Conv2d as _Conv2d
from ....nn import Conv3d as _Conv3d
from ....nn import Linear as _Linear
from ....nn import functional as F

__all__ = ["Conv1d", "Conv2d", "Conv3d", "Linear"]


class _Aware:
    """Puts ``weight_fake_quant`` over the weight."""

    _FLOAT_MODULE: type

    def __init__(self, *args: Any, qconfig: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not qconfig:
            raise AssertionError("qconfig must be provided for QAT module")
        self.qconfig = qconfig
        self.weight_fake_quant = qconfig.weight()

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        from ..intrinsic import _FusedModule

        qconfig = mod.qconfig
        relu = isinstance(mod, _FusedModule)
        inner = mod[0] if relu else mod
        if isinstance(inner, _Linear):
            out: Any = cls(inner.in_features, inner.out_features, bias=inner.bias is not None, qconfig=qconfig)
        else:
            out = cls(
                inner.in_channels, inner.out_channels, inner.kernel_size, inner.stride, inner.padding, inner.dilation, inner.groups,
                inner.bias is not None, inner.padding_mode, qconfig=qconfig,
            )  # fmt: skip
        out.weight, out.bias = inner.weight, inner.bias
        return out

    def to_float(self) -> Any:
        """The float layer with this one's weights."""
        out = self._FLOAT_MODULE.__new__(self._FLOAT_MODULE)
        out.__dict__.update({k: v for k, v in self.__dict__.items() if k not in ("weight_fake_quant", "qconfig")})
        out._modules = {
            k: v for k, v in self._modules.items() if k not in ("weight_fake_quant", "activation_post_process")
        }  # type: ignore[attr-defined]
        return out


class Linear(_Aware, _Linear):
    _FLOAT_MODULE = _Linear

    def forward(self, input: Any) -> Any:
        return F.linear(input, self.weight_fake_quant(self.weight), self.bias)


class _ConvAware(_Aware):
    def forward(self, input: Any) -> Any:
        return self._conv_forward(input, self.weight_fake_quant(self.weight), self.bias)  # type: ignore[attr-defined]


class Conv1d(_ConvAware, _Conv1d):
    _FLOAT_MODULE = _Conv1d


class Conv2d(_ConvAware, _Conv2d):
    _FLOAT_MODULE = _Conv2d


class Conv3d(_ConvAware, _Conv3d):
    _FLOAT_MODULE = _Conv3d


__getattr__ = _missing.getattr_of(__name__)
