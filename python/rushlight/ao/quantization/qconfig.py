"""Which observers a module gets: one for what it gives, one for its weights."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import rushlight as torch

from ...nn import Module
from . import fake_quantize, observer
from .fake_quantize import FusedMovingAvgObsFakeQuantize
from .observer import HistogramObserver, MovingAverageMinMaxObserver, PlaceholderObserver

__all__ = [
    "QConfig", "QConfigAny", "QConfigDynamic", "default_activation_only_qconfig", "default_debug_qconfig", "default_dynamic_qconfig",
    "default_embedding_qat_qconfig", "default_per_channel_qconfig", "default_qat_qconfig", "default_qconfig",
    "default_weight_only_qconfig", "float16_dynamic_qconfig", "float16_static_qconfig", "float_qparams_weight_only_qconfig",
    "get_default_qat_qconfig", "get_default_qconfig", "per_channel_dynamic_qconfig", "qconfig_equals",
]  # fmt: skip


class QConfig(namedtuple("QConfig", ["activation", "weight"])):
    """Two makers of observers, such as ``MinMaxObserver.with_args(dtype=torch.qint8)``."""

    __slots__ = ()

    def __new__(cls, activation: Any, weight: Any) -> QConfig:
        if isinstance(activation, Module) or isinstance(weight, Module):
            raise ValueError(
                "QConfig received observer instance, please pass observer class instead. Use MyObserver.with_args(x=1) to override "
                "arguments to constructor if needed"
            )
        return super().__new__(cls, activation, weight)


class QConfigDynamic(namedtuple("QConfigDynamic", ["activation", "weight"])):
    """Of before 1.13."""

    __slots__ = ()

    def __new__(cls, activation: Any = torch.nn.Identity, weight: Any = torch.nn.Identity) -> QConfigDynamic:
        return super().__new__(cls, activation, weight)


QConfigAny = Any

default_qconfig = QConfig(observer.default_observer, observer.default_weight_observer)
default_debug_qconfig = QConfig(observer.default_debug_observer, observer.default_weight_observer)
default_per_channel_qconfig = QConfig(observer.default_observer, observer.default_per_channel_weight_observer)
default_dynamic_qconfig = QConfig(observer.default_dynamic_quant_observer, observer.default_weight_observer)
per_channel_dynamic_qconfig = QConfig(
    observer.default_dynamic_quant_observer, observer.default_per_channel_weight_observer
)
_half = PlaceholderObserver.with_args(dtype=torch.float16)
float16_dynamic_qconfig = QConfig(PlaceholderObserver.with_args(dtype=torch.float16, is_dynamic=True), _half)
float16_static_qconfig = QConfig(_half, _half)
float_qparams_weight_only_qconfig = QConfig(
    observer.default_placeholder_observer, observer.default_float_qparams_observer
)
default_qat_qconfig = QConfig(fake_quantize.default_fake_quant, fake_quantize.default_weight_fake_quant)
default_embedding_qat_qconfig = QConfig(
    observer.NoopObserver.with_args(dtype=torch.float32), fake_quantize.default_weight_fake_quant
)
default_weight_only_qconfig = QConfig(torch.nn.Identity, fake_quantize.default_weight_fake_quant)
default_activation_only_qconfig = QConfig(fake_quantize.default_fake_quant, torch.nn.Identity)


def get_default_qconfig(backend: str = "x86", version: int = 0) -> QConfig:
    """For quantising after training, by engine.

    >>> torch.ao.quantization.get_default_qconfig("fbgemm").weight().dtype
    torch.qint8
    """
    if backend in ("fbgemm", "x86"):
        return QConfig(HistogramObserver.with_args(reduce_range=True), observer.default_per_channel_weight_observer)
    if backend == "qnnpack":
        return QConfig(HistogramObserver.with_args(reduce_range=False), observer.default_weight_observer)
    if backend == "onednn":
        return QConfig(HistogramObserver.with_args(reduce_range=False), observer.default_per_channel_weight_observer)
    raise AssertionError(
        f"backend: {backend} not supported. backend must be one of ['fbgemm', 'x86', 'qnnpack', 'onednn']"
    )


def get_default_qat_qconfig(backend: str = "x86", version: int = 1) -> QConfig:
    """For training that is aware of quantisation, by engine."""
    if backend not in ("fbgemm", "x86", "qnnpack", "onednn"):
        raise AssertionError(
            f"backend: {backend} not supported. backend must be one of ['fbgemm', 'x86', 'qnnpack', 'onednn']"
        )
    made = FusedMovingAvgObsFakeQuantize if version else fake_quantize.FakeQuantize
    activation = made.with_args(
        observer=MovingAverageMinMaxObserver, quant_min=0, quant_max=255, reduce_range=backend in ("fbgemm", "x86")
    )
    if backend == "qnnpack":
        weight = fake_quantize.default_fused_wt_fake_quant if version else fake_quantize.default_weight_fake_quant
    else:
        per_channel = (
            fake_quantize.default_per_channel_weight_fake_quant,
            fake_quantize.default_fused_per_channel_wt_fake_quant,
        )
        weight = per_channel[1 if version else 0]
    return QConfig(activation, weight)


def qconfig_equals(q1: Any, q2: Any) -> bool:
    """Whether both make the same observers."""
    if q1 is None or q2 is None:
        return q1 is q2
    return all(a is b or repr(a) == repr(b) for a, b in zip(q1, q2, strict=True))
