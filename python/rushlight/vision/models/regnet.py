"""RegNet: widths on a line, rounded to stages."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import rushlight as torch
from rushlight import Tensor, nn

from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._layers import init_weights, make_divisible, normal
from ._registry import define, weights_getattr

__all__ = ["RegNet"]
__getattr__ = weights_getattr(__name__)


class BottleneckTransform(nn.Sequential):
    """1x1, grouped 3x3, squeeze-excitation if asked for, 1x1."""

    def __init__(
        self,
        i: int,
        o: int,
        stride: int,
        norm: Callable,
        activation: Callable,
        group_width: int,
        bottleneck: float,
        se: float | None,
    ):
        wide = int(round(o * bottleneck))
        common: dict[str, Any] = dict(norm_layer=norm, activation_layer=activation)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["a"] = Conv2dNormActivation(i, wide, 1, **common)
        layers["b"] = Conv2dNormActivation(wide, wide, 3, stride, groups=wide // group_width, **common)
        if se:
            layers["se"] = SqueezeExcitation(wide, int(round(se * i)), activation=activation)
        layers["c"] = Conv2dNormActivation(wide, o, 1, norm_layer=norm, activation_layer=None)
        super().__init__(layers)


class ResBottleneckBlock(nn.Module):
    """A :class:`BottleneckTransform` beside a shortcut."""

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        norm_layer: Callable[..., nn.Module],
        activation_layer: Callable[..., nn.Module],
        group_width: int = 1,
        bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
    ):
        super().__init__()
        self.proj = None
        if width_in != width_out or stride != 1:
            self.proj = Conv2dNormActivation(
                width_in, width_out, 1, stride, norm_layer=norm_layer, activation_layer=None
            )
        self.f = BottleneckTransform(
            width_in, width_out, stride, norm_layer, activation_layer, group_width, bottleneck_multiplier, se_ratio
        )
        self.activation = activation_layer(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation((x if self.proj is None else self.proj(x)) + self.f(x))


class BlockParams:
    """Depth, width, group width and stride of each stage."""

    def __init__(self, depths, widths, group_widths, bottleneck_multipliers, strides, se_ratio: float | None = None):
        self.depths, self.widths, self.group_widths = depths, widths, group_widths
        self.bottleneck_multipliers, self.strides, self.se_ratio = bottleneck_multipliers, strides, se_ratio

    @classmethod
    def from_init_params(
        cls, depth: int, w_0: int, w_a: float, w_m: float, group_width: int, bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None, **kwargs: Any,
    ) -> BlockParams:  # fmt: skip
        """Block i is ``w_0 + w_a * i`` wide, rounded to ``w_0 * w_m ** k`` and then to a multiple of 8."""
        if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % 8 != 0:
            raise ValueError("Invalid RegNet settings")
        with torch.device("cpu"):  # also where the model is made on meta
            line = torch.arange(depth) * w_a + w_0
            power = torch.round(torch.log(line / w_0) / math.log(w_m))
            widths = (torch.round(torch.divide(w_0 * torch.pow(w_m, power), 8)) * 8).int().tolist()
        stages = sorted(set(widths), key=widths.index)
        depths = [sum(1 for _ in filter(w.__eq__, widths)) for w in stages]
        # Groups fit into the widths, and widths into the groups.
        inside = [int(w * bottleneck_multiplier) for w in stages]
        groups = [min(group_width, w) for w in inside]
        fit = [int(make_divisible(w, g) / bottleneck_multiplier) for w, g in zip(inside, groups)]
        n = len(stages)
        return cls(depths, fit, groups, [bottleneck_multiplier] * n, [2] * n, se_ratio)

    def _get_expanded_params(self):
        return zip(self.widths, self.strides, self.depths, self.group_widths, self.bottleneck_multipliers)


class RegNet(nn.Module):
    """Stages of residual bottleneck blocks."""

    def __init__(
        self,
        block_params: BlockParams,
        num_classes: int = 1000,
        stem_width: int = 32,
        stem_type: Callable[..., nn.Module] | None = None,
        block_type: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
        activation: Callable[..., nn.Module] | None = None,
    ):
        super().__init__()
        block_type, norm, activation = (
            block_type or ResBottleneckBlock,
            norm_layer or nn.BatchNorm2d,
            activation or nn.ReLU,
        )
        if stem_type is None:
            self.stem: nn.Module = Conv2dNormActivation(
                3, stem_width, 3, 2, norm_layer=norm, activation_layer=activation
            )
        else:
            self.stem = stem_type(3, stem_width, norm, activation)
        width, stages = stem_width, OrderedDict()
        for i, (out, stride, depth, group, bottleneck) in enumerate(block_params._get_expanded_params(), 1):
            blocks: OrderedDict[str, nn.Module] = OrderedDict()
            for j in range(depth):
                blocks[f"block{i}-{j}"] = block_type(
                    width if j == 0 else out,
                    out,
                    stride if j == 0 else 1,
                    norm,
                    activation,
                    group,
                    bottleneck,
                    block_params.se_ratio,
                )
            stages[f"block{i}"] = nn.Sequential(blocks)
            width = out
        self.trunk_output = nn.Sequential(stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(width, num_classes)
        init_weights(
            self,
            lambda m: nn.init.normal_(
                m.weight, 0.0, math.sqrt(2.0 / (m.kernel_size[0] * m.kernel_size[1] * m.out_channels))
            ),
            normal(0.01),
            conv_bias=False,
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.avgpool(self.trunk_output(self.stem(x))).flatten(start_dim=1))


def _make(row: tuple, se_ratio: float | None):
    def make(**kwargs) -> RegNet:
        norm = kwargs.pop("norm_layer", partial(nn.BatchNorm2d, eps=1e-05, momentum=0.1))
        return RegNet(BlockParams.from_init_params(*row, se_ratio=se_ratio), norm_layer=norm, **kwargs)

    return make


# depth, w_0, w_a, w_m, group width
for _name, _row in {
    "y_400mf": (16, 48, 27.89, 2.09, 8), "y_800mf": (14, 56, 38.84, 2.4, 16), "y_1_6gf": (27, 48, 20.71, 2.65, 24),
    "y_3_2gf": (21, 80, 42.63, 2.66, 24), "y_8gf": (17, 192, 76.82, 2.19, 56), "y_16gf": (18, 200, 106.23, 2.48, 112),
    "y_32gf": (20, 232, 115.89, 2.53, 232), "y_128gf": (27, 456, 160.83, 2.52, 264),
    "x_400mf": (22, 24, 24.48, 2.54, 16), "x_800mf": (16, 56, 35.73, 2.28, 16), "x_1_6gf": (18, 80, 34.01, 2.25, 24),
    "x_3_2gf": (25, 88, 26.31, 2.25, 48), "x_8gf": (23, 80, 49.56, 2.88, 120), "x_16gf": (22, 216, 55.59, 2.1, 128),
    "x_32gf": (23, 320, 69.86, 2.0, 168),
}.items():  # fmt: skip
    _name = f"regnet_{_name}"
    globals()[_name] = define(_name, _make(_row, 0.25 if "_y_" in _name else None), f"The {_name} model.")
    __all__.append(_name)
