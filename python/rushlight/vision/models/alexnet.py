"""AlexNet."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor, nn

from ._registry import define, weights_getattr

__all__ = ["AlexNet", "alexnet"]
__getattr__ = weights_getattr(__name__)


class AlexNet(nn.Module):
    """Five convolutions and three linear layers."""

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5):
        super().__init__()
        layers: list[nn.Module] = []
        # in, out, kernel, stride, padding, pooled
        for i, o, k, s, p, pooled in (
            (3, 64, 11, 4, 2, True), (64, 192, 5, 1, 2, True), (192, 384, 3, 1, 1, False), (384, 256, 3, 1, 1, False),
            (256, 256, 3, 1, 1, True),
        ):  # fmt: skip
            layers += [nn.Conv2d(i, o, k, s, p), nn.ReLU(inplace=True)]
            if pooled:
                layers.append(nn.MaxPool2d(3, 2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), nn.Linear(256 * 36, 4096), nn.ReLU(inplace=True),
            nn.Dropout(p=dropout), nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Linear(4096, num_classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def _alexnet(**kwargs) -> AlexNet:
    return AlexNet(**kwargs)


alexnet = define("alexnet", _alexnet, "AlexNet.")
