"""Losses of detectors: focal loss, and those of overlapping boxes."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor
from rushlight.nn import functional as F

__all__ = ["complete_box_iou_loss", "distance_box_iou_loss", "generalized_box_iou_loss", "sigmoid_focal_loss"]


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return loss.mean() if loss.numel() else 0.0 * loss.sum()
    if reduction == "sum":
        return loss.sum()
    if reduction != "none":
        raise ValueError(
            f"Invalid Value for arg 'reduction': '{reduction} \n Supported reduction modes: 'none', 'mean', 'sum'"
        )
    return loss


def sigmoid_focal_loss(
    inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2, reduction: str = "none"
) -> Tensor:
    """Cross entropy of two classes, weighted down where the answer is right already (RetinaNet).

    Args:
        inputs: logits of any shape. targets: 0 or 1, of the same shape.
        alpha: the weight of class 1 between 0 and 1; below 0 there is none.
        gamma: how fast the weight falls.

    >>> sigmoid_focal_loss(torch.zeros(1), torch.ones(1))
    tensor([0.0433])
    """
    if not 0 <= alpha <= 1 and alpha != -1:
        raise ValueError(f"Invalid alpha value: {alpha}. alpha must be in the range [0,1] or -1 for ignore.")
    p = torch.sigmoid(inputs)
    loss = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    loss = loss * ((1 - (p * targets + (1 - p) * (1 - targets))) ** gamma)
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return _reduce(loss, reduction)


def _floats(boxes: Tensor) -> Tensor:
    return boxes if boxes.dtype in (torch.float32, torch.float64) else boxes.float()


def _pairs(boxes1: Tensor, boxes2: Tensor, eps: float) -> tuple:
    """Of boxes in pairs: overlap over union, union, and the sides of the box around both."""
    low, high = torch.max(boxes1[..., :2], boxes2[..., :2]), torch.min(boxes1[..., 2:], boxes2[..., 2:])
    sides = high - low
    inside = torch.where((sides > 0).all(-1), sides[..., 0] * sides[..., 1], torch.zeros_like(sides[..., 0]))
    areas = [(b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1]) for b in (boxes1, boxes2)]
    union = areas[0] + areas[1] - inside
    hull = torch.max(boxes1[..., 2:], boxes2[..., 2:]) - torch.min(boxes1[..., :2], boxes2[..., :2])
    return inside / (union + eps), union, hull


def generalized_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """1 - generalized IoU of each pair: ``(N, 4), (N, 4) -> (N,)``.

    >>> box = torch.tensor([[0.0, 0, 2, 2]])
    >>> generalized_box_iou_loss(box, box + 1, reduction="sum")
    tensor(1.0794)
    """
    iou, union, hull = _pairs(_floats(boxes1), _floats(boxes2), eps)
    area = hull[..., 0] * hull[..., 1]
    return _reduce(1 - (iou - (area - union) / (area + eps)), reduction)


def _distance_loss(boxes1: Tensor, boxes2: Tensor, eps: float) -> tuple:
    iou, _, hull = _pairs(boxes1, boxes2, eps)
    diagonal = (hull**2).sum(-1) + eps
    apart = ((boxes1[..., :2] + boxes1[..., 2:]) / 2 - (boxes2[..., :2] + boxes2[..., 2:]) / 2) ** 2
    return 1 - iou + apart.sum(-1) / diagonal, iou


def distance_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """1 - distance IoU of each pair; has a gradient also where boxes don't touch."""
    return _reduce(_distance_loss(_floats(boxes1), _floats(boxes2), eps)[0], reduction)


def complete_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """1 - complete IoU of each pair: distance and proportions count too."""
    boxes1, boxes2 = _floats(boxes1), _floats(boxes2)
    loss, iou = _distance_loss(boxes1, boxes2, eps)
    slant1, slant2 = (torch.atan((b[..., 2] - b[..., 0]) / (b[..., 3] - b[..., 1])) for b in (boxes1, boxes2))
    v = (4 / torch.pi**2) * (slant2 - slant1) ** 2
    with torch.no_grad():
        alpha = v / (1 - iou + v + eps)
    return _reduce(loss + alpha * v, reduction)
