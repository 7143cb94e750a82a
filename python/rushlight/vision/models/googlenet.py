"""GoogLeNet (Inception v1)."""

from __future__ import annotations

import warnings
from collections import namedtuple
from typing import Optional

import rushlight as torch
from rushlight import Tensor, nn
from rushlight.nn import functional as F

from ._registry import define, weights_getattr

__all__ = ["GoogLeNet", "GoogLeNetOutputs", "googlenet"]
__getattr__ = weights_getattr(__name__)

GoogLeNetOutputs = namedtuple("GoogLeNetOutputs", ["logits", "aux_logits2", "aux_logits1"])
GoogLeNetOutputs.__annotations__ = {"logits": Tensor, "aux_logits2": Optional[Tensor], "aux_logits1": Optional[Tensor]}  # noqa: UP045


class BasicConv2d(nn.Module):
    """Convolution, batch norm, relu."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """1x1, 3x3 and 3x3 convolutions and pooling side by side."""

    def __init__(self, i: int, ch1x1: int, ch3x3red: int, ch3x3: int, ch5x5red: int, ch5x5: int, pool_proj: int):
        super().__init__()
        one, three = dict(kernel_size=1), dict(kernel_size=3, padding=1)
        self.branch1 = BasicConv2d(i, ch1x1, **one)
        self.branch2 = nn.Sequential(BasicConv2d(i, ch3x3red, **one), BasicConv2d(ch3x3red, ch3x3, **three))
        self.branch3 = nn.Sequential(BasicConv2d(i, ch5x5red, **one), BasicConv2d(ch5x5red, ch5x5, **three))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), BasicConv2d(i, pool_proj, **one))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """A classifier in the middle, for training."""

    def __init__(self, in_channels: int, num_classes: int, dropout: float = 0.7):
        super().__init__()
        self.conv = BasicConv2d(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.flatten(self.conv(F.adaptive_avg_pool2d(x, (4, 4))), 1)
        return self.fc2(self.dropout(F.relu(self.fc1(x), inplace=True)))


_BLOCKS = {
    "3a": (192, 64, 96, 128, 16, 32, 32), "3b": (256, 128, 128, 192, 32, 96, 64), "4a": (480, 192, 96, 208, 16, 48, 64),
    "4b": (512, 160, 112, 224, 24, 64, 64), "4c": (512, 128, 128, 256, 24, 64, 64), "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128), "5a": (832, 256, 160, 320, 32, 128, 128), "5b": (832, 384, 192, 384, 48, 128, 128),
}  # fmt: skip


class GoogLeNet(nn.Module):
    """Nine Inception blocks; gives :class:`GoogLeNetOutputs` in training with ``aux_logits``, otherwise the logits.

    Args:
        transform_input: takes images normalised as ImageNet's usually are, and makes them what this model was trained on.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool | None = None,
        blocks=None,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ):
        super().__init__()
        conv, inception, aux = blocks or (BasicConv2d, Inception, InceptionAux)
        if init_weights is None:
            warnings.warn(
                "The default weight initialization of GoogleNet will be changed in future releases of torchvision. If you wish to keep "
                "the old behavior (which leads to long initialization times due to scipy/scipy#11299), please set init_weights=True.",
                FutureWarning,
                stacklevel=2,
            )
            init_weights = True
        self.aux_logits, self.transform_input = aux_logits, transform_input
        pool = dict(stride=2, ceil_mode=True)
        self.conv1 = conv(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, **pool)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, **pool)
        for name, row in _BLOCKS.items():
            setattr(self, f"inception{name}", inception(*row))
            if name == "3b":
                self.maxpool3 = nn.MaxPool2d(3, **pool)
            elif name == "4e":
                self.maxpool4 = nn.MaxPool2d(2, **pool)
        self.aux1 = aux(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2 = aux(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights:
            for m in self.modules():
                if isinstance(m, (nn.Conv2d, nn.Linear)):
                    nn.init.trunc_normal_(m.weight, mean=0.0, std=0.01, a=-2, b=2)

    def forward(self, x: Tensor):
        x = renormalized(x) if self.transform_input else x
        x = self.maxpool2(self.conv3(self.conv2(self.maxpool1(self.conv1(x)))))
        x = self.inception4a(self.maxpool3(self.inception3b(self.inception3a(x))))
        aux1: Tensor | None = None
        if self.aux1 is not None and self.training:
            aux1 = self.aux1(x)
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        aux2: Tensor | None = None
        if self.aux2 is not None and self.training:
            aux2 = self.aux2(x)
        x = self.inception5b(self.inception5a(self.maxpool4(self.inception4e(x))))
        x = self.fc(self.dropout(torch.flatten(self.avgpool(x), 1)))
        if torch.jit.is_scripting():
            return GoogLeNetOutputs(x, aux2, aux1)
        return self.eager_outputs(x, aux2, aux1)

    @torch.jit.unused
    def eager_outputs(self, x: Tensor, aux2: Tensor, aux1: Tensor | None) -> GoogLeNetOutputs:
        return GoogLeNetOutputs(x, aux2, aux1) if self.training and self.aux_logits else x


def renormalized(x: Tensor) -> Tensor:
    """From ImageNet's means and deviations to 0.5 and 0.5."""
    r = x[:, 0:1] * (0.229 / 0.5) + (0.485 - 0.5) / 0.5
    g = x[:, 1:2] * (0.224 / 0.5) + (0.456 - 0.5) / 0.5
    b = x[:, 2:3] * (0.225 / 0.5) + (0.406 - 0.5) / 0.5
    return torch.cat((r, g, b), 1)


def _googlenet(**kwargs) -> GoogLeNet:
    return GoogLeNet(**kwargs)


def _trained(weights, kwargs) -> None:
    kwargs.setdefault("transform_input", True)
    kwargs.setdefault("init_weights", False)


googlenet = define("googlenet", _googlenet, "GoogLeNet.", adjust=_trained)
