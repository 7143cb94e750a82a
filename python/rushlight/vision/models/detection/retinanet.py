"""RetinaNet (Lin et al., 2017): one stage, with a loss that looks at what is hard.

>>> model = retinanet_resnet50_fpn(weights_backbone=None, num_classes=3, min_size=64, max_size=96).eval()
>>> sorted(model([torch.rand(3, 50, 70)])[0])
['boxes', 'labels', 'scores']
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import rushlight as torch
from rushlight import Tensor, nn
from rushlight.nn import functional as F

from ...ops import box_iou, generalized_box_iou_loss, sigmoid_focal_loss
from ...ops.feature_pyramid_network import LastLevelP6P7
from .._registry import define, weights_getattr
from . import _utils as det_utils
from ._dense import DenseDetector, Tower, best_of_levels, group_norm, pyramid
from .anchor_utils import AnchorGenerator
from .faster_rcnn import backbone as classifier
from .faster_rcnn import on_resnet50, trained

__all__ = ["RetinaNet"]
__getattr__ = weights_getattr(__name__)


def _default_anchors() -> AnchorGenerator:
    sizes = tuple((x, int(x * 2 ** (1.0 / 3)), int(x * 2 ** (2.0 / 3))) for x in (32, 64, 128, 256, 512))
    return AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))


class RetinaNetClassificationHead(Tower):
    """Class logits ``(N, places and anchors, num_classes)`` of a list of maps."""

    def __init__(
        self,
        in_channels: int,
        num_anchors: int,
        num_classes: int,
        prior_probability: float = 0.01,
        norm_layer: Any = None,
    ):
        super().__init__(in_channels, norm_layer)
        self.cls_logits = self.last(in_channels, num_anchors * num_classes)
        nn.init.constant_(self.cls_logits.bias, -math.log((1 - prior_probability) / prior_probability))
        self.num_classes, self.num_anchors = num_classes, num_anchors
        self.BETWEEN_THRESHOLDS = det_utils.Matcher.BETWEEN_THRESHOLDS

    def forward(self, x: list[Tensor]) -> Tensor:
        return torch.cat([self.rows(self.cls_logits(self.conv(m)), self.num_classes) for m in x], dim=1)

    def compute_loss(
        self, targets: list[dict[str, Tensor]], head_outputs: dict[str, Tensor], matched_idxs: list[Tensor]
    ) -> Tensor:
        losses = []
        for target, logits, matched in zip(targets, head_outputs["cls_logits"], matched_idxs):
            things = matched >= 0
            wanted = torch.zeros_like(logits)
            wanted[things, target["labels"][matched[things]]] = 1.0
            counted = matched != self.BETWEEN_THRESHOLDS
            losses.append(sigmoid_focal_loss(logits[counted], wanted[counted], reduction="sum") / max(1, things.sum()))
        return sum(losses) / len(targets)


class RetinaNetRegressionHead(Tower):
    """Box offsets ``(N, places and anchors, 4)`` of a list of maps."""

    def __init__(self, in_channels: int, num_anchors: int, norm_layer: Any = None):
        super().__init__(in_channels, norm_layer)
        self.bbox_reg = self.last(in_channels, num_anchors * 4)
        nn.init.zeros_(self.bbox_reg.bias)
        self.box_coder = det_utils.BoxCoder((1.0, 1.0, 1.0, 1.0))
        self._loss_type = "l1"

    def forward(self, x: list[Tensor]) -> Tensor:
        return torch.cat([self.rows(self.bbox_reg(self.conv(m)), 4) for m in x], dim=1)

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched_idxs: list[Tensor],
    ) -> Tensor:
        losses = []
        for target, offsets, mine, matched in zip(targets, head_outputs["bbox_regression"], anchors, matched_idxs):
            things = torch.where(matched >= 0)[0]
            boxes, offsets, mine = target["boxes"][matched[things]], offsets[things], mine[things]
            if self._loss_type == "giou":
                loss = generalized_box_iou_loss(
                    self.box_coder.decode_single(offsets, mine), boxes, reduction="sum", eps=1e-7
                )
            else:
                loss = F.l1_loss(offsets, self.box_coder.encode_single(boxes, mine), reduction="sum")
            losses.append(loss / max(1, len(things)))
        return sum(losses) / max(1, len(targets))


class RetinaNetHead(nn.Module):
    """Both heads on the same maps."""

    def __init__(
        self, in_channels: int, num_anchors: int, num_classes: int, norm_layer: Callable[..., nn.Module] | None = None
    ):
        super().__init__()
        self.classification_head = RetinaNetClassificationHead(
            in_channels, num_anchors, num_classes, norm_layer=norm_layer
        )
        self.regression_head = RetinaNetRegressionHead(in_channels, num_anchors, norm_layer=norm_layer)

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched_idxs: list[Tensor],
    ) -> dict[str, Tensor]:
        return {
            "classification": self.classification_head.compute_loss(targets, head_outputs, matched_idxs),
            "bbox_regression": self.regression_head.compute_loss(targets, head_outputs, anchors, matched_idxs),
        }

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        return {"cls_logits": self.classification_head(x), "bbox_regression": self.regression_head(x)}


class RetinaNet(DenseDetector):
    """A detector of one stage over a pyramid.

    Args:
        backbone: gives a dict of maps; its ``out_channels`` says how many channels they have. num_classes: with the background.
        score_thresh, nms_thresh, detections_per_img, topk_candidates: which results remain.
        fg_iou_thresh, bg_iou_thresh: anchors that overlap a target by more than the first belong to it, by less than the second to none.
    """

    def __init__(
        self, backbone: nn.Module, num_classes: int, min_size: Any = 800, max_size: int = 1333, image_mean: Any = None, image_std: Any = None,
        anchor_generator: Any = None, head: Any = None, proposal_matcher: Any = None, score_thresh: float = 0.05, nms_thresh: float = 0.5,
        detections_per_img: int = 300, fg_iou_thresh: float = 0.5, bg_iou_thresh: float = 0.4, topk_candidates: int = 1000, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(
            backbone, anchor_generator or _default_anchors(), min_size, max_size, image_mean, image_std, **kwargs
        )
        per_place = self.anchor_generator.num_anchors_per_location()[0]
        self.head = head or RetinaNetHead(backbone.out_channels, per_place, num_classes)
        self.proposal_matcher = proposal_matcher or det_utils.Matcher(
            fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=True
        )
        self.box_coder = det_utils.BoxCoder((1.0, 1.0, 1.0, 1.0))
        self.score_thresh, self.nms_thresh = score_thresh, nms_thresh
        self.detections_per_img, self.topk_candidates = detections_per_img, topk_candidates

    def losses(
        self, targets: list[dict[str, Tensor]], out: dict[str, Tensor], anchors: list[Tensor], counts: list[int]
    ) -> dict[str, Tensor]:
        return self.head.compute_loss(targets, out, anchors, self.match(targets, anchors))

    def match(self, targets: list[dict[str, Tensor]], anchors: list[Tensor]) -> list[Tensor]:
        return [
            torch.full((len(mine),), -1, dtype=torch.int64, device=mine.device)
            if target["boxes"].numel() == 0
            else self.proposal_matcher(box_iou(target["boxes"], mine))
            for target, mine in zip(targets, anchors)
        ]

    def detections(
        self, out: dict[str, Tensor], anchors: list[Tensor], counts: list[int], shapes: list[tuple[int, int]]
    ) -> list[dict[str, Tensor]]:
        return best_of_levels(
            self,
            out["cls_logits"].sigmoid(),
            out["bbox_regression"],
            anchors,
            counts,
            shapes,
            self.box_coder.decode_single,
        )


def _resnet50_v2(num_classes: int | None = None, **kwargs: Any) -> RetinaNet:
    net, count = classifier("resnet50", kwargs, 5, 3, nn.BatchNorm2d)
    body = pyramid(net, count, LastLevelP6P7(2048, 256))
    anchors, classes = _default_anchors(), 91 if num_classes is None else num_classes
    head = RetinaNetHead(body.out_channels, anchors.num_anchors_per_location()[0], classes, norm_layer=group_norm)
    head.regression_head._loss_type = "giou"
    return RetinaNet(body, classes, **{"anchor_generator": anchors, "head": head, **kwargs})


for _name, _make in (
    ("retinanet_resnet50_fpn", on_resnet50(RetinaNet, pyramid=pyramid)),
    ("retinanet_resnet50_fpn_v2", _resnet50_v2),
):
    globals()[_name] = define(_name, _make, "RetinaNet on a ResNet-50 with a feature pyramid.", adjust=trained)
    __all__.append(_name)
