"""The second stage of R-CNN: what each proposal is, and its box, mask and keypoints."""

from __future__ import annotations

from typing import Any

import rushlight as torch
from rushlight import Tensor, nn
from rushlight.nn import functional as F

from ... import ops
from . import _utils as det_utils

__all__ = ["RoIHeads", "paste_masks_in_image"]


def fastrcnn_loss(
    class_logits: Tensor, box_regression: Tensor, labels: list[Tensor], regression_targets: list[Tensor]
) -> tuple[Tensor, Tensor]:
    """The losses of classes and of boxes; those of the background have none."""
    label, target = torch.cat(labels), torch.cat(regression_targets)
    things = torch.where(label > 0)[0]
    boxes = box_regression.reshape(len(class_logits), -1, 4)[things, label[things]]
    return F.cross_entropy(class_logits, label), det_utils.box_loss(boxes, target[things]) / label.numel()


# ---- masks


def project_masks_on_boxes(gt_masks: Tensor, boxes: Tensor, matched_idxs: Tensor, M: int) -> Tensor:  # noqa: N803  torchvision's name
    """What of each box's mask lies in the box, on M by M places."""
    rois = torch.cat([matched_idxs[:, None].to(boxes), boxes], dim=1)
    return ops.roi_align(gt_masks[:, None].to(rois), rois, (M, M), 1.0)[:, 0]


def maskrcnn_loss(
    mask_logits: Tensor,
    proposals: list[Tensor],
    gt_masks: list[Tensor],
    gt_labels: list[Tensor],
    mask_matched_idxs: list[Tensor],
) -> Tensor:
    side = mask_logits.shape[-1]
    labels = torch.cat([label[idx] for label, idx in zip(gt_labels, mask_matched_idxs)])
    targets = torch.cat([project_masks_on_boxes(*of, side) for of in zip(gt_masks, proposals, mask_matched_idxs)])
    if targets.numel() == 0:
        return mask_logits.sum() * 0  # a loss that reaches the weights, of nothing
    mine = mask_logits[torch.arange(len(labels), device=labels.device), labels]
    return F.binary_cross_entropy_with_logits(mine, targets)


def maskrcnn_inference(x: Tensor, labels: list[Tensor]) -> list[Tensor]:
    """The probabilities ``(K, 1, M, M)`` of each image's boxes, for the class of each."""
    label = torch.cat(labels)
    mine = x.sigmoid()[torch.arange(len(x), device=label.device), label][:, None]
    return list(mine.split([len(of) for of in labels]))


def _expand(masks: Tensor, boxes: Tensor, padding: int) -> tuple[Tensor, Tensor]:
    """A margin of zeros around each mask, and boxes larger by as much, so that its edge is drawn too."""
    side = masks.shape[-1]
    scale = float(side + 2 * padding) / side
    middle, half = (boxes[:, 2:] + boxes[:, :2]) * 0.5, (boxes[:, 2:] - boxes[:, :2]) * 0.5 * scale
    return F.pad(masks, (padding,) * 4), torch.cat((middle - half, middle + half), dim=1)


def paste_masks_in_image(masks: Tensor, boxes: Tensor, img_shape: tuple[int, int], padding: int = 1) -> Tensor:
    """Masks of boxes, ``(K, 1, M, M)``, as masks of the whole image, ``(K, 1, height, width)``."""
    height, width = img_shape
    masks, boxes = _expand(masks, boxes, padding)
    out = masks.new_zeros((len(masks), 1, height, width))
    for i, (mask, box) in enumerate(zip(masks, boxes.to(torch.int64).tolist())):
        left, top, right, bottom = box
        size = (max(bottom - top + 1, 1), max(right - left + 1, 1))
        drawn = F.interpolate(mask[None], size=size, mode="bilinear", align_corners=False)[0, 0]
        x0, x1, y0, y1 = max(left, 0), min(right + 1, width), max(top, 0), min(bottom + 1, height)
        out[i, 0, y0:y1, x0:x1] = drawn[y0 - top : y1 - top, x0 - left : x1 - left]
    return out


# ---- keypoints


def keypoints_to_heatmap(keypoints: Tensor, rois: Tensor, heatmap_size: int) -> tuple[Tensor, Tensor]:
    """For each keypoint its place on the box's map of that side, counted row by row, and whether it is in the box and visible."""
    places, inside = [], torch.ones(keypoints.shape[:2], dtype=torch.bool, device=keypoints.device)
    for d in range(2):
        low, high = rois[:, d, None], rois[:, d + 2, None]
        at = keypoints[..., d]
        place = ((at - low) * (heatmap_size / (high - low))).floor().long()
        place = torch.where(at == high, heatmap_size - 1, place)
        inside = inside & (place >= 0) & (place < heatmap_size)
        places.append(place)
    valid = (inside & (keypoints[..., 2] > 0)).long()
    return (places[1] * heatmap_size + places[0]) * valid, valid


