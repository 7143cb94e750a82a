"""SqueezeNet."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor, nn

from ._registry import define, weights_getattr

__all__ = ["SqueezeNet", "squeezenet1_0", "squeezenet1_1"]
__getattr__ = weights_getattr(__name__)


class Fire(nn.Module):
    """A narrow layer, and two kernels that look at it."""

    def __init__(self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int):
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        return torch.cat(
            [self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))], 1
        )


# The first convolution's channels and kernel; numbers are what a Fire squeezes to (it expands to eight times that), None pools.
_VERSIONS = {
    "1_0": (96, 7, (None, 16, 16, 32, None, 32, 48, 48, 64, None, 64)),
    "1_1": (64, 3, (None, 16, 16, None, 32, 32, None, 48, 48, 64, 64)),
}


class SqueezeNet(nn.Module):
    """Fire modules and a last convolution; ``version`` is "1_0" or "1_1"."""

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5):
        super().__init__()
        if version not in _VERSIONS:
            raise ValueError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        channels, kernel, plan = _VERSIONS[version]
        self.num_classes = num_classes
        layers: list[nn.Module] = [nn.Conv2d(3, channels, kernel, stride=2), nn.ReLU(inplace=True)]
        for squeeze in plan:
            if squeeze is None:
                layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            else:
                layers.append(Fire(channels, squeeze, 4 * squeeze, 4 * squeeze))
                channels = 8 * squeeze
        self.features = nn.Sequential(*layers)
        last = nn.Conv2d(512, num_classes, 1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                if m is last:
                    nn.init.normal_(m.weight, mean=0.0, std=0.01)
                else:
                    nn.init.kaiming_uniform_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return torch.flatten(self.classifier(self.features(x)), 1)


def _make(version: str):
    def make(**kwargs) -> SqueezeNet:
        return SqueezeNet(version, **kwargs)

    return make


squeezenet1_0 = define("squeezenet1_0", _make("1_0"), "SqueezeNet 1.0.")
squeezenet1_1 = define(
    "squeezenet1_1", _make("1_1"), "SqueezeNet 1.1, which needs less than half the computation of 1.0."
)
