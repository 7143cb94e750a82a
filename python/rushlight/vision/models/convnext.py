"""ConvNeXt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import rushlight as torch
from rushlight import Tensor, nn

from ..ops.misc import Conv2dNormActivation, Permute
from ..ops.stochastic_depth import StochasticDepth
from ._layers import LayerNorm2d, init_weights, truncated
from ._registry import define, weights_getattr

__all__ = ["ConvNeXt"]
__getattr__ = weights_getattr(__name__)


class CNBlock(nn.Module):
    """Depthwise 7x7, norm, and two linear layers over the channels, beside a shortcut."""

    def __init__(
        self,
        dim: int,
        layer_scale: float,
        stochastic_depth_prob: float,
        norm_layer: Callable[..., nn.Module] | None = None,
    ):
        super().__init__()
        norm_layer = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, 7, padding=3, groups=dim, bias=True), Permute([0, 2, 3, 1]), norm_layer(dim),
            nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim), Permute([0, 3, 1, 2]),
        )  # fmt: skip
        self.layer_scale = nn.Parameter(torch.ones(dim, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input: Tensor) -> Tensor:
        result = self.stochastic_depth(self.layer_scale * self.block(input))
        result += input
        return result


class CNBlockConfig:
    """A stage: channels, those behind it (None: it is the last), blocks."""

    def __init__(self, input_channels: int, out_channels: int | None, num_layers: int):
        self.input_channels, self.out_channels, self.num_layers = input_channels, out_channels, num_layers


class ConvNeXt(nn.Module):
    """The stages of ``block_setting``, with norm and convolution between them."""

    def __init__(
        self,
        block_setting: list[CNBlockConfig],
        stochastic_depth_prob: float = 0.0,
        layer_scale: float = 1e-6,
        num_classes: int = 1000,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
        **kwargs,
    ):
        super().__init__()
        if not block_setting:
            raise ValueError("The block_setting should not be empty")
        block, norm_layer = block or CNBlock, norm_layer or partial(LayerNorm2d, eps=1e-6)
        layers: list[nn.Module] = [
            Conv2dNormActivation(
                3, block_setting[0].input_channels, 4, 4, 0, norm_layer=norm_layer, activation_layer=None, bias=True
            )
        ]
        total, i = sum(cnf.num_layers for cnf in block_setting), 0
        for cnf in block_setting:
            stage = []
            for _ in range(cnf.num_layers):
                stage.append(block(cnf.input_channels, layer_scale, stochastic_depth_prob * i / (total - 1.0)))
                i += 1
            layers.append(nn.Sequential(*stage))
            if cnf.out_channels is not None:
                layers.append(
                    nn.Sequential(norm_layer(cnf.input_channels), nn.Conv2d(cnf.input_channels, cnf.out_channels, 2, 2))
                )
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        last = block_setting[-1].out_channels or block_setting[-1].input_channels
        self.classifier = nn.Sequential(norm_layer(last), nn.Flatten(1), nn.Linear(last, num_classes))
        init_weights(self, truncated(0.02), truncated(0.02))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)))


def _make(width: int, deep: int, depth_prob: float):
    def make(**kwargs) -> ConvNeXt:
        c = [width * 2**i for i in range(4)]
        blocks = [CNBlockConfig(c[i], c[i + 1] if i < 3 else None, deep if i == 2 else 3) for i in range(4)]
        return ConvNeXt(blocks, **{"stochastic_depth_prob": depth_prob, **kwargs})

    return make


for _name, _row in {
    "tiny": (96, 9, 0.1),
    "small": (96, 27, 0.4),
    "base": (128, 27, 0.5),
    "large": (192, 27, 0.5),
}.items():
    globals()[f"convnext_{_name}"] = define(f"convnext_{_name}", _make(*_row), f"ConvNeXt, {_name}.")
    __all__.append(f"convnext_{_name}")
