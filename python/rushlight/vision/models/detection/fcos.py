"""FCOS (Tian et al., 2019): one stage without anchors; each place inside of a thing says how far its four sides are."""

from __future__ import annotations

import math
from typing import Any

import rushlight as torch
from rushlight import Tensor, nn
from rushlight.nn import functional as F

from ...ops import generalized_box_iou_loss, sigmoid_focal_loss
from .._registry import define, weights_getattr
from ._dense import DenseDetector, Tower, best_of_levels, group_norm, pyramid
from .anchor_utils import AnchorGenerator
from .faster_rcnn import on_resnet50, trained

__all__ = ["FCOS"]
__getattr__ = weights_getattr(__name__)


class _Tower(nn.Module):
    """Convolutions in one list with their normalisations and activations, as FCOS's checkpoints name them."""

    def __init__(self, in_channels: int, num_convs: int, norm_layer: Any):
        super().__init__()
        blocks: list[nn.Module] = []
        for _ in range(num_convs):
            blocks += [nn.Conv2d(in_channels, in_channels, 3, 1, 1), norm_layer(in_channels), nn.ReLU()]
        self.conv = nn.Sequential(*blocks)
        Tower.init(self.conv)


class FCOSClassificationHead(_Tower):
    """Class logits ``(N, places, num_classes)``."""

    def __init__(
        self,
        in_channels: int,
        num_anchors: int,
        num_classes: int,
        num_convs: int = 4,
        prior_probability: float = 0.01,
        norm_layer: Any = None,
    ):
        super().__init__(in_channels, num_convs, norm_layer or group_norm)
        self.num_classes, self.num_anchors = num_classes, num_anchors
        self.cls_logits = Tower.last(in_channels, num_anchors * num_classes)
        nn.init.constant_(self.cls_logits.bias, -math.log((1 - prior_probability) / prior_probability))

    def forward(self, x: list[Tensor]) -> Tensor:
        return torch.cat([Tower.rows(self.cls_logits(self.conv(m)), self.num_classes) for m in x], dim=1)


class FCOSRegressionHead(_Tower):
    """Distances of the four sides and the centre-ness, ``(N, places, 4)`` and ``(N, places, 1)``."""

    def __init__(self, in_channels: int, num_anchors: int, num_convs: int = 4, norm_layer: Any = None):
        super().__init__(in_channels, num_convs, norm_layer or group_norm)
        self.bbox_reg, self.bbox_ctrness = (
            Tower.last(in_channels, num_anchors * 4),
            Tower.last(in_channels, num_anchors),
        )

    def forward(self, x: list[Tensor]) -> tuple[Tensor, Tensor]:
        hidden = [self.conv(m) for m in x]
        sides = [Tower.rows(F.relu(self.bbox_reg(h)), 4) for h in hidden]
        return torch.cat(sides, dim=1), torch.cat([Tower.rows(self.bbox_ctrness(h), 1) for h in hidden], dim=1)


def _middle_and_size(boxes: Tensor, normalize: bool) -> tuple[Tensor, Tensor]:
    """Centres, and the sides to measure in."""
    size = boxes[..., 2:] - boxes[..., :2]
    return (boxes[..., :2] + boxes[..., 2:]) / 2, size if normalize else torch.ones_like(size)


class BoxLinearCoder:
    """A box as the distances of its sides from the centre of another, in sides of that one."""

    def __init__(self, normalize_by_size: bool = True):
        self.normalize_by_size = normalize_by_size

    def encode(self, reference_boxes: Tensor, proposals: Tensor) -> Tensor:
        middle, size = _middle_and_size(reference_boxes, self.normalize_by_size)
        return torch.cat((middle - proposals[..., :2], proposals[..., 2:] - middle), dim=-1) / torch.cat(
            (size, size), dim=-1
        )

    def decode(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        middle, size = _middle_and_size(boxes.to(rel_codes.dtype), self.normalize_by_size)
        return torch.cat((middle - rel_codes[..., :2] * size, middle + rel_codes[..., 2:] * size), dim=-1)


class FCOSHead(nn.Module):
    """Both heads on the same maps."""

    def __init__(self, in_channels: int, num_anchors: int, num_classes: int, num_convs: int | None = 4):
        super().__init__()
        self.box_coder = BoxLinearCoder(normalize_by_size=True)
        self.classification_head = FCOSClassificationHead(in_channels, num_anchors, num_classes, num_convs or 4)
        self.regression_head = FCOSRegressionHead(in_channels, num_anchors, num_convs or 4)

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        sides, centre = self.regression_head(x)
        return {"cls_logits": self.classification_head(x), "bbox_regression": sides, "bbox_ctrness": centre}

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched_idxs: list[Tensor],
    ) -> dict[str, Tensor]:
        logits, offsets, centre = (head_outputs[k] for k in ("cls_logits", "bbox_regression", "bbox_ctrness"))
        labels, boxes = [], []
        for target, matched in zip(targets, matched_idxs):
            if len(target["labels"]) == 0:
                labels.append(target["labels"].new_full((len(matched),), -1))
                boxes.append(target["boxes"].new_zeros((len(matched), 4)))
                continue
            labels.append(torch.where(matched < 0, -1, target["labels"][matched.clip(min=0)]))
            boxes.append(target["boxes"][matched.clip(min=0)])
        label, box, every = torch.stack(labels), torch.stack(boxes), torch.stack(anchors)
        things = label >= 0
        count = max(1, things.sum().item())
        wanted = torch.zeros_like(logits)
        wanted[things, label[things]] = 1.0
        near = self.box_coder.encode(every, box)[things]
        across, down = near[:, [0, 2]], near[:, [1, 3]]
        if len(near) == 0:
            centred = near.new_zeros(near.shape[:-1])
        else:  # 1 in the middle of a thing, 0 at its edge
            centred = torch.sqrt(
                (across.min(dim=-1)[0] / across.max(dim=-1)[0]) * (down.min(dim=-1)[0] / down.max(dim=-1)[0])
            )
        found = self.box_coder.decode(offsets, every)[things]
        return {
            "classification": sigmoid_focal_loss(logits, wanted, reduction="sum") / count,
            "bbox_regression": generalized_box_iou_loss(found, box[things], reduction="sum") / count,
            "bbox_ctrness": F.binary_cross_entropy_with_logits(centre.squeeze(dim=2)[things], centred, reduction="sum")
            / count,
        }


