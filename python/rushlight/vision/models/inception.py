"""Inception v3."""

from __future__ import annotations

import warnings
from collections import namedtuple
from typing import Optional

import rushlight as torch
from rushlight import Tensor, nn
from rushlight.nn import functional as F

from ._registry import define, weights_getattr
from .googlenet import BasicConv2d, renormalized

__all__ = ["Inception3", "InceptionOutputs", "inception_v3"]
__getattr__ = weights_getattr(__name__)

InceptionOutputs = namedtuple("InceptionOutputs", ["logits", "aux_logits"])
InceptionOutputs.__annotations__ = {"logits": Tensor, "aux_logits": Optional[Tensor]}  # noqa: UP045
_S2 = dict(kernel_size=3, stride=2)
_3, _5, _WIDE, _HIGH = (dict(kernel_size=k, padding=p) for k, p in ((3, 1), (5, 2), ((1, 7), (0, 3)), ((7, 1), (3, 0))))
_W3, _H3 = dict(kernel_size=(1, 3), padding=(0, 1)), dict(kernel_size=(3, 1), padding=(1, 0))
_1 = dict(kernel_size=1)


class _Block(nn.Module):
    """Branches as rows of (name, in, out, options)."""

    def __init__(self, conv_block, *rows):
        super().__init__()
        for name, i, o, options in rows:
            setattr(self, name, (conv_block or BasicConv2d)(i, o, **options))


class InceptionA(_Block):
    """1x1, 5x5, two 3x3, pooling."""

    def __init__(self, i: int, pool_features: int, conv_block=None):
        super().__init__(
            conv_block, ("branch1x1", i, 64, _1), ("branch5x5_1", i, 48, _1), ("branch5x5_2", 48, 64, _5),
            ("branch3x3dbl_1", i, 64, _1), ("branch3x3dbl_2", 64, 96, _3), ("branch3x3dbl_3", 96, 96, _3),
            ("branch_pool", i, pool_features, _1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.branch_pool(F.avg_pool2d(x, 3, 1, 1))
        return torch.cat(
            [
                self.branch1x1(x),
                self.branch5x5_2(self.branch5x5_1(x)),
                self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))),
                pooled,
            ],
            1,
        )


class InceptionB(_Block):
    """Halves the size."""

    def __init__(self, i: int, conv_block=None):
        super().__init__(
            conv_block, ("branch3x3", i, 384, _S2),
            ("branch3x3dbl_1", i, 64, _1), ("branch3x3dbl_2", 64, 96, _3), ("branch3x3dbl_3", 96, 96, _S2),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(
            [
                self.branch3x3(x),
                self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))),
                F.max_pool2d(x, 3, 2),
            ],
            1,
        )


class InceptionC(_Block):
    """1x1, and 7x7 as rows and columns, once and twice."""

    def __init__(self, i: int, channels_7x7: int, conv_block=None):
        c = channels_7x7
        super().__init__(
            conv_block, ("branch1x1", i, 192, _1),
            ("branch7x7_1", i, c, _1), ("branch7x7_2", c, c, _WIDE), ("branch7x7_3", c, 192, _HIGH),
            ("branch7x7dbl_1", i, c, _1), ("branch7x7dbl_2", c, c, _HIGH), ("branch7x7dbl_3", c, c, _WIDE),
            ("branch7x7dbl_4", c, c, _HIGH), ("branch7x7dbl_5", c, 192, _WIDE), ("branch_pool", i, 192, _1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.branch_pool(F.avg_pool2d(x, 3, 1, 1))
        return torch.cat(
            [
                self.branch1x1(x),
                self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x))),
                self.branch7x7dbl_5(
                    self.branch7x7dbl_4(self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x))))
                ),
                pooled,
            ],
            1,
        )


class InceptionD(_Block):
    """Halves the size."""

    def __init__(self, i: int, conv_block=None):
        super().__init__(
            conv_block, ("branch3x3_1", i, 192, _1), ("branch3x3_2", 192, 320, _S2),
            ("branch7x7x3_1", i, 192, _1), ("branch7x7x3_2", 192, 192, _WIDE), ("branch7x7x3_3", 192, 192, _HIGH),
            ("branch7x7x3_4", 192, 192, _S2),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(
            [
                self.branch3x3_2(self.branch3x3_1(x)),
                self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))),
                F.max_pool2d(x, 3, 2),
            ],
            1,
        )


