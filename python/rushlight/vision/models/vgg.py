"""VGG."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor, nn

from ._layers import init_weights as _init
from ._layers import kaiming, normal
from ._registry import define, weights_getattr

__all__ = ["VGG"]
__getattr__ = weights_getattr(__name__)


class VGG(nn.Module):
    """``features``, and three linear layers behind them."""

    def __init__(self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 49, 4096), nn.ReLU(True), nn.Dropout(p=dropout),
            nn.Linear(4096, 4096), nn.ReLU(True), nn.Dropout(p=dropout), nn.Linear(4096, num_classes),
        )  # fmt: skip
        if init_weights:
            _init(self, kaiming, normal(0.01))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def make_layers(cfg: list, batch_norm: bool = False) -> nn.Sequential:
    """Layers from a list of channels, with "M" for pooling."""
    layers: list[nn.Module] = []
    channels = 3
    for v in cfg:
        if v == "M":
            layers.append(nn.MaxPool2d(2, 2))
            continue
        layers += [
            nn.Conv2d(channels, v, 3, padding=1),
            *([nn.BatchNorm2d(v)] if batch_norm else []),
            nn.ReLU(inplace=True),
        ]
        channels = v
    return nn.Sequential(*layers)


def _config(repeats: tuple) -> list:
    return [v for channels, n in zip((64, 128, 256, 512, 512), repeats) for v in [channels] * n + ["M"]]


def _make(repeats: tuple, batch_norm: bool):
    def make(**kwargs) -> VGG:
        return VGG(make_layers(_config(repeats), batch_norm), **kwargs)

    return make


def _trained(weights, kwargs) -> None:
    kwargs["init_weights"] = False
    if weights.name != "IMAGENET1K_FEATURES":
        kwargs.setdefault("num_classes", 1000)


for _depth, _repeats in ((11, (1, 1, 2, 2, 2)), (13, (2,) * 5), (16, (2, 2, 3, 3, 3)), (19, (2, 2, 4, 4, 4))):
    for _bn in (False, True):
        _name = f"vgg{_depth}{'_bn' if _bn else ''}"
        globals()[_name] = define(
            _name, _make(_repeats, _bn), f"VGG of {_depth} layers{' with batch norm' if _bn else ''}.", adjust=_trained
        )
        __all__.append(_name)