def keypointrcnn_loss(
    keypoint_logits: Tensor, proposals: list[Tensor], gt_keypoints: list[Tensor], keypoint_matched_idxs: list[Tensor]
) -> Tensor:
    n, count, side, _ = keypoint_logits.shape
    maps = [
        keypoints_to_heatmap(points[idx], boxes, side)
        for points, boxes, idx in zip(gt_keypoints, proposals, keypoint_matched_idxs)
    ]
    targets = torch.cat([place.view(-1) for place, _ in maps])
    valid = torch.where(torch.cat([v.view(-1) for _, v in maps]))[0]
    if targets.numel() == 0 or len(valid) == 0:
        return keypoint_logits.sum() * 0
    return F.cross_entropy(keypoint_logits.view(n * count, side * side)[valid], targets[valid])


def heatmaps_to_keypoints(maps: Tensor, rois: Tensor) -> tuple[Tensor, Tensor]:
    """``(K, count, side, side)`` maps as ``(K, count, 3)`` places (x, y, 1) on the image, and scores ``(K, count)``."""
    points, scores = [], []
    sizes = (rois[:, 2:] - rois[:, :2]).clamp(min=1)
    for heat, corner, size, whole in zip(maps, rois[:, :2], sizes, sizes.ceil().long().tolist()):
        width, height = whole
        large = F.interpolate(heat[None], size=(height, width), mode="bicubic", align_corners=False)[0]
        best = large.reshape(len(large), -1).argmax(dim=1)
        x, y = best % width, torch.div(best, width, rounding_mode="floor")
        middle = [(v.float() + 0.5) * (size[d] / whole[d]) + corner[d] for d, v in ((0, x), (1, y))]
        points.append(torch.stack([*middle, torch.ones_like(middle[0])], dim=1))
        scores.append(large[torch.arange(len(large), device=large.device), y, x])
    if not points:
        return maps.new_zeros((0, maps.shape[1], 3)), maps.new_zeros((0, maps.shape[1]))
    return torch.stack(points), torch.stack(scores)


