"""Modules that round floats as if they were quantised, for training that is aware of it."""

from __future__ import annotations

from typing import Any

import rushlight as torch

from ...nn import Module
from .observer import (
    _PER_CHANNEL,
    FixedQParamsObserver,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    _range,
    _TakesArgs,
)

__all__ = [
    "FakeQuantize", "FakeQuantizeBase", "FixedQParamsFakeQuantize", "FusedMovingAvgObsFakeQuantize", "default_fake_quant",
    "default_fused_act_fake_quant", "default_fused_per_channel_wt_fake_quant", "default_fused_wt_fake_quant",
    "default_per_channel_weight_fake_quant", "default_weight_fake_quant", "disable_fake_quant", "disable_observer", "enable_fake_quant",
    "enable_observer",
]  # fmt: skip


class FakeQuantizeBase(_TakesArgs, Module):
    """Switches for observing and for rounding: buffers, so that copies and state dicts have them."""

    fake_quant_enabled: torch.Tensor
    observer_enabled: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fake_quant_enabled", torch.tensor([1], dtype=torch.uint8))
        self.register_buffer("observer_enabled", torch.tensor([1], dtype=torch.uint8))

    def forward(self, x: Any) -> Any:
        raise NotImplementedError

    def calculate_qparams(self, **kwargs: Any) -> Any:
        raise NotImplementedError

    def enable_fake_quant(self, enabled: bool = True) -> None:
        self.fake_quant_enabled[0] = 1 if enabled else 0

    def disable_fake_quant(self) -> None:
        self.enable_fake_quant(False)

    def enable_observer(self, enabled: bool = True) -> None:
        self.observer_enabled[0] = 1 if enabled else 0

    def disable_observer(self) -> None:
        self.enable_observer(False)


class FakeQuantize(FakeQuantizeBase):
    """Observes, and rounds to what the scale that it would choose now can say.

    >>> torch.ao.quantization.FakeQuantize()(torch.tensor([0., 1.]))
    tensor([0., 1.])
    """

    scale: torch.Tensor
    zero_point: torch.Tensor

    def __init__(
        self, observer: Any = MovingAverageMinMaxObserver, quant_min: int | None = None, quant_max: int | None = None,
        is_dynamic: bool = False, **observer_kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        if quant_min is not None and quant_max is not None:
            if quant_min > quant_max:
                raise AssertionError("quant_min must be less than or equal to quant_max")
            low, high = _range(observer_kwargs.get("dtype", torch.quint8), False)
            if quant_min < low or quant_max > high:
                raise AssertionError(f"quant_min and quant_max out of bound: the dtype holds {low} to {high}")
            observer_kwargs.update(quant_min=quant_min, quant_max=quant_max)
        observer_kwargs["is_dynamic"] = is_dynamic
        self.is_dynamic = is_dynamic
        self.activation_post_process = observer(**observer_kwargs)
        self.quant_min = self.activation_post_process.quant_min
        self.quant_max = self.activation_post_process.quant_max
        self.register_buffer("scale", torch.tensor([1.0]))
        floats = self.activation_post_process.qscheme is torch.per_channel_affine_float_qparams
        self.register_buffer("zero_point", torch.tensor([0], dtype=torch.float if floats else torch.int))
        self.dtype, self.qscheme = self.activation_post_process.dtype, self.activation_post_process.qscheme
        self.ch_axis = getattr(self.activation_post_process, "ch_axis", -1)
        self.is_per_channel = self.qscheme in _PER_CHANNEL

    def calculate_qparams(self) -> tuple[Any, Any]:  # type: ignore[override]
        return self.activation_post_process.calculate_qparams()

    def forward(self, X: Any) -> Any:
        if self.observer_enabled[0] == 1:
            self.activation_post_process(X.detach())
            scale, zero_point = self.calculate_qparams()
            if self.scale.shape != scale.shape:
                self.scale.resize_(scale.shape)
                self.zero_point.resize_(zero_point.shape)
            self.scale.copy_(scale)
            self.zero_point.copy_(zero_point)
        if self.fake_quant_enabled[0] == 1:
            if self.is_per_channel:
                return torch.fake_quantize_per_channel_affine(
                    X, self.scale, self.zero_point, self.ch_axis, self.quant_min, self.quant_max
                )
            return torch.fake_quantize_per_tensor_affine(X, self.scale, self.zero_point, self.quant_min, self.quant_max)
        return X

    def extra_repr(self) -> str:
        return (
            f"fake_quant_enabled={self.fake_quant_enabled}, observer_enabled={self.observer_enabled}, quant_min={self.quant_min}, "
            f"quant_max={self.quant_max}, dtype={self.dtype}, qscheme={self.qscheme}, ch_axis={self.ch_axis}, scale={self.scale}, "
            f"zero_point={self.zero_point}"
        )

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *rest: Any) -> None:
        for name in ("scale", "zero_point"):  # as many channels as the file has
            if prefix + name in state_dict:
                getattr(self, name).resize_(state_dict[prefix + name].shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)


