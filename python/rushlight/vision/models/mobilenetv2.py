"""MobileNet V2."""

from __future__ import annotations

from collections.abc import Callable

import rushlight as torch
from rushlight import Tensor, nn
from rushlight.nn import functional as F

from ..ops.misc import Conv2dNormActivation
from ._layers import init_weights, kaiming, make_divisible, normal
from ._registry import define, weights_getattr

__all__ = ["MobileNetV2", "mobilenet_v2"]
__getattr__ = weights_getattr(__name__)


class InvertedResidual(nn.Module):
    """Wide in the middle: 1x1, depthwise 3x3, 1x1, with a shortcut where the shape stays."""

    def __init__(
        self, inp: int, oup: int, stride: int, expand_ratio: int, norm_layer: Callable[..., nn.Module] | None = None
    ):
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        norm_layer = norm_layer or nn.BatchNorm2d
        hidden = int(round(inp * expand_ratio))
        wide = dict(norm_layer=norm_layer, activation_layer=nn.ReLU6)
        layers: list[nn.Module] = [] if expand_ratio == 1 else [Conv2dNormActivation(inp, hidden, 1, **wide)]
        layers.append(Conv2dNormActivation(hidden, hidden, stride=stride, groups=hidden, **wide))
        layers += [nn.Conv2d(hidden, oup, 1, 1, 0, bias=False), norm_layer(oup)]
        self.conv = nn.Sequential(*layers)
        self.stride, self.out_channels = stride, oup
        self.use_res_connect = stride == 1 and inp == oup
        self._is_cn = stride > 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


# Expansion, channels, blocks, stride of the first of them.
_SETTING = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]


class MobileNetV2(nn.Module):
    """Inverted residual blocks.

    Args:
        width_mult: all channels are that many times as many. round_nearest: they are multiples of this.
        inverted_residual_setting: rows of (expansion, channels, blocks, stride).
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: list | None = None,
        round_nearest: int = 8,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
        dropout: float = 0.2,
    ):
        super().__init__()
        block, norm_layer = block or InvertedResidual, norm_layer or nn.BatchNorm2d
        setting = _SETTING if inverted_residual_setting is None else inverted_residual_setting
        if len(setting) == 0 or len(setting[0]) != 4:
            raise ValueError(f"inverted_residual_setting should be non-empty or a 4-element list, got {setting}")
        channels = make_divisible(32 * width_mult, round_nearest)
        self.last_channel = make_divisible(1280 * max(1.0, width_mult), round_nearest)
        common = dict(norm_layer=norm_layer, activation_layer=nn.ReLU6)
        features: list[nn.Module] = [Conv2dNormActivation(3, channels, stride=2, **common)]
        for expand, c, blocks, stride in setting:
            out = make_divisible(c * width_mult, round_nearest)
            for i in range(blocks):
                features.append(
                    block(channels, out, stride if i == 0 else 1, expand_ratio=expand, norm_layer=norm_layer)
                )
                channels = out
        features.append(Conv2dNormActivation(channels, self.last_channel, 1, **common))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes))
        init_weights(self, kaiming, normal(0.01))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(self.features(x), (1, 1)), 1))


def _mobilenet_v2(**kwargs) -> MobileNetV2:
    return MobileNetV2(**kwargs)


mobilenet_v2 = define("mobilenet_v2", _mobilenet_v2, "MobileNet V2.")
