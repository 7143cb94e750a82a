"""MobileNet V3."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import rushlight as torch
from rushlight import Tensor, nn

from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._layers import init_weights, kaiming, make_divisible, normal
from ._registry import define, weights_getattr

__all__ = ["MobileNetV3", "mobilenet_v3_large", "mobilenet_v3_small"]
__getattr__ = weights_getattr(__name__)


class InvertedResidualConfig:
    """One block: channels in, kernel, channels inside and out, squeeze-excitation, "RE" or "HS", stride, dilation."""

    def __init__(
        self,
        input_channels: int,
        kernel: int,
        expanded_channels: int,
        out_channels: int,
        use_se: bool,
        activation: str,
        stride: int,
        dilation: int,
        width_mult: float,
    ):
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.kernel, self.use_se, self.use_hs, self.stride, self.dilation = (
            kernel,
            use_se,
            activation == "HS",
            stride,
            dilation,
        )

    @staticmethod
    def adjust_channels(channels: int, width_mult: float) -> int:
        return make_divisible(channels * width_mult, 8)


_SQUEEZE = partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid)


class InvertedResidual(nn.Module):
    """1x1, depthwise, squeeze-excitation, 1x1, of which some may be missing."""

    def __init__(
        self,
        cnf: InvertedResidualConfig,
        norm_layer: Callable[..., nn.Module],
        se_layer: Callable[..., nn.Module] = _SQUEEZE,
    ):
        super().__init__()
        if not 1 <= cnf.stride <= 2:
            raise ValueError(f"illegal stride value {cnf.stride}")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        wide = cnf.expanded_channels
        common: dict[str, Any] = dict(norm_layer=norm_layer, activation_layer=nn.Hardswish if cnf.use_hs else nn.ReLU)
        layers: list[nn.Module] = []
        if wide != cnf.input_channels:
            layers.append(Conv2dNormActivation(cnf.input_channels, wide, 1, **common))
        stride = 1 if cnf.dilation > 1 else cnf.stride
        layers.append(
            Conv2dNormActivation(wide, wide, cnf.kernel, stride, groups=wide, dilation=cnf.dilation, **common)
        )
        if cnf.use_se:
            layers.append(se_layer(wide, make_divisible(wide // 4, 8)))
        layers.append(Conv2dNormActivation(wide, cnf.out_channels, 1, norm_layer=norm_layer, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.out_channels = cnf.out_channels
        self._is_cn = cnf.stride > 1

    def forward(self, input: Tensor) -> Tensor:
        out = self.block(input)
        return out + input if self.use_res_connect else out


class MobileNetV3(nn.Module):
    """The blocks of ``inverted_residual_setting``, and two linear layers with ``last_channel`` values between them."""

    def __init__(
        self,
        inverted_residual_setting: list[InvertedResidualConfig],
        last_channel: int,
        num_classes: int = 1000,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
        dropout: float = 0.2,
    ):
        super().__init__()
        if not inverted_residual_setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        block = block or InvertedResidual
        norm_layer = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        common: dict[str, Any] = dict(norm_layer=norm_layer, activation_layer=nn.Hardswish)
        first, last = inverted_residual_setting[0].input_channels, inverted_residual_setting[-1].out_channels
        self.features = nn.Sequential(
            Conv2dNormActivation(3, first, stride=2, **common),
            *(block(cnf, norm_layer) for cnf in inverted_residual_setting),
            Conv2dNormActivation(last, 6 * last, 1, **common),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * last, last_channel),
            nn.Hardswish(inplace=True),
            nn.Dropout(p=dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )
        init_weights(self, kaiming, normal(0.01))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


# in, kernel, inside, out, squeeze-excitation, activation, stride; rows from the third last on are narrower with a reduced tail.
_LARGE = """16 3 16 16 0 RE 1; 16 3 64 24 0 RE 2; 24 3 72 24 0 RE 1; 24 5 72 40 1 RE 2; 40 5 120 40 1 RE 1; 40 5 120 40 1 RE 1;
40 3 240 80 0 HS 2; 80 3 200 80 0 HS 1; 80 3 184 80 0 HS 1; 80 3 184 80 0 HS 1; 80 3 480 112 1 HS 1; 112 3 672 112 1 HS 1;
112 5 672 160 1 HS 2; 160 5 960 160 1 HS 1; 160 5 960 160 1 HS 1"""
_SMALL = """16 3 16 16 1 RE 2; 16 3 72 24 0 RE 2; 24 3 88 24 0 RE 1; 24 5 96 40 1 HS 2; 40 5 240 40 1 HS 1; 40 5 240 40 1 HS 1;
40 5 120 48 1 HS 1; 48 5 144 48 1 HS 1; 48 5 288 96 1 HS 2; 96 5 576 96 1 HS 1; 96 5 576 96 1 HS 1"""


def _make(table: str, last_channel: int):
    def make(width_mult: float = 1.0, reduced_tail: bool = False, dilated: bool = False, **kwargs) -> MobileNetV3:
        rows = [row.split() for row in table.split(";")]
        by, dilation = (2 if reduced_tail else 1), (2 if dilated else 1)
        setting = []
        for i, (c, k, e, o, se, act, s) in enumerate(rows):
            tail = i - (len(rows) - 3)  # 0, 1, 2: the last rows
            setting.append(
                InvertedResidualConfig(
                    int(c) // (by if tail > 0 else 1), int(k), int(e) // (by if tail > 0 else 1), int(o) // (by if tail >= 0 else 1),
                    se == "1", act, int(s), dilation if tail >= 0 else 1, width_mult,
                )
            )  # fmt: skip
        last = InvertedResidualConfig.adjust_channels(last_channel // by, width_mult)
        return MobileNetV3(setting, last, **kwargs)

    def private_names(**kwargs) -> MobileNetV3:  # torchvision calls the options _width_mult, _reduced_tail, _dilated
        return make(**{k.removeprefix("_"): v for k, v in kwargs.items()})

    return private_names


mobilenet_v3_large = define("mobilenet_v3_large", _make(_LARGE, 1280), "MobileNet V3, large.")
mobilenet_v3_small = define("mobilenet_v3_small", _make(_SMALL, 1024), "MobileNet V3, small.")