class InceptionE(_Block):
    """Branches that split once more."""

    def __init__(self, i: int, conv_block=None):
        super().__init__(
            conv_block, ("branch1x1", i, 320, _1),
            ("branch3x3_1", i, 384, _1), ("branch3x3_2a", 384, 384, _W3), ("branch3x3_2b", 384, 384, _H3),
            ("branch3x3dbl_1", i, 448, _1), ("branch3x3dbl_2", 448, 384, _3), ("branch3x3dbl_3a", 384, 384, _W3),
            ("branch3x3dbl_3b", 384, 384, _H3), ("branch_pool", i, 192, _1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        return torch.cat(
            [
                self.branch1x1(x), self.branch3x3_2a(three), self.branch3x3_2b(three), self.branch3x3dbl_3a(double),
                self.branch3x3dbl_3b(double), self.branch_pool(F.avg_pool2d(x, 3, 1, 1)),
            ],
            1,
        )  # fmt: skip


class InceptionAux(nn.Module):
    """A classifier in the middle, for training."""

    def __init__(self, in_channels: int, num_classes: int, conv_block=None):
        super().__init__()
        conv_block = conv_block or BasicConv2d
        self.conv0 = conv_block(in_channels, 128, kernel_size=1)
        self.conv1 = conv_block(128, 768, kernel_size=5)
        self.conv1.stddev = 0.01
        self.fc = nn.Linear(768, num_classes)
        self.fc.stddev = 0.001

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(self.conv0(F.avg_pool2d(x, 5, 3)))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


class Inception3(nn.Module):
    """Takes images of 299 x 299; gives :class:`InceptionOutputs` in training with ``aux_logits``, otherwise the logits."""

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        inception_blocks=None,
        init_weights: bool | None = None,
        dropout: float = 0.5,
    ):
        super().__init__()
        conv, a, b, c, d, e, aux = inception_blocks or (
            BasicConv2d, InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, InceptionAux,
        )  # fmt: skip
        if init_weights is None:
            warnings.warn(
                "The default weight initialization of inception_v3 will be changed in future releases of torchvision. If you wish to keep "
                "the old behavior (which leads to long initialization times due to scipy/scipy#11299), please set init_weights=True.",
                FutureWarning,
                stacklevel=2,
            )
            init_weights = True
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.Conv2d_1a_3x3 = conv(3, 32, **_S2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, **_3)
        self.maxpool1 = nn.MaxPool2d(3, 2)
        self.Conv2d_3b_1x1 = conv(64, 80, **_1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(3, 2)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = (a(i, p) for i, p in ((192, 32), (256, 64), (288, 64)))
        self.Mixed_6a = b(288)
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = (c(768, n) for n in (128, 160, 160, 192))
        self.AuxLogits = aux(768, num_classes) if aux_logits else None
        self.Mixed_7a = d(768)
        self.Mixed_7b, self.Mixed_7c = e(1280), e(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(2048, num_classes)
        if init_weights:
            for m in self.modules():
                if isinstance(m, (nn.Conv2d, nn.Linear)):
                    nn.init.trunc_normal_(m.weight, mean=0.0, std=float(getattr(m, "stddev", 0.1)), a=-2, b=2)

    def forward(self, x: Tensor):
        if self.transform_input:
            x = renormalized(x)
        x = self.maxpool1(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))
        x = self.maxpool2(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        aux: Tensor | None = None
        if self.AuxLogits is not None and self.training:
            aux = self.AuxLogits(x)
        x = self.avgpool(self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x))))
        x = self.fc(torch.flatten(self.dropout(x), 1))
        if torch.jit.is_scripting():
            return InceptionOutputs(x, aux)
        return self.eager_outputs(x, aux)

    @torch.jit.unused
    def eager_outputs(self, x: Tensor, aux: Tensor | None) -> InceptionOutputs:
        return InceptionOutputs(x, aux) if self.training and self.aux_logits else x


def _inception_v3(**kwargs) -> Inception3:
    return Inception3(**kwargs)


def _trained(weights, kwargs) -> None:
    kwargs.setdefault("transform_input", True)
    kwargs.setdefault("init_weights", False)


inception_v3 = define("inception_v3", _inception_v3, "Inception v3.", adjust=_trained)
