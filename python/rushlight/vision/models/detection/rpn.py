"""The region proposal network: where on an image things might be (Ren et al., Faster R-CNN, 2015)."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor, nn
from rushlight.nn import functional as F

from ... import ops
from . import _utils as det_utils
from .anchor_utils import AnchorGenerator  # noqa: F401  found here too
from .image_list import ImageList

__all__ = ["AnchorGenerator", "RPNHead", "RegionProposalNetwork"]


class RPNHead(nn.Module):
    """Convolutions, then for each place and anchor whether something is there and its box.

    Shape: maps ``(N, in_channels, H, W)``; gives lists of ``(N, num_anchors, H, W)`` and ``(N, 4 * num_anchors, H, W)``.
    """

    _version = 2

    def __init__(self, in_channels: int, num_anchors: int, conv_depth: int = 1):
        super().__init__()
        self.conv = nn.Sequential(
            *(ops.Conv2dNormActivation(in_channels, in_channels, 3, norm_layer=None) for _ in range(conv_depth))
        )
        self.cls_logits = nn.Conv2d(in_channels, num_anchors, 1)
        self.bbox_pred = nn.Conv2d(in_channels, num_anchors * 4, 1)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.normal_(m.weight, std=0.01)
                if m.bias is not None:
                    nn.init.constant_(m.bias, 0)

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
        if (local_metadata.get("version") or 1) < 2:  # one convolution, without a list around it
            for kind in ("weight", "bias"):
                if (old := f"{prefix}conv.{kind}") in state_dict:
                    state_dict[f"{prefix}conv.0.0.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        hidden = [self.conv(m) for m in x]
        return [self.cls_logits(m) for m in hidden], [self.bbox_pred(m) for m in hidden]


def _rows(maps: list[Tensor], width: int) -> Tensor:
    """``(N, A * width, H, W)`` of each map: ``(N, all places and anchors, width)``."""
    rows = []
    for m in maps:
        n, _, height, columns = m.shape
        rows.append(m.view(n, -1, width, height, columns).permute(0, 3, 4, 1, 2).reshape(n, -1, width))
    return torch.cat(rows, dim=1)


class RegionProposalNetwork(nn.Module):
    """Proposals of boxes from maps of features, and in training their losses.

    Args:
        anchor_generator, head: an :class:`AnchorGenerator` and an :class:`RPNHead`.
        fg_iou_thresh, bg_iou_thresh: anchors that overlap a target by more than the first are positive, by less than the second negative.
        batch_size_per_image, positive_fraction: of the anchors that the loss looks at.
        pre_nms_top_n, post_nms_top_n: dicts of "training" and "testing": how many proposals are kept of each map before suppression, and after.
        nms_thresh, score_thresh: of the suppression, and the least score.
    """

    def __init__(
        self, anchor_generator: nn.Module, head: nn.Module, fg_iou_thresh: float, bg_iou_thresh: float, batch_size_per_image: int,
        positive_fraction: float, pre_nms_top_n: dict[str, int], post_nms_top_n: dict[str, int], nms_thresh: float, score_thresh: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        self.anchor_generator, self.head = anchor_generator, head
        self.box_coder = det_utils.BoxCoder((1.0, 1.0, 1.0, 1.0))
        self.box_similarity = ops.box_iou
        self.proposal_matcher = det_utils.Matcher(fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=True)
        self.fg_bg_sampler = det_utils.BalancedPositiveNegativeSampler(batch_size_per_image, positive_fraction)
        self._pre_nms_top_n, self._post_nms_top_n = pre_nms_top_n, post_nms_top_n
        self.nms_thresh, self.score_thresh, self.min_size = nms_thresh, score_thresh, 1e-3

    def pre_nms_top_n(self) -> int:
        return self._pre_nms_top_n["training" if self.training else "testing"]

    def post_nms_top_n(self) -> int:
        return self._post_nms_top_n["training" if self.training else "testing"]

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Labels (1, 0 for background, -1 for neither) and the target's box of each anchor."""
        labels, boxes = [], []
        for mine, target in zip(anchors, targets):
            given = target["boxes"]
            if given.numel() == 0:
                boxes.append(torch.zeros_like(mine))
                labels.append(torch.zeros(len(mine), dtype=torch.float32, device=mine.device))
                continue
            matched = self.proposal_matcher(self.box_similarity(given, mine))
            boxes.append(given[matched.clamp(min=0)])
            label = (matched >= 0).to(torch.float32)
            label[matched == self.proposal_matcher.BETWEEN_THRESHOLDS] = -1.0
            labels.append(label)
        return labels, boxes

    def filter_proposals(
        self,
        proposals: Tensor,
        objectness: Tensor,
        image_shapes: list[tuple[int, int]],
        num_anchors_per_level: list[int],
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The best boxes and scores of each image."""
        images = len(proposals)
        objectness = objectness.detach().reshape(images, -1)
        levels, best, start = [], [], 0
        for level, count in enumerate(num_anchors_per_level):
            kept = min(self.pre_nms_top_n(), count)
            best.append(objectness[:, start : start + count].topk(kept, dim=1)[1] + start)
            levels.append(torch.full((kept,), level, dtype=torch.int64, device=proposals.device))
            start += count
        chosen, level_of = torch.cat(best, dim=1), torch.cat(levels)
        rows = torch.arange(images, device=proposals.device)[:, None]
        probabilities = torch.sigmoid(objectness[rows, chosen])
        final_boxes, final_scores = [], []
        for boxes, scores, shape in zip(proposals[rows, chosen], probabilities, image_shapes):
            boxes = ops.clip_boxes_to_image(boxes, shape)
            keep = ops.remove_small_boxes(boxes, self.min_size)
            boxes, scores, of = boxes[keep], scores[keep], level_of[keep]
            keep = torch.where(scores >= self.score_thresh)[0]
            boxes, scores, of = boxes[keep], scores[keep], of[keep]
            keep = ops.batched_nms(boxes, scores, of, self.nms_thresh)[: self.post_nms_top_n()]
            final_boxes.append(boxes[keep])
            final_scores.append(scores[keep])
        return final_boxes, final_scores

    def compute_loss(
        self, objectness: Tensor, pred_bbox_deltas: Tensor, labels: list[Tensor], regression_targets: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        positive, negative = (torch.where(torch.cat(masks))[0] for masks in self.fg_bg_sampler(labels))
        sampled = torch.cat([positive, negative])
        label, target = torch.cat(labels), torch.cat(regression_targets)
        box = det_utils.box_loss(pred_bbox_deltas[positive], target[positive]) / sampled.numel()
        return F.binary_cross_entropy_with_logits(objectness.flatten()[sampled], label[sampled]), box

    def forward(
        self, images: ImageList, features: dict[str, Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        maps = list(features.values())
        objectness, deltas = self.head(maps)
        anchors = self.anchor_generator(images, maps)
        counts = [o.shape[1] * o.shape[2] * o.shape[3] for o in objectness]
        scores, offsets = _rows(objectness, 1).reshape(-1, 1), _rows(deltas, 4).reshape(-1, 4)
        # What the second stage learns doesn't move the proposals.
        proposals = self.box_coder.decode(offsets.detach(), anchors).view(len(anchors), -1, 4)
        boxes, _ = self.filter_proposals(proposals, scores, images.image_sizes, counts)
        losses: dict[str, Tensor] = {}
        if self.training:
            if targets is None:
                raise ValueError("targets should not be None")
            labels, matched = self.assign_targets_to_anchors(anchors, targets)
            objectness_loss, box_loss = self.compute_loss(
                scores, offsets, labels, self.box_coder.encode(matched, anchors)
            )
            losses = {"loss_objectness": objectness_loss, "loss_rpn_box_reg": box_loss}
        return boxes, losses
