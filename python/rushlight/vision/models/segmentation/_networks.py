"""Semantic segmentation: FCN, DeepLabV3 and LR-ASPP on ResNets and MobileNet V3.

>>> import rushlight as torch
>>> from rushlight.vision.models.segmentation import lraspp_mobilenet_v3_large
>>> model = lraspp_mobilenet_v3_large(weights_backbone=None, num_classes=4).eval()
>>> model(torch.rand(1, 3, 64, 96))["out"].shape
torch.Size([1, 4, 64, 96])
"""

from __future__ import annotations

from typing import Any

import rushlight as torch
from rushlight import Tensor, nn
from rushlight.nn import functional as F

from .._registry import define, get_model_builder, weights_getattr, weights_of
from .._utils import IntermediateLayerGetter

__all__ = ["FCN", "LRASPP", "DeepLabV3"]
__getattr__ = weights_getattr(__name__)


def _conv(i: int, o: int, kernel: int = 1, dilation: int = 1) -> list[nn.Module]:
    padding = dilation if kernel == 3 else 0
    return [nn.Conv2d(i, o, kernel, padding=padding, dilation=dilation, bias=False), nn.BatchNorm2d(o), nn.ReLU()]


class _SimpleSegmentationModel(nn.Module):
    """A backbone that gives a dict, a classifier for "out" and perhaps one for "aux"; results are of the input's size."""

    def __init__(self, backbone: nn.Module, classifier: nn.Module, aux_classifier: nn.Module | None = None):
        super().__init__()
        self.backbone, self.classifier, self.aux_classifier = backbone, classifier, aux_classifier

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        size, features = x.shape[-2:], self.backbone(x)
        result: dict[str, Tensor] = {}
        result["out"] = F.interpolate(self.classifier(features["out"]), size=size, mode="bilinear", align_corners=False)
        if self.aux_classifier is not None:
            aux = self.aux_classifier(features["aux"])
            result["aux"] = F.interpolate(aux, size=size, mode="bilinear", align_corners=False)
        return result


class FCN(_SimpleSegmentationModel):
    """A fully convolutional network."""


class DeepLabV3(_SimpleSegmentationModel):
    """Dilated convolutions of several rates."""


class FCNHead(nn.Sequential):
    """A convolution, dropout, and the classes."""

    def __init__(self, in_channels: int, channels: int):
        inter = in_channels // 4
        super().__init__(*_conv(in_channels, inter, 3), nn.Dropout(0.1), nn.Conv2d(inter, channels, 1))


