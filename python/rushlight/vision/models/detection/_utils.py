"""Boxes as offsets from others, which boxes belong together, and a sample of them for a loss."""

from __future__ import annotations

import math
from typing import Any

import rushlight as torch
from rushlight import Tensor, nn
from rushlight.nn import functional as F

from .image_list import ImageList

__all__ = ["BalancedPositiveNegativeSampler", "BoxCoder", "Matcher"]

_BETA = 1 / 9  # of the smooth L1 loss of boxes


def box_loss(predicted: Tensor, target: Tensor) -> Tensor:
    return F.smooth_l1_loss(predicted, target, beta=_BETA, reduction="sum")


def _centers(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(x, y, width, height), columns of one."""
    corner, size = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
    middle = corner + 0.5 * size
    return middle[:, 0:1], middle[:, 1:2], size[:, 0:1], size[:, 1:2]


class BoxCoder:
    """A box as its offset from another: how far the centre moves and the logarithm of how much the sides grow, each times a weight.

    >>> coder, box = BoxCoder((1.0, 1.0, 1.0, 1.0)), torch.tensor([[0.0, 0, 4, 4]])
    >>> offset = coder.encode_single(torch.tensor([[1.0, 0, 5, 8]]), box)
    >>> offset[0, :2]
    tensor([0.2500, 0.5000])
    >>> coder.decode_single(offset, box)
    tensor([[1., 0., 5., 8.]])
    """

    def __init__(self, weights: tuple[float, float, float, float], bbox_xform_clip: float = math.log(1000.0 / 16)):
        self.weights, self.bbox_xform_clip = weights, bbox_xform_clip

    def encode(self, reference_boxes: list[Tensor], proposals: list[Tensor]) -> list[Tensor]:
        counts = [len(b) for b in reference_boxes]
        return list(self.encode_single(torch.cat(reference_boxes), torch.cat(proposals)).split(counts))

    def encode_single(self, reference_boxes: Tensor, proposals: Tensor) -> Tensor:
        wx, wy, ww, wh = self.weights
        x, y, width, height = _centers(proposals)
        to_x, to_y, to_width, to_height = _centers(reference_boxes)
        return torch.cat(
            (
                wx * (to_x - x) / width,
                wy * (to_y - y) / height,
                ww * torch.log(to_width / width),
                wh * torch.log(to_height / height),
            ),
            dim=1,
        )

    def decode(self, rel_codes: Tensor, boxes: list[Tensor]) -> Tensor:
        """``(N, 4 * K)`` offsets from N boxes: ``(N, K, 4)`` boxes."""
        every = torch.cat(boxes)
        if len(every) > 0:
            rel_codes = rel_codes.reshape(len(every), -1)
        out = self.decode_single(rel_codes, every)
        return out.reshape(len(every), -1, 4) if len(every) > 0 else out

    def decode_single(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        x, y, width, height = _centers(boxes.to(rel_codes.dtype))
        wx, wy, ww, wh = self.weights
        dx, dy = rel_codes[:, 0::4] / wx, rel_codes[:, 1::4] / wy
        dw, dh = (torch.clamp(rel_codes[:, i::4] / w, max=self.bbox_xform_clip) for i, w in ((2, ww), (3, wh)))
        to_x, to_y = dx * width + x, dy * height + y
        half_width, half_height = 0.5 * (torch.exp(dw) * width), 0.5 * (torch.exp(dh) * height)
        corners = (to_x - half_width, to_y - half_height, to_x + half_width, to_y + half_height)
        return torch.stack(corners, dim=2).flatten(1)


class Matcher:
    """For each column of a matrix of qualities (objects by candidates) the row that it belongs to: -1 below the low threshold, -2 between
    the two. With `allow_low_quality_matches` the best candidates of each object count however low they are.

    >>> Matcher(0.7, 0.3)(torch.tensor([[0.9, 0.5, 0.1], [0.2, 0.1, 0.2]]))
    tensor([ 0, -2, -1])
    """

    BELOW_LOW_THRESHOLD, BETWEEN_THRESHOLDS = -1, -2

    def __init__(self, high_threshold: float, low_threshold: float, allow_low_quality_matches: bool = False):
        if low_threshold > high_threshold:
            raise ValueError(f"low_threshold should be <= high_threshold, got {low_threshold} and {high_threshold}")
        self.high_threshold, self.low_threshold = high_threshold, low_threshold
        self.allow_low_quality_matches = allow_low_quality_matches

    def __call__(self, match_quality_matrix: Tensor) -> Tensor:
        if match_quality_matrix.numel() == 0:
            what = "ground-truth" if match_quality_matrix.shape[0] == 0 else "proposal"
            raise ValueError(f"No {what} boxes available for one of the images during training")
        quality, matches = match_quality_matrix.max(dim=0)
        best = matches.clone()
        matches[quality < self.low_threshold] = self.BELOW_LOW_THRESHOLD
        matches[(quality >= self.low_threshold) & (quality < self.high_threshold)] = self.BETWEEN_THRESHOLDS
        if self.allow_low_quality_matches:
            highest = match_quality_matrix.max(dim=1)[0]
            candidates = torch.where(match_quality_matrix == highest[:, None])[1]
            matches[candidates] = best[candidates]
        return matches


class BalancedPositiveNegativeSampler:
    """Draws `batch_size_per_image` candidates of each image, at most `positive_fraction` of them positive (label >= 1; 0 is negative)."""

    def __init__(self, batch_size_per_image: int, positive_fraction: float):
        self.batch_size_per_image, self.positive_fraction = batch_size_per_image, positive_fraction

    def __call__(self, matched_idxs: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Masks of the positive and of the negative ones, for each image."""
        out: tuple[list[Tensor], list[Tensor]] = ([], [])
        for labels in matched_idxs:
            left = self.batch_size_per_image
            wanted = int(left * self.positive_fraction)
            for masks, group in zip(out, (labels >= 1, labels == 0)):
                places = torch.where(group)[0]
                count = min(len(places), wanted)
                mask = torch.zeros_like(labels, dtype=torch.uint8)
                mask[places[torch.randperm(len(places), device=places.device)[:count]]] = 1
                masks.append(mask)
                wanted = left - count
        return out


def overwrite_eps(model: nn.Module, eps: float) -> None:
    """The eps of all frozen normalisations, which older checkpoints were trained with."""
    from ...ops import FrozenBatchNorm2d

    for m in model.modules():
        if isinstance(m, FrozenBatchNorm2d):
            m.eps = eps


def features_of(
    model: Any, images: list[Tensor], targets: list[dict[str, Tensor]] | None
) -> tuple[ImageList, list[dict[str, Tensor]] | None, dict[str, Tensor], list[tuple[int, int]]]:
    """What every detector begins with: images and targets transformed, a dict of maps, and the sizes that the images came in."""
    if model.training:
        check_targets(targets)
    sizes = [(int(i.shape[-2]), int(i.shape[-1])) for i in images]
    batch, targets = model.transform(images, targets)
    check_degenerate(targets)
    features = model.backbone(batch.tensors)
    return batch, targets, {"0": features} if isinstance(features, Tensor) else features, sizes


def check_targets(targets: list[dict[str, Tensor]] | None) -> None:
    """What training asks of them."""
    if targets is None:
        raise AssertionError("targets should not be none when in training mode")
    for target in targets:
        boxes = target["boxes"]
        if not isinstance(boxes, Tensor):
            raise AssertionError(f"Expected target boxes to be of type Tensor, got {type(boxes)}.")
        if boxes.dim() != 2 or boxes.shape[-1] != 4:
            raise AssertionError(f"Expected target boxes to be a tensor of shape [N, 4], got {boxes.shape}.")


def check_degenerate(targets: list[dict[str, Tensor]] | None) -> None:
    for i, target in enumerate(targets or []):
        flat = (target["boxes"][:, 2:] <= target["boxes"][:, :2]).any(dim=1)
        if flat.any():
            box = target["boxes"][torch.where(flat)[0][0]].tolist()
            raise AssertionError(
                f"All bounding boxes should have positive height and width. Found invalid box {box} for target at index {i}."
            )
