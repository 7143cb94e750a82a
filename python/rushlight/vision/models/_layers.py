"""What several models share: rounding of channels, first values of weights, a norm over channels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from rushlight import Tensor, nn
from rushlight.nn import functional as F

__all__ = ["LayerNorm2d", "init_weights", "make_divisible"]


def make_divisible(v: float, divisor: int = 8, least: int | None = None) -> int:
    """The multiple of ``divisor`` next to ``v`` that is no more than a tenth below it."""
    made = max(least or divisor, int(v + divisor / 2) // divisor * divisor)
    return made + divisor if made < 0.9 * v else made


def init_weights(
    model: nn.Module, conv: Callable | None = None, linear: Callable | None = None, conv_bias: bool = True
) -> None:
    """Sets the weights of all layers: convolutions and linear layers by the functions, biases to 0, norms to 1 and 0.

    ``conv_bias``: those of convolutions too."""
    for m in model.modules():
        rule = conv if isinstance(m, (nn.Conv2d, nn.Conv3d)) else linear if isinstance(m, nn.Linear) else None
        if rule is not None:
            rule(m)
            if m.bias is not None and (conv_bias or isinstance(m, nn.Linear)):
                nn.init.zeros_(m.bias)
        elif isinstance(m, (nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm)) and m.affine:
            nn.init.ones_(m.weight)
            nn.init.zeros_(m.bias)


def kaiming(m: nn.Module) -> None:
    nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")


def normal(std: float) -> Callable[[nn.Module], Any]:
    return lambda m: nn.init.normal_(m.weight, 0, std)


def truncated(std: float) -> Callable[[nn.Module], Any]:
    return lambda m: nn.init.trunc_normal_(m.weight, std=std)


def uniform_by_outputs(m: nn.Linear) -> None:
    bound = 1.0 / math.sqrt(m.out_features)
    nn.init.uniform_(m.weight, -bound, bound)


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of ``(N, C, H, W)``."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)