def keypointrcnn_inference(x: Tensor, boxes: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    found = [heatmaps_to_keypoints(*of) for of in zip(x.split([len(b) for b in boxes]), boxes)]
    return [points for points, _ in found], [scores for _, scores in found]


class RoIHeads(nn.Module):
    """Classes and boxes of proposals, and masks and keypoints where there are heads for them; in training their losses.

    Args:
        box_roi_pool, box_head, box_predictor: features of the boxes, a vector of each, and (class logits, box offsets).
        fg_iou_thresh, bg_iou_thresh, batch_size_per_image, positive_fraction: which proposals the losses look at.
        bbox_reg_weights: of the offsets, (10, 10, 5, 5) by default.
        score_thresh, nms_thresh, detections_per_img: which results remain.
    """

    def __init__(
        self, box_roi_pool: nn.Module, box_head: nn.Module, box_predictor: nn.Module, fg_iou_thresh: float, bg_iou_thresh: float,
        batch_size_per_image: int, positive_fraction: float, bbox_reg_weights: Any, score_thresh: float, nms_thresh: float,
        detections_per_img: int, mask_roi_pool: Any = None, mask_head: Any = None, mask_predictor: Any = None,
        keypoint_roi_pool: Any = None, keypoint_head: Any = None, keypoint_predictor: Any = None,
    ):  # fmt: skip
        super().__init__()
        self.box_similarity = ops.box_iou
        self.proposal_matcher = det_utils.Matcher(fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=False)
        self.fg_bg_sampler = det_utils.BalancedPositiveNegativeSampler(batch_size_per_image, positive_fraction)
        self.box_coder = det_utils.BoxCoder(bbox_reg_weights or (10.0, 10.0, 5.0, 5.0))
        self.box_roi_pool, self.box_head, self.box_predictor = box_roi_pool, box_head, box_predictor
        self.score_thresh, self.nms_thresh, self.detections_per_img = score_thresh, nms_thresh, detections_per_img
        self.mask_roi_pool, self.mask_head, self.mask_predictor = mask_roi_pool, mask_head, mask_predictor
        self.keypoint_roi_pool, self.keypoint_head = keypoint_roi_pool, keypoint_head
        self.keypoint_predictor = keypoint_predictor

    def has_mask(self) -> bool:
        return None not in (self.mask_roi_pool, self.mask_head, self.mask_predictor)

    def has_keypoint(self) -> bool:
        return None not in (self.keypoint_roi_pool, self.keypoint_head, self.keypoint_predictor)

    def assign_targets_to_proposals(
        self, proposals: list[Tensor], gt_boxes: list[Tensor], gt_labels: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Of each proposal the target that it belongs to, and the label (0 for background, -1 for neither)."""
        indices, labels = [], []
        for mine, given, label_of in zip(proposals, gt_boxes, gt_labels):
            if given.numel() == 0:
                index = torch.zeros(len(mine), dtype=torch.int64, device=mine.device)
                label = index.clone()
            else:
                matched = self.proposal_matcher(self.box_similarity(given, mine))
                index = matched.clamp(min=0)
                label = label_of[index].to(torch.int64)
                label[matched == self.proposal_matcher.BELOW_LOW_THRESHOLD] = 0
                label[matched == self.proposal_matcher.BETWEEN_THRESHOLDS] = -1
            indices.append(index)
            labels.append(label)
        return indices, labels

    def select_training_samples(
        self, proposals: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]:
        """Proposals (the targets' own boxes among them), the targets that they belong to, labels and offsets."""
        boxes = [t["boxes"].to(proposals[0].dtype) for t in targets]
        proposals = [torch.cat(pair) for pair in zip(proposals, boxes)]
        indices, labels = self.assign_targets_to_proposals(proposals, boxes, [t["labels"] for t in targets])
        positive, negative = self.fg_bg_sampler(labels)
        matched = []
        for i, (p, n) in enumerate(zip(positive, negative)):
            sampled = torch.where(p | n)[0]
            proposals[i], labels[i], indices[i] = proposals[i][sampled], labels[i][sampled], indices[i][sampled]
            given = boxes[i] if boxes[i].numel() > 0 else boxes[i].new_zeros((1, 4))
            matched.append(given[indices[i]])
        return proposals, indices, labels, self.box_coder.encode(matched, proposals)

    def postprocess_detections(
        self, class_logits: Tensor, box_regression: Tensor, proposals: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        classes = class_logits.shape[-1]
        counts = [len(p) for p in proposals]
        every = self.box_coder.decode(box_regression, proposals).reshape(-1, classes, 4)
        probabilities = F.softmax(class_logits, -1)
        out: tuple[list, list, list] = ([], [], [])
        for boxes, scores, shape in zip(every.split(counts), probabilities.split(counts), image_shapes):
            boxes = ops.clip_boxes_to_image(boxes, shape)[:, 1:].reshape(-1, 4)  # without the background
            labels = torch.arange(1, classes, device=scores.device).expand(len(scores), -1).reshape(-1)
            scores = scores[:, 1:].reshape(-1)
            keep = torch.where(scores > self.score_thresh)[0]
            boxes, scores, labels = boxes[keep], scores[keep], labels[keep]
            keep = ops.remove_small_boxes(boxes, 1e-2)
            boxes, scores, labels = boxes[keep], scores[keep], labels[keep]
            keep = ops.batched_nms(boxes, scores, labels, self.nms_thresh)[: self.detections_per_img]
            for part, values in zip(out, (boxes, scores, labels)):
                part.append(values[keep])
        return out

    def _positive(
        self, proposals: list[Tensor], labels: list[Tensor], indices: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        places = [torch.where(label > 0)[0] for label in labels]
        return [p[at] for p, at in zip(proposals, places)], [i[at] for i, at in zip(indices, places)]

    def _check(self, targets: list[dict[str, Tensor]] | None) -> None:
        for t in targets or []:
            if t["boxes"].dtype not in (torch.float, torch.double, torch.half):
                raise TypeError(f"target boxes must of float type, instead got {t['boxes'].dtype}")
            if t["labels"].dtype != torch.int64:
                raise TypeError(f"target labels must of int64 type, instead got {t['labels'].dtype}")
            if self.has_keypoint() and t["keypoints"].dtype != torch.float32:
                raise TypeError(f"target keypoints must of float type, instead got {t['keypoints'].dtype}")

    def forward(
        self, features: dict[str, Tensor], proposals: list[Tensor], image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:  # fmt: skip
        self._check(targets)
        indices: list[Tensor] = []
        labels: list[Tensor] = []
        if self.training:
            if targets is None:
                raise ValueError("targets should not be None")
            proposals, indices, labels, offsets = self.select_training_samples(proposals, targets)
        vectors = self.box_head(self.box_roi_pool(features, proposals, image_shapes))
        logits, regression = self.box_predictor(vectors)
        result: list[dict[str, Tensor]] = []
        losses: dict[str, Tensor] = {}
        if self.training:
            losses["loss_classifier"], losses["loss_box_reg"] = fastrcnn_loss(logits, regression, labels, offsets)
        else:
            found = self.postprocess_detections(logits, regression, proposals, image_shapes)
            result = [{"boxes": b, "labels": label, "scores": s} for b, s, label in zip(*found)]
        for kind in ("mask", "keypoint"):
            if not (self.has_mask() if kind == "mask" else self.has_keypoint()):
                continue
            pool, head, predictor = (getattr(self, f"{kind}_{part}") for part in ("roi_pool", "head", "predictor"))
            boxes, matched = (
                self._positive(proposals, labels, indices) if self.training else ([r["boxes"] for r in result], [])
            )
            out = predictor(head(pool(features, boxes, image_shapes)))
            if self.training and kind == "mask":
                given = [t["masks"] for t in targets or []], [t["labels"] for t in targets or []]
                losses["loss_mask"] = maskrcnn_loss(out, boxes, *given, matched)
            elif self.training:
                losses["loss_keypoint"] = keypointrcnn_loss(
                    out, boxes, [t["keypoints"] for t in targets or []], matched
                )
            elif kind == "mask":
                for masks, r in zip(maskrcnn_inference(out, [r["labels"] for r in result]), result):
                    r["masks"] = masks
            else:
                for points, scores, r in zip(*keypointrcnn_inference(out, boxes), result):
                    r["keypoints"], r["keypoints_scores"] = points, scores
        return result, losses