class ASPPPooling(nn.Sequential):
    """The mean of the whole image, at each pixel."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(nn.AdaptiveAvgPool2d(1), *_conv(in_channels, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[-2:]
        for module in self:
            x = module(x)
        return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class ASPP(nn.Module):
    """Convolutions of several dilations side by side."""

    def __init__(self, in_channels: int, atrous_rates: list[int], out_channels: int = 256):
        super().__init__()
        branches = [nn.Sequential(*_conv(in_channels, out_channels))]
        branches += [nn.Sequential(*_conv(in_channels, out_channels, 3, rate)) for rate in atrous_rates]
        self.convs = nn.ModuleList([*branches, ASPPPooling(in_channels, out_channels)])
        self.project = nn.Sequential(*_conv(len(self.convs) * out_channels, out_channels), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.project(torch.cat([conv(x) for conv in self.convs], dim=1))


class DeepLabHead(nn.Sequential):
    """:class:`ASPP`, a convolution, and the classes."""

    def __init__(self, in_channels: int, num_classes: int, atrous_rates=(12, 24, 36)):
        super().__init__(ASPP(in_channels, atrous_rates), *_conv(256, 256, 3), nn.Conv2d(256, num_classes, 1))


class LRASPPHead(nn.Module):
    """Coarse features, weighted by their mean, and fine ones."""

    def __init__(self, low_channels: int, high_channels: int, num_classes: int, inter_channels: int):
        super().__init__()
        self.cbr = nn.Sequential(
            nn.Conv2d(high_channels, inter_channels, 1, bias=False),
            nn.BatchNorm2d(inter_channels),
            nn.ReLU(inplace=True),
        )
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(high_channels, inter_channels, 1, bias=False), nn.Sigmoid()
        )
        self.low_classifier = nn.Conv2d(low_channels, num_classes, 1)
        self.high_classifier = nn.Conv2d(inter_channels, num_classes, 1)

    def forward(self, input: dict[str, Tensor]) -> Tensor:
        low, high = input["low"], input["high"]
        x = self.cbr(high) * self.scale(high)
        x = F.interpolate(x, size=low.shape[-2:], mode="bilinear", align_corners=False)
        return self.low_classifier(low) + self.high_classifier(x)


class LRASPP(nn.Module):
    """A small head for MobileNets; the backbone gives "low" and "high"."""

    def __init__(
        self, backbone: nn.Module, low_channels: int, high_channels: int, num_classes: int, inter_channels: int = 128
    ):
        super().__init__()
        self.backbone = backbone
        self.classifier = LRASPPHead(low_channels, high_channels, num_classes, inter_channels)

    def forward(self, input: Tensor) -> dict[str, Tensor]:
        out = self.classifier(self.backbone(input))
        out = F.interpolate(out, size=input.shape[-2:], mode="bilinear", align_corners=False)
        result: dict[str, Tensor] = {"out": out}
        return result


def _backbone(name: str, weights: Any) -> nn.Module:
    if weights is not None:
        weights = weights_of(name).verify(weights)
    if name.startswith("resnet"):
        return get_model_builder(name)(weights=weights, replace_stride_with_dilation=[False, True, True])
    return get_model_builder(name)(weights=weights, dilated=True).features


def _strided(features: nn.Module) -> list[int]:
    """The first layer, those that halve the size, and the last one."""
    return [0, *(i for i, b in enumerate(features) if getattr(b, "_is_cn", False)), len(features) - 1]


def _make(kind: str, backbone: str):
    def make(
        num_classes: int | None = None,
        aux_loss: bool | None = None,
        weights_backbone: Any = "IMAGENET1K_V1",
        **kwargs: Any,
    ) -> nn.Module:
        net, classes = _backbone(backbone, weights_backbone), num_classes or 21
        if backbone.startswith("resnet"):
            layers, widths = ("layer4", "layer3", ""), (2048, 1024, 0)
        else:
            places = _strided(net)
            layers = tuple(str(places[i]) for i in ((-1, -4, -4)))
            widths = tuple(net[places[i]].out_channels for i in (-1, -4, -4))
        if kind == "lraspp":
            return LRASPP(
                IntermediateLayerGetter(net, {layers[2]: "low", layers[0]: "high"}),
                widths[2],
                widths[0],
                classes,
                **kwargs,
            )
        named = {layers[0]: "out", **({layers[1]: "aux"} if aux_loss else {})}
        getter = IntermediateLayerGetter(net, named)
        aux = FCNHead(widths[1], classes) if aux_loss else None
        head = FCNHead if kind == "fcn" else DeepLabHead
        return (FCN if kind == "fcn" else DeepLabV3)(getter, head(widths[0], classes), aux)

    return make


def _trained(weights: Any, kwargs: dict) -> None:
    kwargs["weights_backbone"] = None
    kwargs.setdefault("num_classes", 21)
    if "lraspp" not in type(weights).__name__.lower():
        kwargs.setdefault("aux_loss", True)


for _kind, _net in (
    ("fcn", "resnet50"), ("fcn", "resnet101"), ("deeplabv3", "resnet50"), ("deeplabv3", "resnet101"),
    ("deeplabv3", "mobilenet_v3_large"), ("lraspp", "mobilenet_v3_large"),
):  # fmt: skip
    _name = f"{_kind}_{_net}"
    globals()[_name] = define(_name, _make(_kind, _net), f"{_kind} on {_net}.", adjust=_trained)
    __all__.append(_name)
