"""EfficientNet and EfficientNet V2."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import rushlight as torch
from rushlight import Tensor, nn

from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ..ops.stochastic_depth import StochasticDepth
from ._layers import init_weights, make_divisible, uniform_by_outputs
from ._registry import define, weights_getattr

__all__ = ["EfficientNet"]
__getattr__ = weights_getattr(__name__)


class MBConvConfig:
    """A stage: expansion, kernel, stride, channels in and out, blocks; ``block`` says of which kind."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        width_mult: float = 1.0,
        depth_mult: float = 1.0,
        block: Callable[..., nn.Module] | None = None,
    ):
        self.expand_ratio, self.kernel, self.stride, self.block = expand_ratio, kernel, stride, block or MBConv
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.num_layers = int(math.ceil(num_layers * depth_mult))

    @staticmethod
    def adjust_channels(channels: int, width_mult: float, min_value: int | None = None) -> int:
        return make_divisible(channels * width_mult, 8, min_value)

    def replace(self, **changes: Any) -> MBConvConfig:
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__, **changes)
        return made


class _Block(nn.Module):
    """Layers beside a shortcut, where the shape stays, with stochastic depth."""

    def __init__(self, cnf: MBConvConfig, stochastic_depth_prob: float, layers: list[nn.Module]):
        super().__init__()
        if not 1 <= cnf.stride <= 2:
            raise ValueError("illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.out_channels

    def forward(self, input: Tensor) -> Tensor:
        result = self.block(input)
        if self.use_res_connect:
            result = self.stochastic_depth(result)
            result += input
        return result


class MBConv(_Block):
    """1x1, depthwise, squeeze-excitation, 1x1."""

    def __init__(
        self,
        cnf: MBConvConfig,
        stochastic_depth_prob: float,
        norm_layer: Callable[..., nn.Module],
        se_layer: Callable[..., nn.Module] = SqueezeExcitation,
    ):
        common: dict[str, Any] = dict(norm_layer=norm_layer, activation_layer=nn.SiLU)
        wide = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        layers: list[nn.Module] = []
        if wide != cnf.input_channels:
            layers.append(Conv2dNormActivation(cnf.input_channels, wide, 1, **common))
        layers.append(Conv2dNormActivation(wide, wide, cnf.kernel, cnf.stride, groups=wide, **common))
        layers.append(se_layer(wide, max(1, cnf.input_channels // 4), activation=partial(nn.SiLU, inplace=True)))
        layers.append(Conv2dNormActivation(wide, cnf.out_channels, 1, norm_layer=norm_layer, activation_layer=None))
        super().__init__(cnf, stochastic_depth_prob, layers)


class FusedMBConv(_Block):
    """One full convolution in place of 1x1 and depthwise."""

    def __init__(self, cnf: MBConvConfig, stochastic_depth_prob: float, norm_layer: Callable[..., nn.Module]):
        common: dict[str, Any] = dict(norm_layer=norm_layer, activation_layer=nn.SiLU)
        wide = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        narrow = wide == cnf.input_channels
        layers: list[nn.Module] = [
            Conv2dNormActivation(
                cnf.input_channels, cnf.out_channels if narrow else wide, cnf.kernel, cnf.stride, **common
            )
        ]
        if not narrow:
            layers.append(Conv2dNormActivation(wide, cnf.out_channels, 1, norm_layer=norm_layer, activation_layer=None))
        super().__init__(cnf, stochastic_depth_prob, layers)


class EfficientNet(nn.Module):
    """The stages of ``inverted_residual_setting``; blocks are dropped at random, the more the deeper they are."""

    def __init__(
        self,
        inverted_residual_setting: list[MBConvConfig],
        dropout: float,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
        norm_layer: Callable[..., nn.Module] | None = None,
        last_channel: int | None = None,
    ):
        super().__init__()
        if not inverted_residual_setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        norm_layer = norm_layer or nn.BatchNorm2d
        common: dict[str, Any] = dict(norm_layer=norm_layer, activation_layer=nn.SiLU)
        layers: list[nn.Module] = [
            Conv2dNormActivation(3, inverted_residual_setting[0].input_channels, stride=2, **common)
        ]
        total, block = sum(cnf.num_layers for cnf in inverted_residual_setting), 0
        for cnf in inverted_residual_setting:
            stage: list[nn.Module] = []
            for _ in range(cnf.num_layers):
                own = cnf.replace(input_channels=cnf.out_channels, stride=1) if stage else cnf
                stage.append(cnf.block(own, stochastic_depth_prob * float(block) / total, norm_layer))
                block += 1
            layers.append(nn.Sequential(*stage))
        channels = inverted_residual_setting[-1].out_channels
        last = last_channel if last_channel is not None else 4 * channels
        layers.append(Conv2dNormActivation(channels, last, 1, **common))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(last, num_classes))
        init_weights(self, lambda m: nn.init.kaiming_normal_(m.weight, mode="fan_out"), uniform_by_outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


_V1 = [(1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3), (6, 5, 1, 80, 112, 3),
       (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1)]  # fmt: skip
# The first three stages are fused.
_V2 = {
    "s": [(1, 3, 1, 24, 24, 2), (4, 3, 2, 24, 48, 4), (4, 3, 2, 48, 64, 4), (4, 3, 2, 64, 128, 6), (6, 3, 1, 128, 160, 9),
          (6, 3, 2, 160, 256, 15)],
    "m": [(1, 3, 1, 24, 24, 3), (4, 3, 2, 24, 48, 5), (4, 3, 2, 48, 80, 5), (4, 3, 2, 80, 160, 7), (6, 3, 1, 160, 176, 14),
          (6, 3, 2, 176, 304, 18), (6, 3, 1, 304, 512, 5)],
    "l": [(1, 3, 1, 32, 32, 4), (4, 3, 2, 32, 64, 7), (4, 3, 2, 64, 96, 7), (4, 3, 2, 96, 192, 10), (6, 3, 1, 192, 224, 19),
          (6, 3, 2, 224, 384, 25), (6, 3, 1, 384, 640, 7)],
}  # fmt: skip


def _make(setting: Callable[[], list[MBConvConfig]], dropout: float, norm: dict, last: int | None = None):
    def make(**kwargs) -> EfficientNet:
        usual = {"dropout": dropout, "last_channel": last}
        if norm:
            usual["norm_layer"] = partial(nn.BatchNorm2d, **norm)
        return EfficientNet(setting(), **{**usual, **kwargs})

    return make


def _v1(width: float, depth: float):
    return lambda: [MBConvConfig(*row, width, depth) for row in _V1]


def _v2(size: str):
    return lambda: [MBConvConfig(*row, block=FusedMBConv if i < 3 else MBConv) for i, row in enumerate(_V2[size])]


for _i, (_width, _depth, _dropout) in enumerate(
    ((1.0, 1.0, 0.2), (1.0, 1.1, 0.2), (1.1, 1.2, 0.3), (1.2, 1.4, 0.3), (1.4, 1.8, 0.4), (1.6, 2.2, 0.4), (1.8, 2.6, 0.5),
     (2.0, 3.1, 0.5))
):  # fmt: skip
    _norm = {"eps": 0.001, "momentum": 0.01} if _i >= 5 else {}
    _name = f"efficientnet_b{_i}"
    globals()[_name] = define(_name, _make(_v1(_width, _depth), _dropout, _norm), f"EfficientNet B{_i}.")
    __all__.append(_name)
for _size, _dropout in (("s", 0.2), ("m", 0.3), ("l", 0.4)):
    _name = f"efficientnet_v2_{_size}"
    globals()[_name] = define(
        _name, _make(_v2(_size), _dropout, {"eps": 1e-3}, 1280), f"EfficientNet V2-{_size.upper()}."
    )
    __all__.append(_name)
