"""Classifiers as backbones: maps of several sizes from their stages, made into a pyramid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight import Tensor, nn

from ...ops import FrozenBatchNorm2d
from ...ops.feature_pyramid_network import ExtraFPNBlock, FeaturePyramidNetwork, LastLevelMaxPool
from .._registry import get_model_builder
from .._utils import IntermediateLayerGetter

__all__ = ["BackboneWithFPN", "mobilenet_backbone", "resnet_fpn_backbone"]


class BackboneWithFPN(nn.Module):
    """Some children of a model, and a feature pyramid over their outputs.

    Args:
        return_layers: names of children and what their maps are called. in_channels_list: the channels of each.
        out_channels: of all maps of the pyramid.
    """

    def __init__(
        self, backbone: nn.Module, return_layers: dict[str, str], in_channels_list: list[int], out_channels: int,
        extra_blocks: ExtraFPNBlock | None = None, norm_layer: Callable[..., nn.Module] | None = None,
    ):  # fmt: skip
        super().__init__()
        self.body = IntermediateLayerGetter(backbone, return_layers)
        self.fpn = FeaturePyramidNetwork(in_channels_list, out_channels, extra_blocks or LastLevelMaxPool(), norm_layer)
        self.out_channels = out_channels

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return self.fpn(self.body(x))


def _check_count(name: str, count: int, most: int) -> None:
    if not 0 <= count <= most:
        raise ValueError(f"{name} should be between 0 and {most}, got {count}")


def resnet_fpn_backbone(
    *, backbone_name: str, weights: Any, norm_layer: Callable[..., nn.Module] = FrozenBatchNorm2d, trainable_layers: int = 3,
    returned_layers: list[int] | None = None, extra_blocks: ExtraFPNBlock | None = None,
) -> BackboneWithFPN:  # fmt: skip
    """A ResNet with a feature pyramid of 256 channels.

    Args:
        trainable_layers: how many stages are trained, from the last on; the others' parameters ask for no gradient.
        returned_layers: stages (1 to 4) whose maps are used.

    >>> import rushlight as torch
    >>> backbone = resnet_fpn_backbone(backbone_name="resnet18", weights=None)
    >>> {k: tuple(v.shape[1:]) for k, v in backbone(torch.rand(1, 3, 64, 64)).items()}
    {'0': (256, 16, 16), '1': (256, 8, 8), '2': (256, 4, 4), '3': (256, 2, 2), 'pool': (256, 1, 1)}
    """
    return resnet_pyramid(
        get_model_builder(backbone_name)(weights=weights, norm_layer=norm_layer),
        trainable_layers,
        returned_layers,
        extra_blocks,
    )


def resnet_pyramid(
    net: Any,
    trainable_layers: int,
    returned_layers: list[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None,
    norm_layer: Any = None,
) -> BackboneWithFPN:
    _check_count("trainable_layers", trainable_layers, 5)
    trained = ["layer4", "layer3", "layer2", "layer1", "conv1"][:trainable_layers] + ["bn1"] * (trainable_layers == 5)
    for name, parameter in net.named_parameters():
        if not name.startswith(tuple(trained)):
            parameter.requires_grad_(False)
    stages = returned_layers or [1, 2, 3, 4]
    if min(stages) <= 0 or max(stages) >= 5:
        raise ValueError(f"Each returned layer should be in the range [1,4]. Got {stages}")
    widths = [net.inplanes // 8 * 2 ** (s - 1) for s in stages]
    named = {f"layer{s}": str(i) for i, s in enumerate(stages)}
    return BackboneWithFPN(net, named, widths, 256, extra_blocks, norm_layer)


def mobilenet_backbone(
    *, backbone_name: str, fpn: bool, weights: Any, norm_layer: Callable[..., nn.Module] = FrozenBatchNorm2d, trainable_layers: int = 2,
    returned_layers: list[int] | None = None, extra_blocks: ExtraFPNBlock | None = None,
) -> nn.Module:  # fmt: skip
    """A MobileNet as a backbone: with a feature pyramid of 256 channels over its last two stages, or its last map in 256 channels."""
    return mobilenet_pyramid(
        get_model_builder(backbone_name)(weights=weights, norm_layer=norm_layer),
        fpn,
        trainable_layers,
        returned_layers,
        extra_blocks,
    )


def mobilenet_pyramid(
    net: Any,
    fpn: bool,
    trainable_layers: int,
    returned_layers: list[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None,
) -> nn.Module:
    features = net.features
    # The first layer of each stage (those that halve the size), and the last layer of all.
    stages = [0, *(i for i, b in enumerate(features) if getattr(b, "_is_cn", False)), len(features) - 1]
    _check_count("trainable_layers", trainable_layers, len(stages))
    first = len(features) if trainable_layers == 0 else stages[len(stages) - trainable_layers]
    for block in features[:first]:
        for parameter in block.parameters():
            parameter.requires_grad_(False)
    if not fpn:
        out = nn.Sequential(features, nn.Conv2d(features[-1].out_channels, 256, 1))
        out.out_channels = 256
        return out
    chosen = returned_layers or [len(stages) - 2, len(stages) - 1]
    if min(chosen) < 0 or max(chosen) >= len(stages):
        raise ValueError(f"Each returned layer should be in the range [0, {len(stages) - 1}], got {chosen}")
    named = {str(stages[k]): str(i) for i, k in enumerate(chosen)}
    return BackboneWithFPN(features, named, [features[stages[k]].out_channels for k in chosen], 256, extra_blocks)