class FCOS(DenseDetector):
    """A detector of one stage without anchors.

    Args:
        backbone: gives a dict of maps; its ``out_channels`` says how many channels they have. num_classes: with the background.
        center_sampling_radius: places farther from a thing's centre, in steps of the map, don't belong to it.
        score_thresh, nms_thresh, detections_per_img, topk_candidates: which results remain.
    """

    def __init__(
        self, backbone: nn.Module, num_classes: int, min_size: Any = 800, max_size: int = 1333, image_mean: Any = None, image_std: Any = None,
        anchor_generator: Any = None, head: Any = None, center_sampling_radius: float = 1.5, score_thresh: float = 0.2,
        nms_thresh: float = 0.6, detections_per_img: int = 100, topk_candidates: int = 1000, **kwargs: Any,
    ):  # fmt: skip
        anchors = anchor_generator or AnchorGenerator(((8,), (16,), (32,), (64,), (128,)), ((1.0,),) * 5)
        super().__init__(backbone, anchors, min_size, max_size, image_mean, image_std, **kwargs)
        per_place = anchors.num_anchors_per_location()[0]
        if per_place != 1:
            raise ValueError(f"anchor_generator.num_anchors_per_location()[0] should be 1 instead of {per_place}")
        self.head = head or FCOSHead(backbone.out_channels, per_place, num_classes)
        self.box_coder = BoxLinearCoder(normalize_by_size=True)
        self.center_sampling_radius, self.score_thresh, self.nms_thresh = (
            center_sampling_radius,
            score_thresh,
            nms_thresh,
        )
        self.detections_per_img, self.topk_candidates = detections_per_img, topk_candidates

    def match(self, targets: list[dict[str, Tensor]], anchors: list[Tensor], counts: list[int]) -> list[Tensor]:
        """For each place the smallest thing that it is in the middle of and whose size fits its map; -1 for none."""
        out = []
        for target, mine in zip(targets, anchors):
            boxes = target["boxes"]
            if boxes.numel() == 0:
                out.append(torch.full((len(mine),), -1, dtype=torch.int64, device=mine.device))
                continue
            middle, side = (mine[:, :2] + mine[:, 2:]) / 2, mine[:, 2] - mine[:, 0]
            centres = (boxes[:, :2] + boxes[:, 2:]) / 2
            near = (middle[:, None] - centres[None]).abs().amax(dim=2) < self.center_sampling_radius * side[:, None]
            x, y = middle[:, 0, None], middle[:, 1, None]
            sides = torch.stack([x - boxes[:, 0], y - boxes[:, 1], boxes[:, 2] - x, boxes[:, 3] - y], dim=2)
            low, high = side * 4, side * 8
            low[: counts[0]], high[-counts[-1] :] = 0, math.inf
            largest = sides.amax(dim=2)
            near &= (sides.amin(dim=2) > 0) & (largest > low[:, None]) & (largest < high[:, None])
            areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
            value, index = (near.to(torch.float32) * (1e8 - areas[None])).max(dim=1)
            index[value < 1e-5] = -1
            out.append(index)
        return out

    def losses(
        self, targets: list[dict[str, Tensor]], out: dict[str, Tensor], anchors: list[Tensor], counts: list[int]
    ) -> dict[str, Tensor]:
        return self.head.compute_loss(targets, out, anchors, self.match(targets, anchors, counts))

    def detections(
        self, out: dict[str, Tensor], anchors: list[Tensor], counts: list[int], shapes: list[tuple[int, int]]
    ) -> list[dict[str, Tensor]]:
        scores = torch.sqrt(out["cls_logits"].sigmoid() * out["bbox_ctrness"].sigmoid())
        return best_of_levels(self, scores, out["bbox_regression"], anchors, counts, shapes, self.box_coder.decode)


fcos_resnet50_fpn = define(
    "fcos_resnet50_fpn",
    on_resnet50(FCOS, pyramid=pyramid),
    "FCOS on a ResNet-50 with a feature pyramid.",
    adjust=trained,
)
__all__.append("fcos_resnet50_fpn")
