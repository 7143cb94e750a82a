"""DenseNet."""

from __future__ import annotations

import re
from collections import OrderedDict

import rushlight as torch
from rushlight import Tensor, nn
from rushlight.nn import functional as F
from rushlight.utils.checkpoint import checkpoint

from ._registry import define, weights_getattr

__all__ = ["DenseNet"]
__getattr__ = weights_getattr(__name__)


class _DenseLayer(nn.Module):
    """Adds ``growth_rate`` channels that it computes from all before it."""

    def __init__(self, channels: int, growth_rate: int, bn_size: int, drop_rate: float, memory_efficient: bool):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(channels, bn_size * growth_rate, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(bn_size * growth_rate)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(bn_size * growth_rate, growth_rate, 3, padding=1, bias=False)
        self.drop_rate, self.memory_efficient = float(drop_rate), memory_efficient

    def _narrow(self, before: list[Tensor]) -> Tensor:
        return self.conv1(self.relu1(self.norm1(torch.cat(before, 1))))

    @torch.jit.unused
    def _checkpointed(self, before: list[Tensor]) -> Tensor:
        return checkpoint(lambda *tensors: self._narrow(list(tensors)), *before, use_reentrant=False)

    def forward(self, before: list[Tensor]) -> Tensor:
        again = False
        if self.memory_efficient and not torch.jit.is_scripting():
            for t in before:
                again = again or t.requires_grad
        x = self._checkpointed(before) if again else self._narrow(before)
        x = self.conv2(self.relu2(self.norm2(x)))
        return F.dropout(x, p=self.drop_rate, training=self.training) if self.drop_rate > 0 else x


class _DenseBlock(nn.ModuleDict):
    def __init__(
        self, layers: int, channels: int, bn_size: int, growth_rate: int, drop_rate: float, memory_efficient: bool
    ):
        super().__init__()
        for i in range(layers):
            self.add_module(
                f"denselayer{i + 1}",
                _DenseLayer(channels + i * growth_rate, growth_rate, bn_size, drop_rate, memory_efficient),
            )

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for _, layer in self.items():
            features.append(layer(features))
        return torch.cat(features, 1)


class DenseNet(nn.Module):
    """Blocks whose layers see all layers before them.

    Args:
        growth_rate: channels that a layer adds. block_config: layers of each block. bn_size: how much wider the 1x1 convolutions are.
        memory_efficient: computes what lies between layers again in the backward pass.
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: tuple = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
        memory_efficient: bool = False,
    ):
        super().__init__()
        parts = OrderedDict(
            conv0=nn.Conv2d(3, num_init_features, 7, 2, 3, bias=False), norm0=nn.BatchNorm2d(num_init_features),
            relu0=nn.ReLU(inplace=True), pool0=nn.MaxPool2d(3, 2, 1),
        )  # fmt: skip
        channels = num_init_features
        for i, layers in enumerate(block_config, 1):
            parts[f"denseblock{i}"] = _DenseBlock(layers, channels, bn_size, growth_rate, drop_rate, memory_efficient)
            channels += layers * growth_rate
            if i != len(block_config):
                parts[f"transition{i}"] = nn.Sequential(
                    OrderedDict(
                        norm=nn.BatchNorm2d(channels), relu=nn.ReLU(inplace=True),
                        conv=nn.Conv2d(channels, channels // 2, 1, bias=False), pool=nn.AvgPool2d(2, 2),
                    )
                )  # fmt: skip
                channels //= 2
        parts["norm5"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(parts)
        self.classifier = nn.Linear(channels, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight)
            elif isinstance(m, nn.Linear):
                nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.features(x), inplace=True)
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


def _make(growth: int, blocks: tuple, first: int):
    def make(**kwargs) -> DenseNet:
        return DenseNet(growth, blocks, first, **kwargs)

    return make


def _renamed(key: str) -> str:
    """Checkpoints call the layers norm.1, where names can't have a dot inside any more."""
    return re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.", r"\1\2.", key)


for _name, _row in {
    "densenet121": (32, (6, 12, 24, 16), 64),
    "densenet161": (48, (6, 12, 36, 24), 96),
    "densenet169": (32, (6, 12, 32, 32), 64),
    "densenet201": (32, (6, 12, 48, 32), 64),
}.items():
    globals()[_name] = define(_name, _make(*_row), f"The {_name} model.", rename=_renamed)
    __all__.append(_name)
