"""What detectors of one stage share: heads over all places of all maps, and which of their boxes remain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as torch
from rushlight import Tensor, nn

from ...ops import Conv2dNormActivation, batched_nms, clip_boxes_to_image
from ...ops.feature_pyramid_network import ExtraFPNBlock, LastLevelP6P7
from . import _utils as det_utils
from .backbone_utils import BackboneWithFPN, resnet_pyramid
from .faster_rcnn import IMAGENET_MEAN, IMAGENET_STD
from .transform import GeneralizedRCNNTransform


def group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(32, channels)


def pyramid(net: Any, trainable_layers: int, last: ExtraFPNBlock | None = None) -> BackboneWithFPN:
    """Of a ResNet's last three stages, and two levels more."""
    return resnet_pyramid(net, trainable_layers, [2, 3, 4], last or LastLevelP6P7(256, 256))


class Tower(nn.Module):
    """Convolutions that a head begins with."""

    _version = 2

    def __init__(self, in_channels: int, norm_layer: Callable[..., nn.Module] | None, count: int = 4):
        super().__init__()
        self.conv = nn.Sequential(
            *(Conv2dNormActivation(in_channels, in_channels, norm_layer=norm_layer) for _ in range(count))
        )
        self.init(self.conv)

    @staticmethod
    def init(module: nn.Module) -> None:
        for m in module.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.normal_(m.weight, std=0.01)
                if m.bias is not None:
                    nn.init.constant_(m.bias, 0)

    @classmethod
    def last(cls, in_channels: int, out_channels: int) -> nn.Conv2d:
        made = nn.Conv2d(in_channels, out_channels, 3, 1, 1)
        cls.init(made)
        return made

    @staticmethod
    def rows(m: Tensor, width: int) -> Tensor:
        """``(N, A * width, H, W)``: ``(N, all places and anchors, width)``."""
        n, _, height, columns = m.shape
        return m.view(n, -1, width, height, columns).permute(0, 3, 4, 1, 2).reshape(n, -1, width)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, local_metadata: dict, *args: Any) -> None:
        if (local_metadata.get("version") or 1) < 2:  # convolutions and activations in one list
            for kind in ("weight", "bias"):
                for i in range(len(self.conv)):
                    if (old := f"{prefix}conv.{2 * i}.{kind}") in state_dict:
                        state_dict[f"{prefix}conv.{i}.0.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


class DenseDetector(nn.Module):
    """Transform, backbone, a head over all maps, anchors.

    Called with a list of images ``(C, H, W)`` of any sizes, in training also a list of targets: dicts of ``boxes (K, 4)`` and ``labels (K,)``
    (int64). Gives a dict of losses in training, else a dict of boxes, labels and scores for each image.
    """

    head: nn.Module

    def __init__(
        self,
        backbone: nn.Module,
        anchor_generator: nn.Module,
        min_size: Any,
        max_size: int,
        image_mean: Any,
        image_std: Any,
        **kwargs: Any,
    ):
        super().__init__()
        if not hasattr(backbone, "out_channels"):
            raise ValueError(
                "backbone should contain an attribute out_channels specifying the number of output channels (assumed to be the same for all the levels)"
            )
        self.backbone, self.anchor_generator = backbone, anchor_generator
        self.transform = GeneralizedRCNNTransform(
            min_size, max_size, image_mean or IMAGENET_MEAN, image_std or IMAGENET_STD, **kwargs
        )

    def losses(
        self, targets: list[dict[str, Tensor]], out: dict[str, Tensor], anchors: list[Tensor], counts: list[int]
    ) -> dict[str, Tensor]:
        raise NotImplementedError

    def detections(
        self, out: dict[str, Tensor], anchors: list[Tensor], counts: list[int], shapes: list[tuple[int, int]]
    ) -> list[dict[str, Tensor]]:
        raise NotImplementedError

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None):
        batch, targets, features, sizes = det_utils.features_of(self, images, targets)
        maps = list(features.values())
        out = self.head(maps)
        anchors = self.anchor_generator(batch, maps)
        # Of each map: places times anchors.
        places = [int(m.shape[2] * m.shape[3]) for m in maps]
        counts = [n * a for n, a in zip(places, self.anchor_generator.num_anchors_per_location())]
        if self.training:
            return self.losses(targets or [], out, anchors, counts)
        return self.transform.postprocess(
            self.detections(out, anchors, counts, batch.image_sizes), batch.image_sizes, sizes
        )


def best_of_levels(
    detector: Any, scores: Tensor, offsets: Tensor, anchors: list[Tensor], counts: list[int], shapes: list[tuple[int, int]],
    decode: Callable[[Tensor, Tensor], Tensor],
) -> list[dict[str, Tensor]]:  # fmt: skip
    """Of each map the candidates with the best scores, suppressed together: for scores ``(N, A, classes)`` and offsets ``(N, A, 4)``."""
    classes, out = scores.shape[-1], []
    for score, offset, mine, shape in zip(scores, offsets, anchors, shapes):
        found: tuple[list, list, list] = ([], [], [])
        for s, o, a in zip(score.split(counts), offset.split(counts), mine.split(counts)):
            s = s.flatten()
            above = torch.where(s > detector.score_thresh)[0]
            value, order = s[above].topk(min(len(above), detector.topk_candidates))
            chosen = above[order]
            place = torch.div(chosen, classes, rounding_mode="floor")
            for part, values in zip(
                found, (clip_boxes_to_image(decode(o[place], a[place]), shape), value, chosen % classes)
            ):
                part.append(values)
        boxes, values, labels = (torch.cat(part) for part in found)
        keep = batched_nms(boxes, values, labels, detector.nms_thresh)[: detector.detections_per_img]
        out.append({"boxes": boxes[keep], "scores": values[keep], "labels": labels[keep]})
    return out