class FixedQParamsFakeQuantize(FakeQuantize):
    """With a scale and a zero point that are given."""

    def __init__(self, observer: Any) -> None:
        super().__init__(observer=lambda is_dynamic=False, **kw: observer(**kw))
        self.scale.copy_(self.activation_post_process.scale)
        self.zero_point.copy_(self.activation_post_process.zero_point)

    def calculate_qparams(self) -> tuple[Any, Any]:  # type: ignore[override]
        return self.scale, self.zero_point


class FusedMovingAvgObsFakeQuantize(FakeQuantize):
    """FakeQuantize over a moving average, as models in training get it by default."""

    def __init__(
        self, observer: Any = MovingAverageMinMaxObserver, quant_min: int = 0, quant_max: int = 255, is_dynamic: bool = False,
        **observer_kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(observer, quant_min, quant_max, is_dynamic, **observer_kwargs)
        if not isinstance(
            self.activation_post_process, (MovingAverageMinMaxObserver, MovingAveragePerChannelMinMaxObserver)
        ):
            raise AssertionError("Fused observer+fake_quant module only works with MovingAverageMinMaxObserver")
        self.register_buffer("fake_quant_enabled", torch.tensor([1], dtype=torch.long))
        self.register_buffer("observer_enabled", torch.tensor([1], dtype=torch.long))


def _each(mod: Any, what: str) -> None:
    if isinstance(mod, FakeQuantizeBase):
        getattr(mod, what)()


def disable_fake_quant(mod: Any) -> None:
    """For ``model.apply``."""
    _each(mod, "disable_fake_quant")


def enable_fake_quant(mod: Any) -> None:
    """For ``model.apply``."""
    _each(mod, "enable_fake_quant")


def disable_observer(mod: Any) -> None:
    """For ``model.apply``."""
    _each(mod, "disable_observer")


def enable_observer(mod: Any) -> None:
    """For ``model.apply``."""
    _each(mod, "enable_observer")


_activation = {"observer": MovingAverageMinMaxObserver, "quant_min": 0, "quant_max": 255, "dtype": torch.quint8}
_weight = {"observer": MovingAverageMinMaxObserver, "quant_min": -128, "quant_max": 127, "dtype": torch.qint8,
           "qscheme": torch.per_tensor_symmetric, "reduce_range": False}  # fmt: skip
_channels = {
    **_weight,
    "observer": MovingAveragePerChannelMinMaxObserver,
    "qscheme": torch.per_channel_symmetric,
    "ch_axis": 0,
}
default_fake_quant = FakeQuantize.with_args(qscheme=torch.per_tensor_affine, reduce_range=True, **_activation)
default_weight_fake_quant = FakeQuantize.with_args(**_weight)
default_per_channel_weight_fake_quant = FakeQuantize.with_args(**_channels)
default_fused_act_fake_quant = FusedMovingAvgObsFakeQuantize.with_args(**_activation)
default_fused_wt_fake_quant = FusedMovingAvgObsFakeQuantize.with_args(
    observer=MovingAverageMinMaxObserver,
    quant_min=-128,
    quant_max=127,
    dtype=torch.qint8,
    qscheme=torch.per_tensor_symmetric,
)
default_fused_per_channel_wt_fake_quant = FusedMovingAvgObsFakeQuantize.with_args(
    observer=MovingAveragePerChannelMinMaxObserver,
    quant_min=-128,
    quant_max=127,
    dtype=torch.qint8,
    qscheme=torch.per_channel_symmetric,
)
default_fixed_qparams_range_0to1_fake_quant = FixedQParamsFakeQuantize.with_args(
    observer=FixedQParamsObserver.with_args(scale=1.0 / 256.0, zero_point=0)
)
