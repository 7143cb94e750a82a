"""Boxes as rows of four numbers: areas, overlaps, formats, and which of many remain (non-maximum suppression)."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

__all__ = [
    "batched_nms",
    "box_area",
    "box_convert",
    "box_iou",
    "clip_boxes_to_image",
    "complete_box_iou",
    "distance_box_iou",
    "generalized_box_iou",
    "masks_to_boxes",
    "nms",
    "remove_small_boxes",
]


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Indices of the boxes that remain, best first, when each takes away those that overlap it by more than the threshold.

    Args:
        boxes: ``(N, 4)`` as (x1, y1, x2, y2).
        scores: ``(N,)``.
        iou_threshold: how much of their union two boxes may share.

    >>> boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
    >>> nms(boxes, torch.tensor([0.5, 0.9, 0.7]), 0.5)
    tensor([1, 2])
    """
    return torch.ops.torchvision.nms(boxes, scores, iou_threshold)


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """:func:`nms` within each category: boxes of different ``idxs`` don't meet.

    >>> boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10]])
    >>> batched_nms(boxes, torch.tensor([0.5, 0.9]), torch.tensor([0, 1]), 0.5)
    tensor([1, 0])
    """
    if boxes.numel() > 4000:  # one category after the other compares fewer pairs
        keep = torch.zeros_like(scores, dtype=torch.bool)
        ordered = torch.sort(idxs)[0]
        first = torch.cat((torch.ones_like(ordered[:1], dtype=torch.bool), ordered[1:] != ordered[:-1]))
        for category in ordered[first].unbind():
            mine = torch.where(idxs == category)[0]
            keep[mine[nms(boxes[mine], scores[mine], iou_threshold)]] = True
        kept = torch.where(keep)[0]
        return kept[scores[kept].sort(descending=True)[1]]
    if boxes.numel() == 0:
        return torch.empty((0,), dtype=torch.int64, device=boxes.device)
    # Moved apart, a square of its own for each category.
    side = boxes.max() + torch.tensor(1).to(boxes)
    return nms(boxes + (idxs.to(boxes) * side)[:, None], scores, iou_threshold)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """Indices of the boxes whose sides are both at least ``min_size``."""
    wide, high = boxes[:, 2] - boxes[:, 0] >= min_size, boxes[:, 3] - boxes[:, 1] >= min_size
    return torch.where(wide & high)[0]


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """The boxes (x1, y1, x2, y2), cut off where they leave an image of ``size`` (height, width)."""
    height, width = size
    x, y = boxes[..., 0::2].clamp(min=0, max=width), boxes[..., 1::2].clamp(min=0, max=height)
    return torch.stack((x, y), dim=boxes.dim()).reshape(boxes.shape)


def _rotated_to_corners(boxes: Tensor) -> Tensor:
    """(cx, cy, w, h, degrees) -> (x1, y1, ..., x4, y4), from the upper left on, clockwise on the screen."""
    cx, cy, w, h, degrees = boxes.unbind(-1)
    angle = torch.deg2rad(degrees)
    cos, sin = torch.cos(angle), torch.sin(angle)
    points: list[Tensor] = []
    for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        dx, dy = sx * w / 2, sy * h / 2
        points += [cx + dx * cos + dy * sin, cy - dx * sin + dy * cos]
    return torch.stack(points, dim=-1)


def _rotated_from_corners(boxes: Tensor) -> Tensor:
    """The way back: what is no rectangle gets the one of its first two sides."""
    x1, y1, x2, y2, x3, y3, x4, y4 = boxes.unbind(-1)
    width = torch.sqrt((x2 - x1) ** 2 + (y2 - y1) ** 2)
    height = torch.sqrt((x3 - x2) ** 2 + (y3 - y2) ** 2)
    angle = torch.rad2deg(torch.atan2(y1 - y2, x2 - x1))
    return torch.stack(((x1 + x3) / 2, (y1 + y3) / 2, width, height, angle), dim=-1)


def _to_xyxy(boxes: Tensor, fmt: str) -> Tensor:
    a, b, c, d = boxes.unbind(-1)
    if fmt == "xywh":
        return torch.stack((a, b, a + c, b + d), dim=-1)
    if fmt == "cxcywh":
        return torch.stack((a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d), dim=-1)
    return boxes


def _from_xyxy(boxes: Tensor, fmt: str) -> Tensor:
    x1, y1, x2, y2 = boxes.unbind(-1)
    if fmt == "xywh":
        return torch.stack((x1, y1, x2 - x1, y2 - y1), dim=-1)
    if fmt == "cxcywh":
        return torch.stack(((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1), dim=-1)
    return boxes


def _rotated_to(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    if in_fmt == "xywhr":  # x, y is the corner that turns with the box
        x, y, w, h, degrees = boxes.unbind(-1)
        angle = torch.deg2rad(degrees)
        cos, sin = torch.cos(angle), torch.sin(angle)
        boxes = torch.stack((x + w / 2 * cos + h / 2 * sin, y - w / 2 * sin + h / 2 * cos, w, h, degrees), dim=-1)
    elif in_fmt == "xyxyxyxy":
        boxes = _rotated_from_corners(boxes)
    if out_fmt == "xyxyxyxy":
        return _rotated_to_corners(boxes)
    if out_fmt == "xywhr":
        cx, cy, w, h, degrees = boxes.unbind(-1)
        angle = torch.deg2rad(degrees)
        cos, sin = torch.cos(angle), torch.sin(angle)
        return torch.stack((cx - w / 2 * cos - h / 2 * sin, cy + w / 2 * sin - h / 2 * cos, w, h, degrees), dim=-1)
    return boxes


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes from one format into another: "xyxy", "xywh", "cxcywh", or of turned boxes "xywhr", "cxcywhr", "xyxyxyxy".

    >>> box_convert(torch.tensor([[10.0, 20, 30, 60]]), "xyxy", "cxcywh")
    tensor([[20., 40., 20., 40.]])
    """
    plain, turned = ("xyxy", "xywh", "cxcywh"), ("xywhr", "cxcywhr", "xyxyxyxy")
    if not ((in_fmt in plain and out_fmt in plain) or (in_fmt in turned and out_fmt in turned)):
        raise ValueError(
            f"Unsupported Bounding Box Conversions for given in_fmt and out_fmt, got {in_fmt} and {out_fmt}; "
            f"expected two of {plain}, or two of {turned}"
        )
    if in_fmt == out_fmt:
        return boxes.clone()
    if in_fmt in turned:
        return _rotated_to(boxes, in_fmt, out_fmt)
    return _from_xyxy(_to_xyxy(boxes, in_fmt), out_fmt)


def _wide(t: Tensor) -> Tensor:
    """In a type that products of sides fit into."""
    if t.is_floating_point():
        return t if t.dtype in (torch.float32, torch.float64) else t.float()
    return t if t.dtype in (torch.int32, torch.int64) else t.int()


def _check_format(fmt: str) -> None:
    if fmt not in ("xyxy", "xywh", "cxcywh"):
        raise ValueError(f"Unsupported Box Area/IoU Calculation for given format {fmt}; expected xyxy, xywh or cxcywh")


def box_area(boxes: Tensor, fmt: str = "xyxy") -> Tensor:
    """The area of each box.

    >>> box_area(torch.tensor([[0.0, 0, 2, 3]]))
    tensor([6.])
    """
    _check_format(fmt)
    boxes = _wide(boxes)
    if fmt == "xyxy":
        return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return boxes[..., 2] * boxes[..., 3]


def _intersection_union(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> tuple[Tensor, Tensor]:
    areas = box_area(boxes1, fmt)[..., None] + box_area(boxes2, fmt)[..., None, :]
    boxes1, boxes2 = _to_xyxy(boxes1, fmt), _to_xyxy(boxes2, fmt)
    low = torch.max(boxes1[..., None, :2], boxes2[..., None, :, :2])
    high = torch.min(boxes1[..., None, 2:], boxes2[..., None, :, 2:])
    sides = _wide(high - low).clamp(min=0)
    inside = sides[..., 0] * sides[..., 1]
    return inside, areas - inside


def box_iou(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> Tensor:
    """The area that two boxes share over that of their union, for each pair: ``(N, 4), (M, 4) -> (N, M)``.

    >>> box_iou(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[1.0, 0, 3, 2], [5, 5, 6, 6]]))
    tensor([[0.3333, 0.0000]])
    """
    _check_format(fmt)
    inside, union = _intersection_union(boxes1, boxes2, fmt)
    return inside / union


def _hull_sides(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """The sides of the smallest box around each pair."""
    low = torch.min(boxes1[..., None, :2], boxes2[..., None, :, :2])
    high = torch.max(boxes1[..., None, 2:], boxes2[..., None, :, 2:])
    return _wide(high - low).clamp(min=0)


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """:func:`box_iou`, less the share of the smallest box around both that belongs to neither."""
    inside, union = _intersection_union(boxes1, boxes2)
    sides = _hull_sides(boxes1, boxes2)
    hull = sides[..., 0] * sides[..., 1]
    return inside / union - (hull - union) / hull


def _distance_iou(boxes1: Tensor, boxes2: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    iou = box_iou(boxes1, boxes2)
    diagonal = (_hull_sides(boxes1, boxes2) ** 2).sum(-1) + eps
    centre1, centre2 = (boxes1[..., :2] + boxes1[..., 2:]) / 2, (boxes2[..., :2] + boxes2[..., 2:]) / 2
    apart = (_wide(centre1[..., None, :] - centre2[..., None, :, :]) ** 2).sum(-1)
    return iou - apart / diagonal, iou


def distance_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """:func:`box_iou`, less the squared distance of the centres over the squared diagonal of the box around both."""
    return _distance_iou(_wide(boxes1), _wide(boxes2), eps)[0]


def complete_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """:func:`distance_box_iou`, less a term for sides of different proportions."""
    boxes1, boxes2 = _wide(boxes1), _wide(boxes2)
    distance, iou = _distance_iou(boxes1, boxes2, eps)
    slant1 = torch.atan((boxes1[..., 2] - boxes1[..., 0]) / (boxes1[..., 3] - boxes1[..., 1]))
    slant2 = torch.atan((boxes2[..., 2] - boxes2[..., 0]) / (boxes2[..., 3] - boxes2[..., 1]))
    v = (4 / torch.pi**2) * (slant1[..., None] - slant2[..., None, :]) ** 2
    with torch.no_grad():
        alpha = v / (1 - iou + v + eps)
    return distance - alpha * v


def masks_to_boxes(masks: Tensor) -> Tensor:
    """The smallest box (x1, y1, x2, y2) around what is not zero in each mask: ``(N, H, W) -> (N, 4)``.

    >>> mask = torch.zeros(1, 5, 5)
    >>> mask[0, 1:3, 2] = 1
    >>> masks_to_boxes(mask)
    tensor([[2., 1., 2., 2.]])
    """
    if masks.numel() == 0:
        return torch.zeros((0, 4), device=masks.device, dtype=torch.float)
    boxes = torch.zeros((masks.shape[0], 4), device=masks.device, dtype=torch.float)
    for i, mask in enumerate(masks):
        y, x = torch.where(mask != 0)
        if y.numel():
            boxes[i] = torch.stack((x.min(), y.min(), x.max(), y.max())).float()
    return boxes
